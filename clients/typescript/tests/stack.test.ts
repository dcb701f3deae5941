// Runs the client against the local stack. Environment variables give its URL, a key, a cookie and a user.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConflictError,
  Decimal,
  ForbiddenError,
  NotFoundError,
  OutcomesClient,
  PreconditionFailedError,
  UnauthorizedError,
} from "../src/index.js";

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

test("costs of a day come back exactly, and stand beside the value", async () => {
  const day = new Date().toISOString().slice(0, 10);
  const line = { costUsd: "9.80", agentId: 7, quantity: 1_200_000, unit: "tokens", label: "gpt-5" };
  assert.equal(await both.putCosts(day, "openai", [line], { ifVersion: 0 }), 1);
  assert.equal(await both.putCosts(day, "openai", [{ ...line, costUsd: 9.8 }]), 1);
  await assert.rejects(both.putCosts(day, "openai", [], { ifVersion: 2 }), PreconditionFailedError);
  const { lines, versions } = await both.getCosts(day, "openai", { versions: true });
  assert.deepEqual([lines, versions], [[{ ...line, costUsd: "9.8", quantity: "1200000" }], []]);
  const { costUsd, byDay } = await both.listCosts({ start: day });
  assert.deepEqual([costUsd, byDay[0]?.sources], ["9.8", ["openai"]]);
  assert.equal((await both.costSummary({ start: day })).costUsd, "9.8");
  assert.equal(await both.deleteCosts(day, "openai"), 2);
  await assert.rejects(both.getCosts(day, "openai"), NotFoundError);
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

test("an outcome is amended, confirmed, disputed, upheld and voided", async () => {
  const { id } = await both.record("task_complete", "Filed the report", { valueUsd: 100.5, userId });
  const amended = await both.amend(id, "Two seats fewer", { valueUsd: "1000.05", description: "Less" }, { userId });
  assert.deepEqual([amended.status, amended.version, amended.outcome], ["recorded", 1, null]);
  const confirmed = await both.confirm(id);
  assert.deepEqual([confirmed.status, confirmed.outcome?.valueUsd], ["confirmed", "1000.05"]);
  await both.dispute(id, "That was my own work");
  await both.uphold(id, "The log shows the call", { userId });
  await both.void(id, "It fell through", { userId });
  const { outcome, corrections } = await both.get(id);
  assert.deepEqual(
    [outcome.status, corrections.map((one) => one.type)],
    ["void", ["amend", "confirm", "dispute", "uphold", "void"]],
  );
  assert.deepEqual(corrections[0]?.changes?.valueUsd, { before: "100.5", after: "1000.05" });
  await assert.rejects(both.get("01ARZ3NDEKTSV4RRFFQ69G5FAV"), NotFoundError);
});

test("an agent key is created, used, rotated and revoked", async () => {
  const owner = new OutcomesClient({ cookie, warn, key: "" });
  const made = await owner.createKey("Nightly", { agentId: 7, outcomeTypes: "deal_closed", maxValueUsd: "20000.50" });
  const agent = new OutcomesClient({ key: made.key, warn });
  assert.deepEqual((await agent.types())[2], { type: "deal_closed", label: "Deal closed" });
  assert.deepEqual([(await agent.ownKey()).maxValueUsd, made.userId], ["20000.5", userId]);
  await assert.rejects(agent.record("task_complete", "Not mine"), ForbiddenError);
  const rotated = await owner.rotateKey(made.id, { overlapHours: 0 });
  assert.equal((await owner.listKeys()).length, 1);
  await owner.revokeKey(rotated.id);
  await assert.rejects(new OutcomesClient({ key: rotated.key, warn }).ownKey(), UnauthorizedError);
});

test("statements are made of periods that are over", async () => {
  await assert.rejects(both.makeStatement("2999-12", { timezone: "Europe/Berlin" }), ConflictError);
  await assert.rejects(both.getStatement("2026-01@Europe/Berlin"), NotFoundError);
  assert.deepEqual(await both.listStatements(), { statements: [], nextCursor: null });
  assert.match(await both.statementKeys(), /^{"keys":\[/);
});
