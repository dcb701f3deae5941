import { button } from "../shared/dom.js";
import { isoDay, monthAndYear, outcomes } from "./format.js";
import { barPeriod, LONGEST_PERIOD_YEARS, midnight, startOfDay } from "./period.js";
import { midnightIn } from "./zone.js";

/** @import {Api, Day} from "./api.js" */
/** @import {Choice} from "./choice.js" */

/**
 * Return the index of the month with outcomes that is nearest to a period, or -1.
 * @param {{date: string, count: number}[]} months the first day of each
 * @param {{from: Date, to: Date}} period
 */
export function nearest(months, { from, to }) {
  const starts = months.map(({ date }) => startOfDay(date).getTime());
  let [best, shortest] = [-1, Number.POSITIVE_INFINITY];
  for (const [index, { count }] of months.entries()) {
    const end = starts[index + 1] ?? Number.POSITIVE_INFINITY;
    const distance = Math.max(starts[index] - to.getTime(), from.getTime() - end);
    if (count && distance < shortest) [best, shortest] = [index, distance];
  }
  return best;
}

/**
 * Among the months of the last ten years with outcomes, return the nearest to the chosen period, and its button's text.
 * @param {Api} api
 * @param {Choice} choice
 */
async function nearestMonth(api, choice) {
  const { zone: timezone, span } = choice;
  const { today } = span;
  const first = new Date(today.getFullYear() - LONGEST_PERIOD_YEARS, today.getMonth(), today.getDate() + 1);
  const ends = [first, midnight(1, today)].map((day) => midnightIn(timezone, isoDay.format(day)).toISOString());
  const query = { ...choice.query, from: ends[0], to: ends[1], timezone, by: "month", include: null };
  const [{ by_month }] = await api.summary(query);
  const months = /** @type {Day[]} */ (by_month);
  const index = nearest(months, span);
  if (index < 0) return null;
  const { date, count } = months[index];
  const words = `Show ${monthAndYear.format(Date.parse(date))} (${outcomes(count)})`;
  return { period: barPeriod(months, index, isoDay.format(today)), words };
}

/** A button below a list without outcomes. It clears the filters, or selects the nearest month that has outcomes. */
export class WayOut {
  #scope = ""; // identifies the selection for which the nearest month was requested
  /** @type {{period: string, words: string} | null} */
  #month = null;
  #button = button("", () => this.#press(), { hidden: true });

  /** @param {Element} element @param {Api} api @param {Choice} choice */
  constructor(element, api, choice) {
    this.#api = api;
    this.#choice = choice;
    element.append(this.#button);
  }
  #api;
  #choice;

  render() {
    const { isFiltered, scope } = this.#choice;
    if (!isFiltered && scope !== this.#scope && this.#api.has("totals")) void this.#find();
    const words = isFiltered ? "Clear filters" : this.#month?.words;
    this.#button.hidden = !words;
    if (words) this.#button.textContent = words;
  }

  async #find() {
    const { scope } = this.#choice;
    this.#scope = scope;
    this.#month = null;
    const month = await nearestMonth(this.#api, this.#choice).catch(() => undefined);
    if (scope !== this.#scope) return;
    if (month === undefined)
      this.#scope = ""; // the next poll tries again
    else this.#month = month;
    if (month) this.render();
  }

  #press() {
    if (this.#choice.isFiltered) this.#choice.clear();
    else if (this.#month) this.#choice.show(this.#month.period);
  }
}
