"""Test rules for all routes: who may call them, and their answers when a table fails."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from outcomes.aws.connection import Connection

from release.contract.models import Json
from release.contract.openapi import base, routes
from release.contract.source import template
from tests.aws import scan
from tests.events import KEY, agent, proxy_event, session
from tests.faults import DENIED, THROTTLED, Fault, Request, error, unreachable

OUTCOME_ID = "01M881HMN5BK0R53WV7N3P1R3Q"
PARAMETERS = {
    "outcomes": {"id": OUTCOME_ID},
    "keys": {"id": "another0another0"},
    "statements": {"id": "2026-04@Europe~Berlin"},
    "definitions": {"month": "9998-12"},
    "watches": {"id": "deals"},
    "costs": {"date": f"{datetime.now(UTC):%Y-%m-%d}", "source": "openai"},
}
"""The parameters in the paths, by tag."""
CALLERS = {"assignOutcome": KEY, "showOwnKey": agent()}
"""The callers of operations that a session may not call."""

# Every route that needs a credential, except of MCP, which has errors of its own.
ROUTES = {
    route["operation"]: route for route in routes(base(), template()) if route["accepts"] and route["tag"] != "mcp"
}
WRITES = [name for name, route in ROUTES.items() if route["method"] != "GET" and name not in CALLERS]

ONCE = [
    (name, each["name"], str(each["example"]))
    for name, route in ROUTES.items()
    for each in route["told"].get("parameters", ())
    if {"example", "in"} & {*each} == {"example"} and each["name"] != "userId"  # of the query
    if f"{{{each['name']}}}" not in route["path"]
]
"""The parameters of queries that have one value, and a valid one. A session's call does not read `userId`."""

pytestmark = pytest.mark.usefixtures("tables")


def event_of(route: Json, **given: Any) -> dict[str, Any]:
    """Return an event of a valid request, by the contract's last example of the body, which has the fewest fields."""
    told = route["told"]
    required = {each["name"]: each["example"] for each in told.get("parameters", ()) if each.get("required")}
    usual = {
        "authorizer": CALLERS.get(route["operation"], session(42)),
        "parameters": PARAMETERS[route["tag"]] if "{" in route["path"] else None,
        "query": required or None,
        "body": [*told["x-body"]["examples"].values()][-1] if "x-body" in told else None,
    }
    return proxy_event(route["method"], route["path"], **{**usual, **given})


def handle(route: Json, event: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = import_module(f"functions.{route['folder']}.app").handler(event, None)
    return response


def answer(name: str, **given: Any) -> tuple[int, str]:
    response = handle(ROUTES[name], event_of(ROUTES[name], **given))
    return response["statusCode"], response["body"]


@pytest.mark.parametrize(
    "authorizer",
    [
        *(None, {}, {"caller": "nobody"}, {"caller": "session"}, {"userId": "42"}),
        *({"caller": "session", "userId": user} for user in (None, "x", "٣")),
    ],
)
@pytest.mark.parametrize("route", ROUTES)
def test_a_request_without_an_authorized_caller_is_a_401(route: str, authorizer: Any) -> None:
    assert answer(route, authorizer=authorizer) == (401, '{"error":"Unauthorized"}')


@pytest.mark.parametrize(("route", "name", "value"), ONCE)
def test_a_parameter_with_one_value_is_given_once(route: str, name: str, value: str) -> None:
    error = f'{{"error":"Invalid {name}"'  # perhaps with details
    assert answer(route, query={name: [value, value]})[1].startswith(error)


@pytest.mark.parametrize("route", WRITES)
def test_a_page_of_another_site_may_not_write(route: str) -> None:
    assert answer(route, headers={"Origin": "https://evil.example"}) == (403, '{"error":"Forbidden"}')
    assert scan() == scan("KeysTable") == scan("CostsTable") == []


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("trouble", "status", "level", "cause"),
    [
        (error(DENIED), 500, "ERROR", DENIED),
        (error("InternalServerError", status=500), 500, "ERROR", "InternalServerError"),
        (unreachable, 500, "ERROR", "no connection"),
        (error(THROTTLED), 503, "INFO", ""),
    ],
)
@pytest.mark.parametrize("route", [name for name, route in ROUTES.items() if route["errors"][503]])
def test_a_failing_table_is_a_500_whose_cause_is_logged_and_a_throttled_one_a_503(
    route: str,
    trouble: Fault,
    status: int,
    level: str,
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
    log: Callable[[], list[dict[str, Any]]],
) -> None:
    monkeypatch.setattr(Connection, "post", lambda *_, **__: trouble(Request("", {}), pytest.fail))
    event = event_of(ROUTES[route])
    event["requestContext"]["requestId"] = f"{route} {status}"  # no earlier call has had this request id
    response = handle(ROUTES[route], event)
    errors = ROUTES[route]["errors"][status]
    said = "Still adding up" if "Still adding up" in errors else errors[0]
    assert (response["statusCode"], response["body"]) == (status, f'{{"error":"{said}"}}')
    assert response["headers"].get("Retry-After") == (None if status == 500 else "1")
    [line] = log()
    assert (line["level"], line["correlation_id"]) == (level, f"{route} {status}")
    assert cause in line.get("exception", "")
    assert status == 503 or line["exception_name"] in {"ServiceError", "Unavailable"}
