"""Test writes of outcomes: each is recorded once, whatever fails."""

import itertools
import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from outcomes.aws.connection import Reply
from outcomes.aws.services import CallFailed, ServiceError, TransactionCanceled, Unavailable
from outcomes.calendar import instants
from outcomes.contract.caller import Bounds, Caller
from outcomes.contract.models import NewOutcome
from outcomes.errors import Busy, Contended, IdempotencyKeyReused
from outcomes.ledger.idempotency_keys import REMEMBERED_SECONDS, idempotency_hash
from outcomes.ledger.idempotent_writes import IdempotentWriter, Recorded, WriteRequest
from outcomes.ledger.store import OutcomeStore

from tests.aws import aws_client, scan
from tests.faults import (
    DAMAGED,
    DENIED,
    THROTTLED,
    Fault,
    Request,
    Send,
    answered,
    cancelled,
    error,
    faulty,
    fine,
    html,
    lost,
    unreachable,
    vanished,
)

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def ledger(tables: dict[str, str]) -> IdempotentWriter:
    return IdempotentWriter(OutcomeStore(tables["OutcomesTable"]), tables["IdempotencyTable"])


@pytest.fixture
def store(ledger: IdempotentWriter) -> OutcomeStore:
    return ledger.store


def outcome(**fields: Any) -> NewOutcome:
    body = {"outcomeType": "deal_closed", "title": "Closed", "userId": Decimal(42)} | fields
    return NewOutcome.parse(body, session_user=None)


KEY = idempotency_hash(Caller(), outcome(), "order-1")
WRITES = {"BatchExecuteStatement", "TransactWriteItems"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"valueUsd": Decimal("1")}, {"valueUsd": Decimal("1.00")}),
        ({"valueUsd": Decimal("100")}, {"valueUsd": Decimal("1e2")}),
        ({"valueUsd": Decimal("0")}, {"valueUsd": Decimal("-0.0")}),
        ({"description": ""}, {"description": None}),
        ({"description": None}, {}),
        ({"metadata": {"a": Decimal(1), "b": Decimal(2)}}, {"metadata": {"b": Decimal("2.0"), "a": Decimal("1e0")}}),
        ({"metadata": {"n": Decimal("1e400")}}, {"metadata": {"n": Decimal("10e399")}}),
        ({"ignored": "a"}, {"ignored": "b"}),
    ],
)
def test_a_retry_in_another_notation_is_a_replay(ledger: IdempotentWriter, first: Any, second: Any) -> None:
    recorded = ledger.record(WriteRequest(outcome(**first), KEY, "key"))
    assert ledger.record(WriteRequest(outcome(**second), KEY, "key")) == Recorded(recorded.id, replayed=True)


@pytest.mark.parametrize(
    ("fields", "differing"),
    [
        ({"title": "closed"}, ["title"]),
        ({"outcomeType": "task_complete"}, ["outcomeType"]),
        ({"valueUsd": Decimal("0")}, ["valueUsd"]),
        ({"userId": None}, ["userId"]),
        ({"metadata": {"a": []}}, ["metadata"]),
        ({"metadata": {}}, ["metadata"]),
        ({"title": "x", "agentId": Decimal(7), "description": "d"}, ["agentId", "description", "title"]),
    ],
)
def test_the_same_key_for_another_outcome_is_refused_by_the_fields_that_differ(
    ledger: IdempotentWriter, fields: dict[str, Any], differing: list[str]
) -> None:
    ledger.record(WriteRequest(outcome(), KEY, "key"))
    with pytest.raises(IdempotencyKeyReused) as refused:
        ledger.record(WriteRequest(outcome(**fields), KEY, "key"))
    assert [detail["field"] for detail in refused.value.details] == differing
    assert len(scan()) == 1


def by_key(id_: str) -> Caller:
    return Caller(agent_key=Bounds(id_, 42, None, None, None, {"record"}))


