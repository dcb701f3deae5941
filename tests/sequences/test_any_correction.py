"""Any sequence of records and corrections, by whomever, in whatever trouble, ends where a plain model says."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from outcomes.aws.services import DynamoDB
from outcomes.contract.limits import MAX_CORRECTIONS
from outcomes.ledger.store import LIMITS

from functions.correct_outcome import app as correct_outcome
from functions.list_outcomes import app as list_outcomes
from functions.record_outcome import app as record_outcome
from functions.summarize_outcomes import app as summarize_outcomes
from tests.conftest import template_tables
from tests.corrections import (
    ALLOWED,
    BODIES,
    CALLERS,
    MOVES,
    OWNER,
    TALLIES,
    correct,
    forget_counts,
    get,
    listed,
    read,
    stored,
)
from tests.events import KEY, agent, proxy_event
from tests.faults import Fault, cancelled, faulty, fine, lost, unreachable

RECORDERS = {"key": KEY, "key:0123456789abcdef": agent(), "session": OWNER}
TYPES = st.sampled_from(["deal_closed", "task_complete"])
VALUES = st.sampled_from([None, 0, 1, 2.5, -4, 0.1, 1e-130, 999_999_999_999_999])
AGENTS = st.sampled_from([None, 7, 8])
TODAY = datetime.now(UTC).date()
DAYS = st.integers(1, 30)
# Amends by the platform are always allowed, and what follows on them is worth trying most.
MADE = st.sampled_from(["amend", "amend", *BODIES])
BOUNDED: dict[str, dict[str, set[Any]]] = {
    "the agent itself": {"agent_id": {7}},
    "another agent": {"agent_id": {8}},
    "an agent of small tasks": {
        "outcome_type": {"task_complete"},
        "value_usd": {None, 0, 1, Decimal("0.1"), Decimal("1e-130")},
    },
}
"""To each agent's key with bounds, what of an outcome must be which of the values above for the key to correct it."""
BY_NAME = CALLERS | {"an agent of small tasks": agent("correct read", outcomeTypes="task_complete", maxValueUsd="1")}
BY = st.sampled_from(["the platform", "the platform", "the owner", *BY_NAME])
IDEMPOTENCY_KEYS = st.sampled_from([None, "a", "b"])
CHANGES = st.fixed_dictionaries(
    {}, optional={"outcomeType": TYPES, "valueUsd": VALUES, "agentId": AGENTS, "occurredAt": st.none() | DAYS}
)
NAMES = {
    "outcomeType": "outcome_type",
    "valueUsd": "value_usd",
    "agentId": "agent_id",
    "occurredAt": "occurred_at",
    "title": "title",
}
GROUPS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "by_type": ("outcome_type", lambda outcome: outcome["outcome_type"]),
    "by_agent": ("agent_id", lambda outcome: outcome["agent_id"]),
    "by_day": ("date", lambda outcome: outcome["occurred_at"][:10]),
}


class Killed(BaseException):
    """The function's process ends."""


def killed_before(_request: Any, _send: Any) -> Any:
    raise Killed


def killed_after(_request: Any, send: Any) -> Any:
    send()
    raise Killed


CONFLICT = cancelled("TransactionConflict", "None")
# What a call meets, and whether its answer tells how it ended.
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


def day(number: int) -> str:
    """Name an instant so many days ago, at a quarter past noon."""
    return (TODAY - timedelta(days=number)).isoformat() + "T12:15:00.000Z"


def recorder(by: str) -> str:
    """Name a caller as entries do: keys are remembered by it, too."""
    caller = BY_NAME[by]
    return f"key:{caller['keyId']}" if "keyId" in caller else "key" if caller is KEY else "session"


def may_read(by: str) -> bool:
    return by == "the owner" or "read" in BY_NAME[by].get("scopes", "").split()


def exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


BUDGETS = {"agent": 2, "owner": 2, "platform": 3}
"""Corrections of each kind of caller: few, that they are used up."""
WITHOUT_NUMBER = {("void", "the platform"), ("uphold", "the platform"), ("dispute", "the owner")}


def kind_of(recorded_by: str) -> str:
    return {"key": "platform", "session": "owner"}.get(recorded_by, "agent")


