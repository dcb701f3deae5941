"""The report: Markdown tables, and the bars that are met or missed."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bench.measure import Lives, Times

MISSED = "**MISSED**"


class Bar(NamedTuple):
    """An upper limit, and the measured value."""

    name: str
    limit: float
    measured: float

    @property
    def verdict(self) -> str:
        return "met" if self.measured <= self.limit else MISSED


class Report:
    """Collects the text of the report as Markdown, and the list of all bars (upper limits)."""

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self.parts: list[str] = []

    @property
    def is_missed(self) -> bool:
        """Return whether any bar is missed, here or in the output of `bench.feed`, which only prints its bars."""
        return any(bar.verdict == MISSED for bar in self.bars) or any(MISSED in part for part in self.parts)

    def text(self, text: str) -> None:
        self.parts.append(text)

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        rule = ["---", *["--:"] * (len(columns) - 1)]
        self.parts.append("\n".join(f"| {' | '.join(row)} |" for row in [columns, rule, *rows]))

    def bar(self, name: str, limit: float | None, measured: float) -> list[str]:
        """Add a bar, and return its cells `bar` and `verdict`. They are empty if there is no limit."""
        if limit is None:
            return ["", ""]
        self.bars.append(Bar(name, limit, measured))
        return [f"{limit:g}", self.bars[-1].verdict]

    def bars_table(self, rows: Iterable[tuple[str, float | None, float]]) -> None:
        """Add a table of bars. rows: the name, the limit and the measured value of each bar."""
        cells = [[name, f"{measured:.3g}", *self.bar(name, limit, measured)] for name, limit, measured in rows]
        self.table(["", "measured", "bar", "verdict"], cells)

    def times(self, times: Mapping[str, Times], base: str, bars: Mapping[str, float], digits: int) -> None:
        """Add a table of processor times, in milliseconds and relative to `base`."""
        unit = times[base]
        rows = []
        for name, taken in times.items():
            ratio = taken.cpu / unit.cpu
            cells = [name, f"{taken.cpu * 1000:.{digits}f}", f"{ratio:.2f}", f"{taken.wall / unit.wall:.2f}"]
            rows.append(cells + self.bar(name, bars.get(name), ratio))
        self.table(["", "ms", f"over {base}", "by wall time", "bar", "verdict"], rows)

    def lives(self, lives: Mapping[str, Lives], base: str, bars: Mapping[str, float]) -> None:
        """Add a table of processor times until the first event and its answer, also relative to `base`.

        bars: the upper limits of the first answer's time relative to `base`.
        """
        unit = lives[base]
        rows = []
        for name, lived in lives.items():
            event, answered = lived.event, lived.answered
            ratio = answered.cpu / unit.answered.cpu
            rows.append(
                [
                    name,
                    f"{event.cpu * 1000:.0f}",
                    f"{event.cpu / unit.event.cpu:.2f}",
                    f"{answered.cpu * 1000:.0f}",
                    f"{ratio:.2f}",
                    f"{answered.wall / unit.answered.wall:.2f}",
                    f"{answered.peak_bytes / 1e6:.0f}",
                    *self.bar(f"first answer of {name}", bars.get(name), ratio),
                ]
            )
        columns = ["", "first event ms", "over the first row", "first answer ms", "over the first row", "by wall time"]
        self.table([*columns, "peak memory MB", "bar", "verdict"], rows)
