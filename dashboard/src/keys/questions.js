import { html } from "../shared/dom.js";
import { exactNumber } from "../shared/numbers.js";
import { choice, endOf, field, showFault, ticked, today } from "./form.js";
import { lastUsed, SCOPES } from "./words.js";

/** @import {Attributes} from "../shared/dom.js" */
/** @import {AgentNames} from "../shared/agents.js" */
/** @import {Key} from "./api.js" */
/** @import {Question} from "./form.js" */

const LONGEST_NAME = 80;
const OTHER = "other";

/** The choices for how many hours the old secret stays valid after a rotation, with their texts. */
const OVERLAPS = new Map([
  ["0", "Not at all: it stops at once"],
  ["1", "One hour"],
  ["24", "One day"],
  ["72", "Three days"],
  ["168", "One week"],
]);

const input = (/** @type {Attributes} */ attributes) => html("input", { autocomplete: "off", ...attributes });

/**
 * Create the fields for a key's agent: a list of the known agents, if there are any, and a field for an agent's number.
 * @param {AgentNames} agents
 * @param {Key[]} keys
 */
function agentFields(agents, keys) {
  const ids = Object.keys(agents.names).map(Number);
  const known = new Set([
    ...ids.filter((id) => Number.isSafeInteger(id) && id > 0),
    ...keys.flatMap(({ agent_id }) => agent_id ?? []),
  ]);
  const typed = input({ type: "number", min: 1, step: 1 });
  const help = `The key records for this agent only.${known.size ? "" : " Leave it empty for any of your agents."}`;
  const number = field("agentId", "Agent number", help, typed);
  if (!known.size) return { fields: [number], value: () => typed.value };
  const named = [...known].map((id) => [String(id), agents.name(id)]).sort(([, a], [, b]) => a.localeCompare(b));
  const options = [["", "Any of your agents"], ...named, [OTHER, "Another agent, by its number"]];
  const select = html("select", {}, ...options.map(([value, words]) => html("option", { value }, words)));
  const which = field("agent", "Agent", "The key records for this agent only.", select);
  const showNumber = () => {
    typed.required = select.value === OTHER; // without a number, the key would be for any agent
    number.element.hidden = !typed.required;
    if (!typed.required) typed.value = ""; // an invalid number in a hidden field would prevent sending
  };
  select.addEventListener("change", showNumber);
  showNumber();
  return { fields: [which, number], value: () => (select.value === OTHER ? typed.value : select.value) };
}

/**
 * @param {Promise<{types: {type: string, label: string}[]}>} answer which types there are
 * @param {AgentNames} agents
 * @param {Key[]} keys the other keys, whose agents are offered for this one
 * @returns {Question}
 */
export function toMake(answer, agents, keys) {
  const name = field(
    "name",
    "Name",
    "How you recognize the key, for example “Nightly import”.",
    input({ required: true, maxlength: LONGEST_NAME }),
  );
  const agent = agentFields(agents, keys);
  const most = field(
    "maxValueUsd",
    "Largest value of one outcome, in US dollars",
    "Larger outcomes are refused, whether gain or loss. This limits what a manipulated agent can claim. Leave it empty for no limit.",
    input({ type: "number", min: 0, step: "any" }),
  );
  const last = field(
    "expiresAt",
    "Last day",
    "The key stops working at the end of this day. Leave it empty for a key that works until you revoke it.",
    input({ type: "date", min: today(), max: "9999-12-30" }),
  );
  const types = choice(
    "outcomeTypes",
    "Types of outcome",
    "The key records only the types that you tick. With none ticked, it records all.",
  );
  answer
    .then((said) => {
      for (const { type, label } of said.types) types.add(type, label);
    })
    .catch(() => showFault(types, "The types could not be loaded."));
  const scopes = choice(
    "scopes",
    "What the key may do",
    "Tick only what the agent needs: anyone who gets the key can do the same.",
  );
  for (const [scope, [, words]] of SCOPES) scopes.add(scope, words, scope === "record");
  const one = () => scopes.controls[0].setCustomValidity(ticked(scopes).length ? "" : "Tick at least one.");
  scopes.element.addEventListener("change", one);
  const body = () => {
    const [named, maxValueUsd, date] = [name, most, last].map(({ controls }) => controls[0].value);
    const agentId = agent.value();
    return {
      name: named,
      ...(agentId && { agentId: Number(agentId) }),
      ...(maxValueUsd && { maxValueUsd: exactNumber(maxValueUsd) }),
      ...(date && { expiresAt: endOf(date) }),
      ...(ticked(types).length && { outcomeTypes: ticked(types) }),
      scopes: ticked(scopes),
    };
  };
  return {
    title: ["New key"],
    text: "Outcomes recorded with this key are yours. Its limits cannot be changed later.",
    send: "Make key",
    sending: "Making…",
    unsure:
      "The key may have been made anyway, but its secret is lost. If it is in the list below, revoke it and make another.",
    fields: [name, ...agent.fields, most, last, types, scopes],
    body,
  };
}

/** @param {Key} key @returns {Question} */
export function toRotate({ name }) {
  const options = [...OVERLAPS].map(([value, words]) => html("option", { value, selected: value === "24" }, words));
  const overlap = field(
    "overlapHours",
    "How long the current secret keeps working",
    "Long enough to give the agent the new one. A secret that may have leaked should stop at once.",
    html("select", {}, ...options),
  );
  return {
    title: ["A new secret for ", html("bdi", {}, name)],
    text: "The name and the limits stay the same. At most two secrets work at a time: one left from an earlier rotation stops now.",
    send: "Rotate",
    sending: "Rotating…",
    unsure:
      "The key may have been rotated anyway. If you chose that the secret stops at once, rotate again. Otherwise that would end the secret that your agent uses: wait until the overlap is over, or give the agent another key first.",
    fields: [overlap],
    body: () => ({ overlapHours: Number(overlap.controls[0].value) }),
  };
}

/** @param {Key} key @returns {Question} */
export const toRevoke = ({ name, last_used_at: used }) => ({
  title: ["Revoke ", html("bdi", {}, name), "?"],
  text: `${used ? `It was last used ${lastUsed(used)}.` : "It was never used."} Every further call with this key is refused. This cannot be undone. Outcomes recorded with it stay.`,
  send: "Revoke for good",
  sending: "Revoking…",
  danger: true,
  unsure: "The key may have been revoked anyway. To be sure, revoke it again.",
  fields: [],
  body: () => ({}),
});
