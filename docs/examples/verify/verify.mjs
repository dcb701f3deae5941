// Verifies statements. It was written from docs/statement-format.md alone. README.md says which checks are left out.

import { createHash, createPublicKey, verify as isSigned } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";

const HEAD = "format id issuer user period timezone from cut previous size root issued_at sums".split(" ");
const MEMBERS = [...HEAD, "totals", "adjustments", "definition", "sums_salt", "signature"];
const TALLIES = { recorded: ["all"], confirmed: ["all", "confirmed"], disputed: ["disputed"], void: ["voided"] };

function check(word, passed, expected) {
  if (!passed) throw Object.assign(new Error(`expected ${expected}`), { word });
}

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const digest = (text) => `sha256:${sha256(Buffer.from(text)).toString("hex")}`;
const leaf = ({ salt, text }) => sha256(Buffer.of(0), Buffer.from(salt, "hex"), Buffer.from(text));
const decode = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
const base64url = (data) => Buffer.from(data).toString("base64url");
const ODD = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_C}\u180e\u200b\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
export const printable = (text) => text.replace(ODD, "\ufffd");
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const size = (number) => (number < 0 ? -number : number);
const compare = (one, other) => (one < other ? -1 : Number(one > other));
const byCodePoints = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other));

/** Parses JSON. Refuses an object that has a member twice. */
function parse(text, word = "format") {
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

function checkSignature(statement, keys, { signature, issuer, issued_at } = statement) {
  const [header, , third = ""] = signature.split(".");
  const headerOf = ({ kid }) => base64url(JSON.stringify({ alg: "EdDSA", kid }));
  const key = keys.find((one) => one.kty === "OKP" && one.crv === "Ed25519" && header === headerOf(one));
  const end = key?.valid_until === null ? `${issued_at}0` : key?.valid_until;
  const isValid = key && byCodePoints(issued_at, key.valid_from) >= 0 && byCodePoints(issued_at, end) < 0;
  check("key", isValid && Buffer.from(key.x, "base64url").length === 32, `a key of ${issuer}, valid at ${issued_at}`);
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
  return sha256(Buffer.of(1), rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)));
}

/** Adds up changes by a member. Returns the rows that are not zero. */
function rowsOf(changes, member = Symbol("no member")) {
  const rows = new Map();
  for (const { [member]: key, count, amount } of changes) {
    const row = rows.get(key) ?? { [member]: key, count: 0, amount: 0n };
    rows.set(key, { ...row, count: row.count + count, amount: row.amount + amount });
  }
  return [...rows.values()].filter(({ count, amount }) => count || amount);
}

/** Computes the totals of periods, which together list the 1,000 greatest agents. Amounts are in units of 10^-scale. */
function totalsOf(periods, scale) {
  const written = ({ amount, n, ...row }) => {
    const digits = `${size(amount)}`.padStart(scale + 1, "0").replace(RegExp(`.{${scale}}$`), ".$&");
    return { ...row, value_usd: `${amount < 0n ? "-" : ""}${digits.replace(/(\...\d*?)0+$/, "$1")}` };
  };
  const of = (tally, changes) => changes.filter(({ status }) => TALLIES[status].includes(tally));
  const sumOf = (changes) => written(rowsOf(changes)[0] ?? { count: 0, amount: 0n });
  const byId = (one, other) => compare(one.agent_id ?? -Infinity, other.agent_id ?? -Infinity);
  const byType = (one, other) => byCodePoints(one.outcome_type, other.outcome_type);
  const rank = ({ amount, count }) => size(amount) * 2n ** 53n + BigInt(size(count)); // counts are below 2^53
  const agents = periods.flatMap((changes, n) => rowsOf(of("all", changes), "agent_id").map((row) => ({ ...row, n })));
  agents.sort(byId).sort((one, other) => compare(rank(other), rank(one))); // the second sort keeps the order of equals
  return periods.map((changes, n) => {
    const [kept, others] = [agents.slice(0, 1000), agents.slice(1000)].map((all) => all.filter((row) => row.n === n));
    return {
      ...sumOf(of("all", changes)),
      ...Object.fromEntries(["confirmed", "disputed", "voided"].map((tally) => [tally, sumOf(of(tally, changes))])),
      by_type: rowsOf(of("all", changes), "outcome_type").sort(byType).map(written),
      by_agent: kept.sort(byId).map(written),
      other_agents: others.length ? { agents: others.length, ...sumOf(others) } : null,
    };
  });
}

