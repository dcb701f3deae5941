"""Test the bench of cost reports, and its bars (limits)."""

from bench.costs import costs, looks
from bench.report import Report


def test_only_the_first_report_of_a_year_reads_all_days_and_each_bar_is_met() -> None:
    units = looks()
    assert units["the first"] > 4 * units["the next"]
    assert units["the next"] < units["after a day was restated"] < units["the next"] + 15
    report = Report()
    costs(report, units)
    assert (sum(row.bar is not None for row in report.rows), report.missed) == (2, [])
