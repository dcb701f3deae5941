import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import "./elements.js";

const { MOST, Verdicts } = await import("../src/feed/verdicts.js");
const { Problem } = await import("../src/shared/request.js");

Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true });

/** The API: outcomes by id, and the bodies that were posted. */
let stored;
let posted;
let answer; // an instruction for the next post
let verdicts;
let told;

const corrected = ({ id, type, ifVersion }) => {
  const outcome = stored.get(id);
  if (!outcome) return { status: "not_found", error: "Not found" };
  if (outcome.version !== ifVersion) return { status: "stale", error: "Stale", details: [] };
  outcome.version += 1;
  outcome.status = type === "confirm" ? "confirmed" : "disputed";
  return { status: "corrected", version: outcome.version, outcome_status: outcome.status };
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  navigator.onLine = true;
  stored = new Map();
  posted = [];
  told = [];
  answer = corrected;
  const replays = new Map();
  verdicts = new Verdicts({
    post: async (body) => {
      posted.push(body);
      const results = body.corrections.map((one) => {
        const { idempotencyKey: key } = one;
        const { status: outcome_status, version } = stored.get(one.id) ?? {};
        if (replays.has(key)) return { status: "replayed", outcome_status, version }; // the present state
        const result = answer(one);
        if (result.status === "corrected") replays.set(key, result);
        return result;
      });
      if (answer.problem) throw answer.problem;
      return { results };
    },
    read: async (id) => {
      const outcome = await stored.get(id);
      if (outcome instanceof Error) throw outcome;
      return outcome ? { ...outcome } : null;
    },
    changed: () => {},
    saved: (outcomes) => told.push(...outcomes.map(({ id }) => id)),
    failed: (problem) => told.push(problem.kind),
  });
});
afterEach(() => mock.timers.reset());

const record = (id, more = {}) => {
  const outcome = {
    id,
    title: id,
    value_usd: 1,
    outcome_type: "a",
    agent_id: 7,
    status: "recorded",
    version: 0,
    ...more,
  };
  stored.set(id, outcome);
  verdicts.items.set(id, { outcome: { ...outcome }, state: "open", judged: null, said: "" });
};
const state = (id) => verdicts.items.get(id).state;
const said = (id) => verdicts.items.get(id).said;
/** Let promises settle. */
const settle = async () => {
  for (let turn = 0; turn < 50; turn += 1) await null;
};
const pass = async (milliseconds) => {
  mock.timers.tick(milliseconds);
  await settle();
};

test("a verdict waits five seconds, in which it can be undone, and is then sent with the version that was seen", async () => {
  for (const id of ["A", "B", "C"]) record(id, { version: 3 });
  assert.deepEqual(await verdicts.give("confirm", ["A", "B"]), ["A", "B"]);
  await verdicts.give("dispute", ["C", "A"], "Not so"); // A has a verdict already
  await pass(4999);
  assert.deepEqual(posted, []);
  assert.deepEqual(verdicts.undo(["A"]), ["A"]);
  await pass(1);
  assert.equal(posted.length, 1);
  await pass(1000);
  assert.deepEqual(
    posted.map(({ reason, corrections }) => [
      reason,
      ...corrections.map(({ id, type, ifVersion }) => [id, type, ifVersion]),
    ]),
    [
      [undefined, ["B", "confirm", 3]],
      ["Not so", ["C", "dispute", 3]],
    ],
  );
  assert.deepEqual(["A", "B", "C"].map(state), ["open", "saved", "saved"]);
  assert.deepEqual(told, ["B", "C"]);
  assert.deepEqual(verdicts.undo(["B"]), []);
});

test("what becomes due within a second of a request is sent together", async () => {
  for (let number = 0; number < 100; number += 1) {
    if (number < 30) record(`${number}`);
    await verdicts.give("confirm", [`${number}`]);
    await pass(100);
  }
  assert.deepEqual(
    posted.map(({ corrections }) => corrections.length),
    [1, 10, 10, 9],
  );
});

