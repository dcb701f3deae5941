import { decimal, minus } from "../shared/numbers.js";
import { dayAndMonth, dollars, outcomes, whole } from "./format.js";

/** @import {ByRule, RuleSum, Sum, Summary} from "./api.js" */

/** Return a sum's value in words, or its number of outcomes if it has no value. @param {Sum} sum */
const worth = ({ count, value_usd }) =>
  Number(decimal(value_usd)) ? dollars.format(decimal(value_usd)) : outcomes(count);

/** Return in words how much of a sum is estimated; empty: nothing. @param {RuleSum} sum */
export function estimated({ value_usd, estimated_usd }) {
  const [all, part] = [value_usd, estimated_usd].map(decimal);
  if (!Number(part)) return "";
  return `, ${Number(part) === Number(all) ? "all" : `of it ${dollars.format(part)}`} estimated by your rule`;
}

/**
 * Return in words what the owner's rule makes of the claimed sum, apart from what counts. All parts together are the
 * claimed sum and what the fixed values of the rule (`eachUsd`) change of it, which is said beside it.
 * @param {Sum} claimed
 * @param {ByRule} byRule
 */
export function ruleWords(claimed, { counted, waiting, unconfirmed, not_counted, before_rules }) {
  const parts = [counted, waiting, unconfirmed, not_counted, before_rules];
  const less = parts.reduce((sum, { value_usd }) => minus(sum, value_usd), claimed.value_usd);
  const [verb, change] = Number(decimal(less)) < 0 ? ["add", minus(0, less)] : ["take off", less];
  const closes = waiting.closes.map((sum) => `${worth(sum)} on ${dayAndMonth.format(new Date(sum.on))}`);
  const toReview = [
    closes.length
      ? `${closes.join(", ").replace(" on ", " count on ")}, unless you dispute them${estimated(waiting)}`
      : "",
    unconfirmed.count ? `${worth(unconfirmed)} need your word${estimated(unconfirmed)}` : "",
  ];
  const all = [
    `claimed ${worth(claimed)}`,
    Number(decimal(less)) ? `your rule’s values ${verb} ${dollars.format(decimal(change))}` : "",
    toReview.some(Boolean) ? `to review: ${toReview.filter(Boolean).join("; ")}` : "",
    not_counted.count ? `${worth(not_counted)} never count` : "",
    before_rules.count ? `${worth(before_rules)} are from before your rule` : "",
  ];
  return all.filter(Boolean).join(" · ");
}

/** Return the words below the headline: what it is and of how many outcomes. @param {Summary} summary @param {string} period */
export function headWords({ count, by_rule }, period) {
  const all = outcomes(count) + period;
  if (!by_rule) return [all];
  const { counted } = by_rule;
  return [
    `counts now by your rule${estimated(counted).replace(",", " ·")}`,
    `${whole.format(counted.count)} of ${all}`,
  ];
}

/** Return in words how much of a type counts. @param {ByRule} byRule @param {string} type */
export function countedOf({ by_type }, type) {
  const counted = by_type.find(({ outcome_type }) => outcome_type === type)?.counted;
  return counted?.count ? ` · counted ${worth(counted)}` : " · none counted";
}

/** Return the sum that the headline shows: what counts, or what is claimed without a rule. @param {Summary} summary */
export const counting = (summary) => summary.by_rule?.counted ?? summary;
