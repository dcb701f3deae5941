"""Test the Idempotency-Key header of POST /api/outcomes."""

import json
from typing import Any

import pytest

from functions.record_outcome import app
from tests.aws import scan
from tests.events import KEY, proxy_event, session
from tests.faults import cancelled, faulty, fine

VALID = {"outcomeType": "deal_closed", "title": "Closed a deal", "userId": 42, "valueUsd": 12.5}

pytestmark = pytest.mark.usefixtures("tables", "no_waiting")


def record(key: str, body: Any = VALID, authorizer: dict[str, Any] = KEY, header: str = "Idempotency-Key") -> Any:
    return app.handler(proxy_event("POST", authorizer=authorizer, body=body, headers={header: key}), None)


def test_every_200_has_the_outcome_s_id() -> None:
    for response in (app.handler(proxy_event("POST", authorizer=KEY, body=VALID), None), record("k")):
        assert (response["statusCode"], response["body"]) == (200, '{"ok":true}')
        assert len(response["headers"]["Outcome-Id"]) == 26
        assert "Idempotent-Replayed" not in response["headers"]


@pytest.mark.parametrize("authorizer", [KEY, session(42)])
def test_a_retry_repeats_the_first_answer(authorizer: dict[str, Any]) -> None:
    first, again = record("k", authorizer=authorizer), record("k", authorizer=authorizer)
    assert again == first | {"headers": first["headers"] | {"Idempotent-Replayed": "true"}}
    assert len(scan()) == 1


def test_a_key_for_another_outcome_is_unprocessable() -> None:
    record("k")
    response = record("k", VALID | {"title": "Another", "valueUsd": 13})
    assert response["statusCode"] == 422
    answer = json.loads(response["body"])
    assert answer["error"] == "Idempotency key reused"
    assert [detail["field"] for detail in answer["details"]] == ["title", "valueUsd"]
    assert len(scan()) == 1


def test_a_lasting_conflict_is_a_409_to_retry() -> None:
    with faulty(app.store.dynamodb, "TransactWriteItems", cancelled("None", "TransactionConflict")):
        response = record("k")
    assert (response["statusCode"], response["body"]) == (409, '{"error":"Conflict"}')
    assert response["headers"]["Retry-After"] == "1"
    assert scan() == []


@pytest.mark.parametrize("key", ["!", "~" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", '"quoted"', "a,b"])
def test_a_key_is_1_to_255_visible_ascii_characters(key: str) -> None:
    assert record(key)["statusCode"] == 200


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "\x7f", "tab\t", "\ud800"])
def test_any_other_key_is_refused(key: str) -> None:
    response = record(key)
    assert (response["statusCode"], response["body"]) == (400, '{"error":"Invalid Idempotency-Key"}')
    assert scan() == []


def test_two_different_keys_are_refused_and_equal_ones_are_one() -> None:
    event = proxy_event("POST", authorizer=KEY, body=VALID, headers={"Idempotency-Key": "a"})
    event["multiValueHeaders"]["Idempotency-Key"] = ["a", "b"]
    assert app.handler(event, None)["statusCode"] == 400
    event["multiValueHeaders"]["Idempotency-Key"] = ["a", "a"]
    assert app.handler(event, None)["statusCode"] == 200


@pytest.mark.parametrize("header", ["idempotency-key", "IDEMPOTENCY-KEY"])
def test_the_name_of_the_header_has_no_case(header: str) -> None:
    record("k")
    assert record("k", header=header)["headers"]["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(("key", "operation"), [("k", "TransactWriteItems"), (None, "PutItem")])
def test_recording_is_one_call(key: str | None, operation: str) -> None:
    headers = {"Idempotency-Key": key} if key else {}
    operations = {"PutItem", "GetItem", "Query", "TransactWriteItems", "BatchExecuteStatement"}
    with faulty(app.store.dynamodb, operations, fine) as calls:
        app.handler(proxy_event("POST", authorizer=KEY, body=VALID, headers=headers), None)
    assert calls == [operation]


def test_a_replay_is_not_counted_again(capsys: pytest.CaptureFixture[str]) -> None:
    record("k")
    assert "OutcomesRecorded" in capsys.readouterr().out
    record("k")
    assert "OutcomesRecorded" not in capsys.readouterr().out
