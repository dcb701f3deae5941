import { html, unseen } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { localDay } from "../shared/time.js";

/** @import {Exact} from "../shared/numbers.js" */

/** @type {Intl.NumberFormatOptions} */
const usd = { style: "currency", currency: "USD", signDisplay: "negative" };
export const cents = new Intl.NumberFormat(undefined, usd);
export const dollars = new Intl.NumberFormat(undefined, { ...usd, trailingZeroDisplay: "stripIfInteger" });
export const everyDigit = new Intl.NumberFormat(undefined, { ...usd, maximumFractionDigits: 100 });
export const compact = new Intl.NumberFormat(undefined, { ...usd, notation: "compact", maximumSignificantDigits: 3 });
export const whole = new Intl.NumberFormat();
export const dayAndMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
export const fullDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
export const monthAndYear = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric", timeZone: "UTC" });
export const isoDay = new Intl.DateTimeFormat("sv-SE"); // yyyy-mm-dd, as date inputs need
export const asOf = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
export const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
export const times = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
export const percent = new Intl.NumberFormat(undefined, { style: "percent", signDisplay: "exceptZero" });

const localDayAndMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
/** Format an instant as a date in the viewer's time zone, without the year if it is the current one. @param {string} instant */
export function shortDay(instant) {
  const day = new Date(instant);
  return (day.getFullYear() === new Date().getFullYear() ? localDayAndMonth : localDay).format(day);
}

/** @param {number} count */
export const outcomes = (count) => `${whole.format(count)} outcome${count === 1 ? "" : "s"}`;

/**
 * Return the attributes of a figure: its exact value for scripts, and a tooltip with that value if it has fractions of
 * a cent.
 * @param {Exact} value
 */
function figure(value) {
  const text = decimal(value);
  const exact = everyDigit.format(text);
  const attributes = { value: text, title: exact === cents.format(text) ? null : exact };
  return { text, attributes };
}

/** @param {Exact | null} value */
export function amount(value) {
  if (value === null)
    return html("span", { class: "amount none" }, html("span", { "aria-hidden": "true" }, "–"), unseen("no value"));
  const { text, attributes } = figure(value);
  return html("data", { class: "amount", ...attributes }, cents.format(text));
}

/** Render an amount with its cents in smaller type. @param {Exact} value */
export function headline(value) {
  const { text, attributes } = figure(value);
  const parts = cents
    .formatToParts(text)
    .map(({ type, value: part }) => (type === "decimal" || type === "fraction" ? html("small", {}, part) : part));
  return html("data", attributes, ...parts);
}
