"""Sums of a user's outcomes: count and exact value, in total, by type, by agent, by local day."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from decimal import Context, Decimal, Inexact

from outcomes.contract import instants
from outcomes.contract.json_text import compact
from outcomes.contract.limits import MAX_RESPONSE_BYTES
from outcomes.contract.period import Period
from outcomes.contract.standing import TALLIES, Fact
from outcomes.errors import BadRequest, Fault

# Values lie below 1e15, and their last digits above 1e-168 (38 digits, from 1e-130 down): there is room for the sum of
# 1e17 of them. Were there ever too little, that is a failure and not a rounded sum.
_EXACT = Context(prec=200, traps=[Inexact])


def summarize(facts: Iterable[Fact], period: Period) -> str:
    """Add up facts of what happened within `period`, and write the response of the contract, as JSON text.

    Raises BadRequest when they are of so many agents that Lambda could not respond.
    """
    tallies = {name: _Sum() for name in ("standing", "confirmed", "disputed", "voided")}
    by_type: defaultdict[str, _Sum] = defaultdict(_Sum)
    by_agent: defaultdict[int | None, _Sum] = defaultdict(_Sum)
    by_day = {day.date: _Sum() for day in period.days}
    ends = [day.end for day in period.days]
    for fact in facts:
        counts_in = TALLIES[fact.status]
        for name in counts_in:
            tallies[name].add(fact.value_usd)
        if "standing" in counts_in:
            day = period.days[bisect_right(ends, fact.occurred_at)]
            for sum_ in by_type[fact.outcome_type], by_agent[fact.agent_id], by_day[day.date]:
                sum_.add(fact.value_usd)
    types = sorted(by_type.items(), key=lambda entry: (*entry[1].rank, entry[0]))
    agents = sorted(by_agent.items(), key=lambda entry: (*entry[1].rank, entry[0] is None, entry[0]))
    response = (
        f'{{"from":"{instants.text(period.since)}","to":"{instants.text(period.until)}","timezone":{compact(period.timezone)},{tallies.pop("standing")}'
        f"{''.join([f',"{name}":{{{sum_}}}' for name, sum_ in tallies.items()])}"
        f',"by_type":{_list("outcome_type", types)}'
        f',"by_agent":{_list("agent_id", agents)}'
        f',"by_day":{_list("date", by_day.items())}}}'
    )
    if len(response) + response.count('"') > MAX_RESPONSE_BYTES:  # Lambda's response has it as a JSON string
        raise BadRequest(
            "Invalid from", [Fault(field="from", message="must be later: too many agents for one response")]
        )
    return response


class _Sum:
    """A count of outcomes, and their value together."""

    def __init__(self) -> None:
        self.count = 0
        self.value = Decimal(0)

    def add(self, value: Decimal | None) -> None:
        self.count += 1
        if value is not None:
            self.value = _EXACT.add(self.value, value)

    @property
    def rank(self) -> tuple[Decimal, int]:
        """Sort by more value, then by more outcomes."""
        return self.value.copy_negate(), -self.count

    def __str__(self) -> str:
        """Write members of a JSON object."""
        return f'"count":{self.count},"value_usd":{self.value.normalize(_EXACT):f}'


def _list(name: str, sums: Iterable[tuple[str | int | None, _Sum]]) -> str:
    return "[" + ",".join([f'{{"{name}":{compact(key)},{sum_}}}' for key, sum_ in sums]) + "]"
