"""Read and write outcomes in DynamoDB: add one, or list many with pagination, newest first.

A list by the time when outcomes happened merges two queries: outcomes that happened when they were recorded, from the
table, and all other outcomes, from its index. Reads of the table are strongly consistent. The index is eventually
consistent.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.services import ConditionFailed, DynamoDB, Item, Limits, pages
from outcomes.calendar import instants
from outcomes.contract.status import RECORDED, VOID
from outcomes.errors import Busy
from outcomes.ledger import cursor as cursors
from outcomes.ledger import ulid
from outcomes.limits import MAX_RESPONSE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outcomes.contract.models import NewOutcome
    from outcomes.contract.queries import Agent
from outcomes.contract.json_text import response_bytes
from outcomes.ledger.items import INDEX, new_item, outcome_json, partitions, sort_key, status_of

LIMITS = Limits(attempts=3, connect=1, read=2, total=12)  # limits of each call to DynamoDB

PAGE_SECONDS = 6.0
"""No call for a page begins after this many seconds. Together with the 12 s of a call, this is below the function's
timeout."""

NOT_THERE = "attribute_not_exists(user_id)"
"""Condition of each write of a new outcome. Without it, a late or repeated attempt could overwrite a correction."""

_ON_TIME = "attribute_not_exists(happened)"
_LAST = "~"
_MAX_QUERIES = 5

_MERGED_LIMIT = 100
"""Outcomes that each query reads at a time if all partitions of outcomes without a user are merged. An export needs the
first page of each of up to 32 queries within PAGE_SECONDS, and whole pages of 1 MB may take longer."""

type _Examined = tuple[str, Item | None]
type Also = Callable[[Item], str]


class Filters(NamedTuple):
    """Filters and order of a list. By default, a list contains all outcomes that are not void.

    recorded_by: the value of the stored attribute. since (inclusive), until (exclusive): in milliseconds since 1970.
    by_occurrence: whether the range and the order use the time when outcomes happened, not the time when they were
    recorded.
    """

    outcome_types: tuple[str, ...] = ()
    agent_id: "Agent | None" = None
    since: int | None = None
    until: int | None = None
    statuses: tuple[str, ...] = ()
    by_occurrence: bool = False
    recorded_by: str | None = None

    @classmethod
    def from_query(cls, one: "Callable[[str], str | None]", several: "Callable[[str], list[str]]") -> "Filters":
        """Parse the query parameters of a list or an export. Raises BadRequest.

        one: returns the value of a parameter. several: returns all values of a parameter.
        """
        from outcomes.contract import queries  # imported here, because recording does not need it

        return cls(
            outcome_types=queries.outcome_types(several("outcomeType")),
            agent_id=queries.agent_id(one("agentId")),
            since=instants.read_parameter(one("from"), "from"),
            until=instants.read_parameter(one("to"), "to"),
            statuses=queries.statuses(several("status")),
            by_occurrence=queries.by_occurrence(one("time")),
            recorded_by=queries.recorded_by(one("recordedBy")),
        )

    @property
    def are_selective(self) -> bool:
        """Check whether any filter is set. A filtered query may match only a few of the user's outcomes."""
        return bool(self.outcome_types or self.statuses or self.agent_id is not None or self.recorded_by)

    def key_of(self, item: Item) -> str:
        """Return an item's place in the list's order: `<time>#<id>`."""
        key: str = item["happened" if self.by_occurrence and "happened" in item else "created_at"]["S"]
        return key

    def cursor_at(self, key: str) -> str:
        return cursors.after_happened(key) if self.by_occurrence else cursors.after(key.partition("#")[2])

    def key_in(self, cursor: str) -> str:
        """Return the place in the list that a cursor contains, see `key_of`.

        Raises BadRequest for an invalid cursor, and for a cursor of a list in the other order.
        """
        return cursors.read_happened(cursor) if self.by_occurrence else sort_key(cursors.read(cursor))


class Page(NamedTuple):
    """A page of a list.

    outcomes: the text of each outcome, such as the contract's JSON. next_cursor: the cursor of the next page, or None
    at the end.
    """

    outcomes: list[str]
    next_cursor: str | None


