// The client with the calls about costs. Pages load page.ts without it, to stay below 6.6 kB.

import * as answers from "./cost-answers.js";
import { PreconditionFailedError, UnexpectedAnswerError } from "./errors.js";
import { Decimal, stringify } from "./json.js";
import type * as models from "./models.js";
import { StatementsClient } from "./statement-calls.js";

const PATH = "/api/costs";

export class CostsClient extends StatementsClient {
  /**
   * Replaces the costs of a UTC day from a source, and returns their version. Equal lines change nothing.
   *
   * Needs the platform's key (`userId` is the user), an agent key with the scope `cost`, or a session. Rejects with a
   * PreconditionFailedError if not `ifVersion` is stored; after a lost answer, that may be because the lines are already
   * stored.
   */
  async putCosts(
    day: string,
    source: string,
    lines: Iterable<models.NewCostLine>,
    options: models.ChangeCostsOptions = {},
  ): Promise<number> {
    const exact = (amount: models.Amount | null | undefined) => (amount == null ? amount : new Decimal(`${amount}`));
    const sent = Array.from(lines, (line) => ({
      ...line,
      costUsd: exact(line.costUsd),
      quantity: exact(line.quantity),
    }));
    const body = stringify({ userId: this.whose(options.userId), lines: sent });
    return this.#change("PUT", day, source, options, { body, query: "" });
  }

  /** Reads the costs of a UTC day from a source. Rejects with a NotFoundError if the source has not put that day. */
  async getCosts(day: string, source: string, options: models.ReadCostsOptions = {}): Promise<models.CostDay> {
    const query = queryOf({ userId: this.whose(options.userId), include: options.versions ? "versions" : undefined });
    return this.read(pathOf(day, source), options, answers.day, { query, by: this.by, named: true });
  }

  /** Makes the costs of a UTC day from a source unknown again. Returns the version of the deletion. */
  async deleteCosts(day: string, source: string, options: models.ChangeCostsOptions = {}): Promise<number> {
    return this.#change("DELETE", day, source, options, { query: queryOf({ userId: this.whose(options.userId) }) });
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
      return await this.read(pathOf(day, source), { signal }, answers.version, how);
    } catch (failure) {
      if (!(failure instanceof UnexpectedAnswerError) || failure.status !== 412) throw failure;
      const { status, error, details, ignoredFields } = failure;
      throw new PreconditionFailedError(`412 ${error}`, { status, error, details, ignoredFields });
    }
  }
}

const pathOf = (day: string, source: string) => `${PATH}/${encodeURIComponent(day)}/${encodeURIComponent(source)}`;

function queryOf(values: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) query.append(name, `${value}`);
  return `${query}` && `?${query}`;
}
