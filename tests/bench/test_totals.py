"""Test the bench of materialized totals, and its bars (limits)."""

from typing import Any

import pytest

from bench.report import Report
from bench.totals import MONTH, TOO_FEW, YEAR, Case, Look, looks, totals_bars

CASES = {
    Case(count, days, 3): count for days in (MONTH, YEAR) for count in (TOO_FEW, 1_000, 10_000, 100_000, 1_000_000)
}


def test_only_the_first_look_reads_the_whole_history() -> None:
    first, next_, one_more = looks(Case(1_000, MONTH, 3))
    assert first.read_units > 10 * next_.read_units
    assert (first.write_units > 0, next_.write_units, one_more.write_units) == (True, 0, 0)
    assert one_more.read_units <= next_.read_units + 1


def test_a_next_look_on_the_current_day_reads_only_its_last_ten_minutes() -> None:
    first, next_, _ = looks(Case(1_000, MONTH, 3, hours=18))
    assert first.read_units > 10 * next_.read_units


@pytest.mark.parametrize(
    ("case", "look", "changed"),
    [
        (None, 0, {}),
        ((1_000_000, YEAR), 1, {"read_units": 61}),
        ((1_000_000, MONTH), 1, {"read_units": 6}),
        ((1_000, MONTH), 2, {"read_units": 6.5}),
        ((10_000, YEAR), 0, {"write_units": 34}),
        ((100_000, YEAR), 0, {"write_units": 34}),
        ((TOO_FEW, YEAR), 0, {"write_units": 1}),
    ],
)
def test_each_bar_of_looks_can_be_missed(case: tuple[int, int] | None, look: int, changed: dict[str, Any]) -> None:
    found = {
        each: [
            Look(name, 1, 4, units, 0, 0, 0, 0, 0, 0)
            for name, units in (("first", count * 0.067), ("next", 4), ("one more", 4))
        ]
        for each, count in CASES.items()
    }
    if case:
        looked = found[Case(case[0], case[1], 3)]
        looked[look] = looked[look]._replace(**changed)
    report = Report()
    totals_bars(report, found)
    assert report.is_missed is (case is not None)
