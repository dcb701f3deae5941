// The client with all calls. Web pages load client.ts, which has none of these, and no errors that name a capability that is
// off, to stay below 6.6 kB. The calls that `make contract` writes are here, too.

import * as answers from "./answers.js";
import {
  type Asked,
  type ClientOptions,
  encode,
  escaped,
  outcomePath,
  OutcomesClient as PageClient,
  type Request,
} from "./client.js";
import {
  CapabilityOffError,
  ConfigurationError,
  ForbiddenError,
  InvalidOutcomeError,
  InvalidRequestError,
  LimitError,
  OutcomesError,
  PreconditionFailedError,
  ServerError,
  UnauthorizedError,
  UnexpectedAnswerError,
} from "./errors.js";
import { Decimal, stringify } from "./json.js";
import type * as models from "./models.js";
import { orNull, whole } from "./parsing.js";
import * as readers from "./readers.js";

const COSTS = "/api/costs";
const DEFINITIONS = "/api/definitions";
const STATEMENTS = "/api/statements";
const WATCHES = "/api/watches";

// The fake's answer to what it never supports.
answers.REFUSALS[501] = class extends ServerError {
  override retryable = false;
};
/** Returns an error class whose message also says if an earlier try may have taken effect. */
const doubtful = (Kind: new (...of: ConstructorParameters<typeof OutcomesError>) => OutcomesError) =>
  class extends Kind {
    constructor(message: string, known?: Partial<OutcomesError>, maybeDone?: unknown) {
      super(maybeDone ? `${message}; it is not known whether an earlier try took effect` : message, known);
    }
  };
answers.REFUSALS[""] = doubtful(UnexpectedAnswerError);
answers.REFUSALS[401] = doubtful(UnauthorizedError);
answers.REFUSALS["403 Forbidden"] = doubtful(ForbiddenError);
// On pages, these errors have no class of their own: only agent keys are paused and have a daily limit.
answers.REFUSALS["403 Paused"] = doubtful(ForbiddenError);
answers.REFUSALS[412] = doubtful(PreconditionFailedError);
answers.REFUSALS["429 Too many outcomes"] = doubtful(LimitError);

/** A correction to send. by: the credential, if only one may make corrections of its type. */
type Item = {
  body: Record<string, unknown>;
  by: "session" | "key" | undefined;
  text?: string;
  result?: models.CorrectionResult | undefined;
};

const CREDENTIALS: { [Type in models.CorrectionType]?: "session" | "key" } = {
  confirm: "session",
  dispute: "session",
  uphold: "key",
};

// make contract: capabilities
/** Patterns of paths, with the template parameter that switches their routes on or off. A mistyped id is no route. */
const CAPABILITIES: [RegExp, string][] = [
  [/\/api\/outcomes\/batch$/, "Batch"],
  [/\/api\/outcomes\/summary$/, "Totals"],
  [/\/api\/outcomes\/export$/, "Export"],
  [/\/api\/outcomes\/[0-7][0-9A-HJKMNP-TV-Z]{25}$/, "Corrections"],
  [/\/api\/outcomes\/[0-7][0-9A-HJKMNP-TV-Z]{25}\/corrections$/, "Corrections"],
  [/\/api\/outcomes\/corrections$/, "Corrections"],
  [/\/api\/outcomes\/[0-7][0-9A-HJKMNP-TV-Z]{25}\/assign$/, "Corrections"],
  [/\/api\/keys$/, "AgentKeys"],
  [/\/api\/keys\/self$/, "AgentKeys"],
  [/\/api\/keys\/[^/]+$/, "AgentKeys"],
  [/\/api\/keys\/[^/]+\/rotate$/, "AgentKeys"],
  [/\/api\/keys\/[^/]+\/pause$/, "AgentKeys"],
  [/\/api\/keys\/[^/]+\/resume$/, "AgentKeys"],
  [/\/api\/statements$/, "Statements"],
  [/\/api\/statements\/[^/]+$/, "Statements"],
  [/\/api\/statements\/[^/]+\/entries$/, "Statements"],
  [/\/api\/statements\/[^/]+\/proof$/, "Statements"],
  [/\/\.well-known\/outcomes-keys\.json$/, "Statements"],
  [/\/api\/costs$/, "Costs"],
  [/\/api\/costs\/[^/]+\/[^/]+$/, "Costs"],
  [/\/api\/definitions$/, "Definitions"],
  [/\/api\/definitions\/try$/, "Definitions"],
  [/\/api\/definitions\/[^/]+$/, "Definitions"],
  [/\/api\/watches$/, "Watches"],
  [/\/api\/watches\/digest$/, "Watches"],
  [/\/api\/watches\/[^/]+$/, "Watches"],
];
// end of make contract

