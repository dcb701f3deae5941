"""Parse the outcomes in request bodies, record several of them, and build responses from the results."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from outcomes.calendar import instants
from outcomes.contract import occurrence
from outcomes.contract.caller import Caller
from outcomes.contract.json_text import compact
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.contract.outcome_type import Types
from outcomes.edge.api import (
    IDEMPOTENCY_KEY,
    Event,
    Response,
    ignored_header,
    is_idempotency_key,
    log_failures,
    ok,
    types_header,
)
from outcomes.edge.observability import count_recorded
from outcomes.errors import (
    BadRequest,
    Busy,
    Fault,
    Forbidden,
    IdempotencyKeyReused,
    NotFound,
    NotPossible,
    Refused,
    Stale,
    TooManyOutcomes,
)
from outcomes.ledger.idempotency_keys import idempotency_hash
from outcomes.ledger.idempotent_writes import IdempotentWriter, Recorded, WriteRequest

FAILURE = "Failed to record outcome"
ITEM_FIELDS = NEW_OUTCOME.rules.keys() | {"idempotencyKey"}
INVALID_KEY = Fault(field="idempotencyKey", message=f"{IDEMPOTENCY_KEY}, or null")

STATUSES: dict[type[Exception], str] = {
    BadRequest: "invalid",
    Forbidden: "forbidden",
    NotFound: "not_found",
    NotPossible: "not_possible",
    Stale: "stale",
    IdempotencyKeyReused: "conflict",
    TooManyOutcomes: "limited",
}
"""The status of an item that was refused, by the error. After any other error, it failed and can be repeated."""


def read_outcome(
    body: dict[str, Any], caller: Caller, types: Types, key: str | None, ignored: Sequence[str] = ()
) -> WriteRequest:
    """Parse the outcome that `caller` wants to record.

    body: a JSON object whose numbers are `Decimal`. types: the valid outcome types. key: the idempotency key, if any.
    ignored: unknown fields.

    Raises BadRequest if the body is invalid, Forbidden if it exceeds the bounds of the caller's key.
    """
    try:
        outcome, refusal = NewOutcome.of_caller(body, caller, types, key)
    except BadRequest as refused:
        if refused.details and (late := occurrence.fault_of(body.get("occurredAt"), instants.now(), caller)):
            refused.details.append(late)  # it is the last field
        raise
    hash_ = None if key is None else idempotency_hash(caller, outcome, key)
    refusal = refusal or occurrence.refusal(outcome.occurred_at, caller, ignored)
    return WriteRequest(outcome, hash_, caller.recorded_by, refusal, caller.limited_key)


def read_item(
    sent: object, caller: Caller, types: Types, default_key: str | None = None
) -> WriteRequest | BadRequest | Forbidden:
    """Parse one outcome of a batch, with an optional `idempotencyKey`. Return the error if it is refused.

    types: the valid outcome types.
    default_key: the idempotency key if the outcome has none. It is not checked, because our own code made it, and it
    may exceed 255 characters.
    """
    if not isinstance(sent, dict):
        return BadRequest("Invalid outcome")
    key = sent.get("idempotencyKey")
    is_valid = key is None or is_idempotency_key(key)
    try:
        # Parse the outcome even if its idempotency key is invalid, because faults of the outcome are reported first.
        read = read_outcome(sent, caller, types, (default_key if key is None else key) if is_valid else None)
    except (BadRequest, Forbidden) as refused:
        return refused
    if not is_valid:
        return BadRequest("Invalid idempotencyKey", [INVALID_KEY])
    return read


class Results(NamedTuple):
    """Results of several outcomes. answers: one per outcome, in the same order. failures: the errors."""

    answers: list[dict[str, Any]]
    failures: list[Exception]

    def response(self, done: str, ignored: Sequence[str]) -> Response:
        """Return the response with all results, and how many items were done, replayed and neither.

        done: the status of items that were done. ignored: unknown fields of the body.
        """
        number = Counter(answer["status"] for answer in self.answers)
        numbers = {done: number[done], "replayed": number["replayed"]}
        numbers["failed"] = len(self.answers) - sum(numbers.values())
        return ok(compact({"results": self.answers} | numbers), ignored_header(ignored) | types_header(self.failures))


def record_each(
    event: Event,
    caller: Caller,
    types: Types,
    ledger: IdempotentWriter,
    items: Iterable[tuple[object, str | None]],
    failure: str,
) -> Results:
    """Record outcomes, each independently of the others. Log the failures, and count what was created.

    items: each outcome, and the idempotency key to use if it has none; see `read_item`. failure: the message to log.
    """
    read = [read_item(sent, caller, types, key) for sent, key in items]
    recorded = iter(ledger.record_all([each for each in read if isinstance(each, WriteRequest)]))
    ended = [(each, next(recorded) if isinstance(each, WriteRequest) else each) for each in read]
    failures = [result for _, result in ended if isinstance(result, Exception)]
    log_failures(event, failure, failures)
    count_recorded(
        each.outcome
        for each, result in ended
        if isinstance(each, WriteRequest) and isinstance(result, Recorded) and not result.replayed
    )
    return Results([_answer(each, result) for each, result in ended], failures)


def not_done(result: Exception, failure: str, told: type[Refused] | tuple[type[Refused], ...] = Busy) -> dict[str, Any]:
    """Return the result of an item that was refused or failed.

    failure: the text for failures. told: the refusals that can be repeated, and have texts of their own.
    """
    if isinstance(result, Refused) and (status := STATUSES.get(type(result))):
        return {"status": status} | result.body() | ({"retryable": False} if status == "limited" else {})
    error = result.body() if isinstance(result, told) else {"error": failure}
    return {"status": "failed"} | error | {"retryable": True}


def _answer(read: WriteRequest | BadRequest | Forbidden, result: Recorded | Exception) -> dict[str, Any]:
    if isinstance(result, Exception):
        return not_done(result, FAILURE)
    is_unassigned = isinstance(read, WriteRequest) and read.outcome.user_id is None
    recorded = {"status": "replayed" if result.replayed else "created", "id": result.id}
    return recorded | ({"unassigned": True} if is_unassigned else {})
