"""Test the benches of totals, statements and cost reports, and their bars (limits)."""

from typing import Any

import pytest

from bench import costs, sizes, totals
from bench.report import Report
from bench.statements import statements
from bench.totals import CASES, MONTH, TOO_FEW, YEAR, Case, Look

EMPTY = Look("", 1, 4, 0, 0, 0, 0, 1000, 0)


def test_only_the_first_look_reads_the_whole_history() -> None:
    first, next_, one_more = totals.looks(Case(1_000, MONTH, 3))
    assert first.read_units > 10 * next_.read_units
    assert (first.write_units > 0, next_.write_units, one_more.write_units) == (True, 0, 0)
    assert one_more.read_units <= next_.read_units + 1


@pytest.mark.parametrize(
    ("case", "look", "changed"),
    [
        (None, 0, {}),
        ((1_000_000, YEAR), 1, {"read_units": 61}),
        ((1_000_000, MONTH), 1, {"read_units": 6}),
        ((10_000, MONTH), 2, {"read_units": 6.5}),
        ((10_000, YEAR), 0, {"write_units": 34}),
        ((100_000, YEAR), 0, {"write_units": 34}),
        ((TOO_FEW, YEAR), 0, {"write_units": 1}),
        ((1_000_000, MONTH), 0, {"calls": 8}),
        ((1_000_000, MONTH), 0, {"read_units": 76_000}),
        ((1_000_000, MONTH), 0, {"refused": 11}),
    ],
)
def test_each_bar_of_looks_can_be_missed(case: tuple[int, int] | None, look: int, changed: dict[str, Any]) -> None:
    found = {each: [EMPTY._replace(read_units=each.number * 0.067), EMPTY, EMPTY] for each in CASES}
    if case:
        looked = found[Case(*case, 3)]
        looked[look] = looked[look]._replace(**changed)
    report = Report()
    totals.totals_bars(report, found)
    assert bool(report.missed) is (case is not None), report.missed


@pytest.mark.parametrize(
    ("look", "changed"),
    [(0, {"calls": 17}), (1, {"seconds": 3.1}), (1, {"read_units": 401}), (2, {"calls": 4}), (4, {"calls": 4})],
)
def test_each_bar_of_many_agents_can_be_missed(look: int, changed: dict[str, Any]) -> None:
    found = [EMPTY] * 5
    found[look] = found[look]._replace(**changed)
    report = Report()
    totals.bars_of_many(report, found)
    assert len(report.missed) == 1


def test_a_definition_adds_one_query_and_few_units_once_sums_are_kept() -> None:
    found = totals.looks_with_a_definition(500, 500)
    report = Report()
    totals.bars_of_counting(report, found)
    assert not report.missed
    calls, queries, units = found["counts, next"]
    for worse in (calls, queries + 2, units), (calls, queries, units + 20):
        totals.bars_of_counting(report := Report(), found | {"counts, next": worse})
        assert len(report.missed) == 1


@pytest.mark.parametrize("name", [name for name in sizes.ROWS if name != sizes.REPORT])  # it takes seconds
def test_the_page_of_limits_says_what_a_call_takes(name: str) -> None:
    """`make bench` writes the page."""
    rows = [line.strip("| ").split(" | ") for line in sizes.PAGE.read_text().splitlines()]
    [said] = [cells[1] for cells in rows if cells[0] == name]
    assert said == sizes.ROWS[name](1_000)


def test_a_statement_of_each_ledger_is_made_and_meets_its_bars() -> None:
    report = Report()
    statements(report, runs=1, entries=10, many=2_000)
    assert (len(report.rows), report.missed) == (8, [])


SMALL = costs.Case(3, 10)
REPORTED = dict.fromkeys(
    ("first", "next", "of an agent", "after a day was restated", "after that"), costs.Look(1, 1, 1, 1, 1)
)


def test_only_the_first_report_of_a_year_reads_all_days_and_its_bars_are_met() -> None:
    found = costs.looks(SMALL)
    units = {name: look.read_units for name, look in found.items()}
    assert units["first"] > 4 * units["next"]
    assert units["next"] == units["after that"] < units["after a day was restated"] < units["next"] + 15
    assert [look.write_units > 0 for look in found.values()] == [True, False, False, True, False]
    report = Report()
    costs.costs(report, SMALL, costs.BARS[SMALL], found)
    assert (sum(row.bar is not None for row in report.rows), report.missed) == (2, [])


@pytest.mark.parametrize(
    ("look", "changed"),
    [
        ("next", {}),
        ("first", {"calls": 21}),
        ("next", {"read_units": 401}),
        ("next", {"seconds": 3.1}),
        ("next", {"peak": 301_000_000}),
        ("of an agent", {"calls": 4}),
    ],
)
def test_each_bar_of_reports_of_costs_can_be_missed(look: str, changed: dict[str, Any]) -> None:
    report = Report()
    [*_, (case, bars)] = costs.BARS.items()
    costs.costs(report, case, bars, REPORTED | {look: REPORTED[look]._replace(**changed)})
    assert len(report.missed) == len(changed)
