import { isNumber } from "../shared/numbers.js";
import { withQuery } from "./address.js";
import { ask } from "./api.js";

/** @import {Cost} from "./api.js" */

const MAX_AGE_MS = 60_000;

/**
 * Reads the agents' cost from the page's own server. An unknown cost is null. A failed read is retried with the next
 * poll.
 */
export class CostSource {
  /** @type {Cost | null} */
  cost = null;
  #asked = "";
  #askedAt = 0;

  /**
   * Read the cost, unless it was read within MAX_AGE_MS.
   * @param {string | null} endpoint
   * @param {string} scope identifies period and filters
   * @param {Record<string, string> | null} query null: the scope has no cost
   * @param {AbortSignal} signal
   * @returns whether the cost has to be rendered again
   */
  async read(endpoint, scope, query, signal) {
    const asked = `${endpoint} ${scope}`;
    if (asked === this.#asked && Date.now() - this.#askedAt < MAX_AGE_MS) return false;
    if (asked !== this.#asked) this.cost = null;
    this.#asked = asked;
    this.#askedAt = Date.now();
    if (!endpoint || !query) return true;
    /** @type {Cost | null} */
    const cost = await ask(withQuery(new URL(endpoint, document.baseURI), query), signal).catch(() => null);
    if (asked !== this.#asked) return false;
    this.cost = cost && isNumber(cost.cost_usd) ? cost : null;
    if (!cost) this.#askedAt = 0;
    return true;
  }

  forget() {
    this.cost = null;
    this.#asked = "";
  }
}
