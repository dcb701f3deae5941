"""Add up a user's totals from the stored sums of settled intervals and the entries recorded between and after these."""

import time
from collections.abc import Container, Iterator
from datetime import date
from itertools import groupby
from operator import itemgetter

import tzdata

from outcomes.aws.paced_reads import PacedReads
from outcomes.contract import instants, occurrence
from outcomes.contract.local_days import LocalDays
from outcomes.contract.sums import TALLIES, Cell, Sums
from outcomes.errors import StillAddingUp
from outcomes.ledger.entries import Entries, Entry
from outcomes.ledger.items import partitions
from outcomes.ledger.store import OutcomeStore
from outcomes.totals import codec
from outcomes.totals.reading import RECENT_SECONDS, Reading
from outcomes.totals.settled_intervals import SETTLED_SECONDS, OpenInterval, SettledInterval, SettledIntervals
from outcomes.totals.summary import Summary

AGGREGATION_SECONDS = 10.0
"""Seconds after which an aggregation stores its sums and ends. Together with the 12 s of a call, this is below the
function's timeout."""
GRACE_SECONDS = 4.0  # no page is read after this time

_ORDER = {name: index for index, name in enumerate(TALLIES)}


class Totals:
    """The table of outcomes and the table of stored sums.

    edition: the deployment's edition; sums stored with a different edition are ignored.
    """

    def __init__(self, store: OutcomeStore, table: str, edition: str) -> None:
        self.store = store
        self.table = table
        self.rules = f"{codec.rules()} {tzdata.IANA_VERSION} {edition}"

    def aggregate(self, user_id: int | None, summaries: list[Summary]) -> Reading:
        """Add a user's sums to each summary, and return what was read. All summaries must have the same time zone.

        user_id: None for outcomes without a user.
        Raises StillAddingUp if there are more entries than can be read in time, also because the table is throttled.
        The sums so far are stored, and the next call continues from there; it needs new summaries.
        """
        began = time.monotonic()
        reading = Reading()
        for partition in partitions(user_id):
            aggregation = _Aggregation(self, partition, summaries, began, reading)
            aggregation.run()
            reading.read_units += aggregation.reads.read_units
        return reading


class _PeriodSums:
    """Filters sums by the days of a summary's period."""

    def __init__(self, summary: Summary, days: LocalDays) -> None:
        self.summary = summary
        self.begin, self.end = instants.text(summary.period.since), instants.text(summary.period.until)
        first, last = days.of(self.begin), days.of(instants.text(summary.period.until - 1))
        self.first, self.last = first.date, last.date
        # Days that are only partly within the period are added up entry by entry.
        self.partial_days = {day.date for day in (first, last) if day.begin < self.begin or self.end < day.end}
        self.of_partial_days = Sums()

    def add(self, sums: Sums) -> None:
        """Add the sums of days that are wholly within the period."""
        for cell, tallies in sums.by_cell.items():
            if self.first <= cell.date <= self.last and cell.date not in self.partial_days:
                self.summary.add(cell, tallies)