test("a verdict that was undone and given again waits anew", async () => {
  record("A");
  await verdicts.give("confirm", ["A"]);
  await pass(3000);
  verdicts.undo(["A"]);
  await verdicts.give("dispute", ["A"], "No");
  await pass(4999);
  assert.deepEqual(posted, []);
  await pass(1);
  assert.equal(posted[0].corrections[0].type, "dispute");
});

test("at most 100 verdicts are pending: those that wait are sent before others are taken", async () => {
  const ids = Array.from({ length: 250 }, (_, number) => `outcome-${number}`);
  ids.forEach((id) => void record(id));
  assert.equal((await verdicts.give("confirm", ids)).length, MOST);
  assert.deepEqual(posted, []);
  assert.equal((await verdicts.give("confirm", ids)).length, MOST);
  assert.deepEqual(
    posted.map(({ corrections }) => corrections.length),
    [100],
  );
  await verdicts.sendNow();
  assert.deepEqual(
    posted.map(({ corrections }) => corrections.length),
    [100, 100],
  );
});

test("what waits is below 60 KB, also with long reasons", async () => {
  const ids = Array.from({ length: 60 }, (_, number) => `outcome-${number}`);
  ids.forEach((id) => void record(id));
  for (const [index, id] of ids.entries()) await verdicts.give("dispute", [id], `${index}${"語".repeat(490)}`);
  await verdicts.sendNow();
  const sizes = posted.map((body) => new TextEncoder().encode(JSON.stringify(body)).length);
  assert.ok(sizes.length > 1 && Math.max(...sizes) < 60_000, String(sizes));
  assert.equal(posted.flatMap(({ corrections }) => corrections).length, 60);
});

test("each result that is not saved stays with what happened and a way on", async () => {
  const details = [{ field: "type", message: "has been corrected too often" }];
  for (const [id, result, expected, words, canRetry] of [
    [
      "gone",
      { status: "not_found", error: "Not found" },
      "gone",
      "This outcome no longer exists or is not yours.",
      false,
    ],
    [
      "limit",
      { status: "not_possible", error: "Not possible", details },
      "changed",
      "Not saved. Not possible: has been corrected too often.",
      false,
    ],
    [
      "busy",
      { status: "failed", error: "Busy", retryable: true },
      "failed",
      "Not saved. The server answered “Busy”.",
      true,
    ],
    [
      "taken",
      { status: "failed", error: "Conflict", retryable: true },
      "failed",
      "Not saved. Someone else is correcting it right now.",
      true,
    ],
    [
      "bad",
      { status: "invalid", error: "Invalid reason", details: [{ field: "reason", message: "is too long" }] },
      "failed",
      "Not saved. The reason is too long.",
      false,
    ],
  ]) {
    record(id);
    answer = () => result;
    await verdicts.give("confirm", [id]);
    await verdicts.sendNow();
    assert.deepEqual([state(id), said(id), verdicts.items.get(id).canRetry ?? false], [expected, words, canRetry], id);
  }
  assert.equal(verdicts.unsaved, 2);
  assert.equal(verdicts.isUnsaved, true);
  answer = corrected;
  await verdicts.retry([...verdicts.items.keys()]);
  assert.deepEqual(["busy", "taken", "bad"].map(state), ["saved", "saved", "failed"]);
  assert.equal(verdicts.isUnsaved, false);
  await verdicts.give("confirm", ["bad", "limit"]); // she may judge again
  await verdicts.sendNow();
  assert.deepEqual(["bad", "limit"].map(state), ["saved", "saved"]);
});

test("a request without an answer is sent again with the same keys, so it counts once", async () => {
  record("A");
  answer = Object.assign((one) => corrected(one), { problem: new Problem("offline") });
  await verdicts.give("confirm", ["A"]);
  await verdicts.sendNow();
  assert.equal(state("A"), "failed");
  assert.match(said("A"), /^It may not have been saved\. You are offline\./);
  assert.equal(stored.get("A").version, 1); // it was saved all the same
  answer = corrected;
  await verdicts.retryLost();
  assert.deepEqual([state("A"), stored.get("A").version], ["saved", 1]);
  await verdicts.retryLost();
  assert.equal(posted.length, 2);
});

