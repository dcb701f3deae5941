"""Count the calls, queries and read units of a list, by the number of stored outcomes, in both orders.

DynamoDB is a fake in the same process. It counts units like the service, and generates outcomes when they are read.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from math import ceil
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from outcomes.aws.services import Answer
from outcomes.calendar import instants
from outcomes.ledger import ulid
from outcomes.ledger.items import indexed, sort_key
from outcomes.ledger.store import Filters, OutcomeStore

from bench.outcome import NOW, USER_ID, stored
from bench.storage import READ_UNIT_BYTES, item_bytes
from bench.totals import DAY, MONTH, PAGE_BYTES

LIMIT = 20

type Item = dict[str, Any]


class Outcome(NamedTuple):
    """The times at which an outcome was recorded and at which it happened, in milliseconds since 1970."""

    recorded: int
    happened: int

    def stored(self) -> Item:
        item = stored(0) | {"created_at": {"S": sort_key(ulid.from_number(self.recorded << 80))}}
        late = {"occurred_at": {"S": instants.text(self.happened)}} if self.happened != self.recorded else {}
        return indexed(item | late)


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
        values = request["ExpressionAttributeValues"]
        oldest, newest = (values[name]["S"].partition("#")[0] for name in (":oldest", ":newest"))
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

    def listed(self, filters: Filters) -> tuple[int, int, float]:
        """Request pages until LIMIT outcomes are listed. Return the numbers of calls, queries and read units."""
        self.queries, self.read_units = 0, 0.0
        store = OutcomeStore("outcomes")
        calls = found = 0
        cursor = None
        with patch.object(store.dynamodb, "call", self.call):
            while not calls or (cursor and found < LIMIT):
                page = store.page(USER_ID, LIMIT, cursor, filters)
                calls, found, cursor = calls + 1, found + len(page.outcomes), page.next_cursor
        return calls, self.queries, self.read_units


def on_time(number: int) -> list[Outcome]:
    return [Outcome(NOW - index * 60_000, NOW - index * 60_000) for index in range(number)]


@pytest.mark.parametrize("stored", [100, 1_000, 10_000])
def test_a_list_costs_the_same_however_many_outcomes_are_stored(stored: int) -> None:
    table = Table(on_time(stored))
    assert table.listed(Filters()) == (1, 1, 3)
    assert table.listed(Filters(by_occurrence=True)) == (1, 2, 3.5)


def test_a_list_by_occurrence_takes_many_calls_only_behind_many_late_outcomes_of_a_day() -> None:
    imported = [Outcome(NOW + 1 + index, NOW - MONTH * DAY - index) for index in range(100_000)]
    table = Table(on_time(1_000) + imported)
    assert table.listed(Filters(by_occurrence=True)) == (30, 180, 16_500)
    assert table.listed(Filters(until=NOW - DAY // 2, by_occurrence=True)) == (1, 2, 5)
