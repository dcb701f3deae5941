"""Parse the outcomes in request bodies, and build responses from the results of writing them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from outcomes.contract import occurrence
from outcomes.contract.caller import Caller
from outcomes.contract.idempotency_key import WORDS, is_idempotency_key
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.contract.outcome_type import Types
from outcomes.errors import BadRequest, Busy, Fault, Forbidden, IdempotencyKeyReused
from outcomes.ledger.idempotency_keys import idempotency_hash
from outcomes.ledger.idempotent_writes import Recorded, WriteRequest

FAILURE = "Failed to record outcome"
ITEM_FIELDS = NEW_OUTCOME.rules.keys() | {"idempotencyKey"}


def read_outcome(
    body: dict[str, Any], caller: Caller, types: Types, key: str | None, ignored: Sequence[str] = ()
) -> WriteRequest:
    """Parse the outcome that `caller` wants to record.

    body: a JSON object whose numbers are `Decimal`. types: the valid outcome types. key: the idempotency key, if any.
    ignored: unknown fields.

    Raises BadRequest if the body is invalid, Forbidden if it exceeds the bounds of the caller's key.
    """
    outcome, refusal = NewOutcome.of_caller(body, caller, types, key)
    hash_ = None if key is None else idempotency_hash(caller, outcome, key)
    refusal = refusal or occurrence.refusal(outcome.occurred_at, caller, ignored)
    return WriteRequest(outcome, hash_, caller.recorded_by, refusal)


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
        fault = Fault(field="idempotencyKey", message=f"{WORDS}, or null")
        return BadRequest("Invalid idempotencyKey", [fault])
    return read


class Results(NamedTuple):
    """Results of several outcomes.

    answers: one per outcome, in the same order. created: the newly stored outcomes. failures: the errors.
    """

    answers: list[dict[str, Any]]
    created: list[NewOutcome]
    failures: list[Exception]


def results(read: Sequence[WriteRequest | BadRequest | Forbidden], recorded: Sequence[Recorded | Exception]) -> Results:
    """Combine the results of `read_item` with the results of writing.

    recorded: the result of writing, for each outcome that was read.
    """
    made = iter(recorded)
    ended = [(each, next(made) if isinstance(each, WriteRequest) else each) for each in read]
    return Results(
        [_answer(each, result) for each, result in ended],
        [
            each.outcome
            for each, result in ended
            if isinstance(each, WriteRequest) and isinstance(result, Recorded) and not result.replayed
        ],
        [result for _, result in ended if isinstance(result, Exception)],
    )


def _answer(read: WriteRequest | BadRequest | Forbidden, result: Recorded | Exception) -> dict[str, Any]:
    match result:
        case Recorded(id_, replayed):
            is_unassigned = isinstance(read, WriteRequest) and read.outcome.user_id is None
            recorded = {"status": "replayed" if replayed else "created", "id": id_}
            return recorded | ({"unassigned": True} if is_unassigned else {})
        case BadRequest():
            return {"status": "invalid"} | result.body()
        case Forbidden():
            return {"status": "forbidden"} | result.body()
        case IdempotencyKeyReused():
            return {"status": "conflict"} | result.body()
        case Busy():
            return {"status": "failed", "retryable": True} | result.body()
    return {"status": "failed", "error": FAILURE, "retryable": True}
