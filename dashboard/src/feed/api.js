import { parseExactly } from "../shared/numbers.js";
import { explain, invalidResponse, Problem, request } from "../shared/request.js";
import { withQuery } from "./address.js";

/** @import {Exact} from "../shared/numbers.js" */

/**
 * Responses of the API. parseExactly reads their numbers.
 * @typedef {{id: string, user_id: number | null, agent_id: number | null, outcome_type: string, title: string, description: string | null,
 *   value_usd: Exact | null, metadata: Record<string, unknown> | null, created_at: string,
 *   status?: string, occurred_at?: string, recorded_by?: string | null, version?: number}} Outcome
 *   the last four fields are missing in answers of older servers
 * @typedef {{before: unknown, after: unknown} | {omitted: true}} Change
 * @typedef {{id: string, type: string, reason: string | null, by: string | null, created_at: string,
 *   changes?: Record<string, Change>}} Correction
 * @typedef {{outcome: Outcome, corrections: Correction[]}} History
 * @typedef {{type: string, label: string}} Type an outcome type that may be recorded
 * @typedef {{outcomes: Outcome[], next_cursor?: string | null}} OutcomePage
 * @typedef {{count: number, value_usd: Exact}} Sum
 * @typedef {{from?: string, to?: string}} Period
 * @typedef {Sum & {date: string, counted_usd?: Exact | null, waiting_usd?: Exact | null}} Day
 * @typedef {Sum & {outcome_type: string}} TypeSum
 * @typedef {Sum & {agent_id: number | null}} AgentSum
 * @typedef {Sum & {agents: number}} OtherAgents
 * @typedef {Sum & {by_day?: Day[], by_week?: Day[], by_month?: Day[], by_type: TypeSum[], by_agent?: AgentSum[],
 *   other_agents?: OtherAgents, confirmed?: Sum, disputed?: Sum, voided?: Sum, by_rule?: ByRule | null,
 *   previous?: Sum & Period & {counted_usd?: Exact | null, waiting_usd?: Exact | null},
 *   recent?: {after: string, ids: string[]}} & Period & {timezone?: string}} Summary previous: the sum of the
 *   previous period of the same length. recent: the ids of all outcomes that the API has taken into account and that were
 *   recorded after the instant `after`
 */

/**
 * What counts by the owner's rule: five sums, which add up to the claimed one.
 * @typedef {Sum & {estimated_usd: Exact}} RuleSum
 * @typedef {{counted: RuleSum, waiting: RuleSum & {closes: (Sum & {on: string})[]}, unconfirmed: RuleSum,
 *   not_counted: Sum, before_rules: Sum, by_type: {outcome_type: string, counted: RuleSum}[]}} ByRule
 */

/**
 * A response of `cost-endpoint`. GET /api/costs returns all members; a page's own server may return `cost_usd` alone.
 * @typedef {{cost_usd: Exact | null, by_agent?: {agent_id: number | null, cost_usd: Exact}[],
 *   days?: string, by_day?: {date: string, cost_usd: Exact | null, restated_at?: string}[], by_source?: {source: string, gaps: string[]}[],
 *   known_days?: number, of_days?: number}} Cost
 */

/** @typedef {Parameters<typeof request>[2]} Options */

/**
 * Get JSON. Throws a Problem unless the response is successful JSON. If `signal` is aborted, throws fetch's own error.
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @param {Options} [options]
 */
export const ask = async (url, signal, options) => (await answer(url, signal, options)).body;

/**
 * Send a request like `ask`, and also return the response's headers.
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @param {Options} [options]
 */
async function answer(url, signal, options) {
  const { text, problem, headers } = await request(url, signal, options);
  let body;
  try {
    body = parseExactly(text);
  } catch {
    const unread = problem ?? new Problem("error");
    unread.message = "The server’s answer could not be read.";
    throw unread;
  }
  if (problem) throw explain(problem, body);
  return { body, headers };
}