type How<T> = [read: (reply: answers.Reply) => T, how?: Partial<Request>, repeatable?: boolean];

/**
 * Records outcomes and reads them back, like the client for pages; rejects with a CapabilityOffError if a capability is off.
 */
export class OutcomesClient extends PageClient {
  readonly #warn: (notice: string) => void;

  constructor(options: ClientOptions = {}) {
    const { env = {} } = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process ?? {};
    const cookie = options.cookie || env.OUTCOMES_COOKIE;
    super({
      ...options,
      // Users may paste a whole header, such as `make session` prints.
      cookie: typeof cookie === "string" ? cookie.replace(/^\s*cookie:\s*/i, "").trim() : cookie,
      fetch: async (url, init) => {
        const response = await (options.fetch ?? fetch)(url, init);
        if (response.status !== 404 || !response.headers.has("No-Such-Route")) return response;
        const { pathname } = new URL(url as string);
        const off = CAPABILITIES.find(([path]) => path.test(pathname));
        if (!off) return response;
        throw new CapabilityOffError(
          `404 Not found: ${off[1]} is Off in this deployment, or OUTCOMES_URL has a wrong path`,
          {
            status: 404,
            error: "Not found",
          },
        );
      },
    });
    this.#warn = options.warn ?? console.warn;
  }

  protected override async read<T>(path: string, options: Asked, ...how: How<T>) {
    try {
      return await super.read(path, options, ...how);
    } catch (error) {
      if (!(error instanceof InvalidRequestError && error.error === "Invalid include")) throw error;
      const off = [options.cost && "Costs", (options.counts || options.definition) && "Definitions"].filter(Boolean);
      if (!off.length) throw error;
      throw new CapabilityOffError(`${error.message}: ${off.join(" or ")} is Off in this deployment`, { ...error });
    }
  }

  /** Dismisses a dispute. Needs the platform's key; `userId` is the outcome's user. */
  async uphold(outcomeId: string, reason: string, options?: models.CorrectOfUserOptions): Promise<models.Corrected> {
    return this.correct("uphold", outcomeId, reason, options, "key");
  }

  /**
   * Corrects any number of outcomes, 100 a call; returns one result per item, in order. Items fail independently.
   *
   * Each item is of another outcome, and is sent with the credential that its type needs. Rejects only if a whole call
   * fails (no answer, no access). The error's `corrections` then contains the known result of each item.
   */
  async correctMany(
    corrections: Iterable<models.NewCorrection>,
    { reason, signal }: models.CorrectManyOptions = {},
  ): Promise<models.CorrectionResult[]> {
    const items = [...corrections].map((each): Item => {
      const body: Item["body"] = { ...each, idempotencyKey: each.idempotencyKey ?? crypto.randomUUID() };
      const by = CREDENTIALS[each.type];
      if (by !== "session") body.userId = this.whose(each.userId ?? undefined);
      return { body, by };
    });
    const first = encode({ reason, corrections: [] }).slice(0, -2);
    try {
      for (const by of new Set(items.map((item) => item.by))) {
        // A call has one credential, which all its corrections need.
        for (let batch of batches(
          items.filter((item) => item.by === by),
          first,
        )) {
          const request: Request = {
            method: "POST",
            path: "/api/outcomes/corrections",
            by: by ?? this.by,
            get body() {
              return `${first}${batch.map(({ text }) => text)}]}`;
            },
          };
          const sent = this.exchange(request, signal, (reply) => {
            const of = batch.length;
            const made = answers.correctionResults(
              reply,
              batch.map(({ body }) => body),
            );
            for (const [n, item] of batch.entries()) item.result = made[n];
            batch = batch.filter(({ result }) => result?.retryable);
            if (!batch[0]) return;
            const why = `${batch.length} of ${of} outcomes not taken yet: ${batch[0].result?.error}`;
            throw new OutcomesError(why, { retryable: true });
          });
          await sent.catch((failure) => {
            // Keep the results of the previous try. They are retryable, so the caller may send these items again.
            if (!batch[0]?.result || !failure.retryable) throw failure;
          });
        }
      }
    } catch (failure) {
      if (failure instanceof OutcomesError) {
        const { message: error, retryable } = failure;
        const unsent = { status: "failed", error, retryable };
        failure.corrections = items.map(({ body, result }) => result ?? answers.correctionResult(unsent, body));
      }
      throw failure;
    }
    return items.map(({ result }) => result as models.CorrectionResult);
  }

