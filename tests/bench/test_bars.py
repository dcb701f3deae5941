"""Test the comparison of the bench's results with its bars (limits)."""

import pytest

from bench.__main__ import check
from bench.report import Bar, Report
from bench.stub import answer


@pytest.mark.parametrize(
    ("limit", "measured", "verdict"),
    [(0.35, 0.3, "met"), (0.35, 0.35, "met"), (0.35, 0.351, "**MISSED**"), (0, 0, "met"), (0, 1, "**MISSED**")],
)
def test_a_bar_is_met_up_to_its_limit(limit: float, measured: float, verdict: str) -> None:
    assert Bar("record", limit, measured).verdict == verdict


@pytest.mark.parametrize(("measured", "missed"), [(8.4, False), (8.6, True)])
def test_one_missed_bar_fails_the_bench(measured: float, missed: bool) -> None:
    report = Report()
    report.bar("list", 6, 5.4)
    report.bar("record", 8.5, measured)
    assert report.is_missed is missed


@pytest.mark.parametrize("verdict", ["met", "**MISSED**"])
def test_a_missed_bar_of_a_separate_process_fails_the_bench(verdict: str) -> None:
    report = Report()
    report.text(f'"Load more" takes 1.31 of the first (bar 1.3): {verdict}.')
    assert report.is_missed is (verdict != "met")


@pytest.mark.parametrize("result", [{"statusCode": 500}, {}, {"ResponseMetadata": {"HTTPStatusCode": 400}}])
def test_a_failed_call_is_not_measured(result: dict[str, object]) -> None:
    with pytest.raises(RuntimeError, match="record failed"):
        check("record", result)


def test_the_stub_refuses_an_unknown_operation() -> None:
    with pytest.raises(ValueError, match="Scan is not answered"):
        answer("DynamoDB_20120810.Scan", b"{}")
