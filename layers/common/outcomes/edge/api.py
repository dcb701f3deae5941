"""Read the caller, parameters and body of an API Gateway event, and map results and errors to HTTP responses."""

import base64
import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import wraps
from typing import Any

from outcomes.contract import json_text
from outcomes.contract.caller import Bounds, Caller
from outcomes.contract.json_text import compact
from outcomes.edge import headers
from outcomes.errors import (
    BadRequest,
    Busy,
    Contended,
    Fault,
    Forbidden,
    IdempotencyKeyReused,
    Mistimed,
    NoSuchRoute,
    NotFound,
    NotPossible,
    PayloadTooLarge,
    PreconditionFailed,
    Refused,
    Stale,
    StillAddingUp,
    TooManyKeys,
    TooManyLines,
    TooManyOutcomes,
    TooManySources,
    Unauthorized,
    UnsupportedMediaType,
    throttled_by,
)
from outcomes.limits import MAX_BODY_BYTES, MAX_IDEMPOTENCY_KEY

type Event = dict[str, Any]
"""A REST API proxy event:
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""

type Response = dict[str, Any]

_STATUS: dict[type[Refused], int] = {
    BadRequest: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    NoSuchRoute: 404,
    Contended: 409,
    NotPossible: 409,
    TooManyKeys: 409,
    TooManySources: 409,
    TooManyLines: 409,
    PreconditionFailed: 412,
    Stale: 412,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    IdempotencyKeyReused: 422,
    TooManyOutcomes: 429,
    Busy: 503,
    StillAddingUp: 503,
}

EXPOSED = (
    "Outcome-Id, Idempotent-Replayed, Retry-After, Ignored-Fields, Outcome-Types, Next-Cursor, Unassigned,"
    " No-Such-Route, Capabilities, Fresh-For, ETag"
)
"""Response headers that pages of the dashboard's origins may read, in addition to the CORS-safelisted headers."""

IDEMPOTENCY_KEY = f"must be a string of 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"

AGAIN_SECONDS = 1.0
"""A request that fails with `Mistimed` after this many seconds is not processed again, as it could exceed the
timeout."""

type Route = Callable[[Event, Caller], Response]
type Handler = Callable[[Event, object], Response]


def endpoint(*, failure: str, origins: str, platform_may_read: bool = False) -> Callable[[Route], Handler]:
    """Turn a route into a Lambda handler.

    A route is a function that takes an event and a caller, and returns `ok(...)`.

    failure: the `error` in the response with status 500, which is sent for every exception except Refused.
    origins: comma-separated origins whose pages may call with the user's session and read the responses.
    platform_may_read: see `Caller`.
    """
    allowed = frozenset(filter(None, origins.split(",")))

    def decorate(route: Route) -> Handler:
        @wraps(route)
        def handler(event: Event, _context: object) -> Response:
            begun = time.monotonic()
            try:
                caller = _caller(event, allowed)._replace(platform_may_read=platform_may_read)
                try:
                    response = route(event, caller)
                except Mistimed:
                    if time.monotonic() - begun > AGAIN_SECONDS:
                        raise
                    response = route(event, caller)
            except Refused as refused:
                response = _refused(event, refused)
            except Exception as exc:  # any failure becomes a 500, which tells the caller to retry
                log_failure(event, failure, exc)
                response = respond(500, compact({"error": failure}))
            origin = header(event, "origin")
            if origin in allowed:
                response["headers"] |= {
                    "Access-Control-Allow-Origin": origin,
                    "Access-Control-Allow-Credentials": "true",
                    "Access-Control-Expose-Headers": EXPOSED,
                }
            return response

        return handler

    return decorate


def public_endpoint(*, failure: str) -> Callable[[Callable[[], Response]], Handler]:
    """Turn a route without an authorizer into a Lambda handler. All pages may read its responses.

    failure: see `endpoint`.
    """

    def decorate(route: Callable[[], Response]) -> Handler:
        @wraps(route)
        def handler(event: Event, _context: object) -> Response:
            try:
                response = route()
            except Refused as refused:
                response = _refused(event, refused)
            except Exception as exc:  # as in `endpoint`
                log_failure(event, failure, exc)
                response = respond(500, compact({"error": failure}))
            response["headers"]["Access-Control-Allow-Origin"] = "*"
            return response

        return handler

    return decorate


def ok(body: str, also: dict[str, str] | None = None) -> Response:
    """Return a response with status 200. body: JSON text. also: additional headers."""
    return respond(200, body, also)


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """Return the header that lists ignored fields, or no header if there are none."""
    return {"Ignored-Fields": ", ".join(names)} if names else {}