  /**
   * Assigns an outcome that has no user to this user: records a copy for the user, voids the original, and returns the
   * copy's id.
   *
   * Needs the platform's key. Retries get the same id. Rejects with a NotFoundError if the outcome has a user, and with a
   * ConflictError if it is void or was assigned to another user.
   */
  async assign(outcomeId: string, userId: number, options: models.CallOptions = {}): Promise<string> {
    return this.read(`/api/outcomes/${escaped(outcomeId)}/assign`, options, answers.assigned, {
      method: "POST",
      body: encode({ userId }),
      by: "key",
      named: true,
    });
  }

  /** Pauses a key: from its next call on, it gets a ForbiddenError that says `Paused`. Rotating does not resume it. */
  async pauseKey(keyId: string, options: models.KeyOptions = {}): Promise<models.AgentKey> {
    return this.#switchKey(keyId, "pause", options);
  }

  /**
   * Lets a paused key be used again, with the same id, limits and idempotency keys. Is not retried after a lost answer, because
   * the retry could end a newer pause.
   */
  async resumeKey(keyId: string, options: models.KeyOptions = {}): Promise<models.AgentKey> {
    return this.#switchKey(keyId, "resume", options);
  }

  /** Describes the agent key of this client: its user, limits and scopes. */
  async ownKey(options: models.CallOptions = {}): Promise<models.AgentKey> {
    if (this.owner !== "agent") throw new ConfigurationError("It needs an agent key");
    return this.read("/api/keys/self", options, answers.shaped(readers.agentKey), { by: "key" });
  }

  /**
   * Returns the statement of a month, such as `2026-10`, by default in UTC. Save the text as it is: `verify` of
   * `outcomes-client/statements` refuses any other layout.
   *
   * Each call returns the same text, because the first call stores it. Needs the session or an agent key with the scope
   * `read`; only the session makes the first statement of a time zone. Rejects with a ConflictError until ten minutes
   * after the month's end, and for a fourth time zone.
   */
  async makeStatement(period: string, { timezone, signal }: models.MakeStatementOptions = {}): Promise<string> {
    const how = { method: "POST", body: JSON.stringify({ period, timezone }) } as const;
    return this.read(STATEMENTS, { signal }, answers.document("signature"), how);
  }

  /** Lists one page of the existing statements, latest period first. */
  async listStatements(options: models.ListStatementsOptions = {}): Promise<models.StatementPage> {
    return this.read(STATEMENTS, options, answers.shaped(readers.statementPage));
  }

  /** Returns the text of the existing statement with this id, such as `2026-10@Europe/Berlin`. */
  async getStatement(statementId: string, options: models.CallOptions = {}): Promise<string> {
    return this.read(statementPath(statementId), options, answers.document("signature"), { named: true });
  }

  /** Yields the entries of a statement, in parts. The joined texts of the parts are the file. */
  statementEntries(
    statementId: string,
    options: models.StatementEntriesOptions = {},
  ): AsyncGenerator<models.ExportPart, void> {
    const type = "application/x-ndjson";
    return this.parts(`${statementPath(statementId)}/entries`, options, (reply) => answers.exportPart(reply, type), {
      headers: { Accept: `${type}, application/json` },
      named: true,
    });
  }

