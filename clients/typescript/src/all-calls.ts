// The client with all calls. Web pages load client.ts, which has no calls about costs and statements, none that need a key,
// and no errors that name a capability that is off, to stay below 6.6 kB. The calls that `make contract` writes are here, too.

import * as answers from "./answers.js";
import { type ClientOptions, encode, OutcomesClient as PageClient, type Request } from "./client.js";
import {
  CapabilityOffError,
  ConfigurationError,
  ForbiddenError,
  InvalidOutcomeError,
  LimitError,
  OutcomesError,
  PreconditionFailedError,
  ServerError,
} from "./errors.js";
import { Decimal, stringify } from "./json.js";
import type * as models from "./models.js";
import { whole } from "./parsing.js";
import * as readers from "./readers.js";

const COSTS = "/api/costs";
const STATEMENTS = "/api/statements";

// The fake's answer to what it never supports.
answers.REFUSALS[501] = class extends ServerError {
  override retryable = false;
};
// On pages, this error has no class of its own.
answers.REFUSALS[412] = PreconditionFailedError;
// Only agent keys are paused and have a daily limit, and pages use none.
answers.REFUSALS["403 Paused"] = ForbiddenError;
answers.REFUSALS["429 Too many outcomes"] = class extends LimitError {
  constructor(message: string, known?: ConstructorParameters<typeof LimitError>[1], after?: string) {
    super(after ? `${message}; it is not known whether an earlier try took effect` : message, known);
  }
};

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
];
// end of make contract

/**
 * Records outcomes and reads them back, like the client for pages; rejects with a CapabilityOffError if a capability is off.
 */
export class OutcomesClient extends PageClient {
  constructor(options: ClientOptions = {}) {
    super({
      ...options,
      fetch: async (url, init) => {
        const response = await (options.fetch ?? fetch)(url, init);
        if (response.status !== 404 || !response.headers.has("No-Such-Route")) return response;
        const { pathname } = new URL(url as string);
        const off = CAPABILITIES.find(([path]) => path.test(pathname));
        if (!off) return response;
        throw new CapabilityOffError(`404 Not found: ${off[1]} is Off in this deployment`, {
          status: 404,
          error: "Not found",
        });
      },
    });
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
    return this.read(`/api/outcomes/${encodeURIComponent(outcomeId)}/assign`, options, answers.assigned, {
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

  /** Lets a paused key be used again, with the same id, limits and idempotency keys. */
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
    const userId = this.whose(options.userId);
    return this.#change("PUT", day, source, options, { body: bodyOf(userId, lines), query: "" });
  }

  /** Reads the costs of a UTC day from a source. Rejects with a NotFoundError if there are none. */
  async getCosts(day: string, source: string, options: models.ReadCostsOptions = {}): Promise<models.CostDay> {
    const { signal, versions } = options;
    const asked = { signal, userId: this.whose(options.userId), include: versions ? "versions" : undefined };
    return this.read(costsPath(day, source), asked, answers.shaped(readers.costDay), { by: this.by, named: true });
  }

  /**
   * Deletes the costs of a UTC day from a source. They are then unknown, not zero. Returns the new version.
   *
   * See `putCosts` for `ifVersion` and retries.
   */
  async deleteCosts(day: string, source: string, options: models.ChangeCostsOptions = {}): Promise<number> {
    const userId = this.whose(options.userId);
    return this.#change("DELETE", day, source, options, { query: userId == null ? "" : `?userId=${userId}` });
  }

  /** Returns a summary of the user's outcomes, with the costs of the agents in the period. See `summary`. */
  async costSummary(options: models.CostSummaryOptions = {}): Promise<models.CostSummary> {
    return this.read("/api/outcomes/summary", { ...options, include: "cost" }, answers.shaped(readers.costSummary));
  }

  /** Returns the user's costs by agent, UTC day and source, by default of the last 30 days. */
  async listCosts(options: models.CostsOptions = {}): Promise<models.Costs> {
    return this.read(COSTS, options, answers.shaped(readers.costs));
  }

  #switchKey(keyId: string, way: "pause" | "resume", options: models.KeyOptions): Promise<models.AgentKey> {
    const below = `/${encodeURIComponent(keyId)}/${way}`;
    return this.manage(answers.shaped(readers.agentKey), options, "POST", below, {}, true);
  }

  async #change(
    method: "PUT" | "DELETE",
    day: string,
    source: string,
    { ifVersion, signal }: models.ChangeCostsOptions,
    what: { body?: string; query: string },
  ): Promise<number> {
    const headers: Record<string, string> =
      ifVersion === undefined ? {} : ifVersion ? { "If-Match": `"${ifVersion}"` } : { "If-None-Match": "*" };
    const how = { method, headers, by: this.by, named: method === "DELETE", ...what };
    return this.read(costsPath(day, source), { signal }, version, how, ifVersion !== undefined);
  }

  // make contract: calls for rows
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

const version = answers.shaped((body) => answers.done(body) && whole(body.version));

// Replaces `/` and `+` in the time zone's name, because gateways decode escapes in paths.
const statementPath = (id: string) =>
  `${STATEMENTS}/${encodeURIComponent(id.replaceAll("/", "~").replaceAll("+", ".")).replace("%40", "@")}`;

const costsPath = (day: string, source: string) => `${COSTS}/${encodeURIComponent(day)}/${encodeURIComponent(source)}`;

/** Writes the body of a PUT. Throws an InvalidOutcomeError if JSON cannot represent the lines. */
function bodyOf(userId: number | undefined, lines: Iterable<models.NewCostLine>): string {
  const exact = (amount: models.Amount | null | undefined) => (amount == null ? amount : new Decimal(`${amount}`));
  try {
    const sent = [...lines].map((line) => ({
      ...line,
      costUsd: exact(line.costUsd),
      quantity: exact(line.quantity),
    }));
    return stringify({ userId, lines: sent });
  } catch {
    const error = "Invalid lines";
    throw new InvalidOutcomeError(error, { error, details: [{ field: "lines", message: "must be JSON" }] });
  }
}
