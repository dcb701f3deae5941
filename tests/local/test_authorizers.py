"""Lambda authorizers: letting in, caching, and the context that a function gets."""

from typing import Any

import httpx
import pytest

from local.authorizers import Authorizers, Invoke, Verdict
from local.events import Call
from local.lambdas import EventTooLarge
from local.openapi import Api, Authorizer, Proxy, Route
from local.responses import Refusal
from tests.local.stacks import Stack


def _ticket(client: httpx.Client, who: str, **headers: str) -> Any:
    return client.get("/me", headers={"X-Who": who, **headers}).json()["event"]["requestContext"]["authorizer"]


def test_a_function_hears_who_is_calling_as_text(echo: httpx.Client) -> None:
    authorizer = _ticket(echo, "somebody")
    assert authorizer.pop("integrationLatency") >= 0
    assert len(authorizer.pop("ticket")) == 36
    assert authorizer == {"principalId": "somebody", "count": "3", "good": "true"}


def test_an_authorizer_is_asked_once_for_each_identity(echo: httpx.Client) -> None:
    first, again, other = _ticket(echo, "anna"), _ticket(echo, "anna", Accept="text/plain"), _ticket(echo, "berta")
    assert first["ticket"] == again["ticket"] != other["ticket"]
    assert again["integrationLatency"] == 0


def test_header_names_in_other_case_are_the_same_identity_source(echo: httpx.Client) -> None:
    response = echo.get("/me", headers={"x-who": "carla"})
    assert response.status_code == 500, "the test's authorizer knows only X-Who, so it must have been asked"


def test_no_identity_is_unauthorized_without_asking(echo_stack: Stack, echo: httpx.Client) -> None:
    for headers in ({}, {"X-Who": ""}):
        before = len(echo_stack.log)
        response = echo.get("/me", headers=headers)
        assert response.status_code == 401
        assert response.json() == {"message": "Unauthorized"}
        assert "GateFunction" not in echo_stack.log[before:]


def test_a_remembered_verdict_covers_only_what_its_policy_says(echo: httpx.Client) -> None:
    assert echo.get("/me", headers={"X-Who": "reader"}).status_code == 200
    response = echo.post("/me", headers={"X-Who": "reader"})
    assert response.status_code == 418
    assert response.json() == {"kind": "ACCESS_DENIED", "why": "User is not authorized to access this resource"}
    assert response.headers["X-Said"] == "reader"
    assert response.headers["X-Fixed"] == "a, b"


@pytest.mark.parametrize(
    ("who", "status", "error_type"),
    [
        ("stranger", 401, "UnauthorizedException"),
        ("almost-stranger", 500, "AuthorizerFailureException"),
        ("broken", 500, "AuthorizerFailureException"),
        ("nobody", 500, "AuthorizerConfigurationException"),
        ("without-principal", 500, "AuthorizerConfigurationException"),
        ("deep-context", 500, "AuthorizerConfigurationException"),
        ("denied", 418, "AccessDeniedException"),
    ],
)
def test_only_a_raised_unauthorized_is_a_401(echo: httpx.Client, who: str, status: int, error_type: str) -> None:
    response = echo.get("/me", headers={"X-Who": who})
    assert (response.status_code, response.headers["x-amzn-ErrorType"]) == (status, error_type)


def test_a_refusal_is_no_error_in_the_log(echo_stack: Stack, echo: httpx.Client) -> None:
    before = len(echo_stack.log)
    echo.get("/me", headers={"X-Who": "stranger"})
    assert "Traceback" not in echo_stack.log[before:]
    assert "(UNAUTHORIZED)" in echo_stack.log[before:]


@pytest.mark.parametrize(
    "policy",
    [
        {"Statement": []},
        {"Statement": [{"Effect": "Allow", "Action": "*"}]},
        {"Statement": {"Effect": "Perhaps", "Action": "*", "Resource": "*"}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": [7]}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}},
        {},
    ],
)
async def test_a_policy_that_cannot_be_obeyed_lets_nobody_in(policy: dict[str, Any]) -> None:
    async def invoke(_arn: str, _event: dict[str, Any], _request_id: str) -> Any:
        return {"principalId": "p", "policyDocument": policy}

    with pytest.raises(Refusal, match="AUTHORIZER_CONFIGURATION_ERROR"):
        await _authorize(invoke)


async def test_a_call_that_does_not_fit_into_an_event_lets_nobody_in() -> None:
    async def invoke(_arn: str, _event: dict[str, Any], _request_id: str) -> Any:
        raise EventTooLarge

    with pytest.raises(Refusal, match="AUTHORIZER_FAILURE"):
        await _authorize(invoke)


async def _authorize(invoke: Invoke) -> Any:
    """Ask an authorizer without identity sources about a call."""
    authorizer = Authorizer("Gate", "arn", 0, ())
    route = Route("get", "/me", Proxy("arn", 29), authorizer)
    call = Call("GET", "/me", [], [], b"", "::1", "HTTP/1.1")
    return await Authorizers(Api("id", "v1", {}, (), {}, ()), invoke).authorize(authorizer, route, {}, call)


async def test_a_verdict_is_forgotten_after_its_seconds() -> None:
    now, asked = [0.0], []

    async def invoke(_arn: str, event: dict[str, Any], _request_id: str) -> Any:
        asked.append(event["methodArn"])
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        return {"principalId": "p", "policyDocument": {"Statement": statement}}

    async def tell(cache_seconds: int) -> int:
        authorizer = Authorizer("Gate", "arn", cache_seconds, (("header", "X-Who"),))
        route = Route("get", "/me", Proxy("arn", 29), authorizer)
        await authorizers.authorize(
            authorizer, route, {}, Call("GET", "/me", [], [("x-who", "a")], b"", "::1", "HTTP/1.1")
        )
        return len(asked)

    authorizers = Authorizers(Api("id", "v1", {}, (), {}, ()), invoke, lambda: now[0])
    assert await tell(60) == 1
    now[0] = 59.9
    assert await tell(60) == 1
    now[0] = 60
    assert await tell(60) == 2
    now[0] = 200
    assert [await tell(0), await tell(0)] == [3, 4]


ARN = "arn:aws:execute-api:us-east-1:123456789012:abc/v1/GET/api/outcomes"


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([("Allow", "*")], True),
        ([("Allow", ARN)], True),
        ([("Allow", "arn:aws:execute-api:*:*:abc/*/GET/*")], True),
        ([("Allow", "arn:aws:execute-api:us-east-1:123456789012:abc/v?/GET/api/outcomes")], True),
        ([("Allow", "arn:aws:execute-api:us-east-1:123456789012:abc/v1/POST/*")], False),
        ([("Allow", ARN + "/more")], False),
        ([("Allow", "*"), ("Deny", "*/api/*")], False),
        ([("Allow", "*"), ("Deny", "*/POST/*")], True),
        ([("Allow", ARN.replace("/", "[/]"))], False),
        ([], False),
    ],
)
def test_a_policy_is_read_as_iam_reads_it(statements: list[tuple[str, str]], *, allowed: bool) -> None:
    policy = [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": arn} for effect, arn in statements]
    assert Verdict("p", {}, policy).allows(ARN) is allowed


def test_a_policy_for_another_action_allows_nothing() -> None:
    assert not Verdict("p", {}, [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]).allows(ARN)
