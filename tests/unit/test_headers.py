"""Test fingerprints of headers. With them, a handler checks that its request is the one that was authorized."""

from typing import Any

import pytest
from outcomes.edge.headers import fingerprint, values

from functions.list_outcomes import app as list_outcomes
from functions.record_outcome import app as record_outcome
from tests.events import KEY, agent, proxy_event, session

OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal"}


def request(*cookies: str, name: str = "Cookie") -> dict[str, Any]:
    return {"multiValueHeaders": {"Accept": ["*/*"], name: list(cookies)}}


def _of(event: dict[str, Any]) -> str:
    return fingerprint(event, "cookie")


def test_header_names_are_case_insensitive() -> None:
    event = {"multiValueHeaders": {"Cookie": ["a=1", "b=2"], "Accept": ["*/*"], "COOKIE": ["c=3"]}}
    assert values(event, "cookie") == ["a=1", "b=2", "c=3"]
    assert values(event, "origin") == []
    assert values({"multiValueHeaders": None}, "cookie") == []


def test_equal_cookie_headers_have_one_fingerprint() -> None:
    assert _of(request("a=1", "b=2")) == _of(request("a=1", "b=2", name="cookie"))


def test_different_cookie_headers_have_different_fingerprints() -> None:
    others = [(), ("a=1",), ("b=2",), ("b=2", "a=1"), ("a=1; b=2",), ("a=1", "b=2", ""), ("a=1", "b=\ud800")]
    assert len({_of(request(*cookies)) for cookies in [("a=1", "b=2"), *others]}) == 8


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(("app", "method"), [(list_outcomes, "GET"), (record_outcome, "POST")])
@pytest.mark.parametrize(
    ("cookies", "status"), [(["session=a", "theme=dark"], 200), (["theme=dark"], 401), (["session=a"], 401), ([], 401)]
)
def test_an_authorization_for_other_cookies_is_a_401(app: Any, method: str, cookies: list[str], status: int) -> None:
    said = session(42) | {"cookies": _of(request("session=a", "theme=dark"))}
    event = proxy_event(method, authorizer=said, body=OUTCOME)
    event["multiValueHeaders"] |= {"Cookie": cookies} if cookies else {}
    assert app.handler(event, None)["statusCode"] == status


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(("sent", "status"), [(["Bearer a"], 200), (["Bearer b"], 401), ([], 401)])
def test_an_authorization_for_another_key_is_a_401(sent: list[str], status: int) -> None:
    said = agent("read") | {"authorization": fingerprint(request("Bearer a", name="Authorization"), "authorization")}
    event = proxy_event("GET", authorizer=said)
    event["multiValueHeaders"] |= {"Authorization": sent, "Cookie": ["theme=dark"]}
    assert list_outcomes.handler(event, None)["statusCode"] == status


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(("sent", "status"), [("42", 200), ("042", 200), ("43", 401), ("none", 401), ("x", 400)])
def test_an_authorization_to_read_another_user_is_a_401(sent: str, status: int) -> None:
    event = proxy_event("GET", authorizer=KEY | {"reads": "42"}, query={"userId": sent})
    assert list_outcomes.handler(event, None)["statusCode"] == status
