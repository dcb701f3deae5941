import { curl, quoted } from "../shared/curl.js";

/** @import {NewKey} from "./api.js" */

/**
 * A text to paste. place: a short name for where to paste it. about: a sentence that says where to paste it, or what it does.
 * @typedef {{place: string, about: string, text: string}} Snippet
 */

// An MCP client reads the key from this variable, so that no file of a project contains it.
const KEY = "INTERNAL_API_KEY";
const FROM_ENVIRONMENT = `The key comes from the variable ${KEY}, which “Shell” sets.`;

/** @param {unknown} value */
const json = (value) => JSON.stringify(value, null, 2);

/**
 * Return the texts that a viewer can paste to use a new key.
 * @param {NewKey} key
 * @param {string} url the API's base URL
 * @param {string | null} mcpUrl null: no MCP server
 * @param {string | undefined} type a type of outcome for an example
 * @returns {Snippet[]}
 */
export function snippets(key, url, mcpUrl, type) {
  const variables = [
    ["OUTCOMES_URL", url],
    [KEY, key.key],
  ];
  const records = key.scopes.includes("record") && type;
  const outcome = records ? { outcomeType: type, title: `First outcome of ${key.name}` } : null;
  const server = (/** @type {string} */ token, more = {}) => ({
    outcomes: { ...more, url: mcpUrl, headers: { Authorization: `Bearer ${token}` } },
  });
  const http = { type: "http" };
  const vsCode = {
    inputs: [{ type: "promptString", id: "outcomes-key", description: "Agent key (oc_...)", password: true }],
    servers: server(`\${input:outcomes-key}`, http),
  };
  const tools = [
    {
      place: "Claude Code",
      about: `In the project’s .mcp.json. ${FROM_ENVIRONMENT}`,
      text: json({ mcpServers: server(`\${${KEY}}`, http) }),
    },
    {
      place: "Cursor",
      about: `In ~/.cursor/mcp.json, or .cursor/mcp.json of a project. ${FROM_ENVIRONMENT}`,
      text: json({ mcpServers: server(`\${env:${KEY}}`) }),
    },
    {
      place: "VS Code",
      about: "In .vscode/mcp.json. VS Code asks for the key once, and stores it.",
      text: json(vsCode),
    },
  ];
  return [
    {
      place: ".env",
      about: "For an agent that uses a client of this API, or its command.",
      text: variables.map(([name, value]) => `${name}=${value}`).join("\n"),
    },
    {
      place: "Shell",
      about: "Run this before you start the agent.",
      text: variables.map(([name, value]) => `export ${name}=${quoted(value)}`).join("\n"),
    },
    {
      place: "curl",
      about: records ? "Records a first outcome, without a value." : "Shows what the key may do.",
      text: curl(url + (records ? "/api/outcomes" : "/api/keys/self"), key.key, outcome),
    },
    ...(mcpUrl ? tools : []),
  ];
}
