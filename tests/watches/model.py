"""A simple model of what a watch and a digest tell, given their figures. It shares no code with the layer."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from outcomes.ledger import ulid

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CLOSES = {"value": 2 * HOUR, "counted": 2 * HOUR, "cost": 3 * DAY}
UPS = {"cost": "watch.exceeded", "unreviewed": "watch.exceeded", "silence": "watch.silent"}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NEVER = Decimal("NaN")  # the figure that only another PUT makes known


def name_of(moment: datetime, every: str | None) -> str:
    return moment.strftime("%G-W%V" if every == "week" else "%Y-%m")


@cache
def bounds_of(period: str, timezone: str, every: str) -> tuple[int, int]:
    """Find the first instants of a period and of the next one, by trying days."""
    year, _, rest = period.partition("-")
    first = date(int(year), int(rest), 1) if rest.isdigit() else date.fromisocalendar(int(year), int(rest[1:]), 1)
    begin = end = datetime.combine(first, time.min, ZoneInfo(timezone))
    while name_of(end, every) == period:
        end += timedelta(days=1)
    return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)


class Watch(NamedTuple):
    """Holds what a watch's next events depend on. sides: `over` or `under`, and n, by period and percent.

    closed: the periods of which something was told when they closed.
    """

    made: str
    setting: dict[str, Any]
    sides: dict[str, dict[int, tuple[str, int]]]
    closed: frozenset[str] = frozenset()

    @property
    def percents(self) -> list[int]:
        return self.setting["at"] or [1]

    def local(self, now: int) -> datetime:
        return datetime.fromtimestamp(now / 1000, ZoneInfo(self.setting["timezone"]))

    def name(self, now: int) -> str:
        return name_of(self.local(now), self.setting["every"])

    def bounds(self, period: str) -> tuple[int, int]:
        return bounds_of(period, self.setting["timezone"], self.setting["every"])

    def over(self, value: Decimal, percent: int, side: str) -> str:
        target = self.setting["target"]
        line = target * percent / 100 if self.setting["every"] else target
        if value > line or (value == line and self.setting["measure"] in {"value", "counted", "silence"}):
            return "over"
        margin = 0 if self.setting["measure"] == "silence" else target / 100
        return "under" if value < line - margin or value <= 0 else side

    def step(
        self, now: int, figure: Callable[[str], Decimal | None]
    ) -> "tuple[Watch, list[tuple[str, str, int, int]]]":
        """Return the watch after an evaluation, and what it tells: type, period, percent and n."""
        return self._months(now, figure) if not self.setting["every"] else self._shares(now, figure)

    def _months(self, now: int, figure: Callable[[str], Decimal | None]) -> "tuple[Watch, list[Any]]":
        month, value = self.name(now), figure("")
        if value is None:
            return self, []
        [(period, sides)] = (self.sides or {month: {1: ("under", 0)}}).items()
        side, n = sides[1]
        after = self.over(value, 1, side)
        type_ = UPS[self.setting["measure"]] if after == "over" else "watch.undone"
        is_told = after != side and not (after == "under" and self.setting["measure"] == "silence")
        if month > period:
            n_now, period_now = 0, month
        else:
            n_now, period_now = n, period
        if is_told and n_now < 3:
            return self._replace(sides={period_now: {1: (after, n_now + 1)}}), [(type_, period_now, 1, n_now + 1)]
        return self._replace(sides={period: {1: (after, n)}}), []

    def _shares(self, now: int, figure: Callable[[str], Decimal | None]) -> "tuple[Watch, list[Any]]":
        current, tells = self.name(now), []
        if self.sides and max(self.sides) > current:
            return self, []
        sides, closed = {**self.sides}, self.closed
        for period in sorted({*sides, current} - closed):
            value = figure(period)
            _, end = self.bounds(period)
            is_over = now >= end + CLOSES[self.setting["measure"]]
            if value is NEVER and is_over:
                sides.pop(period, None)
            if value is None or value is NEVER:
                continue
            before = sides.get(period, dict.fromkeys(self.percents, ("under", 0)))
            after = {percent: (self.over(value, percent, side), n) for percent, (side, n) in before.items()}
            if is_over and self.setting["measure"] != "cost" and self.over(value, 100, "under") == "under":
                n = before.get(100, ("", 0))[1] + 1
                tells.append(("watch.missed", period, 100, n))
                sides[period], closed = before | {100: ("under", n)}, closed | {period}
                continue
            silent = len(tells)
            for now_side, type_, choose in (
                ("under", "watch.undone", min),
                ("over", UPS.get(self.setting["measure"], "watch.reached"), max),
            ):
                changed = [each for each in after if after[each][0] == now_side != before[each][0]]
                changed = [each for each in changed if after[each][1] < 3]
                if changed:
                    percent = choose(changed)
                    after[percent] = now_side, after[percent][1] + 1
                    tells.append((type_, period, percent, after[percent][1]))
            sides[period] = after
            if is_over and len(tells) > silent:
                closed |= {period}
            elif is_over:
                del sides[period]
        left = {period: each for period, each in sides.items() if period not in self.closed}
        if left == {period: each for period, each in self.sides.items() if period not in self.closed}:
            return self, []
        return self._replace(sides=left, closed=closed - self.closed), tells


@cache
def _tells_at(monday: date, weekday: int, hour: int, timezone: str) -> int:
    """Find the first instant of a local day at which clocks show this hour or later, by trying quarters of an hour."""
    zone, day = ZoneInfo(timezone), monday + timedelta(days=weekday)
    at = round(datetime.combine(day, time.min, zone).timestamp() * 1000)
    while (local := datetime.fromtimestamp(at / 1000, zone)).hour < hour and local.date() == day:
        at += 15 * MINUTE
    return at


class Digest(NamedTuple):
    """Holds what a digest's next event depends on. week: the last one told."""

    made: str
    timezone: str
    weekday: int
    hour: int
    week: str = ""

    def due(self, now: int) -> str:
        """Return the name of the week to tell, or an empty text."""
        today = datetime.fromtimestamp(now / 1000, ZoneInfo(self.timezone)).date()
        mondays = [today - timedelta(days=today.weekday() + back) for back in (0, 7)]
        [monday, *_] = [each for each in mondays if self._at(each) <= now]
        week = name_of(datetime.combine(monday - timedelta(days=1), time.min), "week")
        return week if self._at(monday) >= ulid.milliseconds(self.made) and week > self.week else ""

    def _at(self, monday: date) -> int:
        return _tells_at(monday, self.weekday, self.hour, self.timezone)