function checkSums({ from, cut, totals, adjustments }, entries) {
  const decimals = JSON.stringify(entries).match(/\.\d+"/g) ?? [];
  const scale = decimals.reduce((most, { length }) => Math.max(most, length), 2);
  const change = (count, { value_usd, ...counted }) => {
    const [whole, decimals = ""] = (value_usd ?? "0").split(".");
    return { ...counted, count, amount: BigInt(count) * BigInt(whole + decimals.padEnd(scale, "0")) };
  };
  const changes = entries.flatMap(({ outcome_id, before, after, ...outcome }) => {
    if (outcome_id === undefined) return change(1, { ...outcome, status: "recorded" });
    return same(before, after) ? [] : [change(-1, before), change(1, after)];
  });
  const within = (begin, end) => changes.filter(({ occurred_at: at }) => begin <= at && at < end);
  const [own, others] = [within(from, cut), adjustments.map((each) => within(each.from, each.to))];
  check("totals", same(totalsOf([own], scale), [totals]), "totals that follow from the entries");
  const isOther = ({ from: begin, to: end }, n) =>
    others[n].length && (adjustments[n - 1]?.to ?? "") <= begin && begin < end && (end <= from || cut <= begin);
  check("adjustments", adjustments.every(isOther) && [own, ...others].flat().length === changes.length, "other months");
  const right = totalsOf(others, scale).map((totals, n, _, { from, to } = adjustments[n]) => ({ from, to, totals }));
  check("adjustments", same(right, adjustments), "adjustments that follow from the entries");
}

/** Verifies a statement from the bytes of files. Throws an error if a check fails. */
export function verify(statementFile, entriesFile, keysFile, previousFile) {
  const statement = parse(decode(statementFile));
  const isExact = JSON.stringify(statement) === `${statementFile}` && same(Object.keys(statement), MEMBERS);
  check("format", isExact && statement.format === "outcomes-statement/1", "an outcomes-statement/1, as it was served");
  const lines = (decode(entriesFile).match(/[^\n]*\n|[^\n]+$/g) ?? []).map((line) => parse(line));
  const isLine = ({ salt, text }) => /^[0-9a-f]{32}$/.test(salt) && typeof text === "string";
  check("format", lines.every(isLine), "a salt of 16 bytes and a text in each line");
  checkSignature(statement, parse(decode(keysFile)).keys);
  const { from, cut, user, timezone, previous, root, sums, totals, adjustments, definition, sums_salt } = statement;
  check("size", lines.length === statement.size, `${statement.size} entries, not ${lines.length}`);
  check("root", rootOf(lines.map(leaf)).toString("hex") === root, `entries with the root ${root}`);
  const entries = lines.map(({ text }) => parse(text, "root"));
  const places = entries.map(({ created_at, id }) => `${created_at} ${id}`);
  const isNext = (place, n) => from <= place && place < cut && (!n || byCodePoints(places[n - 1], place) < 0);
  check("root", places.every(isNext), `entries recorded from ${from} to before ${cut}, in the order of recording`);
  check("root", new Set(entries.map(({ id }) => id)).size === entries.length, "entries with different ids");
  check("totals", digest(JSON.stringify({ totals, adjustments, definition, sums_salt })) === sums, `sums of ${sums}`);
  checkSums(statement, entries);
  const earlier = previousFile && digest(previousFile) === previous ? JSON.parse(previousFile) : {};
  const follows = !previousFile || same([earlier.cut, earlier.user, earlier.timezone], [from, user, timezone]);
  check("previous", follows, `the user's statement before ${from} in ${timezone}, with the digest ${previous}`);
  return `${statement.id}. The signature proves what the platform said and when, not that it is true.`;
}

if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(new URL(import.meta.url))) {
  try {
    check("usage", process.argv.length > 4, "STATEMENT ENTRIES KEYS [PREVIOUS]");
    console.log(printable(`verified: ${verify(...process.argv.slice(2).map((path) => readFileSync(path)))}`));
  } catch ({ word = "format", message, syscall, code, isUnread = syscall || /TOO_L(ONG|ARGE)$/.test(code) }) {
    console.log(printable(`${isUnread ? "cannot read a file" : word}: ${message}`));
    process.exitCode = isUnread || word === "usage" ? 2 : 1;
  }
}
