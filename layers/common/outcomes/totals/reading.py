"""Compute when a page should request a summary again, and which of the latest outcomes the summary includes."""

from collections import deque
from math import ceil

from outcomes.contract.json_text import compact
from outcomes.limits import MAX_FRESH_SECONDS, MAX_RECENT, MIN_FRESH_SECONDS

RECENT_SECONDS = 60


class Reading:
    """The read units that an aggregation took, and the latest outcomes that it read, whatever the summary's filters.

    after: all outcomes recorded after this instant are included.
    """

    def __init__(self) -> None:
        self.read_units = 0.0
        self.after = ""
        self._recent: deque[tuple[str, str]] = deque(maxlen=MAX_RECENT)

    def add(self, recorded_at: str, outcome_id: str) -> None:
        """Add an outcome, unless it was recorded before `after`. If there are too many, drop the one added first."""
        if recorded_at <= self.after:
            return
        if len(self._recent) == MAX_RECENT:
            dropped, _ = self._recent[0]
            self.after = max(self.after, dropped)
        self._recent.append((recorded_at, outcome_id))

    @property
    def recent(self) -> str:
        """Return the JSON of the latest outcomes."""
        ids = [outcome_id for recorded_at, outcome_id in self._recent if recorded_at > self.after]
        return compact({"after": self.after, "ids": ids})

    @property
    def fresh_seconds(self) -> int:
        """Return how many seconds a page should wait before it asks again: one for each read unit, within limits."""
        return min(max(ceil(self.read_units), MIN_FRESH_SECONDS), MAX_FRESH_SECONDS)