def types_header(failures: Iterable[Exception]) -> dict[str, str]:
    """Return a header that lists the valid outcome types if one of `failures` is an invalid type.

    Return no header otherwise.
    """
    for failure in failures:
        if isinstance(failure, BadRequest) and failure.types:
            return {"Outcome-Types": ", ".join(failure.types)}
    return {}


def header(event: Event, name: str) -> str | None:
    """Return a header's value, or the last value if there are several. name: the header's name in lower case."""
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == name:
            return str(value)
    return None


def path_parameter(event: Event, name: str) -> str:
    return str(event["pathParameters"][name])


def query(event: Event, name: str) -> str | None:
    """Return a query parameter's value. Raises BadRequest if there are several."""
    if len(query_list(event, name)) > 1:
        raise BadRequest(f"Invalid {name}")
    return (event.get("queryStringParameters") or {}).get(name)


def query_list(event: Event, name: str) -> list[str]:
    """Return all values of a query parameter."""
    return (event.get("multiValueQueryStringParameters") or {}).get(name) or []


def reader(event: Event, caller: Caller) -> int | None:
    """Return the user whose outcomes the caller reads with this call. None means the outcomes of no user.

    Raises Forbidden for an agent key without the scope `read`, and for the platform's key if it may not read. A request
    with the platform's key must name the user as `userId`. Raises Unauthorized if `userId` is missing or is not the
    user whom the authorizer logged, and BadRequest if it is malformed.
    """
    if caller.session_user is not None:
        return caller.session_user
    if caller.agent_key:
        if not caller.may_read:
            raise Forbidden(details=[Fault(field="scopes", message="reading needs the scope read")])
        return caller.agent_key.user_id
    sent = query(event, "userId")
    if sent is None:
        raise Unauthorized
    from outcomes.contract import queries  # imported here, because only the platform's reads need it

    user_id = queries.reader(sent)
    if caller.reads is None:
        message = "reading a user's outcomes with INTERNAL_API_KEY needs PlatformMayRead=true"
        raise Forbidden(details=[Fault(field="userId", message=message)])
    if queries.reader(caller.reads) != user_id:
        raise Unauthorized
    return user_id


def is_idempotency_key(value: object) -> bool:
    """Check a key in a header, in an item of a batch, or in a tool's arguments by the rule IDEMPOTENCY_KEY."""
    return (
        isinstance(value, str) and 1 <= len(value) <= MAX_IDEMPOTENCY_KEY and all("!" <= char <= "~" for char in value)
    )


def idempotency_key(event: Event) -> str | None:
    """Return the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header), or None if there is none.

    Raises BadRequest if it is malformed, or sent twice with different values.
    """
    keys = set(headers.values(event, "idempotency-key"))
    if not keys:
        return None
    if len(keys) > 1 or not all(map(is_idempotency_key, keys)):
        raise BadRequest("Invalid Idempotency-Key")
    return keys.pop()


