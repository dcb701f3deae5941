"""Read answers of the API strictly: what is not as the contract says is an error, never a surprise later on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from . import _json
from ._errors import (
    ApiError,
    BrokenAnswerError,
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidOutcomeError,
    KeyReusedError,
    NotFoundError,
    OutcomesError,
    ServerError,
    StillAddingUpError,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from ._http import Reply, Request, retry_after
from ._models import (
    AgentKey,
    AgentTotal,
    Corrected,
    Correction,
    DayTotal,
    ExportPart,
    History,
    NewAgentKey,
    OtherAgents,
    Outcome,
    Page,
    PeriodTotal,
    Recorded,
    Result,
    Summary,
    Total,
    TypeTotal,
)

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
_REFUSALS: dict[int, type[ApiError]] = {
    400: InvalidOutcomeError,
    401: UnauthorizedError,
    409: ConflictError,
    413: InvalidOutcomeError,
    422: KeyReusedError,
    429: BusyError,
}


def refusal(reply: Reply, request: Request) -> OutcomesError:
    """Tell which error an answer other than 200 means."""
    try:
        body = _json.decode(reply.body)
    except ValueError:
        body = None
    body = reply.hide(body) if isinstance(body, dict) else {}
    error, details = _text_or_none(body.get("error")), _details(body, reply)
    kind = _kind(reply, request, error)
    if kind is None:
        message = f"{reply.status} {error or ''}".strip() + ": is this the URL of an Outcomes API?"
        return UnexpectedAnswerError(message, status=reply.status, error=error, details=details)
    said = sentence(f"{reply.status} {error or 'without a reason'}", details, of_key=kind is ForbiddenError)
    if kind is UnauthorizedError:
        said += f": {reply.credential} is not valid, or no longer; `outcomes doctor` looks into it"
    elif kind is ForbiddenError and not details:
        said += f": {reply.credential} may not do this; `outcomes doctor` looks into it"
    elif kind is StillAddingUpError:
        said += ": the API keeps what it has added up, and goes on from there"
    elif kind is NotFoundError:
        said += f": this user has no such {request.names}"
    ignored = _ignored(reply)
    if ignored:
        said += f"; not read: {', '.join(ignored)}"
    return kind(
        said,
        status=reply.status,
        error=error,
        details=details,
        retry_after=retry_after(reply.headers),
        ignored_fields=ignored,
    )


def _kind(reply: Reply, request: Request, error: str | None) -> type[ApiError] | None:
    match reply.status, error:
        case 403, "Forbidden":
            return ForbiddenError
        case 404, "Not found" if request.names:
            return NotFoundError
        case 409, _ if "Retry-After" in reply.headers:
            return BusyError
        case 503, "Busy":  # any other 503 does not say that nothing was stored
            return BusyError
        case 503, "Still adding up":
            return StillAddingUpError
    return ServerError if reply.status >= 500 else _REFUSALS.get(reply.status)


def sentence(error: str, details: Sequence[Mapping[str, Any]], of_key: bool = False) -> str:
    """Say what was refused, and of each faulty field what is asked of it, or what the bounds `of_key` are."""
    form = "{message} ({field})" if of_key else "{field} {message}"
    faults = "; ".join(form.format(field=one.get("field"), message=one.get("message")) for one in details)
    return f"{error}: {faults}" if faults else error


def recorded(reply: Reply, key: str) -> Recorded:
    """Read the answer to a recording.

    Raises:
        BrokenAnswerError: it does not say what was recorded.
    """
    # The body must be read although a key's caller learns nothing from it: a proxy's page is also a 200.
    body = _object(reply)
    outcome_id = reply.headers.get("Outcome-Id") or body.get("id")
    if body.get("ok") is not True or not isinstance(outcome_id, str):
        raise BrokenAnswerError("200, but neither ok nor the outcome's id", status=200)
    return Recorded(outcome_id, _flag(reply, "Idempotent-Replayed"), key, _ignored(reply), _flag(reply, "Unassigned"))


def corrected(reply: Reply, key: str) -> Corrected:
    """Read the answer to a correction.

    Raises:
        BrokenAnswerError: it does not say what was corrected.
    """
    body = _object(reply)
    if body.get("ok") is not True:
        raise BrokenAnswerError("200, but not ok", status=200)
    return _shaped(lambda: _corrected(body, reply, key))


def _corrected(body: dict[str, Any], reply: Reply, key: str) -> Corrected:
    outcome = _outcome(body["outcome"]) if "outcome" in body else None
    standing = body.get("outcome", body)
    status, version = _text(standing["status"]), _whole(standing["version"])
    return Corrected(
        _text(body["id"]), status, version, outcome, _flag(reply, "Idempotent-Replayed"), key, _ignored(reply)
    )


def history(reply: Reply) -> History:
    """Read an outcome with its corrections.

    Raises:
        BrokenAnswerError: it is none.
    """
    body = _object(reply)
    return _shaped(lambda: History(_outcome(body["outcome"]), [_correction(item) for item in body["corrections"]]))


def _correction(item: dict[str, Any]) -> Correction:
    changes = item.get("changes")
    return Correction(
        id=_text(item["id"]),
        type=_text(item["type"]),
        reason=None if item["reason"] is None else _text(item["reason"]),
        by=None if item["by"] is None else _text(item["by"]),
        created_at=_instant(item["created_at"]),
        changes=None if changes is None else {name: _change(name, change) for name, change in changes.items()},
    )


def _change(name: str, change: dict[str, Any]) -> dict[str, Any]:
    if name == "value_usd":
        return {when: None if value is None else _amount(value) for when, value in change.items()}
    return {when: _json.plain(value) for when, value in change.items()}


def _flag(reply: Reply, name: str) -> bool:
    return reply.headers.get(name, "").lower() == "true"


def results(reply: Reply, keys: Sequence[str]) -> list[Result]:
    """Read one result for each item, whose idempotency keys are `keys`.

    Raises:
        BrokenAnswerError: there are more or fewer, or one says nothing that is known.
    """
    items = reply.hide(_object(reply).get("results"))
    if not isinstance(items, list) or len(items) != len(keys):
        raise BrokenAnswerError("200, but not one result for each item", status=200)
    return [_shaped(_result, item, key, reply) for item, key in zip(items, keys, strict=True)]


def _result(item: dict[str, Any], key: str, reply: Reply) -> Result:
    status = item["status"]
    if status not in ("created", "replayed", "invalid", "forbidden", "conflict", "failed"):
        raise ValueError(status)
    retryable = status == "failed" and item.get("retryable") is True
    outcome_id = _text(item["id"]) if status in ("created", "replayed") else None
    ignored = item.get("ignored")
    names = tuple(unquote(_text(name)) for name in ignored) if isinstance(ignored, list) else ()
    error, is_unassigned = _text_or_none(item.get("error")), item.get("unassigned") is True
    return Result(status, key, outcome_id, error, _details(item, reply), retryable, names, is_unassigned)


def page(reply: Reply) -> Page:
    """Read a page of outcomes.

    Raises:
        BrokenAnswerError: it is none.
    """
    body = _object(reply)
    outcomes, cursor = body.get("outcomes"), body.get("next_cursor")
    if not isinstance(outcomes, list) or not isinstance(cursor, str | None):
        raise BrokenAnswerError("200, but no list of outcomes", status=200)
    return Page([_shaped(_outcome, item) for item in outcomes], cursor)


def export_part(reply: Reply, media_type: str) -> ExportPart:
    """Read a part of an export, which is of this media type.

    Raises:
        BrokenAnswerError: it is none, or not whole lines.
    """
    said = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    text = _shaped(reply.body.decode)
    if said != media_type or not (text or "\n").endswith("\n"):
        raise BrokenAnswerError(f"200, but no lines of {media_type}", status=200)
    return ExportPart(text, reply.headers.get("Next-Cursor"))


def exported(line: str) -> dict[str, Any]:
    """Read a line of an NDJSON export: instants as datetime, `value_usd` as Decimal, `metadata` as its JSON text.

    Raises:
        BrokenAnswerError: it is none.
    """
    return _shaped(lambda: _row(_json.decode(line.encode())))


def _row(item: dict[str, Any]) -> dict[str, Any]:
    row = _outcome({**item, "version": 0}).as_dict()
    del row["version"]
    metadata = None if item["metadata"] is None else _json.encode(item["metadata"]).decode()
    return {**row, "metadata": metadata, **{name: _instant(item[name]) for name in ("created_at", "occurred_at")}}


def _outcome(item: dict[str, Any]) -> Outcome:
    if not isinstance(item["metadata"], dict | None):
        raise TypeError("metadata is no object")
    return Outcome(
        id=_text(item["id"]),
        user_id=_whole_or_none(item["user_id"]),
        agent_id=_whole_or_none(item["agent_id"]),
        outcome_type=_text(item["outcome_type"]),
        title=_text(item["title"]),
        description=None if item["description"] is None else _text(item["description"]),
        value_usd=None if item["value_usd"] is None else _amount(item["value_usd"]),
        metadata=_json.plain(item["metadata"]),
        created_at=_instant(item["created_at"]),
        **(_standing(item) if "status" in item else {}),
    )


def _standing(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": _text(item["status"]),
        "occurred_at": _instant(item["occurred_at"]),
        "recorded_by": None if item["recorded_by"] is None else _text(item["recorded_by"]),
        "version": _whole(item["version"]),
    }


def summary(reply: Reply, query: Sequence[tuple[str, str]]) -> Summary:
    """Read the totals of a period, which were asked for by `query`.

    Raises:
        BrokenAnswerError: there are none.
        UnexpectedAnswerError: the API is too old to know what was asked: these are other totals.
    """
    totals = _shaped(_totals, _object(reply))
    asked = dict(query)
    types = {value for name, value in query if name == "outcomeType"}
    strange = {
        "by": totals.by_day and asked.get("by", "day") != "day",
        "compare": "compare" in asked and totals.previous is None,
        "outcomeType": types and {one.outcome_type for one in totals.by_type} - types,
        "agentId": "agentId" in asked and {str(one.agent_id) for one in totals.by_agent} - {asked["agentId"]},
    }
    if unread := [name for name, is_strange in strange.items() if is_strange]:
        message = f"200, but for another question: this API is too old to know {', '.join(unread)}"
        raise UnexpectedAnswerError(message, status=200)
    return totals


def _totals(body: dict[str, Any]) -> Summary:
    def total(item: dict[str, Any]) -> dict[str, Any]:
        count = _whole(item["count"])
        if count < 0:
            raise ValueError(f"{count} outcomes")
        return {"count": count, "value_usd": _amount(item["value_usd"])}

    def dated(name: str) -> list[DayTotal]:
        return [DayTotal(**total(one), date=date.fromisoformat(one["date"])) for one in body.get(name, [])]

    if not body.keys() & {"by_day", "by_week", "by_month"}:
        raise KeyError("by_day")
    standing: dict[str, Any] = {
        name: Total(**total(body[name])) for name in ("confirmed", "disputed", "voided") if name in body
    }
    if "previous" in body:
        before = body["previous"]
        standing["previous"] = PeriodTotal(**total(before), start=_text(before["from"]), end=_text(before["to"]))
    if "other_agents" in body:
        others = body["other_agents"]
        standing["other_agents"] = OtherAgents(**total(others), agents=_whole(others["agents"]))
    return Summary(
        **total(body),
        start=_text(body["from"]),
        end=_text(body["to"]),
        timezone=_text(body["timezone"]),
        by_type=[TypeTotal(**total(one), outcome_type=_text(one["outcome_type"])) for one in body["by_type"]],
        by_agent=[AgentTotal(**total(one), agent_id=_whole_or_none(one["agent_id"])) for one in body["by_agent"]],
        by_day=dated("by_day"),
        by_week=dated("by_week"),
        by_month=dated("by_month"),
        **standing,
    )


def key(reply: Reply) -> AgentKey:
    """Read an agent key's description.

    Raises:
        BrokenAnswerError: it is none.
    """
    return AgentKey(**_shaped(_bounds, _object(reply)))


def new_key(reply: Reply) -> NewAgentKey:
    """Read a key that was just made, with its text.

    Raises:
        BrokenAnswerError: it is none; a key may have been made that nobody has.
    """
    body = _object(reply)
    return NewAgentKey(**_shaped(_bounds, body), key=_shaped(_text, body.get("key")))


def keys(reply: Reply) -> list[AgentKey]:
    """Read a list of keys.

    Raises:
        BrokenAnswerError: it is none.
    """
    items = _object(reply).get("keys")
    if not isinstance(items, list):
        raise BrokenAnswerError("200, but no list of keys", status=200)
    return [AgentKey(**_shaped(_bounds, item)) for item in items]


def revoked(reply: Reply) -> None:
    """Read that a key is revoked.

    Raises:
        BrokenAnswerError: it does not say so.
    """
    if _object(reply).get("ok") is not True:
        raise BrokenAnswerError("200, but not ok", status=200)


def _bounds(item: dict[str, Any]) -> dict[str, Any]:
    types, cap = item["outcome_types"], item["max_value_usd"]
    return {
        "id": _text(item["id"]),
        "user_id": _whole(item["user_id"]),
        "name": _text(item["name"]),
        "agent_id": _whole_or_none(item["agent_id"]),
        "outcome_types": None if types is None else tuple(map(_text, types)),
        "max_value_usd": None if cap is None else _amount(cap),
        "scopes": tuple(map(_text, item["scopes"])),
        **{name: _instant_or_none(item[name]) for name in ("expires_at", "last_used_at")},
        "created_at": _instant(item["created_at"]),
        # An older API does not say so, and would have made a key all the same.
        **{name: _text_or_none(item.get(name)) for name in ("made_by", "rotated_by")},
        "rotated_at": _instant_or_none(item.get("rotated_at")),
    }


def relayed(reply: Reply, request: Request) -> bytes | None:
    """Read the answer to a message of the Model Context Protocol: another one, as one line, or None.

    Raises:
        UnexpectedAnswerError: the API has no `/mcp`.
        BrokenAnswerError: it is no message.
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
        raise BrokenAnswerError("200, but no message of the Model Context Protocol", status=200)
    failure = refusal(reply, request)
    if reply.status == 404 or (reply.status == 403 and not isinstance(failure, ForbiddenError)):
        none = (
            f"there is no {request.path} at this URL (OUTCOMES_URL): the API is older than this client; deploy it anew"
        )
        raise UnexpectedAnswerError(f"{reply.status}: {none}", status=reply.status)
    raise failure


