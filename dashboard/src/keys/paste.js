import { baseOf, curl, quoted } from "../shared/curl.js";
import { request } from "../shared/request.js";
import { call } from "./api.js";

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

const TIMEOUT_MS = 5_000;

/**
 * Return the texts that a viewer can paste to use a new key. First ask the API for an outcome type, and ask this page's
 * host whether it has an MCP server.
 * @param {NewKey} key
 * @param {URL} keysUrl the URL of the element's endpoint
 * @param {string | null} apiUrl the element's attribute `api-url`: the API's base URL for agents; null: not set
 * @param {string | null} mcpUrl the element's attribute `mcp-url`: the MCP server's URL; null: not set
 */
export async function whatToPaste(key, keysUrl, apiUrl, mcpUrl) {
  const absolute = (/** @type {string} */ url) =>
    URL.canParse(url, document.baseURI) ? new URL(url, document.baseURI).href : url; // a wrong attribute is shown as it is
  const [type, mcp] = await Promise.all([exampleType(key, keysUrl), mcpUrl ?? mcpBeside(keysUrl)]);
  return snippets(key, baseOf(apiUrl ? absolute(apiUrl) : keysUrl.href), mcp && absolute(mcp), type);
}

/** @param {NewKey} key @param {URL} keysUrl @returns {Promise<string | undefined>} undefined: unknown */
async function exampleType(key, keysUrl) {
  if (key.outcome_types) return key.outcome_types[0];
  const { types } = await typesOf(keysUrl).catch(() => ({ types: [] }));
  return types[0]?.type;
}

/** Read the outcome types. @param {URL} keysUrl @returns {Promise<{types: {type: string, label: string}[]}>} */
export const typesOf = (keysUrl) => call("GET", new URL("outcomes/types", keysUrl));

/** @param {URL} keysUrl @returns {Promise<string | null>} null: none there, or unknown */
async function mcpBeside(keysUrl) {
  const url = `${baseOf(keysUrl.href)}/mcp`;
  // Ask only the page's own host: CORS or the page's Content Security Policy may forbid a request to another host.
  if (keysUrl.origin !== location.origin) return null;
  const { problem } = await request(new URL(url), undefined, { method: "OPTIONS", timeout: TIMEOUT_MS }).catch(
    (problem) => ({ problem }),
  );
  return problem ? null : url;
}
