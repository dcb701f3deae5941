"""Verify statements offline: the cases shared with the TypeScript client, and randomly changed statements."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from outcomes_client.statements import StatementError, verify, verify_months

FOLDER = Path(__file__).parents[2] / "statements"
TABLE = json.loads((FOLDER / "cases.json").read_text())
WRONG = json.loads((FOLDER / "wrong.json").read_text())
WORDS = ["format", "key", "signature", "size", "root", "totals", "adjustments", "definition", "previous", "proof"]


def file(name: str | None) -> bytes | None:
    if name is None:
        return None
    return WRONG[name].encode() if name in WRONG else (FOLDER / name).read_bytes()


def edited(text: str, what: Any, replacement: str = "") -> str:
    """Edit a text. If `what` is a pattern, replace its first match. If it is a list, keep these lines."""
    if isinstance(what, list):
        lines = text.splitlines(keepends=True)
        return "".join(lines[n] for n in what)
    changed, count = re.subn(what, lambda _: replacement, text, count=1)
    assert count, f"nothing matches {what}"
    return changed


def files_of(case: dict[str, Any]) -> dict[str, Any]:
    """Return the files of a case, edited as cases.json describes."""
    files: dict[str, Any] = {role: file(name) for role, name in (TABLE["files"] | case.get("files", {})).items()}
    for role, *edit in case.get("edits", []):
        files[role] = edited((files[role] or b"").decode(), *edit).encode()
    return files


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
def test_a_verification_matches_the_table(case: dict[str, Any]) -> None:
    files = files_of(case)
    if case["word"] is None:
        assert verify(**files).head["user"]
    else:
        with pytest.raises(StatementError) as refused:
            verify(**files)
        assert refused.value.word == case["word"], refused.value
        assert str(refused.value).startswith(f"{case['word']}: ")


@pytest.mark.parametrize("case", TABLE["months"], ids=lambda case: case["name"])
def test_months_add_up_as_in_the_table(case: dict[str, Any]) -> None:
    statements = [file(name) or b"" for name in case["statements"]]
    keys, previous = file("keys.json") or b"", file(case.get("previous"))
    if case["word"] is None:
        months = verify_months(statements, keys=keys, previous=previous)
        assert (months.totals, months.changes) == (case["totals"], case["changes"])
        periods = [each.head["period"] for each in months.statements]
        assert periods == sorted(periods)
        assert len(periods) == len(statements)
    else:
        with pytest.raises(StatementError) as refused:
            verify_months(statements, keys=keys, previous=previous)
        assert refused.value.word == case["word"], refused.value
        assert str(refused.value).startswith(f"{case['word']}: ")


def test_the_message_says_which_of_several_statements_is_refused() -> None:
    files = [file(name) or b"" for name in ("2026-08.json", "2026-09.json", "unlisted-key.json")]
    with pytest.raises(StatementError, match=r"^key: statement 3: expected a signature by a key of https://api"):
        verify_months(files, keys=file("keys.json") or b"")


def test_no_statement_is_no_month() -> None:
    with pytest.raises(TypeError, match="at least one statement"):
        verify_months([], keys=b"")


@pytest.mark.parametrize("depth", [2_000, 1_000_000])
@pytest.mark.parametrize("files", [{"statement": "deep", "keys": "keys"}, {"proof": "deep", "keys": "keys"}])
def test_files_that_are_nested_too_deeply_are_refused(files: dict[str, str], depth: int) -> None:
    texts = {"deep": b"[" * depth + b"]" * depth, "keys": file("keys.json") or b""}
    with pytest.raises(StatementError, match=r"^format: "):
        verify(**{role: texts[name] for role, name in files.items()})


@pytest.mark.parametrize("files", [{}, {"proof": b"", "entries": b""}, {"proof": b"", "previous": b""}])
def test_only_a_proof_is_verified_without_a_statement(files: dict[str, bytes]) -> None:
    with pytest.raises(TypeError, match="verify takes a statement"):
        verify(keys=b"", **files)


def test_every_word_has_cases() -> None:
    assert {case["word"] for case in TABLE["cases"]} == {*WORDS, None}
