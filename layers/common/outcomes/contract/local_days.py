"""Local days of a time zone: which of them an instant belongs to, and where they begin and end.

A day is all from its first midnight to that of the next. Instants are text, as `instants.text` has it.
"""

from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from outcomes.contract import instants

_HOUR = len("2026-04-01T12")


class LocalDay(NamedTuple):
    """From `begin` on, before `end`. date: `2026-04-01`."""

    date: str
    begin: str
    end: str


class LocalDays:
    """The days of one time zone. Most hours lie within one day, which is remembered for each of them."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._by_hour: dict[str, LocalDay] = {}

    def of(self, instant: str) -> LocalDay:
        """Find the day of an instant."""
        day = self._by_hour.get(instant[:_HOUR])
        if day is None or not day.begin <= instant < day.end:
            day = self._by_hour[instant[:_HOUR]] = self._find(instant)
        return day

    def _find(self, instant: str) -> LocalDay:
        today = datetime.fromisoformat(instant).astimezone(self.zone).date()
        # Where clocks go back over midnight, what comes after the first midnight has the date before once more.
        for days in (0, 1, -1):
            day = self.named(today + timedelta(days=days))
            if day.begin <= instant < day.end:
                return day
        raise ValueError(f"no day of {self.zone} has {instant}")

    def named(self, this: date) -> LocalDay:
        """Find where the day of a date begins and ends."""
        begin, end = (
            instants.text(instants.milliseconds(instants.first_instant(each, self.zone)))
            for each in (this, this + timedelta(days=1))
        )
        return LocalDay(this.isoformat(), begin, end)
