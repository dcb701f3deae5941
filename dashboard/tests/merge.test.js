import assert from "node:assert/strict";
import { test } from "node:test";
import { partsOf, withQuery, withState } from "../src/feed/address.js";
import { orderOf, passes, placeOf } from "../src/feed/merge.js";

const outcome = (id, created_at, more = {}) => ({ id, created_at, ...more });

test("outcomes are merged by when they happened, then id, latest first", () => {
  const shown = ["C", "B", "A"].map((id, at) => ({ order: orderOf(outcome(id, `2026-04-0${3 - at}`)) }));
  const place = (id, time) => placeOf(orderOf(outcome(id, "2026-05", { occurred_at: time })), shown);
  assert.equal(place("D", "2026-04-04"), 0);
  assert.equal(place("D", "2026-04-03"), 0);
  assert.equal(place("BB", "2026-04-03"), 1);
  assert.equal(place("X", "2026-04-01T12"), 2);
  assert.equal(place("X", "2026-03-01"), 3);
  assert.equal(placeOf("first of all", []), 0);
});

test("a filter passes its type, its agent, its status, and its period from the start up to before the end", () => {
  const late = { occurred_at: "2026-04-02", outcome_type: "deal_closed", agent_id: 7, status: "disputed" };
  const one = outcome("A", "2026-05-05", late);
  const filter = { outcomeType: "", agentId: "", status: "", from: "", to: "" };
  for (const [more, isIn] of [
    [{}, true],
    [{ outcomeType: "deal_closed", agentId: "7", status: "disputed" }, true],
    [{ outcomeType: "task_complete" }, false],
    [{ agentId: "8" }, false],
    [{ agentId: "none" }, false],
    [{ status: "disputed" }, true],
    [{ status: "recorded" }, false],
    [{ from: "2026-04-02", to: "2026-04-03" }, true],
    [{ from: "2026-04-01", to: "2026-04-02" }, false],
    [{ from: "2026-04-03", to: "2026-04-04" }, false],
  ])
    assert.equal(passes(one, { ...filter, ...more }), isIn, JSON.stringify(more));
  assert.equal(passes({ ...one, agent_id: null }, { ...filter, agentId: "none" }), true);
});

test("an address keeps the page's own parameters in its fragment and drops empty ones", () => {
  const page = "https://app.example.com/spending?tab=1#kept=a&period=90";
  assert.equal(withState(page, { period: "", agent: "7" }), "https://app.example.com/spending?tab=1#kept=a&agent=7");
  assert.equal(withState("https://app.example.com/#period=7", { period: null }), "https://app.example.com/");
  assert.equal(
    withState("https://app.example.com/#/feed?tab=a%20b&period=7&x", { period: "30" }),
    "https://app.example.com/#/feed?tab=a%20b&x&period=30",
  );
  for (const [before, after] of [
    ["/feed", "/feed?period=30"],
    ["/feed?period=7", "/feed?period=30"],
    ["!/feed?tab=1?", "!/feed?tab=1?&period=30"],
    ["q=a?&x", "q=a?&x&period=30"],
  ]) {
    const page = `https://app.example.com/#${before}`;
    assert.equal(withState(page, { period: "30" }), `https://app.example.com/#${after}`);
    assert.equal(new URLSearchParams(partsOf(`#${after}`).query).get("period"), "30");
    if (!before.includes("period"))
      assert.equal(withState(`https://app.example.com/#${after}`, { period: null }), page);
  }
  assert.equal(withState("https://app.example.com/#x", { outcome: "a&b" }), "https://app.example.com/#x&outcome=a%26b");
  const url = withQuery(new URL("https://app.example.com/api?x=1"), { agentId: "7", limit: 20, cursor: null, to: "" });
  assert.equal(url.href, "https://app.example.com/api?x=1&agentId=7&limit=20");
});
