import { build, html } from "../shared/dom.js";

/**
 * One question of a form: its controls, what the answer means, and a place for what is wrong with it.
 * @typedef {{name: string, label: string, element: HTMLElement, fault: HTMLElement,
 *   controls: (HTMLInputElement | HTMLSelectElement)[]}} Field
 */

let fields = 0;

/**
 * @param {string} name of the API
 * @param {string} label
 * @param {string} help
 * @param {HTMLInputElement | HTMLSelectElement} control
 * @returns {Field}
 */
export function field(name, label, help, control) {
  fields += 1;
  const id = `field-${fields}`;
  const fault = html("p", { class: "fault", id: `${id}-fault`, hidden: true });
  build(control, { id, "aria-describedby": `${id}-fault ${id}-help` }, []);
  const about = html("p", { class: "help", id: `${id}-help` }, help);
  const element = html("div", { class: "field" }, html("label", { for: id }, label), control, fault, about);
  return { name, label, element, fault, controls: [control] };
}

/**
 * A question with several answers.
 * @param {string} name of the API
 * @param {string} label
 * @param {string} help
 * @param {[value: string, words: string, ticked: boolean][]} choices
 * @returns {Field}
 */
export function choice(name, label, help, choices) {
  fields += 1;
  const id = `field-${fields}`;
  const fault = html("p", { class: "fault", id: `${id}-fault`, hidden: true });
  const about = html("p", { class: "help", id: `${id}-help` }, help);
  const boxes = choices.map(([value, , checked]) => html("input", { type: "checkbox", value, checked }));
  const element = html(
    "fieldset",
    { class: "field", "aria-describedby": `${id}-fault ${id}-help` },
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

/** Shows what is wrong with a field, or nothing any more. @param {Field} field @param {string} message */
export function showFault({ fault, controls }, message) {
  fault.textContent = message;
  fault.hidden = !message;
  for (const control of controls) control.ariaInvalid = message ? "true" : null;
}

/** The last second of a day of the viewer's, given as yyyy-mm-dd. @param {string} date */
export function endOf(date) {
  const [year, month, number] = date.split("-").map(Number);
  return new Date(year, month - 1, number, 23, 59, 59).toISOString();
}

/** Today as yyyy-mm-dd, where the viewer is. */
export function today() {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}
