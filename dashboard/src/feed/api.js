import { parseExactly } from "../shared/numbers.js";
import { explain, Problem, request } from "../shared/request.js";

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

/**
 * Gets JSON, or posts some, and raises a Problem when none is answered; whatever fetch raises when `signal` is aborted.
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @param {Post} [post]
 */
export async function ask(url, signal, post) {
  const how = post && { method: "POST", body: post.body, headers: { "idempotency-key": post.key } };
  const { text, problem } = await request(url, signal, how);
  let body;
  try {
    body = parseExactly(text);
  } catch {
    const unread = problem ?? new Problem("error");
    unread.message = "The server’s answer could not be read.";
    throw unread;
  }
  if (problem) throw explain(problem, body);
  return body;
}

/** @typedef {{body: Record<string, unknown>, key: string}} Post key: by which a retry is known */

/** @param {Outcome} one */
export const isOutcome = (one) =>
  [one.id, one.title, one.outcome_type].every((text) => typeof text === "string") &&
  Date.parse(one.created_at) &&
  (one.status === undefined || Date.parse(one.occurred_at ?? ""));

/** Why the owner's word was not taken, for the owner. @param {Problem} problem */
export function refusal(problem) {
  const { status, reason, details } = problem;
  if (problem.kind === "offline") return "You are offline.";
  if (status === 404) return "This outcome is not there any more, or is not yours.";
  if (reason === "Conflict") return "Others are correcting it at this very moment.";
  if (reason === "Not possible")
    return `Not possible: ${details[0]?.message ?? "this outcome cannot be corrected any more"}.`;
  if (status === 403) return "Not allowed: whoever recorded an outcome cannot confirm it.";
  if (status === 400 && details[0]) return `The ${details[0].field} ${details[0].message}.`;
  return problem.message;
}

/** Whether it may be otherwise the next time. @param {Problem} problem */
export const mayPass = ({ status, reason }) => status < 400 || status >= 429 || reason === "Conflict";
/** Whether it may have been saved all the same. @param {Problem} problem */
export const isUnsure = ({ status }) => status < 400 || (status >= 500 && status !== 503);

/** A key that nobody chose before. crypto.randomUUID is for secure contexts only. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
