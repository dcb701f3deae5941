"""The models of requests and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from . import _moments
from ._choices import OutcomeType
from ._moments import Moment


@dataclass(frozen=True)
class ListedType:
    """An outcome type that the API records, with its name for people."""

    type: str
    label: str


@dataclass(frozen=True, kw_only=True)
class NewOutcome:
    """An outcome to record. The API validates the fields; see its contract for their limits.

    `value_usd` is sent with all digits; use Decimal for money. `user_id` needs a key: a session records for its own
    user. `occurred_at` is when the outcome happened, default now; a date means its midnight in UTC.

    `idempotency_key` is 1 to 255 visible ASCII characters; the default is a random key. If the work has an id that
    never changes, pass this id as the key: even if several processes record the work, it then counts once.
    """

    # make contract: fields to record
    outcome_type: OutcomeType | str
    title: str
    description: str | None = None
    value_usd: Decimal | float | None = None
    agent_id: int | None = None
    user_id: int | None = None
    metadata: Mapping[str, Any] | None = None
    occurred_at: Moment | None = None
    # end of make contract
    idempotency_key: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the request body, without fields that are None."""
        said = {SENT_AS.get(each.name, each.name): getattr(self, each.name) for each in fields(self)}
        return {
            name: _moments.of_body(value) if isinstance(value, date) else value
            for name, value in said.items()
            if value is not None
        }


def _in_request(name: str) -> str:
    first, *more = name.split("_")
    return first + "".join(map(str.capitalize, more))


SENT_AS = {each.name: _in_request(each.name) for each in fields(NewOutcome) if "_" in each.name}
"""Field names in requests: `agent_id` is `agentId`."""


@dataclass(frozen=True)
class Recorded:
    """A recorded outcome.

    `replayed`: it was already recorded with the same key. `ignored_fields`: fields that the API ignored, because they
    are misspelt or the API is older. `unassigned`: it has no user, so it is in nobody's feed.
    """

    id: str
    replayed: bool
    idempotency_key: str
    ignored_fields: tuple[str, ...] = ()
    unassigned: bool = False


@dataclass(frozen=True)
class Result:
    """The result of one item of `record_many`.

    An item that is not `ok` has one of these statuses. `invalid`: change the item. `conflict`: its key belongs to
    another outcome. `forbidden`: it exceeds the agent key's limits. `failed`: it may or may not be recorded. If the
    result is `retryable`, send the item again with the same `idempotency_key`.

    `ignored_fields` and `unassigned` are as in `Recorded`.
    """

    status: Literal["created", "replayed", "invalid", "forbidden", "conflict", "failed"]
    idempotency_key: str
    id: str | None = None
    error: str | None = None
    details: list[Mapping[str, Any]] = field(default_factory=list)
    retryable: bool = False
    ignored_fields: tuple[str, ...] = ()
    unassigned: bool = False

    @property
    def ok(self) -> bool:
        """Return whether the outcome is recorded, by this call or an earlier one."""
        return self.status in ("created", "replayed")


@dataclass(frozen=True)
class Outcome:
    """A recorded outcome. Numbers in `metadata` are int or float, or Decimal if neither reads them exactly.

    `status`, `occurred_at`, `recorded_by` and `version` are None unless requested with `ledger`. `recorded_by` is
    `key`, `key:<id>` for an agent key, `session`, or None if unknown. `version` is the number of corrections.
    """

    id: str
    user_id: int | None
    agent_id: int | None
    outcome_type: str
    title: str
    description: str | None
    value_usd: Decimal | None
    metadata: dict[str, Any] | None
    created_at: datetime
    status: str | None = None
    occurred_at: datetime | None = None
    recorded_by: str | None = None
    version: int | None = None
    # make contract: fields added later
    # end of make contract

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as the API lists it; `value_usd` stays a Decimal."""
        kept = [each.name for each in fields(self) if self.status is not None or each.default is MISSING]
        return {name: _told(getattr(self, name)) for name in kept}


@dataclass(frozen=True)
class Correction:
    """A correction of an outcome. `by` has the values of `Outcome.recorded_by`.

    For an amendment, `changes` has `before` and `after` for each changed field. Amounts are Decimal, instants are text.
    If `assign` voided the outcome, `assigned_to` is the user who got it, and `assigned_id` the id of the new outcome.
    """

    id: str
    type: str
    reason: str | None
    by: str | None
    created_at: datetime
    changes: dict[str, dict[str, Any]] | None
    assigned_to: int | None = None
    assigned_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the correction as the API lists it; amounts stay Decimal."""
        optional = {"changes", "assigned_to", "assigned_id"}
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: _told(value) for name, value in values.items() if value is not None or name not in optional}


