"""Random request headers, passed through the local API Gateway with its events and its cache."""

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from functions.list_outcomes import app as list_outcomes
from functions.record_outcome import app as record_outcome
from local.authorizers import Authorizers
from local.events import Call, Pairs, proxy_event
from local.lambdas import FunctionError
from local.openapi import Api, api
from local.responses import Refusal
from local.template import load
from tests.auth.conftest import CURRENT_KEY, REAL_COOKIES, ROOT

SESSIONS: list[dict[str, str]] = [made["cookies"] for made in REAL_COOKIES["made"] if made["secure"]]
OUTCOME = b'{"outcomeType":"deal_closed","title":"Closed a deal"}'

type Ask = Callable[[str, Pairs], int]

lines = st.sampled_from(
    [
        *("; ".join(f"{name}={value}" for name, value in cookies.items()) for cookies in SESSIONS),
        *(f"{name}={value}" for cookies in SESSIONS for name, value in cookies.items()),
        *("theme=dark", "flag", "", "bad[x]=1", "__Secure-session=token", "__Secure-next-auth.session-token=x"),
        *(f"Bearer {CURRENT_KEY}", f"bearer  {CURRENT_KEY} ", f"Bearer {CURRENT_KEY}, Bearer {CURRENT_KEY}", "Bearer "),
    ]
)
# Programs get HTTP header values as bytes decoded as Latin-1.
values = lines | st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30)
names = st.sampled_from(["Cookie", "cookie", "COOKIE", "Authorization", "authorization", "Accept"])


@pytest.fixture
def ask(authorizer: ModuleType) -> Ask:
    """Return a function that sends a request with these headers and returns the answer's status."""
    rest_api = _api()

    async def invoke(_arn: str, event: dict[str, Any], _request_id: str) -> Any:
        try:
            return authorizer.handler(event, None)
        except Exception as error:
            raise FunctionError(type(error).__name__, str(error)) from error

    authorizers = Authorizers(rest_api, invoke)

    async def answer(method: str, headers: Pairs) -> int:
        body = OUTCOME if method == "POST" else b""
        headers = [("Host", "api.example.com"), ("Content-Type", "application/json"), *headers]
        call = Call(method, "/api/outcomes", [], headers, body, "203.0.113.7", "HTTP/1.1")
        found = rest_api.match(method, call.path)
        assert found
        route, parameters = found
        assert route.authorizer
        try:
            caller = await authorizers.authorize(route.authorizer, route, parameters, call)
        except Refusal as refusal:
            return refusal.status
        app = record_outcome if method == "POST" else list_outcomes
        return int(app.handler(proxy_event(rest_api, route, parameters, call, caller), None)["statusCode"])

    return lambda method, headers: asyncio.run(answer(method, headers))


def _api() -> Api:
    parameters = {"DashboardOrigins": "https://app.example.com"}
    template = load(ROOT / "template.yaml", parameters, {})
    template.arns["SessionSecret"] = "arn:aws:secretsmanager:us-east-1:123456789012:secret:SessionSecret"
    return api(template)


def _has_credentials(method: str, headers: Pairs) -> bool:
    sent = {place: [value for name, value in headers if name.lower() == place] for place in ("cookie", "authorization")}
    cookies = "\n".join(sent["cookie"])
    has_session = any(all(value in cookies for value in session.values()) for session in SESSIONS)
    return has_session or (method == "POST" and any(CURRENT_KEY in value for value in sent["authorization"]))


WHOLE = "; ".join(f"{name}={value}" for name, value in SESSIONS[0].items())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=st.lists(st.tuples(st.sampled_from(["GET", "POST"]), st.lists(st.tuples(names, values), max_size=4))))
@example(requests=[("GET", [("Cookie", WHOLE), ("Cookie", "theme=dark")]), ("GET", [("Cookie", "theme=dark")])])
@example(requests=[("GET", [("cookie", WHOLE)]), ("GET", [("COOKIE", WHOLE), ("Cookie", "__Secure-session=token")])])
@example(requests=[("POST", [("Cookie", "\xff=\xfe"), ("Authorization", "Bearer \xe9")])])
def test_any_headers_are_a_401_unless_they_hold_credentials(ask: Ask, requests: list[tuple[str, Pairs]]) -> None:
    for method, headers in requests:
        status = ask(method, headers)
        event(f"{method} {status}")
        assert status in (200, 401)
        assert status == 401 or _has_credentials(method, headers)
