"""An outcome is recorded once, however many send it at the same time, and whoever dies on the way."""

import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.local.stacks import ROOT, Stack

THREADS = 60

DIES_AFTER_THE_COMMIT = """
import json, os, signal, sys
from functions.record_outcome import app
from tests.events import KEY, proxy_event

connection = app.store.dynamodb.connection
post = connection.post

def die(*sent):
    post(*sent)
    os.kill(os.getpid(), signal.SIGKILL)

connection.post = die
body, key = sys.argv[1:]
app.handler(proxy_event("POST", authorizer=KEY, body=body, headers={"Idempotency-Key": key}), None)
"""


@pytest.fixture
def api(stack: Stack) -> Any:
    with httpx.Client(base_url=stack.url, timeout=60, headers={"Authorization": f"Bearer {stack.key}"}) as client:
        yield client


def outcome(user: int, title: str = "Closed") -> dict[str, Any]:
    return {"outcomeType": "deal_closed", "title": title, "valueUsd": 12.5, "userId": user}


def at_once(api: httpx.Client, key: str, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    def post(body: dict[str, Any]) -> httpx.Response:
        return api.post("/api/outcomes", json=body, headers={"Idempotency-Key": key})

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(post, bodies))


def feed(stack: Stack, user: int) -> Any:
    response = httpx.get(f"{stack.url}/api/outcomes?limit=50", headers={"Cookie": stack.cookie(user)})
    return response.json()["outcomes"]


def test_sixty_at_once_with_one_key_and_one_body_make_one_outcome(stack: Stack, api: httpx.Client) -> None:
    answers = at_once(api, "one-body", [outcome(601)] * THREADS)
    assert Counter((answer.status_code, answer.text) for answer in answers) == {(200, '{"ok":true}'): THREADS}
    [recorded] = feed(stack, 601)
    assert {answer.headers["Outcome-Id"] for answer in answers} == {recorded["id"]}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1


def test_sixty_at_once_with_one_key_and_sixty_bodies_make_one_outcome(stack: Stack, api: httpx.Client) -> None:
    answers = at_once(api, "many-bodies", [outcome(602, f"{number}") for number in range(THREADS)])
    assert Counter(answer.status_code for answer in answers) == {200: 1, 422: THREADS - 1}
    assert {detail["field"] for a in answers if a.status_code == 422 for detail in a.json()["details"]} == {"title"}
    assert len(feed(stack, 602)) == 1


def test_a_retry_with_an_agent_key_counts_once_across_a_rotation_and_takes_no_key_from_the_platform(
    stack: Stack, api: httpx.Client
) -> None:
    owner = {"Cookie": stack.cookie(604)}
    made = api.post("/api/keys", json={"name": "Nightly", "agentId": 7}, headers=owner | {"Authorization": ""}).json()
    rotated = api.post(f"/api/keys/{made['id']}/rotate", json={}, headers=owner | {"Authorization": ""}).json()
    body = outcome(604, "Squatted") | {"agentId": 7}

    def post(text: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "deal-4711"}
        return api.post("/api/outcomes", json=body, headers=headers)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(post, [made["key"], rotated["key"]] * 5))
    assert {answer.status_code for answer in answers} == {200}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert {answer.status_code for answer in at_once(api, "deal-4711", [outcome(604) | {"agentId": 7}])} == {200}
    assert sorted(each["title"] for each in feed(stack, 604)) == ["Closed", "Squatted"]


def test_a_process_killed_right_after_the_commit_has_recorded_once(stack: Stack, api: httpx.Client) -> None:
    body = httpx.Request("POST", "http://x", json=outcome(603)).read().decode()
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/common'}",
        "AWS_ENDPOINT_URL": stack.aws_url,
        "OUTCOMES_TABLE": stack.tables["OutcomesTable"],
        "IDEMPOTENCY_TABLE": stack.tables["IdempotencyTable"],
    }
    arguments = [sys.executable, "-c", DIES_AFTER_THE_COMMIT, body, "killed"]
    died = subprocess.run(arguments, env=environment, cwd=ROOT, check=False, capture_output=True, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr
    answer = api.post("/api/outcomes", content=body, headers={"Idempotency-Key": "killed"})
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (200, "true")
    [recorded] = feed(stack, 603)
    assert recorded["id"] == answer.headers["Outcome-Id"]
