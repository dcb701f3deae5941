"""A fake of API Gateway in front of the API's own functions, which the build copies to `_copied`.

It selects the route, calls the authorizer, and sends the answers that API Gateway itself gives, such as 401.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from outcomes_client._json import decode, encode

from ._tables import Tables

# make contract: routes
ROUTES = {
    "POST /api/outcomes": "record_outcome",
    "GET /api/outcomes": "list_outcomes",
    "GET /api/outcomes/types": "list_outcomes",
    "POST /api/outcomes/batch": "record_batch",
    "GET /api/outcomes/summary": "summarize_outcomes",
    "GET /api/outcomes/{id}": "get_outcome",
    "POST /api/outcomes/{id}/corrections": "correct_outcome",
    "POST /api/outcomes/corrections": "correct_outcome",
    "POST /api/outcomes/{id}/assign": "correct_outcome",
    "POST /api/keys": "manage_keys",
    "GET /api/keys": "manage_keys",
    "GET /api/keys/self": "manage_keys",
    "DELETE /api/keys/{id}": "manage_keys",
    "POST /api/keys/{id}/rotate": "manage_keys",
    "POST /api/keys/{id}/pause": "manage_keys",
    "POST /api/keys/{id}/resume": "manage_keys",
    "GET /api/costs": "costs",
    "PUT /api/costs/{date}/{source}": "costs",
    "GET /api/costs/{date}/{source}": "costs",
    "DELETE /api/costs/{date}/{source}": "costs",
    "GET /api/definitions": "definitions",
    "PUT /api/definitions/{month}": "definitions",
    "DELETE /api/definitions/{month}": "definitions",
    "GET /api/watches": "watches",
    "PUT /api/watches/digest": "watches",
    "DELETE /api/watches/digest": "watches",
    "PUT /api/watches/{id}": "watches",
    "GET /api/watches/{id}": "watches",
    "DELETE /api/watches/{id}": "watches",
}
"""The function that answers a route."""

UNANSWERED = {
    "GET /api/outcomes/export": "export",
    "POST /api/statements": "statements",
    "GET /api/statements": "statements",
    "GET /api/statements/{id}": "statements",
    "GET /api/statements/{id}/entries": "statements",
    "GET /api/statements/{id}/proof": "statements",
    "GET /.well-known/outcomes-keys.json": "statements",
    "POST /api/definitions/try": "definitions",
    "POST /mcp": "/mcp",
}
"""Routes of the API that the fake does not have, and what it calls them."""

FAILED = {
    "correct_outcome": "Failed to correct outcome",
    "costs": "Failed to put or read costs",
    "definitions": "Failed to put or list definitions",
    "get_outcome": "Failed to get outcome",
    "list_outcomes": "Failed to list outcomes",
    "manage_keys": "Failed to manage keys",
    "record_batch": "Failed to record outcomes",
    "record_outcome": "Failed to record outcome",
    "summarize_outcomes": "Failed to summarize outcomes",
    "watches": "Failed to put or read watches",
}
"""The error of a function's 500."""
# end of make contract

FAILURES = {
    **{400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 409: "Conflict"},
    **{412: "Precondition failed", 413: "Payload too large", 415: "Unsupported media type"},
    **{422: "Idempotency key reused"},
    **{429: "Too many requests", 500: "Internal error", 502: "Internal error", 503: "Busy", 504: "Timeout"},
}
"""The API's errors, by status. A 500 of a function has a text of its own, see FAILED."""

EVALUATED_EVERY = 15 * 60 * 1000  # milliseconds
MAX_EVALUATIONS = 100  # while the clock moves once, so that a test may let months pass


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def respond(status: int, body: dict[str, Any], **headers: str) -> Answer:
    """Return a JSON answer with the usual headers. headers: more headers, with `_` instead of `-` in their names."""
    usual = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {**usual, "Vary": "Origin", **named}, encode(body))


def refusal(status: int, error: str, **headers: str) -> Answer:
    return respond(status, {"error": error}, **headers)


