// Verifies statements: the cases shared with the Python client.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import table from "../../statements/cases.json" with { type: "json" };
import wrong from "../../statements/wrong.json" with { type: "json" };
import { verifyMonths } from "../src/statement-months.js";
import { type Files, StatementError, verify } from "../src/statements.js";

interface Case {
  name: string;
  files?: Record<string, string | null>;
  edits?: [role: string, what: string | number[], replacement?: string][];
  word: string | null;
}

interface Months {
  name: string;
  statements: string[];
  previous?: string;
  word: string | null;
  totals?: object;
  changes?: object[];
}

const WRONG: Record<string, string> = wrong;

function file(name: string): string {
  return WRONG[name] ?? readFileSync(`../statements/${name}`, "utf8");
}

/** Edits a text. If `what` is a pattern, replaces its first match. If it is a list of line numbers, keeps them. */
function edited(text: string, what: string | number[], replacement = ""): string {
  if (Array.isArray(what)) {
    const lines = text.split(/(?<=\n)/);
    return what.map((n) => lines[n]).join("");
  }
  assert.match(text, RegExp(what));
  return text.replace(RegExp(what), () => replacement);
}

test("files that are nested too deeply, or have too long a text for JavaScript, are refused", async () => {
  const deep = "[".repeat(1e5) + "]".repeat(1e5);
  for (const files of [
    { statement: JSON.stringify({ a: "x".repeat(2e7) }), keys: file("keys.json") },
    { statement: deep, keys: file("keys.json") },
    { proof: deep, keys: "" },
    { proof: deep, keys: deep },
  ]) {
    await assert.rejects(
      verify(files),
      (refused: unknown) => refused instanceof StatementError && refused.word === "format",
    );
  }
});

test("the message of a forged file has no control characters", async () => {
  const statement = file("2026-10.json").replace("https://api.example.com", "x\\r\\nverified:\\u001b[1A");
  const said = { message: "key: expected a signature by a key of x\ufffd\ufffdverified:\ufffd[1A: none is known" };
  await assert.rejects(verify({ statement, keys: '{"keys":[]}' }), said);
});

test("only a proof is verified without a statement", async () => {
  for (const files of [{}, { proof: "{}", entries: "" }, { proof: "{}", previous: "" }]) {
    await assert.rejects(verify({ ...files, keys: "{}" }), TypeError);
  }
});

for (const [what, stub, name] of [
  ["without WebCrypto", (t) => t.mock.getter(crypto, "subtle", () => undefined), "TypeError"],
  [
    "without Ed25519",
    (t) =>
      t.mock.method(crypto.subtle, "importKey", async () => {
        throw new DOMException("Unrecognized name", "NotSupportedError");
      }),
    "NotSupportedError",
  ],
] as [string, (t: TestContext) => unknown, string][]) {
  test(`a browser ${what} is not a fault of the key`, async (t) => {
    stub(t);
    await assert.rejects(verify({ statement: file("2026-10.json"), keys: file("keys.json") }), { name });
  });
}

for (const { name, statements, previous, word, totals, changes } of table.months as unknown as Months[]) {
  test(`months: ${name}`, async () => {
    const given = { statements: statements.map(file), keys: file("keys.json"), previous: previous && file(previous) };
    if (word === null) {
      const months = await verifyMonths(given);
      assert.deepEqual({ totals: months.totals, changes: months.changes }, { totals, changes });
      const periods = months.statements.map(({ head }) => head.period);
      assert.deepEqual(periods, [...new Set(periods)].sort());
      assert.equal(periods.length, statements.length);
      return;
    }
    await assert.rejects(verifyMonths(given), (refused: unknown) => {
      assert.ok(refused instanceof StatementError, `${refused}`);
      assert.equal(refused.word, word, refused.message);
      return refused.message.startsWith(`${word}: `);
    });
  });
}

test("the message says which of several statements is refused", async () => {
  const statements = ["2026-08.json", "2026-09.json", "unlisted-key.json"].map(file);
  await assert.rejects(verifyMonths({ statements, keys: file("keys.json") }), {
    message: /^key: statement 3: expected a signature by a key of https:/,
  });
  await assert.rejects(verifyMonths({ statements: [], keys: "{}" }), TypeError);
});

for (const { name, files: given, edits = [], word } of table.cases as unknown as Case[]) {
  test(name, async () => {
    const names = { ...table.files, ...given };
    const texts = Object.fromEntries(Object.entries(names).map(([role, from]) => [role, from && file(from)]));
    for (const [role, ...edit] of edits) texts[role] = edited(texts[role] ?? "", ...edit);
    const files = Object.fromEntries(
      Object.entries(texts).map(([role, text]) => [role, text === null ? null : new TextEncoder().encode(text)]),
    ) as unknown as Files;
    for (const given of [files, texts as unknown as Files]) {
      if (word === null) {
        assert.ok((await verify(given)).head.user);
        continue;
      }
      await assert.rejects(verify(given), (refused: unknown) => {
        assert.ok(refused instanceof StatementError, `${refused}`);
        assert.equal(refused.word, word, refused.message);
        return refused.message.startsWith(`${word}: `);
      });
      // Wait a turn of the event loop: an unhandled rejection fails this test only while the test runs.
      await new Promise(setImmediate);
    }
  });
}
