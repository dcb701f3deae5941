"""Recording, summaries, imports and statements of one user, as decisions 027, 031, 116 and 126 describe them.

A recorder picks `created_at` by its own clock; its write lands at most WRITE_DELAY later, or never. An import blocks
stored sums in the row of imports, checks this row, and writes an outcome of the past. A summary reads the row, then the
stored sums of its epoch, then the entries after them; it answers, and stores what is settled. A statement reads the
row, then the entries before its cut, and is stored if the row is as it was read. Any of them may stop between two
steps.

Laws:
- A summary counts each entry once: all that were acknowledged before it began, and none that was never written.
- Nothing is added before the cut of a stored statement.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.model.explore import LawBroken, acting

OLD = 1  # when the outcome that is imported was recorded
Entry = tuple[int, str]  # the tick of its created_at, and who wrote it


class Row(NamedTuple):
    """The row of imports. until: when the import's block ends, or -1."""

    epoch: int = 0
    until: int = -1
    changes: int = 0
    cut: int = -1


class Sums(NamedTuple):
    """The stored sums of the interval that begins at 0."""

    epoch: int = 0
    end: int = 0
    entries: frozenset[Entry] = frozenset()


class State(NamedTuple):
    """Each actor is a tuple: the name of its next step, and what it has read."""

    now: int
    entries: frozenset[Entry]
    acknowledged: frozenset[Entry]
    row: Row
    sums: Sums
    recorder: tuple[Any, ...]
    importer: tuple[Any, ...]
    summaries: tuple[tuple[Any, ...], ...]
    statement: tuple[Any, ...]


ENDED = ("ended",)


