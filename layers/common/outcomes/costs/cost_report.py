"""Add up what agents cost on the UTC days of a period, and compare it with the value of their outcomes.

A day's costs are known if the costs of at least one source, such as `openai`, are stored for this day. Otherwise the
day's cost is null, not 0.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal
from fractions import Fraction
from typing import TypeGuard

from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.contract import queries
from outcomes.contract.json_text import compact
from outcomes.contract.sums import EXACT, Sum
from outcomes.costs.month_sums import MonthSums, SourceDay, is_recent
from outcomes.limits import MAX_AGENTS_WITH_COST

DIGITS = 6
"""Ratios and costs per outcome are rounded to this many digits after the decimal point."""

_NOTHING = Decimal(0)
_WIDE = Context(prec=500)  # more digits than any cost has, so that normalize() rounds nothing


class CostReport:
    """The costs of the UTC days that begin within a period.

    agent_id: a filter; None means all agents. has_value: whether the summary's value can be compared with costs. A
    summary with a filter by type or status cannot be compared, because costs have no type or status.
    """

    def __init__(self, period: Period, agent_id: queries.Agent | None = None, *, has_value: bool = True) -> None:
        self.period = period
        self.agent_id = agent_id
        self.has_value = has_value
        numbers = range(-(-period.since // instants.DAY), -(-period.until // instants.DAY))
        self.days = [instants.text(number * instants.DAY)[: len("2026-04-01")] for number in numbers]
        self.by_agent: dict[int | None, Decimal] = {}
        self._by_day: dict[str, dict[str, Decimal]] = {day: {} for day in self.days}
        self._restated_at: dict[str, str] = {}

    def add(self, day: SourceDay) -> None:
        """Add a source's costs of a day, or a part of them, if the day is in the period."""
        if day.date not in self._by_day:
            return
        costs = {agent: cost for agent, cost in day.by_agent.items() if self._includes(agent)}
        self._add_agents(costs)
        self._add_day(day.date, day.source, _total(costs.values()), day.restated_at)

    def add_month(self, sums: MonthSums) -> None:
        """Add sums of days that are all in the period, if the report has no filter."""
        self._add_agents(sums.by_agent)
        for source, costs in sums.by_source.items():
            for date, cost in costs.items():
                self._add_day(date, source, cost, sums.restated.get((date, source)))

    def _add_agents(self, costs: dict[int | None, Decimal]) -> None:
        for agent, cost in costs.items():
            self.by_agent[agent] = EXACT.add(self.by_agent.get(agent, _NOTHING), cost)

    def _add_day(self, date: str, source: str, cost: Decimal, restated_at: str | None) -> None:
        by_source = self._by_day[date]
        by_source[source] = EXACT.add(by_source.get(source, _NOTHING), cost)
        if restated_at and is_recent(restated_at):
            self._restated_at[date] = max(restated_at, self._restated_at.get(date, ""))

    def _includes(self, agent: int | None) -> bool:
        return self.agent_id is None or (agent or queries.NOBODY) == self.agent_id

    @property
    def known_days(self) -> int:
        return sum(map(bool, self._by_day.values()))

    @property
    def cost(self) -> Decimal | None:
        """Return the cost of the days with known costs. Return None if there is no such day."""
        return self._cost_of(self.by_agent)

    def _cost_of(self, agents: Iterable[int | None]) -> Decimal | None:
        """Return the cost of some agents on the days with known costs. Return None if there is no such day."""
        return _total(self.by_agent.get(agent, _NOTHING) for agent in agents) if self.known_days else None

    def response(self) -> str:
        """Return the contract's JSON."""
        agents = sorted(self.by_agent.items(), key=lambda entry: (entry[1].copy_negate(), entry[0] is None, entry[0]))
        listed, others = agents[:MAX_AGENTS_WITH_COST], agents[MAX_AGENTS_WITH_COST:]
        by_agent = ",".join([f'{{"agent_id":{compact(agent)},"cost_usd":{_json(cost)}}}' for agent, cost in listed])
        more = ""
        if others:
            cost_of_others = _json(_total(cost for _, cost in others))
            more = f',"other_agents":{{"agents":{len(others)},"cost_usd":{cost_of_others}}}'
        return (
            f'{{"from":"{instants.text(self.period.since)}","to":"{instants.text(self.period.until)}","days":"UTC"'
            f',"cost_usd":{_json(self.cost)},"by_agent":[{by_agent}]{more}'
            f',"by_day":[{",".join(map(self._day, self.days))}],"by_source":[{",".join(self._sources())}]'
            f',"known_days":{self.known_days},"of_days":{len(self.days)}}}'
        )

    def _day(self, date: str) -> str:
        by_source = self._by_day[date]
        cost = _total(by_source.values()) if by_source else None
        restated_at = self._restated_at.get(date)
        restated = f',"restated_at":"{restated_at}"' if restated_at else ""
        return f'{{"date":"{date}","cost_usd":{_json(cost)},"sources":{compact(sorted(by_source))}{restated}}}'

    @property
    def known_by_source(self) -> dict[str, list[str]]:
        """Return the days on which each source has costs. The sources are sorted by name."""
        known: defaultdict[str, list[str]] = defaultdict(list)
        for day in self.days:
            for source in self._by_day[day]:
                known[source].append(day)
        return dict(sorted(known.items()))

    def _sources(self) -> Iterator[str]:
        """Yield the JSON of each source, sorted by name."""
        for source, days in self.known_by_source.items():
            gaps = sorted({day for day in self.days if days[0] < day < days[-1]} - {*days})
            cost = _json(_total(self._by_day[day][source] for day in days))
            yield f'{{"source":"{source}","cost_usd":{cost},"known_days":{len(days)},"gaps":{compact(gaps)}}}'

    def of_all(self, total: Sum) -> str:
        """Return the JSON members to add to the totals of a summary."""
        cost = self.cost
        net = None if cost is None else EXACT.subtract(total.value, cost)
        ratio = _quotient(total.value, cost) if _is_positive(cost) and total.count else None
        known, of = (self.known_days, len(self.days)) if self.has_value else (None, None)
        return (
            f',"cost_usd":{_json(cost)},"known_days":{compact(known)},"of_days":{compact(of)}'
            f',"net_usd":{_json(net)},"ratio":{_json(ratio)}'
        )

    def of_counted(self, total: Sum | None) -> str:
        """Return the JSON members to add to the totals of a summary that says what counts. total: None if unknown."""
        cost = self.cost if self.has_value else None
        net = None if cost is None or total is None else EXACT.subtract(total.value, cost)
        ratio = _quotient(total.value, cost) if _is_positive(cost) and total and total.count else None
        return f',"net_counted_usd":{_json(net)},"ratio_counted":{_json(ratio)}'

    def of_agents(self, agents: Iterable[int | None]) -> str:
        """Return the JSON members to add to the sum of several agents."""
        return f',"cost_usd":{_json(self._cost_of(agents))}'

    def of_agent(self, agent: int | None, total: Sum) -> str:
        """Return the JSON members to add to an agent's sum. Costs of no agent are not those of outcomes of no agent."""
        cost = self._cost_of([agent])
        is_spent_on = agent is not None and total.count
        per_outcome = _quotient(cost, Decimal(total.count)) if _is_positive(cost) and is_spent_on else None
        return f',"cost_usd":{_json(cost)},"cost_per_outcome":{_json(per_outcome)}'


def _json(value: Decimal | None) -> str:
    """Return the JSON of an exact number in normalized notation."""
    return "null" if value is None else f"{value.normalize(_WIDE):f}" if value else "0"


def _total(costs: Iterable[Decimal]) -> Decimal:
    total = _NOTHING
    for cost in costs:
        total = EXACT.add(total, cost)
    return total


def _is_positive(cost: Decimal | None) -> TypeGuard[Decimal]:
    return cost is not None and cost > 0


def _quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Divide two numbers. Round half to even, to DIGITS digits after the decimal point."""
    units = round(Fraction(dividend) / Fraction(divisor) * 10**DIGITS)
    return Decimal(f"{units}E-{DIGITS}")
