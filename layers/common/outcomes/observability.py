"""One logger and one metrics, for all functions.

Importing this costs three times what starting Python does, so functions that need neither on a good request import it
when first needed. Service and namespace come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE.
"""

from collections.abc import Iterable
from itertools import batched
from typing import TYPE_CHECKING

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

if TYPE_CHECKING:
    from outcomes.models import NewOutcome

__all__ = ["MetricUnit", "count_recorded", "count_refused", "logger", "metrics"]

logger = Logger(serialize_stacktrace=False)  # the traceback once, as text
metrics = Metrics()

_VALUES_PER_METRIC = 99
"""At 100, all that CloudWatch takes, Powertools flushes by itself; ours would then warn, and keep the dimension."""


def count_recorded(outcomes: "Iterable[NewOutcome]") -> None:
    """OutcomesRecorded and ValueRecorded, by outcome_type.

    What is stored is stored: were it not counted, that is logged, and the caller must not hear of a failure and retry.
    """
    try:
        _count_recorded(outcomes)
    except Exception:
        logger.exception("Recorded, but not counted")


def _count_recorded(outcomes: "Iterable[NewOutcome]") -> None:
    by_type: dict[str, list[NewOutcome]] = {}
    for outcome in outcomes:
        by_type.setdefault(outcome.outcome_type, []).append(outcome)
    for outcome_type, of_type in by_type.items():
        for recorded in batched(of_type, _VALUES_PER_METRIC, strict=False):
            metrics.add_dimension("outcome_type", outcome_type)
            metrics.add_metric("OutcomesRecorded", MetricUnit.Count, len(recorded))
            for outcome in recorded:
                if outcome.value_usd is not None:
                    metrics.add_metric("ValueRecorded", MetricUnit.NoUnit, float(outcome.value_usd))
            metrics.flush_metrics()


def count_refused(reason: str) -> None:
    """RequestsRefused, by reason, which is one of a closed set of texts."""
    metrics.add_dimension("reason", reason)
    metrics.add_metric("RequestsRefused", MetricUnit.Count, 1)
    metrics.flush_metrics()
