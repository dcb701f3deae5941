"""Read the rows of a CSV or NDJSON file in order, and read single rows again by their place in the file."""

import csv
from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from outcomes.contract import json_text

from ops.errors import StackError

_BOM = b"\xef\xbb\xbf"

type Cells = dict[str, Any]
"""The values of a row by column. An empty cell of CSV is None."""


class Row(NamedTuple):
    """A row.

    number: the number of its first line, from 1. offset, size: its place in the file, in bytes. fault: why the row
    cannot be read. An unreadable row has no cells.
    """

    number: int
    offset: int
    size: int
    cells: Cells
    fault: str = ""


class RowFile:
    """A file of rows.

    Its name ends with `.csv`, `.ndjson` or `.jsonl`. columns: the columns of a CSV file; None for NDJSON.
    """

    def __init__(self, path: Path) -> None:
        """Open the file. Raises StackError if it cannot be read, or if CSV has no heading."""
        if path.suffix not in {".csv", ".ndjson", ".jsonl"}:
            raise StackError(f"FILE must end with .csv, .ndjson or .jsonl: {path.name!r} does not")
        self.path = path
        self.columns: list[str] | None = None
        try:
            self.size = path.stat().st_size
            self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 (closed by __exit__)
        except OSError as error:
            raise StackError(f"cannot read {path}: {error.strerror}") from error
        if path.suffix == ".csv":
            heading = next(_records(self._file, 0), (0, 0, 0, ""))[-1]
            if not isinstance(heading, list) or len(set(heading)) < len(heading):
                self._file.close()
                raise StackError(f"the first line of {path} must name each column once, separated by commas")
            self.columns = heading

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def require(self, names: Collection[str]) -> None:
        """Raise StackError if the heading of a CSV file lacks one of these columns."""
        missing = [name for name in names if self.columns is not None and name not in self.columns]
        if missing:
            raise StackError(f"{self.path} has no column {', '.join(missing)}, only {', '.join(self.columns or ())}")

    def rows(self) -> Iterator[Row]:
        """Yield all rows except blank lines."""
        self._file.seek(0)
        if self.columns is None:
            offset = 0
            for number, line in enumerate(self._file, start=1):
                if line.removeprefix(_BOM).strip():
                    yield Row(number, offset, len(line), *_json_object(line))
                offset += len(line)
            return
        records = _records(self._file, 0)
        next(records)
        for number, offset, size, cells in records:
            if cells:
                yield Row(number, offset, size, *self._named(cells))

    def row_at(self, offset: int, size: int) -> Cells:
        """Read the row at this place again. Return its cells, or {} if it is no longer readable."""
        self._file.seek(offset)
        text = self._file.read(size)
        if self.columns is None:
            return _json_object(text)[0]
        *_, record = next(_records(BytesIO(text), offset), ("",))
        return self._named(record)[0]

    def _named(self, record: list[str] | str) -> tuple[Cells, str]:
        if isinstance(record, str):
            return {}, record
        columns = self.columns or []
        if len(record) != len(columns):
            return {}, f"the row has {len(record)} cells, and the heading {len(columns)}"
        return {name: cell or None for name, cell in zip(columns, record, strict=True)}, ""


def _records(file: BinaryIO, offset: int) -> Iterator[tuple[int, int, int, list[str] | str]]:
    """Yield the records of a CSV file.

    A record is a tuple: the number of its first line, its offset and its size in bytes, and the list of its cells. If
    the record cannot be parsed, the tuple contains an error message instead of the list. offset: the file's current
    position in bytes.
    """
    end = offset

    def lines() -> Iterator[str]:
        nonlocal end
        for line in file:
            text = line.removeprefix(_BOM) if end == 0 else line
            end += len(line)
            yield text.decode(errors="surrogateescape")  # lone surrogates for invalid UTF-8 are refused later

    records = csv.reader(lines(), strict=True)
    while True:
        number, begin = records.line_num + 1, end
        cells: list[str] | str
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            cells = f"unreadable up to line {records.line_num}: {error}"
        yield number, begin, end - begin, cells


def _json_object(line: bytes) -> tuple[Cells, str]:
    try:
        value = json_text.read(line.removeprefix(_BOM))
    except (ValueError, RecursionError) as error:
        return {}, f"the line is not JSON: {error}"
    return (value, "") if isinstance(value, dict) else ({}, "the line is not a JSON object")
