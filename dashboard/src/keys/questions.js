import { html } from "../shared/dom.js";
import { exactNumber } from "../shared/numbers.js";
import { TYPES } from "../shared/types.js";
import { choice, endOf, field, ticked, today } from "./fields.js";
import { SCOPES } from "./words.js";

/** @import {Attributes} from "../shared/dom.js" */
/** @import {Key} from "./api.js" */
/** @import {Question} from "./form.js" */

const LONGEST_NAME = 80;

/** Hours for which a secret outlives its successor. */
const OVERLAPS = new Map([
  ["0", "Not at all: it stops at once"],
  ["1", "One hour"],
  ["24", "One day"],
  ["72", "Three days"],
  ["168", "One week"],
]);

/** @returns {Question} */
export function toMake() {
  const input = (/** @type {Attributes} */ attributes) => html("input", { autocomplete: "off", ...attributes });
  const name = field(
    "name",
    "Name",
    "What you will know the key by, for example “Nightly import”.",
    input({ required: true, maxlength: LONGEST_NAME }),
  );
  const agent = field(
    "agentId",
    "Agent number",
    "The key records for this agent only. Without a number, for any of your agents.",
    input({ type: "number", min: 1, step: 1 }),
  );
  const most = field(
    "maxValueUsd",
    "Largest value of one outcome, in US dollars",
    "An outcome of more is refused, gain or loss: an agent that is talked into something can claim this much and no more. Without an amount, any value is taken.",
    input({ type: "number", min: 0, step: "any" }),
  );
  const last = field(
    "expiresAt",
    "Last day",
    "The key stops working at the end of this day. Without one, it works until you revoke it.",
    input({ type: "date", min: today(), max: "9999-12-30" }),
  );
  const types = choice(
    "outcomeTypes",
    "Types of outcome",
    "Only those ticked are taken. With none ticked, all are.",
    [...TYPES].map(([type, words]) => [type, words, false]),
  );
  const scopes = choice(
    "scopes",
    "What the key may do",
    "As little as the agent needs: whoever gets hold of the key may do the same.",
    [...SCOPES].map(([scope, [, words]]) => [scope, words, scope === "record"]),
  );
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
    text: "It is yours alone: whatever is recorded with it is recorded for you, within these bounds, which cannot be changed later.",
    send: "Make key",
    sending: "Making…",
    unsure:
      "The key may have been made all the same. Nobody has its secret then: revoke it if it is in the list below, and make another.",
    fields: [name, agent, most, last, types, scopes],
    body,
  };
}

/** @param {Key} key @returns {Question} */
export function toRotate({ name }) {
  const options = [...OVERLAPS].map(([value, words]) => html("option", { value, selected: value === "24" }, words));
  const overlap = field(
    "overlapHours",
    "How long the present secret goes on working",
    "Long enough to hand the agent the new one. A secret that may have leaked should stop at once.",
    html("select", {}, ...options),
  );
  return {
    title: ["A new secret for ", html("bdi", {}, name)],
    text: "The name and the bounds stay. At most two secrets work at a time: one that is left from an earlier rotation stops now.",
    send: "Rotate",
    sending: "Rotating…",
    unsure:
      "It may have been rotated all the same. Rotating once more would then end the secret that your agent has: wait for the end of the overlap, or hand it another key first.",
    fields: [overlap],
    body: () => ({ overlapHours: Number(overlap.controls[0].value) }),
  };
}

/** @param {Key} key @returns {Question} */
export const toRevoke = ({ name }) => ({
  title: ["Revoke ", html("bdi", {}, name), "?"],
  text: "Whoever uses it is refused from the next call on. This cannot be undone; what was recorded with it stays.",
  send: "Revoke for good",
  sending: "Revoking…",
  danger: true,
  unsure: "The key may have been revoked all the same. To be sure, revoke it again.",
  fields: [],
  body: () => ({}),
});
