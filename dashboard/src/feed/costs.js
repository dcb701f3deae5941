import { html } from "../shared/dom.js";
import { decimal, isNumber, minus } from "../shared/numbers.js";
import { invalidResponse } from "../shared/request.js";
import { format } from "../shared/time.js";
import { withQuery } from "./address.js";
import { ask } from "./api.js";
import { counting } from "./counted.js";
import { amount, cents, dayAndMonth, shortDay } from "./format.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {AgentSum, Cost, Sum, Summary} from "./api.js" */

const times = format(Intl.NumberFormat, { maximumSignificantDigits: 3 });
const timesAtMost = format(Intl.NumberFormat, { maximumSignificantDigits: 3, roundingMode: "ceil" });
const MAX_AGE_MS = 60_000;
const MOST_DAYS = 3;

/** @param {string[]} dates */
function inWords(dates) {
  const named = dates.slice(0, MOST_DAYS).map((date) => dayAndMonth.format(new Date(date)));
  return dates.length > MOST_DAYS ? `${named.join(", ")} and ${dates.length - MOST_DAYS} more` : named.join(", ");
}

/** @template T @param {T[] | undefined} list as the page's own server sent it */
const listed = (list) => (Array.isArray(list) ? list.filter(Boolean) : []);

/**
 * Return in words how complete a cost is. Throws a RangeError for an invalid date.
 * @param {Cost | null} cost
 * @param {string} [timezone] of the page's days
 */
function completeness(cost, timezone = "UTC") {
  const days = listed(cost?.by_day);
  const [restated, unknown] = [days.filter((day) => day.restated_at), days.filter((day) => day.cost_usd === null)].map(
    (some) => some.map(({ date }) => date),
  );
  const updated = days.reduce((last, { restated_at }) => (restated_at && restated_at > last ? restated_at : last), "");
  const today = new Date(Date.now()).toISOString().slice(0, 10);
  const [past, open] = [unknown.filter((date) => date < today), unknown.filter((date) => date >= today)];
  const not = [
    ...(past.length ? [`not for ${inWords(past)}`] : []),
    ...(open.length ? [`not yet for ${inWords(open)}`] : []),
  ];
  const utc = cost?.days === "UTC" && timezone !== "UTC" ? "UTC " : "";
  const known = isNumber(cost?.known_days) ? `Cost known for ${cost.known_days} of ${cost.of_days} ${utc}days` : "";
  const words = [
    known && [known, ...not].join(", "),
    ...listed(cost?.by_source).map(({ source, gaps }) => {
      const lacks = listed(gaps).filter((date) => !unknown.includes(date));
      return lacks.length ? `${source} lacks ${inWords(lacks)}` : "";
    }),
    restated.length ? `cost of ${inWords(restated)} as of ${shortDay(updated)}` : "",
  ];
  return words.filter(Boolean).join(" · ");
}

/**
 * The costs of the agents from `cost-endpoint`, with net value, ratio and the number of days whose costs are known. An
 * unknown cost is null. A failed read is retried with the next poll.
 */
export class Costs {
  /** @type {Cost | null | undefined} undefined: not read yet; null: not known */
  #cost;
  #reason = ""; // why the cost is not known
  #isOff = false;
  #hasRule = false; // whether the headline is what counts by the owner's rule
  #asked = "";
  #scope = "";
  #askedAt = 0;
  /** @type {AbortController | null} aborted when another read begins, or for another user */
  #reading = null;

