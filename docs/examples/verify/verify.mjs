// Verify statements of recorded value, by docs/statement-format.md alone. README.md says how to run this.

import { createHash, createPublicKey, verify as isSignedBy } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checkSums } from "./sums.mjs";
import {
  check,
  HEAD_NAMES,
  parse,
  Refused,
  readEntries,
  readKeys,
  readLines,
  readProof,
  readStatement,
} from "./texts.mjs";

const USAGE = `Usage: node verify.mjs statement.json [--entries e.ndjson] [--previous p.json] [--proof proof.json] [--keys keys.json]
   or: node verify.mjs --proof proof.json [--keys keys.json]`;

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const digest = (bytes) => `sha256:${sha256(Buffer.from(bytes)).toString("hex")}`;
const leaf = ({ salt, text }) => sha256(Buffer.of(0), Buffer.from(salt, "hex"), Buffer.from(text));
const node = (left, right) => sha256(Buffer.of(1), left, right);
const headText = (head) => JSON.stringify(head, HEAD_NAMES);

/** RFC 9162, section 2.1.1 */
function rootOf(leaves) {
  if (leaves.length < 2) return leaves[0] ?? sha256();
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return node(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

/** RFC 9162, section 2.1.3.2. Return undefined if the path is too short or too long. */
function rootOfPath({ index, path, ...entry }, size) {
  let [hash, at, last] = [leaf(entry), BigInt(index), BigInt(size) - 1n];
  for (const sibling of path.map((hex) => Buffer.from(hex, "hex"))) {
    if (last === 0n) return undefined;
    const isRight = at % 2n === 1n || at === last;
    hash = isRight ? node(sibling, hash) : node(hash, sibling);
    while (isRight && at % 2n === 0n && at > 0n) [at, last] = [at / 2n, last / 2n];
    [at, last] = [at / 2n, last / 2n];
  }
  return last === 0n ? hash.toString("hex") : undefined;
}

function checkSignature(head, signature, keys) {
  const encode = (bytes) => Buffer.from(bytes).toString("base64url");
  const decode = (text) => Buffer.from(text, "base64url");
  const isExact = (text, length) => decode(text).length === length && encode(decode(text)) === text;
  const [header, payload, last = "", ...more] = signature.split(".");
  const key = keys.find(({ kid }) => encode(JSON.stringify({ alg: "EdDSA", kid })) === header);
  check("key", key, `a key of ${head.issuer} that yields part 1 of the signature`);
  const { x, valid_from, valid_until } = key;
  const isValid = valid_from <= head.issued_at && (valid_until === null || head.issued_at < valid_until);
  check("key", isValid, `issued_at from ${valid_from} to before ${valid_until ?? "the key's end"}`);
  check("key", isExact(x, 32), "x to be 32 bytes");
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  check("signature", payload === encode(headText(head)), "part 2 to be the text of the head");
  check("signature", isExact(last, 64) && more.length === 0, "part 3, the last, to be 64 bytes");
  const isRight = isSignedBy(null, Buffer.from(`${header}.${payload}`), publicKey, decode(last));
  check("signature", isRight, `part 3 to be a signature with the key ${key.kid}`);
}

function checkProof({ entries }, head) {
  let before = -1;
  for (const entry of entries) {
    const isNext = before < entry.index && entry.index < head.size;
    check("proof", isNext, `an index above ${before} and below ${head.size}, not ${entry.index}`);
    check("proof", rootOfPath(entry, head.size) === head.root, `a path of entry ${entry.index} to the root`);
    before = entry.index;
  }
  const outcomes = new Set(readEntries(entries, head, "proof").map(({ id, outcome_id }) => outcome_id ?? id));
  check("proof", outcomes.size === 1, "the entries of one outcome");
  return [...outcomes][0];
}

/** Verify the bytes of a statement or of a proof alone. Return what was verified, or throw Refused. */
export function verify(files) {
  const statement = files.statement && readStatement(files.statement);
  const entries = files.entries && readLines(files.entries);
  const proof = files.proof && readProof(files.proof);
  const keys = readKeys(files.keys);
  const { signature, head = statement } = statement ?? proof;
  const formats = [head, ...(proof ? [proof.head] : [])].map(({ format }) => format);
  check(
    "format",
    formats.every((format) => format === "outcomes-statement/1"),
    "the format outcomes-statement/1",
  );
  checkSignature(head, signature, keys);
  const verified = [`what ${head.issuer} signed at ${head.issued_at} as ${head.id}`];
  let values;
  if (entries) {
    check("size", entries.length === head.size, `${head.size} entries, not ${entries.length}`);
    check("root", rootOf(entries.map(leaf)).toString("hex") === head.root, `entries with the root ${head.root}`);
    values = readEntries(entries, head, "root");
  }
  if (statement) {
    const { totals, adjustments, sums_salt } = statement;
    const text = JSON.stringify({ totals, adjustments, sums_salt });
    check("totals", digest(text) === head.sums, `sums with the digest ${head.sums}`);
    checkSums(statement, values);
  }
  if (entries) {
    verified.push(`all ${entries.length} entries, the totals and adjustments that follow from them`);
  }
  if (files.previous) {
    check("previous", digest(files.previous) === head.previous, `a file with the digest ${head.previous}`);
    const previous = parse(files.previous) ?? {};
    const follows = ["user", "timezone"].every((name) => previous[name] === head[name]) && previous.cut === head.from;
    check("previous", follows, `a statement of the same user and time zone with the cut ${head.from}`);
    verified.push(`the previous statement ${previous.id}`);
  }
  if (proof) {
    const isSame = headText(proof.head) === headText(head) && proof.signature === signature;
    check("proof", isSame, "the head and the signature of the statement");
    verified.push(`${proof.entries.length} entries of the outcome ${checkProof(proof, head)}`);
  }
  return verified.join("; ");
}

function main() {
  const text = { type: "string" };
  const options = { entries: text, previous: text, proof: text, keys: { ...text, default: "outcomes-keys.json" } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const paths = { ...values, statement: positionals[0] };
  const isComplete = paths.statement ? positionals.length === 1 : paths.proof && !paths.entries && !paths.previous;
  if (!isComplete) throw new Error(USAGE);
  const files = Object.entries(paths).map(([name, path]) => [name, path && readFileSync(path)]);
  return verify(Object.fromEntries(files));
}

/** Print a line, without control characters that a file could contain. */
const print = (line) => console.log(line.replace(/\p{Cc}/gu, "?"));

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    print(`verified: ${main()}. The signature proves what the platform said and when, not that it is true.`);
  } catch (error) {
    if (error instanceof Refused) print(error.message);
    else console.error(error.message);
    process.exitCode = error instanceof Refused ? 1 : 2;
  }
}
