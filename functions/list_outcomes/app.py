"""GET /api/outcomes: the caller's outcomes, newest first, and which capabilities are on.

GET /api/outcomes/types: the types that can be recorded, for any caller.
"""

import os
from functools import partial

from outcomes.contract import outcome_type, queries
from outcomes.contract.caller import Caller
from outcomes.contract.json_text import compact
from outcomes.edge.api import Event, Response, endpoint, ok, query, query_list, reader
from outcomes.ledger.store import Filters, OutcomeStore

CAPABILITIES = os.environ["CAPABILITIES"]
TYPES = outcome_type.read(os.environ["OUTCOME_TYPES"])
DEFINITIONS_TABLE = os.environ["DEFINITIONS_TABLE"]  # the table of statements, or empty if Definitions is off

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])


@endpoint(failure="Failed to list outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    if event["resource"] == "/api/outcomes/types":
        return ok(compact({"types": outcome_type.described(TYPES)}))
    user_id = reader(event, caller)
    limit = queries.limit(query(event, "limit"))
    filters = Filters.from_query(partial(query, event), partial(query_list, event))
    included = queries.includes(query_list(event, "include"), {"ledger"} | ({"counts"} if DEFINITIONS_TABLE else set()))
    also = None
    if "counts" in included:
        # imported here, because most lists do not say what counts
        from outcomes.totals.outcome_counts import OutcomeCounts

        also = OutcomeCounts.of_user(store.dynamodb, DEFINITIONS_TABLE, user_id).member
    page = store.page(user_id, limit, query(event, "cursor"), filters, include_ledger="ledger" in included, also=also)
    body = f'{{"outcomes":[{",".join(page.outcomes)}],"next_cursor":{compact(page.next_cursor)}}}'
    return ok(body, {"Capabilities": CAPABILITIES})
