"""Add up the recorded outcomes by the month of their newest entry, of the months that are not closed for counting.

An entry moves its outcome into the local month in which the entry was recorded, from the month of the outcome's entry
before it. So each recorded outcome is in one month, and those in no open month count by themselves (see
`definitions.counting`).

The sums are stored as intervals of recording time (see `stored_sums`), each within a local month. Instead of TALLIES,
they have the changes of three months: of the interval's own month, of the month before, and of the one before that.
When an entry is recorded, all earlier months are closed, because `disputeDays` is at most 31.
"""

from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from outcomes.calendar.local_days import LocalDays, earlier, first_day, month_of
from outcomes.contract.status import CountedFields
from outcomes.contract.sums import Cell, Sums
from outcomes.ledger.entries import Entry
from outcomes.ledger.histories import Histories
from outcomes.ledger.recorded_changes import Change, changes
from outcomes.totals.stored_sums import SettledInterval, StoredSums

OPEN = "open"  # in the names of these sums
MONTHS = 3
MERGED_CELLS = 1_000
"""An interval that is contiguous with the last stored one is merged with it, if it has at most this many sums."""
TOGETHER = 100  # entries of which the histories are read in one call
_END = "~"  # after all instants


class OpenMonths:
    """Adds up the sums of one partition. They are exact for all outcomes that can be affected by entries since `first`.

    month: the earliest open month.
    """

    def __init__(self, stored: StoredSums, days: LocalDays, month: str, first: str, histories: Histories) -> None:
        self.stored = stored
        self.days = days
        self.name = f"{stored.zone} {OPEN}"
        self.histories = histories
        begin = self._begin(month)
        self.first = max(begin, first)
        self.kept = [*stored.read(self.name, begin)]
        # Sums are stored from one of these instants until another.
        self.cuts = sorted({self.first, *(at for each in self.kept for at in (each.begin, each.end))})
        for _ in range(2 * MONTHS):
            month = earlier(month, -1)
            self.cut(self._begin(month))
        self.sums: defaultdict[str, Sums] = defaultdict(Sums)  # by the cut at which they begin
        self.pending: list[Entry] = []
        self.read: list[tuple[str, str]] = []  # the parts [begin, end) of which all entries were added
        self.begun = self.reached = ""  # the part that is being added
        self.is_read_twice = False  # whether entries were added that the stored sums have

    def adding(
        self, groups: Iterator[tuple[str, list[Entry] | None]], begin: str, end: str | None
    ) -> Iterator[tuple[str, list[Entry] | None]]:
        """Yield groups of entries of one instant, all that were recorded in [begin, end), and add each afterwards.

        end: None for all since `begin`. The caller may stop at any group, which is then not added.
        """
        self._end()
        self.begun = self.reached = max(begin, self.first)
        self.cut(self.begun)
        for at, together in groups:
            self.reached = max(at, self.begun)
            yield at, together
            if not together or at < self.first:
                continue
            if self._is_kept(at):
                self.is_read_twice = True
                continue
            self.pending += together
            if len(self.pending) >= TOGETHER:
                self._apply()
        self.reached = max(end or _END, self.begun)

    def _end(self) -> None:
        """Note that the part that was being added is complete as far as it was reached."""
        if self.begun < self.reached:
            self.cut(self.reached)
            self.read.append((self.begun, self.reached))
            self.begun = self.reached

    def cut(self, at: str) -> None:
        """Let sums begin at an instant. Call this before adding later entries."""
        if at not in self.cuts:
            insort(self.cuts, at)

    def gaps(self, until: str) -> Iterator[tuple[str, str]]:
        """Yield the parts [begin, end) between `first` and `until` that are neither stored nor were added."""
        self._end()
        at = self.first
        for begin, end in sorted([*((each.begin, each.end) for each in self.kept), *self.read]):
            if at < begin and at < until:
                yield at, min(begin, until)
            at = max(at, end)
        if at < until:
            yield at, until

    def by_month(self) -> dict[str, Sums]:
        """Return the sums of recorded outcomes by the month of their newest entry, as their only tally."""
        self._apply()
        found: defaultdict[str, Sums] = defaultdict(Sums)
        for begin, sums in (*((each.begin, each.sums) for each in self.kept), *self.sums.items()):
            month = self._month(begin)
            for cell, tallies in sums.by_cell.items():
                for ago, sum_ in enumerate(tallies[:MONTHS]):
                    found[earlier(month, ago)].add_to(cell, [sum_])
        return found

    def new_intervals(self, until: str) -> Iterator[SettledInterval]:
        """Yield the intervals to store, of what was added and was recorded before `until`."""
        self._end()
        self._apply()
        last = None
        for begin, end in pairwise(self.cuts):
            if end > until or self._is_kept(begin) or not any(at <= begin and end <= after for at, after in self.read):
                continue
            if last and not self._may_merge(last, begin):
                yield last
                last = None
            before = last or next((each for each in self.kept if self._may_merge(each, begin)), None)
            sums = Sums()  # without `days`, which differ for equal sums, and nothing needs
            for each in (before.sums, self.sums[begin]) if before else (self.sums[begin],):
                for cell, tallies in each.by_cell.items():
                    sums.add_to(cell, tallies)
            last = SettledInterval(before.begin if before else begin, end, sums)
        if last:
            yield last

    def _may_merge(self, before: SettledInterval, begin: str) -> bool:
        is_same_month = before.end == begin and self._month(before.begin) == self._month(begin)
        return is_same_month and len(before.sums.by_cell) <= MERGED_CELLS

    def _apply(self) -> None:
        """Add the pending entries, of which the oldest may need the history of their outcomes."""
        found = changes([entry.item for entry in self.pending if entry.item], self.histories)
        self.pending = []  # only now: if there is no time to read histories, what is stored must not lack these entries
        for change in found:
            sums = self.sums[self.cuts[bisect(self.cuts, change.at) - 1]]
            self._move(sums, change)

    def _move(self, sums: Sums, change: Change) -> None:
        month = self._month(change.at)
        if change.after:
            sums.of(self._cell(change.after))[0].add(1, change.after.value_usd)
        if change.before:
            since = self._month(change.since)
            for ago in range(MONTHS):
                if since == earlier(month, ago):
                    value = change.before.value_usd
                    sums.of(self._cell(change.before))[ago].add(-1, value and value.copy_negate())

    def _cell(self, fields: CountedFields) -> Cell:
        return Cell(self.days.of(fields.occurred_at).date, fields.outcome_type, fields.agent_id)

    def _is_kept(self, at: str) -> bool:
        return any(each.begin <= at < each.end for each in self.kept)

    def _month(self, at: str) -> str:
        return month_of(self.days.of(at).date)

    def _begin(self, month: str) -> str:
        return self.days.named(first_day(month)).begin
