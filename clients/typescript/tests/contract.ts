// Compares types that are kept by hand with openapi.yaml: tsc fails if they differ. `npm run check` generates
// .tests/openapi.ts from openapi.yaml. `make contract` writes the models of answers with their readers, which must agree.

import type { components, operations } from "../.tests/openapi.js";
import type * as ours from "../src/index.js";

type Contract = components["schemas"];
type Query<Name extends keyof operations> = NonNullable<operations[Name]["parameters"]["query"]>;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only if both types are the same, including optional properties and null. */
const same = <A, B>(_: Same<A, B>): void => {};

type AnyKey<T> = T extends unknown ? keyof T : never;
type ResultName<N> = N extends "ignored" ? "ignoredFields" : N;

type Camel<N> = N extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : N;
type OurName<N> = N extends "from" ? "start" : N extends "to" ? "end" : N extends "include" ? "ledger" : Camel<N>;

// A paused key's `error` in its detail says no more than the error.
same<ours.Fault, Omit<Contract["Fault"], "error">>(true);
same<ours.Division, NonNullable<Query<"summarizeOutcomes">["by"]>>(true);

same<Exclude<keyof ours.CreateKeyOptions, "signal">, Exclude<keyof Contract["NewAgentKey"], "name">>(true);
same<Exclude<keyof ours.RotateKeyOptions, "signal">, keyof Contract["Rotation"]>(true);
same<Exclude<keyof ours.ListOptions, "signal">, OurName<keyof Query<"listOutcomes">>>(true);
same<Exclude<keyof ours.ListStatementsOptions, "signal">, OurName<keyof Query<"listStatements">>>(true);
// This client has no option for `include=recent`, which only the dashboard's feed sends.
same<Exclude<keyof ours.SummaryOptions, "signal">, OurName<Exclude<keyof Query<"summarizeOutcomes">, "include">>>(true);
same<
  "format" | Exclude<keyof ours.ExportOptions, "signal" | "counts">,
  OurName<Exclude<keyof Query<"exportOutcomes">, "include">>
>(true);
same<keyof Pick<ours.ExportOptions, "counts">, NonNullable<Query<"exportOutcomes">["include"]>>(true);
same<Exclude<keyof ours.CostsOptions, "signal">, OurName<keyof Query<"addUpCosts">>>(true);
same<keyof ours.NewCostLine, keyof Contract["NewCosts"]["lines"][number]>(true);

same<ours.Result["status"], Contract["Result"]["status"]>(true);
// This client adds `ok`, which it computes from `status`, and the item's idempotency key.
same<Exclude<keyof ours.Result, "ok" | "idempotencyKey">, ResultName<AnyKey<Contract["Result"]>>>(true);
// The answer contains the outcome, or only its status and version if the caller may not read it. This client returns both.
type Corrections = operations["correctOutcome"]["responses"][200]["content"]["application/json"];
same<Exclude<keyof ours.Corrected, Exclude<keyof ours.Recorded, "id">>, Exclude<AnyKey<Corrections>, "ok">>(true);