const ENDED = "It was changed meanwhile, and is no longer disputed.";

test("after a lost answer, what was saved is told from what it became since", async () => {
  for (const id of ["seen", "amended", "upheld", "amended and seen"]) record(id);
  answer = Object.assign((one) => corrected(one), { problem: new Problem("offline") });
  await verdicts.give("dispute", [...verdicts.items.keys()], "Not so");
  await verdicts.sendNow();
  answer = corrected;
  verdicts.update({ ...stored.get("seen") });
  verdicts.update({ ...stored.get("amended and seen"), version: 2, status: "recorded" });
  assert.equal(said("amended and seen"), "It was changed meanwhile. Please look at it again."); // it may have been saved
  Object.assign(stored.get("amended"), { version: 2, value_usd: 900 });
  Object.assign(stored.get("upheld"), { version: 2, status: "recorded" });
  await verdicts.retryLost();
  assert.deepEqual(["seen", "amended", "upheld"].map(state), ["saved", "changed", "changed"]);
  assert.equal(said("amended"), "It was changed meanwhile: its value was $1.00. Please look at it again.");
  assert.deepEqual([said("seen"), said("upheld")], ["", `${ENDED} Please look at it again.`]);
  assert.equal(verdicts.items.get("amended").outcome.value_usd, 900);
  assert.equal(posted.length, 2);
});

test("an answer that cannot be understood, a busy server and a lost session leave verdicts unsaved", async () => {
  for (const [problem, words, mayBeSaved] of [
    [
      Object.assign(new Problem("error", "The server answered 503."), { status: 503 }),
      "Not saved. The server answered 503.",
      false,
    ],
    [new TypeError("results"), "It may not have been saved. The server’s answer could not be understood.", true],
    [new Problem("signed-out"), "Not saved.", false],
  ]) {
    record("A");
    answer = Object.assign(() => ({}), { problem });
    await verdicts.give("confirm", ["A"]);
    await verdicts.sendNow();
    assert.ok(said("A").startsWith(words), said("A"));
    assert.deepEqual([state("A"), verdicts.items.get("A").mayBeSaved], ["failed", mayBeSaved]);
  }
  assert.deepEqual(told, ["signed-out"]);
});

test("a change elsewhere is seen and never overwritten", async () => {
  for (const id of ["amended", "confirmed", "void", "gone", "unread"]) record(id);
  await verdicts.give("confirm", [...verdicts.items.keys()]);
  Object.assign(stored.get("amended"), { version: 1, value_usd: 900 });
  Object.assign(stored.get("confirmed"), { version: 1, status: "confirmed" });
  Object.assign(stored.get("void"), { version: 1, status: "void" });
  stored.delete("gone");
  answer = (one) => {
    const result = corrected(one);
    if (one.id === "unread") stored.set("unread", new Problem("offline"));
    return one.id === "unread" ? { status: "stale", error: "Stale", details: [] } : result;
  };
  await pass(5000);
  assert.deepEqual(
    [...verdicts.items].map(([id, item]) => [id, item.state, item.said]),
    [
      ["amended", "changed", "Not saved. It was changed meanwhile: its value was $1.00. Please look at it again."],
      ["confirmed", "gone", "Not saved. It was confirmed meanwhile."],
      ["void", "gone", "Not saved. It was declared void meanwhile."],
      ["gone", "gone", "This outcome no longer exists or is not yours."],
      ["unread", "failed", "Not saved: it was changed meanwhile. You are offline."],
    ],
  );
  assert.equal(stored.get("amended").status, "recorded");
  answer = corrected;
  await verdicts.give("confirm", ["amended"]);
  await pass(5000);
  assert.deepEqual([state("amended"), stored.get("amended").version], ["saved", 2]);
});

