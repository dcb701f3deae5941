"""Test that the judge finds each safeguard that is taken out. `make proof-faults` tries them all; it takes minutes."""

import os
import subprocess
import sys

import pytest

from tests.figures import count
from tests.judge.safeguards import ROOT, SAFEGUARDS
from tests.judge.search import FOUND


@pytest.mark.parametrize("name", SAFEGUARDS)
def test_an_edit_takes_out_a_safeguard(name: str) -> None:
    edit, _ = SAFEGUARDS[name]
    compile(edit.apply(edit.path.read_text()), edit.file, "exec")


@pytest.mark.skipif("FAULTS" not in os.environ, reason="only `make proof-faults` runs the judge on each fault")
@pytest.mark.parametrize("name", SAFEGUARDS)
def test_the_judge_finds_what_is_taken_out(name: str) -> None:
    command = [sys.executable, "-m", "tests.judge.search", name]
    search = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert search.returncode == FOUND, search.stdout + search.stderr
    count(safeguards=1)


def environment() -> dict[str, str]:
    folders = (".", "layers/common", "clients/python/src")
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in folders)}
