"""RESULTS.md names the commit that was measured, and every result is within its limit."""

import re

import pytest

from bench.__main__ import RESULTS, START_BARS, WARM_BARS
from bench.commands import COMMAND_BARS

TEXT = RESULTS.read_text()
ROWS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("|")]
BARS: dict[str, dict[str, float]] = {"start": START_BARS, "warm": WARM_BARS, "run": COMMAND_BARS}


def test_the_results_name_their_commit() -> None:
    assert re.search(r"^Commit: `[0-9a-f]{7,40}\+?`$", TEXT, re.M)


@pytest.mark.parametrize(
    ("name", "limit"), [(f"{what}: {name}", limit) for what, bars in BARS.items() for name, limit in bars.items()]
)
def test_a_bar_is_met_in_the_results(name: str, limit: float) -> None:
    assert [row[-2:] for row in ROWS if row[0] == name] == [[f"{limit:g}", "met"]]


def test_no_bar_is_missed_in_the_results() -> None:
    assert "missed" not in TEXT.lower()


def test_the_results_are_one_table_of_at_most_120_lines() -> None:
    assert len(TEXT.splitlines()) <= 120
    assert len([row for row in ROWS if set("".join(row)) <= set("-:")]) == 1
