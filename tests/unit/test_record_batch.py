"""Test POST /api/outcomes/batch, from the Lambda event to the response."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.record_batch import app
from functions.record_outcome import app as record_outcome
from tests.aws import scan
from tests.events import KEY, proxy_event, session
from tests.faults import DENIED, THROTTLED, error, faulty, unreachable
from tests.outcome_types import TYPES

VALID = {"outcomeType": "deal_closed", "title": "Closed a deal", "userId": 42}

pytestmark = pytest.mark.usefixtures("tables")


def post(body: Any, authorizer: dict[str, Any] = KEY, **event: Any) -> tuple[int, Any]:
    response = app.handler(proxy_event("POST", "/api/outcomes/batch", authorizer=authorizer, body=body, **event), None)
    return response["statusCode"], json.loads(response["body"])


def record(*items: Any, authorizer: dict[str, Any] = KEY, **event: Any) -> Any:
    status, answer = post({"outcomes": list(items)}, authorizer, **event)
    assert status == 200
    assert answer["created"] + answer["replayed"] + answer["failed"] == len(answer["results"]) == len(items)
    return answer


def statuses(answer: Any) -> list[str]:
    return [result["status"] for result in answer["results"]]


def test_every_item_has_its_result_in_its_place() -> None:
    answer = record(
        VALID | {"title": "a", "idempotencyKey": "k"},
        "nonsense",
        VALID | {"title": ""},
        VALID | {"title": "a", "idempotencyKey": "k"},
        VALID | {"title": "b", "idempotencyKey": "k"},
        VALID | {"outcomeType": "sale"},
        VALID | {"idempotencyKey": None},
    )
    assert statuses(answer) == ["created", "invalid", "invalid", "replayed", "conflict", "invalid", "created"]
    assert (answer["created"], answer["replayed"], answer["failed"]) == (2, 1, 4)
    results = answer["results"]
    assert results[1] == {"status": "invalid", "error": "Invalid outcome"}
    assert (results[2]["error"], results[2]["details"][0]["field"]) == ("Invalid title", "title")
    assert results[3]["id"] == results[0]["id"]
    assert (results[4]["error"], results[4]["details"][0]["field"]) == ("Idempotency key reused", "title")
    assert results[5] == {"status": "invalid", "error": "Invalid outcome_type"}
    assert {item["created_at"]["S"].partition("#")[2] for item in scan()} == {results[0]["id"], results[6]["id"]}


def test_a_batch_sent_again_with_a_key_in_its_header_records_nothing_anew() -> None:
    first = record(VALID, VALID | {"idempotencyKey": "own"}, VALID, headers={"Idempotency-Key": "batch-1"})
    again = record(VALID, VALID | {"idempotencyKey": "own"}, VALID, headers={"Idempotency-Key": "batch-1"})
    assert statuses(first) == ["created"] * 3
    assert statuses(again) == ["replayed"] * 3
    assert [result["id"] for result in again["results"]] == [result["id"] for result in first["results"]]
    assert len(scan()) == 3


def test_the_header_s_key_is_extended_by_each_item_s_place() -> None:
    record(VALID, VALID, headers={"Idempotency-Key": "batch-1"})
    answer = record(VALID | {"idempotencyKey": "batch-1#1"}, VALID | {"idempotencyKey": "batch-1#2"})
    assert statuses(answer) == ["replayed", "created"]


def test_a_key_is_the_same_alone_and_in_a_batch() -> None:
    event = proxy_event("POST", authorizer=KEY, body=VALID, headers={"Idempotency-Key": "k"})
    alone = record_outcome.handler(event, None)
    answer = record(VALID | {"idempotencyKey": "k"})
    assert answer["results"] == [{"status": "replayed", "id": alone["headers"]["Outcome-Id"]}]


@pytest.mark.parametrize("key", ["", "x" * 256, "blank here", "tab\t", "ü", 5, True, [], {}])
def test_an_invalid_key_makes_its_item_invalid(key: object) -> None:
    answer = record(VALID | {"idempotencyKey": key}, VALID)
    assert statuses(answer) == ["invalid", "created"]
    assert answer["results"][0]["error"] == "Invalid idempotencyKey"


def test_an_item_that_is_no_object_is_an_invalid_outcome() -> None:
    items: list[Any] = [None, 1, "x", [], True] * 20  # a batch may have this many outcomes
    assert record(*items)["results"] == [{"status": "invalid", "error": "Invalid outcome"}] * 100


NO_LISTS: list[Any] = [None, [], {}, "x", [VALID] * 101]


@pytest.mark.parametrize("body", [{}, VALID, *({"outcomes": items} for items in NO_LISTS)])
def test_a_list_that_is_missing_empty_or_too_long_is_refused(body: Any) -> None:
    status, answer = post(body)
    assert (status, answer["error"]) == (400, "Invalid outcomes")
    assert scan() == []


def test_a_body_may_have_one_mebibyte_and_not_one_byte_more() -> None:
    body = json.dumps({"outcomes": [VALID]})
    assert post(body + " " * (1024 * 1024 - len(body)))[0] == 200
    assert post(body + " " * (1024 * 1024 - len(body) + 1)) == (413, {"error": "Payload too large"})


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("trouble", "error_text", "level"),
    [
        (error(DENIED), "Failed to record outcome", "ERROR"),
        (unreachable, "Failed to record outcome", "ERROR"),
        (error(THROTTLED), "Busy", "INFO"),
    ],
)
def test_items_that_the_table_refuses_fail_and_are_logged_once(
    trouble: Any,
    error_text: str,
    level: str,
    log: Callable[[], list[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with faulty(app.ledger.store.dynamodb, "BatchExecuteStatement", trouble):
        answer = record(VALID, VALID | {"idempotencyKey": "k"}, VALID)
    assert statuses(answer) == ["failed", "created", "failed"]
    assert answer["results"][0] == {"status": "failed", "error": error_text, "retryable": True}
    [logged] = log()
    assert logged["correlation_id"]
    assert (logged["level"], logged["message"]) == (level, "Refused" if level == "INFO" else error_text)
    assert (logged.get("throttled") or logged.get("exception_name")) in {THROTTLED, "ServiceError", "Unavailable"}
    line, *_ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert level == "ERROR" or (line["reason"], line["RequestsRefused"]) == ("Busy", [2.0])
    assert len(scan()) == 1


def test_outcomes_are_counted_by_type_once(capsys: pytest.CaptureFixture[str]) -> None:
    task = VALID | {"outcomeType": "task_complete", "valueUsd": 2}
    record(VALID | {"valueUsd": 1}, task | {"idempotencyKey": "k"}, task | {"idempotencyKey": "k"}, "nonsense")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counted = {line["outcome_type"]: (line["OutcomesRecorded"], line["ValueRecorded"]) for line in lines[1:]}
    assert counted == {"deal_closed": ([1.0], [1.0]), "task_complete": ([1.0], [2.0])}
    assert lines[0]["reason"] == "Invalid outcome"


def test_ignored_fields_are_named_in_each_result() -> None:
    answer = record(
        VALID | {"value_usd": 500, "agent_id": 3, "idempotencyKey": "k"},
        VALID,
        {"outcome_type": "deal_closed", "title": "x"},
        "nonsense",
        VALID | {"userId": 7},
        authorizer=session(42),
    )
    assert [result.get("ignored") for result in answer["results"]] == [
        ["value_usd", "agent_id"],
        None,
        ["outcome_type"],
        None,
        None,
    ]
    assert statuses(answer) == ["created", "created", "invalid", "invalid", "created"]


def test_results_mark_outcomes_without_a_user() -> None:
    nobodys = {"outcomeType": "deal_closed", "title": "a", "idempotencyKey": "k"}
    items = [nobodys, nobodys, VALID, nobodys | {"title": "b"}, {"outcomeType": "deal_closed", "title": "x"}, {}]
    answer = record(*items)
    assert statuses(answer) == ["created", "replayed", "created", "conflict", "created", "invalid"]
    assert [each.get("unassigned") for each in answer["results"]] == [True, True, None, None, True, None]
    of_session = record(*items, authorizer=session(42))
    assert [each.get("unassigned") for each in of_session["results"]] == [None] * 6


def test_ignored_fields_of_the_batch_are_named_in_a_header() -> None:
    def post_raw(body: Any) -> Any:
        return app.handler(proxy_event("POST", "/api/outcomes/batch", authorizer=KEY, body=body), None)["headers"]

    assert post_raw({"outcomes": [VALID], "idempotencyKey": "k"})["Ignored-Fields"] == "idempotencyKey"
    assert post_raw({"outcome": [VALID]})["Ignored-Fields"] == "outcome"
    assert "Ignored-Fields" not in post_raw({"outcomes": [VALID | {"no": 1}]})


def test_an_invalid_type_is_answered_with_all_types_in_a_header() -> None:
    types = ", ".join(TYPES)
    for items, named in ([VALID], None), ([VALID | {"title": ""}], None), ([VALID, VALID | {"outcomeType": 1}], types):
        event = proxy_event("POST", "/api/outcomes/batch", authorizer=KEY, body={"outcomes": items})
        assert app.handler(event, None)["headers"].get("Outcome-Types") == named
