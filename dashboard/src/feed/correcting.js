import { isAmbiguous } from "../shared/request.js";
import { isRetryable } from "./api.js";
import { whole } from "./format.js";

/** @import {Problem} from "../shared/request.js" */

const LONGEST_REASON = 500;
export const UNDO_MS = 5_000;

/** Return a new idempotency key. crypto.randomUUID needs a secure context. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/** Say what is wrong with the reason of a dispute; empty: nothing. @param {string} reason */
export function faultOfReason(reason) {
  const length = [...reason].length; // in code points, as the API counts
  if (!length) return "Say why you dispute it.";
  if (length <= LONGEST_REASON) return "";
  return `At most ${whole.format(LONGEST_REASON)} characters; these are ${whole.format(length)}.`;
}

/** Explain to the owner why a correction failed. @param {Problem} problem */
export function refusal(problem) {
  const { status, reason, details } = problem;
  if (problem.kind === "offline") return "You are offline.";
  if (status === 404 && !problem.isOff) return "This outcome no longer exists or is not yours.";
  if (reason === "Stale") return "It was corrected in the meantime. Please look at it again.";
  if (reason === "Conflict") return "Someone else is correcting it right now.";
  if (reason === "Not possible")
    return `Not possible: ${details[0]?.message ?? "this outcome can no longer be corrected"}.`;
  if (status === 400 && details[0]) return `The ${details[0].field} ${details[0].message}.`;
  return problem.message;
}

/**
 * Say that a correction failed, and whether it may have been saved despite the error.
 * @param {Problem} problem
 * @param {boolean} [wasLost] whether the answer to an earlier attempt was lost
 */
export function failure(problem, wasLost) {
  return isAmbiguous(problem) || (wasLost && isRetryable(problem))
    ? `It may not have been saved. ${refusal(problem)} Trying again is safe: it counts once.`
    : `Not saved. ${refusal(problem)}`;
}
