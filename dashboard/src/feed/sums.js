import { timeZone } from "../shared/time.js";

/** @import {Outcome, Summary} from "./api.js" */
/** @import {LiveSummary} from "./live-summary.js" */
/** @import {Selected} from "./merge.js" */

/**
 * The sums of a selection: a summary of the API, to which new outcomes are added until the next summary is read. While a
 * summary is fresh, only another selection or a correction causes another request.
 */
export class Sums {
  /** @type {Summary | null} */
  summary = null;
  scope = ""; // identifies the selection of `summary`
  readAt = new Date(0);
  isUnknown = false; // whether a change happened that cannot be added to `summary`
  #unknowns = 0; // the number of such changes
  #isUrgent = false; // whether a summary is due although the last one is fresh
  #wasUrgent = false; // whether `summary` was read although the previous summary was fresh
  #freshUntil = 0; // by performance.now()
  #selected = /** @type {Selected} */ ({ outcomeType: "", agentId: "", status: "" }); // of `summary`
  /** @type {LiveSummary | null} made when the first outcome is added */
  #live = null;
  /** @type {typeof LiveSummary | null} its code, which is loaded with the first new outcome */
  #Live = null;
  /** @type {Outcome[] | null} outcomes that were found since the running request was sent */
  #meanwhile = null;

  get #isFresh() {
    return performance.now() < this.#freshUntil;
  }

  /** Whether a summary has to be read. @param {string} scope */
  isDue(scope) {
    if (scope !== this.scope) return true;
    return (this.isUnknown || !!this.#live?.added) && (this.#isUrgent || !this.#isFresh);
  }

  /**
   * Read a summary.
   * @param {{scope: string, query: Selected}} choice the answer may change its time zone, and thereby its scope
   * @param {() => Promise<[Summary, number] | null>} ask returns a summary, and for how many seconds it is fresh
   * @returns {Promise<boolean>} whether the sums have changed
   */
  async read(choice, ask) {
    const { scope, query } = choice;
    /** @type {Outcome[]} */
    const meanwhile = [];
    this.#meanwhile = meanwhile;
    const unknowns = this.#unknowns;
    const isUrgent = scope === this.scope && this.#isFresh;
    const answer = await ask();
    if (!answer || this.#meanwhile !== meanwhile) return false; // the user has changed, or a later request was sent
    const [summary, seconds] = answer;
    this.#meanwhile = null;
    this.summary = summary;
    this.scope = choice.scope;
    this.readAt = new Date();
    this.#freshUntil = performance.now() + seconds * 1000;
    this.#selected = query;
    this.#live = null;
    this.#wasUrgent = isUrgent;
    this.isUnknown = unknowns !== this.#unknowns;
    this.#isUrgent &&= this.isUnknown && !isUrgent;
    if (this.#Live) this.add(meanwhile, this.#Live);
    return true;
  }

  /**
   * Add outcomes that were not found before.
   * @param {Outcome[]} outcomes
   * @param {typeof LiveSummary} Live
   * @returns whether the sums have changed
   */
  add(outcomes, Live) {
    this.#Live = Live;
    this.#meanwhile?.push(...outcomes);
    this.#live ??= this.summary && new Live(this.summary, this.#selected, timeZone());
    const before = this.#live?.added;
    for (const outcome of outcomes) if (!this.isUnknown && this.#live?.add(outcome) === false) this.correct();
    return this.#live?.added !== before;
  }

  /** Mark the sums as unknown, until the next summary is read. */
  invalidate() {
    this.#unknowns += 1;
    this.isUnknown = true;
  }

  /** Invalidate the sums because of a correction. Read a new summary even if the last one is fresh, but not twice in a row. */
  correct() {
    this.invalidate();
    this.#isUrgent ||= !this.#wasUrgent;
  }

  /** Invalidate the sums because of a correction on this page. Always read a new summary with the next poll. */
  expire() {
    this.invalidate();
    this.#freshUntil = 0;
  }

  forget() {
    this.invalidate();
    this.summary = this.#live = this.#meanwhile = null;
    this.scope = "";
    this.#isUrgent = this.#wasUrgent = false;
  }
}
