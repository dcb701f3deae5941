"""POST /api/outcomes: record one outcome."""

import os

from outcomes.contract import outcome_type
from outcomes.contract.bodies import ignored_fields
from outcomes.contract.caller import Caller
from outcomes.contract.models import NEW_OUTCOME
from outcomes.edge import write_requests
from outcomes.edge.api import Event, Response, endpoint, idempotency_key, ignored_header, json_body, ok
from outcomes.edge.observability import count_recorded
from outcomes.ledger.idempotent_writes import IdempotentWriter
from outcomes.ledger.store import OutcomeStore

TYPES = outcome_type.read(os.environ["OUTCOME_TYPES"])

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
ledger = IdempotentWriter(store, os.environ["IDEMPOTENCY_TABLE"], os.environ["KEYS_TABLE"])


@endpoint(failure=write_requests.FAILURE, origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    caller.require("record")
    key = idempotency_key(event)
    body = json_body(event)
    ignored = ignored_fields(body, NEW_OUTCOME.rules)
    request = write_requests.read_outcome(body, caller, TYPES, key, ignored)
    recorded = ledger.record(request)
    headers = {"Outcome-Id": recorded.id} | ignored_header(ignored)
    if request.outcome.user_id is None:
        headers["Unassigned"] = "true"
    if recorded.replayed:
        headers["Idempotent-Replayed"] = "true"
    else:
        count_recorded([request.outcome])
    return ok('{"ok":true}' if caller.session_user is None else f'{{"ok":true,"id":"{recorded.id}"}}', headers)
