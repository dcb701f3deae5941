"""Recording, summaries, imports and statements of one user, as decisions 027, 031, 116 and 126 describe them.

A recorder picks `created_at` by its own clock; its write lands at most WRITE_DELAY later, or never. An import blocks
stored sums in the row of imports, checks this row, and writes an outcome of the past. A summary reads the row, then the
stored sums of its epoch, then the entries after them; it answers, and stores what is settled. A statement reads the
row, then the entries before its cut, and is stored if the row is as it was read. Any of them may stop between two
steps.
"""

from collections import namedtuple
from typing import Any

from tests.model.explore import ENDED, NOTHING, Model, Steps, law

OLD = 1  # when the outcome that is imported was recorded

# An entry is the tick of its created_at, and who wrote it.
State = namedtuple("State", "now entries acknowledged row sums")
Row = namedtuple("Row", "epoch until changes cut")  # of imports. until: when the import's block ends, or -1
Sums = namedtuple("Sums", "epoch end entries")  # stored, of the interval that begins at 0


class Totals(Model):
    """SKEW: how wrong a recorder's clock may be. HOSTS: how much DynamoDB's own clocks may differ."""

    LAST = 4
    SETTLED, WRITE_DELAY, SKEW, HOSTS = 2, 1, 1, 0
    BLOCK = 3
    RENEWED = 2  # a block is renewed if fewer ticks are left
    CHECKED = 1  # an import's write lands at most this many ticks after its check
    CUT = 2
    start = State(0, NOTHING, NOTHING, Row(0, -1, 0, -1), Sums(0, 0, NOTHING))

    def _clocks(self, state: State) -> range:
        return range(state.now - self.HOSTS, state.now + self.HOSTS + 1)

    def _added(self, state: State, *entry: Any) -> State:
        law(entry[0] >= state.row.cut, f"{entry} is added before the statement's cut")
        return state._replace(entries=state.entries | {entry}, acknowledged=state.acknowledged | {entry})

    def record(self, state: State, doing: Any) -> Steps:
        match doing:
            case ("begin",):
                for created in range(max(0, state.now - self.SKEW), state.now + self.SKEW + 1):
                    yield f"is sent at {created}", state, ("sent", created)
            case ("sent", created):
                yield "is lost", state, ENDED
                if state.now <= created + self.WRITE_DELAY:  # later, DynamoDB refuses the signature
                    yield "lands", self._added(state, created, "recorder"), ENDED

    def imports(self, state: State, doing: Any) -> Steps:
        if doing[0] in {"check", "close"}:
            yield "stops", state, ENDED
        match doing:
            case ("begin",):
                for now in self._clocks(state):
                    yield "reads the row", state, ("block", state.row, now, state.row.cut)
            case ("block", read, _, _) if state.row.changes != read.changes:
                yield "finds the row changed", state, self.begin
            case ("block", read, now, cut):
                is_new = read.until < 0 or self.has("an epoch for each renewal")
                row = Row(read.epoch + is_new, now + self.BLOCK, read.changes + 1, read.cut)
                yield "blocks stored sums", state._replace(row=row), ("check", row.until, None, cut)
            case ("check", until, checked, cut):
                for now in self._clocks(state):
                    if until - now >= self.RENEWED:
                        yield "checks its block", state, ("check", until, state.now, cut)
                    else:
                        new = state.row.cut if self.has("the cut of the renewed row") else cut
                        yield "renews its block", state, ("block", state.row, now, new)
                may_write = cut <= OLD or not self.has("the import's own check of the cut")
                if may_write and checked is not None and state.now <= checked + self.CHECKED:
                    yield "writes", self._added(state, OLD, "import"), ("close",)
            case ("close",):
                row = state.row._replace(until=-1, changes=state.row.changes + 1)
                yield "ends its block", state._replace(row=row), ENDED

    def summary(self, state: State, doing: Any) -> Steps:
        match doing:
            case ("begin",):
                for now in self._clocks(state):
                    keeps = state.row.until <= now or not self.has("no sums stored during a block")
                    epoch = state.row.epoch if self.has("sums of the row's epoch only") else 0
                    yield "reads the row", state, ("sums", state.acknowledged, epoch, now - self.SETTLED, keeps)
            case ("sums", acknowledged, epoch, settled, keeps):
                sums = state.sums if state.sums.epoch == epoch else Sums(epoch, 0, NOTHING)
                yield "reads stored sums", state, ("entries", acknowledged, settled, keeps, sums)
            case ("entries", acknowledged, settled, keeps, sums):
                others = frozenset(entry for entry in state.entries if entry[0] >= sums.end)
                is_once = not sums.entries & others and sums.entries <= state.entries
                law(is_once, "a summary counts an entry twice, or one that is not there")
                law(acknowledged <= sums.entries | others, "a summary misses what was acknowledged before")
                more = sums.entries | {entry for entry in others if entry[0] < settled}
                stores = ("store", Sums(sums.epoch, settled, more)) if keeps and settled > sums.end else ENDED
                yield "answers", state, stores
            case ("store", sums):
                is_longer = state.sums.epoch != sums.epoch or state.sums.end <= sums.end
                yield "stores sums", state._replace(sums=sums) if is_longer else state, ENDED
                yield "stops", state, ENDED

    def statement(self, state: State, doing: Any) -> Steps:
        entries = frozenset(entry for entry in state.entries if entry[0] < self.CUT)
        match doing:
            case ("begin",):
                for now in self._clocks(state):
                    is_free = state.row.until <= now or not self.has("no statement during a block")
                    if now >= self.CUT + self.SETTLED and is_free:
                        yield "reads the row", state, ("entries", state.row)
            case ("entries", row):
                yield "reads entries", state, ("store", row, entries)
            case ("store", row, read):
                if state.row.changes == row.changes or not self.has("the statement's check of changes"):
                    law(read == entries, "a statement is stored without an entry before its cut")
                    row = state.row._replace(cut=self.CUT, changes=state.row.changes + 1)
                    yield "is stored", state._replace(row=row), ENDED
                else:
                    yield "finds the row changed", state, self.begin