def test_idempotency_keys_of_different_owners_do_not_collide(ledger: IdempotentWriter) -> None:
    user, agent = outcome(userId=Decimal(4)), outcome(userId=Decimal(42), agentId=Decimal(4))
    nobody, nobodys_agent = outcome(userId=None), outcome(userId=None, agentId=Decimal(42))
    hashes = {
        *(
            idempotency_hash(Caller(), of, key)
            for of in (user, agent, nobody, nobodys_agent)
            for key in ("k", "2\nk", "\nk")
        ),
        *(idempotency_hash(Caller(session), user, key) for session in (4, 42) for key in ("k", "2\nk")),
        # An agent key's id may consist of digits only. It then looks like a user id.
        *(
            idempotency_hash(by_key(id_), of, key)
            for id_ in ("4000000000000000", "4200000000000000")
            for of in (user, agent)
            for key in ("k", "2\nk")
        ),
        *(
            idempotency_hash(Caller(), outcome(userId=Decimal(4 * 10**15), agentId=id_), "k")
            for id_ in (None, Decimal(4))
        ),
    }
    assert len(hashes) == 26
    for hash_ in hashes:
        assert not ledger.record(WriteRequest(outcome(), hash_, "key")).replayed
    assert len(scan()) == len(hashes)


def test_a_key_is_forgotten_after_35_days_even_before_its_row_is_deleted(
    ledger: IdempotentWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = instants.now
    first = ledger.record(WriteRequest(outcome(), KEY, "key"))
    monkeypatch.setattr(instants, "now", lambda: now() + (REMEMBERED_SECONDS - 2) * 1000)
    assert ledger.record(WriteRequest(outcome(), KEY, "key")).replayed
    monkeypatch.setattr(instants, "now", lambda: now() + (REMEMBERED_SECONDS + 2) * 1000)
    again = ledger.record(WriteRequest(outcome(title="other"), KEY, "key"))
    assert again.id != first.id
    assert len(scan()) == 2
    [row] = scan("IdempotencyTable")
    assert row["created_at"]["S"].endswith(again.id)


CONFLICT = ("TransactionConflict", "None")

PASSING: dict[str, list[Fault]] = {
    "an answer lost after the write": [lost],
    "an answer lost twice": [lost, lost],
    "a connection refused": [unreachable, unreachable],
    "throttled as a whole": [error(THROTTLED)],
    "a broken server": [error("InternalServerError", status=500)],
    "a request lost": [vanished],
    "a broken proxy": [html(502), html(503)],
    **{f"an answer {how}": [fault, fault] for how, fault in DAMAGED.items()},
    "the same transaction still in progress": [error("TransactionInProgressException")],
    "a conflict on the outcome": [cancelled(*CONFLICT)],
    "a conflict on the key": [cancelled("None", "TransactionConflict")],
    "many conflicts": [cancelled(*CONFLICT)] * 5,
    "throttled within": [cancelled("ThrottlingError", "None")],
    "throttled within at the key": [cancelled("None", "ProvisionedThroughputExceeded")],
    "reasons missing": [cancelled(None)],
    "reasons incomplete": [cancelled("None")],
    "reasons that say nothing": [cancelled("None", "None")],
    "a condition failed without the item": [cancelled("None", "ConditionalCheckFailed")],
}


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING.keys())
def test_passing_trouble_makes_one_outcome(ledger: IdempotentWriter, trouble: list[Fault]) -> None:
    with faulty(ledger.store.dynamodb, "TransactWriteItems", *trouble, fine):
        recorded = ledger.record(WriteRequest(outcome(), KEY, "key"))
    assert not recorded.replayed
    assert ledger.record(WriteRequest(outcome(), KEY, "key")) == Recorded(recorded.id, replayed=True)
    assert len(scan()) == len(scan("IdempotencyTable")) == 1


LASTING: dict[str, tuple[Fault, type[Exception], int]] = {
    **{f"every answer {how}": (fault, Unavailable, 1) for how, fault in DAMAGED.items()},
    "every request lost": (vanished, Unavailable, 0),
    "every answer lost": (lost, Unavailable, 1),
    "nobody there": (unreachable, Unavailable, 0),
    "denied": (error(DENIED), ServiceError, 0),
    "throttled as a whole": (error(THROTTLED), Busy, 0),
    "conflict upon conflict": (cancelled(*CONFLICT), Contended, 0),
    "throttled within": (cancelled("ThrottlingError", "None"), Busy, 0),
    "refused by the service": (cancelled("ValidationError", "None"), TransactionCanceled, 0),
    "reasons missing": (cancelled(None), TransactionCanceled, 0),
}


