"""Store sums of settled intervals by day, type and agent.

An interval is stored only if storing it saves more than it costs.

`stored_sums` describes the items of intervals. The item `zones#2026-04-01` has the time zones in which a user's sums
were first stored on that day: `zones` SS, `expires_at` N.
"""

import time
from collections.abc import Iterator

from outcomes.aws.services import ConditionFailed, Item, Unavailable
from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays
from outcomes.contract.sums import Sums
from outcomes.errors import Busy
from outcomes.totals.stored_sums import KEEP_SECONDS, SettledInterval, StoredSums, begin_of, end_of, number

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
    """The stored sums of one partition's settled intervals by day, type and agent."""

    def __init__(self, stored: StoredSums, days: LocalDays) -> None:
        self.stored = stored
        self.days = days
        self.surplus = 0.0  # read units that the stored intervals save, minus their cost

    def read(self, begin: str, end: str | None, *, overlaps: bool) -> Iterator[SettledInterval]:
        """Yield the stored intervals that are within [begin, end), in order and without overlaps.

        overlaps: whether to include the interval that begins before `begin` and ends after it.
        """
        zone, first = self.stored.zone, begin
        if overlaps:
            last = {"ScanIndexForward": False, "Limit": 1}
            for item in next(self.stored.pages(f"{zone}#", f"{zone}#{number(begin)}~", **last))["Items"]:
                if end_of(item) > begin:
                    first = begin_of(item)
        for interval in self.stored.read(zone, first, before=end):
            if interval.end > begin and (not end or interval.end <= end):
                yield interval

    def close(self, current: OpenInterval, end: str, *, is_last: bool = False, is_late: bool = False) -> Sums | None:
        """Store an interval if storing it saves enough, and begin a new interval.

        Return the sums since the last stored interval.
        is_last: whether no entries follow; then the savings of earlier intervals count as well. is_late: whether to
        store the interval in any case, so that the next aggregation can continue from here.
        """
        saved = current.units + (max(self.surplus, 0) if is_last else 0)
        least = SAVED_PER_COST * READ_UNITS_PER_WRITE_UNIT
        may_go_on = not (is_last or is_late)
        if not self.stored.may_keep or not current.units:
            return None
        if (saved < least and not is_late) or (may_go_on and saved < current.enough):
            return None
        begin, sums = current.begin, current.sums
        if current.last and current.last.end == begin and end <= self.days.of(current.last.begin).end:
            begin, sums = current.last.begin, Sums()  # the new interval extends the preceding one
            sums.add(current.last.sums)
            sums.add(current.sums)
        items = self.stored.items(self.stored.zone, begin, end, sums)
        sizes = [_item_bytes(item) for item in items]
        filled = FILLED * _rounded_up(sum(sizes), ROW_BYTES)
        if may_go_on and sum(sizes) < filled:
            current.enough = current.units * filled / sum(sizes)
            return None
        write_units = sum(_rounded_up(size, WRITE_UNIT_BYTES) for size in sizes) // WRITE_UNIT_BYTES
        cost = least * (write_units if self.stored.is_zone_kept else write_units + 1)
        if saved < cost and not is_late:
            current.enough = current.units * TRIED_AGAIN
            return None
        if not self.put(items, is_late=is_late):
            return None
        self.surplus += current.units - cost
        added = current.sums
        current.last = SettledInterval(begin, end, sums)
        current.begin, current.units, current.enough, current.sums = end, 0.0, 0.0, Sums()
        return added

    def put(self, items: list[Item], *, is_late: bool = False) -> bool:
        """Store an interval. Return whether it is now stored."""
        try:
            if not self.stored.is_zone_kept and not self._begin_zone() and not is_late:
                self.stored.may_keep = False
                return False
        except (Busy, Unavailable):
            self.stored.may_keep = False  # the answer is correct even if storing fails
            return False
        return self.stored.put(items)

    def _begin_zone(self) -> bool:
        """Add the time zone to the day's item. Return False if the item already has too many zones."""
        now = instants.now()
        update = {
            "TableName": self.stored.table,
            "Key": {"user_id": {"S": self.stored.partition}, "stretch": {"S": f"zones#{instants.text(now)[:10]}"}},
            "UpdateExpression": "ADD zones :zones SET expires_at = :expires_at",
            "ConditionExpression": "attribute_not_exists(zones) OR size(zones) < :most OR contains(zones, :zone)",
            "ExpressionAttributeValues": {
                ":zone": {"S": self.stored.zone},
                ":zones": {"SS": [self.stored.zone]},
                ":most": {"N": str(ZONES_A_DAY)},
                ":expires_at": {"N": str(now // 1000 + ZONES_REMEMBERED_SECONDS)},
            },
        }
        try:
            self.stored.reads.dynamodb.call("UpdateItem", update, attempts=1, until=time.monotonic() + KEEP_SECONDS)
        except ConditionFailed:
            return False
        self.stored.is_zone_kept = True
        return True


def _rounded_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _item_bytes(item: Item) -> int:
    """Estimate the size of an item.

    The estimate is a little too high, because DynamoDB counts fewer bytes for numbers.
    """
    return sum(
        len(name) + (len(value) * 3 // 4 if kind == "B" else len(value))
        for name, typed in item.items()
        for kind, value in typed.items()
    )
