import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { LiveSummary } from "../src/feed/live-summary.js";
import { midnight } from "../src/feed/period.js";
import { Sums } from "../src/feed/sums.js";
import { Watcher } from "../src/feed/watcher.js";
import { decimal } from "../src/shared/numbers.js";

const STREAMS = 300;
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const ZONES = ["UTC", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"];
const TYPES = ["deal_closed", "task_complete", "content_published"];

const { TZ } = process.env;
let now;

performance.now = () => now; // a mock would keep each of its calls
afterEach(() => {
  process.env.TZ = TZ ?? "UTC";
});

/** Return a function that returns random numbers below a limit. They depend only on the seed (mulberry32). */
function randomly(seed) {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit;
  };
}

const localDay = (date) =>
  [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");

/** Return the date on which each day, week or month of a period begins. */
function firstDays({ from, to, by }) {
  const dates = [];
  for (let day = from; day < to; day = midnight(1, day))
    if (day === from || by === "day" || (by === "week" ? day.getDay() === 1 : day.getDate() === 1))
      dates.push(localDay(day));
  return dates;
}

/** Return the summary of outcomes, as the API does. */
function summarize(outcomes, { from, to, by, buckets, outcomeType, agentId, status: selected, timezone }, recent) {
  const none = () => ({ count: 0, value_usd: 0 });
  const summary = { from: from.toISOString(), to: to.toISOString(), timezone, ...none(), by_type: [], by_agent: [] };
  const days = buckets.map((date) => ({ date, ...none() }));
  const previous = { from: new Date(from - (to - from)).toISOString(), to: summary.from, ...none() };
  const part = (parts, name, value) => {
    if (!parts.some((one) => one[name] === value)) parts.push({ [name]: value, ...none() });
    return parts.find((one) => one[name] === value);
  };
  for (const { occurred_at, value_usd, outcome_type, agent_id, status } of outcomes) {
    if (!(selected ? [selected] : ["recorded", "confirmed"]).includes(status)) continue;
    if (outcomeType && outcome_type !== outcomeType) continue;
    if (agentId && agent_id !== (agentId === "none" ? null : Number(agentId))) continue;
    const sums = occurred_at >= previous.from && occurred_at < summary.from ? [previous] : [];
    if (occurred_at >= summary.from && occurred_at < summary.to) {
      const day = localDay(new Date(occurred_at));
      const bucket = days.findLast(({ date }) => date <= day) ?? days[0];
      const [type, agent] = [
        part(summary.by_type, "outcome_type", outcome_type),
        part(summary.by_agent, "agent_id", agent_id),
      ];
      sums.push(summary, type, agent, bucket);
    }
    for (const sum of sums) {
      sum.count += 1;
      sum.value_usd += value_usd ?? 0;
    }
  }
  return { ...summary, [`by_${by}`]: days, previous, recent };
}

/** Return the sums of a summary, in an order that does not depend on when each part was first seen. */
function sumsOf(summary) {
  const { by_type, by_agent, by_day, by_week, by_month, previous } = summary;
  const sum = ({ outcome_type, agent_id, date, count, value_usd }) =>
    [outcome_type ?? agent_id ?? date, count, decimal(value_usd)].join(" ");
  const parts = [by_type, by_agent, by_day ?? by_week ?? by_month].map((part) => part.map(sum).sort());
  return [sum(summary), sum(previous), ...parts];
}

/** Simulates a feed and its API without DOM. Time passes only during requests and between polls. */
class Stream {
  asked = 0;
  checked = 0;
  counted = []; // copies of the outcomes that the shown summary counts
  known = new Map(); // copies of outcomes, made when the feed found or corrected them
  sums = new Sums();

  constructor(seed) {
    this.random = randomly(seed);
    process.env.TZ = this.one(ZONES);
    this.timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const by = this.one(["day", "day", "week", "month"]);
    this.days = { day: 7, week: 100, month: 800 }[by];
    this.selection = {
      by,
      outcomeType: this.one(["", "", TYPES[0]]),
      agentId: this.one(["", "", "7", "none"]),
      status: this.one(["", "", "recorded", "disputed"]),
    };
    this.freshFor = this.one([5, 30, 120]);
    this.mostRecent = this.one([20, 200, 200]);
    now = Date.parse("2026-04-04T00:00:00Z") + Math.floor(this.random(3 * DAY)); // clocks change in this period
    this.outcomes = [];
    this.record(this.one([0, 3, 30]), now - 2 * DAY, now);
    this.watcher = new Watcher(this, {
      found: (found, fresh, isCorrected) => {
        this.find(found);
        this.sums.add(fresh, LiveSummary);
        if (isCorrected) this.sums.correct();
      },
      skipped: () => this.sums.invalidate(),
      forget: () => {
        // In this test, no other user signs in. The watcher calls `forget` only if it knew no outcome and now finds too
        // many to read all.
        assert.equal(this.watcher.newest, null);
        this.known.clear();
        this.watcher.forget();
        this.sums.forget();
      },
    });
  }

  one = (choices) => choices[Math.floor(this.random(choices.length))];

  /** Record outcomes between two times. Each becomes visible a little later, and some much later. */
  record(count, begin, end) {
    const last = this.outcomes.length;
    for (let number = last; number < last + count; number += 1) {
      const created = Math.floor(begin + this.random(end - begin));
      const before = this.one([0, 0, 0, this.random(2 * HOUR), this.random(DAY), this.random(this.days * 2 * DAY)]);
      const created_at = new Date(created).toISOString();
      this.outcomes.push({
        id: `${created_at} ${number}`,
        title: "Closed",
        outcome_type: this.one(TYPES),
        agent_id: this.one([7, 8, null]),
        value_usd: this.one([null, 1, 12, -3, 1200]),
        created_at,
        occurred_at: new Date(created - before).toISOString(),
        status: "recorded",
        version: 0,
        visible: created + this.one([5, 5, 40, 40, 1500, this.random(20 * SECOND), this.random(100 * SECOND)]),
      });
    }
    this.outcomes.sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  get visible() {
    return this.outcomes.filter(({ visible }) => visible <= now);
  }

  /** Advance the clock, and let other requests continue. */
  async wait(milliseconds) {
    now += this.random(milliseconds);
    for (let turns = this.random(12); turns > 1; turns -= 1) await null;
  }

  /** Answer as the API's list does. */
  async list({ from = null, to = null, cursor, limit = 20 }) {
    await this.wait(30);
    // Unlike the API, repeat the outcome of the cursor, to test that the feed ignores duplicates.
    const rest = this.visible.filter(
      ({ created_at, id }) => !(from && created_at < from) && !(to && created_at >= to) && !(cursor && id > cursor),
    );
    const outcomes = rest.slice(0, limit).map((one) => ({ ...one }));
    await this.wait(30);
    return { outcomes, next_cursor: rest.length > limit ? outcomes.at(-1).id : null };
  }

  async summary() {
    await this.wait(30);
    this.asked += 1;
    const { visible, asking, timezone } = this;
    this.counting = visible.map((one) => ({ ...one }));
    let after = new Date(now - 60 * SECOND).toISOString();
    const dropped = visible[this.mostRecent]?.created_at ?? "";
    if (dropped > after) after = dropped;
    const ids = visible.flatMap(({ created_at, id }) => (created_at > after ? [id] : []));
    await this.wait(3 * SECOND);
    return [summarize(this.counting, { ...asking, timezone }, { after, ids }), this.freshFor];
  }

  find(outcomes) {
    for (const one of outcomes) if (!this.known.has(one.id)) this.known.set(one.id, { ...one });
  }

  /** Poll like the element, but read totals and rows at the same time more often than the element does. */
  async poll() {
    const isParallel = this.watcher.isWatching && this.random(2) > 1;
    const rows = this.watcher.catchUp().then((latest) => latest && this.find(latest.outcomes));
    if (isParallel) await this.read();
    await rows;
    await this.read();
    if (!this.sums.isUnknown) this.check();
  }

  async read() {
    const today = new Date(now);
    const period = { from: midnight(1 - this.days, today), to: midnight(1, today) };
    const scope = period.to.toISOString();
    if (!this.sums.isDue(scope)) return;
    if (scope !== this.asking?.scope)
      this.asking = { ...this.selection, ...period, scope, buckets: firstDays({ ...this.selection, ...period }) };
    const { asking } = this;
    await this.sums.read({ scope, query: this.selection }, () => this.summary());
    this.counted = this.counting;
    this.shown = asking;
  }

  /** Check that the shown sums equal those of all outcomes that the summary counts or the feed has found. */
  check() {
    const known = new Map(this.known);
    for (const one of this.counted) known.set(one.id, one);
    assert.deepEqual(sumsOf(this.sums.summary), sumsOf(summarize([...known.values()], this.shown)));
    this.checked += 1;
  }

  /** Correct an outcome that is visible. */
  correct(isOwn) {
    const { visible } = this;
    const one = visible[Math.floor(this.random(Math.min(visible.length, 40)))];
    if (!one || one.status === "void") return;
    Object.assign(one, { version: one.version + 1, status: this.one(["confirmed", "disputed", "void"]) });
    if (this.random(2) > 1) one.value_usd = 5;
    if (!isOwn) return;
    this.known.set(one.id, { ...one });
    this.watcher.markSeen(one);
    this.sums.expire();
  }
}

test("sums to which new outcomes are added agree with the next summary, for random streams", async () => {
  let checked = 0;
  let added = 0;
  for (let seed = 1; seed <= STREAMS; seed += 1) {
    const stream = new Stream(seed);
    const rate = stream.random(1) < 0.03 ? 12 : stream.one([0.02, 0.1, 0.3, 1]);
    const corrects = stream.one([0, 0, 0.3]);
    try {
      await stream.poll();
      let begin = now;
      for (let poll = 0; poll < 6; poll += 1) {
        now += stream.one([5, 15, 60]) * SECOND;
        const end = now + 5 * SECOND; // some outcomes become visible during the poll
        stream.record(Math.round(rate * stream.random(30)), begin, end);
        begin = end;
        if (stream.random(1) < corrects) stream.correct(stream.random(2) > 1);
        const before = stream.asked;
        await stream.poll();
        added += Number(stream.asked === before && !stream.sums.isUnknown);
      }
    } catch (error) {
      error.message = `stream ${seed}: ${error.message}`;
      throw error;
    }
    checked += stream.checked;
  }
  assert.ok(checked > STREAMS, `${checked} checks`);
  assert.ok(added > STREAMS / 2, `${added} polls without a summary`);
});

const SUMMARY = summarize([], { from: new Date(0), to: new Date(DAY), by: "day", buckets: ["1970-01-01"] });
const OUTCOME = {
  id: "B",
  created_at: "1970-01-01T12:00:00.000Z",
  outcome_type: "deal_closed",
  agent_id: 7,
  value_usd: 2,
};
const recent = { after: "1970-01-01T11:00:00.000Z", ids: ["A"] };
const everything = { outcomeType: "", agentId: "", status: "" };

/** Return sums with a summary that is fresh for a minute. */
async function read(sums, more = {}, seconds = 60) {
  process.env.TZ = "UTC";
  const summary = { ...structuredClone(SUMMARY), timezone: "UTC", recent, ...more };
  const isRead = await sums.read({ scope: "all", query: everything }, async () => [summary, seconds]);
  return isRead;
}

test("while a summary is fresh, one correction makes it due, and the viewer's own corrections do so each time", async () => {
  now = 0;
  const sums = new Sums();
  assert.equal(sums.isDue("all"), true);
  await read(sums);
  const due = [];
  for (let seconds = 0; seconds < 300; seconds += 15, now += 15 * SECOND) {
    sums.correct();
    assert.equal(sums.isUnknown, true);
    if (!sums.isDue("all")) continue;
    due.push(seconds);
    await read(sums);
  }
  assert.deepEqual(due, [0, 60, 75, 135, 150, 210, 225, 285]);
  for (let times = 0; times < 3; times += 1) {
    sums.expire();
    assert.equal(sums.isDue("all"), true);
    await read(sums);
    assert.equal(sums.isDue("all"), false);
  }
  assert.equal(sums.isDue("another selection"), true);
});

test("what is added makes a summary due when it is no longer fresh", async () => {
  now = 0;
  const sums = new Sums();
  await read(sums);
  now = 61 * SECOND;
  assert.equal(sums.isDue("all"), false);
  assert.equal(sums.add([{ ...OUTCOME, id: "A" }], LiveSummary), false);
  assert.equal(sums.isDue("all"), false);
  assert.equal(sums.add([OUTCOME], LiveSummary), true);
  assert.deepEqual([sums.summary.count, sums.isDue("all")], [1, true]);
});

test("an outcome is not added if its part of the sums is unknown", async () => {
  for (const [more, outcome] of [
    [{ recent: undefined }, {}], // an older server
    [{ timezone: "America/New_York" }, {}],
    [{ other_agents: { agents: 1, count: 1, value_usd: 1 } }, {}],
    [{}, { version: 1 }],
    [{}, { created_at: recent.after }],
  ]) {
    const sums = new Sums();
    await read(sums, more, 0);
    assert.equal(sums.add([{ ...OUTCOME, ...outcome }], LiveSummary), false);
    assert.deepEqual([sums.summary.count, sums.isUnknown, sums.isDue("all")], [0, true, true]);
  }
});

test("a summary of another user is ignored, and so is the answer to an earlier request", async () => {
  const sums = new Sums();
  const first = read(sums);
  sums.forget();
  assert.deepEqual([await first, sums.summary], [false, null]);
  const [earlier, later] = await Promise.all([read(sums), read(sums)]);
  assert.deepEqual([earlier, later], [false, true]);
});

test("an outcome that is found while a summary is being read is added to it", async () => {
  const sums = new Sums();
  const first = read(sums);
  sums.add([OUTCOME], LiveSummary);
  await first;
  assert.deepEqual([sums.summary.count, sums.isUnknown], [1, false]);
});

test("what becomes unknown while a summary is being read stays unknown until the next one", async () => {
  now = 0;
  const sums = new Sums();
  const first = read(sums);
  sums.correct();
  await first;
  assert.deepEqual([sums.isUnknown, sums.isDue("all")], [true, true]);
  await read(sums);
  assert.equal(sums.isUnknown, false);
});
