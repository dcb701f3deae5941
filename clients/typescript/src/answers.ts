// Reads answers of the API strictly: what is not as the contract says is an error, never a surprise later on.

import * as errors from "./errors.js";
import { Decimal, digits, parse, plain } from "./json.js";
import type * as models from "./models.js";

/** A whole answer. */
export interface Reply {
  status: number;
  headers: Headers;
  /** Undefined where it is not UTF-8. */
  text: string | undefined;
  /** What it was asked for with, in words. */
  credential: string;
}

type Read<T> = (value: unknown) => T;
type Fields = Record<string, unknown>;

const LONGEST_WAIT = 999_999_999; // seconds, some 30 years

/** Tells which error an answer other than 200 means. `names`: what the path names by its id, and may not be there. */
export function refusal({ status, headers, text: body, credential }: Reply, names?: string): errors.OutcomesError {
  let said: Fields = {};
  try {
    said = object(parse(body as string));
  } catch {
    // A proxy's page: the status has to do.
  }
  const error = typeof said.error === "string" ? said.error : undefined;
  const known = {
    status,
    details: faults(said.details),
    ignoredFields: ignored(headers),
    ...(error !== undefined && { error }),
  };
  const kind =
    (status === 403 && error === "Forbidden" && errors.ForbiddenError) ||
    (status === 404 && error === "Not found" && names && errors.NotFoundError) ||
    (status === 409 && headers.has("Retry-After") && errors.BusyError) ||
    (status === 503 && error === "Busy" && errors.BusyError) || // any other 503 does not say that nothing was stored
    (status === 503 && error === "Still adding up" && errors.StillAddingUpError) ||
    (status >= 500 && errors.ServerError) ||
    REFUSALS[status];
  if (!kind)
    return new errors.UnexpectedAnswerError(`${status} ${error ?? ""}: is this the URL of an Outcomes API?`, known);
  const ofKey = kind === errors.ForbiddenError;
  const after =
    kind === errors.UnauthorizedError
      ? `: ${credential} is not valid, or no longer`
      : ofKey && !known.details[0]
        ? `: ${credential} may not do this`
        : kind === errors.NotFoundError
          ? `: this user has no such ${names}`
          : "";
  const unread = known.ignoredFields[0] ? `; not read: ${known.ignoredFields.join(", ")}` : "";
  const asked = retryAfter(headers);
  return new kind(sentence(`${status} ${error ?? "without a reason"}`, known.details, ofKey) + after + unread, {
    ...known,
    ...(asked !== undefined && { retryAfter: asked }),
  });
}

const REFUSALS: Record<number, typeof errors.ApiError> = {
  400: errors.InvalidOutcomeError,
  401: errors.UnauthorizedError,
  409: errors.ConflictError,
  413: errors.InvalidOutcomeError,
  422: errors.KeyReusedError,
  429: errors.BusyError,
};

/** Says what was refused, and of each faulty field what is asked of it, or what the bounds `ofKey` are. */
export function sentence(error: string, details: models.Fault[], ofKey = false): string {
  const each = details.map(({ field, message }) => (ofKey ? `${message} (${field})` : `${field} ${message}`));
  return each[0] ? `${error}: ${each.join("; ")}` : error;
}

/** Reads the seconds that `Retry-After` asks to wait, a number or an HTTP date (RFC 9110, 10.2.3). */
function retryAfter(headers: Headers): number | undefined {
  const asked = headers.get("Retry-After") ?? "";
  if (/^\d{1,9}$/.test(asked)) return +asked;
  // Against the server's own clock where it tells it: ours may be wrong.
  const seconds = (httpDate(asked) - (httpDate(headers.get("Date") ?? "") || Date.now())) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.min(LONGEST_WAIT, Math.max(0, seconds));
}

const httpDate = (text: string): number => (/^[A-Z][a-z]+, \d/.test(text) ? Date.parse(text) : Number.NaN);

/** Reads the names of the fields that were not read. */
const ignored = (headers: Headers): string[] =>
  (headers.get("Ignored-Fields") ?? "")
    .split(",")
    .filter((name) => name.trim())
    .map((name) => unquoted(name.trim()));

