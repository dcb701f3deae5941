// The errors of this package.
//
// make contract: tree
// OutcomesError
// ├── ConfigurationError           no usable URL, key or cookie; nothing was sent
// ├── NoAnswerError                no complete answer came in time; the outcome may have been recorded
// ├── UnexpectedAnswerError        the answer is not from this API
// │   └── BrokenAnswerError        a success that cannot be parsed; the outcome may have been recorded
// └── ApiError                     the API refused the call or failed
//     ├── InvalidRequestError      400, 413: `error` and `details` say what to change
//     │   └── InvalidOutcomeError  the same, if the call was to write something
//     ├── UnauthorizedError        401: the key or the session is not valid
//     ├── ForbiddenError           403: the key or the session may not do this; `details` name the limits
//     ├── NotFoundError            404: the key or outcome does not exist
//     ├── CapabilityOffError       404 with No-Such-Route: the capability that the text names is off in this deployment
//     ├── ConflictError            409: not possible in the current state
//     ├── PreconditionFailedError  412: another version of the costs or the outcome is stored than the call requires
//     ├── KeyReusedError           422: this idempotency key already belongs to another outcome or correction
//     ├── LimitError               429 Too many outcomes: the agent key has used up its daily limit; nothing was stored
//     ├── BusyError                409 with Retry-After, 429, 503 Busy: too many requests at once; nothing was stored
//     ├── StillAddingUpError       503 Still adding up: the first summary of a long history takes several calls
//     └── ServerError              5xx: the outcome may have been recorded
// end of make contract

import type { CorrectionResult, Fault, Result } from "./models.js";

const LONGEST_MESSAGE = 4000; // characters; a text with many `details` can be too long for a log
const UNSEEN = /[\p{Cc}\p{Bidi_C}\p{Zl}\p{Zp}]/gu; // control characters, line ends, changes of text direction

/** The base of all errors of this package. Its text and properties never contain a key or a cookie. */
export class OutcomesError extends Error {
  /** Whether the same call may succeed later. Use the same idempotency key again, so that both calls count once. */
  declare retryable: boolean;
  declare name: string;
  declare status?: number | undefined;
  /** The API's `error` text; `details` are the faulty fields. */
  declare error?: string | undefined;
  details: Fault[] = [];
  /** Seconds that the server asked to wait. */
  declare retryAfter?: number | undefined;
  /** Fields of the body that the API ignored; they may be misspelt. */
  ignoredFields: string[] = [];
  /** The idempotency key of the failed call, if such calls have one: use it to call again. */
  declare idempotencyKey?: string | undefined;
  /** After a failed `recordMany`, the known result of each item. */
  results: Result[] = [];
  /** After a failed `correctMany`, the known result of each item. */
  declare corrections?: CorrectionResult[];

  constructor(message: string, known: Partial<OutcomesError> = {}) {
    super(message.slice(0, LONGEST_MESSAGE).replace(UNSEEN, "\ufffd"));
    Object.assign(this, known);
  }
}
Object.assign(OutcomesError.prototype, { name: "OutcomesError", retryable: false });

type Kind<N extends string> = new (...of: ConstructorParameters<typeof OutcomesError>) => OutcomesError & { name: N };

/** Returns an error class. Its name is a text, because bundlers may shorten the names of classes. */
function kind<N extends string>(name: N, of: typeof OutcomesError | Kind<string>, retryable = false): Kind<N> {
  const made = { [name]: class extends of {} }[name] as Kind<N>; // gives the class its name, which logs show
  Object.assign(made.prototype, { name, retryable });
  return made;
}

// make contract: errors
/** The URL, the key or the cookie is missing or malformed; the text names the variable. */
export const ConfigurationError = /* @__PURE__ */ kind("ConfigurationError", OutcomesError);
export type ConfigurationError = InstanceType<typeof ConfigurationError>;

/** No complete answer came before the deadline. The outcome may have been recorded: call again with the same key. */
export const NoAnswerError = /* @__PURE__ */ kind("NoAnswerError", OutcomesError, true);
export type NoAnswerError = InstanceType<typeof NoAnswerError>;

