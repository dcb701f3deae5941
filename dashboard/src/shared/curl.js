/** Quote a text for a shell. @param {string} text */
export const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Return the API's base URL, given the URL of its keys or outcomes. @param {string} url */
export const baseOf = (url) => url.replace(/(\/api\/(keys|outcomes))?\/*$/, "");

/**
 * Return a command that calls the API.
 * @param {string} url
 * @param {string} key
 * @param {object | null} body posted as JSON
 */
export function curl(url, key, body) {
  const parts = [`curl ${quoted(url)}`, `-H ${quoted(`Authorization: Bearer ${key}`)}`];
  if (body) parts.push(`-d ${quoted(JSON.stringify(body))}`);
  return parts.join(" \\\n  ");
}
