import { isNumber } from "../shared/numbers.js";
import { withQuery } from "./address.js";
import { ask } from "./api.js";

/** @import {Cost} from "./api.js" */

const LATEST_MS = 60_000; // how long a cost is taken for the latest

/** What the page's own server says that the agents cost. What cannot be known is null; with the next poll it is tried again. */
export class CostSource {
  /** @type {Cost | null} */
  cost = null;
  #asked = "";
  #askedAt = 0;

  /**
   * Reads it, unless it is known well enough.
   * @param {string | null} endpoint
   * @param {string} scope what it has to be of
   * @param {Record<string, string> | null} query null where no cost can be told
   * @param {AbortSignal} signal
   * @returns whether there is something else to show
   */
  async read(endpoint, scope, query, signal) {
    const asked = `${endpoint} ${scope}`;
    if (asked === this.#asked && Date.now() - this.#askedAt < LATEST_MS) return false;
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
