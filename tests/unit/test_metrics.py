"""Our metric lines equal those of Powertools, which our functions do not load."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes.contract.models import NewOutcome
from outcomes.edge import observability

from tests.outcome_types import TYPES
from tests.unit.test_models import VALID

type Log = Callable[[], list[dict[str, Any]]]

MONEY = st.decimals(-999_999_999, 999_999_999, places=2)


def outcome(outcome_type: str = "deal_closed", value: Decimal | None = None) -> NewOutcome:
    return NewOutcome.parse(VALID | {"outcomeType": outcome_type, "valueUsd": value}, session_user=None)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the metric lines written since the previous call of this function, without their timestamps."""
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in written:
        assert isinstance(line["_aws"].pop("Timestamp"), int)
    return written


def by_powertools(dimension: str, value: str, counts: list[tuple[str, MetricUnit, float]]) -> None:
    metrics = Metrics()
    metrics.clear_metrics()
    metrics.add_dimension(dimension, value)
    for name, unit, count in counts:
        metrics.add_metric(name, unit, count)
    metrics.flush_metrics()


@given(values=st.lists(st.none() | MONEY, min_size=1, max_size=99), outcome_type=st.sampled_from(TYPES))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_recorded_outcomes_are_counted_as_by_powertools(
    values: list[Decimal | None], outcome_type: str, capsys: pytest.CaptureFixture[str]
) -> None:
    observability.count_recorded([outcome(outcome_type, value) for value in values])
    ours = lines(capsys)
    counts = [("OutcomesRecorded", MetricUnit.Count, float(len(values)))]
    counts += [("ValueRecorded", MetricUnit.NoUnit, float(value)) for value in values if value is not None]
    by_powertools("outcome_type", outcome_type, counts)
    assert ours == lines(capsys)


def test_refusals_are_counted_as_by_powertools(capsys: pytest.CaptureFixture[str]) -> None:
    observability.count("RequestsRefused", "reason", ["Invalid title", "Conflict", "Invalid title"])
    observability.count("AuthRefused", "reason", ["bad_key"])
    observability.count_busy()
    ours = lines(capsys)
    by_powertools("reason", "Invalid title", [("RequestsRefused", MetricUnit.Count, 2)])
    by_powertools("reason", "Conflict", [("RequestsRefused", MetricUnit.Count, 1)])
    by_powertools("reason", "bad_key", [("AuthRefused", MetricUnit.Count, 1)])
    by_powertools("status", "503", [("Busy", MetricUnit.Count, 1)])
    assert ours == lines(capsys)


def test_without_a_namespace_nothing_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Monitoring=Off, there is no namespace. This saves money, because CloudWatch charges for each metric."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "")
    observability.count_busy()

    assert capsys.readouterr() == ("", "")


def test_a_line_has_the_present_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outcomes.calendar.instants.now", lambda: 1_795_521_600_000)
    observability.count("AuthRefused", "reason", ["bad_key"])
    assert json.loads(capsys.readouterr().out)["_aws"]["Timestamp"] == 1_795_521_600_000


def test_a_line_has_a_hundred_values_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    observability.count_recorded([outcome(value=Decimal(1))] * 101)
    assert [(line["OutcomesRecorded"], len(line["ValueRecorded"])) for line in lines(capsys)] == [
        ([100.0], 100),
        ([1.0], 1),
    ]


@pytest.mark.parametrize("variable", ["POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME"])
def test_metrics_without_a_name_are_logged(
    variable: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.delenv(variable)
    observability.count("AuthRefused", "reason", ["bad_key"])
    assert not lines(capsys)
    assert [line["message"] for line in log()] == ["Metrics were not written"]
