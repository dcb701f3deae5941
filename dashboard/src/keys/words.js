import { decimal } from "../shared/numbers.js";
import { ago, SPANS } from "../shared/time.js";
import { typeName } from "../shared/types.js";

/** @import {ViewState} from "../shared/request.js" */
/** @import {Key} from "./api.js" */

/** A Map, for a name that came over the wire may be one that every object has. @type {Map<string, [verb: string, meaning: string]>} */
export const SCOPES = new Map([
  ["record", ["record", "Record outcomes as they happen."]],
  ["read", ["read", "Read your outcomes and totals, for an assistant."]],
  ["correct", ["correct", "Correct outcomes that were recorded before."]],
  ["backfill", ["backfill", "Record outcomes late, as of an earlier day."]],
]);
/** Whoever manages keys, in words. */
export const BY = new Map([
  ["session", " by you"],
  ["platform", " by the platform"],
]);

const dollars = new Intl.NumberFormat(undefined, {
  style: "currency",
  currency: "USD",
  maximumFractionDigits: 20,
});

const all = new Intl.ListFormat("en", { type: "conjunction" }); // like the words around it

/** @param {Key} key */
export const hasExpired = (key) => key.expires_at !== null && Date.parse(key.expires_at) <= Date.now();

/** What a key may do, each bound in words. @param {Key} key */
export function bounds(key) {
  const verbs = key.scopes.map((scope) => SCOPES.get(scope)?.[0] ?? scope);
  const types = key.outcome_types?.map(typeName);
  return [
    `May ${all.format(verbs)}`,
    key.agent_id === null ? "for any agent" : `for agent ${key.agent_id} only`,
    types ? `only ${all.format(types)}` : "outcomes of any type",
    key.max_value_usd === null ? "of any value" : `up to ${dollars.format(decimal(key.max_value_usd))} each`,
  ].join(" · ");
}

/** When a key was last used, which is known to the hour. @param {string} instant */
export const lastUsed = (instant) => ago(instant, SPANS.slice(0, -1), "within the hour");

/** @type {Record<ViewState, [title: string, text: string]>} */
export const WORDS = {
  loading: ["Loading your agents’ keys", "One moment."],
  empty: [
    "No keys yet",
    "Make one for each agent. It can then record what you allow and nothing else, and you can take it back without stopping the others.",
  ],
  "signed-out": ["You are signed out", "Sign in to see your agents’ keys."],
  offline: ["You are offline", "Your keys are shown as soon as you are connected again."],
  error: ["The keys could not be loaded", ""],
  unset: ["No keys here", 'Give this element its attribute endpoint, for example endpoint="/api/keys".'],
};
export const KEY = "M12.5 15.5a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM11.3 12.7L20 4M16 8l3 3";
