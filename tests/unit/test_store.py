"""Test storing outcomes in the template's OutcomesTable."""

import re
from decimal import Decimal
from typing import Any

import pytest
from outcomes.aws.services import CallFailed
from outcomes.contract.models import NewOutcome
from outcomes.errors import Busy
from outcomes.ledger.store import OutcomeStore

from tests.aws import scan
from tests.faults import DENIED, THROTTLED, error, faulty, fine, lost, unreachable, vanished

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z


@pytest.fixture
def store(tables: dict[str, str]) -> OutcomeStore:
    return OutcomeStore(tables["OutcomesTable"])


def outcome(**fields: Any) -> NewOutcome:
    return NewOutcome.parse(
        {"outcomeType": "deal_closed", "title": "Closed", "userId": Decimal(42)} | fields, session_user=None
    )


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


def test_the_newest_come_first_and_only_of_that_user(store: OutcomeStore) -> None:
    ids = [store.add(outcome(), "key", milliseconds=NOON + second * 1000) for second in range(5)]
    store.add(outcome(userId=Decimal(4)), "key")
    store.add(outcome(userId=Decimal(421)), "key")
    assert [line[7:33] for line in store.page(42, 3).outcomes] == ids[:1:-1]


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    "trouble", [error(THROTTLED), error(DENIED), error("InternalServerError", status=500), unreachable]
)
def test_a_failure_raises_and_stores_nothing(store: OutcomeStore, trouble: Any) -> None:
    with faulty(store.dynamodb, "PutItem", trouble), pytest.raises((Busy, CallFailed)):
        store.add(outcome(), "key")
    assert scan() == []


@pytest.mark.usefixtures("no_waiting")
def test_passing_trouble_is_retried_with_the_same_item(store: OutcomeStore) -> None:
    with faulty(store.dynamodb, "PutItem", error(THROTTLED), unreachable, fine) as calls:
        id_ = store.add(outcome(), "key")
    assert len(calls) == 3
    [item] = scan()
    assert item["created_at"]["S"].endswith(id_)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    "attempts", [[lost], [lost, lost], [vanished, lost], [error("InternalServerError", status=500)]]
)
def test_an_outcome_that_an_earlier_attempt_stored_is_recorded(store: OutcomeStore, attempts: Any) -> None:
    with faulty(store.dynamodb, "PutItem", *attempts, fine):
        id_ = store.add(outcome(), "key")
    [item] = scan()
    assert item["created_at"]["S"].endswith(id_)
