import { html } from "../shared/dom.js";
import { ask } from "./api.js";

/** @import {Child} from "../shared/dom.js" */
/** @import {RowContext} from "./row.js" */

/** Return the id of an agent key. Return undefined if `by` is not an agent key. @param {string | null} by */
const keyOf = (by) => /^key:(.+)/.exec(by ?? "")?.[1];

/**
 * Read the names of the viewer's agent keys, unless every agent key in `makers` was looked up before. Return whether
 * names were read. The viewer sees the id of a key without a name, such as a revoked key.
 * @param {(string | null)[]} makers who recorded or corrected an outcome
 * @param {RowContext} context
 */
export async function readKeyNames(makers, { keyNames, keysUrl }) {
  const missing = makers.flatMap((by) => keyOf(by) ?? []).filter((id) => !keyNames.has(id));
  const url = keysUrl();
  if (!missing.length || !url) return false;
  for (const id of missing) keyNames.set(id, "");
  try {
    for (const { id, name } of (await ask(url)).keys) keyNames.set(id, name);
  } catch {
    return false;
  }
  return true;
}

/** @param {string | null} by @param {RowContext} context @returns {Child[]} */
export function whose(by, { keyNames }) {
  if (by === "session") return [" by you"];
  if (by === "key") return [" by the platform"];
  const id = keyOf(by);
  if (!id) return [];
  const name = keyNames.get(id);
  return name ? [" by the key ", html("bdi", { title: id }, name)] : [` by an agent’s key (${id})`];
}
