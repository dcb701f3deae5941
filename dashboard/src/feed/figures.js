import { button } from "../shared/dom.js";
import { isNumber } from "../shared/numbers.js";
import { inWords } from "../shared/words.js";
import { amount, isoDay, whole } from "./format.js";
import { table } from "./paper.js";
import { barPeriod, midnight } from "./period.js";

/** @import {Day} from "./api.js" */
/** @import {Unit} from "./chart.js" */
/** @import {Choice} from "./choice.js" */

/** The table of the chart's figures, latest first. */
export class Figures {
  /** @param {Element} element @param {() => [Unit, Day[]]} bars returns the current ones @param {Choice} choice */
  constructor(element, bars, choice) {
    this.#element = element;
    this.#bars = bars;
    this.#choice = choice;
  }
  #element;
  #bars;
  #choice;

  render() {
    const [unit, bars] = this.#bars();
    const end = isoDay.format(midnight(-1, this.#choice.span.to));
    const rows = bars.map(({ date, count, value_usd, counted_usd, waiting_usd }, index) => {
      const value = barPeriod(bars, index, end);
      // The same as a click on the bar, whose width may be too small for a finger.
      const show = button(unit.long.format(Date.parse(date)), () => this.#choice.drillDown(value), { value });
      const ofRule = isNumber(counted_usd) && isNumber(waiting_usd) ? [amount(counted_usd), amount(waiting_usd)] : [];
      return [show, whole.format(count), amount(value_usd), ...ofRule];
    });
    rows.reverse();
    const titles = rows[0]?.length > 3 ? ["Claimed", "Counts", "Will count"] : ["Value"];
    this.#element.replaceChildren(table([inWords(unit.name), "Outcomes", ...titles], rows));
  }
}
