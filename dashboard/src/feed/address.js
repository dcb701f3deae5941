/** @typedef {Record<string, string | true | null>} State parameters of a URL fragment; true: its name alone */

/** Return the route of a fragment, such as "/feed", and its parameters. @param {string} hash */
export function partsOf(hash) {
  const [, route, query] = /** @type {RegExpExecArray} */ (/^#?(!?\/[^?]*|)\??(.*)/.exec(hash));
  return { route, query };
}

/**
 * Return an address with these parameters in its fragment, without empty ones. The rest of the fragment, such as a route,
 * stays as it is.
 * @param {string} href
 * @param {State} state
 */
export function withState(href, state) {
  const address = new URL(href);
  const { route, query } = partsOf(address.hash);
  const parts = query.split("&");
  const kept = parts.filter((part) => part && !Object.hasOwn(state, part.split("=")[0]));
  for (const [name, value] of Object.entries(state))
    if (value) kept.push(value === true ? name : `${new URLSearchParams([[name, value]])}`);
  address.hash = route + (route && kept.length ? "?" : "") + kept.join("&");
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
