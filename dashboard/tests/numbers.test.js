import assert from "node:assert/strict";
import { test } from "node:test";
import "./elements.js";

const { decimal, exactNumber, isNumber, minus, parseExactly } = await import("../src/shared/numbers.js");

const DIGITS = "12345678901234567890123456789012345.678";

test("an amount keeps every digit", () => {
  for (const sent of [DIGITS, `-${DIGITS}`, "0.1", "1e3", "-0.30", "9007199254740993"])
    assert.equal(Number(decimal(parseExactly(`{"value_usd": ${sent}}`).value_usd)), Number(sent));
  assert.equal(decimal(parseExactly(DIGITS)), DIGITS);
  assert.equal(decimal(parseExactly("-0.30")), "-0.30");
});

test("a number that a double can hold is a number, and other values stay unchanged", () => {
  assert.equal(parseExactly("12500.5"), 12500.5);
  assert.equal(parseExactly('"7"'), "7");
  assert.deepEqual([7, parseExactly(DIGITS)].map(isNumber), [true, true]);
  assert.deepEqual([null, "7", undefined, {}].map(isNumber), [false, false, false, false]);
});

test("a difference is exact for all decimal places, exponents and signs", () => {
  for (const [from, less, difference] of [
    ["0.3", "0.1", "0.2"],
    [DIGITS, "0.001", "12345678901234567890123456789012345.677"],
    ["100", "410.37", "-310.37"],
    ["1", "1", "0"],
    ["1.50", "0.5", "1.00"],
    ["0", "-2.5", "2.5"],
    ["1e3", "1", "999"],
    ["1e-3", "1E-2", "-0.009"],
    ["3e3", "1e3", "2000"],
    ["-0.05", "0.05", "-0.10"],
  ])
    assert.equal(decimal(minus({ rawJSON: from }, { rawJSON: less })), difference, `${from} - ${less}`);
});

test("a typed number is sent as typed if JSON allows it", () => {
  assert.equal(JSON.stringify(exactNumber(DIGITS)), DIGITS);
  assert.equal(JSON.stringify(exactNumber("12.50")), "12.50");
  assert.equal(JSON.stringify(exactNumber(`-${DIGITS}`)), `-${DIGITS}`);
  assert.equal(exactNumber(".5"), 0.5);
  assert.equal(exactNumber("1e3"), 1000);
});
