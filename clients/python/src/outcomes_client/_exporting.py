"""Write the parts of an export to a file: JSON Lines, CSV or Parquet."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields
from decimal import Context
from functools import partial
from pathlib import Path
from typing import IO, Any

import simplejson

from ._answers import exported
from ._errors import OutcomesError
from ._models import Outcome

Write = Callable[[IO[bytes], Iterable[str]], None]

DECIMAL_DIGITS, DECIMAL_PLACES = 38, 23
"""Precision and scale of `value_usd` in Parquet: 15 digits before the point, as the API allows, of 38 in 16 bytes."""

_EXACT = Context(prec=1000)
_UNSEEN = re.compile(r"[^ -~\n]")


@contextmanager
def replaced(path: str) -> Iterator[IO[bytes]]:
    """Open a file for an atomic write. The file replaces `path` once it is complete, but not after an error.

    Only its owner can read the new file. If `path` is a symbolic link, the file replaces the link, not the link's
    target. Pipes and devices are written directly. The path `-` is standard output. A failure to write names `path`.
    """
    if is_output(path):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                yield file
            return
        descriptor, part = tempfile.mkstemp(dir=target.parent, prefix=".outcomes-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            Path(part).replace(target)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as exc:
        exc.filename = path  # instead of the new file's name, or of none if the disk is full
        raise


def is_output(path: str) -> bool:
    """Check whether a path, such as `-` or /dev/stdout, is standard output: a file must not replace that link."""
    if path == "-":
        return True
    with suppress(OSError, ValueError):  # there is no such file, or standard output has no descriptor
        return os.path.samestat(os.stat(path), os.fstat(sys.stdout.fileno()))
    return False


def writer(layout: str, *, counts: bool) -> Write:
    """Return the writer of `jsonl`, `csv` or `parquet`. Raises ModuleNotFoundError if pyarrow is not installed.

    counts: whether the export says what outcomes count for.
    """
    if layout == "parquet":
        import pyarrow.parquet  # noqa: F401

        return partial(write_parquet, counts=counts)
    return write_csv if layout == "csv" else write_jsonl


def write_jsonl(file: IO[bytes], parts: Iterable[str]) -> None:
    """Write JSON Lines. Escape control characters, so that no terminal interprets them."""
    for part in parts:
        file.write(_UNSEEN.sub(lambda c: c[0] if c[0].isprintable() else simplejson.dumps(c[0])[1:-1], part).encode())


def write_csv(file: IO[bytes], parts: Iterable[str]) -> None:
    """Write CSV unchanged, but without control characters if the output is a terminal."""
    for part in parts:
        text = part
        if file.isatty():
            text = _UNSEEN.sub(lambda c: c[0] if c[0].isprintable() or c[0] == "\r" else "\ufffd", part)
        file.write(text.encode())


def write_parquet(file: IO[bytes], parts: Iterable[str], *, counts: bool = False) -> None:
    """Write Parquet from the parts of an NDJSON export, with a row group for each part. See `writer` for `counts`.

    Raises:
        OutcomesError: a value has more digits than the column can store.
    """
    import pyarrow as pa
    from pyarrow import parquet

    instant, text = pa.timestamp("ms", tz="UTC"), pa.string()
    kinds = {
        **{"str": text, "int": pa.int64(), "dict[str, Any]": text, "datetime": instant},
        "Decimal": pa.decimal128(DECIMAL_DIGITS, DECIMAL_PLACES),
    }
    columns = {each.name: kinds[str(each.type).removesuffix(" | None")] for each in fields(Outcome)}
    # Order the columns as in CSV: `occurred_at` comes before the other fields of the ledger.
    listed = {each.name: columns[each.name] for each in fields(Outcome) if each.default is MISSING}
    types = {**listed, "occurred_at": instant, **columns}
    del types["version"]
    if counts:  # the columns of CSV
        types |= {
            "counts_state": text,
            "counts_on": pa.date32(),
            "counts_usd": kinds["Decimal"],
            "imported": pa.bool_(),
        }
    schema = pa.schema(list(types.items()))
    with parquet.ParquetWriter(file, schema, compression="zstd") as rows:
        for part in parts:
            read = [_fitting(exported(line)) for line in part.split("\n")[:-1]]
            rows.write_table(pa.Table.from_pylist(read, schema))


def _fitting(row: dict[str, Any]) -> dict[str, Any]:
    for value in filter(None, (row["value_usd"], row.get("counts_usd"))):
        places = -int(value.normalize(_EXACT).as_tuple().exponent)
        if places > DECIMAL_PLACES or value.adjusted() >= DECIMAL_DIGITS - DECIMAL_PLACES:
            raise OutcomesError(
                f"The value of outcome {row['id']} has more digits than decimal({DECIMAL_DIGITS}, {DECIMAL_PLACES}) in "
                "Parquet can hold; export jsonl or csv instead"
            )
    return row