  /** Returns the proof that a statement contains an outcome's entries. The proof has no sums. */
  async statementProof(statementId: string, outcomeId: string, options: models.CallOptions = {}): Promise<string> {
    const asked = { ...options, outcome: outcomeId };
    return this.read(`${statementPath(statementId)}/proof`, asked, answers.document("signature"), { named: true });
  }

  /** Returns the API's public keys, which verify its statements. Sends no credentials. */
  async statementKeys(options: models.CallOptions = {}): Promise<string> {
    return this.read("/.well-known/outcomes-keys.json", options, answers.document("keys"), { by: "" });
  }

  /**
   * Replaces the costs of a UTC day from a source, and returns their version. If the stored lines are the same, the
   * version does not change.
   *
   * Needs the platform's key (`userId` is the user), an agent key with the scope `cost`, or a session. Rejects with a
   * PreconditionFailedError if another version than `ifVersion` is stored. If an answer was lost, this error may also
   * mean that an earlier try has stored the lines.
   *
   * Without `ifVersion`, the last call wins. Such a call is not retried after a lost answer (`retryable` is false),
   * because the retry could replace costs that others have put since. Check `getCosts` before you call again.
   */
  async putCosts(
    day: string,
    source: string,
    lines: Iterable<models.NewCostLine>,
    options: models.ChangeCostsOptions = {},
  ): Promise<number> {
    const body = bodyOf(this.#payer(options.userId), lines);
    return this.#changeAt(costsPath(day, source), options, { method: "PUT", body, by: this.by });
  }

  /** Reads the costs of a UTC day from a source. Rejects with a NotFoundError if there are none. */
  async getCosts(day: string, source: string, options: models.ReadCostsOptions = {}): Promise<models.CostDay> {
    const asked = { ...options, userId: this.#payer(options.userId) };
    if (asked.userId == null && this.owner === "body") throw new ConfigurationError("It needs the costs' userId");
    return this.read(costsPath(day, source), asked, answers.shaped(readers.costDay), { by: this.by, named: true });
  }

  /**
   * Deletes the costs of a UTC day from a source. They are then unknown, not zero. Returns the new version.
   *
   * See `putCosts` for `ifVersion` and retries.
   */
  async deleteCosts(day: string, source: string, options: models.ChangeCostsOptions = {}): Promise<number> {
    const userId = this.#payer(options.userId);
    const query = userId == null ? "" : `?userId=${userId}`;
    return this.#changeAt(costsPath(day, source), options, { method: "DELETE", query, by: this.by, named: true });
  }

  /** Returns whose costs they are. Warns if a user is given that the session is not of. */
  #payer(userId?: number): number | undefined {
    if (this.owner === "session" && userId != null)
      this.#warn(`${COSTS}: the costs are of the session's user: the given userId is ignored`);
    return this.whose(userId);
  }

  override async summary(options: models.SummaryOptions = {}): Promise<models.Summary> {
    return asAsked(await super.summary(options), options);
  }

  /** Returns a summary of the user's outcomes, with the costs of the agents in the period. See `summary`. */
  async costSummary({ counted, ...options }: models.CostSummaryOptions = {}): Promise<models.CostSummary> {
    const asked = { ...options, cost: true, definition: counted };
    const totals = await this.read("/api/outcomes/summary", asked, answers.shaped(readers.costSummary));
    return asAsked(totals, options);
  }

  /** Returns the user's costs by agent, UTC day and source, by default of the last 30 days. */
  async listCosts(options: models.CostsOptions = {}): Promise<models.Costs> {
    return this.read(COSTS, options, answers.shaped(readers.costs));
  }

  /**
   * Says which outcomes count from a month on, such as `2026-12`. Returns the version of the month's definition. The
   * definition that is stored already keeps its version.
   *
   * Needs the session of the user who pays. Rejects with a ConflictError for a month that has begun, except that a first
   * definition may begin with any month after the last statement. See `putCosts` for `ifVersion` and retries.
   */
  async putDefinition(
    month: string,
    definition: models.NewDefinition,
    options: models.ChangeDefinitionOptions = {},
  ): Promise<number> {
    const body = written("types", () => inRequest(definition));
    return this.#changeDefinition("PUT", month, options, { body });
  }

  /**
   * Deletes the definition that begins with a month that has not begun: the definition before then holds on. Returns the
   * new version.
   *
   * Needs the session. Rejects with a NotFoundError if no definition begins with this month. See `putCosts` for `ifVersion`
   * and retries.
   */
  async deleteDefinition(month: string, options: models.ChangeDefinitionOptions = {}): Promise<number> {
    return this.#changeDefinition("DELETE", month, options, { named: true });
  }

  #changeDefinition(
    method: "PUT" | "DELETE",
    month: string,
    options: models.ChangeDefinitionOptions,
    what: Partial<Request>,
  ): Promise<number> {
    return this.#changeAt(`${DEFINITIONS}/${escaped(month)}`, options, { method, by: "session", ...what });
  }

