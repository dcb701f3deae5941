"""Add up a user's totals from stored sums of settled intervals and from the entries recorded outside them."""

import time
from collections.abc import Container, Iterator
from datetime import date
from hashlib import sha256
from itertools import groupby
from operator import itemgetter

import tzdata

from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays
from outcomes.contract import occurrence
from outcomes.contract.sums import TALLIES, Cell, Sums
from outcomes.errors import StillAddingUp
from outcomes.ledger.entries import Entries, Entry
from outcomes.ledger.items import partitions
from outcomes.ledger.store import OutcomeStore
from outcomes.totals import codec
from outcomes.totals.monthly_sums import MonthlySums
from outcomes.totals.reading import RECENT_SECONDS, Reading
from outcomes.totals.settled_intervals import OpenInterval, SettledIntervals
from outcomes.totals.stored_sums import SETTLED_SECONDS, SettledInterval, StoredSums, number
from outcomes.totals.summary import Summary

AGGREGATION_SECONDS = 10.0
"""Seconds after which an aggregation stores its sums and ends. Together with the 12 s of a call, this is below the
function's timeout."""
GRACE_SECONDS = 4.0  # seconds after AGGREGATION_SECONDS in which pages may still be read

CHECKPOINT_CELLS = 100_000
"""An aggregation without time stores a checkpoint if it has read at least this many stored sums by day, type and agent,
which takes more than a second on Lambda, or parts of days."""
CHECKPOINT_SECONDS = 2 * 24 * 60 * 60  # how long a checkpoint is stored
OPEN_SECONDS = 100 * 24 * 60 * 60  # after an instant, until the sums of its month are not needed any more

_ORDER = {name: index for index, name in enumerate(TALLIES)}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outcomes.totals.open_months import OpenMonths
    from outcomes.totals.what_counts import WhatCounts


class Totals:
    """Adds up totals from the table of outcomes and the table of stored sums.

    edition: the template parameter `TotalsEdition`; sums stored with a different value are ignored.
    """

    def __init__(self, store: OutcomeStore, table: str, edition: str) -> None:
        self.store = store
        self.table = table
        self.rules = f"{codec.rules()} {tzdata.IANA_VERSION} {edition}"

    def aggregate(self, user_id: int | None, summaries: list[Summary], counting: "WhatCounts | None" = None) -> Reading:
        """Add a user's sums to each summary, and return what was read. All summaries must have the same time zone.

        user_id: None for outcomes without a user. counting: gets the sums of open months. Raises StillAddingUp if the
        time ends before all entries are read, for example because the table is throttled. The sums so far are stored,
        and the next call continues from there. The next call must get new summaries, without any sums.
        """
        began = time.monotonic()
        reading = Reading()
        for partition in partitions(user_id):
            # A checkpoint stores the sums of one partition, so each partition is added up separately, from zero.
            own = [summary.without_sums() for summary in summaries]
            aggregation = _Aggregation(self, partition, own, began, reading, counting)
            aggregation.run()
            reading.read_units += aggregation.reads.read_units
            for summary, added in zip(summaries, own, strict=True):
                summary.sums.add(added.sums)
        return reading


class _PeriodSums:
    """Adds sums of days to a summary, if these days are within its period.

    name: the name of the summary's checkpoint. pending: sums of partial days, to be added to the summary later.
    """

    def __init__(self, summary: Summary, days: LocalDays) -> None:
        self.summary = summary
        period = summary.period
        self.begin, self.end = instants.text(period.since), instants.text(period.until)
        first, last = days.of(self.begin), days.of(instants.text(period.until - 1))
        self.first, self.last = first.date, last.date
        # Days that are only partly within the period are added up entry by entry.
        self.partial_days = {day.date for day in (first, last) if day.begin < self.begin or self.end < day.end}
        self.pending = Sums()
        filters = (sorted({*summary.outcome_types}), summary.agent_id, summary.statuses)
        asked = (period.since, period.until, *filters, summary.lists_agents)
        self.name = f"{period.timezone} {sha256(repr(asked).encode()).hexdigest()}"

    def has(self, day: str) -> bool:
        """Return whether a day is wholly within the period."""
        return self.first <= day <= self.last and day not in self.partial_days

    def can_use(self, marginals: set[str], days: Container[str]) -> bool:
        """Return whether the summary can be computed from monthly sums.

        marginals: the month's days, which have no sums by day, type and agent. days: all days that have any sums.
        """
        if any(day in days for day in self.partial_days):
            return False
        return not self.summary.lists_agents or len({self.has(day) for day in marginals}) == 1

    def add(self, sums: Sums) -> None:
        """Add the sums of days that are wholly within the period."""
        for cell, tallies in sums.by_cell.items():
            if self.has(cell.date):
                self.summary.add(cell, tallies)

    def add_pending(self) -> None:
        for cell, tallies in self.pending.by_cell.items():
            self.summary.add(cell, tallies)
        self.pending = Sums()


