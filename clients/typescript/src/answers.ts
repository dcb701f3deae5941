// Reads answers of the API strictly: what is not as the contract says is an error, never a surprise later on.

import * as errors from "./errors.js";
import { Decimal, mapped, parse, plain } from "./json.js";
import type * as models from "./models.js";

/** A whole answer. */
export interface Reply {
  status: number;
  headers: Headers;
  bytes: ArrayBuffer;
}

type Read<T> = (value: unknown) => T;
type Fields = Record<string, unknown>;

const LONGEST_WAIT = 999_999_999; // seconds, some 30 years

/**
 * Tells which error an answer other than 200 means.
 *
 * `credential`: what it was asked for with, in words. `names`: what the path names by its id, and may not be there.
 */
export function refusal(reply: Reply, credential: string, names?: string): errors.OutcomesError {
  const { status, headers } = reply;
  let said: Fields = {};
  try {
    said = bodyOf(reply);
  } catch {
    // A proxy's page: the status has to do.
  }
  const error = typeof said.error === "string" ? said.error : undefined;
  const details = faults(said.details);
  const ignoredFields = ignored(headers);
  const known = { status, error, details, ignoredFields, retryAfter: retryAfter(headers) };
  const kind =
    (
      {
        "403 Forbidden": errors.ForbiddenError,
        "404 Not found": names && errors.NotFoundError,
        "503 Busy": errors.BusyError, // any other 503 does not say that nothing was stored
        "503 Still adding up": errors.StillAddingUpError,
      } as Record<string, Kind | "" | undefined>
    )[`${status} ${error}`] ||
    (status === 409 && headers.has("Retry-After") && errors.BusyError) ||
    (status >= 500 && errors.ServerError) ||
    REFUSALS[status];
  if (!kind) return new errors.UnexpectedAnswerError(`${error ?? status}: is this the URL of an Outcomes API?`, known);
  let message = sentence(`${status} ${error ?? "without a reason"}`, details);
  if (status === 401 || (status === 403 && !details[0])) message += ` for ${credential}`;
  if (status === 404) message += `: this user has no such ${names}`;
  if (ignoredFields[0]) message += `; not read: ${ignoredFields.join(", ")}`;
  return new kind(message, known);
}

type Kind = new (...of: ConstructorParameters<typeof errors.OutcomesError>) => errors.OutcomesError;

const REFUSALS: Record<number, Kind> = {
  400: errors.InvalidOutcomeError,
  401: errors.UnauthorizedError,
  409: errors.ConflictError,
  413: errors.InvalidOutcomeError,
  422: errors.KeyReusedError,
  429: errors.BusyError,
};

/** Says what was refused, and of each faulty field what is asked of it. */
export const sentence = (error: string, details: models.Fault[]): string =>
  [error, details.map(({ field, message }) => `${field} ${message}`).join("; ")].filter((part) => part).join(": ");

/** Reads the seconds that `Retry-After` asks to wait, a number or an HTTP date (RFC 9110, 10.2.3). */
function retryAfter(headers: Headers): number | undefined {
  const asked = headers.get("Retry-After") ?? "";
  if (/^\d{1,9}$/.test(asked)) return +asked;
  // Against the server's own clock where it tells it: ours may be wrong.
  const now = Date.parse(headers.get("Date") ?? "") || Date.now();
  const seconds = /^[A-Z]/.test(asked) ? (Date.parse(asked) - now) / 1000 : Number.NaN;
  return Number.isNaN(seconds) ? undefined : Math.min(LONGEST_WAIT, Math.max(0, seconds));
}

/** Reads the names of the fields that were not read. */
const ignored = (headers: Headers): string[] => (headers.get("Ignored-Fields")?.match(/[^,\s]+/g) ?? []).map(unquoted);

