"""Whatever fails: nothing that was acknowledged is lost, nothing is doubled, and what was Busy was not stored."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from outcomes.aws.connection import Reply
from outcomes.aws.services import DynamoDB
from outcomes.contract import json_text
from outcomes.ledger.store import LIMITS

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from functions.summarize_outcomes import app as summarize_outcomes
from tests.conftest import template_tables
from tests.events import proxy_event, session
from tests.faults import (
    DAMAGED,
    DENIED,
    THROTTLED,
    Fault,
    Request,
    Send,
    cancelled,
    damaged,
    error,
    faulty,
    fine,
    html,
    lost,
    unreachable,
    vanished,
)

USER = session(42)
KEYS = ["a", "b", "c"]
VALUES = ["0", "1", "2.5", "-4"]
STORES = [app.store for app in (record_outcome, list_outcomes, summarize_outcomes)] + [record_batch.ledger.store]
EVERY_CALL = {"PutItem", "TransactWriteItems", "BatchExecuteStatement", "Query"}


def cancels(code: str) -> Fault:
    """Cancel a transaction because of its first outcome, and throttle any other call."""

    def fault(request: Request, send: Send) -> Reply:
        if request.operation != "TransactWriteItems":
            return error(THROTTLED)(request, send)
        others = ["None"] * (len(request.body["TransactItems"]) - 1)
        return cancelled(code, *others)(request, send)

    return fault


FAULTS: dict[str, Fault] = {
    "fine": fine,
    "lost": lost,
    "vanished": vanished,
    "unreachable": unreachable,
    "throttled": error(THROTTLED),
    "denied": error(DENIED),
    "broken": error("InternalServerError", status=500),
    "in progress": error("TransactionInProgressException"),
    "proxy": html(502),
    "conflict": cancels("TransactionConflict"),
    "throttled within": cancels("ThrottlingError"),
    **DAMAGED,
    "a digit off": damaged(lambda body: body.replace(b'"N": "', b'"N": "7')),
}
# Most often what is hard to tell apart: nothing stored, stored, and not known.
TROUBLE = st.lists(
    st.sampled_from(sorted(FAULTS)) | st.sampled_from(["conflict", "lost", "throttled", "throttled within"]), max_size=5
)


@pytest.mark.usefixtures("no_waiting")
def test_nothing_is_lost_or_doubled(template: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()  # a second with each look at the clock, whatever the machine is busy with
    attempts = SimpleNamespace(monotonic=lambda: next(ticks), sleep=lambda _seconds: None)
    monkeypatch.setattr("outcomes.aws.backoff.time", attempts)  # and not of whoever adds up

    class AnyFault(RuleBasedStateMachine):
        """A user's feed, beside a model of what it should hold, which goes by the answers alone."""

        def __init__(self) -> None:
            super().__init__()
            self.aws = ExitStack()
            self.aws.enter_context(template_tables(template))
            for store in STORES:
                store.dynamodb = DynamoDB(LIMITS)  # whose quota of attempts is whole
            self.values: dict[str, Decimal] = {}  # id to value
            self.ids: dict[str, str] = {}  # key to id

        def teardown(self) -> None:
            self.aws.close()

        @rule(value=st.sampled_from(VALUES), key=st.none() | st.sampled_from(KEYS), trouble=TROUBLE)
        def record(self, value: str, key: str | None, trouble: list[str]) -> None:
            with meeting(trouble):
                status, answer, headers = post(record_outcome, outcome(value), key)
            new = feed().keys() - self.values.keys()
            if status == 200 and "Idempotent-Replayed" not in headers:
                assert new == {headers["Outcome-Id"]}
            elif status == 500:  # it cannot be known
                assert len(new) <= 1
            else:
                assert new == set()
                if status == 200:
                    assert key is not None
                    assert headers["Outcome-Id"] == self.ids[key]
                else:
                    assert (status, answer["error"]) in {
                        (409, "Conflict"),
                        (422, "Idempotency key reused"),
                        (503, "Busy"),
                    }
            for id_ in new:
                self.stored(id_, value, key)

        @rule(
            items=st.lists(
                st.tuples(st.none() | st.sampled_from(KEYS), st.sampled_from(VALUES)), min_size=1, max_size=6
            ),
            trouble=TROUBLE,
        )
        def batch(self, items: list[tuple[str | None, str]], trouble: list[str]) -> None:
            sent = ",".join(outcome(value)[:-1] + f',"idempotencyKey":{json.dumps(key)}}}' for key, value in items)
            with meeting(trouble):
                status, answer, _ = post(record_batch, f'{{"outcomes":[{sent}]}}')
            assert status == 200
            new = feed().keys() - self.values.keys()
            unknown: list[tuple[str | None, str]] = []
            for (key, value), result in zip(items, answer["results"], strict=True):
                match result["status"]:
                    case "created":
                        new.remove(result["id"])
                        self.stored(result["id"], value, key)
                    case "replayed":
                        assert key is not None
                        assert (result["id"], number(value)) == (self.ids[key], self.values[self.ids[key]])
                    case "conflict":
                        assert key is not None
                        assert self.values[self.ids[key]] != number(value)
                    case "failed":
                        assert result["retryable"]
                        if result["error"] != "Busy":
                            unknown.append((key, value))
            # What failed may have been stored: with a key, asking again tells.
            for key, value in unknown:
                if key is not None and key not in self.ids:
                    status, _, headers = post(record_outcome, outcome(value), key)
                    assert status == 200
                    assert ("Idempotent-Replayed" in headers) == (headers["Outcome-Id"] in new)
                    new.discard(headers["Outcome-Id"])
                    self.stored(headers["Outcome-Id"], value, key)
            found = feed()
            doubtful = Counter(number(value) for key, value in unknown if key is None)
            assert Counter(found[id_] for id_ in new) <= doubtful
            self.values |= {id_: found[id_] for id_ in new}

        @rule(trouble=TROUBLE)
        def read(self, trouble: list[str]) -> None:
            for app in list_outcomes, summarize_outcomes:
                with meeting(trouble):
                    response = app.handler(proxy_event("GET", authorizer=USER, query={"limit": "50"}), None)
                answer = json_text.read(response["body"])
                match response["statusCode"]:
                    case 503:
                        assert answer == {"error": "Busy"}
                    case 500:
                        assert answer["error"].startswith("Failed to ")
                    case 200 if app is list_outcomes:
                        found = {outcome["id"]: outcome["value_usd"] for outcome in answer["outcomes"]}
                        assert found == {id_: self.values[id_] for id_ in sorted(self.values, reverse=True)[:50]}
                    case 200:
                        assert (answer["count"], answer["value_usd"]) == (len(self.values), sum(self.values.values()))

        @invariant()
        def the_feed_holds_what_was_recorded(self) -> None:
            assert feed() == self.values

        def stored(self, id_: str, value: str, key: str | None) -> None:
            self.values[id_] = number(value)
            if key is not None:
                assert self.ids.setdefault(key, id_) == id_

    run_state_machine_as_test(AnyFault, settings=settings(max_examples=15, stateful_step_count=12, deadline=None))


