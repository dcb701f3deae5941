"""RESULTS.md is of the code that is here, and every bar of the bench is met in it."""

import pytest

from bench.__main__ import RESULTS, START_BARS, WARM_BARS
from bench.command import COMMAND_BARS
from bench.measured_code import digest

TEXT = RESULTS.read_text()


def test_the_results_are_of_this_code() -> None:
    assert f"`{digest()}`" in TEXT, "bench/RESULTS.md was measured of other code, packages or memory: run `make bench`"


@pytest.mark.parametrize(("name", "limit"), [*START_BARS.items(), *WARM_BARS.items(), *COMMAND_BARS.items()])
def test_a_bar_is_met_in_the_results(name: str, limit: float) -> None:
    rows = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("|")]
    assert [f"{limit:g}", "met"] in [row[-2:] for row in rows if row[0] == name]


def test_no_bar_is_missed_in_the_results() -> None:
    assert "MISSED" not in TEXT
