import { button, html } from "../shared/dom.js";
import { TYPES, typeName } from "../shared/types.js";
import { isoDay } from "./format.js";
import { midnight, PERIODS, span } from "./period.js";

const DEFAULT_PERIOD = "30";

/** @param {string} value @param {string} text */
const option = (value, text) => html("option", { value }, text);

/** Select an option, or the first if no option has this value. @param {HTMLSelectElement} list @param {string} value */
function select(list, value) {
  list.value = value;
  list.selectedIndex = Math.max(0, list.selectedIndex);
}

/** The selection of period, type and agent, with its controls. */
export class Choice {
  #period = DEFAULT_PERIOD;
  #pagePeriod = DEFAULT_PERIOD; // the element's attribute
  #presets = [...PERIODS].map(([period, words]) => button(words, () => this.#choose(period), { value: period }));
  #custom = button("Custom", () => this.#askRange(), { "aria-expanded": "false" });
  #periods = html("div", { class: "periods", role: "group", "aria-label": "Period" }, ...this.#presets, this.#custom);
  #first = html("input", { type: "date", required: true });
  #last = html("input", { type: "date", required: true });
  #fault = html("p", { class: "fault", role: "alert" });
  #range = html(
    "form",
    {
      class: "range",
      hidden: true,
      novalidate: true,
      submit: (/** @type {SubmitEvent} */ event) => this.#chooseRange(event),
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#closeRange(),
    },
    html("label", {}, "From ", this.#first),
    html("label", {}, "To ", this.#last),
    html("button", {}, "Show"),
    this.#fault,
  );
  #type = html(
    "select",
    { "aria-label": "Filter by type", change: () => this.#changed(true) },
    option("", "All types"),
    ...[...TYPES.keys()].map((type) => option(type, typeName(type))),
  );
  #agent = html(
    "select",
    { "aria-label": "Filter by agent", change: () => this.#changed(true) },
    option("", "All agents"),
  );
  elements = [this.#periods, this.#range, html("div", { class: "filters" }, this.#type, this.#agent)];

  /** @param {(isOtherList: boolean) => void} changed @param {(id: number) => string} agentName */
  constructor(changed, agentName) {
    this.#changed = changed;
    this.#agentName = agentName;
  }
  #changed;
  #agentName;

  get span() {
    return /** @type {NonNullable<ReturnType<typeof span>>} */ (span(this.#period));
  }

  /** Query parameters of the filters. */
  get query() {
    return { outcomeType: this.#type.value, agentId: this.#agent.value };
  }

  /** Which outcomes are listed. "The last 30 days" do not limit the list; a range of days does. */
  get filter() {
    const { from, to, isLast } = this.span;
    const [first, end] = isLast ? ["", ""] : [from, to].map((instant) => instant.toISOString());
    return { ...this.query, from: first, to: end };
  }

  /** Identifies the figures to show: by period, filters and the viewer's current day. */
  get scope() {
    return `${this.#period} ${midnight(0).toISOString()} ${this.#type.value} ${this.#agent.value}`;
  }

  /** The selected type and agent, for the caption. */
  get words() {
    return [this.#type, this.#agent].flatMap((select) => (select.value ? [select.selectedOptions[0].text] : []));
  }

  /** The selection as parameters of the page's address. */
  get state() {
    const period = this.#period === this.#pagePeriod ? "" : this.#period;
    return { period, type: this.#type.value, agent: this.#agent.value };
  }

  /** @param {URLSearchParams} state @returns whether the selection changed */
  restore(state) {
    const before = this.scope;
    const period = state.get("period") ?? "";
    this.#period = span(period) ? period : this.#pagePeriod;
    select(this.#type, state.get("type") ?? "");
    const id = Number(state.get("agent"));
    if (Number.isSafeInteger(id) && id > 0) this.offerAgent(id);
    select(this.#agent, id > 0 ? String(id) : "");
    return before !== this.scope;
  }

  /** @param {string | null} period the element's attribute */
  set period(period) {
    this.#pagePeriod = period && span(period) ? period : DEFAULT_PERIOD;
    this.#period = this.#pagePeriod;
  }

  /** @param {number | null} id */
  offerAgent(id) {
    if (id === null) return;
    const others = this.#agents;
    if (others.some(({ value }) => value === String(id))) return;
    const next = others.find(({ value }) => Number(value) > id);
    this.#agent.insertBefore(option(String(id), this.#agentName(id)), next ?? null);
  }

  /** Render agents again after they were renamed. */
  redraw() {
    for (const one of this.#agents) one.text = this.#agentName(Number(one.value));
  }

  /** Remove all agents except the selected one. */
  forget() {
    for (const one of this.#agents) if (!one.selected) one.remove();
  }

  get #agents() {
    return [...this.#agent.options].slice(1);
  }

  /** @param {boolean} hasPeriods whether a period selects more than the list, which starts with the latest anyway */
  render(hasPeriods) {
    this.#periods.hidden = !hasPeriods && this.span.isLast;
    for (const one of this.#presets) one.ariaPressed = String(one.value === this.#period);
    this.#custom.ariaPressed = String(!PERIODS.has(this.#period));
  }

  /** @param {string} period */
  #choose(period) {
    const isSameList = this.span.isLast && PERIODS.has(period);
    this.#period = period;
    this.#closeRange();
    this.#changed(!isSameList);
  }

  /** Open the form for a range of days, with the current period filled in. */
  #askRange() {
    if (!this.#range.hidden) return this.#closeRange();
    const { from, to } = this.span;
    this.#first.value = isoDay.format(from);
    this.#last.value = isoDay.format(midnight(-1, to));
    this.#range.hidden = false;
    this.#custom.ariaExpanded = "true";
    this.#first.focus();
  }

  #closeRange() {
    if (this.#range.hidden) return;
    const hadFocus = this.#range.matches(":focus-within");
    this.#range.hidden = true;
    this.#fault.textContent = "";
    this.#custom.ariaExpanded = "false";
    if (hadFocus) this.#custom.focus();
  }

  /** @param {SubmitEvent} event */
  #chooseRange(event) {
    event.preventDefault();
    const [first, last] = [this.#first.value, this.#last.value];
    const period = `${first}..${last}`;
    let fault = "";
    if (!first || !last) fault = "Enter the first and the last day.";
    else if (first > last) fault = "The last day is before the first.";
    else if (!span(period)) fault = "A range can be at most ten years.";
    this.#fault.textContent = fault;
    if (!fault) this.#choose(period);
  }
}
