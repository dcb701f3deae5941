// Verifies statements offline with WebCrypto, as docs/statement-format.md says. This module is written from that page
// alone: sharing the API's code would repeat the API's mistakes.

import {
  type Agents,
  APART,
  byCodePoints,
  type Counted,
  fold,
  MONEY_OF_SUMS,
  Sum,
  type Totals,
} from "./statement-sums.js";

export type { Total, Totals } from "./statement-sums.js";

// docs/statement-format.md lists these characters. The joiners U+200C and U+200D are kept, because emoji and some
// scripts need them.
const DECEIVING =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_C}\u180e\u200b\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** Replaces each character that could deceive the reader of a line with U+FFFD. */
export const printable = (text: string): string => text.replace(DECEIVING, "\ufffd");

export const CAVEAT = "The signature proves what the platform said and when, not that it is true.";

/** The checks, in the order in which they run. */
export type Word =
  | "format"
  | "key"
  | "signature"
  | "size"
  | "root"
  | "totals"
  | "adjustments"
  | "definition"
  | "previous"
  | "proof";

/** A statement or a proof does not verify. `word`: the first check that failed. The message begins with it. */
export class StatementError extends Error {
  override readonly name = "StatementError";

  constructor(
    readonly word: Word,
    why: string,
  ) {
    super(printable(`${word}: ${why}`)); // `why` quotes files of others
  }
}

/** A file's bytes or text, as the API served it. */
export type File = Uint8Array | string;

/** The files to verify. Without a statement, only a proof is verified. */
export interface Files {
  statement?: File | null | undefined;
  /** The issuer's keys, obtained from another source than the statement. */
  keys: File;
  /** The statement's entries, which must add up to its sums. */
  entries?: File | null | undefined;
  /** A proof of one outcome, which must belong to this statement. */
  proof?: File | null | undefined;
  /** The previous statement, which this statement must continue. */
  previous?: File | null | undefined;
}

/** The verified content. docs/statement-format.md describes its members. `entries` are from the proof. */
export interface Verified {
  head: Head;
  /** Undefined if only a proof was verified. */
  totals: Totals | undefined;
  adjustments: Adjustment[] | undefined;
  entries: Fields[];
}

export interface Head {
  format: string;
  id: string;
  issuer: string;
  user: string;
  period: string;
  timezone: string;
  from: string;
  cut: string;
  previous: string | null;
  size: number;
  root: string;
  issued_at: string;
  sums: string;
}

export interface Adjustment {
  from: string;
  to: string;
  totals: Totals;
}

export type Fields = Record<string, unknown>;
type Kind = "string" | "number" | "object" | "list" | "string or null" | "object or null";
type Kinds = Record<string, Kind>;
type Signed = { head: Head; text: string; signature: string };
type Sums = { totals: Totals; adjustments: Adjustment[]; definition: Fields | null; sums_salt: string };
type Leaf = { hash: Bytes; text: string };
type Proven = { place: number; leaf: Leaf; path: string[] };
type Entry = { fields: Fields; before: Counted | undefined; after: Counted };
type Bytes = Uint8Array<ArrayBuffer>;

const FORMAT = "outcomes-statement/1";
const HEAD: Kinds = {
  format: "string",
  id: "string",
  issuer: "string",
  user: "string",
  period: "string",
  timezone: "string",
  from: "string",
  cut: "string",
  previous: "string or null",
  size: "number",
  root: "string",
  issued_at: "string",
  sums: "string",
};
const SUMS: Kinds = { totals: "object", adjustments: "list", definition: "object or null", sums_salt: "string" };
const SIGNATURE: Kinds = { signature: "string" };
const KEY: Kinds = { kid: "string", x: "string", valid_from: "string", valid_until: "string or null" };
const LINE: Kinds = { salt: "string", text: "string" };
const OUTCOME =
  "id,agent_id,outcome_type,title,description,value_usd,metadata_sha256,occurred_at,created_at,recorded_by";
