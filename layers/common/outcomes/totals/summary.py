"""Summarize a user's outcomes: count and exact value, in total and by type, agent, local day, week or month."""

from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC

from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.contract import queries
from outcomes.contract.json_text import compact
from outcomes.contract.status import STANDING
from outcomes.contract.sums import ALL_AGENTS, ALL_TYPES, TALLIES, Cell, Sum, Sums, Tallies, of_statuses
from outcomes.errors import BadRequest
from outcomes.limits import MAX_AGENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal
    from typing import Protocol

    class Costs(Protocol):
        """The costs of the agents in the period: `costs.cost_report.CostReport`."""

        @property
        def by_agent(self) -> Mapping[int | None, Decimal]: ...
        def of_all(self, total: Sum) -> str: ...
        def of_agents(self, agents: Iterable[int | None]) -> str: ...
        def of_agent(self, agent: int | None, total: Sum) -> str: ...
        def of_counted(self, total: Sum | None) -> str: ...

    class Counted(Protocol):
        """Says what counts by the user's definitions: `totals.what_counts.WhatCounts`. All values may be unknown."""

        def by_rule(self, summary: "Summary") -> str: ...
        def counted(self, summary: "Summary") -> Sum | None: ...
        def of_period(self, summary: "Summary") -> str: ...
        def of_bucket(self, summary: "Summary", date: str) -> str: ...


_ANY_DAY = "1970-01-01"


