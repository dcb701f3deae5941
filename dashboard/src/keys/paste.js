import { baseOf } from "../shared/curl.js";
import { request } from "../shared/request.js";
import { call } from "./api.js";
import { snippets } from "./snippets.js";

/** @import {NewKey} from "./api.js" */

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