const CORRECTION = "id,outcome_id,type,reason,by,created_at,changes,before,after";
const COUNTED = "status,value_usd,outcome_type,agent_id,occurred_at";
const CHANGES = "outcome_type,title,description,value_usd,agent_id,metadata_sha256,occurred_at";
const SUM: Kinds = { count: "number", value_usd: "string" };
const TOTALS: Kinds = {
  ...SUM,
  confirmed: "object",
  disputed: "object",
  voided: "object",
  by_type: "list",
  by_agent: "list",
  other_agents: "object or null",
};
const DEFINITION: Kinds = { from: "string", timezone: "string", dispute_days: "number", types: "list" };
const RULE: Kinds = {
  outcome_type: "string",
  when: "string",
  each_usd: "string or null",
  basis: "string",
  note: "string or null",
};
/** The type of the last rule of a definition, which is that of all types without a rule of their own. */
const ALL_OTHERS = "*";
const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const MONEY = /^(?!-0$)-?(0|[1-9]\d*)(\.\d*[1-9])?$/;
/** Patterns for the strings of these members. Other members may have any string, except `agent_id`, a number. */
const PATTERNS: Record<string, RegExp> = {
  value_usd: MONEY,
  metadata_sha256: /^sha256:[0-9a-f]{64}$/,
  occurred_at: INSTANT,
  created_at: INSTANT,
  type: /^(amend|void|confirm|dispute|uphold)$/,
  status: /^(recorded|confirmed|disputed|void)$/,
};
const DEFINITION_PATTERNS: Record<string, RegExp> = {
  from: /^\d{4}-(0[1-9]|1[0-2])$/,
  when: /^(claimed|unless_disputed|confirmed|never)$/,
  each_usd: MONEY,
  basis: /^(stated|estimated)$/,
};
const OR_NULL = ["agent_id", "description", "value_usd", "metadata_sha256", "recorded_by", "reason"];
const NAME = /^"[a-z][a-z0-9_]*":$/;
const DEEPEST = 32;
const HASH = /^[0-9a-f]{64}$/;
const SALT = /^[0-9a-f]{32}$/;

/** Verifies a statement, or a proof alone. Rejects with a StatementError if a check fails. */
export async function verify(files: Files): Promise<Verified> {
  // Compare with null, because "" is an empty file, which must be checked.
  const { statement = null, entries = null, proof = null, previous = null } = files;
  if (statement === null && (proof === null || entries !== null || previous !== null)) {
    throw new TypeError("verify takes a statement with entries, proof and previous statement, or a proof alone");
  }
  const read = statement === null ? undefined : readStatement(statement);
  const leaves = entries === null ? undefined : await readEntries(entries);
  const proven = proof === null ? undefined : await readProof(proof);
  const main = (read?.signed ?? proven?.signed) as Signed;
  await checkSignature(main, readKeys(files.keys));
  if (read) {
    const { signed, sums } = read;
    const listed = leaves && (await checkEntries(signed.head, leaves));
    if ((await digest(encoded(JSON.stringify(sums)))) !== signed.head.sums) {
      refuse("totals", `expected totals, adjustments, definition and salt with the hash ${signed.head.sums}`);
    }
    checkSums(signed.head, sums, listed);
    checkDefinition(sums.definition);
    if (previous !== null) await checkPrevious(signed.head, previous);
    if (proven && (proven.signed.text !== signed.text || proven.signed.signature !== signed.signature)) {
      refuse("proof", `expected a proof of ${signed.head.id} with the root ${signed.head.root}`);
    }
  }
  const shown = await checkProof(main.head, proven?.entries ?? []);
  return { head: main.head, totals: read?.sums.totals, adjustments: read?.sums.adjustments, entries: shown };
}

function refuse(word: Word, why: string): never {
  throw new StatementError(word, why);
}

/** Returns a JSON value unchanged. Refuses numbers that verifiers in other languages read differently. */
function whole(_name: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new Error(`${value} is not a whole number`);
  return value;
}

/** Parses JSON. Throws an Error if the text has extra whitespace, unnecessary escapes or duplicate members. */
function exact(text: string): unknown {
  const value = JSON.parse(text, whole);
  if (JSON.stringify(value) !== text) throw new Error("it has blanks, other escapes or duplicate members");
  if (hasUnpaired(text)) throw new Error("it has unpaired surrogates");
  return value;
}

/** Returns whether a text of JSON.stringify has unpaired surrogates, which it writes as escapes. */
function hasUnpaired(text: string): boolean {
  const escapes: string[] = text.match(/\\(u.|.)/g) ?? [];
  return escapes.includes("\\ud");
}

