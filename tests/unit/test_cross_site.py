"""Test that sessions are protected against cross-site requests (CSRF)."""

from typing import Any

import pytest
from outcomes.edge.api import endpoint, ok

from functions.list_outcomes import app as list_outcomes
from functions.record_outcome import app
from tests.aws import scan
from tests.events import KEY, proxy_event, session

VALID = {"outcomeType": "deal_closed", "title": "Closed a deal"}
OURS = "https://app.example.com"

pytestmark = pytest.mark.usefixtures("tables")


def post(headers: dict[str, str], authorizer: dict[str, Any]) -> tuple[int, str]:
    response = app.handler(proxy_event("POST", authorizer=authorizer, body=VALID, headers=headers), None)
    return response["statusCode"], response["body"]


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
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        *({"Origin": origin} for origin in ("https://evil.example", "null", "", OURS.replace("https", "http"))),
        *({"Origin": f"{OURS}{more}"} for more in ("/", ":443", ",https://beta.example.com")),
        *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "", "nonsense")),
    ],
)
def test_any_other_page_is_forbidden_to_post(headers: dict[str, str]) -> None:
    assert post(headers, session(42)) == (403, '{"error":"Forbidden"}')
    assert scan() == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_than_get_are_guarded_like_post(method: str) -> None:
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
    [
        *(None, "", "text/plain", "text/json", "multipart/form-data"),
        *(f"application/{kind}" for kind in ("x-www-form-urlencoded", "jsonp")),
    ],
)
def test_a_session_must_declare_json(content_type: str | None) -> None:
    event = proxy_event("POST", authorizer=session(42), body=VALID)
    event["headers"] = {} if content_type is None else {"Content-Type": content_type}
    response = app.handler(event, None)
    assert (response["statusCode"], response["body"]) == (415, '{"error":"Unsupported media type"}')
    assert scan() == []


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Content-Type": "text/plain"}]
)
def test_a_key_may_come_from_any_page(headers: dict[str, str]) -> None:
    assert post(headers, KEY) == (200, '{"ok":true}')


def test_reading_is_not_refused_but_the_browser_withholds_the_answer() -> None:
    event = proxy_event("GET", authorizer=session(42), headers={"Origin": "https://evil.example"})
    response = list_outcomes.handler(event, None)
    assert response["statusCode"] == 200
    assert "Access-Control-Allow-Origin" not in response["headers"]
