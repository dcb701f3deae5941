import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Api } from "../src/feed/api.js";
import { backoff, Watcher } from "../src/feed/watcher.js";

Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true });

const NOON = Date.parse("2026-04-01T12:00:00Z");
const SECOND = 1000;
const INTERVAL_S = 15;

/** A fake server with outcomes, newest first. `answer` replaces its responses. Otherwise, each calls `answered`. */
class Server {
  outcomes = [];
  asked = [];
  answer = null;
  answered = () => {};

  record(id, seconds, more = {}) {
    const created_at = new Date(NOON + seconds * SECOND).toISOString();
    this.outcomes.unshift({ id, created_at, title: id, outcome_type: "task_complete", ...more });
  }

  fetch = async (url, { signal }) => {
    const { from, to, limit, cursor } = Object.fromEntries(url.searchParams);
    this.asked.push(url.searchParams);
    if (this.answer) return this.answer(signal);
    const listed = this.outcomes.filter(({ created_at }) => !(created_at < from || created_at >= to));
    const start = Number(cursor ?? 0);
    const end = start + Number(limit);
    this.answered(url.searchParams);
    return Response.json({ outcomes: listed.slice(start, end), next_cursor: end < listed.length ? String(end) : null });
  };
}

/** Records what a watcher reports. */
class Feed {
  reports = [];
  askedBefore = []; // how many requests were sent before each rendering
  hidden = false;
  interval = INTERVAL_S;
  retryAfter = 0;
  life = new AbortController();

  constructor() {
    this.watcher = new Watcher(new Api(() => "https://api.example.com/api/outcomes"), {
      isHidden: () => this.hidden,
      interval: () => this.interval,
      retryAfter: () => this.retryAfter,
      read: async (signal) => void (await this.watcher.catchUp(signal)),
      render: () => this.askedBefore.push(server.asked.length),
      found: (_found, fresh, isCorrected) => this.reports.push([fresh.map(({ id }) => id), isCorrected]),
      skipped: () => this.reports.push("skipped"),
      forget: () => {
        this.reports.push("forget");
        this.watcher.forget();
      },
    });
  }
}

let server;
let feed;
let waits;
let now;