class _Aggregation:
    """Adds up the entries of a partition in the order in which they were recorded.

    at: a midnight. The summaries include all entries recorded before it.
    held: the settled intervals since `at`, whose sums are added to the summaries later.
    position: the end of the last settled interval.
    read_until: maps a day that is partly within a period to an instant, which may be later than `at`. The summaries
    include all entries about this day that were recorded before this instant.
    """

    def __init__(
        self,
        totals: Totals,
        partition: str,
        summaries: list[Summary],
        began: float,
        reading: Reading,
        counting: "WhatCounts | None",
    ) -> None:
        self.began = began
        self.reading = reading
        self.counting = counting
        self.open_months: OpenMonths | None = None
        self.reads = PacedReads(totals.store.dynamodb, began + AGGREGATION_SECONDS + GRACE_SECONDS, StillAddingUp)
        self.entries = Entries(
            self.reads.call, totals.store.table, partition, with_items=bool(counting and counting.month)
        )
        periods = [summary.period for summary in summaries]
        zone = periods[0].timezone
        self.days = LocalDays(periods[0].zone)
        self.parts = [_PeriodSums(each, self.days) for each in summaries if each.period.since < each.period.until]
        self.partial_days = {day for part in self.parts for day in part.partial_days}
        self.is_filtered = any(each.is_filtered for each in summaries)
        # Begin MOST_EARLY before the period, because an outcome may have been recorded that long before it happened.
        self.first = instants.text(max(0, min(period.since for period in periods) - occurrence.MOST_EARLY))
        self.stored = StoredSums(self.reads, totals.table, totals.rules, partition, zone)
        self.at = self.position = self.first
        self.held: list[SettledInterval] = []
        self.read_until: dict[str, str] = {}
        self.cells = 0  # the number of stored sums by day, type and agent that were read

    def run(self) -> None:
        self.stored.open(self.first)
        self._resume()
        self.kept = SettledIntervals(self.stored, self.days)
        self.months = MonthlySums(self.stored, self.days, self.at)
        if self.counting and self.counting.month:
            # imported here, because few summaries say what counts
            from outcomes.ledger.histories import Histories
            from outcomes.totals.open_months import OpenMonths

            histories = Histories(self.reads, self.entries.reader.table, self.stored.partition)
            self.open_months = OpenMonths(self.stored, self.days, self.counting.month, self.first, histories)
        resumed = self.at, {**self.read_until}
        try:
            self._aggregate()
        except StillAddingUp:
            self.months.close()
            if (self.at, self.read_until) != resumed and (self.read_until or self.cells >= CHECKPOINT_CELLS):
                self._store_checkpoint()
            self._store_open_months()
            raise
        self.months.close()
        if self.counting and self.open_months:
            self._read_open_months(self.open_months)
            self.counting.add(self.open_months.by_month())

    def _read_open_months(self, open_months: "OpenMonths") -> None:
        """Read what the stored sums of settled intervals contain, but those of open months lack, and store it."""
        gaps = [*open_months.gaps(self.position)]
        for begin, end in gaps:
            at = begin
            for recorded_at, together in self._groups(begin, end):
                if together is None or (at > begin and self._is_late(AGGREGATION_SECONDS)):
                    self._store_open_months()
                    raise StillAddingUp
                at = recorded_at
        if gaps or open_months.is_read_twice:
            self.stored.require_same_epoch()
        self._store_open_months()

    def _store_open_months(self) -> None:
        """Store the sums of open months as far as those of settled intervals, so that neither is read again."""
        if self.open_months and self.stored.may_keep:
            until = min(self.position, self.stored.settled)
            for interval in self.open_months.new_intervals(until):
                expires_at = {"N": str(instants.read(interval.begin) // 1000 + OPEN_SECONDS)}
                items = self.stored.items(self.open_months.name, *interval[:3], expires_at=expires_at)
                if not self.kept.put(items):
                    break

    def _resume(self) -> None:
        """Continue from the checkpoint that an earlier call stored for these summaries, if any."""
        if not self.stored.is_large:
            return
        after = instants.text(instants.read(self.first) + 1)
        found = [each for part in self.parts for each in self.stored.read(part.name, self.first, after)]
        if len(found) == len(self.parts) and len({(each.end, frozenset(each.read.items())) for each in found}) == 1:
            for part, checkpoint in zip(self.parts, found, strict=True):
                part.summary.sums.add(checkpoint.sums)
            self.at = self.position = found[0].end
            self.read_until = dict(found[0].read)

    def _store_checkpoint(self) -> None:
        """Store the sums so far, so that the next call for these summaries continues from there."""
        read = {day: {"N": number(until)} for day, until in self.read_until.items()}
        expires_at = {"N": str(instants.now() // 1000 + CHECKPOINT_SECONDS)}
        more: Item = {"read": {"M": read}, "expires_at": expires_at}
        for part in self.parts if self.stored.may_keep else ():
            statuses = part.summary.statuses
            counted: Item = {"statuses": {"SS": [*statuses]}} if statuses else {}
            items = self.stored.items(part.name, self.first, self.at, part.summary.sums, **more, **counted)
            self.stored.put(items, is_large=True)

    def _aggregate(self) -> None:
        for interval in self.months.read(self.at) if self.stored.is_large and not self.is_filtered else ():
            self._aggregate_until(interval.begin)
            marginals = self.months.days_of(interval)
            if all(part.can_use(marginals, interval.sums.days) for part in self.parts):
                self._add(interval.sums)
                self.at = self.position = interval.end
                self._count(interval)
            else:
                self.months.skip(interval)
                self._aggregate_until(interval.end)
            self.months.resume(interval)
        self._aggregate_until(None)

    def _aggregate_until(self, end: str | None) -> None:
        """Add everything recorded until an instant, or until now: the sums of settled intervals, and other entries."""
        if end and end <= self.position:
            return
        last = None
        for interval in self.kept.read(self.position, end, overlaps=self.position == self.first):
            self._add_gap(interval.begin, last)
            self._read_partial_days(interval)
            self._commit(interval)
            self._count(interval)
            last = interval
        if end:
            self._add_gap(end, last)
        else:
            self._add_rest(last)

    def _count(self, interval: SettledInterval) -> None:
        """Count the sums of an interval that was read. Raises StillAddingUp if it is time for a checkpoint."""
        self.cells += len(interval.sums.by_cell)
        is_worthwhile = self.cells >= CHECKPOINT_CELLS and self.at == interval.end and self.stored.may_keep
        if is_worthwhile and self._is_late(AGGREGATION_SECONDS):
            raise StillAddingUp

    def _read_partial_days(self, interval: SettledInterval) -> None:
        """Read a settled interval again, and add its entries about days that are only partly within a period."""
        days = sorted(self.partial_days & interval.sums.days.keys())
        if days:
            self._add_pending(dict.fromkeys(self.partial_days, interval.begin))
        for day in days:
            begin, end = self._recorded(interval, day)
            begin = max(begin, self.read_until[day])
            at = begin
            for recorded_at, together in _by_instant(self.entries.recorded(begin, end)) if begin < end else ():
                if together is None or (at > begin and self._is_late(AGGREGATION_SECONDS)):
                    self._add_pending({day: recorded_at})
                    raise StillAddingUp
                for entry in together:
                    self._add_partial_days(entry, {day})
                at = recorded_at
            self._add_pending({day: end})

    def _recorded(self, interval: SettledInterval, day: str) -> tuple[str, str]:
        """Return the part [begin, end) of an interval in which outcomes of a local day can have been recorded."""
        early = instants.read(self.days.named(date.fromisoformat(day)).begin) - occurrence.MOST_EARLY
        end = self.days.named(date.fromisoformat(interval.sums.days[day])).end
        return max(interval.begin, instants.text(max(0, early))), min(interval.end, end)

    def _add_gap(self, end: str, last: SettledInterval | None) -> None:
        """Add the entries between two stored intervals. last: the first interval. end: where the second one begins."""
        if self.position < end:
            current = self._aggregate_entries(end, last)
            if self.position < end:
                self._commit(SettledInterval(current.begin, end, current.sums))

    def _add_rest(self, last: SettledInterval | None) -> None:
        """Add the entries recorded until now."""
        latest = instants.read(self.stored.settled) + (SETTLED_SECONDS - RECENT_SECONDS) * 1000
        self.reading.after = max(self.reading.after, self.position, instants.text(latest))
        current = self._aggregate_entries(None, last)
        for sums in (*(interval.sums for interval in self.held), current.sums):
            self._add(sums)
        self._add_pending({})

    def _aggregate_entries(self, end: str | None, last: SettledInterval | None) -> OpenInterval:
        """Read the entries recorded until `end`, or until now. Store and add their sums if that saves read units.

        Return the interval of the last entries, whose sums are not stored or added. last: the preceding stored
        interval.
        """
        begin, settled = self.position, self.stored.settled
        over = min(settled, end) if end else settled  # sums of entries after this instant are not stored
        current = OpenInterval(begin, last)
        at = begin
        for recorded_at, together in self._groups(begin, end):
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
        return current

    def _groups(self, begin: str, end: str | None) -> Iterator[tuple[str, list[Entry] | None]]:
        """Yield the entries recorded in [begin, end), or since `begin`, and add them to the sums of open months."""
        settled = self.stored.settled
        entries = self.entries.recorded(begin, end) if end else self.entries.recorded_since(begin, settled)
        groups = _by_instant(entries)
        return self.open_months.adding(groups, begin, end) if self.open_months else groups

    def _add_partial_days(self, entry: Entry, days: Container[str]) -> None:
        """Add an entry's deltas on days that are partly within a period, unless the summaries already include them."""
        for delta in entry.deltas if self.partial_days else ():
            day = self.days.of(delta.occurred_at).date
            if day not in days or entry.recorded_at < self.read_until.get(day, ""):
                continue
            for part in self.parts:
                if day in part.partial_days and part.begin <= delta.occurred_at < part.end:
                    cell = Cell(day, delta.outcome_type, delta.agent_id)
                    part.pending.of(cell)[_ORDER[delta.tally]].add(delta.sign, delta.value_usd)

    def _add_pending(self, until: dict[str, str]) -> None:
        """Add the pending sums to the summaries. until: see `read_until`."""
        for part in self.parts:
            part.add_pending()
        self.read_until |= {day: max(instant, self.read_until.get(day, "")) for day, instant in until.items()}

    def _close(self, current: OpenInterval, end: str, *, is_last: bool = False, is_late: bool = False) -> None:
        """Store an interval if that saves read units, and add its sums."""
        begin = current.begin
        if sums := self.kept.close(current, end, is_last=is_last, is_late=is_late):
            if self.open_months:
                self.open_months.cut(end)
            self._commit(SettledInterval(begin, end, sums))

    def _commit(self, interval: SettledInterval) -> None:
        """Add a settled interval and all held intervals before it, but only if it ends at a midnight.

        Monthly sums and checkpoints end only at midnights, because an interval that ends within a day may be extended.
        """
        self.held.append(interval)
        self.position = interval.end
        if self.days.of(interval.end).begin < interval.end:
            return
        self.at = interval.end
        self._add_pending({})
        for each in self.held:
            self._add(each.sums)
        if not self.is_filtered:
            self.months.add(self.held)
        self.held = []

    def _add(self, sums: Sums) -> None:
        for part in self.parts:
            part.add(sums)

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
