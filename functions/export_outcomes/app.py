"""GET /api/outcomes/export: return the caller's outcomes as a file, newest first."""

import os
from functools import partial

from outcomes.contract import queries
from outcomes.contract.caller import Caller
from outcomes.edge.api import Event, Response, endpoint, ok, query, query_list, reader
from outcomes.ledger.export import export
from outcomes.ledger.store import Filters, OutcomeStore

DEFINITIONS_TABLE = os.environ["DEFINITIONS_TABLE"]  # the table of statements, or empty if Definitions is off

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])


@endpoint(failure="Failed to export outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    user_id = reader(event, caller)
    format_ = queries.export_format(query(event, "format"))
    filters = Filters.from_query(partial(query, event), partial(query_list, event))
    counts = None
    if queries.includes(query_list(event, "include"), {"counts"} if DEFINITIONS_TABLE else set()):
        # imported here, because most exports do not say what counts
        from outcomes.totals.outcome_counts import OutcomeCounts

        counts = OutcomeCounts.of_user(store.dynamodb, DEFINITIONS_TABLE, user_id)
    part = export(store, user_id, format_, query(event, "cursor"), filters, counts)
    headers = {"Content-Type": part.media_type, "Content-Disposition": f'attachment; filename="outcomes.{format_}"'}
    return ok(part.text, headers | ({"Next-Cursor": part.next_cursor} if part.next_cursor else {}))
