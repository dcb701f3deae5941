"""Test `make import-history` on a running local stack and on the data of a stopped stack."""

import json
from pathlib import Path

import httpx

from local.data import JOURNAL
from tests.local.stacks import Stack, local

ROW = {"id": 17, "outcome_type": "deal_closed", "title": "Closed", "created_at": "2026-04-01 12:00:00+00"}


def import_row(data: Path, folder: Path, *options: str, **fields: object) -> str:
    """Import a table of one row. Return the last line of the output."""
    file = folder / "old.ndjson"
    file.write_text(json.dumps(ROW | fields))
    done = local(data, "--file", str(file), *(options or ["--yes"]), module="history")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()[-1]


def test_a_running_stack_forgets_what_is_undone_until_the_next_round(stack: Stack, tmp_path: Path) -> None:
    for options, says, count in [
        (["--yes"], "1 outcomes were imported", 1),
        (["--compare"], "1 months are equal, 0 differ.", 1),
        (["--undo", "--yes"], "1 outcomes were undone", 0),
        (["--yes"], "0 outcomes were imported", 0),
        (["--yes", "--round", "2"], "1 outcomes were imported", 1),
        (["--compare"], "1 months are equal, 0 differ.", 1),
    ]:
        assert import_row(stack.data, tmp_path, *options, user_id=6262, value_usd="12.50").startswith(says)
        with httpx.Client(base_url=stack.url, headers={"Cookie": stack.cookie(6262)}) as owner:
            assert len(owner.get("/api/outcomes").json()["outcomes"]) == count


def test_a_row_is_imported_once_into_the_files_of_a_stopped_stack(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for says in ("1 outcomes were imported, 0 were there before", "0 outcomes were imported, 1 were there before"):
        assert says in import_row(data, tmp_path, user_id=42)
    assert "imported_id" in (data / JOURNAL).read_text()
