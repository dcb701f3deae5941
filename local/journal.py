"""Write each change of an item to a write-ahead log, so that a killed process loses no acknowledged write.

A line contains the changes of one request, as a JSON array of `[table, key, item]`: keys and items in DynamoDB JSON,
and null for a deleted item. The line is passed to the operating system before the request is answered, but without
fsync: only a crash of the whole machine can lose acknowledged writes.
"""

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from local.data import named
from local.moto_backend import dynamo_json_dump, with_bytes
from ops.errors import StackError
from ops.files import write_lines


class Change(NamedTuple):
    """A table's name, an item's key attributes, and the item, or None if it was deleted."""

    table: str
    key: dict[str, Any]
    item: dict[str, Any] | None


class Journal:
    """An append-only file of changes. Only one process at a time may use it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._stream: BinaryIO | None = None
        self._end = 0

    def read(self) -> Iterator[Change]:
        """Yield the changes, oldest first. Ignore an incomplete last line, because its request was never answered.

        Raises StackError if the file cannot be read, or if any other line is damaged.
        """
        damaged: list[str] = []
        try:
            with self.file.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.endswith(b"\n"):
                        try:
                            yield from [_change(*fields) for fields in json.loads(line, object_hook=with_bytes)]
                        except (AttributeError, TypeError, ValueError):
                            damaged.append(str(number))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StackError(f"cannot read {self.file}: {error.strerror}") from error
        if damaged:
            noun, are, these = ("line", "is", "this") if len(damaged) == 1 else ("lines", "are", "these")
            edit = ";".join(f"{number}d" for number in damaged)
            keep = shlex.join(["sed", "-i.damaged", edit, str(self.file)])
            raise StackError(
                f"{noun} {', '.join(damaged)} of {self.file} {are} damaged: {keep} removes only {these} {noun}, "
                f"make reset{named(self.file.parent)} deletes all"
            )

    def rewrite(self, changes: Iterable[Change]) -> None:
        """Replace the file with one that contains these changes, and append to it from now on.

        Raises StackError if it cannot be written; the old file then stays.
        """
        stream = write_lines(self.file, (dynamo_json_dump([change]) for change in changes))
        self.close()
        self._stream, self._end = stream, stream.tell()

    def compact(self) -> None:
        """Keep only the latest version of each item, and no deleted items.

        Unprocessed stream records stay, except records of deletions, which yield no events.

        Raises StackError if the file cannot be read or written.
        """
        latest = {(change.table, json.dumps(change.key)): change for change in self.read()}
        present = [change for change in latest.values() if change.item is not None]
        self.rewrite([change for change in present if not _is_removal(change.table, change.item or {})])
        self.close()

    def append(self, changes: Sequence[Change]) -> None:
        """Write one line. May raise OSError; the next call then overwrites the incomplete line."""
        if self._stream is None:
            raise ValueError("rewrite first")
        line = f"{dynamo_json_dump(changes)}\n".encode()
        written = 0
        while written < len(line):
            written += os.pwrite(self._stream.fileno(), line[written:], self._end + written)
        self._end += written

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def _is_removal(table: str, item: dict[str, Any]) -> bool:
    return table.endswith("/stream") and json.loads(item["text"]["S"])["eventName"] == "REMOVE"


def _change(table: str, key: dict[str, Any], item: dict[str, Any] | None) -> Change:
    """Validate the parts of a change. Raises AttributeError or TypeError."""
    if not (isinstance(table, str) and key and all(len(value.keys()) == 1 for value in key.values())):
        raise TypeError("not a key of a table")
    if not (item is None or item.items() >= key.items()):
        raise TypeError("not an item of this key")
    return Change(table, key, item)
