// Makes the calls of the API: what is sent, when it is sent again, and how long that is waited for.

import * as answers from "./answers.js";
import {
  BusyError,
  ConfigurationError,
  InvalidOutcomeError,
  NoAnswerError,
  OutcomesError,
  StillAddingUpError,
} from "./errors.js";
import { isNumber, stringify } from "./json.js";
import type * as models from "./models.js";

/**
 * How long and how often to try, in seconds.
 *
 * `deadline` bounds one call with all its retries (`recordMany`: each of its batches); `timeout` one try. Between tries the
 * client waits a random time from 0 to `first`, then 2, 4, 8 ... times that, at most `longest`, added to what `Retry-After` asks
 * ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 *
 * A first summary of a long history may take longer: each answer that the API is still adding up is progress, from which
 * `deadline` counts anew, until the call has taken `addingUp`, or `deadline` where that is longer.
 */
export interface Retry {
  deadline: number;
  timeout: number;
  first: number;
  longest: number;
  addingUp: number;
}

export interface ClientOptions {
  /** The API's base URL, stage included; `OUTCOMES_URL` unless given, in a page the page's own host. */
  url?: string | undefined;
  /** For recording, an agent's or the platform's; `INTERNAL_API_KEY` unless given. Never put one into a page. */
  apiKey?: string | undefined;
  /** The same by its name of before. */
  key?: string | undefined;
  /**
   * The session's cookie as `name=value`, for reading, and for recording without a key; `OUTCOMES_COOKIE` unless given. In a page,
   * true: the browser sends its own.
   */
  cookie?: string | true | undefined;
  /** For outcomes that name none; `OUTCOMES_AGENT_ID` unless given. */
  agentId?: number | undefined;
  /** For outcomes that name none; `OUTCOMES_USER_ID` unless given. */
  userId?: number | undefined;
  /** Where it is given, what it leaves out is as by default: 60, 30, 0.2, 10 and 600 s. Else `OUTCOMES_DEADLINE` is the deadline. */
  retry?: Partial<Retry> | undefined;
  /** Sends key and cookie also to an `http://` address of another machine; whether `OUTCOMES_ALLOW_HTTP` is 1 unless given. */
  allowHttp?: boolean | undefined;
  /** Instead of the platform's own. */
  fetch?: typeof fetch | undefined;
  /** Hears why a call takes longer, and of what was recorded otherwise than it was meant; console.warn unless given. */
  warn?: ((notice: string) => void) | undefined;
}

interface Request {
  method?: "POST" | "DELETE";
  /** Below the API's base. */
  path: string;
  query?: string;
  headers?: Record<string, string>;
  body?: string;
  by: "session" | "key";
  /** Whether the path names something by its id, which may not be there. */
  named?: boolean;
}

type Body = Record<string, unknown>;
type Item = { body: Body; text: string; result?: models.Result };
type Read<T> = (reply: answers.Reply) => T;
type Asked = Omit<models.ListOptions & models.SummaryOptions, "cursor"> & {
  cursor?: string | null | undefined;
  format?: string;
  userId?: number | undefined;
};

const PATH = "/api/outcomes";
const KEYS_PATH = "/api/keys";
const BATCH_ITEMS = 100;
const BATCH_BYTES = 2 ** 20 - '{"outcomes":[]}'.length + 1; // each item with a comma, one of which is not sent
const LONGEST_TIMER = 2e9; // milliseconds; one of 2 ** 31 or more would end at once
const LONGEST_ANSWER = 2 ** 24; // bytes; Lambda's own limit is 6 MB; what is longer is not from this API
/** Addresses to which nothing goes in the clear over a network. */
const SAFE = /^https:|^http:\/\/(([a-z\d.-]+\.)?localhost|127(\.\d{1,3}){3}|\[::1\])(:\d*)?(\/|$)/i;
const UNSENT = /REFUSED|NOTFOUND|AGAIN|CONNECT_T/; // nobody can have seen the request

/**
 * Records outcomes and reads them back.
 *
 * Every method sends before it answers and buffers nothing: what it answered for is recorded. All reject with an
 * `OutcomesError`, or with the reason of their `signal`.
 */
