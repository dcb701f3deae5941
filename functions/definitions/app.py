"""/api/definitions: list the caller's definitions. /api/definitions/{month}: put and delete the one of a month."""

import os

from outcomes.contract.caller import Caller
from outcomes.contract.definitions import ignored_definition_fields, read_definition, read_month
from outcomes.definitions.definition_store import DefinitionStore
from outcomes.edge.api import Event, Response, endpoint, json_body, ok, path_parameter, reader
from outcomes.edge.replacing import deleted, preconditions, read_or_refusal, replaced
from outcomes.errors import Forbidden

PLATFORM_MAY_READ = os.environ["PLATFORM_MAY_READ"] == "true"

store = DefinitionStore(os.environ["STATEMENTS_TABLE"], os.environ["TOTALS_TABLE"])


@endpoint(
    failure="Failed to put or list definitions",
    origins=os.environ["DASHBOARD_ORIGINS"],
    platform_may_read=PLATFORM_MAY_READ,
)
def handler(event: Event, caller: Caller) -> Response:
    if event["httpMethod"] == "GET":
        return ok(store.listed(reader(event, caller)))
    if caller.session_user is None:  # who is paid must not write what counts
        raise Forbidden
    month = read_month(path_parameter(event, "month"))
    sent = preconditions(event)
    if event["httpMethod"] == "DELETE":
        return deleted(store.put(caller.session_user, month, None, sent))
    body = json_body(event)
    version = store.put(caller.session_user, month, read_or_refusal(read_definition, body), sent)
    return replaced(version, ignored_definition_fields(body))
