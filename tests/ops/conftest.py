"""Fixtures: a user with recorded outcomes and stored sums of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from outcomes.totals import monthly_sums, settled_intervals

from ops.history import undo, writer
from tests.conftest import template_tables
from tests.ops.imports import write_ndjson
from tests.ops.world import ROWS, World


@pytest.fixture
def world(template: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(settled_intervals, "SAVED_PER_COST", 0)
    monkeypatch.setattr(monthly_sums, "CELLS_SAVED", -(10**9))
    monkeypatch.setattr(writer, "OUTCOMES_PER_BATCH", 1)
    monkeypatch.setattr(undo, "ROWS_PER_TRANSACTION", 1)
    with template_tables(template):
        yield World(write_ndjson(tmp_path / "old.ndjson", ROWS))
