import { build, html } from "../shared/dom.js";

/**
 * A field of a form. name: of the API. fault: shows its error.
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
 * A field of checkboxes.
 * @param {string} name
 * @param {string} label
 * @param {string} help
 * @param {[value: string, words: string, ticked: boolean][]} choices
 * @returns {Field}
 */
export function choice(name, label, help, choices) {
  const { fault, about, ids } = describe(help);
  const boxes = choices.map(([value, , checked]) => html("input", { type: "checkbox", value, checked }));
  const element = html(
    "fieldset",
    { class: "field", ...ids },
    html("legend", {}, label),
    html("div", { class: "boxes" }, ...choices.map(([, words], at) => html("label", {}, boxes[at], words))),
    fault,
    about,
  );
  return { name, label, element, fault, controls: boxes };
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
