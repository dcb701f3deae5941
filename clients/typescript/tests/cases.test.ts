// Runs the cases shared with the Python client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import table from "../../cases.json" with { type: "json" };
import { Decimal, OutcomesClient, OutcomesError } from "../src/index.js";
import { type Answer, World } from "./world.js";

interface Case {
  name: string;
  kind: string;
  client?: Record<string, unknown>;
  env?: Record<string, string>;
  call?: [string, ...unknown[]];
  answers?: (string | (Answer & { times?: number }))[];
  requests?: Asked[];
  waits?: number[];
  timeouts?: number[];
  notices?: string[];
  result?: unknown;
  error?: Record<string, unknown>;
  text?: string;
  value?: unknown;
  written?: string;
}

interface Asked {
  method: string;
  path: string;
  by: string;
  query?: [string, string][];
  headers?: Record<string, string>;
  body?: unknown;
}

const A_CLIENT = { key: "s3cret-key", cookie: "session=s3cret" };
const A_URL = "https://api.example/v1";
const HELPERS = ["constructor", "manage", "read", "parts", "by", "owner", "whose", "correct", "exchange"];
const NO_ERROR = {
  ...{ status: null, error: null, details: [], retryable: false, retryAfter: null, ignoredFields: [] },
  ...{ idempotencyKey: null, results: [], corrections: [], says: "" },
};
const RANDOM_KEY = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;

const cases = table.cases as unknown as Case[];

const KINDS: Record<string, [says: string[], holds: (one: Case) => Promise<void>]> = {
  call: [["client", "env", "call", "answers", "requests", "waits", "timeouts", "notices", "result", "error"], call],
  settings: [["client", "env", "error"], settings],
  number: [["text", "value", "written"], number],
};

test("every case has a known kind and only fields that are checked", () => {
  for (const { name, kind, ...said } of cases) {
    assert.ok(KINDS[kind], `${name}: ${kind}`);
    for (const word of Object.keys(said)) assert.ok(KINDS[kind][0].includes(word), `${name}: ${word}`);
  }
});

test("every call has a case", () => {
  const calls: string[] = [];
  for (let owner = OutcomesClient.prototype; owner !== Object.prototype; owner = Object.getPrototypeOf(owner)) {
    calls.push(...Object.getOwnPropertyNames(owner).filter((name) => !HELPERS.includes(name)));
  }
  const called = new Set(cases.flatMap((one) => one.call?.[0] ?? []));
  assert.deepEqual([...called].sort(), [...new Set(calls)].sort());
});

test("what cannot be sent is refused with an error of this package, whatever the call", async () => {
  const calls = new Map(cases.flatMap(({ call }) => (call ? [[call[0], call]] : [])));
  for (const [method, ...args] of calls.values())
    for (const wrong of [new Date("soon"), Number.NaN, "\ud800"])
      for (const each of withOne(wrong, args)) {
        const world = new World(Array(9).fill({ status: 400, body: '{"error":"Invalid from"}' }));
        await world.live({}, async () => {
          const client = world.client({ url: A_URL, ...A_CLIENT }) as unknown as Record<string, typeof call>;
          const ended = (async () => {
            const made = await (client[method] as (...of: unknown[]) => unknown)(...(each as unknown[]));
            return isMany(made) && (await listed(made));
          })();
          await ended.catch((error) =>
            assert.ok(error instanceof OutcomesError, `${method}: ${inspect([each, error])}`),
          );
        });
      }
});

/** Yields copies of a value, each with one of its parts replaced. */
function* withOne(wrong: unknown, value: unknown): Generator<unknown> {
  if (typeof value !== "object" || !value) yield wrong;
  else
    for (const [name, item] of Object.entries(value))
      for (const each of withOne(wrong, item))
        yield Object.assign(Array.isArray(value) ? [...value] : { ...value }, { [name]: each });
}

for (const one of cases) test(one.name, () => KINDS[one.kind]?.[1](one));

async function call(one: Case): Promise<void> {
  const answers = (one.answers ?? []).flatMap(answersOf);
  const world = new World([...answers]);
  const [method, ...args] = one.call as [string, ...unknown[]];
  const told: { result?: unknown; error?: unknown } = {};
  await world.live(one.env ?? {}, async () => {
    const { client: options = A_CLIENT } = one;
    const client = world.client(Object.keys(options).length ? { url: A_URL, ...options } : {});
    try {
      const made = (client as unknown as Record<string, (...of: unknown[]) => unknown>)[method]?.(...args.map(given));
      const done = await made;
      told.result = tell(isMany(done) ? await listed(done) : done);
    } catch (error) {
      told.error = tellError(error);
    }
    assert.doesNotMatch(JSON.stringify([told, world.notices]) + inspect(told), /s3cret/);
  });
  assert.deepEqual(world.answers, []);
  const requests = world.requests.map(({ init, ...seen }) => seen);
  const [sent, ended] = named([requests, told]) as [unknown[], unknown];
  if (one.requests)
    like(
      sent,
      one.requests.map((asked) => requested(asked, one)),
    );
  else
    assert.deepEqual(
      sent,
      answers.map(() => sent[0]),
    );
  near(world.waits, one.waits ?? []);
  near(world.timeouts, one.timeouts ?? world.timeouts);
  const notices = world.notices.map((notice) => notice.replace(/^\S+: /, ""));
  const begun = one.notices ?? [];
  assert.deepEqual(
    notices.map((notice, n) => notice.slice(0, begun[n]?.length)),
    begun,
  );
  like(
    ended,
    Object.fromEntries(["result", "error"].filter((name) => name in one).map((name) => [name, one[name as "result"]])),
  );
}

