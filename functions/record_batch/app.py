"""POST /api/outcomes/batch: record up to 100 outcomes, each as if alone."""

import os
from typing import Any

from outcomes.contract import occurrence
from outcomes.contract.bodies import ignored_fields
from outcomes.contract.caller import Caller
from outcomes.contract.json_text import compact
from outcomes.contract.limits import MAX_BATCH_BYTES, MAX_BATCH_OUTCOMES, MAX_IDEMPOTENCY_KEY
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.edge.api import (
    Event,
    Response,
    endpoint,
    error_body,
    idempotency_key,
    ignored_header,
    is_idempotency_key,
    json_body,
    log_failure,
    ok,
)
from outcomes.edge.observability import count_recorded, count_refused
from outcomes.errors import BadRequest, Busy, Fault, Forbidden, IdempotencyKeyReused, Refused
from outcomes.storage.ledger import Entry, Ledger, Recorded, idempotency_hash
from outcomes.storage.store import OutcomeStore

FAILURE = "Failed to record outcome"
BATCH_FIELDS = {"outcomes"}
ITEM_FIELDS = NEW_OUTCOME.rules.keys() | {"idempotencyKey"}

ledger = Ledger(OutcomeStore(os.environ["OUTCOMES_TABLE"]), os.environ["IDEMPOTENCY_TABLE"])


@endpoint(failure="Failed to record outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    caller.require("record")
    key = idempotency_key(event)
    body = json_body(event, MAX_BATCH_BYTES)
    items = _items(body)
    read = [_read(item, caller, key and f"{key}#{index}") for index, item in enumerate(items)]
    recorded = iter(ledger.record_all([entry for entry in read if isinstance(entry, Entry)]))
    results = [next(recorded) if isinstance(entry, Entry) else entry for entry in read]
    _observe(event, read, results)
    answers = [_answer(result) | _ignored(item) for item, result in zip(items, results, strict=True)]
    statuses = [answer["status"] for answer in answers]
    created, replayed = statuses.count("created"), statuses.count("replayed")
    failed = len(answers) - created - replayed
    counts = {"results": answers, "created": created, "replayed": replayed, "failed": failed}
    return ok(compact(counts), ignored_header(ignored_fields(body, BATCH_FIELDS)))


def _items(body: dict[str, Any]) -> list[Any]:
    items = body.get("outcomes")
    if isinstance(items, list) and 1 <= len(items) <= MAX_BATCH_OUTCOMES:
        return items
    rule = f"must be a list of 1 to {MAX_BATCH_OUTCOMES} outcomes"
    raise BadRequest("Invalid outcomes", [Fault(field="outcomes", message=rule)], ignored_fields(body, BATCH_FIELDS))


def _read(item: object, caller: Caller, default_key: str | None) -> Entry | BadRequest | Forbidden:
    if not isinstance(item, dict):
        return BadRequest("Invalid outcome")
    try:
        outcome = NewOutcome.of_caller(item, caller)
    except (BadRequest, Forbidden) as refused:
        return refused
    key = item.get("idempotencyKey")
    if key is None:
        key = default_key
    elif not is_idempotency_key(key):
        rule = f"must be a string of 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters, or null"
        return BadRequest("Invalid idempotencyKey", [Fault(field="idempotencyKey", message=rule)])
    hash_ = None if key is None else idempotency_hash(caller.session_user, outcome, key)
    return Entry(outcome, hash_, caller.recorded_by, occurrence.refusal(outcome.occurred_at, caller))


def _answer(result: Recorded | Exception) -> dict[str, Any]:
    match result:
        case Recorded(id_, replayed):
            return {"status": "replayed" if replayed else "created", "id": id_}
        case BadRequest():
            return {"status": "invalid"} | error_body(result)
        case Forbidden():
            return {"status": "forbidden"} | error_body(result)
        case IdempotencyKeyReused():
            return {"status": "conflict"} | error_body(result)
        case Busy():
            return {"status": "failed", "retryable": True} | error_body(result)
    return {"status": "failed", "error": FAILURE, "retryable": True}


def _ignored(item: object) -> dict[str, Any]:
    names = ignored_fields(item, ITEM_FIELDS) if isinstance(item, dict) else []
    return {"ignored": names} if names else {}


def _observe(event: Event, read: list[Entry | BadRequest | Forbidden], results: list[Recorded | Exception]) -> None:
    created = [
        entry.outcome
        for entry, result in zip(read, results, strict=True)
        if isinstance(entry, Entry) and isinstance(result, Recorded) and not result.replayed
    ]
    refused = [result.error for result in results if isinstance(result, Refused)]
    # The outcomes of one call fail for one cause, which is worth one line.
    failures = {
        id(result): result for result in results if isinstance(result, Exception) and not isinstance(result, Refused)
    }
    count_refused(refused)
    count_recorded(created)
    for failure in failures.values():
        log_failure(event, FAILURE, failure)
