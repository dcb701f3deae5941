"""A host whose clock is wrong uses DynamoDB's time from its first call on."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from outcomes.aws.connection import Connection, Reply
from outcomes.calendar import instants
from outcomes.ledger import ulid
from outcomes.totals.summary import Summary

from functions.correct_outcome import app as correct_outcome
from functions.manage_keys import app as manage_keys
from functions.mcp import app as mcp
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.aws import scan
from tests.corrections import BODIES, correct, correct_many, given
from tests.events import KEY, agent, proxy_event, session
from tests.faults import THROTTLED, Fault, cancelled, error, faulty, fine, vanished

HOUR, DAY = 60 * 60, 24 * 60 * 60
OUTCOME = {"outcomeType": "deal_closed", "title": "Closed", "userId": 42}
EARLY = OUTCOME | {"occurredAt": "1999-01-01T00:00:00Z"}
KEYED = {"outcome_type": "deal_closed", "title": "Closed", "idempotency_key": "k"}

type SetClock = Callable[[float], None]


@pytest.fixture(autouse=True)
def set_clock(tables: dict[str, str], no_waiting: None, monkeypatch: pytest.MonkeyPatch) -> SetClock:  # noqa: ARG001
    """Let DynamoDB check the age of each signature. Return a function that sets how far the host's clock is ahead."""
    clock, post = time.time_ns, Connection.post

    def judged(connection: Connection, headers: Any, body: bytes, until: float) -> Reply:
        now = datetime.fromtimestamp(clock() / 10**9, UTC)
        signed = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%S%z")
        if abs(now - signed) > timedelta(minutes=5):
            date = {"date": format_datetime(now, usegmt=True)}
            return Reply(400, date, b'{"__type":"com.amazon.coral.service#InvalidSignatureException"}')
        return post(connection, headers, body, until)

    def set_(seconds: float) -> None:
        monkeypatch.setattr(instants, "_correction", 0)
        monkeypatch.setattr(time, "time_ns", lambda: clock() + round(seconds * 10**9))
        monkeypatch.setattr(time, "time", lambda: time.time_ns() / 10**9)

    monkeypatch.setattr(Connection, "post", judged)
    set_(0)
    return set_


def is_now(text: str) -> bool:
    return abs(datetime.now(UTC) - datetime.fromisoformat(text)) < timedelta(minutes=1)


def record(body: Any = OUTCOME, key: str | None = None) -> tuple[int, dict[str, str]]:
    headers = {} if key is None else {"Idempotency-Key": key}
    response = record_outcome.handler(proxy_event("POST", authorizer=KEY, body=body, headers=headers), None)
    return response["statusCode"], response["headers"]


def record_many(*items: dict[str, Any]) -> list[str]:
    response = record_batch.handler(proxy_event("POST", authorizer=KEY, body={"outcomes": list(items)}), None)
    return [each["status"] for each in json.loads(response["body"])["results"]]


def call_tool(name: str, arguments: dict[str, Any]) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    response = mcp.handler(proxy_event("POST", "/mcp", authorizer=agent("record read"), body=message), None)
    return json.loads(response["body"])["result"]


