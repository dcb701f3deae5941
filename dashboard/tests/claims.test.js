import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import "./elements.js";

const { readClaims, readHistory, readRules } = await import("../src/feed/claims.js");
const { Api } = await import("../src/feed/api.js");

const { signal } = new AbortController();
let asked;
let answers;
let api;

beforeEach(() => {
  asked = [];
  api = new Api(() => "https://api.example.com/api/outcomes");
  mock.method(globalThis, "fetch", async ({ pathname, searchParams: query }) => {
    asked.push([pathname, query.getAll("include").join(), query.get("limit"), query.get("cursor")]);
    return answers.shift();
  });
});
afterEach(() => mock.restoreAll());

const found = (count) =>
  Array.from({ length: count }, () => ({ id: "A", title: "A", outcome_type: "a", created_at: "2026-04-01" }));
const page = (count, next_cursor = null) => Response.json({ outcomes: found(count), next_cursor });
const list = "/api/outcomes";

test("claims are read page by page, up to a number, and empty pages do not end them", async () => {
  mock.method(api, "has", () => false);
  answers = [page(50, "1"), page(0, "2"), page(20, "3")];
  const counts = [];
  const loaded = (count) => void counts.push(count);
  const { claims, cursor } = await readClaims(api, {}, "recorded", { most: 70, signal, loaded });
  assert.deepEqual([claims.length, cursor, counts], [70, "3", [50, 50, 70]]);
  assert.deepEqual(asked, [
    [list, "ledger", "50", null],
    [list, "ledger", "20", "1"],
    [list, "ledger", "20", "2"],
  ]);
  answers = [page(1)];
  assert.equal((await readClaims(api, {}, "recorded", { cursor: "3", most: 70, signal })).cursor, null);
  answers = [Response.json({ outcomes: [{}] })];
  await assert.rejects(readClaims(api, {}, "recorded", { most: 70, signal }), { name: "Problem" });
});

test("with definitions, claims say what they count for, unless the lists of the server do not", async () => {
  mock.method(api, "has", (name) => name === "definitions");
  answers = [page(1)];
  await readClaims(api, {}, "recorded", { most: 70, signal });
  answers = [Response.json({ error: "Invalid include" }, { status: 400 }), page(1)];
  assert.equal((await readClaims(api, {}, "recorded", { most: 70, signal })).claims.length, 1);
  assert.deepEqual(
    asked.map(([, include]) => include),
    ["ledger,counts", "ledger,counts", "ledger"],
  );
  answers = [Response.json({ error: "Invalid from" }, { status: 400 })];
  await assert.rejects(readClaims(api, {}, "recorded", { most: 70, signal }), { reason: "Invalid from" });
  answers = [Response.json({ definitions: [{ from: "2026-04" }] })];
  assert.equal(JSON.stringify(await readRules(api, signal)), '[{"from":"2026-04"}]');
  assert.equal(asked.at(-1)[0], "/api/definitions");
});

test("without definitions no rule is asked for, and an outcome that is gone has no history", async () => {
  mock.method(api, "has", () => false);
  assert.deepEqual(await readRules(api, signal), []);
  assert.deepEqual(asked, []);
  const history = { outcome: found(1)[0], corrections: [] };
  for (const [answer, expected] of [
    [Response.json(history), history],
    [Response.json({ error: "Not found" }, { status: 404 }), null],
  ]) {
    answers = [answer];
    assert.equal(JSON.stringify(await readHistory(api, "A")), JSON.stringify(expected));
  }
  for (const answer of [
    Response.json({ ...history, outcome: { id: "B" } }),
    Response.json({}, { status: 404, headers: { "no-such-route": "true" } }),
  ]) {
    answers = [answer];
    await assert.rejects(readHistory(api, "A"), { name: "Problem" });
  }
});