class OutcomeStore:
    """The table of outcomes. If a call raises an error, it may be unknown whether a write took effect."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.dynamodb = DynamoDB(LIMITS)

    def add(self, outcome: "NewOutcome", recorded_by: str, *, milliseconds: int | None = None) -> str:
        """Store an outcome as recorded now, or at `milliseconds` since 1970. Return its id.

        recorded_by: `Caller.recorded_by`.
        """
        # Create the item before the call, so that all attempts put the same item.
        id_, item = new_item(outcome, recorded_by, milliseconds)
        self.put(item, ulid.milliseconds(id_) if milliseconds is None else None)
        return id_

    def put(self, item: Item, recorded_at: int | None) -> None:
        """Store the item of a new outcome. recorded_at: see `Service.call`."""
        put = {"TableName": self.table, "Item": item, "ConditionExpression": NOT_THERE}
        try:  # noqa: SIM105 (loading contextlib takes a millisecond of each start)
            self.dynamodb.call("PutItem", put, recorded_at=recorded_at)
        except ConditionFailed:
            pass  # The id is random, so an earlier attempt of this call must have put the item.

    def page(
        self,
        user_id: int | None,
        limit: int,
        cursor: str | None = None,
        filters: Filters | None = None,
        *,
        include_ledger: bool = False,
        also: Also | None = None,
    ) -> Page:
        """Read up to `limit` outcomes of a user after `cursor`, newest first.

        user_id: None for outcomes without a user.
        include_ledger: whether to include void outcomes, and the fields `status`, `occurred_at`, `recorded_by` and
        `version`. also: returns JSON members to add to an outcome.

        The page can have fewer outcomes and a `next_cursor` if matches are so rare that too many reads would be needed,
        if reads take too long, or if the response would be too large.

        Raises BadRequest for an invalid cursor, and Busy if the time ends before all queries have begun.
        """
        filters = filters or Filters()
        with_void = include_ledger or bool(filters.statuses)
        queries = self._newest_first(user_id, cursor, filters)
        began = time.monotonic()
        found: list[Item] = []
        last = ""  # outcomes with smaller keys may be missing in `found`, because not every query reached them
        for number, query in enumerate(queries, start=1):
            if number > 1 and time.monotonic() > began + PAGE_SECONDS:
                raise Busy
            # Each query has its share of the time, so that a slow query leaves time for the next query.
            deadline = began + PAGE_SECONDS * number / len(queries)
            newest, examined = self._read(query, limit, filters, with_void, deadline)
            found += newest
            last = max(last, examined)
        newest = [item for item in sorted(found, key=filters.key_of, reverse=True) if filters.key_of(item) >= last]
        return _page(newest, limit, last or None, filters, include_ledger, also)

    def _read(
        self, query: dict[str, Any], limit: int, filters: Filters, with_void: bool, deadline: float
    ) -> tuple[list[Item], str]:
        """Read outcomes of one query, newest first, until more than `limit` are found or too many reads are needed.

        Return these outcomes and the key of the last examined outcome. The key is empty if all outcomes were examined.
        """
        bounds = query["ExpressionAttributeValues"]
        found: list[Item] = []
        examined = limit + 1  # one more than the limit, to know whether there is a next page
        for _ in range(_MAX_QUERIES):
            if _is_empty(bounds):
                return found, ""
            answer = self.dynamodb.call("Query", query | {"Limit": examined})
            shown = answer["Items"]
            if not with_void:
                shown = [item for item in shown if status_of(item) != VOID]
            found += shown
            if "LastEvaluatedKey" not in answer:
                return found, ""
            last = filters.key_of(answer["LastEvaluatedKey"])
            if len(found) > limit or time.monotonic() > deadline:
                break
            bounds[":newest"] = {"S": _just_before(last)}
            # If few items match, examine four times as many in the next query. Otherwise, examine only as many as are
            # missing.
            rare = filters.are_selective or len(shown) * 2 < answer["ScannedCount"]
            examined = examined * 4 if rare else limit + 1 - len(found)
        return found, last

    def page_by_size(
        self,
        user_id: int | None,
        write: Callable[[Item], str],
        cursor: str | None = None,
        filters: Filters | None = None,
    ) -> Page:
        """Read as many outcomes of a user after `cursor` as fit into a response, newest first.

        write: converts an item to text. The page can have fewer outcomes and a `next_cursor` if reads take too long or
        the table is throttled.

        Raises BadRequest for an invalid cursor.
        """
        filters = filters or Filters()
        texts: list[str] = []
        room, last = MAX_RESPONSE_BYTES, ""
        deadline = time.monotonic() + PAGE_SECONDS
        queries = self._newest_first(user_id, cursor, filters)
        limit = {} if user_id is not None else {"Limit": _MERGED_LIMIT}
        examined = [self._examined(query | limit, filters) for query in queries]
        try:
            for key, item in examined[0] if len(examined) == 1 else _merged(examined, deadline):
                if item is None:
                    if time.monotonic() > deadline:
                        return Page(texts, filters.cursor_at(key))
                elif filters.statuses or status_of(item) != VOID:
                    text = write(item)
                    room -= response_bytes(text)
                    if room < 0:
                        return Page(texts, filters.cursor_at(last))
                    texts.append(text)
                last = key
        except Busy:
            if not last:
                raise
            return Page(texts, filters.cursor_at(last))
        return Page(texts, None)

    def _examined(self, query: dict[str, Any], filters: Filters) -> "Iterator[_Examined]":
        """Yield keys and outcomes of one query, newest first.

        At the end of each DynamoDB page, yield the last key and None.
        """
        if _is_empty(query["ExpressionAttributeValues"]):
            return
        for answer in pages(partial(self.dynamodb.call, "Query"), query):
            for item in answer["Items"]:
                yield filters.key_of(item), item
            if "LastEvaluatedKey" in answer:
                yield filters.key_of(answer["LastEvaluatedKey"]), None

    def _newest_first(self, user_id: int | None, cursor: str | None, filters: Filters) -> list[dict[str, Any]]:
        """Return the queries of a list: one per partition, or two per partition if the list is ordered by occurrence.

        Raises BadRequest for an invalid cursor.
        """
        # Use a key condition instead of ExclusiveStartKey, which DynamoDB refuses if it is outside the range.
        newest = _LAST if filters.until is None else instants.text(filters.until)
        if cursor is not None:
            newest = min(newest, _just_before(filters.key_in(cursor)))
        conditions, values = _filtered(filters)
        bounds = values | {":oldest": {"S": instants.text(filters.since or 0)}, ":newest": {"S": newest}}
        # An outcome must be listed as soon as it is recorded, so reads of the table are strongly consistent.
        if filters.by_occurrence:
            queries = [
                _query("created_at", [*conditions, _ON_TIME], ConsistentRead=True),
                _query("happened", conditions, IndexName=INDEX),
            ]
        else:
            queries = [_query("created_at", conditions, ConsistentRead=True)]
        return [
            {
                "TableName": self.table,
                "ScanIndexForward": False,
                "ExpressionAttributeValues": bounds | {":user": {"S": partition}},
            }
            | query
            for partition in partitions(user_id)
            for query in queries
        ]


def _merged(examined: "list[Iterator[_Examined]]", deadline: float) -> "Iterator[_Examined]":
    """Merge the items that `_examined` yields for queries. Raises Busy if the time ends before all have begun."""
    from heapq import merge  # imported here, because most exports have only one query and need no merging

    def begun(each: "Iterator[_Examined]") -> "Iterator[_Examined]":
        if time.monotonic() > deadline:
            raise Busy
        yield from each

    yield from merge(*map(begun, examined), key=lambda each: each[0], reverse=True)


def _is_empty(bounds: Item) -> bool:
    """Check whether the key range is empty. DynamoDB would refuse an empty range."""
    return bool(bounds[":oldest"]["S"] > bounds[":newest"]["S"])


def _just_before(key: str) -> str:
    """Return a key just before `key`. As an upper bound of BETWEEN, which is inclusive, it excludes `key`."""
    return key[:-1] + chr(ord(key[-1]) - 1)


def _filtered(filters: Filters) -> tuple[list[str], Item]:
    """Return the conditions of the filter expression, and their values."""
    conditions = []
    values: Item = {}
    if filters.outcome_types:
        names = [f":type{index}" for index in range(len(filters.outcome_types))]
        conditions.append(f"outcome_type IN ({', '.join(names)})")
        values |= {name: {"S": type_} for name, type_ in zip(names, filters.outcome_types, strict=True)}
    if filters.statuses:
        moved = {f":status{index}": {"S": each} for index, each in enumerate(filters.statuses) if each != RECORDED}
        either = [f"standing IN ({', '.join(moved)})"] if moved else []
        if RECORDED in filters.statuses:
            either.append("attribute_not_exists(standing)")
        conditions.append(f"({' OR '.join(either)})")
        values |= moved
    if filters.agent_id == "none":
        conditions.append("attribute_not_exists(agent_id)")
    elif filters.agent_id is not None:
        conditions.append("agent_id = :agent")
        values[":agent"] = {"N": str(filters.agent_id)}
    if filters.recorded_by:
        conditions.append("recorded_by = :recorder")
        values[":recorder"] = {"S": filters.recorded_by}
    return conditions, values


def _query(sort_key: str, conditions: list[str], **more: Any) -> dict[str, Any]:
    query = {"KeyConditionExpression": f"user_id = :user AND {sort_key} BETWEEN :oldest AND :newest"} | more
    return query | ({"FilterExpression": " AND ".join(conditions)} if conditions else {})


def _page(
    found: list[Item],
    limit: int,
    last_examined: str | None,
    filters: Filters,
    include_ledger: bool,
    also: Also | None,
) -> Page:
    outcomes: list[str] = []
    room = MAX_RESPONSE_BYTES
    for item in found:
        outcome = outcome_json(item, include_ledger)
        if also:
            outcome = f"{outcome[:-1]}{also(item)}}}"
        room -= response_bytes(outcome) + 1
        if len(outcomes) == limit or room < 0:
            return Page(outcomes, filters.cursor_at(filters.key_of(found[len(outcomes) - 1])))
        outcomes.append(outcome)
    return Page(outcomes, None if last_examined is None else filters.cursor_at(last_examined))
