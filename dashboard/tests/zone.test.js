import assert from "node:assert/strict";
import { test } from "node:test";
import "./elements.js";

process.env.TZ = "America/New_York";
const { followZone, localDay } = await import("../src/shared/time.js");
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
