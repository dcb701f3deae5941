import assert from "node:assert/strict";
import { test } from "node:test";
import "./elements.js";

test("formats are made when they are used, or all at once while a page waits, not before it asks", async () => {
  const made = [];
  for (const kind of ["DateTimeFormat", "NumberFormat", "RelativeTimeFormat"])
    Intl[kind] = new Proxy(Intl[kind], {
      construct(Kind, values) {
        made.push(kind);
        return new Kind(...values);
      },
    });
  const { dollars } = await import("../src/feed/format.js");
  const { makeFormats } = await import("../src/shared/time.js");
  assert.deepEqual(made, []);
  assert.equal(dollars.format(5) + dollars.format(6), "$5$6");
  assert.deepEqual(made, ["NumberFormat"]);
  makeFormats();
  assert.ok(made.length > 15);
});
