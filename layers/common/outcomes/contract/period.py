"""The time that a summary is about, and its local days."""

import os
from datetime import datetime, timedelta, tzinfo
from functools import cache
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

import tzdata

from outcomes.contract import instants, queries
from outcomes.contract.limits import DEFAULT_DAYS, MAX_DAYS
from outcomes.contract.local_days import LocalDays
from outcomes.errors import BadRequest


class Day(NamedTuple):
    """A local day, or the part of it that is asked for. date: `2026-04-01`. end: what comes after, as `instants.text`
    has it."""

    date: str
    end: str


class Period(NamedTuple):
    """From `since` on, before `until`, both in milliseconds since 1970; its days oldest first."""

    since: int
    until: int
    timezone: str
    days: list[Day]

    @property
    def zone(self) -> ZoneInfo:
        return _zone(self.timezone)

    @classmethod
    def from_query(cls, since: str | None, until: str | None, timezone: str | None, *, now: datetime) -> Self:
        """Read the parameters `from`, `to` and `timezone`: unless said, 30 local days that end with today.

        Raises BadRequest, naming the parameter.
        """
        zone = _zone("UTC" if timezone is None else timezone)
        end = queries.instant(until, "to", zone)
        begin = queries.instant(since, "from", zone)
        try:
            if end is None:  # not `now`: what is recorded a moment later belongs to it as well
                tomorrow = now.astimezone(zone).date() + timedelta(days=1)
                end = instants.milliseconds(instants.first_instant(tomorrow, zone))
            if begin is None:
                first_day = instants.local(end - 1, zone).date() - timedelta(days=DEFAULT_DAYS - 1)
                begin = instants.milliseconds(instants.first_instant(first_day, zone))
            if begin >= end or _wall_clock(end, zone) - _wall_clock(begin, zone) > timedelta(days=MAX_DAYS):
                raise BadRequest("Invalid from")
            return cls(begin, end, zone.key, _days(begin, end, zone))
        except OverflowError as exc:  # past the year 9999 in `zone`
            raise BadRequest("Invalid to") from exc


@cache
def _zone(name: str) -> ZoneInfo:
    """Find an IANA time zone. Raises BadRequest when tzdata has none of that name."""
    # ZoneInfo alone would take whatever file the machine has, such as `localtime`, and read tzdata's by
    # importlib.resources, which takes longer to load than all else here.
    folder = os.path.dirname(tzdata.__file__)
    with open(os.path.join(folder, "zones")) as names:
        if name not in names.read().split():
            raise BadRequest("Invalid timezone")
    with open(os.path.join(folder, "zoneinfo", name), "rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _days(begin: int, end: int, zone: tzinfo) -> list[Day]:
    days, local_days = [], LocalDays(zone)
    at, until = instants.text(begin), instants.text(end)
    while at < until:
        day = local_days.of(at)
        days.append(Day(day.date, min(day.end, until)))
        at = day.end
    return days


def _wall_clock(milliseconds: int, zone: tzinfo) -> datetime:
    """Convert to what a clock in `zone` shows: a day there has 24 hours, also when clocks change."""
    return instants.local(milliseconds, zone).replace(tzinfo=None)
