/**
 * midnight: returns the begin of a local day in this zone. today: returns a time of the local day that has the date that
 * it is in this zone.
 * @typedef {{name: string, midnight: (day: Date) => Date, today: () => Date}} Zone
 */

/** Return the date of an instant in a time zone, like 2026-04-01. @param {string} timeZone @param {string | number} at */
export const dateIn = (timeZone, at) => new Intl.DateTimeFormat("sv-SE", { timeZone }).format(new Date(at));

/** Return the instant at which a date begins in a time zone. @param {string} zone @param {string} date like 2026-04-01 */
export function midnightIn(zone, date) {
  const clock = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  const wanted = Date.parse(`${date}T00:00Z`);
  let at = wanted;
  // Correct it by what the zone's clock then shows; twice, because the first step may cross a change of clocks.
  for (let step = 0; step < 2; step += 1) at += wanted - Date.parse(`${clock.format(at).replace(" ", "T")}Z`);
  return new Date(at);
}
