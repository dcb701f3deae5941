import { plus } from "../shared/numbers.js";
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
export class LiveSummary {
  /** @param {Summary} summary changed by `add` @param {Selected} selected @param {string} timeZone of this browser */
  constructor(summary, selected, timeZone) {
    this.summary = summary;
    this.#selected = selected;
    const { recent, timezone, by_month, by_week, by_day, by_rule } = summary;
    this.#after = recent && (by_rule || timezone === timeZone) ? recent.after : null;
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
    const { previous, by_type, by_agent = [], other_agents, by_rule } = this.summary;
    if (!matches(outcome, this.#selected) || this.#counted.has(id)) return true;
    if (by_rule) return false; // only the server applies the owner's rule
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
