"""The definition and the statement of one month: writers put or delete the definition while a statement is made.

Laws: the statement has the definition that is in force, for ever, and a writer replaces only what it has read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.model.explore import LawBroken


class State(NamedTuple):
    """rule: in force, 0 if none. changes: of its row, 0 if the row is absent. read: rule and changes, by each actor."""

    rule: int
    changes: int
    is_stated: bool
    read: tuple[Any, ...]


@dataclass(frozen=True)
class Definitions:
    """writers: the rule that each puts, 0 to delete. changes: of the row of the rule 1 at the beginning, if not 0."""

    writers: tuple[int, ...]
    changes: int = 0
    without: frozenset[str] = frozenset()

    def start(self) -> State:
        return State(min(self.changes, 1), self.changes, False, ("begins",) * (len(self.writers) + 1))

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        for index, put in enumerate((*self.writers, None)):
            for step, made, now in self._act(state, put, state.read[index]):
                yield f"{index} {step}", made._replace(read=(*state.read[:index], now, *state.read[index + 1 :]))

    def _act(self, state: State, put: int | None, read: Any) -> Iterator[tuple[str, State, Any]]:
        if read == "begins" and not state.is_stated:
            yield "reads", state, (state.rule, state.changes)
        elif isinstance(read, tuple):
            rule, changes = read
            is_refused = state.changes != changes
            if put is None:
                is_refused &= "the statement's check" not in self.without
                is_refused &= changes > 0 or "the check of an absent row" not in self.without
                after = state._replace(is_stated=True)
            else:
                is_refused &= "the condition on changes" not in self.without
                is_refused |= state.is_stated and "the condition on the cut" not in self.without
                kept = changes + 1 if put or "the row of a deletion" not in self.without else 0
                after = state._replace(rule=put, changes=kept)
            if is_refused:
                yield "reads again", state, "begins"
            elif rule != state.rule or state.is_stated:
                raise LawBroken("a statement lacks the definition, or a writer replaces what it has not read")
            else:
                yield "lands", after, "ended"


FIRST, AGAIN = Definitions((1, 2)), Definitions((2, 0, 3), changes=1)
