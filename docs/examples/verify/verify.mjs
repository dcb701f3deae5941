// Verifies statements. It was written from docs/statement-format.md alone. README.md says which checks are left out.

import { createHash, createPublicKey, verify as isSigned } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

const HEAD = "format id issuer user period timezone from cut previous size root issued_at sums".split(" ");
const MEMBERS = [...HEAD, "totals", "adjustments", "sums_salt", "signature"];
const COUNTED = ["all", "outcome_type", "agent_id"];
const TALLIES = { recorded: COUNTED, confirmed: [...COUNTED, "confirmed"], disputed: ["disputed"], void: ["voided"] };

function check(word, passed, expected) {
  if (!passed) throw Object.assign(new Error(`expected ${expected}`), { word });
}

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const digest = (text) => `sha256:${sha256(Buffer.from(text)).toString("hex")}`;
const leaf = ({ salt, text }) => sha256(Buffer.of(0), Buffer.from(salt, "hex"), Buffer.from(text));
const node = (left, right) => sha256(Buffer.of(1), left, right);
const base64url = (data) => Buffer.from(data).toString("base64url");
const print = (line) => console.log(line.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd")); // texts of others print no line

/** Parses JSON. Refuses an object that has a member twice. */
function parse(bytes, word = "format") {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  let members = -1; // -1, because the function below also gets the whole value, which is not a member
  const value = JSON.parse(text, function (_, member) {
    if (!Array.isArray(this)) members += 1;
    if (typeof member === "number") check(word, Number.isSafeInteger(member), `whole numbers, not ${member}`);
    if (typeof member === "string") check(word, member.isWellFormed(), "strings without unpaired surrogates");
    return member;
  });
  const strings = text.match(/"(?:[^"\\]|\\.)*"\s*:?/g) ?? [];
  check(word, members === strings.filter((string) => string.endsWith(":")).length, "each member once");
  return value;
}

function readStatement(bytes) {
  const statement = parse(bytes);
  const isExact = JSON.stringify(statement) === `${bytes}` && `${Object.keys(statement)}` === `${MEMBERS}`;
  check("format", isExact && statement.format === "outcomes-statement/1", "an outcomes-statement/1, as it was served");
  return statement;
}

function readEntries(bytes) {
  const entries = (`${bytes}`.match(/[^\n]*\n|[^\n]+$/g) ?? []).map((line) => parse(Buffer.from(line)));
  const isRight = ({ salt, text }) => /^[0-9a-f]{32}$/.test(salt) && typeof text === "string";
  check("format", entries.every(isRight), "a salt of 16 bytes and a text in each line");
  return entries;
}

function checkSignature(statement, keys) {
  const { signature, issuer, issued_at } = statement;
  const [header, , third = ""] = signature.split(".");
  const isKey = ({ crv, kid }) => crv === "Ed25519" && header === base64url(JSON.stringify({ alg: "EdDSA", kid }));
  const key = keys.find(isKey);
  check("key", key, `a key of ${issuer} that yields part 1 of the signature`);
  const isValid = key.valid_from <= issued_at && (key.valid_until === null || issued_at < key.valid_until);
  check("key", isValid && Buffer.from(key.x, "base64url").length === 32, `a key that is valid at ${issued_at}`);
  const bytes = Buffer.from(third, "base64url");
  const signed = `${header}.${base64url(JSON.stringify(statement, HEAD))}`;
  check("signature", signature === `${signed}.${base64url(bytes)}`, "the head in part 2, and nothing after part 3");
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: key.x }, format: "jwk" });
  check("signature", isSigned(null, Buffer.from(signed), publicKey, bytes), `a signature by ${key.kid}`);
}

/** Computes the Merkle root of leaves (RFC 9162, section 2.1.1). */
function rootOf(leaves) {
  if (leaves.length < 2) return leaves[0] ?? sha256();
  const left = 2 ** (31 - Math.clz32(leaves.length - 1)); // the largest power of two below the number of leaves
  return node(rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)));
}

/** Checks that entries were recorded in the period, and are listed in the order of recording. */
function checkOrder(entries, { from, cut }) {
  let last = "";
  for (const { id, created_at } of entries) {
    const isNext = from <= created_at && created_at < cut && last < `${created_at} ${id}`;
    check("root", isNext, `${id} to be recorded from ${from} to before ${cut}, and after ${last}`);
    last = `${created_at} ${id}`;
  }
  check("root", new Set(entries.map(({ id }) => id)).size === entries.length, "entries with different ids");
}

