// The client: requests, retries and timeouts.

import * as answers from "./answers.js";
import {
  BusyError,
  ConfigurationError,
  InvalidOutcomeError,
  InvalidRequestError,
  NoAnswerError,
  OutcomesError,
  StillAddingUpError,
} from "./errors.js";
import { isNumber, stringify } from "./json.js";
import type * as models from "./models.js";
import * as readers from "./readers.js";

/**
 * Time limits of a call, and exponential backoff between its tries, in seconds.
 *
 * `deadline` limits one call with all its retries (for `recordMany`, each batch). `timeout` limits one try.
 *
 * Before the first retry, the client waits a random time from 0 to `first`. This maximum doubles with each retry, up to
 * `longest` ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). If the answer
 * has the header `Retry-After`, the client waits that much longer. It does not retry if the wait would leave a tenth or
 * less of the time until the deadline.
 *
 * The first summary of a long history may take longer. Each 503 `Still adding up` means progress, and restarts the time
 * of `deadline`. In total, the call takes at most `addingUp` or `deadline`, whichever is longer.
 */
export interface Retry {
  deadline: number;
  timeout: number;
  first: number;
  longest: number;
  addingUp: number;
}

export interface ClientOptions {
  /** The API's base URL, including the stage; default `OUTCOMES_URL`, or in a page the page's own host. */
  url?: string | undefined;
  /** An agent's or the platform's key, for recording; default `INTERNAL_API_KEY`. Never put a key into a page. */
  apiKey?: string | undefined;
  /** The former name of `apiKey`. */
  key?: string | undefined;
  /**
   * The session's cookie as `name=value`, for reading, and for recording if there is no key; default `OUTCOMES_COOKIE`. In a
   * page, use true: the browser sends its own cookie.
   */
  cookie?: string | true | undefined;
  /** The agent of outcomes that have no `agentId`; default `OUTCOMES_AGENT_ID`. */
  agentId?: number | undefined;
  /** The user of outcomes that have no `userId`; default `OUTCOMES_USER_ID`. */
  userId?: number | undefined;
  /**
   * Defaults: `deadline` 60, `timeout` 30, `first` 0.2, `longest` 10, `addingUp` 600 s. Without `retry`,
   * `OUTCOMES_DEADLINE` sets the deadline.
   */
  retry?: { [Limit in keyof Retry]?: Retry[Limit] | undefined } | undefined;
  /** Allows sending key and cookie unencrypted to another machine; default: whether `OUTCOMES_ALLOW_HTTP` is 1. */
  allowHttp?: boolean | undefined;
  /** A function that replaces the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Receives a warning if a call is retried, a field was ignored, or an outcome has no user; default console.warn. */
  warn?: ((notice: string) => void) | undefined;
}

export interface Request {
  method?: "POST" | "PUT" | "DELETE" | undefined;
  /** The path below the API's base URL. */
  path: string;
  query?: string;
  headers?: Record<string, string>;
  body?: string;
  /** The credential to send, or "" for none. */
  by: "session" | "key" | "";
  /** Whether the path contains an id, so that a 404 means that the id does not exist. */
  named?: boolean;
}

type Body = Record<string, unknown>;
type Item = { body: Body; text: string; result?: models.Result };
type Read<T> = (reply: answers.Reply) => T;
export type Asked = Omit<models.ListOptions & models.SummaryOptions, "cursor"> & {
  cursor?: string | null | undefined;
  format?: string;
} & { [Part in "counts" | "cost" | "definition" | "versions"]?: boolean | undefined };

// Numbers and paths that are used once are written where they are used: a page loads each name.
const PATH = "/api/outcomes";
const BATCH_BYTES = 2 ** 20 - 14; // less 15 bytes of {"outcomes":[]}; plus 1, because the last item has no comma
/** Matches URLs that use TLS or point to this machine. */
const SAFE = /^https:|^http:\/\/(([a-z\d.-]+\.)?localhost|127(\.\d{1,3}){3}|\[::1\])(:\d*)?(\/|$)/i;

/**
 * Records outcomes and reads them back.
 *
 * Nothing is buffered: when `record` resolves, the outcome is recorded. All methods reject with an `OutcomesError`, or with
 * the reason of their `signal`.
 */
