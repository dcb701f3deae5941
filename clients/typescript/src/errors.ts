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
const UNSEEN = /[\p{Cc}\p{Bidi_C}\p{Zl}\p{Zp}]/gu; // what commands a terminal, ends a line or changes the reading order

/** Stands for all errors of this package; neither its text nor its properties ever hold a key or a cookie. */
export class OutcomesError extends Error {
  /** Whether the same call, with the same idempotency key where it takes one, may succeed later, and does nothing twice. */
  declare retryable: boolean;
  declare name: string;
  declare status?: number | undefined;
  /** The API's own word for what is wrong, `details` its faults. */
  declare error?: string | undefined;
  details: Fault[] = [];
  /** Seconds that the server asked to wait. */
  declare retryAfter?: number | undefined;
  /** The fields of the body that the API did not read, misspelt perhaps. */
  ignoredFields: string[] = [];
  /** What to call again with, where the call had one. */
  declare idempotencyKey?: string | undefined;
  /** What is known of each item, after a failed `recordMany`. */
  results: Result[] = [];

  constructor(message: string, known: Partial<OutcomesError> = {}) {
    super(message.slice(0, LONGEST_MESSAGE).replace(UNSEEN, "\ufffd"));
    Object.assign(this, known);
  }
}
Object.assign(OutcomesError.prototype, { name: "OutcomesError", retryable: false });

type Kind<N extends string> = new (...of: ConstructorParameters<typeof OutcomesError>) => OutcomesError & { name: N };

/** Makes a kind of error, named by text, as a bundler may shorten the names of classes. */
function kind<N extends string>(name: N, of: typeof OutcomesError | Kind<string>, retryable = false): Kind<N> {
  const made = { [name]: class extends of {} }[name] as Kind<N>; // so the class has the name, which logs show
  Object.assign(made.prototype, { name, retryable });
  return made;
}

/** The URL, the key or the cookie is missing or malformed; the text names the variable. */
export const ConfigurationError = kind("ConfigurationError", OutcomesError);
export type ConfigurationError = InstanceType<typeof ConfigurationError>;

/** No whole answer came before the deadline. It may have been recorded: call again with the same key. */
export const NoAnswerError = kind("NoAnswerError", OutcomesError, true);
export type NoAnswerError = InstanceType<typeof NoAnswerError>;

/** An answer that this API does not give: most often the URL is wrong or a proxy answered. */
export const UnexpectedAnswerError = kind<"UnexpectedAnswerError" | "BrokenAnswerError">(
  "UnexpectedAnswerError",
  OutcomesError,
);
export type UnexpectedAnswerError = InstanceType<typeof UnexpectedAnswerError>;

/** A success whose body cannot be read. It may have been recorded: call again with the same key. */
export const BrokenAnswerError = kind("BrokenAnswerError", UnexpectedAnswerError, true);
export type BrokenAnswerError = InstanceType<typeof BrokenAnswerError>;

/** The API answered no: `status`, `error` and `details` are its own. */
export const ApiError = kind<string>("ApiError", OutcomesError);
export type ApiError = InstanceType<typeof ApiError>;

/** 400 or 413, or refused here because it cannot be written as JSON: change what `details` names. */
export const InvalidOutcomeError = kind("InvalidOutcomeError", ApiError);
export type InvalidOutcomeError = InstanceType<typeof InvalidOutcomeError>;

/** 401: neither the key nor the session is valid. */
export const UnauthorizedError = kind("UnauthorizedError", ApiError);
export type UnauthorizedError = InstanceType<typeof UnauthorizedError>;

/** 403: the agent key may not record or change this, as `details` say, or may not do this at all. */
export const ForbiddenError = kind("ForbiddenError", ApiError);
export type ForbiddenError = InstanceType<typeof ForbiddenError>;

/** 404: this user has no such key, or no such outcome. */
export const NotFoundError = kind("NotFoundError", ApiError);
export type NotFoundError = InstanceType<typeof NotFoundError>;

/** 409 that no waiting mends: too many keys, or an outcome that cannot be corrected so from where it stands. */
export const ConflictError = kind("ConflictError", ApiError);
export type ConflictError = InstanceType<typeof ConflictError>;

/** 422: the idempotency key belongs to another outcome or correction; `details` names the fields that differ. */
export const KeyReusedError = kind("KeyReusedError", ApiError);
export type KeyReusedError = InstanceType<typeof KeyReusedError>;

/** 409 with `Retry-After`, 429 or 503 `Busy`: the last try did nothing. Call again with the same idempotency key. */
export const BusyError = kind("BusyError", ApiError, true);
export type BusyError = InstanceType<typeof BusyError>;

/** 503 `Still adding up`: more is to be added up than a look has time for. Call again: it goes on from there. */
export const StillAddingUpError = kind("StillAddingUpError", ApiError, true);
export type StillAddingUpError = InstanceType<typeof StillAddingUpError>;

/** 5xx, and still so at the deadline. It may have been recorded: call again with the same key. */
export const ServerError = kind("ServerError", ApiError, true);
export type ServerError = InstanceType<typeof ServerError>;
