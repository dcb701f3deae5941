"""An outcome is corrected once, however many do so at the same time, and whoever dies on the way."""

import json
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

THREADS = 20

DIES_AFTER_THE_COMMIT = """
import json, os, signal, sys
from functions.correct_outcome import app
from tests.events import KEY, proxy_event

connection = app.corrections.store.dynamodb.connection
post = connection.post

def die(headers, *sent):
    reply = post(headers, *sent)
    if headers["x-amz-target"].endswith("TransactWriteItems"):
        os.kill(os.getpid(), signal.SIGKILL)
    return reply

connection.post = die
body, key, id_ = sys.argv[1:]
headers = {"Idempotency-Key": key}
path = "/api/outcomes/{id}/corrections"
app.handler(proxy_event("POST", path, authorizer=KEY, body=body, headers=headers, parameters={"id": id_}), None)
"""


@pytest.fixture
def api(stack: Stack) -> Any:
    with httpx.Client(base_url=stack.url, timeout=60, headers={"Authorization": f"Bearer {stack.key}"}) as client:
        yield client


def recorded(api: httpx.Client, user: int) -> str:
    body = {"outcomeType": "deal_closed", "title": "Closed", "valueUsd": 12.5, "userId": user}
    return api.post("/api/outcomes", json=body).headers["Outcome-Id"]


def amend(user: int, title: str = "Closed the deal") -> dict[str, Any]:
    return {"type": "amend", "reason": "A typo", "changes": {"title": title}, "userId": user}


def history(stack: Stack, user: int, id_: str) -> Any:
    return httpx.get(f"{stack.url}/api/outcomes/{id_}", headers={"Cookie": stack.cookie(user)}).json()


def test_many_at_once_with_one_key_make_one_correction(stack: Stack, api: httpx.Client) -> None:
    id_ = recorded(api, 611)

    def post(_number: int) -> httpx.Response:
        return api.post(f"/api/outcomes/{id_}/corrections", json=amend(611), headers={"Idempotency-Key": "k"})

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(post, range(THREADS)))
    assert Counter((answer.status_code, answer.json()["id"]) for answer in answers).total() == THREADS
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert len(history(stack, 611, id_)["corrections"]) == 1


def test_many_at_once_end_one_after_the_other_or_not_at_all(stack: Stack, api: httpx.Client) -> None:
    id_ = recorded(api, 612)

    def post(number: int) -> httpx.Response:
        return api.post(f"/api/outcomes/{id_}/corrections", json=amend(612, f"{number}"))

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(post, range(THREADS)))
    made = {answer.json()["id"]: answer.json()["version"] for answer in answers if answer.status_code == 200}
    assert sorted(made.values()) == list(range(1, len(made) + 1))
    assert {answer.text for answer in answers if answer.status_code != 200} <= {'{"error":"Conflict"}'}
    answer = history(stack, 612, id_)
    assert [each["id"] for each in answer["corrections"]] == sorted(made, key=lambda each: made[each])
    titles = [each["changes"]["title"] for each in answer["corrections"]]
    assert [each["before"] for each in titles] == ["Closed", *(each["after"] for each in titles[:-1])]
    assert answer["outcome"]["title"] == titles[-1]["after"]


def test_a_process_killed_right_after_the_commit_has_corrected_once(stack: Stack, api: httpx.Client) -> None:
    id_ = recorded(api, 613)
    body = json.dumps(amend(613))
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/common'}",
        "AWS_ENDPOINT_URL": stack.aws_url,
        "OUTCOMES_TABLE": stack.tables["OutcomesTable"],
        "IDEMPOTENCY_TABLE": stack.tables["IdempotencyTable"],
    }
    arguments = [sys.executable, "-c", DIES_AFTER_THE_COMMIT, body, "killed", id_]
    died = subprocess.run(arguments, env=environment, cwd=ROOT, check=False, capture_output=True, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr

    [correction] = history(stack, 613, id_)["corrections"]
    answer = api.post(f"/api/outcomes/{id_}/corrections", content=body, headers={"Idempotency-Key": "killed"})
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (200, "true")
    assert answer.json()["id"] == correction["id"]
    assert len(history(stack, 613, id_)["corrections"]) == 1
