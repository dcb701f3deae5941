"""Lambda authorizers on the local API Gateway: access, caching, and the context passed to functions."""

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


def test_a_function_gets_the_authorizers_context_as_text(echo: httpx.Client) -> None:
    authorizer = _ticket(echo, "somebody")
    assert authorizer.pop("integrationLatency") >= 0
    assert len(authorizer.pop("ticket")) == 36
    assert authorizer == {"principalId": "somebody", "count": "3", "good": "true"}


def test_an_authorizer_is_called_once_for_each_identity(echo: httpx.Client) -> None:
    first, again, other = _ticket(echo, "anna"), _ticket(echo, "anna", Accept="text/plain"), _ticket(echo, "berta")
    assert first["ticket"] == again["ticket"] != other["ticket"]
    assert again["integrationLatency"] == 0


def test_identity_sources_ignore_the_case_of_header_names(echo: httpx.Client) -> None:
    response = echo.get("/me", headers={"x-who": "carla"})
    assert response.status_code == 500, "the test's authorizer only reads X-Who, so it must have been called"


def test_a_call_without_identity_is_unauthorized_without_calling_the_authorizer(
    echo_stack: Stack, echo: httpx.Client
) -> None:
    for headers in ({}, {"X-Who": ""}):
        before = len(echo_stack.log)
        response = echo.get("/me", headers=headers)
        assert response.status_code == 401
        assert response.json() == {"message": "Unauthorized"}
        assert "GateFunction" not in echo_stack.log[before:]


def test_a_cached_policy_allows_only_the_methods_that_it_names(echo: httpx.Client) -> None:
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
def test_only_the_exception_unauthorized_becomes_a_401(
    echo: httpx.Client, who: str, status: int, error_type: str
) -> None:
    response = echo.get("/me", headers={"X-Who": who})
    assert (response.status_code, response.headers["x-amzn-ErrorType"]) == (status, error_type)


def test_an_unauthorized_call_is_logged_without_a_traceback(echo_stack: Stack, echo: httpx.Client) -> None:
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
async def test_an_invalid_or_unsupported_policy_is_refused(policy: dict[str, Any]) -> None:
    async def invoke(_arn: str, _event: dict[str, Any], _request_id: str) -> Any:
        return {"principalId": "p", "policyDocument": policy}

    with pytest.raises(Refusal, match="AUTHORIZER_CONFIGURATION_ERROR"):
        await _authorize(invoke)


async def test_a_call_too_large_for_an_event_is_refused() -> None:
    async def invoke(_arn: str, _event: dict[str, Any], _request_id: str) -> Any:
        raise EventTooLarge

    with pytest.raises(Refusal, match="AUTHORIZER_FAILURE"):
        await _authorize(invoke)


API = Api("id", "v1", {}, (), {}, ())
CALL = Call("GET", "/me", [], [("x-who", "a")], b"", "::1", "HTTP/1.1")


async def _authorize(
    invoke: Invoke, authorizers: Authorizers | None = None, cache_seconds: int = 0, *sources: tuple[str, str]
) -> None:
    authorizer = Authorizer("Gate", "arn", cache_seconds, sources)
    route = Route("get", "/me", Proxy("arn", 29), authorizer)
    await (authorizers or Authorizers(API, invoke)).authorize(authorizer, route, {}, CALL)


async def test_a_result_is_cached_for_the_seconds_that_the_template_says() -> None:
    now, calls = [0.0], []

    async def invoke(_arn: str, event: dict[str, Any], _request_id: str) -> Any:
        calls.append(event["methodArn"])
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        return {"principalId": "p", "policyDocument": {"Statement": statement}}

    authorizers = Authorizers(API, invoke, lambda: now[0])
    for now[0], cache_seconds, expected in [(0, 60, 1), (59.9, 60, 1), (60, 60, 2), (200, 0, 3), (200, 0, 4)]:
        await _authorize(invoke, authorizers, cache_seconds, ("header", "X-Who"))
        assert len(calls) == expected


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
def test_a_policy_is_evaluated_as_iam_does(statements: list[tuple[str, str]], *, allowed: bool) -> None:
    policy = [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": arn} for effect, arn in statements]
    assert Verdict("p", {}, policy).allows(ARN) is allowed
    assert not Verdict("p", {}, [each | {"Action": "s3:*"} for each in policy]).allows(ARN)
