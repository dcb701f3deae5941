import { parseExactly } from "../shared/numbers.js";
import { explain, invalidResponse, Problem, request } from "../shared/request.js";
import { withQuery } from "./address.js";

/** @import {Exact} from "../shared/numbers.js" */

/**
 * What the API answers. Numbers are read by parseExactly.
 * @typedef {{id: string, agent_id: number | null, outcome_type: string, title: string, description: string | null,
 *   value_usd: Exact | null, metadata: Record<string, unknown> | null, created_at: string,
 *   status?: string, occurred_at?: string, recorded_by?: string | null, version?: number}} Outcome
 *   the last four since there are corrections
 * @typedef {{before: unknown, after: unknown} | {omitted: true}} Change
 * @typedef {{id: string, type: string, reason: string | null, by: string | null, created_at: string,
 *   changes?: Record<string, Change>}} Correction
 * @typedef {{outcome: Outcome, corrections: Correction[]}} History
 * @typedef {{outcomes: Outcome[], next_cursor?: string | null}} OutcomePage
 * @typedef {{count: number, value_usd: Exact}} Sum
 * @typedef {Sum & {date: string}} Day
 * @typedef {Sum & {outcome_type: string}} TypeSum
 * @typedef {Sum & {agent_id: number | null}} AgentSum
 * @typedef {Sum & {agents: number}} OtherAgents
 * @typedef {Sum & {by_day?: Day[], by_week?: Day[], by_month?: Day[], by_type: TypeSum[], by_agent?: AgentSum[],
 *   other_agents?: OtherAgents, confirmed?: Sum, disputed?: Sum, previous?: Sum}} Summary previous: of the same length of time before
 */

/**
 * What the page's own cost-endpoint answers.
 * @typedef {{cost_usd: Exact | null, by_agent?: {agent_id: number | null, cost_usd: Exact}[]}} Cost
 */

/** @typedef {{body: Record<string, unknown>, key: string}} Post key: by which a retry is known */

/**
 * Gets JSON, or posts some, and raises a Problem when none is answered; whatever fetch raises when `signal` is aborted.
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @param {Post} [post]
 */
export const ask = async (url, signal, post) => (await answer(url, signal, post)).body;

/** As `ask`, with the headers. @param {URL} url @param {AbortSignal} [signal] @param {Post} [post] */
async function answer(url, signal, post) {
  const how = post && { method: "POST", body: post.body, headers: { "idempotency-key": post.key } };
  const { text, problem, headers } = await request(url, signal, how);
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

/** Whether it may be otherwise the next time. @param {Problem} problem */
export const isRetryable = ({ status, reason }) => status < 400 || status >= 429 || reason === "Conflict";

const PAGE = 20;
const SPARSE_PAGES = 5; // a filtered page may be short or empty and still have a cursor

/** The API below an endpoint, which is asked for with each call. */
export class Api {
  /** @param {() => string} endpoint as an absolute URL */
  constructor(endpoint) {
    this.#endpoint = endpoint;
  }
  #endpoint;
  /** @type {string | null} what is on, as lists say; a server that does not say has everything */
  #capabilities = null;

  /** Whether a capability is on, as far as is known. @param {"totals" | "corrections" | "export"} capability */
  has(capability) {
    return this.#capabilities?.includes(capability) ?? true;
  }

  /**
   * @param {string} path below the endpoint
   * @param {Record<string, string | number | null>} query what is null or empty is left out
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
   * Pages from a cursor on, until one brings something, the end, or SPARSE_PAGES.
   * @param {Record<string, string | number | null>} filter
   * @param {string | null} start
   * @param {AbortSignal} signal
   */
  async page(filter, start, signal) {
    let cursor = start;
    for (let pages = 1; ; pages += 1) {
      const page = await this.list({ ...filter, cursor }, signal);
      if (page.outcomes.length || !page.next_cursor || pages === SPARSE_PAGES) return page;
      cursor = page.next_cursor;
    }
  }

  /** @param {Record<string, string | null>} query @param {AbortSignal} signal @returns {Promise<Summary>} */
  summary(query, signal) {
    return ask(this.url("/summary", query), signal).catch((problem) => {
      // A browser may know a time zone that the server's list does not.
      if (problem.reason !== "Invalid timezone") throw problem;
      return ask(this.url("/summary", { ...query, timezone: "UTC" }), signal);
    });
  }
}
