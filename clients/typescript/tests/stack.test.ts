// Runs the client against the local stack: what it sends and reads by a real fetch. cases.json has all calls.
// Environment variables give the stack's URL, a key, a cookie and a user.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Decimal, OutcomesClient } from "../src/index.js";

const { OUTCOMES_URL: url, INTERNAL_API_KEY: key, OUTCOMES_COOKIE: cookie, OUTCOMES_USER_ID: user } = process.env;
const userId = Number(user);
const warn = () => {};
const both = new OutcomesClient({ warn });

test("the environment names the stack", () => {
  assert.ok(url && key && cookie && userId);
});

test("what was recorded comes back exactly, and counts once", async () => {
  const fields = {
    valueUsd: "123456789012345.67890123456789",
    metadata: {
      score: 0.1,
      exact: new Decimal("0.10000000000000000000000001"),
      big: 2n ** 70n,
      tags: ["ü", "🎉"],
      n: null,
    },
    occurredAt: new Date(Date.now() - 3_600_000),
    idempotencyKey: `typescript-${userId}`,
  };
  const first = await both.record("deal_closed", "Renewed Acme", fields);
  const again = await both.record("deal_closed", "Renewed Acme", fields);
  assert.deepEqual([first.replayed, again.replayed, again.id], [false, true, first.id]);
  const { outcomes } = await both.list({ ledger: true, outcomeType: "deal_closed" });
  assert.equal(outcomes.length, 1);
  const { valueUsd, metadata, occurredAt, recordedBy, status } = outcomes[0] ?? {};
  assert.deepEqual(
    [valueUsd, metadata, occurredAt, recordedBy, status],
    [fields.valueUsd, fields.metadata, fields.occurredAt.toISOString(), "key", "recorded"],
  );
});

test("many are recorded, iterated, summed up and exported", async () => {
  const results = await both.recordMany(
    Array.from({ length: 60 }, (_, n) => ({
      outcomeType: "content_published" as const,
      title: `No. ${n}`,
      valueUsd: "0.10",
    })),
  );
  assert.ok(results.every((one) => one.status === "created"));
  const titles = new Set<string>();
  for await (const { title } of both.iterate({ outcomeType: "content_published" })) titles.add(title);
  assert.equal(titles.size, 60);
  const summary = await both.summary({ outcomeType: ["content_published"], by: "month", compare: "previous" });
  assert.deepEqual([summary.count, Number(summary.valueUsd), summary.previous?.count], [60, 6, 0]);
  let lines = 0;
  for await (const { text } of both.export("ndjson", { outcomeType: "content_published" }))
    lines += text.split("\n").length - 1;
  assert.equal(lines, 60);
});