  #changeAt(
    path: string,
    { ifVersion, signal }: models.ChangeDefinitionOptions,
    what: Partial<Request>,
  ): Promise<number> {
    const how = { headers: condition(ifVersion), ...what };
    const read = (reply: answers.Reply) => {
      this.#tellIgnored(reply, path, "Stored");
      return version(reply);
    };
    return this.read(path, { signal }, read, how, ifVersion !== undefined);
  }

  protected override manage<T>(
    read: (reply: answers.Reply) => T,
    ...how: [models.KeyOptions, ("POST" | "DELETE")?, string?, object?, boolean?]
  ): Promise<T> {
    const told = (reply: answers.Reply) => {
      this.#tellIgnored(reply, "/api/keys", "Made");
      return read(reply);
    };
    return super.manage(told, ...how);
  }

  #tellIgnored(reply: answers.Reply, path: string, done: string): void {
    const ignored = answers.ignored(reply);
    if (ignored[0]) this.#warn(`${path}: ${done}, but the API did not read ${ignored.join(", ")}`);
  }

  /**
   * Returns what would count in a period, by default the last 30 days, if this definition had always held. Nothing is
   * stored.
   *
   * Needs the session of the user who pays. Returns null if the period does not consist of whole days of the definition's
   * time zone.
   */
  async tryDefinition(
    definition: models.NewDefinition,
    { start, end, signal }: models.TryDefinitionOptions = {},
  ): Promise<models.ByRule | null> {
    const path = `${DEFINITIONS}/try`;
    const body = written("types", () => ({ definition: inRequest(definition), from: start, to: end }));
    const how = { method: "POST", body, by: "session" } as const;
    const read = (reply: answers.Reply) => {
      this.#tellIgnored(reply, path, "Tried");
      return trial(reply);
    };
    return this.read(path, { signal }, read, how);
  }

  /**
   * Returns the user's watches, with their present figures and what was told, and the setting of the digest. The platform's
   * key gets only what it put itself, without figures, unless it may read outcomes.
   */
  async listWatches(options: models.WatchesOptions = {}): Promise<models.Watches> {
    return this.#readWatches("", options, answers.shaped(readers.watches));
  }

  /** Returns one of the watches that `listWatches` returns. Rejects with a NotFoundError if there is none. */
  async getWatch(watchId: string, options: models.WatchesOptions = {}): Promise<models.Watch> {
    return this.#readWatches(`/${escaped(watchId)}`, options, answers.shaped(readers.watch), true);
  }

  /**
   * Puts a watch, by which the user is told by an event when a figure crosses a line. Returns its version. The watch that is
   * stored already keeps its version.
   *
   * Needs the session, or the platform's key (`userId` is the user), which gets a ForbiddenError for what a session put.
   * Rejects with a ConflictError for more than 20 watches, and for the measure `counted` without a definition or in another
   * time zone. See `putCosts` for `ifVersion` and retries.
   */
  async putWatch(watchId: string, watch: models.NewWatch, options: models.ChangeWatchOptions = {}): Promise<number> {
    return this.#changeWatch(watchId, () => ({ ...watch, target: exact(watch.target) }), options);
  }

  /** Deletes a watch. Returns the deleted version. Rejects with a NotFoundError if there is none. See `putWatch`. */
  async deleteWatch(watchId: string, options: models.ChangeWatchOptions = {}): Promise<number> {
    return this.#changeWatch(watchId, undefined, options);
  }

  /** Sends the user a digest each week, as an event. Returns the version of this setting. See `putWatch`. */
  async putDigest(digest: models.NewDigest, options: models.ChangeWatchOptions = {}): Promise<number> {
    return this.#changeWatch("digest", () => digest, options);
  }

  /** Sends no digest any more. Returns the deleted version. See `deleteWatch`. */
  async deleteDigest(options: models.ChangeWatchOptions = {}): Promise<number> {
    return this.#changeWatch("digest", undefined, options);
  }

  #readWatches<T>(
    below: string,
    options: models.WatchesOptions,
    read: (reply: answers.Reply) => T,
    named = false,
  ): Promise<T> {
    const userId = this.whose(options.userId);
    return this.read(`${WATCHES}${below}`, { signal: options.signal, userId }, read, { by: byUser(userId), named });
  }

  /** Puts a watch or the digest, or deletes it if there is no setting. */
  #changeWatch(id: string, setting: (() => object) | undefined, options: models.ChangeWatchOptions): Promise<number> {
    const userId = this.whose(options.userId);
    const what = setting
      ? ({ method: "PUT", body: written("target", () => ({ ...setting(), userId })) } as const)
      : ({ method: "DELETE", query: userId == null ? "" : `?userId=${userId}`, named: true } as const);
    return this.#changeAt(`${WATCHES}/${escaped(id)}`, options, { by: byUser(userId), ...what });
  }

  /** Returns a summary with what counts by the user's definitions. `timezone` must be theirs. See `summary`. */
  async countedSummary(options: models.CountedSummaryOptions = {}): Promise<models.CountedSummary> {
    const asked = { ...options, definition: true };
    const totals = await this.read("/api/outcomes/summary", asked, answers.shaped(readers.countedSummary));
    return asAsked(totals, options);
  }

  /** Lists one page of the user's outcomes, void ones, too, with what each counts for by the definitions. See `list`. */
  async listCounted(options: models.ListCountedOptions = {}): Promise<models.CountedPage> {
    return this.read("/api/outcomes", { ...options, ...COUNTED }, countedPage);
  }

  /** Yields every outcome of the user, void ones, too, with what it counts for by the definitions, newest first. */
  async *iterateCounted(filters: models.IterateCountedOptions = {}): AsyncGenerator<models.CountedOutcome, void> {
    const asked = { ...filters, ...COUNTED, limit: 50 };
    for await (const { outcomes } of this.parts("/api/outcomes", asked, countedPage)) yield* outcomes;
  }

  /** Reads one outcome of the user with what it counts for by the definitions, and its corrections. */
  async getCounted(outcomeId: string, options: models.ReadOptions = {}): Promise<models.CountedHistory> {
    const read = answers.shaped(readers.countedHistory);
    return this.read(outcomePath(outcomeId), { ...options, counts: true }, read, { named: true });
  }

  #switchKey(keyId: string, way: "pause" | "resume", options: models.KeyOptions): Promise<models.AgentKey> {
    const below = `/${escaped(keyId)}/${way}`;
    return this.manage(answers.shaped(readers.agentKey), options, "POST", below, {}, way === "pause");
  }

  // make contract: calls for rows
  /** List the user's definitions of which outcomes count, newest first. */
  async listDefinitions(options: models.ReadOptions = {}): Promise<models.Definition[]> {
    const read = answers.rows("definitions", readers.definition);
    return this.read("/api/definitions", options, read);
  }
  // end of make contract
}

