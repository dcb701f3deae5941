"""Read a file of outcomes so that it can be read again: the same line always gets the same idempotency key."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any

from . import _json
from ._answers import sentence
from ._calls import BATCH_ITEMS
from ._errors import BusyError, OutcomesError
from ._models import Result

if TYPE_CHECKING:
    from ._client import OutcomesClient

# How a request spells what a list, an export or a Python call spells otherwise.
_SENT_AS = {
    "outcome_type": "outcomeType",
    "value_usd": "valueUsd",
    "agent_id": "agentId",
    "user_id": "userId",
    "idempotency_key": "idempotencyKey",
    "occurred_at": "occurredAt",
    "createdAt": "created_at",
}
_STANDING = ("status", "recorded_by", "version")


@dataclass(frozen=True)
class Line:
    """Holds a line of the file: a body to record, or why there is none."""

    number: int
    size: int  # bytes, for the progress bar
    body: dict[str, Any] | None
    fault: str = ""


def lines(file: Iterable[bytes], scope: str) -> Iterator[Line]:
    """Read the lines that are not blank, and give each its key.

    A line is a request body of the API or an outcome as the API lists it. One that names no `idempotencyKey` gets one
    from what it says (layout, key order and spelling do not matter) and from how many equal lines stand before it. So
    an interrupted import may be repeated; a line that is added, or edited, is a new outcome; lines may be moved,
    removed or spread over files. `scope` sets apart what is equal and yet new. A listed outcome that does not say when
    it happened, happened when it was recorded.
    """
    seen: Counter[bytes] = Counter()
    for number, line in enumerate(file, start=1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if not text:
            continue
        try:
            body = _read(text)
            canonical = _json.canonical(body)
        except (ValueError, RecursionError) as exc:
            yield Line(number, len(line), None, f"Invalid line: {exc}")
            continue
        if "idempotencyKey" not in body:
            digest = hashlib.sha256(scope.encode() + b"\0" + canonical).digest()
            seen[digest] += 1
            body["idempotencyKey"] = f"import-{digest.hex()}-{seen[digest]}"
        if "created_at" in body:  # the API gave it this id and time: it is told apart by them, and gets new ones
            created_at = body.pop("created_at")
            body.pop("id", None)
            body.setdefault("occurredAt", created_at)
        yield Line(number, len(line), body)


def _read(text: bytes) -> dict[str, Any]:
    """Read a line, its fields spelled as in a request; an idempotency key that is null is none.

    Of a listed outcome, what the ledger adds is left out where it does not make it another one: the same may be listed
    without it, or be confirmed meanwhile.

    Raises:
        ValueError: it is not the JSON text of an object, or says a field in both spellings.
    """
    said: dict[str, Any] = _json.decode(text)
    if not isinstance(said, dict):
        raise ValueError("not a JSON object")
    body = {_SENT_AS.get(name, name): value for name, value in said.items()}
    if len(body) < len(said):
        raise ValueError("it says {} and {}".format(*next(pair for pair in _SENT_AS.items() if said.keys() >= {*pair})))
    if body.get("idempotencyKey") is None:
        body.pop("idempotencyKey", None)
    if "created_at" in body:
        for name in _STANDING:
            body.pop(name, None)
        if body.get("occurredAt") in (None, body["created_at"]):
            body.pop("occurredAt", None)
    return body


@dataclass(frozen=True)
class Outcome:
    """Says how one line ended: recorded, refused or unsent."""

    line: Line
    status: str
    reason: str = ""
    ignored_fields: tuple[str, ...] = ()


def record(client: OutcomesClient, parsed: Iterable[Line]) -> Iterator[tuple[list[Outcome], OutcomesError | None]]:
    """Record the lines in batches; yield what became of each, and the error that ended the import, if one did."""
    for batch in batched(parsed, BATCH_ITEMS):
        readable = [line for line in batch if line.body is not None]
        unreadable = [Outcome(line, "refused", line.fault) for line in batch if line.body is None]
        failure = None
        try:
            results = client.record_many(line.body for line in readable if line.body is not None)
        except OutcomesError as exc:
            failure, results = exc, exc.results
        done = [_outcome(line, result) for line, result in zip(readable, results, strict=True)]
        if failure is None and done and all(one.status == "unsent" for one in done):
            # The client has waited for its whole deadline; the next batch would wait as long, and so on for hours.
            failure = BusyError(f"none of {len(done)} lines was taken: {done[0].reason}")
        yield sorted(done + unreadable, key=lambda one: one.line.number), failure
        if failure is not None:
            return


def _outcome(line: Line, result: Result) -> Outcome:
    if result.ok:
        return Outcome(line, result.status, ignored_fields=result.ignored_fields)
    reason = sentence(str(result.error), result.details, of_key=result.status == "forbidden")
    return Outcome(line, "unsent" if result.retryable else "refused", reason, result.ignored_fields)