test("a change that is seen while a verdict waits takes the verdict back", async () => {
  record("A");
  record("B");
  await verdicts.give("confirm", ["A", "B"]);
  verdicts.update({ ...stored.get("A"), version: 1, title: "Amended" });
  verdicts.update({ ...stored.get("B"), title: "Same version" });
  verdicts.update({ id: "unknown", version: 1 });
  await pass(5000);
  assert.deepEqual(
    posted[0].corrections.map(({ id }) => id),
    ["B"],
  );
  assert.equal(said("A"), "Not saved. It was changed meanwhile: its title was “A”. Please look at it again.");
  verdicts.update({ ...stored.get("A"), version: 2, title: "Again" });
  assert.equal(said("A"), "It was changed meanwhile: its title was “Amended”. Please look at it again.");
});

test("a lost answer of a server that failed is told by what the outcome became", async () => {
  record("A");
  const problem = Object.assign(new Problem("error", "The server answered 504."), { status: 504 });
  answer = Object.assign((one) => corrected(one), { problem });
  await verdicts.give("confirm", ["A"]);
  await verdicts.sendNow();
  verdicts.update({ ...stored.get("A") });
  assert.deepEqual([state("A"), said("A")], ["saved", ""]);
});

test("a verdict of which the server does not know whether it was saved is told by what the outcome became", async () => {
  const unclear = { status: "failed", error: "Failed to correct outcome", retryable: true };
  const busy = Object.assign(new Problem("error", "The server answered 503."), { status: 503 });
  record("A");
  answer = (one) => corrected(one) && unclear;
  await verdicts.give("confirm", ["A"]);
  await verdicts.sendNow();
  const why = (words) => `It may not have been saved. ${words} Trying again is safe: it counts once.`;
  assert.equal(said("A"), why("The server answered “Failed to correct outcome”."));
  answer = Object.assign(() => ({}), { problem: busy });
  await verdicts.retryLost();
  assert.equal(said("A"), why("The server answered 503.")); // the first attempt may still have saved it
  answer = () => ({ status: "failed", error: "Busy", retryable: true });
  await verdicts.retryLost();
  assert.equal(said("A"), why("The server answered “Busy”."));
  verdicts.update({ ...stored.get("A") });
  assert.deepEqual([state("A"), said("A")], ["saved", ""]);
});

test("another verdict after a lost answer can be given on what the first made", async () => {
  record("A");
  answer = Object.assign((one) => corrected(one), { problem: new Problem("offline") });
  await verdicts.give("confirm", ["A"]);
  await verdicts.sendNow();
  answer = corrected;
  await verdicts.give("dispute", ["A"], "Not so");
  await verdicts.sendNow();
  assert.deepEqual(
    [state("A"), said("A")],
    ["changed", "Not saved. It was confirmed meanwhile. Please look at it again."],
  );
  await verdicts.give("dispute", ["A"], "Not so");
  await verdicts.sendNow();
  assert.deepEqual([state("A"), stored.get("A").status], ["saved", "disputed"]);
});

test("what changes while its retry waits for room is not sent, and nothing gets stuck", async () => {
  const ids = Array.from({ length: MOST }, (_, number) => `outcome-${number}`);
  for (const id of ["A", ...ids]) record(id);
  answer = Object.assign(() => ({}), { problem: new Problem("offline") });
  await verdicts.give("confirm", ["A"]);
  await verdicts.sendNow();
  answer = corrected;
  await verdicts.give("confirm", ids);
  const retried = verdicts.retry(["A"]);
  verdicts.update({ ...stored.get("A"), version: 1 });
  await retried;
  await verdicts.sendNow();
  assert.deepEqual([state("A"), state(ids[0])], ["changed", "saved"]);
});

test("a newer version is shown only with what it counts for", async () => {
  record("A", { counts: { state: "unconfirmed", usd: 1 } });
  Object.assign(stored.get("A"), { version: 1, value_usd: 900, counts: { state: "unconfirmed", usd: 900 } });
  const { counts: _, ...listed } = stored.get("A");
  verdicts.update(listed);
  await settle();
  const { outcome } = verdicts.items.get("A");
  assert.deepEqual([state("A"), outcome.value_usd, outcome.counts.usd], ["changed", 900, 900]);

  record("B", { counts: { state: "unconfirmed", usd: 1 } });
  stored.set("B", new Problem("offline"));
  verdicts.update({ ...listed, id: "B" });
  await settle();
  assert.deepEqual([state("B"), said("B")], ["changed", "It was changed meanwhile. You are offline."]);
});

