import { parseExactly } from "../shared/numbers.js";
import { explain, invalidResponse, request } from "../shared/request.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {Problem} from "../shared/request.js" */

/**
 * @typedef {{id: string, user_id: number, name: string, agent_id: number | null, outcome_types: string[] | null,
 *   max_value_usd: Exact | null, max_per_day?: number | null, recorded_today?: number | null, scopes: string[], created_at: string, expires_at: string | null,
 *   last_used_at: string | null, made_by?: string | null, rotated_by?: string | null, rotated_at?: string | null,
 *   paused_at?: string | null}} Key
 * @typedef {Key & {key: string}} NewKey
 */

/**
 * Call the API. Throws a Problem unless the response is successful JSON. If `signal` is aborted, throws fetch's own error.
 * @param {"GET" | "POST" | "DELETE"} method
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @param {Record<string, unknown>} [body]
 */
export async function call(method, url, signal, body) {
  const { text, problem } = await request(url, signal, { method, body });
  let answer;
  try {
    answer = parseExactly(text);
  } catch {
    throw problem ?? invalidResponse();
  }
  if (!problem) return answer;
  explain(problem, answer);
  if (problem.isOff) Object.assign(problem, { kind: "unset", message: "AgentKeys is Off, or the endpoint is wrong." });
  else if (problem.reason) problem.message = `The server answered ${problem.status}: ${problem.reason}.`;
  throw problem;
}

/** @param {any} key */
export function isKey(key) {
  const texts = [key.id, key.name].every((text) => typeof text === "string");
  return texts && Array.isArray(key.scopes) && Date.parse(key.created_at) > 0;
}

/** Check that a response is a key with its secret. @param {Promise<any>} response @returns {Promise<NewKey>} */
export async function secretOf(response) {
  const key = await response;
  if (typeof key.key !== "string" || !isKey(key)) throw invalidResponse();
  return key;
}
