"""/api/definitions: list the caller's definitions. /api/definitions/{month}: put and delete the one of a month."""

import os

from outcomes.contract.caller import Caller
from outcomes.contract.definitions import NewDefinition, ignored_definition_fields, read_definition, read_month
from outcomes.contract.preconditions import Preconditions, etag
from outcomes.definitions.definition_store import DefinitionStore
from outcomes.edge import headers
from outcomes.edge.api import Event, Response, endpoint, ignored_header, json_body, ok, path_parameter, reader
from outcomes.errors import BadRequest, Forbidden

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
    preconditions = Preconditions.parse(headers.values(event, "if-match"), headers.values(event, "if-none-match"))
    if event["httpMethod"] == "DELETE":
        version = store.put(caller.session_user, month, None, preconditions)
        return ok(f'{{"ok":true,"version":{version}}}')
    body = json_body(event)
    try:
        new: NewDefinition | BadRequest = read_definition(body)
    except BadRequest as refused:
        new = refused
    version = store.put(caller.session_user, month, new, preconditions)
    return ok(
        f'{{"ok":true,"version":{version}}}', {"ETag": etag(version)} | ignored_header(ignored_definition_fields(body))
    )
