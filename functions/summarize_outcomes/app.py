"""GET /api/outcomes/summary: count and value of the session user's outcomes."""

import os
from functools import partial

from outcomes.contract.caller import Caller
from outcomes.edge.api import Event, Response, endpoint, ok, query, query_list
from outcomes.errors import Unauthorized
from outcomes.ledger.store import OutcomeStore
from outcomes.totals.materialized import Totals
from outcomes.totals.summary import Summary

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
totals = Totals(store, os.environ["TOTALS_TABLE"], os.environ["TOTALS_EDITION"])


@endpoint(failure="Failed to summarize outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    if caller.session_user is None:
        raise Unauthorized
    summary, previous = Summary.from_query(partial(query, event), partial(query_list, event))
    totals.aggregate(caller.session_user, [summary, previous] if previous else [summary])
    return ok(summary.response(previous))