RECORDING: dict[str, tuple[Callable[[], Any], int]] = {
    "one": (record, 1),
    "one with a key": (lambda: record(key="k"), 1),
    "a batch": (lambda: record_many(*[OUTCOME] * 30), 30),
    "a batch with keys": (lambda: record_many(*(OUTCOME | {"idempotencyKey": f"{n}"} for n in range(60))), 60),
    "a batch of both": (lambda: record_many(OUTCOME, OUTCOME | {"idempotencyKey": "k"}, OUTCOME), 3),
    "a batch that looks for a key first": (lambda: record_many(EARLY | {"idempotencyKey": "e"}, OUTCOME), 1),
    "a tool": (lambda: call_tool("record_outcome", KEYED), 1),
    "a tool, several": (
        lambda: call_tool("record_outcomes", {"outcomes": [KEYED, KEYED | {"idempotency_key": "l"}]}),
        2,
    ),
}


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, 36 * DAY, -36 * DAY])
@pytest.mark.parametrize(("recording", "count"), RECORDING.values(), ids=RECORDING.keys())
def test_the_first_recording_has_the_right_time_and_happens_once(
    set_clock: SetClock, recording: Callable[[], Any], count: int, wrong: float
) -> None:
    set_clock(wrong)
    recording()
    created = [row["created_at"]["S"].partition("#") for row in scan()]
    assert len(created) == count
    for instant, _, id_ in created:
        assert is_now(instant)
        assert instants.text(ulid.milliseconds(id_)) == instant
    for row in scan("IdempotencyTable"):
        assert is_now(instants.text((int(row["expires_at"]["N"]) - 35 * DAY) * 1000))


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
def test_the_first_corrections_have_the_right_time_and_are_made_once(set_clock: SetClock, wrong: float) -> None:
    ids = [given(), given()]
    set_clock(wrong)
    answer = correct_many(KEY, *({"id": each, "type": "void", "reason": "Twice"} for each in ids))
    assert (answer["corrected"], answer["failed"]) == (2, 0)
    entries = [row["created_at"]["S"][1:].partition("#")[0] for row in scan() if row["created_at"]["S"][0] == "~"]
    assert [is_now(instant) for instant in entries] == [True] * 2


@pytest.mark.parametrize("wrong", [36 * DAY, HOUR, -HOUR])
def test_an_idempotency_key_is_remembered_by_the_right_clock(set_clock: SetClock, wrong: float) -> None:
    _, first = record(key="k")
    set_clock(wrong)
    status, again = record(key="k")
    assert (status, again["Outcome-Id"], again["Idempotent-Replayed"]) == (200, first["Outcome-Id"], "true")
    assert record_many(OUTCOME | {"idempotencyKey": "k"}) == ["replayed"]
    assert len(scan()) == 1


def test_an_idempotency_key_is_looked_up_by_the_right_clock(set_clock: SetClock) -> None:
    """The host's clock is 36 days ahead, so `occurredAt` seems too old.

    A retry must still be a replay, so the idempotency key is looked up before `occurredAt` is checked.
    """
    late = OUTCOME | {"occurredAt": (datetime.now(UTC) - timedelta(days=33)).isoformat()}
    assert record(late, key="k")[0] == 200
    set_clock(36 * DAY)
    status, headers = record(late, key="k")
    assert (status, headers["Idempotent-Replayed"]) == (200, "true")


def test_occurred_at_is_checked_by_the_right_clock(set_clock: SetClock) -> None:
    set_clock(HOUR)
    in_half_an_hour = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    assert record(OUTCOME | {"occurredAt": in_half_an_hour})[0] == 400
    assert scan() == []


@pytest.mark.parametrize("skew", [-280, 280])
def test_a_clock_that_dynamodb_accepts_is_not_corrected(set_clock: SetClock, skew: float) -> None:
    set_clock(skew)
    status, _ = record()
    [row] = scan()
    assert status == 200
    written = datetime.fromisoformat(row["created_at"]["S"].partition("#")[0])
    assert abs(written - datetime.now(UTC) - timedelta(seconds=skew)) < timedelta(seconds=30)


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
@pytest.mark.parametrize(
    ("app", "recording", "operation"),
    [
        (record_outcome, record, "PutItem"),
        (record_outcome, lambda: record(key="k"), "TransactWriteItems"),
        (record_batch, lambda: record_many(*[OUTCOME] * 2), "BatchExecuteStatement"),
        (record_batch, lambda: record_many(*[OUTCOME | {"idempotencyKey": "k"}] * 2), "TransactWriteItems"),
    ],
)
@pytest.mark.parametrize("before", [vanished, error("InternalServerError", status=500)])
def test_nothing_is_repeated_after_an_attempt_that_may_have_landed(
    set_clock: SetClock, app: Any, recording: Callable[[], Any], operation: str, before: Fault, wrong: float
) -> None:
    set_clock(wrong)
    with faulty(app.ledger.store.dynamodb, operation, before, fine):
        answer = recording()
    assert answer in [["failed", "failed"]] or answer[0] == 500
    assert scan() == []


