import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "../src/feed/way-out.js";

test("the nearest month has outcomes and the shortest distance to the period", () => {
  const months = (...counts) => counts.map((count, index) => ({ date: `2026-0${index + 1}-01`, count }));
  const days = (from, to) => ({ from: new Date(`2026-${from}T00:00`), to: new Date(`2026-${to}T00:00`) });
  for (const [counts, period, expected] of [
    [months(0, 0, 0, 0), days("02-03", "02-04"), -1],
    [months(1, 0, 0, 0), days("04-03", "04-04"), 0],
    [months(1, 1, 0, 0), days("04-03", "04-04"), 1],
    [months(1, 0, 0, 1), days("02-03", "02-04"), 0],
    [months(1, 0, 0, 1), days("03-28", "03-30"), 3],
    [months(0, 0, 0, 9), days("04-03", "04-04"), 3], // the outcomes happened on other days of the period's month
    [months(9, 9, 1, 9), days("03-03", "03-04"), 2],
  ])
    assert.equal(nearest(counts, period), expected, JSON.stringify([counts, period]));
});
