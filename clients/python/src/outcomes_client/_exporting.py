"""Write the parts of an export to a file: JSON Lines, CSV or Parquet."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from decimal import Context, Decimal
from pathlib import Path
from typing import IO, Any

import simplejson

from ._answers import exported
from ._errors import OutcomesError
from ._models import Outcome

Write = Callable[[IO[bytes], Iterable[str]], None]

DECIMAL_DIGITS, DECIMAL_PLACES = 38, 23
"""Digits of `value_usd` in Parquet: 15 before the point, as many as a value may have, and what then is left of those
that 16 bytes hold."""

_EXACT = Context(prec=1000)
_UNSEEN = re.compile(r"[^ -~\n]")


@contextmanager
def replaced(path: str) -> Iterator[IO[bytes]]:
    """Open a file that is there when all is written, and stays as it was if that fails.

    It is a new one, which its owner alone can read, in the place of whatever file or link to one has the name: what a
    link leads to is left alone. What is no file, as a pipe or a device, is written as it comes; - is standard output.
    """
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
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


def writer(layout: str) -> Write:
    """Choose how `jsonl`, `csv` or `parquet` is written; ModuleNotFoundError where that needs what is not installed."""
    if layout == "parquet":
        import pyarrow.parquet  # noqa: F401

        return write_parquet
    return write_csv if layout == "csv" else write_jsonl


def write_jsonl(file: IO[bytes], parts: Iterable[str]) -> None:
    """Write JSON Lines, with escapes for all that is no visible text, so that no terminal obeys it."""
    for part in parts:
        file.write(_UNSEEN.sub(lambda c: c[0] if c[0].isprintable() else simplejson.dumps(c[0])[1:-1], part).encode())


def write_csv(file: IO[bytes], parts: Iterable[str]) -> None:
    """Write CSV as it comes, to a terminal without what commands it."""
    for part in parts:
        text = part
        if file.isatty():
            text = _UNSEEN.sub(lambda c: c[0] if c[0].isprintable() or c[0] == "\r" else "\ufffd", part)
        file.write(text.encode())


def write_parquet(file: IO[bytes], parts: Iterable[str]) -> None:
    """Write Parquet, a row group for each part, from the parts of an NDJSON export.

    Raises:
        OutcomesError: a value has more digits than the column, in which none is lost.
    """
    import pyarrow as pa
    from pyarrow import parquet

    instant, text = pa.timestamp("ms", tz="UTC"), pa.string()
    kinds = {
        **{"str": text, "int": pa.int64(), "dict[str, Any]": text, "datetime": instant},
        "Decimal": pa.decimal128(DECIMAL_DIGITS, DECIMAL_PLACES),
    }
    told = {each.name: kinds[str(each.type).removesuffix(" | None")] for each in fields(Outcome)}
    # As in CSV, what the ledger adds begins with when it happened.
    listed = {each.name: told[each.name] for each in fields(Outcome) if each.default is MISSING}
    types = {**listed, "occurred_at": instant, **told}
    del types["version"]
    schema = pa.schema(list(types.items()))
    with parquet.ParquetWriter(file, schema, compression="zstd") as rows:
        for part in parts:
            read = [_fitting(exported(line)) for line in part.split("\n")[:-1]]
            rows.write_table(pa.Table.from_pylist(read, schema))


def _fitting(row: dict[str, Any]) -> dict[str, Any]:
    value: Decimal = row["value_usd"] or Decimal(0)
    places = -int(value.normalize(_EXACT).as_tuple().exponent)
    if places > DECIMAL_PLACES or value.adjusted() >= DECIMAL_DIGITS - DECIMAL_PLACES:
        raise OutcomesError(
            f"The value of outcome {row['id']} has more digits than decimal({DECIMAL_DIGITS}, {DECIMAL_PLACES}) in "
            "Parquet takes; jsonl and csv have them all"
        )
    return row
