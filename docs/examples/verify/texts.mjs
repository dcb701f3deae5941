// The texts of docs/statement-format.md: parse them, and refuse those that are written in another way.

export class Refused extends Error {}

export function check(word, passed, expected) {
  if (!passed) throw new Refused(`${word}: expected ${expected}`);
}

// The kinds of values, as regular expressions of their JSON.
const kinds = {
  string: String.raw`"[^"\\\u0000-\u001f]*(?:\\(?:["\\bfnrt]|u00[01][0-9a-f])[^"\\\u0000-\u001f]*)*"`,
  number: String.raw`-?\d+`,
  money: String.raw`"(?!-0")-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?"`,
  moneyOfSums: String.raw`"(?!-0\.00")-?(?:0|[1-9]\d*)\.\d\d(?:\d*[1-9])?"`,
  instant: String.raw`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`,
  hash: '"[0-9a-f]{64}"',
  salt: '"[0-9a-f]{32}"',
  digest: '"sha256:[0-9a-f]{64}"',
  null: "null",
};

// A table of members is "name:kind name:kind|kind ...". What is no kind is the value itself.
const rowsOf = (table) => table.split(" ").map((row) => row.split(":"));
const namesOf = (table) => rowsOf(table).map(([name]) => name);
const kindOf = (name) => kinds[name] ?? `"${name}"`;
const oneOf = (names) => `(?:${names.split("|").map(kindOf).join("|")})`;
const object = (table) => `\\{${rowsOf(table).map(([name, kind]) => `"${name}":${oneOf(kind)}`)}\\}`;
const list = (item) => `\\[(?:${item}(?:,${item})*)?\\]`;
const whole = (pattern) => new RegExp(`^(?:${pattern})$`);

const HEAD =
  "format:string id:string issuer:string user:string period:string timezone:string from:string cut:string " +
  "previous:string|null size:number root:string issued_at:string sums:string";
const SIGNED = "head:head signature:string";
const STEP = "index:number salt:salt text:string path:path";
const LINE = "salt:salt text:string";
const KEY = "kid:string x:string valid_from:instant valid_until:instant|null";
const OUTCOME =
  "id:string agent_id:number|null outcome_type:string title:string description:string|null value_usd:money|null " +
  "metadata_sha256:digest|null occurred_at:instant created_at:instant recorded_by:string|null";
const AMENDABLE =
  "outcome_type:string title:string description:string|null value_usd:money|null agent_id:number|null " +
  "metadata_sha256:digest|null occurred_at:instant";
const correction = (type, changes) =>
  `id:string outcome_id:string type:${type} reason:string|null by:string created_at:instant changes:${changes} ` +
  "before:values after:values";
const AMEND = correction("amend", "changes");
const OTHER = correction("void|confirm|dispute|uphold", "null");

const change = ([name, kind]) => `(?:"${name}":${object(`before:${kind} after:${kind}`)}(?:,(?!\\})|(?=\\})))?`;
kinds.changes = `\\{${rowsOf(AMENDABLE).map(change).join("")}\\}`;
kinds.status = oneOf("recorded|confirmed|disputed|void");
kinds.values = object(
  "status:status value_usd:money|null outcome_type:string agent_id:number|null occurred_at:instant",
);
kinds.head = object(HEAD);
kinds.path = list(kinds.hash);
kinds.tally = object("count:number value_usd:moneyOfSums");
kinds.types = list(object("outcome_type:string count:number value_usd:moneyOfSums"));
kinds.agents = list(object("agent_id:number|null count:number value_usd:moneyOfSums"));
kinds.totals = object(
  "count:number value_usd:moneyOfSums confirmed:tally disputed:tally voided:tally by_type:types by_agent:agents",
);
kinds.steps = `(?!\\[\\])${list(object(STEP))}`;

export const HEAD_NAMES = namesOf(HEAD);
const SUMS_NAMES = ["totals", "adjustments", "sums_salt"];
const STATEMENT_NAMES = [...HEAD_NAMES, ...SUMS_NAMES, "signature"];
const PROOF_NAMES = ["head", ...HEAD_NAMES, "signature", "entries", ...namesOf(STEP)];
const HEAD_TEXT = whole(kinds.head);
const PROOF_TEXT = whole(object(`${SIGNED} entries:steps`));
const LINE_TEXT = whole(object(LINE));
const KEY_TEXT = whole(object(KEY));
const TOTALS_TEXT = whole(kinds.totals);
const ADJUSTMENT_TEXT = whole(object("from:instant to:instant totals:totals"));
const ENTRY_TEXT = whole([OUTCOME, AMEND, OTHER].map(object).join("|"));

