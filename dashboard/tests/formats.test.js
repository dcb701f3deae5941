import assert from "node:assert/strict";
import { test } from "node:test";
import "./elements.js";

const made = [];
for (const kind of ["DateTimeFormat", "NumberFormat", "RelativeTimeFormat"])
  Intl[kind] = new Proxy(Intl[kind], {
    construct(Kind, [locale, options]) {
      made.push(kind);
      return new Kind(locale ?? (kind === "DateTimeFormat" ? "en-IR-u-ca-persian" : "en"), options);
    },
  });

test("formats are made when they are used, or all at once while a page waits, not before it asks", async () => {
  const { dollars } = await import("../src/feed/format.js");
  const { makeFormats } = await import("../src/shared/time.js");
  assert.deepEqual(made, []);
  assert.equal(dollars.format(5) + dollars.format(6), "$5$6");
  assert.deepEqual(made, ["NumberFormat"]);
  makeFormats();
  assert.ok(made.length > 15);
});

test("a month has its Gregorian name, also for a viewer in whose calendar it is parts of two others", async () => {
  const { monthAndYear } = await import("../src/feed/format.js");
  const { monthName } = await import("../src/feed/paper.js");
  assert.match(
    `${monthAndYear.format(Date.parse("2026-11-01"))}, ${monthName("2026-11")}`,
    /^Nov .*2026.*, November .*2026/,
  );
});