@dataclass(frozen=True)
class History:
    """An outcome in its current state, and its corrections, oldest first."""

    outcome: Outcome
    corrections: list[Correction]


@dataclass(frozen=True)
class Corrected:
    """The result of a correction: its id, and the outcome's status and version after it.

    `outcome` is the corrected outcome, or None if the caller may not read it. `replayed`, `idempotency_key` and
    `ignored_fields` are as in `Recorded`.
    """

    id: str
    status: str
    version: int
    outcome: Outcome | None
    replayed: bool
    idempotency_key: str
    ignored_fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """A page of outcomes, newest first. `next_cursor` is None on the last page."""

    outcomes: list[Outcome]
    next_cursor: str | None


@dataclass(frozen=True)
class ListedStatement:
    """An existing statement. `size`: the number of its entries. `root`: the root hash of their tree."""

    id: str
    period: str
    timezone: str
    cut: datetime
    size: int
    root: str


@dataclass(frozen=True)
class StatementPage:
    """A page of statements, latest `cut` (the end of the period) first. `next_cursor` is None on the last page."""

    statements: list[ListedStatement]
    next_cursor: str | None


@dataclass(frozen=True)
class ExportPart:
    """A part of an export, which consists of complete lines. `next_cursor` is None in the last part."""

    text: str
    next_cursor: str | None


@dataclass(frozen=True)
class Total:
    """The number and exact value of outcomes."""

    count: int
    value_usd: Decimal


@dataclass(frozen=True)
class TypeTotal(Total):
    """The total of one outcome type."""

    outcome_type: str


@dataclass(frozen=True)
class AgentTotal(Total):
    """The total of one agent, or of outcomes without an agent (None)."""

    agent_id: int | None


@dataclass(frozen=True)
class OtherAgents(Total):
    """The total of all agents that `by_agent` leaves out; `agents` is their number."""

    agents: int


@dataclass(frozen=True)
class DayTotal(Total):
    """The total of one day, week or month. `date` is its first day within the period."""

    date: date


@dataclass(frozen=True)
class PeriodTotal(Total):
    """The total of a period, from `start` (inclusive) to `end` (exclusive)."""

    start: str
    end: str


@dataclass(frozen=True)
class Summary(Total):
    """Totals of outcomes that happened from `start` (inclusive) to `end` (exclusive), both ISO 8601.

    Days are local days in `timezone`. `confirmed` is part of the totals; `disputed` and `voided` are not. All three are
    zero if the API is too old to return them. Only one of `by_day`, `by_week` and `by_month` is filled, as requested.
    `previous` is None unless requested. `by_agent` has up to 100 entries; `other_agents` is the total of all other
    agents, if any.
    """

    start: str
    end: str
    timezone: str
    by_type: list[TypeTotal]
    by_agent: list[AgentTotal]
    by_day: list[DayTotal]
    confirmed: Total = Total(0, Decimal(0))
    disputed: Total = Total(0, Decimal(0))
    voided: Total = Total(0, Decimal(0))
    by_week: list[DayTotal] = field(default_factory=list)
    by_month: list[DayTotal] = field(default_factory=list)
    previous: PeriodTotal | None = None
    other_agents: OtherAgents | None = None


@dataclass(frozen=True)
class AgentKey:
    """The description of an agent key. A limit is None if it does not apply.

    `max_value_usd` is the maximum absolute value of an outcome, `last_used_at` the hour of the last use. `made_by` and
    `rotated_by` say who created it and who last rotated it: `session` or `platform`, or None if nobody did or if
    unknown.
    """

    id: str
    user_id: int
    name: str
    agent_id: int | None
    outcome_types: tuple[str, ...] | None
    max_value_usd: Decimal | None
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    made_by: str | None
    rotated_by: str | None
    rotated_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Return the description as the API lists it; `max_value_usd` stays a Decimal."""
        return {each.name: _told(getattr(self, each.name)) for each in fields(AgentKey)}


@dataclass(frozen=True)
class NewAgentKey(AgentKey):
    """A new or rotated key. Its secret, `key`, is returned only here, and is not part of the repr."""

    key: str = field(repr=False)


def _told(value: object) -> object:
    return _moments.text(value) if isinstance(value, datetime) else value
