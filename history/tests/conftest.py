"""Fixtures: files to import, the command, and a user with recorded outcomes and stored sums of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from outcomes.totals import monthly_sums, settled_intervals

from history import undo, writer
from history.tests.imports import Command, days_ago, deployed_command, old_row, write_ndjson
from history.tests.world import ROWS, World
from tests.conftest import (  # noqa: F401 - fixtures
    RunMain,
    clock_that_steps,
    no_waiting,
    run_main,
    tables,
    template,
    template_tables,
)


@pytest.fixture
def world(template: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:  # noqa: F811 - the fixture
    monkeypatch.setattr(settled_intervals, "SAVED_PER_COST", 0)
    monkeypatch.setattr(monthly_sums, "CELLS_SAVED", -(10**9))
    monkeypatch.setattr(writer, "OUTCOMES_PER_BATCH", 1)
    monkeypatch.setattr(undo, "ROWS_PER_TRANSACTION", 1)
    with template_tables(template):
        yield World(write_ndjson(tmp_path / "old.ndjson", ROWS))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with outcomes of two users and without a user, three of each."""
    rows = [old_row(number + 1, days_ago(9) + number, user_id=(42, 43, None)[number % 3]) for number in range(9)]
    return write_ndjson(tmp_path / "old.ndjson", rows)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a file with two outcomes of user 42, of nine days and one day ago."""
    return write_ndjson(tmp_path / "small.ndjson", [old_row(1, days_ago(9)), old_row(2, days_ago(1))])


@pytest.fixture
def run(run_main: RunMain) -> Command:  # noqa: F811 - the fixture
    return deployed_command(run_main)
