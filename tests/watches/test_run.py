"""Test how a run goes through users: its place, its limits, and runs that are killed."""

import contextlib
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from outcomes.watches import clock
from outcomes.watches.clock import Overtaken, Run
from outcomes.watches.figures import Figures
from outcomes.watches.stored_watches import row_key

from tests.faults import Killed
from tests.watches.in_memory import WatchesInMemory

FOREVER = float("inf")
USERS = [*range(41, 46)]


class Walk:
    """Runs over five users, each of whom is noted when evaluated. deadly: the user whose evaluation kills the run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.table = WatchesInMemory(Random(1))  # noqa: S311 - pages of random sizes
        for user in USERS:
            for id_ in ("#watches", "a", "digest"):
                self.table.rows["WatchesTable", str(user), id_] = row_key(user, id_)
        self.deadly: int | None = None
        self.seen: list[int] = []
        self.now = 0
        monkeypatch.setattr(clock, "evaluate", self._evaluate)
        monkeypatch.setattr("outcomes.watches.clock.time.monotonic", lambda: self.now)

    def _evaluate(self, _table: str, _figures: Any, rows: list[Any]) -> None:
        assert len(rows) == 3, "all rows of a user come together"
        user = int(rows[0]["user_id"]["S"])
        if user == self.deadly:
            raise Killed
        self.seen.append(user)
        self.now += 1

    def run(self) -> Run:
        totals = SimpleNamespace(store=SimpleNamespace(dynamodb=self.table))
        return Run("WatchesTable", Figures(totals, "", ""))  # type: ignore[arg-type]

    def go(self, until: float = FOREVER) -> list[int]:
        """Make a run. Return the users that it evaluated before its end."""
        self.seen = []
        with contextlib.suppress(Killed):
            self.run().go(until)
        return self.seen

    @property
    def place(self) -> Any:
        return self.table.rows["WatchesTable", "#clock", "#place"]


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Walk:
    return Walk(monkeypatch)


def test_a_run_evaluates_all_users_and_the_next_one_begins_anew(walk: Walk) -> None:
    assert walk.go() == USERS
    assert "after" not in walk.place
    assert walk.go() == USERS


@pytest.mark.parametrize("most", [1, 2, 4])
def test_runs_go_on_after_the_last_user_until_all_had_their_turn(
    walk: Walk, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "MAX_USERS", most)
    seen = [user for _ in range(-(-len(USERS) // most)) for user in walk.go()]
    assert seen == USERS


def test_a_run_ends_when_its_time_is_over_and_the_next_one_goes_on(walk: Walk) -> None:
    assert walk.go(until=1.5) == USERS[:2]
    assert walk.go() == USERS[2:]
    with pytest.raises(TimeoutError):  # even if there are no users
        walk.go(until=1.5)


def test_a_user_who_kills_the_run_is_passed_over_by_the_one_after_the_next(walk: Walk) -> None:
    walk.deadly = 43
    assert walk.go() == [41, 42]  # nothing is known of who killed it
    assert walk.go() == [41, 42]  # one by one
    assert walk.go() == [44, 45]
    walk.deadly = None
    assert walk.go() == USERS


def test_a_run_that_was_killed_by_chance_leaves_nobody_out(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "TOGETHER", 2)
    walk.deadly = 44
    assert walk.go() == [41, 42, 43]
    walk.deadly = None
    assert walk.go() == [43, 44, 45]


def test_the_place_is_written_only_once_for_many_users(walk: Walk) -> None:
    walk.go()
    assert walk.place["changes"] == {"N": "2"}


def test_a_run_that_another_one_overtakes_ends(walk: Walk) -> None:
    run = walk.run()
    walk.go()
    with pytest.raises(Overtaken):
        run._move([])
