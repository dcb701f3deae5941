"""Store and read sums of settled intervals of recording time, as items of the table of totals.

user_id (HASH, S)       `42`, or a partition of outcomes without a user, `unassigned#0`
stretch (RANGE, S)      `Europe/Berlin#1775080800000`: the name, and the interval's start in milliseconds since 1970; if
                        the sums need several items, the second has `#1` appended, and so on
end                     N, the interval's end, exclusive
rules                   S, the versions of the codec and of tzdata, the template parameter `TotalsEdition` and, if there
                        was an import, the epoch of the row of imports
parts                   N, the number of items; absent if there is only one
sums                    B, see `codec`
read                    only of a checkpoint: M, see `SettledInterval`
expires_at              N, only of a checkpoint, and of sums by the month of the newest entry
statuses                only of a checkpoint of a summary with a filter by status: SS, the statuses of the outcomes that
                        the tally `standing` counts

The name begins with the time zone of the days. These names exist:

Europe/Berlin           sums by day, type and agent (see `settled_intervals`)
Europe/Berlin months    monthly sums (see `monthly_sums`)
Europe/Berlin open      sums of recorded outcomes by the month of their newest entry (see `open_months`)
Europe/Berlin <SHA-256> a checkpoint: the sums of a summary that ran out of time (see `materialized`)

The item `large#Europe/Berlin` (`zones` SS, the same zone) exists if there may be monthly sums or checkpoints. It is
read together with the row of imports, so summaries of all other users need no query for these.

A settled interval never changes, as the ledger is append-only: late outcomes and corrections are entries of a later
interval. So stored sums are never stale. If they are missing, damaged or have different rules, they are added up again.
Only an import changes settled intervals: then the rules also contain its epoch (see `imports`).
"""

import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import Answer, ConditionFailed, Item, Unavailable, pages
from outcomes.calendar import instants
from outcomes.contract.sums import Sums
from outcomes.errors import Busy, StillAddingUp
from outcomes.ledger import imports
from outcomes.ledger.imports import Imports, service_time
from outcomes.totals import codec

SETTLED_SECONDS = 600
"""Seconds after an instant, by DynamoDB's clock, until no entry with this instant can be written any more. DynamoDB
refuses signatures older than 300 s, our signatures are made within `services.MAX_AGE` (60 s) of the instant, and a call
takes at most 12 s. The rest is a margin for DynamoDB's own clocks and processing."""
KEEP_SECONDS = 4.0  # maximum time for a call that stores sums; it has only one attempt

_LARGE = "large#"


class SettledInterval(NamedTuple):
    """A half-open interval [begin, end) of recording time, and the sums of the entries recorded in it.

    read: the `read_until` of the aggregation that stored a checkpoint, see `materialized`. Other intervals have none.
    """

    begin: str
    end: str
    sums: Sums
    read: Mapping[str, str] = {}


