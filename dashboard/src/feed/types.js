import { ask } from "./api.js";
import { choices, offer, option } from "./options.js";

/** @import {Type} from "./api.js" */

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
