"""Find the months, quarters or years of a time zone."""

from datetime import date

from outcomes.contract import instants
from outcomes.contract.period import time_zone
from outcomes.statements.sums import Bounds

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def length_of(name: str) -> str:
    """Return whether a period is a `month`, a `quarter` or a `year`."""
    return "quarter" if "Q" in name else "month" if "-" in name else "year"


class Calendar:
    """The periods of one length in one time zone. length: `month`, `quarter` or `year`."""

    def __init__(self, length: str, timezone: str) -> None:
        self.months = _MONTHS[length]
        self.zone = time_zone(timezone)
        self._by_month: dict[str, Bounds] = {}

    def bounds(self, name: str) -> Bounds:
        """Return the bounds of the period with this name."""
        return self._bounds(self._first_month(name))

    def of(self, instant: str) -> Bounds:
        """Return the bounds of the period that contains an instant."""
        # Bounds are cached by the month in UTC, because most instants of such a month belong to the same period.
        bounds = self._by_month.get(instant[: len("2026-10")])
        if bounds is None or not bounds.begin <= instant < bounds.end:
            bounds = self._by_month[instant[: len("2026-10")]] = self._bounds(self._month_of(instant))
        return bounds

    def name_of(self, instant: str) -> str:
        """Return the name of the period that contains an instant."""
        return self._name(self._month_of(instant))

    def following(self, name: str) -> str:
        return self._name(self._first_month(name) + self.months)

    def _month_of(self, instant: str) -> int:
        """Return the first month of the period that contains an instant, counted since the year 0."""
        local = instants.local(instants.read(instant), self.zone)
        first = (local.year * 12 + local.month - 1) // self.months * self.months
        # Where clocks go back across midnight, the local date can return to the previous day after a period has
        # started.
        return next(
            month
            for month in (first, first + self.months, first - self.months)
            if (bounds := self._bounds(month)).begin <= instant < bounds.end
        )

    def _first_month(self, name: str) -> int:
        year, _, part = name.partition("-")
        return int(year) * 12 + ((int(part[1:]) - 1) * 3 if "Q" in part else int(part or 1) - 1)

    def _bounds(self, month: int) -> Bounds:
        return Bounds(self._begin(month), self._begin(month + self.months))

    def _begin(self, month: int) -> str:
        first = date(month // 12, month % 12 + 1, 1)
        return instants.text(instants.milliseconds(instants.first_instant(first, self.zone)))

    def _name(self, month: int) -> str:
        year, month = divmod(month, 12)
        return f"{year:04d}" + {1: f"-{month + 1:02d}", 3: f"-Q{month // 3 + 1}", 12: ""}[self.months]
