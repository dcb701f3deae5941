"""Find the local weeks and months of watches, by their names: `2026-W49` (as in ISO 8601) and `2026-12`."""

from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays, earlier, first_day, month_of
from outcomes.calendar.period import Bucket, Period, time_zone


class LocalPeriod(NamedTuple):
    """A half-open interval [since, until) of whole local days, in milliseconds since 1970."""

    name: str
    timezone: str
    since: int
    until: int

    @property
    def whole(self) -> Period:
        """Return the period for a summary, as one bucket."""
        first = today_in(self.timezone, self.since).isoformat()
        return Period(self.since, self.until, self.timezone, "month", [Bucket(first, instants.text(self.until))])


def containing(now: int, every: str, timezone: str) -> LocalPeriod:
    """Return the local week or month that contains an instant. every: `week` or `month`."""
    today = today_in(timezone, now)
    return week_of(today, timezone) if every == "week" else named(month_of(today.isoformat()), timezone)


def week_of(day: date, timezone: str) -> LocalPeriod:
    """Return the week that contains a local day."""
    year, week, _ = day.isocalendar()
    return named(f"{year:04d}-W{week:02d}", timezone)


@lru_cache(1_000)
def named(name: str, timezone: str) -> LocalPeriod:
    """Return the week or month with this name."""
    year, _, week = name.partition("-W")
    if week:
        begin = date.fromisocalendar(int(year), int(week), 1)
        return _between(name, timezone, begin, begin + timedelta(days=7))
    return _between(name, timezone, first_day(name), first_day(earlier(name, -1)))


def before(week: LocalPeriod) -> LocalPeriod:
    """Return the week before another."""
    return containing(week.since - 1, "week", week.timezone)


def recent(now: int, days: int, timezone: str) -> LocalPeriod:
    """Return the local day that contains an instant, together with the `days` before it."""
    today = today_in(timezone, now)
    return _between("", timezone, today - timedelta(days=days), today + timedelta(days=1))


def today_in(timezone: str, now: int) -> date:
    """Return the local day that contains an instant."""
    return date.fromisoformat(_days(timezone).of(instants.text(now)).date)


def at_hour(day: date, hour: int, timezone: str) -> int:
    """Return the instant of an hour of a local day, or the first one after it if clocks skip this hour."""
    begin = instants.first_instant(day, time_zone(timezone))
    return instants.milliseconds(begin.replace(hour=hour))


@lru_cache(100)
def _days(timezone: str) -> LocalDays:
    return LocalDays(time_zone(timezone))


def _between(name: str, timezone: str, begin: date, end: date) -> LocalPeriod:
    zone = time_zone(timezone)
    since, until = (instants.milliseconds(instants.first_instant(each, zone)) for each in (begin, end))
    return LocalPeriod(name, timezone, since, until)
