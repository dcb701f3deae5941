"""The daily limit of an agent key, as environments lease it in `ledger.daily_budget`.

An environment leases records from a row of the key and the day, and takes from its lease what it records on this day,
by its own clock. An update adds to the row within the limit; it takes effect once, at once or later, or never, and its
answer may be lost. What surely was not stored goes back to the lease of its day. An environment may end at any time.

Law: what is recorded on a day is within the limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explore import LawBroken, acting


class Environment(NamedTuple):
    """today: by its clock. day, held: its lease. taken: the days of what it is recording. calls: those it may make."""

    today: int = 0
    day: int = 0
    held: int = 0
    taken: tuple[int, ...] = ()
    calls: int = 2


class State(NamedTuple):
    """leased, recorded: of each day. sent: the days of updates that may still arrive."""

    leased: tuple[int, int]
    recorded: tuple[int, int]
    sent: tuple[int, ...]
    environments: tuple[Environment, ...]


@dataclass(frozen=True)
class Budget:
    without: frozenset[str] = frozenset()
    LIMIT: int = 1

    def start(self) -> State:
        return State((0, 0), (0, 0), (), (Environment(), Environment()))

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        for day in {*state.sent}:
            if leased := self._leased(state, day):
                sent = list(state.sent)
                sent.remove(day)
                yield f"a lease of day {day} arrives late", state._replace(sent=(*sent,), leased=leased)
        yield from acting(state, "environments", "environment", self._environment)

    def _leased(self, state: State, day: int) -> tuple[int, int] | None:
        """Return what is leased of each day after an update, or None if DynamoDB refuses it."""
        if state.leased[day] == self.LIMIT and "the update's condition" not in self.without:
            return None
        return _plus_one(state.leased, day)

    def _environment(self, state: State, now: Environment) -> Iterator[tuple[str, State, Environment]]:
        yield "ends, and another starts", state, Environment(now.today, calls=now.calls)
        if not now.today:
            yield "sees midnight", state, now._replace(today=1)
        held = now.held if now.day == now.today or "the day of a lease" in self.without else 0
        lease = now._replace(day=now.today, held=held)
        if held and len(now.taken) < 2:
            yield "takes one", state, lease._replace(held=held - 1, taken=(*now.taken, now.today))
        if not held and now.calls:
            called = lease._replace(calls=now.calls - 1)
            grown = called._replace(held=1)
            lost = grown if "a lost answer is a lost lease" in self.without else called
            yield "gets no answer", state._replace(sent=(*sorted((*state.sent, now.today)),)), lost
            if leased := self._leased(state, now.today):
                yield "leases one", state._replace(leased=leased), grown
        if now.taken:
            day, *rest = now.taken
            done = now._replace(taken=(*rest,))
            stored = state._replace(recorded=_plus_one(state.recorded, day))
            if stored.recorded[day] > self.LIMIT:
                raise LawBroken(f"{stored.recorded[day]} are recorded on day {day}")
            yield "records", stored, done
            back = done._replace(held=done.held + 1)
            is_of_day = now.day == day or "the day of what goes back" in self.without
            yield "surely does not record", state, back if is_of_day else done
            if "doubt whether it is stored" in self.without and is_of_day:
                yield "records, and gets no answer", stored, back


def _plus_one(days: tuple[int, int], day: int) -> tuple[int, int]:
    return (days[0], days[1] + 1) if day else (days[0] + 1, days[1])


LEASED = Budget()
