"""Tables of moto that are kept in a journal, whatever request writes to them."""

from collections.abc import Iterable, Iterator
from typing import override

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import StreamShard, Table

import local.tables  # noqa: F401 (a snapshot of moto's own tables would copy who watches them as well)
from local.errors import StackError
from local.journal import Change, Journal

type Key = tuple[DynamoType, DynamoType | None]
type Changed = dict[tuple[str, Key], None]


class Persistence:
    """Restores tables of a backend from a journal, and appends what is written to them."""

    def __init__(self, backend: DynamoDBBackend, journal: Journal) -> None:
        self._backend = backend
        self._journal = journal
        self._changed: Changed = {}

    def restore(self, names: Iterable[str]) -> None:
        """Put the items of the journal into these tables, which are empty, and note from then on what changes.

        The journal then has each item once. Items of other tables stay in it, for a template that has those again.

        Raises StackError when the journal cannot be read or written, and when an item has another key than its table.
        """
        tables = {name: self._backend.tables[name] for name in names}
        for table in tables.values():
            table.stream_shard = None  # what is restored is no news to those who read the stream
        elsewhere = []
        for change in self._journal.read():
            if change.table in tables:
                _apply(change, tables[change.table])
            else:
                elsewhere.append(change)
        self._journal.rewrite([*elsewhere, *(change for table in tables.values() for change in _items(table))])
        for table in tables.values():
            table.stream_shard = _Watch(table, self._changed)

    def write(self) -> None:
        """Append what was written since the last time. Raises OSError; the next time then appends it as well."""
        changes = [
            _change(table, key, table.get_item(*key))
            for name, key in self._changed
            if (table := self._backend.tables.get(name))
        ]
        if changes:
            self._journal.append(changes)
        self._changed.clear()

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


class _Watch(StreamShard):
    """The stand-in for a table's stream, which moto tells of every change, also of a table that has none."""

    def __init__(self, table: Table, changed: Changed) -> None:
        super().__init__(table.account_id, table)
        self._changed = changed

    @override
    def add(self, old: Item | None, new: Item | None) -> None:
        if item := new or old:
            self._changed[self.table.name, (item.hash_key, item.range_key)] = None
        if (self.table.stream_specification or {}).get("StreamEnabled"):
            super().add(old, new)


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
