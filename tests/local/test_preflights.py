"""Test CORS preflights, which the template's mock integration answers."""

import httpx
import pytest

from tests.local.stacks import Stack

ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


@pytest.mark.parametrize("accept", ["*/*", "image/png"])
@pytest.mark.parametrize("name", ["Origin", "origin"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_listed_origin_is_allowed(stack: Stack, host: str, name: str, accept: str) -> None:
    origin = stack.url.replace("127.0.0.1", host)
    response = httpx.options(f"{stack.url}/api/outcomes", headers={name: origin, "Accept": accept, **ASKED})
    assert response.status_code == 204
    assert response.content == b""
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example.com"}, {"Origin": "null"}, {}])
def test_any_other_origin_is_not_allowed(stack: Stack, headers: dict[str, str]) -> None:
    response = httpx.options(f"{stack.url}/api/outcomes", headers={**headers, **ASKED})
    assert response.status_code == 204
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


def test_a_preflight_with_a_body_of_another_type_is_a_415(stack: Stack) -> None:
    response = httpx.request(
        "OPTIONS", f"{stack.url}/api/outcomes", headers={"Content-Type": "text/plain"}, content="x"
    )
    assert (response.status_code, response.text) == (415, '{"error":"Unsupported media type"}')
