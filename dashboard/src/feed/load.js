import { loader } from "../shared/load.js";

const load = loader("value-delivered-more.js", () => import("./more.js"));

/**
 * Load the second file (more.js), and add its styles to the shadow root of an element. Throws a Problem if loading fails.
 * @param {Element} within
 */
export async function loadMore(within) {
  const more = await load();
  const sheets = /** @type {ShadowRoot} */ (within.getRootNode()).adoptedStyleSheets;
  if (!sheets.includes(more.sheet)) sheets.push(more.sheet);
  return more;
}
