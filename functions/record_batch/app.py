"""POST /api/outcomes/batch: record up to 100 outcomes, each independently of the others."""

import os
from typing import Any

from outcomes.contract import outcome_type
from outcomes.contract.bodies import ignored_fields
from outcomes.contract.caller import Caller
from outcomes.edge import write_requests
from outcomes.edge.api import Event, Response, endpoint, idempotency_key, json_body
from outcomes.errors import BadRequest, Fault
from outcomes.ledger.idempotent_writes import IdempotentWriter
from outcomes.ledger.store import OutcomeStore
from outcomes.limits import MAX_BATCH_BYTES, MAX_BATCH_OUTCOMES

BATCH_FIELDS = {"outcomes"}
TYPES = outcome_type.read(os.environ["OUTCOME_TYPES"])

ledger = IdempotentWriter(
    OutcomeStore(os.environ["OUTCOMES_TABLE"]), os.environ["IDEMPOTENCY_TABLE"], os.environ["KEYS_TABLE"]
)


@endpoint(failure="Failed to record outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    caller.require("record")
    key = idempotency_key(event)
    body = json_body(event, MAX_BATCH_BYTES)
    items = _items(body)
    keyed = [(item, key and f"{key}#{index}") for index, item in enumerate(items)]
    results = write_requests.record_each(event, caller, TYPES, ledger, keyed, write_requests.FAILURE)
    answers = [answer | _ignored(item) for item, answer in zip(items, results.answers, strict=True)]
    return results._replace(answers=answers).response("created", ignored_fields(body, BATCH_FIELDS))


def _items(body: dict[str, Any]) -> list[Any]:
    items = body.get("outcomes")
    if isinstance(items, list) and 1 <= len(items) <= MAX_BATCH_OUTCOMES:
        return items
    rule = f"must be a list of 1 to {MAX_BATCH_OUTCOMES} outcomes"
    raise BadRequest("Invalid outcomes", [Fault(field="outcomes", message=rule)], ignored_fields(body, BATCH_FIELDS))


def _ignored(item: object) -> dict[str, Any]:
    names = ignored_fields(item, write_requests.ITEM_FIELDS) if isinstance(item, dict) else []
    return {"ignored": names} if names else {}