/** Refuses JSON that is nested so deeply that some languages cannot read it. */
function checkNesting(what: string, value: unknown): void {
  let level = [value];
  for (let depth = 0; depth < DEEPEST && level.length; depth++) {
    level = level.flatMap((each) => (typeof each === "object" && each ? Object.values(each) : []));
  }
  if (level.length) refuse("format", `${what}: expected less deep nesting`);
}

/** Returns the names of all members in a JSON text, each as it is written, with a colon. */
const names = (text: string): string[] =>
  text.match(/"(?:[^"\\]|\\.)*"\s*:?/g)?.filter((token) => token.endsWith(":")) ?? [];

function readStatement(data: File): { signed: Signed; sums: Sums } {
  let value: unknown;
  try {
    const text = decoded(data);
    value = exact(text);
    // JavaScript would move members such as "7" to the beginning, so verifiers in all languages refuse such names.
    if (!names(text).every((name) => NAME.test(name))) throw new Error("it has members with other names");
  } catch (error) {
    refuse("format", `expected the statement's bytes as the API served them, but ${reason(error)}`);
  }
  checkNesting("the statement", value);
  const kinds = { ...HEAD, ...SUMS, ...SIGNATURE };
  const fields = members("format", "the statement", value, kinds);
  if (`${Object.keys(fields)}` !== `${Object.keys(kinds)}`) {
    refuse("format", `expected the members in the order ${Object.keys(kinds).join(", ")}`);
  }
  return { signed: signedOf(fields, fields.signature), sums: picked(fields, SUMS) as Sums };
}

async function readEntries(data: File): Promise<Leaf[]> {
  const text = decoded(data, "the entries");
  const lines = text ? text.replace(/\n$/, "").split("\n") : [];
  return Promise.all(lines.map(async (line, n) => leafOf(`entry ${n}`, parsed(`entry ${n}`, line), LINE)));
}

async function readProof(data: File): Promise<{ signed: Signed; entries: Proven[] }> {
  const kinds: Kinds = { head: "object", ...SIGNATURE, entries: "list" };
  const value = members("format", "the proof", parsed("the proof", decoded(data, "the proof")), kinds);
  const signed = signedOf(members("format", "the proof's head", value.head, HEAD), value.signature);
  const listed = value.entries as unknown[];
  if (!listed.length) refuse("format", "expected at least one entry in the proof");
  return { signed, entries: await Promise.all(listed.map((each, n) => provenOf(`entry ${n} of the proof`, each))) };
}

/** Returns all Ed25519 keys of a file, each with only the members that verification needs. */
function readKeys(data: File): Fields[] {
  const value = parsed("the keys", decoded(data, "the keys"));
  checkNesting("the keys", value);
  const keys = isObject(value) ? value.keys : undefined;
  if (!Array.isArray(keys) || !keys.every(isObject)) {
    refuse("format", "the keys: expected an object with a list of keys");
  }
  const known = (key: Fields) => Object.fromEntries(Object.entries(key).filter(([name]) => Object.hasOwn(KEY, name)));
  const ours = keys.filter(({ kty, crv }) => kty === "OKP" && crv === "Ed25519");
  return ours.map((key) => members("format", "a key", known(key), KEY));
}

/** Returns an object, after checking the names and kinds of its members. */
function members(word: Word, what: string, value: unknown, kinds: Kinds): Fields {
  const names = Object.keys(kinds);
  if (
    !isObject(value) ||
    Object.keys(value).length !== names.length ||
    !names.every((name) => Object.hasOwn(value, name))
  ) {
    refuse(word, `${what}: expected an object with the members ${names.join(", ")}`);
  }
  for (const [name, kind] of Object.entries(kinds)) {
    const given = value[name];
    const is = { string: typeof given === "string", number: Number.isSafeInteger(given), object: isObject(given) };
    const fits =
      kind === "list"
        ? Array.isArray(given)
        : (given === null && kind.endsWith(" or null")) || is[kind.replace(" or null", "") as keyof typeof is];
    if (!fits) refuse(word, `${what}: expected ${name} to be of the kind ${kind}`);
  }
  return value;
}

