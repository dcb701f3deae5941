"""Recording with any faults: acknowledged outcomes are never lost or doubled, and a Busy call stores nothing."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from outcomes.aws.connection import Reply
from outcomes.aws.services import DynamoDB
from outcomes.contract import json_text
from outcomes.ledger.store import LIMITS

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from functions.summarize_outcomes import app as summarize_outcomes
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
from tests.sequences.machine import OnTables, run

USER = session(42)
STORES = [app.store for app in (record_outcome, list_outcomes, summarize_outcomes)] + [record_batch.ledger.store]
EVERY_CALL = {"PutItem", "TransactWriteItems", "BatchExecuteStatement", "Query"}

type Value = Decimal | None


def cancels(code: str) -> Fault:
    """Return a fault that cancels a transaction because of its first action, and throttles other calls."""

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
# Draw mostly the faults that are hard to distinguish.
TROUBLES = st.sampled_from([*FAULTS, *("conflict", "lost", "throttled", "throttled within", "a digit off") * 4])
PASSING: list[list[str]] = [[], ["fine"], ["conflict"], ["lost"], ["lost", "lost"], ["unreachable"]]
"""Faults that retries overcome: the answer tells the result."""
TROUBLE = (
    st.sampled_from(PASSING)
    | st.lists(TROUBLES, max_size=5)
    | st.builds(lambda name, times: [name] * times, TROUBLES, st.integers(2, 5))
)
KEYS = st.none() | st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from([None, *map(Decimal, ("0", "1", "2.5", "-4", "0.1"))])


class Said(NamedTuple):
    """The result of recording: `created`, `replayed`, `conflict`, `busy` (nothing stored) or `unknown`."""

    status: str
    id: str | None = None


class Feed:
    """A model of a user's feed: values by outcome id, and outcome ids by idempotency key."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.ids: dict[str, str] = {}

    def expected(self, key: str | None, value: Value) -> Said:
        """Return the expected result without faults. It has no id for a new outcome."""
        if key is None or key not in self.ids:
            return Said("created")
        id_ = self.ids[key]
        return Said("replayed", id_) if self.values[id_] == value else Said("conflict")

    def stored(self, id_: str, value: Value, key: str | None) -> None:
        self.values[id_] = value
        if key is not None:
            assert self.ids.setdefault(key, id_) == id_


class AnyFault(OnTables):
    """Records into a user's feed through the API, and compares it with the model."""

    def __init__(self) -> None:
        super().__init__()
        for store in STORES:
            store.dynamodb = DynamoDB(LIMITS)  # a new client has a full retry quota
        self.model = Feed()

    @rule(value=VALUES, key=KEYS, trouble=TROUBLE)
    def record(self, value: Value, key: str | None, trouble: list[str]) -> None:
        with meeting(trouble):
            said = recorded(value, key)
        self.check(said, value, key, trouble)
        self.find_out([(key, value)] if said.status == "unknown" else [])

    @rule(items=st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=8), trouble=TROUBLE)
    def batch(self, items: list[tuple[str | None, Value]], trouble: list[str]) -> None:
        with meeting(trouble):
            results = recorded_all(items)
        for said, (key, value) in zip(results, items, strict=True):
            self.check(said, value, key, trouble)
        self.find_out([each for said, each in zip(results, items, strict=True) if said.status == "unknown"])

    def check(self, said: Said, value: Value, key: str | None, trouble: list[str]) -> None:
        if said.status in {"busy", "unknown"}:
            assert trouble not in PASSING
            return
        expected = self.model.expected(key, value)
        assert said == (expected._replace(id=said.id) if expected.status == "created" else expected)
        if said.status == "created":
            self.model.stored(str(said.id), value, key)

    def find_out(self, unknown: list[tuple[str | None, Value]]) -> None:
        """Find out which of these outcomes were stored, by a retry if they have a key. Nothing else may be stored."""
        new = feed().keys() - self.model.values.keys()
        for key, value in unknown:
            if key is not None and key not in self.model.ids:
                status, id_ = recorded(value, key)
                assert status == ("replayed" if id_ in new else "created")
                new.discard(str(id_))
                self.model.stored(str(id_), value, key)
        found = feed()
        assert Counter(found[id_] for id_ in new) <= Counter(value for key, value in unknown if key is None)
        self.model.values |= {id_: found[id_] for id_ in new}

    @rule(trouble=TROUBLE, limit=st.integers(1, 49))
    def read(self, trouble: list[str], limit: int) -> None:
        assert feed(limit) == self.model.values
        if listed := self.answer(list_outcomes, trouble):
            found = {outcome["id"]: outcome["value_usd"] for outcome in listed["outcomes"]}
            assert found == {id_: self.model.values[id_] for id_ in sorted(self.model.values, reverse=True)[:50]}
        if summary := self.answer(summarize_outcomes, trouble):
            values = self.model.values.values()
            assert (summary["count"], summary["value_usd"]) == (len(values), sum(value or 0 for value in values))

    def answer(self, app: Any, trouble: list[str]) -> Any:
        """Return a function's answer, or None for a 503 or 500."""
        with meeting(trouble):
            response = app.handler(proxy_event("GET", authorizer=USER, query={"limit": "50"}), None)
        answer = json_text.read(response["body"])
        if response["statusCode"] == 200:
            return answer
        assert trouble not in PASSING
        assert (response["statusCode"], answer["error"].split()[0]) in {(503, "Busy"), (500, "Failed")}
        return None

    @invariant()
    def the_feed_holds_what_was_recorded(self) -> None:
        assert feed() == self.model.values