class _Aggregation:
    def __init__(
        self, totals: Totals, partition: str, summaries: list[Summary], began: float, reading: Reading
    ) -> None:
        self.began = began
        self.reading = reading
        self.reads = PacedReads(totals.store.dynamodb, began + AGGREGATION_SECONDS + GRACE_SECONDS, StillAddingUp)
        self.entries = Entries(self.reads.call, totals.store.table, partition)
        periods = [summary.period for summary in summaries]
        zone = periods[0].timezone
        self.days = LocalDays(periods[0].zone)
        self.parts = [_PeriodSums(each, self.days) for each in summaries if each.period.since < each.period.until]
        self.partial_days = {day for part in self.parts for day in part.partial_days}
        # Outcomes of the period may have been recorded at any later time, but at most MOST_EARLY before they happened.
        self.first = instants.text(max(0, min(period.since for period in periods) - occurrence.MOST_EARLY))
        self.kept = SettledIntervals(
            totals.store.dynamodb, self.reads.call, totals.table, totals.rules, partition, zone, self.days
        )

    def run(self) -> None:
        at, last = self.first, None
        for interval in self.kept.read(self.first):
            if at < interval.begin:
                self._aggregate_entries(at, interval.begin, last)
            self._add(interval.sums)
            for day in self.partial_days & interval.sums.days.keys():
                for entry in self.entries.recorded(*self._recorded(interval, day)):
                    self._add_partial_days(entry, {day})
            at, last = interval.end, interval
        latest = instants.read(self.kept.settled) + (SETTLED_SECONDS - RECENT_SECONDS) * 1000
        self.reading.after = max(self.reading.after, at, instants.text(latest))
        self._aggregate_entries(at, None, last)
        for part in self.parts:
            for cell, tallies in part.of_partial_days.by_cell.items():
                part.summary.add(cell, tallies)

    def _recorded(self, interval: SettledInterval, day: str) -> tuple[str, str]:
        """Return the part of an interval, [begin, end), in which outcomes of a local day were recorded."""
        early = instants.read(self.days.named(date.fromisoformat(day)).begin) - occurrence.MOST_EARLY
        end = self.days.named(date.fromisoformat(interval.sums.days[day])).end
        return max(interval.begin, instants.text(max(0, early))), min(interval.end, end)

    def _add(self, sums: Sums) -> None:
        for part in self.parts:
            part.add(sums)

    def _aggregate_entries(self, begin: str, end: str | None, last: SettledInterval | None) -> None:
        """Add the entries recorded in [begin, end), or until now. Store their sums if that saves read units.

        last: the preceding interval.
        """
        settled = self.kept.settled
        over = min(settled, end) if end else settled  # sums of later entries are not stored
        current = OpenInterval(begin, last)
        at = begin
        entries = self.entries.recorded(begin, end) if end else self.entries.recorded_since(begin, settled)
        for recorded_at, together in _by_instant(entries):
            # The interval contains all earlier entries, so it can end at this instant.
            is_late = at > begin and (together is None or self._is_late(AGGREGATION_SECONDS))
            midnight = self.days.of(recorded_at).begin
            if at < over <= recorded_at:
                self._close(current, over, is_last=True, is_late=is_late)
            elif is_late and recorded_at < over:
                self._close(current, recorded_at, is_last=True, is_late=True)
            elif at < midnight <= over:
                self._close(current, midnight)
            if is_late or together is None:
                raise StillAddingUp
            at = recorded_at
            today = self.days.of(recorded_at).date
            for entry in together:
                current.units += entry.read_units
                if entry.outcome_id:
                    self.reading.add(recorded_at, entry.outcome_id)
                for delta in entry.deltas:
                    cell = Cell(self.days.of(delta.occurred_at).date, delta.outcome_type, delta.agent_id)
                    current.sums.touch(cell.date, today)
                    current.sums.of(cell)[_ORDER[delta.tally]].add(delta.sign, delta.value_usd)
                self._add_partial_days(entry, self.partial_days)
        if at < over:
            self._close(current, over, is_last=True)
        self._add(current.sums)

    def _add_partial_days(self, entry: Entry, days: Container[str]) -> None:
        """Add an entry's deltas on days that are partly within a period."""
        for delta in entry.deltas if self.partial_days else ():
            day = self.days.of(delta.occurred_at).date
            for part in self.parts:
                if day in days and day in part.partial_days and part.begin <= delta.occurred_at < part.end:
                    cell = Cell(day, delta.outcome_type, delta.agent_id)
                    part.of_partial_days.of(cell)[_ORDER[delta.tally]].add(delta.sign, delta.value_usd)

    def _close(self, current: OpenInterval, end: str, *, is_last: bool = False, is_late: bool = False) -> None:
        """Store an interval if that saves read units, and add its sums."""
        if sums := self.kept.close(current, end, is_last=is_last, is_late=is_late):
            self._add(sums)

    def _is_late(self, seconds: float) -> bool:
        return time.monotonic() > self.began + seconds


def _by_instant(entries: Iterator[Entry]) -> Iterator[tuple[str, list[Entry] | None]]:
    """Group entries by the instant when they were recorded.

    Yield None instead of an instant's entries if there is no time to read all of them.
    """
    for recorded_at, together in groupby(entries, key=itemgetter(0)):
        try:
            yield recorded_at, list(together)
        except StillAddingUp:
            yield recorded_at, None
