"""The definition and the statement of one month: writers put or delete the definition while a statement is made."""

from collections import namedtuple
from typing import Any

from tests.model.explore import ENDED, Model, Steps, law

# rule: in force, 0 if none. changes: of its row, 0 if the row is absent.
State = namedtuple("State", "rule changes is_stated")


class Definitions(Model):
    """What is written is a rule, 0 to delete it, or the statement."""

    start = State(0, 0, False)

    def write(self, state: State, doing: Any, what: str) -> Steps:
        if doing == self.begin and not state.is_stated:
            yield "reads", state, (state.rule, state.changes)
        elif doing not in {self.begin, ENDED}:
            rule, changes = doing
            is_refused = state.changes != changes
            if what == "statement":
                is_refused &= self.has("the statement's check")
                is_refused &= changes > 0 or self.has("the check of an absent row")
                after = state._replace(is_stated=True)
            else:
                is_refused &= self.has("the condition on changes")
                is_refused |= state.is_stated and self.has("the condition on the cut")
                kept = changes + 1 if int(what) or self.has("the row of a deletion") else 0
                after = state._replace(rule=int(what), changes=kept)
            if is_refused:
                yield "reads again", state, self.begin
            else:
                law(rule == state.rule, "a statement lacks the definition, or a writer replaces what it has not read")
                law(not state.is_stated, "the definition of a stated month is changed")
                yield "lands", after, ENDED
