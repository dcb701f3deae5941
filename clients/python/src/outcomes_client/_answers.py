"""Parse the API's answers strictly. Each function raises BrokenAnswerError if an answer violates the contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote

from . import _json, _models
from ._errors import BrokenAnswerError, CapabilityOffError, ForbiddenError, UnexpectedAnswerError
from ._http import Reply, Request
from ._models import (
    AgentKey,
    AgentTotal,
    Corrected,
    Correction,
    DayTotal,
    ExportPart,
    History,
    ListedStatement,
    NewAgentKey,
    OtherAgents,
    Outcome,
    Page,
    PeriodTotal,
    Recorded,
    Result,
    StatementPage,
    Summary,
    Total,
    TypeTotal,
)
from ._parsing import (
    amount,
    amount_or_none,
    details_of,
    done,
    flag,
    ignored_of,
    instant,
    instant_or_none,
    json_object,
    shaped,
    text,
    text_or_none,
    whole,
    whole_or_none,
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
    outcome = _outcome(body["outcome"]) if "outcome" in body else None
    said = body.get("outcome", body)
    status, version = text(said["status"]), whole(said["version"])
    return Corrected(
        text(body["id"]), status, version, outcome, flag(reply, "Idempotent-Replayed"), key, ignored_of(reply)
    )


def assigned(reply: Reply) -> str:
    """Parse the answer to an assignment. Return the id of the user's outcome."""
    return shaped(text, done(reply).get("id"))


def history(reply: Reply) -> History:
    """Parse an outcome with its corrections."""
    body = json_object(reply)
    return shaped(lambda: History(_outcome(body["outcome"]), [_correction(item) for item in body["corrections"]]))


def _correction(item: dict[str, Any]) -> Correction:
    changes = item.get("changes")
    return Correction(
        id=text(item["id"]),
        type=text(item["type"]),
        reason=None if item["reason"] is None else text(item["reason"]),
        by=None if item["by"] is None else text(item["by"]),
        created_at=instant(item["created_at"]),
        changes=None if changes is None else {name: _change(name, change) for name, change in changes.items()},
        assigned_to=whole_or_none(item.get("assigned_to")),
        assigned_id=None if item.get("assigned_id") is None else text(item["assigned_id"]),
    )


def _change(name: str, change: dict[str, Any]) -> dict[str, Any]:
    if name == "value_usd":
        return {when: amount_or_none(value) for when, value in change.items()}
    return {when: _json.plain(value) for when, value in change.items()}


def results(reply: Reply, keys: Sequence[str]) -> list[Result]:
    """Parse the results of a batch, one for each item. `keys` are the items' idempotency keys."""
    items = reply.hide(json_object(reply).get("results"))
    if not isinstance(items, list) or len(items) != len(keys):
        raise BrokenAnswerError("200, but not one result for each item", status=200)
    return [shaped(_result, item, key, reply) for item, key in zip(items, keys, strict=True)]


def _result(item: dict[str, Any], key: str, reply: Reply) -> Result:
    status = item["status"]
    if status not in ("created", "replayed", "invalid", "forbidden", "conflict", "failed"):
        raise ValueError(status)
    retryable = status == "failed" and item.get("retryable") is True
    outcome_id = text(item["id"]) if status in ("created", "replayed") else None
    ignored = item.get("ignored")
    names = tuple(unquote(text(name)) for name in ignored) if isinstance(ignored, list) else ()
    error, is_unassigned = text_or_none(item.get("error")), item.get("unassigned") is True
    return Result(status, key, outcome_id, error, details_of(item, reply), retryable, names, is_unassigned)


def page(reply: Reply) -> Page:
    """Parse a page of outcomes."""
    body = json_object(reply)
    outcomes, cursor = body.get("outcomes"), body.get("next_cursor")
    if not isinstance(outcomes, list) or not isinstance(cursor, str | None):
        raise BrokenAnswerError("200, but no list of outcomes", status=200)
    return Page([shaped(_outcome, item) for item in outcomes], cursor)


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


def statements(reply: Reply) -> StatementPage:
    """Parse a page of statements."""
    body = json_object(reply)
    return shaped(
        lambda: StatementPage(
            [_listed_statement(item) for item in body["statements"]], text_or_none(body["next_cursor"])
        )
    )


def _listed_statement(item: dict[str, Any]) -> ListedStatement:
    texts = {name: text(item[name]) for name in ("id", "period", "timezone", "root")}
    return ListedStatement(**texts, cut=instant(item["cut"]), size=whole(item["size"]))


def exported(line: str) -> dict[str, Any]:
    """Parse a line of an NDJSON export: instants to datetime, `value_usd` to Decimal, `metadata` to its JSON text."""
    return shaped(lambda: _row(_json.decode(line.encode())))


def _row(item: dict[str, Any]) -> dict[str, Any]:
    outcome = _outcome({**item, "status": item["status"], "version": 0})
    row = outcome.as_dict()
    del row["version"]
    metadata = None if item["metadata"] is None else _json.encode(item["metadata"]).decode()
    instants = {name: value for name, value in vars(outcome).items() if isinstance(value, datetime)}
    return {**row, "metadata": metadata, **instants}


