import { localDay } from "../shared/time.js";

/** The last so many days, by what their button says. */
export const PERIODS = new Map([
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "Year"],
]);
export const LONGEST_PERIOD_YEARS = 10; // what the API sums up at once

/** Local midnight, `offset` days from `day`: days are the viewer's, also where clocks change. @param {number} offset */
export const midnight = (offset, day = new Date()) =>
  new Date(day.getFullYear(), day.getMonth(), day.getDate() + offset);

/**
 * The local days of a period, and how it is called: "the last 30 days", and what was before it "the 30 days before".
 * Null when it is no period.
 * @param {string} period "30" for the last days, or "2026-04-01..2026-04-30" for all from one to the other
 */
export function span(period) {
  const [first, last] = period.split("..");
  if (PERIODS.has(period)) {
    const days = Number(first);
    const name = days === 365 ? "year" : `${days} days`;
    return {
      from: midnight(1 - days),
      to: midnight(1),
      days,
      isLast: true,
      name: `the last ${name}`,
      before: `the ${name} before`,
    };
  }
  const [from, end] = [first, last].map((day) => new Date(`${day}T00:00`)); // without an offset it is local
  if (!/^\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d$/.test(period) || !(from <= end)) return null;
  const to = midnight(1, end);
  const days = Math.round((to.getTime() - from.getTime()) / 86_400_000);
  const latest = new Date(from);
  latest.setFullYear(from.getFullYear() + LONGEST_PERIOD_YEARS);
  if (latest.getDate() !== from.getDate()) latest.setDate(0); // from 29 February to 28
  if (to > latest) return null;
  const before = days === 1 ? "the day before" : `the ${days.toLocaleString()} days before`;
  return { from, to, days, isLast: false, name: localDay.formatRange(from, end), before };
}
