import { announce, button, buttons, html } from "../shared/dom.js";
import { decimal, parseExactly } from "../shared/numbers.js";
import { asProblem, explain, isAmbiguous, isProblem, request } from "../shared/request.js";
import { localDay } from "../shared/time.js";
import { inWords } from "../shared/words.js";
import { ask } from "./api.js";
import { estimated, ruleWords } from "./counted.js";
import { cents, dollars } from "./format.js";
import { option } from "./options.js";
import { monthName } from "./paper.js";
import { editable, typed } from "./typed.js";
import { dateIn, knownZone, midnightIn } from "./zone.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {Problem} from "../shared/request.js" */
/** @import {Api, ByRule, Summary, Type} from "./api.js" */
/** @import {Sums} from "./sums.js" */
/**
 * @typedef {{when: string, eachUsd?: Exact | string, basis?: string, note?: string}} Rule
 * @typedef {{timezone: string, disputeDays: number | null, types: Record<string, Rule>}} Definition
 * @typedef {{outcome_type: string, when: string, each_usd: Exact | null, basis: string, note: string | null}} StoredRule
 * @typedef {{from: string, version: number, timezone: string, dispute_days: number, types: StoredRule[],
 *   put_at: string}} Stored a definition of GET /api/definitions
 */

const PAUSE_MS = 600; // after this long without a change, the rule is tried
const MONTHS = 12; // which are tried, and which the form offers
const DISPUTE_DAYS = 14;
const OTHERS = "*";
const COLUMNS = ["Type", "Counts", "Each, $", "Estimated", "Note"];

/** What the three sentences say, by the `when` that they choose. @type {Map<string, string>} */
const WHENS = new Map([
  ["claimed", "all that agents claim"],
  ["unless_disputed", "unless I dispute it"],
  ["confirmed", "only what I confirm"],
  ["never", "never"],
]);

/**
 * Return the names of months, the first `offset` months after the current one.
 * @param {string} zone
 * @param {number} offset
 * @param {number} count
 */
function monthsFrom(zone, offset, count) {
  const [year, month] = dateIn(zone, Date.now()).split("-").map(Number);
  return Array.from({ length: count }, (_, index) =>
    new Date(Date.UTC(year, month - 1 + offset + index)).toISOString().slice(0, 7),
  );
}

/** Explain to the owner why a rule was not saved. @param {Problem} problem */
function refusal({ kind, status, details, message }) {
  if (kind === "offline") return "You are offline.";
  if (kind === "signed-out") return "You are signed out.";
  if (status === 412) return "It was changed in the meantime. Close this and open it again.";
  if (details[0]) return `${details.map(({ field, message: why }) => `${field} ${why}`).join("; ")}.`;
  return message;
}

/** Say that a rule or a target was not saved, or may have been. @param {Problem} problem */
export const failure = (problem) =>
  `${isAmbiguous(problem) ? "It may not have been saved: close this and open it again." : "Not saved."} ${refusal(problem)}`;

const AFTER = "days after the month of its recording or last correction";

/**
 * Return a stored definition in one sentence.
 * @param {Stored} stored
 */
export function sentence({ dispute_days, types }) {
  const parts = types
    .toSorted((one, other) => Number(one.outcome_type !== OTHERS) - Number(other.outcome_type !== OTHERS))
    .map(({ outcome_type, when, each_usd, basis, note }) => {
      const name = outcome_type === OTHERS ? "" : `${inWords(outcome_type)}: `;
      const days = when === "unless_disputed" ? ` within ${dispute_days} ${AFTER}` : "";
      const each = each_usd === null ? "" : `, ${cents.format(decimal(each_usd))} each`;
      return `${name}${WHENS.get(when) ?? when}${days}${each}${basis === "estimated" ? ", estimated" : ""}${note ? ` (${note})` : ""}`;
    });
  return parts.join(" · ");
}

