"""POST /api/outcomes: record one outcome."""

import os

from outcomes.contract import occurrence
from outcomes.contract.bodies import ignored_fields
from outcomes.contract.caller import Caller
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.edge.api import Event, Response, endpoint, idempotency_key, ignored_header, json_body, ok
from outcomes.edge.observability import count_recorded
from outcomes.storage.ledger import Entry, Ledger, Recorded, idempotency_hash
from outcomes.storage.store import OutcomeStore

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
ledger = Ledger(store, os.environ["IDEMPOTENCY_TABLE"])


@endpoint(failure="Failed to record outcome", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    caller.require("record")
    key = idempotency_key(event)
    body = json_body(event)
    outcome = NewOutcome.of_caller(body, caller)
    ignored = ignored_fields(body, NEW_OUTCOME.rules)
    refusal = occurrence.refusal(outcome.occurred_at, caller, ignored)
    if key is None:
        if refusal:
            raise refusal
        recorded = Recorded(store.add(outcome, caller.recorded_by), replayed=False)
    else:
        hash_ = idempotency_hash(caller.session_user, outcome, key)
        recorded = ledger.record(Entry(outcome, hash_, caller.recorded_by, refusal))
    headers = {"Outcome-Id": recorded.id} | ignored_header(ignored)
    if recorded.replayed:
        headers["Idempotent-Replayed"] = "true"
    else:
        count_recorded([outcome])
    return ok('{"ok":true}' if caller.session_user is None else f'{{"ok":true,"id":"{recorded.id}"}}', headers)
