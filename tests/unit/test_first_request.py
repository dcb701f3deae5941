"""A new Lambda environment loads only modules that its first successful request needs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import botocore
import pytest
from outcomes.auth.keys import fingerprint

from bench.measure import stub
from bench.outcome import AGENT_KEY, cookie
from tests.conftest import ROOT
from tests.events import KEY, agent, proxy_event, session

OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal", "valueUsd": 12.5, "agentId": 7, "metadata": {"a": 1}}

RECORD_BY_TOOL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "record_outcome",
        "arguments": {"outcome_type": "deal_closed", "title": "Closed a deal", "idempotency_key": "deal-4711"},
    },
}
POST = proxy_event("POST", authorizer=KEY, body=OUTCOME)
POST_ONCE = proxy_event("POST", authorizer=KEY, body=OUTCOME, headers={"Idempotency-Key": "deal-4711"})
BATCH = proxy_event("POST", authorizer=KEY, body={"outcomes": [OUTCOME, OUTCOME | {"idempotencyKey": "deal-4711"}]})
LIST = proxy_event("GET", authorizer=session(42), query={"limit": "20"})
FILTERED = proxy_event("GET", authorizer=session(42), query={"agentId": "7", "outcomeType": ["deal_closed"]})
KEYS_OF_A_USER = proxy_event("GET", "/api/keys", authorizer=session(42))
BY_ID = {"id": "01M881HMN5BK0R53WV7N3P1R3Q"}
ONE_OUTCOME = proxy_event("GET", "/api/outcomes/{id}", authorizer=session(42), parameters=BY_ID)
CORRECTION = proxy_event(
    "POST",
    "/api/outcomes/{id}/corrections",
    authorizer=KEY,
    parameters=BY_ID,
    body={"type": "void", "reason": "Recorded twice", "userId": 42},
    headers={"Idempotency-Key": "void-4711"},
)
EXPORT = proxy_event("GET", "/api/outcomes/export", authorizer=session(42), query={"from": "2026-04-01"})
SUMMARY = proxy_event("GET", authorizer=session(42), query={"timezone": "Europe/Berlin"})
TOOL = proxy_event("POST", "/mcp", authorizer=agent(), body=RECORD_BY_TOOL)
WITH_A_KEY = proxy_event("POST", authorizer=None) | {
    "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1/POST/api/outcomes",
    "multiValueHeaders": {"Authorization": ["Bearer a-key"]},
}
WITH_AN_AGENT_KEY = WITH_A_KEY | {"multiValueHeaders": {"Authorization": [f"Bearer {AGENT_KEY}"]}}
WITH_A_SESSION = WITH_A_KEY | {"multiValueHeaders": {"Cookie": ["session=a-stored-token"]}}
WITH_A_NEXT_AUTH_COOKIE, WITH_AN_AUTHJS_COOKIE = (
    WITH_A_KEY | {"multiValueHeaders": {"Cookie": [cookie(kind)]}} for kind in ("next-auth", "authjs")
)

DISPENSABLE = {
    *("aws_lambda_powertools", "boto3", "botocore", "pydantic", "pydantic_core", "typing_extensions", "urllib3"),
    *("asyncio", "dataclasses", "importlib.resources", "inspect", "logging", "random", "uuid", "encodings.idna"),
    *("email", "http", "ipaddress", "joserfc", "urllib.parse"),
}
ENGINE = "pydantic_core._pydantic_core"
DECRYPTS = {"cryptography"}
VERIFIES_TOKENS = {"outcomes.auth.openid_connect", "outcomes.auth.issuer_keys", "outcomes.aws.addresses"}
WITH_AN_ISSUER = {
    "OIDC_ISSUER": "https://login.example.com/",
    "OIDC_AUDIENCE": "outcomes",
    "OIDC_USER_CLAIM": "sub",
    "OIDC_COOKIE": "token",
}

FIRST_REQUEST = """
import json, sys
opened, connected = [], []

def note(event, arguments):
    # A number is of a file that was opened before, by its name.
    if event == "open" and not isinstance(arguments[0], int):
        # What Python compiles, it writes as `app.cpython-313.pyc.<number>`.
        if not str(arguments[0]).rstrip(".0123456789").endswith((".py", ".pyc", ".so")):
            opened.append(str(arguments[0]))
    if event == "socket.connect":
        connected.append(arguments[1][0])

