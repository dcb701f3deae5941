import { html, icon } from "../shared/dom.js";
import { decimal, minus } from "../shared/numbers.js";
import { amount, outcomes, percent } from "./format.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {AgentSum, OtherAgents, Sum, Summary} from "./api.js" */

const MOST_AGENTS = 6;

/**
 * The agents of most value, and what all others come to together.
 * @param {AgentSum[]} agents
 * @param {OtherAgents} [others] that the API does not tell apart
 * @returns {(AgentSum | OtherAgents)[]}
 */
export function mostAgents(agents, others) {
  // One more is shown as well as said.
  if (!others && agents.length <= MOST_AGENTS + 1) return agents;
  const together = { ...(others ?? { agents: 0, count: 0, value_usd: /** @type {Exact} */ (0) }) };
  for (const { count, value_usd } of agents.slice(MOST_AGENTS)) {
    together.agents += 1;
    together.count += count;
    together.value_usd = minus(together.value_usd, minus(0, value_usd));
  }
  return [...agents.slice(0, MOST_AGENTS), together];
}

/**
 * The share of each type or agent: of the value, or of the count when nothing had a value. Largest first, all other agents last.
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
 * How a sum compares with what was before it; nothing where that is not known, or no share can be told.
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
 * What of the value its owner has spoken about; nothing where there is none, or a server of before.
 * @param {Summary} summary
 */
export function statusSums({ confirmed, disputed }) {
  /** @type {[Sum | undefined, string][]} */
  const sums = [
    [confirmed, "confirmed"],
    [disputed, "disputed"],
  ];
  return sums.flatMap(([sum, words], at) => {
    if (!sum?.count) return [];
    return [at && sums[0][0]?.count ? " · " : "", amount(sum.value_usd), ` ${words}`];
  });
}
