import { html } from "../shared/dom.js";

/** @param {string} value @param {string} text */
export const option = (value, text) => html("option", { value }, text);

/** Return the options of a filter without the first, "All". @param {HTMLSelectElement} list */
export const choices = (list) => [...list.options].slice(1);

/**
 * Add an option for a value, unless it exists. Options with numbers are sorted and come before the others.
 * @param {HTMLSelectElement} list
 * @param {string} value
 * @param {string} text
 */
export function offer(list, value, text) {
  const others = choices(list);
  if (others.some((one) => one.value === value)) return;
  const next = others.find((one) => (Number(one.value) || Number.POSITIVE_INFINITY) > Number(value));
  list.add(option(value, text), next);
}
