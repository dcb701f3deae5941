"""Rows of one person, wherever they are: each table that has any, and how they are found there.

Outcomes and kept sums are found by the user's id, which is their key. Agent keys, stored sessions and remembered
idempotency keys are not: their tables are read from one end to the other, for an index would cost each call that
writes them, and is asked for once in a person's life.
"""

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from outcomes.aws.caller import Answer, Limits
from outcomes.aws.services import DynamoDB, Item
from outcomes.contract import key_text
from outcomes.errors import BadRequest

LIMITS = Limits(attempts=3, connect=1, read=5, total=12)
"""Limits of a call of DynamoDB, in seconds. A page of a table takes longer than one item."""

PORTION_SECONDS = 30.0
"""Seconds after which a portion ends; with the 12 s of a call, that is below the functions' timeout, which is not above
the 60 s that AWS's CLI waits for an answer."""

SHARE = 0.25
"""Part of the units a second that a table takes at most; the rest is for those who record and read meanwhile."""


class Tables(NamedTuple):
    """Names of the tables that hold rows of users."""

    keys: str
    sessions: str
    outcomes: str
    totals: str
    idempotency: str


class Bounds(NamedTuple):
    """Units a second that a table takes at most."""

    read_units: float
    write_units: float


class UserDataSource(NamedTuple):
    """A table, the attributes of its key, and the type of `user_id`. by_user: whether that is the key's first."""

    table: str
    key: tuple[str, ...]
    user: str
    by_user: bool

    def request(self, user_id: int | None) -> dict[str, Any]:
        """Make the request for all rows of a user, or, for None, for all rows of the table."""
        request: dict[str, Any] = {
            "TableName": self.table,
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if user_id is not None:
            request["KeyConditionExpression" if self.by_user else "FilterExpression"] = "user_id = :user"
            request["ExpressionAttributeValues"] = {":user": {self.user: str(user_id)}}
        return request

    def operation(self, user_id: int | None) -> str:
        """Name the operation that the request is for."""
        return "Query" if self.by_user and user_id is not None else "Scan"

    def key_of(self, item: Item) -> Item:
        """Read the key of a row."""
        return {name: item[name] for name in self.key}


class OutOfTime(Exception):
    """The portion ends here; the next one goes on."""


class Portion:
    """The time of a portion, and its pace: no table gives more than its SHARE."""

    def __init__(self, dynamodb: DynamoDB, bounds: Bounds) -> None:
        self.dynamodb = dynamodb
        self.bounds = bounds
        self.end = time.monotonic() + PORTION_SECONDS
        self.date = ""

    def check(self) -> None:
        """Raise OutOfTime when no further call may begin."""
        if time.monotonic() > self.end:
            raise OutOfTime

    def call(self, operation: str, request: dict[str, Any]) -> Answer:
        """Make a call. Raises OutOfTime, and what a call raises."""
        self.check()
        return self.dynamodb.call(operation, request)

    def pages(
        self, source: UserDataSource, user_id: int | None, start: Item | None = None, **more: Any
    ) -> Iterator[tuple[list[Item], Item | None]]:
        """Read the rows of a user, or of all, a page each, with the key after which the next begins.

        Raises OutOfTime.
        """
        request = source.request(user_id) | more
        while True:
            if start:
                request["ExclusiveStartKey"] = start
            page = self.call(source.operation(user_id), request)
            self.date = page.date
            start = page.get("LastEvaluatedKey")
            yield page["Items"], start
            if start is None:
                return
            self.rest(page.get("ConsumedCapacity", {}), self.bounds.read_units)

    def delete(self, table: str, keys: list[Item]) -> Iterator[list[Item]]:
        """Delete rows by their keys, whether they are there or not, and tell which are gone, call by call.

        Raises OutOfTime, and what a call raises, with some deleted: those that were told.
        """
        waiting = [{"DeleteRequest": {"Key": key}} for key in keys]
        while waiting:
            some, waiting = waiting[:25], waiting[25:]  # all that a call takes
            request = {"RequestItems": {table: some}, "ReturnConsumedCapacity": "TOTAL"}
            answer = self.call("BatchWriteItem", request)
            left = answer["UnprocessedItems"].get(table, [])
            still_there = [request["DeleteRequest"]["Key"] for request in left]
            yield [key for key in (request["DeleteRequest"]["Key"] for request in some) if key not in still_there]
            if left:
                time.sleep(0.1)
            waiting = left + waiting
            for consumed in answer.get("ConsumedCapacity", []):
                self.rest(consumed, self.bounds.write_units)

    def rest(self, consumed: dict[str, Any], units_a_second: float) -> None:
        """Wait for as long as it takes a table's share to become what was consumed."""
        time.sleep(min(consumed.get("CapacityUnits", 0) / (SHARE * units_a_second), 1))


def user_data_sources(tables: Tables) -> dict[str, UserDataSource]:
    """List the tables by what they hold: what lets somebody in comes first, what remembers outcomes after those."""
    return {
        "agent_keys": UserDataSource(tables.keys, ("id",), "N", by_user=False),
        "sessions": UserDataSource(tables.sessions, ("token_sha256",), "N", by_user=False),
        "outcomes": UserDataSource(tables.outcomes, ("user_id", "created_at"), "S", by_user=True),
        "kept_sums": UserDataSource(tables.totals, ("user_id", "stretch"), "S", by_user=True),
        "idempotency_keys": UserDataSource(tables.idempotency, ("key_sha256",), "S", by_user=False),
    }


def is_correction(item: Item) -> bool:
    """Tell a correction from an outcome, in the table of both."""
    return bool(item["created_at"]["S"].startswith("~"))


def is_agent_key(item: Item) -> bool:
    """Tell an agent key from the row that lists a user's."""
    return key_text.is_id(item["id"]["S"])


def cursor_at(place: int, start: Item | None) -> str:
    """Write a place among the tables, and the key after which to go on there."""
    return json.dumps([place, start])


def read_cursor(cursor: str | None, keys: list[tuple[str, ...]]) -> tuple[int, Item | None]:
    """Read what `cursor_at` wrote. keys: of the tables, the attributes of each. Raises BadRequest for anything else."""
    try:
        match json.loads(cursor) if cursor else [0, None]:
            case [int(place), None] if type(place) is int and 0 <= place < len(keys):
                return place, None
            case [int(place), dict(start)] if type(place) is int and 0 <= place < len(keys):
                if start.keys() == set(keys[place]) and all(map(_is_text, start.values())):
                    return place, start
    except (ValueError, RecursionError):
        pass
    raise BadRequest("Invalid cursor")


def _is_text(value: Any) -> bool:
    match value:
        case {"S": str(), **others}:
            return not others
    return False
