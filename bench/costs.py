"""Measure the read units of cost reports, for a year with three sources that each have ten lines a day.

DynamoDB is a fake in the same process, which counts units like the service.
"""

import random
from decimal import Decimal
from unittest.mock import patch

from outcomes.aws.services import DynamoDB
from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.contract.caller import Caller
from outcomes.contract.costs import CostLine, Preconditions
from outcomes.costs.cost_report import CostReport
from outcomes.costs.cost_rows import CostDay
from outcomes.costs.days import CostDays
from outcomes.costs.stored_costs import StoredCosts

from bench.report import Report
from tests.costs.in_memory import CostsInMemory

USER = 42
NOW = "2026-11-28T12:00:00Z"
YEAR = 365
SOURCES = ("anthropic", "openai", "tavily")
LINES = 10
DAY = 24 * 60 * 60 * 1000

MOST_UNITS = 60
"""Maximum read units of a year's report, after the first one."""


def looks() -> dict[str, float]:
    """Return the read units of each report on costs, by the report's name."""
    table, drawn = CostsInMemory(), random.Random(4711)  # noqa: S311 - only amounts
    now = instants.read(NOW)
    with (
        patch.object(DynamoDB, "call", lambda _self, *call, **how: table.call(*call, **how)),
        patch.object(instants, "now", lambda: now),
    ):
        days = CostDays("costs")
        stored = StoredCosts("costs", days.dynamodb)
        dates = [instants.text(now - days_ago * DAY)[:10] for days_ago in range(YEAR)]

        def put(date: str, source: str) -> None:
            lines = [
                CostLine(
                    Decimal(drawn.randrange(10**6)).scaleb(-4),
                    1 + number % 7,
                    Decimal(drawn.randrange(10**7)),
                    "tokens",
                    f"model-{number}",
                )
                for number in range(LINES)
            ]
            ordered = tuple(sorted(lines, key=lambda line: line.key))
            days.put(CostDay(USER, date, source), ordered, Caller(session_user=USER), Preconditions())

        def look() -> float:
            begin, last = (instants.read(f"{date}T00:00:00Z") for date in (dates[-1], dates[0]))
            report = CostReport(Period(begin, last + DAY, "UTC", "month", []))
            return stored.add_to(report, USER)

        for date in dates:
            for source in SOURCES:
                put(date, source)
        units = {"the first": look(), "the next": look()}
        put(dates[200], SOURCES[0])
        return units | {"after a day was restated": look(), "after that": look()}


def costs(report: Report, found: dict[str, float]) -> None:
    """Add read units to the report. found: the result of `looks`."""
    for name, units in found.items():
        bar = MOST_UNITS if name in ("the next", "after that") else None
        report.add(f"report of a year of costs, {name}", units, "read units", bar=bar)
