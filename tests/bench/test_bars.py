"""Test the comparison of the bench's results with its bars (limits)."""

import pytest

from bench.measure import check
from bench.report import Report, Row, Times
from bench.stub import answer


@pytest.mark.parametrize(
    ("limit", "measured", "cells"),
    [
        (0.35, 0.3, ["0.3 s", "", "0.35", "met"]),
        (0.35, 0.35, ["0.35 s", "", "0.35", "met"]),
        (0.35, 0.3501, ["0.35 s", "", "0.35", "**MISSED**"]),
        (0, 0, ["0 s", "", "0", "met"]),
        (0, 1, ["1 s", "", "0", "**MISSED**"]),
        (None, 1234.5, ["1,234 s", "", "", ""]),
    ],
)
def test_a_bar_is_met_up_to_its_limit(limit: float | None, measured: float, cells: list[str]) -> None:
    row = Row("record", measured, "s", "", limit)
    assert (row.cells(), row.is_missed) == (["record", *cells], "MISSED" in cells[-1])


def test_times_are_compared_with_those_of_the_base() -> None:
    report = Report()
    report.times("start", {"Python": Times(0.01, 0.02), "list": Times(0.046, 0.1)}, "Python", {"list": 4.5}, "Pythons")
    assert report.table().splitlines()[-1] == (
        "| start: list | 4.6 Pythons | 46 ms; 5.00 by wall time | 4.5 | **MISSED** |"
    )
    assert [row.name for row in report.missed] == ["start: list"]


@pytest.mark.parametrize("result", [{"statusCode": 500}, {}, {"ResponseMetadata": {"HTTPStatusCode": 400}}])
def test_a_failed_call_is_not_measured(result: dict[str, object]) -> None:
    with pytest.raises(RuntimeError, match="record failed"):
        check("record", result)


def test_the_stub_refuses_an_unknown_operation() -> None:
    with pytest.raises(ValueError, match="Scan is not answered"):
        answer("DynamoDB_20120810.Scan", b"{}")
