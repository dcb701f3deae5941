import { localDay } from "../shared/time.js";

/** Labels of buttons such as "7 days", by the number of days. */
export const PERIODS = new Map([
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "Year"],
]);
export const LONGEST_PERIOD_YEARS = 10; // the API's maximum
const DAY_MS = 86_400_000;

/** Return local midnight, `offset` days after `day`, also across clock changes. @param {number} offset */
export const midnight = (offset, day = new Date()) =>
  new Date(day.getFullYear(), day.getMonth(), day.getDate() + offset);

/** Return the local midnight at which a date begins. @param {string} date like 2026-04-01 */
export const startOfDay = (date) => new Date(`${date}T00:00`); // a time without an offset is local

/**
 * Return the period of a bar: from its first day to the day before the next bar begins.
 * @param {{date: string}[]} bars the first day of each
 * @param {number} index
 * @param {string} last the last day of the last bar
 */
export function barPeriod(bars, index, last) {
  const { date } = bars[index];
  const next = bars[index + 1];
  const end = next ? new Date(Date.parse(next.date) - DAY_MS).toISOString().slice(0, 10) : last;
  // By the server's rules of time zones, the last bar's day may be after the browser's last day.
  return `${date}..${[date, end].sort()[1]}`;
}

/** Whether a date exists: engines may read 31 November as 1 December. @param {string} date like 2026-04-01 */
export const isDay = (date) => startOfDay(date).getDate() === Number(date.slice(8));

/**
 * Return the local days of a period, its name ("the last 30 days"), and the name of the previous period ("the 30 days
 * before"), and whether it contains today. Return null if the period is invalid.
 * @param {string} period "30" for the last days, or "2026-04-01..2026-04-30", both days included
 * @param {Date} [today] by default the viewer's
 */
export function span(period, today = new Date()) {
  const [first, last] = period.split("..");
  if (PERIODS.has(period)) {
    const days = Number(first);
    const name = days === 365 ? "year" : `${days} days`;
    return {
      from: midnight(1 - days, today),
      to: midnight(1, today),
      today,
      days,
      isLast: true,
      isRunning: true,
      name: `the last ${name}`,
      before: `the ${name} before`,
    };
  }
  const [from, end] = [first, last].map(startOfDay);
  if (
    !/^\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d$/.test(period) ||
    !(isDay(first) && isDay(last) && last < "9" && from <= end)
  )
    return null;
  const to = midnight(1, end);
  const days = Math.round((to.getTime() - from.getTime()) / DAY_MS);
  const latest = new Date(from);
  latest.setFullYear(from.getFullYear() + LONGEST_PERIOD_YEARS);
  if (latest.getDate() !== from.getDate()) latest.setDate(0); // 29 February becomes 28 February
  if (to > latest) return null;
  const before = days === 1 ? "the day before" : `the ${days.toLocaleString()} days before`;
  const isRunning = from <= today && today < to;
  return { from, to, today, days, isLast: false, isRunning, name: localDay.formatRange(from, end), before };
}
