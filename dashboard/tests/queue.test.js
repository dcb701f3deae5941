import assert from "node:assert/strict";
import { after, mock, test } from "node:test";
import "./elements.js";

const { toReview } = await import("../src/feed/attention.js");
const { countsInWords, difference, disputeOf, hints, inOrder, isByRule, isNewToReview, isToReview, worthOf } =
  await import("../src/feed/queue.js");
const { typeAmended } = await import("../src/feed/marks.js");
const { parseExactly } = await import("../src/shared/numbers.js");

mock.timers.enable({ apis: ["Date"], now: Date.parse("2026-05-20T17:00:00Z") });
after(() => mock.timers.reset());

const NOON = "2026-04-15T12:00:00.000Z";
const claim = (id, more = {}) => ({
  id,
  agent_id: 7,
  outcome_type: "deal_closed",
  title: `Deal ${id}`,
  value_usd: 10,
  created_at: NOON,
  occurred_at: NOON,
  status: "recorded",
  version: 0,
  ...more,
});
const ids = (claims) => claims.map(({ id }) => id).join(" ");

test("an opened outcome says what it counts for, why, and what was claimed", () => {
  for (const [value_usd, counts, words] of [
    [null, { state: "counted", usd: 75 }, "Counts $75.00 by your rule (no value claimed)"],
    [null, { state: "counted", usd: null }, "Counts without a value by your rule"],
    [75, { state: "waiting", usd: 75 }, "Will count $75.00 by your rule, unless you dispute it before"],
    [40.5, { state: "unconfirmed", usd: 75 }, "Counts $75.00 by your rule ($40.50 claimed) once you confirm it"],
    [75, { state: "not_counted", usd: 75 }, "Does not count, also if you confirm it: your rule never counts this type"],
    [75, { state: "no_rule", usd: null }, ""],
    [75, null, ""],
  ])
    assert.equal(countsInWords({ value_usd, counts }), words);
  const counts = { state: "waiting", on: "2026-12-14", usd: 75 };
  const words = "Will count $75.00 by your rule on Dec 14, 2026, unless you dispute it before";
  assert.equal(countsInWords({ value_usd: 75, counts }), words);
});

test("what is to review is claimed and not confirmed or, with definitions, waiting or unconfirmed", () => {
  for (const [more, hasRules, expected] of [
    [{}, false, true],
    [{ status: "confirmed" }, false, false],
    [{ status: "disputed" }, false, false],
    [{ counts: { state: "not_counted" } }, false, true],
    [{}, true, false],
    [{ counts: null }, true, false],
    [{ counts: { state: "waiting" } }, true, true],
    [{ counts: { state: "unconfirmed" } }, true, true],
    [{ counts: { state: "counted" } }, true, false],
    [{ counts: { state: "no_rule" } }, true, false],
  ])
    assert.equal(isToReview(claim("A", more), hasRules), expected, JSON.stringify([more, hasRules]));

  const sum = (count, value_usd) => ({ count, value_usd });
  const summary = { ...sum(5, 100.3), confirmed: sum(2, 0.1) };
  assert.deepEqual(toReview(summary), { count: 3, value_usd: { rawJSON: "100.2" } });
  const by_rule = { waiting: sum(1, 0.1), unconfirmed: sum(2, 0.2) };
  assert.deepEqual(toReview({ ...summary, by_rule }), { count: 3, value_usd: { rawJSON: "0.3" } });
  assert.equal(toReview(sum(5, 100)), null); // a server without corrections
});

test("what was just recorded is to review by the rule of its type and month, because it has no counts yet", () => {
  const types = { task_complete: "never", content_published: "confirmed", "*": "unless_disputed" };
  const rule = {
    from: "2026-04",
    timezone: "UTC",
    types: Object.entries(types).map(([outcome_type, when]) => ({ outcome_type, when })),
  };
  for (const [more, rules, expected] of [
    [{ outcome_type: "task_complete" }, [], true],
    [{ outcome_type: "task_complete" }, [rule], false],
    [{ outcome_type: "content_published" }, [rule], true],
    [{}, [rule], true],
    [{ status: "disputed" }, [rule], false],
    [{ occurred_at: "2026-03-31T12:00:00.000Z" }, [rule], false],
  ])
    assert.equal(isNewToReview(claim("A", more), rules), expected, JSON.stringify([more, rules.length]));
});

