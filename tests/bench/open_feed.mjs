// node open_feed.mjs JSON: count the requests of an open feed, with a simulated clock and without a DOM. The JSON has
// `rate` (outcomes a second), `refresh` and `freshFor` (seconds), and `from` and `to`: requests count between these
// seconds. Prints JSON: `lists` (how many lists were requested, by the number of their outcomes) and `summaries`.
import { LiveSummary } from "../../dashboard/src/feed/live-summary.js";
import { midnight } from "../../dashboard/src/feed/period.js";
import { Sums } from "../../dashboard/src/feed/sums.js";
import { Watcher } from "../../dashboard/src/feed/watcher.js";

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

const feed = JSON.parse(process.argv[2]);
const step = 1000 / (feed.rate || 1e-9);
const counted = { lists: {}, summaries: 0 };
const isCounted = () => now >= feed.from * 1000 && now < feed.to * 1000;
const newest = () => Math.floor((now + BEFORE) / step);

function outcome(number) {
  const [created_at, type] = [iso(number * step - BEFORE), ["deal_closed", "task_complete"][number % 2]];
  return { id: String(number).padStart(9, "0"), created_at, outcome_type: type, agent_id: 7, value_usd: 12.5, version: 0 };
}

async function list({ from, to, cursor, limit = 20 }) {
  const outcomes = [];
  let number = cursor ? Number(cursor) - 1 : newest();
  for (; number >= 0 && outcomes.length < limit; number -= 1) {
    const one = outcome(number);
    if (from && one.created_at < from) break;
    if (!to || one.created_at < to) outcomes.push(one);
  }
  const isLast = number < 0 || (from && outcome(number).created_at < from);
  if (isCounted()) counted.lists[outcomes.length] = (counted.lists[outcomes.length] ?? 0) + 1;
  return { outcomes, next_cursor: isLast ? null : outcomes.at(-1).id };
}

async function summary() {
  if (isCounted()) counted.summaries += 1;
  const [from, to] = [midnight(-29, new Date(NOON)), midnight(1, new Date(NOON))].map((day) => day.toISOString());
  const { timeZone: timezone } = Intl.DateTimeFormat().resolvedOptions();
  const latest = Array.from({ length: Math.min(200, newest() + 1) }, (_, ago) => outcome(newest() - ago));
  const recent = { after: latest.at(-1)?.created_at ?? iso(-BEFORE), ids: latest.slice(0, -1).map(({ id }) => id) };
  const sum = { count: 0, value_usd: 0, by_type: [], by_agent: [], by_day: [{ date: "2026-05-01", count: 0, value_usd: 0 }] };
  return [{ ...sum, from, to, timezone, recent }, feed.freshFor];
}

const sums = new Sums();
const choice = { scope: "all", query: { outcomeType: "", agentId: "" } };
let isListDue = false;
const watcher = new Watcher(
  { list },
  {
    isHidden: () => false,
    interval: () => feed.refresh,
    retryAfter: () => 0,
    render: () => {},
    read: async (signal) => {
      // Like element.js, read new outcomes before the sums.
      await watcher.catchUp(signal);
      if (isListDue) await list({});
      isListDue = false;
      if (sums.isDue("all")) await sums.read(choice, summary);
    },
    found: (_found, fresh, isCorrected) => {
      sums.add(fresh, LiveSummary);
      if (isCorrected) sums.correct();
    },
    skipped: () => {
      sums.invalidate();
      isListDue = true;
    },
    forget: () => {},
  },
);
watcher.start(new AbortController().signal);
while (now < feed.to * 1000) {
  for (timer = null; !timer; ) await turn();
  now = timer.at;
  timer.callback();
}
console.log(JSON.stringify(counted));
process.exit(); // do not wait for a poll that may be running
