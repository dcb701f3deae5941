import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { mock, test } from "node:test";
import { textsOf } from "./elements.js";

const { changed } = await import("../src/feed/changes.js");
const { linked } = await import("../src/feed/facts.js");
const { amount } = await import("../src/feed/format.js");
const { typeIcon } = await import("../src/feed/icons.js");
const { axisTicks } = await import("../src/feed/chart.js");
const { compared, mostAgents, split } = await import("../src/feed/shares.js");
const { Tip } = await import("../src/feed/tip.js");
const { html } = await import("../src/shared/dom.js");
const { decimal, parseExactly } = await import("../src/shared/numbers.js");
const { ago } = await import("../src/shared/time.js");
const { inWords } = await import("../src/shared/words.js");

test("values are exact, and no value is not zero", () => {
  for (const [value, shown, inFull] of [
    ["0", "$0.00", null],
    ["-12.5", "-$12.50", null],
    ["-999999999999999.98", "-$999,999,999,999,999.98", null],
    ["0.0042", "$0.00", "$0.0042"],
    ["1E+3", "$1,000.00", null],
    ["123456789012345.12345678901234567", "$123,456,789,012,345.12", "$123,456,789,012,345.12345678901234567"],
  ]) {
    const { textContent, attributes } = amount(parseExactly(value));
    assert.deepEqual([textContent, attributes.title ?? null], [shown, inFull]);
  }
  assert.equal(amount(null).textContent, "no value");
});

test("an amount may break between groups of digits, if it is long", () => {
  const breaks = (value) =>
    amount(value).children.map((part) => (part.localName === "wbr" ? "|" : (part.textContent ?? part)));
  assert.equal(breaks(12345678.5).join(""), "$12,|345,|678.50");
  assert.equal(breaks(123456.5).join(""), "$123,456.50");
});

test("an older browser shows the nearest double", async () => {
  const { rawJSON } = JSON;
  JSON.rawJSON = undefined;
  const older = await import("../src/shared/numbers.js?older");
  JSON.rawJSON = rawJSON;
  assert.equal(older.parseExactly("1234567.890"), 1234567.89);
  assert.equal(older.exactNumber("12.50"), 12.5);
});

test("a total is compared with the one before, in percent if there was some", () => {
  for (const [before, value_usd, words] of [
    [100, 112, "+12% compared with the year before; today is not over"],
    [100, 0, "-100% compared with the year before; today is not over"],
    [3, 3, "0% compared with the year before; today is not over"],
    [0, 3, "$0.00 in the year before"],
    [-5, 3, "-$5.00 in the year before"],
    [0, 0, ""],
  ]) {
    const parts = compared(value_usd, before, "compared with the year before", "the year before", true);
    assert.equal(textsOf(parts).join(""), words);
  }
});

test("a share is of the value, or of the count if nothing has a value", () => {
  const widths = (...parts) =>
    split(
      parts.map(([value_usd, count]) => ({ value_usd, count })),
      () => ({ name: "", icon: "", button: {} }),
    ).map((part) => part.all("i")[0].style.inlineSize);
  assert.deepEqual(widths([5, 1], [1, 9], [-3, 1]), ["100%", "20%", "0%"]);
  assert.deepEqual(widths([0, 2], [0, 1]), ["100%", "50%"]);
});

test("bars scale to the largest named agent, and the others together have none", () => {
  const parts = [
    { agent_id: 7, value_usd: 5, count: 1 },
    { agents: 34, value_usd: 90, count: 99 },
    { agent_id: 9, value_usd: 1, count: 1 },
  ];
  const rows = split(parts, () => ({ name: "", icon: "", button: {} }));
  assert.deepEqual(
    rows.map((row) => row.all("i")[0]?.style.inlineSize),
    ["100%", undefined, "20%"],
  );
});

test("a time is shown in its largest unit, and one in the future as now", () => {
  mock.method(Date, "now", () => 0);
  const hour = 3600;
  for (const [seconds, words] of [
    [-40, "now"],
    [59, "now"],
    [60, "1 minute ago"],
    [23.9 * hour, "23 hours ago"],
    [6 * 24 * hour, "6 days ago"],
    [30 * 24 * hour, "30 days ago"],
    [800 * 24 * hour, "2 years ago"],
  ])
    assert.equal(ago(new Date(seconds * -1000).toISOString()), words);
});

test("an amendment shows each changed field before and after, in the order of the fields", () => {
  const amended = {
    occurred_at: { before: "2026-04-15T12:00:00Z", after: "2026-04-01T12:00:00Z" },
    value_usd: { before: 12500.5, after: 12000 },
    metadata: { before: { seats: 12, same: [1] }, after: { seats: 10, same: [1], "<b>": "x" } },
    title: { before: "<b>", after: "Renewed Acme" },
    description: { before: null, after: "By mail" },
    agent_id: { before: 7, after: null },
    outcome_type: { before: "task_complete", after: "deal_closed" },
    new_field: { before: 1, after: { deep: true } },
    long: { omitted: true },
  };
  const shown = textsOf(changed(amended, (id) => `Agent ${id}`).all("div"));
  assert.match(shown.splice(5, 1)[0], /^HappenedWednesday, April 15, 2026.* → Wednesday, April 1, 2026/);
  assert.deepEqual(shown, [
    "TypeTask complete → Deal closed",
    "Title<b> → Renewed Acme",
    "Descriptionnone → By mail",
    "Value$12,500.50 → $12,000.00",
    "AgentAgent 7 → none",
    "seats12 → 10",
    '<b>none → "x"',
    'new_field1 → {"deep":true}',
    "longchanged (too long to show)",
  ]);
});

