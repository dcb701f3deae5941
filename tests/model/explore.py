"""Visit every state that a model can reach, breadth first, so that a trace to a broken law is a shortest one."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

MOST_STATES = 1_000_000


class LawBroken(Exception):
    """A state, or the answer of the next step, breaks a law of the model."""


class Found(NamedTuple):
    """states: how many were visited. trace: the steps to a broken law and the law, or an empty list."""

    states: int
    trace: list[str]


def acting(state: Any, actors: str, name: str, steps: Callable[[Any, Any], Iterator[Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the steps of each of a state's actors. steps: yields a step, the state after it, and the actor after it."""
    before = getattr(state, actors)
    for index, actor in enumerate(before):
        for step, after, now in steps(state, actor):
            yield f"{name} {index} {step}", after._replace(**{actors: (*before[:index], now, *before[index + 1 :])})


def explore(model: Any) -> Found:
    """Explore a model. Raises OverflowError if it has more states than the suite has time for.

    `model.start()` returns the first state. `model.steps(state)` yields each step that is possible then, with the state
    after it, or raises LawBroken.
    """
    start: Hashable = model.start()
    came_from: dict[Hashable, tuple[Hashable, str] | None] = {start: None}
    waiting = deque([start])
    visited = 0
    while waiting:
        state = waiting.popleft()
        visited += 1
        try:
            for step, following in model.steps(state):
                if following not in came_from:
                    came_from[following] = state, step
                    waiting.append(following)
        except LawBroken as law:
            return Found(visited, [*_trace(came_from, state), str(law)])
        if len(came_from) > MOST_STATES:
            raise OverflowError(f"more than {MOST_STATES} states")
    return Found(visited, [])


def _trace(came_from: dict[Hashable, tuple[Hashable, str] | None], state: Hashable) -> list[str]:
    steps: list[str] = []
    while before := came_from[state]:
        state, step = before
        steps.append(step)
    return steps[::-1]
