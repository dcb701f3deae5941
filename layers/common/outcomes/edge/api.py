"""The HTTP edge: event to caller and body, result or error to response."""

import base64
import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import wraps
from typing import Any

from outcomes.contract import json_text
from outcomes.contract.caller import Bounds, Caller
from outcomes.contract.idempotency_key import is_idempotency_key
from outcomes.contract.json_text import compact
from outcomes.contract.limits import MAX_BODY_BYTES
from outcomes.edge import headers
from outcomes.errors import (
    BadRequest,
    Busy,
    Contended,
    Forbidden,
    IdempotencyKeyReused,
    InvalidOutcomeType,
    Mistimed,
    NotFound,
    NotPossible,
    PayloadTooLarge,
    Refused,
    StillAddingUp,
    TooManyKeys,
    Unauthorized,
    UnsupportedMediaType,
)

type Event = dict[str, Any]
"""A REST API proxy event:
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""

type Response = dict[str, Any]

_STATUS: dict[type[Refused], int] = {
    BadRequest: 400,
    InvalidOutcomeType: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Contended: 409,
    NotPossible: 409,
    TooManyKeys: 409,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    IdempotencyKeyReused: 422,
    Busy: 503,
    StillAddingUp: 503,
}

EXPOSED = "Outcome-Id, Idempotent-Replayed, Retry-After, Ignored-Fields, Outcome-Types, Next-Cursor, Unassigned"
"""Headers that pages of the dashboard's origins may read, beside those that every page may."""

AGAIN_SECONDS = 1.0
"""Seconds after which no request is served from its beginning again: its calls have their time within the timeout."""

type Route = Callable[[Event, Caller], Response]
type Handler = Callable[[Event, object], Response]


def endpoint(*, failure: str, origins: str, platform_may_read: bool = False) -> Callable[[Route], Handler]:
    """Make a Lambda handler of a route, which takes event and caller and returns `ok(...)`.

    failure: the `error` of a 500, for all that the route raises besides Refused.
    origins: comma-separated origins whose pages may call with the user's session and read the responses.
    platform_may_read: of the callers, see `Caller`.
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
            except Exception as exc:  # whatever it is, the caller must hear that it may try again
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


def ok(body: str, also: dict[str, str] | None = None) -> Response:
    """Answer 200 with `body`, JSON text, and the headers `also` besides those of every response."""
    return respond(200, body, also)


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """Name the fields that were not read in a header; without any there is none."""
    return {"Ignored-Fields": ", ".join(names)} if names else {}


def types_header(failures: Iterable[Exception]) -> dict[str, str]:
    """Name in a header the types that there are, where one of `failures` is of none of them."""
    for failure in failures:
        if isinstance(failure, InvalidOutcomeType):
            return {"Outcome-Types": ", ".join(failure.types)}
    return {}


def header(event: Event, name: str) -> str | None:
    """Read a header (the last, if there are several); `name` in lower case, as header names have no case."""
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == name:
            return str(value)
    return None


def path_parameter(event: Event, name: str) -> str:
    """Read a part of the path, as the route names it."""
    return str(event["pathParameters"][name])


def query(event: Event, name: str) -> str | None:
    """Read a query parameter (the last, if there are several)."""
    return (event.get("queryStringParameters") or {}).get(name)


def query_list(event: Event, name: str) -> list[str]:
    """Read all values of a query parameter."""
    return (event.get("multiValueQueryStringParameters") or {}).get(name) or []


def idempotency_key(event: Event) -> str | None:
    """Read the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header), None when there is none.

    Raises BadRequest when it is no `is_idempotency_key`, or sent twice with different values.
    """
    keys = set(headers.values(event, "idempotency-key"))
    if not keys:
        return None
    if len(keys) > 1 or not all(map(is_idempotency_key, keys)):
        raise BadRequest("Invalid Idempotency-Key")
    return keys.pop()


def json_body(event: Event, max_bytes: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """Read the JSON object in the body, every number in it a `Decimal`, so that none loses a digit.

    Raises PayloadTooLarge over `max_bytes`, and BadRequest for what is not JSON by RFC 8259 or no object.
    """
    value = json_value(event, max_bytes)
    if not isinstance(value, dict):
        raise BadRequest("Invalid JSON")
    return value


def json_value(event: Event, max_bytes: int = MAX_BODY_BYTES) -> Any:
    """Read whatever JSON is in the body, as `json_body` does."""
    body = event.get("body") or ""
    try:
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        if len(raw) > max_bytes:
            raise PayloadTooLarge
        return json_text.read(raw)
    # ValueError: not base64, not UTF-8, not JSON. RecursionError: nested past reason.
    except (ValueError, RecursionError):
        pass
    # Raised out here: the original error quotes the body, which is not ours to log.
    raise BadRequest("Invalid JSON")


def _caller(event: Event, origins: frozenset[str]) -> Caller:
    """Read who the authorizer found to be calling.

    Raises Unauthorized when it did not say, or said it of other cookies, and what `_refuse_cross_site` raises.
    """
    context: dict[str, Any] = (event.get("requestContext") or {}).get("authorizer") or {}
    match context:
        case {"caller": "key"}:
            return Caller()
        case {"caller": "agent"}:
            return Caller(agent_key=_bounds(context))
        case {"caller": "session", "userId": str(user_id), **also} if user_id.isascii() and user_id.isdigit():
            if "cookies" in also and also["cookies"] != headers.cookies_fingerprint(event):
                raise Unauthorized
            if event.get("httpMethod") != "GET":
                _refuse_cross_site(event, origins)
            return Caller(session_user=int(user_id))
    raise Unauthorized


def _bounds(context: dict[str, Any]) -> Bounds:
    """Read the bounds of an agent key from the authorizer's context, whose values are strings."""
    agent_id, types, cap = (context.get(name) for name in ("agentId", "outcomeTypes", "maxValueUsd"))
    return Bounds(
        key_id=context["keyId"],
        user_id=int(context["userId"]),
        agent_id=None if agent_id is None else int(agent_id),
        outcome_types=None if types is None else frozenset(types.split()),
        max_value_usd=None if cap is None else Decimal(cap),
        scopes=frozenset(context["scopes"].split()),
    )


