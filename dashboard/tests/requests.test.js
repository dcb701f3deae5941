import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import "./elements.js";

const { Api, isRetryable } = await import("../src/feed/api.js");
const { retry } = await import("../src/feed/parts.js");
const { refusal } = await import("../src/feed/correcting.js");
const { Problem } = await import("../src/shared/request.js");

Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true });

const { signal } = new AbortController();
let answers;
let asked;
let api;

beforeEach(() => {
  asked = [];
  api = new Api(() => "https://api.example.com/api/outcomes/");
  mock.method(globalThis, "fetch", async ({ pathname, searchParams }) => {
    asked.push([pathname, searchParams.get("cursor"), searchParams.get("timezone")]);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  });
});
afterEach(() => mock.restoreAll());

const refused = (status, error = "No", headers = {}) => Response.json({ error }, { status, headers });

test("each failure of a request is said in words", async () => {
  const unread = "The server’s answer could not be read.";
  const unclear = "The server’s answer could not be understood.";
  for (const [answer, kind, words] of [
    [new TypeError("reset"), "error", "The server could not be reached."],
    [new DOMException("", "TimeoutError"), "error", "The server took too long to answer."],
    [refused(500), "error", "The server answered 500."],
    [refused(401), "signed-out", ""],
    [
      refused(404, "Not found", { "no-such-route": "true" }),
      "error",
      "It is switched off here, or its address is wrong.",
    ],
    [new Response("<!doctype html><title>Sign in to Wi-Fi"), "error", unread],
    [Response.json({ outcomes: [{ id: 7 }] }), "error", unclear],
  ]) {
    answers = [answer];
    await assert.rejects(api.list({}, signal), { name: "Problem", kind, message: words });
  }
  navigator.onLine = false;
  answers = [new TypeError("reset")];
  await assert.rejects(api.list({}, signal), { kind: "offline" });
  navigator.onLine = true;
});

test("empty pages are skipped, but at most five", async () => {
  const page = (outcomes, next_cursor) => Response.json({ outcomes, next_cursor });
  const found = { id: "A", title: "A", outcome_type: "a", created_at: "2026-04-01" };
  answers = [page([], "1"), page([], "2"), page([found], "3")];
  assert.equal((await api.page({}, null, signal)).next_cursor, "3");
  assert.deepEqual(
    asked.map(([, cursor]) => cursor),
    [null, "1", "2"],
  );
  answers = Array.from({ length: 9 }, () => page([], "x"));
  assert.equal((await api.page({}, null, signal)).next_cursor, "x");
  assert.equal(answers.length, 4);
});

test("totals are in UTC if the server does not know the time zone, and off if it has none", async () => {
  answers = [refused(400, "Invalid timezone"), Response.json({ count: 1 }, { headers: { "fresh-for": "30" } })];
  const [{ count }, seconds] = await api.summary({ timezone: "America/New_York" });
  assert.deepEqual([count, seconds], [1, 30]);
  assert.deepEqual(
    asked.map(([, , zone]) => zone),
    ["America/New_York", "UTC"],
  );
  answers = [refused(404)];
  assert.equal(api.has("totals"), true);
  await assert.rejects(api.summary({}), { status: 404 });
  assert.equal(api.has("totals"), false);
});

test("a part that failed is read again up to three times, as late as the server asks, unless that cannot help", async () => {
  const waits = [];
  mock.method(globalThis, "setTimeout", (callback, wait) => {
    waits.push(wait);
    queueMicrotask(callback);
  });
  const failing = (times, status, retryAfter = 0) => {
    let tries = 0;
    return async () => {
      tries += 1;
      if (tries > times) return tries;
      throw Object.assign(new Problem("error", "", retryAfter), { status });
    };
  };
  assert.equal(await retry(failing(3, 503, 1), signal), 4);
  assert.deepEqual(waits, [1000, 1000, 2000]);
  for (const [times, status] of [
    [4, 503],
    [1, 404],
  ])
    await assert.rejects(retry(failing(times, status), signal), { status });
  assert.equal(waits.length, 6);
});

test("a failed verdict has a reason in words, and can be repeated if that may help", () => {
  const details = [{ field: "reason", message: "must be a string" }];
  const why = "The server answered.";
  for (const [status, more, words, again] of [
    [0, { kind: "offline" }, "You are offline.", true],
    [0, {}, why, true],
    [500, {}, why, true],
    [503, {}, why, true],
    [429, {}, why, true],
    [409, { reason: "Conflict" }, "Someone else is correcting it right now.", true],
    [409, { reason: "Not possible", details }, "Not possible: must be a string.", false],
    [409, { reason: "Not possible" }, "Not possible: this outcome can no longer be corrected.", false],
    [404, {}, "This outcome no longer exists or is not yours.", false],
    [404, { isOff: true }, why, false],
    [400, { details }, "The reason must be a string.", false],
    [403, {}, why, false],
  ]) {
    const problem = Object.assign(new Problem("error", why), { status, ...more });
    assert.deepEqual([refusal(problem), isRetryable(problem)], [words, again], `${status}`);
  }
});
