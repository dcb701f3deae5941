import { invalidResponse } from "../shared/request.js";
import { ask, isOutcome, LARGEST_PAGE } from "./api.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {Api, History} from "./api.js" */
/** @import {Filter} from "./merge.js" */
/** @import {Claim, Definition} from "./queue.js" */

const MOST_PAGES = 100; // of a load: pages of a filtered list may be empty

/**
 * Read up to `most` outcomes with one of some statuses, latest first. Return them, and the cursor of the next ones. Throws a Problem.
 * @param {Api} api
 * @param {Filter} query whose status is not used
 * @param {string[]} statuses
 * @param {{cursor?: string | null, most: number, signal: AbortSignal, loaded?: (count: number) => void}} options
 */
export async function readClaims(api, query, statuses, { cursor = null, most, signal, loaded }) {
  /** @type {Claim[]} */
  const claims = [];
  let next = cursor;
  let hasCounts = api.has("definitions");
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const limit = Math.min(LARGEST_PAGE, most - claims.length);
    const url = api.url("", { ...query, status: null, time: "occurred", include: "ledger", limit, cursor: next });
    for (const status of statuses) url.searchParams.append("status", status);
    if (hasCounts) url.searchParams.append("include", "counts");
    let page;
    try {
      page = await ask(url, signal);
    } catch (problem) {
      if (!hasCounts || /** @type {Problem} */ (problem).reason !== "Invalid include") throw problem;
      hasCounts = false; // a server with definitions, but of a version whose lists have no counts
      continue;
    }
    if (!Array.isArray(page.outcomes) || !page.outcomes.every(isOutcome)) throw invalidResponse();
    claims.push(...page.outcomes);
    next = page.next_cursor ?? null;
    loaded?.(claims.length);
    if (!next || claims.length >= most) break;
  }
  return { claims, cursor: next };
}

/**
 * Read the owner's definitions of what counts, newest first; empty if there are none. Throws a Problem.
 * @param {Pick<Api, "has" | "url">} api
 * @param {AbortSignal} signal
 * @returns {Promise<Definition[]>}
 */
export async function readRules(api, signal) {
  if (!api.has("definitions")) return [];
  const url = api.url("");
  url.pathname = url.pathname.replace(/[^/]*$/, "definitions");
  const { definitions } = await ask(url, signal);
  return Array.isArray(definitions) ? definitions : [];
}

/**
 * Read an outcome with its corrections. Return null if it does not exist. Throws a Problem.
 * @param {Api} api
 * @param {string} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<History | null>}
 */
export async function readHistory(api, id, signal) {
  try {
    const include = api.has("definitions") ? "counts" : null;
    const history = await ask(api.url(`/${encodeURIComponent(id)}`, { include }), signal);
    if (history.outcome.id !== id || !isOutcome(history.outcome) || !Array.isArray(history.corrections))
      throw invalidResponse();
    return history;
  } catch (problem) {
    const { status, isOff } = /** @type {Problem} */ (problem);
    if (status === 404 && !isOff) return null;
    throw problem;
  }
}
