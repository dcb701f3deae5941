"""Parse the API's answers strictly. Each function raises BrokenAnswerError if an answer violates the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from . import _json, _readers
from ._errors import BrokenAnswerError, CapabilityOffError, ForbiddenError, UnexpectedAnswerError
from ._http import Reply, Request
from ._models import ByRule, Corrected, CorrectionResult, ExportPart, NewAgentKey, Recorded, Result, Summary
from ._parsing import (
    boolean,
    details_of,
    done,
    flag,
    ignored_of,
    json_object,
    list_of,
    or_none,
    shaped,
    text,
    text_or_none,
    whole,
)
from ._refusals import refusal

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def recorded(reply: Reply, key: str) -> Recorded:
    """Parse the answer to a recording."""
    # Always parse the body, even if the headers contain everything needed: a proxy's page may also have status 200.
    body = json_object(reply)
    outcome_id = reply.headers.get("Outcome-Id") or body.get("id")
    if body.get("ok") is not True or not isinstance(outcome_id, str):
        raise BrokenAnswerError("200, but without ok or the outcome's id", status=200)
    return Recorded(outcome_id, flag(reply, "Idempotent-Replayed"), key, ignored_of(reply), flag(reply, "Unassigned"))


def corrected(reply: Reply, key: str) -> Corrected:
    """Parse the answer to a correction."""
    return shaped(_corrected, done(reply), reply, key)


def _corrected(body: dict[str, Any], reply: Reply, key: str) -> Corrected:
    outcome = _readers.outcome(body["outcome"]) if "outcome" in body else None
    said = body.get("outcome", body)
    status, version = text(said["status"]), whole(said["version"])
    return Corrected(
        text(body["id"]), status, version, outcome, flag(reply, "Idempotent-Replayed"), key, ignored_of(reply)
    )


def assigned(reply: Reply) -> str:
    """Parse the answer to an assignment. Return the id of the user's outcome."""
    return shaped(text, done(reply).get("id"))


def version(reply: Reply) -> int:
    """Parse the answer to a change of costs, of a definition or of a watch. Return its version."""
    return shaped(whole, done(reply).get("version"))


def stored(reply: Reply) -> tuple[int, tuple[str, ...]]:
    """Parse the answer to a PUT of costs, of a definition or of a watch. Return its version, and the ignored fields."""
    return version(reply), ignored_of(reply)


def made(reply: Reply) -> tuple[NewAgentKey, tuple[str, ...]]:
    """Parse the answer to a request for a new secret. Return the key, and the ignored fields."""
    return shaped(_readers.new_agent_key, json_object(reply)), ignored_of(reply)


def trial(reply: Reply) -> tuple[ByRule | None, tuple[str, ...]]:
    """Parse the answer to a trial of a definition. Return what would count, and the fields that were not read."""
    return shaped(lambda body: or_none(_readers.by_rule)(body["by_rule"]), json_object(reply)), ignored_of(reply)


def model[T](read: Callable[[dict[str, Any]], T]) -> Callable[[Reply], T]:
    """Return a function that parses an answer which is one model."""
    return lambda reply: shaped(read, json_object(reply))


def rows[T](member: str, read: Callable[[dict[str, Any]], T]) -> Callable[[Reply], list[T]]:
    """Return a function that parses an answer which is a list of models."""
    return lambda reply: shaped(list_of(read), json_object(reply).get(member))


def results[R](
    reply: Reply, sent: Sequence[Mapping[str, Any]], read: Callable[[dict[str, Any], Mapping[str, Any], Reply], R]
) -> list[R]:
    """Parse the results of a batch, one for each item that was sent. read: `result` or `correction`."""
    items = reply.hide(json_object(reply).get("results"))
    if not isinstance(items, list) or len(items) != len(sent):
        raise BrokenAnswerError("200, but not one result for each item", status=200)
    return [shaped(read, item, body, reply) for item, body in zip(items, sent, strict=True)]


def result(item: dict[str, Any], sent: Mapping[str, Any], reply: Reply) -> Result:
    status = item["status"]
    if status not in ("created", "replayed", "invalid", "forbidden", "conflict", "limited", "failed"):
        raise ValueError(status)
    retryable = status == "failed" and item.get("retryable") is True
    outcome_id = text(item["id"]) if status in ("created", "replayed") else None
    error, is_unassigned = text_or_none(item.get("error")), item.get("unassigned") is True
    key, names = str(sent["idempotencyKey"]), _ignored(item)
    return Result(status, key, outcome_id, error, details_of(item, reply), retryable, names, is_unassigned)


def correction(item: dict[str, Any], sent: Mapping[str, Any], reply: Reply) -> CorrectionResult:
    """Parse the result of one correction. A status that this client does not know is a failure for good."""
    status = text(item["status"])
    is_done = status in ("corrected", "replayed")
    known: Any = status if is_done or status in _REFUSED else "failed"
    return CorrectionResult(
        known,
        str(sent.get("id")),
        str(sent["idempotencyKey"]),
        text(item["correction"]) if is_done else None,
        text(item["outcome_status"]) if is_done else None,
        whole(item["version"]) if is_done or "version" in item else None,
        None if is_done else text_or_none(item.get("error")) or status,
        details_of(item, reply),
        status == "failed" and item.get("retryable") is True,
        _ignored(item),
    )


