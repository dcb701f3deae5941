/** @import {Outcome} from "./api.js" */
/**
 * Parameters of a list, an export or a summary. An empty field matches everything.
 * @typedef {{outcomeType: string, agentId: string, status: string}} Selected agentId: "none" for no agent
 * @typedef {Selected & {from: string, to: string}} Filter
 */

/** @param {Outcome} outcome */
export const happenedAt = ({ created_at, occurred_at = created_at }) => occurred_at;

/** Return an outcome's sort key: the time when it happened, then its id. @param {Outcome} outcome */
export const orderOf = (outcome) => `${happenedAt(outcome)}#${outcome.id}`;

/**
 * Return the index at which to insert a sort key into a list of rows, latest first.
 * @param {string} order
 * @param {{order: string}[]} rows
 */
export const placeOf = (order, rows) => rows.findLastIndex((row) => row.order > order) + 1;

/**
 * Return the outcomes that were never seen before, and whether an outcome that was seen has a new version.
 * @param {Outcome[]} found
 * @param {Map<string, Seen>} seen by id
 */
export const compare = (found, seen) => ({
  fresh: found.filter(({ id }) => !seen.has(id)),
  isCorrected: found.some(({ id, version }) => seen.has(id) && seen.get(id)?.version !== version),
});
/** @typedef {Pick<Outcome, "version" | "created_at">} Seen */

/** Whether an outcome has the selected type, agent and status. @param {Outcome} outcome @param {Selected} selected */
export const matches = ({ outcome_type, agent_id, status }, selected) =>
  (!selected.outcomeType || outcome_type === selected.outcomeType) &&
  (!selected.agentId || String(agent_id ?? "none") === selected.agentId) &&
  (!selected.status || status === selected.status);

/** Whether an outcome belongs in a list with this filter. @param {Outcome} outcome @param {Filter} filter */
export const passes = (outcome, filter) =>
  matches(outcome, filter) && (!filter.from || (filter.from <= happenedAt(outcome) && happenedAt(outcome) < filter.to));
