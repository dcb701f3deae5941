"""The bench's bars: met, missed within tolerance, missed."""

import pytest

from bench.__main__ import Bar, Report, check
from bench.stub import answer


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(1.0, "met"), (1.15, "met"), (1.16, "missed by less than 10 %"), (1.27, "**MISSED**")],
)
def test_a_bar_may_be_missed_by_a_tenth(measured: float, verdict: str) -> None:
    assert Bar("record", 1.15, measured).verdict == verdict


def test_no_call_at_all_may_be_missed_by_none() -> None:
    assert Bar("authorizer", 0, 1).verdict == "**MISSED**"


@pytest.mark.parametrize(("measured", "missed"), [(21.0, False), (24.0, False), (24.3, True)])
def test_one_bar_missed_by_more_fails_the_bench(measured: float, missed: bool) -> None:
    report = Report()
    report.bar("list", 20, 14.0)
    report.bar("record", 22, measured)
    assert report.is_missed is missed


@pytest.mark.parametrize("result", [{"statusCode": 500}, {}, {"ResponseMetadata": {"HTTPStatusCode": 400}}])
def test_a_fast_failure_is_no_result(result: dict[str, object]) -> None:
    with pytest.raises(RuntimeError, match="record failed"):
        check("record", result)


def test_an_operation_that_the_stub_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="Scan is not answered"):
        answer("DynamoDB_20120810.Scan", b"{}")
