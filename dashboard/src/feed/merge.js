/** @import {Outcome} from "./api.js" */
/** @typedef {{outcomeType: string, agentId: string, from: string, to: string}} Filter what is empty lets everything pass */

/** The order of the API: by time, then id. @param {Outcome} outcome */
export const orderOf = ({ created_at, id }) => `${created_at}#${id}`;

/** Where an outcome belongs among others, newest first. @param {string} order @param {string[]} others their orders */
export function placeOf(order, others) {
  const place = others.findIndex((other) => other < order);
  return place < 0 ? others.length : place;
}

/**
 * What is new among outcomes: those never seen, and whether any was seen in another version.
 * @param {Outcome[]} found
 * @param {Map<string, number | undefined>} seen version by id
 */
export const compare = (found, seen) => ({
  fresh: found.filter(({ id }) => !seen.has(id)),
  isNews: found.some(({ id, version }) => !seen.has(id) || seen.get(id) !== version),
});

/** Whether an outcome is one of those that are listed. @param {Outcome} outcome @param {Filter} filter */
export const passes = ({ outcome_type, agent_id, created_at }, { outcomeType, agentId, from, to }) =>
  (!outcomeType || outcome_type === outcomeType) &&
  (!agentId || agent_id === Number(agentId)) &&
  (!from || (from <= created_at && created_at < to));