export class OutcomesClient {
  // Private fields (#), so that no inspection or log shows the key.
  readonly #options: ClientOptions;
  readonly #url: string;
  readonly #key: string | undefined;
  readonly #cookie: string | true | undefined;
  readonly #agentId: number | undefined;
  readonly #userId: number | undefined;
  readonly #deadline: number;
  readonly #secrets: string[];

  constructor(options: ClientOptions = {}) {
    const env = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env ?? {};
    const setting = (name: keyof ClientOptions, variable: string, form: RegExp, otherwise?: string) => {
      // Convert the option to text, so that 0 or NaN does not fall back to the environment variable.
      const value = options[name] === true || `${options[name] ?? ""}` || env[variable] || otherwise;
      // fetch would quote an invalid header value, which is a secret, in its error.
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
    this.#cookie = setting("cookie", "OUTCOMES_COOKIE", /^[!-9;-~]+=[ -~]+$/);
    const secrets = [this.#key, this.#cookie].filter((secret) => typeof secret === "string");
    if (secrets[0] && !(options.allowHttp ?? env.OUTCOMES_ALLOW_HTTP === "1") && !SAFE.test(this.#url)) {
      throw new ConfigurationError("OUTCOMES_URL must be https, or OUTCOMES_ALLOW_HTTP 1");
    }
    this.#secrets = secrets
      .flatMap((secret) => [secret, ...secret.split(/(?:^|; )[^=]*=/)]) // also each value of a cookie
      .filter((secret) => secret.length > 5) // shorter secrets could occur in any text
      .map(plain);
    this.#agentId = number("agentId", "OUTCOMES_AGENT_ID");
    this.#userId = number("userId", "OUTCOMES_USER_ID");
    this.#deadline = (options.retry ? 0 : number("retry", "OUTCOMES_DEADLINE")) || 60;
  }

  /** Records one outcome, once, even if it is sent several times. After an error, call again with its `idempotencyKey`. */
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
   * Records any number of outcomes in batches; returns one result per item, in order. Items fail independently.
   *
   * Rejects only if a whole batch fails (no answer, no access). The error's `results` then contains the known result of
   * each item.
   */
  async recordMany(
    outcomes: Iterable<models.NewOutcome>,
    { signal }: models.CallOptions = {},
  ): Promise<models.Result[]> {
    // Array.from would take an object that is no list for an empty one.
    const items = [...outcomes].map((outcome): Item => {
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
        const bytes = new TextEncoder().encode(item.text).length + 1; // plus its comma
        if (bytes > BATCH_BYTES) {
          throw { error: "Payload too large" };
        }
        if (bytes > room || last.length === 100) {
          last = [];
          batches.push(last);
          room = BATCH_BYTES;
        }
        last.push(item);
        room -= bytes;
      } catch (refused) {
        judge(item, { ...(refused as OutcomesError), status: "invalid" });
      }
    }
    const results = () => items.map(({ result }) => result as models.Result);
    try {
      for (let batch of batches) {
        const request: Request = {
          method: "POST",
          path: `${PATH}/batch`,
          by: this.by,
          get body() {
            return `{"outcomes":[${batch.map((item) => item.text)}]}`;
          },
        };
        try {
          // Retries until all items are done or none can still succeed in time.
          await this.exchange(request, signal, (reply) => {
            const of = batch.length;
            const keys = batch.map(({ body }) => body.idempotencyKey);
            const answered = answers.results(reply, keys);
            for (const item of batch) item.result = answered.shift() as models.Result;
            batch = batch.filter(({ result }) => result?.retryable);
            if (batch[0])
              throw new OutcomesError(`${batch.length} of ${of} outcomes not taken yet: ${batch[0].result?.error}`, {
                retryable: true,
              });
          });
        } catch (failure) {
          // Keep the results of the previous try. They are retryable, so the caller may send these items again.
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
   * Lists one page of the user's outcomes, newest first.
   *
   * A page can have fewer than `limit` outcomes even if `nextCursor` shows that there are more.
   */
  async list(options: models.ListOptions = {}): Promise<models.Page> {
    return this.read(PATH, options, answers.shaped(readers.page));
  }

  /** Yields every outcome of the user, newest first, reading pages on demand. */
  async *iterate(filters: models.IterateOptions = {}): AsyncGenerator<models.Outcome, void> {
    for await (const { outcomes } of this.parts(PATH, { ...filters, limit: 50 }, answers.shaped(readers.page)))
      yield* outcomes;
  }

  /**
   * Yields an export of the user's outcomes, newest first, in parts.
   *
   * The joined texts of the parts are the file: CSV (RFC 4180, with a heading, safe for spreadsheets), or NDJSON. It
   * omits void outcomes unless `status` includes them.
   */
  export(
    format: "csv" | "ndjson" = "csv",
    options: models.ExportOptions = {},
  ): AsyncGenerator<models.ExportPart, void> {
    const type = format === "csv" ? "text/csv" : "application/x-ndjson";
    return this.parts(`${PATH}/export`, { ...options, format }, (reply) => answers.exportPart(reply, type), {
      headers: { Accept: `${type}, application/json` },
    });
  }

  protected async *parts<T extends { nextCursor: string | null }>(
    path: string,
    options: Asked,
    read: Read<T>,
    how?: Partial<Request>,
  ): AsyncGenerator<T, void> {
    let { cursor } = options;
    do {
      const part: T = await this.read(path, { ...options, cursor }, read, how);
      yield part;
      cursor = part.nextCursor;
    } while (cursor !== null);
  }

  /**
   * Returns exact totals of the user's outcomes that happened in a period, by default the last 30 days in UTC.
   *
   * The first summary of a long history takes longer; see `Retry`.
   */
  async summary(options: models.SummaryOptions = {}): Promise<models.Summary> {
    return this.read(`${PATH}/summary`, options, answers.shaped(readers.summary));
  }

  /** Lists the outcome types that the API records, in the platform's order. Any key or session may call this. */
  async types(options: models.CallOptions = {}): Promise<models.ListedType[]> {
    return this.read(`${PATH}/types`, options, answers.rows("types", readers.listedType), { by: this.by });
  }

  /** Reads one outcome of the user with its corrections. */
  async get(outcomeId: string, options: models.ReadOptions = {}): Promise<models.History> {
    return this.read(outcomePath(outcomeId), options, answers.shaped(readers.history), { named: true });
  }

  /**
   * Corrects an outcome: the new values count from now on, and its history keeps the recorded values.
   *
   * Needs the platform's key (`userId` is the outcome's user), an agent key with the scope `correct`, or a session if a session
   * recorded it. The owner sees `reason`. Rejects with a ConflictError if the outcome is void.
   */
  async amend(
    outcomeId: string,
    reason: string,
    changes: models.Changes,
    options?: models.CorrectOfUserOptions,
  ): Promise<models.Corrected> {
    return this.correct("amend", outcomeId, reason, options, undefined, { ...changes });
  }

  /**
   * Withdraws an outcome for good.
   *
   * Needs the same credentials as `amend`, but the owner's session also voids what a paused or revoked agent key of hers
   * recorded, unless it is confirmed.
   */
  async void(outcomeId: string, reason: string, options?: models.CorrectOfUserOptions): Promise<models.Corrected> {
    return this.correct("void", outcomeId, reason, options);
  }

  /** Confirms an outcome as its owner, whoever recorded it. Needs the session. */
  async confirm(outcomeId: string, reason?: string | null, options?: models.CorrectOptions): Promise<models.Corrected> {
    return this.correct("confirm", outcomeId, reason, options, "session");
  }

  /** Disputes an outcome as its owner; it no longer counts. Needs the session. */
  async dispute(outcomeId: string, reason: string, options?: models.CorrectOptions): Promise<models.Corrected> {
    return this.correct("dispute", outcomeId, reason, options, "session");
  }

  /** Adds a correction. `by`: the credential, if only one is allowed; a session's call never names a user. */
  protected async correct(
    type: models.CorrectionType,
    outcomeId: string,
    reason: string | null | undefined,
    options: models.CorrectOfUserOptions = {},
    by?: "session" | "key",
    changes?: Body,
  ): Promise<models.Corrected> {
    const body = {
      type,
      reason: reason ?? undefined,
      userId: by === "session" ? undefined : this.whose(options.userId),
      ifVersion: options.ifVersion,
      changes,
    };
    const path = `/${escaped(outcomeId)}/corrections`;
    const corrected = await this.#keyed(body, answers.corrected, options, path, { by: by ?? this.by, named: true });
    this.#tell([corrected], "Corrected");
    return corrected;
  }

  /**
   * Creates a key for one agent: with a session for its own user, with the platform's key for `userId`. Its secret, `key`, is
   * returned only here.
   *
   * If an answer is lost, there may be a new key that nobody received, so the call is not retried (`retryable` is
   * false). Check `listKeys` and revoke that key.
   */
  async createKey(name: string, options: models.CreateKeyOptions = {}): Promise<models.NewAgentKey> {
    return this.manage(answers.shaped(readers.newAgentKey), options, "POST", "", {
      name,
      ...options,
      outcomeTypes: options.outcomeTypes && [options.outcomeTypes].flat(),
    });
  }

  /** Lists a user's live agent keys, newest first. Needs the same credentials as `createKey`. */
  async listKeys(options: models.KeyOptions = {}): Promise<models.AgentKey[]> {
    return this.manage(answers.rows("keys", readers.agentKey), options);
  }

  /**
   * Replaces a key's secret; the old one stays valid for `overlapHours`.
   *
   * If an answer is lost, the key may be rotated, and rotating it again would invalidate the secret in use, so the call is not
   * retried. Create a new key, or wait until the overlap is over.
   */
  async rotateKey(keyId: string, options: models.RotateKeyOptions = {}): Promise<models.NewAgentKey> {
    return this.manage(answers.shaped(readers.newAgentKey), options, "POST", `/${escaped(keyId)}/rotate`, options);
  }

  /** Revokes a key with all its secrets, from the next call on. Revoking a key twice is not an error. */
  async revokeKey(keyId: string, options: models.KeyOptions = {}): Promise<void> {
    return this.manage(answers.revoked, options, "DELETE", `/${escaped(keyId)}`);
  }

  /**
   * Manages keys, with the platform's key if a user is named, or else with the session. An agent key manages no keys.
   *
   * A request for a new key is not `repeatable`: if the answer was lost, the key may exist.
   */
  protected manage<T>(
    read: Read<T>,
    options: models.KeyOptions,
    method?: "POST" | "DELETE",
    below = "",
    wanted?: object,
    repeatable = !wanted,
  ): Promise<T> {
    const userId = this.whose(options.userId);
    const nobodys = userId == null;
    const byKey = this.#key && this.owner === "body" && !(this.#cookie && nobodys);
    if (nobodys !== !byKey)
      throw new ConfigurationError("It needs the session, or the platform's key and the keys' userId");
    const request: Request = {
      ...{ path: `/api/keys${below}`, method, by: byKey ? "key" : "session", named: true },
      ...(wanted ? { body: encode({ ...wanted, userId, signal: undefined }) } : { query: queryOf({ userId }) }),
    };
    return this.exchange(request, options.signal, read, repeatable);
  }

  /** Sends a request with a credential that may read. See `exchange` for `repeatable`. */
  protected read<T>(
    path: string,
    options: Asked,
    read: Read<T>,
    how?: Partial<Request>,
    repeatable?: boolean,
  ): Promise<T> {
    const by = options.userId != null || (this.owner === "agent" && !this.#cookie) ? "key" : "session";
    return this.exchange({ path, query: queryOf(options), by, ...how }, options.signal, read, repeatable);
  }

  /** Posts a body with an idempotency key, which is also set on errors. */
  async #keyed<T>(
    body: Body,
    read: (reply: answers.Reply, key: string) => T,
    { idempotencyKey, signal }: { idempotencyKey?: string | null | undefined } & models.CallOptions,
    below = "",
    how?: Partial<Request>,
  ): Promise<T> {
    const key = idempotencyKey ?? crypto.randomUUID();
    // Only a text has `match`: of others, such as NaN, the texts are not unique.
    if (!key.match?.(/^[!-~]{1,255}$/)) throw invalid("Idempotency-Key", "must match [!-~]{1,255}");
    const request: Request = {
      method: "POST",
      path: PATH + below,
      headers: { "Idempotency-Key": key },
      body: encode(body),
      by: this.by,
      ...how,
    };
    try {
      return await this.exchange(request, signal, (reply) => read(reply, key));
    } catch (failure) {
      if (failure instanceof OutcomesError) failure.idempotencyKey = key;
      throw failure;
    }
  }

  /** Replaces a server's text with *** if it contains the key or a cookie, plain or escaped for JSON or a URL. */
  #hide = <T>(said: T): T | string =>
    typeof said === "string" && this.#secrets.some((secret) => plain(said).includes(secret)) ? "***" : said;

  /** Where the user of recorded outcomes comes from: the session, the agent key, or the body. */
  protected get owner(): "session" | "agent" | "body" {
    // undefined does not match
    return /^oc_\w{16}_\w{38}$/.test(this.#key as string) ? "agent" : this.by === "key" ? "body" : "session";
  }

  /** The credential for recording and correcting. */
  protected get by(): "session" | "key" {
    return this.#key || !this.#cookie ? "key" : "session";
  }

  /** Adds the default agent and user to a body that names none. */
  #completed(body: Body): Body {
    if (body.agentId === undefined) body.agentId = this.#agentId;
    if (body.userId === undefined && this.owner !== "session") body.userId = this.#userId;
    return body;
  }

  /** Returns `userId` or, with the platform's key, the default user. A session always acts for its own user. */
  protected whose(userId?: number): number | undefined {
    return userId ?? (this.owner === "body" ? this.#userId : undefined);
  }

  /** Warns of outcomes without a user, and of ignored fields. */
  #tell(done: { unassigned?: boolean; ignoredFields: string[] }[], what = "Recorded"): void {
    const unread = [...new Set(done.flatMap(({ ignoredFields }) => ignoredFields))].join(", ");
    if (done.some(({ unassigned }) => unassigned)) this.#warn(`${what} for no user, which is in nobody's feed`);
    if (unread) this.#warn(`${what}, but the API did not read ${unread}`);
  }

  #warn(notice: string): void {
    (this.#options.warn ?? console.warn)(`${this.#url}: ${notice}`);
  }

  /**
   * Sends until an answer can be parsed, a retry cannot help, or the deadline is near.
   *
   * `repeatable`: whether sending twice has the same effect as sending once. If not, retries only if it is certain that
   * nothing was done.
   */
  protected async exchange<T>(
    request: Request,
    signal: AbortSignal | undefined,
    read: Read<T>,
    repeatable = true,
  ): Promise<T> {
    let { deadline, timeout, first = 0.2, longest = 10, addingUp = 600 } = this.#options.retry ?? {};
    deadline ||= this.#deadline; // also instead of NaN, which Number() of a missing variable is
    timeout ||= 30;
    const Invalid = request.method ? InvalidOutcomeError : InvalidRequestError;
    if (/\/\.{0,2}(\/|$)/.test(request.path)) throw invalid("id", "must not be empty, `.` or `..`", Invalid);
    const bySession = request.by === "session";
    const secret = bySession ? this.#cookie : request.by ? this.#key : true;
    const credential = bySession ? "the session" : this.owner === "agent" ? "the agent key" : "the key";
    if (!secret) throw new ConfigurationError(`It needs ${credential}`);
    const began = now();
    let ends = began + deadline;
    let ceiling = first;
    let said = "";
    let maybeDone: unknown;
    for (;;) {
      const { path, query = "", headers, named, ...rest } = request;
      let failure: OutcomesError;
      try {
        const reply = await within(Math.min(timeout, ends - now()), signal, async (signal) => {
          const response = await (this.#options.fetch ?? fetch)(this.#url + path + query, {
            headers: {
              Accept: "application/json",
              // Never send both: if the key were mistyped, the API would silently record for the session's user.
              ...(secret !== true && (bySession ? { Cookie: secret } : { Authorization: `Bearer ${secret}` })),
              ...(rest.body && { "Content-Type": "application/json" }),
              ...headers,
            },
            // Set `credentials` only in browsers, because some other runtimes reject it.
            ...(this.#cookie === true && { credentials: bySession ? "include" : "omit" }),
            signal,
            redirect: "manual",
            cache: "no-store",
            ...(rest as RequestInit),
          });
          return {
            status: response.status,
            header: (name) => this.#hide(response.headers.get(name) ?? ""),
            text: await textOf(response),
            hide: this.#hide,
          } satisfies answers.Reply;
        });
        if (!reply) throw new Error("timeout");
        if (reply.status !== 200) throw answers.refusal(reply, Invalid, credential, named, maybeDone);
        return read(reply);
      } catch (error) {
        signal?.throwIfAborted();
        const { message, cause } = error as { message: string; cause?: { code?: unknown } };
        failure =
          error instanceof OutcomesError
            ? error
            : new NoAnswerError(`No answer from the Outcomes API: ${this.#hide(cause?.code ?? message)}`);
      }
      // After these errors of the network, no server can have received the request.
      const isUndone = failure instanceof BusyError || /^No .*(REFUSED|NOTFOUND|AGAIN|CONNECT_T)/.test(failure.message);
      if (!repeatable) failure.retryable = isUndone;
      if (!isUndone) maybeDone = request.method;
      const at = now();
      let last = ends;
      if (failure instanceof StillAddingUpError) {
        // A StillAddingUpError means that this try made progress, so extend the deadline.
        last = began + Math.max(deadline, addingUp);
        ends = Math.min(last, Math.max(ends, at + deadline));
        ceiling = first;
      }
      const seconds = (failure.retryAfter ?? 0) + Math.random() * ceiling;
      ceiling = Math.min(longest, ceiling * 2);
      // A try in the last tenth of the time left could time out and hide the error of the previous try. Comparisons with
      // NaN are false, so another limit of NaN ends the tries, too.
      if (!(failure.retryable && seconds < (ends - at) * 0.9)) throw failure;
      if (failure.message !== said)
        this.#warn(`${failure.message}. Trying again, for at most ${Math.ceil(last - at)} s`);
      said = failure.message;
      await within(seconds, signal, () => new Promise(() => {}));
    }
  }
}

/** Reads a body to its end. Throws an Error if it is longer than any answer of the API. */
async function textOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return response.text();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ; ) {
    const { value } = await reader.read();
    if (!value) return text + decoder.decode();
    size += value.length;
    // Lambda limits the API's answers to 6 MB.
    if (size > 2 ** 24) throw new Error("too long");
    text += decoder.decode(value, { stream: true });
  }
}

/** Decodes JSON and URL escapes. */
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/(?:%(?:25)*|\\+u00)([\da-f]{2})|\\+/g, (_, code) => (code ? String.fromCharCode(+`0x${code}`) : ""));

/** Returns the seconds of a monotonic clock. */
const now = (): number => performance.now() / 1000;

/** Runs `work`. Resolves to undefined after `seconds`; rejects with the signal's reason if the signal aborts. */
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
        // Timers of 2 ** 31 ms or more fire at once.
        timer = setTimeout(resolve as () => void, Math.min(seconds * 1000, 2e9));
        signal?.addEventListener("abort", () => reject(signal.reason), end); // removed at end.signal
      }),
    ]);
  } finally {
    clearTimeout(timer);
    end.abort();
  }
}

