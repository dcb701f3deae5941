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
import { Decimal, isNumber, stringify } from "./json.js";
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
  /** Instead of the platform's own. */
  fetch?: typeof fetch | undefined;
  /** Hears why a call takes longer, and of what was recorded otherwise than it was meant; console.warn unless given. */
  warn?: ((notice: string) => void) | undefined;
}

interface Request {
  method: "GET" | "POST" | "DELETE";
  path: string;
  query?: [string, string][];
  headers?: Record<string, string>;
  body?: string;
  /** What alone it can go by. */
  by?: "session" | "key" | undefined;
  /** In a word, where it neither reads nor records. */
  does?: string;
  /** What the path names by its id, and may not be there. */
  names?: string;
  /** Whose it is about, where not the session's user's. */
  userId?: number | undefined;
}

type Body = Record<string, unknown>;

const PATH = "/api/outcomes";
const KEYS_PATH = "/api/keys";
const OWN_KEY_PATH = `${KEYS_PATH}/self`;
const KEY = "the key (INTERNAL_API_KEY)";
const AGENT_KEY = "the agent key (INTERNAL_API_KEY)";
const SESSION = "the session (OUTCOMES_COOKIE)";
const BATCH_ITEMS = 100;
const BATCH_BYTES = 1024 * 1024 - '{"outcomes":[]}'.length;
const LONGEST_ANSWER = 16 * 1024 * 1024; // Lambda's own limit is 6 MB; what is longer is not from this API
const LONGEST_TIMER = 2 ** 31 - 1; // milliseconds; a longer one would end at once
const SAY_AGAIN = 10; // seconds after which a wait for the same reason is worth another word
const UNSENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT)$/; // nobody can have seen the request

/**
 * Records outcomes and reads them back.
 *
 * Every method sends before it answers and buffers nothing: what it answered for is recorded. All reject with an
 * `OutcomesError`, or with the reason of their `signal`.
 */
export class OutcomesClient {
  // Private to the language, so that nothing that shows an object shows a key.
  readonly #url: string;
  readonly #key: string | undefined;
  readonly #cookie: string | true | undefined;
  readonly #agentId: number | undefined;
  readonly #userId: number | undefined;
  readonly #retry: Retry;
  readonly #fetch: typeof fetch;
  readonly #warn: (notice: string) => void;
  readonly #said = new Set<string>();

