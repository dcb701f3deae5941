"""Run the conversions of cost reports on samples from the providers' documentation."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from docs.examples.tests.conftest import EXAMPLES

FOLDER = EXAMPLES / "costs"


@pytest.mark.parametrize(
    ("report", "row", "unused"),
    [
        ("anthropic", "2025-08-01  7      $1.2378912", "2, 3, 4"),
        ("openai", "2024-11-01  unallocated  $0.06", "1, 2, 3, 4"),
        ("litellm", "2024-06-12  9      $0.000002", "1, 2, 4"),
        ("bill", "2026-11-26  7            $9.80", "1, 2, 3"),
    ],
)
def test_a_report_becomes_costs_of_agents(report: str, row: str, unused: str) -> None:
    is_bill = report == "bill"
    sent = (FOLDER / f"{report}.{'csv' if is_bill else 'json'}").read_bytes()
    converted = sent if is_bill else convert(report, sent)
    options = ["--format", "focus" if is_bill else "ndjson", "--user", "42", "--map", "map.toml", "--dry-run"]
    command = [str(Path(sys.executable).with_name("outcomes")), "costs", "import", "-", *options]
    run = subprocess.run(command, cwd=FOLDER, input=converted, capture_output=True, check=False)
    assert (run.returncode, run.stderr.decode()) == (0, f"These rules of the map assigned no charge: {unused}\n")
    assert row in run.stdout.decode().splitlines()


def test_a_log_of_litellm_without_tags_is_converted() -> None:
    [log] = json.loads((FOLDER / "litellm.json").read_text())
    converted = convert("litellm", json.dumps([log | {"request_tags": None}]).encode())
    assert json.loads(converted)["tags"] == {}


def convert(report: str, text: bytes) -> bytes:
    command = [sys.executable, "to_ndjson.py", report]
    return subprocess.run(command, cwd=FOLDER, input=text, stdout=subprocess.PIPE, check=True).stdout
