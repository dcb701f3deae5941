import { happenedAt } from "./merge.js";
import { dateIn } from "./zone.js";

/** @import {Correction} from "./api.js" */
/** @import {Claim, Definition} from "./queue.js" */
/** @typedef {(instant: string | number) => Definition | undefined} RuleAt */

/** Return a function that finds the rule in force at an instant. @param {Definition[]} rules newest first @returns {RuleAt} */
export function ruleFinder(rules) {
  if (!rules.length) return () => undefined;
  return (instant) => {
    const month = dateIn(rules[0].timezone, instant).slice(0, 7);
    return rules.find(({ from }) => from <= month);
  };
}

/** Whether an outcome was recorded later than it happened. @param {Claim} claim */
export const isLate = (claim) => Date.parse(happenedAt(claim)) < Date.parse(claim.created_at);

export const IMPORTED = "imported with its time of recording";

/**
 * Return what its owner should know of how an outcome was recorded, in words.
 * @param {Claim} claim
 * @param {RuleAt} ruleAt
 */
export function marks(claim, ruleAt) {
  const said = [];
  if (isLate(claim) && ruleAt(happenedAt(claim)) !== ruleAt(claim.created_at))
    said.push("recorded after the rule changed");
  if (claim.imported) said.push(IMPORTED);
  return said;
}

/** Say that somebody other than its owner changed the type of an outcome, on which it depends what counts. @param {Correction} correction */
export function typeAmended({ type, by, changes = {} }) {
  const [, agent] = /^key(:|$)/.exec(by ?? "") ?? [];
  if (type !== "amend" || agent === undefined || !("outcome_type" in changes)) return "";
  return `type amended by ${agent ? "its agent" : "the platform"}`;
}