test("the greatest magnitude comes first, or the day on which it counts", () => {
  const counts = (on, usd) => ({ counts: { state: on ? "waiting" : "unconfirmed", on, usd } });
  const claims = [
    claim("none", { value_usd: null }),
    claim("zero", { value_usd: 0, created_at: "2026-04-16T12:00:00.000Z", occurred_at: "2026-04-16T12:00:00.000Z" }),
    claim("small", { value_usd: 5, ...counts("2026-05-15", 5) }),
    claim("lost", { value_usd: -70, ...counts(null, -70) }),
    claim("each", { value_usd: null, ...counts("2026-05-14", 75) }),
    claim("exact", { value_usd: parseExactly("123456789012345678.90") }),
  ];
  assert.equal(ids(inOrder(claims)), "exact each lost small zero none");
  assert.equal(ids(inOrder(claims, "soonest")), "each small exact lost zero none");
  assert.deepEqual(worthOf(claims), { rawJSON: "123456789012345688.90" });
});

test("a value by the rule is told from the outcome's own", () => {
  const digits = "12345678901234567.10";
  for (const [value_usd, usd, expected] of [
    ["null", "75", true],
    ["10", "75", true],
    [digits, `${digits}1`, true],
    [digits, digits, false],
    ["10", "10.0", false],
    ["10", "null", false],
  ])
    assert.equal(isByRule({ value_usd: parseExactly(value_usd), counts: { usd: parseExactly(usd) } }), expected, usd);
  assert.equal(isByRule({ value_usd: 10 }), false);
});

const at = (hours) => new Date(Date.parse(NOON) + hours * 3_600_000).toISOString();
const happened = (hours, more) => ({ created_at: at(hours), occurred_at: at(hours), ...more });

test("an outcome is a duplicate of the earliest with its agent, type, value and title within a day", () => {
  const title = "Report of 9:30 am sent";
  const first = claim("A", happened(0, { title }));
  for (const [more, isDuplicate] of [
    [happened(1, { title }), true],
    [happened(24, { title }), true],
    [happened(24.1, { title }), false],
    [happened(1, { title: "report  of 14:05:59 sent" }), true],
    [happened(1, { title: "Report of 11PM sent" }), true],
    [happened(1, { title: "Report of 10 sent" }), false],
    [happened(1, { title, value_usd: parseExactly("10.00") }), true],
    [happened(1, { title, value_usd: 100 }), false],
    [happened(1, { title, value_usd: null }), false],
    [happened(1, { title, agent_id: null }), false],
    [happened(1, { title, outcome_type: "other" }), false],
    [happened(1, { title, status: "void" }), false],
  ]) {
    const found = hints([claim("B", more), first]);
    assert.equal(found.get("B").length, isDuplicate ? 1 : 0, JSON.stringify(more));
    assert.deepEqual(found.get("A"), []);
  }
  assert.deepEqual(hints([claim("B", happened(1, { title })), { ...first, status: "void" }]).get("B"), []);
  const chain = [0, 20, 40].map((hours, index) => claim(`${index}`, happened(hours, { title: `At ${hours}:00` })));
  const words = [...hints(chain).values()].flat();
  assert.match(words[0], /^looks like a duplicate of “At 0:00” of Apr 15, 2026, /);
  assert.match(words[1], /^looks like a duplicate of “At 20:00” of Apr 16, 2026, /);
});

test("ten times an agent's usual is said from five outcomes of its type on", () => {
  const usual = [10, 20, 30, 40].map((value_usd) => claim(`${value_usd}`, { value_usd }));
  const said = (more, others = usual) => hints([...others, claim("X", more)]).get("X");
  const words = ["ten times this agent’s usual"];
  assert.deepEqual(said({ value_usd: 300 }), words); // the median with itself is 30
  assert.deepEqual(said({ value_usd: -300 }), words);
  assert.deepEqual(said({ value_usd: 299.99 }), []);
  assert.deepEqual(said({ value_usd: null }), []);
  assert.deepEqual(said({ value_usd: 400 }, usual.slice(1)), []); // only four
  assert.deepEqual(said({ value_usd: 300, agent_id: 8 }), []);
  assert.deepEqual(said({ value_usd: 300, outcome_type: "other" }), []);
  const nothing = usual.map((one) => ({ ...one, value_usd: 0 }));
  assert.deepEqual(said({ value_usd: 300 }, nothing), []);
});

