"""Posting with a user's session: pages of the dashboard and callers that are no browser may, other pages may not."""

from typing import Any

import pytest
from outcomes.edge.api import endpoint, ok

from functions.list_outcomes import app as list_outcomes
from functions.record_outcome import app
from tests.aws import aws_client
from tests.events import KEY, proxy_event, session

VALID = {"outcomeType": "deal_closed", "title": "Closed a deal"}
OURS = "https://app.example.com"

pytestmark = pytest.mark.usefixtures("tables")


def post(headers: dict[str, str], authorizer: dict[str, Any]) -> tuple[int, str]:
    response = app.handler(proxy_event("POST", authorizer=authorizer, body=VALID, headers=headers), None)
    return response["statusCode"], response["body"]


def stored() -> int:
    return int(aws_client("dynamodb").scan(TableName="OutcomesTable", ConsistentRead=True)["Count"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OURS},
        {"origin": "https://beta.example.com"},
        {"Origin": OURS, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "Application/JSON"},
    ],
)
def test_a_dashboard_page_and_a_server_may_post(headers: dict[str, str]) -> None:
    assert post(headers, session(42))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": f"{OURS}/"},
        {"Origin": f"{OURS}:443"},
        {"Origin": OURS.replace("https", "http")},
        {"Origin": f"{OURS},https://beta.example.com"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "nonsense"},
    ],
)
def test_any_other_page_is_forbidden_to_post(headers: dict[str, str]) -> None:
    assert post(headers, session(42)) == (403, '{"error":"Forbidden"}')
    assert stored() == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_what_is_no_get_is_guarded_like_a_post(method: str) -> None:
    event = proxy_event(method, authorizer=session(42), body=VALID, headers={"Origin": "https://evil.example"})
    assert app.handler(event, None)["statusCode"] == 403


@pytest.mark.parametrize("origin", [OURS, None])
def test_a_delete_has_no_body_to_declare(origin: str | None) -> None:
    deleting = endpoint(failure="", origins=OURS)(lambda _event, _caller: ok("{}"))
    event = proxy_event("DELETE", authorizer=session(42))
    event["headers"] = {"Origin": origin} if origin else {}
    assert deleting(event, None)["statusCode"] == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", "text/json"],
)
def test_a_session_must_declare_json(content_type: str) -> None:
    assert post({"Content-Type": content_type}, session(42)) == (415, '{"error":"Unsupported media type"}')
    assert stored() == 0


def test_a_missing_content_type_is_no_json_either() -> None:
    event = proxy_event("POST", authorizer=session(42), body=VALID)
    event["headers"] = {}
    assert app.handler(event, None)["statusCode"] == 415


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Content-Type": "text/plain"}]
)
def test_a_key_is_not_asked_where_it_comes_from(headers: dict[str, str]) -> None:
    assert post(headers, KEY) == (200, '{"ok":true}')


def test_reading_needs_no_leave_for_the_browser_guards_the_answer() -> None:
    event = proxy_event("GET", authorizer=session(42), headers={"Origin": "https://evil.example"})
    response = list_outcomes.handler(event, None)
    assert response["statusCode"] == 200
    assert "Access-Control-Allow-Origin" not in response["headers"]
