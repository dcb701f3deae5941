"""A journal of changes to items, complete up to the last answer of a process that was killed.

A line holds what one request changed, as a JSON array of `[table, key, item]`: keys and items as DynamoDB's API writes
them, null for an item that was deleted. The operating system has it before the request is answered. It is not forced
onto the disk: only the end of the whole machine can lose what was answered last, never that of a process.
"""

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from local.moto_backend import dynamo_json_dump
from ops.errors import StackError
from ops.files import write_lines


class Change(NamedTuple):
    """A table's name, the key attributes of an item, and the item as it is now, None once it is deleted."""

    table: str
    key: dict[str, Any]
    item: dict[str, Any] | None


class Journal:
    """One file of changes. Only one process at a time may use it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._stream: BinaryIO | None = None
        self._end = 0

    def read(self) -> Iterator[Change]:
        """Read the changes, oldest first, without a torn last line: what it would have held was never answered.

        Raises StackError when the file cannot be read, or another line of it is damaged.
        """
        number = 0
        try:
            with self.file.open("rb") as lines:
                for line in lines:
                    number += 1
                    if line.endswith(b"\n"):
                        yield from [_change(*fields) for fields in json.loads(line)]
        except FileNotFoundError:
            return
        except OSError as error:
            raise StackError(f"cannot read {self.file}: {error.strerror}") from error
        except (AttributeError, TypeError, ValueError) as error:
            keep = f"sed -i.damaged {number}d {shlex.quote(str(self.file))}"
            raise StackError(
                f"line {number} of {self.file} is damaged: {keep} keeps all others, make reset starts anew"
            ) from error

    def rewrite(self, changes: Iterable[Change]) -> None:
        """Put a file of these changes in the place of the present one, and append to it from now on.

        Raises StackError when it cannot be written; the present one then stays.
        """
        stream = write_lines(self.file, (dynamo_json_dump([change]) for change in changes))
        self.close()
        self._stream, self._end = stream, stream.tell()

    def compact(self) -> None:
        """Leave nothing in the file of items that were deleted, nor of what items were before.

        Records of streams stay until they are heard of, but for those that something was deleted: no event tells of it.

        Raises StackError when it cannot be read or written.
        """
        latest = {(change.table, json.dumps(change.key)): change for change in self.read()}
        there = [change for change in latest.values() if change.item is not None]
        self.rewrite([change for change in there if not _tells_of_removal(change.table, change.item or {})])
        self.close()

    def append(self, changes: Sequence[Change]) -> None:
        """Write one line. Raises OSError; the next line then takes the place of what was written of this one."""
        if self._stream is None:
            raise ValueError("rewrite first")
        line = f"{dynamo_json_dump(changes)}\n".encode()
        written = 0
        while written < len(line):
            written += os.pwrite(self._stream.fileno(), line[written:], self._end + written)
        self._end += written

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()


def _tells_of_removal(table: str, item: dict[str, Any]) -> bool:
    return table.endswith("/stream") and json.loads(item["text"]["S"])["eventName"] == "REMOVE"


def _change(table: str, key: dict[str, Any], item: dict[str, Any] | None) -> Change:
    """Check the parts of a change. Raises AttributeError or TypeError when they are none."""
    if not (isinstance(table, str) and key and all(len(value.keys()) == 1 for value in key.values())):
        raise TypeError("not a key of a table")
    if not (item is None or item.items() >= key.items()):
        raise TypeError("not an item of this key")
    return Change(table, key, item)
