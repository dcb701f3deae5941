"""Compute the period of a summary, and divide it into buckets: local days, weeks or months."""

import os
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from io import BytesIO
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

import tzdata

from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays
from outcomes.errors import BadRequest, Fault
from outcomes.limits import DEFAULT_DAYS, MAX_BUCKETS, MAX_YEARS

_BEFORE = "must be a date, or an instant with offset, before `to` (by default the end of today) and at most"
_FROM = f"{_BEFORE} {MAX_BUCKETS} days before it; "
SUMMARY_FROM = f"{_FROM}by=week allows {MAX_BUCKETS} weeks, and by=month {MAX_YEARS} years"
COSTS_FROM = f"{_FROM}GET /api/outcomes/summary with include=cost also takes by=week and by=month, for longer periods"
TRIAL_FROM = f"{_BEFORE} {MAX_YEARS} years before it"
"""The rules of `from`, of a summary, and of a cost report and a trial of a definition, which have no `by`."""


class Bucket(NamedTuple):
    """A local day, week or month, or the part of it within the period.

    date: the bucket's first day within the period, `2026-04-01`. end: exclusive, in the format of `instants.text`.
    """

    date: str
    end: str


class Period(NamedTuple):
    """A half-open interval [since, until), in milliseconds since 1970.

    by: the length of buckets, `day`, `week` or `month`. buckets: oldest first.
    """

    since: int
    until: int
    timezone: str
    by: str
    buckets: list[Bucket]

    @property
    def zone(self) -> ZoneInfo:
        return time_zone(self.timezone)

    @classmethod
    def from_query(
        cls,
        since: str | None,
        until: str | None,
        timezone: str | None,
        by: str | None = None,
        *,
        now: datetime,
        rule: str = SUMMARY_FROM,
    ) -> Self:
        """Parse `from`, `to`, `timezone` and `by`. The default is the last 30 local days.

        Raises:
            BadRequest: a parameter is invalid. If it is `from`, the details contain `rule`.
        """
        wrong_from = BadRequest("Invalid from", [Fault(field="from", message=rule)])
        zone = time_zone("UTC" if timezone is None else timezone)
        end = instants.read_parameter(until, "to", zone)
        try:
            begin = instants.read_parameter(since, "from", zone)
        except BadRequest:
            raise wrong_from from None
        length = _read_length(by)
        try:
            if end is None:  # use the end of today, so that outcomes recorded a moment later are included
                tomorrow = now.astimezone(zone).date() + timedelta(days=1)
                end = instants.milliseconds(instants.first_instant(tomorrow, zone))
            if begin is None:
                first_day = instants.local(end - 1, zone).date() - timedelta(days=DEFAULT_DAYS - 1)
                begin = instants.milliseconds(instants.first_instant(first_day, zone))
            if begin >= end or _years_later(begin, MAX_YEARS, zone) < _years_later(end, 0, zone):
                raise wrong_from
            buckets = _buckets(begin, end, length, zone)
            if len(buckets) > MAX_BUCKETS:
                raise wrong_from
            return cls(begin, end, zone.key, length, buckets)
        except OverflowError as exc:  # the local year in `zone` would be after 9999
            raise BadRequest("Invalid to") from exc

    def previous(self) -> Self:
        """Return the preceding period of the same length.

        The length is in local days if this period has whole days, else in milliseconds. The preceding period
        does not begin before 1970, so it may be shorter or empty. It has no buckets.
        """
        days, begin, end = LocalDays(self.zone), instants.text(self.since), instants.text(self.until)
        first, last = days.of(begin), days.of(instants.text(self.until - 1))
        since = self.since - (self.until - self.since)
        if first.begin == begin and last.end == end:
            first_day = date.fromisoformat(first.date)
            count = _days(first_day, date.fromisoformat(last.date) + timedelta(days=1), self.zone)
            day = first_day
            while missing := count - _days(day, first_day, self.zone):
                day -= timedelta(days=missing)
            since = instants.milliseconds(instants.first_instant(day, self.zone))
        return self._replace(since=max(0, since), until=self.since, buckets=[])


@cache
def time_zone(name: str) -> ZoneInfo:
    """Load an IANA time zone from tzdata. Raises BadRequest for an unknown name."""
    return ZoneInfo.from_file(BytesIO(_rules(name)), key=name)


def have_same_days(one: str, other: str) -> bool:
    """Check whether two time zones have the same rules, such as Asia/Kolkata and its other name Asia/Calcutta."""
    return one == other or _rules(one) == _rules(other)


@cache
def _rules(name: str) -> bytes:
    """Return the file of an IANA time zone from tzdata. Raises BadRequest for an unknown name."""
    # ZoneInfo(name) would also accept the machine's files, such as `localtime`, and it would load importlib.resources,
    # which takes longer than everything else here.
    folder = os.path.dirname(tzdata.__file__)
    with open(os.path.join(folder, "zones")) as names:
        if name not in names.read().split() or name == "Factory":  # the zone of a machine without a setting
            raise BadRequest("Invalid timezone")
    with open(os.path.join(folder, "zoneinfo", name), "rb") as file:
        return file.read()


def _read_length(text: str | None) -> str:
    """Parse `by`, which is `day` by default."""
    if text not in {None, "day", "week", "month"}:
        raise BadRequest("Invalid by")
    return text or "day"


def _buckets(begin: int, end: int, by: str, zone: tzinfo) -> list[Bucket]:
    """Divide a period into buckets, of which at most one is too many."""
    buckets: list[Bucket] = []
    local_days = LocalDays(zone)
    at, until = instants.text(begin), instants.text(end)
    while at < until and len(buckets) <= MAX_BUCKETS:
        day = local_days.of(at)
        at = day.end
        if by != "day":
            at = instants.text(instants.milliseconds(instants.first_instant(_first_day_after(day.date, by), zone)))
        buckets.append(Bucket(day.date, min(at, until)))
    return buckets


def _first_day_after(day: str, by: str) -> date:
    """Return the first day after the week (Monday to Sunday) or month that contains `day`."""
    this = date.fromisoformat(day)
    try:
        if by == "week":
            return this + timedelta(days=7 - this.weekday())
        return (this.replace(day=1) + timedelta(days=31)).replace(day=1)
    except OverflowError:
        return date.max  # a date after every possible period


def _days(first: date, after: date, zone: tzinfo) -> int:
    """Count the local days in [first, after), without the dates that the time zone skipped."""
    dates = map(date.fromordinal, range(first.toordinal(), after.toordinal() + 1))
    return len({instants.first_instant(each, zone).astimezone(UTC) for each in dates}) - 1


def _years_later(milliseconds: int, years: int, zone: tzinfo) -> tuple[int, datetime]:
    """Return the local time `years` years later, as a pair for comparisons: the year, and the rest as a time in 2000.

    A single datetime cannot represent February 29 in a year that is not a leap year, or any year after 9999.
    """
    moment = instants.local(milliseconds, zone)
    return moment.year + years, moment.replace(year=2000, tzinfo=None)
