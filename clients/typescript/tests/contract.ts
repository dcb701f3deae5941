// Compares the types with openapi.yaml: tsc fails if they differ. `npm run check` generates .tests/openapi.ts from openapi.yaml.

import type { components, operations } from "../.tests/openapi.js";
import type * as ours from "../src/index.js";

type Contract = components["schemas"];
type Query<Name extends keyof operations> = NonNullable<operations[Name]["parameters"]["query"]>;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only if both types are the same, including optional properties and null. */
const same = <A, B>(_: Same<A, B>): void => {};

type Answered<Name extends "listOutcomes" | "listStatements" | "listTypes"> =
  operations[Name]["responses"][200]["content"]["application/json"];
type AnyKey<T> = T extends unknown ? keyof T : never;
type ResultName<N> = N extends "ignored" ? "ignoredFields" : N;

type Camel<N> = N extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : N;
type OurName<N> = N extends "from" ? "start" : N extends "to" ? "end" : N extends "include" ? "ledger" : Camel<N>;

/** Converts the type of an answer in the contract to this client's types: names in camelCase, amounts as text. */
type Told<T> = T extends readonly (infer U)[]
  ? Told<U>[]
  : T extends object
    ? {
        [N in keyof T as OurName<N>]: N extends "outcome_type" | "outcome_types"
          ? Named<T[N]>
          : N extends "value_usd" | "max_value_usd" | "quantity"
            ? Text<T[N]>
            : N extends "cost_usd" // openapi-typescript does not tell that the cost of a line is never null
              ? string
              : N extends "metadata"
                ? Metadata
                : Told<T[N]>;
      }
    : T;
/** Converts a string or a list of strings in the contract to this client's outcome types. */
type Named<T> = T extends string ? ours.OutcomeType : T extends string[] ? ours.OutcomeType[] : T;
type Text<T> = unknown extends T ? string | null : string | Exclude<T, number>;
type Metadata = ours.Metadata | null;

/** Converts the type of a request in the contract to this client's types. */
type Given<T> = {
  [N in keyof T]: N extends "outcomeType"
    ? Named<T[N]>
    : N extends "valueUsd"
      ? ours.Amount | null
      : N extends "occurredAt"
        ? ours.Moment | null
        : N extends "metadata"
          ? Metadata
          : T[N];
};

// Any name is accepted, and editors suggest the six default types.
same<string extends ours.OutcomeType ? true : false, true>(true);
same<ours.OutcomeStatus, Contract["Status"]>(true);
same<ours.CorrectionType, Contract["CorrectionType"]>(true);
same<ours.Scope, Contract["Scope"]>(true);
same<ours.Fault, Contract["Fault"]>(true);
same<ours.Division, NonNullable<Query<"summarizeOutcomes">["by"]>>(true);

same<ours.ListedType[], Answered<"listTypes">["types"]>(true);

same<ours.NewOutcome, Given<Contract["NewOutcomeOfBatch"]>>(true);
same<ours.Changes, Partial<Given<Omit<Contract["NewOutcome"], "userId">>>>(true);
same<Exclude<keyof ours.CreateKeyOptions, "signal">, Exclude<keyof Contract["NewAgentKey"], "name">>(true);
same<Exclude<keyof ours.RotateKeyOptions, "signal">, keyof Contract["Rotation"]>(true);
same<Exclude<keyof ours.ListOptions, "signal">, OurName<keyof Query<"listOutcomes">>>(true);
same<Exclude<keyof ours.ListStatementsOptions, "signal">, OurName<keyof Query<"listStatements">>>(true);
// This client has no option for `include=recent`, which only the dashboard's feed sends.
same<Exclude<keyof ours.SummaryOptions, "signal">, OurName<Exclude<keyof Query<"summarizeOutcomes">, "include">>>(true);
same<"format" | Exclude<keyof ours.ExportOptions, "signal">, OurName<keyof Query<"exportOutcomes">>>(true);

same<ours.Outcome, Told<Contract["Outcome"]>>(true);
same<ours.AgentKey, Told<Contract["AgentKey"]>>(true);
same<ours.NewAgentKey, Told<Contract["MadeAgentKey"]>>(true);
same<ours.Page, Told<Answered<"listOutcomes">>>(true);
same<ours.StatementPage, Told<Answered<"listStatements">>>(true);
same<ours.CostLine, Told<Contract["CostLine"]>>(true);
same<Omit<ours.CostDay, "versions">, Omit<Told<Contract["CostsOfDay"]>, "versions">>(true);
// Without `include=versions`, the list is empty in this client.
same<ours.CostVersion[], NonNullable<Told<Contract["CostsOfDay"]>["versions"]>>(true);
same<keyof ours.NewCostLine, keyof Contract["NewCosts"]["lines"][number]>(true);
same<Exclude<keyof ours.CostsOptions, "signal">, OurName<keyof Query<"addUpCosts">>>(true);
same<keyof ours.Costs, keyof Told<Contract["Costs"]>>(true);
same<keyof ours.CostSummary, Exclude<keyof Told<Contract["CostSummary"]>, "recent">>(true);
same<ours.Result["status"], Contract["Result"]["status"]>(true);
// This client adds `ok`, which it computes from `status`, and the item's idempotency key.
same<Exclude<keyof ours.Result, "ok" | "idempotencyKey">, ResultName<AnyKey<Contract["Result"]>>>(true);
// In this client, `by` is null if it is unknown, and so are the optional fields that a correction does not have.
same<keyof ours.Correction, Camel<keyof Contract["Correction"]>>(true);
type Lacking = "by" | "changes" | "assignedTo" | "assignedId";
same<Omit<ours.Correction, Lacking>, Omit<Told<Contract["Correction"]>, Lacking>>(true);
// The answer contains the outcome, or only its status and version if the caller may not read it. This client returns both.
type Corrections = operations["correctOutcome"]["responses"][200]["content"]["application/json"];
same<Exclude<keyof ours.Corrected, Exclude<keyof ours.Recorded, "id">>, Exclude<AnyKey<Corrections>, "ok">>(true);
// Fields that may be missing in the contract are empty or null in this client.
type OrNull = "previous" | "otherAgents";
same<Omit<ours.Summary, OrNull>, Omit<Required<Told<Contract["Summary"]>>, OrNull>>(true);
same<ours.OtherAgents, NonNullable<Told<Contract["Summary"]>["otherAgents"]>>(true);
same<ours.PeriodTotal, NonNullable<Told<Contract["Summary"]>["previous"]>>(true);
