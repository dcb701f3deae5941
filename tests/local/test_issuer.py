"""`make run` acts as an OpenID Connect issuer, or uses another issuer."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.auth.issuer import AUDIENCE, Issuer
from tests.local.stacks import WITHOUT_EVENTS, Stack, running
from tests.servers import serving

OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal"}


@pytest.fixture(scope="module")
def issuing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("issuing"), *WITHOUT_EVENTS) as stack:
        yield stack


def header(stack: Stack, *arguments: str) -> dict[str, str]:
    """Return the header that `make session` prints."""
    printed = stack.command("session", *arguments)
    assert printed.returncode == 0, printed.stderr
    name, _, value = printed.stdout.strip().partition(": ")
    return {name: value}


def status(stack: Stack, headers: dict[str, str]) -> int:
    return httpx.get(f"{stack.url}/api/outcomes", headers=headers, timeout=30).status_code


@pytest.mark.parametrize(("kind", "name"), [("oidc", "Authorization"), ("oidc-cookie", "Cookie")])
def test_a_printed_token_records_and_lists(issuing: Stack, kind: str, name: str) -> None:
    by_token = header(issuing, "--user-id", "7", "--kind", kind)
    assert by_token.keys() == {name}
    recorded = httpx.post(f"{issuing.url}/api/outcomes", json=OUTCOME, headers=by_token, timeout=30)
    listed = httpx.get(f"{issuing.url}/api/outcomes", headers=by_token, timeout=30).json()["outcomes"][0]
    assert (listed["id"], listed["user_id"]) == (recorded.json()["id"], 7)
    assert httpx.post(f"{issuing.url}/mcp", json={}, headers=by_token, timeout=30).status_code == 403


@pytest.mark.parametrize("kind", ["oidc", "oidc-cookie"])
@pytest.mark.parametrize("claims", [{"exp": 1}, {"exp": None}, {"aud": "other"}, {"sub": "auth0|7"}])
def test_claims_make_a_token_that_is_refused(issuing: Stack, kind: str, claims: dict[str, object]) -> None:
    assert status(issuing, header(issuing, "--kind", kind, "--claims", json.dumps(claims))) == 401
    assert '"message":"Token refused"' in issuing.log.replace('": "', '":"')


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--kind", "oidc", "--claims", "exp"], "CLAIMS: must be a JSON object"),
        (["--kind", "oidc", "--claims", "[]"], "CLAIMS: must be a JSON object"),
        (["--kind", "authjs", "--claims", '{"exp":1}'], "CLAIMS are of a token: KIND must be one of oidc, oidc-cookie"),
    ],
)
def test_wrong_claims_are_an_error(issuing: Stack, arguments: list[str], error: str) -> None:
    printed = issuing.command("session", *arguments)
    assert (printed.returncode != 0, error in printed.stderr) == (True, True)


def test_a_stack_without_an_issuer_prints_no_token(stack: Stack, core_stack: Stack) -> None:
    for without in (stack, core_stack):
        printed = without.command("session", "--kind", "oidc")
        assert (printed.returncode, printed.stderr) == (
            1,
            "error: the running stack is no issuer: it has another OidcIssuer, or none\n",
        )


def test_another_issuer_on_the_loopback_counts(tmp_path: Path) -> None:
    with serving(Issuer()) as issuer:
        variables = {"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": AUDIENCE}
        with running(tmp_path, *WITHOUT_EVENTS, environment=variables) as stack:
            token = issuer.token({"sub": "7"}, time.time())
            assert status(stack, {"Authorization": f"Bearer {token}"}) == 200
            assert status(stack, {"Authorization": f"Bearer {token[:-8]}AAAAAAAA"}) == 401
            assert stack.command("session", "--kind", "oidc").returncode == 1
