"""Outcomes of more agents than a statement lists, so that a verifier needs each rule of the order of agents.

1,000 of the agents' sums are listed in the totals, and 1,000 in the adjustments. Of the sums below, those with the
comment "listed" are the last ones that are listed; the others are the first ones that are left out.
"""

from collections.abc import Iterator
from decimal import Decimal

from outcomes.contract.status import VOID, CountedFields
from outcomes.statements.format import RecordedCorrection, RecordedOutcome
from outcomes.statements.statement_sums import MAX_LISTED_AGENTS, Bounds

type Row = tuple[int | None, list[str]]
"""An agent, and the values of its outcomes."""

TOTALS: list[Row] = [
    (2004, ["5.00000000000000000000000000000000001"]),  # listed: greater, in a digit that a double does not have
    (2003, ["2.5", "2.5"]),  # listed: a greater count
    (None, ["5"]),  # listed: null comes first
    (2000, ["-5"]),  # listed: a smaller id; the sign does not matter
    (2001, ["5"]),
    (2002, ["5"]),
    (2005, ["4.9", "0.05", "0.04"]),
    (2006, ["7", "-7"]),  # not zero, because its count is not
    (2007, ["9"]),  # its void makes the sum zero
]
AUGUST: list[Row] = [(None, ["5"]), (2000, ["-5"]), (2001, ["5"])]  # listed: the first two
SEPTEMBER: list[Row] = [(None, ["5"]), (2000, ["5"])]  # listed: the first one


def entries(month: Bounds, august: Bounds, september: Bounds) -> list[RecordedOutcome | RecordedCorrection]:
    """Return the outcomes and the void. All of them were recorded when `month` began."""
    greater = MAX_LISTED_AGENTS - 4, MAX_LISTED_AGENTS - 3
    rows = [*_rows(month, _greater(greater[0])), *_rows(month, TOTALS)]
    rows += [*_rows(august, _greater(greater[1] // 2)), *_rows(august, AUGUST)]
    rows += [*_rows(september, _greater(greater[1] - greater[1] // 2)), *_rows(september, SEPTEMBER)]
    recorded = [
        RecordedOutcome(f"{n:04}", agent, "a", "a", None, Decimal(value), None, happened, month.begin, None)
        for n, (agent, value, happened) in enumerate(rows)
    ]
    last = next(each for each in recorded if each.agent_id == TOTALS[-1][0])
    before = CountedFields(last.occurred_at, last.outcome_type, last.agent_id, last.value_usd)
    after = before._replace(status=VOID)
    void = RecordedCorrection("9999", last.id, "void", None, "key", month.begin, None, before, after)
    return [*recorded, void]


def _greater(agents: int) -> list[Row]:
    """Return rows whose magnitudes are greater than those of the rows above."""
    return [(agent, [str(agent + 5 if agent % 2 else -agent - 5)]) for agent in range(1, agents + 1)]


def _rows(period: Bounds, rows: list[Row]) -> Iterator[tuple[int | None, str, str]]:
    for agent, values in rows:
        for value in values:
            yield agent, value, period.begin
