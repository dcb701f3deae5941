import assert from "node:assert/strict";
import { test } from "node:test";
import { textsOf } from "./elements.js";

const { barValues, chart } = await import("../src/feed/chart.js");
const { countedOf, counting, headWords, ruleWords } = await import("../src/feed/counted.js");
const { ledger } = await import("../src/feed/print.js");
const { Rule } = await import("../src/feed/rule.js");
const { failure, sentence } = await import("../src/feed/what-counts.js");

const part = (count = 0, value_usd = 0, more = {}) => ({ count, value_usd, estimated_usd: 0, ...more });
const NOTHING = {
  counted: part(),
  waiting: part(0, 0, { closes: [] }),
  unconfirmed: part(),
  not_counted: part(),
  before_rules: part(),
  by_type: [],
};

test("the head says what counts, what will when, and what needs the owner", () => {
  const closes = [
    { on: "2026-12-15", count: 3, value_usd: 18000 },
    { on: "2027-01-15", count: 1, value_usd: 3110 },
  ];
  const all = {
    counted: part(9, 66100, { estimated_usd: 4200 }),
    waiting: part(4, 21110, { closes }),
    unconfirmed: part(2, 20200),
    not_counted: part(5, 11000),
    before_rules: part(1, 9000),
  };
  for (const [byRule, words] of [
    [
      all,
      "claimed $128,410 · your rule’s values take off $1,000 · " +
        "to review: $18,000 count on Dec 15, $3,110 on Jan 15, unless you dispute them; $20,200 need your word · " +
        "$11,000 never count · $9,000 are from before your rule",
    ],
    [{ ...NOTHING, counted: part(9, 128410) }, "claimed $128,410"],
    [
      { ...NOTHING, counted: part(9, 128410), unconfirmed: part(2) }, // they have no value
      "claimed $128,410 · to review: 2 outcomes need your word",
    ],
    [
      {
        ...NOTHING,
        counted: part(9, 107300),
        waiting: part(4, 21110, { closes, estimated_usd: 150.5 }),
        unconfirmed: part(11, 825, { estimated_usd: 825 }),
      },
      "claimed $128,410 · your rule’s values add $825 · " +
        "to review: $18,000 count on Dec 15, $3,110 on Jan 15, unless you dispute them, of it $150.50 estimated by your rule; " +
        "$825 need your word, all estimated by your rule",
    ],
  ])
    assert.equal(ruleWords({ count: 21, value_usd: 128410 }, byRule), words);
  const head = (by_rule) => headWords({ count: 21, by_rule }, " in the last 30 days");
  const rule = "counts now by your rule";
  assert.deepEqual(head(all), [
    `${rule} · of it $4,200 estimated by your rule`,
    "9 of 21 outcomes in the last 30 days",
  ]);
  assert.deepEqual(head(NOTHING), [rule, "0 of 21 outcomes in the last 30 days"]);
  assert.deepEqual(head(null), ["21 outcomes in the last 30 days"]);
  assert.equal(counting({ value_usd: 5, by_rule: all }), all.counted);
  assert.equal(counting({ value_usd: 5, by_rule: null }).value_usd, 5);
});

test("what counts and what waits is compared with the same of a period for all of which the rule held", () => {
  const by_rule = { ...NOTHING, counted: part(1, 60), waiting: part(1, 52, { closes: [] }) };
  const rules = [
    { from: "2020-11", timezone: "Europe/Berlin" },
    { from: "2020-10", timezone: "Europe/Berlin" },
  ];
  const began = "No comparison: your rule began on Oct 1, 2020";
  for (const [from, counted_usd, waiting_usd, words] of [
    [
      "2026-09-30T22:00:00.000Z",
      90,
      10,
      "Counts or will count: +12% against the same of the month before; today is not over",
    ],
    ["2020-09-30T22:00:00.000Z", 0, 0, "Counts or will count: $0.00 in the month before"],
    ["2020-09-29T22:00:00.000Z", 90, 10, began],
    ["2020-09-29T22:00:00.000Z", null, null, ""], // days of another time zone
  ]) {
    const summary = { previous: { from, value_usd: 7, counted_usd, waiting_usd }, by_rule };
    assert.equal(textsOf(new Rule(rules).change(summary, "the month before", true)).join(""), words);
    const ahead = new Rule([{ from: "9998-01", timezone: "UTC" }]).change(summary, "the month before", true);
    assert.equal(textsOf(ahead).join(""), words && "No comparison: your rule begins on Jan 1, 9998");
  }
});

