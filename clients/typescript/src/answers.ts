// Parses the API's answers strictly: an answer that violates the contract is an error.

import * as errors from "./errors.js";
import { mapped, parse } from "./json.js";
import type * as models from "./models.js";
import { type Fields, ifSaid, list, object, type Read, shape, text, whole, wrong } from "./parsing.js";
import { outcome } from "./readers.js";

/** A complete answer. */
export interface Reply {
  status: number;
  /** Returns a header's value, or "" if the header is missing. */
  header: (name: string) => string;
  text: string;
  /** Hides a text that contains the key or a cookie. */
  hide: (said: unknown) => unknown;
}

type Known = ConstructorParameters<typeof errors.OutcomesError>[1];
type Kind = new (message: string, known?: Known, maybeDone?: unknown) => errors.OutcomesError;

/** The error classes by status, or by status and `error` if a status has several meanings; `""` for any other. */
export const REFUSALS: Record<string, Kind> = {
  401: errors.UnauthorizedError,
  "403 Forbidden": errors.ForbiddenError,
  "404 Not found": errors.NotFoundError,
  409: errors.ConflictError,
  422: errors.KeyReusedError,
  429: errors.BusyError,
  "503 Busy": errors.BusyError, // after any other 503, the outcome may be stored
  "503 Still adding up": errors.StillAddingUpError,
  "": errors.UnexpectedAnswerError,
};

/**
 * Returns the error for an answer other than 200.
 *
 * `invalid`: the error's class if the request is invalid. `credential`: the credential that the request used, in words.
 * `maybeDone`: whether an earlier try may have taken effect.
 */
export function refusal(
  reply: Reply,
  invalid: Kind,
  credential: string,
  named?: boolean,
  maybeDone?: unknown,
): errors.OutcomesError {
  const { status, header } = reply;
  let said: Fields = {};
  try {
    said = mapped(bodyOf(reply), reply.hide) as Fields;
  } catch {
    // The body is not JSON, such as a proxy's page: use only the status.
  }
  const error = typeof said.error === "string" ? said.error : undefined;
  const details = faults(said, header);
  const ignoredFields = ignored(reply);
  const known = { status, error, details, retryAfter: retryAfter(reply), ignoredFields };
  const told = `${status} ${error}`;
  const kind =
    status === 409 && header("Retry-After")
      ? errors.BusyError
      : ((status !== 404 || named) && REFUSALS[told]) ||
        REFUSALS[status] ||
        (status === 400 || status === 413 ? invalid : status >= 500 && errors.ServerError);
  let message = error ? told : `${status}`;
  if (!kind) return new (REFUSALS[""] as Kind)(`${message}: is this the URL of an Outcomes API?`, known, maybeDone);
  if (details[0]) message += `: ${details.map(({ field, message }) => `${field} ${message}`).join("; ")}`;
  if (status === 401 || (status === 403 && !details[0])) message += ` for ${credential}`;
  if (ignoredFields[0]) message += `; not read: ${ignoredFields.join(", ")}`;
  return new kind(message, known, maybeDone);
}

/** Returns the seconds that `Retry-After` asks to wait, a number or a future HTTP date (RFC 9110, 10.2.3). */
function retryAfter({ header }: Reply): number | undefined {
  const asked = header("Retry-After");
  if (/^\d{1,9}$/.test(asked)) return +asked;
  // Use the server's clock if it sends a Date header, because our clock may be wrong.
  const seconds = (Date.parse(asked) - (Date.parse(header("Date")) || Date.now())) / 1000;
  return /^[A-Z]/.test(asked) && seconds > 0 ? seconds : undefined;
}

/** Returns the names of the fields that the API ignored; the header percent-encodes them. */
export const ignored = ({ header }: Reply): string[] =>
  (header("Ignored-Fields").match(/[^,\s]+/g) ?? []).map(decodeURIComponent);

/** Returns the faulty fields. If the outcome type is wrong, a header lists the valid types. */
const faults = ({ error, details }: Fields, header?: Reply["header"]): models.Fault[] => {
  const types = error === "Invalid outcome_type" && header?.("Outcome-Types");
  if (types) return [{ field: "outcomeType", message: `must be one of ${types}` }];
  return Array.isArray(details) ? details.filter((one) => one?.field) : [];
};

// Readers of complete answers. Each throws a BrokenAnswerError if the answer is malformed.

const bodyOf = ({ text }: Reply): Fields => object(parse(text));

/** Returns a function that applies `read` to the body of an answer. */
export const shaped =
  <T>(read: (body: Fields) => T) =>
  (reply: Reply): T => {
    try {
      return read(bodyOf(reply));
    } catch {
      throw broken();
    }
  };

