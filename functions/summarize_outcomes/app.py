"""GET /api/outcomes/summary: return the count and value of the caller's outcomes."""

import os
import time
from functools import partial

from outcomes.contract import queries
from outcomes.contract.caller import Caller
from outcomes.edge.api import Event, Response, endpoint, ok, query, query_list, reader
from outcomes.ledger.store import OutcomeStore
from outcomes.totals.materialized import Totals
from outcomes.totals.summary import Summary

COSTS_TABLE = os.environ["COSTS_TABLE"]  # this variable is empty if Costs is off
DEFINITIONS_TABLE = os.environ["DEFINITIONS_TABLE"]  # the table of statements, or empty if Definitions is off

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
totals = Totals(store, os.environ["TOTALS_TABLE"], os.environ["TOTALS_EDITION"])


@endpoint(failure="Failed to summarize outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    began = time.monotonic()
    user_id = reader(event, caller)
    summary, previous = Summary.from_query(partial(query, event), partial(query_list, event))
    optional = {"cost": COSTS_TABLE, "definition": DEFINITIONS_TABLE, "definition_days": DEFINITIONS_TABLE}
    allowed = {"recent", *(name for name, table in optional.items() if table)}
    included = queries.includes(query_list(event, "include"), allowed)
    counted = None
    if included & {"definition", "definition_days"}:
        # imported here, because summaries that do not say what counts do not need these modules
        from outcomes.definitions import stored_definitions
        from outcomes.totals.what_counts import WhatCounts

        definitions = None if user_id is None else stored_definitions.read(store.dynamodb, DEFINITIONS_TABLE, user_id)
        if definitions and "definition_days" in included:
            zone = {"timezone": definitions.timezone}
            one = partial(query, event)
            summary, previous = Summary.from_query(lambda name: zone.get(name) or one(name), partial(query_list, event))
        counted = WhatCounts(definitions, summary)
    reading = totals.aggregate(user_id, [summary, previous] if previous else [summary], counted)
    costs = None
    if "cost" in included:
        # imported here, because summaries without costs do not need these modules
        from outcomes.costs.cost_report import CostReport
        from outcomes.costs.stored_costs import StoredCosts

        has_value = not (summary.outcome_types or summary.statuses)
        costs = CostReport(summary.period, summary.agent_id, has_value=has_value)
        if has_value:
            elapsed = time.monotonic() - began
            reading.read_units += StoredCosts(COSTS_TABLE, store.dynamodb).add_to(costs, user_id, elapsed)
    body = summary.response(previous, reading.recent if "recent" in included else "", costs, counted)
    return ok(body, {"Fresh-For": str(reading.fresh_seconds)})