def _outcome(item: dict[str, Any]) -> Outcome:
    if not isinstance(item["metadata"], dict | None):
        raise TypeError("metadata is not an object")
    return Outcome(
        id=text(item["id"]),
        user_id=whole_or_none(item["user_id"]),
        agent_id=whole_or_none(item["agent_id"]),
        outcome_type=text(item["outcome_type"]),
        title=text(item["title"]),
        description=None if item["description"] is None else text(item["description"]),
        value_usd=amount_or_none(item["value_usd"]),
        metadata=_json.plain(item["metadata"]),
        created_at=instant(item["created_at"]),
        **(_ledger_fields(item) if "status" in item else {}),
    )


def _ledger_fields(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": text(item["status"]),
        # make contract: fields of a ledger
        "occurred_at": instant(item["occurred_at"]),
        # end of make contract
        "recorded_by": None if item["recorded_by"] is None else text(item["recorded_by"]),
        "version": whole(item["version"]),
    }


def summary(reply: Reply, query: Sequence[tuple[str, str]]) -> Summary:
    """Parse the totals that `query` asked for.

    Raises:
        UnexpectedAnswerError: the API is too old to support a parameter of the query, and returned different totals.
    """
    totals = shaped(_totals, json_object(reply))
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


def _totals(body: dict[str, Any]) -> Summary:
    def total(item: dict[str, Any]) -> dict[str, Any]:
        count = whole(item["count"])
        if count < 0:
            raise ValueError(f"{count} outcomes")
        return {"count": count, "value_usd": amount(item["value_usd"])}

    def dated(name: str) -> list[DayTotal]:
        return [DayTotal(**total(one), date=date.fromisoformat(one["date"])) for one in body.get(name, [])]

    if not body.keys() & {"by_day", "by_week", "by_month"}:
        raise KeyError("by_day")
    optional: dict[str, Any] = {
        name: Total(**total(body[name])) for name in ("confirmed", "disputed", "voided") if name in body
    }
    if "previous" in body:
        before = body["previous"]
        optional["previous"] = PeriodTotal(**total(before), start=text(before["from"]), end=text(before["to"]))
    if "other_agents" in body:
        others = body["other_agents"]
        optional["other_agents"] = OtherAgents(**total(others), agents=whole(others["agents"]))
    return Summary(
        **total(body),
        start=text(body["from"]),
        end=text(body["to"]),
        timezone=text(body["timezone"]),
        by_type=[TypeTotal(**total(one), outcome_type=text(one["outcome_type"])) for one in body["by_type"]],
        by_agent=[AgentTotal(**total(one), agent_id=whole_or_none(one["agent_id"])) for one in body["by_agent"]],
        by_day=dated("by_day"),
        by_week=dated("by_week"),
        by_month=dated("by_month"),
        **optional,
    )


# make contract: readers of rows
def types(reply: Reply) -> list[_models.ListedType]:
    """Parse the answer to `GET /api/outcomes/types`."""
    body = json_object(reply)
    return shaped(
        lambda: [
            _models.ListedType(
                type=text(item["type"]),
                label=text(item["label"]),
            )
            for item in body["types"]
        ]
    )


# end of make contract


def key(reply: Reply) -> AgentKey:
    """Parse the description of an agent key."""
    return AgentKey(**shaped(_bounds, json_object(reply)))


def new_key(reply: Reply) -> NewAgentKey:
    """Parse a new key with its secret."""
    body = json_object(reply)
    return NewAgentKey(**shaped(_bounds, body), key=shaped(text, body.get("key")))


def keys(reply: Reply) -> list[AgentKey]:
    """Parse a list of keys."""
    items = json_object(reply).get("keys")
    if not isinstance(items, list):
        raise BrokenAnswerError("200, but no list of keys", status=200)
    return [AgentKey(**shaped(_bounds, item)) for item in items]


def revoked(reply: Reply) -> None:
    """Check that a key was revoked."""
    done(reply)


def _bounds(item: dict[str, Any]) -> dict[str, Any]:
    types = item["outcome_types"]
    return {
        "id": text(item["id"]),
        "user_id": whole(item["user_id"]),
        "name": text(item["name"]),
        "agent_id": whole_or_none(item["agent_id"]),
        "outcome_types": None if types is None else tuple(map(text, types)),
        "max_value_usd": amount_or_none(item["max_value_usd"]),
        "scopes": tuple(map(text, item["scopes"])),
        **{name: instant_or_none(item[name]) for name in ("expires_at", "last_used_at")},
        "created_at": instant(item["created_at"]),
        # An older API does not return `made_by`, `rotated_by` and `rotated_at`.
        **{name: text_or_none(item.get(name)) for name in ("made_by", "rotated_by")},
        "rotated_at": instant_or_none(item.get("rotated_at")),
    }


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
