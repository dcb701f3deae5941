"""Map Model Context Protocol tool calls to request bodies and parameters, and API errors to advice for the model.

The advice names the tool's arguments instead of the route's fields, and says what to do next.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from outcomes.contract.bodies import ignored_fields, request_name
from outcomes.contract.outcome_type import Types
from outcomes.edge.api import IDEMPOTENCY_KEY, is_idempotency_key
from outcomes.errors import (
    BadRequest,
    Busy,
    Contended,
    Fault,
    Forbidden,
    IdempotencyKeyReused,
    NotFound,
    NotPossible,
    PayloadTooLarge,
    Refused,
    StillAddingUp,
    TooManyOutcomes,
)
from outcomes.limits import MAX_BATCH_OUTCOMES, MAX_BULK_CORRECTIONS
from outcomes.mcp.tools import CLEARABLE, CORRECTION, CORRECTION_REQUIRED, ITEM, ITEM_REQUIRED, TOOLS, Json

if TYPE_CHECKING:
    from outcomes.contract.caller import Caller

TELL = "You cannot fix this: tell the person who runs you."
UNKNOWN = "It is unknown whether this was done. Call again later with the same idempotency_key and fields."
READING_FAILED = "Reading failed. Call again later."

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,59})(\.[0-9]{1,150})?([eE][+-]?[0-9]{1,3})?")
_PARAMETERS = {"start": "from", "end": "to", "outcome_types": "outcomeType", "statuses": "status"}
"""Route parameters by argument, if their names differ by more than spelling."""


class Mistake(Exception):
    """An invalid call. The error text says what the model should do."""


def check(name: str, arguments: Json, caller: "Caller") -> None:
    """Raise Mistake if `caller` may not call this tool, or if arguments are unknown or missing."""
    tool = TOOLS[name]
    key = caller.agent_key
    if not key and tool.scope == "read":
        raise Mistake("This key cannot read outcomes. An agent key with the scope `read` is needed. " + TELL)
    if key and tool.scope not in key.scopes:
        raise Mistake(f"This key lacks the scope `{tool.scope}`, which {name} needs. {TELL}")
    _check_names(arguments, tool.properties, tool.required)
    if "user_id" in tool.properties:
        _check_user(arguments, caller)


def _check_names(arguments: Json, known: Json, required: Iterable[str]) -> None:
    if unknown := ignored_fields(arguments, known):
        raise Mistake(f"Unknown argument: {', '.join(unknown)}. Call again with only {', '.join(known)}.")
    if missing := [name for name in required if arguments.get(name) is None]:
        raise Mistake(f"Missing argument: {', '.join(missing)}. Call again with it.")
    if "idempotency_key" in required and not is_idempotency_key(arguments["idempotency_key"]):
        raise Mistake(f"idempotency_key {IDEMPOTENCY_KEY}. Call again.")


def _check_user(arguments: Json, caller: "Caller") -> None:
    if not caller.agent_key and arguments.get("user_id") is None:
        raise Mistake("An outcome without a user is in nobody's feed. Call again with user_id.")


def outcome(arguments: Json) -> Json:
    """Return the body that records an outcome, without its idempotency key."""
    return {request_name(name): _value(name, value) for name, value in arguments.items() if name != "idempotency_key"}


def outcomes(arguments: Json, caller: "Caller") -> list[Json]:
    """Return the items of a batch, each with its idempotency key. Raises Mistake."""

    def read(item: Json) -> Json:
        _check_names(item, ITEM, ITEM_REQUIRED)
        _check_user(item, caller)
        return outcome(item) | {"idempotencyKey": item["idempotency_key"]}

    return _read_each(arguments, "outcomes", MAX_BATCH_OUTCOMES, read)


def corrections(arguments: Json, caller: "Caller") -> list[Json]:
    """Return the corrections of several outcomes, each with its id and idempotency key. Raises Mistake."""

    def read(item: Json) -> Json:
        if item.get("type") not in ("amend", "void"):
            raise Mistake("type must be amend or void. Call again.")
        # without null for what is left out, if the model sends each property of the schema
        item = {name: value for name, value in item.items() if value is not None or name not in CORRECTION}
        _check_names(item, {"type": None} | TOOLS[f"{item['type']}_outcome"].properties, CORRECTION_REQUIRED)
        _check_user(item, caller)
        body = amendment(item) if item["type"] == "amend" else voiding(item)
        return body | {"id": str(item["outcome_id"]), "idempotencyKey": item["idempotency_key"]}

    bodies = _read_each(arguments, "corrections", MAX_BULK_CORRECTIONS, read)
    if len({body["id"] for body in bodies}) < len(bodies):
        raise Mistake("Two of corrections are of the same outcome. Call again with one for each.")
    return bodies


def _read_each(arguments: Json, name: str, most: int, read: Callable[[Json], Json]) -> list[Json]:
    sent, bodies = arguments[name], []
    if not isinstance(sent, list) or not 1 <= len(sent) <= most:
        raise Mistake(f"{name} must be a list of 1 to {most}. Call again.")
    for number, item in enumerate(sent, start=1):
        try:
            if not isinstance(item, dict):
                raise Mistake(f"Each of {name} must be an object. Call again.")
            bodies.append(read(item))
        except Mistake as mistake:
            raise Mistake(f"None of {name} was done, because of item {number}: {mistake}") from None
    return bodies


def corrected(sent: Json, answer: Json, types: Types) -> Json:
    """Return the tool's result for one of several corrections, see `result`."""
    about = {"outcome_id": sent["id"], "id": answer.get("correction")}
    return result(sent, answer, types) | about | {name: answer.get(name) for name in ("outcome_status", "version")}


