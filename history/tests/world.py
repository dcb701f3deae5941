"""Run imports and other callers in turns: each continues until its next call of DynamoDB."""

from calendar import timegm
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from time import strptime
from typing import Any, override
from unittest.mock import patch

from outcomes.aws.connection import Connection, Reply
from outcomes.aws.services import ConditionFailed, DynamoDB
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.models import NewOutcome
from outcomes.ledger.imports import Imports

from functions.summarize_outcomes import app
from history.tests.imports import old_row
from ops.patience import LIMITS
from tests.events import proxy_event, session
from tests.faults import Killed, Request, answered, error
from tests.interleaving.schedule import BEGIN, Schedule
from tests.interleaving.seam import MOST_SKEW
from tests.people import restore, rows_of, snapshot

NOW = int(BEGIN * 1000)
HOUR, DAY = 3_600_000, 86_400_000
DIES = -1
ROWS = [old_row(1, NOW - 2 * DAY), old_row(2, NOW - HOUR * 3 // 2)]
"""The first row is in the interval that is stored, the second row in the interval that the next summary stores."""
EXPECTED = 6, Decimal("4.2")
CUT = instants.text(NOW - DAY)


type Scripts = dict[str, Callable[[], object]]


class Turns(Random):
    """Chooses which caller continues: first in a given order, afterwards the first caller that waits."""

    def __init__(self, order: list[str]) -> None:
        super().__init__(0)
        self.order = order

    @override
    def choice(self, ready: Any) -> Any:
        while self.order:
            name = self.order.pop(0)
            for caller in ready:
                if caller.name == name:
                    return caller
        return ready[0]


class World:
    """A user with recorded outcomes and stored sums of them, and a file with older outcomes.

    Each call of `run` begins with a copy of these tables.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        for number in range(3):
            record(NOW - (2 * number + 1) * DAY)
        earlier = Schedule(0)
        earlier.now -= 7200
        with earlier.clocks():
            look()
        record(NOW - HOUR)  # a summary must read this outcome, because it is not in the stored sums yet
        self.tables = snapshot()

    def run(
        self,
        order: list[str],
        scripts: Scripts,
        *,
        expected: tuple[int, Decimal] | None = EXPECTED,
        pauses: Mapping[tuple[str, int], float] | None = None,
    ) -> dict[str, int]:
        """Run scripts in turns, then request a summary and check its sum, unless `expected` is None.

        order: names of scripts. Each name lets that script continue until its next DynamoDB call.

        pauses: for a script's name and the number of its call, how many seconds to wait before this call. The value
        DIES kills the script instead.

        Return the number of each script's calls.
        """
        restore(self.tables)
        schedule = Schedule(0)
        schedule.random = Turns([*order])
        calls = dict.fromkeys(scripts, 0)
        post = Connection.post

        def stopping(connection: Connection, headers: Mapping[str, str], *request: Any, **more: Any) -> Reply:
            if schedule.running:
                name = schedule.running.name
                calls[name] += 1
                pause = (pauses or {}).get((name, calls[name]), 0)
                if pause == DIES:
                    raise Killed
                schedule.stop(pause)
            if schedule.now - timegm(strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")) > MOST_SKEW:
                return error("InvalidSignatureException")(Request("", {}), lambda: answered(500, {}))
            return post(connection, headers, *request, **more)

        with schedule.clocks(), patch.object(Connection, "post", stopping):
            for name, script in scripts.items():
                schedule.add(name, script)
            schedule.run()
            assert expected is None or look() == expected, order
        return calls


def record(milliseconds: int, **fields: Any) -> None:
    body = {"outcomeType": "deal_closed", "title": "Closed", "userId": Decimal(42), "valueUsd": Decimal(1)} | fields
    app.store.add(NewOutcome.parse(body, session_user=None), "key", milliseconds=milliseconds)


def look() -> tuple[int, Decimal]:
    query: Any = {"from": "2026-01-01", "to": "2026-03-12", "timezone": "UTC"}
    response = app.handler(proxy_event("GET", authorizer=session(42), query=query), None)
    assert response["statusCode"] == 200, response
    body = json_text.read(response["body"])
    return int(body["count"]), body["value_usd"]


def kept() -> list[Any]:
    """Return the stored sums of the current epoch of imports. Summaries ignore sums of earlier epochs."""
    rows = rows_of(42)["TotalsTable"]
    epochs = [row["epoch"]["N"] for row in rows if "epoch" in row]
    return [row for row in rows if "rules" in row and row["rules"]["S"].split(" ")[4:] == epochs]


def store_statement(numbers: list[int]) -> None:
    """Store a statement that ends at CUT, with the optimistic locking that `outcomes.ledger.imports` requires.

    If that succeeds, add the number of outcomes before its end that are not void.
    """
    dynamodb = DynamoDB(LIMITS)
    key = {"user_id": {"S": "42"}, "stretch": {"S": "import"}}
    item = dynamodb.call("GetItem", {"TableName": "TotalsTable", "Key": key}).get("Item", {})
    before = Imports.of(item)
    put: Any = {"TableName": "TotalsTable", "Item": key | before._replace(cut=CUT).item()}
    put |= {"ConditionExpression": "attribute_not_exists(stretch)"}
    if item:
        put |= {"ConditionExpression": "changes = :seen"}
        put |= {"ExpressionAttributeValues": {":seen": item["changes"]}}
    if not before.blocking(instants.now()):
        with suppress(ConditionFailed):
            dynamodb.call("PutItem", put)
            numbers.append(before_cut())


def before_cut() -> int:
    """Return the number of outcomes before CUT that are not void."""
    return sum(row["created_at"]["S"] < CUT and "undone" not in row for row in rows_of(42)["OutcomesTable"])
