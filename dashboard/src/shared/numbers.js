/**
 * Numbers that keep all their digits, from the JSON of a response to the screen. Money never becomes a double.
 * @typedef {number | {rawJSON: string}} Exact
 */

// The type checker does not know JSON.rawJSON yet.
const { rawJSON } = /** @type {{rawJSON?: (text: string) => {rawJSON: string}}} */ (JSON);

/**
 * Parse JSON. A number that a double cannot represent exactly (`value_usd` has up to 38 digits) keeps its text. Engines
 * without the ECMAScript feature "JSON.parse source text access" round it to the nearest double.
 * @param {string} text
 */
export function parseExactly(text) {
  /** @type {(key: string, value: unknown, context?: {source: string}) => unknown} */
  const exactly = (_key, value, context) =>
    typeof value === "number" && rawJSON && context && context.source !== String(value)
      ? rawJSON(context.source)
      : value;
  return JSON.parse(text, exactly);
}

/** Return a number that JSON.stringify writes exactly as the viewer typed it. @param {string} text of a number input */
export const exactNumber = (text) => (rawJSON && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? rawJSON(text) : Number(text));

/** Return the decimal text of a number, which Intl formats without loss. @param {Exact} number */
export const decimal = (number) =>
  /** @type {Intl.StringNumericLiteral} */ (typeof number === "number" ? String(number) : number.rawJSON);

/** @param {unknown} value @returns {value is Exact} */
export const isNumber = (value) =>
  typeof value === "number" || (typeof value === "object" && value !== null && Object.hasOwn(value, "rawJSON"));

/** Return the exact sum of two numbers. @param {Exact} one @param {Exact} other */
export const plus = (one, other) => minus(one, minus(0, other));

/** Return the exact difference of two numbers. @param {Exact} from @param {Exact} less @returns {Exact} */
export function minus(from, less) {
  const [a, b] = [from, less].map((number) => {
    const [digits, exponent = "0"] = decimal(number).toLowerCase().split("e");
    const [integer, fraction = ""] = digits.split(".");
    return { value: BigInt(integer + fraction), places: fraction.length - Number(exponent) };
  });
  const places = Math.max(0, a.places, b.places);
  const [x, y] = [a, b].map((one) => one.value * 10n ** BigInt(places - one.places));
  const text = String(x > y ? x - y : y - x).padStart(places + 1, "0");
  const point = text.length - places;
  const fraction = places ? `.${text.slice(point)}` : "";
  return { rawJSON: (x < y ? "-" : "") + text.slice(0, point) + fraction };
}
