import { plus } from "../shared/numbers.js";
import { timeZone } from "../shared/time.js";
import { happenedAt, matches } from "./merge.js";
import { startOfDay } from "./period.js";

/** @import {Outcome, Period, Sum, Summary} from "./api.js" */
/** @import {Selected} from "./merge.js" */
/** @import {Exact} from "../shared/numbers.js" */

/** @param {Sum} sum @param {Exact | null} value */
function add(sum, value) {
  sum.count += 1;
  if (value !== null) sum.value_usd = plus(sum.value_usd, value);
}

/**
 * Return the sum of a type or an agent. Add it if it is missing.
 * @template {object} T
 * @param {(Sum & T)[]} parts
 * @param {T} named
 */
function part(parts, named) {
  const [[name, value]] = Object.entries(named);
  const known = parts.find((one) => /** @type {any} */ (one)[name] === value);
  if (known) return known;
  const added = { ...named, count: 0, value_usd: 0 };
  parts.push(added);
  return added;
}

/** @param {Period} period @param {number} at */
const isWithin = ({ from = "", to = "" }, at) => Date.parse(from) <= at && at < Date.parse(to);

/** Adds outcomes to a summary that was read before they were recorded. */
class LiveSummary {
  /** @param {Summary} summary changed by `add` @param {Selected} selected @param {string} timeZone of this browser */
  constructor(summary, selected, timeZone) {
    this.summary = summary;
    this.#selected = selected;
    const { recent, timezone, by_month, by_week, by_day } = summary;
    this.#after = recent && timezone === timeZone ? recent.after : null;
    this.#counted = new Set(recent?.ids);
    this.#buckets = by_month ?? by_week ?? by_day ?? [];
    this.#starts = this.#buckets.map(({ date }) => startOfDay(date).getTime());
  }
  #selected;
  #after; // null: it is unknown which outcomes the summary counts
  #counted;
  #buckets;
  #starts;
  added = 0;

  /**
   * Add an outcome, unless it is already counted or does not match the selection.
   * @param {Outcome} outcome
   * @returns {boolean} false if it cannot be known how the outcome changes the sums
   */
  add(outcome) {
    const { id, created_at, outcome_type, agent_id, value_usd, version } = outcome;
    if (this.#after === null || version) return false; // a corrected outcome may be counted in its old or new version
    const { previous, by_type, by_agent = [], other_agents } = this.summary;
    if (!matches(outcome, this.#selected) || this.#counted.has(id)) return true;
    const at = Date.parse(happenedAt(outcome));
    const [isCurrent, isBefore] = [this.summary, previous ?? {}].map((period) => isWithin(period, at));
    if ((isCurrent || isBefore) && created_at <= this.#after) return false;
    /** @type {Sum[]} */
    const sums = [];
    if (isBefore && previous) sums.push(previous);
    if (isCurrent) {
      // An agent without a sum of its own may be one of `other_agents`.
      if (other_agents && !by_agent.some((one) => one.agent_id === agent_id)) return false;
      const start = this.#starts.findLastIndex((instant) => instant <= at);
      const type = part(by_type, { outcome_type });
      sums.push(this.summary, type, part(by_agent, { agent_id }), this.#buckets[Math.max(0, start)]);
    }
    for (const sum of sums) add(sum, value_usd);
    this.added += sums.length;
    this.#counted.add(id);
    return true;
  }
}

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
  /** @type {LiveSummary | null} */
  #live = null;
  /** @type {Outcome[] | null} outcomes that were found since the running request was sent */
  #meanwhile = null;

  get #isFresh() {
    return performance.now() < this.#freshUntil;
  }

  /** Whether a summary has to be read. @param {string} scope */
  isDue(scope) {
    if (scope !== this.scope) return true;
    return (this.isUnknown || Boolean(this.#live?.added)) && (this.#isUrgent || !this.#isFresh);
  }

  /**
   * Read a summary.
   * @param {string} scope
   * @param {Selected} selected
   * @param {() => Promise<[Summary, number] | null>} ask returns a summary, and for how many seconds it is fresh
   * @returns {Promise<boolean>} whether the sums have changed
   */
  async read(scope, selected, ask) {
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
    this.scope = scope;
    this.readAt = new Date();
    this.#freshUntil = performance.now() + seconds * 1000;
    this.#live = new LiveSummary(summary, selected, timeZone());
    this.#wasUrgent = isUrgent;
    this.isUnknown = unknowns !== this.#unknowns;
    this.#isUrgent &&= this.isUnknown && !isUrgent;
    this.add(meanwhile);
    return true;
  }

  /** Add outcomes that were not found before. @param {Outcome[]} outcomes @returns whether the sums have changed */
  add(outcomes) {
    this.#meanwhile?.push(...outcomes);
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
