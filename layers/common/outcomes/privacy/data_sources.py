"""Find, read and delete a user's rows in all tables that contain user data, at a limited rate.

Outcomes, stored sums, statements, costs and watches have the user's id as partition key. The tables of agent keys,
stored sessions and idempotency keys are scanned, and all outcomes without a user are read: data requests are rare, and
an index would add cost to every write.
"""

import json
import time
from collections.abc import Iterator
from itertools import batched
from typing import Any, NamedTuple

from outcomes.aws.backoff import KEYS_PER_CALL, Backoff, read_items
from outcomes.aws.services import Answer, DynamoDB, Item, Limits
from outcomes.errors import BadRequest
from outcomes.keys import key_text
from outcomes.ledger.correction_entries import id_of
from outcomes.ledger.items import item_key, partitions

LIMITS = Limits(attempts=3, connect=1, read=5, total=12)
"""Limits of a call to DynamoDB. `read` is longer than elsewhere, as pages are large."""

PORTION_SECONDS = 30.0
"""Time limit of a portion. Together with the 12 s of a call, this is below the functions' timeout. This timeout must
not exceed 60 s, because the AWS CLI waits no longer for an answer."""

_ASSIGNED = ("assigned_to", "assigned_id")
_PERSONAL = (*_ASSIGNED, "reason", "changes")
_AFTER_CORRECTIONS = "~~"

SHARE = 0.25  # share of a table's maximum throughput; the rest is left for normal requests


class Tables(NamedTuple):
    """Names of the tables that contain user data."""

    keys: str
    sessions: str
    outcomes: str
    totals: str
    idempotency: str
    statements: str
    costs: str
    watches: str


class Bounds(NamedTuple):
    """The maximum throughput of a table, in units per second."""

    read_units: float
    write_units: float


class UserDataSource(NamedTuple):
    """A table.

    key: the key attributes. user: the DynamoDB type of `user_id`. by_user: whether `user_id` is the partition key.
    originals: whether the rows are outcomes that were recorded without a user and later assigned to this user, and the
    corrections of these outcomes.
    """

    table: str
    key: tuple[str, ...]
    user: str
    by_user: bool
    originals: bool = False

    def key_of(self, item: Item) -> Item:
        return {name: item[name] for name in self.key}


class OutOfTime(Exception):
    """This portion has used up its time. The next call continues."""