  #figures = html("dl", { class: "balance" });
  #known = html("p", { class: "help known" });
  element = html("div", {}, this.#figures, this.#known);

  /**
   * Read the cost, unless it was read within MAX_AGE_MS.
   * @param {string} endpoint
   * @param {string} scope identifies period and filters
   * @param {Record<string, string> | null} query null if the scope has no cost
   * @param {AbortSignal} signal
   * @param {Promise<any>} [early] an answer that was already asked for
   * @returns whether the cost has to be rendered again
   */
  async read(endpoint, scope, query, signal, early) {
    const asked = `${endpoint} ${scope}`;
    const age = Math.abs(Date.now() - this.#askedAt); // the clock may have been set back
    if (asked === this.#asked && age < MAX_AGE_MS) return false;
    if (asked !== this.#asked) this.forget();
    this.#asked = asked;
    this.#scope = scope;
    this.#askedAt = Date.now();
    this.#reading?.abort();
    if (!query) {
      this.#cost = null;
      this.#reason = "Costs have neither types nor statuses.";
      return true;
    }
    const reading = new AbortController();
    this.#reading = reading;
    let reason = "";
    let isOff = false;
    let isTooLong = false;
    /** @type {Cost | null} */
    let cost = null;
    try {
      const url = withQuery(new URL(endpoint, document.baseURI), query);
      const answer = await (early ?? ask(url, AbortSignal.any([signal, reading.signal])));
      if (answer.cost_usd !== null && !isNumber(answer.cost_usd)) throw invalidResponse();
      completeness(answer); // throws now, not while the feed renders, if the answer is malformed
      cost = answer;
    } catch (/** @type {any} */ problem) {
      isOff = problem.isOff === true;
      isTooLong = problem.reason === "Invalid from";
      reason = isTooLong ? "Costs are shown for at most 366 days." : "The cost could not be read.";
    }
    if (reading.signal.aborted) return false;
    this.#isOff = isOff;
    this.#reason = reason;
    this.#cost = cost;
    if (!cost && !isTooLong) this.#askedAt = 0;
    return true;
  }

  forget() {
    this.#reading?.abort();
    this.#cost = undefined;
    this.#reason = this.#asked = "";
  }

  /**
   * Show cost, net value and ratio as far as they are known, or why the cost is not known. Show nothing to a viewer whose
   * agents have no cost.
   * @param {Summary | null} summary null: not known
   * @param {string} scope of the page: the cost of another one is not shown
   */
  show(summary, scope) {
    if (this.#scope !== scope) this.forget();
    this.#hasRule = Boolean(summary?.by_rule);
    const sum = summary && counting(summary);
    const value = sum?.value_usd ?? null;
    const cost = this.#cost;
    const spent = isNumber(cost?.cost_usd) && cost.known_days !== 0 ? cost.cost_usd : null;
    // Until the cost is known, its place stays or stays away, so that nothing below moves twice.
    if (cost !== undefined) this.element.hidden = this.#isOff || (spent === null && !this.#reason);
    /** @type {[term: string, name: string, value: string | Element][]} */
    const figures = [];
    if (spent !== null) {
      const [least, most] = this.#isPartial ? ["at least ", "at most "] : ["", ""];
      figures.push(["Cost", "cost", html("span", {}, least, amount(spent))]);
      const divisor = Number(decimal(spent));
      if (value !== null) {
        const net = html("span", {}, most, amount(minus(value, spent)));
        figures.push([this.#hasRule ? "Counted, net of cost" : "Net", "net", net]);
      }
      if (sum?.count && value !== null && Number(decimal(value)) >= 0 && divisor > 0)
        figures.push([
          this.#hasRule ? "What counts is worth" : "Worth",
          "ratio",
          `${this.#times(Number(decimal(value)) / divisor)} times ${this.#hasRule ? "the" : "its"} cost`,
        ]);
    }
    this.#figures.replaceChildren(
      ...figures.map(([term, name, value]) =>
        html("div", {}, html("dt", {}, term), html("dd", { class: name }, value)),
      ),
    );
    this.#known.textContent = spent === null ? this.#reason : completeness(cost ?? null, summary?.timezone);
  }

  /** @param {number} ratio of value and cost */
  #times = (ratio) => (this.#isPartial ? `at most ${timesAtMost.format(ratio)}` : times.format(ratio));

  /** Whether days lack costs. The value is that of all days, so what is known is the least cost, and the most that is left. */
  get #isPartial() {
    return isNumber(this.#cost?.known_days) && this.#cost.known_days !== this.#cost.of_days;
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
   * it was not spent on the outcomes without an agent. With a rule, no agent has a ratio: the total's is of what counts,
   * which is not known by agent.
   * @param {AgentSum} sum
   */
  words({ agent_id, count, value_usd }) {
    const cost = listed(this.#cost?.by_agent).find((each) => each.agent_id === agent_id)?.cost_usd;
    if (!isNumber(cost)) return "";
    const whose = agent_id === null ? " without an agent" : "";
    const words = [`cost ${this.#isPartial ? "at least " : ""}${cents.format(decimal(cost))}${whose}`];
    const [spent, value] = [cost, value_usd].map((money) => Number(decimal(money)));
    if (agent_id !== null && count > 1 && spent > 0) words.push(`${cents.format(spent / count)} each`);
    if (agent_id !== null && spent > 0 && value > 0 && !this.#hasRule) words.push(`${this.#times(value / spent)}×`);
    return ` · ${words.join(", ")}`;
  }
}
