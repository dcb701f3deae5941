"""Run imports in this process, and make files for them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from outcomes.contract import instants

from ops.history.files import RowFile
from ops.history.run import Import, Target
from tests.outcome_types import TYPES

SECRET = b"a secret of the stack"
TARGET = Target("OutcomesTable", "TotalsTable", "ErasuresTable", SECRET, TYPES, float("inf"))


def old_row(number: int, milliseconds: int, user_id: int | None = 42, **fields: Any) -> dict[str, Any]:
    """Return a row in the format of a platform's existing table."""
    row = {"id": number, "user_id": user_id, "agent_id": 7, "outcome_type": "deal_closed", "title": f"Deal {number}"}
    return row | {"value_usd": 0.1, "created_at": instants.text(milliseconds)} | fields


def write_ndjson(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return file


@contextmanager
def planned(file: Path, target: Target = TARGET, mapping: Any = None) -> Iterator[Import]:
    """Plan the import of a file, and yield the plan."""
    with RowFile(file) as rows, Import(rows, mapping or {}, target) as plan:
        plan.read()
        yield plan


def import_all(file: Path, target: Target = TARGET, mapping: Any = None) -> int:
    """Import a file. Return the number of rows that were refused."""
    with planned(file, target, mapping) as plan:
        plan.write()
        return plan.refused
