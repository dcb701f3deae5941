// Reads parts of answers strictly, as the readers that `make contract` writes need them.

import { Decimal, isStructure, mapped, plain } from "./json.js";
import type * as models from "./models.js";

export type Read<T> = (value: unknown) => T;
export type Fields = Record<string, unknown>;

export function wrong(): never {
  throw new TypeError();
}

/** Reads a text. Cast it for a choice: the type lists the contract's values, and a newer API may have more. */
export const text: Read<string> = (value) => (typeof value === "string" ? value : wrong());

export const boolean: Read<boolean> = (value) => (typeof value === "boolean" ? value : wrong());

export const object = (value: unknown): Fields => (isStructure(value) && !Array.isArray(value) ? value : wrong());

export const whole: Read<number> = (value) => {
  const number = /^-?\d+$/.test(amount(value)) ? +amount(value) : wrong();
  return Number.isSafeInteger(number) ? number : wrong();
};

export const amount: Read<string> = (value) => (value instanceof Decimal ? value.text : wrong());

export const instant: Read<string> = (value) => (/^\d.*T.*Z$/.test(text(value)) ? (value as string) : wrong());

export const orNull =
  <T>(read: Read<T>): Read<T | null> =>
  (value) =>
    value === null ? null : read(value);

/** Reads a value that is missing in the answers of older APIs. */
export const ifSaid =
  <T>(read: Read<T>): Read<T | null> =>
  (value) =>
    value === undefined || value === null ? null : read(value);

export const list =
  <T>(read: Read<T>): Read<T[]> =>
  (value) =>
    Array.isArray(value) ? value.map(read) : wrong();

/** Reads a list that is missing, and then empty, if the call did not ask for it. */
export const listed =
  <T>(read: Read<T>): Read<T[]> =>
  (value = []) =>
    list(read)(value);

type Camel<N> = N extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : N;
type OurName<N> = N extends "from" ? "start" : N extends "to" ? "end" : Camel<N>;
type Shaped<F> = { [N in keyof F as OurName<N>]: NonNullable<F[N]> extends Read<infer T> ? T : never };

const camel = (name: string): string =>
  ({ from: "start", to: "end" })[name] ?? name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** Reads an object field by field: `value_usd` becomes `valueUsd`, and other fields are dropped. */
export const shape =
  <F extends Record<string, Read<unknown>>>(fields: F): Read<Shaped<F>> =>
  (value) => {
    const said = object(value);
    return Object.fromEntries(
      Object.entries(fields).map(([name, read]) => [camel(name), read(said[name])]),
    ) as Shaped<F>;
  };

export const metadata: Read<models.Metadata> = (value) => plain(object(value)) as models.Metadata;

/** Reads the changes of a correction, before and after. Amounts stay text. */
export const changes: Read<Record<string, Fields>> = (value) =>
  Object.fromEntries(
    Object.entries(object(value)).map(([name, change]) => [
      camel(name),
      object(
        name === "value_usd" ? mapped(change, (item) => (item instanceof Decimal ? item.text : item)) : plain(change),
      ),
    ]),
  );
