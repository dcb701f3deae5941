import { html } from "../shared/dom.js";
import { isoDay } from "./format.js";
import { isDay, midnight, span } from "./period.js";

const NO_SUCH_DAY = "One of these days does not exist.";

/** The form for a range of days. */
export class RangeForm {
  #first = html("input", { type: "date", required: true });
  #last = html("input", { type: "date", required: true });
  #fault = html("p", { class: "fault", role: "alert" });
  #form = html(
    "form",
    {
      novalidate: true,
      submit: (/** @type {SubmitEvent} */ event) => this.#submit(event),
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#close(),
    },
    html("label", {}, "From ", this.#first),
    html("label", {}, "To ", this.#last),
    html("button", {}, "Show"),
    this.#fault,
  );

  /**
   * @param {Element} element
   * @param {() => {from: Date, to: Date}} days returns the current period
   * @param {(period: string) => void} choose
   * @param {() => void} close
   */
  constructor(element, days, choose, close) {
    this.#days = days;
    this.#choose = choose;
    this.#close = close;
    element.append(this.#form);
  }
  #days;
  #choose;
  #close;

  /** Fill in the current period. */
  render() {
    const { from, to } = this.#days();
    this.#first.value = isoDay.format(from);
    this.#last.value = isoDay.format(midnight(-1, to));
    this.#fault.textContent = "";
    this.#first.focus();
  }

  /** @param {SubmitEvent} event */
  #submit(event) {
    event.preventDefault();
    const [first, last] = [this.#first.value, this.#last.value];
    const period = `${first}..${last}`;
    let fault = "";
    if (this.#first.validity.badInput || this.#last.validity.badInput) fault = NO_SUCH_DAY;
    else if (!first || !last) fault = "Enter the first and the last day.";
    else if (first > last) fault = "The last day is before the first.";
    else if (!isDay(first) || !isDay(last)) fault = NO_SUCH_DAY;
    else if (last < "1970") fault = "Nothing happened before 1970.";
    else if (!span(period)) fault = "A range can be at most ten years.";
    this.#fault.textContent = fault;
    if (!fault) this.#choose(period);
  }
}
