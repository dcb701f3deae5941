// What goes in and what comes out. Results are plain JSON: amounts are decimal texts, instants ISO 8601 in UTC.

import type { Decimal } from "./json.js";

export type OutcomeType =
  | "negotiation_complete"
  | "amplification_complete"
  | "deal_closed"
  | "broadcast_complete"
  | "task_complete"
  | "content_published";

/** Where an outcome may stand. */
export type OutcomeStatus = "recorded" | "confirmed" | "disputed" | "void";

export type Scope = "record" | "read" | "correct" | "backfill";

/** US dollars to send, digit for digit: a text such as "12500.50", or a number by its shortest text. */
export type Amount = string | number | bigint | Decimal;

/** A Date, or ISO 8601 text, which is sent as it is. */
export type Moment = Date | string;

export type Metadata = Record<string, unknown>;

/** An outcome to record. The API judges the fields; what is left out or undefined is not sent. */
export interface NewOutcome {
  outcomeType: OutcomeType;
  title: string;
  description?: string | null;
  valueUsd?: Amount | null;
  agentId?: number | null;
  /** Whose it is; counts only with a key, as a session records for its own user. */
  userId?: number | null;
  /** Anything that JSON can say; numbers that no double holds as bigint or Decimal. */
  metadata?: Metadata | null;
  /** When it happened; the moment of recording unless given. */
  occurredAt?: Moment | null;
  /** 1 to 255 visible ASCII characters, where the work has a name that outlives this process; else one is made. */
  idempotencyKey?: string | null;
}

/** What an amend may change; null clears an optional field. */
export type Changes = Partial<Omit<NewOutcome, "userId" | "idempotencyKey">>;

/** What every call takes: `signal` ends it, and it then rejects with the signal's reason. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** Which outcomes; `start` is inclusive, `end` exclusive. */
export interface Filters extends CallOptions {
  outcomeType?: OutcomeType | readonly OutcomeType[] | undefined;
  agentId?: number | undefined;
  start?: Moment | undefined;
  end?: Moment | undefined;
}

export interface IterateOptions extends Filters {
  /** Only outcomes that stand so. */
  status?: OutcomeStatus | readonly OutcomeStatus[] | undefined;
  /** Adds `status`, `occurredAt`, `recordedBy` and `version` to each, and the void ones, which are left out else. */
  ledger?: boolean | undefined;
}