def answer(tables: Tables, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
    """Answer a call. `target` is the path with the query."""
    url = urlsplit(target)
    route, parameters = _match(method, url.path)
    if route in UNANSWERED:
        return refusal(501, f"The fake does not answer {UNANSWERED[route]}: use the local stack, `make run`.")
    if route is None:
        return refusal(404, "Not found", No_Such_Route="true")
    resource = route.partition(" ")[2]
    query = parse_qsl(url.query, keep_blank_values=True, errors="replace")
    sent = list(headers)
    event: dict[str, Any] = {
        "httpMethod": method,
        "resource": resource,
        "path": url.path,
        "pathParameters": parameters,
        "headers": dict(sent),
        "multiValueHeaders": _lists((name.lower(), value) for name, value in sent),
        "queryStringParameters": dict(query),
        "multiValueQueryStringParameters": _lists(query),
        "requestContext": {"requestId": None},
    }
    arn = f"arn:aws:execute-api:fake:0:fake/fake/{method}{url.path}"
    with tables.in_use():
        try:
            policy = _function("authorizer")(event | {"type": "REQUEST", "methodArn": arn}, None)
        except Exception as failure:  # noqa: BLE001 - as API Gateway answers any failure of an authorizer
            if str(failure) == "Unauthorized":
                return refusal(401, "Unauthorized", WWW_Authenticate="Bearer")
            return refusal(500, "Internal error")
        context = policy["context"]
        if policy["policyDocument"]["Statement"][0]["Effect"] == "Deny":  # the key is paused
            forbidden = f'{{{context["paused"]}"error":"Forbidden"{context["pausedEnd"]}}}'
            return respond(403, decode(forbidden.encode()))
        event["requestContext"]["authorizer"] = context
        event |= {"body": base64.b64encode(body).decode() or None, "isBase64Encoded": bool(body)}
        response = _function(ROUTES[route])(event, None)
    return Answer(response["statusCode"], response["headers"], response["body"].encode())


def failure(status: int, method: str, target: str) -> Answer:
    """Return an error in place of a function's answer. `Retry-After` is 0, so that tests do not wait."""
    route, _ = _match(method, urlsplit(target).path)
    error = FAILED.get(ROUTES.get(route or "", ""), FAILURES[status]) if status == 500 else FAILURES[status]
    return refusal(status, error, **({"Retry_After": "0"} if status in (409, 429, 503) else {}))


def pass_time(tables: Tables, milliseconds: int) -> Iterator[dict[str, Any]]:
    """Move the clock forward, and evaluate watches on the way. Yield the CloudEvents of what they tell."""
    # imported here, because few tests need them
    from ._copied.contract.events import cloud_event
    from ._copied.events.watch_events import watch_events

    began, times = tables.ahead, max(1, min(MAX_EVALUATIONS, milliseconds // EVALUATED_EVERY))
    for number in range(times + 1):
        tables.ahead = began + milliseconds * number // times
        before = _watches(tables)
        with tables.in_use():
            _function("evaluate_watches")({}, None)
        for place, row in _watches(tables).items():
            if "states" in row and row is not before[place]:
                for event in watch_events({"OldImage": before[place], "NewImage": row}):
                    yield decode(cloud_event(event, "outcomes-fake").encode())


def _watches(tables: Tables) -> dict[tuple[str, str], Any]:
    return {(row["user_id"]["S"], row["id"]["S"]): row for row in tables.items("WATCHES_TABLE")}


def load() -> None:
    """Import all functions, so that the first call does not wait."""
    for name in ("authorizer", *FAILED):
        _function(name)


def _function(name: str) -> Any:
    return import_module(f"outcomes_client.testing._copied.functions.{name}").handler


def _match(method: str, path: str) -> tuple[str | None, dict[str, str]]:
    """Return the route of a call, and its path parameters. A route without parameters takes precedence."""
    for route in sorted((*ROUTES, *UNANSWERED), key=lambda route: "{" in route):
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route)
        if found := re.fullmatch(pattern, f"{method} {path}"):
            return route, found.groupdict()
    return None, {}


def _lists(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return lists