@pytest.mark.parametrize(("trouble", "raised", "written"), LASTING.values(), ids=LASTING.keys())
def test_lasting_trouble_raises_and_a_retry_makes_one_outcome(
    ledger: IdempotentWriter, trouble: Fault, raised: type[Exception], written: int
) -> None:
    with faulty(ledger.store.dynamodb, "TransactWriteItems", trouble), pytest.raises(raised):
        ledger.record(WriteRequest(outcome(), KEY, "key"))
    assert len(scan()) == len(scan("IdempotencyTable")) == written
    assert ledger.record(WriteRequest(outcome(), KEY, "key")).replayed == bool(written)
    assert len(scan()) == len(scan("IdempotencyTable")) == 1


def entries(count: int, prefix: str | None = None) -> list[WriteRequest]:
    return [
        WriteRequest(
            outcome(title=f"{index}"),
            None if prefix is None else idempotency_hash(Caller(), outcome(), f"{prefix}{index}"),
            "key",
        )
        for index in range(count)
    ]


@pytest.mark.parametrize(
    ("plain", "keyed", "writes", "transactions"),
    [(1, 0, 1, 0), (25, 0, 1, 0), (26, 0, 2, 0), (100, 0, 4, 0), (0, 50, 0, 1), (0, 100, 0, 2), (40, 60, 2, 2)],
)
def test_a_batch_takes_few_calls(
    ledger: IdempotentWriter, plain: int, keyed: int, writes: int, transactions: int
) -> None:
    batch = entries(plain) + entries(keyed, "k")
    with faulty(ledger.store.dynamodb, WRITES, fine) as calls:
        results = ledger.record_all(batch)
    assert (calls.count("BatchExecuteStatement"), calls.count("TransactWriteItems")) == (writes, transactions)
    ids = [result.id for result in results if isinstance(result, Recorded) and not result.replayed]
    assert len(set(ids)) == plain + keyed == len(scan())


def test_a_replayed_entry_does_not_fail_the_others_of_its_batch(ledger: IdempotentWriter) -> None:
    batch = entries(10, "k")
    first, _ = ledger.record_all(batch[3:5])
    results = ledger.record_all([*batch[:4], WriteRequest(outcome(title="other"), batch[4].hash, "key"), *batch[5:]])
    assert isinstance(first, Recorded)
    assert results[3] == Recorded(first.id, replayed=True)
    assert isinstance(results[4], IdempotencyKeyReused)
    others = [result for index, result in enumerate(results) if index not in {3, 4}]
    assert all(isinstance(result, Recorded) and not result.replayed for result in others)
    assert len(scan()) == 10


def test_entries_of_one_key_in_a_batch_are_answered_in_order(ledger: IdempotentWriter) -> None:
    same, other = WriteRequest(outcome(), KEY, "key"), WriteRequest(outcome(title="other"), KEY, "key")
    first, second, third, fourth = ledger.record_all([same, other, same, WriteRequest(outcome(), None, "key")])
    assert isinstance(first, Recorded)
    assert not first.replayed
    assert isinstance(second, IdempotencyKeyReused)
    assert third == Recorded(first.id, replayed=True)
    assert isinstance(fourth, Recorded)
    assert len(scan()) == 2