@dataclass(frozen=True)
class Totals:
    """Bounds in ticks. SKEW: how wrong a recorder's clock may be. HOSTS: how much DynamoDB's own clocks may differ."""

    without: frozenset[str] = frozenset()
    LAST: int = 4
    SETTLED: int = 2
    WRITE_DELAY: int = 1
    SKEW: int = 1
    HOSTS: int = 0
    BLOCK: int = 3
    RENEWED: int = 2  # a block is renewed if fewer ticks are left
    CHECKED: int = 1  # an import's write lands at most this many ticks after its check
    CUT: int = 2
    summaries: int = 1
    records: bool = True
    imports: bool = True
    states: bool = True

    def start(self) -> State:
        none: frozenset[Entry] = frozenset()
        recorder, importer, statement = (
            ("begin",) if acts else ENDED for acts in (self.records, self.imports, self.states)
        )
        return State(0, none, none, Row(), Sums(), recorder, importer, (("begin",),) * self.summaries, statement)

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        if state.now < self.LAST:
            yield "a tick", state._replace(now=state.now + 1)
        yield from self._record(state)
        yield from self._import(state)
        yield from acting(state, "summaries", "summary", self._summarize)
        yield from self._state(state)

    def _clocks(self, state: State) -> range:
        return range(state.now - self.HOSTS, state.now + self.HOSTS + 1)

    def _add(self, state: State, entry: Entry) -> State:
        return state._replace(entries=state.entries | {entry}, acknowledged=state.acknowledged | {entry})

    def _record(self, state: State) -> Iterator[tuple[str, State]]:
        match state.recorder:
            case ("begin",):
                for created in range(max(0, state.now - self.SKEW), state.now + self.SKEW + 1):
                    yield f"a record is sent at {created}", state._replace(recorder=("sent", created))
            case ("sent", created):
                yield "it is lost", state._replace(recorder=ENDED)
                if state.now <= created + self.WRITE_DELAY:  # later, DynamoDB refuses the signature
                    entry = (created, "recorder")
                    self._allow(state, entry)
                    yield "it lands", self._add(state, entry)._replace(recorder=ENDED)

    def _import(self, state: State) -> Iterator[tuple[str, State]]:
        def follow(step: str, *importer: Any, **changed: Any) -> tuple[str, State]:
            return f"the import {step}", state._replace(importer=importer, **changed)

        if state.importer[0] in {"check", "close"}:
            yield follow("stops", *ENDED)
        match state.importer:
            case ("begin",):
                for now in self._clocks(state):
                    yield follow("reads the row", "block", state.row, now, state.row.cut)
            case ("block", read, now, cut):
                if state.row.changes != read.changes:
                    yield follow("finds the row changed", "begin")
                    return
                is_renewal = read.until >= 0
                epoch = read.epoch if is_renewal and "an epoch for each renewal" in self.without else read.epoch + 1
                row = Row(epoch, now + self.BLOCK, read.changes + 1, read.cut)
                yield follow("blocks stored sums", "check", row.until, None, cut, row=row)
            case ("check", until, checked, cut):
                for now in self._clocks(state):
                    if until - now >= self.RENEWED:
                        yield follow("checks its block", "check", until, state.now, cut)
                    else:
                        new = cut if "the cut of the renewed row" in self.without else state.row.cut
                        yield follow("renews its block", "block", state.row, now, new)
                may_write = cut <= OLD or "the import's own check of the cut" in self.without
                if may_write and checked is not None and state.now <= checked + self.CHECKED:
                    self._allow(state, (OLD, "import"))
                    yield "the import writes", self._add(state, (OLD, "import"))._replace(importer=("close",))
            case ("close",):
                row = state.row._replace(until=-1, changes=state.row.changes + 1)
                yield follow("ends its block", *ENDED, row=row)

    def _allow(self, state: State, entry: Entry) -> None:
        if entry[0] < state.row.cut:
            raise LawBroken(f"{entry} is added before the statement's cut")

    def _summarize(self, state: State, summary: tuple[Any, ...]) -> Iterator[tuple[str, State, tuple[Any, ...]]]:
        match summary:
            case ("begin",):
                for now in self._clocks(state):
                    keeps = state.row.until <= now or "no sums stored during a block" in self.without
                    epoch = 0 if "sums of the row's epoch only" in self.without else state.row.epoch
                    yield "reads the row", state, ("sums", state.acknowledged, epoch, now - self.SETTLED, keeps)
            case ("sums", *read):
                is_usable = state.sums.epoch == read[1]
                yield "reads stored sums", state, ("entries", *read, state.sums if is_usable else Sums(read[1]))
            case ("entries", acknowledged, epoch, settled, keeps, sums):
                others = frozenset(entry for entry in state.entries if entry[0] >= sums.end)
                if sums.entries & others or not sums.entries <= state.entries:
                    raise LawBroken("a summary counts an entry twice, or one that is not there")
                if missing := acknowledged - sums.entries - others:
                    raise LawBroken(f"a summary misses {sorted(missing)}")
                if keeps and settled > sums.end:
                    more = frozenset(entry for entry in others if entry[0] < settled)
                    yield "answers", state, ("store", Sums(epoch, settled, sums.entries | more))
                else:
                    yield "answers", state, ENDED
            case ("store", sums):
                is_longer = state.sums.epoch != sums.epoch or state.sums.end <= sums.end
                yield "stores sums", state._replace(sums=sums) if is_longer else state, ENDED
                yield "stops", state, ENDED

    def _state(self, state: State) -> Iterator[tuple[str, State]]:
        match state.statement:
            case ("begin",):
                for now in self._clocks(state):
                    is_free = state.row.until <= now or "no statement during a block" in self.without
                    if now >= self.CUT + self.SETTLED and is_free:
                        yield "the statement reads the row", state._replace(statement=("entries", state.row))
            case ("entries", row):
                entries = frozenset(entry for entry in state.entries if entry[0] < self.CUT)
                yield "the statement reads entries", state._replace(statement=("store", row, entries))
            case ("store", row, entries):
                if state.row.changes == row.changes or "the statement's check of changes" in self.without:
                    if entries != {entry for entry in state.entries if entry[0] < self.CUT}:
                        raise LawBroken("a statement is stored without an entry before its cut")
                    changed = state.row._replace(cut=self.CUT, changes=state.row.changes + 1)
                    yield "the statement is stored", state._replace(row=changed, statement=ENDED)
                else:
                    yield "the statement finds the row changed", state._replace(statement=("begin",))


# Each group has only the actors that its laws need.
SETTLING = Totals(imports=False, states=False, summaries=2)
EPOCHS = Totals(records=False, states=False, summaries=2)
CUTS = Totals(summaries=0)
WRONG_HOSTS = Totals(records=False, summaries=0, LAST=6, HOSTS=1, SETTLED=3, BLOCK=5, RENEWED=4)
