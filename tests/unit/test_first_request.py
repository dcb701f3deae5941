"""A new environment loads nothing that its first good request can do without."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from outcomes.auth.keys import fingerprint

from tests.conftest import ROOT
from tests.events import KEY, proxy_event, session

OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal", "valueUsd": 12.5, "agentId": 7, "metadata": {"a": 1}}

POST = proxy_event("POST", authorizer=KEY, body=OUTCOME)
POST_ONCE = proxy_event("POST", authorizer=KEY, body=OUTCOME, headers={"Idempotency-Key": "deal-4711"})
BATCH = proxy_event("POST", authorizer=KEY, body={"outcomes": [OUTCOME, OUTCOME | {"idempotencyKey": "deal-4711"}]})
LIST = proxy_event("GET", authorizer=session(42), query={"limit": "20"})
FILTERED = proxy_event("GET", authorizer=session(42), query={"agentId": "7", "outcomeType": ["deal_closed"]})
SUMMARY = proxy_event("GET", authorizer=session(42), query={"timezone": "Europe/Berlin"})
WITH_A_KEY = proxy_event("POST", authorizer=None) | {
    "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1/POST/api/outcomes",
    "multiValueHeaders": {"Authorization": ["Bearer a-key"]},
}

DISPENSABLE = {
    *("aws_lambda_powertools", "boto3", "botocore", "pydantic", "pydantic_core", "typing_extensions", "urllib3"),
    *("asyncio", "dataclasses", "importlib.resources", "inspect", "logging", "random", "uuid"),
}
ENGINE = "pydantic_core._pydantic_core"

FIRST_REQUEST = """
import json, sys
import app
answer = app.handler(json.loads(sys.argv[1]), None)
print(json.dumps({"answer": answer, "modules": list(sys.modules)}), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """DynamoDB, as a process of its own that answers as the service does. Gives its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.stub"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "layers/common"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def first_request(function: str, event: dict[str, Any], service: str) -> dict[str, Any]:
    """Run a function in a new process until it has answered, and tell the answer and the modules that it loaded."""
    done = subprocess.run(
        # The connection is kept, to the end of the process too.
        [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c", FIRST_REQUEST, json.dumps(event)],
        env=os.environ
        | {
            "PYTHONPATH": f"{ROOT}/functions/{function}:{ROOT}/layers/common",
            "AWS_ENDPOINT_URL_DYNAMODB": service,
            "KEY_FINGERPRINTS": fingerprint("a-key"),
            "SESSION_SECRET_ARN": "arn",
            "SESSIONS_TABLE": "SessionsTable",
            "ACCEPT_PLAIN_COOKIES": "true",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stderr)
    return told


@pytest.mark.parametrize(
    ("function", "event"),
    [
        ("record_outcome", POST),
        ("record_outcome", POST_ONCE),
        ("record_batch", BATCH),
        ("list_outcomes", LIST),
        ("list_outcomes", FILTERED),
        ("summarize_outcomes", SUMMARY),
        ("authorizer", WITH_A_KEY),
    ],
)
def test_a_good_first_request_loads_nothing_that_it_can_do_without(
    function: str, event: dict[str, Any], service: str
) -> None:
    told = first_request(function, event, service)
    assert told["answer"].get("statusCode", 200) == 200, told["answer"]
    assert not DISPENSABLE & set(told["modules"])


def test_a_refusal_is_logged_by_powertools(service: str) -> None:
    told = first_request("list_outcomes", LIST | {"queryStringParameters": {"limit": "0"}}, service)
    assert told["answer"]["statusCode"] == 400
    assert "aws_lambda_powertools.logging" in told["modules"]


@pytest.mark.parametrize("function", ["list_outcomes", "summarize_outcomes"])
def test_who_reads_loads_no_rules_of_bodies(function: str, service: str) -> None:
    assert ENGINE not in first_request(function, LIST, service)["modules"]
