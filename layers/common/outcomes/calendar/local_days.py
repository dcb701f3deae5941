"""Find the local days of a time zone: the day that contains an instant, its month, and the start and end of a day.

A day ends when the next day begins, which is at the next day's first midnight. Instants are texts in the format of
`instants.text`.
"""

from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from outcomes.calendar import instants

_HOUR = len("2026-04-01T12")
_MONTH = len("2026-04")


class LocalDay(NamedTuple):
    """A local day, the half-open interval [begin, end). date: such as `2026-04-01`."""

    date: str
    begin: str
    end: str


class LocalDays:
    """The days of one time zone. They are cached by hour, because most hours lie within one day."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._by_hour: dict[str, LocalDay] = {}

    def of(self, instant: str) -> LocalDay:
        day = self._by_hour.get(instant[:_HOUR])
        if day is None or not day.begin <= instant < day.end:
            day = self._by_hour[instant[:_HOUR]] = self._find(instant)
        return day

    def _find(self, instant: str) -> LocalDay:
        today = datetime.fromisoformat(instant).astimezone(self.zone).date()
        # If clocks go back across midnight, some instants after the first midnight have the previous date again.
        for days in (0, 1, -1):
            day = self.named(today + timedelta(days=days))
            if day.begin <= instant < day.end:
                return day
        raise ValueError(f"no day of {self.zone} has {instant}")

    def named(self, this: date) -> LocalDay:
        begin, end = (
            instants.text(instants.milliseconds(instants.first_instant(each, self.zone)))
            for each in (this, this + timedelta(days=1))
        )
        return LocalDay(this.isoformat(), begin, end)


def month_of(day: str) -> str:
    return day[:_MONTH]


def earlier(month: str, months: int) -> str:
    """Return the month that is `months` before another."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 - months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def first_day(month: str) -> date:
    return date(int(month[:4]), int(month[5:]), 1)
