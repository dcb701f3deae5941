import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { textsOf } from "./elements.js";

const { Target, measureWords, share, stateWords, watchOf } = await import("../src/feed/target.js");
const { Api } = await import("../src/feed/api.js");
const { Later } = await import("../src/feed/later.js");
const { editable, typed } = await import("../src/feed/typed.js");
const { decimal, parseExactly } = await import("../src/shared/numbers.js");

const NOW = Date.parse("2026-12-26T12:00:00Z");
const reached = {
  period: "2026-12",
  percent: 100,
  type: "watch.reached",
  at: "2026-12-18T23:30:00.000Z",
  already: false,
};
const WATCH = {
  id: "deals",
  name: "Deals",
  measure: "value",
  outcome_type: null,
  agent_id: null,
  every: "month",
  timezone: "Europe/Berlin",
  target: 50000,
  at: [50, 100],
  version: 3,
  period: { name: "2026-12", to: "2026-12-31T23:00:00.000Z" },
  figure: 43100,
  estimated_usd: null,
  status: null,
  told: [],
};

afterEach(() => mock.restoreAll());

test("a line says figure, target and state", () => {
  const missed = { period: "2026-11", percent: 100, type: "watch.missed", at: "2026-12-01T01:00:00.000Z" };
  for (const [fields, words, now = NOW] of [
    [{}, "$43,100 of $50,000 · 6 days left"],
    [{}, "$43,100 of $50,000 · 5 days left", Date.parse("2026-12-26T23:00:00Z")], // midnight in Berlin
    [{}, "$43,100 of $50,000 · 1 day left", Date.parse("2026-12-31T22:59:00Z")],
    [{ every: "week", told: [missed] }, "$43,100 of $50,000 · 6 days left · missed last week"],
    [{ figure: 50000, told: [reached] }, "$50,000 of $50,000 · reached on Dec 19"], // in Berlin
    [{ figure: 50000, told: [{ ...reached, already: true }] }, "$50,000 of $50,000 · reached"],
    [
      {
        figure: 50000,
        told: [
          { ...reached, percent: 90 },
          { ...reached, period: "2026-11" },
        ],
      },
      "$50,000 of $50,000 · reached",
    ],
    [{ figure: 50000, told: [{ ...reached, type: "watch.undone" }] }, "$50,000 of $50,000 · reached"],
    [{ figure: 43100, told: [reached] }, "$43,100 of $50,000 · 6 days left"], // a correction took it back
    [{ figure: -5.5 }, "-$5.50 of $50,000 · 6 days left"],
    [{ figure: null, status: "Still adding up" }, "Still adding up · target $50,000"],
    [{ figure: null, status: "Busy", told: [missed] }, "Not known right now · target $50,000 · missed last month"],
    [{ figure: null, status: "No definition" }, "You have no rule of what counts · target $50,000"],
    [{ figure: null, status: "Other time zone" }, "Your rule has the days of another time zone · target $50,000"],
  ])
    assert.equal(stateWords({ ...WATCH, ...fields }, now), words);
});

test("days are counted across a change of clocks", () => {
  const period = { name: "2026-03", to: "2026-03-31T22:00:00.000Z" };
  for (const [now, days] of [
    ["2026-03-28T22:59:00Z", 4],
    ["2026-03-28T23:00:00Z", 3], // the day of 23 hours
    ["2026-03-29T22:00:00Z", 2],
  ])
    assert.match(stateWords({ ...WATCH, period }, Date.parse(now)), new RegExp(`· ${days} days left$`));
});

