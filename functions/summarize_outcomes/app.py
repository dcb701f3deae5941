"""GET /api/outcomes/summary: what the outcomes of the session's user come to."""

import os
from datetime import UTC, datetime

from outcomes.contract import queries
from outcomes.contract.caller import Caller
from outcomes.contract.period import Period
from outcomes.edge.api import Event, Response, endpoint, ok, query, query_list
from outcomes.errors import Unauthorized
from outcomes.storage.store import OutcomeStore
from outcomes.storage.summary import Summary
from outcomes.storage.totals import Totals

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
totals = Totals(store, os.environ["TOTALS_TABLE"], os.environ["TOTALS_EDITION"])


@endpoint(failure="Failed to summarize outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    if caller.session_user is None:
        raise Unauthorized
    period = Period.from_query(
        query(event, "from"), query(event, "to"), query(event, "timezone"), query(event, "by"), now=datetime.now(UTC)
    )
    summary = Summary(
        period,
        outcome_types=queries.outcome_types(query_list(event, "outcomeType")),
        agent_id=queries.agent_id(query(event, "agentId")),
    )
    previous = summary.previous() if queries.compare(query(event, "compare")) else None
    totals.add_up(caller.session_user, [summary, previous] if previous else [summary])
    return ok(summary.response(previous))
