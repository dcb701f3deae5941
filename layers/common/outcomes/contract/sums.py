"""Sums of outcomes: how many, and their exact value, by local day of occurrence, type and agent.

They are of four tallies (see `status`): what stands, and what of it is confirmed; what is disputed; what is voided.
"""

from decimal import Context, Decimal, Inexact
from typing import NamedTuple

# Values lie below 1e15, and their last digits above 1e-168 (38 digits, from 1e-130 down): there is room for the sum of
# 1e17 of them. Were there ever too little, that is a failure and not a rounded sum.
EXACT = Context(prec=200, traps=[Inexact])

TALLIES = ("standing", "confirmed", "disputed", "voided")


class Sum:
    """A count of outcomes, and their value together."""

    __slots__ = ("count", "value")

    def __init__(self, count: int = 0, value: Decimal = Decimal(0)) -> None:
        self.count = count
        self.value = value

    def add(self, count: int, value: Decimal | None) -> None:
        """Add so many outcomes, fewer than none for those that are taken back, of this value together."""
        self.count += count
        if value is not None:
            self.value = EXACT.add(self.value, value)

    def __bool__(self) -> bool:
        return bool(self.count or self.value)

    @property
    def rank(self) -> tuple[Decimal, int]:
        """Sort by more value, then by more outcomes."""
        return self.value.copy_negate(), -self.count

    @property
    def exact(self) -> Decimal:
        """The value, in the one way in which it is written."""
        return self.value.normalize(EXACT) if self.value else Decimal(0)


class Cell(NamedTuple):
    """A day, a type and an agent: outcomes are added up by them. date: of the local day on which they happened."""

    date: str
    outcome_type: str
    agent_id: int | None


class Delta(NamedTuple):
    """A change of one sum of TALLIES, by what the outcome counts under there.

    sign: 1, or -1 for what no longer counts. value_usd: with this sign.
    """

    tally: str
    occurred_at: str
    outcome_type: str
    agent_id: int | None
    sign: int
    value_usd: Decimal | None


type Tallies = tuple[Sum, Sum, Sum, Sum]
"""One sum for each of TALLIES."""


class Sums:
    """Tallies by cell.

    days: to each local day that anything happened on, the last one on which something of it was recorded, or itself.
    """

    def __init__(self) -> None:
        self.by_cell: dict[Cell, Tallies] = {}
        self.days: dict[str, str] = {}

    def of(self, cell: Cell) -> Tallies:
        """Find the tallies of a cell, to be added to."""
        tallies = self.by_cell.get(cell)
        if tallies is None:
            tallies = self.by_cell[cell] = (Sum(), Sum(), Sum(), Sum())
        return tallies

    def add(self, more: "Sums") -> None:
        """Add other sums."""
        for cell, tallies in more.by_cell.items():
            for mine, theirs in zip(self.of(cell), tallies, strict=True):
                if theirs:
                    mine.add(theirs.count, theirs.value)
        for day, recorded in more.days.items():
            self.touch(day, recorded)

    def touch(self, day: str, recorded: str) -> None:
        """Note that something happened on a local day, also if it comes to nothing. recorded: the day of the record."""
        self.days[day] = max(recorded, self.days.get(day, day))

    def sorted(self) -> list[tuple[Cell, Tallies]]:
        """List what is not nothing: by date, type, agent, no agent first."""
        return sorted(
            ((cell, tallies) for cell, tallies in self.by_cell.items() if any(tallies)),
            key=lambda each: (each[0].date, each[0].outcome_type, each[0].agent_id or 0),
        )
