import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { textsOf } from "./elements.js";

const { Costs } = await import("../src/feed/costs.js");
const { parseExactly } = await import("../src/shared/numbers.js");

const { signal } = new AbortController();
const UNREAD = "The cost could not be read.";

afterEach(() => mock.restoreAll());

/** Answer the next requests for a cost. @param {...(string | Response | Promise<Response>)} answers */
function answer(...answers) {
  const asked = [];
  mock.method(globalThis, "fetch", async (url) => {
    asked.push(url.search);
    return answers.length > 1 ? answers.shift() : answers[0];
  });
  return asked;
}

/** Return costs that were read, and what is shown: cost, net and ratio, or why they are not known. */
async function read(body, value = "1") {
  answer(body instanceof Response ? body : new Response(body));
  const costs = new Costs();
  await costs.read("/costs", "30", {}, signal);
  costs.show({ count: Number(value !== ""), value_usd: parseExactly(value || "0") }, "30");
  return [costs, shown(costs)];
}

function shown({ element }) {
  if (element.hidden) return "hidden";
  const figures = textsOf(element.all("dd"));
  return figures.length ? figures : element.all("p")[0].textContent;
}

test("cost, net and ratio are exact, and shown as far as they are known", async () => {
  const none = ['{"cost_usd": null}', '{"cost_usd": 0, "known_days": 0, "of_days": 30}'];
  const unread = ["<!doctype html>", "null", "{}", "[]", '{"cost_usd": "12"}', new Response("{}", { status: 401 })];
  const unclear = [
    '"by_source": [{"source": "openai", "gaps": ["unknown"]}]',
    '"by_day": [{"restated_at": "2026-04-15"}]',
  ];
  for (const [value, body, shown] of [
    ["1200.50", '{"cost_usd": 100}', ["$100.00", "$1,100.50", "12 times its cost"]],
    ["0.3", '{"cost_usd": 0.1}', ["$0.10", "$0.20", "3 times its cost"]],
    ["1E+3", '{"cost_usd": 25e-1}', ["$2.50", "$997.50", "400 times its cost"]],
    [
      "999999999999999.99",
      '{"cost_usd": 0.98}',
      ["$0.98", "$999,999,999,999,999.01", "1,020,000,000,000,000 times its cost"],
    ],
    ["1", '{"cost_usd": 4, "by_agent": [null]}', ["$4.00", "-$3.00", "0.25 times its cost"]],
    ["1", '{"cost_usd": 0}', ["$0.00", "$1.00"]],
    ["1", '{"cost_usd": -2}', ["-$2.00", "$3.00"]],
    ["0", '{"cost_usd": 2}', ["$2.00", "-$2.00", "0 times its cost"]],
    ["", '{"cost_usd": 2}', ["$2.00", "-$2.00"]], // no outcome
    ...none.map((body) => ["1", body, "hidden"]),
    ...unread.map((body) => ["1", body, UNREAD]),
    ...unclear.map((part) => ["1", `{"cost_usd": 4, ${part}}`, UNREAD]),
  ])
    assert.deepEqual((await read(body, value))[1], shown, `${value} and ${body}`);
});

test("a period that is too long for costs is said to be, and not asked for with each poll", async () => {
  const refused = new Response('{"error":"Invalid from"}', { status: 400 });
  const [costs, said] = await read(refused);
  assert.equal(said, "Costs are shown for at most 366 days.");
  assert.deepEqual([await costs.read("/costs", "30", {}, signal), shown(costs)], [false, said]);
});

test("a cost says what it lacks, and agents say what they cost", async () => {
  const gaps = ["2026-04-03", "2026-04-04", "2026-04-08", "2026-04-09", "2026-04-10"];
  const by_agent = [
    [9, 212],
    [null, 37],
    [7, 9.8],
  ].map(([agent_id, cost_usd]) => ({ agent_id, cost_usd }));
  const by_day = [
    { date: "2026-04-12", cost_usd: 1 },
    { date: "2026-04-13", cost_usd: 3, restated_at: "2026-04-15T09:00:00.000Z" },
  ];
  const by_source = [
    { source: "openai", gaps },
    { source: "tavily", gaps: [] },
  ];
  const [costs] = await read(JSON.stringify({ cost_usd: 4, by_agent, by_day, by_source, known_days: 29, of_days: 31 }));
  const lacks = "openai lacks Apr 3, Apr 4, Apr 8 and 2 more";
  assert.equal(
    costs.element.all("p")[0].textContent,
    `Cost known for 29 of 31 days · ${lacks} · cost of Apr 13 as of Apr 15`,
  );
  const about = () => [...textsOf(costs.element.all("dt")).slice(1), textsOf(costs.element.all("dd"))[2]];
  assert.deepEqual(about(), ["Net", "Worth", "at most 0.25 times its cost"]);
  assert.deepEqual(textsOf(costs.element.all("dd")).slice(0, 2), ["at least $4.00", "at most -$3.00"]);
  const sums = [
    [7, 3, 41],
    [null, 2, 5],
  ].map(([agent_id, count, value_usd]) => ({ agent_id, count, value_usd }));
  assert.deepEqual(
    costs.withSums({ by_agent: sums }).map((sum) => [sum.agent_id, costs.words(sum)]),
    [
      [7, " · cost at least $9.80, $3.27 each, at most 4.19×"],
      [null, " · cost at least $37.00 without an agent"],
      [9, " · cost at least $212.00"],
    ],
  );
  assert.equal(costs.withSums({ by_agent: sums, other_agents: {} }), sums); // an agent may be one of the others
  costs.show({ count: 9, value_usd: 9, by_rule: { counted: { count: 2, value_usd: 2 } } }, "30");
  assert.deepEqual(about(), ["Counted, net of cost", "What counts is worth", "at most 0.5 times the cost"]);
  assert.equal(costs.words(sums[0]), " · cost at least $9.80, $3.27 each"); // what counts is not known by agent
});

