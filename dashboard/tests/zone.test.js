import assert from "node:assert/strict";
import { test } from "node:test";
import "./elements.js";

process.env.TZ = "America/New_York";
const { followZone, localDay } = await import("../src/shared/time.js");
const { dateIn, haveSameMonths, midnightIn } = await import("../src/feed/zone.js");
const { clock, isoDay, shortDay } = await import("../src/feed/format.js");

test("a change of the local zone is followed, once", () => {
  const at = new Date("2020-04-15T23:30:00Z");
  const shown = () => [localDay.format(at), isoDay.format(at), shortDay(at.toISOString()), clock.format(at)];
  assert.equal(followZone(), false);
  assert.deepEqual(shown(), ["Apr 15, 2020", "2020-04-15", "Apr 15, 2020", "7:30 PM"]);
  process.env.TZ = "Europe/Berlin";
  assert.equal(followZone(), true);
  assert.deepEqual(shown(), ["Apr 16, 2020", "2020-04-16", "Apr 16, 2020", "1:30 AM"]);
  assert.equal(followZone(), false);
});

test("a day begins at its first instant, also where the clocks skip midnight", () => {
  for (const [zone, date, begin] of [
    ["Asia/Kathmandu", "2026-12-02", "2026-12-01T18:15:00.000Z"],
    ["Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z"],
    ["Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00.000Z"], // from 23:59 to 01:00
    ["America/Santiago", "2026-09-06", "2026-09-06T04:00:00.000Z"],
    ["America/Havana", "2026-03-08", "2026-03-08T05:00:00.000Z"],
    ["America/Havana", "2026-11-01", "2026-11-01T04:00:00.000Z"], // midnight is twice
    ["Asia/Amman", "2021-10-29", "2021-10-28T21:00:00.000Z"],
    ["Atlantic/Azores", "2026-03-29", "2026-03-29T01:00:00.000Z"],
  ])
    assert.equal(midnightIn(zone, date).toISOString(), begin, `${zone} ${date}`);
});

test("the days of a zone that the browser does not know are the viewer's", () => {
  assert.equal(midnightIn("Mars/Olympus", "2026-12-02").toISOString(), "2026-12-01T23:00:00.000Z"); // Berlin's
  assert.equal(dateIn("Mars/Olympus", "2026-12-01T23:00:00Z"), "2026-12-02");
});

test("two names of a time zone have the same months", () => {
  assert.equal(haveSameMonths("Asia/Kolkata", "Asia/Calcutta"), true);
  assert.equal(haveSameMonths("Africa/Lagos", "Europe/Berlin"), false); // the same in winter
  assert.equal(haveSameMonths("Mars/Olympus", "UTC"), false);
});