/** @param {Outcome} one */
export const isOutcome = (one) =>
  [one.id, one.title, one.outcome_type].every((text) => typeof text === "string") &&
  Date.parse(one.created_at) &&
  (one.status === undefined || Date.parse(one.occurred_at ?? ""));

/** Whether a retry may succeed. @param {Problem} problem */
export const isRetryable = ({ status, reason }) => status < 400 || status >= 429 || reason === "Conflict";

export const STATUSES = ["recorded", "confirmed", "disputed", "void"];

export const PAGE = 20;
export const LARGEST_PAGE = 50; // the API's maximum
const SPARSE_PAGES = 5; // a filtered page may be short or empty and still have a cursor

/** A client of the API at an endpoint. */
export class Api {
  /** @param {() => string} endpoint an absolute URL, read with each call: it may change */
  constructor(endpoint) {
    this.#endpoint = endpoint;
  }
  #endpoint;
  /** @type {string | null} header of the last list; null: only what `#lacks` names is off */
  #capabilities = null;
  #lacks = ["statements", "watches"]; // off if the server sends no capabilities; a refused summary adds totals or definitions

  /**
   * Whether a capability is on. A server that names no capabilities has all except statements and watches.
   * @param {"totals" | "corrections" | "export" | "agentkeys" | "statements" | "definitions" | "watches"} capability
   */
  has(capability) {
    return this.#capabilities?.includes(capability) ?? !this.#lacks.includes(capability);
  }

  /**
   * @param {string} path below the endpoint
   * @param {Record<string, string | number | null>} query null and empty values are left out
   */
  url(path, query = {}) {
    const url = new URL(this.#endpoint());
    url.pathname = url.pathname.replace(/\/$/, "") + path;
    return withQuery(url, query);
  }

  /** @param {Record<string, string | number | null>} query @param {AbortSignal} signal */
  async list(query, signal) {
    const { body, headers } = await answer(this.url("", { limit: PAGE, include: "ledger", ...query }), signal);
    this.#capabilities = headers.get("capabilities");
    /** @type {OutcomePage} */
    const page = body;
    if (!page.outcomes.every(isOutcome)) throw invalidResponse();
    return page;
  }

  /**
   * Read up to SPARSE_PAGES pages after a cursor. Return the first page that has outcomes. If none has any, return the last
   * page that was read. isEmpty: whether no page has any, once that may be known.
   * @param {Record<string, string | number | null>} filter
   * @param {string | null} start
   * @param {AbortSignal} signal
   */
  async page(filter, start, signal, isEmpty = Promise.resolve(false)) {
    let cursor = start;
    for (let pages = 1; ; pages += 1) {
      const page = await this.list({ ...filter, cursor }, signal);
      if (page.outcomes.length || !page.next_cursor || pages === SPARSE_PAGES || (await isEmpty)) return page;
      cursor = page.next_cursor;
    }
  }

  /**
   * @param {Record<string, string | null>} query `include` replaces what a summary for the feed includes
   * @param {AbortSignal} [signal]
   * @returns {Promise<[Summary, number]>} the summary, and for how many seconds it is fresh; older servers do not tell
   */
  async summary(query, signal) {
    const url = (/** @type {string | null} */ timezone) => {
      const asked = this.url("/summary", { include: "recent", ...query, timezone });
      if (this.has("definitions") && !("include" in query)) asked.searchParams.append("include", "definition_days");
      return asked;
    };
    const { body, headers } = await answer(url(query.timezone), signal).catch((problem) => {
      if (problem.status === 404) this.#lacks.push("totals");
      // A server without definitions may not know what counts.
      if (problem.reason === "Invalid include" && this.#lacks.push("definitions"))
        return answer(url(query.timezone), signal);
      // The server may not know the browser's time zone. Then use UTC.
      if (problem.reason !== "Invalid timezone") throw problem;
      return answer(url("UTC"), signal);
    });
    return [body, Number(headers.get("fresh-for"))];
  }
}
