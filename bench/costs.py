"""Measure the read units of cost reports, for a year with three sources that each have ten lines a day.

DynamoDB is a fake in the same process, which counts units like the service.
"""

import random
from binascii import a2b_base64
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from outcomes.aws.calls import Answer
from outcomes.aws.failures import ConditionFailed
from outcomes.aws.replies import Reply
from outcomes.aws.services import DynamoDB
from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.contract.caller import Caller
from outcomes.contract.costs import CostLine, Preconditions
from outcomes.costs.cost_report import CostReport
from outcomes.costs.cost_rows import CostDay
from outcomes.costs.days import CostDays
from outcomes.costs.stored_costs import StoredCosts
from outcomes_client.testing import _tables as memory
from outcomes_client.testing._surroundings import TABLES

from bench.report import Report
from bench.storage import item_bytes, read_units

USER = 42
NOW = "2026-11-28T12:00:00Z"
YEAR = 365
SOURCES = ("anthropic", "openai", "tavily")
LINES = 10
DAY = 24 * 60 * 60 * 1000
PAGE_BYTES = 1024 * 1024

MOST_UNITS = 60
"""Maximum read units of a year's report, after the first one."""


class CostsInMemory(memory.Tables):
    """A fake DynamoDB with the table of costs. `call` replaces `DynamoDB.call`.

    page_items: the maximum number of items of a page, in addition to PAGE_BYTES.
    before_storing: is called with the month before its sums are stored. stored: how often sums were stored.
    """

    def __init__(self, page_items: int = 1_000_000) -> None:
        super().__init__()
        TABLES["costs"] = ("user_id", "day_source")
        self._partitions["costs"] = {}
        self.page_items = page_items
        self.before_storing: Callable[[str], object] = lambda _month: None
        self.stored = 0

    def call(self, operation: str, request: Any, **_: Any) -> Answer:
        match operation:
            case "BatchGetItem":
                return Answer(self.batch_get_item(request))
            case "Query":
                return Answer(self.query(request))
            case "TransactWriteItems":
                return Answer(self.transact_write_items(request))
            case "UpdateItem":
                self.before_storing(request["Key"]["day_source"]["S"].removeprefix("month#"))
                try:
                    answer = Answer(self.update_item(request))
                except memory.ConditionFailed:
                    raise ConditionFailed(operation, "", Reply(400, {}, b""), {}) from None
                self.stored += 1
                return answer
        raise ValueError(f"{operation} is not answered")

    def query(self, request: Any) -> dict[str, Any]:
        """Return a page of rows whose keys are from `:first` to `:last`."""
        values = request["ExpressionAttributeValues"]
        rows = self._partitions["costs"].get(values[":user"]["S"], {})
        after = request.get("ExclusiveStartKey", {"day_source": {"S": ""}})["day_source"]["S"]
        keys = sorted(key for key in rows if values[":first"]["S"] <= key <= values[":last"]["S"] and key > after)
        items: list[Any] = []
        size = 0
        for key in keys[: self.page_items]:
            size += item_bytes(_with_bytes(rows[key]))
            if size > PAGE_BYTES:
                break
            items.append(rows[key])
        units = read_units(*map(_with_bytes, items))
        answer: dict[str, Any] = {"Items": items, "ConsumedCapacity": {"CapacityUnits": units}}
        return answer | ({"LastEvaluatedKey": items[-1]} if len(items) < len(keys) else {})


def _with_bytes(row: Any) -> Any:
    return row | ({"sums": {"B": a2b_base64(row["sums"]["B"])}} if "sums" in row else {})


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

        def look(begin: str = dates[-1]) -> float:
            end = instants.read(f"{dates[0]}T00:00:00Z") + DAY
            report = CostReport(Period(instants.read(f"{begin}T00:00:00Z"), end, "UTC", "month", []))
            return stored.add_to(report, USER)

        for date in dates:
            for source in SOURCES:
                put(date, source)
        units = {"the first": look(), "the next": look()}
        put(dates[200], SOURCES[0])
        return units | {"after a day was restated": look(), "after that": look(), "30 days": look(dates[29])}


def costs(report: Report, found: dict[str, float]) -> None:
    """Add a table of read units to the report. found: the result of `looks`."""
    most = {"the next": MOST_UNITS, "after that": MOST_UNITS}
    rows = [
        [name, f"{units:g}", *report.bar(f"read units of {name} report of costs", most.get(name), units)]
        for name, units in found.items()
    ]
    report.text("## Reports of a year's costs: three sources of ten lines a day")
    report.table(["", "read units", "bar", "verdict"], rows)
