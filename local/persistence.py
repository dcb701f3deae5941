"""Tables of moto that are kept in a journal, whatever request writes to them, and what their streams tell."""

import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, override

from local.backlog import Backlog
from local.environment import REGION
from local.journal import Change, Journal
from local.moto_backend import DynamoDBBackend, DynamoType, Item, StreamShard, dynamo_json_dump
from local.moto_backend import MotoTable as Table
from ops.errors import StackError

type Key = tuple[DynamoType, DynamoType | None]
type Changed = dict[tuple[str, Key], None]


class Persistence:
    """Restores tables of a backend from a journal, and appends what is written to them.

    lock: held by whoever answers a request or writes to the journal.
    told: events that a bus has taken, for whoever wants them (`EVENTS_URL`).
    """

    def __init__(self, backend: DynamoDBBackend, journal: Journal) -> None:
        self.lock = threading.Lock()
        self.told = Backlog("bus/events")
        self._backend = backend
        self._journal = journal
        self._changed: Changed = {}
        self._streams: dict[str, Backlog] = {}

    def restore(self, names: Iterable[str]) -> None:
        """Put the items of the journal into these tables, which are empty, and note from then on what changes.

        The journal then has each item once. Items of other tables stay in it, for a template that has those again.

        Raises StackError when the journal cannot be read or written, and when an item has another key than its table.
        """
        tables = {name: self._backend.tables[name] for name in names}
        for name, table in tables.items():
            table.stream_shard = None  # what is restored is no news to those who read the stream
            if (table.stream_specification or {}).get("StreamEnabled"):
                self._streams[name] = Backlog(f"{name}/stream")
        backlogs = {backlog.name: backlog for backlog in (self.told, *self._streams.values())}
        elsewhere = []
        for change in self._journal.read():
            if change.table in tables:
                _apply(change, tables[change.table])
            elif change.table in backlogs:
                backlogs[change.table].restore(change)
            elif "/" not in change.table:  # a stream that there is no more
                elsewhere.append(change)
        kept = [change for backlog in backlogs.values() for change in backlog.kept()]
        self._journal.rewrite([*elsewhere, *(change for table in tables.values() for change in _items(table)), *kept])
        for table in tables.values():
            table.stream_shard = _Watch(table, self._changed)

    def stream(self, table: str) -> Backlog | None:
        """Find the records of a table's stream, each as JSON, if it has one."""
        return self._streams.get(table)

    def write(self) -> None:
        """Append what was written since the last time. Raises OSError; the next time then appends it as well."""
        tables = self._backend.tables
        changes = [
            _change(table, key, table.get_item(*key)) for name, key in self._changed if (table := tables.get(name))
        ]
        backlogs = [self.told]
        for name, backlog in self._streams.items():
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
        """Forget texts that somebody is done with. Raises OSError; they then stay."""
        with self.lock:
            self._journal.append(backlog.removals(numbers))
            backlog.remove(numbers)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


class _Watch(StreamShard):
    """The stand-in for a table's stream, which moto tells of every change, also of a table that has none.

    records: JSON texts of what was changed since the last `write`, by a table that has a stream.
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
        # DynamoDB's streams do not tell of a write that changed nothing; moto does.
        if specification.get("StreamEnabled") and not (old and new and old.attrs == new.attrs):
            self.records.append(_record(self.table, specification["StreamViewType"], old, new))

    def __copy__(self) -> "_Watch":
        """Return the stream as it is now, for moto to go back to when a transaction is cancelled."""
        twin = _Watch(self.table, self._changed)
        twin.records = list(self.records)
        return twin


def _record(table: Table, view: str, old: Item | None, new: Item | None) -> str:
    """Write a record of a stream as Lambda gives it, but for its sequence number.

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
        raise StackError(f"{change.table} has another key than what is kept of it; make reset starts anew")
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
