"""Model what the clock tells of a watch by its row, whose stream becomes events.

A run reads the row and then the figure, and writes the row: the side of the line on which the figure is, and how often
that was told. Each write arrives at once, or after others, or never. Meanwhile the figure crosses the line, the watch
is put anew or deleted, and its user is erased. The event of a write is made from its images.

Laws: no number is told twice, each that a row has was told, a later one of a newer figure, the row of a new watch says
only what was found for it, and nothing is written after an erasure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explore import LawBroken


class Row(NamedTuple):
    """told: how often. of: the watch of which the side is known."""

    made: int
    changes: int = 0
    side: int = 0
    told: int = 0
    of: int = 0


class Run(NamedTuple):
    """row, figure: what it has read. untold: what it wrote and has not told. left: how many runs may begin."""

    row: Row | None = None
    figure: int | None = None
    untold: tuple[int, int, int] | None = None
    left: int = 2


class State(NamedTuple):
    """crossed: how often the figure crossed the line, so it is over if this is odd. told: watch, number and figure."""

    row: Row | None
    crossed: int
    made: int
    is_erased: bool
    told: tuple[tuple[int, int, int], ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Watch:
    without: frozenset[str] = frozenset()
    RUNS: int = 2
    CROSSED: int = 3

    def start(self) -> State:
        return State(Row(1, of=1), 0, 1, False, (), (Run(),) * self.RUNS)

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        if state.crossed < self.CROSSED:
            yield "the figure crosses the line", state._replace(crossed=state.crossed + 1)
        if state.made == 1 and not state.is_erased:
            yield "the watch is put anew", state._replace(row=Row(2, of=2), made=2)
            yield "the watch is deleted", state._replace(row=None)
        if not state.is_erased:
            yield "the user is erased", state._replace(row=None, is_erased=True)
        for index, run in enumerate(state.runs):
            for step, after, now in self._run(state, run):
                self._check(after)
                runs = (*state.runs[:index], now, *state.runs[index + 1 :])
                yield f"run {index} {step}", after._replace(runs=runs)

    def _run(self, state: State, run: Run) -> Iterator[tuple[str, State, Run]]:
        if run != Run(left=run.left):
            yield "is killed", state, Run(left=run.left)
        if run.untold:
            yield "tells", state._replace(told=(*state.told, run.untold)), Run(left=run.left)
            return
        is_late = "the row before its figure" in self.without
        if run.figure is None and run.left and (run.row or is_late):
            yield "reads the figure", state, run._replace(figure=state.crossed, left=run.left - (run.row is None))
        if run.row is None and state.row and (run.figure is not None if is_late else run.left):
            yield "reads the row", state, run._replace(row=state.row, left=run.left - (not is_late))
        if run.row and run.figure is not None and run.row.side != run.figure % 2:
            yield from self._write(state, run, run.row, run.figure)

    def _write(self, state: State, run: Run, read: Row, figure: int) -> Iterator[tuple[str, State, Run]]:
        found = state.row
        is_same = (
            ("the condition on made" in self.without or bool(found and found.made == read.made)),
            ("the condition on changes" in self.without or bool(found and found.changes == read.changes)),
        )
        if not all(is_same):
            yield "may not write", state, Run(left=run.left)
            return
        made = found.made if found else read.made
        row = Row(made, read.changes + 1, figure % 2, read.told + 1, read.of)
        event = made, row.told, figure
        if "the outbox" in self.without:
            yield "writes", state._replace(row=row), run._replace(untold=event)
            return
        yield "writes", state._replace(row=row, told=(*state.told, event)), Run(left=run.left)

    def _check(self, after: State) -> None:
        row, numbers = after.row, [each[:2] for each in after.told]
        if row and after.is_erased:
            raise LawBroken("a row is written after the erasure")
        if len({*numbers}) < len(numbers):
            raise LawBroken("a number is told twice")
        if row and row.of != row.made:
            raise LawBroken("a new watch says what was found for another")
        for earlier, later in zip(after.told, after.told[1:], strict=False):
            if earlier[0] == later[0] and earlier[2] >= later[2]:
                raise LawBroken("a later number tells an older figure")
        is_idle = not any(run.untold for run in after.runs)
        if row and is_idle and row.told > sum(made == row.made for made, _ in numbers):
            raise LawBroken("a number of a row is not told")


TOLD = Watch()
