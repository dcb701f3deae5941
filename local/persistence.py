"""Write all changes of moto's tables, and the records of their streams, to a journal."""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, override

from local.environment import REGION
from local.journal import Change, Journal
from local.moto_backend import DynamoDBBackend, DynamoType, Item, StreamShard, dynamo_json_dump
from local.moto_backend import MotoTable as Table
from ops.errors import StackError

type Key = tuple[DynamoType, DynamoType | None]
type Changed = dict[tuple[str, Key], None]


class Backlog:
    """A durable FIFO queue of strings, numbered from 1. Each stays in the journal until its consumer has processed it.

    It stores the records of table streams and the events of the bus, so that none is lost if the stack is killed.
    name: the queue's name in the journal. It contains a slash, so that it differs from all names of tables.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.new: list[str] = []
        """Strings that are not yet in the journal."""
        self._wake: Callable[[], object] = lambda: None
        self._kept: dict[int, str] = {}
        self._last = 0

    def first(self, limit: int) -> list[tuple[int, str]]:
        """Return the oldest strings in the journal with their numbers."""
        # Other threads add and remove items, but list() copies them in one step.
        return list(self._kept.items())[:limit]

    def __len__(self) -> int:
        return len(self._kept)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Yield an event of the running loop that is set when any thread adds strings."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(event.set)
        try:
            yield event
        finally:
            self._wake = lambda: None

    def restore(self, change: Change) -> None:
        """Apply a change from the journal."""
        number = int(change.key["number"]["N"])
        if change.item is None:
            self._kept.pop(number, None)
        else:
            self._kept[number] = change.item["text"]["S"]
        self._last = max(self._last, number)

    def kept(self) -> list[Change]:
        """Return changes from which a new journal can restore all current strings."""
        return [self._change(number, text) for number, text in self._kept.items()]

    def additions(self) -> list[Change]:
        """Return the changes to write to the journal for new strings."""
        return [self._change(self._last + place, text) for place, text in enumerate(self.new, 1)]

    def removals(self, numbers: Sequence[int]) -> list[Change]:
        """Return the changes to write to the journal for strings that the consumer has processed."""
        return [self._change(number, None) for number in numbers]

    def add_new(self) -> None:
        """Mark the new strings as written to the journal."""
        for text in self.new:
            self._last += 1
            self._kept[self._last] = text
        if self.new:
            self.new.clear()
            self._wake()

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove strings that the consumer has processed."""
        for number in numbers:
            del self._kept[number]

    def _change(self, number: int, text: str | None) -> Change:
        key = {"number": {"N": str(number)}}
        return Change(self.name, key, None if text is None else key | {"text": {"S": text}})


class Persistence:
    """Restores a backend's tables from a journal, and appends their changes to it.

    lock: acquired while a request is answered or the journal is written.
    bus_events: events put on a bus that are not yet posted to `EVENTS_URL`.
    streams: the records of the tables with a stream.
    """

    def __init__(self, backend: DynamoDBBackend, journal: Journal) -> None:
        self.lock = threading.Lock()
        self.bus_events = Backlog("bus/events")
        self._backend = backend
        self._journal = journal
        self._changed: Changed = {}
        self.streams: dict[str, Backlog] = {}

    def restore(self, names: Iterable[str]) -> None:
        """Load the journal into these empty tables, compact it, and record their changes from then on.

        Items of other tables stay in the journal, in case those tables are added to the template again.

        Raises StackError if the journal cannot be read or written, or if an item's key does not match its table.
        """
        tables = {name: self._backend.tables[name] for name in names}
        for name, table in tables.items():
            table.stream_shard = None  # restored items must not create stream records
            if (table.stream_specification or {}).get("StreamEnabled"):
                self.streams[name] = Backlog(f"{name}/stream")
        backlogs = {backlog.name: backlog for backlog in (self.bus_events, *self.streams.values())}
        elsewhere = []
        for change in self._journal.read():
            if change.table in tables:
                _apply(change, tables[change.table])
            elif change.table in backlogs:
                backlogs[change.table].restore(change)
            elif "/" not in change.table:  # a name with a slash is a stream that no longer exists: drop its records
                elsewhere.append(change)
        kept = [change for backlog in backlogs.values() for change in backlog.kept()]
        self._journal.rewrite([*elsewhere, *(change for table in tables.values() for change in _items(table)), *kept])
        for table in tables.values():
            table.stream_shard = _Watch(table, self._changed)

    def stream(self, table: str) -> Backlog | None:
        """Return the records of a table's stream as JSON strings, or None if the table has no stream."""
        return self.streams.get(table)

    def add(self, table: str, records: Iterable[Any]) -> None:
        """Add records to the stream of a table whose items are elsewhere. `write` appends them to the journal."""
        shard: Any = self._backend.tables[table].stream_shard
        shard.records += map(json.dumps, records)

    def write(self) -> None:
        """Append all changes since the last call. May raise OSError; the next call appends them again."""
        tables = self._backend.tables
        changes = [
            _change(table, key, table.get_item(*key)) for name, key in self._changed if (table := tables.get(name))
        ]
        backlogs = [self.bus_events]
        for name, backlog in self.streams.items():
            if (table := tables.get(name)) and isinstance(table.stream_shard, _Watch):
                backlog.new = table.stream_shard.records
                backlogs.append(backlog)
        changes += [change for backlog in backlogs for change in backlog.additions()]
        if changes:
            self._journal.append(changes)
        self._changed.clear()
        for backlog in backlogs:
            backlog.add_new()

    def done(self, backlog: Backlog, numbers: Sequence[int]) -> None:
        """Remove strings that their consumer has processed. May raise OSError; the strings then stay."""
        with self.lock:
            self._journal.append(backlog.removals(numbers))
            backlog.remove(numbers)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


