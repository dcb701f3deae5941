"""POST /api/outcomes/batch: record up to 100 outcomes, each as if alone."""

import os
from typing import Any

from outcomes.contract.models import NewOutcome
from outcomes.edge.api import (
    Caller,
    Event,
    Response,
    compact,
    endpoint,
    idempotency_key,
    is_idempotency_key,
    json_body,
    log_failure,
    ok,
    refusal,
)
from outcomes.edge.observability import count_recorded, count_refused
from outcomes.errors import BadRequest, Fault, IdempotencyKeyReused
from outcomes.storage.ledger import Entry, Failure, Ledger, Recorded, once_key
from outcomes.storage.store import OutcomeStore

MAX_OUTCOMES = 100
MAX_BODY_BYTES = 1024 * 1024
FAILURE = "Failed to record outcome"

type Result = Recorded | BadRequest | Failure

ledger = Ledger(OutcomeStore(os.environ["OUTCOMES_TABLE"]), os.environ["IDEMPOTENCY_TABLE"])


@endpoint(failure="Failed to record outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    key = idempotency_key(event)
    read = [_read(item, caller, key and f"{key}#{index}") for index, item in enumerate(_items(event))]
    recorded = iter(ledger.record_all([entry for entry in read if isinstance(entry, Entry)]))
    results: list[Result] = [next(recorded) if isinstance(entry, Entry) else entry for entry in read]
    _observe(event, read, results)
    answers = [_answer(result) for result in results]
    statuses = [answer["status"] for answer in answers]
    created, replayed = statuses.count("created"), statuses.count("replayed")
    failed = len(answers) - created - replayed
    return ok(compact({"results": answers, "created": created, "replayed": replayed, "failed": failed}))


def _items(event: Event) -> list[Any]:
    items = json_body(event, MAX_BODY_BYTES).get("outcomes")
    if isinstance(items, list) and 1 <= len(items) <= MAX_OUTCOMES:
        return items
    rule = f"must be a list of 1 to {MAX_OUTCOMES} outcomes"
    raise BadRequest("Invalid outcomes", [Fault(field="outcomes", message=rule)])


def _read(item: object, caller: Caller, default_key: str | None) -> Entry | BadRequest:
    if not isinstance(item, dict):
        return BadRequest("Invalid outcome")
    try:
        outcome = NewOutcome.parse(item, session_user=caller.user_id)
    except BadRequest as refused:
        return refused
    key = item.get("idempotencyKey")
    if key is None:
        key = default_key
    elif not is_idempotency_key(key):
        rule = "must be a string of 1 to 255 visible ASCII characters, or null"
        return BadRequest("Invalid idempotencyKey", [Fault(field="idempotencyKey", message=rule)])
    return Entry(outcome, None if key is None else once_key(caller.user_id, key))


def _answer(result: Result) -> dict[str, Any]:
    match result:
        case Recorded(id_, replayed):
            return {"status": "replayed" if replayed else "created", "id": id_}
        case BadRequest():
            return {"status": "invalid"} | refusal(result)
        case IdempotencyKeyReused():
            return {"status": "conflict"} | refusal(result)
    return {"status": "failed", "error": FAILURE, "retryable": True}


def _observe(event: Event, read: list[Entry | BadRequest], results: list[Result]) -> None:
    recorded = []
    failures = {}
    for entry, result in zip(read, results, strict=True):
        if isinstance(result, Recorded):
            if isinstance(entry, Entry) and not result.replayed:
                recorded.append(entry.outcome)
        elif isinstance(result, BadRequest | IdempotencyKeyReused):
            count_refused(result.error)
        else:
            # The outcomes of one call fail for one cause, which is worth one line.
            failures[id(result)] = result
    count_recorded(recorded)
    for failure in failures.values():
        log_failure(event, FAILURE, failure)
