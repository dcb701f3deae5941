import { decimal, minus } from "../shared/numbers.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {AgentSum, OtherAgents} from "./api.js" */

const MOST_AGENTS = 6;

/** Sort most value first. @param {AgentSum} a @param {AgentSum} b */
const byValue = (a, b) => Number(decimal(minus(b.value_usd, a.value_usd))) || b.count - a.count;

/**
 * Return the agents with the most value, and the sum of all others as one.
 * @param {AgentSum[]} agents
 * @param {OtherAgents} [others] agents whose sums the API has already added up
 * @returns {(AgentSum | OtherAgents)[]}
 */
export function mostAgents(agents, others) {
  // Show a single remaining agent itself: "1 other agent" would take the same space.
  if (!others && agents.length <= MOST_AGENTS + 1) return agents;
  const sorted = agents.toSorted(byValue);
  const together = { ...(others ?? { agents: 0, count: 0, value_usd: /** @type {Exact} */ (0) }) };
  for (const { count, value_usd } of sorted.slice(MOST_AGENTS)) {
    together.agents += 1;
    together.count += count;
    together.value_usd = minus(together.value_usd, minus(0, value_usd));
  }
  return [...sorted.slice(0, MOST_AGENTS), together];
}