@contextmanager
def meeting(trouble: list[str]) -> Iterator[None]:
    """Let the attempts of all calls meet this trouble, each in turn, and then none."""
    with ExitStack() as stack:
        for store in STORES:
            stack.enter_context(faulty(store.dynamodb, EVERY_CALL, *(FAULTS[name] for name in trouble), fine))
        yield


def outcome(value: str) -> str:
    return f'{{"outcomeType":"deal_closed","title":"Closed","valueUsd":{value}}}'


def number(value: str) -> Decimal:
    return Decimal(value)


def post(function: Any, body: str, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
    headers = {} if key is None else {"Idempotency-Key": key}
    response = function.handler(proxy_event("POST", authorizer=USER, body=body, headers=headers), None)
    return response["statusCode"], json_text.read(response["body"]), response["headers"]


def feed() -> dict[str, Decimal]:
    """Read all outcomes, page by page, as id to value."""
    values: dict[str, Decimal] = {}
    query: dict[str, Any] = {"limit": "50"}
    while query.get("cursor", "") is not None:
        page = json_text.read(list_outcomes.handler(proxy_event("GET", authorizer=USER, query=query), None)["body"])
        values |= {outcome["id"]: outcome["value_usd"] for outcome in page["outcomes"]}
        query["cursor"] = page["next_cursor"]
    return values
