// node open_feed.mjs JSON: count the requests of an open feed, with a simulated clock. The JSON has `rate` (outcomes a
// second), `refresh` and `freshFor` (seconds), and `from` and `to`: requests count between these seconds. Prints JSON:
// `lists` (how many lists were requested, by the number of outcomes in the answer) and `summaries` (how many).
import { midnight } from "../dashboard/src/feed/period.js";
import { Sums } from "../dashboard/src/feed/sums.js";
import { Watcher } from "../dashboard/src/feed/watcher.js";

const NOON = Date.parse("2026-05-01T12:00:00Z");
const BEFORE = 60_000; // outcomes recorded before the feed is opened

let now = 0; // milliseconds since the feed was opened
let timer = null;
performance.now = () => now;
globalThis.setTimeout = (callback, milliseconds) => {
  timer = { callback, at: now + milliseconds };
};
globalThis.clearTimeout = () => {
  timer = null;
};
const turn = () => new Promise((resolve) => setImmediate(resolve));
const iso = (milliseconds) => new Date(NOON + milliseconds).toISOString();

/** Simulates an API where a new outcome is recorded every 1 / rate seconds. */
class Stream {
  lists = {};
  summaries = 0;

  constructor({ rate, from, to, freshFor }) {
    Object.assign(this, { from, to, freshFor, step: 1000 / (rate || 1e-9) });
  }

  get isCounted() {
    return now >= this.from * 1000 && now < this.to * 1000;
  }

  outcome(number) {
    const created_at = iso(number * this.step - BEFORE);
    const type = ["deal_closed", "task_complete"][number % 2];
    return { id: String(number).padStart(9, "0"), created_at, outcome_type: type, agent_id: 7, value_usd: 12.5, version: 0 };
  }

  get newest() {
    return Math.floor((now + BEFORE) / this.step);
  }

  async list({ from, to, cursor, limit = 20 }) {
    const outcomes = [];
    let number = cursor ? Number(cursor) - 1 : this.newest;
    for (; number >= 0 && outcomes.length < limit; number -= 1) {
      const one = this.outcome(number);
      if (from && one.created_at < from) break;
      if (!to || one.created_at < to) outcomes.push(one);
    }
    const isLast = number < 0 || (from && this.outcome(number).created_at < from);
    if (this.isCounted) this.lists[outcomes.length] = (this.lists[outcomes.length] ?? 0) + 1;
    return { outcomes, next_cursor: isLast ? null : outcomes.at(-1).id };
  }

  async summary() {
    if (this.isCounted) this.summaries += 1;
    const [from, to] = [midnight(-29, new Date(NOON)), midnight(1, new Date(NOON))].map((day) => day.toISOString());
    const { timeZone: timezone } = Intl.DateTimeFormat().resolvedOptions();
    const latest = Array.from({ length: Math.min(200, this.newest + 1) }, (_, ago) => this.outcome(this.newest - ago));
    const recent = { after: latest.at(-1)?.created_at ?? iso(-BEFORE), ids: latest.slice(0, -1).map(({ id }) => id) };
    const sum = { count: 0, value_usd: 0, by_type: [], by_agent: [], by_day: [{ date: "2026-05-01", count: 0, value_usd: 0 }] };
    return [{ ...sum, from, to, timezone, recent }, this.freshFor];
  }
}

const feed = JSON.parse(process.argv[2]);
const stream = new Stream(feed);
const sums = new Sums();
const readSums = async () => {
  if (sums.isDue("all")) await sums.read("all", { outcomeType: "", agentId: "" }, () => stream.summary());
};
const watcher = new Watcher(stream, {
  isHidden: () => false,
  interval: () => feed.refresh,
  retryAfter: () => 0,
  render: () => {},
  read: async (signal) => {
    // Like element.js, read new outcomes before the sums.
    await watcher.catchUp(signal);
    await readSums();
  },
  found: (_found, fresh, isCorrected) => {
    sums.add(fresh);
    if (isCorrected) sums.correct();
  },
  skipped: () => sums.invalidate(),
  forget: () => {},
});
watcher.start(new AbortController().signal);
while (now < feed.to * 1000) {
  for (timer = null; !timer; ) await turn();
  now = timer.at;
  timer.callback();
}
console.log(JSON.stringify({ lists: stream.lists, summaries: stream.summaries }));
process.exit(); // do not wait for a poll that may be running