def test_a_lasting_conflict_does_not_delay_the_other_entries(
    ledger: IdempotentWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()  # each read of the clock advances it by a second
    clock = SimpleNamespace(monotonic=lambda: next(ticks), sleep=lambda _seconds: None)
    monkeypatch.setattr("outcomes.aws.backoff.time", clock)

    def first_conflicts(request: Any, send: Any) -> Any:
        puts = request.body["TransactItems"]
        if puts[0]["Put"]["Item"]["title"] == {"S": "0"}:
            return cancelled("TransactionConflict", *["None"] * (len(puts) - 1))(request, send)
        return send()

    with faulty(ledger.store.dynamodb, "TransactWriteItems", first_conflicts):
        first, *others = ledger.record_all(entries(60, "k") + entries(1))
    assert isinstance(first, Contended)
    assert all(isinstance(result, Recorded) for result in others)


def leaving(count: int, code: str = "ThrottlingError") -> Fault:
    """Return a fault that stores all outcomes of a batch except the last `count`."""

    def fault(request: Request, _send: Send) -> Reply:
        statements = request.body["Statements"]
        taken = len(statements) - count
        if taken > 0:
            aws_client("dynamodb").batch_execute_statement(Statements=statements[:taken])
        responses: list[Any] = [{"TableName": "OutcomesTable"}] * max(taken, 0)
        left = {"TableName": "OutcomesTable", "Error": {"Code": code, "Message": code}}
        return answered(200, {"Responses": responses + [left] * (len(statements) - len(responses))})

    return fault


def test_unprocessed_statements_are_sent_again_while_some_succeed(ledger: IdempotentWriter) -> None:
    with faulty(ledger.store.dynamodb, "BatchExecuteStatement", leaving(5), leaving(2), fine) as calls:
        results = ledger.record_all(entries(7))
    assert len(calls) == 3
    assert all(isinstance(result, Recorded) for result in results)
    assert len(scan()) == 7


def test_statements_left_unprocessed_twice_are_busy(ledger: IdempotentWriter) -> None:
    with faulty(ledger.store.dynamodb, "BatchExecuteStatement", leaving(3)) as calls:
        *taken, one, two, three = ledger.record_all(entries(7))
    assert len(calls) == 2
    assert all(isinstance(result, Recorded) for result in taken)
    assert all(isinstance(result, Busy) for result in (one, two, three))
    assert len(scan()) == 4


def test_statements_left_unprocessed_at_the_deadline_time_out(
    ledger: IdempotentWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outcomes.aws.backoff.Backoff.wait", lambda backoff: setattr(backoff, "at", -1))
    with faulty(ledger.store.dynamodb, "BatchExecuteStatement", leaving(1)):
        first, last = ledger.record_all(entries(2))
    assert isinstance(first, Recorded)
    assert isinstance(last, TimeoutError)


def test_a_batch_stores_each_outcome_as_it_is_stored_alone(ledger: IdempotentWriter) -> None:
    full = outcome(
        description='it\'s "quoted" -- ?',
        valueUsd=Decimal("-123456789012345.123456789"),
        agentId=Decimal(7),
        metadata={"key'": ["'", Decimal("1.0")]},
        occurredAt="2026-01-01T00:00:00Z",
    )
    [batched] = ledger.record_all([WriteRequest(full, None, "key")])
    assert isinstance(batched, Recorded)
    alone = ledger.store.add(full, "key")
    of_batch, of_one = sorted(scan(), key=lambda item: item["created_at"]["S"].endswith(alone))
    assert of_batch == of_one | {name: of_batch[name] for name in ("created_at", "happened")}
    assert all(of_batch[name]["S"].endswith(batched.id) for name in ("created_at", "happened"))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("DuplicateItem", Recorded),
        ("ThrottlingError", Busy),
        ("ProvisionedThroughputExceeded", Busy),
        ("RequestLimitExceeded", Busy),
        # The outcome may already be stored: a conflict means that another transaction is writing the same outcome.
        ("TransactionConflict", CallFailed),
        ("InternalServerError", CallFailed),
        ("ValidationError", CallFailed),
        ("AccessDenied", CallFailed),
        ("Unheard", CallFailed),
    ],
)
def test_a_failed_statement_fails_its_outcome_only(ledger: IdempotentWriter, code: str, expected: Any) -> None:
    with faulty(ledger.store.dynamodb, "BatchExecuteStatement", leaving(1, code)):
        first, last = ledger.record_all(entries(2))
    assert isinstance(first, Recorded)
    assert isinstance(last, expected)


@pytest.mark.parametrize("code", ["ThrottlingError", "TransactionConflict", "InternalServerError"])
def test_a_statement_that_failed_once_is_retried(ledger: IdempotentWriter, code: str) -> None:
    with faulty(ledger.store.dynamodb, "BatchExecuteStatement", leaving(1, code), fine) as calls:
        results = ledger.record_all(entries(2))
    assert len(calls) == 2
    assert all(isinstance(result, Recorded) for result in results)
    assert len(scan()) == 2


THROTTLING = ["ThrottlingError", "ProvisionedThroughputExceeded"]


@pytest.mark.parametrize("codes", [(code, "None") for code in THROTTLING] + [("None", code) for code in THROTTLING])
def test_a_transaction_throttled_twice_is_busy(ledger: IdempotentWriter, codes: tuple[str, str]) -> None:
    with faulty(ledger.store.dynamodb, "TransactWriteItems", cancelled(*codes)) as calls, pytest.raises(Busy):
        ledger.record(WriteRequest(outcome(), KEY, "key"))
    assert len(calls) == 2
    assert scan() == scan("IdempotencyTable") == []


