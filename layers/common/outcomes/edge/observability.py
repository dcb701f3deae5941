"""Write the logs and metrics of all functions.

Metrics are lines in CloudWatch's embedded metric format on standard output, like those of Powertools' Metrics:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
Powertools takes longer to load than everything else that a successful request needs, so metrics are written without it.
Powertools' Logger is loaded when the first line is logged.

The service and namespace of logs and metrics come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE.
"""

import os
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING

from outcomes.calendar import instants
from outcomes.contract.json_text import compact

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from outcomes.contract.models import NewOutcome

_VALUES_PER_METRIC = 100  # CloudWatch accepts at most this many values of a metric in one log line


@cache
def logger() -> "Logger":
    """Create the Powertools logger once: JSON lines with a correlation id."""
    from aws_lambda_powertools import Logger

    return Logger(serialize_stacktrace=False)  # log the traceback only once, in a text field


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
            _write("outcome_type", outcome_type, metrics)


def count(metric: str, dimension: str, values: Iterable[str]) -> None:
    """Write one line for each value of a dimension, with the number of its occurrences.

    The dimension must have a fixed set of values, because each value becomes a metric of its own in CloudWatch.
    """
    for value, times in Counter(values).items():
        _write(dimension, value, {metric: ("Count", [float(times)])})


def count_busy() -> None:
    """Write the metric Busy, which counts answers with the status 503."""
    count("Busy", "status", ["503"])


def _write(dimension: str, value: str, metrics: dict[str, tuple[str, list[float]]]) -> None:
    """Write one line of metrics. Write nothing if the namespace is empty (Monitoring=Off).

    metrics: unit and values by the metric's name.

    Errors are not raised: the counted work is already done, and a caller that got an error would send the request
    again.
    """
    try:
        # Namespace and service come from the variables of Powertools, so that its Logger logs the same service.
        namespace = os.environ["POWERTOOLS_METRICS_NAMESPACE"]  # noqa: TID251
        if not namespace:
            return
        directive = {
            "Namespace": namespace,
            "Dimensions": [[dimension, "service"]],
            "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
        }
        line = {
            "_aws": {"Timestamp": instants.now(), "CloudWatchMetrics": [directive]},
            dimension: value,
            "service": os.environ["POWERTOOLS_SERVICE_NAME"],  # noqa: TID251
        } | {name: values for name, (_, values) in metrics.items()}
        print(compact(line))
    except Exception:  # noqa: BLE001 - any failure is logged
        logger().exception("Metrics were not written")
