import { button, buttons, html } from "../shared/dom.js";
import { isAmbiguous } from "./api.js";
import { showFault } from "./fields.js";

/** @import {Child} from "../shared/dom.js" */
/** @import {Problem} from "../shared/request.js" */
/** @import {Field} from "./fields.js" */

const TOO_MANY = "Too many keys"; // in the API's response

/**
 * The content of a form. body: returns the request body. unsure: text that is added to an error if the change may have
 * been made.
 * @typedef {{title: Child[], text: string, send: string, sending: string, danger?: boolean, unsure: string,
 *   fields: Field[], body: () => Record<string, unknown>}} Question
 */

/**
 * Create a form that validates its fields, sends them, and shows their errors.
 * @param {Question} question
 * @param {(body: Record<string, unknown>) => Promise<Problem | null>} send
 * @param {() => void} close
 */
export function form({ title, text, fields, body, danger, unsure, ...words }, send, close) {
  const alert = html("p", { class: "fault", role: "alert" });
  const submit = html("button", { class: danger ? "main danger" : "main" }, words.send);
  let isSending = false;
  const cancel = () => isSending || close();

  /** @param {Map<Field, string>} faults */
  const refuse = (faults) => {
    for (const one of fields) showFault(one, faults.get(one) ?? "");
    const first = fields.find((one) => faults.has(one));
    const control = first?.controls.find(({ validity }) => !validity.valid) ?? first?.controls[0];
    control?.focus();
  };
  /** @param {Problem} problem */
  const explain = (problem) => {
    /** @type {Map<Field, string>} */
    const faults = new Map();
    for (const { field: name, message } of problem.details) {
      const one = fields.find((one) => one.name === name && !one.element.hidden);
      if (one) faults.set(one, `${one.label} ${message}.`);
    }
    refuse(faults);
    if (faults.size) return;
    const more = isAmbiguous(problem) ? unsure : problem.reason === TOO_MANY && "Revoke one that is no longer used.";
    const message = problem.message || "You are offline.";
    alert.textContent = more ? `${message} ${more}` : message;
  };
  /** @param {SubmitEvent} event */
  const submitted = async (event) => {
    event.preventDefault();
    if (isSending) return;
    alert.textContent = "";
    // The browser's validation has messages in the viewer's language. It also refuses "5e" as a number: the value of
    // such an input is empty, which would mean "no limit".
    const invalid = fields.flatMap((one) => {
      const control = one.controls.find(({ validity }) => !validity.valid);
      return control ? [/** @type {[Field, string]} */ ([one, control.validationMessage])] : [];
    });
    refuse(new Map(invalid));
    if (invalid.length) return;
    isSending = true;
    submit.textContent = words.sending;
    submit.ariaDisabled = "true";
    const problem = await send(body());
    if (problem) explain(problem);
    isSending = false;
    submit.textContent = words.send;
    submit.ariaDisabled = null;
  };
  return html(
    "form",
    {
      novalidate: true,
      submit: submitted,
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && cancel(),
    },
    html("h3", { tabindex: -1 }, ...title),
    html("p", {}, text),
    fields.length ? html("div", { class: "fields" }, ...fields.map(({ element }) => element)) : null,
    alert,
    buttons(submit, button("Cancel", cancel)),
  );
}
