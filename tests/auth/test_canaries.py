"""No credential leaks into logs, metrics, headers or bodies."""

import base64
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import httpx
import pytest
from outcomes.auth.encrypted_cookies import AUTHJS, NEXT_AUTH, encryption_key
from outcomes.keys import key_text

from functions.list_outcomes import app as list_outcomes
from functions.record_outcome import app as record_outcome
from local.session_cookies import KINDS, claims, encrypted_cookie, mint, stored_row
from tests.auth.conftest import CURRENT_KEY, ROOT, SECRET
from tests.auth.events import load_event
from tests.canaries import leaks
from tests.events import proxy_event, session
from tests.faults import DENIED, THROTTLED, Fault, error, faulty, unreachable
from tests.local.stacks import Stack, running

KEY = "canary-key-Tq3vZ8mKx1Lw7Rb5"
SECRET_OF_STACK = "canary-secret-Hn6pYc2Jd9Fs4Ga0"
OUTCOME = '{"outcomeType":"deal_closed","title":"Closed a deal"}'
JSON = {"Content-Type": "application/json"}


def tokens(cookie: str) -> list[str]:
    """Return the secret parts of a Cookie header: each value, and for a JWE its parts except the public header."""
    values = [pair.partition("=")[2] for pair in cookie.split("; ")]
    return [part for value in values for part in (value.split(".")[2:] if "." in value else [value])]


