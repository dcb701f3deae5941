"""/api/statements: make, list and read the caller's statements, their entries, and proofs of outcomes."""

import os
from functools import cache
from typing import TYPE_CHECKING

from outcomes.contract import queries
from outcomes.contract.caller import Caller
from outcomes.contract.statement_ids import id_in_path
from outcomes.edge.api import (
    Event,
    Response,
    endpoint,
    ignored_header,
    json_body,
    ok,
    path_parameter,
    query,
    reader,
)
from outcomes.errors import BadRequest, Forbidden, NotFound
from outcomes.statements.stored_statements import StoredStatements

if TYPE_CHECKING:
    from outcomes.statements.chain import Statements

ISSUER = os.environ["ISSUER"]

stored = StoredStatements(os.environ["OUTCOMES_TABLE"], os.environ["STATEMENTS_TABLE"])


@endpoint(failure="Failed to make or read a statement", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    if caller.kind == "platform":
        raise Forbidden
    user_id = reader(event, caller)
    if user_id is None:  # only the platform reads outcomes without a user
        raise Forbidden
    if event["httpMethod"] == "POST":
        return _make(event, user_id, may_begin=caller.kind == "owner")
    if event["resource"] == "/api/statements":
        return ok(stored.page(user_id, queries.limit(query(event, "limit")), query(event, "cursor")))
    id_ = id_in_path(path_parameter(event, "id"))
    if id_ is None:
        raise NotFound
    match event["resource"].removeprefix("/api/statements/{id}"):
        case "":
            return ok(stored.text(user_id, id_))
        case "/entries":
            text, next_cursor = stored.entries(user_id, id_, query(event, "cursor"))
            name = f"{id_.replace('/', '-')}.ndjson"
            headers = {"Content-Type": "application/x-ndjson", "Content-Disposition": f'attachment; filename="{name}"'}
            return ok(text, headers | ({"Next-Cursor": next_cursor} if next_cursor else {}))
        case "/proof":
            outcome = query(event, "outcome")
            if outcome is None:
                raise BadRequest("Invalid outcome")
            return ok(stored.proof(user_id, id_, outcome))
    raise NotFound


def _make(event: Event, user_id: int, *, may_begin: bool) -> Response:
    # Imported here, because these modules take a fifth of a start, and readers of statements do not need them.
    from outcomes.contract.bodies import ignored_fields
    from outcomes.contract.statements import STATEMENT_REQUEST

    body = json_body(event)
    wanted = STATEMENT_REQUEST.read(body)
    # Without a custom domain, the issuer's URL contains the API's id. The template cannot insert the id into the
    # variable ISSUER, because the API depends on the function.
    issuer = ISSUER.replace("{api}", event["requestContext"]["apiId"])
    text = statements().make(user_id, wanted, issuer, may_begin=may_begin)
    return ok(text, ignored_header(ignored_fields(body, STATEMENT_REQUEST.rules)))


@cache
def statements() -> "Statements":
    from outcomes.statements.chain import Statements

    return Statements(
        os.environ["OUTCOMES_TABLE"],
        os.environ["STATEMENTS_TABLE"],
        os.environ["TOTALS_TABLE"],
        os.environ["STATEMENT_SECRET_ARN"],
    )
