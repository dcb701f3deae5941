"""POST /api/outcomes: record one outcome."""

import os

from outcomes.api import Caller, Event, Response, endpoint, json_body, ok
from outcomes.models import NewOutcome
from outcomes.observability import MetricUnit, metrics
from outcomes.store import OutcomeStore

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])


@endpoint(failure="Failed to record outcome", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    outcome = NewOutcome.parse(json_body(event), session_user=caller.user_id)
    id_ = store.add(outcome)
    _count(outcome)
    return ok('{"ok":true}' if caller.user_id is None else f'{{"ok":true,"id":"{id_}"}}')


def _count(outcome: NewOutcome) -> None:
    metrics.add_dimension("outcome_type", outcome.outcome_type)
    metrics.add_metric("OutcomesRecorded", MetricUnit.Count, 1)
    if outcome.value_usd is not None:
        metrics.add_metric("ValueRecorded", MetricUnit.NoUnit, float(outcome.value_usd))
    metrics.flush_metrics()
