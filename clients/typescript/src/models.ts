// The models of requests and answers. Answers are plain JSON: amounts are decimal text, instants ISO 8601 in UTC.

import type { Decimal } from "./json.js";

// make contract: choices
/** The name of an outcome type: a default type, or any other type of the platform. */
export type OutcomeType =
  | (string & {})
  | "negotiation_complete"
  | "amplification_complete"
  | "deal_closed"
  | "broadcast_complete"
  | "task_complete"
  | "content_published";

export type OutcomeStatus = "recorded" | "confirmed" | "disputed" | "void";

export type Scope = "record" | "read" | "correct" | "backfill" | "cost";

export type CorrectionType = "amend" | "void" | "confirm" | "dispute" | "uphold";

export type CountedWhen = "claimed" | "unless_disputed" | "confirmed" | "never";

export type ValueBasis = "stated" | "estimated";

export type Measure = "value" | "counted" | "cost" | "unreviewed" | "silence";

export type Every = "week" | "month";

export type Weekday = "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday";

export type WatchStatus = "Still adding up" | "Busy" | "No definition" | "Other time zone" | "No costs" | "Forbidden";
// end of make contract

/** US dollars to send. A text such as "12500.50" is sent with all its digits, and a number as its shortest text. */
export type Amount = string | number | bigint | Decimal;

/** A Date, or ISO 8601 text, which is sent unchanged. */
export type Moment = Date | string;

export type Metadata = Record<string, unknown>;

/** An outcome to record. The API validates the fields; undefined fields are not sent. */
export interface NewOutcome {
  // make contract: fields to record
  outcomeType: OutcomeType;
  title: string;
  description?: string | null;
  valueUsd?: Amount | null;
  agentId?: number | null;
  /** The outcome's user. Needs a key: a session records for its own user. */
  userId?: number | null;
  /** Any JSON object. Use bigint or Decimal for numbers that a double cannot represent exactly. */
  metadata?: Metadata | null;
  /** The time when the outcome happened; default now. */
  occurredAt?: Moment | null;
  // end of make contract
  /** 1 to 255 visible ASCII characters, such as an id of the work that never changes; the default is a random key. */
  idempotencyKey?: string | null;
}

/** Changes of `amend`; null clears an optional field. */
export type Changes = Partial<Omit<NewOutcome, "userId" | "idempotencyKey">>;

/** Options of every call. If `signal` aborts, the call rejects with its reason. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface ReadOptions extends CallOptions {
  /** With the platform's key, the user whose outcomes are read; `none` reads outcomes without a user. */
  userId?: number | "none" | undefined;
}

/** Filters of outcomes; `start` is inclusive, `end` exclusive. */
export interface Filters extends ReadOptions {
  outcomeType?: OutcomeType | readonly OutcomeType[] | undefined;
  /** `none` is for outcomes without an agent. */
  agentId?: number | "none" | undefined;
  start?: Moment | undefined;
  end?: Moment | undefined;
  /** Only outcomes with this status. A summary counts recorded and confirmed outcomes by default. */
  status?: OutcomeStatus | readonly OutcomeStatus[] | undefined;
}

/** Filters and order of a list or an export. */
export interface ListFilters extends Filters {
  /** Whether `start`, `end` and the order are about when outcomes were recorded (default), or when they happened. */
  time?: "recorded" | "occurred" | undefined;
  /** Only what an agent key recorded: `key:<id>`. */
  recordedBy?: string | undefined;
}

export interface IterateOptions extends ListFilters {
  /** Adds `status`, `occurredAt`, `recordedBy` and `version` to each outcome, and includes void outcomes. */
  ledger?: boolean | undefined;
}

