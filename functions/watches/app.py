"""/api/watches: list the caller's watches. /{id}: put, read and delete one. /digest: put and delete its setting."""

import os

from outcomes.contract import queries
from outcomes.contract.caller import Caller
from outcomes.contract.costs import payer
from outcomes.contract.preconditions import etag
from outcomes.contract.watches import ignored_digest_fields, ignored_watch_fields, read_digest, read_id, read_watch
from outcomes.edge.api import Event, Response, endpoint, json_body, ok, path_parameter, query
from outcomes.edge.replacing import deleted, preconditions, read_or_refusal, replaced
from outcomes.errors import Forbidden
from outcomes.ledger.store import OutcomeStore
from outcomes.totals.materialized import Totals
from outcomes.watches.figures import Figures
from outcomes.watches.present import watches_json
from outcomes.watches.stored_watches import DIGEST, Head, is_watch, row_json
from outcomes.watches.watch_store import WatchStore

PLATFORM_MAY_READ = os.environ["PLATFORM_MAY_READ"] == "true"

DEFINITIONS_TABLE = os.environ["DEFINITIONS_TABLE"]  # the table of statements, or empty if Definitions is off

store = WatchStore(os.environ["WATCHES_TABLE"], DEFINITIONS_TABLE)
totals = Totals(OutcomeStore(os.environ["OUTCOMES_TABLE"]), os.environ["TOTALS_TABLE"], os.environ["TOTALS_EDITION"])
# COSTS_TABLE is empty if Costs is off. A reading that begins later could exceed the timeout.
figures = Figures(totals, os.environ["COSTS_TABLE"], DEFINITIONS_TABLE, seconds=1)


@endpoint(
    failure="Failed to put or read watches",
    origins=os.environ["DASHBOARD_ORIGINS"],
    platform_may_read=PLATFORM_MAY_READ,
)
def handler(event: Event, caller: Caller) -> Response:
    if caller.agent_key:  # who is paid must not choose of what the payer is told
        raise Forbidden
    if event["resource"] == "/api/watches":
        return _list(event, caller)
    is_digest = event["resource"].endswith(f"/{DIGEST}")
    id_ = DIGEST if is_digest else read_id(path_parameter(event, "id"))
    if event["httpMethod"] == "GET":
        user_id = _user(event, caller)
        row = store.read(user_id, id_, caller)
        [watch] = watches_json(figures, user_id, [row], may_read=caller.may_read)
        return ok(watch, {"ETag": etag(Head.of(row).version)})
    sent = preconditions(event)
    if event["httpMethod"] == "DELETE":
        return deleted(store.put(_user(event, caller), id_, None, caller, sent))
    body = json_body(event)
    user_id = payer(caller, body)
    body.pop("userId", None)
    if is_digest:
        version = store.put(user_id, id_, read_or_refusal(read_digest, body), caller, sent)
        return replaced(version, ignored_digest_fields(body))
    version = store.put(user_id, id_, read_or_refusal(read_watch, body), caller, sent)
    return replaced(version, ignored_watch_fields(body))


def _list(event: Event, caller: Caller) -> Response:
    user_id = _user(event, caller)
    rows = store.listed(user_id, caller)
    watches = ",".join(watches_json(figures, user_id, [*filter(is_watch, rows)], may_read=caller.may_read))
    digest = next((row_json(row) for row in rows if not is_watch(row)), "null")
    return ok(f'{{"watches":[{watches}],"digest":{digest}}}')


def _user(event: Event, caller: Caller) -> int:
    """Return the user of the session, or the `userId` that the platform sent."""
    return queries.user_id(query(event, "userId")) if caller.session_user is None else caller.session_user