/** Returns a function that reads the rows of an answer. */
export const rows = <T>(member: string, read: Read<T>) => shaped((body) => list(read)(body[member]));

/** The text does not quote the answer, which may echo secrets. */
const broken = () => new errors.BrokenAnswerError("200, but not as the contract says", { status: 200 });

export const done = ({ ok }: Fields): true => ok === true || wrong();

const receipt =
  <T>(read: (body: Fields, header: Reply["header"]) => T) =>
  (reply: Reply, idempotencyKey: string) =>
    // Always parse the body, even if the headers contain everything needed: a proxy's page may also have status 200.
    shaped((body) => ({
      ...(done(body) && read(body, reply.header)),
      replayed: reply.header("Idempotent-Replayed") === "true",
      idempotencyKey,
      ignoredFields: ignored(reply),
    }))(reply);

export const recorded = receipt(({ id }, header) => ({
  id: text(header("Outcome-Id") || id),
  unassigned: header("Unassigned") === "true",
}));

export const corrected = receipt((body) => ({
  ...shape({ id: text, outcome: ifSaid(outcome) })(body),
  ...shape({ status: text as Read<models.OutcomeStatus>, version: whole })(body.outcome ?? body),
}));

export const assigned = /* @__PURE__ */ shaped((body) => done(body) && text(body.id));

/** Reads the results of a batch, one for each item. `keys` are the items' idempotency keys. */
export const results = (reply: Reply, keys: unknown[]): models.Result[] =>
  shaped(({ results }) => {
    const items = list(object)(mapped(results, reply.hide));
    return items.length === keys.length ? items.map((item, n) => result(item, keys[n], reply.header)) : wrong();
  })(reply);

/** Reads the result of one item. `key` is the item's idempotency key. */
export function result(item: Fields, key?: unknown, header?: Reply["header"]): models.Result {
  const { status, id, error, retryable, ignored, unassigned } = item;
  const ok = /^(created|replayed)$/.test(text(status));
  if (!ok && !/^(invalid|forbidden|conflict|limited|failed)$/.test(status as string)) wrong();
  return {
    status: status as models.Result["status"],
    ok,
    idempotencyKey: `${key}`,
    id: ok ? text(id) : null,
    error: typeof error === "string" ? error : null,
    details: faults(item, header),
    retryable: status === "failed" && retryable === true,
    ignoredFields: list(text)(ignored ?? []).map(decodeURIComponent),
    unassigned: unassigned === true,
  };
}

/** Reads the results of corrections, one for each that was sent. */
export const correctionResults = (reply: Reply, sent: Fields[]): models.CorrectionResult[] =>
  shaped(({ results }) => {
    const items = list(object)(mapped(results, reply.hide));
    if (items.length !== sent.length) wrong();
    return sent.map((body, n) => correctionResult(items[n] as Fields, body, reply.header));
  })(reply);

/** Reads the result of one correction that was sent. A status that this client does not know is a failure for good. */
export function correctionResult(item: Fields, sent: Fields, header?: Reply["header"]): models.CorrectionResult {
  const { correction, outcome_status, version, error, retryable, ignored } = item;
  const status = text(item.status);
  const ok = /^(corrected|replayed)$/.test(status);
  const isKnown = ok || /^(invalid|forbidden|not_found|not_possible|stale|conflict|limited)$/.test(status);
  return {
    status: (isKnown ? status : "failed") as models.CorrectionResult["status"],
    ok,
    id: `${sent.id}`,
    idempotencyKey: `${sent.idempotencyKey}`,
    correction: ok ? text(correction) : null,
    outcomeStatus: ok ? (text(outcome_status) as models.OutcomeStatus) : null,
    version: ok || version !== undefined ? whole(version) : null,
    error: ok ? null : typeof error === "string" ? error : status,
    details: faults(item, header),
    retryable: status === "failed" && retryable === true,
    ignoredFields: list(text)(ignored ?? []).map(decodeURIComponent),
  };
}

/** Reads a part of an export of this media type. */
export function exportPart({ text, header }: Reply, mediaType: string): models.ExportPart {
  if (!header("Content-Type").startsWith(mediaType) || !/(^|\n)$/.test(text)) throw broken();
  return { text, nextCursor: header("Next-Cursor") || null };
}

/**
 * Returns a reader of documents. The reader checks that the answer is a JSON object with this member, and returns the
 * answer's text.
 */
export const document =
  (member: string) =>
  (reply: Reply): string => {
    shaped((body) => member in body || wrong())(reply);
    return reply.text;
  };

export const revoked = shaped((body): void => {
  done(body);
});
