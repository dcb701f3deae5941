"""One logger and one metrics, for all functions.

Importing this costs three times what starting Python does, so functions that need neither on a good request import it
when first needed. Service and namespace come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import batched
from typing import TYPE_CHECKING

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

if TYPE_CHECKING:
    from outcomes.contract.models import NewOutcome

__all__ = ["count_recorded", "count_refused", "count_unauthorized", "logger", "metrics"]

logger = Logger(serialize_stacktrace=False)  # the traceback once, as text
metrics = Metrics()

_VALUES_PER_METRIC = 99
"""At 100, all that CloudWatch takes, Powertools flushes by itself; ours would then warn, and keep the dimension."""


def count_recorded(outcomes: "Iterable[NewOutcome]") -> None:
    """OutcomesRecorded and ValueRecorded, by outcome_type."""
    by_type: dict[str, list[NewOutcome]] = {}
    for outcome in outcomes:
        by_type.setdefault(outcome.outcome_type, []).append(outcome)
    for outcome_type, of_type in by_type.items():
        for recorded in batched(of_type, _VALUES_PER_METRIC, strict=False):
            values = [float(outcome.value_usd) for outcome in recorded if outcome.value_usd is not None]
            counts = [("OutcomesRecorded", MetricUnit.Count, float(len(recorded)))]
            counts += [("ValueRecorded", MetricUnit.NoUnit, value) for value in values]
            _publish("outcome_type", outcome_type, counts, otherwise="Recorded, but not counted")


def count_refused(reasons: Iterable[str]) -> None:
    """RequestsRefused, by reason, each of a closed set of texts: one line a reason, however often it stands there."""
    for reason, times in Counter(reasons).items():
        counts = [("RequestsRefused", MetricUnit.Count, float(times))]
        _publish("reason", reason, counts, otherwise="Refused, but not counted")


def count_unauthorized(reason: str) -> None:
    """AuthRefused, by reason, which is one of a closed set of words."""
    counts = [("AuthRefused", MetricUnit.Count, 1.0)]
    _publish("reason", reason, counts, otherwise="Refused, but not counted")


def _publish(dimension: str, value: str, counts: list[tuple[str, MetricUnit, float]], *, otherwise: str) -> None:
    """One line of metrics; or, where that fails, `otherwise` in the log.

    What is counted has happened: what is stored is stored, and a caller who heard of a failure would send it again.
    """
    try:
        metrics.add_dimension(dimension, value)
        for name, unit, count in counts:
            metrics.add_metric(name, unit, count)
        metrics.flush_metrics()
    except Exception:
        metrics.clear_metrics()
        logger.exception(otherwise)