/**
 * Parse JSON in UTF-8. Return undefined if it is not JSON, if a name is twice in an object, if a string has an unpaired
 * surrogate, if a number is of another kind, or if the text has to be exact and has blanks or other escapes.
 */
export function parse(bytes, exact, isNumber = Number.isSafeInteger) {
  const parseMember = (_, member) => {
    if (typeof member === "number" && !isNumber(member)) throw new RangeError(`${member}`);
    return member;
  };
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value = JSON.parse(text, parseMember);
    const open = []; // for each object that is not closed, the names of its members so far
    for (const [, token, colon] of text.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*"|[{}])(\s*:)?/g)) {
      if (token === "{") open.push(new Set());
      if (token === "}") open.pop();
      if (colon && open.at(-1).has(JSON.parse(token))) return undefined;
      if (colon) open.at(-1).add(JSON.parse(token));
    }
    const written = JSON.stringify(value);
    const hasSurrogate = /(?<!\\)(?:\\\\)*\\ud/.test(written);
    return hasSurrogate || (exact && written !== text) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Parse a text in any layout that has the members of this pattern and no others. */
function read(bytes, names, pattern, what) {
  const value = parse(bytes);
  const text = JSON.stringify(value, names);
  const isRight = pattern.test(text) && text.length === JSON.stringify(value).length;
  check("format", isRight, `${what} as JSON with the members of the page, each once`);
  return value;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export function readStatement(bytes) {
  const value = parse(bytes, true) ?? {};
  const { totals, adjustments, sums_salt, signature } = value;
  const isRight =
    String(Object.keys(value)) === String(STATEMENT_NAMES) &&
    HEAD_TEXT.test(JSON.stringify(value, HEAD_NAMES)) &&
    isObject(totals) &&
    Array.isArray(adjustments) &&
    [sums_salt, signature].every((member) => typeof member === "string");
  check("format", isRight, "the statement as an exact text with the members of the page");
  return value;
}

export const readProof = (bytes) => read(bytes, PROOF_NAMES, PROOF_TEXT, "the proof");

/** Parse the lines of a file of entries. The last line may lack its line end. */
export function readLines(bytes) {
  const lines = bytes.toString("latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, at) => read(Buffer.from(line, "latin1"), namesOf(LINE), LINE_TEXT, `entry ${at}`));
}

/** Parse a JWK set. Return its Ed25519 keys: RFC 7517 demands to ignore other keys and other members. */
export function readKeys(bytes) {
  const { keys } = parse(bytes, false, Number.isFinite) ?? {};
  const isEd25519 = (key) => key.kty === "OKP" && key.crv === "Ed25519";
  const isKey = (key) => isObject(key) && (!isEd25519(key) || KEY_TEXT.test(JSON.stringify(key, namesOf(KEY))));
  check("format", Array.isArray(keys) && keys.every(isKey), "a JWK set whose keys have the members of the page");
  return keys.filter(isEd25519);
}

export const isTotals = (value) => TOTALS_TEXT.test(JSON.stringify(value));
export const isAdjustment = (value) => ADJUSTMENT_TEXT.test(JSON.stringify(value));

/** Parse the texts of entries in their order. */
export function readEntries(entries, { from, cut }, word) {
  let [lastTime, lastId] = ["", ""];
  const ids = new Set();
  return entries.map(({ text }) => {
    check(word, ENTRY_TEXT.test(text) && parse(Buffer.from(text), true), `an exact text of an entry, not ${text}`);
    const entry = JSON.parse(text);
    const { id, created_at } = entry;
    check(word, from <= created_at && created_at < cut, `${id} to be recorded from ${from} to before ${cut}`);
    const isLater = created_at === lastTime ? compare(lastId, id) < 0 : lastTime < created_at;
    check(word, isLater && !ids.has(id), `${id} to be after ${lastId}, and only once`);
    [lastTime, lastId] = [created_at, id];
    ids.add(id);
    return entry;
  });
}

/** Compare strings by code points, which is the order of their bytes in UTF-8. */
export const compare = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other));
