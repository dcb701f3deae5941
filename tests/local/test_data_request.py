"""Test `make erase` and `make export-user` on a running local stack and on the data of a stopped stack."""

import io
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from local import data_folder
from local.data import DAMAGED, JOURNAL, SEEDED
from ops import data_request
from tests.local.stacks import Stack

OUTCOME = {"outcomeType": "task_complete", "title": "Something of a person"}


def run(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, sleep: Callable[[float], object] = lambda _seconds: None
) -> int:
    monkeypatch.setattr(sys, "argv", ["data_request", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # the command removes variables of AWS
    return data_request.main()


def test_a_user_of_the_running_stack_is_exported_and_erased(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An erasure waits for calls in flight, because a running stack may still write. tests/interleaving has them."""
    monkeypatch.setattr(data_folder, "SETTLE_SECONDS", 1)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        threading.Event().wait(seconds)

    headers = {"Authorization": f"Bearer {stack.key}"}
    for user_id in (5151, 5152):
        httpx.post(f"{stack.url}/api/outcomes", json=OUTCOME | {"userId": user_id}, headers=headers).raise_for_status()
    before, after, of_other = (tmp_path / f"{name}.ndjson" for name in ("before", "after", "other"))
    held = ["--data", str(stack.data), "export", "--file"]

    assert run(monkeypatch, *held, str(before), "--user-id", "5151") == 0
    assert json.loads(before.read_text())["title"] == OUTCOME["title"]
    assert run(monkeypatch, "--data", str(stack.data), "erase", "--user-id", "5151", sleep=wait) == 0
    assert waits
    assert "User 5151 is erased: 1 outcomes." in capsys.readouterr().out
    assert run(monkeypatch, *held, str(after), "--user-id", "5151") == 0
    assert after.read_text() == ""
    assert run(monkeypatch, *held, str(of_other), "--user-id", "5152") == 0
    assert of_other.read_text()


def test_a_user_is_erased_from_the_files_of_a_stopped_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = {"user_id": {"S": "42"}, "created_at": {"S": "2026-04-01T12:00:00.000Z#01KN4EMCF80000000000000001"}}
    item = key | {"title": {"S": "Something of a person"}, "outcome_type": {"S": "task_complete"}}
    other = {**item, "user_id": {"S": "43"}, "title": {"S": "Of another"}}
    of_other = {"user_id": {"S": "43"}, "created_at": key["created_at"]}
    changes = [["OutcomesTable", key, item], ["OutcomesTable", of_other, other]]
    (tmp_path / JOURNAL).write_text(json.dumps(changes) + "\n")
    (tmp_path / DAMAGED).write_text(json.dumps(changes) + "\n")  # as after the command for a damaged line
    (tmp_path / SEEDED).write_text("42 1775044800000\n43 1775044800000\n42 done\n")

    assert run(monkeypatch, "--data", str(tmp_path), "erase", "--user-id", "42") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "User 42 is erased: 1 outcomes."
    kept = (tmp_path / JOURNAL).read_text()
    assert "Something of a person" not in kept
    assert "Of another" in kept
    assert not (tmp_path / DAMAGED).exists()
    assert (tmp_path / SEEDED).read_text() == "43 1775044800000\n"


def test_erasing_from_a_missing_data_folder_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--data", str(tmp_path / "none"), "erase", "--user-id", "42") == 1
    assert "no stack has used it yet" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
