"""The erasure of a busy user, as decision 061 and `privacy.erasure` describe it.

Calls of the erasure run at the same time, and each may stop between two steps. A call looks for rows by the user's id.
If it finds some, it writes `found_at`, and only then deletes them. After SETTLE ticks without such rows it scans for
rows of idempotency keys, which have no partition of a user, looks once more, and ends. Meanwhile a caller records an
outcome and its key's row in one transaction, and a statement is made.
"""

from collections import namedtuple
from typing import Any

from tests.model.explore import ENDED, NOTHING, Model, Steps, law

OUTCOME, KEY, USER, STATEMENT = "outcome", "key", "user", "statement"
BY_ID = (USER, STATEMENT, OUTCOME)  # in the order in which they are deleted

# record: of the running erasure, None before and after it. stops: how many calls may still stop before their end.
State = namedtuple("State", "now rows record has_begun stops")
# step: after a look that finds nothing. missed: whether there was an outcome when the scans ended.
Record = namedtuple("Record", "found_at step changes missed")


class Erasure(Model):
    LAST = 4
    WRITE_DELAY = 1  # until a request in flight has ended
    SETTLE = 2
    start = State(0, NOTHING, None, False, 1)

    def record(self, state: State, doing: Any) -> Steps:
        match doing:
            case ("begin",):
                yield "is sent", state, ("sent", state.now, not state.has_begun)
            case ("sent", at, is_early) if state.now <= at + self.WRITE_DELAY:
                has_ended = state.has_begun and not state.record
                law(not (is_early and has_ended), "a call that began before the erasure leaves a row")
                yield "lands", state._replace(rows=state.rows | {OUTCOME, KEY}), ENDED

    def statement(self, state: State, doing: Any) -> Steps:
        match doing:
            case ("begin",) if not state.has_begun:
                yield "reads the user's key", state, ("entries", state.now)
            case ("entries", at):
                yield "reads entries", state, ("store", at, OUTCOME in state.rows)
            case ("store", at, is_whole) if state.now <= at + self.WRITE_DELAY:
                if USER not in state.rows and self.has("the statement's check of the user's key"):
                    yield "is refused", state, ENDED
                else:
                    law(is_whole, "a statement lacks an entry that was deleted")
                    law(state.record or not state.has_begun, "a statement is stored after the erasure")
                    yield "is stored", state._replace(rows=state.rows | {STATEMENT}), ENDED

    def call(self, state: State, doing: Any) -> Steps:
        if state.stops and doing not in {self.begin, ENDED}:
            yield "stops", state._replace(stops=state.stops - 1), self.begin
        match doing:
            case ("begin",) if not state.has_begun:
                record = Record(state.now, "wait", 0, False)
                yield "begins the erasure", state._replace(record=record, has_begun=True), ("look", record)
            case ("begin",) if state.record:
                yield "goes on", state, ("look", state.record)
            case ("look", read):
                order = BY_ID if self.has("the user's key deleted first") else BY_ID[::-1]
                if found := tuple(row for row in order if row in state.rows):
                    noted = self.has("found_at before rows are deleted")
                    yield "finds rows", state, ("note", read, found, state.now) if noted else ("delete", read, found)
                else:
                    yield "finds no row", state, (read.step, read)
            case ("note", read, found, now):
                for changed in self._changed(state, read, found_at=now, step="wait"):
                    yield "writes found_at", changed, ("delete", changed.record, found)
            case ("delete", read, ()):
                yield "looks again", state, ("look", read)
            case ("delete", read, (row, *more)):
                yield f"deletes {row}", state._replace(rows=state.rows - {row}), ("delete", read, (*more,))
            case ("wait", read) if state.now - read.found_at >= self.SETTLE:
                for changed in self._changed(state, read, step="scan"):
                    yield "has waited", changed, ("scan", changed.record)
            case ("scan", read):
                yield "scans", state, ("delete found", read, KEY in state.rows)
            case ("delete found", read, is_found):
                scanned = state._replace(rows=state.rows - {KEY}) if is_found else state
                for changed in self._changed(scanned, read, step="end", missed=OUTCOME in state.rows):
                    last = "look" if self.has("the look after the scans") else "end"
                    yield "has scanned", changed, (last, changed.record)
            case ("end", read):
                for changed in self._changed(state, read):
                    law(not (read.missed and OUTCOME in state.rows), "what landed before the scans ended is left")
                    law(KEY not in state.rows or OUTCOME in state.rows, "a key's row is left without its outcome")
                    yield "ends the erasure", changed._replace(record=None), ENDED

    def _changed(self, state: State, read: Record, **changes: Any) -> list[State]:
        """Write the record if it is as it was read. Return nothing if it is not: then the next call goes on."""
        record = state.record
        if not record or (record.changes != read.changes and self.has("the record's check of changes")):
            return []
        return [state._replace(record=read._replace(changes=read.changes + 1, **changes))]