test("a watch says what it measures, and how much of that is estimated", () => {
  const counted = { ...WATCH, measure: "counted", every: "week" };
  assert.equal(measureWords(WATCH), " · claimed this month");
  const filtered = { ...WATCH, outcome_type: "deal_closed", agent_id: 7 };
  assert.equal(measureWords(filtered), " · claimed this month, only Deal closed of agent 7");
  assert.equal(measureWords({ ...filtered, outcome_type: null }), " · claimed this month, only agent 7");
  assert.equal(measureWords({ ...counted, estimated_usd: 0 }), " · counts or will count this week");
  assert.equal(
    measureWords({ ...counted, estimated_usd: 100 }),
    " · counts or will count this week, of it $100 estimated by your rule",
  );
  assert.equal(measureWords({ ...counted, figure: null }), " · counts or will count this week");
});

test("a target is reached to the last digit, and a share is drawn from nothing to all", () => {
  const [almost, target] = ["100000000000000.01", "100000000000000.02"].map(parseExactly);
  assert.match(stateWords({ ...WATCH, target, figure: almost }, NOW), /days left$/);
  assert.match(stateWords({ ...WATCH, target, figure: target }, NOW), /reached$/);
  for (const [figure, expected] of [
    [25, 0.25],
    [101, 1],
    [-1, 0],
    [null, 0],
  ])
    assert.equal(share({ figure, target: 100 }), expected);
});

test("the form sends what it asks, and keeps the rest of the watch", () => {
  const given = { name: " Deals ", measure: "value", target: " 50000.10 ", every: "week" };
  const body = (watch, changes = {}) => JSON.stringify(watchOf({ ...given, ...changes }, watch, "UTC"));
  const rest = '"outcomeType":null,"agentId":null,"at":null}';
  const begin = '{"name":"Deals","measure":"value","every":"week","timezone"';
  assert.equal(body(undefined), `${begin}:"UTC","target":50000.10,${rest}`);
  assert.equal(body(undefined, { target: "50k" }), `${begin}:"UTC","target":"50k",${rest}`);
  const watch = { ...WATCH, outcome_type: "deal_closed", agent_id: 7 };
  const kept = '"outcomeType":"deal_closed","agentId":7,"at":[50,100]}';
  assert.equal(body(watch), `${begin}:"Europe/Berlin","target":50000.10,${kept}`);
  const counted = { measure: "counted" }; // only known for the days of the rule
  assert.match(body(watch, counted), /"timezone":"UTC"/);
});

test("an amount is typed and edited in the viewer's notation", () => {
  for (const [locale, text, number] of [
    ["de-DE", "50.000", 50000],
    ["de-DE", " 1.234.567,50", 1234567.5],
    ["de-DE", "12.5", 12.5],
    ["de-DE", "0.125", 0.125],
    ["en-US", "50,000.25", 50000.25],
    ["en-US", "50.000", 50],
    ["en-IN", "12,34,567", 1234567],
    ["fr-FR", "50 000,5", 50000.5],
    ["de-CH", "50'000", 50000],
    ["ar-EG", "1,000", 1000],
  ])
    assert.equal(Number(decimal(typed(text, locale))), number, `${locale} ${text}`);
  for (const text of ["50.00,5", "1,2,3", "x", "1e400", "Infinity", "0x10"]) assert.equal(typed(text, "de-DE"), text);
  for (const locale of ["de-DE", "en-US", "ar-EG", "fa-IR", "fr-FR", "sv-SE"])
    for (const rawJSON of ["1234567.123", "-1234567.123"])
      assert.equal(decimal(typed(editable({ rawJSON }, locale), locale)), rawJSON);
});

/** Return a target whose API gives these answers, and what was asked and is shown. */
function open(...answers) {
  const asked = [];
  mock.method(globalThis, "fetch", async (url, { method = "GET", headers = {} } = {}) => {
    asked.push(method === "GET" ? url.pathname : `${method} ${url.pathname} ${headers["if-match"]}`);
    return answers.length > 1 ? answers.shift() : answers[0];
  });
  const sums = { readAt: new Date(1), summary: null };
  const { element } = new Later("target", () => null);
  const target = new Target(element, new Api(() => "https://app.example.com/api/outcomes"), sums);
  const look = async () => {
    target.render();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const line = element.all("button")[0];
    return element.hidden ? "hidden" : line.hidden ? textsOf(element.all("span"))[0] : line.textContent;
  };
  return { asked, sums, look, element };
}

