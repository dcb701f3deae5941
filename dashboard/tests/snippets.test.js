import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { snippets } from "../src/keys/paste.js";
import { baseOf } from "../src/shared/curl.js";

const URL_ = "https://api.example.com";
const MCP_URL = `${URL_}/mcp`;
const KEY = { key: "oc_0123456789abcdef_secret", name: 'Bob’s "$HOME" o\'clock `id`', scopes: ["record"] };

/** Return the snippets by place. @param {object} [fields] the key's fields that differ from KEY */
const texts = (fields, mcpUrl = MCP_URL, type = "deal_closed") =>
  Object.fromEntries(snippets({ ...KEY, ...fields }, URL_, mcpUrl, type).map(({ place, text }) => [place, text]));

/** Return the arguments or variables that a shell reads from a text. @param {string} text */
const inShell = (text) => execFileSync("sh", ["-c", text], { encoding: "utf8", env: {} }).split("\n");

test("MCP clients get the JSON of docs/mcp.md, which does not contain the key", async () => {
  const docs = await readFile(new URL("../../docs/mcp.md", import.meta.url), "utf8");
  const documented = [...docs.matchAll(/```json\n(.+?)```/gs)].map(([, text]) => JSON.parse(text));
  const { ".env": _env, Shell: _shell, curl: _curl, ...clients } = texts();
  assert.deepEqual(Object.keys(clients), ["Claude Code", "Cursor", "VS Code"]);
  assert.deepEqual(Object.values(clients).map(JSON.parse), documented);
  assert.ok(!Object.values(clients).join().includes(KEY.key));
  assert.deepEqual(Object.keys(texts({}, null)), [".env", "Shell", "curl"]);
});

test("a shell reads URL, key and example from the texts, whatever the key's name is", () => {
  const { ".env": env, Shell: exports, curl } = texts();
  assert.equal(env, `OUTCOMES_URL=${URL_}\nINTERNAL_API_KEY=${KEY.key}`);
  assert.deepEqual(inShell(`${exports}; echo "$OUTCOMES_URL"; echo "$INTERNAL_API_KEY"`), [URL_, KEY.key, ""]);
  const call = inShell(`curl() { printf '%s\\n' "$@"; }\n${curl}`);
  assert.deepEqual(call.slice(0, 4), [`${URL_}/api/outcomes`, "-H", `Authorization: Bearer ${KEY.key}`, "-d"]);
  assert.deepEqual(JSON.parse(call[4]), { outcomeType: "deal_closed", title: `First outcome of ${KEY.name}` });
});

test("a key that may not record, or without a known type, gets a call that it may make", () => {
  for (const { curl } of [texts({ scopes: ["read"] }), texts({}, MCP_URL, "")])
    assert.equal(curl, `curl '${URL_}/api/keys/self' \\\n  -H 'Authorization: Bearer ${KEY.key}'`);
});

test("the base URL is the URL of keys or outcomes without its path", () => {
  for (const end of ["", "/", "/api/keys", "/api/keys/", "/api/outcomes"])
    assert.equal(baseOf(`https://api.example.com/Prod${end}`), "https://api.example.com/Prod");
});