def test_a_hot_partition_does_not_delay_others_and_is_tried_twice(ledger: IdempotentWriter) -> None:
    """If a partition is throttled, DynamoDB reports ThrottlingError only for its first item in the transaction."""
    batch = [
        WriteRequest(outcome(userId=Decimal(user)), idempotency_hash(Caller(), outcome(), f"{user} {number}"), "key")
        for number in range(10)
        for user in (42, 43, 44)
    ]

    def hot(request: Request, send: Send) -> Reply:
        users = [put["Put"]["Item"]["user_id"]["S"] for put in request.body["TransactItems"]]
        if "43" not in users:
            return send()
        first = users.index("43")
        return cancelled(*("ThrottlingError" if place == first else "None" for place in range(len(users))))(
            request, send
        )

    with faulty(ledger.store.dynamodb, "TransactWriteItems", hot) as calls:
        results = ledger.record_all(batch)
    assert [isinstance(result, Busy) for result in results] == [False, True, False] * 10
    assert sum(isinstance(result, Recorded) for result in results) == len(scan()) == 20
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("operation", "trouble"),
    [
        ("TransactWriteItems", [vanished, error(THROTTLED)]),
        ("TransactWriteItems", [vanished, cancelled("ThrottlingError", "None")]),
        ("TransactWriteItems", [vanished, cancelled(*CONFLICT), error(THROTTLED)]),
        ("TransactWriteItems", [vanished, cancelled(*CONFLICT)]),
        ("BatchExecuteStatement", [vanished, error(THROTTLED)]),
        ("BatchExecuteStatement", [vanished, leaving(1)]),
        ("BatchExecuteStatement", [vanished, leaving(1), error(THROTTLED)]),
    ],
)
def test_an_attempt_that_may_have_landed_is_not_reported_as_refused(
    ledger: IdempotentWriter, operation: str, trouble: list[Fault]
) -> None:
    keyed = operation == "TransactWriteItems"
    with faulty(ledger.store.dynamodb, operation, *trouble):
        [result] = ledger.record_all(entries(1, "k" if keyed else None))
    assert isinstance(result, CallFailed)
    assert "after an attempt that may have taken effect" in str(result) or THROTTLED in str(result)


@pytest.mark.parametrize("trouble", [lost, unreachable, error(DENIED), error(THROTTLED)])
def test_a_failing_table_fails_each_item_of_a_batch(ledger: IdempotentWriter, trouble: Fault) -> None:
    with faulty(ledger.store.dynamodb, WRITES, trouble):
        results = ledger.record_all(entries(2) + entries(2, "k"))
    assert all(isinstance(result, ServiceError | Unavailable | Busy) for result in results)