export interface ListOptions extends IterateOptions {
  /** 20 unless given, at most 50. */
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface ExportOptions extends Filters {
  /** To go on where an export ended: the `nextCursor` of the last part that there is. */
  cursor?: string | undefined;
}

export type Division = "day" | "week" | "month";

export interface SummaryOptions extends Filters {
  timezone?: string | undefined;
  /** Divides up to 366 of them, and ten years. */
  by?: Division | undefined;
  /** Adds what the same length of time before came to, with the same filters. */
  compare?: "previous" | undefined;
}

export interface CorrectOptions extends CallOptions {
  idempotencyKey?: string | undefined;
}

export interface CorrectOfUserOptions extends CorrectOptions {
  /** Whose outcome it is; for the platform's key. */
  userId?: number | undefined;
}

export interface KeyOptions extends CallOptions {
  /** Whose key it is; for the platform's key. */
  userId?: number | undefined;
}

/** What bounds a new key; what is left out is no bound. */
export interface CreateKeyOptions extends KeyOptions {
  agentId?: number | undefined;
  outcomeTypes?: OutcomeType | readonly OutcomeType[] | undefined;
  /** The greatest magnitude of one outcome's value. */
  maxValueUsd?: Amount | undefined;
  /** `record` unless given. */
  scopes?: readonly Scope[] | undefined;
  expiresAt?: Moment | undefined;
}

export interface RotateKeyOptions extends KeyOptions {
  /** How long the text before works on: 0 to 168, 24 unless given. */
  overlapHours?: number | undefined;
}

/** A field that is not as it should be, and what is asked of it. */
export interface Fault {
  field: string;
  message: string;
}

export interface Recorded {
  id: string;
  /** Whether it is of no user, so in nobody's feed. */
  unassigned: boolean;
  /** Whether it had been recorded before under the same key. */
  replayed: boolean;
  idempotencyKey: string;
  /** What the API did not read, because it is misspelt or the API is older. */
  ignoredFields: string[];
}

/**
 * How one item of `recordMany` ended.
 *
 * `invalid` and `conflict` (the key belongs to another outcome) want a change; `forbidden` is beyond what the agent key may
 * record; `failed` may be sent again with the same `idempotencyKey` if `retryable`.
 */
export interface Result {
  status: "created" | "replayed" | "invalid" | "forbidden" | "conflict" | "failed";
  /** Whether the outcome is recorded, now or before. */
  ok: boolean;
  idempotencyKey: string;
  id: string | null;
  error: string | null;
  details: Fault[];
  retryable: boolean;
  ignoredFields: string[];
  /** Whether it is of no user, so in nobody's feed. */
  unassigned: boolean;
}

/** A recorded outcome; the last four are there where the ledger was asked for. */
export interface Outcome {
  id: string;
  userId: number | null;
  agentId: number | null;
  outcomeType: OutcomeType;
  title: string;
  description: string | null;
  /** The number that was recorded, to the digit; one close to zero with an exponent, as `1E-7`. */
  valueUsd: string | null;
  /** Its numbers are numbers, but a bigint or a Decimal where a number would change them. */
  metadata: Metadata | null;
  createdAt: string;
  status?: OutcomeStatus;
  occurredAt?: string;
  /** `key`, `key:<id>` of an agent's key, `session`, or null where that was not kept. */
  recordedBy?: string | null;
  /** How often it was corrected. */
  version?: number;
}

export interface Page {
  /** Newest first. */
  outcomes: Outcome[];
  /** Where the next page starts; null where there is no more. */
  nextCursor: string | null;
}

/** Whole lines, which follow those of the part before. */
export interface ExportPart {
  text: string;
  nextCursor: string | null;
}

export type CorrectionType = "amend" | "void" | "confirm" | "dispute" | "uphold";

export interface Correction {
  id: string;
  type: CorrectionType;
  reason: string | null;
  /** As `recordedBy` of an outcome. */
  by: string | null;
  createdAt: string;
  /** Of an amend: to each field that was to change, `before` and `after`; amounts are decimal texts. */
  changes: Record<string, Record<string, unknown>> | null;
}

export interface History {
  outcome: Outcome;
  /** Oldest first. */
  corrections: Correction[];
}

export interface Corrected extends Omit<Recorded, "unassigned"> {
  /** How the outcome stands now, and how often it was corrected. */
  status: OutcomeStatus;
  version: number;
  /** What it says; null where the API shows that to the owner alone, or to keys that may read. */
  outcome: Outcome | null;
}

export interface Total {
  count: number;
  /** The exact sum, without an exponent. */
  valueUsd: string;
}

export interface TypeTotal extends Total {
  outcomeType: OutcomeType;
}

export interface AgentTotal extends Total {
  agentId: number | null;
}

/** Of all agents together that `byAgent` leaves out. */
export interface OtherAgents extends Total {
  agents: number;
}

/** Of a day, or of a week or month, of which `date` is the first day that was asked for. */
export interface DayTotal extends Total {
  date: string;
}

export interface PeriodTotal extends Total {
  start: string;
  end: string;
}

/**
 * What happened from `start` (inclusive) to `end` (exclusive), days by the clock of `timezone`.
 *
 * All sums are of what stands; of it, `confirmed` is what its owner has confirmed. What is `disputed` or `voided` is in no other
 * sum. One of `byDay`, `byWeek` and `byMonth` is filled, as it was asked for; `previous` is there if it was.
 */
export interface Summary extends PeriodTotal {
  timezone: string;
  confirmed: Total;
  disputed: Total;
  voided: Total;
  byType: TypeTotal[];
  /** Tells 100 apart, no agent (null) among them. */
  byAgent: AgentTotal[];
  /** Null where `byAgent` leaves out none. */
  otherAgents: OtherAgents | null;
  byDay: DayTotal[];
  byWeek: DayTotal[];
  byMonth: DayTotal[];
  previous: PeriodTotal | null;
}

/** A key that a user made for an agent; what is null is no bound. */
export interface AgentKey {
  id: string;
  userId: number;
  name: string;
  agentId: number | null;
  outcomeTypes: OutcomeType[] | null;
  maxValueUsd: string | null;
  scopes: Scope[];
  createdAt: string;
  expiresAt: string | null;
  /** The hour in which it was last used. */
  lastUsedAt: string | null;
  /** By whose call; null where it never was, or is not known. */
  madeBy: "session" | "platform" | null;
  rotatedBy: "session" | "platform" | null;
  /** When it was last rotated. */
  rotatedAt: string | null;
}

/** A key that was just made or rotated: its text, `key`, is told this once. */
export interface NewAgentKey extends AgentKey {
  key: string;
}