function unquoted(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

const faults = (value: unknown): models.Fault[] =>
  (Array.isArray(value) ? value : []).filter((one) => one && typeof one === "object").map(plain) as models.Fault[];

// Parts of answers

function wrong(value: unknown): never {
  throw new TypeError(`${value === null ? "null" : typeof value} where something else was expected`);
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

const count: Read<number> = (value) => {
  const number = whole(value);
  return number < 0 ? wrong(value) : number;
};

const amount: Read<string> = (value) => (value instanceof Decimal ? digits(value.text) : wrong(value));

const instant: Read<string> = (value) => {
  if (!/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(text(value))) wrong(value);
  return new Date(value as string).toISOString();
};

const date: Read<string> = (value) => (/^\d{4}-\d\d-\d\d$/.test(text(value)) ? (value as string) : wrong(value));

const orNull =
  <T>(read: Read<T>): Read<T | null> =>
  (value) =>
    value === null ? null : read(value);

const list =
  <T>(read: Read<T>): Read<T[]> =>
  (value) =>
    Array.isArray(value) ? value.map((item) => read(item)) : wrong(value);

type Camel<N> = N extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : N;
type Shaped<F> = { [N in keyof F as Camel<N>]: F[N] extends Read<infer T> ? T : never };

const camel = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

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

const correction: Read<models.Correction> = (value) => ({
  ...shape({ id: text, type: named, reason: orNull(text), by: orNull(text), created_at: instant })(value),
  changes: orNull((changes) =>
    Object.fromEntries(
      Object.entries(object(changes)).map(([name, change]) => [
        camel(name),
        Object.fromEntries(
          Object.entries(object(change)).map(([when, item]) => [
            when,
            name === "value_usd" && item instanceof Decimal ? amount(item) : plain(item),
          ]),
        ),
      ]),
    ),
  )(object(value).changes ?? null),
});

const total = { count, value_usd: amount };

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

/** Lets `read` make something of a body. */
function shaped<T>(reply: Reply, read: (body: Fields) => T): T {
  try {
    return read(object(parse(reply.text as string)));
  } catch (error) {
    throw broken(`but not as the contract says: ${(error as Error).message}`);
  }
}

const broken = (why: string) => new errors.BrokenAnswerError(`200, ${why}`, { status: 200 });

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

/** Reads one result for each item, whose idempotency keys are `keys`. */
export const results = (reply: Reply, keys: string[]): models.Result[] =>
  shaped(reply, ({ results }) => {
    if (list(object)(results).length !== keys.length) wrong(results);
    return (results as Fields[]).map(({ status, id, error, details, retryable, ignored }, n) => {
      const ok = status === "created" || status === "replayed";
      if (!ok && !/^(invalid|forbidden|conflict|failed)$/.test(text(status))) wrong(status);
      return {
        status: status as models.Result["status"],
        ok,
        idempotencyKey: keys[n] as string,
        id: ok ? text(id) : null,
        error: typeof error === "string" ? error : null,
        details: faults(details),
        retryable: status === "failed" && retryable === true,
        ignoredFields: list(text)(ignored ?? []).map(unquoted),
      };
    });
  });

/** Reads a part of an export, which is of this media type. */
export function exportPart({ headers, text }: Reply, mediaType: string): models.ExportPart {
  const type = headers.get("Content-Type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== mediaType || text === undefined || (text && !text.endsWith("\n")))
    throw broken(`but no lines of ${mediaType}`);
  return { text, nextCursor: headers.get("Next-Cursor") };
}

/** Reads the totals of a period, which were asked for by `query`. An API too old to know what was asked has others. */
export function summary(reply: Reply, query: [string, string][]): models.Summary {
  const nothing = { count: 0, valueUsd: "0" };
  const totals = shaped(reply, (body): models.Summary => {
    if (!("by_day" in body || "by_week" in body || "by_month" in body)) wrong(undefined);
    const beside = (name: string) => (name in body ? shape(total)(body[name]) : nothing);
    const dated = (name: string) => list(shape({ ...total, date }))(body[name] ?? []);
    const period = (value: unknown) => {
      const { from: start, to: end, ...rest } = shape({ ...total, from: text, to: text })(value);
      return { ...rest, start, end };
    };
    return {
      ...period(body),
      timezone: text(body.timezone),
      confirmed: beside("confirmed"),
      disputed: beside("disputed"),
      voided: beside("voided"),
      byType: list(shape({ ...total, outcome_type: named }))(body.by_type),
      byAgent: list(shape({ ...total, agent_id: orNull(whole) }))(body.by_agent),
      byDay: dated("by_day"),
      byWeek: dated("by_week"),
      byMonth: dated("by_month"),
      previous: "previous" in body ? period(body.previous) : null,
    };
  });
  const asked = Object.fromEntries(query);
  const types = query.filter(([name]) => name === "outcomeType").map(([, value]) => value);
  const unread = Object.entries({
    by: totals.byDay[0] && (asked.by ?? "day") !== "day",
    compare: asked.compare && !totals.previous,
    outcomeType: types[0] && totals.byType.some((one) => !types.includes(one.outcomeType)),
    agentId: asked.agentId && totals.byAgent.some((one) => `${one.agentId}` !== asked.agentId),
  }).flatMap(([name, strange]) => (strange ? name : []));
  if (unread[0]) {
    const why = `200, but for another question: this API is too old to know ${unread.join(", ")}`;
    throw new errors.UnexpectedAnswerError(why, { status: 200 });
  }
  return totals;
}

export const key = (reply: Reply): models.AgentKey => shaped(reply, agentKey);

export const newKey = (reply: Reply): models.NewAgentKey => shaped(reply, shape({ ...bounds, key: text }));

export const keys = (reply: Reply): models.AgentKey[] => shaped(reply, ({ keys }) => list(agentKey)(keys));

export const revoked = (reply: Reply): void => void shaped(reply, done);
