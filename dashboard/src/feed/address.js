/** @typedef {Record<string, string | null>} State what is kept in a fragment, by name */

/**
 * An address with this in its fragment, beside whatever else is there. What is empty is taken out.
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
 * A URL with this in its query. What is empty is left out.
 * @param {URL} url
 * @param {Record<string, string | number | null>} query
 */
export function withQuery(url, query) {
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, String(value));
  return url;
}
