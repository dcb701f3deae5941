"""GET /api/outcomes/{id}: one of the session user's outcomes, with its corrections."""

import os

from outcomes.contract.caller import Caller
from outcomes.edge.api import Event, Response, endpoint, ok, path_parameter
from outcomes.errors import NoSuchRoute, Unauthorized
from outcomes.ledger import ulid
from outcomes.ledger.history import read_history
from outcomes.ledger.store import OutcomeStore

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])


@endpoint(failure="Failed to get outcome", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    if caller.session_user is None:
        raise Unauthorized
    id_ = path_parameter(event, "id")
    if not ulid.is_valid(id_):  # such as `summary`, if Totals is off
        raise NoSuchRoute
    return ok(read_history(store, caller.session_user, id_))