/** Divides corrections into batches within the API's limits. Those that JSON cannot represent get their result here. */
function* batches(items: Item[], first: string): Generator<Item[]> {
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  const room = 2 ** 20 - bytes(first) - 1; // less 2 bytes of the end; plus 1, because the last item has no comma
  let batch: Item[] = [];
  let left = room;
  for (const item of items) {
    try {
      item.text = encode(item.body);
      const size = bytes(item.text) + 1; // plus its comma
      if (size > room) throw { error: "Payload too large" };
      if (size > left || batch.length === 100) {
        yield batch;
        batch = [];
        left = room;
      }
      batch.push(item);
      left -= size;
    } catch (refused) {
      item.result = answers.correctionResult({ ...(refused as OutcomesError), status: "invalid" }, item.body);
    }
  }
  if (batch[0]) yield batch;
}

/** Returns totals. Throws an UnexpectedAnswerError if the API is too old for an option, and returned other totals. */
function asAsked<S extends models.Summary>(totals: S, options: models.SummaryOptions): S {
  const { by = "day", compare, agentId } = options;
  const types = [options.outcomeType ?? []].flat();
  const statuses = [...new Set([options.status ?? []].flat())];
  const { confirmed, disputed, voided } = totals;
  const apart: Record<string, models.Total> = { confirmed, disputed, void: voided };
  const sum = statuses.reduce((count, status) => count + (apart[status]?.count ?? Number.NaN), 0);
  const strange = {
    by: by !== "day" && totals.byDay[0],
    compare: compare && !totals.previous,
    outcomeType: types[0] && totals.byType.some((one) => !types.includes(one.outcomeType)),
    agentId: agentId != null && totals.byAgent.some((one) => `${one.agentId ?? "none"}` !== `${agentId}`),
    status: statuses[0] && sum >= 0 && sum !== totals.count, // an older API ignores the parameter `status`
  };
  const unread = Object.entries(strange).flatMap(([name, isStrange]) => (isStrange ? name : []));
  if (!unread[0]) return totals;
  const message = `200, but this API is too old to know ${unread.join(", ")}: these are other totals`;
  throw new UnexpectedAnswerError(message, { status: 200 });
}

