"""Summaries stay correct while old outcomes are imported.

The tests run a summary between any two calls of an import. They also let imports overlap, wait, or be killed.
"""

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, override
from unittest.mock import patch

import pytest
from outcomes.aws.services import CallFailed, DynamoDB, Unavailable
from outcomes.calendar import instants
from outcomes.totals.imports import Imports
from outcomes.totals.stored_sums import StoredSums

from functions.erase_user import app as erase_user
from history import past
from history.past import Pasts
from history.tests.imports import SECRET, import_all, write_ndjson
from history.tests.world import (
    DIES,
    ROWS,
    Scripts,
    World,
    before_cut,
    kept,
    look,
    record,
    store_statement,
)
from ops.patience import LIMITS
from tests.aws import aws_client
from tests.people import rows_of

PLANNING, OPENED, LAST = 3, 6, 12
"""Numbers of calls of an import: the last call of its planning, the call that writes the row of imports, and the last
call."""


def any_look_between_two_calls(world: World) -> None:
    """Try many orders of an import and a summary.

    The summary begins between any two calls of the import, stops, and continues between two later calls.
    """
    scripts: Scripts = {"import": lambda: import_all(world.file), "look": look}
    calls = world.run([], scripts)
    for begun, stopped in itertools.product(range(PLANNING, calls["import"] + 1), range(1, calls["look"] + 2)):
        meanwhile = 1 if (begun + stopped) % 2 else calls["import"]
        world.run(["import"] * (begun + 1) + ["look"] * stopped + ["import"] * meanwhile + ["look"] * 20, scripts)


def test_no_summary_between_two_calls_of_an_import_stores_sums_that_count(world: World) -> None:
    any_look_between_two_calls(world)


def no_epoch(stored: StoredSums, found: Imports, now: int | None) -> None:
    rules = stored.rules
    OBEY(stored, found, now)
    stored.rules = rules


def no_block(stored: StoredSums, found: Imports, now: int | None) -> None:
    OBEY(stored, found, now)
    stored.may_keep = True


OBEY = StoredSums._obey