  constructor(options: ClientOptions = {}) {
    const { env = {} } = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process ?? {};
    const url = options.url || env.OUTCOMES_URL || globalThis.location?.origin;
    if (!url) throw new ConfigurationError("Where is the API? Pass url or set OUTCOMES_URL");
    if (!/^https?:\/\/[^\s/@?#]+(\/[^\s?#]*)?$/.test(url)) {
      throw new ConfigurationError(
        "The URL (OUTCOMES_URL) must read http(s)://host[:port][/stage], without a password",
      );
    }
    this.#url = url.replace(/\/+$/, "").replace(/\/api\/outcomes$/, "");
    this.#key = options.key || env.INTERNAL_API_KEY || undefined;
    // A header value that HTTP cannot carry would come back, whole, in the text of an error.
    if (this.#key && !/^[!-~]+$/.test(this.#key)) {
      throw new ConfigurationError("The API key (INTERNAL_API_KEY) must be visible ASCII characters without spaces");
    }
    const cookie = options.cookie || env.OUTCOMES_COOKIE || undefined;
    this.#cookie = typeof cookie === "string" ? cookie.replace(/^\s*cookie:/i, "").trim() : cookie;
    if (typeof this.#cookie === "string" && !/^[ -~]+=[ -~]+$/.test(this.#cookie)) {
      throw new ConfigurationError("The cookie (OUTCOMES_COOKIE) must read name=value, as a browser sends it");
    }
    const wholeOf = (name: string): number | undefined => {
      const text = env[name];
      if (text && !/^0*[1-9]\d{0,15}$/.test(text))
        throw new ConfigurationError(`${name} must be a whole number of at least 1`);
      return text ? +text : undefined;
    };
    this.#agentId = options.agentId ?? wholeOf("OUTCOMES_AGENT_ID");
    this.#userId = options.userId ?? wholeOf("OUTCOMES_USER_ID");
    const deadline = (!options.retry && env.OUTCOMES_DEADLINE) || "60";
    if (!/^\d{1,6}(\.\d+)?$/.test(deadline) || !+deadline) {
      throw new ConfigurationError("OUTCOMES_DEADLINE must be a positive number of seconds");
    }
    this.#retry = { deadline: +deadline, timeout: 30, first: 0.2, longest: 10, addingUp: 600, ...options.retry };
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#warn = options.warn ?? console.warn;
  }

  /** Records one outcome, once, however often it must be sent. An error's `idempotencyKey` is what to call again with. */
  async record(
    outcomeType: models.OutcomeType,
    title: string,
    { signal, idempotencyKey, ...fields }: Omit<models.NewOutcome, "outcomeType" | "title"> & models.CallOptions = {},
  ): Promise<models.Recorded> {
    const body = this.#completed({ outcomeType, title, ...fields });
    const recorded = await this.#keyed(idempotencyKey, PATH, body, answers.recorded, signal);
    this.#sayWhose([body]);
    this.#sayIgnored(recorded.ignoredFields, "Recorded");
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
    const bodies = Array.from(outcomes, (outcome): Body => {
      const body = this.#completed({ ...outcome });
      body.idempotencyKey ??= crypto.randomUUID();
      return body;
    });
    const keys = bodies.map((body) => `${body.idempotencyKey}`);
    const results: models.Result[] = [];
    const result = (n: number, known: Partial<models.Result>): models.Result => ({
      ...{ status: "failed", ok: false, idempotencyKey: keys[n] as string, id: null, error: null },
      ...{ details: [], retryable: false, ignoredFields: [] },
      ...known,
    });
    let batch = new Map<number, string>();
    let size = 0;
    try {
      for (const [n, body] of bodies.entries()) {
        let item = "";
        try {
          item = encode(body);
        } catch (refused) {
          const { error = null, details } = refused as InvalidOutcomeError;
          results[n] = result(n, { status: "invalid", error, details });
          continue;
        }
        const bytes = new TextEncoder().encode(item).length;
        if (bytes > BATCH_BYTES) {
          results[n] = result(n, { status: "invalid", error: "Payload too large" });
          continue;
        }
        if (batch.size === BATCH_ITEMS || size + bytes > BATCH_BYTES) {
          await this.#recordBatch(batch, keys, results, signal);
          batch = new Map();
          size = 0;
        }
        batch.set(n, item);
        size += bytes + 1; // its comma
      }
      if (batch.size) await this.#recordBatch(batch, keys, results, signal);
    } catch (failure) {
      if (failure instanceof OutcomesError) {
        const { message: error, retryable } = failure;
        failure.results = keys.map((_, n) => results[n] ?? result(n, { error, retryable }));
      }
      throw failure;
    }
    const recorded = results.filter((one) => one.ok);
    this.#sayWhose(bodies.filter((_, n) => results[n]?.ok));
    this.#sayIgnored(
      recorded.flatMap((one) => one.ignoredFields),
      "Recorded",
    );
    return results;
  }

