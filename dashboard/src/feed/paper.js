import { html } from "../shared/dom.js";
import { inWords } from "../shared/words.js";
import { fact } from "./changes.js";
import { everyDigit, outcomes, whole } from "./format.js";

/** @import {Child} from "../shared/dom.js" */
/**
 * @typedef {{count: number, value_usd: Intl.StringNumericLiteral}} Total
 * @typedef {Total & {confirmed: Total, disputed: Total, voided: Total,
 *   by_type: (Total & {outcome_type: string})[], by_agent: (Total & {agent_id: number | null})[],
 *   other_agents: (Total & {agents: number}) | null}} Totals
 * @typedef {{id: string, issuer: string, user: string, period: string, timezone: string, from: string, cut: string,
 *   previous: string | null, size: number, root: string, issued_at: string, sums: string, totals: Totals,
 *   adjustments: {from: string, to: string, totals: Totals}[], signature: string}} Statement
 */

// A month of the API is one of the Gregorian calendar, whichever calendar the viewer has.
/** @type {Intl.DateTimeFormatOptions} */
const MONTH = { month: "long", year: "numeric", calendar: "gregory" };
const month = new Intl.DateTimeFormat(undefined, { ...MONTH, timeZone: "UTC" });

/** @param {string} period like 2026-10 */
export const monthName = (period) => month.format(new Date(period));

/** @param {Total} total */
const sum = ({ count, value_usd }) => `${outcomes(count)}, ${everyDigit.format(value_usd)}`;

/** @param {string[]} titles @param {Child[][]} rows the first cell of each is its header */
export function table(titles, rows) {
  const head = titles.map((title) => html("th", { scope: "col" }, title));
  const body = rows.map(([first, ...cells]) =>
    html("tr", {}, html("th", { scope: "row" }, first), ...cells.map((cell) => html("td", {}, cell))),
  );
  return html("table", {}, html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...body));
}

/**
 * Append an element to a parent, print the element alone, and then remove it.
 * @param {Element} element
 * @param {Element | null} parent
 */
export function printAlone(element, parent) {
  parent?.append(element);
  addEventListener("afterprint", () => element.remove(), { once: true });
  print();
}

/** @param {string} title @param {[name: string, part: Total][]} parts */
function split(title, parts) {
  if (!parts.length) return [];
  const rows = parts.map(([name, { count, value_usd }]) => [name, whole.format(count), everyDigit.format(value_usd)]);
  return [html("h4", {}, title), table(["", "Outcomes", "Value"], rows)];
}

/**
 * Render a month's statement for print.
 * @param {Statement} statement
 * @param {(id: number | null) => string} agentName
 */
export function paper(statement, agentName) {
  const { id, issuer, user, period, timezone, from, cut, size, root, sums, previous, totals, adjustments } = statement;
  /** @param {Intl.DateTimeFormatOptions} options */
  const format = (options) => new Intl.DateTimeFormat(undefined, { ...options, timeZone: timezone });
  const time = format({ dateStyle: "medium", timeStyle: "long" });
  const otherMonth = format(MONTH);
  const [first, last] = [from, Date.parse(cut) - 1].map((instant) => new Date(instant));
  const { kid } = JSON.parse(atob(statement.signature.split(".")[0].replaceAll("-", "+").replaceAll("_", "/")));
  /** @param {string} name @param {Totals} of */
  const row = (name, of) => [name, ...[of, of.confirmed, of.disputed, of.voided].map(sum)];
  const changes = adjustments.map((one) => row(otherMonth.format(new Date(one.from)), one.totals));
  /** @type {[string, Total][]} */
  const agents = totals.by_agent.map((one) => [agentName(one.agent_id), one]);
  const others = totals.other_agents;
  if (others) agents.push([`${whole.format(others.agents)} other agents`, others]);
  const tallies = ["Claimed", "of these confirmed", "Disputed", "Void"];
  return html(
    "article",
    { class: "sheet" },
    html("h3", {}, `Statement of ${monthName(period)}`),
    html("p", { class: "help" }, `${format({ dateStyle: "long" }).formatRange(first, last)}, ${timezone}`),
    html("p", { class: "sum" }, everyDigit.format(totals.value_usd)),
    table(["", ...tallies], [row(monthName(period), totals)]),
    ...split(
      "By type",
      totals.by_type.map((one) => [inWords(one.outcome_type), one]),
    ),
    ...split("By agent", agents),
    ...(changes.length
      ? [html("h4", {}, "Adjustments: what changed in other months"), table(["", ...tallies], changes)]
      : []),
    html("h4", {}, "Signature"),
    html(
      "dl",
      {},
      fact("Statement", id),
      fact("Issuer", issuer),
      fact("User", user),
      fact("Recorded", `from ${time.format(first)} to before ${time.format(new Date(cut))}`),
      fact("Signed", time.format(new Date(statement.issued_at))),
      fact("Key", kid),
      fact("Entries", whole.format(size)),
      fact("Root", root),
      fact("Sums", sums),
      fact("Previous", previous ?? "none: this is the first statement"),
    ),
    html("p", {}, html("strong", {}, "The signature proves what the platform said and when, not that it is true.")),
    html("p", { class: "help" }, "To check it, verify the downloaded file: this page is only a copy of what it says."),
  );
}