@pytest.mark.parametrize("fault", [no_epoch, no_block])
def test_a_summary_that_ignores_the_row_of_imports_is_found(
    world: World, fault: Callable[[StoredSums, Imports, int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoredSums, "_obey", fault)
    with pytest.raises(AssertionError, match="import"):
        any_look_between_two_calls(world)


@pytest.mark.parametrize("killed_before", range(OPENED + 1, LAST + 1))
def test_a_killed_import_blocks_for_an_hour_and_can_go_on(world: World, killed_before: int) -> None:
    stored: list[bool] = []

    def looks() -> None:
        for _ in range(2):
            look()
            stored.append(bool(kept()))
            time.sleep(past.BLOCK_SECONDS)

    scripts: Scripts = {
        "import": lambda: import_all(world.file),
        "look": looks,
        "again": lambda: import_all(world.file),
    }
    world.run(["import"] * 20 + ["look"] * 20, scripts, pauses={("import", killed_before): DIES})
    assert stored == [False, True]


@pytest.mark.parametrize("stopped_before", range(PLANNING, LAST))
def test_of_two_imports_the_last_to_end_ends_the_block(world: World, tmp_path: Path, stopped_before: int) -> None:
    one, other = (write_ndjson(tmp_path / f"{row['id']}.ndjson", [row]) for row in ROWS)

    def looks() -> None:
        look()
        assert bool(kept()) is (stopped_before <= OPENED)

    scripts: Scripts = {"one": lambda: import_all(one), "other": lambda: import_all(other), "look": looks}
    world.run(["one"] * stopped_before + ["other"] * 20 + ["look"] * 20, scripts)


def test_a_long_import_renews_its_block(world: World) -> None:
    """Import for three hours, and request a summary every 20 minutes."""

    def write_slowly() -> None:
        opened = Pasts("TotalsTable", "ErasuresTable", SECRET).open("42")
        for _ in range(9):
            opened.check()
            look()
            assert not kept()
            time.sleep(1200)
        import_all(world.file)
        opened.close()

    world.run([], {"import": write_slowly})


def test_a_block_that_could_not_be_renewed_is_renewed_by_the_next_check(world: World) -> None:
    def write_slowly() -> None:
        pasts = Pasts("TotalsTable", "ErasuresTable", SECRET)
        opened = pasts.open("42")
        time.sleep(past.BLOCK_SECONDS * 0.6)
        with patch.object(pasts, "dynamodb", DynamoDBThatCannotPut(LIMITS)), pytest.raises(Unavailable):
            opened.check()
        opened.check()
        time.sleep(past.BLOCK_SECONDS * 0.6)
        look()
        assert not kept()
        import_all(world.file)
        opened.close()

    world.run([], {"import": write_slowly})


class DynamoDBThatCannotPut(DynamoDB):
    @override
    def call(self, operation: str, *request: Any, **more: Any) -> Any:
        if operation == "PutItem":
            raise Unavailable("no answer")
        return super().call(operation, *request, **more)


@pytest.mark.parametrize("keeps_sums", [False, True])
@pytest.mark.usefixtures("tables")
def test_a_block_that_an_erasure_deleted_is_not_stored_again(keeps_sums: bool) -> None:
    opened = Pasts("TotalsTable", "ErasuresTable", SECRET).open("42", keeps_sums=keeps_sums)
    [row] = rows_of(42)["TotalsTable"]
    key = {name: row[name] for name in ("user_id", "stretch")}
    aws_client("dynamodb").delete_item(TableName="TotalsTable", Key=key)
    with pytest.raises(past.Erased):
        opened.close()
    assert rows_of(42) == {}


def test_an_import_that_slept_longer_than_its_block_starts_a_new_epoch(world: World) -> None:
    def sleep() -> None:
        opened = Pasts("TotalsTable", "ErasuresTable", SECRET).open("42")
        time.sleep(2 * past.BLOCK_SECONDS)
        look()
        assert kept()
        opened.check()
        for row in ROWS:
            record(instants.read(row["created_at"]), valueUsd=Decimal("0.1"))
        opened.close()

    world.run([], {"import": sleep})


@pytest.mark.parametrize("paused_before", range(PLANNING, LAST + 1))
def test_an_import_that_wakes_up_late_writes_only_after_a_check(world: World, paused_before: int) -> None:
    def twice() -> None:
        with suppress(CallFailed):  # the signature may be too old after the pause
            import_all(world.file)
        import_all(world.file)

    def late_look() -> None:
        time.sleep(past.BLOCK_SECONDS + 60)
        look()
        assert kept()

    pauses = {("import", paused_before): 2 * past.BLOCK_SECONDS}
    world.run([], {"import": twice, "look": late_look}, pauses=pauses)


@pytest.mark.parametrize("paused", [0, 2000])
@pytest.mark.parametrize("begun_before", range(1, LAST + 1, 2))
def test_an_erasure_during_an_import_leaves_nothing(
    world: World, begun_before: int, paused: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_user.erasures, "_secret", SECRET)

    def erase() -> None:
        while not (progress := erase_user.handler({"user_id": 42}, None))["done"]:
            time.sleep(progress["wait"])

    def run_import() -> None:
        with suppress(CallFailed):
            import_all(world.file)
        assert import_all(world.file) == len(ROWS)

    scripts: Scripts = {"import": run_import, "erase": erase}
    order = ["import"] * begun_before + ["erase"] * 200
    world.run(order, scripts, expected=(0, Decimal(0)), pauses={("import", begun_before): paused})
    assert rows_of(42) == {}


@pytest.mark.parametrize("meanwhile", [0, 1, 20])
@pytest.mark.parametrize("read_before", range(PLANNING, LAST + 2))
def test_after_a_statement_nothing_is_written_before_its_end(world: World, read_before: int, meanwhile: int) -> None:
    """Store a statement during an import.

    The statement's code reads the row of imports before one call of the import, and writes the row some calls later.
    """
    numbers: list[int] = []
    scripts: Scripts = {"import": lambda: import_all(world.file), "statement": lambda: store_statement(numbers)}
    order = ["import"] * read_before + ["statement"] * 2 + ["import"] * meanwhile + ["statement"] * 20
    world.run(order, scripts, expected=None)
    assert not numbers or numbers == [before_cut()]
