"""Add up outcomes (count and exact value) by the local day on which they happened, by type and by agent.

There are four tallies: `standing` (status recorded or confirmed), `confirmed` (a subset of standing), `disputed` and
`voided`.
"""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact
from typing import NamedTuple

from outcomes.contract.status import CONFIRMED, DISPUTED, RECORDED, TALLIES_BY_STATUS, VOID, CountedFields

# A value has at most 15 digits before the decimal point, because it is below 1e15. It has at most 168 digits after the
# point: 38 significant digits, and a magnitude of at least 1e-130. So with 200 digits, sums of up to 1e17 values are
# exact. Larger sums raise Inexact instead of being rounded.
EXACT = Context(prec=200, traps=[Inexact])

TALLIES = ("standing", "confirmed", "disputed", "voided")


class Sum:
    """The count and total value of outcomes."""

    __slots__ = ("count", "value")

    def __init__(self, count: int = 0, value: Decimal = Decimal(0)) -> None:
        self.count = count
        self.value = value

    def add(self, count: int, value: Decimal | None) -> None:
        """Add `count` outcomes with this total value. Negative arguments subtract."""
        self.count += count
        if value is not None:
            self.value = EXACT.add(self.value, value)

    def __bool__(self) -> bool:
        return bool(self.count or self.value)

    @property
    def rank(self) -> tuple[Decimal, int]:
        """Return the sort key: greater value first, then greater count."""
        return self.value.copy_negate(), -self.count

    @property
    def exact(self) -> Decimal:
        """Return the value in normalized notation."""
        return normalized(self.value)

    @property
    def plain(self) -> Decimal:
        """Return the value that JSON has without an exponent: 500, not 5E+2."""
        return Decimal(f"{self.exact:f}")


def normalized(value: Decimal) -> Decimal:
    return value.normalize(EXACT) if value else Decimal(0)


class Cell(NamedTuple):
    """A group of outcomes: same day, type and agent. date: the local day on which they happened."""

    date: str
    outcome_type: str
    agent_id: int | None


class Delta(NamedTuple):
    """A change that a ledger entry makes to one tally.

    sign: 1 to add, -1 to subtract. value_usd: the value, which already has this sign.
    """

    tally: str
    occurred_at: str
    outcome_type: str
    agent_id: int | None
    sign: int
    value_usd: Decimal | None


def deltas(before: CountedFields, after: CountedFields) -> list[Delta]:
    """Return a correction's deltas: what it subtracts from and adds to the sums of outcomes.

    A total is the sum of the outcomes as recorded plus the deltas of all corrections.

    The old and the new value are separate deltas, because their difference may have more digits than DynamoDB stores.
    """
    gone, come = TALLIES_BY_STATUS[before.status], TALLIES_BY_STATUS[after.status]
    unchanged = set(gone) & set(come) if before[:-1] == after[:-1] else set()
    return [
        *[_delta(tally, before, -1) for tally in gone if tally not in unchanged],
        *[_delta(tally, after, 1) for tally in come if tally not in unchanged],
    ]


def _delta(tally: str, fields: CountedFields, sign: int) -> Delta:
    value = fields.value_usd.copy_negate() if fields.value_usd and sign < 0 else fields.value_usd
    return Delta(tally, fields.occurred_at, fields.outcome_type, fields.agent_id, sign, value)


type Tallies = tuple[Sum, Sum, Sum, Sum]

# A cell with ALL_TYPES or ALL_AGENTS is a marginal sum. No type has this name, and no agent has this id.
ALL_TYPES = "*"
ALL_AGENTS = 0


_OF_STATUS = {RECORDED: (1, -1, 0, 0), CONFIRMED: (0, 1, 0, 0), DISPUTED: (0, 0, 1, 0), VOID: (0, 0, 0, 1)}
"""The factors of the tallies whose sum is the sum of the outcomes with a status."""


def of_statuses(tallies: Tallies, statuses: Iterable[str]) -> Sum:
    """Return the sum of the outcomes with one of these statuses."""
    total = Sum()
    for status in statuses:
        for factor, sum_ in zip(_OF_STATUS[status], tallies, strict=True):
            if factor:
                total.add(factor * sum_.count, sum_.value if factor > 0 else sum_.value.copy_negate())
    return total


class Sums:
    """Tallies by local day, type and agent. They may include marginal sums.

    days: for each local day on which outcomes happened, the last local day on which an entry of the ledger that changes
    this day's sums was recorded.
    """

    def __init__(self) -> None:
        self.by_cell: dict[Cell, Tallies] = {}
        self.days: dict[str, str] = {}

    def of(self, cell: Cell) -> Tallies:
        """Return the tallies of a cell. The caller may add to them."""
        tallies = self.by_cell.get(cell)
        if tallies is None:
            tallies = self.by_cell[cell] = (Sum(), Sum(), Sum(), Sum())
        return tallies

    def add(self, more: "Sums") -> None:
        for cell, tallies in more.by_cell.items():
            self.add_to(cell, tallies)
        self.touch_all(more)

    def add_to(self, cell: Cell, tallies: Iterable[Sum]) -> None:
        """Add tallies to a cell."""
        for mine, theirs in zip(self.of(cell), tallies, strict=False):
            if theirs:
                mine.add(theirs.count, theirs.value)

    def add_marginals(self, cell: Cell, tallies: Tallies, agents_date: str) -> None:
        """Add a cell's tallies to two marginal sums.

        The first is the sum over all agents for the cell's day and type. The second is the sum over all types and days
        for the cell's agent. It contains only the first tally and has the date `agents_date`. If the cell is already a
        marginal sum, its tallies are added only to the same kind of marginal sum.
        """
        if cell.outcome_type != ALL_TYPES:
            self.add_to(cell._replace(agent_id=ALL_AGENTS), tallies)
        if cell.agent_id != ALL_AGENTS and tallies[0]:
            self.add_to(Cell(agents_date, ALL_TYPES, cell.agent_id), tallies[:1])

    def touch_all(self, more: "Sums") -> None:
        for day, recorded in more.days.items():
            self.touch(day, recorded)

    def touch(self, day: str, recorded: str) -> None:
        """Add a local day to `days`, even if its sums are zero.

        recorded: the local day on which an entry that changes this day's sums was recorded.
        """
        self.days[day] = max(recorded, self.days.get(day, day))

    def sorted(self) -> list[tuple[Cell, Tallies]]:
        """Return the cells that are not zero, sorted by date, type and agent, "no agent" first."""
        return sorted(
            ((cell, tallies) for cell, tallies in self.by_cell.items() if any(tallies)),
            key=lambda each: (each[0].date, each[0].outcome_type, each[0].agent_id or 0),
        )