test("only URLs of pages are links", () => {
  const isLink = (text) => linked(text).some((part) => part.localName === "a");
  for (const text of ["https://crm.example.com/deals/7?a=1#b", "HTTP://example.com", '{"a":["https://example.com"]}'])
    assert.ok(isLink(text), text);
  for (const text of [
    ...["see https://example.com", "https://example.com now", "https://", "javascript:alert(1)", "ftp://example.com"],
    ...["java\nscript:alert(1)", "data:text/html,<script>alert(1)</script>", "//example.com", "https:example.com"],
    ...["https://[broken", 'https://example.com/\\"onclick'],
  ])
    assert.ok(!isLink(text), text);
});

test("a type that is also a property of each object is a type like others", () => {
  for (const [type, words] of [
    ["deal_closed", "Deal closed"],
    ["constructor", "Constructor"],
    ["__proto__", "  proto  "],
  ])
    assert.equal(inWords(type), words);
  assert.equal(typeIcon("constructor"), typeIcon("moon_landing"));
});

test("a printed statement sums up the agents that it does not list", async () => {
  const { paper } = await import("../src/feed/paper.js");
  const vector = await readFile(new URL("../../clients/statements/agents.json", import.meta.url), "utf8");
  const sheet = paper(JSON.parse(vector), (id) => `Agent ${id}`);
  assert.equal(sheet.all("tr").findLast((row) => /agent/.test(row.textContent)).textContent, "4 other agents7$14.99");
});

test("the axis ends near the largest value and has round ticks", () => {
  for (const [lowest, highest, expected] of [
    [0, 10_800, [12_500, 10_000, 7500, 5000, 2500, 0]],
    [0, 100, [100, 80, 60, 40, 20, 0]],
    [0, 101, [125, 100, 75, 50, 25, 0]],
    [0, 4.2, [5, 4, 3, 2, 1, 0]],
    [0, 1.1, [1.25, 1, 0.75, 0.5, 0.25, 0]],
    [0, 0.0042, [0.005, 0.004, 0.003, 0.002, 0.001, 0]],
    [0, 0.3, [0.3, 0.2, 0.1, 0]],
    [0, 999_999_999_999_999, [1e15, 8e14, 6e14, 4e14, 2e14, 0]],
    [-30, 0, [0, -10, -20, -30]],
    [-5, 30, [30, 20, 10, 0, -10]],
  ]) {
    const ticks = axisTicks(lowest, highest).map((tick) => Number(tick.toPrecision(12)) + 0);
    assert.deepEqual(ticks, expected, `${lowest} to ${highest}`);
  }
});

test("the agents of most value are shown, and the others as one if there are several", () => {
  const agents = [9, 8, 7, 6, 5, 4, 3, 2.5].map((value_usd, id) => ({ agent_id: id, count: 1, value_usd }));
  const together = (others) => {
    const { agents: number, count, value_usd } = mostAgents(agents, others).at(-1);
    return [number, count, decimal(value_usd)];
  };
  assert.deepEqual(mostAgents(agents.slice(0, 7)), agents.slice(0, 7));
  assert.deepEqual(mostAgents(agents).slice(0, 6), agents.slice(0, 6));
  assert.deepEqual(together(), [2, 2, "5.5"]);
  assert.deepEqual(mostAgents(agents, undefined, true).slice(7), agents.slice(6));
  assert.deepEqual(together({ agents: 10, count: 20, value_usd: 0.25 }), [12, 22, "5.75"]);
  agents.push({ agent_id: null, count: 1, value_usd: 0 }); // "No agent" is no other agent
  assert.deepEqual([mostAgents(agents)[5], ...together()], [agents[8], 3, 3, "9.5"]);
});

test("a tip shows the bar that is pointed at or focused, unless the mouse has left while its code was loaded", () => {
  const mouse = { pointerType: "mouse" };
  for (const [event, { isHovered = false, focused = -1 }, words, left] of [
    [{ ...mouse, clientX: 250 }, { isHovered: true }, "one", "150px"],
    [{ ...mouse, clientX: 99 }, { isHovered: true }, "zero", "50px"],
    [{ ...mouse, clientX: 999 }, { isHovered: true, focused: 0 }, "one", "150px"],
    [{ ...mouse, clientX: 250 }, {}, ""],
    [{ pointerType: "touch", clientX: 110 }, {}, "zero", "50px"],
    [{}, { focused: 1 }, "one", "150px"],
    [{}, { isHovered: true }, ""], // the focus came with a click
  ]) {
    const pointed = [false, false];
    const bars = pointed.map((_, at) => ({
      classList: { toggle: (_name, is) => Object.assign(pointed, { [at]: is }) },
    }));
    const buttons = pointed.map((_, at) => ({ matches: () => at === focused }));
    const plot = html("div");
    Object.assign(plot, { matches: () => isHovered, getBoundingClientRect: () => ({ left: 100, width: 200 }) });
    plot.querySelectorAll = (selector) => (selector === ".bar" ? bars : buttons);
    const tip = new Tip(plot, (index) => [["zero", "one"][index], ""]);
    const [element] = plot.children;
    element.offsetWidth = 40;
    tip.show(event);
    assert.deepEqual([element.textContent, element.style.left], [words, left]);
    assert.deepEqual(pointed, [words === "zero", words === "one"]);
  }
});
