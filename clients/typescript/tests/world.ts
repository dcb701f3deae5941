// A simulated world for the client: scripted answers, and a clock that advances only with answers and waits.

import { OutcomesClient } from "../src/index.js";

export interface Answer {
  name?: string;
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  /** Seconds until the answer comes. */
  seconds?: number;
}

export interface Seen {
  method: string;
  path: string;
  query: [string, string][];
  headers: Record<string, string>;
  body: string;
  /** All options that were passed to fetch. */
  init: RequestInit;
}

const BLANKS = new Uint8Array(2 ** 20).fill(32);
const HEADERS = ["Accept", "Content-Type", "Authorization", "Cookie", "Idempotency-Key", "If-Match", "If-None-Match"];

export class World {
  readonly requests: Seen[] = [];
  readonly waits: number[] = [];
  readonly timeouts: number[] = [];
  readonly notices: string[] = [];
  #now = 0;
  #timers = new Map<number, [number, () => void]>();
  #inFlight = false;
  #numbers = 0;

  constructor(readonly answers: Answer[]) {}

  /** Runs `act` with this world's clock, randomness and environment. */
  async live<T>(env: Record<string, string>, act: () => Promise<T>): Promise<T> {
    const real = { setTimeout, clearTimeout, now: performance.now, random: Math.random, env: process.env };
    Object.assign(globalThis, {
      setTimeout: this.#setTimeout,
      clearTimeout: (timer: number) => this.#timers.delete(timer),
    });
    performance.now = () => this.#now * 1000;
    Math.random = () => 0.5;
    process.env = env;
    try {
      return await act();
    } finally {
      Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
      performance.now = real.now;
      Math.random = real.random;
      process.env = real.env;
    }
  }

  client(options: ConstructorParameters<typeof OutcomesClient>[0]): OutcomesClient {
    return new OutcomesClient({ ...options, fetch: this.#fetch, warn: (notice) => this.notices.push(notice) });
  }

  #setTimeout = (done: () => void, milliseconds: number): number => {
    const timer = ++this.#numbers;
    this.#timers.set(timer, [milliseconds / 1000, done]);
    // The client is waiting if a timer was set while no request is in flight, and is still set one turn of the event
    // loop later.
    setImmediate(() => {
      if (this.#timers.has(timer) && !this.#inFlight) {
        this.waits.push(milliseconds / 1000);
        this.#pass(milliseconds / 1000);
      }
    });
    return timer;
  };

  /** Advances the clock, and fires the timers that are due. */
  #pass(seconds: number): void {
    this.#now += seconds;
    for (const [timer, [left, done]] of this.#timers) {
      if (left > seconds) this.#timers.set(timer, [left - seconds, done]);
      else if (this.#timers.delete(timer)) done();
    }
  }

  #fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(`${input}`);
    const headers = new Headers(init.headers);
    this.requests.push({
      method: init.method ?? "GET",
      path: url.pathname,
      query: [...url.searchParams].sort(([a, x], [b, y]) => (`${a}=${x}` < `${b}=${y}` ? -1 : 1)),
      headers: Object.fromEntries(
        HEADERS.filter((name) => headers.has(name)).map((name) => [name, `${headers.get(name)}`]),
      ),
      body: `${init.body ?? ""}`,
      init,
    });
    this.#inFlight = true;
    const answer = this.answers.shift();
    if (!answer) throw new Error("one request more than there are answers");
    await new Promise((resolve) => setImmediate(resolve)); // by now the client has set its timeout
    const [timeout] = [...this.#timers.values()].map(([seconds]) => seconds);
    if (timeout === undefined) throw new Error("a request without an end");
    this.timeouts.push(timeout);
    this.#pass(answer.name === "silent" ? timeout : (answer.seconds ?? 0));
    this.#inFlight = answer.name === "endless";
    if (answer.name === "silent" || answer.name === "endless") return new Promise(() => {});
    if (answer.name === "lost") throw new TypeError("fetch failed", { cause: { code: "ECONNRESET" } });
    if (answer.name === "refused") throw new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } });
    const { status = 200, body = "" } = answer;
    const half = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"ok":'));
        controller.error(new TypeError("terminated"));
      },
    });
    const tooLong = new ReadableStream({
      pull(controller) {
        controller.enqueue(BLANKS);
        if (++this.sent > 20) controller.error(new Error("read on"));
      },
      sent: 0,
    } as UnderlyingDefaultSource & { sent: number });
    const stream = { half, "too long": tooLong }[`${answer.name}`];
    return new Response(stream ? stream : status === 204 ? null : body, {
      status,
      headers: { "Content-Type": "", ...answer.headers },
    });
  };
}
