"""Add up a statement's entries: the totals of its period, and the adjustments of all other periods."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from outcomes.contract.json_text import compact
from outcomes.contract.status import TALLIES_BY_STATUS, CountedFields
from outcomes.contract.sums import TALLIES, Sum
from outcomes.statements.format import money

_STANDING = TALLIES[0]


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

    def add_text(self, text: str) -> None:
        """Add sums that an earlier call wrote with `text`, to continue from them."""
        written = json.loads(text)
        self._totals[self._period].add_written(written["totals"])
        for each in written["adjustments"]:
            self._totals[Bounds(each["from"], each["to"])].add_written(each["totals"])

    def text(self, salt: bytes) -> str:
        """Return the text of the sums. The head contains its digest."""
        totals = self._totals.get(self._period, _Totals()).text()
        adjustments = [
            f'{{"from":"{bounds.begin}","to":"{bounds.end}","totals":{each.text()}}}'
            for bounds, each in sorted(self._totals.items())
            if bounds != self._period
        ]
        return f'{{"totals":{totals},"adjustments":[{",".join(adjustments)}],"sums_salt":"{salt.hex()}"}}'


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
        sums += [(self.by_agent[row["agent_id"]], row) for row in totals["by_agent"]]
        for sum_, members in sums:
            sum_.add(members["count"], Decimal(members["value_usd"]))

    def text(self) -> str:
        apart = [f'"{tally}":{{{_members(self.tallies[tally])}}}' for tally in TALLIES if tally != _STANDING]
        return (
            f"{{{_members(self.tallies[_STANDING])},{','.join(apart)}"
            f',"by_type":{_rows("outcome_type", self.by_type)},"by_agent":{_rows("agent_id", self.by_agent)}}}'
        )


def _rows(name: str, sums: Mapping[str, Sum] | Mapping[int | None, Sum]) -> str:
    """Return the JSON of the sums that are not zero, sorted by key, "no agent" first."""
    rows = sorted(((key, sum_) for key, sum_ in sums.items() if sum_), key=lambda row: row[0] or 0)
    return "[" + ",".join([f'{{"{name}":{compact(key)},{_members(sum_)}}}' for key, sum_ in rows]) + "]"


def _members(sum_: Sum) -> str:
    return f'"count":{sum_.count},"value_usd":"{_dollars(sum_)}"'


def _dollars(sum_: Sum) -> str:
    """Format a sum with at least two decimals."""
    whole, _, decimals = money(sum_.value).partition(".")
    return f"{whole}.{decimals:0<2}"
