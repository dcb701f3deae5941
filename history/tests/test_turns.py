"""Imports and undos beside summaries, statements, corrections, erasures and each other.

The tests run the other caller between any two calls. They also let imports and undos overlap, wait, or be killed.
"""

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, override
from unittest.mock import patch

import pytest
from outcomes.aws.services import CallFailed, DynamoDB, Unavailable
from outcomes.calendar import instants

from functions.erase_user import app as erase_user
from history import past
from history.past import Pasts
from history.tests.imports import SECRET, TARGET, import_all, undo_all, write_ndjson
from history.tests.world import DIES, ROWS, Scripts, World, before_cut, kept, look, record, store_statement
from ops.patience import LIMITS
from tests.aws import aws_client
from tests.corrections import BODIES, OWNER, correct
from tests.interleaving.schedule import Schedule
from tests.people import rows_of, snapshot

PLANNING, OPENED, LAST = 3, 6, 12
"""Numbers of calls of an import: the last call of its planning, the call that writes the row of imports, and the last
call."""
BEFORE, UNDONE = (6, Decimal("4.2")), (4, Decimal(4))
"""The sums before and after the undo."""
CALLS = 10
"""The number of calls of an undo."""


@pytest.fixture
def imported(world: World) -> World:
    """Return a user with two imported outcomes, and stored sums that include them."""
    earlier = Schedule(0)
    earlier.now -= 3600
    with earlier.clocks():
        import_all(world.file)
        look()
    world.tables = snapshot()
    return world


type Work = tuple[World, Callable[[], int | None]]


@pytest.fixture
def work(world: World, request: pytest.FixtureRequest) -> Work:
    """Return an import, or an undo of what was imported, and the user whose outcomes it changes."""
    if request.param == "import":
        return world, partial(import_all, world.file)
    return request.getfixturevalue("imported"), partial(undo_all, world.file)


# ── Imports and undos ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("work", "turns", "paused", "begun"),
    [
        *itertools.product(["import"], [200], [0, 2000], range(1, LAST + 1, 2)),
        *itertools.product(["undo"], [5, 200], [0], range(1, CALLS + 1)),
    ],
    indirect=["work"],
)
def test_an_erasure_leaves_nothing(
    work: Work, turns: int, paused: float, begun: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_user.erasures, "_secret", SECRET)
    world, run = work

    def twice() -> None:
        with suppress(CallFailed):  # the signature may be too old after the pause
            run()
        assert run() in {None, len(ROWS)}  # an import refuses all rows

    def erase() -> None:
        while not (progress := erase_user.handler({"user_id": 42}, None))["done"]:
            time.sleep(progress["wait"])

    order = ["work"] * begun + ["erase"] * turns
    scripts: Scripts = {"work": twice, "erase": erase}
    world.run(order, scripts, expected=(0, Decimal(0)), pauses={("work", begun): paused})
    assert rows_of(42) == {}


# ── Imports ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_summary_between_two_calls_of_an_import_stores_sums_that_count(world: World) -> None:
    """The summary begins between any two calls of the import, stops, and continues between two later calls."""
    scripts: Scripts = {"import": lambda: import_all(world.file), "look": look}
    calls = world.run([], scripts)
    for begun, stopped in itertools.product(range(PLANNING, calls["import"] + 1), range(1, calls["look"] + 2)):
        meanwhile = 1 if (begun + stopped) % 2 else calls["import"]
        world.run(["import"] * (begun + 1) + ["look"] * stopped + ["import"] * meanwhile + ["look"] * 20, scripts)


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


# ── Undos ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def outcomes() -> dict[str, int]:
    """Return how often each imported outcome was corrected. Check that its entries agree with its item."""
    rows = rows_of(42)["OutcomesTable"]
    versions = {row["created_at"]["S"]: int(row.get("version", {"N": 0})["N"]) for row in rows if "imported" in row}
    versions = {key: version for key, version in versions.items() if not key.startswith("~")}
    for key, version in versions.items():
        entries = [row for row in rows if row.get("outcome") == {"S": key[-26:]}]
        assert sorted(int(entry["version"]["N"]) for entry in entries) == [*range(1, version + 1)]
    return versions


def test_every_summary_is_right_and_no_stored_sum_is_lost(imported: World) -> None:
    stored = kept()
    assert stored
    seen: set[tuple[int, Decimal]] = set()
    scripts: Scripts = {"undo": lambda: undo_all(imported.file), "look": lambda: seen.add(look())}
    calls = imported.run([], scripts, expected=UNDONE)
    assert calls["undo"] == CALLS
    for begun, stopped in itertools.product(range(1, CALLS + 1), range(1, calls["look"] + 2)):
        meanwhile = 1 if (begun + stopped) % 2 else CALLS
        order = ["undo"] * begun + ["look"] * stopped + ["undo"] * meanwhile + ["look"] * 20
        imported.run(order, scripts, expected=UNDONE)
        assert [row for row in stored if row in kept()] == stored
        assert {*outcomes().values()} == {1}
    assert seen == {BEFORE, (5, Decimal("4.1")), UNDONE}


