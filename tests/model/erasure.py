"""The erasure of a busy user, as decision 061 and `privacy.erasure` describe it.

Calls of the erasure run at the same time, and each may stop between two steps. A call looks for rows by the user's id.
If it finds some, it writes `found_at`, and only then deletes them. After SETTLE ticks without such rows it scans for
rows of idempotency keys, which have no partition of a user, looks once more, and ends. Meanwhile a caller records an
outcome and its key's row in one transaction, and a statement is made.

Laws:
- A call that began before the erasure leaves no row.
- What lands before the scans end is erased.
- No row of a key is left without its outcome, because no later look would find it.
- No statement is stored after an outcome was deleted whose entry it should have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.model.explore import LawBroken

OUTCOME, KEY, USER, STATEMENT = "outcome", "key", "user", "statement"
BY_ID = (USER, STATEMENT, OUTCOME)  # in the order in which they are deleted
ENDED = ("ended",)
WAIT, SCAN, END = range(3)


class Record(NamedTuple):
    """The record of the running erasure. missed: whether there was an outcome when the scans ended."""

    found_at: int
    step: int = WAIT
    changes: int = 0
    missed: bool = False


class State(NamedTuple):
    """has_begun: whether the erasure has begun. record: None before and after it. stops: how many calls may still stop
    before their end."""

    now: int
    rows: frozenset[str]
    record: Record | None
    has_begun: bool
    calls: tuple[tuple[Any, ...], ...]
    recorder: tuple[Any, ...]
    statement: tuple[Any, ...]
    stops: int


@dataclass(frozen=True)
class Erasure:
    """WRITE_DELAY: ticks until a request in flight has ended. SETTLE: see above."""

    without: frozenset[str] = frozenset()
    LAST: int = 6
    WRITE_DELAY: int = 1
    SETTLE: int = 2
    calls: int = 2
    stops: int = 1
    states: bool = False

    def start(self) -> State:
        rows = frozenset({OUTCOME, USER}) if self.states else frozenset()
        recorder, statement = (ENDED, ("begin",)) if self.states else (("begin",), ENDED)
        return State(0, rows, None, False, (("begin",),) * self.calls, recorder, statement, self.stops)

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        if state.now < self.LAST:
            yield "a tick", state._replace(now=state.now + 1)
        yield from self._record(state)
        yield from self._state(state)
        for index, call in enumerate(state.calls):
            if state.stops and call not in {("begin",), ENDED}:
                yield f"call {index} stops", self._with(state._replace(stops=state.stops - 1), index, ("begin",))
            for step, after, now in self._erase(state, call):
                yield f"call {index} {step}", self._with(after, index, now)

    def _with(self, state: State, index: int, call: tuple[Any, ...]) -> State:
        return state._replace(calls=(*state.calls[:index], call, *state.calls[index + 1 :]))

    def _record(self, state: State) -> Iterator[tuple[str, State]]:
        match state.recorder:
            case ("begin",):
                yield "a record is sent", state._replace(recorder=("sent", state.now, not state.has_begun))
            case ("sent", at, is_early) if state.now <= at + self.WRITE_DELAY:
                if is_early and state.has_begun and not state.record:
                    raise LawBroken("a call that began before the erasure leaves a row")
                rows = state.rows | {OUTCOME, KEY}
                yield "the record lands", state._replace(rows=rows, recorder=ENDED)

    def _state(self, state: State) -> Iterator[tuple[str, State]]:
        match state.statement:
            case ("begin",) if not state.has_begun:
                yield "a statement reads the user's key", state._replace(statement=("entries", state.now))
            case ("entries", at):
                read = state._replace(statement=("store", at, OUTCOME in state.rows))
                yield "the statement reads entries", read
            case ("store", at, is_whole) if state.now <= at + self.WRITE_DELAY:
                if USER not in state.rows and "the statement's check of the user's key" not in self.without:
                    yield "the statement is refused", state._replace(statement=ENDED)
                elif not is_whole:
                    raise LawBroken("a statement lacks an entry that was deleted")
                elif state.has_begun and not state.record:
                    raise LawBroken("a statement is stored after the erasure")
                else:
                    stored = state._replace(rows=state.rows | {STATEMENT}, statement=ENDED)
                    yield "the statement is stored", stored

    def _erase(self, state: State, call: tuple[Any, ...]) -> Iterator[tuple[str, State, tuple[Any, ...]]]:
        record = state.record
        match call:
            case ("begin",):
                if not state.has_begun:
                    record = Record(state.now)
                    yield "begins the erasure", state._replace(record=record, has_begun=True), ("look", record)
                elif record:
                    yield "goes on", state, ("look", record)
            case ("look", read):
                order = BY_ID[::-1] if "the user's key deleted first" in self.without else BY_ID
                found = tuple(row for row in order if row in state.rows)
                if found and "found_at before rows are deleted" in self.without:
                    yield "finds rows", state, ("delete", read, found)
                elif found:
                    yield "finds rows", state, ("note", read, found, state.now)
                elif read.step == WAIT:
                    yield "finds no row", state, ("wait", read)
                elif read.step == SCAN:
                    yield "finds no row", state, ("scan", read)
                else:
                    yield "finds no row", state, ("end", read)
            case ("note", read, found, now):
                changed = self._change(state, read, found_at=now, step=WAIT)
                if changed and changed.record:
                    yield "writes found_at", changed, ("delete", changed.record, found)
            case ("delete", read, (row, *more)):
                deleted = state._replace(rows=state.rows - {row})
                yield f"deletes {row}", deleted, ("delete", read, tuple(more))
            case ("delete", read, ()):
                yield "looks again", state, ("look", read)
            case ("wait", read) if state.now - read.found_at >= self.SETTLE:
                changed = self._change(state, read, step=SCAN)
                if changed and changed.record:
                    yield "has waited", changed, ("scan", changed.record)
            case ("scan", read):
                yield "scans", state, ("delete found", read, KEY in state.rows)
            case ("delete found", read, is_found):
                scanned = state._replace(rows=state.rows - {KEY}) if is_found else state
                changed = self._change(scanned, read, step=END, missed=OUTCOME in state.rows)
                if changed and changed.record:
                    last = "end" if "the look after the scans" in self.without else "look"
                    yield "has scanned", changed, (last, changed.record)
            case ("end", read):
                changed = self._change(state, read, step=END)
                if changed:
                    if read.missed and OUTCOME in state.rows:
                        raise LawBroken("an outcome that landed before the scans ended is left")
                    if KEY in state.rows and OUTCOME not in state.rows:
                        raise LawBroken("a key's row is left without its outcome")
                    yield "ends the erasure", changed._replace(record=None), ENDED

    def _change(self, state: State, read: Record, **changes: Any) -> State | None:
        """Write the record if it is as it was read. Return None if it is not: then the next call goes on."""
        is_as_read = state.record is not None and state.record.changes == read.changes
        if not is_as_read and not (state.record and "the record's check of changes" in self.without):
            return None
        return state._replace(record=read._replace(changes=read.changes + 1, **changes))


BUSY = Erasure(LAST=4)
STATED = Erasure(states=True, LAST=4, calls=1)
