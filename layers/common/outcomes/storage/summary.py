"""The summary of a user's outcomes: count and exact value, in total, by type, by agent, by local day."""

from collections import defaultdict
from collections.abc import Iterable

from outcomes.contract import instants
from outcomes.contract.json_text import compact
from outcomes.contract.limits import MAX_RESPONSE_BYTES
from outcomes.contract.period import Period
from outcomes.contract.sums import TALLIES, Sum, Sums
from outcomes.errors import BadRequest, Fault
from outcomes.storage.store import response_bytes


def summarize(sums: Sums, period: Period) -> str:
    """Write the response of the contract, as JSON text, about what happened within `period`.

    Raises BadRequest when it is of so many agents that Lambda could not respond.
    """
    totals = {name: Sum() for name in TALLIES}
    by_type: defaultdict[str, Sum] = defaultdict(Sum)
    by_agent: defaultdict[int | None, Sum] = defaultdict(Sum)
    by_day = {day.date: Sum() for day in period.days}
    for cell, tallies in sums.by_cell.items():
        for total, sum_ in zip(totals.values(), tallies, strict=True):
            total.add(sum_.count, sum_.value)
        standing = tallies[0]
        for sum_ in by_type[cell.outcome_type], by_agent[cell.agent_id], by_day[cell.date]:
            sum_.add(standing.count, standing.value)
    # What was taken back altogether is not there.
    types = sorted(_present(by_type), key=lambda entry: (*entry[1].rank, entry[0]))
    agents = sorted(_present(by_agent), key=lambda entry: (*entry[1].rank, entry[0] is None, entry[0]))
    response = (
        f'{{"from":"{instants.text(period.since)}","to":"{instants.text(period.until)}"'
        f',"timezone":{compact(period.timezone)},{_members(totals.pop("standing"))}'
        f"{''.join([f',"{name}":{{{_members(sum_)}}}' for name, sum_ in totals.items()])}"
        f',"by_type":{_list("outcome_type", types)}'
        f',"by_agent":{_list("agent_id", agents)}'
        f',"by_day":{_list("date", by_day.items())}}}'
    )
    if response_bytes(response) > MAX_RESPONSE_BYTES:
        raise BadRequest(
            "Invalid from", [Fault(field="from", message="must be later: too many agents for one response")]
        )
    return response


def _present[Key](sums: dict[Key, Sum]) -> list[tuple[Key, Sum]]:
    return [(key, sum_) for key, sum_ in sums.items() if sum_.count]


def _members(sum_: Sum) -> str:
    """Write members of a JSON object."""
    return f'"count":{sum_.count},"value_usd":{sum_.exact:f}'


def _list(name: str, sums: Iterable[tuple[str | int | None, Sum]]) -> str:
    return "[" + ",".join([f'{{"{name}":{compact(key)},{_members(sum_)}}}' for key, sum_ in sums]) + "]"