def test_nothing_is_repeated_where_some_of_a_batch_is_stored(set_clock: SetClock) -> None:
    """The host's clock becomes wrong while a batch is being recorded."""

    def meanwhile(_request: Any, send: Any) -> Reply:
        reply: Reply = send()
        set_clock(HOUR)
        return reply

    with faulty(record_batch.ledger.store.dynamodb, "BatchExecuteStatement", meanwhile, fine):
        statuses = record_many(*[OUTCOME] * 30)
    assert statuses == ["created"] * 25 + ["failed"] * 5
    assert len(scan()) == 25


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, 36 * DAY])
def test_a_correction_is_of_the_right_time_whenever_the_clock_is_found_to_be_wrong(
    set_clock: SetClock, wrong: float
) -> None:
    def meanwhile(_request: Any, send: Any) -> Reply:
        reply: Reply = send()
        set_clock(wrong)
        return reply

    dynamodb = correct_outcome.corrections.store.dynamodb
    for found in (fine, meanwhile):  # the wrong clock is noticed by the first call, or only by the call that writes
        set_clock(0)
        id_ = record()[1]["Outcome-Id"]
        if found is fine:
            set_clock(wrong)
        with faulty(dynamodb, "BatchGetItem", found, fine):
            assert correct(id_, KEY, BODIES["void"], key="k")[0] == 200
    entries = [row["created_at"]["S"].removeprefix("~").partition("#")[0] for row in scan() if "outcome" in row]
    assert len(entries) == 2
    assert all(map(is_now, entries))


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
def test_an_agent_key_is_made_and_rotated_by_the_right_clock(set_clock: SetClock, wrong: float) -> None:
    set_clock(wrong)
    made = manage_keys.handler(proxy_event("POST", "/api/keys", authorizer=session(42), body={"name": "a"}), None)
    assert made["statusCode"] == 200
    id_ = json.loads(made["body"])["id"]
    [key] = [row for row in scan("KeysTable") if row["id"]["S"] == id_]
    assert is_now(key["created_at"]["S"])
    set_clock(wrong)
    rotated = proxy_event(
        "POST", "/api/keys/{id}/rotate", authorizer=session(42), body={"overlapHours": 1}, parameters={"id": id_}
    )
    assert manage_keys.handler(rotated, None)["statusCode"] == 200
    [key] = [row for row in scan("KeysTable") if row["id"]["S"] == id_]
    until = datetime.fromisoformat(key["previous_until"]["S"]) - timedelta(hours=1)
    assert abs(datetime.now(UTC) - until) < timedelta(minutes=1)


def test_a_wrong_clock_found_late_is_a_500_without_a_retry(
    set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outcomes.edge.api.AGAIN_SECONDS", -1)
    set_clock(HOUR)
    assert record()[0] == 500
    assert scan() == []
    assert record()[0] == 200
    [row] = scan()
    assert is_now(row["created_at"]["S"].partition("#")[0])


def test_throttling_after_a_wrong_clock_is_a_503(set_clock: SetClock) -> None:
    set_clock(HOUR)
    with faulty(record_outcome.store.dynamodb, "PutItem", fine, error(THROTTLED)):
        assert record()[0] == 503
    with faulty(record_outcome.store.dynamodb, "TransactWriteItems", cancelled("None", "TransactionConflict"), fine):
        assert record(key="k")[0] == 200


def test_a_summary_ends_with_the_present_day_by_the_right_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instants, "_correction", -36 * DAY * 1000)
    summary, _ = Summary.from_query(lambda _: None, lambda _: [])
    assert summary.period.until - DAY * 1000 <= instants.now() < summary.period.until