_REFUSED = ("invalid", "forbidden", "not_found", "not_possible", "stale", "conflict", "limited")


def _ignored(item: dict[str, Any]) -> tuple[str, ...]:
    ignored = item.get("ignored")
    return tuple(unquote(text(name)) for name in ignored) if isinstance(ignored, list) else ()


def export_part(reply: Reply, media_type: str) -> ExportPart:
    """Parse a part of an export."""
    said = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    lines = shaped(reply.body.decode)
    if said != media_type or not (lines or "\n").endswith("\n"):
        raise BrokenAnswerError(f"200, but not complete lines of {media_type}", status=200)
    return ExportPart(lines, reply.headers.get("Next-Cursor"))


def document(reply: Reply, member: str) -> bytes:
    """Return the bytes of an answer unchanged, after checking that it is a JSON object with this member."""
    if member not in json_object(reply):
        raise BrokenAnswerError(f"200, but without {member}", status=200)
    return reply.body


def exported(line: str) -> dict[str, Any]:
    """Parse a line of an NDJSON export: instants to datetime, `value_usd` to Decimal, `metadata` to its JSON text.

    If it says what the outcome counts for, this is in columns, as in CSV.
    """
    return shaped(lambda: _row(_json.decode(line.encode())))


def _row(item: dict[str, Any]) -> dict[str, Any]:
    outcome = _readers.outcome({**item, "status": item["status"], "version": 0})
    row = outcome.as_dict()
    del row["version"]
    metadata = None if item["metadata"] is None else _json.encode(item["metadata"]).decode()
    instants = {name: value for name, value in vars(outcome).items() if isinstance(value, datetime)}
    if "counts" in item:
        counts = or_none(_readers.counts)(item["counts"])
        row |= {f"counts_{name}": getattr(counts, name, None) for name in ("state", "on", "usd")}
        row["imported"] = or_none(boolean)(item.get("imported"))
    return {**row, "metadata": metadata, **instants}


def summary[S: Summary](reply: Reply, read: Callable[[dict[str, Any]], S], query: Sequence[tuple[str, str]]) -> S:
    """Parse the totals that `query` asked for.

    Raises:
        UnexpectedAnswerError: the API is too old to support a parameter of the query, and returned different totals.
    """
    body = json_object(reply)
    totals = shaped(read, body)
    if not body.keys() & {"by_day", "by_week", "by_month"}:
        raise BrokenAnswerError("200, but not as the contract says: KeyError 'by_day'", status=200)
    asked = dict(query)
    types = {value for name, value in query if name == "outcomeType"}
    statuses = {value for name, value in query if name == "status"}
    apart = {"confirmed": totals.confirmed.count, "disputed": totals.disputed.count, "void": totals.voided.count}
    strange = {
        "by": totals.by_day and asked.get("by", "day") != "day",
        "compare": "compare" in asked and totals.previous is None,
        "outcomeType": types and {one.outcome_type for one in totals.by_type} - types,
        "agentId": "agentId" in asked and {str(one.agent_id or "none") for one in totals.by_agent} - {asked["agentId"]},
    }
    if statuses and statuses <= apart.keys():  # an older API ignores the parameter `status`
        strange["status"] = totals.count != sum(apart[each] for each in statuses)
    if unread := [name for name, is_strange in strange.items() if is_strange]:
        message = f"200, but this API is too old to know {', '.join(unread)}: these are other totals"
        raise UnexpectedAnswerError(message, status=200)
    return totals


def relayed(reply: Reply, request: Request) -> bytes | None:
    """Parse the answer to an MCP message. Return the answer as a message in one line, or None.

    Raises:
        UnexpectedAnswerError: the API has no `/mcp`.
        CapabilityOffError: ModelTools is off.
        BrokenAnswerError: the answer is not an MCP message.
    """
    if reply.status == 202:
        return None
    try:
        body = _json.decode(reply.body)
    except ValueError:
        body = None
    is_message = isinstance(body, list) or (isinstance(body, dict) and "jsonrpc" in body)
    if is_message and (reply.status == 200 or body == reply.hide(body)):
        return reply.body.translate(_ONE_LINE)
    if reply.status == 200:
        raise BrokenAnswerError("200, but not a message of the Model Context Protocol", status=200)
    failure = refusal(reply, request)
    if isinstance(failure, CapabilityOffError):
        raise failure
    if reply.status == 404 or (reply.status == 403 and not isinstance(failure, ForbiddenError)):
        message = f"{reply.status}: there is no {request.path} at this URL (OUTCOMES_URL)"
        message += ": the API is older than this client; deploy the current one"
        raise UnexpectedAnswerError(message, status=reply.status)
    raise failure
