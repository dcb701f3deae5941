import { build, html } from "../shared/dom.js";

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