def result(sent: Json, answer: Json, types: Types) -> Json:
    """Return the tool's result for one item of a batch.

    sent: the item. answer: the route's answer for this item. types: the valid outcome types.
    """
    return {
        "status": answer["status"],
        "idempotency_key": sent["idempotencyKey"],
        "id": answer.get("id"),
        "error": answer.get("error"),
        "details": [
            {"field": _argument(each["field"]), "message": each["message"]}
            for each in _details(answer.get("error"), answer.get("details", []), types)
        ],
        "retryable": answer.get("retryable", False),
    }


def amendment(arguments: Json) -> Json:
    """Return the body of a request to amend an outcome. Raises Mistake."""
    clear = arguments.get("clear") or []
    if not isinstance(clear, list) or not all(isinstance(name, str) and name in CLEARABLE for name in clear):
        raise Mistake(f"clear must be a list of some of {', '.join(CLEARABLE)}. Call again.")
    about = ("outcome_id", "reason", "idempotency_key", "user_id")
    names = [name for name in TOOLS["amend_outcome"].properties if name not in about]
    changes = {name: arguments[name] for name in names if name != "clear" and arguments.get(name) is not None}
    if not changes and not clear:
        raise Mistake(f"Nothing is changed. Call again with at least one of {', '.join(names)}.")
    if twice := sorted(changes.keys() & set(clear)):
        raise Mistake(f"{', '.join(twice)} cannot be both changed and cleared. Choose one and call again.")
    body = outcome(changes) | {request_name(name): None for name in clear}
    return {"type": "amend", "reason": arguments["reason"], "userId": arguments.get("user_id"), "changes": body}


def voiding(arguments: Json) -> Json:
    """Return the body of a request to void an outcome."""
    return {"type": "void", "reason": arguments["reason"], "userId": arguments.get("user_id")}


def parameters(arguments: Json) -> dict[str, list[str]]:
    """Return the query parameters of a list or a summary. Raises Mistake."""
    found = {}
    for name, value in arguments.items():
        if value is not None:
            values = value if name in {"outcome_types", "statuses"} and isinstance(value, list) else [value]
            found[_PARAMETERS.get(name) or request_name(name)] = [_text(name, each) for each in values]
    return found


def _text(name: str, value: object) -> str:
    if isinstance(value, Decimal):
        is_whole = value.adjusted() < 20 and value == value.to_integral_value()
        return str(int(value) if is_whole else value)
    if isinstance(value, str):
        return value
    raise Mistake(f"{name} has the wrong type. Call again.")


def advice(refused: Refused, name: str) -> str:
    """Return a text for the model: what was refused, and what to do next."""
    from outcomes.contract.correction_rules import NO_CHANGE  # imported here, because only refusals need it

    details = _details(refused.error, refused.details, refused.types if isinstance(refused, BadRequest) else ())
    faults = [f"{_argument(fault['field'])}: {fault['message']}" for fault in details]
    what = refused.error if not faults else f"{refused.error}: {'; '.join(faults)}"
    match refused:
        case BadRequest() if TOOLS[name].scope == "read":
            next_ = "Correct the named arguments and call again: from is start here, and to is end."
        case BadRequest() if any(fault["message"] == NO_CHANGE for fault in details):
            next_ = "The outcome already has these values: do nothing."
        case BadRequest() | PayloadTooLarge():
            next_ = "Correct the named arguments and call again; you may keep the idempotency_key."
        case IdempotencyKeyReused():
            next_ = (
                "This idempotency_key made another correction. Call again with a new one."
                if TOOLS[name].scope == "correct"
                else "This idempotency_key was used with other fields. If it is the same work, it is already recorded: "
                "do nothing. If it is other work, call again with a new idempotency_key."
            )
        case NotFound():
            next_ = "Find the id with list_outcomes and call again."
        case NotPossible():
            next_ = "Do not call again: look up its status with list_outcomes. A void outcome stays void."
        case Forbidden() if TOOLS[name].scope == "correct":
            next_ = (
                "Your key may correct what a key recorded for its user and agent, within its bounds. "
                "Tell the person who runs you."
            )
        case Forbidden():
            next_ = (
                "Your key may not record this. Leave out user_id and agent_id. Do not change other facts to make it "
                "pass: tell the person who runs you."
            )
        case StillAddingUp():
            next_ = "Call again: it continues from there."
        case TooManyOutcomes():
            next_ = "Do not call again before then. " + TELL
        case Busy() | Contended():
            next_ = "Call again later, with the same fields."
        case _:
            next_ = TELL
    return f"{what}. {next_}"


def _details(error: str | None, details: list[Fault], types: Types) -> list[Fault]:
    """Return an error's details. List the valid outcome types here, because only HTTP answers list them in a header."""
    if error == "Invalid outcome_type":
        return [Fault(field="outcomeType", message=f"must be one of {', '.join(types)}")]
    return details


def _value(name: str, value: Any) -> Any:
    # A model may send the number as a string, because some clients lose digits of numbers.
    return Decimal(value) if name == "value_usd" and isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _argument(field: str) -> str:
    """Convert the name of a body field to the tool argument's name."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", field.removeprefix("changes."))
