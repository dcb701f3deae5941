"""Test importing again what was undone: the rounds of an import."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from outcomes.aws.services import DynamoDB
from outcomes.calendar import instants

from history import writer
from history.mapper import next_round
from history.tests.imports import days_ago, import_all, old_row, undo_all, write_ndjson
from tests.corrections import BODIES, OWNER, correct, ledger, listed, summary
from tests.events import KEY

pytestmark = pytest.mark.usefixtures("tables")


def test_what_was_undone_is_imported_again_under_other_ids(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_all(file)
    first = [each["id"] for each in ledger()]
    undo_all(file)
    assert import_all(file) == 0
    output = capsys.readouterr().out.splitlines()
    assert sorted(output[-11:-2]) == [f"line {number}: undone, import with ROUND=2" for number in range(1, 10)]
    assert output[-2:] == [
        "9 outcomes were undone.",
        "0 outcomes were imported, 0 were there before, 0 rows were refused.",
    ]
    for says in ("9 outcomes were imported, 0 were", "0 outcomes were imported, 9 were"):
        assert import_all(file, last_round=2) == 0
        assert f"{says} there before, 0 rows were refused." in capsys.readouterr().out
    assert sorted(each["id"] for each in listed()) == sorted(map(next_round, first))
    assert [each["created_at"] for each in listed()] == [instants.text(int(i)) for i in created(file)]

    undo_all(file)
    assert "0 outcomes were undone, 9 were undone before" in capsys.readouterr().out
    undo_all(file, last_round=2)
    assert "9 outcomes were undone, 0 were undone before" in capsys.readouterr().out
    assert listed() == []
    assert import_all(file, last_round=2) == 0
    assert "import with ROUND=3" in capsys.readouterr().out
    import_all(file, last_round=3)
    assert len(listed()) == 3


@pytest.mark.parametrize(("last_round", "count"), [(1, 1), (2, 2)])
@pytest.mark.usefixtures("no_waiting")
def test_what_was_undone_is_noticed_behind_new_rows(
    small: Path,
    last_round: int,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The import only reads before it writes until a read finds nothing."""
    monkeypatch.setattr(writer, "OUTCOMES_PER_BATCH", 1)
    import_all(small)
    undo_all(small)
    rows = [json.loads(line) for line in small.read_text().splitlines()]
    write_ndjson(small, [old_row(3, days_ago(9)), rows[0]])
    import_all(small, last_round=last_round)
    assert len(listed()) == count
    output = capsys.readouterr().out
    assert f"\n{count} outcomes were imported, 0 were there before" in output
    assert ("line 2: undone, import with ROUND=2" in output) is (last_round == 1)


def test_each_row_of_a_later_round_is_written_once(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails because the outcome of the first round exists costs as much as a write."""
    monkeypatch.setattr(writer, "OUTCOMES_PER_BATCH", 1)
    import_all(small)
    undo_all(small)
    call, operations = DynamoDB.call, list[str]()

    def counting(self: DynamoDB, operation: str, *request: Any, **more: Any) -> Any:
        operations.append(operation)
        return call(self, operation, *request, **more)

    monkeypatch.setattr(DynamoDB, "call", counting)
    import_all(small, last_round=2)
    assert operations.count("BatchExecuteStatement") == len(listed()) == 2


def test_ids_of_all_rounds_differ_and_stay_in_their_partition() -> None:
    ids = ["01KN4EMBKV0000000000000000", "01KN4EMBKV0000000000000001", "01KN4EMBKVZZZZZZZZZZZZZZZZ"]
    for id_ in list(ids):
        for _ in range(99):
            ids.append(later := next_round(id_))
            assert (later[:10], later[-1]) == (id_[:10], id_[-1])
            id_ = later
    assert len({*ids}) == 300


@pytest.mark.parametrize("seed", range(6))
def test_no_row_ever_counts_twice(small: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Import, undo and correct at random, and compare with a model: the statuses of each row's rounds."""
    draw = Random(seed)  # noqa: S311 - repeatable
    rows: list[list[str]] = [[], []]
    for _ in range(14):
        rounds, force, corrects = draw.randint(1, 3), draw.random() < 1 / 3, draw.randrange(5)
        if corrects == 0 and (standing := listed()):
            chosen, kind = draw.choice(standing), draw.choice(["dispute", "void"])
            assert correct(chosen["id"], OWNER if kind == "dispute" else KEY, BODIES[kind])[0] in {200, 409}
            rows[int(chosen["title"][-1]) - 1][-1] = "disputed" if kind == "dispute" else "void"
        elif corrects < 3:
            imported = [row for row in rows if len(row) < rounds and set(row) <= {"undone"}]
            for row in imported:
                row.append("recorded")
            assert import_all(small, last_round=rounds) == 0
            assert f"{len(imported)} outcomes were imported" in capsys.readouterr().out
        else:
            undone = [
                row
                for row in rows
                if row and len(row) <= rounds and (row[-1] == "recorded" or (force and row[-1] == "disputed"))
            ]
            for row in undone:
                row[-1] = "undone"
            undo_all(small, force=force, last_round=rounds)
            assert f"{len(undone)} outcomes were undone" in capsys.readouterr().out
        found: list[list[str]] = [[], []]
        for each in ledger():
            found[int(each["title"][-1]) - 1].append(each["status"])
        expected = [["void" if each == "undone" else each for each in row] for row in rows]
        assert [sorted(each) for each in found] == [sorted(each) for each in expected]
        assert summary()["count"] == sum(row[-1:] == ["recorded"] for row in rows)


def created(file: Path) -> list[int]:
    """Return the instants of user 42's rows, newest first."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return sorted((instants.read(row["created_at"]) for row in rows if row["user_id"] == 42), reverse=True)
