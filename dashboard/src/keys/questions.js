import { html } from "../shared/dom.js";
import { exactNumber } from "../shared/numbers.js";
import { choice, endOf, field, showFault, ticked, today } from "./fields.js";
import { SCOPES } from "./words.js";

/** @import {Attributes} from "../shared/dom.js" */
/** @import {Key} from "./api.js" */
/** @import {Question} from "./form.js" */

const LONGEST_NAME = 80;

/** The choices for how many hours the old secret stays valid after a rotation, with their texts. */
const OVERLAPS = new Map([
  ["0", "Not at all: it stops at once"],
  ["1", "One hour"],
  ["24", "One day"],
  ["72", "Three days"],
  ["168", "One week"],
]);

/** @param {Promise<{types: {type: string, label: string}[]}>} answer which types there are @returns {Question} */
export function toMake(answer) {
  const input = (/** @type {Attributes} */ attributes) => html("input", { autocomplete: "off", ...attributes });
  const name = field(
    "name",
    "Name",
    "How you recognize the key, for example “Nightly import”.",
    input({ required: true, maxlength: LONGEST_NAME }),
  );
  const agent = field(
    "agentId",
    "Agent number",
    "The key records for this agent only. Leave it empty for any of your agents.",
    input({ type: "number", min: 1, step: 1 }),
  );
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
    const [named, agentId, maxValueUsd, date] = [name, agent, most, last].map(({ controls }) => controls[0].value);
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
    fields: [name, agent, most, last, types, scopes],
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
      "The key may have been rotated anyway. Rotating again would then end the secret that your agent uses: wait until the overlap is over, or give the agent another key first.",
    fields: [overlap],
    body: () => ({ overlapHours: Number(overlap.controls[0].value) }),
  };
}

/** @param {Key} key @returns {Question} */
export const toRevoke = ({ name }) => ({
  title: ["Revoke ", html("bdi", {}, name), "?"],
  text: "Every further call with this key is refused. This cannot be undone. Outcomes recorded with it stay.",
  send: "Revoke for good",
  sending: "Revoking…",
  danger: true,
  unsure: "The key may have been revoked anyway. To be sure, revoke it again.",
  fields: [],
  body: () => ({}),
});
