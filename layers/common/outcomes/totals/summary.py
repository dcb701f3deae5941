"""The summary of a user's outcomes: count and exact value, in total and by type, agent, local day, week or month."""

from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC

from outcomes.contract import instants, queries
from outcomes.contract.json_text import compact
from outcomes.contract.limits import MAX_AGENTS
from outcomes.contract.period import Period
from outcomes.contract.sums import TALLIES, Cell, Sum, Tallies


class Summary:
    """Sums of outcomes that happened within a period. outcome_types, agent_id: filters; empty or None means all."""

    def __init__(
        self, period: Period, outcome_types: tuple[str, ...] = (), agent_id: queries.Agent | None = None
    ) -> None:
        self.period = period
        self.outcome_types = outcome_types
        self.agent_id = agent_id
        self.totals: Tallies = (Sum(), Sum(), Sum(), Sum())
        # Each holds sums of the tally `standing` by one dimension only. Combined dimensions would exhaust the memory if
        # there are many agents.
        self.by_type: defaultdict[str, Sum] = defaultdict(Sum)
        self.by_agent: defaultdict[int | None, Sum] = defaultdict(Sum)
        self.by_date: defaultdict[str, Sum] = defaultdict(Sum)

    @classmethod
    def from_query(
        cls, one: Callable[[str], str | None], several: Callable[[str], list[str]]
    ) -> "tuple[Summary, Summary | None]":
        """Create the summary for query parameters and, with `compare`, one for the previous period. Raises BadRequest.

        one: returns the value of a parameter. several: returns all values of a parameter.
        """
        period = Period.from_query(
            one("from"), one("to"), one("timezone"), one("by"), now=instants.local(instants.now(), UTC)
        )
        types, agent_id = queries.outcome_types(several("outcomeType")), queries.agent_id(one("agentId"))
        summary = cls(period, outcome_types=types, agent_id=agent_id)
        return summary, summary.previous() if queries.compare(one("compare")) else None

    def previous(self) -> "Summary":
        return Summary(self.period.previous(), self.outcome_types, self.agent_id)

    def add(self, cell: Cell, tallies: Tallies) -> None:
        """Add sums of a day of the period, if they pass the filters."""
        if self.outcome_types and cell.outcome_type not in self.outcome_types:
            return
        if self.agent_id is not None and (cell.agent_id or queries.NOBODY) != self.agent_id:
            return
        for total, sum_ in zip(self.totals, tallies, strict=True):
            if sum_:
                total.add(sum_.count, sum_.value)
        if counting := tallies[0]:
            for sum_ in self.by_type[cell.outcome_type], self.by_agent[cell.agent_id], self.by_date[cell.date]:
                sum_.add(counting.count, counting.value)

    def response(self, previous: "Summary | None" = None, recent: str = "") -> str:
        """Return the contract's JSON. previous: the summary to compare with. recent: JSON of the latest outcomes."""
        types = sorted(_present(self.by_type), key=lambda entry: (*entry[1].rank, entry[0]))
        agents, others = self._agents()
        counting, *apart = zip(TALLIES, self.totals, strict=True)
        response = (
            f"{{{_range(self.period)}"
            f',"timezone":{compact(self.period.timezone)},{_members(counting[1])}'
            f"{''.join([f',"{name}":{{{_members(sum_)}}}' for name, sum_ in apart])}"
            f',"by_type":{_list("outcome_type", types)}'
            f',"by_agent":{_list("agent_id", agents)}{_others(others)}'
            f',"by_{self.period.by}":{_list("date", self._by_bucket())}'
        )
        if previous:
            response += f',"previous":{{{_range(previous.period)},{_members(previous.totals[0])}}}'
        return response + (f',"recent":{recent}' if recent else "") + "}"

    def _agents(self) -> tuple[list[tuple[int | None, Sum]], list[tuple[int | None, Sum]]]:
        """Return the agents to list, always including "no agent", and all other agents."""
        agents = sorted(_present(self.by_agent), key=lambda entry: (*entry[1].rank, entry[0] is None, entry[0]))
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
        for date, sum_ in self.by_date.items():
            sums[bisect(dates, date) - 1].add(sum_.count, sum_.value)
        return zip(dates, sums, strict=True)


def _present[Key](sums: dict[Key, Sum]) -> list[tuple[Key, Sum]]:
    return [(key, sum_) for key, sum_ in sums.items() if sum_.count]


def _range(period: Period) -> str:
    return f'"from":"{instants.text(period.since)}","to":"{instants.text(period.until)}"'


def _members(sum_: Sum) -> str:
    return f'"count":{sum_.count},"value_usd":{sum_.exact:f}'


def _others(agents: list[tuple[int | None, Sum]]) -> str:
    together = Sum()
    for _, sum_ in agents:
        together.add(sum_.count, sum_.value)
    return f',"other_agents":{{"agents":{len(agents)},{_members(together)}}}' if agents else ""


def _list(name: str, sums: Iterable[tuple[str | int | None, Sum]]) -> str:
    return "[" + ",".join([f'{{"{name}":{compact(key)},{_members(sum_)}}}' for key, sum_ in sums]) + "]"
