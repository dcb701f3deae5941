"""Overlapping calls with the same idempotency key record only once. tests/interleaving tries all other orders."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.local.stacks import Stack


def at_once(stack: Stack, keys: list[str], body: dict[str, Any]) -> list[httpx.Response]:
    """Record with each of these bearer keys, always with the same idempotency key."""
    with (
        httpx.Client(base_url=stack.url, timeout=60, headers={"Idempotency-Key": "deal-4711"}) as api,
        ThreadPoolExecutor(len(keys)) as pool,
    ):
        return list(
            pool.map(lambda key: api.post("/api/outcomes", json=body, headers={"Authorization": f"Bearer {key}"}), keys)
        )


def outcome(user: int, title: str = "Closed") -> dict[str, Any]:
    return {"outcomeType": "deal_closed", "title": title, "valueUsd": 12.5, "userId": user, "agentId": 7}


def feed(stack: Stack, user: int) -> Any:
    return httpx.get(f"{stack.url}/api/outcomes", headers={"Cookie": stack.cookie(user)}).json()["outcomes"]


def test_sixty_equal_calls_with_one_key_record_one_outcome(stack: Stack) -> None:
    answers = at_once(stack, [stack.key] * 60, outcome(601))
    assert Counter((answer.status_code, answer.text) for answer in answers) == {(200, '{"ok":true}'): 60}
    [only] = feed(stack, 601)
    assert {answer.headers["Outcome-Id"] for answer in answers} == {only["id"]}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1


def test_an_agent_keys_retry_counts_once_across_a_rotation_and_takes_no_idempotency_key_of_the_platform(
    stack: Stack,
) -> None:
    with httpx.Client(base_url=stack.url, headers={"Cookie": stack.cookie(604)}) as owner:
        made = owner.post("/api/keys", json={"name": "Nightly", "agentId": 7}).json()
        rotated = owner.post(f"/api/keys/{made['id']}/rotate", json={}).json()
    answers = at_once(stack, [made["key"], rotated["key"]] * 5, outcome(604, "Squatted"))
    assert {answer.status_code for answer in answers} == {200}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert [each.status_code for each in at_once(stack, [stack.key], outcome(604))] == [200]
    assert sorted(each["title"] for each in feed(stack, 604)) == ["Closed", "Squatted"]