  /** Sends the items (by their number in the call) until none is left that could still succeed in time. */
  async #recordBatch(
    items: Map<number, string>,
    keys: string[],
    results: models.Result[],
    signal?: AbortSignal,
  ): Promise<void> {
    const deadline = this.#deadline(signal);
    for (let left = [...items]; left[0]; ) {
      const sent = left;
      const request: Request = {
        method: "POST",
        path: `${PATH}/batch`,
        body: `{"outcomes":[${sent.map(([, item]) => item)}]}`,
      };
      const sentKeys = sent.map(([n]) => keys[n] as string);
      let answered: models.Result[];
      try {
        answered = await this.#exchange(request, (reply) => answers.results(reply, sentKeys), deadline);
      } catch (failure) {
        // The results of the try before still stand: not recorded yet, may be sent again.
        if (failure instanceof OutcomesError && failure.retryable && results[sent[0]?.[0] as number]) return;
        throw failure;
      }
      for (const [at, [n]] of sent.entries()) results[n] = answered[at] as models.Result;
      left = sent.filter(([n]) => results[n]?.retryable);
      const [first] = left;
      const reason = first && `${left.length} of ${sent.length} outcomes not taken yet: ${results[first[0]]?.error}`;
      if (reason && !(await deadline.wait(reason))) return;
    }
  }

  /**
   * Lists one page of the session's outcomes, newest first.
   *
   * A page may hold fewer than `limit` while `nextCursor` says that there are more.
   */
  async list({ limit, cursor, ...filters }: models.ListOptions = {}): Promise<models.Page> {
    const query = given({ limit, cursor, ...filtersOf(filters), include: filters.ledger ? "ledger" : undefined });
    return this.#exchange({ method: "GET", path: PATH, query }, answers.page, this.#deadline(filters.signal));
  }

  /** Yields every outcome of the session, newest first; pages are read as they are needed. */
  async *iterate(filters: models.IterateOptions = {}): AsyncGenerator<models.Outcome, void> {
    let cursor: string | null = null;
    do {
      const page: models.Page = await this.list({ ...filters, limit: 50, cursor: cursor ?? undefined });
      yield* page.outcomes;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /**
   * Yields the parts of a file of all outcomes of the session that are not void, newest first, as they are read.
   *
   * Their texts, one after the other, are the file: CSV (RFC 4180, with a heading, safe for spreadsheets), or NDJSON.
   */
  async *export(
    format: "csv" | "ndjson" = "csv",
    { cursor, ...filters }: models.ExportOptions = {},
  ): AsyncGenerator<models.ExportPart, void> {
    const type = format === "csv" ? "text/csv" : "application/x-ndjson";
    let at: string | null | undefined = cursor;
    do {
      const part: models.ExportPart = await this.#exchange(
        {
          method: "GET",
          path: `${PATH}/export`,
          query: given({ format, cursor: at, ...filtersOf(filters) }),
          headers: { Accept: `${type}, application/json` },
        },
        (reply) => answers.exportPart(reply, type),
        this.#deadline(filters.signal),
      );
      yield part;
      at = part.nextCursor;
    } while (at !== null);
  }

  /**
   * Sums up the session's outcomes by when they happened, exactly; unless said, the last 30 days in UTC.
   *
   * A first look at a long history takes longer; see `Retry`.
   */
  async summary({ timezone, by, compare, ...filters }: models.SummaryOptions = {}): Promise<models.Summary> {
    const query = given({ timezone, ...filtersOf(filters), by, compare });
    return this.#exchange(
      { method: "GET", path: `${PATH}/summary`, query },
      (reply) => answers.summary(reply, query),
      this.#deadline(filters.signal),
    );
  }

  /** Reads one outcome of the session with its corrections. */
  async get(outcomeId: string, { signal }: models.CallOptions = {}): Promise<models.History> {
    const path = `${PATH}/${encodeURIComponent(outcomeId)}`;
    return this.#exchange({ method: "GET", path, names: "outcome" }, answers.history, this.#deadline(signal));
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
    return this.#correct("amend", "Amending", outcomeId, reason, options, undefined, amounts({ ...changes }));
  }

  /** Takes an outcome back, for good; who may is as for `amend`. */
  async void(outcomeId: string, reason: string, options?: models.CorrectOfUserOptions): Promise<models.Corrected> {
    return this.#correct("void", "Voiding", outcomeId, reason, options);
  }

  /** Says as its owner, by the session, that an outcome that a key recorded is right. */
  async confirm(outcomeId: string, reason?: string | null, options?: models.CorrectOptions): Promise<models.Corrected> {
    return this.#correct("confirm", "Confirming", outcomeId, reason, options, "session");
  }

  /** Says as its owner, by the session, that an outcome is not right; it then counts no longer. */
  async dispute(outcomeId: string, reason: string, options?: models.CorrectOptions): Promise<models.Corrected> {
    return this.#correct("dispute", "Disputing", outcomeId, reason, options, "session");
  }

  /** Dismisses a dispute, by the platform's key; `userId` says whose outcome it is. */
  async uphold(outcomeId: string, reason: string, options?: models.CorrectOfUserOptions): Promise<models.Corrected> {
    return this.#correct("uphold", "Upholding", outcomeId, reason, options, "key");
  }

  async #correct(
    type: models.CorrectionType,
    does: string,
    outcomeId: string,
    reason: string | null | undefined,
    { userId, idempotencyKey, signal }: models.CorrectOfUserOptions = {},
    by?: "session" | "key",
    changes?: Body,
  ): Promise<models.Corrected> {
    const body = {
      type,
      reason: reason ?? undefined,
      userId: by === "session" ? undefined : this.#whose(userId),
      changes,
    };
    const path = `${PATH}/${encodeURIComponent(outcomeId)}/corrections`;
    const how = { by, does, names: "outcome" };
    const corrected = await this.#keyed(idempotencyKey, path, body, answers.corrected, signal, how);
    this.#sayIgnored(corrected.ignoredFields, "Corrected");
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
    const { userId, outcomeTypes, signal, ...bounds } = options;
    return this.#newKey(KEYS_PATH, userId, signal, {
      name,
      ...amounts(bounds),
      outcomeTypes: outcomeTypes && [outcomeTypes].flat(),
    });
  }

  /** Lists a user's live agent keys, newest first; who may ask, and of whom, is as for `createKey`. */
  async listKeys({ userId, signal }: models.KeyOptions = {}): Promise<models.AgentKey[]> {
    const whose = this.#whose(userId);
    const request: Request = { method: "GET", path: KEYS_PATH, query: given({ userId: whose }), userId: whose };
    return this.#exchange(request, answers.keys, this.#deadline(signal));
  }

  /**
   * Gives a key a new text; the one before works for `overlapHours` more.
   *
   * A lost answer may have rotated it, and another rotation would end the text that agents have: so nothing is sent again. Make a
   * new key, or let the overlap run out first.
   */
  async rotateKey(keyId: string, options: models.RotateKeyOptions = {}): Promise<models.NewAgentKey> {
    const { userId, overlapHours, signal } = options;
    return this.#newKey(`${KEYS_PATH}/${encodeURIComponent(keyId)}/rotate`, userId, signal, { overlapHours });
  }

  /** Ends a key with all its texts, from the next call on; one that is gone already is well as it is. */
  async revokeKey(keyId: string, { userId, signal }: models.KeyOptions = {}): Promise<void> {
    const whose = this.#whose(userId);
    const path = `${KEYS_PATH}/${encodeURIComponent(keyId)}`;
    const request: Request = { method: "DELETE", path, query: given({ userId: whose }), names: "key", userId: whose };
    return this.#exchange(request, answers.revoked, this.#deadline(signal));
  }

  /** Asks what the agent key, with which this client records, may do. */
  async ownKey({ signal }: models.CallOptions = {}): Promise<models.AgentKey> {
    return this.#exchange({ method: "GET", path: OWN_KEY_PATH }, answers.key, this.#deadline(signal));
  }

  async #newKey(path: string, userId: number | undefined, signal: AbortSignal | undefined, wanted: Body) {
    const whose = this.#whose(userId);
    const request: Request = {
      method: "POST",
      path,
      body: encode({ ...wanted, userId: whose }),
      names: "key",
      userId: whose,
    };
    return this.#exchange(request, answers.newKey, this.#deadline(signal), false);
  }

  /** Posts a body under an idempotency key, which an error then carries. */
  async #keyed<T>(
    wanted: string | null | undefined,
    path: string,
    body: Body,
    read: (reply: answers.Reply, key: string) => T,
    signal?: AbortSignal,
    how?: Partial<Request>,
  ): Promise<T> {
    const idempotencyKey = wanted ?? crypto.randomUUID();
    if (!/^[!-~]{1,255}$/.test(idempotencyKey)) {
      throw invalid("Invalid Idempotency-Key", [
        { field: "idempotencyKey", message: "must be 1 to 255 visible ASCII characters" },
      ]);
    }
    const headers = { "Idempotency-Key": idempotencyKey };
    const request: Request = { method: "POST", path, headers, body: encode(body), ...how };
    try {
      return await this.#exchange(request, (reply) => read(reply, idempotencyKey), this.#deadline(signal));
    } catch (failure) {
      if (failure instanceof OutcomesError) failure.idempotencyKey = idempotencyKey;
      throw failure;
    }
  }

  /** Whose outcomes are recorded: the session's user's, the agent key's, or whoever's the body names. */
  get #owner(): "session" | "key" | "body" {
    if (this.#hasAgentKey) return "key";
    return this.#key || !this.#cookie ? "body" : "session";
  }

  get #hasAgentKey(): boolean {
    return /^oc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}$/.test(this.#key ?? "");
  }

  /** Adds to a body what it does not say. */
  #completed(body: Body): Body {
    if (body.agentId === undefined) body.agentId = this.#agentId;
    if (body.userId === undefined && this.#owner !== "session") body.userId = this.#userId;
    return amounts(body);
  }

  /** Whose keys or outcome the platform means. A session's are its user's: another would change nothing. */
  #whose(userId: number | undefined): number | undefined {
    return userId ?? (this.#owner === "body" ? this.#userId : undefined);
  }

  #sayOnce(notice: string): void {
    if (!this.#said.has(notice)) this.#say(notice);
    this.#said.add(notice);
  }

  #say(notice: string): void {
    this.#warn(`${this.#url}: ${notice}`);
  }

  /** Says where a recorded outcome's user is not the one that the caller may think of. */
  #sayWhose(recorded: Body[]): void {
    const nobodys = recorded.map(({ userId }) => userId === undefined || userId === null);
    if (this.#owner === "session" && nobodys.includes(false)) {
      this.#sayOnce(`Recorded for the user of ${SESSION}: the userId given was not read`);
    }
    if (this.#owner === "body" && nobodys.includes(true)) {
      this.#sayOnce("Recorded for no user, which is in nobody's feed: give a userId, or set OUTCOMES_USER_ID");
    }
  }

  #sayIgnored(names: string[], done: string): void {
    const unread = [...new Set(names)].join(", ");
    if (unread) this.#sayOnce(`${done}, but the API did not read ${unread}: is it misspelt?`);
  }

  #deadline(signal: AbortSignal | undefined): Deadline {
    return new Deadline(this.#retry, (notice) => this.#say(notice), signal);
  }

  /**
   * Sends until the answer can be read, cannot get better, or the deadline is near.
   *
   * `repeatable`: to send it twice is as good as once. Else it is sent again only where it is known that nothing was done.
   */
  async #exchange<T>(
    request: Request,
    read: (reply: answers.Reply) => T,
    deadline: Deadline,
    repeatable = true,
  ): Promise<T> {
    for (;;) {
      let failure: OutcomesError;
      let unsent = false;
      try {
        const reply = await this.#send(request, deadline);
        if ("reason" in reply) {
          unsent = UNSENT.test(reply.reason);
          throw new NoAnswerError(`No answer from the Outcomes API: ${reply.reason}`);
        }
        if (reply.status !== 200) throw answers.refusal(reply, request.names);
        return read(reply);
      } catch (error) {
        if (!(error instanceof OutcomesError)) throw error;
        failure = error;
      }
      if (!repeatable && !(failure instanceof BusyError)) failure.retryable = unsent;
      const progress = failure instanceof StillAddingUpError;
      if (!failure.retryable || !(await deadline.wait(failure.message, failure.retryAfter, progress))) throw failure;
    }
  }

  /** Sends once; where no whole answer comes in time, the reason. */
  async #send(request: Request, deadline: Deadline): Promise<answers.Reply | { reason: string }> {
    const { method, path, query = [], body } = request;
    const credential = this.#credentialFor(request);
    const missing = this.#missing(request, credential);
    if (missing) throw new ConfigurationError(missing);
    const headers: Record<string, string> = { Accept: "application/json", ...request.headers };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    // One at a time: were both sent, a mistyped key would silently record for the session's user.
    if (credential !== SESSION) headers.Authorization = `Bearer ${this.#key}`;
    else if (this.#cookie !== true) headers.Cookie = this.#cookie as string;
    const asked = new URLSearchParams(query);
    try {
      const reply = await within(deadline.timeout, deadline.signal, async (signal) => {
        const response = await this.#fetch(this.#url + path + (query[0] ? `?${asked}` : ""), {
          method,
          headers,
          signal,
          redirect: "manual",
          cache: "no-store",
          ...(body !== undefined && { body }),
          // Not everywhere, as some platforms refuse what only browsers do.
          ...(this.#cookie === true && { credentials: credential === SESSION ? "include" : "omit" }),
        });
        return { status: response.status, headers: response.headers, text: await textOf(response), credential };
      });
      return reply ?? { reason: "the answer did not end in time" };
    } catch (error) {
      deadline.signal?.throwIfAborted();
      const { name, message, cause } = error as Error & { cause?: { code?: unknown } };
      return { reason: typeof cause?.code === "string" ? cause.code : `${name} ${message}` };
    }
  }

  /**
   * Names what a request goes by: recording and correcting by the key, else by the session; reading, and what only an owner says,
   * always by the session.
   *
   * Keys are managed by the platform's key for the user that is named, else by the session for its own. An agent key manages none,
   * and is the only one that may ask what it may do.
   */
  #credentialFor({ method, path, by, userId }: Request): string {
    let byKey = by === "key" || (!!this.#key && method !== "GET" && by !== "session");
    if (path.startsWith(KEYS_PATH))
      byKey = !!this.#key && !(this.#cookie && (this.#hasAgentKey || userId === undefined));
    if (path === OWN_KEY_PATH) byKey = true;
    return byKey ? (this.#hasAgentKey ? AGENT_KEY : KEY) : SESSION;
  }

  /** Says what a request needs that there is not; nothing where all is there. */
  #missing({ method, path, by, does, userId }: Request, credential: string): string {
    if (path === OWN_KEY_PATH) return this.#hasAgentKey ? "" : `Asking what a key may do needs ${AGENT_KEY}`;
    const there = credential === SESSION ? this.#cookie : this.#key;
    if (path.startsWith(KEYS_PATH)) {
      if (!there) return `Managing keys needs ${SESSION}, or ${KEY} of the platform`;
      const nobodys = credential === KEY && userId === undefined;
      return nobodys ? "The platform must say whose keys: give a userId, or set OUTCOMES_USER_ID" : "";
    }
    if (there) return "";
    const reads = method === "GET";
    const needed = by === "key" ? KEY : by || reads ? SESSION : `${KEY} or ${SESSION}`;
    return `${does ?? (reads ? "Reading" : "Recording")} needs ${needed}`;
  }
}

