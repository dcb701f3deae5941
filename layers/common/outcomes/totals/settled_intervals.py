"""Store and read sums of a user's settled intervals. An interval is stored only if that saves more than it costs.

user_id (HASH, S)       `42`, or a partition of outcomes without a user, `unassigned#0`
stretch (RANGE, S)      `Europe/Berlin#1775080800000`: the time zone of the days, and the interval's begin in
                        milliseconds since 1970; if the sums need several items, the second has `#1` appended, and so on
end                     N, the interval's end, exclusive
rules                   S, versions of the codec, of tzdata and of the deployment's edition; the epoch of an import
parts                   N, the number of items; absent if there is only one
sums                    B, see `codec`

A settled interval never changes, as the ledger is append-only: late outcomes and corrections are entries of a later
interval. So stored sums are never stale. If they are missing, damaged or have different rules, they are added up again.
Only an import changes settled intervals: then the rules also contain its epoch (see `imports`).

The item `zones#2026-04-01` has the time zones in which a user's sums were first stored on that day: `zones` SS,
`expires_at` N.
"""

import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from outcomes.aws.caller import Answer
from outcomes.aws.errors import ConditionFailed, Unavailable
from outcomes.aws.services import DynamoDB, Item
from outcomes.contract import instants
from outcomes.contract.local_days import LocalDays
from outcomes.contract.sums import Sums
from outcomes.errors import Busy
from outcomes.totals import codec, imports
from outcomes.totals.imports import Imports, service_time

SETTLED_SECONDS = 600
"""Seconds after an instant, by DynamoDB's clock, until no entry with this instant can be written any more. DynamoDB
refuses signatures older than 300 s, our signatures are made within `caller.MAX_AGE` (60 s) of the instant, and a call
takes at most 12 s. The rest is a margin for DynamoDB's own clocks and processing."""
KEEP_SECONDS = 4.0  # maximum time for a call that stores sums; it has only one attempt

# Prices: https://aws.amazon.com/dynamodb/pricing/on-demand/
READ_UNITS_PER_WRITE_UNIT = 5
SAVED_PER_COST = 4
"""An interval is stored if reading its entries again would cost at least this many times as much as storing it."""

WRITE_UNIT_BYTES = 1024
ROW_BYTES = 2 * WRITE_UNIT_BYTES
FILLED = 0.9
"""Days are collected and stored together when they fill this fraction of a multiple of ROW_BYTES. A partial write unit
costs as much as a full one, and many days together need less space."""
TRIED_AGAIN = 1.25  # an interval that is not worth storing is considered again when it has grown by this factor

ZONES_A_DAY = 4
"""Maximum number of new time zones per day in which a user's sums are stored. In other zones, they are added up each
time."""
ZONES_REMEMBERED_SECONDS = 2 * 24 * 60 * 60


class SettledInterval(NamedTuple):
    """A half-open interval [begin, end) of recording time, and the sums of the entries recorded in it."""

    begin: str
    end: str
    sums: Sums


class OpenInterval:
    """An interval to which entries are being added. last: the preceding interval.

    units: read units of its entries. enough: storing is considered again when `units` reaches this value.
    """

    def __init__(self, begin: str, last: SettledInterval | None) -> None:
        self.begin = begin
        self.last = last
        self.units = 0.0
        self.enough = 0.0
        self.sums = Sums()


