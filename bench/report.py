"""The report: a Markdown table with a row for each measurement, and the bars that are met or missed."""

from collections.abc import Mapping
from typing import NamedTuple

MISSED = "**MISSED**"


class Times(NamedTuple):
    """Median times of a program or a call, in seconds."""

    cpu: float
    wall: float


class Row(NamedTuple):
    """A measurement. note: what else was measured. bar: the upper limit, or None."""

    name: str
    measured: float
    unit: str
    note: str
    bar: float | None

    @property
    def is_missed(self) -> bool:
        return self.bar is not None and self.measured > self.bar

    def cells(self) -> list[str]:
        measured = f"{self.measured:,.0f}" if self.measured >= 100 else f"{self.measured:.3g}"
        verdict = "" if self.bar is None else MISSED if self.is_missed else "met"
        return [self.name, f"{measured} {self.unit}".strip(), self.note, f"{self.bar or 0:g}" * bool(verdict), verdict]


class Report:
    """Collects measurements."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, name: str, measured: float, unit: str = "", *, bar: float | None = None, note: str = "") -> None:
        self.rows.append(Row(name, measured, unit, note, bar))

    def times(self, what: str, times: Mapping[str, Times], base: str, bars: Mapping[str, float], unit: str) -> None:
        """Add the processor times of programs, as multiples of the program `base`, whose name in the plural is `unit`.

        what: what is measured, as the beginning of the names of the rows. bars: upper limits, by the program's name.
        """
        of_base = times[base]
        for name, (cpu, wall) in times.items():
            note = f"{cpu * 1000:.3g} ms; {wall / of_base.wall:.2f} by wall time"
            self.add(f"{what}: {name}", cpu / of_base.cpu, unit, bar=bars.get(name), note=note)

    @property
    def missed(self) -> list[Row]:
        return [row for row in self.rows if row.is_missed]

    def table(self) -> str:
        lines = [["", "measured", "", "bar", "verdict"], ["---", "--:", "---", "--:", "---"]]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in [*lines, *(row.cells() for row in self.rows)])
