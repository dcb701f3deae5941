// The client with all calls. Web pages load client.ts, which has no calls about costs and statements, none that need a key,
// and no errors that name a capability that is off, to stay below 6.6 kB. The calls that `make contract` writes are here, too.

import * as answers from "./answers.js";
import { type ClientOptions, encode, OutcomesClient as PageClient } from "./client.js";
import {
  CapabilityOffError,
  ConfigurationError,
  InvalidOutcomeError,
  LimitError,
  PreconditionFailedError,
  ServerError,
  UnexpectedAnswerError,
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
// Only agent keys have a daily limit, and pages use none.
answers.REFUSALS["429 Too many outcomes"] = class extends LimitError {
  constructor(message: string, known?: ConstructorParameters<typeof LimitError>[1], after?: string) {
    super(after ? `${message}; it is not known whether an earlier try took effect` : message, known);
  }
};

// make contract: capabilities
/** Patterns of paths, with the template parameter that switches their routes on or off. A mistyped id is no route. */
const CAPABILITIES: [RegExp, string][] = [
  [/\/api\/outcomes\/batch$/, "Batch"],
  [/\/api\/outcomes\/summary$/, "Totals"],
  [/\/api\/outcomes\/export$/, "Export"],
  [/\/api\/outcomes\/[0-7][0-9A-HJKMNP-TV-Z]{25}$/, "Corrections"],
  [/\/api\/outcomes\/[0-7][0-9A-HJKMNP-TV-Z]{25}\/corrections$/, "Corrections"],
  [/\/api\/outcomes\/[0-7][0-9A-HJKMNP-TV-Z]{25}\/assign$/, "Corrections"],
  [/\/api\/keys$/, "AgentKeys"],
  [/\/api\/keys\/self$/, "AgentKeys"],
  [/\/api\/keys\/[^/]+$/, "AgentKeys"],
  [/\/api\/keys\/[^/]+\/rotate$/, "AgentKeys"],
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
    try {
      return await this.read(costsPath(day, source), { signal }, version, how, ifVersion !== undefined);
    } catch (failure) {
      if (!(failure instanceof UnexpectedAnswerError) || failure.status !== 412) throw failure;
      const { status, error, details, ignoredFields } = failure;
      throw new PreconditionFailedError(`412 ${error}`, { status, error, details, ignoredFields });
    }
  }

  // make contract: calls for rows
  // end of make contract
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