def _object(reply: Reply) -> dict[str, Any]:
    try:
        body = _json.decode(reply.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BrokenAnswerError("200, but the body is not a JSON object", status=200)
    return body


def _shaped[T](read: Callable[..., T], *arguments: object) -> T:
    """Let `read` make something of a part of an answer; BrokenAnswerError when that is not as the contract says."""
    try:
        return read(*arguments)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        # A ValueError quotes what it was given, which may be anything: an echo of the key, say.
        why = type(exc).__name__ if isinstance(exc, ValueError) else f"{type(exc).__name__} {exc}"
        raise BrokenAnswerError(f"200, but not as the contract says: {why}", status=200) from None


def _ignored(reply: Reply) -> tuple[str, ...]:
    """Read the names of the fields that were not read."""
    names = reply.headers.get("Ignored-Fields", "").split(",")
    return tuple(unquote(name.strip()) for name in names if name.strip())


def _details(item: Mapping[str, Any], reply: Reply) -> list[Mapping[str, Any]]:
    """Read what to mend; of a wrong type, a header names the right ones."""
    details, types = item.get("details"), reply.headers.get("Outcome-Types")
    if types and item.get("error") == "Invalid outcome_type":
        return [{"field": "outcomeType", "message": f"must be one of {types}"}]
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text was expected")
    return value


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int:
    # Written with an exponent it is a Decimal, and one of thirty million digits would be an int only tomorrow.
    if type(value) is not int:
        raise TypeError(f"{type(value).__name__} where a whole number was expected")
    return value


def _whole_or_none(value: object) -> int | None:
    return None if value is None else _whole(value)


def _amount(value: object) -> Decimal:
    """Read US dollars: values are below 1e15 and no nearer to zero than 1e-130, and no sum of them is far off."""
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} where a number was expected")
    amount = Decimal(value)
    if not -200 <= amount.adjusted() <= 100:
        raise ValueError("an amount beyond all that outcomes are worth")
    return amount


def _instant(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    # The years at both ends have instants that other time zones have no date for.
    if moment.tzinfo is None or not 1970 <= moment.year < 9999:
        raise ValueError(f"no instant of an outcome: {value}")
    return moment.astimezone(UTC)


def _instant_or_none(value: object) -> datetime | None:
    return None if value is None else _instant(value)