def json_body(event: Event, max_bytes: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """Parse the JSON object in the body. Numbers become `Decimal`, so that they lose no digit.

    Raises PayloadTooLarge if the body exceeds `max_bytes`, and BadRequest if it is not JSON (RFC 8259) or not an
    object.
    """
    value = json_value(event, max_bytes)
    if not isinstance(value, dict):
        raise BadRequest("Invalid JSON")
    return value


def json_value(event: Event, max_bytes: int = MAX_BODY_BYTES) -> Any:
    """Parse the body like `json_body`, but accept any JSON value."""
    body = event.get("body") or ""
    try:
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        if len(raw) > max_bytes:
            raise PayloadTooLarge
        return json_text.read(raw)
    # ValueError: not Base64, not UTF-8 or not JSON. RecursionError: nested too deeply.
    except (ValueError, RecursionError):
        pass
    # Raise outside the `except` block, so that no log contains the original error as the context of this one: the
    # original error quotes the body.
    raise BadRequest("Invalid JSON")


def _caller(event: Event, origins: frozenset[str]) -> Caller:
    """Return the caller that the authorizer identified.

    Raises Unauthorized if there is no caller, and the errors of `_refuse_cross_site`.
    """
    context: dict[str, Any] = (event.get("requestContext") or {}).get("authorizer") or {}
    match context:
        case {"caller": "key"}:
            return Caller(reads=context.get("reads"))
        case {"caller": "agent"}:
            return Caller(agent_key=_bounds(context))
        case {"caller": "session", "userId": str(user_id), **also} if user_id.isascii() and user_id.isdigit():
            # Browsers attach cookies by themselves, but no Authorization header.
            if event.get("httpMethod") != "GET" and also.get("credential") != "bearer":
                _refuse_cross_site(event, origins)
            return Caller(session_user=int(user_id))
    raise Unauthorized


def _bounds(context: dict[str, Any]) -> Bounds:
    """Parse an agent key's bounds from the authorizer's context, whose values are strings."""
    agent_id, types, cap, a_day = map(context.get, ("agentId", "outcomeTypes", "maxValueUsd", "maxPerDay"))
    return Bounds(
        key_id=context["keyId"],
        user_id=int(context["userId"]),
        agent_id=None if agent_id is None else int(agent_id),
        outcome_types=None if types is None else frozenset(types.split()),
        max_value_usd=None if cap is None else Decimal(cap),
        scopes=frozenset(context["scopes"].split()),
        max_per_day=None if a_day is None else int(a_day),
    )


def _refuse_cross_site(event: Event, origins: frozenset[str]) -> None:
    """Refuse cross-site request forgery: browsers attach the user's cookie to requests from any page.

    A form cannot send JSON, and a script of another origin needs a preflight to send it (Fetch standard,
    https://fetch.spec.whatwg.org/#cors-safelisted-request-header). A DELETE has no body but also needs a preflight.
    With POST, PUT and DELETE, every browser sends Origin or Sec-Fetch-Site. So a request without both is not from a
    browser.

    Raises UnsupportedMediaType and Forbidden.
    """
    declared = (header(event, "content-type") or "").partition(";")[0].strip().lower()
    if event.get("httpMethod") != "DELETE" and declared != "application/json":
        raise UnsupportedMediaType
    origin = header(event, "origin")
    if origin is not None:
        if origin not in origins:
            raise Forbidden
    elif header(event, "sec-fetch-site") not in {None, "same-origin", "none"}:
        raise Forbidden


def note_refused(event: Event, refused: Refused) -> None:
    """Log and count a refusal."""
    # Logging is imported on first use, because a successful list needs neither log nor metrics.
    from outcomes.edge.observability import count, logger

    logger().set_correlation_id(_request_id(event))
    # Messages of details may contain a user's id, which must not be in logs.
    fields = [fault["field"] for fault in refused.details]
    throttled = {"throttled": throttled_by(refused)} if isinstance(refused, Busy | StillAddingUp) else {}
    logger().info("Refused", extra={"reason": refused.error, "fields": fields, **throttled})
    count("RequestsRefused", "reason", [refused.error])


def _refused(event: Event, refused: Refused) -> Response:
    note_refused(event, refused)
    status = _STATUS[type(refused)]
    if status == 503:
        from outcomes.edge.observability import count_busy

        count_busy()
    also = ignored_header(refused.ignored) if isinstance(refused, BadRequest) else {}
    also |= types_header([refused])
    if isinstance(refused, NoSuchRoute):
        also["No-Such-Route"] = "true"
    if isinstance(refused, Contended | Busy | StillAddingUp):
        also["Retry-After"] = "1"
    elif isinstance(refused, TooManyOutcomes):
        also["Retry-After"] = str(refused.retry_after)
    return respond(status, compact(refused.body()), also)


def log_failure(event: Event, message: str, failure: Exception) -> None:
    """Log a failure that is not the caller's fault, with its traceback."""
    from outcomes.edge.observability import logger

    logger().set_correlation_id(_request_id(event))
    logger().error(message, exc_info=failure)


def log_failures(event: Event, message: str, failures: Sequence[Exception]) -> None:
    """Count refusals, and log why tables were throttled.

    Log every other failure. Log an exception only once, because all outcomes written by one call share it.
    """
    from outcomes.edge.observability import count, logger

    count("RequestsRefused", "reason", [failure.error for failure in failures if isinstance(failure, Refused)])
    for throttled in dict.fromkeys(throttled_by(failure) for failure in failures if isinstance(failure, Busy)):
        logger().set_correlation_id(_request_id(event))
        logger().info("Refused", extra={"reason": Busy.error, "fields": [], "throttled": throttled})
    for failure in {id(each): each for each in failures if not isinstance(each, Refused)}.values():
        log_failure(event, message, failure)


def _request_id(event: Event) -> str | None:
    return (event.get("requestContext") or {}).get("requestId")


def respond(status: int, body: str, also: dict[str, str] | None = None) -> Response:
    """Return a response. body: JSON text, or empty. also: additional headers."""
    return {
        "statusCode": status,
        "headers": {
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Vary": "Origin",
        }
        | (also or {}),
        "body": body,
    }
