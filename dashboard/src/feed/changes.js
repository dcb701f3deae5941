import { html } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { ago, exactTime } from "../shared/time.js";
import { inWords } from "../shared/words.js";
import { everyDigit, fullDay } from "./format.js";
import { dateIn } from "./zone.js";

/** @import {Attributes, Child} from "../shared/dom.js" */
/** @import {Exact} from "../shared/numbers.js" */
/** @import {Problem} from "../shared/request.js" */
/** @import {Change, Outcome} from "./api.js" */

/** @type {Map<string, [label: string, words: (value: any) => string]>} */
const FIELDS = new Map([
  // make contract: labels of fields
  ["outcome_type", ["Type", inWords]],
  ["title", ["Title", String]],
  ["description", ["Description", String]],
  ["value_usd", ["Value", (/** @type {Exact} */ value) => everyDigit.format(decimal(value))]],
  ["agent_id", ["Agent", String]],
  ["occurred_at", ["Happened", (/** @type {string} */ value) => exactTime.format(new Date(value))]],
  // end of make contract
]);

/** @param {string} instant @param {string} words @param {Attributes} attributes */
export const time = (instant, words, attributes = {}) =>
  html("time", { datetime: instant, title: exactTime.format(new Date(instant)), ...attributes }, words);
/** @param {string} instant */
export const timeAgo = (instant) => time(instant, ago(instant), { class: "ago" });

/**
 * Update relative times such as "3 minutes ago", and the days that are printed instead of them.
 * @param {Element} within
 * @param {string} zone of these days
 */
export function refreshTimes(within, zone) {
  for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (within.querySelectorAll("time.ago"))) {
    time.textContent = ago(time.dateTime);
    time.dataset.day = fullDay.format(new Date(dateIn(zone, time.dateTime)));
  }
}

/** @param {string | Element} term @param {Child[]} description */
export const fact = (term, ...description) =>
  html("div", {}, html("dt", { dir: "auto" }, term), html("dd", { dir: "auto" }, ...description));

/**
 * Render what an amendment changed: a term for each changed field or metadata entry, with its value before and after.
 * @param {Record<string, Change>} changes
 * @param {(id: number | null) => string} agentName
 */
export function changed(changes, agentName) {
  /** @type {[name: string, before: string | null, after: string | null][]} */
  const found = [];
  const order = [...FIELDS.keys(), ...Object.keys(changes)];
  for (const name of Object.keys(changes).toSorted((a, b) => order.indexOf(a) - order.indexOf(b))) {
    const change = changes[name];
    const [label, usual] = FIELDS.get(name) ?? [name, readable];
    /** @type {(value: any) => string} */
    const words = name === "agent_id" ? agentName : usual;
    if ("omitted" in change) found.push([label, null, "changed (too long to show)"]);
    else if (name === "metadata") {
      const [before, after] = [change.before, change.after].map((one) => new Map(Object.entries(one ?? {})));
      for (const key of new Set([...before.keys(), ...after.keys()])) {
        const [was, is] = [before, after].map((one) => (one.has(key) ? readable(one.get(key)) : "none"));
        if (was !== is) found.push([key, was, is]);
      }
    } else {
      const [was, is] = [change.before, change.after].map((one) => (one === null ? "none" : words(one)));
      found.push([label, was, is]);
    }
  }
  return html(
    "dl",
    {},
    ...found.map(([name, was, is]) =>
      was === null
        ? fact(name, is)
        : fact(name, html("del", { dir: "auto" }, was), " → ", html("ins", { dir: "auto" }, is)),
    ),
  );
}

/** Return JSON, indented unless it fits on a line. @param {unknown} value */
export function readable(value) {
  const line = JSON.stringify(value);
  return line.length > 60 ? JSON.stringify(value, null, 2) : line;
}
