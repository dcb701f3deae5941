"""Test rules for all routes: who may call them, and their answers when a table fails."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from outcomes.aws.connection import Connection

from functions.correct_outcome import app as correct_outcome
from functions.costs import app as costs
from functions.export_outcomes import app as export_outcomes
from functions.get_outcome import app as get_outcome
from functions.list_outcomes import app as list_outcomes
from functions.manage_keys import app as manage_keys
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from functions.statements import app as statements
from functions.summarize_outcomes import app as summarize_outcomes
from tests.aws import scan
from tests.events import agent, proxy_event, session
from tests.faults import DENIED, THROTTLED, Fault, Request, error, unreachable

OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal"}
ID = {"id": "01M881HMN5BK0R53WV7N3P1R3Q"}
KEY_ID = {"id": "another0another0"}
STATEMENT = {"id": "2026-04@Europe~Berlin"}
COSTS = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "source": "openai"}
COSTS_FAILURE = "Failed to put or read costs"
STATEMENT_FAILURE = "Failed to make or read a statement"

get = partial(proxy_event, "GET", authorizer=session(42))
post = partial(proxy_event, "POST", authorizer=session(42))
put = partial(proxy_event, "PUT", authorizer=session(42))
delete = partial(proxy_event, "DELETE", authorizer=session(42))

READS = {
    "list": (list_outcomes, get, "Failed to list outcomes"),
    "export": (export_outcomes, get, "Failed to export outcomes"),
    "summary": (summarize_outcomes, get, "Failed to summarize outcomes"),
    "one": (get_outcome, partial(get, parameters=ID), "Failed to get outcome"),
}
WRITES = {
    "record": (record_outcome, partial(post, body=OUTCOME), "Failed to record outcome"),
    "batch": (record_batch, partial(post, body={"outcomes": [OUTCOME]}), ""),  # a batch has an error for each item
    "correct": (correct_outcome, partial(post, body={"type": "confirm"}, parameters=ID), "Failed to correct outcome"),
    "create a key": (manage_keys, partial(post, "/api/keys", body={"name": "x"}), "Failed to manage keys"),
    "rotate a key": (
        manage_keys,
        partial(post, "/api/keys/{id}/rotate", body={}, parameters=KEY_ID),
        "Failed to manage keys",
    ),
    "put costs": (costs, partial(put, body={"lines": []}, parameters=COSTS), COSTS_FAILURE),
    "delete costs": (costs, partial(delete, parameters=COSTS), COSTS_FAILURE),
    "make a statement": (statements, partial(post, "/api/statements", body={"period": "2026-04"}), STATEMENT_FAILURE),
    "revoke a key": (manage_keys, partial(delete, "/api/keys/{id}", parameters=KEY_ID), "Failed to manage keys"),
}
ROUTES = {
    **READS,
    **WRITES,
    "list keys": (manage_keys, partial(get, "/api/keys"), "Failed to manage keys"),
    "costs": (costs, partial(get, parameters=COSTS), COSTS_FAILURE),
    "sum of costs": (costs, partial(get, "/api/costs"), COSTS_FAILURE),
    "list statements": (statements, partial(get, "/api/statements"), STATEMENT_FAILURE),
    **{
        f"statement{part}": (
            statements,
            partial(get, f"/api/statements/{{id}}{part}", parameters=STATEMENT, query={"outcome": ID["id"]}),
            STATEMENT_FAILURE,
        )
        for part in ("", "/entries", "/proof")
    },
    "one's own key": (manage_keys, partial(get, "/api/keys/self", authorizer=agent()), "Failed to manage keys"),
}

pytestmark = pytest.mark.usefixtures("tables")


def answer(route: str, **event: Any) -> tuple[int, str]:
    app, made, _ = ROUTES[route]
    response = app.handler(made(**event), None)
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
@pytest.mark.parametrize("route", [route for route in ROUTES if route != "batch"])
def test_a_failing_table_is_a_500_whose_cause_is_logged_and_a_throttled_one_a_503(
    route: str,
    trouble: Fault,
    status: int,
    level: str,
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
    log: Callable[[], list[dict[str, Any]]],
) -> None:
    app, made, failure = ROUTES[route]
    monkeypatch.setattr(Connection, "post", lambda *_, **__: trouble(Request("", {}), pytest.fail))
    event = made()
    event["requestContext"]["requestId"] = f"{route} {status}"  # no earlier call has had this request id
    response = app.handler(event, None)
    busy = "Still adding up" if route in {"summary", "make a statement", "sum of costs"} else "Busy"
    said = failure if status == 500 else busy
    assert (response["statusCode"], response["body"]) == (status, f'{{"error":"{said}"}}')
    assert response["headers"].get("Retry-After") == (None if status == 500 else "1")
    [line] = log()
    assert (line["level"], line["correlation_id"]) == (level, f"{route} {status}")
    assert cause in line.get("exception", "")
    assert status == 503 or line["exception_name"] in {"ServiceError", "Unavailable"}