/** Spaces the tries of one call until its deadline. */
class Deadline {
  #ends: number;
  readonly #endsAddingUp: number;
  #ceiling: number;
  #said = "";
  #saidAt = 0;

  constructor(
    readonly retry: Retry,
    readonly say: (notice: string) => void,
    readonly signal: AbortSignal | undefined,
  ) {
    this.#ends = now() + retry.deadline;
    this.#endsAddingUp = now() + Math.max(retry.deadline, retry.addingUp);
    this.#ceiling = retry.first;
  }

  /** How many seconds the next try may take. */
  get timeout(): number {
    return Math.max(0.001, Math.min(this.retry.timeout, this.#ends - now()));
  }

  /**
   * Waits before the next try; false, without waiting, when too little time would be left for it.
   *
   * A try in the last moments could only time out, and hide the reason of the one before. `progress`: the one before came farther.
   */
  async wait(reason: string, atLeast = 0, progress = false): Promise<boolean> {
    const at = now();
    let last = this.#ends;
    if (progress) {
      last = this.#endsAddingUp;
      this.#ceiling = this.retry.first;
      this.#ends = Math.min(last, Math.max(this.#ends, at + this.retry.deadline));
    }
    const seconds = atLeast + Math.random() * this.#ceiling;
    this.#ceiling = Math.min(this.retry.longest, this.#ceiling * 2);
    if (this.#ends - at - seconds < this.retry.timeout / 10) return false;
    if (reason !== this.#said || at - this.#saidAt >= SAY_AGAIN) {
      this.#said = reason;
      this.#saidAt = at;
      this.say(`${reason}. Trying again, for at most ${Math.ceil(last - at)} s`);
    }
    await within(seconds, this.signal, () => new Promise(() => {}));
    return true;
  }
}

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
  let timer: unknown;
  let abort = (): void => {};
  try {
    return await Promise.race([
      work(end.signal),
      new Promise<undefined>((resolve, reject) => {
        timer = setTimeout(() => resolve(undefined), Math.min(seconds * 1000, LONGEST_TIMER));
        abort = () => reject(signal?.reason);
        signal?.addEventListener("abort", abort);
      }),
    ]);
  } finally {
    clearTimeout(timer as number);
    signal?.removeEventListener("abort", abort);
    end.abort();
  }
}

/** Reads a body; undefined where it is not UTF-8. */
async function textOf({ body }: Response): Promise<string | undefined> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (const reader = body?.getReader(); reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > LONGEST_ANSWER) throw new RangeError("the answer is too long");
    chunks.push(value);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await new Blob(chunks).arrayBuffer());
  } catch {
    return undefined;
  }
}

