"""GET /api/outcomes/summary: count and value of the caller's outcomes."""

import os
from functools import partial

from outcomes.contract import queries
from outcomes.contract.caller import Caller
from outcomes.edge.api import Event, Response, endpoint, ok, query, query_list, reader
from outcomes.ledger.store import OutcomeStore
from outcomes.totals.materialized import Totals
from outcomes.totals.summary import Summary

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
totals = Totals(store, os.environ["TOTALS_TABLE"], os.environ["TOTALS_EDITION"])


@endpoint(failure="Failed to summarize outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    user_id = reader(event, caller)
    summary, previous = Summary.from_query(partial(query, event), partial(query_list, event))
    include_recent = queries.include(query_list(event, "include"), "recent")
    reading = totals.aggregate(user_id, [summary, previous] if previous else [summary])
    body = summary.response(previous, reading.recent if include_recent else "")
    return ok(body, {"Fresh-For": str(reading.fresh_seconds)})