@pytest.mark.usefixtures("no_waiting")
def test_nothing_is_lost_or_doubled(template: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()  # each read of the clock advances it by a second
    attempts = SimpleNamespace(monotonic=lambda: next(ticks), sleep=lambda _seconds: None)
    monkeypatch.setattr("outcomes.aws.backoff.time", attempts)  # changes only the clock of retries
    run(AnyFault, template, examples=50, steps=15)


@contextmanager
def meeting(trouble: list[str]) -> Iterator[None]:
    """Inject these faults into the next attempts of any calls, one per attempt; later attempts succeed."""
    with ExitStack() as stack:
        for store in STORES:
            stack.enter_context(faulty(store.dynamodb, EVERY_CALL, *(FAULTS[name] for name in trouble), fine))
        yield


def outcome(value: Value, more: str = "") -> str:
    return f'{{"outcomeType":"deal_closed","title":"Closed","valueUsd":{"null" if value is None else value}{more}}}'


def recorded(value: Value, key: str | None) -> Said:
    """Record one outcome."""
    headers = {} if key is None else {"Idempotency-Key": key}
    response = record_outcome.handler(proxy_event("POST", authorizer=USER, body=outcome(value), headers=headers), None)
    headers = response["headers"]
    error_ = json.loads(response["body"]).get("error")
    match response["statusCode"]:
        case 200:
            return Said("replayed" if "Idempotent-Replayed" in headers else "created", headers["Outcome-Id"])
        case 422:
            return Said("conflict")
        case 500:
            return Said("unknown")
        case status:
            assert (status, error_) in {(409, "Conflict"), (503, "Busy")}
            return Said("busy")


def recorded_all(items: list[tuple[str | None, Value]]) -> list[Said]:
    """Record outcomes in a batch."""
    sent = ",".join(outcome(value, f',"idempotencyKey":{json.dumps(key)}') for key, value in items)
    response = record_batch.handler(proxy_event("POST", authorizer=USER, body=f'{{"outcomes":[{sent}]}}'), None)
    assert response["statusCode"] == 200

    def said(result: dict[str, Any]) -> Said:
        if result["status"] != "failed":
            return Said(result["status"], result.get("id"))
        assert result["retryable"]
        return Said("busy" if result["error"] == "Busy" else "unknown")

    return [said(result) for result in json.loads(response["body"])["results"]]


def feed(limit: int = 50) -> dict[str, Value]:
    """Return the values of all listed outcomes by id."""
    values: dict[str, Value] = {}
    query: dict[str, Any] = {"limit": str(limit)}
    while query.get("cursor", "") is not None:
        page = json_text.read(list_outcomes.handler(proxy_event("GET", authorizer=USER, query=query), None)["body"])
        assert not values.keys() & {outcome["id"] for outcome in page["outcomes"]}
        values |= {outcome["id"]: outcome["value_usd"] for outcome in page["outcomes"]}
        query["cursor"] = page["next_cursor"]
    return values
