"""Add up a statement's entries: the totals of its period, and the adjustments of all other periods."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from outcomes.contract.json_text import compact
from outcomes.contract.status import TALLIES_BY_STATUS, CountedFields
from outcomes.contract.sums import TALLIES, Sum
from outcomes.statements.format import money

_STANDING = TALLIES[0]

MAX_LISTED_AGENTS = 1_000
"""Maximum rows of `by_agent` in the totals, and in all adjustments together. So a statement is small enough for a
response, whatever its entries say."""

type AgentSums = Mapping[int | None, Sum]


class Bounds(NamedTuple):
    """A half-open interval [begin, end), in the format of `instants.text`."""

    begin: str
    end: str


class StatementSums:
    """Adds up the changes that entries make, for each period in which an outcome happened.

    period: the statement's period. bounds_of: returns the period of the same length that contains an instant outside
    `period`.
    """

    def __init__(self, period: Bounds, bounds_of: Callable[[str], Bounds]) -> None:
        self._period, self._bounds_of = period, bounds_of
        self._totals: defaultdict[Bounds, _Totals] = defaultdict(_Totals)

    def add(self, before: CountedFields | None, after: CountedFields) -> None:
        """Add an entry. before: the outcome's fields before a correction; None for a recorded outcome."""
        if before == after:
            return
        for fields, sign in ((before, -1), (after, 1)):
            if fields:
                at = fields.occurred_at
                within = self._period.begin <= at < self._period.end
                self._totals[self._period if within else self._bounds_of(at)].add(fields, sign)

    @property
    def agents(self) -> int:
        """The number of agents. An agent counts once for each period in which its outcomes happened."""
        return sum(len(totals.by_agent) for totals in self._totals.values())

    def agents_text(self) -> str:
        """Return the text of all agents' sums, of which `text` omits some. Later corrections may change any of them."""
        every = [totals.by_agent.items() for _, totals in self._by_period()]
        return compact([[[agent, sum_.count, money(sum_.value)] for agent, sum_ in agents] for agents in every])

    def add_texts(self, text: str, agents_text: str) -> None:
        """Add sums that an earlier call wrote with `text` and `agents_text`, to continue from them."""
        written = json.loads(text)
        self._totals[self._period].add_written(written["totals"])
        for each in written["adjustments"]:
            self._totals[Bounds(each["from"], each["to"])].add_written(each["totals"])
        for (_, totals), agents in zip(self._by_period(), json.loads(agents_text), strict=True):
            for agent, count, value in agents:
                totals.by_agent[agent].add(count, Decimal(value))

    def text(self, salt: bytes, definition: str = "null") -> str:
        """Return the text of the sums. The head contains its digest. definition: see `format.definition_text`."""
        (_, own), *others = self._by_period()
        [agents] = fold([own.by_agent])
        adjustments = [
            f'{{"from":"{bounds.begin}","to":"{bounds.end}","totals":{totals.text(folded)}}}'
            for (bounds, totals), folded in zip(others, fold([each.by_agent for _, each in others]), strict=True)
        ]
        return (
            f'{{"totals":{own.text(agents)},"adjustments":[{",".join(adjustments)}]'
            f',"definition":{definition},"sums_salt":"{salt.hex()}"}}'
        )

    def _by_period(self) -> list[tuple[Bounds, "_Totals"]]:
        """Return the totals of the statement's period, followed by those of all other periods, earliest first."""
        own = self._period, self._totals[self._period]
        return [own, *sorted(each for each in self._totals.items() if each[0] != self._period)]


class FoldedAgents(NamedTuple):
    """The sums of agents that a list `by_agent` keeps, and the sums of all other agents."""

    kept: dict[int | None, Sum]
    others: list[Sum]


def fold(periods: Sequence[AgentSums]) -> list[FoldedAgents]:
    """Keep the MAX_LISTED_AGENTS greatest sums of all periods together. Sums that are zero are left out first.

    periods: the sums of each period's agents, earliest period first.
    """
    rows = [(sum_, agent, n) for n, sums in enumerate(periods) for agent, sum_ in sums.items() if sum_]
    rows.sort(key=lambda row: (row[0].value.copy_abs().copy_negate(), -abs(row[0].count), row[1] or 0, row[2]))
    folded = [FoldedAgents({}, []) for _ in periods]
    for sum_, agent, n in rows[:MAX_LISTED_AGENTS]:
        folded[n].kept[agent] = sum_
    for sum_, _, n in rows[MAX_LISTED_AGENTS:]:
        folded[n].others.append(sum_)
    return folded


class _Totals:
    def __init__(self) -> None:
        self.tallies = {tally: Sum() for tally in TALLIES}
        self.by_type: defaultdict[str, Sum] = defaultdict(Sum)
        self.by_agent: defaultdict[int | None, Sum] = defaultdict(Sum)

    def add(self, fields: CountedFields, sign: int) -> None:
        value = fields.value_usd.copy_negate() if fields.value_usd and sign < 0 else fields.value_usd
        tallies = TALLIES_BY_STATUS[fields.status]
        sums = [self.tallies[tally] for tally in tallies]
        if _STANDING in tallies:
            sums += self.by_type[fields.outcome_type], self.by_agent[fields.agent_id]
        for sum_ in sums:
            sum_.add(sign, value)

    def add_written(self, totals: dict[str, Any]) -> None:
        sums = [(self.tallies[tally], totals if tally == _STANDING else totals[tally]) for tally in TALLIES]
        sums += [(self.by_type[row["outcome_type"]], row) for row in totals["by_type"]]
        for sum_, members in sums:
            sum_.add(members["count"], Decimal(members["value_usd"]))

    def text(self, agents: FoldedAgents) -> str:
        apart = [f'"{tally}":{{{_members(self.tallies[tally])}}}' for tally in TALLIES if tally != _STANDING]
        return (
            f"{{{_members(self.tallies[_STANDING])},{','.join(apart)}"
            f',"by_type":{_rows("outcome_type", self.by_type)},"by_agent":{_rows("agent_id", agents.kept)}'
            f',"other_agents":{_together(agents.others)}}}'
        )


def _rows(name: str, sums: Mapping[str, Sum] | AgentSums) -> str:
    """Return the JSON of the sums that are not zero, sorted by key, "no agent" first."""
    rows = sorted(((key, sum_) for key, sum_ in sums.items() if sum_), key=lambda row: row[0] or 0)
    return "[" + ",".join([f'{{"{name}":{compact(key)},{_members(sum_)}}}' for key, sum_ in rows]) + "]"


def _together(others: list[Sum]) -> str:
    if not others:
        return "null"
    total = Sum()
    for sum_ in others:
        total.add(sum_.count, sum_.value)
    return f'{{"agents":{len(others)},{_members(total)}}}'


def _members(sum_: Sum) -> str:
    return f'"count":{sum_.count},"value_usd":"{_dollars(sum_)}"'


def _dollars(sum_: Sum) -> str:
    """Format a sum with at least two decimals."""
    whole, _, decimals = money(sum_.value).partition(".")
    return f"{whole}.{decimals:0<2}"
