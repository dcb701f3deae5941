/** Return the viewer's time zone, which may change. */
export const timeZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

let zone = timeZone();
/** @type {(() => unknown)[]} */
const makers = [];

/**
 * Return a format that is made when it is first used: making one takes a millisecond or more.
 * @template {{format: (...values: any[]) => string}} Format
 * @param {new (locale?: string, options?: any) => Format} Kind
 * @param {object} [options]
 * @param {string} [locale] by default the viewer's
 */
export function format(Kind, options, locale) {
  /** @type {any} */
  let current;
  const make = () => (current = new Kind(locale, options));
  makers.push(make);
  const get = () => current ?? make();
  return new Proxy(/** @type {Format} */ ({}), {
    get:
      (_, name) =>
      (/** @type {any[]} */ ...values) =>
        get()[name](...values),
  });
}

/** Make all formats anew, for example while a page waits for its answers. */
export function makeFormats() {
  for (const make of makers) make();
}

/** Make all formats anew if the viewer's time zone has changed. Return whether it has. */
export function followZone() {
  const now = timeZone();
  if (now === zone) return false;
  zone = now;
  makeFormats();
  return true;
}

export const exactTime = format(Intl.DateTimeFormat, { dateStyle: "full", timeStyle: "long" });
export const localDay = format(Intl.DateTimeFormat, { dateStyle: "medium" });
const elapsed = format(Intl.RelativeTimeFormat, { numeric: "always" });
const now = format(Intl.RelativeTimeFormat, { numeric: "auto" });

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
export const SPANS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
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
export function ago(instant, units = SPANS, least = now.format(0, "second")) {
  const seconds = (Date.now() - Date.parse(instant)) / 1000;
  const span = units.find(([, length]) => seconds >= length);
  return span ? elapsed.format(-Math.floor(seconds / span[1]), span[0]) : least;
}