/** The answer is not from this API: usually the URL is wrong, or a proxy answered. */
export const UnexpectedAnswerError = /* @__PURE__ */ kind<"UnexpectedAnswerError" | "BrokenAnswerError">(
  "UnexpectedAnswerError",
  OutcomesError,
);
export type UnexpectedAnswerError = InstanceType<typeof UnexpectedAnswerError>;

/** A success whose body cannot be parsed. The outcome may have been recorded: call again with the same key. */
export const BrokenAnswerError = /* @__PURE__ */ kind("BrokenAnswerError", UnexpectedAnswerError, true);
export type BrokenAnswerError = InstanceType<typeof BrokenAnswerError>;

/** The API refused the call or failed; `status`, `error` and `details` are from its answer. */
export const ApiError = /* @__PURE__ */ kind<string>("ApiError", OutcomesError);
export type ApiError = InstanceType<typeof ApiError>;

/** 400 or 413, or an id that cannot be in a path. `details` names what to change. */
export const InvalidRequestError = /* @__PURE__ */ kind<"InvalidRequestError" | "InvalidOutcomeError">(
  "InvalidRequestError",
  ApiError,
);
export type InvalidRequestError = InstanceType<typeof InvalidRequestError>;

/** An InvalidRequestError of a call that writes, such as of an outcome that JSON cannot represent. */
export const InvalidOutcomeError = /* @__PURE__ */ kind("InvalidOutcomeError", InvalidRequestError);
export type InvalidOutcomeError = InstanceType<typeof InvalidOutcomeError>;

/** 401: neither the key nor the session is valid. */
export const UnauthorizedError = /* @__PURE__ */ kind("UnauthorizedError", ApiError);
export type UnauthorizedError = InstanceType<typeof UnauthorizedError>;

/** 403: the key or the session may not do this. If an agent key's limits are the reason, `details` names them. */
export const ForbiddenError = /* @__PURE__ */ kind("ForbiddenError", ApiError);
export type ForbiddenError = InstanceType<typeof ForbiddenError>;

/** 404: this user has no key or outcome with this id. */
export const NotFoundError = /* @__PURE__ */ kind("NotFoundError", ApiError);
export type NotFoundError = InstanceType<typeof NotFoundError>;

/** 404 with the header `No-Such-Route`: a capability is off. The text names its template parameter. */
export const CapabilityOffError = /* @__PURE__ */ kind("CapabilityOffError", ApiError);
export type CapabilityOffError = InstanceType<typeof CapabilityOffError>;

/** 409, and a retry does not help: the user has too many keys, or the outcome's status does not allow the call. */
export const ConflictError = /* @__PURE__ */ kind("ConflictError", ApiError);
export type ConflictError = InstanceType<typeof ConflictError>;

/** 412: the stored version of an outcome or of a day's costs is not `ifVersion`. This try stored nothing. */
export const PreconditionFailedError = /* @__PURE__ */ kind("PreconditionFailedError", ApiError);
export type PreconditionFailedError = InstanceType<typeof PreconditionFailedError>;

/** 422: the idempotency key belongs to another outcome or correction; `details` names the fields that differ. */
export const KeyReusedError = /* @__PURE__ */ kind("KeyReusedError", ApiError);
export type KeyReusedError = InstanceType<typeof KeyReusedError>;

/** 429 `Too many outcomes`: the agent key has used up its daily limit. `details` says when it may record again. */
export const LimitError = /* @__PURE__ */ kind("LimitError", ApiError);
export type LimitError = InstanceType<typeof LimitError>;

/** 409 with `Retry-After`, 429 or 503 `Busy`: the last try did nothing. Call again with the same idempotency key. */
export const BusyError = /* @__PURE__ */ kind("BusyError", ApiError, true);
export type BusyError = InstanceType<typeof BusyError>;

/** 503 `Still adding up`: the totals take longer than one call. Call again: the API continues where it stopped. */
export const StillAddingUpError = /* @__PURE__ */ kind("StillAddingUpError", ApiError, true);
export type StillAddingUpError = InstanceType<typeof StillAddingUpError>;

/** The API answered 5xx until the deadline. The outcome may have been recorded: call again with the same key. */
export const ServerError = /* @__PURE__ */ kind("ServerError", ApiError, true);
export type ServerError = InstanceType<typeof ServerError>;
// end of make contract
