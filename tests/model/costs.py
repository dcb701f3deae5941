"""Puts and reports of the costs of one day, as decision 154 describes them.

A put decides by the day's age whether it counts its change in the row of the month; it lands at most DELAY later, or
never. Code of earlier commits counts changes only once the month is old. A report reads the changes, the stored sums of
these changes, and else the day; it answers, and may store what it read. Either may stop between two steps.

Law: a report includes each put that was acknowledged before it began, or in an earlier hour if earlier code made it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.model.explore import LawBroken, acting


class Sums(NamedTuple):
    """Stored sums. rules: the changes that they include, and the hour for which they count, or -1 if for good."""

    rules: tuple[int, int] = (-1, -1)
    version: int = 0


class State(NamedTuple):
    """version: of the day. seen: the versions that a report must not miss, by the tick when they were acknowledged."""

    now: int
    version: int
    changes: int
    seen: tuple[int, ...]
    sums: Sums
    puts: tuple[tuple[Any, ...], ...]
    reports: tuple[tuple[Any, ...], ...]


ENDED = ("ended",)


@dataclass(frozen=True)
class Costs:
    """Bounds in ticks. COUNTED: the day's age from which changes are counted. OLD: the same for earlier code."""

    without: frozenset[str] = frozenset()
    LAST: int = 3
    COUNTED: int = 1
    MARGIN: int = 1
    DELAY: int = 1
    OLD: int = 9
    HOUR: int = 2
    puts: int = 2
    is_earlier: bool = False

    def start(self) -> State:
        return State(0, 0, 0, (0,), Sums(), (("begin",),) * self.puts, (("begin",),) * 2)

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        if state.now < self.LAST:
            yield "a tick", state._replace(now=state.now + 1, seen=(*state.seen, state.seen[-1]))
        yield from acting(state, "puts", "put", self._put)
        yield from acting(state, "reports", "report", self._report)

    def _put(self, state: State, put: tuple[Any, ...]) -> Iterator[tuple[str, State, tuple[Any, ...]]]:
        match put:
            case ("begin",):
                is_counted = state.now >= (self.OLD if self.is_earlier else self.COUNTED)
                yield "reads the day", state, ("sent", state.version, is_counted, state.now)
            case ("sent", version, is_counted, began):
                yield "stops", state, ENDED
                if state.version == version and state.now <= began + self.DELAY:
                    counted = is_counted and "counted changes" not in self.without
                    seen = (*state.seen[:-1], version + 1)
                    landed = state._replace(version=version + 1, changes=state.changes + counted, seen=seen)
                    yield "lands", landed, ENDED

    def _rules(self, state: State, changes: int) -> tuple[int, int]:
        is_for_good = state.now >= self.OLD + self.MARGIN or "the hour of a young month" in self.without
        return changes, -1 if is_for_good else state.now // self.HOUR

    def _report(self, state: State, report: tuple[Any, ...]) -> Iterator[tuple[str, State, tuple[Any, ...]]]:
        match report:
            case ("begin",):
                hour = state.now // self.HOUR * self.HOUR
                least = state.seen[hour - 1] if self.is_earlier and hour else 0 if self.is_earlier else state.seen[-1]
                may_store = state.now >= self.COUNTED + self.MARGIN
                if "the changes read before the day" in self.without:
                    yield "reads the day", state, ("late", least, state.version, may_store)
                else:
                    yield "reads the changes", state, ("sums", least, self._rules(state, state.changes), may_store)
            case ("late", least, version, may_store):
                rules = self._rules(state, state.changes)
                is_stored = state.sums.rules == rules
                self._answer(least, state.sums.version if is_stored else version)
                yield "reads the changes", state, ("store", rules, version) if may_store and not is_stored else ENDED
            case ("sums", least, rules, may_store):
                if state.sums.rules == rules or (state.sums != Sums() and "sums of these changes only" in self.without):
                    self._answer(least, state.sums.version)
                    yield "answers by stored sums", state, ENDED
                else:
                    yield "finds no sums", state, ("day", least, rules, may_store)
            case ("day", least, rules, may_store):
                self._answer(least, state.version)
                yield "reads the day", state, ("store", rules, state.version) if may_store else ENDED
            case ("store", rules, version):
                yield "stores sums", state._replace(sums=Sums(rules, version)), ENDED
                yield "stops", state, ENDED

    def _answer(self, least: int, version: int) -> None:
        if version < least:
            raise LawBroken(f"a report answers version {version}, but {least} was acknowledged")


COUNTED = Costs()
EARLIER = Costs(is_earlier=True, puts=1, OLD=3, LAST=6)
