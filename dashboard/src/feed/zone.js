import { timeZone } from "../shared/time.js";

/** Return the viewer's time zone. Chromium calls one that it does not know Etc/Unknown, which has UTC's clock. */
export const knownZone = () => timeZone().replace("Etc/Unknown", "UTC");

const STORED = "value-delivered-zone"; // in localStorage

const DAY_MS = 86_400_000;
/** @type {Record<string, Intl.DateTimeFormat>} made once: making one takes a millisecond or more */
const clocks = {};

/**
 * Return a time in a time zone, like 2026-04-01T00:00:00; in the viewer's if the browser does not know the zone.
 * @param {any} zone undefined: the viewer's, whose name the browser may not know either
 * @param {string | number} at
 * @returns {string}
 */
const timeIn = (zone, at) => {
  try {
    clocks[zone] ??= new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  } catch {
    return timeIn(undefined, at);
  }
  return clocks[zone].format(new Date(at)).replace(" ", "T");
};

/** Return the date of an instant in a time zone, like 2026-04-01. @param {string} zone @param {string | number} at */
export const dateIn = (zone, at) => timeIn(zone, at).slice(0, 10);

/** Return the time of a time zone as a local one, whose formats then show it. @param {string} zone @param {string | number} at */
export const localIn = (zone, at) => new Date(timeIn(zone, at));

/** Return the instant at which a date begins in a time zone. @param {string} zone @param {string} date like 2026-04-01 */
export function midnightIn(zone, date) {
  const wanted = Date.parse(`${date}T00:00Z`);
  /** Return how far the zone's clock is ahead of UTC. @param {number} at */
  const ahead = (at) => Date.parse(`${timeIn(zone, at)}Z`) - at;
  // By the clock of the day before and, if it changes until then, of the day after. Some clocks skip midnight.
  const midnights = [-DAY_MS, DAY_MS].map((days) => wanted - ahead(wanted + days));
  return new Date(midnights.find((at) => at + ahead(at) === wanted) ?? midnights[0]);
}

/**
 * Whether the months of this year are the same in two time zones, such as Asia/Kolkata and Asia/Calcutta, as Chromium
 * calls it. A zone that the browser does not know has no month.
 * @param {string} one
 * @param {string} other
 */
export function haveSameMonths(one, other) {
  const year = new Date().getUTCFullYear();
  const months = Array.from({ length: 12 }, (_, month) => new Date(Date.UTC(year, month)).toISOString().slice(0, 10));
  try {
    for (const timeZone of [one, other]) Intl.DateTimeFormat(undefined, { timeZone });
    return months.every((first) => +midnightIn(one, first) === +midnightIn(other, first));
  } catch {
    return false;
  }
}

/** Return the time zone that this device keeps; empty: the viewer's. */
export function keptZone() {
  try {
    return localStorage.getItem(STORED) ?? "";
  } catch {
    return ""; // the viewer may forbid storage
  }
}

/** Keep a time zone on this device, so that the next visit begins with its days. @param {string} zone */
export function keepZone(zone) {
  try {
    localStorage.setItem(STORED, zone);
  } catch {}
}
