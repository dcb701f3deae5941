// The sums of docs/statement-format.md, computed from entries.

import { check, compare, isAdjustment, isTotals } from "./texts.mjs";

/** Return what the entries add and subtract: the counted values, each with the sign 1 or -1. */
function changesOf(entries) {
  return entries.flatMap(({ outcome_id, before, after, ...outcome }) => {
    if (outcome_id === undefined) return { ...outcome, status: "recorded", sign: 1 };
    const subtracted = { ...before, sign: -1 };
    const added = { ...after, sign: 1 };
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [subtracted, added];
  });
}

/** Compute totals. Amounts are whole numbers of the smallest decimal that occurs, so that no sum is rounded. */
function totalsOf(changes) {
  const parts = ({ value_usd }) => [...(value_usd ?? "0").split("."), ""];
  const decimals = changes.reduce((most, change) => Math.max(most, parts(change)[1].length), 2);
  const amountOf = (change) => BigInt(parts(change)[0] + parts(change)[1].padEnd(decimals, "0")) * BigInt(change.sign);
  const write = (amount) => {
    const sign = amount < 0n ? "-" : "";
    const digits = `${amount < 0n ? -amount : amount}`.padStart(decimals + 1, "0");
    const money = `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
    return money.replace(/(\.\d\d\d*?)0+$/, "$1"); // keep at least two decimals
  };
  const sum = (some) => ({
    count: some.reduce((count, { sign }) => count + sign, 0),
    value_usd: write(some.reduce((amount, change) => amount + amountOf(change), 0n)),
  });
  const withStatus = (...all) => changes.filter(({ status }) => all.includes(status));
  const counted = withStatus("recorded", "confirmed");
  const rowsBy = (member, order) => {
    const groups = new Map(counted.map((change) => [change[member], []]));
    for (const change of counted) groups.get(change[member]).push(change);
    const rows = [...groups].map(([name, some]) => ({ [member]: name, ...sum(some) }));
    return rows
      .filter(({ count, value_usd }) => count !== 0 || value_usd !== "0.00")
      .sort((one, other) => order(one[member], other[member]));
  };
  return {
    ...sum(counted),
    confirmed: sum(withStatus("confirmed")),
    disputed: sum(withStatus("disputed")),
    voided: sum(withStatus("void")),
    by_type: rowsBy("outcome_type", compare),
    by_agent: rowsBy("agent_id", (one, other) => (one ?? -Infinity) - (other ?? -Infinity)),
  };
}

/** Check the totals and adjustments of a statement: their form, and that they follow from the entries if there are any. */
export function checkSums({ from, cut, totals, adjustments }, entries) {
  check("totals", isTotals(totals), "totals with the members of the page");
  const changes = entries && changesOf(entries);
  const within = (from, to) => changes.filter(({ occurred_at }) => from <= occurred_at && occurred_at < to);
  const follow = (totals, some) => JSON.stringify(totals) === JSON.stringify(totalsOf(some));
  check("totals", !changes || follow(totals, within(from, cut)), "totals that follow from the entries");
  check("adjustments", adjustments.every(isAdjustment), "adjustments with the members of the page");
  let end = "";
  for (const { from: begin, to } of adjustments) {
    const isFree = end <= begin && begin < to && (to <= from || cut <= begin);
    check("adjustments", isFree, `${begin} to ${to} to be after the period before it, and outside the statement's`);
    end = to;
  }
  if (!changes) return;
  let rest = changes.length - within(from, cut).length;
  for (const { from: begin, to, totals } of adjustments) {
    const some = within(begin, to);
    const isRight = some.length > 0 && follow(totals, some);
    check("adjustments", isRight, `totals from ${begin} to ${to} that follow from the entries`);
    rest -= some.length;
  }
  check("adjustments", rest === 0, "an adjustment for each other period of an occurred_at");
}
