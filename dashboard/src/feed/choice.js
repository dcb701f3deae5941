import { button, html } from "../shared/dom.js";
import { timeZone } from "../shared/time.js";
import { inWords } from "../shared/words.js";
import { STATUSES } from "./api.js";
import { isoDay } from "./format.js";
import { Later, loadMore } from "./later.js";
import { choices, offer, option } from "./options.js";
import { PERIODS, span } from "./period.js";
import { keepZone, keptZone, localIn, midnightIn } from "./zone.js";

/** @import {Api, Summary} from "./api.js" */
/** @import {Filter} from "./merge.js" */

const DEFAULT_PERIOD = "30";
const TYPE = /^[a-z][a-z\d_]{1,39}$/;
const NO_AGENT = "none"; // the word in the API's queries and in the page's address

/** @param {number | null | undefined} id */
export const agentValue = (id) => String(id ?? NO_AGENT);

/** @param {string} value */
const agentId = (value) => (value === NO_AGENT ? null : Number(value));

/** Select an option, or the first if no option has this value. @param {HTMLSelectElement} list @param {string} value */
function select(list, value) {
  list.value = value;
  list.value ||= ""; // the value of the first option, "All"
}

/** The selection of period, type, agent and status, with its controls. */
export class Choice {
  #period = DEFAULT_PERIOD;
  #zone = keptZone(); // empty: the viewer's
  /** @type {Record<string, string[]>} by zone and days, of summaries: the browser may have other rules of the zone */
  #ends = {};
  #pagePeriod = DEFAULT_PERIOD; // from the element's attribute `period`
  /** @type {string[]} the periods whose bars led to this one */
  #trail = [];
  #presets = [...PERIODS].map(([period, words]) => button(words, () => this.#choose(period), { value: period }));
  #custom = button("Custom", () => this.#askRange(), { "aria-expanded": "false" });
  #periods = html("div", { class: "periods", role: "group", "aria-label": "Period" }, ...this.#presets, this.#custom);
  #range = new Later("range", (more, element) => {
    const choose = (/** @type {string} */ period) => this.#choose(period);
    return new more.RangeForm(
      element,
      () => this.span,
      choose,
      () => this.#closeRange(),
    );
  });
  /** Add options for the deployment's types. */
  #readTypes = async () => {
    if (this.#asked) return;
    const asked = {};
    this.#asked = asked;
    try {
      const { addTypes } = await loadMore(this.#type);
      await addTypes(this.#type, this.#api.url("/types"), () => this.#asked === asked);
    } catch {
      this.#asked = null; // keep the options for types of shown outcomes; the next focus tries again
    }
  };
  #type = html(
    "select",
    {
      "aria-label": "Filter by type",
      change: () => this.#changed(),
      focus: this.#readTypes,
      pointerenter: this.#readTypes, // this comes before the focus, and some browsers do not focus on a click
    },
    option("", "All types"),
  );
  #agent = html("select", { "aria-label": "Filter by agent", change: () => this.#changed() }, option("", "All agents"));
  #status = html(
    "select",
    { "aria-label": "Filter by status", change: () => this.#changed() },
    option("", "All statuses"),
    ...STATUSES.map((status) => option(status, inWords(status))),
  );
  #filters = { type: this.#type, agent: this.#agent, status: this.#status };
  #clear = button("Clear filters", () => this.clear());
  #back = button("", () => {
    this.#goBack();
    if (this.#back.hidden) this.#focus();
  });
  elements = [
    this.#periods,
    this.#range.element,
    html("div", { class: "filters" }, ...Object.values(this.#filters), this.#clear, this.#back),
  ];
  /** @type {object | null} identifies the request for the types, if there was one */
  #asked = null;

  /** @param {Api} api @param {() => void} changed @param {(id: number | null) => string} agentName */
  constructor(api, changed, agentName) {
    this.#api = api;
    this.#changed = changed;
    this.#agentName = agentName;
  }
  #api;
  #changed;
  #agentName;

  /** The time zone whose days the period has. */
  get zone() {
    return this.#zone || timeZone();
  }

  get span() {
    return /** @type {NonNullable<ReturnType<typeof span>>} */ (span(this.#period, localIn(this.zone, Date.now())));
  }

  /** The selection. An empty text selects everything. */
  get #selected() {
    return { period: this.#period, type: this.#type.value, agent: this.#agent.value, status: this.#status.value };
  }

  /** Whether the period limits the outcomes. If totals and exports are off, only a range of dates limits them. */
  get #hasPeriod() {
    return this.#api.has("totals") || this.#api.has("export") || !this.span.isLast;
  }

  /**
   * The selection as parameters of a list, an export or a summary. The period is the time when outcomes happened.
   * @returns {Filter}
   */
  get query() {
    const { type, agent, status } = this.#selected;
    const days = Object.values(this.days);
    const ends = this.#ends[this.zone + days] ?? days.map((date) => midnightIn(this.zone, date).toISOString());
    const [start, end] = this.#hasPeriod ? ends : ["", ""];
    return { from: start, to: end, outcomeType: type, agentId: agent, status };
  }

  /** The first day of the period, and the day after it, in whichever time zone. */
  get days() {
    const { from, to } = this.span;
    return { from: isoDay.format(from), to: isoDay.format(to) };
  }

  /** Select the days of a summary's time zone. @param {Pick<Summary, "timezone" | "from" | "to">} summary of the selected days */
  follow({ timezone = timeZone(), from, to }) {
    const days = Object.values(this.days);
    this.#zone = timezone === timeZone() ? "" : timezone;
    keepZone(this.#zone);
    if (from && to) this.#ends[this.zone + days] = [from, to];
  }

  /** A text that identifies what the viewer has selected, also on another day. */
  get selection() {
    return Object.values(this.#selected).join(" ");
  }

  /** A text that identifies the outcomes to show. It contains the period, the filters and the viewer's current day. */
  get scope() {
    return [this.#period, ...Object.values(this.query)].join(" ");
  }

  /** The selected type, agent and status, for the caption. */
  get words() {
    return Object.values(this.#filters).flatMap(({ value, selectedOptions: [{ text }] }) => (value ? [text] : []));
  }

  get isFiltered() {
    return this.words.length > 0;
  }

  /** The selection as parameters of the page's address. */
  get state() {
    const { period, ...filters } = this.#selected;
    return { period: period === this.#pagePeriod ? "" : period, ...filters };
  }

  /** @param {URLSearchParams} state @returns whether the selection changed */
  restore(state) {
    const before = this.scope;
    const period = state.get("period") ?? "";
    this.#period = span(period) ? period : this.#pagePeriod;
    const [type, agent, status] = ["type", "agent", "status"].map((name) => state.get(name) ?? "");
    const id = agentId(agent);
    if (TYPE.test(type)) this.offer({ outcome_type: type });
    if (id === null || (Number.isSafeInteger(id) && id > 0)) this.offer({ agent_id: id });
    select(this.#type, type);
    select(this.#agent, agentValue(id));
    select(this.#status, status);
    const isOther = before !== this.scope;
    if (isOther) this.#trail = [];
    return isOther;
  }

  /** @param {string | null} period the element's attribute */
  set period(period) {
    this.#pagePeriod = period && span(period) ? period : DEFAULT_PERIOD;
    this.#period = this.#pagePeriod;
    this.#trail = [];
  }

  /** Whether a filter has this value. @param {"type" | "agent" | "status"} name @param {string} value */
  has(name, value) {
    return this.#filters[name].value === value;
  }

  /**
   * Filter by a value, or remove the filter if the value is selected. @param {"type" | "agent" | "status"} name @param
   * {string} value
   */
  toggle(name, value) {
    select(this.#filters[name], this.has(name, value) ? "" : value);
    this.#changed();
  }

  /** Remove all filters. The period stays. */
  clear() {
    for (const list of Object.values(this.#filters)) list.value = "";
    this.#type.focus();
    this.#changed();
  }

  /** Select a period and move the focus to its button. @param {string} period */
  show(period) {
    this.#choose(period);
    this.#focus();
  }

  /** Whether this period is selected. @param {string} period */
  isPeriod(period) {
    return this.#period === period;
  }

  /** Select the days of a bar. If they are already selected, return to the previous period. @param {string} period */
  drillDown(period) {
    if (this.isPeriod(period)) return this.#goBack();
    this.#choose(period, [...this.#trail, this.#period]);
  }

  #goBack() {
    this.#choose(this.#trail.at(-1) ?? this.#pagePeriod, this.#trail.slice(0, -1));
  }

  #focus() {
    /** @type {HTMLElement | null} */ (this.#periods.querySelector("[aria-pressed=true]"))?.focus();
  }

  /** Add options for a type, an agent or both. @param {{outcome_type?: string, agent_id?: number | null}} part */
  offer({ outcome_type: type, agent_id: id }) {
    if (type) offer(this.#type, type, inWords(type));
    if (id !== undefined) offer(this.#agent, agentValue(id), this.#agentName(id));
  }

  /** Render agents again after they were renamed. */
  redraw() {
    for (const one of choices(this.#agent)) one.text = this.#agentName(agentId(one.value));
  }

  /** Remove all types and agents except the selected ones. */
  forget() {
    this.#asked = null;
    for (const one of [this.#type, this.#agent].flatMap(choices)) if (!one.selected) one.remove();
  }

  render() {
    this.#periods.hidden = !this.#hasPeriod;
    for (const one of this.#presets) one.ariaPressed = String(one.value === this.#period);
    this.#custom.ariaPressed = String(!PERIODS.has(this.#period));
    this.#status.hidden = !this.#api.has("corrections");
    this.#clear.hidden = !this.isFiltered;
    const before = span(this.#trail.at(-1) ?? "");
    this.#back.hidden = !before;
    if (before) this.#back.textContent = `Back to ${before.name}`;
  }

  /** @param {string} period @param {string[]} [trail] */
  #choose(period, trail = []) {
    this.#period = period;
    this.#trail = trail;
    this.#closeRange();
    this.#changed();
  }

  /** Open the form for a range of days, with the current period filled in. */
  #askRange() {
    const { hidden } = this.#range.element;
    if (!hidden) return this.#closeRange();
    this.#custom.ariaExpanded = "true";
    void this.#range.render(true);
  }

  #closeRange() {
    const { element } = this.#range;
    if (element.hidden) return;
    const hadFocus = element.matches(":focus-within");
    element.hidden = true;
    this.#custom.ariaExpanded = "false";
    if (hadFocus) this.#custom.focus();
  }
}