class Scenario:
    """Sends requests to a stack, and collects the answers."""

    def __init__(self, stack: Stack) -> None:
        now = int(time.time())
        minted = {kind: mint(kind, 42, SECRET_OF_STACK, now) for kind in KINDS}
        self.sessions = [each.cookie for each in minted.values()]
        expired = "stored-and-expired-Bv4Xe7Uk2Oi9"
        self.refused = [
            encrypted_cookie(NEXT_AUTH, NEXT_AUTH.name, claims(42, now), "canary-of-another-secret"),
            encrypted_cookie(AUTHJS, AUTHJS.name, claims(42, 1), SECRET_OF_STACK),
            encrypted_cookie(AUTHJS, AUTHJS.name, {"sub": "nobody", "exp": now + 60}, SECRET_OF_STACK),
            self.sessions[0][:-7],
            f"session={expired}",
            "session=unknown-Wj5Lt8Zr3Qa6",
            f"{self.sessions[0]}; {NEXT_AUTH.name}=another-value-Cm1Ny7Ph4Sd",
        ]
        self.agent_keys: list[str] = []
        self.answers: list[str] = []
        self.statuses: set[int] = set()
        self._client = httpx.Client(base_url=stack.url, timeout=30)
        rows = [row for row in (minted["stored"].row, stored_row(expired, 42, now - 1)) if row]
        with closing(boto3.client("dynamodb", endpoint_url=stack.aws_url)) as dynamodb:
            for row in rows:
                dynamodb.put_item(TableName=stack.tables["SessionsTable"], Item=row)

    @property
    def credentials(self) -> list[str]:
        values = [token for cookie in self.sessions + self.refused for token in tokens(cookie)]
        keys = [encryption_key(family, family.name, SECRET_OF_STACK) for family in (NEXT_AUTH, AUTHJS)]
        agents = [part for key in self.agent_keys for part in (key[20:], key_text.digest(key))]
        return [KEY, SECRET_OF_STACK, *agents, *_encoded(KEY.encode(), SECRET_OF_STACK.encode(), *keys), *values]

    def ask(self, method: str, path: str = "/api/outcomes", *, status: int, body: str = "", **headers: str) -> None:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self._client.request(method, path, content=body, headers=sent)
        self.answers.append(f"{response.status_code}\n{response.headers}\n{response.text}")
        self.statuses.add(response.status_code)
        assert response.status_code == status, f"{method} {path} {body}"

    def good_requests(self) -> None:
        self.ask("POST", status=200, body=OUTCOME, Authorization=f"Bearer {KEY}")
        for cookie in self.sessions:
            self.ask("POST", status=200, body=OUTCOME, Cookie=cookie, **JSON)
            self.ask("GET", status=200, Cookie=cookie)

    def agent_key_requests(self) -> None:
        """Create, use, misuse, rotate and revoke an agent key. Answers that contain the key are not collected."""
        body = '{"name":"Nightly import","userId":42,"maxValueUsd":1}'
        id_ = self._make("/api/keys", body)
        self._make(f"/api/keys/{id_}/rotate", '{"userId":42}')
        first, second = self.agent_keys
        for key in (first, second):
            bearer = f"Bearer {key}"
            self.ask("POST", status=200, body=OUTCOME, Authorization=bearer)
            self.ask("POST", status=403, body=OUTCOME.replace("}", ',"valueUsd":2}'), Authorization=bearer)
            self.ask("POST", status=400, body=f'{{"outcomeType":"{key}"}}', Authorization=bearer)
            self.ask("POST", "/api/keys", status=403, body=body, Authorization=bearer)
            self.ask("GET", "/api/keys/self", status=200, Authorization=bearer)
            self.ask("GET", status=403, Authorization=bearer)
            for wrong in (bearer[:-1], f"{bearer}x", bearer.swapcase(), f"{bearer} {key}", f"Basic {key}"):
                self.ask("POST", status=401, body=OUTCOME, Authorization=wrong)
            self.ask("GET", f"/api/keys?userId={key}", status=400, Authorization=f"Bearer {KEY}")
            self.ask("POST", "/api/keys", status=400, body=f'{{"name":"{key}{key}"}}', Authorization=f"Bearer {KEY}")
        self.ask("GET", "/api/keys?userId=42", status=200, Authorization=f"Bearer {KEY}")
        self.ask("DELETE", f"/api/keys/{id_}?userId=42", status=200, Authorization=f"Bearer {KEY}")
        self.ask("POST", status=401, body=OUTCOME, Authorization=f"Bearer {first}")

    def _make(self, path: str, body: str) -> str:
        made = self._client.post(path, content=body, headers={"Authorization": f"Bearer {KEY}"})
        assert made.status_code == 200
        self.agent_keys.append(made.json()["key"])
        return str(made.json()["id"])

    def bad_requests(self) -> None:
        for bearer in (
            f"Bearer {KEY}x",
            f"Bearer {KEY} {KEY}",
            f"Basic {KEY}",
            KEY,
            f"Bearer {KEY[:-1]}",
            f"Bearer {KEY * 99}",
        ):
            self.ask("POST", status=401, body=OUTCOME, Authorization=bearer)
        for cookie in self.refused:
            self.ask("POST", status=401, body=OUTCOME, Cookie=cookie, **JSON)
            self.ask("GET", status=401, Cookie=cookie, Authorization=f"Bearer {KEY}")
        for cookie in self.sessions:
            self.ask("POST", status=415, body=OUTCOME, Cookie=cookie)
            self.ask("POST", status=403, body=OUTCOME, Cookie=cookie, Origin="https://evil.example", **JSON)
            self.ask("POST", status=400, body=f'{{"outcomeType":"{KEY}","title":"{cookie}"}}', Cookie=cookie, **JSON)
            self.ask(
                "POST", status=400, body=f'{{"outcomeType":"deal_closed","userId":"{KEY}"}}', Cookie=cookie, **JSON
            )
            self.ask("POST", status=400, body=cookie, Cookie=cookie, **JSON)
            self.ask("GET", f"/api/outcomes?limit={KEY}", status=400, Cookie=cookie)
            self.ask("GET", status=413, Cookie=f"{cookie}; padding={'0' * 10_240}")
            self.ask("POST", status=413, body="0" * 140_000, Cookie=cookie, **JSON)
            self.ask("GET", "/nowhere", status=404, Cookie=cookie, Authorization=f"Bearer {KEY}")
            self.ask("OPTIONS", status=204, Cookie=cookie, Authorization=f"Bearer {KEY}", Origin=KEY)

    def requests_in_trouble(self, stack: Stack) -> None:
        """Delete the tables, and then send requests."""
        with closing(boto3.client("dynamodb", endpoint_url=stack.aws_url)) as dynamodb:
            dynamodb.delete_table(TableName=stack.tables["OutcomesTable"])
            self.ask("POST", status=500, body=OUTCOME, Authorization=f"Bearer {KEY}")
            for cookie in self.sessions:
                self.ask("POST", status=500, body=OUTCOME, Cookie=cookie, **JSON)
                self.ask("GET", status=500, Cookie=cookie)
            dynamodb.delete_table(TableName=stack.tables["KeysTable"])
            self.ask("POST", status=500, body=OUTCOME, Authorization=f"Bearer {self.agent_keys[0]}")
            self.ask("POST", "/api/keys", status=500, body='{"name":"x"}', Cookie=self.sessions[0], **JSON)
            dynamodb.delete_table(TableName=stack.tables["SessionsTable"])
            self.ask("POST", status=500, body=OUTCOME, Cookie=self.sessions[-1], **JSON)
        self._client.close()