class _Watch(StreamShard):
    """Replaces moto's StreamShard of a table. Moto calls it on every change, even if the table has no stream.

    records: stream records since the last `write`, as JSON strings, if the table has a stream.
    """

    def __init__(self, table: Table, changed: Changed) -> None:
        super().__init__(table.account_id, table)
        self.records: list[str] = []
        self._changed = changed

    @override
    def add(self, old: Item | None, new: Item | None) -> None:
        item = new or old
        if item is None:
            return
        self._changed[self.table.name, (item.hash_key, item.range_key)] = None
        specification = self.table.stream_specification or {}
        # DynamoDB creates no stream record for a write that changes nothing, but moto does.
        if specification.get("StreamEnabled") and not (old and new and old.attrs == new.attrs):
            self.records.append(_record(self.table, specification["StreamViewType"], old, new))

    def __copy__(self) -> "_Watch":
        """Return a snapshot, to be restored if a transaction is cancelled."""
        twin = _Watch(self.table, self._changed)
        twin.records = list(self.records)
        return twin


def _record(table: Table, view: str, old: Item | None, new: Item | None) -> str:
    """Return a stream record as Lambda passes it to functions, without its sequence number.

    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
    """
    item: Any = new or old
    keys = {name: item.attrs[name] for name in table.table_key_attrs}
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": int(time.time()),
        "Keys": keys,
        "StreamViewType": view,
    }
    if new and view in {"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}:
        change["NewImage"] = dict(new.attrs)
    if old and view in {"OLD_IMAGE", "NEW_AND_OLD_IMAGES"}:
        change["OldImage"] = dict(old.attrs)
    return dynamo_json_dump(
        {
            "eventID": uuid.uuid4().hex,
            "eventName": "MODIFY" if old and new else "INSERT" if new else "REMOVE",
            "eventSource": "aws:dynamodb",
            "eventVersion": "1.1",
            "awsRegion": REGION,
            "dynamodb": change,
        }
    )


def _apply(change: Change, table: Table) -> None:
    types = {table.hash_key_attr: table.hash_key_type}
    if table.range_key_attr and table.range_key_type:
        types[table.range_key_attr] = table.range_key_type
    if types != {name: type_ for name, value in change.key.items() for type_ in value}:
        raise StackError(f"the items of {change.table} have another key; make reset with this DATA deletes all")
    if change.item is not None:
        table.put_item(change.item, overwrite=True)
    else:
        hash_key, *range_key = (DynamoType(change.key[name]) for name in types)
        table.delete_item(hash_key, range_key[0] if range_key else None)


def _items(table: Table) -> Iterator[Change]:
    return (_change(table, (item.hash_key, item.range_key), item) for item in table.all_items())


def _change(table: Table, key: Key, item: Item | None) -> Change:
    attributes = {name: part for name, part in zip(table.table_key_attrs, key, strict=False) if part}
    return Change(table.name, attributes, None if item is None else dict(item.attrs))
