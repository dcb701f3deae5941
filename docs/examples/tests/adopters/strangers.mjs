/*
Uses the API with npm packages that know nothing of it, and prints `ok NAME` for each. The standard input is that of
strangers.py, with `sessionSecret` and `user` for sessions of next-auth and Auth.js.
*/
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as authjs from "@auth/core/jwt";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { HTTP } from "cloudevents";
import { compactVerify, createLocalJWKSet, createRemoteJWKSet, jwtVerify } from "jose";
import nextAuth from "next-auth/jwt";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";

const given = JSON.parse(readFileSync(0, "utf8"));
const { headers } = given.webhook;
const body = Buffer.from(given.webhook.body, "base64").toString();
const token = { sub: "a-user", userId: given.user };

async function listed(name, value) {
  const answer = await fetch(`${given.url}/api/outcomes`, { headers: { Cookie: `${name}=${value}` } });
  assert.equal(answer.status, 200);
  assert.ok((await answer.json()).outcomes.every((outcome) => outcome.user_id === given.user));
}

const uses = {
  standardwebhooks: () => new Webhook(given.secret).verify(body, headers),
  svix: () => new SvixWebhook(given.secret).verify(body, headers),
  cloudevents: () => {
    const event = HTTP.toEvent({ headers, body });
    assert.equal(event.type, "outcome.recorded");
    assert.equal(event.data.title, "Renewed Acme");
  },
  jose: async () => {
    assert.ok((await jwtVerify(given.bearer, createRemoteJWKSet(new URL(given.jwks)))).payload.sub);
    const { payload } = await compactVerify(
      JSON.parse(given.statement).signature,
      createLocalJWKSet(JSON.parse(given.keys)),
    );
    assert.ok(given.statement.startsWith(new TextDecoder().decode(payload).slice(0, -1)));
  },
  "next-auth": async () => {
    const cookie = await nextAuth.encode({ token, secret: given.sessionSecret });
    await listed("next-auth.session-token", cookie);
  },
  "@auth/core": async () => {
    const salt = "authjs.session-token";
    await listed(salt, await authjs.encode({ token, secret: given.sessionSecret, salt }));
  },
  "@modelcontextprotocol/sdk": async () => {
    const requestInit = { headers: { Authorization: `Bearer ${given.key}` } };
    const client = new Client({ name: "stranger", version: "1" });
    await client.connect(new StreamableHTTPClientTransport(new URL(`${given.url}/mcp`), { requestInit }));
    const deal = { outcome_type: "deal_closed", title: "Renewed Globex", idempotency_key: "globex", user_id: 7 };
    assert.ok(!(await client.callTool({ name: "record_outcome", arguments: deal })).isError);
    await client.close();
  },
  "@modelcontextprotocol/inspector": () => {
    const manifest = createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector/package.json");
    const bin = join(dirname(manifest), JSON.parse(readFileSync(manifest, "utf8")).bin["mcp-inspector"]);
    const asked = [
      "--cli",
      `${given.url}/mcp`,
      "--method",
      "tools/list",
      "--header",
      `Authorization: Bearer ${given.key}`,
    ];
    const env = { ...process.env, MCP_CATALOG_PATH: join(import.meta.dirname, "mcp.json") };
    const { tools } = JSON.parse(
      execFileSync(process.execPath, [bin, ...asked], { encoding: "utf8", timeout: 60_000, env }),
    );
    assert.ok(tools.some((tool) => tool.name === "record_outcome"));
  },
};

for (const [name, use] of Object.entries(uses)) {
  await use();
  console.log(`ok ${name}`);
}
