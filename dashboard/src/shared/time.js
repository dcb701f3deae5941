export const exactTime = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
export const localDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
/** Return the viewer's time zone, which may change. */
export const timeZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
const elapsed = new Intl.RelativeTimeFormat(undefined, { numeric: "always" });
const now = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(0, "second");

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
export const SPANS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/**
 * Return how long ago something was, in whole units. A future time counts as now, because only a slow clock of this
 * device explains it.
 * @param {string} instant
 * @param {string} least the words for less than the shortest unit
 */
export function ago(instant, units = SPANS, least = now) {
  const seconds = (Date.now() - Date.parse(instant)) / 1000;
  const span = units.find(([, length]) => seconds >= length);
  return span ? elapsed.format(-Math.floor(seconds / span[1]), span[0]) : least;
}
