import { button, html } from "../shared/dom.js";
import { TYPES, typeName } from "../shared/types.js";
import { isoDay } from "./format.js";
import { midnight, PERIODS, span } from "./period.js";

const USUAL = "30";

/** @param {string} value @param {string} text */
const option = (value, text) => html("option", { value }, text);

/** Chooses an option, or the first when there is none of this value. @param {HTMLSelectElement} from @param {string} value */
function select(from, value) {
  from.value = value;
  from.selectedIndex = Math.max(0, from.selectedIndex);
}

/** What is chosen of a feed: a period, a type and an agent, and the controls that choose them. */
export class Choice {
  #period = USUAL;
  #usual = USUAL; // the period that the page chose
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

  /** What is shown of time. */
  get span() {
    return /** @type {NonNullable<ReturnType<typeof span>>} */ (span(this.#period));
  }

  /** Which outcomes are summed up. */
  get query() {
    return { outcomeType: this.#type.value, agentId: this.#agent.value };
  }

  /** Which outcomes are listed: of a period that is over, only what was recorded in it. */
  get filter() {
    const { from, to, isLast } = this.span;
    const [first, end] = isLast ? ["", ""] : [from, to].map((instant) => instant.toISOString());
    return { ...this.query, from: first, to: end };
  }

  /** What figures have to be of: the period, the viewer's day, and the filter. */
  get scope() {
    return `${this.#period} ${midnight(0).toISOString()} ${this.#type.value} ${this.#agent.value}`;
  }

  /** What is chosen of types and agents, in words. */
  get words() {
    return [this.#type, this.#agent].flatMap((select) => (select.value ? [select.selectedOptions[0].text] : []));
  }

  /** What the page's address may keep. */
  get state() {
    const period = this.#period === this.#usual ? "" : this.#period;
    return { period, type: this.#type.value, agent: this.#agent.value };
  }

  /** @param {URLSearchParams} state @returns whether it is another */
  restore(state) {
    const before = this.scope;
    const period = state.get("period") ?? "";
    this.#period = span(period) ? period : this.#usual;
    select(this.#type, state.get("type") ?? "");
    const id = Number(state.get("agent"));
    if (Number.isSafeInteger(id) && id > 0) this.offerAgent(id);
    select(this.#agent, id > 0 ? String(id) : "");
    return before !== this.scope;
  }

  /** @param {string | null} period the page's choice */
  set period(period) {
    this.#usual = period && span(period) ? period : USUAL;
    this.#period = this.#usual;
  }

  /** @param {number | null} id */
  offerAgent(id) {
    if (id === null) return;
    const others = this.#agents;
    if (others.some(({ value }) => value === String(id))) return;
    const next = others.find(({ value }) => Number(value) > id);
    this.#agent.insertBefore(option(String(id), this.#agentName(id)), next ?? null);
  }

  /** Shows agents anew, for they may have other names. */
  redraw() {
    for (const one of this.#agents) one.text = this.#agentName(Number(one.value));
  }

  /** Forgets agents, but for the one that is chosen. */
  forget() {
    for (const one of this.#agents) if (!one.selected) one.remove();
  }

  get #agents() {
    return [...this.#agent.options].slice(1);
  }

  /** @param {boolean} hasPeriods whether there is more of a period than the list, which begins with the latest */
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

  /** Asks for the first and the last day, at first those that are shown. */
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
    if (!first || !last) fault = "Give the first and the last day.";
    else if (first > last) fault = "The last day is before the first.";
    else if (!span(period)) fault = "At most ten years.";
    this.#fault.textContent = fault;
    if (!fault) this.#choose(period);
  }
}
