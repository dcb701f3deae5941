import assert from "node:assert/strict";
import { test } from "node:test";
import "./elements.js";

const { isRetryable } = await import("../src/feed/api.js");
const { refusal } = await import("../src/feed/verdict.js");
const { Problem } = await import("../src/shared/request.js");

test("a failed verdict has a reason in words, and can be repeated if that may help", () => {
  const details = [{ field: "reason", message: "must be a string" }];
  const why = "The server answered.";
  for (const [status, more, words, again] of [
    [0, { kind: "offline" }, "You are offline.", true],
    [0, {}, why, true],
    [500, {}, why, true],
    [503, {}, why, true],
    [429, {}, why, true],
    [409, { reason: "Conflict" }, "Someone else is correcting it right now.", true],
    [409, { reason: "Not possible", details }, "Not possible: must be a string.", false],
    [409, { reason: "Not possible" }, "Not possible: this outcome can no longer be corrected.", false],
    [404, {}, "This outcome no longer exists or is not yours.", false],
    [404, { isOff: true }, why, false],
    [400, { details }, "The reason must be a string.", false],
    [403, {}, "Not allowed: you cannot confirm an outcome that you recorded.", false],
  ]) {
    const problem = Object.assign(new Problem("error", why), { status, ...more });
    assert.deepEqual([refusal(problem), isRetryable(problem)], [words, again], `${status}`);
  }
});