export class OutcomesClient {
  // Private to the language, so that nothing that shows an object shows a key.
  readonly #options: ClientOptions;
  readonly #url: string;
  readonly #key: string | undefined;
  readonly #cookie: string | true | undefined;
  readonly #agentId: number | undefined;
  readonly #userId: number | undefined;
  readonly #retry: Retry;
  readonly #secrets: string[];
  /** Whose outcomes are recorded: the session's user's, the agent key's, or whoever's the body names. */
  readonly #owner: "session" | "agent" | "body";

  constructor(options: ClientOptions = {}) {
    const env = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env ?? {};
    const setting = (name: keyof ClientOptions, variable: string, form: RegExp, otherwise?: string) => {
      // As text: a user that is 0 or NaN must not become the environment's.
      const value = options[name] === true || `${options[name] ?? ""}` || env[variable] || otherwise;
      // A header value that HTTP cannot carry would come back, whole, in the text of an error.
      if ((value ?? true) !== true && !form.test(value as string)) {
        throw new ConfigurationError(`${variable} must match ${form}`);
      }
      return value as string | undefined;
    };
    const number = (name: keyof ClientOptions, variable: string): number | undefined =>
      +(setting(name, variable, /^(?=.*[1-9])\d{1,16}(\.\d+)?$/) ?? 0) || undefined;
    const url = setting(
      "url",
      "OUTCOMES_URL",
      /^https?:\/\/[^\s/@?#]+(\/[^\s?#]*)?$/,
      globalThis.location?.origin ?? "",
    );
    this.#options = options;
    this.#url = (url as string).replace(/(\/api\/outcomes)?\/*$/, "");
    this.#key = setting(options.apiKey ? "apiKey" : "key", "INTERNAL_API_KEY", /^[!-~]+$/);
    this.#cookie = setting("cookie", "OUTCOMES_COOKIE", /^[ -~]+=[ -~]+$/);
    const secrets = [this.#key, this.#cookie].filter((secret) => typeof secret === "string");
    if (secrets[0] && !(options.allowHttp ?? env.OUTCOMES_ALLOW_HTTP === "1") && !SAFE.test(this.#url)) {
      throw new ConfigurationError("OUTCOMES_URL must be https, or OUTCOMES_ALLOW_HTTP 1");
    }
    this.#secrets = secrets
      .flatMap((secret) => [secret, ...secret.split(/(?:^|; )[^=]*=/)]) // of a cookie, also its value
      .filter((secret) => secret.length > 5) // what is shorter stands in any text
      .map(plain);
    this.#agentId = number("agentId", "OUTCOMES_AGENT_ID");
    this.#userId = number("userId", "OUTCOMES_USER_ID");
    const deadline = (options.retry ? 0 : number("retry", "OUTCOMES_DEADLINE")) || 60;
    this.#retry = { deadline, timeout: 30, first: 0.2, longest: 10, addingUp: 600, ...options.retry };
    const ofAgent = /^oc_\w{16}_\w{38}$/.test(this.#key ?? "");
    this.#owner = ofAgent ? "agent" : this.#key || !this.#cookie ? "body" : "session";
  }

  /** Records one outcome, once, however often it must be sent. An error's `idempotencyKey` is what to call again with. */
  async record(
    outcomeType: models.OutcomeType,
    title: string,
    { signal, idempotencyKey, ...fields }: Omit<models.NewOutcome, "outcomeType" | "title"> & models.CallOptions = {},
  ): Promise<models.Recorded> {
    const body = this.#completed({ outcomeType, title, ...fields });
    const recorded = await this.#keyed(body, answers.recorded, { idempotencyKey, signal });
    this.#tell([recorded]);
    return recorded;
  }

  /**
   * Records any number, in batches; one result for each, in order. A bad item never sinks the others.
   *
   * Rejects only when a whole batch fails (no answer, no access); the error's `results` then tells item by item what is known.
   */
  async recordMany(
    outcomes: Iterable<models.NewOutcome>,
    { signal }: models.CallOptions = {},
  ): Promise<models.Result[]> {
    const items = Array.from(outcomes, (outcome): Item => {
      const body = this.#completed({ ...outcome });
      body.idempotencyKey ??= crypto.randomUUID();
      return { body, text: "" };
    });
    const judge = (item: Item, said: Body) => {
      item.result = answers.result(said, item.body.idempotencyKey);
    };
    const batches: Item[][] = [];
    let room = 0;
    let last: Item[] = [];
    for (const item of items) {
      try {
        item.text = encode(item.body);
        const bytes = new TextEncoder().encode(item.text).length + 1; // its comma
        if (bytes > BATCH_BYTES) {
          judge(item, { status: "invalid", error: "Payload too large" });
          continue;
        }
        if (bytes > room || last.length === BATCH_ITEMS) {
          last = [];
          batches.push(last);
          room = BATCH_BYTES;
        }
        last.push(item);
        room -= bytes;
      } catch (refused) {
        const { error, details } = refused as OutcomesError;
        judge(item, { status: "invalid", error, details });
      }
    }
    const results = () => items.map(({ result }) => result as models.Result);
    try {
      for (let batch of batches) {
        const text = () => `{"outcomes":[${batch.map((item) => item.text)}]}`;
        const request: Request = { method: "POST", path: `${PATH}/batch`, body: text(), by: this.#recorder };
        try {
          // Sends until none is left that could still succeed in time.
          await this.#exchange(request, signal, (reply) => {
            const of = batch.length;
            const keys = batch.map(({ body }) => body.idempotencyKey);
            const answered = answers.results(reply, keys);
            for (const item of batch) item.result = answered.shift() as models.Result;
            batch = batch.filter(({ result }) => result?.retryable);
            if (!batch[0]) return;
            request.body = text();
            const why = `${batch.length} of ${of} outcomes not taken yet: ${batch[0].result?.error}`;
            throw new OutcomesError(why, { retryable: true });
          });
        } catch (failure) {
          // The results of the try before still stand: not recorded yet, may be sent again.
          if (!batch[0]?.result || !(failure as OutcomesError).retryable) throw failure;
        }
      }
    } catch (failure) {
      if (failure instanceof OutcomesError) {
        const { message: error, retryable } = failure;
        for (const item of items) item.result ?? judge(item, { status: "failed", error, retryable });
        failure.results = results();
      }
      throw failure;
    }
    this.#tell(results().filter(({ ok }) => ok));
    return results();
  }

  /**
   * Lists one page of the session's outcomes, newest first.
   *
   * A page may hold fewer than `limit` while `nextCursor` says that there are more.
   */
  async list(options: models.ListOptions = {}): Promise<models.Page> {
    return this.#read(PATH, options, answers.page);
  }

  /** Yields every outcome of the session, newest first; pages are read as they are needed. */
  async *iterate(filters: models.IterateOptions = {}): AsyncGenerator<models.Outcome, void> {
    for await (const { outcomes } of this.#parts(PATH, { ...filters, limit: 50 }, answers.page)) yield* outcomes;
  }

  /**
   * Yields the parts of a file of all outcomes of the session that are not void, newest first, as they are read.
   *
   * Their texts, one after the other, are the file: CSV (RFC 4180, with a heading, safe for spreadsheets), or NDJSON.
   */
  export(
    format: "csv" | "ndjson" = "csv",
    options: models.ExportOptions = {},
  ): AsyncGenerator<models.ExportPart, void> {
    const type = format === "csv" ? "text/csv" : "application/x-ndjson";
    const headers = { Accept: `${type}, application/json` };
    return this.#parts(`${PATH}/export`, { ...options, format }, (reply) => answers.exportPart(reply, type), headers);
  }

  async *#parts<T extends { nextCursor: string | null }>(
    path: string,
    options: Asked,
    read: Read<T>,
    headers = {},
  ): AsyncGenerator<T, void> {
    let { cursor } = options;
    do {
      const part: T = await this.#read(path, { ...options, cursor }, read, { headers });
      yield part;
      cursor = part.nextCursor;
    } while (cursor !== null);
  }

  /**
   * Sums up the session's outcomes by when they happened, exactly; unless said, the last 30 days in UTC.
   *
   * A first look at a long history takes longer; see `Retry`.
   */
  async summary(options: models.SummaryOptions = {}): Promise<models.Summary> {
    return this.#read(`${PATH}/summary`, options, answers.summary);
  }

  /** Reads one outcome of the session with its corrections. */
  async get(outcomeId: string, options: models.CallOptions = {}): Promise<models.History> {
    return this.#read(`${PATH}/${encodeURIComponent(outcomeId)}`, options, answers.history, { named: true });
  }

  /**
   * Puts an outcome right: what was recorded stays in its history, and `changes` count from now on.
   *
   * By the platform's key (`userId` says whose outcome it is), by an agent key with the scope `correct`, or by a session what a
   * session recorded. `reason` is for the owner to read. ConflictError: it is void.
   */
  async amend(
    outcomeId: string,
    reason: string,
    changes: models.Changes,
    options?: models.CorrectOfUserOptions,
  ): Promise<models.Corrected> {
    return this.#correct("amend", this.#recorder, outcomeId, reason, options, { ...changes });
  }

  /** Takes an outcome back, for good; who may is as for `amend`. */
  async void(outcomeId: string, reason: string, options?: models.CorrectOfUserOptions): Promise<models.Corrected> {
    return this.#correct("void", this.#recorder, outcomeId, reason, options);
  }

  /** Says as its owner, by the session, that an outcome that a key recorded is right. */
  async confirm(outcomeId: string, reason?: string | null, options?: models.CorrectOptions): Promise<models.Corrected> {
    return this.#correct("confirm", "session", outcomeId, reason, options);
  }

  /** Says as its owner, by the session, that an outcome is not right; it then counts no longer. */
  async dispute(outcomeId: string, reason: string, options?: models.CorrectOptions): Promise<models.Corrected> {
    return this.#correct("dispute", "session", outcomeId, reason, options);
  }

  /** Dismisses a dispute, by the platform's key; `userId` says whose outcome it is. */
  async uphold(outcomeId: string, reason: string, options?: models.CorrectOfUserOptions): Promise<models.Corrected> {
    return this.#correct("uphold", "key", outcomeId, reason, options);
  }

  async #correct(
    type: models.CorrectionType,
    by: "session" | "key",
    outcomeId: string,
    reason: string | null | undefined,
    options: models.CorrectOfUserOptions = {},
    changes?: Body,
  ): Promise<models.Corrected> {
    const owners = type === "confirm" || type === "dispute";
    const body = { type, reason: reason ?? undefined, userId: owners ? undefined : this.#whose(options), changes };
    const path = `/${encodeURIComponent(outcomeId)}/corrections`;
    const corrected = await this.#keyed(body, answers.corrected, options, path, { by, named: true });
    this.#tell([corrected], "Corrected");
    return corrected;
  }

  /**
   * Makes a key for one agent, by a session for its own user, by the platform's key for `userId`. Its text, `key`, is told this
   * once.
   *
   * A lost answer may have made a key that nobody has, so nothing is sent again where that can be (`retryable` is then false):
   * look into `listKeys`, and revoke it.
   */
  async createKey(name: string, options: models.CreateKeyOptions = {}): Promise<models.NewAgentKey> {
    const { outcomeTypes } = options;
    const types = outcomeTypes && [outcomeTypes].flat();
    return this.#manage(answers.newKey, options, "POST", "", { name, ...options, outcomeTypes: types });
  }

  /** Lists a user's live agent keys, newest first; who may ask, and of whom, is as for `createKey`. */
  async listKeys(options: models.KeyOptions = {}): Promise<models.AgentKey[]> {
    return this.#manage(answers.keys, options);
  }

  /**
   * Gives a key a new text; the one before works for `overlapHours` more.
   *
   * A lost answer may have rotated it, and another rotation would end the text that agents have: so nothing is sent again. Make a
   * new key, or let the overlap run out first.
   */
  async rotateKey(keyId: string, options: models.RotateKeyOptions = {}): Promise<models.NewAgentKey> {
    return this.#manage(answers.newKey, options, "POST", `/${encodeURIComponent(keyId)}/rotate`, options);
  }

  /** Ends a key with all its texts, from the next call on; one that is gone already is well as it is. */
  async revokeKey(keyId: string, options: models.KeyOptions = {}): Promise<void> {
    return this.#manage(answers.revoked, options, "DELETE", `/${encodeURIComponent(keyId)}`);
  }

  /** Asks what the agent key, with which this client records, may do. */
  async ownKey(options: models.CallOptions = {}): Promise<models.AgentKey> {
    if (this.#owner !== "agent") throw new ConfigurationError("It needs an agent key");
    return this.#read(`${KEYS_PATH}/self`, options, answers.key, { by: "key" });
  }

  /**
   * Manages keys: by the platform's key for the user that is named, else by the session for its own. An agent key manages none.
   *
   * A new key whose answer was lost may be there, and is not asked for again.
   */
  #manage<T>(
    read: Read<T>,
    options: models.KeyOptions,
    method?: "POST" | "DELETE",
    below = "",
    wanted?: object,
  ): Promise<T> {
    const userId = this.#whose(options);
    const nobodys = !userId && this.#owner === "body";
    const by = this.#key && !(this.#cookie && (nobodys || this.#owner === "agent")) ? "key" : "session";
    if (nobodys && by === "key") throw new ConfigurationError("Whose keys? It needs a userId");
    const what = wanted ? { body: encode({ ...wanted, userId, signal: undefined }) } : { query: queryOf({ userId }) };
    const request: Request = { path: KEYS_PATH + below, ...(method && { method }), ...what, by, named: true };
    return this.#exchange(request, options.signal, read, !wanted);
  }

  #read<T>(path: string, options: Asked, read: Read<T>, how?: Partial<Request>): Promise<T> {
    return this.#exchange({ path, query: queryOf(options), by: "session", ...how }, options.signal, read);
  }

  /** Posts a body under an idempotency key, which an error then carries. */
  async #keyed<T>(
    body: Body,
    read: (reply: answers.Reply, key: string) => T,
    { idempotencyKey, signal }: { idempotencyKey?: string | null | undefined } & models.CallOptions,
    below = "",
    how?: Partial<Request>,
  ): Promise<T> {
    const key = idempotencyKey ?? crypto.randomUUID();
    if (!/^[!-~]{1,255}$/.test(key)) throw invalid("Idempotency-Key");
    const headers = { "Idempotency-Key": key };
    const request: Request = {
      method: "POST",
      path: PATH + below,
      headers,
      body: encode(body),
      by: this.#recorder,
      ...how,
    };
    try {
      return await this.#exchange(request, signal, (reply) => read(reply, key));
    } catch (failure) {
      if (failure instanceof OutcomesError) failure.idempotencyKey = key;
      throw failure;
    }
  }

  /** Leaves nothing of a text of a server that echoes the key or a cookie, as it is or as JSON or a URL writes it. */
  #hide = <T>(said: T): T | string =>
    typeof said === "string" && this.#secrets.some((secret) => plain(said).includes(secret)) ? "***" : said;

  /** What records and corrects. */
  get #recorder(): "session" | "key" {
    return this.#key || !this.#cookie ? "key" : "session";
  }

