import { decimal, minus, plus } from "../shared/numbers.js";
import { asOf, everyDigit, fullDay } from "./format.js";
import { IMPORTED, marks, ruleFinder } from "./marks.js";
import { happenedAt, orderOf } from "./merge.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {Correction, Outcome} from "./api.js" */
/**
 * What an outcome counts for, by the owner's definitions: `state` "waiting", "unconfirmed", "counted", "not_counted" or
 * "no_rule"; `on`: the day on which a waiting one counts by itself. `usd` takes the place of the value. `imported`: whether an
 * import brought it.
 * @typedef {Outcome & {counts?: {state: string, on?: string | null, usd: Exact | null} | null, imported?: true}} Claim
 * @typedef {{from: string, timezone: string, types?: {outcome_type: string, when: string}[]}} Definition one of the owner's, newest first
 */

const DAY_MS = 86_400_000;
const LEAST_USUAL = 5; // an agent's usual value of a type is the median of at least so many
const UNUSUAL = 10;
const LATE = "recorded late";
const RULE_CHANGED = "the rule changed since";
/** What `hints` says of many outcomes that are as they should be. */
export const NOTES = new Set([LATE, RULE_CHANGED, IMPORTED]);
const TIME_OF_DAY = /\b\d{1,2}(:\d\d){1,2}(\.\d+)?\s*([ap]\.?m\b\.?)?|\b\d{1,2}\s*[ap]m\b/gi;

/** Whether an outcome waits for its owner's word. @param {Claim} claim @param {boolean} hasRules whether she has definitions */
export const isToReview = ({ status, counts }, hasRules) =>
  status === "recorded" && (!hasRules || ["waiting", "unconfirmed"].includes(counts?.state ?? ""));

/** Return when an outcome counts by the rule in force when it happened: "never", for example. @param {Claim} claim @param {Definition[]} rules */
function whenCounted(claim, rules) {
  const types = ruleFinder(rules)(happenedAt(claim))?.types ?? [];
  const of = (/** @type {string} */ type) => types.find(({ outcome_type }) => outcome_type === type)?.when;
  return of(claim.outcome_type) ?? of("*") ?? "";
}

/** Whether an outcome that was just recorded is to review, by the rules, if its `counts` are not known. @param {Claim} claim @param {Definition[]} rules */
export const isNewToReview = (claim, rules) =>
  claim.status === "recorded" &&
  (!rules.length || ["unless_disputed", "confirmed"].includes(whenCounted(claim, rules)));

/** Whether an outcome does not count, also if its owner confirms it. @param {Claim} claim @param {Definition[]} rules */
export const isNeverCounted = (claim, rules) => whenCounted(claim, rules) === "never";

/** Return what an outcome counts for: its value, or what the owner's rule says instead. @param {Claim} claim */
export const worth = ({ value_usd, counts }) => counts?.usd ?? value_usd;

/** Whether the rule gives an outcome another value than its own. @param {Claim} claim */
export const isByRule = ({ value_usd, counts }) =>
  counts?.usd != null && (value_usd === null || Number(decimal(minus(counts.usd, value_usd))) !== 0);

/** Return what an agent claimed as an outcome's value, in words. @param {Claim} claim */
export const claimed = ({ value_usd }) =>
  `${value_usd === null ? "no value" : everyDigit.format(decimal(value_usd))} claimed`;

/** Return what an outcome counts for by the owner's rule, and why, in words; empty: no rule says. @param {Claim} claim */
export function countsInWords(claim) {
  const { counts } = claim;
  if (!counts) return "";
  const usd = counts.usd === null ? "without a value" : everyDigit.format(decimal(counts.usd));
  const by = `by your rule${isByRule(claim) ? ` (${claimed(claim)})` : ""}`;
  const words = {
    counted: `Counts ${usd} ${by}`,
    waiting: `Will count ${usd} ${by}${counts.on ? ` on ${fullDay.format(new Date(counts.on))}` : ""}, unless you dispute it before`,
    unconfirmed: `Counts ${usd} ${by} once you confirm it`,
    not_counted: "Does not count, also if you confirm it: your rule never counts this type",
  };
  return words[/** @type {keyof typeof words} */ (counts.state)] ?? "";
}

/** @param {Claim} claim */
const magnitude = (claim) => Math.abs(Number(decimal(worth(claim) ?? 0)));

/**
 * Sort outcomes: greatest magnitude first, or by the day on which they count by themselves, earliest first. Of two that are
 * equal, the later comes first.
 * @param {Claim[]} claims
 * @param {"greatest" | "soonest"} by
 */
export function inOrder(claims, by = "greatest") {
  const day = (/** @type {Claim} */ { counts }) => (by === "soonest" && counts?.on) || "~"; // after all digits
  return claims.toSorted((a, b) => {
    const [one, other] = [day(a), day(b)];
    if (one !== other) return one < other ? -1 : 1;
    return magnitude(b) - magnitude(a) || (orderOf(a) < orderOf(b) ? 1 : -1);
  });
}

/** Return the exact sum of what outcomes count for. @param {Claim[]} claims */
export const worthOf = (claims) =>
  claims.reduce((sum, claim) => plus(sum, worth(claim) ?? 0), /** @type {Exact} */ (0));