class Summary:
    """Sums of outcomes that happened within a period. outcome_types, agent_id: filters; empty or None means all.

    statuses: the statuses of the outcomes that are counted, in sorted order; empty means recorded and confirmed.
    lists_agents: whether sums by agent are needed.
    """

    def __init__(
        self,
        period: Period,
        outcome_types: tuple[str, ...] = (),
        agent_id: queries.Agent | None = None,
        statuses: tuple[str, ...] = (),
        *,
        lists_agents: bool = True,
    ) -> None:
        self.period = period
        self.outcome_types = outcome_types
        self.agent_id = agent_id
        self.statuses = statuses
        self.lists_agents = lists_agents
        # A summary has only marginal sums, because sums by day and agent would exhaust the memory with many agents.
        self.sums = Sums()

    @classmethod
    def from_query(
        cls, one: Callable[[str], str | None], several: Callable[[str], list[str]]
    ) -> "tuple[Summary, Summary | None]":
        """Create the summary for query parameters and, with `compare`, one for the previous period. Raises BadRequest.

        one: returns the value of a parameter. several: returns all values of a parameter.
        """
        if one("recordedBy") is not None:  # sums do not tell the keys apart
            raise BadRequest("Invalid recordedBy")
        period = Period.from_query(
            one("from"), one("to"), one("timezone"), one("by"), now=instants.local(instants.now(), UTC)
        )
        types, agent_id = queries.outcome_types(several("outcomeType")), queries.agent_id(one("agentId"))
        statuses = set(queries.statuses(several("status")))
        counted = () if statuses == STANDING else tuple(sorted(statuses))
        summary = cls(period, types, agent_id, counted)
        return summary, summary.previous() if queries.compare(one("compare")) else None

    def previous(self) -> "Summary":
        return Summary(self.period.previous(), self.outcome_types, self.agent_id, self.statuses, lists_agents=False)

    def without_sums(self) -> "Summary":
        return Summary(self.period, self.outcome_types, self.agent_id, self.statuses, lists_agents=self.lists_agents)

    @property
    def is_filtered(self) -> bool:
        """Check whether there are filters. If so, stored marginal sums cannot be used, because they are unfiltered."""
        return bool(self.outcome_types or self.statuses or self.agent_id is not None)

    def add(self, cell: Cell, tallies: Tallies) -> None:
        """Add sums of a day of the period, if they pass the filters."""
        if not self.includes(cell):
            return
        if self.statuses:
            tallies = (of_statuses(tallies, self.statuses), *tallies[1:])
        self.sums.add_marginals(cell if self.lists_agents else cell._replace(agent_id=ALL_AGENTS), tallies, _ANY_DAY)

    def includes(self, cell: Cell) -> bool:
        """Check whether a cell passes the filters by type and agent."""
        if self.outcome_types and cell.outcome_type not in self.outcome_types:
            return False
        return self.agent_id is None or (cell.agent_id or queries.NOBODY) == self.agent_id

    @property
    def totals(self) -> Tallies:
        totals = (Sum(), Sum(), Sum(), Sum())
        for _, tallies in self.of_all_agents():
            for total, sum_ in zip(totals, tallies, strict=True):
                total.add(sum_.count, sum_.value)
        return totals

    def of_all_agents(self) -> list[tuple[Cell, Tallies]]:
        """Return the sums by day and type."""
        return [(cell, tallies) for cell, tallies in self.sums.by_cell.items() if cell.agent_id == ALL_AGENTS]

    def response(
        self,
        previous: "Summary | None" = None,
        recent: str = "",
        costs: "Costs | None" = None,
        counted: "Counted | None" = None,
    ) -> str:
        """Return the summary as the API's JSON.

        previous: the summary to compare with. recent: JSON of the latest outcomes. costs: what the agents cost.
        counted: what counts.
        """
        by_type: defaultdict[str, Sum] = defaultdict(Sum)
        for cell, (standing, *_) in self.of_all_agents():
            by_type[cell.outcome_type].add(standing.count, standing.value)
        types = sorted(_present(by_type), key=lambda entry: (*entry[1].rank, entry[0]))
        agents, others = self._agents(costs)
        of_bucket = (lambda date, _sum: counted.of_bucket(self, date)) if counted else _no_more
        counting, *apart = zip(TALLIES, self.totals, strict=True)
        response = (
            f"{{{_range(self.period)}"
            f',"timezone":{compact(self.period.timezone)},{_members(counting[1])}'
            f"{costs.of_all(counting[1]) if costs else ''}"
            f"{costs.of_counted(counted.counted(self)) if costs and counted else ''}"
            f"{''.join([f',"{name}":{{{_members(sum_)}}}' for name, sum_ in apart])}"
            f',"by_type":{_list("outcome_type", types)}'
            f',"by_agent":{_list("agent_id", agents, costs.of_agent if costs else _no_more)}{_others(others, costs)}'
            f',"by_{self.period.by}":{_list("date", self._by_bucket(), of_bucket)}'
        )
        if counted:
            response += f',"by_rule":{counted.by_rule(self)}'
        if previous:
            also = counted.of_period(previous) if counted else ""
            response += f',"previous":{{{_range(previous.period)},{_members(previous.totals[0])}{also}}}'
        return response + (f',"recent":{recent}' if recent else "") + "}"

    def _agents(self, costs: "Costs | None") -> tuple[list[tuple[int | None, Sum]], list[tuple[int | None, Sum]]]:
        """Return the agents to list (at most MAX_AGENTS), and the remaining agents.

        If there are outcomes or costs without an agent, the list includes "no agent".
        costs: adds the agents that have costs but no outcomes, those with the highest costs first.
        """
        by_agent = {
            cell.agent_id: sums[0] for cell, sums in self.sums.by_cell.items() if cell.outcome_type == ALL_TYPES
        }
        sums = dict(_present(by_agent))
        only_costs = (
            {agent: cost.copy_negate() for agent, cost in costs.by_agent.items() if agent not in sums} if costs else {}
        )
        agents = sorted(
            (sums | {agent: Sum() for agent in only_costs}).items(),
            key=lambda entry: (*entry[1].rank, only_costs.get(entry[0], 0), entry[0] is None, entry[0]),
        )
        told, others = agents[:MAX_AGENTS], agents[MAX_AGENTS:]
        for entry in others:
            if entry[0] is None:
                others.remove(entry)
                others.append(told.pop())
                told.append(entry)
                break
        return told, others

    def _by_bucket(self) -> Iterable[tuple[str, Sum]]:
        dates = [bucket.date for bucket in self.period.buckets]
        sums = [Sum() for _ in dates]
        for cell, (standing, *_) in self.of_all_agents():
            sums[bisect(dates, cell.date) - 1].add(standing.count, standing.value)
        return zip(dates, sums, strict=True)


def _present[Key](sums: dict[Key, Sum]) -> list[tuple[Key, Sum]]:
    return [(key, sum_) for key, sum_ in sums.items() if sum_.count]


def _range(period: Period) -> str:
    return f'"from":"{instants.text(period.since)}","to":"{instants.text(period.until)}"'


def _members(sum_: Sum) -> str:
    return f'"count":{sum_.count},"value_usd":{sum_.exact:f}'


def _others(agents: list[tuple[int | None, Sum]], costs: "Costs | None") -> str:
    if not agents:
        return ""
    together = Sum()
    for _, sum_ in agents:
        together.add(sum_.count, sum_.value)
    cost = costs.of_agents([agent for agent, _ in agents]) if costs else ""
    return f',"other_agents":{{"agents":{len(agents)},{_members(together)}{cost}}}'


def _no_more(_key: object, _sum: Sum) -> str:
    return ""


def _list[Key](name: str, sums: Iterable[tuple[Key, Sum]], also: Callable[[Key, Sum], str] = _no_more) -> str:
    """Return a JSON array with an object for each key and its sum. also: returns further JSON members of an object."""
    return (
        "[" + ",".join([f'{{"{name}":{compact(key)},{_members(sum_)}{also(key, sum_)}}}' for key, sum_ in sums]) + "]"
    )
