"""Say how much of summaries counts by a user's definitions, in the contract's JSON."""

from bisect import bisect
from collections import defaultdict
from decimal import Decimal
from functools import cache

from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays
from outcomes.calendar.period import Period, have_same_days
from outcomes.contract.sums import EXACT, Sum, Sums
from outcomes.definitions.counting import ByRule, Figures, first_open_month, usd_text
from outcomes.definitions.definition_rules import Definition, Definitions
from outcomes.totals.summary import Summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outcomes.totals.materialized import Totals

_ALWAYS = "0001-01"  # before all months


class WhatCounts:
    """Says what counts of a summary and of the one for the period before.

    Nothing is known, and all is null, without definitions, for some statuses only, in another time zone than the
    definitions', and for a period that begins or ends within a local day. month: the earliest open month; None if no
    sums of open months are needed.
    """

    def __init__(self, definitions: Definitions | None, summary: Summary) -> None:
        self.days = LocalDays(summary.period.zone)
        self.today = self.days.of(instants.text(instants.now())).date
        is_in_zone = definitions and have_same_days(definitions.timezone, summary.period.timezone)
        # If the period has a part of a day, the period before may consist of whole days, such as one of 25 hours.
        self.definitions = definitions if is_in_zone and not summary.statuses and self._is_whole(summary) else None
        self.month = first_open_month(self.definitions.all, self.today) if self.definitions else None
        self.open_months: dict[str, Sums] = {}
        self._of, self._buckets = cache(self._divide), cache(self._divide_buckets)

    def add(self, by_month: dict[str, Sums]) -> None:
        """Add recorded outcomes by the month of their newest entry."""
        self.open_months |= by_month

    def by_rule(self, summary: Summary) -> str:
        """Return the JSON of the five parts."""
        divided = self._of(summary)
        return divided.json if divided else "null"

    def total(self, summary: Summary) -> Figures | None:
        """Return the five parts of all types together."""
        divided = self._of(summary)
        return divided.total if divided else None

    def in_total(self, summary: Summary) -> str:
        """Return the JSON of the five parts without those by type."""
        total = self.total(summary)
        return f"{{{total.members()}}}" if total else "null"

    def counted(self, summary: Summary) -> Sum | None:
        """Return the sum of what counts."""
        total = self.total(summary)
        return total.counted if total else None

    def of_period(self, summary: Summary) -> str:
        """Return the JSON members to add to the totals of the period before."""
        total = self.total(summary)
        return _members(total.counted.value, total.all_waiting.value) if total else _members(None, None)

    def of_bucket(self, summary: Summary, date: str) -> str:
        """Return the JSON members to add to the sum of a day, week or month. date: its first day in the period."""
        return _members(*(self._buckets(summary)[date] if self._of(summary) else (None, None)))

    def _divide_buckets(self, summary: Summary) -> dict[str, tuple[Decimal, Decimal]]:
        """Return what counts and what waits, by the first day of each bucket."""
        dates = [bucket.date for bucket in summary.period.buckets]
        sums = {date: (Decimal(0), Decimal(0)) for date in dates}
        if divided := self._of(summary):
            for day, counted in divided.counted_usd.items():
                date = dates[bisect(dates, day) - 1]
                before, waiting = sums[date]
                sums[date] = EXACT.add(before, counted), EXACT.add(waiting, divided.waiting_usd[day])
        return sums

    def _is_whole(self, summary: Summary) -> bool:
        """Check whether a summary's period consists of whole local days."""
        period = summary.period
        if period.since >= period.until:
            return False
        begin, end = instants.text(period.since), instants.text(period.until)
        return self.days.of(begin).begin == begin and self.days.of(instants.text(period.until - 1)).end == end

    def _divide(self, summary: Summary) -> ByRule | None:
        if not (self.definitions and self._is_whole(summary)):
            return None
        newest: defaultdict[tuple[str, str], dict[str, Sum]] = defaultdict(dict)
        for month, sums in self.open_months.items():
            for cell, (sum_, *_) in sums.by_cell.items():
                if summary.includes(cell):
                    newest[cell[:2]].setdefault(month, Sum()).add(sum_.count, sum_.value)
        divided = ByRule(self.definitions, self.today)
        for cell, (standing, confirmed, *_) in summary.of_all_agents():
            divided.add(cell.date, cell.outcome_type, standing, confirmed, newest[cell[:2]])
        return divided


def tried(totals: "Totals", user_id: int, period: Period, timezone: str, definition: Definition) -> str:
    """Return the JSON of `by_rule` of a user's outcomes in a period, as if this definition always held.

    It is null unless the period consists of whole days of the time zone. Raises StillAddingUp.
    """
    summary = Summary(period, lists_agents=False)
    counted = WhatCounts(Definitions(timezone, (definition._replace(month=_ALWAYS),)), summary)
    totals.aggregate(user_id, [summary], counted)
    return counted.by_rule(summary)


def _members(counted: Decimal | None, waiting: Decimal | None) -> str:
    return f',"counted_usd":{_usd(counted)},"waiting_usd":{_usd(waiting)}'


def _usd(value: Decimal | None) -> str:
    return "null" if value is None else usd_text(value)
