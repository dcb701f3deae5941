import { announce, button, buttons, html } from "../shared/dom.js";
import { decimal, minus } from "../shared/numbers.js";
import { asProblem } from "../shared/request.js";
import { timeZone } from "../shared/time.js";
import { inWords as typeInWords } from "../shared/words.js";
import { ask } from "./api.js";
import { estimated } from "./counted.js";
import { dayAndMonth, dollars } from "./format.js";
import { option } from "./options.js";
import { editable, typed } from "./typed.js";
import { failure } from "./what-counts.js";
import { dateIn } from "./zone.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {Api} from "./api.js" */
/** @import {Sums} from "./sums.js" */
/**
 * @typedef {{period: string, percent: number, type: string, at: string, already: boolean}} Told
 * @typedef {{id: string, name: string, measure: string, outcome_type: string | null, agent_id: number | null,
 *   every: string, timezone: string, target: Exact, at: number[], version: number,
 *   period: {name: string, to: string}, figure: Exact | null, estimated_usd: Exact | null, status: string | null,
 *   told: Told[]}} Watch a watch of GET /api/watches
 */

const AGAIN_MS = 60_000; // between two reads
const DAY_MS = 86_400_000;
const REACHED = "watch.reached";

/** What a watch measures, by the words of the form. @type {Map<string, [choice: string, words: string]>} */
const MEASURES = new Map([
  ["value", ["all that agents claim", "claimed"]],
  ["counted", ["what counts, or will if I do not dispute it", "counts or will count"]],
]);

/** Why a figure is not known. Others are said as the API says them. @type {Map<string | null, string>} */
const STATUSES = new Map([
  ["Busy", "Not known right now"],
  ["No definition", "You have no rule of what counts"],
  ["Other time zone", "Your rule has the days of another time zone"],
]);
/** The statuses that stay until the owner changes something. */
const LASTING = [null, "No definition", "Other time zone"];

/** @param {string} date */
const inWords = (date) => dayAndMonth.format(Date.parse(date));

/** The tellings of the running period that its value reached a share of the target, after the watch was made. @param {Watch} watch */
export const crossings = ({ told, period }) =>
  told.filter((one) => one.period === period.name && one.type === REACHED && !one.already);

/** Return a watch's figure and state: "$43,100 of $50,000 · 6 days left". @param {Watch} watch @param {number} now */
export function stateWords(watch, now) {
  const { figure, target, status, every, timezone, period, told } = watch;
  const missed = told.some(({ type }) => type === "watch.missed") ? ` · missed last ${every}` : "";
  const line = dollars.format(decimal(target));
  if (figure === null) return `${STATUSES.get(status) ?? status} · target ${line}${missed}`;
  const crossing = crossings(watch).find(({ percent }) => percent === 100);
  const days = (Date.parse(dateIn(timezone, period.to)) - Date.parse(dateIn(timezone, now))) / DAY_MS;
  let state = `${days} day${days === 1 ? "" : "s"} left`;
  if (isReached(watch)) state = crossing ? `reached on ${inWords(dateIn(timezone, crossing.at))}` : "reached";
  return `${dollars.format(decimal(figure))} of ${line} · ${state}${missed}`;
}

/** Return what a watch measures, in words, with its filters. @param {Watch} watch */
export function measureWords({ measure, every, figure, estimated_usd, outcome_type, agent_id }) {
  const filters = [outcome_type && typeInWords(outcome_type), agent_id && `agent ${agent_id}`].filter(Boolean);
  const only = filters.length ? `, only ${filters.join(" of ")}` : "";
  const part = figure !== null && estimated_usd !== null ? { count: 0, value_usd: figure, estimated_usd } : null;
  return ` · ${MEASURES.get(measure)?.[1]} this ${every}${only}${part ? estimated(part) : ""}`;
}

/** @param {Watch} watch */
const isReached = ({ figure, target }) => figure !== null && Number(decimal(minus(target, figure))) <= 0;

/** Return the share of the target that is reached, from 0 to 1. @param {Watch} watch */
export function share({ figure, target }) {
  const [is, whole] = [figure ?? 0, target].map((number) => Number(decimal(number)));
  return Math.min(1, Math.max(0, is / whole));
}

