import { html } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { format, localDay } from "../shared/time.js";

/** @import {Exact} from "../shared/numbers.js" */

const LONG = 12; // characters; a line may break within a longer amount

/** @type {Intl.NumberFormatOptions} */
const usd = { style: "currency", currency: "USD", signDisplay: "negative" };
export const cents = format(Intl.NumberFormat, usd);
export const dollars = format(Intl.NumberFormat, { ...usd, trailingZeroDisplay: "stripIfInteger" });
export const everyDigit = format(Intl.NumberFormat, { ...usd, maximumFractionDigits: 100 });
export const compact = format(Intl.NumberFormat, { ...usd, notation: "compact", maximumSignificantDigits: 3 });
export const whole = format(Intl.NumberFormat);
export const dayAndMonth = format(Intl.DateTimeFormat, { day: "numeric", month: "short", timeZone: "UTC" });
export const fullDay = format(Intl.DateTimeFormat, { dateStyle: "medium", timeZone: "UTC" });
export const monthAndYear = format(Intl.DateTimeFormat, {
  month: "short",
  year: "numeric",
  timeZone: "UTC",
  calendar: "gregory",
});
export const isoDay = format(Intl.DateTimeFormat, {}, "sv-SE"); // yyyy-mm-dd, as date inputs need
export const asOf = format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short" });
export const clock = format(Intl.DateTimeFormat, { timeStyle: "short" });
export const percent = format(Intl.NumberFormat, { style: "percent", signDisplay: "exceptZero" });

const localDayAndMonth = format(Intl.DateTimeFormat, { day: "numeric", month: "short" });
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
  if (value === null) return html("span", { class: "amount none" }, "no value");
  const { text, attributes } = figure(value);
  const shown = cents.format(text);
  const parts = shown.length > LONG ? breakable(cents.formatToParts(text)) : [shown];
  return html("data", { class: "amount", ...attributes }, ...parts);
}

/**
 * Return the parts of an amount, with a break between groups of digits allowed.
 * @param {Intl.NumberFormatPart[]} parts
 */
const breakable = (parts) =>
  parts.flatMap(({ type, value }) => {
    if (type === "group") return [value, html("wbr")];
    return type === "decimal" || type === "fraction" ? html("small", {}, value) : value;
  });

/** Render an amount with its cents in smaller type. @param {Exact} value */
export function headline(value) {
  const { text, attributes } = figure(value);
  return html("data", attributes, ...breakable(cents.formatToParts(text)));
}
