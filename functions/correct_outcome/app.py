"""POST /api/outcomes/{id}/corrections: amend or void an outcome; its owner may also confirm or dispute it.

POST /api/outcomes/corrections: correct up to 100 outcomes, each independently of the others.

POST /api/outcomes/{id}/assign: record an outcome without a user for a user, and void the original.
"""

import os

from outcomes.contract import outcome_type
from outcomes.contract.bodies import ignored_fields
from outcomes.contract.caller import Caller
from outcomes.contract.correction_rules import ASSIGNMENT, Correction
from outcomes.edge.api import Event, Response, endpoint, idempotency_key, ignored_header, json_body, ok, path_parameter
from outcomes.errors import Forbidden
from outcomes.ledger import ulid
from outcomes.ledger.corrections import Corrections
from outcomes.ledger.store import OutcomeStore
from outcomes.limits import MAX_BATCH_BYTES

PLATFORM_MAY_READ = os.environ["PLATFORM_MAY_READ"] == "true"
TYPES = outcome_type.read(os.environ["OUTCOME_TYPES"])

corrections = Corrections(
    OutcomeStore(os.environ["OUTCOMES_TABLE"]), os.environ["IDEMPOTENCY_TABLE"], os.environ["KEYS_TABLE"]
)


@endpoint(
    failure="Failed to correct outcome", origins=os.environ["DASHBOARD_ORIGINS"], platform_may_read=PLATFORM_MAY_READ
)
def handler(event: Event, caller: Caller) -> Response:
    if event["resource"] == "/api/outcomes/{id}/assign":
        return _assign(event, caller)
    key = idempotency_key(event)
    if event["resource"] == "/api/outcomes/corrections":
        return _correct_several(event, caller, key)
    id_ = path_parameter(event, "id")
    correction = Correction.parse(json_body(event), caller, TYPES, ulid.time_of(id_), key)
    corrected = corrections.correct(id_, correction, caller, key)
    outcome = corrected.shown(caller)
    after = corrected.status_json if outcome is None else f'"outcome":{outcome}'
    headers = ignored_header(correction.ignored) | ({"Idempotent-Replayed": "true"} if corrected.replayed else {})
    return ok(f'{{"ok":true,"id":"{corrected.id}",{after}}}', headers)


def _correct_several(event: Event, caller: Caller, key: str | None) -> Response:
    from outcomes.edge import correction_requests  # imported here, because a single correction does not need it

    body = json_body(event, MAX_BATCH_BYTES)
    items = correction_requests.read_items(body)
    keyed = [(item, key and f"{key}#{index}") for index, item in enumerate(items)]
    results = correction_requests.correct_each(event, caller, TYPES, corrections, keyed, correction_requests.FAILURE)
    return results.response("corrected", ignored_fields(body, correction_requests.BULK_FIELDS))


def _assign(event: Event, caller: Caller) -> Response:
    if caller.kind != "platform":
        raise Forbidden
    body = json_body(event)
    user_id = ASSIGNMENT.read(body).user_id
    id_ = corrections.assign(path_parameter(event, "id"), user_id, caller)
    return ok(f'{{"ok":true,"id":"{id_}"}}', ignored_header(ignored_fields(body, ASSIGNMENT.rules)))
