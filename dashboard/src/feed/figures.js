import { html } from "../shared/dom.js";
import { inWords } from "../shared/words.js";
import { amount, whole } from "./format.js";

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
    const titles = [inWords(unit.name), "Outcomes", "Value"].map((title) => html("th", { scope: "col" }, title));
    const rows = bars.toReversed().map(({ date, count, value_usd }) => {
      const start = html("th", { scope: "row" }, unit.long.format(Date.parse(date)));
      return html("tr", {}, start, html("td", {}, whole.format(count)), html("td", {}, amount(value_usd)));
    });
    this.#element.replaceChildren(
      html("table", {}, html("thead", {}, html("tr", {}, ...titles)), html("tbody", {}, ...rows)),
    );
  }
}
