import { decimal, minus, plus } from "../shared/numbers.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {AgentSum, OtherAgents, Sum} from "./api.js" */

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
  const rest = sorted.splice(MOST_AGENTS);
  const together = { ...(others ?? { agents: 0, count: 0, value_usd: /** @type {Exact} */ (0) }) };
  for (const { count, value_usd } of rest) {
    together.agents += 1;
    together.count += count;
    together.value_usd = plus(together.value_usd, value_usd);
  }
  return [...sorted, together, ...(isOpen ? rest : [])];
}
