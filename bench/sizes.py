"""Count what calls take with few and many outcomes, and write the table of docs/limits.md.

Our own code runs against fakes of DynamoDB, which count calls and units but store nothing: they compute the size of
each page from the number of outcomes, which are those of `bench.outcome`, recorded evenly over a year.
"""

import re
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any
from unittest.mock import patch

from outcomes.aws.services import Answer, DynamoDB
from outcomes.calendar import instants
from outcomes.ledger import ulid
from outcomes.ledger.store import Filters, OutcomeStore
from outcomes.privacy.data_sources import LIMITS, Bounds, Portion, Tables, user_data_sources
from outcomes.statements.stored_statements import StoredStatements

from bench import costs, totals
from bench.outcome import remembered, stored
from bench.statements import ID, USER, Ledger, make
from bench.storage import PAGE_BYTES, QUERY_SECONDS, TRANSACTION, item_bytes, read_units, units_of, write_units
from bench.totals import YEAR

SIZES = 1_000, 100_000, 10_000_000
PAGE = Path(__file__).parents[1] / "docs/limits.md"
LISTED, ROW = 20, stored(0)


class Outcomes:
    """A fake DynamoDB with so many outcomes. A filter matches only the oldest `matching` of them."""

    def __init__(self, size: int, matching: int = 0) -> None:
        self.size, self.matching = size, matching
        self.calls, self.units, self.seconds = 0, 0.0, 0.0

    def call(self, operation: str, request: Any, **_: Any) -> Answer:
        self.calls += 1
        self.seconds += QUERY_SECONDS
        if operation == "BatchWriteItem":
            [(table, keys)] = request["RequestItems"].items()
            units = len(keys) * write_units(ROW if table == "outcomes" else remembered())
            self.units += units
            return Answer(UnprocessedItems={}, ConsumedCapacity=[{"CapacityUnits": units}])
        if "IndexName" in request:  # what happened long before it was recorded, all of which comes later in the list
            self.units += read_units(*[ROW] * (LISTED + 1)) / 2
            return Answer(Items=[], ScannedCount=0)
        if "ScanIndexForward" in request and not request["ScanIndexForward"]:
            newest = request["ExpressionAttributeValues"][":newest"]["S"]
            end = self.size if newest == "~" else instants.read(newest.partition("#")[0])
            begin = max(0, end - min(request["Limit"], PAGE_BYTES // item_bytes(ROW)))
            found = range(begin, min(end, self.matching) if "FilterExpression" in request else end)
            return self._answer(found[::-1], end - begin, begin, item_bytes(ROW), is_last=begin == 0)
        size = item_bytes(ROW if request["TableName"] == "outcomes" else remembered())
        begin = int(request.get("ExclusiveStartKey", {"at": 0})["at"])
        end = min(self.size, begin + PAGE_BYTES // size)
        return self._answer(range(begin, end), end - begin, end, size, is_last=end == self.size)

    def _answer(self, found: range, examined: int, last: int, size: int, *, is_last: bool) -> Answer:
        units = units_of(examined * size)
        self.units += units
        keys = [{"S": f"{instants.text(each)}#{ulid.from_number(each << 80)}"} for each in (*found, last)]
        items = [ROW | {"created_at": key, "key_sha256": key} for key in keys[:-1]]
        more = {} if is_last else {"LastEvaluatedKey": {"created_at": keys[-1], "at": last}}
        return Answer(Items=items, ScannedCount=examined, ConsumedCapacity={"CapacityUnits": units}, **more)


def cost(calls: int, units: float) -> str:
    """Write calls of the API, and read and write units of DynamoDB."""
    return f"{calls:,} call{'s' * (calls > 1)}, {units:,.0f} units"


def listed(fake: Outcomes, filters: Filters) -> str:
    """Read pages until LISTED outcomes are found, or the list ends."""
    store, cursor, calls = OutcomeStore("outcomes"), None, 0
    with patch.object(store.dynamodb, "call", fake.call):
        while True:
            page, calls = store.page(USER, LISTED, cursor, filters), calls + 1
            cursor = page.next_cursor
            if page.outcomes or not cursor:
                return cost(calls, fake.units)


def looked(first: Any, next_: Any) -> str:
    return f"{cost(first.calls, first.read_units + first.write_units)}; next {next_.read_units:,.0f}"


def statement(size: int) -> str:
    """Make the statement of a month with a twelfth of the outcomes, prove one, and read a part of its entries."""
    ledger = Ledger(size // 12, min(size // 12, 90_000))
    calls, _ = make(ledger)
    made = cost(calls, ledger.units + ledger.write_units)
    service = StoredStatements("outcomes", "statements")
    with ledger.behind(service.dynamodb):
        ledger.units = 0
        service.proof(USER, ID, ledger.id_of(ledger.size // 2))
        proof, ledger.units = ledger.units, 0
        lines, _ = service.entries(USER, ID, None)
    own = units_of(ledger.bytes(0, lines.count("\n")))
    return f"{made}; proof {proof:,.0f}; part of entries, its rows and {ledger.units - own:,.0f}"


def erasure(size: int) -> str:
    """Delete outcomes and idempotency keys. From the second size on, the figures grow in proportion."""
    times = max(1, size // SIZES[1])
    fake = Outcomes(size // times)
    portion = Portion(DynamoDB(LIMITS), Bounds(4000, 4000))  # the template's defaults
    portion.end = float("inf")
    sources = user_data_sources(Tables(**{name: name for name in Tables._fields}))

    def sleep(seconds: float) -> None:
        fake.seconds += seconds

    with patch.object(portion.dynamodb, "call", fake.call), patch("time.sleep", sleep):
        for kind in ("outcomes", "idempotency_keys"):
            for rows, _ in portion.pages(sources[kind], USER):
                for _ in portion.erase(sources[kind], rows):
                    pass
    return f"{fake.units * times:,.0f} units, {-(-fake.seconds * times // 60):,.0f} min"


REPORT = "report of a year of costs of 3 sources with 10 lines a day, the first"
ROWS: dict[str, Callable[[int], str]] = {
    "record with an idempotency key": lambda _: cost(1, TRANSACTION * write_units(ROW, remembered())),
    f"list of {LISTED}, and each further page": lambda size: listed(Outcomes(size), Filters()),
    "list of an agent or type without outcomes, to its end": lambda size: listed(Outcomes(size), Filters(agent_id=7)),
    f"list by occurrence behind an import of so many, until {LISTED} outcomes": lambda size: listed(
        Outcomes(size + LISTED, matching=LISTED), Filters(by_occurrence=True)
    ),
    "summary of a year, the first": lambda size: looked(*totals.looks(totals.Case(size, YEAR, 3))[:2]),
    REPORT: lambda _: looked(*itemgetter("first", "next")(costs.looks(costs.Case(3, 10)))),
    "statement of a month with a twelfth": statement,
    "erasure, besides the scans of tables of all users": erasure,
}


def write() -> None:
    """Write the table into the page."""
    lines = [["outcomes of a user", *(f"{size:,}" for size in SIZES)], ["---"] * (len(SIZES) + 1)]
    lines += [[name, *map(counted, SIZES)] for name, counted in ROWS.items()]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    marks = r"(<!-- make bench: sizes -->\n\n).*?(\n\n<!-- end of make bench -->)"
    PAGE.write_text(re.sub(marks, lambda mark: mark[1] + table + mark[2], PAGE.read_text(), flags=re.DOTALL))