def _encoded(*texts: bytes) -> Iterator[str]:
    for text in texts:
        yield base64.urlsafe_b64encode(text).rstrip(b"=").decode()
        yield text.hex()


def test_a_stack_leaks_no_credential(tmp_path: Path) -> None:
    with running(tmp_path, environment={"INTERNAL_API_KEY": KEY, "SESSION_SECRET": SECRET_OF_STACK}) as stack:
        scenario = Scenario(stack)
        scenario.good_requests()
        scenario.agent_key_requests()
        scenario.bad_requests()
        scenario.requests_in_trouble(stack)
    assert scenario.statuses == {200, 204, 400, 401, 403, 404, 413, 415, 500}
    for line in ("Invalid outcome_type", "Sessions table: ", "Keys table: ", "POST /api/outcomes 500"):
        assert line in stack.log, "the log lacks what this test searches"
    assert leaks(stack.log, scenario.credentials) == set()
    assert leaks("\n".join(scenario.answers), scenario.credentials) == set()


TROUBLES = {"throttled": error(THROTTLED), "denied": error(DENIED), "broken": error("X", status=500)}


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("trouble", [*TROUBLES.values(), unreachable], ids=[*TROUBLES, "unreachable"])
def test_a_failing_function_leaks_no_credential(
    authorizer: ModuleType, capfd: pytest.CaptureFixture[str], log: Callable[[], list[dict[str, Any]]], trouble: Fault
) -> None:
    said: list[str] = []
    stored = "stored-session-Er2Bn6Mt8Ux"
    real = load_event("post_with_session")["headers"]["Cookie"]
    with (
        faulty(authorizer._sessions().stored.dynamodb, "GetItem", trouble),
        faulty(authorizer._sessions().secrets.secrets_manager, "GetSecretValue", trouble),
    ):
        for cookie in (f"__Secure-session={stored}", real):
            for name in ("post_with_session", "get_with_session"):
                with pytest.raises(RuntimeError, match="Cannot identify") as raised:
                    authorizer.handler(
                        load_event(name, Cookie=[cookie], Authorization=[f"Bearer x{CURRENT_KEY}"]), None
                    )
                # Lambda would log this traceback.
                said += traceback.format_exception(raised.value)

    credentials = {"Cookie": f"{real}; session={stored}", "Authorization": f"Bearer {CURRENT_KEY}"}
    for app, method, operation in ((record_outcome, "POST", "PutItem"), (list_outcomes, "GET", "Query")):
        with faulty(app.store.dynamodb, operation, trouble):
            event = proxy_event(method, authorizer=session(42), body=OUTCOME, headers=credentials)
            response = app.handler(event, None)
            assert response["statusCode"] in {500, 503}
            said.append(str(response))

    said += [*map(str, log()), *capfd.readouterr()]
    assert len(log()) == 6
    assert leaks("\n".join(said), [CURRENT_KEY, SECRET, stored, *tokens(real.partition("; ")[2])]) == set()


def test_a_part_of_a_credential_is_a_leak() -> None:
    assert leaks(f"... {KEY[5:20]} ...", [KEY, SECRET_OF_STACK]) == {KEY}
    assert leaks(f"{KEY[:11]} {KEY[-11:]}", [KEY]) == set()
    assert leaks("short", ["short", "shirt"]) == {"short"}


def test_a_test_that_prints_a_credential_fails(tmp_path: Path) -> None:
    (tmp_path / "test_printing.py").write_text(
        """
import logging, pytest

def test_nothing_to_hide():
    print("fine")

@pytest.fixture
def late():
    yield
    print("made-up-key")

def test_print(): print("made-up-key")
def test_stderr(): __import__("os").write(2, b"eyJhbGciOiJkaXIiLCJlbm")
def test_log(): logging.getLogger().warning("made-up-key")
def test_teardown(late): pass
"""
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.canaries", "-p", "no:cacheprovider", "-q", str(tmp_path)],
        cwd=tmp_path,  # do not load the project's pytest settings and plugins, which takes a second
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.splitlines()[-1].startswith("5 passed, 4 errors"), run.stdout
    assert "A credential is in: Captured stderr call" in run.stdout
