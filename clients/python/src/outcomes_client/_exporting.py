"""Write outcomes to a file, so that spreadsheets and `outcomes import` read it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import IO

from . import _json
from ._display import cell, printable
from ._models import Outcome


def write_jsonl(output: IO[str], outcomes: Iterable[Outcome]) -> None:
    """Write JSON Lines, each an outcome as the API lists it."""
    output.writelines(_json.shown(one.as_dict()) + "\n" for one in outcomes)


def write_csv(output: IO[str], outcomes: Iterable[Outcome]) -> None:
    """Write CSV with a heading, `metadata` as JSON text; no cell is a formula, and none commands a terminal."""
    names = list(Outcome.__dataclass_fields__)
    writer = csv.DictWriter(output, names, lineterminator="\n")
    writer.writeheader()
    for one in outcomes:
        row = one.as_dict()
        if one.metadata is not None:
            row["metadata"] = _json.shown(one.metadata)
        for name, value in row.items():
            if isinstance(value, str):
                row[name] = printable(cell(value)) if output.isatty() else cell(value)
        writer.writerow(row)
