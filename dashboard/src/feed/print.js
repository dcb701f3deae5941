import { html } from "../shared/dom.js";
import { decimal, minus, plus } from "../shared/numbers.js";
import { Problem } from "../shared/request.js";
import { inWords } from "../shared/words.js";
import { LARGEST_PAGE } from "./api.js";
import { amount, cents, fullDay, outcomes, whole } from "./format.js";
import { happenedAt } from "./merge.js";
import { printAlone, table } from "./paper.js";
import { retry } from "./parts.js";
import { dateIn } from "./zone.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {Outcome, OutcomePage} from "./api.js" */
/** @import {DocumentContext} from "./documents.js" */

/**
 * Return the number and value of outcomes, without disputed and void ones unless a status is selected.
 * @param {Outcome[]} found
 * @param {boolean} isOfStatus
 */
function totalOf(found, isOfStatus) {
  const counted = found.filter(({ status }) => isOfStatus || (status !== "disputed" && status !== "void"));
  const sum = counted.reduce((sum, { value_usd }) => plus(sum, value_usd ?? 0), /** @type {Exact} */ (0));
  return { count: counted.length, sum };
}

/**
 * Render all outcomes of a selection and their total.
 * @param {Outcome[]} found
 * @param {DocumentContext} context
 */
export function ledger(found, { choice, agent, totals }) {
  const isOfStatus = Boolean(choice.query.status);
  const { count, sum } = totalOf(found, isOfStatus);
  const rows = found.map((outcome) => {
    const { title, outcome_type, agent_id, status, value_usd } = outcome;
    const days = [happenedAt(outcome), outcome.created_at].map((at) => dateIn(choice.zone, at));
    const [happened, recorded] = days.map((day) => fullDay.format(new Date(day)));
    return [
      happened,
      html("span", { dir: "auto" }, title),
      inWords(outcome_type),
      agent(agent_id),
      status && status !== "recorded" ? inWords(status) : "",
      recorded === happened ? "" : recorded,
      amount(value_usd),
    ];
  });
  const titles = ["Happened", "Outcome", "Type", "Agent", "Status", "Recorded", "Value"];
  const said = totals.sums.summary?.by_rule ? " claimed" : ` count${count === 1 ? "s" : ""}`; // by her rule, not all count
  const total = html(
    "p",
    { class: "sum" },
    `${outcomes(count)}${isOfStatus ? "" : said}: ${cents.format(decimal(sum))}`,
  );
  return html("div", { class: "ledger" }, html("h3", {}, outcomes(found.length)), table(titles, rows), total);
}

/**
 * Load all outcomes of the selection. Throws a Problem.
 * @param {DocumentContext} context
 * @param {HTMLProgressElement} bar
 * @param {AbortSignal} signal
 */
async function load({ api, choice, totals }, bar, signal) {
  const { scope, query } = choice;
  const most = totals.listed;
  const { readAt } = totals.sums;
  /** @type {Outcome[]} */
  const found = [];
  /** @type {string | null} */
  let cursor = null;
  do {
    /** @type {string | null} */
    const after = cursor;
    /** @type {OutcomePage} */
    const page = await retry(
      () => api.page({ ...query, time: "occurred", limit: LARGEST_PAGE }, after, signal),
      signal,
    );
    found.push(...page.outcomes);
    if (page.outcomes.some(({ user_id }) => user_id !== found[0].user_id))
      throw new Problem("error", "Another user has signed in.");
    if (scope !== choice.scope) throw new Problem("error", "The selection has changed.");
    cursor = page.next_cursor ?? null;
    if (most) bar.value = Math.min(1, found.length / most);
    bar.title = most ? `${whole.format(found.length)} of ${whole.format(most)}` : whole.format(found.length);
  } while (cursor);
  if (api.has("totals") && (totals.sums.isUnknown || totals.isOther))
    throw new Problem("error", "The total could not be read.");
  // The totals lack what was recorded since they were read. Older servers do not say so.
  const { summary } = totals.sums;
  const { after, ids } = summary?.recent ?? { after: "~", ids: [] };
  const told = found.filter(({ id, created_at }) => created_at <= after || ids.includes(id));
  const { count, sum } = totalOf(told, Boolean(query.status));
  const isOther = summary?.recent && (count !== summary.count || Number(decimal(minus(sum, summary.value_usd))) !== 0);
  // One was corrected, or the viewer returned to the tab, which reads all again.
  if (isOther || readAt !== totals.sums.readAt || most !== totals.listed)
    throw new Problem("error", "The outcomes have changed meanwhile.");
  return told;
}

/**
 * Load all outcomes of the selection, and print them.
 * @param {HTMLElement} opener
 * @param {DocumentContext} context
 * @param {HTMLProgressElement} bar
 * @param {AbortSignal} signal
 */
export async function printAll(opener, context, bar, signal) {
  const { watcher } = context;
  watcher.pause(); // a poll would change the total above the table
  try {
    printAlone(ledger(await load(context, bar, signal), context), opener.closest(".feed"));
  } finally {
    void watcher.poll();
  }
}
