"""Whatever is done with agent keys, in whatever order and trouble: exactly those work that should."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from outcomes.contract import instants
from outcomes.contract.agent_keys import NewAgentKey
from outcomes.errors import Busy, NotFound, TooManyKeys
from outcomes.keys.agent_keys import AgentKeys

from tests.conftest import template_tables
from tests.faults import Fault, cancelled, faulty, fine, lost, unreachable

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
HOUR = 3_600_000
MAX_KEYS = 3
WRITES = {"TransactWriteItems", "UpdateItem"}
CONFLICT = cancelled("TransactionConflict", "None")
HOT = cancelled("None", "ThrottlingError")
TROUBLE: st.SearchStrategy[list[Fault]] = st.sampled_from(
    [[fine], [lost, fine], [lost, lost, fine], [unreachable, fine], [CONFLICT, fine], [HOT, fine], [HOT, HOT]]
)
USERS = st.sampled_from([7, 42])
PLACES = st.integers(0, 9)
HOURS = st.sampled_from([0, 1, 2, 168])
BY = st.sampled_from(["session", "platform"])


@dataclass
class Known:
    """A key as it should be. secrets: its texts, oldest first, each with when it stops working, if it does.

    provenance: who made it, who rotated it last, and when.
    """

    user_id: int
    expires_at: float
    provenance: tuple[str, str | None, str | None]
    secrets: list[tuple[str, float]] = field(default_factory=list)


@pytest.mark.usefixtures("no_waiting")
def test_after_anything_exactly_the_keys_that_should_work_do(template: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outcomes.keys.agent_keys.MAX_KEYS", MAX_KEYS)

    class AnyKeys(RuleBasedStateMachine):
        """The table of keys, beside a model of what it should hold."""

        def __init__(self) -> None:
            super().__init__()
            self.aws = ExitStack()
            self.aws.enter_context(template_tables(template))
            self.now = NOON
            monkeypatch.setattr(instants, "now", lambda: self.now)
            self.keys = AgentKeys("KeysTable")
            self.known: dict[str, Known] = {}
            self.ended: list[str] = []

        def teardown(self) -> None:
            self.aws.close()

        def live(self, user_id: int) -> list[str]:
            return [id_ for id_, key in self.known.items() if key.user_id == user_id and self.now < key.expires_at]

        def at(self, place: int) -> str:
            """Find a key by its place, as ids are random."""
            return list(self.known)[place % len(self.known)]

        @rule(user_id=USERS, hours=st.none() | st.integers(1, 3), by=BY, trouble=TROUBLE)
        def create(self, user_id: int, hours: int | None, by: str, trouble: list[Fault]) -> None:
            expires_at = None if hours is None else self.now + hours * HOUR
            is_full = len(self.live(user_id)) == MAX_KEYS
            try:
                with faulty(self.keys.dynamodb, WRITES, *trouble):
                    text, key = self.keys.create(NewAgentKey("x", user_id, expires_at=expires_at), by)
            except TooManyKeys:
                assert is_full
            except Busy:
                assert trouble == [HOT, HOT]
            else:
                assert not is_full
                secrets = [(text, float("inf"))]
                self.known[key.id] = Known(user_id, expires_at or float("inf"), (by, None, None), secrets)

        @precondition(lambda self: self.known)
        @rule(place=PLACES, user_id=USERS, hours=HOURS, by=BY, trouble=TROUBLE)
        def rotate(self, place: int, user_id: int, hours: int, by: str, trouble: list[Fault]) -> None:
            id_ = self.at(place)
            try:
                # A hot partition is told of by the call itself, where it is no transaction.
                with faulty(self.keys.dynamodb, WRITES, *([fine] if HOT in trouble else trouble)):
                    text, _ = self.keys.rotate(user_id, id_, hours, by)
            except NotFound:
                assert id_ not in self.live(user_id)
            else:
                assert id_ in self.live(user_id)
                (present, _) = self.known[id_].secrets[-1]
                self.known[id_].provenance = (self.known[id_].provenance[0], by, instants.text(self.now))
                self.ended += [old for old, _ in self.known[id_].secrets[:-1]]
                self.known[id_].secrets = [(present, self.now + hours * HOUR), (text, float("inf"))]

        @precondition(lambda self: self.known)
        @rule(place=PLACES, user_id=USERS, trouble=TROUBLE)
        def revoke(self, place: int, user_id: int, trouble: list[Fault]) -> None:
            id_ = self.at(place)
            try:
                with faulty(self.keys.dynamodb, WRITES, *trouble):
                    self.keys.revoke(user_id, id_)
            except NotFound:
                assert self.known[id_].user_id != user_id
            except Busy:
                assert trouble == [HOT, HOT]
            else:
                assert self.known[id_].user_id == user_id
                self.ended += [text for text, _ in self.known.pop(id_).secrets]

        @rule(milliseconds=st.sampled_from([1, HOUR - 1, HOUR, 167 * HOUR]))
        def wait(self, milliseconds: int) -> None:
            self.now += milliseconds

        @precondition(lambda self: self.known)
        @rule(place=PLACES)
        def use(self, place: int) -> None:
            id_ = self.at(place)
            key = self.keys.find(id_)
            assert (key is not None) == (self.now < self.known[id_].expires_at)
            if key:
                self.keys.mark_used(key)

        @invariant()
        def exactly_what_should_work_does(self) -> None:
            for id_, key in self.known.items():
                for text, until in key.secrets:
                    found = self.keys.authenticate(text)
                    assert (found is not None) == (self.now < min(until, key.expires_at))
                    assert found is None or (found.id, found.user_id) == (id_, key.user_id)
            assert not any(map(self.keys.authenticate, self.ended))

        @invariant()
        def exactly_what_is_live_is_listed(self) -> None:
            for user_id in (7, 42):
                found = {key.id: (key.made_by, key.rotated_by, key.rotated_at) for key in self.keys.of_user(user_id)}
                assert found == {id_: self.known[id_].provenance for id_ in self.live(user_id)}

    run_state_machine_as_test(AnyKeys, settings=settings(max_examples=25, stateful_step_count=20, deadline=None))
