"""Model what the clock tells of a watch by its row, whose stream becomes events.

A run reads the row and then the figure, and writes the row: the side of the line on which the figure is, and how often
that was told. Each write arrives at once, or after others, or never. Meanwhile the figure crosses the line, the watch
is put anew or deleted, and its user is erased. The event of a write is made from its images.
"""

from collections import namedtuple
from typing import Any

from tests.model.explore import Model, Steps, law

# crossed: how often the figure crossed the line, so it is over if this is odd. told: watch, number and figure.
State = namedtuple("State", "row crossed made is_erased told")
Row = namedtuple("Row", "made changes side told of")  # told: how often. of: the watch of which the side is known
Run = namedtuple("Run", "row figure left")  # what it has read, and how many runs may begin


class Watch(Model):
    CROSSED = 3
    start = State(Row(1, 0, 0, 0, 1), 0, 1, False, ())
    begin = Run(None, None, 2)

    def world(self, state: State, doing: Any) -> Steps:
        if state.crossed < self.CROSSED:
            yield "crosses the line", state._replace(crossed=state.crossed + 1), doing
        if state.made == 1 and not state.is_erased:
            yield "puts the watch anew", state._replace(row=Row(2, 0, 0, 0, 2), made=2), doing
            yield "deletes the watch", state._replace(row=None), doing
        if not state.is_erased:
            yield "erases the user", state._replace(row=None, is_erased=True), doing

    def run(self, state: State, run: Run) -> Steps:
        ended = self.begin._replace(left=run.left)
        if run != ended:
            yield "is killed", state, ended
        is_late = not self.has("the row before its figure")
        if run.figure is None and run.left and (run.row or is_late):
            yield "reads the figure", state, run._replace(figure=state.crossed, left=run.left - (run.row is None))
        if run.row is None and state.row and (run.figure is not None if is_late else run.left):
            yield "reads the row", state, run._replace(row=state.row, left=run.left - (not is_late))
        if run.row and run.figure is not None and run.row.side != run.figure % 2:
            yield from self._write(state, run.row, run.figure, ended)

    def _write(self, state: State, read: Row, figure: int, ended: Run) -> Steps:
        found = state.row
        if (self.has("the condition on made") and not (found and found.made == read.made)) or (
            self.has("the condition on changes") and not (found and found.changes == read.changes)
        ):
            yield "may not write", state, ended
            return
        row = Row(found.made if found else read.made, read.changes + 1, figure % 2, read.told + 1, read.of)
        before = [told for told in state.told if told[0] == row.made]
        law(not state.is_erased, "a row is written after the erasure")
        law(row.of == row.made, "a new watch says what was found for another")
        law(row.told not in {number for _, number, _ in before}, "a number is told twice")
        law(all(figure > earlier for _, _, earlier in before[-1:]), "a later number tells an older figure")
        told = [(row.made, row.told, figure)] if self.has("the outbox") else []  # else the run may be killed before
        law(row.told <= len(before) + len(told), "a number of a row is not told")
        yield "writes", state._replace(row=row, told=(*state.told, *told)), ended
