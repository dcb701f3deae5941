"""The tables that hold data of a user, and how to find, read and delete a user's rows there, at a limited rate.

Outcomes and kept sums have the user's id as partition key. The tables of agent keys, stored sessions and idempotency
keys are scanned: data requests are rare, and an index would add cost to every write.
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
"""Limits of a call to DynamoDB. `read` is longer than elsewhere, as pages are large."""

PORTION_SECONDS = 30.0
"""Time of a portion. Plus the 12 s of a call, it is below the functions' timeout, which must not exceed the 60 s that
AWS's CLI waits for an answer."""

SHARE = 0.25  # of a table's maximum throughput; the rest is for normal requests


class Tables(NamedTuple):
    """Names of the tables that hold data of users."""

    keys: str
    sessions: str
    outcomes: str
    totals: str
    idempotency: str


class Bounds(NamedTuple):
    """The maximum throughput of a table, in units a second."""

    read_units: float
    write_units: float


class UserDataSource(NamedTuple):
    """A table. key: its key's attributes. user: the type of `user_id`. by_user: whether that is the partition key."""

    table: str
    key: tuple[str, ...]
    user: str
    by_user: bool

    def key_of(self, item: Item) -> Item:
        return {name: item[name] for name in self.key}


class OutOfTime(Exception):
    """The time of this portion is up. The next call continues."""


class Portion:
    """Calls of one portion, limited in time and in throughput: at most SHARE of each table's."""

    def __init__(self, dynamodb: DynamoDB, bounds: Bounds) -> None:
        self.dynamodb = dynamodb
        self.bounds = bounds
        self.end = time.monotonic() + PORTION_SECONDS
        self.date = ""

    def check(self) -> None:
        """Raise OutOfTime if no further call may begin."""
        if time.monotonic() > self.end:
            raise OutOfTime

    def call(self, operation: str, request: dict[str, Any]) -> Answer:
        self.check()
        return self.dynamodb.call(operation, request)

    def pages(
        self, source: UserDataSource, user_id: int | None, start: Item | None = None, **more: Any
    ) -> Iterator[tuple[list[Item], Item | None]]:
        """Yield pages of the rows of a user, or of all, each with the start key of the next. Raises OutOfTime."""
        request = {"TableName": source.table, "ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"} | more
        if user_id is not None:
            request["KeyConditionExpression" if source.by_user else "FilterExpression"] = "user_id = :user"
            request["ExpressionAttributeValues"] = {":user": {source.user: str(user_id)}}
        while True:
            if start:
                request["ExclusiveStartKey"] = start
            page = self.call("Query" if "KeyConditionExpression" in request else "Scan", request)
            self.date = page.date
            start = page.get("LastEvaluatedKey")
            yield page["Items"], start
            if start is None:
                return
            self.rest(page.get("ConsumedCapacity", {}), self.bounds.read_units)

    def delete(self, table: str, keys: list[Item]) -> Iterator[list[Item]]:
        """Delete rows by their keys, whether they exist or not. Yield the deleted keys after each call.

        Raises OutOfTime and the errors of calls, after some were deleted: those that were yielded.
        """
        waiting = [{"DeleteRequest": {"Key": key}} for key in keys]
        while waiting:
            some, waiting = waiting[:25], waiting[25:]  # BatchWriteItem's limit
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
        """Wait until the consumed units are within a table's share, at most a second."""
        time.sleep(min(consumed.get("CapacityUnits", 0) / (SHARE * units_a_second), 1))


def user_data_sources(tables: Tables) -> dict[str, UserDataSource]:
    """Return the tables in the order of erasure: credentials first, idempotency keys after outcomes."""
    return {
        "agent_keys": UserDataSource(tables.keys, ("id",), "N", by_user=False),
        "sessions": UserDataSource(tables.sessions, ("token_sha256",), "N", by_user=False),
        "outcomes": UserDataSource(tables.outcomes, ("user_id", "created_at"), "S", by_user=True),
        "kept_sums": UserDataSource(tables.totals, ("user_id", "stretch"), "S", by_user=True),
        "idempotency_keys": UserDataSource(tables.idempotency, ("key_sha256",), "S", by_user=False),
    }


def is_correction(item: Item) -> bool:
    return bool(item["created_at"]["S"].startswith("~"))


def is_agent_key(item: Item) -> bool:
    return key_text.is_id(item["id"]["S"])


def cursor_at(place: int, start: Item | None) -> str:
    """Return the cursor of a position: the table's index, and the key after which to continue.

    This is version 1, a list. A later one is an object with its number as `version`, which version 1 refuses.
    """
    return json.dumps([place, start])


def read_cursor(cursor: str | None, keys: list[tuple[str, ...]]) -> tuple[int, Item | None]:
    """Parse a cursor of `cursor_at`. keys: the key attributes of each table. Raises BadRequest if it is invalid."""
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
