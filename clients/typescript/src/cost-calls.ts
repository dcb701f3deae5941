// Adds the calls about costs to the client. Web pages load page.ts, which leaves this module out to stay below 6.6 kB.

import * as answers from "./cost-answers.js";
import { InvalidOutcomeError, PreconditionFailedError, UnexpectedAnswerError } from "./errors.js";
import { Decimal, stringify } from "./json.js";
import type * as models from "./models.js";
import { StatementsClient } from "./statement-calls.js";

const PATH = "/api/costs";

export class CostsClient extends StatementsClient {
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
    return this.read(pathOf(day, source), asked, answers.day, { by: this.by, named: true });
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
    return this.read("/api/outcomes/summary", { ...options, include: "cost" }, answers.summary);
  }

  /** Returns the user's costs by agent, UTC day and source, by default of the last 30 days. */
  async listCosts(options: models.CostsOptions = {}): Promise<models.Costs> {
    return this.read(PATH, options, answers.costs);
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
      return await this.read(pathOf(day, source), { signal }, answers.version, how, ifVersion !== undefined);
    } catch (failure) {
      if (!(failure instanceof UnexpectedAnswerError) || failure.status !== 412) throw failure;
      const { status, error, details, ignoredFields } = failure;
      throw new PreconditionFailedError(`412 ${error}`, { status, error, details, ignoredFields });
    }
  }
}

const pathOf = (day: string, source: string) => `${PATH}/${encodeURIComponent(day)}/${encodeURIComponent(source)}`;

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