def _refuse_cross_site(event: Event, origins: frozenset[str]) -> None:
    """Refuse a request from another site's page: browsers send the user's cookie along with what any page posts.

    A form cannot declare JSON, a script of another origin can do so only after a preflight (Fetch standard,
    https://fetch.spec.whatwg.org/#cors-safelisted-request-header), and every browser says where a POST comes from. A
    DELETE has no body to declare, and no form sends one: of another origin it comes after a preflight, too. Who sends
    neither Origin nor Sec-Fetch-Site is no browser.

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
    # Imported when first needed: a list that succeeds needs neither log nor metrics.
    from outcomes.edge.observability import count_refused, logger

    logger().set_correlation_id(_request_id(event))
    logger().info("Refused", extra={"reason": refused.error, "details": refused.details})
    count_refused([refused.error])


def _refused(event: Event, refused: Refused) -> Response:
    note_refused(event, refused)
    status = _STATUS[type(refused)]
    if status == 503:
        from outcomes.edge.observability import count_busy

        count_busy()
    also = ignored_header(refused.ignored) if isinstance(refused, BadRequest) else {}
    also |= types_header([refused])
    if isinstance(refused, Contended | Busy | StillAddingUp):
        also["Retry-After"] = "1"
    return respond(status, compact(refused.body()), also)


def log_failure(event: Event, message: str, failure: Exception) -> None:
    """Log a failure that is no fault of the caller's, with its cause."""
    from outcomes.edge.observability import logger

    logger().set_correlation_id(_request_id(event))
    logger().error(message, exc_info=failure)


def log_failures(event: Event, message: str, failures: Sequence[Exception]) -> None:
    """Count what refused one of several, and log each other cause: one call fails for one, which is worth one line."""
    from outcomes.edge.observability import count_refused

    count_refused([failure.error for failure in failures if isinstance(failure, Refused)])
    for failure in {id(each): each for each in failures if not isinstance(each, Refused)}.values():
        log_failure(event, message, failure)


def _request_id(event: Event) -> str | None:
    return (event.get("requestContext") or {}).get("requestId")


def respond(status: int, body: str, also: dict[str, str] | None = None) -> Response:
    """Answer with `body`, JSON text or nothing, and the headers `also` besides those of every response."""
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