sys.addaudithook(note)
import app
ready = set(sys.modules)
answers = [app.handler(event, None) for event in json.loads(sys.argv[1])]
late = sorted(set(sys.modules) - ready)
told = {"answers": answers, "modules": list(sys.modules), "late": late, "opened": opened, "connected": connected}
print(json.dumps(told), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def service() -> Iterator[dict[str, str]]:
    """Run a stub of AWS over TLS in another process. Yield environment variables that contain its address."""
    with stub(trusted=Path(botocore.__file__).with_name("cacert.pem")) as running:
        yield running.tls_variables


def first_request(
    function: str, events: list[dict[str, Any]], service: dict[str, str], functions: Path = ROOT / "functions"
) -> dict[str, Any]:
    """Run a function in a new process until it has answered its first requests, one after the other.

    Return a dict. answers: the function's answers. modules: all modules that it has loaded. late: the modules that it
    has loaded after init. opened: the files that it has opened, except modules. connected: the hosts that it has
    connected to.
    """
    done = subprocess.run(
        # Ignore ResourceWarning, because the connection stays open until the process ends.
        [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c", FIRST_REQUEST, json.dumps(events)],
        # Measuring coverage would load additional modules.
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        | {
            "PYTHONPATH": f"{functions}/{function}:{ROOT}/layers/common",
            "PYTHONDONTWRITEBYTECODE": "",  # Python ignores an environment variable without a value
            "KEY_FINGERPRINTS": fingerprint("a-key"),
            "SESSION_SECRET_ARN": "session-secret",
            "SESSION_SECRET_OVERLAP_DAYS": "30",
            "SESSIONS_TABLE": "SessionsTable",
            "KEYS_TABLE": "keys",  # the stub knows the table by this name
            "ACCEPT_PLAIN_COOKIES": "true",
            "OIDC_ISSUER": "",
            "PYTHONTZPATH": "",
        }
        | service,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stderr)
    return told


@pytest.mark.parametrize(
    ("function", "events", "hosts"),
    [
        ("record_outcome", [POST, POST_ONCE], ["127.0.0.1"]),
        ("record_batch", [BATCH], ["127.0.0.1"]),
        ("list_outcomes", [LIST, FILTERED], ["127.0.0.1"]),
        ("export_outcomes", [EXPORT], ["127.0.0.1"]),
        ("summarize_outcomes", [SUMMARY], ["127.0.0.1"]),
        ("get_outcome", [ONE_OUTCOME], ["127.0.0.1"]),
        ("correct_outcome", [CORRECTION], ["127.0.0.1"]),
        ("manage_keys", [KEYS_OF_A_USER], ["127.0.0.1"]),
        ("mcp", [TOOL], ["127.0.0.1"]),
        ("authorizer", [WITH_A_KEY], []),
    ],
)
def test_a_first_request_loads_and_opens_nothing_dispensable(
    function: str, events: list[dict[str, Any]], hosts: list[str], service: dict[str, str]
) -> None:
    told = first_request(function, events, service)
    assert {answer.get("statusCode", 200) for answer in told["answers"]} == {200}, told["answers"]
    assert not DISPENSABLE & set(told["modules"])
    assert not [name for name in told["modules"] if name.startswith("_sysconfigdata")]
    assert told["connected"] == hosts
    assert told["opened"] == [
        path for path in told["opened"] if "/tzdata/" in path and function.startswith("summarize")
    ]
    # Modules must be loaded during init, which has a whole CPU. Later, the share of CPU depends on the memory size.
    assert told["late"] == []
    if function == "authorizer":
        ours = {module for module in told["modules"] if module.startswith("outcomes.")}
        assert ours == {f"outcomes.{module}" for module in ("auth", "auth.keys", "edge", "edge.headers")}
        assert not {"typing", "http", "urllib", "traceback"} & set(told["modules"])
    if function in ("list_outcomes", "summarize_outcomes"):
        assert ENGINE not in told["modules"]


def test_files_that_python_writes_while_compiling_are_ignored(service: dict[str, str], tmp_path: Path) -> None:
    """On a fresh clone, Python first writes `app.cpython-313.pyc.<number>` and then renames the file."""
    (tmp_path / "authorizer").mkdir()
    copied = shutil.copy(ROOT / "functions/authorizer/app.py", tmp_path / "authorizer")
    assert first_request("authorizer", [WITH_A_KEY], service, tmp_path)["opened"] == []
    assert Path(cache_from_source(copied)).is_file()


@pytest.mark.parametrize(
    ("event", "context", "unneeded", "hosts"),
    [
        (WITH_A_KEY, {"caller": "key"}, set(), []),
        (WITH_A_SESSION, {"caller": "session", "userId": "42"}, {*DECRYPTS, ENGINE}, ["127.0.0.1"]),
        (WITH_AN_AGENT_KEY, {"caller": "agent"}, {*DECRYPTS, ENGINE, "decimal"}, ["127.0.0.1"]),
        (WITH_A_NEXT_AUTH_COOKIE, {"caller": "session"}, {ENGINE}, ["127.0.0.1"]),
        (WITH_AN_AUTHJS_COOKIE, {"caller": "session"}, {ENGINE}, ["127.0.0.1"]),
    ],
    ids=["the platform's key", "a stored session", "an agent key", "next-auth's cookie", "Auth.js's cookie"],
)
def test_a_credential_loads_only_what_verifies_it_even_with_an_issuer(
    event: dict[str, Any], context: dict[str, str], unneeded: set[str], hosts: list[str], service: dict[str, str]
) -> None:
    told, without = (first_request("authorizer", [event], service | also) for also in (WITH_AN_ISSUER, {}))
    assert told["answers"] == without["answers"]
    assert told["answers"][0]["context"].items() >= context.items()
    assert set(told["modules"]) == set(without["modules"])
    assert not (DISPENSABLE | VERIFIES_TOKENS | unneeded) & set(told["modules"])
    assert told["connected"] == without["connected"] == hosts