test("a bar has two tones: what counts, and above it what waits", () => {
  const day = { date: "2026-11-24", count: 2, value_usd: 9 };
  assert.deepEqual(barValues(day), [9]);
  assert.deepEqual(barValues({ ...day, counted_usd: null, waiting_usd: null }), [9]);
  const days = [
    { ...day, counted_usd: 5, waiting_usd: 3 },
    { date: "2026-11-25", count: 1, value_usd: 4, counted_usd: 4, waiting_usd: 0 },
  ];
  const choice = {
    isPeriod: () => false,
    span: { name: "two days", to: new Date("2026-11-26T00:00"), isRunning: false },
  };
  const figure = chart(
    days,
    { name: "day", of: "", short: new Intl.DateTimeFormat("en-US", { timeZone: "UTC" }) },
    choice,
  );
  const bars = figure.all("rect").map(({ attributes }) => [attributes.class, attributes.y, attributes.height]);
  assert.deepEqual(textsOf(figure.all("p")), [" counts  will count "]);
  assert.deepEqual(bars, [
    ["waits", "0%", "100%"],
    ["bar", "37.5%", "62.5%"],
    ["bar", "50%", "50%"],
  ]);
  assert.match(figure.all("button")[0].attributes["aria-label"], /: \$5\.00 counts, \$3\.00 will count, 2 outcomes$/);
  assert.match(figure.all("button")[1].attributes["aria-label"], /: \$4\.00 counts, 1 outcome$/);
});

test("a share says how much of its claims counts, and paper that its sum is claimed", () => {
  const by_type = [
    ["deal_closed", part(2, 50)],
    ["content_published", part(3)],
    ["task_complete", part()],
  ].map(([outcome_type, counted]) => ({ outcome_type, counted }));
  const words = ["deal_closed", "content_published", "task_complete", "other"].map((type) =>
    countedOf({ by_type }, type),
  );
  assert.deepEqual(words, [" · counted $50", " · counted 3 outcomes", " · none counted", " · none counted"]);
  const created_at = "2026-11-24T12:00:00.000Z";
  const outcome = { title: "Work", outcome_type: "deal_closed", agent_id: 7, value_usd: 5.5, created_at };
  for (const [by_rule, status, said] of [
    [NOTHING, "", "1 outcome claimed: $5.50"],
    [null, "", "1 outcome counts: $5.50"],
    [null, "recorded", "1 outcome: $5.50"],
  ]) {
    const context = { choice: { query: { status } }, agent: String, totals: { sums: { summary: { by_rule } } } };
    assert.equal(ledger([outcome], context).all("p")[0].textContent, said);
  }
});

test("paper has the days of the rule's time zone, which it names", () => {
  const at = "2026-10-31T12:00:00.000Z";
  const outcome = { title: "Work", outcome_type: "deal_closed", agent_id: 7, value_usd: 5, created_at: at };
  const choice = { query: {}, zone: "Pacific/Kiritimati" };
  const page = ledger([outcome], { choice, agent: String, totals: { sums: {} } });
  assert.equal(page.all("th").at(-1).textContent, "Nov 1, 2026");
});

test("a stored rule is a sentence, first for all types and then for single ones", () => {
  const rule = {
    outcome_type: "content_published",
    when: "confirmed",
    each_usd: 75,
    basis: "estimated",
    note: "90 minutes",
  };
  const others = { outcome_type: "*", when: "unless_disputed", each_usd: null, basis: "stated", note: null };
  const never = { ...others, outcome_type: "task_complete", when: "never" };
  assert.equal(
    sentence({ dispute_days: 14, types: [rule, never, others] }),
    "unless I dispute it within 14 days after the month of its recording or last correction · " +
      "Content published: only what I confirm, $75.00 each, estimated " +
      "(90 minutes) · Task complete: never",
  );
});

test("a rule that is not saved says why, and if it may have been", () => {
  const details = [{ field: "month", message: "has begun" }];
  for (const [problem, words] of [
    [{ kind: "offline", status: 0 }, "It may not have been saved: close this and open it again. You are offline."],
    [{ status: 412, details: [] }, "Not saved. It was changed in the meantime. Close this and open it again."],
    [{ status: 409, details }, "Not saved. month has begun."],
    [{ status: 503, details: [], message: "The server answered 503." }, "Not saved. The server answered 503."],
  ])
    assert.equal(failure(problem), words);
});
