"""Build JSON bodies, batches within the API's limits, and query parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from . import _json, _moments
from ._choices import IdOrNone, Time
from ._errors import InvalidOutcomeError, InvalidRequestError
from ._models import SENT_AS
from ._moments import Moment
from ._refusals import sentence

BATCH_ITEMS = 100
BATCH_BYTES = 1024 * 1024
_CHANGED_AS = {name: sent for name, sent in SENT_AS.items() if name not in ("user_id", "idempotency_key")}


def check_key(key: str) -> str:
    """Return `key` if it is a valid idempotency key: 1 to 255 visible ASCII characters.

    Raises:
        InvalidOutcomeError: it is not valid.
    """
    if isinstance(key, str) and re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        return key
    error, details = (
        "Invalid Idempotency-Key",
        [{"field": "idempotencyKey", "message": "must be 1 to 255 visible ASCII characters"}],
    )
    raise InvalidOutcomeError(sentence(error, details), error=error, details=details)


def in_request(given: Mapping[str, Any], sent_as: Mapping[str, str] = _CHANGED_AS) -> dict[str, Any]:
    """Convert field names to the names in requests. sent_as: those that differ; by default, of changes.

    Raises:
        ValueError: a field is given in two spellings, such as `agent_id` and `agentId`.
    """
    said = {
        sent_as.get(name, name): _moments.of_body(value) if isinstance(value, date) else value
        for name, value in given.items()
    }
    if len(said) < len(given):
        raise ValueError("a field is given in two spellings")
    return said


def encode(body: Mapping[str, Any]) -> bytes:
    """Write the body as JSON. Raises InvalidOutcomeError, which names the fields that JSON cannot represent."""
    try:
        return _json.encode(body)
    except (TypeError, ValueError, RecursionError):
        details = []
        for name, value in body.items():
            try:
                _json.encode(value)
            except (TypeError, ValueError, RecursionError) as exc:
                details.append({"field": str(name), "message": f"cannot be written as JSON: {exc}"})
        error = f"Invalid {details[0]['field'] if details else 'outcome'}"
        raise InvalidOutcomeError(sentence(error, details), error=error, details=details) from None


def batches(
    bodies: Mapping[int, dict[str, Any]], around: int, refuse: Callable[[int, InvalidOutcomeError], None]
) -> Iterator[dict[int, bytes]]:
    """Yield batches, which map an item's number in `bodies` to its JSON.

    around: the size of a batch without items. refuse: called for items that are too large or not valid JSON.
    """
    batch: dict[int, bytes] = {}
    room = BATCH_BYTES - around
    size = 0
    for number, body in bodies.items():
        try:
            item = encode(body)
            if len(item) > room:
                raise InvalidOutcomeError("Payload too large", error="Payload too large")
        except InvalidOutcomeError as refused:
            refuse(number, refused)
            continue
        if len(batch) == BATCH_ITEMS or size + len(item) > room:
            yield batch
            batch, size = {}, 0
        batch[number] = item
        size += len(item) + 1  # plus its comma
    if batch:
        yield batch


def filters(
    outcome_type: str | Iterable[str] | None,
    agent_id: IdOrNone | None,
    start: Moment | None,
    end: Moment | None,
    status: str | Iterable[str] | None,
    user_id: IdOrNone | None,
    time: Time | None = None,
    recorded_by: str | None = None,
) -> list[tuple[str, str]]:
    """Return the query parameters that lists, exports and summaries have in common."""
    return [
        *repeated("outcomeType", outcome_type),
        *parameters(agentId=agent_id, recordedBy=recorded_by, time=time),
        *parameters(**{"from": _moments.of_query(start), "to": _moments.of_query(end)}),
        *repeated("status", status),
        *parameters(userId=user_id),
    ]


def parameters(**values: object) -> list[tuple[str, str]]:
    return [(name, utf8(value)) for name, value in values.items() if value is not None]


def listed[T](values: str | Iterable[T]) -> list[T | str]:
    """Return one or several values as a list."""
    return [values] if isinstance(values, str) else list(values)


def repeated(name: str, values: str | Iterable[str] | None) -> list[tuple[str, str]]:
    return [(name, utf8(value)) for value in listed(values or ())]


def utf8(value: object) -> str:
    """Return a value as text for a path or a query. Raises InvalidRequestError if UTF-8 cannot represent it."""
    try:
        return str(value).encode().decode()
    except UnicodeEncodeError as exc:
        raise InvalidRequestError("an argument is not UTF-8. Nothing was sent.") from exc