function unquoted(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

const faults = (value: unknown): models.Fault[] => (Array.isArray(value) ? value.filter((one) => one?.field) : []);

// Parts of answers

function wrong(value: unknown): never {
  throw new TypeError(`unexpected ${value === null ? value : typeof value}`);
}

const text: Read<string> = (value) => (typeof value === "string" ? value : wrong(value));
const named = text as Read<never>; // of those that the contract lists; another is newer than this package

const object = (value: unknown): Fields =>
  value && typeof value === "object" && !Array.isArray(value) && !(value instanceof Decimal)
    ? (value as Fields)
    : wrong(value);

const whole: Read<number> = (value) => {
  const number = value instanceof Decimal && /^-?\d+$/.test(value.text) ? +value.text : wrong(value);
  return Number.isSafeInteger(number) ? number : wrong(value);
};

const amount: Read<string> = (value) => (value instanceof Decimal ? value.text : wrong(value));

const instant: Read<string> = (value) => {
  if (!/T.*(Z|[+-]\d\d:\d\d)$/.test(text(value))) wrong(value);
  return new Date(value as string).toISOString();
};

const orNull =
  <T>(read: Read<T>): Read<T | null> =>
  (value) =>
    value === null ? null : read(value);

const orElse =
  <T, E>(read: Read<T>, otherwise: E): Read<T | E> =>
  (value) =>
    value === undefined ? otherwise : read(value);

const list =
  <T>(read: Read<T>): Read<T[]> =>
  (value) =>
    Array.isArray(value) ? value.map((item) => read(item)) : wrong(value);

type Camel<N> = N extends "from"
  ? "start"
  : N extends "to"
    ? "end"
    : N extends `${infer A}_${infer B}`
      ? `${A}${Capitalize<Camel<B>>}`
      : N;
type Shaped<F> = { [N in keyof F as Camel<N>]: F[N] extends Read<infer T> ? T : never };

const camel = (name: string): string =>
  ({ from: "start", to: "end" })[name] ?? name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** Reads an object field by field, `value_usd` as `valueUsd`; what else is there is left out. */
const shape =
  <F extends Record<string, Read<unknown>>>(fields: F): Read<Shaped<F>> =>
  (value) => {
    const said = object(value);
    return Object.fromEntries(
      Object.entries(fields).map(([name, read]) => [camel(name), read(said[name])]),
    ) as Shaped<F>;
  };

const standing = shape({ status: named, occurred_at: instant, recorded_by: orNull(text), version: whole });

const recordedOutcome = shape({
  id: text,
  user_id: orNull(whole),
  agent_id: orNull(whole),
  outcome_type: named,
  title: text,
  description: orNull(text),
  value_usd: orNull(amount),
  metadata: orNull((value) => plain(object(value)) as models.Metadata),
  created_at: instant,
});

const outcome: Read<models.Outcome> = (value) => ({
  ...recordedOutcome(value),
  ...("status" in object(value) && standing(value)),
});

const correction: Read<models.Correction> = shape({
  id: text,
  type: named,
  reason: orNull(text),
  by: orNull(text),
  created_at: instant,
  changes: orElse(
    (changes) =>
      Object.fromEntries(
        Object.entries(object(changes)).map(([name, change]) => [
          camel(name),
          object(
            name === "value_usd"
              ? mapped(change, (item) => (item instanceof Decimal ? item.text : item))
              : plain(change),
          ),
        ]),
      ),
    null,
  ),
});

const total = { count: whole, value_usd: amount };
const period = { ...total, from: text, to: text };
const nothing = { count: 0, valueUsd: "0" };
const dated = orElse(list(shape({ ...total, date: text })), []);

const totalsOf = shape({
  ...period,
  timezone: text,
  // The API is older where these are not there.
  confirmed: orElse(shape(total), nothing),
  disputed: orElse(shape(total), nothing),
  voided: orElse(shape(total), nothing),
  by_type: list(shape({ ...total, outcome_type: named })),
  by_agent: list(shape({ ...total, agent_id: orNull(whole) })),
  by_day: dated,
  by_week: dated,
  by_month: dated,
  previous: orElse(shape(period), null),
});

const bounds = {
  id: text,
  user_id: whole,
  name: text,
  agent_id: orNull(whole),
  outcome_types: orNull(list(named)),
  max_value_usd: orNull(amount),
  scopes: list(named),
  created_at: instant,
  expires_at: orNull(instant),
  last_used_at: orNull(instant),
};

const agentKey: Read<models.AgentKey> = shape(bounds);

// Whole answers; each throws a BrokenAnswerError where it is none

const decoded = ({ bytes }: Reply): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

const bodyOf = (reply: Reply): Fields => object(parse(decoded(reply)));

/** Lets `read` make something of a body. */
function shaped<T, B = Fields>(reply: Reply, read: (body: B) => T, of = bodyOf as (reply: Reply) => B): T {
  try {
    return read(of(reply));
  } catch (error) {
    throw new errors.BrokenAnswerError(`200, but not as the contract says: ${(error as Error).message}`, {
      status: 200,
    });
  }
}

const done = (body: Fields): unknown => body.ok === true || wrong(body.ok);

const receipt = ({ headers }: Reply, idempotencyKey: string) => ({
  replayed: headers.get("Idempotent-Replayed")?.toLowerCase() === "true",
  idempotencyKey,
  ignoredFields: ignored(headers),
});

export const recorded = (reply: Reply, key: string): models.Recorded =>
  // The body must be read although a key's caller learns nothing from it: a proxy's page is also a 200.
  shaped(reply, (body) => {
    done(body);
    return { id: text(reply.headers.get("Outcome-Id") || body.id), ...receipt(reply, key) };
  });

export const corrected = (reply: Reply, key: string): models.Corrected =>
  shaped(reply, (body) => {
    done(body);
    return { id: text(body.id), outcome: outcome(body.outcome), ...receipt(reply, key) };
  });

export const history = (reply: Reply): models.History =>
  shaped(reply, shape({ outcome, corrections: list(correction) }));

export const page = (reply: Reply): models.Page =>
  shaped(reply, ({ outcomes, next_cursor = null }) => ({
    outcomes: list(outcome)(outcomes),
    nextCursor: orNull(text)(next_cursor),
  }));

/** Reads one result for each of so many items. */
export const results = (reply: Reply, count: number): Fields[] =>
  shaped(reply, ({ results }) => {
    const items = list(object)(results);
    for (const item of items) result(item);
    return items.length === count ? items : wrong(results);
  });

/** Reads how an item ended that was sent with this key. */
export function result({ status, id, error, details, retryable, ignored }: Fields, key?: unknown): models.Result {
  const ok = status === "created" || status === "replayed";
  if (!ok && !/^(invalid|forbidden|conflict|failed)$/.test(text(status))) wrong(status);
  return {
    status: status as models.Result["status"],
    ok,
    idempotencyKey: `${key}`,
    id: ok ? text(id) : null,
    error: typeof error === "string" ? error : null,
    details: faults(details),
    retryable: status === "failed" && retryable === true,
    ignoredFields: list(text)(ignored ?? []).map(unquoted),
  };
}

/** Reads a part of an export, which is of this media type. */
export const exportPart = (reply: Reply, mediaType: string): models.ExportPart =>
  shaped(
    reply,
    (lines) => {
      const type = reply.headers.get("Content-Type") ?? "";
      if (type.split(";")[0]?.trim().toLowerCase() !== mediaType || !/(^|\n)$/.test(lines)) wrong(type);
      return { text: lines, nextCursor: reply.headers.get("Next-Cursor") };
    },
    decoded,
  );

/** Reads the totals of a period. An API too old to know what was asked has others. */
export function summary(reply: Reply, asked: models.SummaryOptions): models.Summary {
  const totals = shaped(reply, (body) => {
    list(object)(body.by_day ?? body.by_week ?? body.by_month);
    return totalsOf(body);
  });
  const { by = "day", compare, agentId, outcomeType } = asked;
  const types = [outcomeType ?? []].flat();
  const unread = [
    by !== "day" && totals.byDay[0] && "by",
    compare && !totals.previous && "compare",
    types[0] && totals.byType.some((one) => !types.includes(one.outcomeType)) && "outcomeType",
    agentId && totals.byAgent.some((one) => one.agentId !== agentId) && "agentId",
  ].filter((name) => name);
  if (unread[0])
    throw new errors.UnexpectedAnswerError(`200, but this API is too old to know ${unread.join(", ")}`, {
      status: 200,
    });
  return totals;
}

export const key = (reply: Reply): models.AgentKey => shaped(reply, agentKey);

export const newKey = (reply: Reply): models.NewAgentKey => shaped(reply, shape({ ...bounds, key: text }));

export const keys = (reply: Reply): models.AgentKey[] => shaped(reply, ({ keys }) => list(agentKey)(keys));

export const revoked = (reply: Reply): void => void shaped(reply, done);
