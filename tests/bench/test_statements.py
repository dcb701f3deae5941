"""Test the bench of statements."""

from bench.report import Report
from bench.statements import statements


def test_a_statement_of_each_ledger_is_made_and_meets_its_bars() -> None:
    report = Report()
    statements(report, runs=1, entries=10)
    assert (len(report.rows), report.missed) == (4, [])
