"""POST /api/outcomes: record one outcome."""

import os

from outcomes.contract.models import NewOutcome
from outcomes.edge.api import Caller, Event, Response, endpoint, idempotency_key, json_body, ok
from outcomes.edge.observability import count_recorded
from outcomes.storage.ledger import Ledger, Recorded, once_key
from outcomes.storage.store import OutcomeStore

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
ledger = Ledger(store, os.environ["IDEMPOTENCY_TABLE"])


@endpoint(failure="Failed to record outcome", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    key = idempotency_key(event)
    outcome = NewOutcome.parse(json_body(event), session_user=caller.user_id)
    if key is None:
        recorded = Recorded(store.add(outcome), replayed=False)
    else:
        recorded = ledger.record(outcome, once_key(caller.user_id, key))
    headers = {"Outcome-Id": recorded.id}
    if recorded.replayed:
        headers["Idempotent-Replayed"] = "true"
    else:
        count_recorded([outcome])
    return ok('{"ok":true}' if caller.user_id is None else f'{{"ok":true,"id":"{recorded.id}"}}', headers)
