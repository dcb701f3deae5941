import { button, html } from "../shared/dom.js";
import { ask, isOutcome } from "./api.js";

/** @import {Api, History, Outcome} from "./api.js" */
/** @import {Row} from "./row.js" */

const ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/; // a ULID; anything else below the endpoint is another route

/**
 * Read a linked outcome. Return its row, or null if it does not exist, and the elements to show.
 * @param {string} id
 * @param {Api} api
 * @param {(outcome: Outcome) => Row} make
 * @param {() => void} close
 * @param {AbortSignal} signal
 * @returns {Promise<{row: Row | null, content: Element[]}>}
 */
export async function readLinked(id, api, make, close, signal) {
  const outcome = ID.test(id) ? await find(api.url(`/${id}`), signal) : null;
  const top = html("div", { class: "top" }, html("h3", {}, "Linked outcome"), button("Close", close));
  if (outcome?.id !== id || !isOutcome(outcome)) {
    const missing = html("p", { class: "caption", tabindex: -1 }, "This outcome does not exist or is not yours.");
    return { row: null, content: [top, missing] };
  }
  const row = make(outcome);
  return { row, content: [top, html("ol", { class: "rows", role: "list" }, row.element)] };
}

/** @param {URL} url @param {AbortSignal} signal */
async function find(url, signal) {
  try {
    /** @type {Partial<History>} */
    const { outcome } = await ask(url, signal);
    return outcome;
  } catch (problem) {
    const { kind, status } = /** @type {any} */ (problem);
    if (kind !== "error" || status < 400 || status >= 429) throw problem;
  }
}