async function settings({ client, env = {}, error }: Case): Promise<void> {
  await new World([]).live(env, async () => {
    try {
      new OutcomesClient(client as { url: string });
      assert.fail("the settings were accepted");
    } catch (failure) {
      assert.doesNotMatch(`${failure}`, /s3cret/);
      like(tellError(failure), error);
    }
  });
}

async function number({ text, value, written = text }: Case): Promise<void> {
  const outcome = {
    ...{ id: "01A", user_id: 42, agent_id: null, outcome_type: "task_complete", title: "x", description: null },
    ...{ value_usd: null, metadata: "@", created_at: "2026-04-01T12:00:00.000Z" },
  };
  const body = JSON.stringify({ outcomes: [outcome], next_cursor: null }).replace('"@"', `{"n":[${text}]}`);
  const world = new World([{ body }, { headers: { "Outcome-Id": "01A" }, body: '{"ok":true}' }]);
  await world.live({}, async () => {
    const client = world.client({ url: A_URL, ...A_CLIENT });
    const { outcomes } = await client.list();
    const metadata = outcomes[0]?.metadata ?? null;
    like(tell(metadata), { n: [value] });
    await client.record("task_complete", "x", { userId: 42, metadata });
    assert.match(`${world.requests[1]?.body}`, new RegExp(`"metadata":{"n":\\[${written?.replace("+", "\\+")}\\]}`));
  });
}

function answersOf(said: string | (Answer & { times?: number })): Answer[] {
  const answer = typeof said === "string" ? { name: said } : said;
  const known = (table.answers as unknown as Record<string, Answer>)[answer.name ?? ""];
  return Array.from({ length: answer.times ?? 1 }, () => ({ ...known, ...answer }));
}

/** Returns an expected request from cases.json, with the headers that the file leaves out. */
function requested(
  { method, path, by, query = [], headers, body = "" }: Asked,
  { client = A_CLIENT as Record<string, unknown>, env = {} }: Case,
) {
  const { apiKey, key = apiKey ?? env.INTERNAL_API_KEY, cookie = env.OUTCOMES_COOKIE } = client;
  const sent = by === "key" ? { Authorization: `Bearer ${key}` } : by === "session" ? { Cookie: cookie } : {};
  const type = body ? { "Content-Type": "application/json" } : {};
  return { method, path, query, headers: { Accept: "application/json", ...type, ...sent, ...headers }, body };
}

/** Converts arguments from cases.json to JavaScript values. */
function given(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(given);
  if (typeof value !== "object" || !value) return value;
  const [[tag, of] = ["", ""]] = Object.entries(value);
  if (tag === "$decimal") return new Decimal(of);
  if (tag === "$integer") return BigInt(of);
  if (tag === "$number") return Number(of);
  if (tag === "$instant") return new Date(of);
  if (tag === "$repeat") return of[0].repeat(of[1]);
  if (tag === "$many") return Array.from({ length: of[1] }, () => of[0]);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, given(item)]));
}

/** Converts a result to the notation of cases.json, such as {"$decimal": "1.5"}. */
function tell(value: unknown): unknown {
  if (value instanceof Decimal) return { $decimal: value.text };
  if (typeof value === "bigint") return { $integer: `${value}` };
  if (Array.isArray(value)) return value.map(tell);
  if (typeof value !== "object" || !value) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, tell(item)]));
}

function tellError(error: unknown): Record<string, unknown> {
  if (!(error instanceof OutcomesError)) throw error;
  const { name: kind, message: says, retryable } = error;
  return { ...NO_ERROR, ...(tell({ ...error }) as object), kind, says, retryable };
}

const isMany = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

async function listed(many: AsyncIterable<unknown>): Promise<unknown[]> {
  const all = [];
  for await (const one of many) all.push(one);
  return all;
}

/** Replaces random idempotency keys by $uuid1, $uuid2 and so on, in order of appearance. */
function named(value: unknown): unknown {
  const names: string[] = [];
  const text = JSON.stringify(value).replace(RANDOM_KEY, (key) => {
    if (!names.includes(key)) names.push(key);
    return `$uuid${names.indexOf(key) + 1}`;
  });
  return JSON.parse(text);
}

function near(seen: number[], expected: number[]): void {
  const rounded = (numbers: number[]) => numbers.map((seconds) => Math.round(seconds * 1000) / 1000);
  assert.deepEqual(rounded(seen), rounded(expected));
}

/** Asserts that a value matches the expected value from cases.json. "any" matches every value. */
function like(seen: unknown, expected: unknown): void {
  assert.deepEqual(seen, filled(seen, expected));
}

function filled(seen: unknown, expected: unknown): unknown {
  if (expected === "any") return seen;
  if (Array.isArray(expected)) return expected.map((one, n) => filled(Array.isArray(seen) ? seen[n] : undefined, one));
  if (typeof expected !== "object" || !expected) return expected;
  const of = Object(seen);
  if ("$length" in expected) return of.length === expected.$length ? seen : expected;
  // A later field is null in an outcome of an older API.
  const unset = "recordedBy" in expected ? Object.entries(of).filter(([, value]) => value === null) : [];
  const all: Record<string, unknown> = "kind" in expected ? { ...NO_ERROR, ...expected } : { ...expected };
  if ("kind" in all && `${of.says}`.includes(`${all.says}`)) all.says = of.says;
  // Uses fromEntries instead of a literal, because one property is called __proto__.
  return Object.fromEntries([...unset, ...Object.entries(all)].map(([name, one]) => [name, filled(of[name], one)]));
}
