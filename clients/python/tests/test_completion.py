"""Test the shell completion of commands, options and values. The shell itself completes file names."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from outcomes_client import OutcomeStatus, OutcomeType

from clients.python.tests.conftest import Outcomes

TYPES = list(OutcomeType)


def offered(outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """Return the completions for bash with the cursor at the end of `line`."""
    words = [*shlex.split(line), ""] if line.endswith(" ") else shlex.split(line)
    monkeypatch.setenv("_OUTCOMES_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    run = outcomes()
    assert (run.code, run.err) == (0, "")
    return run.out.split()


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("outcomes su", ["summary"]),
        ("outcomes keys ", ["create", "list", "rotate", "pause", "resume", "clean", "revoke"]),
        ("outcomes export --fo", ["--format"]),
        ("outcomes record --type ", TYPES),
        ('outcomes record --title "It\'s done" --type d', ["deal_closed"]),
        ("outcomes list --type deal_closed --type ", TYPES),
        ("outcomes list --status ", list(OutcomeStatus)),
        ("outcomes export --format ", ["jsonl", "csv", "parquet"]),
        ("outcomes import --format ", ["jsonl", "csv"]),
        ("outcomes summary --by ", ["day", "week", "month"]),
        ("outcomes summary --timezone Europe/Berl", ["Europe/Berlin"]),
        ("outcomes keys create --scope ", ["record", "read", "correct", "backfill", "cost"]),
        ("outcomes amend --clear m", ["metadata"]),
        ("outcomes completion ", ["bash", "zsh", "fish", "powershell"]),
        ("outcomes import wo", []),  # without completions, the shell offers files
        ("outcomes get ", []),
    ],
)
def test_completions_match_the_line(
    outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, line: str, offers: list[str]
) -> None:
    assert offered(outcomes, monkeypatch, line) == offers


def test_each_shell_has_a_script(outcomes: Outcomes) -> None:
    for shell, says in {
        "bash": "complete -o default -F _outcomes_completion outcomes",
        "zsh": "#compdef outcomes",
        "fish": "complete --command outcomes",
        "powershell": "Register-ArgumentCompleter -Native -CommandName outcomes",
    }.items():
        run = outcomes("completion", shell)
        assert (run.code, run.err, says in run.out) == (0, "", True)
    run = outcomes("completion", "tcsh")
    assert (run.code, "powershell" in run.err) == (2, True)


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    command = tmp_path / "outcomes"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m outcomes_client "$@"\n')
    command.chmod(0o700)
    program = """
        source <(outcomes completion bash)
        COMP_WORDS=(outcomes record --type d) COMP_CWORD=3
        "$(complete -p outcomes | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" outcomes
        echo "${COMPREPLY[@]}"
    """
    run = subprocess.run(
        ["bash", "--norc", "-euc", program],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "deal_closed\n", "")
