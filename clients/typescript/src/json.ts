// Reads and writes JSON in which every number is exactly what was written: none passes through a double that would round it.

const NUMBER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MOST_DIGITS = 4300;
const MOST_ZEROS = 400; // more than any double has

/** A number written out, for which there is no JavaScript number of the same value. */
export class Decimal {
  /** Throws a RangeError where `text` is no number as JSON writes it. */
  constructor(readonly text: string) {
    if (!NUMBER.test(text)) throw new RangeError("not a number as JSON writes it");
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

/**
 * Reads JSON text, every number as a Decimal. Throws an Error for anything else, and for what is nested past reason.
 *
 * The platform's own parser reads it, after each string and each number got a letter that says which of the two it is.
 */
export function parse(text: string): unknown {
  return marked(
    JSON.parse(text.replace(TOKENS, (token) => (token[0] === '"' ? `"s${token.slice(1)}` : `"n${token}"`))),
  );
}

function marked(value: unknown): unknown {
  if (typeof value === "string") return value[0] === "s" ? value.slice(1) : new Decimal(value.slice(1));
  if (Array.isArray(value)) return value.map(marked);
  if (typeof value !== "object" || !value) return value;
  // Object.fromEntries, as an assignment to `__proto__` would be lost.
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      if (name[0] !== "s") throw new SyntaxError("a number for a name");
      return [name.slice(1), marked(item)];
    }),
  );
}

/** Makes what was parsed what JavaScript expects: numbers, but a bigint or a Decimal where a number would change it. */
export function plain(value: unknown): unknown {
  if (value instanceof Decimal) {
    const number = Number(value.text);
    if (/^-?\d+$/.test(value.text)) return Number.isSafeInteger(number) ? number : BigInt(short(value.text));
    return same(value.text) === same(`${number}`) ? number : value;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || !value) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
}

/** Writes a number without an exponent, digit for digit. Throws a RangeError where that would be past reason. */
export function digits(text: string): string {
  const [, sign = "", whole = "", fraction = "", exponent] = NUMBER.exec(text) ?? [];
  if (!exponent) return short(text);
  if (Math.abs(+exponent) > MOST_ZEROS) throw new RangeError("a number past reason");
  const point = whole.length + +exponent;
  const all = point > 0 ? (whole + fraction).padEnd(point, "0") : "0".repeat(1 - point) + whole + fraction;
  const rest = all.slice(Math.max(point, 1));
  return sign + all.slice(0, Math.max(point, 1)).replace(/^0+(?=\d)/, "") + (rest && `.${rest}`);
}

/** Writes numbers of the same value the same way; undefined for those past reason. */
function same(text: string): string | undefined {
  try {
    const written = digits(text);
    return (written.includes(".") ? written.replace(/\.?0+$/, "") : written).replace(/^-0$/, "0");
  } catch {
    return undefined;
  }
}

function short(text: string): string {
  if (text.length > MOST_DIGITS) throw new RangeError("a number past reason");
  return text;
}

/**
 * Writes compact JSON text, numbers by their shortest text, a bigint and a Decimal digit for digit.
 *
 * Throws an Error for what JSON has no form for: NaN, infinity, half a surrogate pair, an invalid Date, a function, a circle.
 */
export function stringify(value: unknown): string {
  if (value instanceof Decimal) return value.text;
  if (value instanceof Date) return `"${value.toISOString()}"`;
  switch (typeof value) {
    case "bigint":
      return `${value}`;
    case "number":
      if (!Number.isFinite(value)) throw new RangeError(`${value} is no number in JSON`);
      return JSON.stringify(value);
    case "string":
      if (/\p{Surrogate}/u.test(value)) throw new RangeError("half a surrogate pair");
      return JSON.stringify(value);
    case "boolean":
      return `${value}`;
    case "object":
      if (!value) return "null";
      if ("toJSON" in value && typeof value.toJSON === "function") return stringify(value.toJSON());
      if (Array.isArray(value)) return `[${Array.from(value, stringify)}]`;
      return `{${Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([name, item]) => `${stringify(name)}:${stringify(item)}`)}}`;
  }
  throw new TypeError(`${typeof value} has no form in JSON`);
}