test("what was recorded late, or under another rule, is marked", () => {
  const late = (hours) => hints([claim("A", { created_at: at(hours) })]).get("A");
  assert.deepEqual([late(24), late(24.01)], [[], ["recorded late"]]);

  const rule = (from) => ({ from, timezone: "America/New_York" });
  const said = (occurred_at, ...rules) => hints([claim("A", { occurred_at, created_at: occurred_at })], rules).get("A");
  const words = ["the rule changed since"];
  const rules = [rule("2026-05"), rule("2026-03")];
  assert.deepEqual(said("2026-05-01T04:00:00.000Z", ...rules), []); // May begins at midnight in New York
  assert.deepEqual(said("2026-05-01T03:59:59.999Z", ...rules), words);
  assert.deepEqual(said("2026-05-01T03:59:59.999Z", rule("9999-01"), rule("2026-03")), []); // not in force yet
  assert.deepEqual(said("2026-05-01T04:00:00.000Z"), []);

  const recorded = (occurred_at, created_at, more = {}) =>
    hints([claim("A", { occurred_at, created_at, ...more })], rules).get("A");
  const [april, may] = ["2026-05-01T03:59:59.999Z", "2026-05-01T04:00:00.000Z"];
  assert.deepEqual(recorded(april, may), ["recorded after the rule changed"]);
  assert.deepEqual(recorded("2026-02-20T12:00:00.000Z", "2026-02-20T12:00:00.001Z"), words); // before all rules
  assert.deepEqual(recorded("2026-03-01T04:59:59.999Z", "2026-03-01T05:00:00.000Z"), [
    "recorded after the rule changed",
  ]);
  assert.deepEqual(recorded(may, april), []); // it cannot have happened later: a clock was wrong
  assert.deepEqual(recorded(may, may, { imported: true }), ["imported with its time of recording"]);
});

test("a type that a key amended is marked with whose key it was, but not what else is amended, and not by the owner", () => {
  const amend = (by, changes, type = "amend") => typeAmended({ type, by, changes }).replace("type amended by ", "");
  const changes = { outcome_type: { before: "a", after: "b" } };
  assert.deepEqual([amend("key:abc", changes), amend("key", changes)], ["its agent", "the platform"]);
  assert.deepEqual([amend("session", changes), amend(null, changes), amend("keyring", changes)], ["", "", ""]);
  assert.deepEqual([amend("key", { title: {} }), amend("key"), amend("key", changes, "dispute")], ["", "", ""]);
});

test("a dispute waits for the platform until it is amended, upheld or decided", () => {
  const entry = (type, day = 1) => ({ type, created_at: `2026-04-0${day}`, reason: `Reason of ${type}` });
  const state = (status, ...corrections) => disputeOf({ status }, corrections)?.state;
  const dispute = entry("dispute");
  assert.equal(state("recorded", entry("amend"), entry("confirm")), undefined);
  assert.equal(state("disputed", entry("amend"), dispute), "waits");
  assert.equal(state("disputed", dispute, entry("amend")), "amended");
  assert.equal(state("recorded", dispute, entry("uphold")), "upheld");
  assert.equal(state("disputed", dispute, entry("uphold"), dispute), "waits");
  assert.equal(state("confirmed", dispute, entry("amend"), entry("confirm")), "confirmed");
  assert.equal(state("void", dispute, entry("void")), "void");
  const since = disputeOf({ status: "disputed" }, [dispute, entry("note", 3)]);
  assert.deepEqual(since, { state: "waits", since: "2026-04-01", reason: "Reason of dispute" });
});

test("a difference names the earlier title, value and agent", () => {
  const before = claim("A");
  assert.equal(difference(claim("A", { version: 2 }), before), "");
  const words = "its title was “Deal A”, its value was $10.00, its type or agent was another";
  assert.equal(difference(claim("A", { title: "Other", value_usd: null, agent_id: 8 }), before), words);
});
