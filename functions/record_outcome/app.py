"""POST /api/outcomes: record one outcome."""

import os

from outcomes.contract.models import NewOutcome, ignored_fields
from outcomes.edge.api import Caller, Event, Response, endpoint, idempotency_key, ignored_header, json_body, ok
from outcomes.edge.observability import count_recorded
from outcomes.storage.ledger import Ledger, Recorded, idempotency_hash
from outcomes.storage.store import OutcomeStore

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
ledger = Ledger(store, os.environ["IDEMPOTENCY_TABLE"])


@endpoint(failure="Failed to record outcome", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    key = idempotency_key(event)
    body = json_body(event)
    outcome = NewOutcome.parse(body, session_user=caller.user_id)
    if key is None:
        recorded = Recorded(store.add(outcome), replayed=False)
    else:
        recorded = ledger.record(outcome, idempotency_hash(caller.user_id, outcome, key))
    headers = {"Outcome-Id": recorded.id} | ignored_header(ignored_fields(body))
    if recorded.replayed:
        headers["Idempotent-Replayed"] = "true"
    else:
        count_recorded([outcome])
    return ok('{"ok":true}' if caller.user_id is None else f'{{"ok":true,"id":"{recorded.id}"}}', headers)
