"""GET /api/outcomes/{id}: return one of the caller's outcomes, with its corrections."""

import os

from outcomes.contract.caller import Caller
from outcomes.edge.api import Event, Response, endpoint, ok, path_parameter, query_list, reader
from outcomes.errors import NoSuchRoute
from outcomes.ledger import ulid
from outcomes.ledger.history import read_history
from outcomes.ledger.store import OutcomeStore

DEFINITIONS_TABLE = os.environ["DEFINITIONS_TABLE"]  # the table of statements, or empty if Definitions is off

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])


@endpoint(failure="Failed to get outcome", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    user_id = reader(event, caller)
    id_ = path_parameter(event, "id")
    if not ulid.is_valid(id_):  # such as `summary`: if Totals is off, API Gateway routes it here
        raise NoSuchRoute
    also = None
    if include := query_list(event, "include"):
        # imported here, because most requests do not ask what counts
        from outcomes.contract import queries
        from outcomes.totals.outcome_counts import OutcomeCounts

        queries.includes(include, {"counts"} if DEFINITIONS_TABLE else set())
        also = OutcomeCounts.of_user(store.dynamodb, DEFINITIONS_TABLE, user_id).member
    return ok(read_history(store, user_id, id_, also))