def test_no_call_begins_after_the_deadline(ledger: IdempotentWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outcomes.aws.backoff.RETRY_SECONDS", -1.0)
    with faulty(ledger.store.dynamodb, WRITES, fine) as calls:
        results = ledger.record_all(entries(1) + entries(1, "k"))
    assert all(isinstance(result, TimeoutError) for result in results)
    assert calls == []


def test_a_conflict_at_the_deadline_is_reported_as_a_conflict(
    ledger: IdempotentWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_too_long(deadline: Any) -> bool:
        deadline.at = -1
        return True

    monkeypatch.setattr("outcomes.aws.backoff.Backoff.wait", wait_too_long)
    with faulty(ledger.store.dynamodb, "TransactWriteItems", cancelled(*CONFLICT)), pytest.raises(Contended):
        ledger.record(WriteRequest(outcome(), KEY, "key"))


def refusing(body: bytes) -> Fault:
    return lambda _request, _send: answered(400, body)


NO_OBJECTS = (b"[]", b'"no"', b"null")
STRANGE: dict[str, Fault] = {
    "half of an answer": lambda _request, _send: answered(200, b'{"UnprocessedIt'),
    "reasons that are no list": error("TransactionCanceledException", CancellationReasons="no"),
    "reasons that are no objects": error("TransactionCanceledException", CancellationReasons=["no", 1]),
    **{f"an error that is {body!r}": refusing(body) for body in NO_OBJECTS},
}


@pytest.mark.parametrize("trouble", STRANGE.values(), ids=STRANGE)
def test_a_strange_answer_fails_the_outcomes_of_its_call_only(ledger: IdempotentWriter, trouble: Fault) -> None:
    with faulty(ledger.store.dynamodb, "BatchExecuteStatement", trouble):
        plain, keyed = ledger.record_all(entries(1) + entries(1, "k"))
    assert isinstance(plain, Exception)
    assert isinstance(keyed, Recorded)
    with faulty(ledger.store.dynamodb, "TransactWriteItems", trouble):
        keyed, plain = ledger.record_all(entries(1, "j") + entries(1))
    assert isinstance(keyed, Exception)
    assert isinstance(plain, Recorded)


@pytest.mark.parametrize("answer", [{}, {"Responses": []}, {"Responses": [None]}, {"Responses": [{"Error": {}}]}])
def test_an_answer_without_a_result_is_a_failure(ledger: IdempotentWriter, answer: Any) -> None:
    with faulty(ledger.store.dynamodb, "BatchExecuteStatement", lambda _request, _send: answered(200, answer)):
        [result] = ledger.record_all(entries(1))
    assert isinstance(result, Exception)
    assert not isinstance(result, Busy)


@pytest.mark.parametrize("lacking", ["fingerprint", "user_id", "created_at"])
def test_an_unreadable_idempotency_row_fails_its_outcome_only(ledger: IdempotentWriter, lacking: str) -> None:
    first, second = entries(2, "k")
    ledger.record_all([first])
    [row] = scan("IdempotencyTable")
    del row[lacking]
    aws_client("dynamodb").put_item(TableName=ledger.table, Item=row)
    failed, recorded = ledger.record_all([first, second])
    assert isinstance(failed, Exception)
    assert not isinstance(failed, IdempotencyKeyReused)
    assert isinstance(recorded, Recorded)
    assert len(scan()) == 2


# ── Without an idempotency key ────────────────────────────────────────────────────────────────────────────────────────


def test_an_outcome_is_stored_with_these_attributes(store: OutcomeStore) -> None:
    id_ = store.add(
        outcome(description="d", valueUsd=Decimal("12.50"), agentId=Decimal(7), metadata={"k": [Decimal("1.0"), None]}),
        "key",
        milliseconds=NOON,
    )
    assert scan() == [
        {
            "user_id": {"S": "42"},
            "created_at": {"S": f"2026-04-01T12:00:00.000Z#{id_}"},
            "outcome_type": {"S": "deal_closed"},
            "title": {"S": "Closed"},
            "recorded_by": {"S": "key"},
            "description": {"S": "d"},
            "value_usd": {"N": "12.5"},
            "agent_id": {"N": "7"},
            "metadata": {"S": '{"k":[1.0,null]}'},
        }
    ]


def test_null_fields_are_absent_from_the_item(store: OutcomeStore) -> None:
    store.add(outcome(description=""), "key")
    [item] = scan()
    assert set(item) == {"user_id", "created_at", "outcome_type", "title", "recorded_by"}


def test_equal_instants_neither_collide_nor_overwrite(store: OutcomeStore) -> None:
    ids = {store.add(outcome(), "key", milliseconds=NOON) for _ in range(20)}
    assert len(ids) == len(scan()) == 20


def test_outcomes_of_no_user_spread_over_sixteen_partitions(store: OutcomeStore) -> None:
    for _ in range(60):
        store.add(outcome(userId=None), "key")
    partitions = {item["user_id"]["S"] for item in scan()}
    assert len(partitions) > 8  # by chance, this fails once in 10^14 runs
    assert all(re.fullmatch(r"unassigned#(\d|1[0-5])", partition) for partition in partitions)


@pytest.mark.parametrize(
    "trouble", [error(THROTTLED), error(DENIED), error("InternalServerError", status=500), unreachable]
)
def test_a_failure_raises_and_stores_nothing(store: OutcomeStore, trouble: Any) -> None:
    with faulty(store.dynamodb, "PutItem", trouble), pytest.raises((Busy, CallFailed)):
        store.add(outcome(), "key")
    assert scan() == []


def test_passing_trouble_is_retried_with_the_same_item(store: OutcomeStore) -> None:
    with faulty(store.dynamodb, "PutItem", error(THROTTLED), unreachable, fine) as calls:
        id_ = store.add(outcome(), "key")
    assert len(calls) == 3
    [item] = scan()
    assert item["created_at"]["S"].endswith(id_)


@pytest.mark.parametrize(
    "attempts", [[lost], [lost, lost], [vanished, lost], [error("InternalServerError", status=500)]]
)
def test_an_outcome_that_an_earlier_attempt_stored_is_recorded(store: OutcomeStore, attempts: Any) -> None:
    with faulty(store.dynamodb, "PutItem", *attempts, fine):
        id_ = store.add(outcome(), "key")
    [item] = scan()
    assert item["created_at"]["S"].endswith(id_)
