"""Test Lambda authorizers on the local API Gateway: access, and the context passed to functions."""

from typing import Any

import httpx
import pytest

from local.authorizers import authorize
from local.events import Call, method_arn
from local.lambdas import EventTooLarge
from local.openapi import Api, Proxy, Route
from local.responses import Refusal
from tests.local.stacks import Stack


def _ticket(client: httpx.Client, who: str, **headers: str) -> Any:
    return client.get("/me", headers={"X-Who": who, **headers}).json()["event"]["requestContext"]["authorizer"]


def test_a_function_gets_the_authorizers_context_as_text(echo: httpx.Client) -> None:
    authorizer = _ticket(echo, "somebody")
    assert authorizer.pop("integrationLatency") >= 0
    assert len(authorizer.pop("ticket")) == 36
    assert authorizer == {"principalId": "somebody", "count": "3", "good": "true"}


def test_an_authorizer_is_called_each_time(echo: httpx.Client) -> None:
    assert _ticket(echo, "anna")["ticket"] != _ticket(echo, "anna")["ticket"]


def test_a_denied_call_gets_the_response_of_the_template(echo: httpx.Client) -> None:
    response = echo.post("/me", headers={"X-Who": "denied"})
    assert response.status_code == 418
    assert response.json() == {"why": "User is not authorized to access this resource"}
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


API = Api("id", "v1", (), {}, ())
CALL = Call("GET", "/me", [], [("x-who", "a")], b"", "::1", "HTTP/1.1")
ARN = method_arn(API, CALL)
ALLOWED: dict[str, Any] = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}


async def refused(result: Any) -> str:
    """Return the refusal of a call whose authorizer returns this result, or raises it. "" means no refusal."""

    async def invoke(_arn: str, _event: dict[str, Any], _request_id: str) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    try:
        await authorize(API, invoke, Route("get", "/me", Proxy("arn", 29), "arn"), {}, CALL)
    except Refusal as refusal:
        return refusal.kind
    return ""


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"Statement": []},
        {"Statement": [{"Effect": "Allow", "Action": "*"}]},
        {"Statement": [ALLOWED | {"Effect": "deny"}]},
        {"Statement": [ALLOWED | {"Resource": [7]}]},
        {"Statement": [ALLOWED | {"Condition": {}}]},
        {"Statement": [ALLOWED, ALLOWED]},
    ],
)
async def test_an_invalid_or_unsupported_policy_is_refused(policy: dict[str, Any]) -> None:
    assert await refused({"principalId": "p", "policyDocument": policy}) == "AUTHORIZER_CONFIGURATION_ERROR"


async def test_a_call_too_large_for_an_event_is_refused() -> None:
    assert await refused(EventTooLarge()) == "AUTHORIZER_FAILURE"


async def test_a_denied_call_is_refused_with_the_context() -> None:
    result = {"principalId": "p", "policyDocument": {"Statement": [ALLOWED | {"Effect": "Deny"}]}}

    async def invoke(_arn: str, _event: dict[str, Any], _request_id: str) -> Any:
        return result | {"context": {"why": "late"}}

    with pytest.raises(Refusal) as refusal:
        await authorize(API, invoke, Route("get", "/me", Proxy("arn", 29), "arn"), {}, CALL)
    assert (refusal.value.kind, refusal.value.context) == ("ACCESS_DENIED", {"why": "late"})


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [
        *(("*", True), (ARN, True), (ARN.replace("v1", "v?"), True), ("arn:aws:execute-api:*:*:id/*/GET/*", True)),
        *((ARN.replace("GET", "POST"), False), (ARN + "/more", False), (ARN.replace("/", "[/]"), False)),
    ],
)
async def test_a_resource_is_matched_as_iam_does(resource: str, *, allowed: bool) -> None:
    policy = {"Statement": [ALLOWED | {"Resource": resource}]}
    assert await refused({"principalId": "p", "policyDocument": policy}) == ("" if allowed else "ACCESS_DENIED")