/** Checks that the totals are the sums of `changes`. A change with sign 1 adds its outcome; sign -1 subtracts it. */
function checkTotals(word, totals, changes) {
  const left = new Map(); // each sum's count and amount after subtracting its changes: both must be 0
  const add = (name, row, sign) => {
    const [whole, decimals = ""] = (row.value_usd ?? "0").split(".");
    check(word, decimals.length <= 200, "at most 200 decimals, which are more than any amount has");
    const sum = `${name} ${row[name]}`;
    const [count, amount] = left.get(sum) ?? [0, 0n];
    left.set(sum, [count + row.count * sign, amount + BigInt(whole + decimals.padEnd(200, "0")) * BigInt(sign)]);
  };
  add("all", totals, 1);
  for (const name of ["confirmed", "disputed", "voided"]) add(name, totals[name], 1);
  for (const row of totals.by_type) add("outcome_type", row, 1);
  for (const row of totals.by_agent) add("agent_id", row, 1);
  for (const change of changes) for (const name of TALLIES[change.status]) add(name, change, -change.sign);
  for (const [sum, [count, amount]] of left) check(word, count === 0 && amount === 0n, `another sum of ${sum}`);
}

function checkSums({ from, cut, totals, adjustments }, entries) {
  const changes = entries.flatMap(({ outcome_id, before, after, ...outcome }) => {
    const change = (sign, counted) => ({ ...counted, sign, count: 1 });
    if (outcome_id === undefined) return change(1, { ...outcome, status: "recorded" });
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [change(-1, before), change(1, after)];
  });
  const within = (begin, end) => changes.filter(({ occurred_at }) => begin <= occurred_at && occurred_at < end);
  checkTotals("totals", totals, within(from, cut));
  let [end, rest] = ["", changes.length - within(from, cut).length];
  for (const { from: begin, to, totals } of adjustments) {
    const some = within(begin, to);
    const isOther = end <= begin && begin < to && (to <= from || cut <= begin) && some.length > 0;
    check("adjustments", isOther, `${begin} to ${to} to be another period of some entry, after the one before`);
    checkTotals("adjustments", totals, some);
    [end, rest] = [to, rest - some.length];
  }
  check("adjustments", rest === 0, "an adjustment for each other period of an occurred_at");
}

/** Verifies a statement from the bytes of files. Throws an error if a check fails. */
export function verify(statementFile, entriesFile, keysFile, previousFile) {
  const statement = readStatement(statementFile);
  const lines = readEntries(entriesFile);
  checkSignature(statement, parse(keysFile).keys);
  const { size, root, totals, adjustments, sums_salt, sums, previous, from, user, timezone } = statement;
  check("size", lines.length === size, `${size} entries, not ${lines.length}`);
  check("root", rootOf(lines.map(leaf)).toString("hex") === root, `entries with the root ${root}`);
  const entries = lines.map(({ text }) => parse(Buffer.from(text), "root"));
  checkOrder(entries, statement);
  check("totals", digest(JSON.stringify({ totals, adjustments, sums_salt })) === sums, `sums with the digest ${sums}`);
  checkSums(statement, entries);
  if (previousFile) {
    const earlier = digest(previousFile) === previous ? JSON.parse(previousFile) : {};
    const isBefore = earlier.cut === from && earlier.user === user && earlier.timezone === timezone;
    check("previous", isBefore, `the user's statement before ${from} in ${timezone}, with the digest ${previous}`);
  }
  return `${statement.id}. The signature proves what the platform said and when, not that it is true.`;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    check("usage", process.argv.length > 4, "STATEMENT ENTRIES KEYS [PREVIOUS]");
    print(`verified: ${verify(...process.argv.slice(2).map((path) => readFileSync(path)))}`);
  } catch ({ word = "format", message, syscall, code, isUnread = syscall || /TOO_L(ONG|ARGE)$/.test(code) }) {
    print(`${isUnread ? "cannot read a file" : word}: ${message}`);
    process.exitCode = isUnread || word === "usage" ? 2 : 1;
  }
}
