"""GET /api/outcomes/{id}: return one of the caller's outcomes, with its corrections."""

import os

from outcomes.contract.caller import Caller
from outcomes.edge.api import Event, Response, endpoint, ok, path_parameter, reader
from outcomes.errors import NoSuchRoute
from outcomes.ledger import ulid
from outcomes.ledger.history import read_history
from outcomes.ledger.store import OutcomeStore

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])


@endpoint(failure="Failed to get outcome", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    user_id = reader(event, caller)
    id_ = path_parameter(event, "id")
    if not ulid.is_valid(id_):  # such as `summary`: if Totals is off, API Gateway routes it here
        raise NoSuchRoute
    return ok(read_history(store, user_id, id_))
