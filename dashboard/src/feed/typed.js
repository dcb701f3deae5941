import { decimal, exactNumber } from "../shared/numbers.js";

/** @import {Exact} from "../shared/numbers.js" */

/** Return an amount as a viewer edits it: in her notation, without groups. @param {Exact} amount @param {string} [locale] */
export function editable(amount, locale) {
  const options = { useGrouping: false, maximumFractionDigits: 100, numberingSystem: "latn" };
  return new Intl.NumberFormat(locale, options).format(decimal(amount));
}

/**
 * Return the number that a viewer typed, as the page writes amounts for her: "50.000" is fifty thousand in German. What is
 * no decimal number, such as 1e400, stays as it is, so that the server refuses it.
 * @param {string} text
 * @param {string} [locale] by default the viewer's
 */
export function typed(text, locale) {
  const parts = new Intl.NumberFormat(locale, { numberingSystem: "latn" }).formatToParts(-1234567.8);
  const [group, point] = ["group", "decimal"].map((kind) => parts.find(({ type }) => type === kind)?.value ?? "");
  // Some languages write another minus, or marks of direction before it.
  const [whole, ...rest] = text
    .replace(/\p{Cf}/gu, "")
    .trim()
    .replace("\u2212", "-")
    .split(point);
  const isGrouped = new RegExp(`^[1-9]\\d{0,2}([${group}\\s'’]\\d{2,3})*[${group}\\s'’]\\d{3}$`).test(whole);
  const digits = isGrouped ? whole.replace(/\D/g, "") : whole;
  const number = [digits, ...rest].join(".");
  return /^-?(\d+\.?\d*|\.\d+)$/.test(number) ? exactNumber(number) : text;
}
