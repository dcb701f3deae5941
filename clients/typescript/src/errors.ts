// Names what can go wrong, once.
//
// OutcomesError
// ├── ConfigurationError           no usable URL, key or cookie; nothing was sent
// ├── NoAnswerError                no whole answer came in time; it may have been recorded
// ├── UnexpectedAnswerError        something answered, but not this API
// │   └── BrokenAnswerError        a success that cannot be read; it may have been recorded
// └── ApiError                     the API answered no
//     ├── InvalidOutcomeError      400, 413: `error` and `details` say what to change
//     ├── UnauthorizedError        401: the key or the session is not valid
//     ├── ForbiddenError           403: the key or the session may not do this; `details` say which bound it is
//     ├── NotFoundError            404: no such key or outcome
//     ├── ConflictError            409: not possible as things stand
//     ├── KeyReusedError           422: this idempotency key already belongs to another outcome or correction
//     ├── BusyError                409 with Retry-After, 429, 503 Busy: too much at once; that try stored nothing
//     ├── StillAddingUpError       503 Still adding up: a first look at a long history; the next goes on from there
//     └── ServerError              5xx: nothing was stored, or it cannot be known

import type { Fault, Result } from "./models.js";

const LONGEST_MESSAGE = 4000; // characters; `details` of a page of outcomes can be more than a log should hold
const UNSEEN = /(?![\u200c\u200d])[\p{Other}\p{Zl}\p{Zp}]/gu; // emoji and some scripts read wrongly without the joiners

/** Stands for all errors of this package; neither its text nor its properties ever hold a key or a cookie. */
export class OutcomesError extends Error {
  /** Whether the same call, with the same idempotency key where it takes one, may succeed later, and does nothing twice. */
  retryable = false;
  declare status?: number;
  /** The API's own word for what is wrong, `details` its faults. */
  declare error?: string;
  details: Fault[] = [];
  /** Seconds that the server asked to wait. */
  declare retryAfter?: number;
  /** The fields of the body that the API did not read, misspelt perhaps. */
  ignoredFields: string[] = [];
  /** What to call again with, where the call had one. */
  declare idempotencyKey?: string;
  /** What is known of each item, after a failed `recordMany`. */
  results: Result[] = [];

  constructor(message: string, known: Partial<OutcomesError> = {}) {
    super(message.slice(0, LONGEST_MESSAGE).replace(UNSEEN, "\ufffd"));
    Object.assign(this, known);
  }
}

/** The URL, the key or the cookie is missing or malformed; the text names the option and the variable. */
export class ConfigurationError extends OutcomesError {}

/** No whole answer came before the deadline. It may have been recorded: call again with the same key. */
export class NoAnswerError extends OutcomesError {
  override retryable = true;
}

/** An answer that this API does not give: most often the URL is wrong or a proxy answered. */
export class UnexpectedAnswerError extends OutcomesError {}

/** A success whose body cannot be read. It may have been recorded: call again with the same key. */
export class BrokenAnswerError extends UnexpectedAnswerError {
  override retryable = true;
}

/** The API answered no: `status`, `error` and `details` are its own. */
export class ApiError extends OutcomesError {}

/** 400 or 413, or refused here because it cannot be written as JSON: change what `details` names. */
export class InvalidOutcomeError extends ApiError {}

/** 401: neither the key nor the session is valid. */
export class UnauthorizedError extends ApiError {}

/** 403: the agent key may not record or change this, as `details` say, or may not do this at all. */
export class ForbiddenError extends ApiError {}

/** 404: this user has no such key, or no such outcome. */
export class NotFoundError extends ApiError {}

/** 409 that no waiting mends: too many keys, or an outcome that cannot be corrected so from where it stands. */
export class ConflictError extends ApiError {}

/** 422: the idempotency key belongs to another outcome or correction; `details` names the fields that differ. */
export class KeyReusedError extends ApiError {}

/** 409 with `Retry-After`, 429 or 503 `Busy`: the last try did nothing. Call again with the same idempotency key. */
export class BusyError extends ApiError {
  override retryable = true;
}

/** 503 `Still adding up`: more is to be added up than a look has time for. Call again: it goes on from there. */
export class StillAddingUpError extends ApiError {
  override retryable = true;
}

/** 5xx, and still so at the deadline. It may have been recorded: call again with the same key. */
export class ServerError extends ApiError {
  override retryable = true;
}

// Given by text, as a bundler may shorten the names of classes.
for (const [name, kind] of Object.entries({
  OutcomesError,
  ConfigurationError,
  NoAnswerError,
  UnexpectedAnswerError,
  BrokenAnswerError,
  ApiError,
  InvalidOutcomeError,
  UnauthorizedError,
  ForbiddenError,
  NotFoundError,
  ConflictError,
  KeyReusedError,
  BusyError,
  StillAddingUpError,
  ServerError,
})) {
  Object.defineProperty(kind.prototype, "name", { value: name });
}