  /** Adds to a body what it does not say. */
  #completed(body: Body): Body {
    if (body.agentId === undefined) body.agentId = this.#agentId;
    if (body.userId === undefined && this.#owner !== "session") body.userId = this.#userId;
    return body;
  }

  /** Whose keys or outcome the platform means. A session's are its user's: another would change nothing. */
  #whose({ userId }: models.KeyOptions): number | undefined {
    return userId ?? (this.#owner === "body" ? this.#userId : undefined);
  }

  /** Warns of outcomes that are of no user, and of fields that were not read. */
  #tell(done: { unassigned?: boolean; ignoredFields: string[] }[], what = "Recorded"): void {
    const unread = [...new Set(done.flatMap(({ ignoredFields }) => ignoredFields))].join(", ");
    if (done.some(({ unassigned }) => unassigned)) this.#warn(`${what} for no user, which is in nobody's feed`);
    if (unread) this.#warn(`${what}, but the API did not read ${unread}`);
  }

  #warn(notice: string): void {
    (this.#options.warn ?? console.warn)(`${this.#url}: ${notice}`);
  }

  /**
   * Sends until the answer can be read, cannot get better, or the deadline is near.
   *
   * `repeatable`: to send it twice is as good as once. Else it is sent again only where it is known that nothing was done.
   */
  async #exchange<T>(request: Request, signal: AbortSignal | undefined, read: Read<T>, repeatable = true): Promise<T> {
    const { deadline, timeout, first, longest, addingUp } = this.#retry;
    const byKey = request.by === "key";
    const secret = byKey ? this.#key : this.#cookie;
    const credential = byKey ? `the ${this.#owner === "agent" ? "agent " : ""}key` : "the session";
    if (!secret) throw new ConfigurationError(`It needs ${credential}`);
    const began = now();
    let ends = began + deadline;
    let ceiling = first;
    let said = "";
    for (;;) {
      const { path, query = "", headers, named, by, ...rest } = request;
      let failure: OutcomesError;
      try {
        const reply = await within(Math.min(timeout, ends - now()), signal, async (signal) => {
          const response = await (this.#options.fetch ?? fetch)(this.#url + path + query, {
            headers: {
              Accept: "application/json",
              // One at a time: were both sent, a mistyped key would silently record for the session's user.
              ...(byKey ? { Authorization: `Bearer ${secret}` } : secret !== true && { Cookie: secret }),
              ...(rest.body && { "Content-Type": "application/json" }),
              ...headers,
            },
            // Not everywhere, as some platforms refuse what only browsers do.
            ...(this.#cookie === true && { credentials: byKey ? "omit" : "include" }),
            signal,
            redirect: "manual",
            cache: "no-store",
            ...rest,
          });
          const header = (name: string) => this.#hide(response.headers.get(name) ?? "");
          return { status: response.status, header, text: await textOf(response), hide: this.#hide };
        });
        if (!reply) throw new Error("timeout");
        if (reply.status !== 200) throw answers.refusal(reply, credential, named);
        return read(reply);
      } catch (error) {
        signal?.throwIfAborted();
        const { message, cause } = error as { message: string; cause?: { code?: unknown } };
        failure =
          error instanceof OutcomesError
            ? error
            : new NoAnswerError(`No answer from the Outcomes API: ${this.#hide(cause?.code ?? message)}`);
      }
      if (!repeatable && !(failure instanceof BusyError)) {
        failure.retryable = failure instanceof NoAnswerError && UNSENT.test(failure.message);
      }
      const at = now();
      let last = ends;
      if (failure instanceof StillAddingUpError) {
        // The try came farther than the one before.
        last = began + Math.max(deadline, addingUp);
        ends = Math.min(last, Math.max(ends, at + deadline));
        ceiling = first;
      }
      const seconds = (failure.retryAfter ?? 0) + Math.random() * ceiling;
      ceiling = Math.min(longest, ceiling * 2);
      // A try in the last moments could only time out, and hide the reason of the one before.
      if (!failure.retryable || ends - at - seconds < timeout / 10) throw failure;
      if (failure.message !== said)
        this.#warn(`${failure.message}. Trying again, for at most ${Math.ceil(last - at)} s`);
      said = failure.message;
      await within(seconds, signal, () => new Promise(() => {}));
    }
  }
}

