"""Find the months of a time zone."""

from outcomes.calendar.local_days import LocalDays, earlier, first_day, month_of
from outcomes.calendar.period import time_zone
from outcomes.statements.statement_sums import Bounds


class Calendar:
    """The months of one time zone."""

    def __init__(self, timezone: str) -> None:
        self.days = LocalDays(time_zone(timezone))
        self._by_month: dict[str, Bounds] = {}

    def bounds(self, name: str) -> Bounds:
        """Return the bounds of the month with this name."""
        return Bounds(self._begin(name), self._begin(self.following(name)))

    def of(self, instant: str) -> Bounds:
        """Return the bounds of the month that contains an instant."""
        # Bounds are cached by the month in UTC, because most instants of such a month belong to the same local month.
        bounds = self._by_month.get(month_of(instant))
        if bounds is None or not bounds.begin <= instant < bounds.end:
            bounds = self._by_month[month_of(instant)] = self.bounds(self.name_of(instant))
        return bounds

    def name_of(self, instant: str) -> str:
        """Return the name of the month that contains an instant."""
        return month_of(self.days.of(instant).date)

    def following(self, name: str) -> str:
        return earlier(name, -1)

    def _begin(self, name: str) -> str:
        return self.days.named(first_day(name)).begin
