"""Parse requests for a source's costs of a UTC day, and check who may replace these costs."""

import re
from calendar import monthrange
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from outcomes.calendar import instants
from outcomes.contract.bodies import Body, ignored_fields
from outcomes.contract.caller import Caller, kind_of
from outcomes.contract.rules import money, or_null, text_or_null, whole_number
from outcomes.errors import BadRequest, Fault, Forbidden
from outcomes.limits import MAX_COST_DAYS, MAX_LABEL, MAX_LINES, MAX_UNIT

SOURCE = "[a-z0-9][a-z0-9_-]{0,39}"
DAY_WORDS = f"must be a UTC day from {MAX_COST_DAYS} days ago to tomorrow, such as 2026-11-26"
SOURCE_WORDS = "must be 1 to 40 lower-case letters, digits, _ and -, beginning with a letter or digit"
LINES_WORDS = f"must be a list of at most {MAX_LINES} lines"

TRUST = ("agent", "owner", "platform")
"""The kinds of callers, the least trusted first."""


class CostLine(NamedTuple):
    """An agent's cost on a day.

    agent_id: None for no agent. quantity, unit: what was bought, such as 1,200,000 tokens.
    """

    cost_usd: Annotated[Decimal, money()]
    agent_id: Annotated[int | None, or_null(whole_number())] = None
    quantity: Annotated[Decimal | None, or_null(money())] = None
    unit: Annotated[str | None, text_or_null(MAX_UNIT)] = None
    label: Annotated[str | None, text_or_null(MAX_LABEL)] = None

    @property
    def key(self) -> tuple[int, str]:
        """Return the values that identify the line among a source's lines of a day. Lines are sorted by this key."""
        return self.agent_id or 0, self.label or ""

    def public(self) -> dict[str, Any]:
        """Return the line in the contract's format. Numbers are `Decimal`."""
        agent_id = None if self.agent_id is None else Decimal(self.agent_id)
        return {"agent_id": agent_id, **(self._asdict() | {"agent_id": agent_id})}


class CostUser(NamedTuple):
    """The user in the body of a PUT. Required only from the platform: sessions and agent keys belong to a user."""

    user_id: Annotated[int, whole_number()]


COST_LINE = Body(CostLine)
COST_USER = Body(CostUser)


def read_date(text: str) -> str:
    """Read a UTC day from a path. Raises BadRequest."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise _invalid("date", DAY_WORDS)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise _invalid("date", DAY_WORDS) from None


def require_recent(day: str) -> None:
    """Raise BadRequest if a UTC day is more than MAX_COST_DAYS ago or later than tomorrow."""
    if not -1 <= days_ago(day) <= MAX_COST_DAYS:
        raise _invalid("date", DAY_WORDS)


def days_ago(day: str) -> int:
    """Return the number of days from this UTC day to today."""
    return (datetime.fromtimestamp(instants.now() / 1000, UTC).date() - date.fromisoformat(day)).days


def last_day(month: str) -> str:
    """Return the last day of a month: `2026-11-30` for `2026-11`."""
    return f"{month}-{monthrange(int(month[:4]), int(month[5:]))[1]}"


def read_source(text: str) -> str:
    """Read a source from a path. Raises BadRequest."""
    if not re.fullmatch(SOURCE, text):
        raise _invalid("source", SOURCE_WORDS)
    return text


def payer(caller: Caller, body: dict[str, Any]) -> int:
    """Return the user to whom the costs in a PUT belong. Raises Forbidden and BadRequest."""
    if caller.session_user is not None:
        return caller.session_user
    if caller.agent_key:
        body = caller.agent_key.complete(body)
    # only the user, because the caller reads the other fields later: the error would call them unknown
    user_id = COST_USER.read({name: value for name, value in body.items() if name in COST_USER.rules}).user_id
    if caller.agent_key:
        caller.agent_key.check({"user_id": user_id})
    return user_id


def read_lines(body: dict[str, Any]) -> tuple[CostLine, ...]:
    """Parse `lines`, sorted by `CostLine.key`. Raises BadRequest with the faults of all lines."""
    sent = body.get("lines")
    if not isinstance(sent, list) or len(sent) > MAX_LINES:
        raise _invalid("lines", LINES_WORDS)
    faults: list[Fault] = []
    lines: dict[tuple[int, str], CostLine] = {}
    for index, each in enumerate(sent):
        where = f"lines.{index}"
        if not isinstance(each, dict):
            faults.append(Fault(field=where, message="must be an object"))
            continue
        try:
            line = COST_LINE.read(each)
        except BadRequest as refused:
            faults += [Fault(field=f"{where}.{fault['field']}", message=fault["message"]) for fault in refused.details]
            continue
        if line.key in lines:
            faults.append(Fault(field=where, message="must not have the agentId and label of another line"))
        lines[line.key] = line
    if faults:
        raise BadRequest("Invalid lines", faults, ignored_cost_fields(body))
    return tuple(lines[key] for key in sorted(lines))


def ignored_cost_fields(body: dict[str, Any]) -> list[str]:
    """Return the names of a body's unknown fields, as `ignored_fields` does.

    The name of a line's unknown field includes the line's index, such as `lines.3.color`.
    """
    unknown = [name for name in body if name not in ("userId", "lines")]
    lines = body.get("lines")
    for index, line in enumerate(lines if isinstance(lines, list) else ()):
        names = line if isinstance(line, dict) else ()
        unknown += [f"lines.{index}.{name}" for name in names if name not in COST_LINE.rules]
    return ignored_fields(unknown, ())


def require_may_put(caller: Caller, owner: str | None) -> None:
    """Raise Forbidden if the caller may not put costs for a source.

    An agent key needs the scope `cost`, and must be bound to no agent, because an agent may not state its own costs.
    owner: the caller to whom the source belongs, as in `Caller.recorded_by`; None if nobody has put costs for it.
    """
    caller.require("cost")
    if caller.agent_key and caller.agent_key.agent_id is not None:
        raise Forbidden(details=[Fault(field="agentId", message="a key of an agent cannot put costs")])
    if owner in (None, caller.recorded_by) or is_more_trusted(caller, owner):
        return
    message = "belongs to a more trusted caller or to another key"
    raise Forbidden(details=[Fault(field="source", message=message)])


def is_more_trusted(caller: Caller, owner: str | None) -> bool:
    """Check whether `caller` becomes a source's owner by writing its costs.

    It does if it is more trusted than the present `owner`, or if the source has no owner yet.
    """
    return owner is None or TRUST.index(caller.kind) > TRUST.index(kind_of(owner))


def _invalid(field: str, message: str) -> BadRequest:
    return BadRequest(f"Invalid {field}", [Fault(field=field, message=message)])
