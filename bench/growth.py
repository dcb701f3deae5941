"""Measure how a list's queries and read units grow with the number of stored outcomes, in both orders.

DynamoDB is a fake in the same process. It counts units like the service, and generates outcomes when they are read.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from math import ceil
from typing import Any, NamedTuple
from unittest.mock import patch

from outcomes.aws.calls import Answer
from outcomes.calendar import instants
from outcomes.ledger import ulid
from outcomes.ledger.items import indexed, sort_key
from outcomes.ledger.store import Filters, OutcomeStore

from bench.outcome import NOW, USER_ID, stored
from bench.report import Report
from bench.storage import READ_UNIT_BYTES, item_bytes
from bench.totals import DAY, MONTH, PAGE_BYTES

LIMIT = 20
LATE = 100_000
MOST_BY_OCCURRENCE = 4
"""Maximum read units of a list by occurrence if no outcome is late. A list by recording takes 3."""

type Item = dict[str, Any]


class Outcome(NamedTuple):
    """The times at which an outcome was recorded and at which it happened, in milliseconds since 1970."""

    recorded: int
    happened: int

    def stored(self) -> Item:
        item = stored(0) | {"created_at": {"S": sort_key(ulid.from_number(self.recorded << 80))}}
        late = {"occurred_at": {"S": instants.text(self.happened)}} if self.happened != self.recorded else {}
        return indexed(item | late)


class Cost(NamedTuple):
    """The cost of requesting pages until LIMIT outcomes were listed."""

    calls: int
    queries: int
    read_units: float


class Table:
    """A fake DynamoDB with one user's outcomes. Its index has those recorded at another time than they happened."""

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        every = sorted(outcomes)
        late = sorted((each for each in every if each.happened != each.recorded), key=lambda each: each.happened)
        self.rows = {"created_at": every, "happened": late}
        self.times = {"created_at": [each.recorded for each in every], "happened": [each.happened for each in late]}
        self.bytes = {is_late: item_bytes(Outcome(NOW, NOW - is_late).stored()) for is_late in (False, True)}
        self.queries, self.read_units = 0, 0.0

    def call(self, _operation: str, request: Item) -> Answer:
        """Answer a query like DynamoDB."""
        key = "happened" if "IndexName" in request else "created_at"
        oldest, newest = (request["ExpressionAttributeValues"][name]["S"].partition("#")[0] for name in _BOUNDS)
        first = bisect_left(self.times[key], instants.read(oldest))
        after = len(self.rows[key]) if newest == "~" else bisect_right(self.times[key], instants.read(newest) - 1)
        read: list[Outcome] = []
        size = 0
        for each in reversed(self.rows[key][max(first, after - request["Limit"]) : after]):
            size += self.bytes[each.happened != each.recorded]
            if size > PAGE_BYTES:
                break
            read.append(each)
        self.queries += 1
        units = max(1, ceil(min(size, PAGE_BYTES) / READ_UNIT_BYTES))
        self.read_units += units if "ConsistentRead" in request else units / 2
        shown = [each for each in read if "FilterExpression" not in request or each.happened == each.recorded]
        last = {"LastEvaluatedKey": {key: read[-1].stored()[key]}} if len(read) < after - first else {}
        return Answer({"Items": [each.stored() for each in shown], "ScannedCount": len(read)} | last)

    def listed(self, filters: Filters) -> Cost:
        """Request pages until LIMIT outcomes are listed."""
        self.queries, self.read_units = 0, 0.0
        store = OutcomeStore("outcomes")
        calls = found = 0
        cursor = None
        with patch.object(store.dynamodb, "call", self.call):
            while not calls or (cursor and found < LIMIT):
                page = store.page(USER_ID, LIMIT, cursor, filters)
                calls, found, cursor = calls + 1, found + len(page.outcomes), page.next_cursor
        return Cost(calls, self.queries, self.read_units)


_BOUNDS = (":oldest", ":newest")


def list_growth(report: Report, sizes: list[int]) -> None:
    """Report the queries and read units of a list of 20 in both orders, for each number of stored outcomes."""

    def on_time(number: int) -> list[Outcome]:
        return [Outcome(NOW - index * 60_000, NOW - index * 60_000) for index in range(number)]

    late = [Outcome(each.recorded, each.happened - DAY * (each.recorded % 600_000 == 0)) for each in on_time(1_000)]
    imported = [Outcome(NOW + 1 + index, NOW - MONTH * DAY - index) for index in range(LATE)]
    tables = {f"{size:,}": Table(on_time(size)) for size in sizes} | {
        "1,000, every tenth a day late": Table(late),
        f"1,000, and today {LATE:,} of the month before": Table(on_time(1_000) + imported),
    }
    *_, (last, table) = tables.items()
    costs = {
        (name, time): each.listed(Filters(by_occurrence=time == "occurred"))
        for name, each in tables.items()
        for time in ("recorded", "occurred")
    }
    costs[last, "occurred, `to` yesterday"] = table.listed(Filters(until=NOW - DAY // 2, by_occurrence=True))
    report.text(
        f"## Growth of a list of {LIMIT}\n\nBy when outcomes were recorded, and by when they happened (`time`). Behind "
        f"many late outcomes, several calls are needed until {LIMIT} are listed."
    )
    report.table(
        ["outcomes stored", "time", "calls", "queries", "read units"],
        [[*case, f"{cost.calls}", f"{cost.queries}", f"{cost.read_units:g}"] for case, cost in costs.items()],
    )
    of_sizes = {time: [costs[name, time] for name in [*tables][: len(sizes)]] for time in ("recorded", "occurred")}
    flat = all(len(set(each)) == 1 for each in of_sizes.values())
    report.bars_table(
        [
            ("growth of a list (0 when flat)", 0, 0 if flat else 1),
            ("read units of a list by occurrence", MOST_BY_OCCURRENCE, of_sizes["occurred"][0].read_units),
        ]
    )