test("beside the value of another period, a cost is not shown until it is read for that period", async () => {
  const [costs] = await read('{"cost_usd": 4, "by_agent": [{"agent_id": 7, "cost_usd": 4}]}');
  costs.show({ count: 1, value_usd: 9 }, "7");
  assert.deepEqual(textsOf(costs.element.all("dd")), []);
  assert.equal(costs.words({ agent_id: 7, count: 1, value_usd: 9 }), "");
  answer(new Response('{"cost_usd": 1}'));
  assert.equal(await costs.read("/costs", "7", {}, signal), true);
  costs.show({ count: 1, value_usd: 9 }, "7");
  assert.deepEqual(textsOf(costs.element.all("dd")).slice(0, 2), ["$1.00", "$8.00"]);
});

test("an outcome of an agent without a cost, or with a credit, has no cost either", async () => {
  const by_agent = [0, -2].map((cost_usd, agent_id) => ({ agent_id, cost_usd }));
  const [costs] = await read(JSON.stringify({ cost_usd: 4, by_agent }));
  const words = [0, 1].map((agent_id) => costs.words({ agent_id, count: 2, value_usd: 9 }));
  assert.deepEqual(words, [" · cost $0.00", " · cost -$2.00"]);
});

test("each day without costs is named once, and a day that is not over as such", async () => {
  mock.method(Date, "now", () => Date.parse("2026-12-02T02:00:00Z"));
  const day = (date, cost_usd = null) => ({ date, cost_usd });
  const sources = (...gaps) => gaps.map((each, index) => ({ source: ["openai", "tavily"][index], gaps: each }));
  for (const [by_day, by_source, timezone, words] of [
    [
      [day("2026-11-23"), day("2026-11-24", 1), day("2026-12-02")],
      sources(["2026-11-23"]),
      "UTC",
      "Cost known for 1 of 3 days, not for Nov 23, not yet for Dec 2",
    ],
    [
      [day("2026-11-23", 1), day("2026-11-24"), day("2026-12-01", 1)],
      sources(["2026-11-23", "2026-11-24"], ["2026-11-24"]),
      "UTC",
      "Cost known for 2 of 3 days, not for Nov 24 · openai lacks Nov 23",
    ],
    [
      [day("2026-12-01", 1), day("2026-12-02"), day("2026-12-03")],
      [],
      "America/New_York",
      "Cost known for 1 of 3 UTC days, not yet for Dec 2, Dec 3",
    ],
    [[day("2026-12-01", 1)], [], "UTC", "Cost known for 1 of 1 days"],
  ]) {
    const known_days = by_day.filter(({ cost_usd }) => cost_usd !== null).length;
    const body = { cost_usd: 4, days: "UTC", by_day, by_source, known_days, of_days: by_day.length };
    const [costs] = await read(JSON.stringify(body));
    costs.show({ value_usd: 9, timezone }, "30");
    assert.equal(costs.element.all("p")[0].textContent, words);
  }
});

test("a cost is read again after a failure, a minute, another selection or another user", async () => {
  let now = 1_000_000;
  mock.method(Date, "now", () => now);
  const costs = new Costs();
  let arrive;
  const late = new Promise((resolve) => {
    arrive = () => resolve(Response.json({ cost_usd: 4 }));
  });
  const asked = answer(
    new Response("", { status: 500 }),
    ...[1, 2, 3].map((cost) => Response.json({ cost_usd: cost })),
    late,
  );
  const look = (scope = "7") => {
    costs.show(null, scope);
    return shown(costs);
  };
  const again = (scope = "30") => costs.read("/costs", scope, { scope }, signal);
  await again();
  assert.equal(look("30"), UNREAD);
  const next = again();
  assert.equal(look("30"), UNREAD); // until another answer is there, nothing moves
  await next;
  for (const [seconds, scope, cost] of [
    [0, "30", "$1.00"],
    [59, "30", "$1.00"],
    [60, "30", "$2.00"],
    [0, "7", "$3.00"],
  ]) {
    now += seconds * 1000;
    await again(scope);
    assert.deepEqual(look(scope), [cost]);
  }
  now -= 3_600_000; // the clock was set back
  const reading = again("7");
  costs.forget();
  arrive();
  assert.equal(await reading, false);
  assert.deepEqual([look(), asked.length], ["", 5]); // its height is kept until the cost is known
});

test("a cost that is off is hidden, and a selection without costs asks for none and says why", async () => {
  const [costs] = await read(
    Response.json({ error: "Not found" }, { status: 404, headers: { "no-such-route": "true" } }),
  );
  assert.equal(costs.element.hidden, true);
  const asked = answer(Response.json({ cost_usd: 1 }));
  const others = new Costs();
  assert.equal(await others.read("/costs", "deals", null, signal), true);
  assert.deepEqual(asked, []);
  others.show(null, "deals");
  assert.equal(shown(others), "Costs have neither types nor statuses.");
  // Until the costs of another selection are read:
  for (const each of [costs, others]) each.show(null, "90");
  assert.deepEqual([costs, others].map(shown), ["hidden", ""]);
});
