import { html } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { ago, SPANS } from "../shared/time.js";
import { inWords } from "../shared/words.js";

/** @import {AgentNames} from "../shared/agents.js" */
/** @import {Child} from "../shared/dom.js" */
/** @import {ViewState} from "../shared/request.js" */
/** @import {Key} from "./api.js" */

/**
 * This is a Map, because every object has properties such as `constructor`, and a newer server's scope may have such a
 * name.
 * @type {Map<string, [verb: string, meaning: string]>}
 */
export const SCOPES = new Map([
  ["record", ["record", "Record outcomes as they happen."]],
  ["read", ["read", "Read your outcomes and totals, for an assistant."]],
  ["correct", ["correct", "Correct outcomes that are already recorded."]],
  ["backfill", ["backfill", "Record outcomes of earlier days."]],
  ["cost", ["put costs", "Say what agents cost. Not with an agent."]],
]);
/** Maps who made or rotated a key to the words for it. */
export const BY = new Map([
  ["session", " by you"],
  ["platform", " by the platform"],
]);

const dollars = new Intl.NumberFormat(undefined, {
  style: "currency",
  currency: "USD",
  maximumFractionDigits: 20,
  trailingZeroDisplay: "stripIfInteger",
});

const all = new Intl.ListFormat("en", { type: "conjunction" }); // English, like the words around it

/** @param {Key} key */
export const hasExpired = (key) => key.expires_at !== null && Date.parse(key.expires_at) <= Date.now();

/** Describe the limits of a key. @param {Key} key @param {AgentNames} agents @returns {Child[]} */
export function bounds({ scopes, agent_id, outcome_types, max_value_usd }, agents) {
  const verbs = scopes.map((scope) => SCOPES.get(scope)?.[0] ?? scope);
  return [
    `May ${all.format(verbs)}`,
    agent_id === null
      ? "for any agent"
      : html("bdi", { title: `Agent ${agent_id}` }, "for ", html("bdi", {}, agents.name(agent_id)), " only"),
    outcome_types ? `only ${all.format(outcome_types.map(inWords))}` : "outcomes of any type",
    max_value_usd === null ? "of any value" : `up to ${dollars.format(decimal(max_value_usd))} each`,
  ];
}

/** Describe when a key was last used, which the API knows to the hour. @param {string} instant */
export const lastUsed = (instant) => ago(instant, SPANS.slice(0, -1), "within the last hour");

/** @type {Record<ViewState, [title: string, text: string]>} */
export const WORDS = {
  loading: ["Loading your agents’ keys", "One moment."],
  empty: [
    "No keys yet",
    "Your platform may record for your agents. An agent with a key of its own records only what you allow, and you can revoke the key without affecting the others.",
  ],
  "signed-out": ["You are signed out", "Sign in to see your agents’ keys."],
  offline: ["You are offline", "Your keys appear when you are connected again."],
  error: ["The keys could not be loaded", ""],
  unset: ["No keys here", 'Set the attribute endpoint of this element, for example endpoint="/api/keys".'],
};
export const KEY = "M12.5 15.5a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM11.3 12.7L20 4M16 8l3 3";