test("the first watch of value is shown, and read again after the sums were, but not within a minute", async () => {
  let now = NOW;
  mock.method(Date, "now", () => now);
  const cost = { ...WATCH, measure: "cost" };
  const list = (...watches) => Response.json({ watches, digest: null });
  const { asked, sums, look } = open(
    list(cost, WATCH, { ...WATCH, name: "Other" }),
    list({ ...WATCH, figure: null, status: "Still adding up" }),
    list(),
  );
  assert.equal(await look(), "Deals: $43,100 of $50,000 · 6 days left · claimed this month");
  now += 60_000;
  await look();
  assert.deepEqual(asked, ["/api/watches"]);
  sums.readAt = new Date(2);
  assert.match(await look(), /^Deals: Still adding up/);
  now += 59_999;
  assert.match(await look(), /^Deals: Still adding up/);
  now += 1;
  assert.equal(await look(), "Set a target"); // what was unknown is asked again without other sums
  assert.equal(asked.length, 3);
});

test("a watch is read again after the end of its period, which other days than those of the sums may have", async () => {
  let now = Date.parse("2026-12-31T22:59:30Z"); // midnight in Berlin comes in 30 s
  mock.method(Date, "now", () => now);
  const period = { name: "2027-01", to: "2027-01-31T23:00:00.000Z" };
  const { asked, look } = open(
    ...[WATCH, { ...WATCH, period, figure: 0 }].map((watch) => Response.json({ watches: [watch], digest: null })),
  );
  assert.match(await look(), /1 day left/);
  now += 60_000;
  assert.match(await look(), /^Deals: \$0 of \$50,000 · 31 days left/);
  now += 60_000;
  await look();
  assert.equal(asked.length, 2);
});

test("a server without watches is asked once, and nothing is shown", async () => {
  let now = NOW;
  mock.method(Date, "now", () => now);
  const { asked, sums, look } = open(
    Response.json({ error: "Not found" }, { status: 404, headers: { "no-such-route": "true" } }),
  );
  assert.equal(await look(), "hidden");
  now += 60_000;
  sums.readAt = new Date(2);
  assert.equal(await look(), "hidden");
  assert.deepEqual(asked, ["/api/watches"]);
});

test("a failure is said, and asked again", async () => {
  let now = NOW;
  mock.method(Date, "now", () => now);
  const { asked, look } = open(
    Response.json({ error: "Failed" }, { status: 500 }),
    Response.json({ watches: [WATCH], digest: null }),
  );
  assert.equal(await look(), "Your target could not be read.");
  now += 60_000;
  assert.match(await look(), /^Deals/);
  assert.equal(asked.length, 2);
});

test("the form writes the watch that it shows, of the version that it shows", async () => {
  let now = NOW;
  mock.method(Date, "now", () => now);
  const list = (...watches) => Response.json({ watches, digest: null });
  const refused = () => Response.json({ error: "Precondition failed" }, { status: 412 });
  const later = { ...WATCH, version: 4 };
  const { asked, sums, look, element } = open(
    ...[
      list(WATCH),
      list({ ...later, id: "other" }, later),
      refused(),
      list({ ...later, id: "other" }, later),
      refused(),
    ],
    list(),
  );
  await look();
  const [line] = element.all("button");
  const remove = element.all("button").find(({ textContent }) => textContent === "Delete");
  for (const each of [line, line]) each.onclick(); // hidden is no property before the first
  now += 60_000;
  sums.readAt = new Date(2);
  await look(); // meanwhile the watch was changed, and another one became the first
  for (const version of [3, 4]) {
    await remove.onclick();
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(asked.at(-2), `DELETE /api/watches/deals "${version}"`);
  }
});
