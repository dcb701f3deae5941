"""Add entries to an unfinished statement. The work can be stored, so that another call continues it."""

import json
import os
from base64 import b64decode, b64encode
from bisect import bisect
from collections.abc import Callable

import tzdata

from outcomes.statements.format import FORMAT, SUMS, RecordedOutcome, leaf, salt
from outcomes.statements.months import Calendar
from outcomes.statements.recorded_entries import Entry, counted, entry_text
from outcomes.statements.statement_rows import Unfinished
from outcomes.statements.statement_sums import Bounds, StatementSums
from outcomes.statements.tree import IndexedTree

SALT_KEY_BYTES = 32

RULES = f"{FORMAT} {tzdata.IANA_VERSION}"
"""The rules by which entries are added. Other rules could put the entries so far into other periods."""


class Work:
    """The work on one statement.

    period: the bounds of the statement's period. bounds_of: see `StatementSums`. unfinished: earlier work to continue.
    last: the id of the last entry that was added, or None.
    """

    def __init__(
        self, period: Bounds, bounds_of: Callable[[str], Bounds], unfinished: Unfinished | None = None
    ) -> None:
        self.period = period
        self.sums = StatementSums(period, bounds_of)
        self.tree = IndexedTree()
        self.size, self.last = 0, None
        self.salt_key = unfinished.salt_key if unfinished else os.urandom(SALT_KEY_BYTES)
        if unfinished:
            said = json.loads(unfinished.content)
            self.size, self.last = unfinished.size, said["last"]
            self.sums.add_texts(said["sums"], unfinished.agents)
            self.tree = IndexedTree(b64decode(said["index"]), [b64decode(each) for each in said["leaves"]])

    def add(self, entry: Entry) -> None:
        self.tree.add(entry.id, leaf(salt(self.salt_key, entry.id), entry_text(entry)))
        if isinstance(entry, RecordedOutcome):
            self.sums.add(None, counted(entry))
        else:
            self.sums.add(entry.before, entry.after)
        self.size, self.last = self.size + 1, entry.id

    def sums_text(self, definition: str = "null") -> str:
        return self.sums.text(salt(self.salt_key, SUMS), definition)

    def unfinished(self, epoch: int) -> Unfinished:
        """Return the work to store. epoch: the `Imports.epoch` that was read before the first entry."""
        content = {
            "last": self.last,
            "sums": self.sums_text(),
            "index": b64encode(self.tree.index).decode(),
            "leaves": [b64encode(each).decode() for each in self.tree.leaves],
        }
        return Unfinished(json.dumps(content), self.sums.agents_text(), self.salt_key, self.size, epoch, RULES)


def other_periods(period: Bounds, chain: list[Bounds], calendar: Calendar) -> Callable[[str], Bounds]:
    """Return a function that finds the period that contains an instant outside `period`.

    chain: the bounds of the preceding statements, oldest first. These bounds stay the same if the time zone's rules
    change. All other bounds come from the calendar, and do not overlap the chain.
    """
    first = chain[0].begin if chain else period.begin
    begins = [bounds.begin for bounds in chain]

    def bounds_of(instant: str) -> Bounds:
        if first <= instant < period.begin:
            return chain[bisect(begins, instant) - 1]
        begin, end = calendar.of(instant)
        return Bounds(begin, min(end, first)) if instant < first else Bounds(max(begin, period.end), end)

    return bounds_of