export interface ListOptions extends IterateOptions {
  /** Maximum number of outcomes in the page: at most 50, default 20. */
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface ExportOptions extends ListFilters {
  /** Adds what each outcome counts for by the user's definitions. */
  counts?: boolean | undefined;
  /** The `nextCursor` of the last part that was received, to resume an export. */
  cursor?: string | undefined;
}

export type Division = "day" | "week" | "month";

export interface SummaryOptions extends Filters {
  timezone?: string | undefined;
  /** How to group the totals; the period has at most 366 groups, and at most ten years. */
  by?: Division | undefined;
  /** Adds the totals of the previous period of the same length. */
  compare?: "previous" | undefined;
}

export interface CorrectOptions extends CallOptions {
  /** The version that the outcome must have; 0 means that it was never corrected. */
  ifVersion?: number | undefined;
  idempotencyKey?: string | undefined;
}

export interface CorrectOfUserOptions extends CorrectOptions {
  /** The user of the outcome. Only a call with the platform's key needs this. */
  userId?: number | undefined;
}

export interface KeyOptions extends CallOptions {
  /** The user of the key. Only a call with the platform's key needs this. */
  userId?: number | undefined;
}

/** Limits of a new key. A limit that is left out does not apply. */
export interface CreateKeyOptions extends KeyOptions {
  agentId?: number | undefined;
  outcomeTypes?: OutcomeType | readonly OutcomeType[] | undefined;
  /** The maximum absolute value of an outcome. */
  maxValueUsd?: Amount | undefined;
  /** How many outcomes and corrections the key may record in a UTC day; null for any number. Default: as the deployment says. */
  maxPerDay?: number | null | undefined;
  /** Default `record`. */
  scopes?: readonly Scope[] | undefined;
  expiresAt?: Moment | undefined;
}

export interface RotateKeyOptions extends KeyOptions {
  /** How long the old secret stays valid: 0 to 168, default 24. */
  overlapHours?: number | undefined;
}

/** A faulty field and its rule. */
export interface Fault {
  field: string;
  message: string;
}

export interface Recorded {
  id: string;
  /** Whether the outcome has no user, so that it is in nobody's feed. */
  unassigned: boolean;
  /** Whether the outcome was already recorded with the same idempotency key. */
  replayed: boolean;
  idempotencyKey: string;
  /** Fields that the API ignored, because they are misspelt or the API is older. */
  ignoredFields: string[];
}

/**
 * The result of one item of `recordMany`.
 *
 * An item that is not `ok` has one of these statuses. `invalid`: change the item. `conflict`: its key belongs to
 * another outcome. `forbidden`: it exceeds the agent key's limits. `limited`: the key has recorded as much as it may
 * today. `failed`: it may or may not be recorded. If the result is `retryable`, send the item again with the same
 * `idempotencyKey`.
 */
export interface Result {
  status: "created" | "replayed" | "invalid" | "forbidden" | "conflict" | "limited" | "failed";
  /** Whether the outcome is recorded, by this call or an earlier one. */
  ok: boolean;
  idempotencyKey: string;
  id: string | null;
  error: string | null;
  details: Fault[];
  retryable: boolean;
  ignoredFields: string[];
  /** Whether the outcome has no user, so that it is in nobody's feed. */
  unassigned: boolean;
}

/** A correction for `correctMany`. `id` is the outcome's; the other fields are the arguments of single corrections. */
export interface NewCorrection {
  id: string;
  type: CorrectionType;
  reason?: string | null;
  changes?: Changes;
  /** The user of the outcome. Only a call with the platform's key needs this. */
  userId?: number | null;
  /** The version that the outcome must have; 0 means that it was never corrected. */
  ifVersion?: number | null;
  idempotencyKey?: string | null;
}

export interface CorrectManyOptions extends CallOptions {
  /** The reason of corrections that have none. */
  reason?: string | undefined;
}

/**
 * The result of one item of `correctMany`. `id` is the outcome's, and `correction` the id of the correction.
 *
 * An item that is not `ok` has one of these statuses. `invalid`: change the item. `conflict`: its key belongs to another
 * correction. `stale`: the outcome has another version, which `version` says if the caller may read it. `forbidden`,
 * `not_found`, `not_possible`: as the errors of single corrections. `limited`: the key may correct no more today. `failed`: it
 * may or may not be made. If the result is `retryable`, send the item again with the same `idempotencyKey`.
 */
export interface CorrectionResult {
  // make contract: statuses of corrections
  status:
    | "corrected"
    | "replayed"
    | "invalid"
    | "forbidden"
    | "not_found"
    | "not_possible"
    | "stale"
    | "conflict"
    | "limited"
    | "failed";
  // end of make contract
  /** Whether the correction is made, by this call or an earlier one. */
  ok: boolean;
  id: string;
  idempotencyKey: string;
  correction: string | null;
  outcomeStatus: OutcomeStatus | null;
  version: number | null;
  error: string | null;
  details: Fault[];
  retryable: boolean;
  ignoredFields: string[];
}

/** A part of an export, which consists of complete lines. */
export interface ExportPart {
  text: string;
  nextCursor: string | null;
}

export interface MakeStatementOptions extends CallOptions {
  /** An IANA name; default UTC. */
  timezone?: string | undefined;
}

export interface StatementEntriesOptions extends CallOptions {
  /** Where to continue: the `nextCursor` of the last part. */
  cursor?: string | undefined;
}

export interface ListStatementsOptions extends StatementEntriesOptions {
  limit?: number | undefined;
}

export interface Corrected extends Omit<Recorded, "unassigned"> {
  /** The outcome's status, and its number of corrections, after this correction. */
  status: OutcomeStatus;
  version: number;
  /** The corrected outcome; null if the caller may not read it. */
  outcome: Outcome | null;
}

/** The cost of an agent on a day, for one label. Without an `agentId`, the cost is unallocated. */
export interface NewCostLine {
  /** The amount is sent with all its digits. It is negative for a credit. */
  costUsd: Amount;
  agentId?: number | null | undefined;
  quantity?: Amount | null | undefined;
  unit?: string | null | undefined;
  label?: string | null | undefined;
}

export interface CostsOfUserOptions extends CallOptions {
  /** With the platform's key, the user of the costs; default: the client's `userId`. */
  userId?: number | undefined;
}

export interface ReadCostsOptions extends CostsOfUserOptions {
  /** Adds earlier versions. */
  versions?: boolean | undefined;
}

export interface ChangeCostsOptions extends CostsOfUserOptions {
  /** The version that the call may replace (optimistic locking); 0 means that the day must have no costs. */
  ifVersion?: number | undefined;
}

/** A period of costs; `start` is inclusive, `end` exclusive. */
export interface CostsOptions extends ReadOptions {
  start?: Moment | undefined;
  end?: Moment | undefined;
  agentId?: number | "none" | undefined;
  timezone?: string | undefined;
}

export interface CostSummaryOptions extends Omit<SummaryOptions, "outcomeType" | "status"> {
  /** Adds what counts by the user's definitions, as in `countedSummary`. */
  counted?: boolean | undefined;
}

/** Says which outcomes count. `types` has a rule by type, and one for `*`, which is for all other types. */
export interface NewDefinition {
  timezone: string;
  /** For the rule `unless_disputed`: an outcome counts so many days after the end of the month. */
  disputeDays: number;
  types: { [outcomeType: string]: NewTypeRule };
}

export interface NewTypeRule {
  when: CountedWhen;
  /** Takes the place of each outcome's value. It is sent with all its digits. */
  eachUsd?: Amount | null | undefined;
  basis?: ValueBasis | null | undefined;
  note?: string | null | undefined;
}

export interface ChangeDefinitionOptions extends CallOptions {
  /** The version that the call may replace (optimistic locking); 0 means that no definition may begin with this month. */
  ifVersion?: number | undefined;
}

/** A watch, by which a user is told when a figure crosses a line. `at` are percents of `target`. */
export interface NewWatch {
  name: string;
  measure: Measure;
  timezone: string;
  /** In US dollars; outcomes for `unreviewed`, days for `silence`. It is sent with all its digits. */
  target: Amount;
  outcomeType?: string | null | undefined;
  agentId?: number | null | undefined;
  /** Required for `value`, `counted` and `cost`. */
  every?: Every | null | undefined;
  at?: number[] | null | undefined;
}

/** The setting of the digest: a day of the week, and an hour from 0 to 23. */
export interface NewDigest {
  timezone: string;
  day: Weekday;
  hour: number;
}

export interface WatchesOptions extends CallOptions {
  /** With the platform's key, the user of the watches; default: the client's `userId`. */
  userId?: number | undefined;
}

export interface ChangeWatchOptions extends WatchesOptions {
  /** The version that the call may replace (optimistic locking); 0 means that there must be none. */
  ifVersion?: number | undefined;
}

/** A period; `start` is inclusive, `end` exclusive. */
export interface TryDefinitionOptions extends CallOptions {
  start?: Moment | undefined;
  end?: Moment | undefined;
}

export type IterateCountedOptions = Omit<IterateOptions, "ledger">;

export type ListCountedOptions = Omit<ListOptions, "ledger">;

export type CountedSummaryOptions = Omit<SummaryOptions, "status">;

// make contract: models of answers
/** An outcome type that the API records, with its name for people. */
export interface ListedType {
  type: string;
  label: string;
}

/** A recorded outcome. The last four fields are only present if requested with `ledger`. */
export interface Outcome {
  id: string;
  userId: number | null;
  agentId: number | null;
  outcomeType: OutcomeType;
  title: string;
  description: string | null;
  /** The exact value in US dollars. Values close to zero have an exponent, such as `1E-7`. */
  valueUsd: string | null;
  /** Numbers are a bigint or a Decimal if a JavaScript number would change them. */
  metadata: Metadata | null;
  createdAt: string;
  status?: OutcomeStatus;
  occurredAt?: string;
  /** Who recorded it: `key`, `key:<id>` for an agent key, `session`, or null if unknown. */
  recordedBy?: string | null;
  /** The number of corrections. */
  version?: number;
}

export interface Correction {
  id: string;
  type: CorrectionType;
  reason: string | null;
  /** Who made the correction: the same values as `Outcome.recordedBy`. */
  by: string | null;
  createdAt: string;
  /**
   * For an amendment: `before` and `after` for each changed field. Amounts are decimal text. If the answer would be too
   * large, the oldest changes of metadata are only `{ omitted: true }`.
   */
  changes: Record<string, Record<string, unknown>> | null;
  /** The user who got the outcome, if `assign` voided it. */
  assignedTo: number | null;
  /** The id of this user's new outcome, if `assign` voided the outcome. */
  assignedId: string | null;
}

export interface History {
  outcome: Outcome;
  /** Oldest first. */
  corrections: Correction[];
}

export interface Page {
  /** Newest first. */
  outcomes: Outcome[];
  /** The cursor of the next page; null on the last page. */
  nextCursor: string | null;
}

export interface ListedStatement {
  id: string;
  period: string;
  timezone: string;
  /** The end of the period. */
  cut: string;
  /** The number of entries. */
  size: number;
  /** The root hash of the tree of entries. */
  root: string;
}

export interface StatementPage {
  /** Latest period first. */
  statements: ListedStatement[];
  /** The cursor of the next page; null on the last page. */
  nextCursor: string | null;
}

export interface Total {
  count: number;
  /** The exact sum in US dollars, without an exponent. */
  valueUsd: string;
}

export interface TypeTotal extends Total {
  outcomeType: OutcomeType;
}

export interface AgentTotal extends Total {
  agentId: number | null;
}

/** The total of all agents that `byAgent` leaves out; `agents` is their number. */
export interface OtherAgents extends Total {
  agents: number;
}

/** The total of a day, week or month; `date` is its first day within the period. */
export interface DayTotal extends Total {
  date: string;
}

export interface PeriodTotal extends Total {
  start: string;
  end: string;
}

/**
 * Totals of outcomes that happened from `start` (inclusive) to `end` (exclusive). Days are local days in `timezone`.
 *
 * `confirmed` is part of the totals; `disputed` and `voided` are not. Only one of `byDay`, `byWeek` and `byMonth` is
 * filled, as requested; `previous` is null unless requested.
 */
export interface Summary extends PeriodTotal {
  timezone: string;
  byType: TypeTotal[];
  /** Up to 100 agents. `agentId` is null in the entry for outcomes without an agent. */
  byAgent: AgentTotal[];
  byDay: DayTotal[];
  confirmed: Total;
  disputed: Total;
  voided: Total;
  byWeek: DayTotal[];
  byMonth: DayTotal[];
  previous: PeriodTotal | null;
  /** The total of all other agents, if there are any. */
  otherAgents: OtherAgents | null;
}

/** The description of an agent key. A limit is null if it does not apply. */
export interface AgentKey {
  id: string;
  userId: number;
  name: string;
  agentId: number | null;
  outcomeTypes: OutcomeType[] | null;
  maxValueUsd: string | null;
  /** How many outcomes and corrections it may record in a UTC day. */
  maxPerDay: number | null;
  /** About how many it has recorded today; null without a limit. */
  recordedToday: number | null;
  scopes: Scope[];
  createdAt: string;
  expiresAt: string | null;
  /** The hour in which the key was last used. */
  lastUsedAt: string | null;
  /** Who created the key; null if unknown. `rotatedBy` is also null if it was never rotated. */
  madeBy: "session" | "platform" | null;
  rotatedBy: "session" | "platform" | null;
  rotatedAt: string | null;
  /** Since when the key is paused; null if it is not. */
  pausedAt: string | null;
}

/** A new or rotated key. Its secret, `key`, is returned only here. */
export interface NewAgentKey extends AgentKey {
  key: string;
}

export interface CostLine {
  costUsd: string;
  agentId: number | null;
  quantity: string | null;
  unit: string | null;
  label: string | null;
}

/** A version of a day's costs. `lines` is null for a deletion, and empty if nothing was spent. */
export interface CostVersion {
  version: number;
  lines: CostLine[] | null;
  putBy: string;
  putAt: string;
}

/** The costs of a UTC day from a source. `versions` has earlier versions, newest first, if they were requested. */
export interface CostDay {
  date: string;
  source: string;
  version: number;
  lines: CostLine[];
  putBy: string;
  putAt: string;
  versions: CostVersion[];
}

/** Says when outcomes of a type count. `*` is for all other types. */
export interface TypeRule {
  outcomeType: string;
  when: CountedWhen;
  /** Takes the place of each outcome's value; null for its own. */
  eachUsd: string | null;
  basis: ValueBasis;
  note: string | null;
}

/** A definition of which outcomes count. `start` is its first month, such as `2026-12`. */
export interface Definition {
  start: string;
  version: number;
  timezone: string;
  disputeDays: number;
  types: TypeRule[];
  /** When this version was put. */
  putAt: string;
}

/** The week or month of a watch. `name` is such as `2026-12`. */
export interface WatchPeriod {
  name: string;
  start: string;
  end: string;
}

/** The last event about a line. */
export interface Telling {
  period: string;
  percent: number;
  type: string;
  at: string;
  figure: string;
  /** Whether the first comparison of the watch found the line crossed. */
  already: boolean;
}

/** A watch, by which a user is told when a figure crosses a line. `at` are percents of `target`. */
export interface Watch {
  id: string;
  name: string;
  measure: Measure;
  outcomeType: string | null;
  agentId: number | null;
  every: Every | null;
  timezone: string;
  target: string;
  at: number[] | null;
  version: number;
  putBy: "session" | "platform";
  putAt: string;
  period: WatchPeriod | null;
  /** Null if it cannot be known now, see `status`. */
  figure: string | null;
  counted: string | null;
  waiting: string | null;
  estimatedUsd: string | null;
  status: WatchStatus | null;
  told: Telling[];
}

/** The setting of a user's weekly digest. */
export interface Digest {
  timezone: string;
  day: Weekday;
  hour: number;
  version: number;
  putBy: "session" | "platform";
  putAt: string;
}

/** A user's watches, and the setting of the digest, if there is one. */
export interface Watches {
  watches: Watch[];
  digest: Digest | null;
}

export interface AgentCost {
  /** null: unallocated. */
  agentId: number | null;
  costUsd: string;
}

/** The cost of a UTC day, null if no source has put it. */
export interface DayCost {
  date: string;
  costUsd: string | null;
  sources: string[];
  /**
   * The time at which a source last replaced costs of this day after the day was over. Null if no source did so within
   * the last 24 hours.
   */
  restatedAt: string | null;
}

/** The cost from a source. `gaps`: the days without costs between its first and last day in the period. */
export interface SourceCost {
  source: string;
  costUsd: string;
  knownDays: number;
  gaps: string[];
}

/** The known costs of the UTC days that begin from `start` (inclusive) to `end` (exclusive). */
export interface Costs {
  start: string;
  end: string;
  days: string;
  costUsd: string | null;
  byAgent: AgentCost[];
  byDay: DayCost[];
  bySource: SourceCost[];
  knownDays: number;
  ofDays: number;
  /** The cost of all other agents, if there are any. */
  otherAgents: { agents: number; costUsd: string } | null;
}

export interface AgentValue extends AgentTotal {
  costUsd: string | null;
  /** null without an agent, if the cost is not above 0, or if no outcome counts. */
  costPerOutcome: string | null;
}

/** A part of the outcomes, for what they count. `estimatedUsd` is the part of the value that is estimated. */
export interface PartByRule extends Total {
  estimatedUsd: string;
}

/** Waiting outcomes that count from the local day `on`. */
export interface Closing extends Total {
  on: string;
}

/** Outcomes that will count by themselves unless disputed. `closes` has the days, earliest first. */
export interface Waiting extends PartByRule {
  closes: Closing[];
}

export interface TypeByRule {
  counted: PartByRule;
  waiting: Waiting;
  unconfirmed: PartByRule;
  notCounted: Total;
  beforeRules: Total;
  outcomeType: OutcomeType;
}

/**
 * Says what counts by the user's definitions, in five parts that add up to all that is recorded or confirmed.
 * `unconfirmed` counts only once it is confirmed. `beforeRules` happened before the first definition's month.
 */
export interface ByRule {
  counted: PartByRule;
  waiting: Waiting;
  unconfirmed: PartByRule;
  notCounted: Total;
  beforeRules: Total;
  byType: TypeByRule[];
}

/** A total with the values of what counts and of what waits, which are null if `byRule` is null. */
export interface CountedDay extends DayTotal {
  countedUsd: string | null;
  waitingUsd: string | null;
}

/** A total with the values of what counts and of what waits, which are null if `byRule` is null. */
export interface CountedPeriod extends PeriodTotal {
  countedUsd: string | null;
  waitingUsd: string | null;
}

/**
 * A summary with what counts by the user's definitions. `byRule` is null without a definition, in another time zone than
 * its, and for a period that begins or ends within a local day.
 */
export interface CountedSummary extends Summary {
  byDay: CountedDay[];
  byWeek: CountedDay[];
  byMonth: CountedDay[];
  previous: CountedPeriod | null;
  byRule: ByRule | null;
}

/**
 * A summary with the known costs of the UTC days that begin in the period. `byAgent` also has agents that only have
 * costs. Never show `netUsd`, the value less the known cost, without `knownDays` and `ofDays`.
 */
export interface CostSummary extends Summary {
  costUsd: string | null;
  knownDays: number | null;
  ofDays: number | null;
  netUsd: string | null;
  /** The value divided by the cost. */
  ratio: string | null;
  byAgent: AgentValue[];
  byDay: CountedDay[];
  byWeek: CountedDay[];
  byMonth: CountedDay[];
  previous: CountedPeriod | null;
  otherAgents: { agents: number; count: number; valueUsd: string; costUsd: string | null } | null;
  /** null unless requested with `counted`, as are `netCountedUsd` and `ratioCounted`. */
  byRule: ByRule | null;
  netCountedUsd: string | null;
  ratioCounted: string | null;
}

/** Says what an outcome counts for by its user's definition. */
export interface Counts {
  state: "counted" | "waiting" | "unconfirmed" | "not_counted" | "no_rule";
  /** The local day on which it counts by itself, if it is waiting. */
  on: string | null;
  /** What it counts for, or would; null if it never counts, or if its value is unknown. */
  usd: string | null;
}

/** An outcome with what it counts for. `counts` is null for a disputed or void outcome. */
export interface CountedOutcome extends Outcome {
  status: OutcomeStatus;
  occurredAt: string;
  version: number;
  counts: Counts | null;
  /** True if an import brought it; otherwise null. */
  imported: boolean | null;
}

export interface CountedHistory extends History {
  outcome: CountedOutcome;
}

export interface CountedPage extends Page {
  outcomes: CountedOutcome[];
}
// end of make contract
