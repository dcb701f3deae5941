import { isNumber, plus } from "../shared/numbers.js";
import { ask } from "./api.js";
import { shortDay } from "./format.js";
import { compared } from "./shares.js";
import { midnightIn } from "./zone.js";

/** @import {Api, Summary} from "./api.js" */

/** What the feed needs to know of the owner's rules. */
export class Rule {
  #from; // the first day of the first rule
  #zone;

  /** @param {{from: string, timezone: string}[]} definitions newest first */
  constructor(definitions) {
    this.#from = `${definitions.at(-1)?.from}-01`;
    this.#zone = definitions[0]?.timezone;
  }

  /**
   * Compare what counts or waits with the same of the previous period, if the rule held for all of that.
   * @param {Summary} summary
   * @param {string} before
   * @param {boolean} isRunning
   * @returns {(string | Element)[]}
   */
  change({ previous, by_rule }, before, isRunning) {
    const { from = "", counted_usd, waiting_usd } = previous ?? {};
    if (!by_rule || !isNumber(counted_usd) || !isNumber(waiting_usd)) return [];
    const began = midnightIn(this.#zone, this.#from);
    if (began > new Date(from)) {
      const verb = began > new Date() ? "begins" : "began";
      return [`No comparison: your rule ${verb} on ${shortDay(`${this.#from}T12:00`)}`];
    }
    const now = plus(by_rule.counted.value_usd, by_rule.waiting.value_usd);
    const change = compared(now, plus(counted_usd, waiting_usd), `against the same of ${before}`, before, isRunning);
    return change.length ? ["Counts or will count: ", ...change] : [];
  }
}

/** Read the owner's rules, null if there are none any more. Throws a Problem. @param {Api} api @param {AbortSignal} signal */
export async function readRule(api, signal) {
  const { definitions } = await ask(new URL("definitions", api.url("")), signal);
  return definitions.length ? new Rule(definitions) : null;
}