/** @param {Claim[]} claims @param {(one: Claim) => string} key */
function grouped(claims, key) {
  /** @type {Map<string, Claim[]>} */
  const groups = new Map();
  for (const claim of claims) {
    const group = groups.get(key(claim));
    if (group) group.push(claim);
    else groups.set(key(claim), [claim]);
  }
  return groups.values();
}

/** @param {Outcome} outcome */
const at = (outcome) => Date.parse(happenedAt(outcome));

/** Return for each outcome that looks like a duplicate the earliest within a day before it, of those that are not void. @param {Claim[]} claims */
export function duplicates(claims) {
  /** @type {Map<string, Claim>} */
  const found = new Map();
  const alike = (/** @type {Claim} */ { agent_id, outcome_type, value_usd, title }) => {
    const words = title.replace(TIME_OF_DAY, "").replace(/\s+/g, " ").trim().toLowerCase();
    const value = value_usd === null ? "" : decimal(plus(value_usd, 0)).replace(/(\.\d*?)0+$/, "$1");
    return JSON.stringify([agent_id, outcome_type, value.replace(/\.$/, ""), words]);
  };
  const standing = claims.filter(({ status }) => status !== "void");
  for (const group of grouped(standing, alike)) {
    const sorted = group.toSorted((a, b) => at(a) - at(b) || (a.id < b.id ? -1 : 1));
    let earliest = 0;
    sorted.forEach((claim, index) => {
      while (at(claim) - at(sorted[earliest]) > DAY_MS) earliest += 1;
      if (earliest < index) found.set(claim.id, sorted[earliest]);
    });
  }
  return found;
}

/** @param {Outcome} original the earlier outcome of two that look alike */
export const likeOriginal = (original) =>
  `looks like a duplicate of “${original.title}” of ${asOf.format(new Date(happenedAt(original)))}`;

/** Return the ids of outcomes of at least ten times the median of their agent and type. @param {Claim[]} claims */
function unusual(claims) {
  const found = new Set();
  const valued = claims.filter(({ value_usd }) => value_usd !== null);
  const size = (/** @type {Claim} */ { value_usd }) => Math.abs(Number(decimal(value_usd ?? 0)));
  for (const group of grouped(valued, ({ agent_id, outcome_type }) => `${agent_id} ${outcome_type}`)) {
    const sizes = group.map(size).toSorted((a, b) => a - b);
    const median = (sizes[(sizes.length - 1) >> 1] + sizes[sizes.length >> 1]) / 2;
    if (sizes.length < LEAST_USUAL || !median) continue;
    for (const claim of group) if (size(claim) >= UNUSUAL * median) found.add(claim.id);
  }
  return found;
}

/**
 * Return what the owner should look at, in words, by the outcome's id.
 * @param {Claim[]} claims all that are loaded: an outcome is compared with the others
 * @param {Definition[]} rules
 * @returns {Map<string, string[]>}
 */
export function hints(claims, rules = []) {
  const [copies, large, ruleAt] = [duplicates(claims), unusual(claims), ruleFinder(rules)];
  const ruleNow = ruleAt(Date.now());
  return new Map(
    claims.map((claim) => {
      const { id, created_at } = claim;
      const original = copies.get(id);
      const said = [];
      if (original) said.push(likeOriginal(original));
      if (large.has(id)) said.push("ten times this agent’s usual");
      if (Date.parse(created_at) - at(claim) > DAY_MS) said.push(LATE);
      if (ruleAt(at(claim)) !== ruleNow && ruleAt(created_at) === ruleAt(at(claim))) said.push(RULE_CHANGED);
      said.push(...marks(claim, ruleAt));
      return [id, said];
    }),
  );
}

/**
 * Return what became of an outcome's last dispute, or null if it was never disputed.
 * @param {Outcome} outcome
 * @param {Correction[]} corrections oldest first
 * @returns {{state: "waits" | "amended" | "upheld" | "confirmed" | "void", since: string, reason: string | null} | null}
 */
export function disputeOf({ status }, corrections) {
  const last = corrections.findLastIndex(({ type }) => type === "dispute");
  if (last < 0) return null;
  const later = corrections.slice(last + 1);
  const states = /** @type {const} */ ({ amend: "amended", uphold: "upheld", confirm: "confirmed", void: "void" });
  const end = later.findLast(({ type }) => Object.hasOwn(states, type));
  if (!end) return { state: "waits", since: corrections[last].created_at, reason: corrections[last].reason };
  const state = status === "void" ? "void" : states[/** @type {keyof typeof states} */ (end.type)];
  return { state, since: end.created_at, reason: end.reason };
}

/** Say how an outcome differs from an earlier version of it. @param {Outcome} now @param {Outcome} before */
export function difference(now, before) {
  const said = [];
  const usd = (/** @type {Exact | null} */ value) => (value === null ? "none" : everyDigit.format(decimal(value)));
  if (now.title !== before.title) said.push(`its title was “${before.title}”`);
  if (usd(now.value_usd) !== usd(before.value_usd)) said.push(`its value was ${usd(before.value_usd)}`);
  if (now.outcome_type !== before.outcome_type || now.agent_id !== before.agent_id)
    said.push("its type or agent was another");
  return said.join(", ");
}
