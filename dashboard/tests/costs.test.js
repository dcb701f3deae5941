import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { textsOf } from "./elements.js";

const { Costs } = await import("../src/feed/costs.js");
const { parseExactly } = await import("../src/shared/numbers.js");

const { signal } = new AbortController();
const UNKNOWN = "–no value";

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

/** Return costs that were read, and cost, net and ratio as they are shown. */
async function read(body, value = "1") {
  answer(body instanceof Response ? body : new Response(body));
  const costs = new Costs();
  await costs.read("/costs", "30", {}, signal);
  costs.show({ value_usd: parseExactly(value) });
  return [costs, textsOf(costs.element.all("dd"))];
}

test("cost, net and ratio are exact, and shown as far as they are known", async () => {
  const malformed = [
    "null",
    '{"cost_usd": null}',
    '{"cost_usd": "12"}',
    "<!doctype html>",
    new Response("{}", { status: 401 }),
  ];
  const unclear = [
    '"by_source": [{"source": "openai", "gaps": ["unknown"]}]',
    '"by_day": [{"restated_at": "2026-04-15"}]',
  ];
  for (const [value, body, shown] of [
    ["1200.50", '{"cost_usd": 100}', ["$100.00", "$1,100.50", "12×"]],
    ["0.3", '{"cost_usd": 0.1}', ["$0.10", "$0.20", "3×"]],
    ["1E+3", '{"cost_usd": 25e-1}', ["$2.50", "$997.50", "400×"]],
    ["999999999999999.99", '{"cost_usd": 0.98}', ["$0.98", "$999,999,999,999,999.01", "1,020,000,000,000,000×"]],
    ["1", '{"cost_usd": 4, "by_agent": [null]}', ["$4.00", "-$3.00", "0.25×"]],
    ["1", '{"cost_usd": 0}', ["$0.00", "$1.00", UNKNOWN]],
    ["1", '{"cost_usd": -2}', ["-$2.00", "$3.00", UNKNOWN]],
    ...malformed.map((body) => ["1", body, Array(3).fill(UNKNOWN)]),
    ...unclear.map((part) => ["1", `{"cost_usd": 4, ${part}}`, Array(3).fill(UNKNOWN)]),
  ])
    assert.deepEqual((await read(body, value))[1], shown, `${value} and ${body}`);
});

test("a cost says what it lacks, and agents say what they cost", async () => {
  const gaps = ["2026-04-03", "2026-04-04", "2026-04-08", "2026-04-09", "2026-04-10"];
  const by_agent = [
    [9, 212],
    [null, 37],
    [7, 9.8],
  ].map(([agent_id, cost_usd]) => ({ agent_id, cost_usd }));
  const by_day = [{ date: "2026-04-12" }, { date: "2026-04-13", restated_at: "2026-04-15T09:00:00.000Z" }];
  const by_source = [
    { source: "openai", gaps },
    { source: "tavily", gaps: [] },
  ];
  const [costs] = await read(JSON.stringify({ cost_usd: 4, by_agent, by_day, by_source, known_days: 29, of_days: 31 }));
  const lacks = "openai lacks Apr 3, Apr 4, Apr 8 and 2 more";
  assert.equal(
    costs.element.all("p")[0].textContent,
    `Cost known for 29 of 31 days · ${lacks} · cost of Apr 13 restated`,
  );
  assert.equal(costs.element.all("dt")[1].textContent, "Net of known cost");
  const sums = [
    [7, 3, 41],
    [null, 2, 5],
  ].map(([agent_id, count, value_usd]) => ({ agent_id, count, value_usd }));
  assert.deepEqual(
    costs.withSums({ by_agent: sums }).map((sum) => [sum.agent_id, costs.words(sum)]),
    [
      [7, " · cost $9.80, $3.27 each, 4.18×"],
      [null, " · cost $37.00"],
      [9, " · cost $212.00"],
    ],
  );
  assert.equal(costs.withSums({ by_agent: sums, other_agents: {} }), sums); // an agent may be one of the others
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
  const shown = () => {
    costs.show(null);
    return costs.element.all("dd")[0].textContent;
  };
  const again = (scope = "30") => costs.read("/costs", scope, { scope }, signal);
  await again();
  assert.equal(shown(), UNKNOWN);
  for (const [seconds, scope, cost] of [
    [0, "30", "$1.00"],
    [59, "30", "$1.00"],
    [60, "30", "$2.00"],
    [0, "7", "$3.00"],
  ]) {
    now += seconds * 1000;
    await again(scope);
    assert.equal(shown(), cost);
  }
  now -= 3_600_000; // the clock was set back
  const reading = again("7");
  costs.forget();
  arrive();
  assert.equal(await reading, false);
  assert.deepEqual([shown(), asked.length], [UNKNOWN, 5]);
});

test("a cost that is off is hidden, and a selection without costs asks for none", async () => {
  const [costs] = await read(
    Response.json({ error: "Not found" }, { status: 404, headers: { "no-such-route": "true" } }),
  );
  assert.equal(costs.element.hidden, true);
  const asked = answer(Response.json({ cost_usd: 1 }));
  assert.equal(await costs.read("/costs", "deals", null, signal), true);
  assert.deepEqual(asked, []);
});
