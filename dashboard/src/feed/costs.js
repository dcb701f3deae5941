import { html } from "../shared/dom.js";
import { decimal, isNumber, minus } from "../shared/numbers.js";
import { withQuery } from "./address.js";
import { ask } from "./api.js";
import { amount, cents, dayAndMonth, times } from "./format.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {AgentSum, Cost, Summary} from "./api.js" */

const MAX_AGE_MS = 60_000;
const MOST_DAYS = 3;

/** @param {string[]} dates */
function inWords(dates) {
  const named = dates.slice(0, MOST_DAYS).map((date) => dayAndMonth.format(new Date(date)));
  return dates.length > MOST_DAYS ? `${named.join(", ")} and ${dates.length - MOST_DAYS} more` : named.join(", ");
}

/** @template T @param {T[] | undefined} list as the page's own server sent it */
const listed = (list) => (Array.isArray(list) ? list.filter(Boolean) : []);

/** Return in words how complete a cost is. Throws a RangeError for an invalid date. @param {Cost | null} cost */
function completeness(cost) {
  const restated = listed(cost?.by_day).filter((day) => day.restated_at);
  const words = [
    ...(isNumber(cost?.known_days) ? [`Cost known for ${cost.known_days} of ${cost.of_days} days`] : []),
    ...listed(cost?.by_source)
      .filter((each) => listed(each.gaps).length)
      .map((each) => `${each.source} lacks ${inWords(each.gaps)}`),
    ...(restated.length ? [`cost of ${inWords(restated.map(({ date }) => date))} restated`] : []),
  ];
  return words.join(" · ");
}

/**
 * The costs of the agents from `cost-endpoint`, with net value, ratio and the number of days whose costs are known. An
 * unknown cost is null. A failed read is retried with the next poll.
 */
export class Costs {
  /** @type {Cost | null} */
  #cost = null;
  #asked = "";
  #askedAt = 0;
  /** @type {AbortController | null} aborted when another read begins, or for another user */
  #reading = null;

  #spent = html("dd", { class: "cost" });
  #netTerm = html("dt");
  #net = html("dd", { class: "net" });
  #ratio = html("dd", { class: "ratio" });
  #known = html("p", { class: "help known" });
  element = html(
    "div",
    {},
    html(
      "dl",
      { class: "balance" },
      html("div", {}, html("dt", {}, "Cost"), this.#spent),
      html("div", {}, this.#netTerm, this.#net),
      html("div", {}, html("dt", {}, "Ratio"), this.#ratio),
    ),
    this.#known,
  );

  /**
   * Read the cost, unless it was read within MAX_AGE_MS.
   * @param {string} endpoint
   * @param {string} scope identifies period and filters
   * @param {Record<string, string> | null} query null if the scope has no cost
   * @param {AbortSignal} signal
   * @returns whether the cost has to be rendered again
   */
  async read(endpoint, scope, query, signal) {
    const asked = `${endpoint} ${scope}`;
    const age = Math.abs(Date.now() - this.#askedAt); // the clock may have been set back
    if (asked === this.#asked && age < MAX_AGE_MS) return false;
    if (asked !== this.#asked) this.#cost = null;
    this.#asked = asked;
    this.#askedAt = Date.now();
    this.#reading?.abort();
    if (!query) return true;
    const reading = new AbortController();
    this.#reading = reading;
    let isOff = false;
    /** @type {Cost | null} */
    let cost = null;
    try {
      const url = withQuery(new URL(endpoint, document.baseURI), query);
      const answer = await ask(url, AbortSignal.any([signal, reading.signal]));
      completeness(answer); // throws now, not while the feed renders, if the answer is malformed
      cost = answer;
    } catch (/** @type {any} */ problem) {
      isOff = problem.isOff === true;
    }
    if (reading.signal.aborted) return false;
    this.element.hidden = isOff;
    this.#cost = cost;
    if (!cost) this.#askedAt = 0;
    return true;
  }

  forget() {
    this.#reading?.abort();
    this.#cost = null;
    this.#asked = "";
  }

  /** @param {Summary | null} summary null: not known */
  show(summary) {
    const cost = this.#cost;
    const spent = isNumber(cost?.cost_usd) ? cost.cost_usd : null;
    this.#spent.replaceChildren(amount(spent));
    this.#net.replaceChildren(amount(summary && spent !== null ? minus(summary.value_usd, spent) : null));
    const divisor = spent === null ? 0 : Number(decimal(spent));
    const hasRatio = summary && divisor > 0;
    const ratio = hasRatio ? `${times.format(Number(decimal(summary.value_usd)) / divisor)}×` : amount(null);
    this.#ratio.replaceChildren(ratio);
    const isPartial = isNumber(cost?.known_days) && cost.known_days !== cost.of_days;
    this.#netTerm.textContent = isPartial ? "Net of known cost" : "Net";
    this.#known.textContent = completeness(cost);
  }

  /**
   * Return the sums of all agents, also of agents that only have costs. If the API has already added up the agents that it
   * does not list, return the sums unchanged.
   * @param {Summary} summary
   * @returns {AgentSum[]}
   */
  withSums({ by_agent: sums = [], other_agents }) {
    if (other_agents) return sums;
    const known = new Set(sums.map((sum) => sum.agent_id));
    const more = listed(this.#cost?.by_agent).filter((each) => !known.has(each.agent_id));
    return [...sums, ...more.map(({ agent_id }) => ({ agent_id, count: 0, value_usd: 0 }))];
  }

  /**
   * Return an agent's cost in words. Unallocated cost, whose `agent_id` is null, gets no cost per outcome and no ratio:
   * it was not spent on the outcomes without an agent.
   * @param {AgentSum} sum
   */
  words({ agent_id, count, value_usd }) {
    const cost = listed(this.#cost?.by_agent).find((each) => each.agent_id === agent_id)?.cost_usd;
    if (!isNumber(cost)) return "";
    const words = [`cost ${cents.format(decimal(cost))}`];
    const [spent, value] = [cost, value_usd].map((money) => Number(decimal(money)));
    if (agent_id !== null && count > 1) words.push(`${cents.format(spent / count)} each`);
    if (agent_id !== null && spent > 0 && value > 0) words.push(`${times.format(value / spent)}×`);
    return ` · ${words.join(", ")}`;
  }
}
