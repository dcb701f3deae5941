"""POST /api/outcomes/{id}/corrections: amend or void an outcome; its owner may also confirm or dispute it."""

import os

from outcomes.contract import outcome_type
from outcomes.contract.caller import Caller
from outcomes.contract.corrections import Correction
from outcomes.edge.api import Event, Response, endpoint, idempotency_key, ignored_header, json_body, ok, path_parameter
from outcomes.ledger import ulid
from outcomes.ledger.corrections import Corrections
from outcomes.ledger.store import OutcomeStore

PLATFORM_MAY_READ = os.environ["PLATFORM_MAY_READ"] == "true"
TYPES = outcome_type.read(os.environ["OUTCOME_TYPES"])

corrections = Corrections(OutcomeStore(os.environ["OUTCOMES_TABLE"]), os.environ["IDEMPOTENCY_TABLE"])


@endpoint(
    failure="Failed to correct outcome", origins=os.environ["DASHBOARD_ORIGINS"], platform_may_read=PLATFORM_MAY_READ
)
def handler(event: Event, caller: Caller) -> Response:
    key = idempotency_key(event)
    id_ = path_parameter(event, "id")
    recorded_at = ulid.milliseconds(id_) if ulid.is_valid(id_) else None
    correction = Correction.parse(json_body(event), caller, TYPES, recorded_at, key)
    corrected = corrections.correct(id_, correction, caller, key)
    outcome = corrected.shown(caller)
    after = corrected.status_json if outcome is None else f'"outcome":{outcome}'
    headers = ignored_header(correction.ignored) | ({"Idempotent-Replayed": "true"} if corrected.replayed else {})
    return ok(f'{{"ok":true,"id":"{corrected.id}",{after}}}', headers)
