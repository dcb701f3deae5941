/** @typedef {Record<string, string | null>} State parameters of a URL fragment */

/**
 * Return an address with these parameters in its fragment. Empty parameters are removed; all other parameters stay.
 * @param {string} href
 * @param {State} state
 */
export function withState(href, state) {
  const address = new URL(href);
  const kept = new URLSearchParams(address.hash.slice(1));
  for (const [name, value] of Object.entries(state)) {
    if (value) kept.set(name, value);
    else kept.delete(name);
  }
  address.hash = String(kept);
  return address.href;
}

/**
 * Add parameters to the query of a URL. Empty ones are left out.
 * @param {URL} url
 * @param {Record<string, string | number | null>} query
 */
export function withQuery(url, query) {
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, String(value));
  return url;
}
