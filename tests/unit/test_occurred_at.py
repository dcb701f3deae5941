"""Test occurred_at: its format, the accepted period, idempotency, sorting and totals."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from outcomes.aws.connection import Reply
from outcomes.calendar import instants

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.aws import aws_client, scan
from tests.events import KEY, agent, proxy_event, session
from tests.faults import THROTTLED, Fault, Request, Send, answered, error, faulty, fine

NOW = "2026-04-01T12:00:00.000Z"
EARLIEST, LATEST = "2026-02-26T12:00:00.000Z", "2026-04-01T12:05:00.000Z"
PLAIN = {"outcomeType": "deal_closed", "title": "Closed a deal", "userId": 42}

pytestmark = pytest.mark.usefixtures("tables")


def milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the clock to noon, and return a function that sets it to another time."""

    def set_clock(text: str) -> None:
        now = milliseconds(text)
        monkeypatch.setattr("outcomes.calendar.instants.now", lambda: now)

    set_clock(NOW)
    return set_clock


def later(text: str, **by: float) -> str:
    return instants.text(milliseconds(text) + round(timedelta(**by) / timedelta(milliseconds=1)))


def post(occurred_at: Any, caller: dict[str, Any] = KEY, key: str | None = None, **fields: Any) -> dict[str, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = PLAIN | {"occurredAt": occurred_at} | fields
    return record_outcome.handler(proxy_event("POST", authorizer=caller, body=body, headers=headers), None)


def post_batch(*items: Any, caller: dict[str, Any] = KEY) -> list[Any]:
    event = proxy_event("POST", authorizer=caller, body={"outcomes": [PLAIN | item for item in items]})
    results: list[Any] = json.loads(record_batch.handler(event, None)["body"])["results"]
    return results


def listed(**query: Any) -> list[Any]:
    event = proxy_event("GET", authorizer=session(42), query={"include": "ledger"} | query)
    outcomes: list[Any] = json.loads(list_outcomes.handler(event, None)["body"])["outcomes"]
    return outcomes


def refused(response: dict[str, Any]) -> tuple[int, str, list[str]]:
    body = json.loads(response["body"])
    return response["statusCode"], body["error"], [each["field"] for each in body.get("details", [])]


class TestTheFormat:
    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2026-03-31T09:30:00Z", "2026-03-31T09:30:00.000Z"),
            ("2026-03-31T09:30:00.5Z", "2026-03-31T09:30:00.500Z"),
            ("2026-03-31T09:30:00.123Z", "2026-03-31T09:30:00.123Z"),
            ("2026-03-31T09:30:00.1239999999999Z", "2026-03-31T09:30:00.123Z"),
            ("2026-03-31T23:59:59.9999+00:00", "2026-03-31T23:59:59.999Z"),
            ("2026-03-31T09:30:00+02:00", "2026-03-31T07:30:00.000Z"),
            ("2026-03-31T09:30:00-23:59", "2026-04-01T09:29:00.000Z"),
            ("2026-03-31T09:30:00-00:00", "2026-03-31T09:30:00.000Z"),
            ("2026-03-31t09:30:00z", "2026-03-31T09:30:00.000Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
            ("2017-01-01T08:59:60.123+09:00", "2016-12-31T23:59:59.999Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
        ],
    )
    def test_it_is_rfc_3339_to_the_millisecond(self, text: str, instant: str) -> None:
        assert post(text)["statusCode"] == 200
        assert [outcome["occurred_at"] for outcome in listed()] == [instant]

    @pytest.mark.parametrize(
        "text",
        [
            *("", "yesterday", "2026-03-31", "2026-W14-3T00:00:00Z", "20260331T093000Z", "٢026-03-31T09:30:00Z"),
            *(
                f"2026-03-31{time}"
                for time in ("T09:30:00", "T09:30Z", "T09Z", " 09:30:00Z", "T24:00:00Z", "T12:00:60Z")
            ),
            *(f"2026-03-31T09:30:00{end}" for end in (".Z", ",5Z", " Z", "Z\n", "Z" + "0" * 5000)),
            *(f"2026-03-31T09:30:00+{offset}" for offset in ("0200", "02", "24:00", "02:60", "02:00:00")),
            *(f"{date}T00:00:00Z" for date in ("2026-02-29", "2026-13-01", "0000-01-01", " 2026-03-31")),
            *(1775044800, True, {}, ["2026-03-31T09:30:00Z"]),
        ],
    )
    def test_another_format_is_refused(self, text: Any) -> None:
        response = post(text)
        assert refused(response) == (400, "Invalid occurredAt", ["occurredAt"])
        assert "such as 2026-04-01T12:00:00Z, or null" in response["body"]

    def test_by_default_it_is_the_time_of_recording(self) -> None:
        for body in ({}, {"occurredAt": None}):
            record_outcome.handler(proxy_event("POST", authorizer=KEY, body=PLAIN | body), None)
        assert [outcome["occurred_at"] for outcome in listed()] == [NOW, NOW]

    def test_its_fault_is_named_last(self) -> None:
        assert refused(post("x", metadata=[], title="")) == (400, "Invalid title", ["title", "metadata", "occurredAt"])
        assert refused(post("2000-01-01T00:00:00Z", session(42), metadata=[])) == (
            400,
            "Invalid metadata",
            ["metadata", "occurredAt"],
        )


BACKFILL = "2000-01-01T00:00:00.000Z"
FROM = {
    "the platform": (KEY, BACKFILL),
    "a session": (session(42), EARLIEST),
    "an agent's key": (agent(), EARLIEST),
    "an agent's key that may backfill": (agent("record backfill"), BACKFILL),
}


class TestTheWindow:
    @pytest.mark.parametrize("caller", FROM)
    def test_it_reaches_from_the_earliest_instant_to_five_minutes_ahead(self, caller: str) -> None:
        who, earliest = FROM[caller]
        for inside in (earliest, LATEST):
            assert post(inside, who)["statusCode"] == 200
        for outside in (
            *(later(earliest, milliseconds=-1), later(LATEST, milliseconds=1)),
            *("1969-12-31T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
        ):
            response = post(outside, who, happenedAt="x")
            assert refused(response) == (400, "Invalid occurredAt", ["occurredAt"])
            assert response["headers"]["Ignored-Fields"] == "happenedAt"
            assert f"must be from {earliest} to {LATEST}" in response["body"]
        assert len(listed()) == 2


class TestIdempotency:
    def test_a_retry_is_a_replay_when_the_window_has_moved_on(self, clock: Callable[[str], None]) -> None:
        first = post(EARLIEST, session(42), key="k")
        [batched] = post_batch({"occurredAt": EARLIEST, "idempotencyKey": "b"}, caller=session(42))
        # The idempotency key expires a second later.
        clock(later(NOW, days=35, seconds=-1))
        again = post(EARLIEST, session(42), key="k")
        assert (again["body"], again["headers"]["Idempotent-Replayed"]) == (first["body"], "true")
        assert post_batch({"occurredAt": EARLIEST, "idempotencyKey": "b"}, caller=session(42)) == [
            {"status": "replayed", "id": batched["id"]}
        ]
        assert refused(post(EARLIEST, session(42), key="k", title="Another"))[:2] == (422, "Idempotency key reused")
        assert len(listed()) == 2

    def test_a_retry_is_never_counted_twice_within_the_window(self, clock: Callable[[str], None]) -> None:
        """When an idempotency key expires, the `occurredAt` of its outcome is already too old to be accepted again."""
        post(NOW, session(42), key="k")
        clock(later(NOW, days=34))
        assert post(NOW, session(42), key="k")["headers"]["Idempotent-Replayed"] == "true"
        for days in (34.001, 36):
            clock(later(NOW, days=days))
            post(NOW, session(42), key="k")
        assert refused(post(NOW, session(42), key="k"))[:2] == (400, "Invalid occurredAt")
        assert len(listed()) == 1

    def test_the_items_of_a_batch_are_checked_in_their_order(self) -> None:
        early, fine_ = {"occurredAt": "1999-01-01T00:00:00Z"}, {"occurredAt": NOW}
        results = post_batch(
            early | {"idempotencyKey": "a"},
            fine_ | {"idempotencyKey": "a"},
            early | {"idempotencyKey": "a"},
            fine_ | {"idempotencyKey": "a"},
        )
        assert [result["status"] for result in results] == ["invalid", "created", "conflict", "replayed"]

    def test_only_keys_outside_of_the_window_are_looked_up(self) -> None:
        with faulty(record_outcome.store.dynamodb, {"BatchGetItem"}, fine) as calls:
            post(NOW, key="k")
            post(NOW, key="k")
            post("1999-01-01T00:00:00Z")
        assert calls == []
        with faulty(record_batch.ledger.store.dynamodb, {"BatchGetItem"}, fine) as calls:
            post_batch(*[{"occurredAt": "1999-01-01T00:00:00Z", "idempotencyKey": f"{n}"} for n in range(100)])
        assert calls == ["BatchGetItem"]

    @pytest.mark.usefixtures("no_waiting")
    def test_a_failing_look_up_neither_refuses_nor_records(self) -> None:
        with faulty(record_outcome.store.dynamodb, "BatchGetItem", error(THROTTLED)):
            assert post("1999-01-01T00:00:00Z", key="k")["statusCode"] >= 500
        with faulty(record_batch.ledger.store.dynamodb, "BatchGetItem", error("InternalServerError", status=500)):
            results = post_batch({"occurredAt": "1999-01-01T00:00:00Z", "idempotencyKey": "k"}, {})
        assert [result["status"] for result in results] == ["failed", "created"]

    def test_a_row_in_a_later_format_fails_its_outcome_only(self) -> None:
        post_batch(*[{"idempotencyKey": key} for key in "ab"])
        [row, _] = scan("IdempotencyTable")
        aws_client("dynamodb").put_item(TableName=record_batch.ledger.table, Item=row | {"format": {"N": "2"}})
        early = [{"occurredAt": "1999-01-01T00:00:00Z", "idempotencyKey": key} for key in "abc"]
        assert sorted(result["status"] for result in post_batch(*early)) == ["conflict", "failed", "invalid"]

    @pytest.mark.usefixtures("no_waiting")
    def test_unprocessed_look_ups_are_repeated_while_some_succeed(self) -> None:
        def leaves(count: int) -> Fault:
            def fault(request: Request, _send: Send) -> Reply:
                [(table, wanted)] = request.body["RequestItems"].items()
                left = wanted | {"Keys": wanted["Keys"][:count]}
                return answered(200, {"Responses": {}, "UnprocessedKeys": {table: left} if count else {}})

            return fault

        early = [{"occurredAt": "1999-01-01T00:00:00Z", "idempotencyKey": f"{number}"} for number in range(3)]
        with faulty(record_batch.ledger.store.dynamodb, "BatchGetItem", leaves(2), leaves(1), leaves(0)) as calls:
            assert [result["status"] for result in post_batch(*early)] == ["invalid"] * 3
        assert len(calls) == 3
        with faulty(record_batch.ledger.store.dynamodb, "BatchGetItem", leaves(2)) as calls:
            results = post_batch(*early)
        assert len(calls) == 2
        assert sorted((result["status"], result["error"]) for result in results) == [
            ("failed", "Busy"),
            ("failed", "Busy"),
            ("invalid", "Invalid occurredAt"),
        ]
