import { html } from "../shared/dom.js";
import { ask } from "./api.js";

/** @import {Type} from "./api.js" */

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

/**
 * Add options for the deployment's types, in the deployment's order, before types that only occur in outcomes.
 * @param {HTMLSelectElement} list
 * @param {URL} url
 * @param {() => boolean} isCurrent whether deployment and user are still those that asked
 */
export async function addTypes(list, url, isCurrent) {
  const types = (await ask(url)).types.map((/** @type {Type} */ { type, label }) => option(type, label));
  if (!isCurrent()) return;
  const { value } = list;
  const known = choices(list);
  list.length = 1;
  list.append(...types);
  for (const one of known) offer(list, one.value, one.text);
  list.value = value;
}
