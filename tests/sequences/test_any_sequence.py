"""Any sequence of record, batch, retry, list and page keeps count and sum."""

import json
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from outcomes.aws.services import DynamoDB
from outcomes.contract import json_text
from outcomes.ledger.store import LIMITS

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.conftest import template_tables
from tests.events import proxy_event, session
from tests.faults import Fault, cancelled, faulty, fine, lost, unreachable

USER = session(42)
KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from([None, "0", "1", "2.5", "-4", "0.1"])
CONFLICT = cancelled("TransactionConflict", "None")
TROUBLE: st.SearchStrategy[list[Fault]] = st.sampled_from(
    [[fine], [lost, fine], [lost, lost, fine], [unreachable, fine], [CONFLICT, fine], [lost]]
)


@pytest.mark.usefixtures("no_waiting")
def test_any_sequence_keeps_count_and_sum(template: Any) -> None:
    class AnySequence(RuleBasedStateMachine):
        """The feed of a user, beside a model of what it should hold."""

        def __init__(self) -> None:
            super().__init__()
            self.aws = ExitStack()
            self.aws.enter_context(template_tables(template))
            # A caller stops to try again when it has done so too often; each sequence begins anew.
            record_outcome.store.dynamodb = DynamoDB(LIMITS)
            self.values: dict[str, Any] = {}  # id to value
            self.ids: dict[str, str] = {}  # key to id

        def teardown(self) -> None:
            self.aws.close()

        @rule(value=VALUES)
        def record(self, value: str | None) -> None:
            response = post(record_outcome, outcome(value))
            self.values[response["headers"]["Outcome-Id"]] = number(value)

        @rule(key=KEYS, value=VALUES, trouble=TROUBLE)
        def record_once(self, key: str, value: str | None, trouble: list[Fault]) -> None:
            with faulty(record_outcome.store.dynamodb, "TransactWriteItems", *trouble):
                response = post(record_outcome, outcome(value), {"Idempotency-Key": key})
            headers = response["headers"]
            if key in self.ids:
                same = self.values[self.ids[key]] == number(value)
                assert response["statusCode"] == (500 if trouble == [lost] else 200 if same else 422)
                assert headers.get("Outcome-Id", self.ids[key]) == self.ids[key]
            elif response["statusCode"] == 500:
                # Every answer was lost, and the first call took effect all the same.
                assert trouble == [lost]
                [self.ids[key]] = set(feed()) - set(self.values)
                self.values[self.ids[key]] = number(value)
            else:
                assert response["statusCode"] == 200
                assert "Idempotent-Replayed" not in headers
                self.ids[key] = headers["Outcome-Id"]
                self.values[self.ids[key]] = number(value)

        @rule(items=st.lists(st.tuples(KEYS | st.none(), VALUES), min_size=1, max_size=8))
        def batch(self, items: list[tuple[str | None, str | None]]) -> None:
            sent = ",".join(outcome(value)[:-1] + f',"idempotencyKey":{json.dumps(key)}}}' for key, value in items)
            response = post(record_batch, f'{{"outcomes":[{sent}]}}')
            for (key, value), result in zip(items, json.loads(response["body"])["results"], strict=True):
                if key in self.ids:
                    known = self.ids[key]
                    same = self.values[known] == number(value)
                    assert (result["status"], result.get("id")) == (("replayed", known) if same else ("conflict", None))
                else:
                    assert result["status"] == "created"
                    self.values[result["id"]] = number(value)
                    if key is not None:
                        self.ids[key] = result["id"]

        @rule(limit=st.integers(1, 50))
        def page(self, limit: int) -> None:
            assert feed(limit) == self.values

        @invariant()
        def count_and_sum_are_right(self) -> None:
            assert feed() == self.values

    run_state_machine_as_test(AnySequence, settings=settings(max_examples=25, stateful_step_count=20, deadline=None))


def outcome(value: str | None) -> str:
    return f'{{"outcomeType":"deal_closed","title":"Closed","valueUsd":{value or "null"}}}'


def number(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def post(function: Any, body: str, headers: dict[str, str] | None = None) -> Any:
    return function.handler(proxy_event("POST", authorizer=USER, body=body, headers=headers), None)


def feed(limit: int = 50) -> dict[str, Decimal | None]:
    """Read all outcomes, page by page, as id to value."""
    values: dict[str, Decimal | None] = {}
    query: dict[str, Any] = {"limit": str(limit)}
    while query.get("cursor", "") is not None:
        response = list_outcomes.handler(proxy_event("GET", authorizer=USER, query=query), None)
        page = json_text.read(response["body"])
        assert not values.keys() & {outcome["id"] for outcome in page["outcomes"]}
        values |= {outcome["id"]: outcome["value_usd"] for outcome in page["outcomes"]}
        query["cursor"] = page["next_cursor"]
    return values
