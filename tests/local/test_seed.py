"""The outcomes of `make seed`."""

import re
from pathlib import Path
from typing import Any

import pytest
from outcomes.storage.store import OutcomeStore

from local.errors import StackError
from local.seed import DAY, outcomes, seed

NOW = 1_795_521_600_000
"""2026-11-24T12:00:00Z"""
TABLE = "OutcomesTable"
COUNT = len(list(outcomes(NOW)))


def stored(user_id: int) -> int:
    return len(list(OutcomeStore(TABLE).read_facts(user_id, 0, NOW + 400 * DAY)))


@pytest.mark.usefixtures("tables")
def test_a_user_is_seeded_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed(TABLE, 7, tmp_path / "seeded", NOW)
    assert capsys.readouterr().out.endswith(f"User 7 now has {COUNT} more outcomes of the last 30 days.\n")
    for days in (0, 1, 40):
        seed(TABLE, 7, tmp_path / "seeded", NOW + days * DAY)
        assert capsys.readouterr().out == "User 7 was seeded before: nothing is added.\n"
    assert (stored(7), stored(42)) == (COUNT, 0)
    seed(TABLE, 42, tmp_path / "seeded", NOW + DAY)
    assert stored(7) == COUNT
    assert stored(42) == len(list(outcomes(NOW + DAY)))


@pytest.mark.usefixtures("tables")
def test_what_was_interrupted_is_completed_on_another_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add, left = OutcomeStore.add, iter(range(20))

    def interrupted(*arguments: Any, **options: Any) -> str:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return add(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(OutcomeStore, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            seed(TABLE, 7, tmp_path / "seeded", NOW)
    assert stored(7) == 20
    seed(TABLE, 7, tmp_path / "seeded", NOW + 3 * DAY)
    assert stored(7) == COUNT


@pytest.mark.parametrize("text", ["7\n", "seven 7\n", "7 1 2\n"])
def test_a_damaged_note_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "seeded").write_text(text)
    with pytest.raises(StackError, match=rf"^{re.escape(str(tmp_path))}/seeded is damaged; make reset starts anew$"):
        seed(TABLE, 7, tmp_path / "seeded", NOW)


def test_a_note_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=rf"^cannot use {re.escape(str(tmp_path))}: Is a directory$"):
        seed(TABLE, 7, tmp_path, NOW)


@pytest.mark.usefixtures("tables")
def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"^the running stack cannot be seeded: .*ResourceNotFoundException"):
        seed("NoTable", 7, tmp_path / "seeded", NOW)
