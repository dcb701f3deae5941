import assert from "node:assert/strict";
import { after, mock, test } from "node:test";
import "./elements.js";

process.env.TZ = "America/New_York"; // New York's clocks changed on 8 March and 1 November 2026
const { barPeriod, midnight, span } = await import("../src/feed/period.js");
const { midnightIn } = await import("../src/feed/zone.js");
const { nearest } = await import("../src/feed/way-out.js");

mock.timers.enable({ apis: ["Date"], now: Date.parse("2026-11-25T17:00:00Z") });
after(() => mock.timers.reset());

/** @param {string} period */
const of = (period) => {
  const { from, to, days } = span(period);
  return [from.toISOString(), to.toISOString(), days];
};

test("the last days end with today, also across clock changes", () => {
  assert.deepEqual(of("7"), ["2026-11-19T05:00:00.000Z", "2026-11-26T05:00:00.000Z", 7]);
  assert.deepEqual(of("30"), ["2026-10-27T04:00:00.000Z", "2026-11-26T05:00:00.000Z", 30]);
  assert.equal(midnight(-25).toISOString(), "2026-10-31T04:00:00.000Z");
});

test("a range includes its first and its last day", () => {
  assert.deepEqual(of("2026-03-08..2026-03-08"), ["2026-03-08T05:00:00.000Z", "2026-03-09T04:00:00.000Z", 1]);
  assert.deepEqual(of("2026-04-01..2026-04-30"), ["2026-04-01T04:00:00.000Z", "2026-05-01T04:00:00.000Z", 30]);
});

test("a bar has the days until the next bar", () => {
  const bars = ["2026-02-26", "2026-03-02", "2026-03-09"].map((date) => ({ date })); // the first days of three weeks
  const periods = bars.map((_, index) => barPeriod(bars, index, "2026-03-09"));
  assert.equal(barPeriod([{ date: "2026-03-09" }], 0, "2026-03-08"), "2026-03-09..2026-03-09");
  assert.deepEqual(periods, ["2026-02-26..2026-03-01", "2026-03-02..2026-03-08", "2026-03-09..2026-03-09"]);
});

test("an invalid period is null", () => {
  for (const period of [
    "",
    "8",
    "2026-04-01",
    "2026-04-02..2026-04-01",
    "2026-02-31..x",
    "2026-4-1..2026-4-2",
    "2026-11-31..2026-12-01",
    "2026-02-29..2026-03-01",
    "2026-04-01..2026-04-31",
    "9999-12-01..9999-12-31", // its end is in the year 10000, which has no four digits
  ])
    assert.equal(span(period), null, period);
});

test("a range has at most ten years", () => {
  assert.equal(span("2016-01-01..2025-12-31").days, 3653);
  assert.equal(span("2016-01-01..2026-01-01"), null);
  assert.equal(span("2016-02-29..2026-02-27").days, 3652);
  assert.equal(span("2016-02-29..2026-02-28"), null);
});

test("a period has a name, and so has the one before", () => {
  const names = ["7", "365", "2026-04-01..2026-04-01", "2026-04-01..2026-04-30"].map((one) => span(one));
  assert.deepEqual(
    names.map(({ name, before, isLast }) => [isLast && name, before]),
    [
      ["the last 7 days", "the 7 days before"],
      ["the last year", "the year before"],
      [false, "the day before"],
      [false, "the 30 days before"],
    ],
  );
  const ranges = [
    "30",
    "2026-11-01..2026-11-25",
    "2026-11-25..2027-01-01",
    "2026-11-01..2026-11-24",
    "2026-11-26..2026-11-26",
  ];
  assert.deepEqual(
    ranges.map((period) => span(period).isRunning), // today is 25 November
    [true, true, true, false, false],
  );
});

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

test("a day begins at midnight of the rule's time zone, also across clock changes", () => {
  for (const [zone, date, instant] of [
    ["Europe/Berlin", "2026-12-01", "2026-11-30T23:00:00.000Z"],
    ["Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z"],
    ["Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00.000Z"],
    ["Pacific/Kiritimati", "2026-12-01", "2026-11-30T10:00:00.000Z"],
    ["UTC", "2026-12-01", "2026-12-01T00:00:00.000Z"],
  ])
    assert.equal(midnightIn(zone, date).toISOString(), instant);
});
