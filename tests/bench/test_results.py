"""RESULTS.md names the commit that was measured, and every result is within its limit."""

import re

import pytest

from bench.__main__ import RESULTS, START_BARS, WARM_BARS
from bench.command import COMMAND_BARS

TEXT = RESULTS.read_text()


def test_the_results_name_their_commit() -> None:
    assert re.search(r"^Commit: `[0-9a-f]{7,40}\+?`$", TEXT, re.M)


@pytest.mark.parametrize(("name", "limit"), [*START_BARS.items(), *WARM_BARS.items(), *COMMAND_BARS.items()])
def test_a_bar_is_met_in_the_results(name: str, limit: float) -> None:
    rows = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("|")]
    assert [f"{limit:g}", "met"] in [row[-2:] for row in rows if row[0] == name]


def test_no_bar_is_missed_in_the_results() -> None:
    assert "missed" not in TEXT.lower()
