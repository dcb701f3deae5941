import { dotted, html, icon } from "../shared/dom.js";
import { decimal, minus, plus } from "../shared/numbers.js";
import { amount, outcomes, percent, whole } from "./format.js";

/** @import {Attributes} from "../shared/dom.js" */
/** @import {AgentSum, OtherAgents, Sum, Summary} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {Exact} from "../shared/numbers.js" */

const MOST_AGENTS = 6;

/** Compare two sums: the one with more value comes first. @param {Sum} a @param {Sum} b */
export const byValue = (a, b) => Number(decimal(minus(b.value_usd, a.value_usd))) || b.count - a.count;

/**
 * Return the sums of the agents with the most value, and then one sum of all other agents.
 * @param {AgentSum[]} agents
 * @param {OtherAgents} [others] agents whose sums the API has already added up
 * @param {boolean} [isOpen] whether to append the sum of each other agent that the summary lists
 * @returns {(AgentSum | OtherAgents)[]}
 */
export function mostAgents(agents, others, isOpen) {
  const sorted = agents.toSorted(byValue);
  // Show a single remaining agent itself: "1 other agent" would take the same space.
  if (!others && agents.length <= MOST_AGENTS + 1) return sorted;
  // "No agent" is none of the other agents, so it is shown instead of the last.
  const none = sorted.findIndex((one) => one.agent_id === null);
  if (none >= MOST_AGENTS) sorted.splice(MOST_AGENTS - 1, 0, ...sorted.splice(none, 1));
  const rest = sorted.splice(MOST_AGENTS);
  const together = { ...(others ?? { agents: 0, count: 0, value_usd: /** @type {Exact} */ (0) }) };
  for (const { count, value_usd } of rest) {
    together.agents += 1;
    together.count += count;
    together.value_usd = plus(together.value_usd, value_usd);
  }
  return [...sorted, together, ...(isOpen ? rest : [])];
}

/**
 * Render each type or agent with its share of the value, or of the count if nothing has a value.
 * @template {Sum} Part
 * @param {Part[]} parts
 * @param {(part: Part) => {name: string, icon: string, more?: string, button: Attributes}} about what to show for a part; its button shows the name
 */
export function split(parts, about) {
  /** @param {Sum} part */
  const worth = (part) => Number(decimal(part.value_usd));
  const valued = parts.some((part) => worth(part) > 0);
  /** @param {Sum} part */
  const size = (part) => (valued ? worth(part) : part.count);
  // Others are a text without a bar: beside the sum of many, the bars of single ones would vanish.
  const isOthers = (/** @type {Part} */ part) => "agents" in part;
  const largest = Math.max(...parts.filter((part) => !isOthers(part)).map(size));
  return parts.map((part) => {
    const share = html("i", {});
    share.style.inlineSize = `${Math.max(0, size(part) / largest) * 100}%`;
    const { name, icon: path, more = "", button: attributes } = about(part);
    return html(
      "li",
      {},
      icon(path),
      html("button", { type: "button", class: "name", dir: "auto", ...attributes }, name),
      amount(part.value_usd),
      isOthers(part) ? null : html("span", { class: "share", "aria-hidden": "true" }, share),
      html("span", { class: "count" }, outcomes(part.count) + more),
    );
  });
}

/**
 * Compare a sum with that of the previous period, in percent if that is positive. The result is empty if both are 0.
 * @param {Exact} now
 * @param {Exact} then
 * @param {string} as with what it is compared
 * @param {string} before name of the previous period
 * @param {boolean} isRunning whether the period includes today
 * @returns {(string | Element)[]}
 */
export function compared(now, then, as, before, isRunning) {
  const [is, was] = [now, then].map((value) => Number(decimal(value)));
  const today = isRunning ? "; today is not over" : "";
  if (was > 0) return [html("b", {}, percent.format((is - was) / was)), ` ${as}${today}`];
  return is || was ? [amount(then), ` in ${before}`] : [];
}

/**
 * Return a button for each status. It shows the status's value (of void outcomes their number), and filters by the status. A
 * status without outcomes is left out, unless it is selected. A server without corrections returns no statuses.
 * @param {Summary} summary
 * @param {Choice} choice
 */
export function statusSums({ confirmed, disputed, voided }, choice) {
  const sums = Object.entries({ confirmed, disputed, void: voided });
  const [one, ...others] = sums.map(([value, sum]) =>
    sum && (sum.count || choice.has("status", value))
      ? html(
          "button",
          filterButton(choice, "status", value),
          value === "void" ? whole.format(sum.count) : amount(sum.value_usd),
          ` ${value}`,
        )
      : null,
  );
  const apart = dotted(...others);
  return choice.query.status || !apart.length
    ? dotted(one, ...others)
    : [...dotted(one, "left out of all sums: "), ...apart];
}

/**
 * Return the attributes of a button that filters by a value.
 * @param {Choice} choice
 * @param {"type" | "agent" | "status"} name
 * @param {string} value
 * @returns {Attributes}
 */
export const filterButton = (choice, name, value) => ({
  type: "button",
  value,
  "aria-pressed": String(choice.has(name, value)),
  click: () => choice.toggle(name, value),
});