const COUNTED = { ledger: true, counts: true };
const countedPage = answers.shaped(readers.countedPage);

const trial = answers.shaped(({ by_rule }) => orNull(readers.byRule)(by_rule));

const version = answers.shaped((body) => answers.done(body) && whole(body.version));

/** Returns the credential for a user's watches: the platform's key, which must name the user, or the session. */
const byUser = (userId: number | undefined) => (userId == null ? "session" : "key");

/** Returns the header that requires a version of costs, of a definition or of a watch. */
const condition = (version: number | undefined): Record<string, string> =>
  version === undefined ? {} : version ? { "If-Match": `"${version}"` } : { "If-None-Match": "*" };

// Replaces `/` and `+` in the time zone's name, because gateways decode escapes in paths.
const statementPath = (id: string) =>
  `${STATEMENTS}/${escaped(`${id}`.replaceAll("/", "~").replaceAll("+", ".")).replace("%40", "@")}`;

const costsPath = (day: string, source: string) => `${COSTS}/${escaped(day)}/${escaped(source)}`;

const exact = (amount: models.Amount | null | undefined) => (amount == null ? amount : new Decimal(`${amount}`));

/** Writes the costs of a day. Throws an InvalidOutcomeError if JSON cannot represent the lines. */
const bodyOf = (userId: number | undefined, lines: Iterable<models.NewCostLine>): string =>
  written("lines", () => ({
    userId,
    lines: [...lines].map((line) => ({ ...line, costUsd: exact(line.costUsd), quantity: exact(line.quantity) })),
  }));

/** Returns a definition with exact amounts. */
function inRequest({ types, ...head }: models.NewDefinition) {
  const rules = Object.entries(types).map(([name, rule]) => [name, { ...rule, eachUsd: exact(rule.eachUsd) }]);
  return { ...head, types: Object.fromEntries(rules) };
}

/** Writes a body as JSON. field: the one that may have values that JSON cannot represent. */
function written(field: string, body: () => object): string {
  try {
    return stringify(body());
  } catch {
    const error = `Invalid ${field}`;
    throw new InvalidOutcomeError(error, { error, details: [{ field, message: "must be JSON" }] });
  }
}