class SettledIntervals:
    """The stored intervals of one partition for one time zone.

    query: sends the DynamoDB Query that reads a page; it may raise an error. rules: the version of the rules; intervals
    with different rules are ignored.
    settled: the instant before which nothing can be recorded any more; set when `read` begins.
    """

    def __init__(
        self,
        dynamodb: DynamoDB,
        query: Callable[[dict[str, Any]], Answer],
        table: str,
        rules: str,
        partition: str,
        zone: str,
        days: LocalDays,
    ) -> None:
        self.dynamodb = dynamodb
        self.query = query
        self.table = table
        self.rules = rules
        self.partition = partition
        self.zone = zone
        self.days = days
        self.settled = ""
        self.is_zone_kept = False
        self.unreadable: set[str] = set()  # the begin of each stored interval that must be replaced
        self.may_keep = True
        self.surplus = 0.0  # read units that the stored intervals save, minus their cost

    def read(self, first: str) -> Iterator[SettledInterval]:
        """Yield the stored intervals that end after `first`, in order and without overlaps."""
        self._read_imports()
        last_end = ""
        for begin, items in groupby(self._pages(first), _begin):
            interval = self._read(begin, {_part(item): item for item in items})
            if interval is None:
                self.unreadable.add(begin)
            elif interval.end > first and last_end <= begin:
                yield interval
                last_end = interval.end

    def _read_imports(self) -> None:
        """Read the row of imports. It must be read before the sums and entries that it affects."""
        answer = self._query(imports.STRETCH, imports.STRETCH, ConsistentRead=True)
        found = Imports.of(answer["Items"][0] if answer["Items"] else {})
        if found.epoch:
            self.rules = f"{self.rules} {found.epoch}"
        self.may_keep = not found.blocking(service_time(answer.date))

    def _pages(self, first: str) -> Iterator[Item]:
        """Yield the items of stored intervals, reading pages of 1 MB on demand."""
        name = f"{self.zone}#"
        before = self._query(name, f"{name}{_number(first)}~", ScanIndexForward=False, Limit=1)
        self.settled = _settled(before) or first
        begin = first
        for item in before["Items"]:
            self.is_zone_kept = True
            if _end(item) > first:
                begin = _begin(item)
        query: dict[str, Any] = {}
        while True:
            page = self._query(f"{name}{_number(begin)}", f"{name}~", **query)
            self.is_zone_kept |= bool(page["Items"])
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _read(self, begin: str, items: dict[int, Item]) -> SettledInterval | None:
        """Decode an interval from its items. Return None if an item is missing, damaged or has different rules."""
        first = items.get(0, {})
        if "end" not in first:
            return None
        sums = Sums()
        for number in range(int(first["parts"]["N"]) if "parts" in first else 1):
            part = items.get(number, {})
            if part.get("rules") != {"S": self.rules} or part.get("end") != first["end"]:
                return None
            try:
                codec.read(a2b_base64(part["sums"]["B"]), sums)
            except (KeyError, codec.Damaged):
                return None
        return SettledInterval(begin, _end(first), sums)

    def _query(self, first: str, last: str, **more: Any) -> Answer:
        return self.query(
            {
                "TableName": self.table,
                "KeyConditionExpression": "user_id = :user AND stretch BETWEEN :first AND :last",
                "ExpressionAttributeValues": {
                    ":user": {"S": self.partition},
                    ":first": {"S": first},
                    ":last": {"S": last},
                },
                "ReturnConsumedCapacity": "TOTAL",
                **more,
            },
        )

    def close(self, current: OpenInterval, end: str, *, is_last: bool = False, is_late: bool = False) -> Sums | None:
        """Store an interval if that saves enough, and begin a new one. Return the sums since the last stored interval.

        is_last: whether no entries follow; then the savings of earlier intervals count as well. is_late: whether to
        store the interval in any case, so that the next aggregation can continue from here.
        """
        saved = current.units + (max(self.surplus, 0) if is_last else 0)
        least = SAVED_PER_COST * READ_UNITS_PER_WRITE_UNIT
        may_go_on = not (is_last or is_late)
        if not self.may_keep or not current.units:
            return None
        if (saved < least and not is_late) or (may_go_on and saved < current.enough):
            return None
        begin, sums = current.begin, current.sums
        if current.last and current.last.end == begin and end <= self.days.of(current.last.begin).end:
            begin, sums = current.last.begin, Sums()  # the new interval extends the preceding one
            sums.add(current.last.sums)
            sums.add(current.sums)
        items = self._items(begin, end, sums)
        sizes = [_item_bytes(item) for item in items]
        filled = FILLED * _rounded_up(sum(sizes), ROW_BYTES)
        if may_go_on and sum(sizes) < filled:
            current.enough = current.units * filled / sum(sizes)
            return None
        write_units = sum(_rounded_up(size, WRITE_UNIT_BYTES) for size in sizes) // WRITE_UNIT_BYTES
        cost = least * (write_units if self.is_zone_kept else write_units + 1)
        if saved < cost and not is_late:
            current.enough = current.units * TRIED_AGAIN
            return None
        if not self._put(items, is_late=is_late):
            return None
        self.surplus += current.units - cost
        added = current.sums
        current.last = SettledInterval(begin, end, sums)
        current.begin, current.units, current.enough, current.sums = end, 0.0, 0.0, Sums()
        return added

    def _items(self, begin: str, end: str, sums: Sums) -> list[Item]:
        parts = codec.write(sums)
        common: Item = {"end": {"N": _number(end)}, "rules": {"S": self.rules}}
        if len(parts) > 1:
            common["parts"] = {"N": str(len(parts))}
        key = f"{self.zone}#{_number(begin)}"
        return [
            {
                "user_id": {"S": self.partition},
                "stretch": {"S": f"{key}#{number}" if number else key},
                **common,
                "sums": {"B": b2a_base64(part, newline=False).decode()},
            }
            for number, part in enumerate(parts)
        ]

    def _put(self, items: list[Item], *, is_late: bool) -> bool:
        """Store an interval. Return whether it is now stored. Concurrent readers store equal sums."""
        try:
            if not self.is_zone_kept and not self._begin_zone() and not is_late:
                self.may_keep = False
                return False
            for item in items:
                put: dict[str, Any] = {"TableName": self.table, "Item": item}
                if _begin(item) not in self.unreadable:
                    put |= {
                        "ConditionExpression": "attribute_not_exists(stretch) OR #rules <> :rules OR #end <= :end",
                        "ExpressionAttributeNames": {"#rules": "rules", "#end": "end"},
                        "ExpressionAttributeValues": {":rules": item["rules"], ":end": item["end"]},
                    }
                self.dynamodb.call("PutItem", put, attempts=1, until=time.monotonic() + KEEP_SECONDS)
        except ConditionFailed:
            pass  # another reader stored a longer interval with this begin
        except (Busy, Unavailable):
            self.may_keep = False  # the answer is correct even if storing fails
        return self.may_keep

    def _begin_zone(self) -> bool:
        """Add the time zone to the day's item. Return False if that has too many zones."""
        now = instants.now()
        update = {
            "TableName": self.table,
            "Key": {"user_id": {"S": self.partition}, "stretch": {"S": f"zones#{instants.text(now)[:10]}"}},
            "UpdateExpression": "ADD zones :zones SET expires_at = :expires_at",
            "ConditionExpression": "attribute_not_exists(zones) OR size(zones) < :most OR contains(zones, :zone)",
            "ExpressionAttributeValues": {
                ":zone": {"S": self.zone},
                ":zones": {"SS": [self.zone]},
                ":most": {"N": str(ZONES_A_DAY)},
                ":expires_at": {"N": str(now // 1000 + ZONES_REMEMBERED_SECONDS)},
            },
        }
        try:
            self.dynamodb.call("UpdateItem", update, attempts=1, until=time.monotonic() + KEEP_SECONDS)
        except ConditionFailed:
            return False
        self.is_zone_kept = True
        return True


def _number(instant: str) -> str:
    """Format an instant as milliseconds since 1970, with 13 digits. These sort correctly until the year 2286."""
    return f"{instants.read(instant):013d}"


def _begin(item: Item) -> str:
    return instants.text(int(item["stretch"]["S"].split("#")[1]))


def _end(item: Item) -> str:
    return instants.text(int(item["end"]["N"])) if "end" in item else ""


def _part(item: Item) -> int:
    return int("".join(item["stretch"]["S"].split("#")[2:]) or 0)


def _settled(answer: Answer) -> str | None:
    """Compute from an answer's Date header the instant before which all entries are settled.

    Return None without this header.
    """
    now = service_time(answer.date)
    return None if now is None else instants.text(now - SETTLED_SECONDS * 1000)


def _rounded_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _item_bytes(item: Item) -> int:
    """Estimate the size of an item, a little too high: DynamoDB counts fewer bytes for numbers."""
    return sum(
        len(name) + (len(value) * 3 // 4 if kind == "B" else len(value))
        for name, typed in item.items()
        for kind, value in typed.items()
    )