/** Reads a body up to its end or to what none of this API has. */
async function textOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return response.text();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ; ) {
    const { value } = await reader.read();
    if (!value) return text + decoder.decode();
    size += value.length;
    if (size > LONGEST_ANSWER) throw new Error("the answer is too long");
    text += decoder.decode(value, { stream: true });
  }
}

/** Undoes what JSON and URLs make of a text. */
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/(?:%(?:25)*|\\+u00)([\da-f]{2})|\\+/g, (_, code) => (code ? String.fromCharCode(+`0x${code}`) : ""));

/** Seconds of a clock that nobody sets. */
const now = (): number => performance.now() / 1000;

/** Does `work` until it is done or `seconds` are over, which is undefined; rejects with the signal's reason once that ends it. */
async function within<T>(
  seconds: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  signal?.throwIfAborted();
  const end = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await Promise.race([
      work(end.signal),
      new Promise<undefined>((resolve, reject) => {
        timer = setTimeout(resolve, Math.min(seconds * 1000, LONGEST_TIMER), undefined);
        signal?.addEventListener("abort", () => reject(signal.reason), { signal: end.signal });
      }),
    ]);
  } finally {
    clearTimeout(timer);
    end.abort();
  }
}

/** Says which field cannot be sent. */
function invalid(field: string): InvalidOutcomeError {
  const error = `Invalid ${field}`;
  return new InvalidOutcomeError(error, { error, details: [{ field, message: "must be JSON" }] });
}

/**
 * Writes a body as JSON, amounts that are text as the numbers that they are; other text is left for the API to refuse.
 *
 * Throws an InvalidOutcomeError that names the field that has no JSON form.
 */
const encode = (body: Body): string =>
  `{${Object.entries(body).flatMap(([name, value]) => {
    try {
      if (value === undefined) return [];
      const isAmount = /alueUsd$/.test(name) && isNumber(`${value}`);
      return `${JSON.stringify(name)}:${isAmount ? value : name === "changes" ? encode(value as Body) : stringify(value)}`;
    } catch {
      throw invalid(name);
    }
  })}}`;

/** Writes the parameters that are given, a list as many, by the API's names. */
function queryOf({ signal, start, end, ledger, ...rest }: Asked): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({
    ...rest,
    from: start,
    to: end,
    include: ledger ? "ledger" : undefined,
  })) {
    for (const one of [value ?? []].flat()) query.append(name, (one as Partial<Date>).toISOString?.() ?? `${one}`);
  }
  return `${query}` && `?${query}`;
}