/** The form with which the owner says what counts, tries it on the last months, and sees her earlier rules. */
export class WhatCounts {
  /** @type {Stored[]} newest first */
  #stored = [];
  /** @type {AbortController | null} aborted when the form is closed, or another rule is tried */
  #trying = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #when = "unless_disputed"; // of the newest rule; one of the sentences, or `never`
  /** @type {object | null} identifies the form since it was opened */
  #opened = null;
  #isWriting = false; // then the form stays open, to show what came of it, and writes nothing else
  /** @type {Map<string, {when: HTMLSelectElement, each: HTMLInputElement, isEstimated: HTMLInputElement, note: HTMLInputElement}>} */
  #rows = new Map();

  #from = html("select", { "aria-label": "From the month" });
  #days = html("input", { type: "number", min: 0, max: 31, value: DISPUTE_DAYS, "aria-label": "Days to dispute" });
  #choices = ["claimed", "unless_disputed", "confirmed"].map((value) =>
    html("input", { type: "radio", name: "when", value, checked: value === "unless_disputed" }),
  );
  #table = html("tbody");
  #effect = html("p", { class: "effect", role: "status" });
  #present = html("p", { class: "help" });
  #fault = html("p", { class: "fault", role: "alert" }); // why the rules could not be read or saved
  #earlier = html("ol", { role: "list" });
  #saves = html("button", { class: "main", disabled: true }, "Save");
  #past = html("div", { class: "past", hidden: true }, html("h4", {}, "Your rules"), this.#earlier);
  #form = html(
    "form",
    {
      novalidate: true,
      "aria-label": "What counts",
      input: () => this.#tryLater(),
      submit: (/** @type {SubmitEvent} */ event) => this.#save(event),
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#close(false),
    },
    html("h3", {}, "What counts"),
    html(
      "p",
      { class: "help" },
      "You write this rule, and no agent can change it. It never reaches back before its month.",
    ),
    html("label", {}, "From ", this.#from),
    html(
      "fieldset",
      {},
      html("legend", {}, "What agents did in a month counts"),
      html("label", {}, this.#choices[0], " all that agents claim"),
      html("label", {}, this.#choices[1], " unless I dispute it within ", this.#days, ` ${AFTER}`),
      html("label", {}, this.#choices[2], " only what I confirm"),
    ),
    html(
      "details",
      { class: "daily" },
      html("summary", {}, "By type"),
      html(
        "div",
        { class: "scroll", role: "region", tabindex: 0, "aria-label": "Rules by type" },
        html(
          "table",
          {},
          html("thead", {}, html("tr", {}, ...COLUMNS.map((title) => html("th", { scope: "col" }, title)))),
          this.#table,
        ),
      ),
    ),
    this.#effect,
    this.#present,
    this.#fault,
    buttons(
      this.#saves,
      button("Cancel", () => this.#close(false)),
    ),
    this.#past,
  );

  /**
   * @param {Element} element
   * @param {Api} api
   * @param {Sums} sums of the page
   * @param {(isChanged: boolean) => void} closed
   */
  constructor(element, api, sums, closed) {
    this.#api = api;
    this.#sums = sums;
    this.#closed = closed;
    element.append(this.#form);
  }
  #api;
  #sums;
  #closed;

  /** Read the rules when the form is opened. */
  render() {
    if (!this.#opened) void this.#open();
  }

  /** @param {string} path */
  #url(path) {
    return new URL(`definitions${path}`, this.#api.url(""));
  }

  /**
   * Send a request. Throws a Problem.
   * @param {string} path
   * @param {{method?: string, body?: unknown, headers?: Record<string, string>}} [options]
   * @param {AbortSignal} [signal]
   */
  async #ask(path, options, signal) {
    const { text, problem } = await request(this.#url(path), signal, options);
    let body = null;
    try {
      body = parseExactly(text);
    } catch {}
    if (problem) throw explain(problem, body);
    return body;
  }

  async #open() {
    const opened = {};
    this.#opened = opened;
    this.#isRead = false;
    const focused = this.#focused;
    const read = await this.#ask("")
      .then(({ definitions }) => definitions)
      .catch(asProblem);
    const { types } = await ask(this.#api.url("/types")).catch(() => ({ types: [] }));
    if (this.#opened !== opened) return; // it was closed meanwhile
    if (isProblem(read)) {
      this.#fault.textContent = `Your rules could not be read. ${refusal(read)}`;
      return;
    }
    this.#stored = read;
    const occurring = (this.#sums.summary?.by_type ?? []).map(({ outcome_type }) => outcome_type);
    this.#fill([...occurring, ...types.map((/** @type {Type} */ { type }) => type)]);
    this.#tryLater(0);
    if (this.#focused === focused) this.#choices.find(({ checked }) => checked)?.focus(); // she has not gone on
  }

  /** What has the focus. */
  get #focused() {
    const { activeElement } = /** @type {ShadowRoot} */ (this.#form.getRootNode());
    return activeElement ?? document.activeElement;
  }

  /** Only what was read can be changed and saved. @param {boolean} isRead */
  set #isRead(isRead) {
    for (const one of [this.#from, this.#days, ...this.#choices, this.#saves]) one.disabled = !isRead;
  }

  /** Fill in the newest rule, or the one that is offered without a rule. types: to list */
  #fill(/** @type {string[]} */ types) {
    const [newest] = this.#stored;
    // Months that have begun can only be chosen for a first rule; the server decides.
    const isFirst = this.#stored.length <= 1;
    const zone = this.#zone;
    const months = [...(isFirst ? monthsFrom(zone, 1 - MONTHS, MONTHS) : []), ...monthsFrom(zone, 1, MONTHS)];
    this.#from.replaceChildren(...months.map((name) => option(name, monthName(name))));
    const [thisMonth, nextMonth] = monthsFrom(zone, 0, 2);
    this.#from.value = newest?.from > thisMonth ? newest.from : newest ? nextMonth : thisMonth;
    this.#days.value = String(newest?.dispute_days ?? DISPUTE_DAYS);
    const rules = new Map((newest?.types ?? []).map((rule) => [rule.outcome_type, rule]));
    this.#when = rules.get(OTHERS)?.when ?? this.#when;
    for (const choice of this.#choices) choice.checked = choice.value === this.#when;
    const named = new Set([...types, ...rules.keys()]);
    named.delete(OTHERS);
    for (const type of [...named, OTHERS]) this.#addRow(type, rules.get(type));
    this.#earlier.replaceChildren(...this.#stored.map((one) => this.#entry(one)));
    this.#past.hidden = !this.#stored.length;
    this.#isRead = true;
  }

  /** @param {string} type @param {StoredRule | undefined} rule */
  #addRow(type, rule) {
    const name = type === OTHERS ? "All others" : inWords(type);
    const whens = [...WHENS].map(([value, words]) => option(value, words));
    const when = html(
      "select",
      { "aria-label": `${name}: counts` },
      ...(type === OTHERS ? [] : [option("", "as above")]),
      ...whens,
    );
    const each = html("input", { inputmode: "decimal", size: 6, "aria-label": `${name}: each, in dollars` });
    const isEstimated = html("input", { type: "checkbox", "aria-label": `${name}: estimated` });
    const note = html("input", { maxlength: 200, size: 12, "aria-label": `${name}: note` });
    when.value = rule?.when ?? "";
    each.value = rule?.each_usd == null ? "" : editable(rule.each_usd);
    isEstimated.checked = rule?.basis === "estimated";
    note.value = rule?.note ?? "";
    if (type === OTHERS) when.hidden = true; // one of the three sentences says it
    this.#rows.set(type, { when, each, isEstimated, note });
    const cells = [when, each, isEstimated, note].map((cell) => html("td", {}, cell));
    this.#table.append(html("tr", {}, html("th", { scope: "row" }, name), ...cells));
  }

  /** @param {Stored} stored */
  #entry(stored) {
    const isAhead = stored.from > monthsFrom(this.#zone, 0, 1)[0];
    const remove = button("Delete", () => void this.#delete(stored));
    const put = localDay.format(new Date(stored.put_at));
    return html(
      "li",
      {},
      html("strong", {}, `From ${monthName(stored.from)}`),
      ` · ${sentence(stored)} · put on ${put}, days of ${stored.timezone} `,
      isAhead || this.#stored.length === 1 ? remove : null,
    );
  }

  /** The time zone of the owner's rules. */
  get #zone() {
    return this.#stored[0]?.timezone ?? knownZone();
  }

  /** The rule as the form has it. @returns {Definition} */
  get #definition() {
    const when = this.#choices.find(({ checked }) => checked)?.value ?? this.#when;
    /** @type {Record<string, Rule>} */
    const types = {};
    for (const [type, row] of this.#rows) {
      const each = row.each.value.trim();
      /** @type {Rule} */
      const rule = { when: type === OTHERS ? when : row.when.value || when };
      const isEstimated = row.isEstimated.checked; // without an amount, the server says what is missing
      if (each) rule.eachUsd = typed(each);
      if (each || isEstimated) rule.basis = isEstimated ? "estimated" : "stated";
      if (row.note.value.trim()) rule.note = row.note.value.trim();
      if (type === OTHERS || Object.keys(rule).length > 1 || row.when.value) types[type] = rule;
    }
    types[OTHERS] ??= { when };
    return {
      timezone: this.#zone,
      disputeDays: this.#days.value === "" ? null : Number(this.#days.value),
      types,
    };
  }

  #tryLater(milliseconds = PAUSE_MS) {
    clearTimeout(this.#timer);
    this.#trying?.abort();
    this.#timer = setTimeout(() => void this.#try(), milliseconds);
  }

  /** Show what counts of the last months by this rule, beside what counts of them now. */
  async #try() {
    if (!this.#form.isConnected || this.#saves.disabled) return;
    const trying = new AbortController();
    this.#trying = trying;
    const { signal } = trying;
    const definition = this.#definition;
    const [first] = monthsFrom(definition.timezone, 1 - MONTHS, 1);
    const [next] = monthsFrom(definition.timezone, 1, 1);
    const [from, to] = [first, next].map((name) => midnightIn(definition.timezone, `${name}-01`).toISOString());
    try {
      const query = { from, to, timezone: definition.timezone, by: "month" };
      const [{ by_rule }, [summary]] = await Promise.all([
        this.#ask("/try", { method: "POST", body: { definition, from, to } }, signal),
        this.#api.summary(query, signal),
      ]);
      if (signal.aborted) return;
      announce(
        this.#effect,
        `If this rule had held for the last ${MONTHS} months, ${this.#words(summary, by_rule, "would count")}.`,
      );
      const present = summary.by_rule
        ? this.#words(summary, summary.by_rule)
        : `${dollars.format(decimal(summary.value_usd))} is claimed and counts`;
      announce(this.#present, `As it is now: ${present}.`);
    } catch (error) {
      if (signal.aborted) return;
      announce(this.#effect, refusal(asProblem(error)));
    }
  }

  /** @param {Summary} summary @param {ByRule} byRule @param {string} [verb] */
  #words(summary, byRule, verb = "counts") {
    const { counted } = byRule;
    return `${dollars.format(decimal(counted.value_usd))} ${verb}${estimated(counted)}: ${ruleWords(summary, byRule)}`;
  }

  /** @param {SubmitEvent} event */
  #save(event) {
    event.preventDefault();
    const from = this.#from.value;
    const known = this.#stored.find((one) => one.from === from);
    /** @type {Record<string, string>} */
    const headers = known ? { "if-match": `"${known.version}"` } : { "if-none-match": "*" };
    void this.#write(`/${from}`, { method: "PUT", body: this.#definition, headers });
  }

  /** @param {Stored} stored */
  #delete({ from, version }) {
    return this.#write(`/${from}`, { method: "DELETE", headers: { "if-match": `"${version}"` } });
  }

  /** @param {string} path @param {{method: string, body?: unknown, headers: Record<string, string>}} options */
  async #write(path, options) {
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#fault.textContent = "";
    let isWritten = false;
    try {
      await this.#ask(path, options);
      isWritten = true;
    } catch (error) {
      this.#fault.textContent = failure(asProblem(error));
    }
    this.#isWriting = false;
    if (isWritten) this.#close(true);
  }

  /** @param {boolean} isChanged */
  #close(isChanged) {
    if (this.#isWriting) return;
    clearTimeout(this.#timer);
    this.#trying?.abort();
    this.#opened = null;
    this.#rows.clear();
    this.#table.replaceChildren();
    this.#fault.textContent = this.#effect.textContent = this.#present.textContent = "";
    this.#closed(isChanged);
  }
}
