"""Find the months of a time zone."""

from datetime import date

from outcomes.calendar import instants
from outcomes.calendar.period import time_zone
from outcomes.statements.statement_sums import Bounds


class Calendar:
    """The months of one time zone."""

    def __init__(self, timezone: str) -> None:
        self.zone = time_zone(timezone)
        self._by_month: dict[str, Bounds] = {}

    def bounds(self, name: str) -> Bounds:
        """Return the bounds of the month with this name."""
        return self._bounds(_number(name))

    def of(self, instant: str) -> Bounds:
        """Return the bounds of the month that contains an instant."""
        # Bounds are cached by the month in UTC, because most instants of such a month belong to the same local month.
        bounds = self._by_month.get(instant[: len("2026-10")])
        if bounds is None or not bounds.begin <= instant < bounds.end:
            bounds = self._by_month[instant[: len("2026-10")]] = self._bounds(self._month_of(instant))
        return bounds

    def name_of(self, instant: str) -> str:
        """Return the name of the month that contains an instant."""
        return _name(self._month_of(instant))

    def following(self, name: str) -> str:
        return _name(_number(name) + 1)

    def _month_of(self, instant: str) -> int:
        """Return the month that contains an instant, counted since the year 0."""
        local = instants.local(instants.read(instant), self.zone)
        first = local.year * 12 + local.month - 1
        # Where clocks go back across midnight, the local date can return to the previous day after a month has started.
        return next(
            month
            for month in (first, first + 1, first - 1)
            if (bounds := self._bounds(month)).begin <= instant < bounds.end
        )

    def _bounds(self, month: int) -> Bounds:
        return Bounds(self._begin(month), self._begin(month + 1))

    def _begin(self, month: int) -> str:
        first = date(month // 12, month % 12 + 1, 1)
        return instants.text(instants.milliseconds(instants.first_instant(first, self.zone)))


def _number(name: str) -> int:
    year, month = name.split("-")
    return int(year) * 12 + int(month) - 1


def _name(month: int) -> str:
    return f"{month // 12:04d}-{month % 12 + 1:02d}"
