"""Puts and reports of the costs of one day, as decision 154 describes them.

A put decides by the day's age whether it counts its change in the row of the month; it lands at most DELAY later, or
never. Code of earlier commits counts changes only once the month is old. A report reads the changes, the stored sums of
these changes, and else the day; it answers, and may store what it read. Either may stop between two steps.
"""

from collections import namedtuple
from typing import Any

from tests.model.explore import ENDED, Model, Steps, law

# version: of the day. seen: the versions that a report must not miss, by the tick when they were acknowledged.
State = namedtuple("State", "now version changes seen sums")
# rules: the changes that stored sums include, and the hour for which they count, or -1 if for good.
Sums = namedtuple("Sums", "rules version")
NO_SUMS = Sums((-1, -1), 0)


class Costs(Model):
    """COUNTED: the day's age from which changes are counted. OLD: the same for earlier code."""

    LAST = 3
    COUNTED, OLD = 1, 9
    MARGIN, DELAY, HOUR = 1, 1, 2
    is_earlier = False
    start = State(0, 0, 0, (0,), NO_SUMS)

    def clock(self, state: State, doing: Any) -> Steps:
        for step, after, _ in super().clock(state, doing):
            yield step, after._replace(seen=(*state.seen, state.seen[-1])), doing

    def put(self, state: State, doing: Any) -> Steps:
        match doing:
            case ("begin",):
                is_counted = state.now >= (self.OLD if self.is_earlier else self.COUNTED)
                yield "reads the day", state, ("sent", state.version, is_counted, state.now)
            case ("sent", version, is_counted, began):
                yield "stops", state, ENDED
                if state.version == version and state.now <= began + self.DELAY:
                    changes = state.changes + (is_counted and self.has("counted changes"))
                    seen = (*state.seen[:-1], version + 1)
                    yield "lands", state._replace(version=version + 1, changes=changes, seen=seen), ENDED

    def _rules(self, state: State) -> tuple[int, int]:
        is_for_good = state.now >= self.OLD + self.MARGIN or not self.has("the hour of a young month")
        return state.changes, -1 if is_for_good else state.now // self.HOUR

    def report(self, state: State, doing: Any) -> Steps:
        rules, sums = self._rules(state), state.sums
        match doing:
            case ("begin",):
                hour = state.now // self.HOUR * self.HOUR
                least = state.seen[hour - 1] if self.is_earlier and hour else 0 if self.is_earlier else state.seen[-1]
                may_store = state.now >= self.COUNTED + self.MARGIN
                if self.has("the changes read before the day"):
                    yield "reads the changes", state, ("sums", least, rules, may_store)
                else:
                    yield "reads the day", state, ("late", least, state.version, may_store)
            case ("late", least, version, may_store):
                is_stored = sums.rules == rules
                self._answer(least, sums.version if is_stored else version)
                yield "reads the changes", state, ("store", rules, version) if may_store and not is_stored else ENDED
            case ("sums", least, read, may_store):
                if sums.rules == read or (sums != NO_SUMS and not self.has("sums of these changes only")):
                    self._answer(least, sums.version)
                    yield "answers by stored sums", state, ENDED
                else:
                    yield "finds no sums", state, ("day", least, read, may_store)
            case ("day", least, read, may_store):
                self._answer(least, state.version)
                yield "reads the day", state, ("store", read, state.version) if may_store else ENDED
            case ("store", read, version):
                yield "stores sums", state._replace(sums=Sums(read, version)), ENDED
                yield "stops", state, ENDED

    def _answer(self, least: int, version: int) -> None:
        law(version >= least, "a report lacks a put that was acknowledged before, with earlier code in an earlier hour")