/**
 * Return the body that puts a watch. What the form does not ask stays as it is.
 * @param {{name: string, measure: string, target: string, every: string}} given
 * @param {Watch | undefined} watch
 * @param {string} timezone of the page
 */
export function watchOf({ name, measure, target, every }, watch, timezone) {
  const { outcome_type = null, agent_id = null, at = null } = watch ?? {};
  return {
    name: name.trim(),
    measure,
    every,
    // What counts is only known for the days of the rule, which are those of the page.
    timezone: measure === "value" && watch ? watch.timezone : timezone,
    target: typed(target),
    outcomeType: outcome_type,
    agentId: agent_id,
    at,
  };
}

/** The owner's first watch of value, as a line with its figure, and the form that makes, changes and deletes it. */
export class Target {
  /** @type {Watch[]} all of the owner */
  #all = [];
  /** @type {Watch | undefined} */
  #watch;
  /** @type {Watch | undefined} the one that the form shows, as it was read: the first one may be another by now */
  #edited;
  #isOff = false;
  #isRead = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  #seen = new Date(0); // when the sums were read before the watch was
  /** @type {object | null} identifies the latest read */
  #reading = null;

  #unread = html("span", {});
  #title = html("strong", {});
  #words = html("span", {});
  #measure = html("small", {});
  #line = html(
    "button",
    {
      type: "button",
      class: "offer",
      hidden: true,
      "aria-expanded": "false",
      click: () => this.#open(this.#form.hidden === true),
    },
    this.#title,
    this.#words,
    this.#measure,
  );
  #bar = html("i", {});
  #share = html("span", { class: "share", "aria-hidden": "true", hidden: true }, this.#bar);
  #name = html("input", { maxlength: 80, value: "Target" });
  #amount = html("input", { inputmode: "decimal", size: 10 });
  #choices = [...MEASURES.keys()].map((value) => html("input", { type: "radio", name: "measure", value }));
  #every = html("select", {}, option("month", "month"), option("week", "week"));
  #fault = html("p", { class: "fault", role: "alert" });
  #save = html("button", { class: "main" }, "Save");
  #delete = button("Delete", () => void this.#write("DELETE"));
  #isWriting = false; // then the form stays open, to show what came of it, and writes nothing else
  #form = html(
    "form",
    {
      novalidate: true,
      hidden: true,
      "aria-label": "Target",
      submit: (/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        void this.#write("PUT");
      },
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#open(false),
    },
    html("h3", {}, "Target"),
    html("p", { class: "help" }, "You are told once when it is reached. Agents cannot see or change it."),
    html("label", {}, "Name ", this.#name),
    html("label", {}, "Dollars ", this.#amount),
    html("label", {}, "Each ", this.#every),
    html(
      "fieldset",
      {},
      html("legend", {}, "Of"),
      ...this.#choices.map((choice, index) => html("label", {}, choice, ` ${[...MEASURES.values()][index][0]}`)),
    ),
    this.#fault,
    buttons(
      this.#save,
      this.#delete,
      button("Cancel", () => this.#open(false)),
    ),
  );

  /**
   * @param {HTMLElement} element of the line and the form, beside the chart
   * @param {Api} api
   * @param {Sums} sums of the page
   */
  constructor(element, api, sums) {
    this.#element = element;
    this.#api = api;
    this.#sums = sums;
    element.append(html("p", { class: "help" }, this.#unread, this.#line, this.#share), this.#form);
  }
  #element;
  #api;
  #sums;

  /** Read the watch after the sums were read or its period has ended, at most once a minute. */
  render() {
    const now = Date.now();
    const isOver = this.#watch && now >= Date.parse(this.#watch.period.to);
    const isDue = (isOver || this.#seen !== this.#sums.readAt) && Math.abs(now - this.#askedAt) >= AGAIN_MS;
    if (isDue && !this.#isOff) void this.#read();
    this.#show();
  }

  /** @param {string} [path] */
  #url(path = "") {
    return new URL(`watches${path}`, this.#api.url(""));
  }

  async #read() {
    const reading = {};
    const { readAt } = this.#sums;
    this.#reading = reading;
    this.#askedAt = Date.now();
    const body = await ask(this.#url()).catch(asProblem);
    if (this.#reading !== reading || !this.#form.isConnected) return;
    this.#isOff = body?.status === 404;
    const isRead = Array.isArray(body?.watches);
    announce(this.#unread, isRead || this.#isRead ? "" : "Your target could not be read.");
    if (isRead) {
      this.#isRead = true;
      this.#all = body.watches;
      this.#watch = this.#all.find(({ measure }) => MEASURES.has(measure));
      if (LASTING.includes(this.#watch?.status ?? null)) this.#seen = readAt;
    }
    this.#show();
  }

  #show() {
    const watch = this.#watch;
    this.#element.hidden = this.#isOff;
    this.#line.hidden = !this.#isRead;
    announce(this.#title, watch ? `${watch.name}: ` : "");
    announce(this.#words, watch ? stateWords(watch, Date.now()) : "Set a target");
    announce(this.#measure, watch ? measureWords(watch) : "");
    this.#share.hidden = !watch;
    if (watch) this.#bar.style.inlineSize = `${share(watch) * 100}%`;
    this.#mark();
  }

  /** Mark the bars of the days on which the value of the running period reached a share of the target. */
  #mark() {
    const plot = this.#element.parentElement?.querySelector(".plot");
    for (const mark of plot?.querySelectorAll(".mark") ?? []) mark.remove();
    const watch = this.#watch;
    if (!plot || !watch || this.#isOff) return;
    const bars = [...plot.querySelectorAll("button")].map(({ value }) => value.split(".."));
    for (const { percent, at } of crossings(watch)) {
      const date = dateIn(this.#zone, at);
      const index = bars.findIndex(([first, last]) => first <= date && date <= last);
      if (index < 0) continue;
      const label = `${watch.name}: ${percent}% on ${inWords(date)}`;
      const mark = html("i", { class: "mark", role: "img", "aria-label": label }, html("b", {}, `${percent}%`));
      mark.style.left = `${((index + 0.5) / bars.length) * 100}%`;
      plot.append(mark);
    }
  }

  /** The time zone of the page's days. */
  get #zone() {
    return this.#sums.summary?.timezone ?? timeZone();
  }

  /** @param {boolean} isOpen */
  #open(isOpen) {
    if (this.#isWriting) return;
    this.#form.hidden = !isOpen;
    this.#line.ariaExpanded = String(isOpen);
    this.#fault.textContent = "";
    if (!isOpen) return this.#line.focus();
    const watch = this.#watch;
    this.#edited = watch;
    this.#name.value = watch?.name ?? "Target";
    this.#amount.value = watch ? editable(watch.target) : "";
    this.#every.value = watch?.every ?? "month";
    const measure = watch?.measure ?? (this.#sums.summary?.by_rule ? "counted" : "value");
    for (const choice of this.#choices) choice.checked = choice.value === measure;
    this.#delete.hidden = !watch;
    this.#amount.focus();
  }

  /** Put or delete the watch, unless it changed since it was read. @param {"PUT" | "DELETE"} method */
  async #write(method) {
    if (this.#isWriting) return;
    const watch = this.#edited;
    const ids = new Set(this.#all.map(({ id }) => id));
    let id = watch?.id ?? "target";
    for (let number = 2; !watch && ids.has(id); number += 1) id = `target-${number}`;
    const measure = this.#choices.find(({ checked }) => checked)?.value ?? "value";
    const given = { name: this.#name.value, measure, target: this.#amount.value, every: this.#every.value };
    const body = method === "PUT" ? watchOf(given, watch, this.#zone) : undefined;
    /** @type {Record<string, string>} */
    const headers = watch ? { "if-match": `"${watch.version}"` } : { "if-none-match": "*" };
    this.#fault.textContent = "";
    this.#lock(true);
    let isWritten = false;
    try {
      await ask(this.#url(`/${id}`), undefined, { method, body, headers });
      isWritten = true;
    } catch (error) {
      this.#fault.textContent = failure(asProblem(error));
    }
    await this.#read();
    // As another page may have put it: the next write names its version.
    this.#edited = this.#all.find((one) => one.id === id);
    this.#lock(false);
    if (isWritten) this.#open(false);
  }

  /** @param {boolean} isWriting */
  #lock(isWriting) {
    this.#isWriting = isWriting;
    for (const one of [this.#save, this.#delete]) one.ariaDisabled = String(isWriting);
  }
}
