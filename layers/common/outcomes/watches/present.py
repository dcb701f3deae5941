"""Write a user's watches as the API shows them: with present figures, and what was told of their open periods."""

from collections.abc import Iterator
from typing import Any

from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.definitions.counting import usd_text
from outcomes.watches import periods
from outcomes.watches.figures import Figure, Figures
from outcomes.watches.periods import LocalPeriod
from outcomes.watches.stored_watches import Watch, row_json

FORBIDDEN = "Forbidden"
"""The status of a figure of outcomes and costs that the caller may not read."""


def watches_json(figures: Figures, user_id: int, rows: list[Item], *, may_read: bool) -> list[str]:
    """Return the JSON of watches, which are given by their rows. Without `may_read`, it has no figures or tellings."""
    now = instants.now()
    watches = [Watch.of(row) for row in rows]
    needed = [(watch, periods.containing(now, watch.every or "month", watch.timezone)) for watch in watches]
    found = figures.read(user_id, needed, now) if may_read else [Figure(None, FORBIDDEN)] * len(rows)
    return [
        f'{row_json(row)[:-1]},"period":{_period(period) if watch.every else "null"},{_members(figure)}'
        f',"told":[{",".join(_told(watch.states) if may_read else ())}]}}'
        for row, (watch, period), figure in zip(rows, needed, found, strict=True)
    ]


def _period(period: LocalPeriod) -> str:
    since, until = instants.text(period.since), instants.text(period.until)
    return f'{{"name":"{period.name}","from":"{since}","to":"{until}"}}'


def _members(figure: Figure) -> str:
    numbers = {"figure": figure.value} | {
        name: getattr(figure, name) for name in ("counted", "waiting", "estimated_usd")
    }
    texts = [f'"{name}":{"null" if value is None else usd_text(value)}' for name, value in numbers.items()]
    return ",".join([*texts, f'"status":{json_text.exact(figure.status, levels=1)}'])


def _told(states: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the JSON of the last telling of each threshold, of the oldest period first."""
    for state in states:
        for percent, threshold in state["thresholds"].items():
            if told := threshold.get("told"):
                last = json_text.exact({name: told[name] for name in ("type", "at", "figure", "already")}, levels=1)
                yield f'{{"period":"{state["period"]}","percent":{percent},{last[1:]}'
