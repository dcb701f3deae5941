import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { textsOf } from "./elements.js";

const { whatToPaste } = await import("../src/keys/paste.js");
const { KeyRow } = await import("../src/keys/list.js");
const { AgentNames } = await import("../src/shared/agents.js");
const { parseExactly } = await import("../src/shared/numbers.js");

const NOON = Date.parse("2026-04-15T16:00:00Z");
const ago = (hours) => new Date(NOON - hours * 3_600_000).toISOString();
const ABSENT = ["agent_id", "outcome_types", "max_value_usd", "expires_at", "last_used_at", "rotated_by", "rotated_at"];
const KEY = {
  ...Object.fromEntries(ABSENT.map((name) => [name, null])),
  ...{ id: "1", name: "Key", scopes: ["record"], created_at: ago(0), made_by: "session", key: "oc_secret" },
};
mock.method(Date, "now", () => NOON);

/** Return what a row says of a key: what it may do, and how it came and was used. */
function said(fields) {
  const { element } = new KeyRow({ ...KEY, ...fields }, new AgentNames());
  return textsOf(element.all("span").filter(({ attributes }) => attributes.class === "meta"));
}

test("the limits of a key are shown in words, with each digit", () => {
  const digits = "123456789012345.12345678901234567";
  const most = { agent_id: 7, outcome_types: ["deal_closed", "task_complete"], scopes: ["record", "correct"] };
  // A newer server may have other types and scopes. These names are also properties of every object.
  const strange = { outcome_types: ["constructor"], scopes: ["record", "read", "toString"], max_value_usd: 0.001 };
  for (const [fields, words] of [
    [{}, "May record · for any agent · outcomes of any type · of any value"],
    [most, "May record and correct · for Agent 7 only · only Deal closed and Task complete · of any value"],
    [strange, "May record, read, and toString · for any agent · only Constructor · up to $0.001 each"],
    [
      { max_value_usd: parseExactly(digits) },
      "May record · for any agent · outcomes of any type · up to $123,456,789,012,345.12345678901234567 each",
    ],
  ])
    assert.equal(said(fields)[0], words);
});

test("maker, use and end of a key are shown", () => {
  for (const [fields, words] of [
    [{}, " by you · Never used"],
    [{ last_used_at: ago(0.98) }, " by you · Last used within the last hour"],
    [{ last_used_at: ago(5.9) }, " by you · Last used 5 hours ago"],
    [{ last_used_at: ago(480) }, " by you · Last used 20 days ago"],
    [{ expires_at: "2026-05-01T12:00:00Z" }, " by you · Never used · Until May 1, 2026"],
    [{ expires_at: ago(0) }, " by you · Never used · Expired Apr 15, 2026"],
    [{ rotated_by: "platform", rotated_at: ago(24) }, " by you · Rotated Apr 14, 2026 by the platform · Never used"],
    [{ paused_at: ago(24) }, " by you · Paused Apr 14, 2026 · Never used"],
    [{ made_by: "platform" }, " by the platform · Never used"],
    [{ made_by: null }, " · Never used"],
    [{ made_by: "constructor" }, " · Never used"],
  ])
    assert.equal(said(fields)[1], `Made Apr 15, 2026${words}`);
});

test("what a key with a limit has recorded today is shown, and its bar", () => {
  for (const [fields, words, bar] of [
    [{ max_per_day: 10_000, recorded_today: 3_120 }, " about 3,120 of 10,000 today", { value: "3120", max: "10000" }],
    [{ max_per_day: 1, recorded_today: 0 }, " about 0 of 1 today", { value: "0", max: "1" }],
    [{ max_per_day: null, recorded_today: null }],
    [{}], // of an API that knows no limits
  ]) {
    const { element } = new KeyRow({ ...KEY, ...fields }, new AgentNames());
    assert.equal(said(fields)[2], words);
    const [found] = element.all("progress");
    assert.deepEqual(found && { value: found.attributes.value, max: found.attributes.max }, bar);
  }
});

test("a key has a button to pause it, and a paused key one to resume it", () => {
  const row = new KeyRow(KEY, new AgentNames());
  for (const [paused_at, verb] of [
    [null, "Pause"],
    [ago(1), "Resume"],
    [undefined, "Pause"],
  ]) {
    row.show({ ...KEY, paused_at });
    assert.deepEqual([row.pause.textContent, row.pause.attributes["aria-label"]], [verb, `${verb} Key`]);
  }
});

test("the texts to paste have the addresses that agents reach", async () => {
  globalThis.location = { origin: "https://app.example.com" };
  const url = new URL("https://app.example.com/api/keys");
  const asked = [];
  const answer = { mcp: 204, types: Response.json({ types: [{ type: "task" }] }) };
  mock.method(globalThis, "fetch", async ({ pathname }, { method }) => {
    asked.push(`${method} ${pathname}`);
    return pathname === "/mcp" ? new Response(null, { status: answer.mcp }) : answer.types.clone();
  });
  const stage = "https://api.example.com/Prod/api/outcomes";
  for (const [apiUrl, mcpUrl, mcp, base, tools, questions] of [
    [null, null, 204, "https://app.example.com", 3, ["OPTIONS /mcp"]],
    [null, null, 404, "https://app.example.com", 0, ["OPTIONS /mcp"]],
    [stage, null, 204, "https://api.example.com/Prod", 3, ["OPTIONS /mcp"]],
    [null, "https://api.example.com/mcp", 404, "https://app.example.com", 3, []],
    [null, "", 204, "https://app.example.com", 0, []],
    ["https://[", "", 204, "https://[", 0, []], // a wrong attribute is shown as it is
  ]) {
    answer.mcp = mcp;
    asked.length = 0;
    const [env, , curl, ...rest] = await whatToPaste(KEY, url, apiUrl, mcpUrl);
    assert.equal(env.text, `OUTCOMES_URL=${base}\nINTERNAL_API_KEY=oc_secret`);
    assert.match(curl.text, /"outcomeType":"task"/);
    assert.deepEqual([rest.length, asked], [tools, ["GET /api/outcomes/types", ...questions]]);
  }
  answer.types = Response.json({ error: "Busy" }, { status: 503 });
  const [, , curl] = await whatToPaste(KEY, url, null, "");
  assert.match(curl.text, /\/api\/keys\/self/); // without a known type, the call only shows what the key may do
});
