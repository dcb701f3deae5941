/**
 * Numbers that keep all their digits, from the text of an answer to what is shown. Money is never a double in between.
 * @typedef {number | {rawJSON: string}} Exact
 */

// Newer than the types that the type checker brings.
const { rawJSON } = /** @type {{rawJSON?: (text: string) => {rawJSON: string}}} */ (JSON);

/**
 * Numbers that a double cannot hold keep their own text (`value_usd` has up to 38 digits), where the engine gives a
 * reviver the source (ECMAScript "JSON.parse source text access"); elsewhere they are the nearest double.
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

/** A number as it was written, for JSON. @param {string} text of a number input */
export const exactNumber = (text) => (rawJSON && /^(0|[1-9]\d*)(\.\d+)?$/.test(text) ? rawJSON(text) : Number(text));

/** The decimal text of a number, as Intl formats it without loss. @param {Exact} number */
export const decimal = (number) =>
  /** @type {Intl.StringNumericLiteral} */ (typeof number === "number" ? String(number) : number.rawJSON);

/** @param {unknown} value @returns {value is Exact} */
export const isNumber = (value) =>
  typeof value === "number" || (typeof value === "object" && value !== null && Object.hasOwn(value, "rawJSON"));

/** The difference of two numbers, exactly. @param {Exact} from @param {Exact} less @returns {Exact} */
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
