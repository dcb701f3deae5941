"""After any sequence of recordings and corrections, by any caller and with faults, the API answers like a model."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, precondition, rule
from outcomes.aws.services import DynamoDB
from outcomes.ledger.store import LIMITS
from outcomes.limits import MAX_CORRECTIONS

from functions.correct_outcome import app as correct_outcome
from functions.record_outcome import app as record_outcome
from functions.summarize_outcomes import app as summarize_outcomes
from smoke.model import Caller, Choice, Ledger, Sent, added_up, exact, said, shown
from tests.corrections import BODIES, CALLERS, OWNER, correct, get, listed, pages, read, stored
from tests.entries import id_of, outcomes_equal_their_entries
from tests.events import KEY, agent, proxy_event
from tests.faults import (
    Fault,
    Killed,
    Request,
    Send,
    cancelled,
    faulty,
    fine,
    killed_after,
    killed_before,
    lost,
    unreachable,
)
from tests.fields import UNSET
from tests.sequences.machine import OnTables, run

BOUNDED: dict[str, dict[str, set[Any]]] = {
    "the agent itself": {"agent_id": {7}},
    "another agent": {"agent_id": {8}},
    "an agent of small tasks": {
        "outcome_type": {"task_complete"},
        "value_usd": {None, 0, 1, Decimal("0.1"), Decimal("1e-130")},
    },
}
"""For each bounded agent key, the values of a field that an outcome must have for the key to correct it."""
BY_NAME = CALLERS | {"an agent of small tasks": agent("correct read", outcomeTypes="task_complete", maxValueUsd="1")}
BUDGETS = {"agent": 2, "owner": 2, "platform": 3}
"""Limits of corrections for each kind of caller: low, so that they are reached."""


def caller(name: str) -> Caller:
    context = BY_NAME[name]
    recorded_by = f"key:{context['keyId']}" if "keyId" in context else "key" if context is KEY else "session"
    may_read = context is OWNER or "read" in context.get("scopes", "").split()
    return Caller(name, recorded_by, may_read, BOUNDED.get(name, {}))


TODAY = datetime.now(UTC).date()


def day(ago: int) -> str:
    """Return 12:15 UTC on the day `ago` days before today."""
    return (TODAY - timedelta(days=ago)).isoformat() + "T12:15:00.000Z"


RECORDERS = {"key": KEY, "key:0123456789abcdef": agent(), "session": OWNER}
TYPES = st.sampled_from(["deal_closed", "task_complete"])
VALUES = st.sampled_from([None, 0, 1, 2.5, -4, 0.1, 1e-130, 999_999_999_999_999])
AGENTS = st.sampled_from([None, 7, 8])
DAYS = st.integers(1, 30)
# Most draws are amendments by the platform, because these are always allowed.
MADE = st.sampled_from(["amend", "amend", *BODIES])
BY = st.sampled_from(["the platform", "the platform", "the owner", *BY_NAME])
IDEMPOTENCY_KEYS = st.sampled_from([None, "a", "b"])
CHANGES = st.fixed_dictionaries(
    {}, optional={"outcomeType": TYPES, "valueUsd": VALUES, "agentId": AGENTS, "occurredAt": st.none() | DAYS.map(day)}
)


def body(type_: str, changes: dict[str, Any]) -> dict[str, Any]:
    return {**BODIES[type_], **({"changes": changes} if type_ == "amend" and changes else {})}


BODIES_SENT = st.builds(body, MADE, CHANGES)
type How = tuple[str, dict[str, Any], str | None]
"""Caller, body and idempotency key of a correction."""
HOW: st.SearchStrategy[How] = st.tuples(BY, BODIES_SENT, IDEMPOTENCY_KEYS)


CONFLICT = cancelled("TransactionConflict", "None")
# Faults by name. The boolean says whether the caller can be sure of the result.
TROUBLE: dict[str, tuple[list[Fault], bool]] = {
    "none": ([fine], True),
    "an answer lost": ([lost, fine], True),
    "two answers lost": ([lost, lost, fine], True),
    "nobody there for a while": ([unreachable, fine], True),
    "a conflict": ([CONFLICT, fine], True),
    "every answer lost": ([lost], False),
    "nobody there": ([unreachable], False),
    "killed before": ([killed_before], False),
    "killed after": ([killed_after], False),
}


class AnyCorrection(OnTables):
    """Changes a user's ledger through the API, and compares it with the model."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.patches.enter_context(patch.dict(MAX_CORRECTIONS, BUDGETS))
        # A new client has a full retry quota.
        store = correct_outcome.corrections.store
        self.patches.enter_context(patch.object(store, "dynamodb", DynamoDB(LIMITS)))
        self.model = Ledger(BUDGETS)

    # Record few outcomes, so that each is corrected many times.
    @precondition(lambda self: len(self.model.outcomes) < 4)
    @rule(target=ids, by=st.sampled_from(list(RECORDERS)), type_=TYPES, value=VALUES, of=AGENTS, ago=st.none() | DAYS)
    def record(self, by: str, type_: str, value: float | None, of: int | None, ago: int | None) -> str:
        wanted = {"outcomeType": type_, "title": "Done", "valueUsd": value, "agentId": of, "userId": 42}
        wanted |= {} if ago is None else {"occurredAt": day(ago)}
        response = record_outcome.handler(proxy_event("POST", authorizer=RECORDERS[by], body=wanted), None)
        assert response["statusCode"] == 200, response["body"]
        id_ = str(response["headers"]["Outcome-Id"])
        [created_at] = [each["created_at"] for each in listed(limit="50", include="ledger") if each["id"] == id_]
        self.model.outcomes[id_] = {
            **{"id": id_, "user_id": 42, "agent_id": of, "outcome_type": type_, "title": "Done", "description": None},
            **{"value_usd": exact(value), "metadata": None, "created_at": created_at, "status": "recorded"},
            **{"occurred_at": created_at if ago is None else day(ago), "recorded_by": by, "version": 0, **UNSET},
        }
        self.model.history[id_] = []
        return id_

    # Hypothesis waits until a bundle has values only if the bundle itself is an argument of the rule.
    @rule(
        id_=ids,
        how=HOW,
        trouble=st.sampled_from(list(TROUBLE)),
        operation=st.sampled_from(["TransactWriteItems", "BatchGetItem"]),
    )
    def correct(self, id_: str, how: How, trouble: str, operation: str) -> None:
        sent = sent_by(id_, *how)
        faults, is_certain = TROUBLE[trouble]
        if operation == "BatchGetItem" and CONFLICT in faults:
            faults = [fine]
        try:
            with faulty(correct_outcome.corrections.store.dynamodb, operation, *faults) as attempts:
                answer = send(sent)
        except Killed:
            answer = 500, None, {}
        if is_certain or not attempts:
            self.check(sent, *answer)
        else:
            assert answer[0] in {500, 503}
            self.find_out(sent)

    @rule(id_=ids, how=HOW, by=BY, second=BODIES_SENT)
    def race(self, id_: str, how: How, by: str, second: dict[str, Any]) -> None:
        """Send two corrections with the same idempotency key at the same time.

        The second one is stored before the first one writes.
        """
        first = sent_by(id_, *how)
        others = [first._replace(by=caller(by), body=second)]

        def meanwhile(_request: Request, send_on: Send) -> Any:
            if others:
                other = others.pop()
                self.check(other, *send(other))
            return send_on()

        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", meanwhile):
            answer = send(first)
        self.check(first, *answer)

    def check(self, sent: Sent, status: int, answer: Any, headers: dict[str, str]) -> None:
        """Compare an answer with the model, and apply the correction to the model."""
        expected = self.model.expected(sent)
        assert status == expected.status, answer
        if status != 200:
            return
        assert headers.get("Idempotent-Replayed") == ("true" if expected.replayed else None)
        if expected.replayed:
            assert answer["id"] == expected.replayed
        else:
            self.model.made(sent, answer["id"])
        # Callers with the scope to read get the outcome. Others get only its status and version.
        outcome = self.model.outcomes[sent.id_]
        standing = {name: outcome[name] for name in ("status", "version")}
        told = {name: value for name, value in answer.items() if name not in {"ok", "id"}}
        assert told == ({"outcome": outcome} if sent.by.may_read else standing)

    def find_out(self, sent: Sent) -> None:
        """Find out whether a correction with an uncertain result was stored, and apply it to the model if it was."""
        if sent.key and self.model.expected(sent) == (200, None) and self.model.is_unchanged(sent):
            # An amend that changes nothing stores only its idempotency key. The history does not show whether it was
            # stored, so send it again.
            status, answer, _ = send(sent)
            assert status == 200
            self.model.made(sent, answer["id"])
        corrections = get(sent.id_)[1]["corrections"]
        if len(corrections) == len(self.model.history[sent.id_]):
            return
        assert self.model.expected(sent) == (200, None)
        self.model.made(sent, corrections[-1]["id"])
        if sent.key:
            self.check(sent, *send(sent))

    @invariant()
    def lists_equal_the_model(self) -> None:
        outcomes = self.model.outcomes.values()
        found = list(chain.from_iterable(pages(limit="2", include="ledger")))
        assert found == shown(outcomes, Choice(), with_void=True)
        by_occurrence = shown(outcomes, Choice(), with_void=True, by="occurred_at")
        assert listed(limit="50", include="ledger", time="occurred") == by_occurrence
        without_void = shown(outcomes, Choice(), with_void=False)
        assert [each["id"] for each in listed(limit="50")] == [each["id"] for each in without_void]

    @invariant()
    def histories_equal_the_model(self) -> None:
        for id_ in self.model.outcomes:
            status, answer = get(id_)
            assert (status, answer["outcome"]) == (200, self.model.outcomes[id_])
            for each in answer["corrections"]:
                del each["created_at"]
            assert answer["corrections"] == self.model.history[id_]

    @invariant()
    def the_summary_equals_the_model(self) -> None:
        since = day(40)[:10]
        event = proxy_event("GET", authorizer=OWNER, query={"from": since})
        answer = read(summarize_outcomes.handler(event, None)["body"])
        assert said(answer) == added_up(self.model.outcomes.values(), Choice(since=f"{since}T00:00:00.000Z"), "UTC")

    @invariant()
    def every_outcome_equals_its_entries(self) -> None:
        rows = {id_of(row): row for row in stored()}
        entries = {id_: row for id_, row in rows.items() if row["created_at"]["S"].startswith("~")}
        outcomes_equal_their_entries({id_: row for id_, row in rows.items() if id_ not in entries}, entries)


@pytest.mark.usefixtures("no_waiting")
def test_any_sequence_of_recordings_and_corrections_equals_the_model(template: Any) -> None:
    run(AnyCorrection, template, examples=30, steps=20)


def sent_by(id_: str, by: str, body: dict[str, Any], key: str | None) -> Sent:
    return Sent(id_, caller(by), body, key)


def send(sent: Sent) -> tuple[int, Any, dict[str, str]]:
    return correct(sent.id_, BY_NAME[sent.by.name], sent.body, key=sent.key)
