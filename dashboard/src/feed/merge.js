/** @import {Outcome} from "./api.js" */
/**
 * Parameters of a list, an export or a summary. An empty field matches everything.
 * @typedef {{outcomeType: string, agentId: string, status: string}} Selected agentId: "none" for no agent
 * @typedef {Selected & {from: string, to: string}} Filter
 */

/** Return the sort key of the API's order: time, then id. @param {Outcome} outcome */
export const orderOf = ({ created_at, id }) => `${created_at}#${id}`;

/**
 * Return the index at which to insert a sort key into a list of others, newest first.
 * @param {string} order
 * @param {string[]} others
 */
export function placeOf(order, others) {
  const place = others.findIndex((other) => other < order);
  return place < 0 ? others.length : place;
}

/**
 * Return the outcomes that were never seen before, and whether one that was seen has another version.
 * @param {Outcome[]} found
 * @param {Map<string, number | undefined>} seen version by id
 */
export const compare = (found, seen) => ({
  fresh: found.filter(({ id }) => !seen.has(id)),
  isCorrected: found.some(({ id, version }) => seen.has(id) && seen.get(id) !== version),
});

/** Whether an outcome has the selected type, agent and status. @param {Outcome} outcome @param {Selected} selected */
export const matches = ({ outcome_type, agent_id, status }, selected) =>
  (!selected.outcomeType || outcome_type === selected.outcomeType) &&
  (!selected.agentId || String(agent_id ?? "none") === selected.agentId) &&
  (!selected.status || status === selected.status);

/** @param {Outcome} outcome @param {Filter} filter */
export const passes = (outcome, filter) =>
  matches(outcome, filter) && (!filter.from || (filter.from <= outcome.created_at && outcome.created_at < filter.to));
