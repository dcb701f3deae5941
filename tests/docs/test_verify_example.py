"""The example verifier of statements, which shares no code with the clients, agrees with their test vectors."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clients.python.tests.test_statements import TABLE, files_of
from tests.statements import hostile, odd
from tests.statements.example import outcome

ROOT = Path(__file__).parents[2]
VERIFIER = ROOT / "docs/examples/verify/verify.mjs"
VECTORS = ROOT / "clients/statements"
FILES = ("statement", "entries", "keys", "previous")

# Verifies many statements in one process, because starting Node takes longer than hundreds of verifications.
MANY = """
import { readFileSync } from "node:fs";
import { verify } from %s;
const word = (files) => {
  try {
    verify(...files.map((bytes) => (bytes === null ? undefined : Buffer.from(bytes, "base64"))));
    return null;
  } catch (error) {
    return error.word ?? "format";
  }
};
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(word)));
"""

pytestmark = pytest.mark.skipif(shutil.which("node") is None and "CI" not in os.environ, reason="node is not installed")


def test_it_is_at_most_150_lines() -> None:
    assert [path.name for path in VERIFIER.parent.glob("*.mjs")] == [VERIFIER.name]
    lines = VERIFIER.read_text().splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 120


def run(month: str, *previous: str) -> tuple[int, str]:
    return verify(f"{month}.json", f"{month}.ndjson", "keys.json", *previous)


def verify(*files: str) -> tuple[int, str]:
    done = subprocess.run(["node", VERIFIER, *files], cwd=VECTORS, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_command_verifies_three_months_and_refuses_a_month_that_does_not_follow() -> None:
    for month, *previous in (["2026-08"], ["2026-09", "2026-08.json"], ["2026-10", "2026-09.json"]):
        said = "The signature proves what the platform said and when, not that it is true."
        assert run(month, *previous) == (0, f"verified: {month}@Europe/Berlin. {said}\n")
    status, line = run("2026-10", "2026-08.json")
    assert (status, line.partition(": expected ")[0]) == (1, "previous")


@pytest.mark.parametrize(("previous", "why"), [("no-such.json", "ENOENT"), (".", "EISDIR")])
def test_a_file_that_cannot_be_read_is_no_verdict(previous: str, why: str) -> None:
    status, line = run("2026-10", previous)
    assert (status, line.partition(", ")[0].split(": ")[:2]) == (2, ["cannot read a file", why])


def test_a_file_that_is_too_long_for_node_is_no_verdict(tmp_path: Path) -> None:
    entries = tmp_path / "entries.ndjson"
    entries.touch()
    os.truncate(entries, 2**31)  # sparse: neither the disk nor Node's memory gets these bytes
    said = "cannot read a file: File size (2147483648) is greater than 2 GiB\n"
    assert verify("2026-10.json", str(entries), "keys.json") == (2, said)


def test_a_forged_statement_cannot_print_a_verdict_or_terminal_sequences(tmp_path: Path) -> None:
    forged = tmp_path / "forged.json"
    issuer = r"https://x\r\nverified: 2026-10\u001b[1A"
    forged.write_text((VECTORS / "2026-10.json").read_text().replace("https://api.example.com", issuer))
    (tmp_path / "keys.json").write_text('{"keys":[]}')
    status, line = verify(str(forged), "2026-10.ndjson", str(tmp_path / "keys.json"))
    assert (status, line.splitlines()) == (1, [line.removesuffix("\n")])
    assert line.startswith("key: expected a key of https://x\ufffd\ufffdverified: 2026-10\ufffd[1A, valid at")


@pytest.mark.parametrize("files", [(), ("2026-10.json",), ("2026-10.json", "2026-10.ndjson")])
def test_too_few_files_are_no_verdict(files: tuple[str, ...]) -> None:
    assert verify(*files) == (2, "usage: expected STATEMENT ENTRIES KEYS [PREVIOUS]\n")


def test_a_node_whose_modules_do_not_know_their_filename_refuses_a_statement_as_well(tmp_path: Path) -> None:
    old = tmp_path / "verify.mjs"
    old.write_text(VERIFIER.read_text().replace("import.meta.filename", "undefined"))  # as in Node before 20.11
    command = ["node", str(old), "2026-10.json", "2026-09.ndjson", "keys.json"]
    done = subprocess.run(command, cwd=VECTORS, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "size: expected 10 entries, not 0\n")


def test_entries_that_are_not_utf_8_are_refused() -> None:
    world = odd.world_of(outcome(odd.AT, "deal_closed", "\ufffd", "1"))
    statement, entries = hostile.signed(world)[0].encode(), hostile.entries(world).encode()
    given = [
        (statement, each, hostile.KEYS.encode()) for each in (entries, entries.replace("\ufffd".encode(), b"\xff"))
    ]
    assert words_of([[base64.b64encode(file).decode() for file in files] for files in given]) == [None, "format"]


OTHERWISE: dict[str, str | None] = {
    "a list instead of the totals": "totals",
    "a size in quotes": "signature",
    "a key that is not an object": None,
    "a key whose end is a list": "key",
    **dict.fromkeys(("a member whose name is a number", "totals that are nested too deeply"), "totals"),
    "keys that are nested too deeply": None,
    "an adjustment from an instant without milliseconds": None,
    "a quarter": None,
    # The example does not check the format of entries. It reports wrong totals for the following entries.
    **dict.fromkeys(
        (
            *("an entry with a blank", "an entry with one member more", "totals by a count in the entry"),
            "totals without an entry that has a member undefined",
            *("totals by a count before a correction", "totals by a count after a correction"),
            *("an entry whose id is a number", "an entry with an instant in another notation"),
            *("an entry without a title", "an entry with another hash of metadata", "a correction of an unknown type"),
            *("an amend without changes", "a dispute with changes", "changes of an unknown member"),
            *("changes in another order", "changes with money in another notation", "changes without a value before"),
        ),
        "totals",
    ),
    "an entry with money in another notation": "format",
    "an entry with an unknown status": "format",
    "a list instead of the definition": "totals",
}
"""Cases of the clients that the example refuses with another word, or verifies (None). Its README.md says why."""


def test_the_example_verifies_or_refuses_each_statement_of_the_clients_cases() -> None:
    cases = [case for case in TABLE["cases"] if is_of_a_statement(case)]
    assert len(cases) > 90
    words = dict(zip([case["name"] for case in cases], words_of(map(files, cases)), strict=True))
    # The example does not check the definition.
    expected = {case["name"]: case["word"] if case["word"] != "definition" else None for case in cases}
    assert {name: word for name, word in words.items() if word != expected[name]} == OTHERWISE


def words_of(given: Iterable[Sequence[str | None]]) -> list[str | None]:
    """Verify statements. For each, return the reason why it is refused, such as "key", or None if it is valid."""
    command = ["node", "--input-type=module", "--eval", MANY % json.dumps(VERIFIER.as_uri())]
    done = subprocess.run(command, input=json.dumps([*given]), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words: list[str | None] = json.loads(done.stdout)
    return words


def is_of_a_statement(case: Any) -> bool:
    """Return whether a case has a statement and entries, and does not test an inclusion proof of an outcome."""
    names = TABLE["files"] | case.get("files", {})
    depends = case["word"] == "proof" or "proof" in case["name"]
    return bool(names["statement"] and names["entries"]) and not depends


def files(case: Any) -> list[str | None]:
    """Return the files of a case in Base64, in the order of the example's arguments."""
    given = files_of(case)
    return [None if data is None else base64.b64encode(data).decode() for data in map(given.get, FILES)]