@pytest.mark.parametrize("meanwhile", [0, 1])
@pytest.mark.parametrize("begun", range(1, CALLS + 1))
def test_the_owners_dispute_is_never_overwritten(imported: World, begun: int, meanwhile: int) -> None:
    id_ = sorted(outcomes())[0][-26:]
    answers: list[int] = []

    def dispute() -> None:
        answers.append(correct(id_, OWNER, BODIES["dispute"])[0])

    scripts: Scripts = {"undo": lambda: undo_all(imported.file), "dispute": dispute}
    order = ["undo"] * begun + ["dispute"] * 3 + ["undo"] * meanwhile + ["dispute"] * 20
    imported.run(order, scripts, expected=UNDONE)
    [item] = [row for row in rows_of(42)["OutcomesTable"] if row["created_at"]["S"].endswith(id_) and "title" in row]
    assert (answers, item["standing"]["S"]) in [([200], "disputed"), ([409], "void")]
    assert {*outcomes().values()} == {1}


@pytest.mark.parametrize("meanwhile", [1, 4])
@pytest.mark.parametrize("begun", range(1, CALLS + 1))
def test_of_two_undos_one_voids_an_outcome(imported: World, begun: int, meanwhile: int) -> None:
    scripts: Scripts = {name: lambda: undo_all(imported.file) for name in ("one", "other")}
    order = ["one"] * begun + ["other"] * begun + ["one"] * meanwhile + ["other"] * 20
    imported.run(order, scripts, expected=UNDONE)
    assert {*outcomes().values()} == {1}


@pytest.mark.parametrize("last_round", [1, 2])
@pytest.mark.parametrize("begun", range(1, CALLS + 1))
def test_an_import_beside_an_undo_counts_no_row_twice(imported: World, begun: int, last_round: int) -> None:
    def run_import() -> None:
        assert import_all(imported.file, last_round=last_round) == 0

    scripts: Scripts = {"undo": lambda: undo_all(imported.file), "import": run_import}
    for turns in (1, 4, 8, 20):
        order = ["undo"] * begun + ["import"] * turns + ["undo"] * 3 + ["import"] * 20
        imported.run(order, scripts, expected=None)
        run_import()
        assert look() == (UNDONE if last_round == 1 else BEFORE)


def late_statement(numbers: list[int]) -> None:
    """Store a statement when the block of a killed undo has expired."""
    time.sleep(past.BLOCK_SECONDS + 60)
    store_statement(numbers)


@pytest.mark.parametrize("killed_before", range(1, CALLS + 1))
def test_a_killed_undo_blocks_statements_for_an_hour_at_most_and_goes_on(imported: World, killed_before: int) -> None:
    def again() -> None:
        time.sleep(past.BLOCK_SECONDS)
        undo_all(imported.file)

    numbers: list[int] = []
    scripts: Scripts = {
        "undo": lambda: undo_all(imported.file),
        "again": again,
        "statement": partial(late_statement, numbers),
    }
    imported.run(["undo"] * 20 + ["again"] * 40, scripts, expected=UNDONE, pauses={("undo", killed_before): DIES})
    assert {*outcomes().values()} == {1}
    assert numbers


@pytest.mark.parametrize("paused_before", range(1, CALLS + 1))
def test_an_undo_that_wakes_up_late_voids_only_after_a_check(imported: World, paused_before: int) -> None:
    def twice() -> None:
        with suppress(CallFailed):  # the signature may be too old after the pause
            undo_all(imported.file)
        undo_all(imported.file)

    numbers: list[int] = []

    pauses = {("undo", paused_before): 2 * past.BLOCK_SECONDS}
    imported.run([], {"undo": twice, "statement": partial(late_statement, numbers)}, expected=None, pauses=pauses)
    assert numbers == [before_cut()]


def test_a_slow_undo_checks_again_before_each_void(imported: World) -> None:
    """The row from before the statement comes last, and waits until the block has expired."""
    write_ndjson(imported.file, ROWS[::-1])
    target = TARGET._replace(units_per_second=4 / past.BLOCK_SECONDS / 1.2)
    numbers: list[int] = []

    scripts: Scripts = {
        "undo": lambda: undo_all(imported.file, target=target),
        "statement": partial(late_statement, numbers),
    }
    imported.run([], scripts, expected=(5, Decimal("4.1")))
    assert numbers == [before_cut()]
