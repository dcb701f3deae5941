/** @import {Outcome} from "./api.js" */
/** @typedef {{outcomeType: string, agentId: string, from: string, to: string}} Filter an empty field matches everything */

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

/** @param {Outcome} outcome @param {Filter} filter */
export const passes = ({ outcome_type, agent_id, created_at }, { outcomeType, agentId, from, to }) =>
  (!outcomeType || outcome_type === outcomeType) &&
  (!agentId || agent_id === Number(agentId)) &&
  (!from || (from <= created_at && created_at < to));
