import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import "./elements.js";

const { Api } = await import("../src/feed/api.js");
const { Rows } = await import("../src/feed/rows.js");
const { Totals } = await import("../src/feed/totals.js");

const { signal } = new AbortController();
const NONE = { count: 0, disputed: { count: 0 }, voided: { count: 0 } };
const settle = async () => {
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** @type {AbortController[]} those of the signals that wait for a summary */
const patience = [];
const { timeout } = AbortSignal;
AbortSignal.timeout = (milliseconds) => {
  if (milliseconds !== 1000) return timeout.call(AbortSignal, milliseconds);
  patience.push(new AbortController());
  return patience.at(-1).signal;
};
const endPatience = () => {
  for (const each of patience.splice(0)) each.abort();
};

let asked;
let choice;
let totals;
let rows;

beforeEach(() => {
  patience.length = 0;
  asked = 0;
  globalThis.fetch = async () => {
    asked += 1;
    return Response.json({ outcomes: [], next_cursor: "more" });
  };
  choice = { scope: "agent 7", query: { agentId: "7", from: "", to: "" }, isFiltered: true, offer: () => {} };
  const api = new Api(() => "https://api.example.com/api/outcomes");
  totals = new Totals(api, choice, String, () => null);
  rows = new Rows(api, choice, { newest: { user_id: 42 }, isPolling: false }, totals, {}, () => {});
});

/** Let the summary of the selection be read. */
const count = (summary, scope = choice.scope) => Object.assign(totals.sums, { summary, scope });

/** The text and the button below the list, if they are shown. */
function below() {
  rows.render();
  const [none, , more] = rows.elements.slice(3);
  return [none, more].map(({ hidden, textContent }) => (hidden ? null : textContent));
}

test("only a current summary without any outcome says that the list is empty", () => {
  for (const [summary, change, isEmpty] of [
    [NONE, {}, true],
    [{ count: 0 }, {}, true], // without corrections
    [{ ...NONE, count: 1 }, {}, false],
    [{ ...NONE, disputed: { count: 1 } }, {}, false],
    [{ ...NONE, voided: { count: 1 } }, {}, false],
    [{ ...NONE, other_agents: { agents: 1, count: 0 } }, {}, false],
    [NONE, { isUnknown: true }, false],
    [NONE, { scope: "another agent" }, false],
    [null, {}, false],
  ]) {
    count(summary);
    Object.assign(totals.sums, { isUnknown: false }, change);
    assert.equal(totals.isEmpty, isEmpty);
  }
});

test("a list is not requested that the summary says is empty, and the viewer sees so at once", async () => {
  const counted = Promise.resolve().then(() => count(NONE));
  await rows.read({ outcomes: [] }, signal, counted);
  assert.equal(asked, 0);
  assert.deepEqual(below(), ["No outcome matches this filter.", null]);
});

test("a page that opens requests one page of the list, and no second after the summary says that it is empty", async () => {
  let answer;
  const counted = new Promise((resolve) => {
    answer = () => resolve(count(NONE));
  });
  const early = rows.readFirst(signal, counted);
  const read = rows.read({ outcomes: [] }, signal, counted, early);
  await settle();
  assert.equal(asked, 1);
  answer();
  await read;
  assert.equal(asked, 1);
  assert.deepEqual(below(), ["No outcome matches this filter.", null]);
});

test("the pages of a page that opens wait once for a slow summary", async () => {
  const early = rows.readFirst(signal, new Promise(() => {}));
  await settle();
  assert.equal(asked, 1);
  endPatience();
  await early;
  assert.equal(asked, 5);
});

test("a list is requested if the summary has outcomes, fails or takes long, until a summary says that it is empty", async () => {
  for (const [counted, waits] of [
    [Promise.resolve().then(() => count({ ...NONE, count: 1 })), false],
    [Promise.resolve().then(() => count(null)), false],
    [new Promise(() => {}), true],
  ]) {
    count(null);
    asked = 0;
    rows.skip();
    const read = rows.read({ outcomes: [] }, signal, counted);
    await settle();
    assert.equal(asked === 0, waits);
    endPatience(); // once for all five pages
    await read;
    assert.equal(asked, 5);
    assert.deepEqual(below(), ["No match among the latest outcomes.", "Look further back"]);
  }
  count(NONE);
  assert.deepEqual(below(), ["No outcome matches this filter.", null]);
});