/** Let all pending work finish, except timers. */
async function settle() {
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Start the watcher and wait for the first poll. */
async function start() {
  feed.watcher.start(feed.life.signal);
  await settle();
}

/** Advance the clock by some seconds, by default until the current timer fires. */
async function pass(seconds = waits.at(-1) / SECOND) {
  now += seconds * SECOND;
  mock.timers.tick(seconds * SECOND);
  await settle();
}

const asked = (name) => server.asked.map((query) => query.get(name));
const at = (seconds) => new Date(NOON + seconds * SECOND).toISOString();
const status = (code, headers = {}) => Response.json({ error: "Busy" }, { status: code, headers });

beforeEach(() => {
  server = new Server();
  feed = new Feed();
  waits = [];
  mock.timers.enable({ apis: ["setTimeout"] });
  const { setTimeout } = globalThis;
  mock.method(globalThis, "setTimeout", (callback, wait) => {
    waits.push(wait);
    return setTimeout(callback, wait);
  });
  mock.method(globalThis, "fetch", server.fetch);
  mock.method(Math, "random", () => 0.5); // no jitter
  now = 0;
  mock.method(performance, "now", () => now);
});
afterEach(() => {
  feed.life.abort();
  mock.restoreAll();
  mock.timers.reset();
});

test("list and totals are read again once in ten minutes, because outcomes of any age may have been corrected", async () => {
  server.record("a", 0);
  now = 700 * SECOND; // the page is older than the feed, which has just read all
  await start();
  for (let seconds = 0; seconds <= 1900; seconds += INTERVAL_S) {
    feed.watcher.wake(); // the viewer is there, so that the polls do not slow down
    await pass();
  }
  assert.equal(feed.reports.filter((report) => report === "skipped").length, 3);
});

test("a poll sends its request before it is rendered, which takes long", async () => {
  await start();
  assert.deepEqual(feed.askedBefore, [1, 1]);
});

test("it polls at once and then every interval, from two seconds before the newest known outcome, or each minute from earlier", async () => {
  server.record("A", -3600);
  server.record("B", 0);
  await start();
  server.record("C", 5);
  for (let polls = 0; polls < 8; polls += 1) await pass();
  assert.deepEqual(asked("from"), [null, at(-2), at(3), at(3), at(-60), at(3), at(3), at(3), at(-55)]);
  assert.deepEqual(feed.reports.slice(0, 2), [
    [["C"], false],
    [[], false],
  ]);
  assert.equal(feed.watcher.newest.id, "C");
  assert.deepEqual(new Set(waits), new Set([15_000]));
});

test("an outcome that becomes visible up to a minute after a newer one is reported once", async () => {
  server.record("A", -300);
  server.record("B", 0);
  await start();
  for (let seconds = 5; seconds < 200; seconds += 5) {
    server.record(`N${seconds}`, seconds);
    if (seconds === 115) server.outcomes.splice(-2, 0, { ...server.outcomes[0], id: "late", created_at: at(58) });
    await pass(5);
  }
  const found = feed.reports.flatMap(([ids]) => ids).filter((id) => id === "late");
  assert.deepEqual(found, ["late"]);
});

test("at twenty outcomes a second, an outcome that becomes visible a second late is reported", async () => {
  feed.interval = 5;
  for (let number = 0; number < 40; number += 1) server.record(`A${number}`, number / 20);
  await start();
  const missed = [];
  for (let seconds = 5; seconds < 130; seconds += 5) {
    for (let number = 1; number <= 100; number += 1) server.record(`${seconds} ${number}`, seconds - 5 + number / 20);
    await pass(5);
    const late = { ...server.outcomes[0], id: `late ${seconds}`, created_at: at(seconds - 1) };
    server.outcomes.splice(20, 0, late);
    missed.push(late.id);
  }
  const found = new Set(feed.reports.flatMap(([ids]) => ids));
  for (const id of missed.slice(0, -1)) assert.ok(found.has(id), id);
});

test("a new version of a known outcome is news, unless it was marked as seen", async () => {
  server.record("A", 0, { version: 0, status: "recorded", occurred_at: at(0) });
  await start();
  server.outcomes[0].version = 1;
  await pass();
  server.outcomes[0].version = 2;
  feed.watcher.markSeen(server.outcomes[0]);
  await pass();
  server.record("B", 5, { version: 0 });
  await pass();
  assert.deepEqual(feed.reports, [
    [[], true],
    [[], false],
    [["B"], false],
  ]);
});

test("the first outcome ever is reported", async () => {
  await start();
  assert.equal(feed.watcher.newest, null);
  server.record("A", 0);
  await pass();
  assert.deepEqual(feed.reports, [[["A"], false]]);
});

test("outcomes older than the first page are not reported as new", async () => {
  for (let number = 0; number < 30; number += 1) server.record(`A${number}`, number);
  await start(); // the first page has 10 outcomes
  for (let polls = 0; polls < 4; polls += 1) await pass();
  assert.equal(asked("from").at(-1), at(20));
  assert.deepEqual(feed.reports.at(-1), [[], false]);
});

test("if the newest outcome is missing, another user has signed in, so it forgets everything and reads again", async () => {
  server.record("A", 0);
  await start();
  server.outcomes = [];
  server.record("Z", 30);
  await pass();
  assert.deepEqual(feed.reports, ["forget"]);
  assert.equal(feed.watcher.newest.id, "Z");
  // requests: new outcomes, the known outcome, the other user's latest page
  assert.deepEqual(asked("from").slice(-3), [at(-2), at(0), null]);
});

test("it catches up with four pages of new outcomes; with more, it reads the latest page again", async () => {
  server.record("A", 0);
  await start();
  for (let number = 0; number < 199; number += 1) server.record(`B${number}`, 1);
  await pass();
  assert.equal(feed.reports[0][0].length, 199);
  for (let number = 0; number < 201; number += 1) server.record(`C${number}`, 120 + number / 100);
  await pass();
  assert.equal(feed.reports.at(-1), "skipped");
  // The last request checks that the known outcome still exists.
  assert.deepEqual(asked("cursor").slice(-5), [null, "50", "100", "150", null]);
  assert.equal(feed.watcher.newest.id, "C200");
  server.record("D", 130);
  await pass();
  assert.deepEqual(feed.reports.at(-1), [["D"], false]);
});

test("for a minute after a gap it reads one page", async () => {
  server.record("A", 0);
  await start();
  const pages = [];
  for (let poll = 0; poll < 6; poll += 1) {
    for (let number = 0; number < 250; number += 1) server.record(`${poll} ${number}`, 15 * poll + number / 100);
    const before = server.asked.length;
    await pass();
    pages.push(server.asked.length - before - 1); // one request checks that the known outcome still exists
  }
  assert.deepEqual(pages, [4, 1, 1, 1, 4, 1]);
  assert.deepEqual(feed.reports, Array(6).fill("skipped"));
});

test("without news for ten minutes it polls once a minute, until there is a sign of a viewer or news", async () => {
  server.record("A", 0);
  await start();
  for (let seconds = 0; seconds <= 600; seconds += 15) await pass(15);
  const before = server.asked.length;
  for (let seconds = 0; seconds < 3600; seconds += 15) await pass(15);
  assert.equal(server.asked.length - before, 60);
  feed.watcher.wake();
  await settle();
  feed.watcher.wake();
  assert.equal(server.asked.length - before, 61);
  for (let seconds = 0; seconds < 60; seconds += 15) await pass(15);
  assert.equal(server.asked.length - before, 65);
  feed.interval = 90;
  for (let seconds = 0; seconds < 1800; seconds += 15) await pass(15);
  assert.equal(waits.at(-1), 90_000);
  feed.interval = INTERVAL_S;
  await pass(90);
  assert.equal(waits.at(-1), 60_000);
  server.record("B", 9000);
  await pass();
  assert.equal(waits.at(-1), 15_000);
});

test("if another user has signed in and more is new than it reads, it forgets everything", async () => {
  server.record("A", 0);
  await start();
  server.outcomes = [];
  for (let number = 0; number < 201; number += 1) server.record(`Z${number}`, 120);
  await pass();
  assert.deepEqual(feed.reports, ["forget"]);
});

test("if another user signs in between a gap and the check of it, the first user's outcomes are not returned", async () => {
  server.record("A", 0);
  await start();
  for (let number = 0; number < 201; number += 1) server.record(`B${number}`, 120);
  server.answered = (asked) => {
    if (asked.get("cursor") !== "150") return;
    server.outcomes = [];
    server.record("Z", 300);
  };
  await pass();
  assert.deepEqual(feed.reports, ["forget"]);
  assert.equal(feed.watcher.newest.id, "Z");
});

test("each failure doubles the wait, up to five minutes, until a success", async () => {
  server.record("A", 0);
  await start();
  server.answer = () => status(500);
  for (let failures = 0; failures < 6; failures += 1) await pass();
  assert.equal(feed.watcher.problem.message, "The server answered 500.");
  server.answer = null;
  await pass();
  assert.deepEqual(
    waits.map((wait) => wait / SECOND),
    [15, 30, 60, 120, 240, 300, 300, 60], // there was no news for ten minutes
  );
  assert.equal(feed.watcher.problem, null);
  assert.deepEqual(feed.reports, [[[], false], "skipped"]); // what is found is announced before all is read again
});

test("a wait has 25 % jitter, so that many tabs do not return at once", () => {
  Math.random.mock.restore();
  const all = Array.from({ length: 200 }, () => backoff(10, 2, 0));
  assert.ok(Math.min(...all) >= 30 && Math.min(...all) < 35);
  assert.ok(Math.max(...all) <= 50 && Math.max(...all) > 45);
  assert.equal(backoff(600, 3, 0), 600); // an interval longer than five minutes is kept
  assert.equal(backoff(15, 0, 0), 15);
});

test("it waits as long as the server asks, but never longer than a timer supports", async () => {
  for (const [code, retryAfter] of [
    [429, "900"],
    [503, "2147484"], // 2^31 ms, 1 ms more than a timer supports
    [503, "9".repeat(400)],
  ]) {
    server.answer = () => status(code, { "retry-after": retryAfter });
    await (waits.length ? pass() : start());
  }
  server.answer = null;
  for (const interval of [1e308, Number.POSITIVE_INFINITY]) {
    feed.interval = interval;
    await pass();
  }
  assert.deepEqual(waits, [900_000, ...Array(4).fill(2 ** 31 - 1)]);
});

test("while totals are still being added up, the server sets the interval", async () => {
  feed.retryAfter = 2;
  await start();
  assert.deepEqual(waits, [2000]);
});

test("the interval counts from start to start, and a slow server gets half of it as a pause", async () => {
  const slow = (milliseconds) => async () => {
    now += milliseconds;
    return Response.json({ outcomes: [], next_cursor: null });
  };
  server.answer = slow(4000);
  await start();
  server.answer = slow(60_000);
  await pass();
  assert.deepEqual(waits, [11_000, 7500]);
});

test("when the viewer is signed out, it forgets everything and stops polling", async () => {
  server.record("A", 0);
  await start();
  server.answer = () => status(401);
  await pass();
  assert.deepEqual(feed.reports, ["forget"]);
  assert.equal(feed.watcher.isWatching, false);
  assert.equal(waits.length, 1);
});

test("a hidden tab does not poll until it is shown", async () => {
  feed.hidden = true;
  await start();
  assert.deepEqual([server.asked.length, waits.length], [1, 0]);
  feed.hidden = false;
  await feed.watcher.poll();
  assert.deepEqual([server.asked.length, waits.length], [2, 1]);
});

test("a poll aborts the one before, whose response is ignored", async () => {
  const signals = [];
  server.answer = (signal) => {
    signals.push(signal);
    return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  await start();
  server.answer = null;
  await feed.watcher.poll();
  assert.equal(signals[0].aborted, true);
  assert.deepEqual([feed.watcher.problem, feed.watcher.isWatching, waits.length], [null, true, 1]);
});

test("at the end of its life it aborts its request and timer and stops polling", async () => {
  await start();
  let signal;
  server.answer = (of) => {
    signal = of;
    return new Promise(() => {});
  };
  await pass();
  feed.life.abort();
  assert.equal(signal.aborted, true);
  await pass(3600);
  await feed.watcher.poll();
  assert.equal(server.asked.length, 2);
  assert.equal(feed.watcher.isPolling, false);
});