test("the same version is shown with what it counts for by another rule, and its verdict goes on", async () => {
  record("A", { counts: { state: "waiting", on: "2026-05-15", usd: 1 } });
  await verdicts.give("confirm", ["A"]);
  verdicts.update({ ...stored.get("A"), counts: { state: "not_counted", on: null, usd: null } });
  assert.deepEqual([state("A"), verdicts.items.get("A").outcome.counts.state], ["waiting", "not_counted"]);
});

test("a dispute that was ended elsewhere is said to be no longer one", async () => {
  record("A", { status: "disputed", version: 1 });
  verdicts.update({ ...stored.get("A"), status: "recorded", version: 2, value_usd: 2 });
  const words = "It was changed meanwhile, and is no longer disputed: its value was $1.00. Please look at it again.";
  assert.equal(said("A"), words);
});

test("a newer version that cannot be read takes back no verdict that was saved meanwhile", async () => {
  record("A", { counts: { state: "unconfirmed", usd: 1 } });
  await verdicts.give("confirm", ["A"]);
  const kept = stored.get("A");
  let fail;
  const reading = new Promise((resolve) => {
    fail = () => resolve(new Problem("offline"));
  });
  stored.set("A", reading);
  verdicts.update({ ...kept, version: 1, counts: undefined });
  stored.set("A", kept);
  await verdicts.sendNow();
  fail();
  await settle();
  assert.deepEqual([state("A"), said("A"), told], ["saved", "", ["A"]]);
});

test("for another user, nothing more is read of the outcomes of the first", async () => {
  const ids = ["A", "B", "C", "D", "E", "F"];
  for (const id of ids) record(id, { version: 1 });
  const reading = verdicts.reread(ids);
  verdicts.forget();
  await reading;
  assert.deepEqual(told, []);
  assert.equal(verdicts.items.size, 0);
});

test("only what can have a verdict gets it, and a page that is left offline asks first", async () => {
  const may = (type, status, state = "open") => Verdicts.may({ outcome: { status }, state }, type);
  assert.deepEqual(
    ["recorded", "disputed", "confirmed", "void"].map((status) => may("confirm", status)),
    [true, true, false, false],
  );
  assert.deepEqual(
    ["recorded", "confirmed", "disputed", "void"].map((status) => may("dispute", status)),
    [true, true, false, false],
  );
  for (const state of ["waiting", "sending", "saved", "gone"]) assert.equal(may("confirm", "recorded", state), false);
  assert.equal(Verdicts.may(undefined, "confirm"), false);
  record("A");
  await verdicts.give("confirm", ["A"]);
  assert.equal(verdicts.isUnsaved, false); // a request that is kept alive sends it
  navigator.onLine = false;
  assert.equal(verdicts.isUnsaved, true);
  verdicts.forget();
  await pass(5000);
  assert.deepEqual([posted.length, verdicts.isUnsaved], [0, false]);
});

test("of 500 outcomes that are reviewed in one sitting, each is saved once", async () => {
  const ids = Array.from({ length: 500 }, (_, number) => `outcome-${number}`);
  ids.forEach((id) => void record(id));
  let failures = 0;
  for (const [index, id] of ids.entries()) {
    // Every seventh request has no answer, and every third of these was saved all the same.
    answer = (one) =>
      posted.length % 7 || !(posted.length % 3) ? corrected(one) : { status: "failed", retryable: true };
    answer.problem = posted.length % 7 ? undefined : new Problem("error", "The server could not be reached.");
    await verdicts.give(index % 5 ? "confirm" : "dispute", [id], index % 5 ? "" : "Not so");
    if (index % 11 === 0) verdicts.undo([id]);
    await pass(300);
    failures += verdicts.unsaved;
  }
  answer = corrected;
  await verdicts.retry(ids);
  await verdicts.give("confirm", ids);
  await pass(5000);
  assert.ok(failures > 0);
  assert.deepEqual([...new Set(ids.map(state))], ["saved"]);
  assert.deepEqual([...new Set(ids.map((id) => stored.get(id).version))], [1]);
});
