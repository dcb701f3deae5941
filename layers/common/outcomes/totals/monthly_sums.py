"""Store sums of each month by day and type, and by agent, for users with many sums by day, type and agent.

If each of 10,000 agents records once a day, a month has 300,000 sums by day, type and agent, but only 10,000 by agent.
A summary without filters reads the monthly sums, unless its period contains only a part of the month.

Monthly sums are stored as an interval of recording time (see `stored_sums`). It begins with the first settled interval
of the month, consists of whole settled intervals, and ends at a midnight. It contains

- of outcomes that happened in this month: the sums by day and type (with the agent ALL_AGENTS), and the sums by agent
  (with the type ALL_TYPES, on the first day of the month);
- of all other outcomes, for example if one of an earlier month was corrected: the sums by day, type and agent.
"""

from collections.abc import Iterator, Sequence

from outcomes.calendar.local_days import LocalDays, month_of
from outcomes.contract.sums import Sums
from outcomes.totals.stored_sums import SettledInterval, StoredSums

CELLS_SAVED = 5_000
"""Monthly sums are stored if they save later summaries from reading at least this many sums."""


class MonthlySums:
    """The monthly sums of one partition. The current month's sums are added up from its settled intervals.

    first: the instant at which a summary begins. If it is within a month, that month's sums are not stored.
    """

    def __init__(self, stored: StoredSums, days: LocalDays, first: str) -> None:
        self.stored = stored
        self.days = days
        self.name = f"{stored.zone} months"
        self.month = self._month(first)
        self.begin = ""  # the start of the current month's sums; empty if they need not be added up
        self.end = ""
        self.sums = Sums()
        self.cells = 0  # the number of stored sums that were added up to `sums`

    def read(self, first: str) -> Iterator[SettledInterval]:
        """Yield the stored sums that begin at `first` or later."""
        return self.stored.read(self.name, first)

    def days_of(self, interval: SettledInterval) -> set[str]:
        """Return the days of the interval's month that have sums, and the first day, which has the sums by agent."""
        month = self._month(interval.begin)
        return {_first_day(month), *(day for day in interval.sums.days if month_of(day) == month)}

    def add(self, intervals: Sequence[SettledInterval]) -> None:
        """Add consecutive settled intervals that end at a midnight."""
        if self._month(intervals[0].begin) > self.month:
            self.resume(SettledInterval(intervals[0].begin, intervals[0].begin, Sums()))
        for interval in intervals if self.begin else ():
            for cell, tallies in interval.sums.by_cell.items():
                if month_of(cell.date) == self.month:
                    self.sums.add_marginals(cell, tallies, _first_day(self.month))
                else:
                    self.sums.add_to(cell, tallies)
            self.sums.touch_all(interval.sums)
            self.cells += len(interval.sums.by_cell)
            self.end = interval.end

    def skip(self, interval: SettledInterval) -> None:
        """Continue after stored sums, whose settled intervals need not be added up again."""
        self.close()
        self.month, self.begin = self._month(interval.begin), ""

    def resume(self, interval: SettledInterval) -> None:
        """Continue from these sums of the month."""
        self.close()
        self.month, self.begin, self.end = self._month(interval.begin), interval.begin, interval.end
        self.sums, self.cells = interval.sums, len(interval.sums.by_cell)

    def close(self) -> None:
        """Store the current month's sums, if storing them saves enough read units."""
        saved = self.cells - len(self.sums.by_cell)
        if "" < self.begin < self.end and saved >= CELLS_SAVED and self.stored.may_keep:
            items = self.stored.items(self.name, self.begin, self.end, self.sums)
            if self.stored.put(items, is_large=True):
                self.cells = len(self.sums.by_cell)

    def _month(self, instant: str) -> str:
        return month_of(self.days.of(instant).date)


def _first_day(month: str) -> str:
    return f"{month}-01"
