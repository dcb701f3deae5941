// Reads and writes JSON with exact numbers: no number is rounded to a double.
//
// The built-in JSON object would round numbers. So each number is given to it as a string with the prefix "n", and each
// string gets the prefix "s".

const A_NUMBER = String.raw`-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?`;
const A_STRING = String.raw`"[^"\\]*(?:\\.[^"\\]*)*"`;
const NUMBER = RegExp(`^${A_NUMBER}$`);
const READ = RegExp(`${A_STRING}|${A_NUMBER}(?!\\s*:)`, "g"); // matches numbers only as values, not as names
const WRITTEN = RegExp(`${A_STRING}:?`, "g");

/** A number as decimal text, for values that a JavaScript number cannot represent exactly. */
export class Decimal {
  /** Throws a RangeError if `text` is not a JSON number. */
  constructor(readonly text: string) {
    if (!isNumber(text)) throw new RangeError(text);
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** Returns whether a text is a JSON number. */
export const isNumber = (text: string): boolean => NUMBER.test(text);

/** Parses JSON. Every number becomes a Decimal. Throws an Error if the text is invalid or nested too deeply. */
export const parse = (text: string): unknown => {
  JSON.parse(text); // refuses invalid text first, for which the search for tokens could take minutes
  return mapped(
    JSON.parse(text.replace(READ, (token) => (token[0] === '"' ? `"s${token.slice(1)}` : `"n${token}"`))),
    (item) => (typeof item !== "string" ? item : item[0] === "s" ? item.slice(1) : new Decimal(item.slice(1))),
    (name) => name.slice(1),
  );
};

/**
 * Converts Decimals to numbers. If that would change the value, a whole number becomes a bigint and others stay
 * Decimals.
 */
export const plain = (value: unknown): unknown =>
  mapped(value, (item) => {
    if (!(item instanceof Decimal)) return item;
    const number = +item.text;
    if (/^-?\d+$/.test(item.text)) return Number.isSafeInteger(number) ? number : BigInt(item.text);
    // Comparing the significant digits is enough, because rounding to a double never shifts the decimal point.
    return significant(item.text) === significant(`${number}`) ? number : item;
  });

const significant = (text: string): string => text.replace(/e.*|\D/gi, "").replace(/^0+|0+$/g, "");

/** Returns whether a parsed value is an object or a list. */
export const isStructure = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && !!value && !(value instanceof Decimal);

/** Returns a copy of a value. `part` converts each primitive value in it, `named` each name in its objects. */
export function mapped(value: unknown, part: (item: unknown) => unknown, named = (name: string) => name): unknown {
  if (Array.isArray(value)) return value.map((item) => mapped(item, part, named));
  if (!isStructure(value)) return part(value);
  // Use Object.fromEntries, because assigning to `__proto__` would not add a property.
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [named(name), mapped(item, part, named)]));
}

/**
 * Writes compact JSON. A number is written as its shortest text, and a bigint or Decimal with all its digits.
 *
 * Throws an Error for NaN, infinity, an invalid Date and a circular reference; omits functions, like JSON.stringify.
 */
export const stringify = (value: unknown): string =>
  JSON.stringify(value, function (this: Record<string, unknown>, name, given: unknown) {
    const own = this[name]; // the value before toJSON was called
    const item =
      own instanceof Date ? own.toISOString() : own instanceof Decimal || typeof own === "bigint" ? own : given;
    if (Object(item) instanceof String) return `s${item}`; // also a String object
    return item instanceof Decimal || typeof item === "number" || typeof item === "bigint"
      ? `n${new Decimal(`${item}`)}`
      : item;
  }).replace(WRITTEN, (token) =>
    token.endsWith(":") ? token : token[1] === "s" ? `"${token.slice(2)}` : token.slice(2, -1),
  );
