const TIMEOUT_MS = 30_000; // longer than API Gateway's timeout of 29 s, so that no answer is missed

/** @typedef {"loading" | "empty" | "signed-out" | "offline" | "error" | "unset"} ViewState why there is nothing to show */

/** A request failed. The message is for the viewer. */
export class Problem extends Error {
  name = "Problem";
  /** The HTTP status, or 0 if there was no response */
  status = 0;
  /** The `error` in the API's response */
  reason = "";
  /** Whether this deployment lacks the route, because a capability is off */
  isOff = false;
  /** @type {{field: string, message: string}[]} `details` of the API's response */
  details = [];

  /** @param {ViewState} kind @param {number} retryAfter seconds */
  constructor(kind, message = "", retryAfter = 0) {
    super(message);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

export const invalidResponse = () => new Problem("error", "The server’s answer could not be understood.");

/**
 * Whether an error is a Problem, also one from another bundle, which has its own class Problem.
 * @param {any} error
 * @returns {error is Problem}
 */
export const isProblem = (error) => error?.name === "Problem";

/**
 * Return a Problem unchanged. Replace any other error, which means that a response had other fields than expected.
 * @param {unknown} error
 */
export const asProblem = (error) => (isProblem(error) ? error : invalidResponse());

/** Whether a call may have taken effect despite the error: after a 503, it has not. @param {Problem} problem */
export const isAmbiguous = ({ kind, status }) =>
  kind !== "signed-out" && (status < 400 || (status >= 500 && status !== 503));

/**
 * Send a request and read the text of its response. For an unsuccessful response, also return a `problem`. Throws a
 * Problem if there is no response or no session. If `signal` is aborted, throws fetch's own error.
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @param {{method?: string, body?: unknown, headers?: Record<string, string>, timeout?: number,
 *   keepalive?: boolean}} [options] body: sent as JSON
 */
export async function request(
  url,
  signal,
  { method = "GET", body, headers: more, timeout = TIMEOUT_MS, keepalive = false } = {},
) {
  /** @type {Response} */
  let response;
  let text = "";
  try {
    response = await fetch(url, {
      method,
      credentials: "include",
      cache: "no-store",
      headers: { accept: "application/json", ...(body ? { "content-type": "application/json" } : null), ...more },
      body: body ? JSON.stringify(body) : null,
      keepalive,
      signal: AbortSignal.any([AbortSignal.timeout(timeout), ...(signal ? [signal] : [])]),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!navigator.onLine) throw new Problem("offline");
    const slow = error instanceof DOMException && error.name === "TimeoutError";
    throw new Problem("error", slow ? "The server took too long to answer." : "The server could not be reached.");
  }
  if (response.status === 401) throw new Problem("signed-out");
  const { status, headers } = response;
  const isOff = headers.has("no-such-route");
  const why = isOff ? "It is switched off here, or its address is wrong." : `The server answered ${status}.`;
  const problem = response.ok ? null : new Problem("error", why, Number(headers.get("retry-after")) || 0);
  if (problem) Object.assign(problem, { status, isOff });
  return { text, problem, headers };
}

/** Add `error` and `details` of an API response to a Problem. @param {Problem} problem @param {any} body */
export function explain(problem, body) {
  if (typeof body?.error === "string") problem.reason = body.error;
  if (Array.isArray(body?.details)) problem.details = body.details;
  return problem;
}
