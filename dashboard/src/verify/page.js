// The page verify.html: verifies the chosen files, and shows what they say. Nothing is sent.
import { verifyMonths } from "../../../clients/typescript/src/statement-months.ts";
import { printable, StatementError, verify } from "../../../clients/typescript/src/statements.ts";

/** @typedef {import("../../../clients/typescript/src/statements.ts").Files} Files */
/** @typedef {import("../../../clients/typescript/src/statements.ts").Head} Head */
/** @typedef {import("../../../clients/typescript/src/statement-months.ts").SumOfTotals} Totals */
/** @typedef {import("../../../clients/typescript/src/statement-months.ts").VerifiedMonths} VerifiedMonths */
/** @typedef {import("../../../clients/typescript/src/statements.ts").Total} Total */
/** @typedef {import("../../../clients/typescript/src/statements.ts").Verified} Verified */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const output = /** @type {HTMLOutputElement} */ (document.querySelector("output"));
const DOLLARS = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 100 });
const MONTH = new Intl.DateTimeFormat("en-US", { month: "long", year: "numeric", timeZone: "UTC" });
const CHOOSE = /** @type {string} */ (output.textContent);
let latest = 0;

form.addEventListener("change", check);
check(); // browsers keep the chosen files when a page is loaded again

async function check() {
  const mine = ++latest;
  show("", "Checking…"); // at once, so that no earlier result seems to be of these files
  const [kind, ...lines] = await result();
  if (mine === latest) show(kind, ...lines); // otherwise, other files were chosen meanwhile
}

/**
 * @param {string} kind
 * @param {string[]} lines
 */
function show(kind, ...lines) {
  output.className = kind;
  output.replaceChildren(
    ...lines.map((line) => {
      const paragraph = document.createElement("p");
      paragraph.textContent = printable(line);
      return paragraph;
    }),
  );
}

/** @returns {Promise<[kind: string, ...lines: string[]]>} The result's kind, and its lines for people. */
async function result() {
  try {
    const { statements, ...files } = await chosen();
    if (!files.keys || !(files.statement || files.proof)) return ["", CHOOSE];
    if (statements.length > 1) {
      if (files.entries || files.proof) return ["", "Entries and a proof are of one statement: choose only this one."];
      const { keys, previous } = files;
      return ["verified", ...saidOfMonths(await verifyMonths({ statements, keys, previous }), files)];
    }
    if (!files.statement && (files.entries || files.previous)) return ["", "Choose the statement, too."];
    return ["verified", ...said(await verify(/** @type {Files} */ (files)), files)];
  } catch (error) {
    if (error instanceof StatementError) return ["refused", `Refused: ${error.message}`];
    if (!isSecureContext) return ["refused", "Not verified: open this page over https."];
    return ["refused", `Not verified, because this browser failed: ${error}`];
  }
}

/** @returns {Promise<Partial<Files> & {statements: Uint8Array[]}>} The bytes of the chosen files. */
async function chosen() {
  const bytes = async (/** @type {HTMLInputElement} */ { name, files }) =>
    /** @type {const} */ ([
      name,
      await Promise.all([...(files ?? [])].map(async (file) => new Uint8Array(await file.arrayBuffer()))),
    ]);
  const all = new Map(await Promise.all([...form.querySelectorAll("input")].map(bytes)));
  const first = [...all].map(([name, [file]]) => [name, file]).filter(([, file]) => file);
  return { ...Object.fromEntries(first), statements: all.get("statement") ?? [] };
}

/**
 * @param {Verified} verified
 * @param {Partial<Files>} files
 * @returns {string[]}
 */
function said({ head, totals, adjustments = [], entries }, files) {
  const lines = [named(head)];
  if (totals) lines.push(`Total: ${sums(totals)}`, ...adjustments.map(change));
  for (const { id, created_at, title, type, outcome_id } of entries) {
    const what = title === undefined ? `${type} of ${outcome_id}` : quoted(`${title}`);
    lines.push(`Contains ${id}, recorded ${created_at}: ${what}`);
  }
  if (entries.length) lines.push("A proof shows what was recorded, not that nothing corrects it later.");
  if (totals && !files.entries) lines.push("Not verified: whether the sums follow from the entries.");
  if (totals && head.previous && !files.previous)
    lines.push("Not verified: whether it continues the previous statement.");
  return lines;
}

/**
 * @param {VerifiedMonths} months
 * @param {Partial<Files>} files
 * @returns {string[]}
 */
function saidOfMonths({ statements, totals, changes }, files) {
  const heads = statements.map(({ head }) => head);
  const [first, last] = /** @type {[Head, Head]} */ ([heads[0], heads.at(-1)]);
  const lines = [
    ...heads.map(named),
    `${monthsFrom(first.period, last.period)}: ${sums(totals)}`,
    ...changes.map(change),
  ];
  lines.push("Not verified: whether the sums follow from the entries, of one statement at a time.");
  if (first.previous && !files.previous) lines.push("Not verified: whether they continue the previous statement.");
  return lines;
}

/** Name a range of months: "October to December 2026", or "November 2026 to January 2027". @param {string[]} periods */
function monthsFrom(...periods) {
  const [begin, end] = periods.map((period) => MONTH.format(Date.parse(period)).split(" "));
  return `${(begin[1] === end[1] ? begin.slice(0, 1) : begin).join(" ")} to ${end.join(" ")}`;
}

/** @param {Head} head */
const named = ({ id, issuer, issued_at }) => `Verified: ${id} of ${issuer}, signed ${issued_at}`;

/** @param {{from: string, to: string, totals: Totals}} adjustment */
const change = ({ from, to, totals }) => `Change of ${from} to ${to}: ${sums(totals)}`;

/**
 * Puts quotes around a text of somebody else, and escapes those in it.
 *
 * @param {string} text
 */
const quoted = (text) => JSON.stringify(printable(text));

/** @param {Totals} totals */
function sums(totals) {
  const apart = /** @type {const} */ (["confirmed", "disputed", "voided"])
    .filter((tally) => totals[tally].count || /[1-9]/.test(totals[tally].value_usd))
    .map((tally) => `${tally}: ${sum(totals[tally])}`);
  return [sum(totals), ...apart].join("; ");
}

/** @param {Total} total */
const sum = ({ count, value_usd }) =>
  // Format amounts from their text, because a number could not hold all digits.
  `${count} ${count === 1 ? "outcome" : "outcomes"}, ${DOLLARS.format(/** @type {`${number}`} */ (value_usd))}`;