class StoredSums:
    """The stored sums of one partition for one time zone.

    rules: the version of the rules; sums with different rules are ignored.
    settled: the instant before which nothing can be recorded any more. may_keep: whether sums may be stored now.
    is_large: whether there may be monthly sums and checkpoints. is_zone_kept: whether sums
    of this time zone were found, or may now be stored (see `settled_intervals`).
    """

    def __init__(self, reads: PacedReads, table: str, rules: str, partition: str, zone: str) -> None:
        self.reads = reads
        self.table = table
        self.rules = rules
        self.partition = partition
        self.zone = zone
        self.settled = ""
        self.epoch = 0
        self.may_keep = True
        self.is_large = False
        self.is_zone_kept = False
        self._unreadable: set[str] = set()  # the key of each stored interval that must be replaced

    def open(self, first: str) -> None:
        """Read the row that says whether imports change earlier outcomes. Call this before reading sums or entries.

        first: the instant from which entries are read. If the answer does not contain DynamoDB's time, it is unknown
        which entries are settled. Then this summary treats none of them as settled, and stores nothing.
        """
        rows, now = self._rows()
        self.is_large = f"{_LARGE}{self.zone}" in rows
        self.settled = first if now is None else instants.text(now - SETTLED_SECONDS * 1000)
        self._obey(Imports.of(rows.get(imports.STRETCH, {})), now)

    def _rows(self) -> tuple[dict[str, Item], int | None]:
        """Return the row of imports and those of large sums by their names, and DynamoDB's time."""
        pages = list(self.pages(imports.STRETCH, f"{_LARGE}~", ConsistentRead=True))
        return {item["stretch"]["S"]: item for page in pages for item in page["Items"]}, service_time(pages[0].date)

    def _obey(self, found: Imports, now: int | None) -> None:
        self.epoch = found.epoch
        if found.epoch:
            self.rules = f"{self.rules} {found.epoch}"
        self.may_keep = now is not None and not found.blocking(now)

    def require_same_epoch(self) -> None:
        """Raise StillAddingUp if an import has begun since `open`: it may have added outcomes between two reads."""
        rows, _ = self._rows()
        if Imports.of(rows.get(imports.STRETCH, {})).epoch != self.epoch:
            raise StillAddingUp

    def read(self, name: str, first: str, before: str | None = None) -> Iterator[SettledInterval]:
        """Yield the stored intervals with first <= begin < before, in order and without overlaps."""
        last = f"{name}#{instants.read(before) - 1:013d}~" if before else f"{name}#~"
        items = (item for page in self.pages(f"{name}#{number(first)}", last) for item in page["Items"])
        last_end = ""
        for begin, together in groupby(items, begin_of):
            interval = self._decode(begin, {_part(item): item for item in together})
            if interval is None:
                self._unreadable.add(f"{name}#{number(begin)}")
            elif last_end <= interval.begin:
                yield interval
                last_end = interval.end

    def pages(self, first: str, last: str, **more: Any) -> Iterator[Answer]:
        """Yield pages of 1 MB of the items from `first` to `last`, reading on demand."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "user_id = :user AND stretch BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":user": {"S": self.partition},
                ":first": {"S": first},
                ":last": {"S": last},
            },
            "ReturnConsumedCapacity": "TOTAL",
            **more,
        }
        for page in pages(self.reads.call, query):
            self.is_zone_kept |= bool(page["Items"]) and first != imports.STRETCH
            yield page

    def _decode(self, begin: str, items: dict[int, Item]) -> SettledInterval | None:
        """Decode an interval from its items. Return None if an item is missing, damaged or has different rules."""
        first = items.get(0, {})
        if "end" not in first:
            return None
        sums = Sums()
        for index in range(int(first["parts"]["N"]) if "parts" in first else 1):
            part = items.get(index, {})
            if part.get("rules") != {"S": self.rules} or any(
                part.get(name) != first.get(name) for name in ("end", "read")
            ):
                return None
            try:
                codec.read(a2b_base64(part["sums"]["B"]), sums)
            except (KeyError, codec.Damaged):
                return None
        read = {day: instants.text(int(until["N"])) for day, until in first.get("read", {"M": {}})["M"].items()}
        return SettledInterval(begin, end_of(first), sums, read)

    def items(self, name: str, begin: str, end: str, sums: Sums, **more: Any) -> list[Item]:
        """Return the items of an interval. more: further attributes."""
        parts = codec.write(sums)
        common: Item = {"end": {"N": number(end)}, "rules": {"S": self.rules}, **more}
        if len(parts) > 1:
            common["parts"] = {"N": str(len(parts))}
        key = f"{name}#{number(begin)}"
        return [
            {
                "user_id": {"S": self.partition},
                "stretch": {"S": f"{key}#{index}" if index else key},
                **common,
                "sums": {"B": b2a_base64(part, newline=False).decode()},
            }
            for index, part in enumerate(parts)
        ]

    def put(self, items: list[Item], *, is_large: bool = False) -> bool:
        """Store an interval. Return whether it is now stored.

        Concurrent calls may overwrite each other's items, because they store equal sums of equal intervals.
        is_large: whether these are monthly sums or a checkpoint.
        """
        try:
            if is_large and not self.is_large:
                key = {"user_id": {"S": self.partition}, "stretch": {"S": f"{_LARGE}{self.zone}"}}
                self._put({"Item": key | {"zones": {"SS": [self.zone]}}})
                self.is_large = True
            for item in items:
                put: dict[str, Any] = {"Item": item}
                if items[0]["stretch"]["S"] not in self._unreadable:
                    put |= {
                        "ConditionExpression": "attribute_not_exists(stretch) OR #rules <> :rules OR #end <= :end",
                        "ExpressionAttributeNames": {"#rules": "rules", "#end": "end"},
                        "ExpressionAttributeValues": {":rules": item["rules"], ":end": item["end"]},
                    }
                self._put(put)
        except ConditionFailed:
            pass  # another reader stored a longer interval with the same start
        except (Busy, Unavailable):
            self.may_keep = False  # the answer is correct even if storing fails
        return self.may_keep

    def _put(self, put: dict[str, Any]) -> None:
        self.reads.dynamodb.call(
            "PutItem", {"TableName": self.table, **put}, attempts=1, until=time.monotonic() + KEEP_SECONDS
        )


def number(instant: str) -> str:
    """Format an instant as milliseconds since 1970, with 13 digits. These sort correctly until the year 2286."""
    return f"{instants.read(instant):013d}"


def begin_of(item: Item) -> str:
    return instants.text(int(item["stretch"]["S"].split("#")[1]))


def end_of(item: Item) -> str:
    return instants.text(int(item["end"]["N"])) if "end" in item else ""


def _part(item: Item) -> int:
    return int("".join(item["stretch"]["S"].split("#")[2:]) or 0)
