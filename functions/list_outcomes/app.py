"""GET /api/outcomes: the outcomes of the session's user, newest first."""

import os

from outcomes.contract import queries
from outcomes.contract.json_text import compact
from outcomes.edge.api import Caller, Event, Response, endpoint, ok, query, query_list
from outcomes.errors import Unauthorized
from outcomes.storage.store import Filters, OutcomeStore

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])


@endpoint(failure="Failed to list outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    if caller.user_id is None:  # a key belongs to no user
        raise Unauthorized
    limit = queries.limit(query(event, "limit"))
    filters = Filters(
        outcome_types=queries.outcome_types(query_list(event, "outcomeType")),
        agent_id=queries.agent_id(query(event, "agentId")),
        since=queries.instant(query(event, "from"), "from"),
        until=queries.instant(query(event, "to"), "to"),
    )
    page = store.page(caller.user_id, limit, query(event, "cursor"), filters)
    return ok(f'{{"outcomes":[{",".join(page.outcomes)}],"next_cursor":{compact(page.next_cursor)}}}')
