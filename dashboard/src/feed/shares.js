import { dotted, html, icon } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { amount, outcomes, percent } from "./format.js";

/** @import {Sum, Summary} from "./api.js" */

/**
 * Render the share of each type or agent: of the value, or of the count if nothing has a value. Largest first, other agents last.
 * @template {Sum} Part
 * @param {Part[]} parts
 * @param {(part: Part) => [name: string, icon: string, more?: string]} words
 */
export function split(parts, words) {
  /** @param {Sum} part */
  const worth = (part) => Number(decimal(part.value_usd));
  const valued = parts.some((part) => worth(part) > 0);
  /** @param {Sum} part */
  const size = (part) => (valued ? worth(part) : part.count);
  const largest = Math.max(...parts.map(size));
  return parts
    .toSorted((a, b) => Number("agents" in a) - Number("agents" in b) || size(b) - size(a))
    .map((part) => {
      const share = html("i", {});
      share.style.inlineSize = `${Math.max(0, size(part) / largest) * 100}%`;
      const [name, path, more = ""] = words(part);
      return html(
        "li",
        {},
        icon(path),
        html("span", { class: "name", dir: "auto" }, name),
        amount(part.value_usd),
        html("span", { class: "share", "aria-hidden": "true" }, share),
        html("span", { class: "count" }, outcomes(part.count) + more),
      );
    });
}

/**
 * Compare a sum with the previous period's sum, in percent if that is positive. Empty if that is unknown or both are 0.
 * @param {Summary} summary
 * @param {string} before
 * @returns {(string | Element)[]}
 */
export function change({ value_usd, previous }, before) {
  if (!previous) return [];
  const [is, was] = [value_usd, previous.value_usd].map((value) => Number(decimal(value)));
  if (was > 0) return [html("b", {}, percent.format((is - was) / was)), ` against ${before}`];
  return is || was ? [amount(previous.value_usd), ` in ${before}`] : [];
}

/**
 * Return the confirmed and the disputed value. Empty if there are none, or if the server does not know corrections.
 * @param {Summary} summary
 */
export function statusSums({ confirmed, disputed }) {
  const sums = Object.entries({ confirmed, disputed });
  return dotted(
    ...sums.map(([word, sum]) => (sum?.count ? html("span", {}, amount(sum.value_usd), ` ${word}`) : null)),
  );
}
