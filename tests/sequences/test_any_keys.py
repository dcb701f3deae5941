"""After any sequence of operations on agent keys, even with faults, exactly the expected keys work."""

from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from outcomes.calendar import instants
from outcomes.contract.agent_key_bodies import NewAgentKey
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

type Provenance = tuple[str, str | None, str | None]
"""Creator of a key, last rotator, and time of the rotation."""


@dataclass
class Key:
    """The expected state of a key.

    present: the key's current text. previous: the text before the rotation, which is valid until `until`.
    """

    user_id: int
    expires_at: float
    provenance: Provenance
    present: str
    previous: str = ""
    until: float = -inf
    is_paused: bool = False


class Keys:
    """A model of all keys. by_id: the keys that should exist. ended: texts of keys that must be refused."""

    def __init__(self) -> None:
        self.by_id: dict[str, Key] = {}
        self.ended: list[str] = []

    def live(self, user_id: int, now: int) -> dict[str, Provenance]:
        return {
            id_: key.provenance for id_, key in self.by_id.items() if key.user_id == user_id and now < key.expires_at
        }

    def rotate(self, id_: str, text: str, until: float, by: str, now: int) -> None:
        key = self.by_id[id_]
        self.ended += [key.previous] if key.previous else []
        key.previous, key.until, key.present = key.present, until, text
        key.provenance = (key.provenance[0], by, instants.text(now))

    def revoke(self, id_: str) -> None:
        key = self.by_id.pop(id_)
        self.ended += [text for text in (key.present, key.previous) if text]

    def works(self, now: int) -> dict[str, tuple[str, int, bool] | None]:
        """For each key text, return the key's id, its user and if it is paused, or None if the text must be refused."""
        texts: dict[str, tuple[str, int, bool] | None] = dict.fromkeys(self.ended)
        for id_, key in self.by_id.items():
            for text, until in ((key.present, inf), (key.previous, key.until)):
                if text:
                    texts[text] = (id_, key.user_id, key.is_paused) if now < min(until, key.expires_at) else None
        return texts


class AnyKeys(RuleBasedStateMachine):
    """Changes agent keys in tables that are empty at first, and compares them with the model."""

    template: Any

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.patches = ExitStack()
        self.patches.enter_context(template_tables(self.template))
        self.patches.enter_context(patch.object(instants, "now", lambda: self.now))
        self.patches.enter_context(patch("outcomes.keys.agent_keys.MAX_KEYS", MAX_KEYS))
        self.keys = AgentKeys("KeysTable")
        self.model = Keys()

    def teardown(self) -> None:
        self.patches.close()

    def at(self, place: int) -> str:
        """Return the id of the key at this position. Ids are random, so Hypothesis cannot draw them."""
        return list(self.model.by_id)[place % len(self.model.by_id)]

    @rule(user_id=USERS, hours=st.none() | st.integers(1, 3), by=BY, trouble=TROUBLE)
    def create(self, user_id: int, hours: int | None, by: str, trouble: list[Fault]) -> None:
        expires_at = None if hours is None else self.now + hours * HOUR
        is_full = len(self.model.live(user_id, self.now)) == MAX_KEYS
        try:
            with faulty(self.keys.dynamodb, WRITES, *trouble):
                text, key = self.keys.create(NewAgentKey("x", user_id, expires_at=expires_at), by)
        except TooManyKeys:
            assert is_full
        except Busy:
            assert trouble == [HOT, HOT]
        else:
            assert not is_full
            self.model.by_id[key.id] = Key(user_id, expires_at or inf, (by, None, None), text)

    @precondition(lambda self: self.model.by_id)
    @rule(place=PLACES, user_id=USERS, hours=HOURS, by=BY, trouble=TROUBLE)
    def rotate(self, place: int, user_id: int, hours: int, by: str, trouble: list[Fault]) -> None:
        id_ = self.at(place)
        is_live = id_ in self.model.live(user_id, self.now)
        try:
            # Only transactions can be canceled by a hot partition, and rotation uses none.
            with faulty(self.keys.dynamodb, WRITES, *([fine] if HOT in trouble else trouble)):
                text, _ = self.keys.rotate(user_id, id_, hours, by)
        except NotFound:
            assert not is_live
        else:
            assert is_live
            self.model.rotate(id_, text, self.now + hours * HOUR, by, self.now)

    @precondition(lambda self: self.model.by_id)
    @rule(place=PLACES, user_id=USERS, paused=st.booleans(), trouble=TROUBLE)
    def switch(self, place: int, user_id: int, paused: bool, trouble: list[Fault]) -> None:
        id_ = self.at(place)
        is_live = id_ in self.model.live(user_id, self.now)
        try:
            with faulty(self.keys.dynamodb, WRITES, *([fine] if HOT in trouble else trouble)):
                self.keys.set_paused(user_id, id_, paused=paused)
        except NotFound:
            assert not is_live
        else:
            assert is_live
            self.model.by_id[id_].is_paused = paused

    @precondition(lambda self: self.model.by_id)
    @rule(place=PLACES, user_id=USERS, trouble=TROUBLE)
    def revoke(self, place: int, user_id: int, trouble: list[Fault]) -> None:
        id_ = self.at(place)
        is_theirs = self.model.by_id[id_].user_id == user_id
        try:
            with faulty(self.keys.dynamodb, WRITES, *trouble):
                self.keys.revoke(user_id, id_)
        except NotFound:
            assert not is_theirs
        except Busy:
            assert trouble == [HOT, HOT]
        else:
            assert is_theirs
            self.model.revoke(id_)

    @rule(milliseconds=st.sampled_from([1, HOUR - 1, HOUR, 167 * HOUR]))
    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds

    @precondition(lambda self: self.model.by_id)
    @rule(place=PLACES, is_revoked_meanwhile=st.sampled_from([False, False, True]))
    def use(self, place: int, is_revoked_meanwhile: bool) -> None:
        id_ = self.at(place)
        known = self.model.by_id[id_]
        key = self.keys.find(id_)
        assert (key is not None) == (self.now < known.expires_at)
        if is_revoked_meanwhile:
            self.revoke(place, known.user_id, [fine])
        if key:
            self.keys.mark_used(key)
        stored = self.keys.dynamodb.call("GetItem", {"TableName": "KeysTable", "Key": {"id": {"S": id_}}})
        assert ("Item" in stored) == (id_ in self.model.by_id)

    @invariant()
    def exactly_what_should_work_does(self) -> None:
        works = self.model.works(self.now)
        found = {text: self.keys.authenticate(text) for text in works}
        assert {text: key and (key.id, key.user_id, key.paused_at is not None) for text, key in found.items()} == works

    @invariant()
    def exactly_what_is_live_is_listed(self) -> None:
        for user_id in (7, 42):
            found = {key.id: (key.made_by, key.rotated_by, key.rotated_at) for key in self.keys.of_user(user_id)}
            assert found == self.model.live(user_id, self.now)


@pytest.mark.usefixtures("no_waiting")
def test_after_anything_exactly_the_keys_that_should_work_do(template: Any) -> None:
    AnyKeys.template = template
    run_state_machine_as_test(AnyKeys, settings=settings(max_examples=40, stateful_step_count=20))
