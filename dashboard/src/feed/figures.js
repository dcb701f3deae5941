import { inWords } from "../shared/words.js";
import { amount, whole } from "./format.js";
import { table } from "./paper.js";

/** @import {Day} from "./api.js" */
/** @import {Unit} from "./chart.js" */

/** The table of the chart's figures, latest first. */
export class Figures {
  /** @param {Element} element @param {() => [Unit, Day[]]} bars returns the current ones */
  constructor(element, bars) {
    this.#element = element;
    this.#bars = bars;
  }
  #element;
  #bars;

  render() {
    const [unit, bars] = this.#bars();
    const rows = bars
      .toReversed()
      .map(({ date, count, value_usd }) => [
        unit.long.format(Date.parse(date)),
        whole.format(count),
        amount(value_usd),
      ]);
    this.#element.replaceChildren(table([inWords(unit.name), "Outcomes", "Value"], rows));
  }
}
