import { build, button, buttons, html } from "../shared/dom.js";
import { isAmbiguous } from "../shared/request.js";

/** @import {Child} from "../shared/dom.js" */
/** @import {Problem} from "../shared/request.js" */

/**
 * A field of a form. name: the API's name of the field. fault: the element that shows the field's error.
 * @typedef {{name: string, label: string, element: HTMLElement, fault: HTMLElement,
 *   controls: (HTMLInputElement | HTMLSelectElement)[]}} Field
 */

let fields = 0;

/** @param {string} help */
function describe(help) {
  fields += 1;
  const id = `field-${fields}`;
  const fault = html("p", { class: "fault", id: `${id}-fault`, hidden: true });
  const about = html("p", { class: "help", id: `${id}-help` }, help);
  return { id, fault, about, ids: { "aria-describedby": `${id}-fault ${id}-help` } };
}

/**
 * @param {string} name
 * @param {string} label
 * @param {string} help
 * @param {HTMLInputElement | HTMLSelectElement} control
 * @returns {Field}
 */
export function field(name, label, help, control) {
  const { id, fault, about, ids } = describe(help);
  build(control, { id, ...ids }, []);
  const element = html("div", { class: "field" }, html("label", { for: id }, label), control, fault, about);
  return { name, label, element, fault, controls: [control] };
}

/**
 * Create a field of checkboxes. `add` adds a checkbox.
 * @param {string} name
 * @param {string} label
 * @param {string} help
 */
export function choice(name, label, help) {
  const { fault, about, ids } = describe(help);
  const boxes = html("div", { class: "boxes" });
  /** @type {HTMLInputElement[]} */
  const controls = [];
  const element = html("fieldset", { class: "field", ...ids }, html("legend", {}, label), boxes, fault, about);
  const add = (/** @type {string} */ value, /** @type {string} */ words, checked = false) => {
    const box = html("input", { type: "checkbox", value, checked });
    controls.push(box);
    boxes.append(html("label", {}, box, words));
  };
  return { name, label, element, fault, controls, add };
}

/** @param {Field} field */
export const ticked = ({ controls }) =>
  controls.filter((box) => box instanceof HTMLInputElement && box.checked).map(({ value }) => value);

/** Show the error of a field, or clear it. @param {Field} field @param {string} message */
export function showFault({ fault, controls }, message) {
  fault.textContent = message;
  fault.hidden = !message;
  for (const control of controls) control.ariaInvalid = message ? "true" : null;
}

/** Return the last second of a local day. @param {string} date yyyy-mm-dd */
export function endOf(date) {
  const [year, month, number] = date.split("-").map(Number);
  return new Date(year, month - 1, number, 23, 59, 59).toISOString();
}

/** Return the local day as yyyy-mm-dd. */
export function today() {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

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
