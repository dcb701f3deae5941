"""Parse the corrections in request bodies, make several of them, and build responses from the results."""

from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

from outcomes.contract import rules
from outcomes.contract.bodies import Body, ignored_fields
from outcomes.contract.caller import Caller
from outcomes.contract.correction_rules import FIELDS, REASON, Correction
from outcomes.contract.outcome_type import Types
from outcomes.edge.api import Event, is_idempotency_key, log_failures
from outcomes.edge.write_requests import INVALID_KEY, Results, not_done
from outcomes.errors import BadRequest, Busy, Contended, Fault
from outcomes.ledger import ulid
from outcomes.ledger.corrections import Corrected, CorrectionRequest, Corrections
from outcomes.limits import MAX_BULK_CORRECTIONS

FAILURE = "Failed to correct outcome"
BULK_FIELDS = ("reason", "corrections")
ITEM_FIELDS = ("id", *FIELDS, "idempotencyKey")
SEVERAL = f"must be a list of 1 to {MAX_BULK_CORRECTIONS} corrections, each of another outcome"
AN_ID = "must be the id of an outcome"
MAX_SHOWN_ID = 64
"""Characters of an id that a result repeats. A longer text is no outcome's id."""


class _Shared(NamedTuple):
    reason: Annotated[str | None, rules.or_null(REASON)] = None


SHARED = Body(_Shared)


def read_items(body: dict[str, Any]) -> list[Any]:
    """Return the corrections of a body, each with the reason of all if it has none. They are not yet valid.

    Raises BadRequest if the reason of all is invalid, or the corrections are no list of different outcomes.
    """
    faults: list[Fault] = []
    try:
        SHARED.given(body)
    except BadRequest as refused:
        faults += refused.details
    sent = body.get("corrections")
    items: list[Any] = sent if isinstance(sent, list) else []
    ids = [item["id"] for item in items if _has_id(item)]
    if not 1 <= len(items) <= MAX_BULK_CORRECTIONS or len({*ids}) < len(ids):
        faults.append(Fault(field="corrections", message=SEVERAL))
    if faults:
        raise BadRequest(f"Invalid {faults[0]['field']}", faults, ignored_fields(body, BULK_FIELDS))
    reason = {"reason": body.get("reason")}
    return [item | reason if isinstance(item, dict) and item.get("reason") is None else item for item in items]


def correct_each(
    event: Event,
    caller: Caller,
    types: Types,
    corrections: Corrections,
    items: Iterable[tuple[object, str | None]],
    failure: str,
) -> Results:
    """Correct outcomes, each independently of the others. Log the failures.

    items: each correction, and the idempotency key to use if it has none. failure: the message to log.
    """
    items = list(items)
    read = [_read_item(sent, caller, types, key) for sent, key in items]
    corrected = iter(corrections.correct_all([each for each in read if isinstance(each, CorrectionRequest)], caller))
    results = [next(corrected) if isinstance(each, CorrectionRequest) else each for each in read]
    failures = [result for result in results if isinstance(result, Exception)]
    log_failures(event, failure, failures)
    answers = [_answer(*each) for each in zip(items, read, results, strict=True)]
    return Results(answers, failures)


def _read_item(sent: object, caller: Caller, types: Types, default_key: str | None) -> CorrectionRequest | BadRequest:
    """Parse one correction of several. Return the error if it is refused."""
    if not isinstance(sent, dict):
        return BadRequest("Invalid correction")
    if not _has_id(sent):
        return BadRequest("Invalid id", [Fault(field="id", message=AN_ID)], ignored_fields(sent, ITEM_FIELDS))
    id_, key = sent["id"], sent.get("idempotencyKey")
    body = {name: value for name, value in sent.items() if name not in {"id", "idempotencyKey"}}
    is_valid = key is None or is_idempotency_key(key)
    key = (default_key if key is None else key) if is_valid else None
    try:
        # Parse the correction even if its idempotency key is invalid, because its other faults are reported first.
        correction = Correction.parse(body, caller, types, ulid.time_of(id_), key)
    except BadRequest as refused:
        return refused
    if not is_valid:
        return BadRequest("Invalid idempotencyKey", [INVALID_KEY], correction.ignored)
    return CorrectionRequest(id_, correction, key)


def _has_id(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("id"), str)


def _answer(
    item: tuple[Any, str | None], read: CorrectionRequest | BadRequest, result: Corrected | Exception
) -> dict[str, Any]:
    """Return the result of one correction. It never shows what is recorded."""
    id_ = item[0]["id"] if _has_id(item[0]) else ""
    about = {"id": id_} if 0 < len(id_) <= MAX_SHOWN_ID and id_.isascii() and id_.isprintable() else {}
    ignored = read.ignored if isinstance(read, BadRequest) else read.correction.ignored
    if isinstance(result, Corrected):
        said = {
            "status": "replayed" if result.replayed else "corrected",
            **about,
            "correction": result.id,
            "outcome_status": result.status,
            "version": result.version,
        }
    else:
        said = not_done(result, FAILURE, (Busy, Contended))
        said = {"status": said.pop("status")} | about | said
    return said | ({"ignored": ignored} if ignored else {})
