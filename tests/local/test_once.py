"""Several calls with the same idempotency key record or correct only once, even if they overlap or are killed."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.local.stacks import ROOT, Stack

# Calls a function, and kills its process once DynamoDB has committed the transaction.
KILLED_AFTER_THE_COMMIT = """
import os, signal, sys
from importlib import import_module
from tests.events import KEY, proxy_event

module, path, id_, body = sys.argv[1:]
app = import_module(module)
connection = (app.corrections.store if id_ else app.store).dynamodb.connection
post = connection.post

def killed(headers, *sent):
    reply = post(headers, *sent)
    if headers["x-amz-target"].endswith("TransactWriteItems"):
        os.kill(os.getpid(), signal.SIGKILL)
    return reply

connection.post = killed
parameters = {"id": id_} if id_ else None
headers = {"Idempotency-Key": "killed"}
app.handler(proxy_event("POST", path, authorizer=KEY, body=body, headers=headers, parameters=parameters), None)
"""


@pytest.fixture
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60, headers={"Authorization": f"Bearer {stack.key}"}) as client:
        yield client


def outcome(user: int, title: str = "Closed") -> dict[str, Any]:
    return {"outcomeType": "deal_closed", "title": title, "valueUsd": 12.5, "userId": user}


def amend(user: int, title: str = "Closed the deal") -> dict[str, Any]:
    return {"type": "amend", "reason": "A typo", "changes": {"title": title}, "userId": user}


def recorded(api: httpx.Client, user: int) -> str:
    return api.post("/api/outcomes", json=outcome(user)).headers["Outcome-Id"]


def at_once(
    post: Callable[..., httpx.Response], path: str, key: str | None, bodies: list[dict[str, Any]]
) -> list[httpx.Response]:
    headers = {"Idempotency-Key": key} if key else {}
    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda body: post(path, json=body, headers=headers), bodies))


def read(stack: Stack, user: int, path: str = "?limit=50") -> Any:
    return httpx.get(f"{stack.url}/api/outcomes{path}", headers={"Cookie": stack.cookie(user)}).json()


def feed(stack: Stack, user: int) -> Any:
    return read(stack, user)["outcomes"]


def test_sixty_equal_calls_with_one_key_record_one_outcome(stack: Stack, api: httpx.Client) -> None:
    answers = at_once(api.post, "/api/outcomes", "one-body", [outcome(601)] * 60)
    assert Counter((answer.status_code, answer.text) for answer in answers) == {(200, '{"ok":true}'): 60}
    [only] = feed(stack, 601)
    assert {answer.headers["Outcome-Id"] for answer in answers} == {only["id"]}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1


def test_sixty_different_calls_with_one_key_record_one_outcome(stack: Stack, api: httpx.Client) -> None:
    bodies = [outcome(602, f"{number}") for number in range(60)]
    answers = at_once(api.post, "/api/outcomes", "many-bodies", bodies)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 59}
    assert {detail["field"] for a in answers if a.status_code == 422 for detail in a.json()["details"]} == {"title"}
    assert len(feed(stack, 602)) == 1


def test_a_retry_with_an_agent_key_counts_once_across_a_rotation_and_takes_no_idempotency_key_of_the_platform(
    stack: Stack, api: httpx.Client
) -> None:
    owner = {"Cookie": stack.cookie(604), "Authorization": ""}
    made = api.post("/api/keys", json={"name": "Nightly", "agentId": 7}, headers=owner).json()
    rotated = api.post(f"/api/keys/{made['id']}/rotate", json={}, headers=owner).json()
    body = outcome(604, "Squatted") | {"agentId": 7}

    def post(text: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "deal-4711"}
        return api.post("/api/outcomes", json=body, headers=headers)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(post, [made["key"], rotated["key"]] * 5))
    assert {answer.status_code for answer in answers} == {200}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    [platform] = at_once(api.post, "/api/outcomes", "deal-4711", [outcome(604) | {"agentId": 7}])
    assert platform.status_code == 200
    assert sorted(each["title"] for each in feed(stack, 604)) == ["Closed", "Squatted"]


def test_twenty_corrections_with_one_key_make_one(stack: Stack, api: httpx.Client) -> None:
    id_ = recorded(api, 611)
    answers = at_once(api.post, f"/api/outcomes/{id_}/corrections", "k", [amend(611)] * 20)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert len(read(stack, 611, f"/{id_}")["corrections"]) == 1


def test_twenty_concurrent_corrections_apply_one_after_another_or_conflict(stack: Stack, api: httpx.Client) -> None:
    id_ = recorded(api, 612)
    bodies = [amend(612, f"{number}") for number in range(20)]
    answers = at_once(api.post, f"/api/outcomes/{id_}/corrections", None, bodies)
    made = {answer.json()["id"]: answer.json()["version"] for answer in answers if answer.status_code == 200}
    assert sorted(made.values()) == list(range(1, len(made) + 1))
    assert {answer.text for answer in answers if answer.status_code != 200} <= {'{"error":"Conflict"}'}
    answer = read(stack, 612, f"/{id_}")
    assert [each["id"] for each in answer["corrections"]] == sorted(made, key=lambda each: made[each])
    titles = [each["changes"]["title"] for each in answer["corrections"]]
    assert [each["before"] for each in titles] == ["Closed", *(each["after"] for each in titles[:-1])]
    assert answer["outcome"]["title"] == titles[-1]["after"]


def call_killed_after_the_commit(
    stack: Stack, api: httpx.Client, function: str, path: str, body: dict[str, Any], id_: str = ""
) -> httpx.Response:
    """Call a function, and kill its process after the transaction is committed. Return the answer to a retry."""
    text = json.dumps(body)
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/common'}",
        "AWS_ENDPOINT_URL": stack.aws_url,
        "OUTCOMES_TABLE": stack.tables["OutcomesTable"],
        "IDEMPOTENCY_TABLE": stack.tables["IdempotencyTable"],
    }
    command = [sys.executable, "-c", KILLED_AFTER_THE_COMMIT, f"functions.{function}.app", path, id_, text]
    killed = subprocess.run(command, env=environment, cwd=ROOT, check=False, capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    answer = api.post(path.replace("{id}", id_), content=text, headers={"Idempotency-Key": "killed"})
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (200, "true")
    return answer


def test_a_retry_after_a_kill_right_after_the_commit_records_once(stack: Stack, api: httpx.Client) -> None:
    answer = call_killed_after_the_commit(stack, api, "record_outcome", "/api/outcomes", outcome(603))
    assert [each["id"] for each in feed(stack, 603)] == [answer.headers["Outcome-Id"]]


def test_a_retry_after_a_kill_right_after_the_commit_corrects_once(stack: Stack, api: httpx.Client) -> None:
    id_, path = recorded(api, 613), "/api/outcomes/{id}/corrections"
    answer = call_killed_after_the_commit(stack, api, "correct_outcome", path, amend(613), id_)
    assert [each["id"] for each in read(stack, 613, f"/{id_}")["corrections"]] == [answer.json()["id"]]
