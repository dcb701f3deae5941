"""Hold what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from . import _moments
from ._moments import Moment


class OutcomeType(StrEnum):
    """Names the kinds of outcome that the API records; plain strings of the same text do as well."""

    NEGOTIATION_COMPLETE = "negotiation_complete"
    AMPLIFICATION_COMPLETE = "amplification_complete"
    DEAL_CLOSED = "deal_closed"
    BROADCAST_COMPLETE = "broadcast_complete"
    TASK_COMPLETE = "task_complete"
    CONTENT_PUBLISHED = "content_published"


Division = Literal["day", "week", "month"]
"""Parts that a summary's time is divided into."""


class OutcomeStatus(StrEnum):
    """Names where an outcome may stand; plain strings of the same text do as well."""

    RECORDED = "recorded"
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    VOID = "void"


@dataclass(frozen=True, kw_only=True)
class NewOutcome:
    """Holds an outcome to record. The API judges the fields; see its contract for their limits.

    `value_usd` is sent digit for digit; give money as Decimal. `user_id` counts only with an API key: a session
    records for its own user. `occurred_at`, when it happened, is the moment of recording unless given; a date is its
    midnight in UTC. Give your own `idempotency_key` (1 to 255 visible ASCII characters) when the work has a name that
    outlives this process; else one is made for each call.
    """

    outcome_type: OutcomeType | str
    title: str
    description: str | None = None
    value_usd: Decimal | float | None = None
    agent_id: int | None = None
    user_id: int | None = None
    metadata: Mapping[str, Any] | None = None
    occurred_at: Moment | None = None
    idempotency_key: str | None = None

    def body(self) -> dict[str, Any]:
        """Make the request body of this outcome, without the fields that are None."""
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
"""Spells fields as requests do: `agent_id` is `agentId`."""


@dataclass(frozen=True)
class Recorded:
    """Answers for one recorded outcome.

    `replayed`: it had been recorded before under the same key. `ignored_fields`: what the API did not read, because it
    is misspelt or the API is older. `unassigned`: it is of no user, so it is in nobody's feed.
    """

    id: str
    replayed: bool
    idempotency_key: str
    ignored_fields: tuple[str, ...] = ()
    unassigned: bool = False


@dataclass(frozen=True)
class Result:
    """Tells how one item of `record_many` ended.

    `invalid` and `conflict` (the key belongs to another outcome) want a change; `forbidden` is beyond what the agent
    key may record; `failed` may be sent again with the same `idempotency_key` if `retryable`. `ignored_fields`,
    `unassigned`: as in `Recorded`.
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
        """Tell whether the outcome is recorded, now or before."""
        return self.status in ("created", "replayed")


@dataclass(frozen=True)
class Outcome:
    """Holds a recorded outcome. Numbers in `metadata` are int or float, or Decimal where a float would change them.

    Where the ledger was asked for, also where it stands (`status`), when it happened, what recorded it (`key`,
    `key:<id>` of an agent's key, `session`, None where that was not kept) and how often it was corrected (`version`);
    else these are None.
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

    def as_dict(self) -> dict[str, Any]:
        """Make the outcome as the API lists it; `value_usd` stays a Decimal."""
        kept = [each.name for each in fields(self) if self.status is not None or each.default is MISSING]
        return {name: _told(getattr(self, name)) for name in kept}


@dataclass(frozen=True)
class Correction:
    """Tells of one correction of an outcome: what it did, why, by whom (as `Outcome.recorded_by`) and when.

    `changes`, of an amend: to each field that was to change, `before` and `after`; amounts are Decimal, instants text.
    """

    id: str
    type: str
    reason: str | None
    by: str | None
    created_at: datetime
    changes: dict[str, dict[str, Any]] | None

    def as_dict(self) -> dict[str, Any]:
        """Make the correction as the API tells it; amounts stay Decimal."""
        kept = [each.name for each in fields(self) if self.changes is not None or each.name != "changes"]
        return {name: _told(getattr(self, name)) for name in kept}


@dataclass(frozen=True)
class History:
    """Holds an outcome as it stands, and its corrections, oldest first."""

    outcome: Outcome
    corrections: list[Correction]


@dataclass(frozen=True)
class Corrected:
    """Answers for one correction: its id, and how the outcome stands now.

    `outcome` is what it says; None where the API shows that to the owner alone, or to keys that may read.
    `replayed`, `idempotency_key` and `ignored_fields` are as in `Recorded`.
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
    """Holds outcomes, newest first, and where the next page starts (None: there is no more)."""

    outcomes: list[Outcome]
    next_cursor: str | None


@dataclass(frozen=True)
class ExportPart:
    """Holds a part of an export: whole lines, which follow those of the part before.

    `next_cursor` is where the next part starts (None: there is no more).
    """

    text: str
    next_cursor: str | None


@dataclass(frozen=True)
class Total:
    """Sums up some outcomes: how many, and their exact value."""

    count: int
    value_usd: Decimal


@dataclass(frozen=True)
class TypeTotal(Total):
    """Sums up the outcomes of one type."""

    outcome_type: str


@dataclass(frozen=True)
class AgentTotal(Total):
    """Sums up the outcomes of one agent, or of none."""

    agent_id: int | None


@dataclass(frozen=True)
class OtherAgents(Total):
    """Sums up the outcomes of so many agents together, which `by_agent` leaves out."""

    agents: int


@dataclass(frozen=True)
class DayTotal(Total):
    """Sums up the outcomes of one day, or of one week or month, of which `date` is the first day that was asked for."""

    date: date


@dataclass(frozen=True)
class PeriodTotal(Total):
    """Sums up what stands of what happened from `start` (inclusive) to `end` (exclusive)."""

    start: str
    end: str


@dataclass(frozen=True)
class Summary(Total):
    """Sums up what happened from `start` (inclusive) to `end` (exclusive), both as the API says them in ISO 8601;
    days by the clock of `timezone`.

    All sums are of what stands; of it, `confirmed` is what its owner has confirmed. What is `disputed` or `voided` is
    in no other sum. The three are zero where the API is older. One of `by_day`, `by_week` and `by_month` is filled, as
    it was asked for; `previous` is there if it was. `by_agent` tells 100 apart, `other_agents` sums up all others, if
    there are more.
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
    """Describes a key that a user made for an agent; what is None is no bound.

    `max_value_usd` is the greatest magnitude of one outcome's value, `last_used_at` the hour in which it was last used.
    `made_by` and `rotated_by` (the last time) are `session` or `platform`, or None where it never was, or is not known.
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
        """Make the description as the API lists it; `max_value_usd` stays a Decimal."""
        return {each.name: _told(getattr(self, each.name)) for each in fields(AgentKey)}


@dataclass(frozen=True)
class NewAgentKey(AgentKey):
    """Holds a key that was just made or rotated: its text, `key`, is told this once, and not shown with the rest."""

    key: str = field(repr=False)


def _told(value: object) -> object:
    return _moments.text(value) if isinstance(value, datetime) else value
