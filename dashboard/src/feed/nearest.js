import { startOfDay } from "./period.js";

/**
 * Return the index of the month with outcomes that is nearest to a period, or -1.
 * @param {{date: string, count: number}[]} months the first day of each
 * @param {{from: Date, to: Date}} period
 */
export function nearest(months, { from, to }) {
  const starts = months.map(({ date }) => startOfDay(date).getTime());
  let [best, shortest] = [-1, Number.POSITIVE_INFINITY];
  for (const [index, { count }] of months.entries()) {
    const end = starts[index + 1] ?? Number.POSITIVE_INFINITY;
    const distance = Math.max(starts[index] - to.getTime(), from.getTime() - end);
    if (count && distance < shortest) [best, shortest] = [index, distance];
  }
  return best;
}
