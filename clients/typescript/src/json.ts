// Reads and writes JSON in which every number is exactly what was written: none passes through a double that would round it.
//
// The platform's own JSON does the work. Between it and the text, each string and each number is a string with a letter before it
// that says which of the two it is.

const A_NUMBER = String.raw`-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?`;
const A_STRING = String.raw`"[^"\\]*(?:\\.[^"\\]*)*"`;
const NUMBER = RegExp(`^${A_NUMBER}$`);
const READ = RegExp(`${A_STRING}|${A_NUMBER}(?!\\s*:)`, "g"); // a number is no name
const WRITTEN = RegExp(`${A_STRING}:?`, "g");

/** A number written out, for which there is no JavaScript number of the same value. */
export class Decimal {
  /** Throws a RangeError where `text` is no number as JSON writes it. */
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

/** Tells whether a text is a number as JSON writes it. */
export const isNumber = (text: string): boolean => NUMBER.test(text);

/** Reads JSON text, every number as a Decimal. Throws an Error for anything else, and for what is nested past reason. */
export const parse = (text: string): unknown =>
  mapped(
    JSON.parse(text.replace(READ, (token) => (token[0] === '"' ? `"s${token.slice(1)}` : `"n${token}"`))),
    (item) => (typeof item !== "string" ? item : item[0] === "s" ? item.slice(1) : new Decimal(item.slice(1))),
    (name) => name.slice(1),
  );

/** Makes what was parsed what JavaScript expects: numbers, but a bigint or a Decimal where a number would change it. */
export const plain = (value: unknown): unknown =>
  mapped(value, (item) => {
    if (!(item instanceof Decimal)) return item;
    const number = +item.text;
    if (/^-?\d+$/.test(item.text)) return Number.isSafeInteger(number) ? number : BigInt(item.text);
    // The same digits are the same number: what is nearest to one is not ten times as much.
    return significant(item.text) === significant(`${number}`) ? number : item;
  });

const significant = (text: string): string => text.replace(/e.*|\D/gi, "").replace(/^0+|0+$/g, "");

/** Tells whether what was parsed is an object or a list. */
export const isStructure = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && !!value && !(value instanceof Decimal);

/** Makes each part of a value another one, and each name of its objects. */
export function mapped(value: unknown, part: (item: unknown) => unknown, named = (name: string) => name): unknown {
  if (Array.isArray(value)) return value.map((item) => mapped(item, part, named));
  if (!isStructure(value)) return part(value);
  // Object.fromEntries, as an assignment to `__proto__` would be lost.
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [named(name), mapped(item, part, named)]));
}

/**
 * Writes compact JSON text, numbers by their shortest text, a bigint and a Decimal digit for digit.
 *
 * Throws an Error for NaN, infinity, an invalid Date and a circle; functions are left out as JSON.stringify does.
 */
export const stringify = (value: unknown): string =>
  JSON.stringify(value, function (this: Record<string, unknown>, name, given: unknown) {
    const own = this[name]; // before its toJSON
    const item =
      own instanceof Date ? own.toISOString() : own instanceof Decimal || typeof own === "bigint" ? own : given;
    if (typeof item === "string") return `s${item}`;
    return item instanceof Decimal || typeof item === "number" || typeof item === "bigint"
      ? `n${new Decimal(`${item}`)}`
      : item;
  }).replace(WRITTEN, (token) =>
    token.endsWith(":") ? token : token[1] === "s" ? `"${token.slice(2)}` : token.slice(2, -1),
  );