const invalid = (error: string, details: models.Fault[]): InvalidOutcomeError =>
  new InvalidOutcomeError(answers.sentence(error, details), { error, details });

/** Writes a body as JSON, or throws an InvalidOutcomeError that names the fields that have no JSON form. */
function encode(body: Body): string {
  try {
    return stringify(body);
  } catch {
    const details = Object.entries(body).flatMap(([field, value]) => {
      try {
        if (value !== undefined) stringify(value);
        return [];
      } catch (error) {
        return { field, message: `cannot be written as JSON: ${(error as Error).message}` };
      }
    });
    throw invalid(`Invalid ${details[0]?.field ?? "outcome"}`, details);
  }
}

/** Writes amounts that are text as the numbers that they are; other text is left for the API to refuse. */
function amounts(body: Body): Body {
  for (const name of ["valueUsd", "maxValueUsd"]) {
    const value = body[name];
    if (typeof value === "string" && isNumber(value)) body[name] = new Decimal(value);
  }
  return body;
}

/** The parameters that are given, a list as many. */
const given = (parameters: Record<string, unknown>): [string, string][] =>
  Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined || value === null
      ? []
      : [value].flat().map((one): [string, string] => [name, one instanceof Date ? one.toISOString() : `${one}`]),
  );

const filtersOf = ({ outcomeType, agentId, start, end, status }: models.IterateOptions): Record<string, unknown> => ({
  agentId,
  outcomeType,
  from: start,
  to: end,
  status,
});
