// The page verify.html: verifies the chosen files, and shows what they say. Nothing is sent.
import { StatementError, verify } from "../../../clients/typescript/src/statements.ts";

/** @typedef {import("../../../clients/typescript/src/statements.ts").Files} Files */
/** @typedef {import("../../../clients/typescript/src/statements.ts").Totals} Totals */
/** @typedef {import("../../../clients/typescript/src/statements.ts").Total} Total */
/** @typedef {import("../../../clients/typescript/src/statements.ts").Verified} Verified */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const output = /** @type {HTMLOutputElement} */ (document.querySelector("output"));
const DOLLARS = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 100 });
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
      paragraph.textContent = line;
      return paragraph;
    }),
  );
}

/** @returns {Promise<[kind: string, ...lines: string[]]>} The result's kind, and its lines for people. */
async function result() {
  try {
    const files = await chosen();
    if (!files.keys || !(files.statement || files.proof)) return ["", CHOOSE];
    if (!files.statement && (files.entries || files.previous)) return ["", "Choose the statement, too."];
    return ["verified", ...said(await verify(/** @type {Files} */ (files)), files)];
  } catch (error) {
    if (error instanceof StatementError) return ["refused", `Refused: ${error.message}`];
    if (!isSecureContext) return ["refused", "Not verified: open this page over https."];
    return ["refused", `Not verified, because this browser failed: ${error}`];
  }
}

/** @returns {Promise<Partial<Files>>} The bytes of the chosen files. */
async function chosen() {
  const inputs = [...form.querySelectorAll("input")].filter((input) => input.files?.length);
  const bytes = async (/** @type {HTMLInputElement} */ { name, files }) => {
    const file = /** @type {FileList} */ (files)[0];
    return [name, new Uint8Array(await /** @type {File} */ (file).arrayBuffer())];
  };
  return Object.fromEntries(await Promise.all(inputs.map(bytes)));
}

/**
 * @param {Verified} verified
 * @param {Partial<Files>} files
 * @returns {string[]}
 */
function said({ head, totals, adjustments = [], entries }, files) {
  const lines = [`Verified: ${head.id} of ${head.issuer}, signed ${head.issued_at}`];
  if (totals) lines.push(`Total: ${sums(totals)}`);
  for (const { from, to, totals: changed } of adjustments) lines.push(`Change of ${from} to ${to}: ${sums(changed)}`);
  for (const { id, created_at, title, type, outcome_id } of entries) {
    lines.push(`Contains ${id}, recorded ${created_at}: ${title ?? `${type} of ${outcome_id}`}`);
  }
  if (entries.length) lines.push("A proof shows what was recorded, not that nothing corrects it later.");
  if (totals && !files.entries) lines.push("Not verified: whether the sums follow from the entries.");
  if (totals && head.previous && !files.previous)
    lines.push("Not verified: whether it continues the previous statement.");
  return lines;
}

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
