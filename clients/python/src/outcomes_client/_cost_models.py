"""The models of costs. Amounts are Decimal. An unknown amount is None, never 0."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any

from . import _moments
from ._models import AgentTotal, OtherAgents, Summary

_EXACT = Context(prec=1000)
_SENT_AS = {"cost_usd": "costUsd", "agent_id": "agentId"}


@dataclass(frozen=True)
class CostLine:
    """The cost of an agent on a day, for one label (such as a model). Without `agent_id`, it is unallocated.

    A negative `cost_usd` is a credit. `quantity` and `unit` say what was bought, such as 1200000 tokens.
    """

    cost_usd: Decimal
    agent_id: int | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    label: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the line as in a request, without fields that are None."""
        said = {_SENT_AS.get(each.name, each.name): getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in said.items() if value is not None}

    def plus(self, more: CostLine) -> CostLine:
        """Return the exact sum with another line of the same agent. Quantities of different units have no sum."""
        quantity = None
        if self.unit == more.unit and self.quantity is not None and more.quantity is not None:
            quantity = _EXACT.add(self.quantity, more.quantity)
        unit = None if quantity is None else self.unit
        return replace(self, cost_usd=_EXACT.add(self.cost_usd, more.cost_usd), quantity=quantity, unit=unit)


type Lines = dict[tuple[int | None, str | None], CostLine]
"""The lines of a day by their agent and label, which identify a line."""


def by_agent_and_label(lines: Iterable[CostLine]) -> Lines:
    return {(line.agent_id, line.label): line for line in lines}


def add_line(lines: Lines, line: CostLine) -> None:
    """Add a line to a day's lines. If the day has a line with the same agent and label, add both up."""
    key = line.agent_id, line.label
    lines[key] = lines[key].plus(line) if key in lines else line


@dataclass(frozen=True)
class CostVersion:
    """An earlier version of a day's costs. `lines` is None for a deletion, and empty if nothing was spent."""

    version: int
    lines: list[CostLine] | None
    put_by: str
    put_at: datetime


@dataclass(frozen=True)
class CostDay:
    """The costs of a UTC day from a source. `put_by` has the values of `Outcome.recorded_by`.

    `versions` has earlier versions, newest first, if they were requested.
    """

    date: date
    source: str
    version: int
    lines: list[CostLine]
    put_by: str
    put_at: datetime
    versions: list[CostVersion] = field(default_factory=list)


@dataclass(frozen=True)
class AgentCost:
    """The known cost of an agent. If `agent_id` is None: the known cost that belongs to no agent."""

    agent_id: int | None
    cost_usd: Decimal


@dataclass(frozen=True)
class OtherCosts:
    """The cost of all agents that `by_agent` leaves out; `agents` is their number."""

    agents: int
    cost_usd: Decimal


@dataclass(frozen=True)
class DayCost:
    """The cost of a UTC day, or None if no source has put it. `sources` are the sources that have put it.

    `restated_at`: the time when a source last replaced the costs after the end of the day. None if that never
    happened, or more than a day ago.
    """

    date: date
    cost_usd: Decimal | None
    sources: list[str]
    restated_at: datetime | None = None


@dataclass(frozen=True)
class SourceCost:
    """The cost from a source. `gaps`: the days without costs between its first and last day in the period."""

    source: str
    cost_usd: Decimal
    known_days: int
    gaps: list[date]


@dataclass(frozen=True)
class Costs:
    """The known costs of the UTC days that begin from `start` (inclusive) to `end` (exclusive).

    `known_days` is the number of these days that have a cost, and `of_days` the number of all.
    """

    start: str
    end: str
    days: str
    cost_usd: Decimal | None
    by_agent: list[AgentCost]
    by_day: list[DayCost]
    by_source: list[SourceCost]
    known_days: int
    of_days: int
    other_agents: OtherCosts | None = None


@dataclass(frozen=True)
class AgentValue(AgentTotal):
    """The total and the cost of one agent, or of outcomes without an agent. An unknown cost is None.

    `cost_per_outcome` is None if the cost is not above 0, or if no outcome counts.
    """

    cost_usd: Decimal | None
    cost_per_outcome: Decimal | None


@dataclass(frozen=True)
class OtherValues(OtherAgents):
    """The total and the cost of all agents that `by_agent` leaves out."""

    cost_usd: Decimal | None


@dataclass(frozen=True, kw_only=True)
class CostSummary(Summary):
    """A summary with the known costs of the UTC days that begin in the period.

    `known_days` is the number of these days that have a cost, and `of_days` the number of all. `net_usd` is the value
    less the known cost: never show it without these two numbers. `ratio` is the value divided by the cost. `by_agent`
    also has agents that only have costs.
    """

    cost_usd: Decimal | None
    known_days: int | None
    of_days: int | None
    net_usd: Decimal | None
    ratio: Decimal | None
    by_agent: list[AgentValue]  # type: ignore[assignment]  # a frozen list of a subclass
    other_agents: OtherValues | None = None


def told(value: Any) -> Any:
    """Return a model, or a part of it, with the API's names and structure; amounts stay Decimal."""
    if hasattr(value, "__dataclass_fields__"):
        names = {"start": "from", "end": "to"}
        return {names.get(each.name, each.name): told(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, list):
        return [told(each) for each in value]
    if isinstance(value, datetime):
        return _moments.text(value)
    return value.isoformat() if isinstance(value, date) else value