function signedOf(fields: Fields, signature: unknown): Signed {
  const head = picked(fields, HEAD) as unknown as Head;
  if (head.format !== FORMAT) refuse("format", `expected ${FORMAT}, found ${head.format}`);
  if (!MONTH.test(head.period))
    refuse("format", `expected the period to be a month such as 2026-10, found ${head.period}`);
  return { head, text: JSON.stringify(head), signature: signature as string };
}

async function provenOf(what: string, value: unknown): Promise<Proven> {
  const leaf = await leafOf(what, value, { index: "number", ...LINE, path: "list" });
  const { index, path } = value as { index: number; path: unknown[] };
  for (const step of path) bytesOf(`the path of ${what}`, step, HASH);
  return { place: index, leaf, path: path as string[] };
}

async function leafOf(what: string, value: unknown, kinds: Kinds): Promise<Leaf> {
  const { salt, text } = members("format", what, value, kinds) as { salt: string; text: string };
  // All salts have the same length. Otherwise, the first bytes of a text could be presented as a part of its salt.
  return { hash: await sha256(Uint8Array.of(0), bytesOf(`the salt of ${what}`, salt, SALT), encoded(text)), text };
}

function bytesOf(what: string, text: unknown, pattern: RegExp): Bytes {
  if (typeof text !== "string" || !pattern.test(text)) {
    refuse("format", `${what}: expected lower-case hexadecimal digits, ${pattern.source}`);
  }
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** Parses JSON that has no duplicate members and no unpaired surrogates. Its layout does not matter. */
function parsed(what: string, text: string): unknown {
  try {
    const value = JSON.parse(text, whole);
    const isPaired = !text.includes("\\u") || !hasUnpaired(JSON.stringify(value));
    if (isPaired && names(text).length === count(value)) return value;
  } catch {
    // the text is not JSON, or breaks a rule of it
  }
  refuse("format", `${what}: expected JSON without duplicate members`);
}

/** Counts the members of all objects in a value. */
function count(value: unknown): number {
  if (typeof value !== "object" || !value) return 0;
  const parts = Object.values(value);
  return parts.reduce<number>((sum, part) => sum + count(part), Array.isArray(value) ? 0 : parts.length);
}

async function checkSignature(signed: Signed, keys: Fields[]): Promise<void> {
  const [header, payload, third, ...more] = signed.signature.split(".") as [string, string?, string?];
  const key = keys.find(({ kid }) => header === base64url(encoded(JSON.stringify({ alg: "EdDSA", kid }))));
  if (!key) {
    const names = keys.map((each) => each.kid).join(", ");
    refuse("key", `expected a signature by a key of ${signed.head.issuer}: ${names || "none is known"}`);
  }
  const { kid, x, valid_from: begin, valid_until: end } = key;
  const at = signed.head.issued_at;
  if (byCodePoints(at, `${begin}`) < 0 || (end !== null && byCodePoints(at, `${end}`) >= 0)) {
    refuse("key", `expected a key that is valid at ${at}; ${kid} is from ${begin} until ${end}`);
  }
  let publicKey: CryptoKey;
  try {
    publicKey = await crypto.subtle.importKey("raw", unbase64url(x), "Ed25519", false, ["verify"]);
  } catch (error) {
    // The platform has no WebCrypto, as in a page over http, or no Ed25519: the key may be right.
    if (error instanceof TypeError || (error as Error).name === "NotSupportedError") throw error;
    refuse("key", `expected ${kid} to be a public key of Ed25519`);
  }
  if (payload !== base64url(encoded(signed.text))) {
    refuse("signature", "expected that what is signed is the head as it stands");
  }
  let right = false;
  try {
    right = await crypto.subtle.verify("Ed25519", publicKey, unbase64url(third), encoded(`${header}.${payload}`));
  } catch {
    // the signature is not base64url, so it is wrong
  }
  if (!right || more.length) refuse("signature", `expected a signature of the head by ${kid}`);
}

async function checkEntries(head: Head, leaves: Leaf[]): Promise<Entry[]> {
  if (leaves.length !== head.size) refuse("size", `expected ${head.size} entries, found ${leaves.length}`);
  const root = hex(await rootOf(leaves.map((leaf) => leaf.hash)));
  if (root !== head.root) {
    refuse("root", `expected ${head.root}, found ${root}: an entry was changed, moved or replaced`);
  }
  const entries = leaves.map((leaf, n) => readEntry("root", `entry ${n}`, leaf.text, head));
  entries.slice(1).forEach((entry, n) => {
    if (byCodePoints(order(entries[n] as Entry), order(entry)) >= 0) {
      refuse("root", `entry ${n + 1}: expected to be recorded after the entry before it`);
    }
  });
  const ids = new Set<unknown>();
  for (const [n, { fields }] of entries.entries()) {
    if (ids.has(fields.id)) refuse("root", `entry ${n}: expected another id than those of the entries before it`);
    ids.add(fields.id);
  }
  return entries;
}

const order = ({ fields }: Entry): string => `${fields.created_at} ${fields.id}`;

/** Reads an entry whose hash was verified. If the entry is malformed, throws a StatementError of the check `word`. */
function readEntry(word: Word, what: string, text: string, head: Head): Entry {
  try {
    const fields = exact(text) as Fields;
    const entry = "outcome_id" in fields ? correctionOf(fields) : outcomeOf(fields);
    const at = fields.created_at as string;
    if (at < head.from || at >= head.cut) throw new Error(`it was not recorded from ${head.from}, before ${head.cut}`);
    return entry;
  } catch (error) {
    refuse(word, `${what}: expected an entry of this statement, but ${reason(error)}`);
  }
}

function outcomeOf(fields: Fields): Entry {
  checkNames(fields, OUTCOME);
  checkValues(Object.entries(fields));
  return { fields, before: undefined, after: countedOf({ status: "recorded", ...fields }) };
}

function correctionOf(fields: Fields): Entry {
  checkNames(fields, CORRECTION);
  const { changes, before, after, ...values } = fields;
  checkValues(Object.entries(values));
  checkChangesOf(values.type as string, changes);
  for (const part of [before, after]) {
    checkNames(part, COUNTED);
    checkValues(Object.entries(part));
  }
  return { fields, before: countedOf(before as Fields), after: countedOf(after as Fields) };
}

function checkChangesOf(type: string, changes: unknown): void {
  if (type === "amend" ? !isObject(changes) : changes !== null) {
    throw new Error(`the changes of its type, ${type}, are not ${JSON.stringify(changes)}`);
  }
  const changed = (changes ?? {}) as Fields;
  checkNames(changed, `${CHANGES.split(",").filter((name) => Object.hasOwn(changed, name))}`);
  for (const [name, change] of Object.entries(changed)) {
    checkNames(change, "before,after");
    checkValues(Object.values(change).map((value) => [name, value]));
  }
}

function checkNames(fields: unknown, names: string): asserts fields is Fields {
  if (!isObject(fields) || `${Object.keys(fields)}` !== names) throw new Error(`its members are not ${names}`);
}

function checkValues(members: [name: string, value: unknown][]): void {
  for (const [name, value] of members) {
    if (value === null && OR_NULL.includes(name)) continue;
    const isRight =
      name === "agent_id"
        ? Number.isSafeInteger(value)
        : typeof value === "string" && (PATTERNS[name]?.test(value) ?? true);
    if (!isRight) throw new Error(`${name} is ${JSON.stringify(value)}`);
  }
}

function countedOf(fields: Fields): Counted {
  const { status, value_usd, outcome_type: type, agent_id: agent, occurred_at: at } = fields;
  return { status, value: value_usd, type, agent, at } as Counted;
}

/** Refuses malformed totals and adjustments. If entries are given, also refuses values that differ from their sums. */
function checkSums(head: Head, { totals, adjustments }: Sums, entries: Entry[] | undefined): void {
  const own = new Sum();
  const others: [Counted, bigint][] = [];
  for (const { before, after } of entries ?? []) {
    if (JSON.stringify(before) === JSON.stringify(after)) continue;
    for (const [counted, sign] of [
      [before, -1n],
      [after, 1n],
    ] as const) {
      if (!counted) continue;
      if (head.from <= counted.at && counted.at < head.cut) own.addTo(counted, sign);
      else others.push([counted, sign]);
    }
  }
  checkTotals("totals", totals);
  if (entries) compare("totals", "", own.totals(fold([own])[0] as Agents), totals);
  checkPeriods(head, adjustments);
  if (entries) checkChanges(adjustments, others);
}

function checkTotals(word: Word, totals: Totals): void {
  members(word, "totals", totals, TOTALS);
  for (const tally of APART) members(word, tally, totals[tally], SUM);
  const { other_agents } = totals;
  if (other_agents) members(word, "other_agents", other_agents, { agents: "number", ...SUM });
  for (const { value_usd } of [
    totals,
    ...APART.map((tally) => totals[tally]),
    ...(other_agents ? [other_agents] : []),
  ]) {
    if (!MONEY_OF_SUMS.test(value_usd)) refuse(word, `expected money of sums, found ${value_usd}`);
  }
}

function checkPeriods(head: Head, listed: Adjustment[]): void {
  let end = "";
  for (const [n, each] of listed.entries()) {
    members("adjustments", `adjustment ${n}`, each, { from: "string", to: "string", totals: "object" });
    checkTotals("adjustments", each.totals);
    for (const at of [each.from, each.to]) {
      if (!INSTANT.test(at)) refuse("adjustments", `adjustment ${n}: expected an instant, found ${at}`);
    }
    if (each.from >= each.to || each.from < end) {
      refuse("adjustments", "expected periods that are sorted and do not overlap");
    }
    end = each.to;
  }
  if (listed.some(({ from, to }) => from < head.cut && head.from < to)) {
    refuse("adjustments", `expected no period that overlaps ${head.from} to ${head.cut}`);
  }
}

function checkChanges(listed: Adjustment[], changes: [Counted, bigint][]): void {
  const sums = listed.map(() => new Sum());
  for (const [counted, sign] of changes) {
    const sum = sums[listed.findIndex(({ from, to }) => from <= counted.at && counted.at < to)];
    if (!sum) refuse("adjustments", `expected one for ${counted.at}, when an outcome of an entry happened`);
    sum.addTo(counted, sign);
  }
  const agents = fold(sums);
  for (const [n, each] of listed.entries()) {
    const { from, to } = each;
    const sum = sums[n] as Sum;
    if (!sum.parts.size) refuse("adjustments", `expected none from ${from}, because no entry changes this period`);
    compare("adjustments", `[${n}]`, { from, to, totals: sum.totals(agents[n] as Agents) }, each);
  }
}

/**
 * Checks the member `definition`: which outcomes count for the payer. It checks the order of members, too, because no
 * sum of the entries does.
 */
function checkDefinition(definition: Fields | null): void {
  if (!definition) return;
  const check = (what: string, value: unknown, kinds: Kinds): void => {
    const fields = members("definition", what, value, kinds);
    if (`${Object.keys(fields)}` !== `${Object.keys(kinds)}`) {
      refuse("definition", `${what}: expected the members in the order ${Object.keys(kinds).join(", ")}`);
    }
    for (const [name, found] of Object.entries(fields)) {
      const pattern = DEFINITION_PATTERNS[name];
      if (pattern && found !== null && !pattern.test(found as string)) {
        refuse("definition", `${what}: expected ${name} to match ${pattern.source}, found ${found}`);
      }
    }
  };
  check("the definition", definition, DEFINITION);
  const rules = definition.types as Fields[];
  for (const [n, rule] of rules.entries()) check(`rule ${n}`, rule, RULE);
  const types = rules.map((rule) => rule.outcome_type as string);
  const isSorted = types
    .slice(0, -1)
    .every((type, n) => type !== ALL_OTHERS && (!n || byCodePoints(types[n - 1] as string, type) < 0));
  if (types.at(-1) !== ALL_OTHERS || !isSorted) {
    refuse("definition", `expected rules of different types, sorted, and then that of ${ALL_OTHERS}`);
  }
}

/** Refuses a value that differs from the expected one, and names the first difference. */
function compare(word: Word, where: string, expected: unknown, found: unknown): void {
  const [right, wrong] = [JSON.stringify(expected), JSON.stringify(found)];
  if (right === wrong) return;
  if (typeof expected === "object" && expected && typeof found === "object" && found) {
    if (`${Object.keys(expected)}` === `${Object.keys(found)}`) {
      for (const [name, part] of Object.entries(expected)) {
        const inner = Array.isArray(expected) ? `${where}[${name}]` : `${where}.${name}`.replace(/^\./, "");
        compare(word, inner, part, (found as Fields)[name]);
      }
    }
  }
  refuse(word, `expected ${where} ${right.slice(0, 300)} by the entries, found ${wrong.slice(0, 300)}`);
}

async function checkPrevious(head: Head, previous: File): Promise<void> {
  const found = await digest(typeof previous === "string" ? encoded(previous) : previous);
  if (head.previous === null) refuse("previous", "expected none: this statement is the first of its chain");
  if (found !== head.previous) refuse("previous", `expected bytes whose hash is ${head.previous}, found ${found}`);
  let earlier: Head;
  try {
    earlier = readStatement(previous).signed.head;
  } catch (error) {
    refuse("previous", `expected a statement, but ${reason(error)}`);
  }
  for (const [name, expected] of [
    ["cut", head.from],
    ["user", head.user],
    ["timezone", head.timezone],
  ] as const) {
    if (earlier[name] !== expected)
      refuse("previous", `expected its ${name} to be ${expected}, found ${earlier[name]}`);
  }
}

/** Returns the entries of a proof. Refuses the proof if one of its entries is not in the tree. */
async function checkProof(head: Head, proven: Proven[]): Promise<Fields[]> {
  const entries: Fields[] = [];
  let before = -1;
  for (const [n, one] of proven.entries()) {
    const what = `entry ${n} of the proof`;
    if (one.place <= before || one.place >= head.size) {
      refuse("proof", `${what}: expected an index above the one before, below ${head.size}, found ${one.place}`);
    }
    before = one.place;
    if ((await climb(one, head.size)) !== head.root)
      refuse("proof", `${what}: expected its path to lead to ${head.root}`);
    entries.push(readEntry("proof", what, one.leaf.text, head).fields);
  }
  const outcomes = new Set(entries.map((fields) => fields.outcome_id ?? fields.id));
  if (outcomes.size > 1) refuse("proof", `expected entries of one outcome, found ${[...outcomes].join(", ")}`);
  return entries;
}

/** Returns the Merkle tree hash (RFC 9162, section 2.1.1): a node without a sibling moves up a level unchanged. */
async function rootOf(hashes: Bytes[]): Promise<Bytes> {
  let level = hashes;
  while (level.length > 1) {
    const lower = level;
    level = await Promise.all(
      lower.filter((_, n) => n % 2 === 0).map((left, n) => nodeOf(left, lower[2 * n + 1]) ?? Promise.resolve(left)),
    );
  }
  return level[0] ?? sha256();
}

function nodeOf(left: Bytes, right: Bytes | undefined): Promise<Bytes> | undefined {
  return right && sha256(Uint8Array.of(1), left, right);
}

/** Returns the root to which a path leads (RFC 9162, section 2.1.3.2), or undefined if its length is wrong. */
async function climb({ place, leaf, path }: Proven, size: number): Promise<string | undefined> {
  let [at, last, hash] = [place, size - 1, leaf.hash];
  const up = () => {
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  };
  for (const step of path) {
    if (last === 0) return undefined;
    const sibling = bytesOf("a path", step, HASH);
    if (at % 2 || at === last) {
      hash = await sha256(Uint8Array.of(1), sibling, hash);
      while (at % 2 === 0 && at) up();
    } else {
      hash = await sha256(Uint8Array.of(1), hash, sibling);
    }
    up();
  }
  return last ? undefined : hex(hash);
}

async function sha256(...parts: Uint8Array[]): Promise<Bytes> {
  const data = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

const digest = async (data: Uint8Array): Promise<string> => `sha256:${hex(await sha256(data))}`;

const hex = (data: Uint8Array): string => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");

const encoded = (text: string): Bytes => new TextEncoder().encode(text) as Bytes;

function decoded(data: File, what?: string): string {
  if (typeof data === "string") return data;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch (error) {
    if (what) refuse("format", `${what}: expected UTF-8`);
    throw error;
  }
}

const base64url = (data: Uint8Array): string =>
  btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

/** Decodes base64url without padding. Throws an Error if the text is not the canonical encoding of its bytes. */
function unbase64url(text: unknown): Bytes {
  const data = Uint8Array.from(atob(`${text}`.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  if (base64url(data) !== text) throw new Error("not base64url");
  return data;
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const picked = (fields: Fields, kinds: Kinds): Fields =>
  Object.fromEntries(Object.keys(kinds).map((name) => [name, fields[name]]));

const reason = (error: unknown): string => (error instanceof Error ? error.message : `${error}`);