/** Escapes a part of a path. `encodeURIComponent` throws a URIError if a text has half of a character. */
export const escaped = (part: string): string => encodeURIComponent(`${part}`.replace(/\p{Cs}/gu, "\ufffd"));

/** Returns the path of an outcome. */
export function outcomePath(id: string): string {
  // `summary` and others would name another call.
  if (/^[a-z]+$/.test(id)) throw invalid("id", "must not be a word", InvalidRequestError);
  return `${PATH}/${escaped(id)}`;
}

/** Returns the error for a field that cannot be sent. */
function invalid(
  field: string,
  message = "must be JSON",
  Kind: typeof InvalidRequestError = InvalidOutcomeError,
): InvalidRequestError {
  const error = `Invalid ${field}`;
  return new Kind(error, { error, details: [{ field, message }] });
}

/**
 * Writes a body as JSON. Amounts given as numeric text become numbers; the API refuses other text.
 *
 * Throws an InvalidOutcomeError with the name of a field that JSON cannot represent.
 */
export const encode = (body: Body): string =>
  `{${Object.entries(body).flatMap(([name, value]) => {
    try {
      if (value === undefined) return [];
      const isAmount = /alueUsd$/.test(name) && !Array.isArray(value) && isNumber(`${value}`);
      return `${JSON.stringify(name)}:${isAmount ? value : name === "changes" ? encode(value as Body) : stringify(value)}`;
    } catch {
      throw invalid(name);
    }
  })}}`;

/** Writes the query parameters with the API's names. A list becomes a repeated parameter, and true a value of `include`. */
function queryOf({ signal, start, end, ...rest }: Asked): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...rest, from: start, to: end })) {
    for (const one of [value ?? []].flat())
      if (one === true) query.append("include", name);
      // toJSON returns null for an invalid Date, which the API then refuses by its name.
      else if (one !== false) query.append(name, (one as Partial<Date>).toJSON?.() ?? (one as string));
  }
  return `${query}` && `?${query}`;
}
