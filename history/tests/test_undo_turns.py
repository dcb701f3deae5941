"""An undo of an import beside summaries, statements, corrections, erasures, imports and another undo.

The tests run the other caller between any two calls of the undo.
"""

import itertools
import time
from contextlib import suppress
from decimal import Decimal

import pytest
from outcomes.aws.services import CallFailed

from functions.erase_user import app as erase_user
from history import past
from history.tests.imports import SECRET, TARGET, import_all, undo_all, write_ndjson
from history.tests.world import DIES, ROWS, Scripts, World, before_cut, kept, look, store_statement
from tests.corrections import BODIES, OWNER, correct
from tests.interleaving.schedule import Schedule
from tests.people import rows_of, snapshot

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


@pytest.mark.parametrize("meanwhile", [0, 1, 20])
@pytest.mark.parametrize("read_before", range(CALLS + 2))
def test_after_a_statement_nothing_before_its_end_is_undone(imported: World, read_before: int, meanwhile: int) -> None:
    """Store a statement during an undo: it reads the row of imports before one call, and writes it some calls later."""
    numbers: list[int] = []
    scripts: Scripts = {"undo": lambda: undo_all(imported.file), "statement": lambda: store_statement(numbers)}
    order = ["undo"] * read_before + ["statement"] * 2 + ["undo"] * meanwhile + ["statement"] * 20
    imported.run(order, scripts, expected=None)
    assert not numbers or numbers == [before_cut()]


@pytest.mark.parametrize("killed_before", range(1, CALLS + 1))
def test_a_killed_undo_blocks_statements_for_an_hour_at_most_and_goes_on(imported: World, killed_before: int) -> None:
    def again() -> None:
        time.sleep(past.BLOCK_SECONDS)
        undo_all(imported.file)

    def statement() -> None:
        time.sleep(past.BLOCK_SECONDS + 60)
        store_statement(numbers)

    numbers: list[int] = []
    scripts: Scripts = {"undo": lambda: undo_all(imported.file), "again": again, "statement": statement}
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

    def statement() -> None:
        time.sleep(past.BLOCK_SECONDS + 60)
        store_statement(numbers)

    pauses = {("undo", paused_before): 2 * past.BLOCK_SECONDS}
    imported.run([], {"undo": twice, "statement": statement}, expected=None, pauses=pauses)
    assert numbers == [before_cut()]


def test_a_slow_undo_checks_again_before_each_void(imported: World) -> None:
    """The row from before the statement comes last, and waits until the block has expired."""
    write_ndjson(imported.file, ROWS[::-1])
    target = TARGET._replace(units_per_second=4 / past.BLOCK_SECONDS / 1.2)
    numbers: list[int] = []

    def statement() -> None:
        time.sleep(past.BLOCK_SECONDS + 60)
        store_statement(numbers)

    scripts: Scripts = {"undo": lambda: undo_all(imported.file, target=target), "statement": statement}
    imported.run([], scripts, expected=(5, Decimal("4.1")))
    assert numbers == [before_cut()]


@pytest.mark.parametrize("begun_before", range(1, CALLS + 1))
def test_an_erasure_during_an_undo_leaves_nothing(
    imported: World, begun_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_user.erasures, "_secret", SECRET)

    def erase() -> None:
        while not (progress := erase_user.handler({"user_id": 42}, None))["done"]:
            time.sleep(progress["wait"])

    for turns in (5, 200):
        scripts: Scripts = {"undo": lambda: undo_all(imported.file), "erase": erase}
        imported.run(["undo"] * begun_before + ["erase"] * turns, scripts, expected=(0, Decimal(0)))
        assert rows_of(42) == {}