class Portion:
    """The DynamoDB calls of one portion.

    A deadline limits their time. SHARE of each table's maximum throughput limits their rate.
    """

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
        """Yield pages of a user's rows (None: of all rows), each with the start key of the next page.

        Raises OutOfTime.
        """
        if source.originals:
            yield from self._originals(source, user_id, start)
            return
        request: dict[str, Any] = {"TableName": source.table} | more
        if user_id is not None:
            request["KeyConditionExpression" if source.by_user else "FilterExpression"] = "user_id = :user"
            request["ExpressionAttributeValues"] = {":user": {source.user: str(user_id)}}
        yield from self._read("Query" if "KeyConditionExpression" in request else "Scan", request, start)

    def _read(
        self, operation: str, request: dict[str, Any], start: Item | None
    ) -> Iterator[tuple[list[Item], Item | None]]:
        request |= {"ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"}
        while True:
            if start:
                request["ExclusiveStartKey"] = start
            page = self.call(operation, request)
            self.date = page.date
            start = page.get("LastEvaluatedKey")
            yield page["Items"], start
            if start is None:
                return
            self.rest(page.get("ConsumedCapacity", {}), self.bounds.read_units)

    def _originals(
        self, source: UserDataSource, user_id: int | None, start: Item | None
    ) -> Iterator[tuple[list[Item], Item | None]]:
        """Yield pages of outcomes that were assigned to this user (None: to any user), and their corrections.

        Corrections come first. The outcome's attributes in _ASSIGNED are added to each correction, because only the
        outcome is stored with the user's id.
        """
        every = partitions(None)
        left = every[every.index(start["user_id"]["S"]) :] if start else every
        for partition, following in zip(left, [*left[1:], None], strict=True):
            query = {
                "TableName": source.table,
                "KeyConditionExpression": "user_id = :user",
                "FilterExpression": "attribute_exists(assigned_to) OR attribute_exists(outcome)",
                "ExpressionAttributeValues": {":user": {"S": partition}},
                "ScanIndexForward": False,
            }
            newest = {"user_id": {"S": following}, "created_at": {"S": _AFTER_CORRECTIONS}} if following else None
            for rows, after in self._read("Query", query, start):
                yield self._with_user(source, rows, user_id), after or newest
            start = None

    def _with_user(self, source: UserDataSource, rows: list[Item], user_id: int | None) -> list[Item]:
        corrected = {row["outcome"]["S"] for row in rows if is_correction(row)}
        outcomes: dict[str, Item] = {}
        for ids in batched(corrected, KEYS_PER_CALL, strict=False):
            self.check()
            keys = [item_key(None, id_) for id_ in ids]
            items = read_items(self.dynamodb, source.table, keys, Backoff())
            outcomes |= {id_of(item): item for item in items}
            self.rest({"CapacityUnits": len(items)}, self.bounds.read_units)  # an estimate: most items need one unit
        found = []
        for row in rows:
            outcome = outcomes.get(row["outcome"]["S"], {}) if is_correction(row) else row
            if "assigned_to" in outcome and user_id in {None, int(outcome["assigned_to"]["N"])}:
                found.append(row | {name: outcome[name] for name in _ASSIGNED})
        return found

    def erase(self, source: UserDataSource, rows: list[Item]) -> Iterator[list[Item]]:
        """Delete rows. Yield their keys after each call. Raises the errors of `delete`.

        Outcomes without a user are not deleted, because stored sums may include them. Instead, references to
        the user are removed from these outcomes, and reasons and changes are removed from their corrections. Only the
        outcomes' keys are yielded.
        """
        if not source.originals:
            yield from self.delete(source.table, [source.key_of(row) for row in rows])
            return
        for row in rows:
            key = source.key_of(row)
            update = {"TableName": source.table, "Key": key, "UpdateExpression": f"REMOVE {', '.join(_PERSONAL)}"}
            answer = self.call("UpdateItem", update | {"ReturnConsumedCapacity": "TOTAL"})
            yield [] if is_correction(row) else [key]
            self.rest(answer.get("ConsumedCapacity", {}), self.bounds.write_units)

    def delete(self, table: str, keys: list[Item]) -> Iterator[list[Item]]:
        """Delete rows by their keys, whether they exist or not. Yield the deleted keys after each call.

        May raise OutOfTime, or an error of a call, after some rows were deleted. The keys of these rows have been
        yielded.
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
        """Wait until the consumed units are within SHARE of a table's throughput, but at most one second."""
        time.sleep(min(consumed.get("CapacityUnits", 0) / (SHARE * units_a_second), 1))


def user_data_sources(tables: Tables) -> dict[str, UserDataSource]:
    """Return the tables in the order in which they are erased: credentials first, idempotency keys after outcomes.

    Cursors contain the index of a table, so add new ones at the end.
    """
    return {
        "agent_keys": UserDataSource(tables.keys, ("id",), "N", by_user=False),
        "sessions": UserDataSource(tables.sessions, ("token_sha256",), "N", by_user=False),
        "outcomes": UserDataSource(tables.outcomes, ("user_id", "created_at"), "S", by_user=True),
        "kept_sums": UserDataSource(tables.totals, ("user_id", "stretch"), "S", by_user=True),
        "idempotency_keys": UserDataSource(tables.idempotency, ("key_sha256",), "S", by_user=False),
        "originals": UserDataSource(tables.outcomes, ("user_id", "created_at"), "S", by_user=False, originals=True),
        "statements": UserDataSource(tables.statements, ("user_id", "id"), "S", by_user=True),
        "costs": UserDataSource(tables.costs, ("user_id", "day_source"), "S", by_user=True),
        "watches": UserDataSource(tables.watches, ("user_id", "id"), "S", by_user=True),
    }


def is_correction(item: Item) -> bool:
    return bool(item["created_at"]["S"].startswith("~"))


def is_agent_key(item: Item) -> bool:
    return key_text.is_id(item["id"]["S"])


def is_statement(item: Item) -> bool:
    """Check whether a row of the table of statements is the first of a statement, see `statements.statement_rows`."""
    return "@" in item["id"]["S"] and "#" not in item["id"]["S"]


def cursor_at(place: int, start: Item | None) -> str:
    """Return the cursor for a position: the table's index, and the key after which to continue.

    A cursor of this version is a JSON list. A later version must be a JSON object with a member `version`, because
    `read_cursor` of this version refuses objects.
    """
    return json.dumps([place, start])


def read_cursor(cursor: str | None, keys: list[tuple[str, ...]]) -> tuple[int, Item | None]:
    """Parse a cursor that `cursor_at` wrote. keys: key attributes of each table. Raises BadRequest for any other."""
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
