"""Visit every state that a model can reach, breadth first, so that a trace to a broken law is a shortest one."""

from collections import deque
from collections.abc import Iterator
from copy import copy
from typing import Any, NamedTuple, Self

MOST_STATES = 1_000_000
ENDED = ("ended",)
NOTHING: frozenset[Any] = frozenset()

Steps = Iterator[tuple[str, Any, Any]]  # what an actor does, the state after it, and what this actor does next


class LawBroken(Exception):
    """A state, or the answer of the next step, breaks a law of the model."""


def law(holds: object, otherwise: str) -> None:
    if not holds:
        raise LawBroken(otherwise)


class Model:
    """A protocol. Its bounds are attributes. start: the first state. begin: what each actor does first.

    The actors "put, write 2" act by the methods `put(state, doing)` and `write(state, doing, "2")`.
    """

    start: Any
    begin: Any = ("begin",)
    without: tuple[str, ...] = ()
    LAST = 0  # the last tick

    def __init__(self, actors: str, **bounds: Any) -> None:
        self.actors = [(actor, *actor.split()) for actor in actors.split(", ")]
        vars(self).update(bounds)

    def but(self, **changes: Any) -> Self:
        changed = copy(self)
        vars(changed).update(changes)
        return changed

    def has(self, safeguard: str) -> bool:
        return safeguard not in self.without

    def clock(self, state: Any, doing: Any) -> Steps:
        if state.now < self.LAST:
            yield "ticks", state._replace(now=state.now + 1), doing

    def steps(self, state: Any, doing: tuple[Any, ...]) -> Iterator[tuple[str, tuple[Any, tuple[Any, ...]]]]:
        for index, (actor, method, *arguments) in enumerate(self.actors):
            for step, after, following in getattr(self, method)(state, doing[index], *arguments):
                yield f"{index} {actor} {step}", (after, (*doing[:index], following, *doing[index + 1 :]))


class Found(NamedTuple):
    """states: how many were visited. trace: the steps to a broken law and the law, or an empty list."""

    states: int
    trace: list[str]


def explore(model: Model) -> Found:
    """Explore a model. Raises OverflowError if it has more states than the suite has time for."""
    start = model.start, (model.begin,) * len(model.actors)
    came_from: dict[Any, tuple[Any, str] | None] = {start: None}
    waiting = deque([start])
    for visited in range(1, MOST_STATES):
        if not waiting:
            return Found(visited - 1, [])
        state = waiting.popleft()
        try:
            for step, following in model.steps(*state):
                if following not in came_from:
                    came_from[following] = state, step
                    waiting.append(following)
        except LawBroken as broken:
            trace = [str(broken)]
            while before := came_from[state]:
                state, step = before
                trace.append(step)
            return Found(visited, trace[::-1])
    raise OverflowError(f"more than {MOST_STATES} states")
