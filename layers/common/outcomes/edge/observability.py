"""One logger and one writer of metrics, for all functions.

Metrics are lines of CloudWatch's embedded metric format on standard output, as Powertools' Metrics writes them:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
They are written here because a good request needs nothing else of Powertools, and to load it takes longer than all else
that such a request loads. Its Logger is loaded with the first line that is logged.

Service and namespace come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE, for logs and metrics alike.
"""

import os
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING

from outcomes.contract import instants
from outcomes.contract.json_text import compact

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from outcomes.contract.models import NewOutcome

_VALUES_PER_METRIC = 100
"""All that CloudWatch takes in a line."""


@cache
def logger() -> "Logger":
    """Make the one logger, Powertools' own: JSON lines with the correlation id that it is given."""
    from aws_lambda_powertools import Logger

    return Logger(serialize_stacktrace=False)  # the traceback once, as text


def count_recorded(outcomes: "Iterable[NewOutcome]") -> None:
    """Write OutcomesRecorded and ValueRecorded, by outcome_type."""
    by_type: dict[str, list[NewOutcome]] = {}
    for outcome in outcomes:
        by_type.setdefault(outcome.outcome_type, []).append(outcome)
    for outcome_type, of_type in by_type.items():
        for recorded in batched(of_type, _VALUES_PER_METRIC, strict=False):
            metrics = {"OutcomesRecorded": ("Count", [float(len(recorded))])}
            values = [float(outcome.value_usd) for outcome in recorded if outcome.value_usd is not None]
            if values:
                metrics["ValueRecorded"] = ("None", values)
            _write("outcome_type", outcome_type, metrics, otherwise="Recorded, but not counted")


def count_refused(reasons: Iterable[str]) -> None:
    """Write RequestsRefused, by reason, each of a closed set of texts: one line a reason, however often it is there."""
    for reason, times in Counter(reasons).items():
        metrics = {"RequestsRefused": ("Count", [float(times)])}
        _write("reason", reason, metrics, otherwise="Refused, but not counted")


def count_busy() -> None:
    """Write Busy: an answer of 503, which alarms take out of the server errors."""
    _write("status", "503", {"Busy": ("Count", [1.0])}, otherwise="Refused, but not counted")


def count_unauthorized(reason: str) -> None:
    """Write AuthRefused, by reason, which is one of a closed set of words."""
    _write("reason", reason, {"AuthRefused": ("Count", [1.0])}, otherwise="Refused, but not counted")


def count_webhook(result: str) -> None:
    """Write WebhookAttempts, by result, which is one of a closed set of words."""
    _write("result", result, {"WebhookAttempts": ("Count", [1.0])}, otherwise="Attempted, but not counted")


def count_published(types: Iterable[str]) -> None:
    """Write EventsTold, by type of event."""
    for type_, times in Counter(types).items():
        _write("type", type_, {"EventsTold": ("Count", [float(times)])}, otherwise="Told, but not counted")


def _write(dimension: str, value: str, metrics: dict[str, tuple[str, list[float]]], *, otherwise: str) -> None:
    """Write one line of metrics, each a unit and values; or, where that fails, log `otherwise`.

    What is counted has happened: what is stored is stored, and a caller who heard of a failure would send it again.
    """
    try:
        # The names of both variables are Powertools' own, whose logger reads them too.
        directive = {
            "Namespace": os.environ["POWERTOOLS_METRICS_NAMESPACE"],  # noqa: TID251
            "Dimensions": [[dimension, "service"]],
            "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
        }
        line = {
            "_aws": {"Timestamp": instants.now(), "CloudWatchMetrics": [directive]},
            dimension: value,
            "service": os.environ["POWERTOOLS_SERVICE_NAME"],  # noqa: TID251
        } | {name: values for name, (_, values) in metrics.items()}
        print(compact(line))
    except Exception:  # noqa: BLE001 - whatever it is, it is logged
        logger().exception(otherwise)