@pytest.mark.usefixtures("no_waiting")
def test_any_sequence_of_records_and_corrections_is_as_a_plain_model_has_it(
    template: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, number in BUDGETS.items():
        monkeypatch.setitem(MAX_CORRECTIONS, kind, number)

    class AnyCorrection(RuleBasedStateMachine):
        """The ledger of a user, beside the outcomes as they should stand."""

        ids = Bundle("ids")

        def __init__(self) -> None:
            super().__init__()
            self.aws = ExitStack()
            self.aws.enter_context(template_tables(template))
            # A caller stops to try again when it has done so too often; each sequence begins anew.
            correct_outcome.corrections.store.dynamodb = DynamoDB(LIMITS)
            self.model: dict[str, dict[str, Any]] = {}
            self.history: dict[str, list[dict[str, Any]]] = {}
            self.remembered: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = {}

        def teardown(self) -> None:
            self.aws.close()

        @rule(
            target=ids, by=st.sampled_from(list(RECORDERS)), type_=TYPES, value=VALUES, of=AGENTS, ago=st.none() | DAYS
        )
        def record(self, by: str, type_: str, value: float | None, of: int | None, ago: int | None) -> Any:
            body = {"outcomeType": type_, "title": "Done", "valueUsd": value, "agentId": of, "userId": 42}
            body |= {} if ago is None else {"occurredAt": day(ago)}
            response = record_outcome.handler(proxy_event("POST", authorizer=RECORDERS[by], body=body), None)
            assert response["statusCode"] == 200, response["body"]
            id_ = response["headers"]["Outcome-Id"]
            [created_at] = [each["created_at"] for each in listed(limit="50", include="ledger") if each["id"] == id_]
            self.model[id_] = {
                "id": id_,
                "user_id": 42,
                "agent_id": of,
                "outcome_type": type_,
                "title": "Done",
                "description": None,
                "value_usd": exact(value),
                "metadata": None,
                "created_at": created_at,
                "status": "recorded",
                "occurred_at": created_at if ago is None else day(ago),
                "recorded_by": by,
                "version": 0,
            }
            self.history[id_] = []
            return id_ if len(self.model) <= 4 else multiple()

        def expected(self, id_: str, type_: str, by: str, body: dict[str, Any], key: str | None) -> Any:
            """Tell how a correction should end: a status, with its id if it is a replay."""
            outcome = self.model[id_]
            allowed = ALLOWED[type_].get("an agent" if by in BOUNDED else by, [])
            is_within = all(
                each[name] in within
                for each in (outcome, self.after(id_, body))
                for name, within in BOUNDED.get(by, {}).items()
            )
            if outcome["recorded_by"] not in allowed or not is_within:
                return 403, None
            if key and (id_, recorder(by), key) in self.remembered:
                made, sent = self.remembered[id_, recorder(by), key]
                return (200, made) if sent == body else (422, None)
            so_far = sum(kind_of(each["by"]) == kind_of(recorder(by)) for each in self.history[id_])
            is_one_too_many = so_far >= BUDGETS[kind_of(recorder(by))] and (type_, by) not in WITHOUT_NUMBER
            if outcome["status"] not in MOVES[type_] or is_one_too_many:
                return 409, None
            if self.is_unchanged(id_, body) and (may_read(by) or by == "the platform"):
                return 400, None
            return 200, None

        def is_unchanged(self, id_: str, body: dict[str, Any]) -> bool:
            return body["type"] == "amend" and self.after(id_, body) == self.model[id_]

        def after(self, id_: str, body: dict[str, Any]) -> dict[str, Any]:
            """Tell what an outcome says once it is corrected."""
            outcome = dict(self.model[id_])
            for name, value in body.get("changes", {}).items():
                shown: Any = exact(value) if name == "valueUsd" else value
                outcome[NAMES[name]] = outcome["created_at"] if name == "occurredAt" and value is None else shown
            return outcome

        def made(self, id_: str, type_: str, by: str, body: dict[str, Any], key: str | None, correction: str) -> None:
            if key:
                self.remembered[id_, recorder(by), key] = (correction, body)
            if self.is_unchanged(id_, body):
                return
            outcome = self.model[id_]
            before = dict(outcome)
            outcome |= self.after(id_, body)
            if (type_, outcome["status"]) != ("amend", "disputed") or "agent" not in by:
                outcome["status"] = MOVES[type_][outcome["status"]]
            outcome["version"] += 1
            entry = {
                "id": correction,
                "type": type_,
                "reason": body.get("reason"),
                "by": recorder(by),
            }
            if "changes" in body:
                entry["changes"] = {
                    NAMES[name]: {"before": before[NAMES[name]], "after": outcome[NAMES[name]]}
                    for name in body["changes"]
                }
            self.history[id_].append(entry)

        @rule(
            id_=ids,
            type_=MADE,
            by=BY,
            changes=CHANGES,
            key=IDEMPOTENCY_KEYS,
            trouble=st.sampled_from(list(TROUBLE)),
            operation=st.sampled_from(["TransactWriteItems", "BatchGetItem"]),
        )
        def correct(
            self, id_: str, type_: str, by: str, changes: Any, key: str | None, trouble: str, operation: str
        ) -> None:
            body = self.body(type_, changes)
            status, replayed = self.expected(id_, type_, by, body, key)
            faults, is_certain = TROUBLE[trouble]
            if operation == "BatchGetItem" and CONFLICT in faults:
                faults = [fine]
            try:
                with faulty(correct_outcome.corrections.store.dynamodb, operation, *faults) as sent:
                    answered, answer, headers = correct(id_, BY_NAME[by], body, key=key)
            except Killed:
                answered, answer, headers = 500, None, {}
            if is_certain or not sent:
                assert answered == status, answer
                if replayed:
                    assert (answer["id"], headers["Idempotent-Replayed"]) == (replayed, "true")
                elif status == 200:
                    assert "Idempotent-Replayed" not in headers
                    self.made(id_, type_, by, body, key, answer["id"])
                if status == 200:
                    self.is_told(id_, by, answer)
            else:
                assert answered in {500, 503}
                self.find_out(id_, type_, by, body, key)

        def find_out(self, id_: str, type_: str, by: str, body: dict[str, Any], key: str | None) -> None:
            """Look whether what nobody was told of has happened, as whole as ever."""
            if key and self.expected(id_, type_, by, body, key) == (200, None) and self.is_unchanged(id_, body):
                # Whether it was remembered the first time or is now.
                answered, answer, _ = correct(id_, BY_NAME[by], body, key=key)
                assert answered == 200
                self.made(id_, type_, by, body, key, answer["id"])
            corrections = get(id_)[1]["corrections"]
            if len(corrections) == len(self.history[id_]):
                return
            assert self.expected(id_, type_, by, body, key) == (200, None)
            self.made(id_, type_, by, body, key, corrections[-1]["id"])
            if key:
                answered, answer, headers = correct(id_, BY_NAME[by], body, key=key)
                assert (answered, answer["id"], headers["Idempotent-Replayed"]) == (200, corrections[-1]["id"], "true")

        @rule(id_=ids)
        def counts_are_of_before_there_were_any(self, id_: str) -> None:
            forget_counts(id_)

        @rule(id_=ids, first=st.tuples(MADE, BY, CHANGES), second=st.tuples(MADE, BY, CHANGES), key=IDEMPOTENCY_KEYS)
        def race(self, id_: str, first: Any, second: Any, key: str | None) -> None:
            """Make two corrections at once: the second is made while the first is about to be."""
            calls: list[Any] = []

            def meanwhile(_request: Any, send: Callable[[], Any]) -> Any:
                if not calls:
                    type_, by, changes = second
                    body = self.body(type_, changes)
                    calls.append((type_, by, body))
                    status, replayed = self.expected(id_, type_, by, body, key)
                    answered, answer, _ = correct(id_, BY_NAME[by], body, key=key)
                    assert answered == status
                    if status == 200 and not replayed:
                        self.made(id_, type_, by, body, key, answer["id"])
                return send()

            type_, by, changes = first
            body = self.body(type_, changes)
            with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", meanwhile):
                answered, answer, _ = correct(id_, BY_NAME[by], body, key=key)
            status, replayed = self.expected(id_, type_, by, body, key)
            assert answered == status, answer
            if status == 200:
                if not replayed:
                    self.made(id_, type_, by, body, key, answer["id"])
                self.is_told(id_, by, answer)

        def is_told(self, id_: str, by: str, answer: Any) -> None:
            """Check that an answer tells how the outcome stands, and what it says to who may read alone."""
            told = {name: value for name, value in answer.items() if name not in {"ok", "id"}}
            outcome = self.model[id_]
            standing = {name: outcome[name] for name in ("status", "version")}
            assert told == ({"outcome": outcome} if may_read(by) else standing)

        def body(self, type_: str, changes: dict[str, Any]) -> dict[str, Any]:
            body: dict[str, Any] = dict(BODIES[type_])
            if type_ == "amend" and changes:
                ago = changes.get("occurredAt")
                body["changes"] = changes | ({} if ago is None else {"occurredAt": day(ago)})
            return body

        @invariant()
        def lists_are_the_model(self) -> None:
            found: list[Any] = []
            query: dict[str, Any] = {"limit": "20", "include": "ledger"}
            while query.get("cursor", "") is not None:
                page = self.page(query)
                found += page["outcomes"]
                query["cursor"] = page["next_cursor"]
            assert {each["id"]: each for each in found} == self.model
            assert [each["id"] for each in found] == [each["id"] for each in sorted(found, key=by_time, reverse=True)]
            shown = [each["id"] for each in found if each["status"] != "void"]
            assert [each["id"] for each in listed(limit="50")] == shown

        def page(self, query: dict[str, Any]) -> Any:
            return read(list_outcomes.handler(proxy_event("GET", authorizer=OWNER, query=query), None)["body"])

        @invariant()
        def histories_are_the_model(self) -> None:
            for id_ in list(self.model)[-3:]:
                status, answer = get(id_)
                assert (status, answer["outcome"]) == (200, self.model[id_])
                assert [
                    {name: value for name, value in each.items() if name != "created_at"}
                    for each in answer["corrections"]
                ] == self.history[id_]

        @invariant()
        def the_summary_is_the_model(self) -> None:
            query: Any = {"from": day(40)[:10]}
            response = summarize_outcomes.handler(proxy_event("GET", authorizer=OWNER, query=query), None)
            answer = read(response["body"])

            def said(entry: Any) -> tuple[int, Decimal]:
                return entry["count"], entry["value_usd"]

            assert said(answer) == self.sum_of("standing")
            for name in ("confirmed", "disputed", "voided"):
                assert said(answer[name]) == self.sum_of(name)
            for by, (name, of) in GROUPS.items():
                groups = {of(outcome) for outcome in self.model.values() if "standing" in TALLIES[outcome["status"]]}
                assert {entry[name]: said(entry) for entry in answer[by] if entry["count"]} == {
                    group: self.sum_of("standing", lambda outcome: of(outcome) == group)  # noqa: B023 - called at once
                    for group in groups
                }

        def sum_of(self, tally: str, where: Callable[[Any], bool] = lambda _: True) -> tuple[int, Decimal]:
            counted = [each for each in self.model.values() if tally in TALLIES[each["status"]] and where(each)]
            return len(counted), add(each["value_usd"] for each in counted)

        @invariant()
        def the_sum_over_entries_is_the_sum_over_what_stands(self) -> None:
            """Add up what was recorded and what each correction says that it changes, by instant, type and agent."""
            counts: Counter[Any] = Counter()
            values: dict[Any, list[Decimal]] = {}
            for item in stored():
                if item["created_at"]["S"].startswith("~"):
                    for effect in item["effects"]["L"]:
                        count(effect["M"], effect["M"]["tally"]["S"], int(effect["M"]["sign"]["N"]), counts, values)
                else:
                    fact = item["as_recorded"]["M"] if "as_recorded" in item else item
                    recorded_at = {"S": item["created_at"]["S"].partition("#")[0]}
                    count({"occurred_at": recorded_at} | fact, "standing", 1, counts, values)
            standing: Counter[Any] = Counter()
            worth: dict[Any, list[Decimal]] = {}
            for each in self.model.values():
                for tally in TALLIES[each["status"]]:
                    group = (tally, each["occurred_at"], each["outcome_type"], each["agent_id"])
                    standing[group] += 1
                    worth.setdefault(group, []).append(each["value_usd"] or Decimal(0))
            assert +counts == standing
            assert not -counts
            sums = {group: add(values.get(group, [])) for group in values.keys() | worth.keys()}
            assert {group: sum_ for group, sum_ in sums.items() if sum_} == {
                group: sum_ for group in worth if (sum_ := add(worth[group]))
            }

    run_state_machine_as_test(AnyCorrection, settings=settings(max_examples=20, stateful_step_count=20, deadline=None))


def by_time(outcome: dict[str, Any]) -> tuple[str, str]:
    return outcome["created_at"], outcome["id"]


def add(values: Any) -> Decimal:
    """Add up without losing a digit."""
    total = Decimal(0)
    for value in values:
        total = Context(prec=300).add(total, value or Decimal(0))
    return total


def count(fact: Any, tally: str, sign: int, counts: Counter[Any], values: dict[Any, list[Decimal]]) -> None:
    agent_id = int(fact["agent_id"]["N"]) if "agent_id" in fact else None
    group = (tally, fact["occurred_at"]["S"], fact["outcome_type"]["S"], agent_id)
    counts[group] += sign
    if "value_usd" in fact:
        values.setdefault(group, []).append(Decimal(fact["value_usd"]["N"]))
