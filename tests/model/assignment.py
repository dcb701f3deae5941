"""The assignment of an imported outcome that has no user, while its import is undone and repeated.

Decisions 115 and 132 describe it. One transaction stores a copy for the user and voids the original, if the original
has the version that was read; its answer may be lost, and it may take effect later. The undo of the import voids the
original on the same condition and marks it `undone`. The import's next round stores the row anew only if it finds this
mark.

Laws:
- The outcome counts once: as the original, as one copy, or as the row of the next round; or not at all after the undo.
- Who is told the id of a copy finds this copy, and who is told that nothing was assigned finds none, for ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.model.explore import LawBroken

ENDED = ("ended",)
ATTEMPTS = 2


class Original(NamedTuple):
    version: int = 0
    assigned: tuple[str, str] | None = None  # the user, and the copy's id
    undone: bool = False

    @property
    def is_void(self) -> bool:
        return self.undone or self.assigned is not None


class Sent(NamedTuple):
    """A transaction on its way that assigns the original to a user if it has this version."""

    user: str
    copy: str
    version: int


class State(NamedTuple):
    """callers: two users' assignments. told: what each user's caller was told."""

    original: Original
    live: frozenset[str]  # what counts
    sent: frozenset[Sent]
    callers: tuple[tuple[Any, ...], ...]
    told: tuple[str | None, ...]
    undo: tuple[Any, ...]
    next_round: tuple[Any, ...]


USERS = ("ann", "bob")


@dataclass(frozen=True)
class Assignment:
    without: frozenset[str] = frozenset()

    def start(self) -> State:
        begin: tuple[Any, ...] = ("read", 0, frozenset())
        return State(
            Original(), frozenset({"original"}), frozenset(), (begin, begin), (None, None), ("read",), ("read",)
        )

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        for sent in state.sent:
            yield f"{sent.copy} never arrives", state._replace(sent=state.sent - {sent})
            if applied := self._apply(state, sent):
                yield f"{sent.copy} arrives late", applied._replace(sent=state.sent - {sent})
        for index, user in enumerate(USERS):
            for step, after, caller, told in self._assign(state, index, user):
                callers = (*state.callers[:index], caller, *state.callers[index + 1 :])
                answers = (*state.told[:index], told, *state.told[index + 1 :]) if told else state.told
                yield f"{user} {step}", after._replace(callers=callers, told=answers)
        yield from self._undo(state)
        yield from self._import_again(state)

    def _count(self, state: State) -> State:
        if len(state.live) > 1:
            raise LawBroken(f"{sorted(state.live)} count at the same time")
        return state

    def _apply(self, state: State, sent: Sent) -> State | None:
        """Return the state after a transaction, or None if DynamoDB cancels it."""
        original = state.original
        if sent.version != original.version and "the condition on the original's version" not in self.without:
            return None
        if state.told[USERS.index(sent.user)] == "nothing":
            raise LawBroken(f"{sent.copy} is stored, and {sent.user} was told that nothing is")
        voided = Original(original.version + 1, (sent.user, sent.copy), original.undone)
        live = state.live - {"original"} | {sent.copy}
        return self._count(state._replace(original=voided, live=live))

    def _assign(self, state: State, index: int, user: str) -> Iterator[tuple[str, State, tuple[Any, ...], str | None]]:
        original = state.original
        match state.callers[index]:
            case ("read", attempts, doubtful):
                doubtful &= {original.version}
                is_own = original.assigned is not None and original.assigned[0] == user
                if is_own and original.assigned and "the user of an earlier attempt" not in self.without:
                    if original.assigned[1] not in state.live:
                        raise LawBroken(f"{user} is told of {original.assigned[1]}, which is not there")
                    yield "finds its copy", state, ENDED, original.assigned[1]
                elif original.is_void or attempts == ATTEMPTS:
                    if doubtful and "doubt about attempts" not in self.without:
                        yield "does not know", state, ENDED, None
                        return
                    if any(copy.startswith(user) for copy in state.live):
                        raise LawBroken(f"{user} is told that nothing was assigned, and has a copy")
                    yield "is told that nothing was assigned", state, ENDED, "nothing"
                else:
                    yield "reads the original", state, ("send", attempts, doubtful, original.version), None
            case ("send", attempts, doubtful, version):
                sent = Sent(user, f"{user}'s copy {attempts}", version)
                again = ("read", attempts + 1, doubtful | {version})
                yield "gets no answer", state._replace(sent=state.sent | {sent}), again, None
                if "one transaction" in self.without:
                    half = state._replace(live=state.live | {sent.copy})
                    yield "stores a copy, and stops", self._count(half), ENDED, None
                if applied := self._apply(state, sent):
                    yield "stores a copy", applied, ENDED, sent.copy
                else:
                    yield "is cancelled", state, ("read", attempts + 1, doubtful), None

    def _undo(self, state: State) -> Iterator[tuple[str, State]]:
        match state.undo:
            case ("read",):
                following = ENDED if state.original.is_void else ("void", state.original.version)
                yield "the undo reads the original", state._replace(undo=following)
            case ("void", version):
                is_as_read = version == state.original.version
                if is_as_read or "the undo's condition on the version" in self.without:
                    voided = state.original._replace(version=version + 1, undone=True)
                    live = state.live - {"original"}
                    yield "the undo voids the original", state._replace(original=voided, live=live, undo=ENDED)
                else:
                    yield "the undo is cancelled", state._replace(undo=("read",))

    def _import_again(self, state: State) -> Iterator[tuple[str, State]]:
        match state.next_round:
            case ("read",):
                finds_void = state.original.is_void and "the mark `undone`" in self.without
                following = ("put",) if state.original.undone or finds_void else ENDED
                yield "the next round reads the original", state._replace(next_round=following)
            case ("put",):
                added = state._replace(live=state.live | {"next round"}, next_round=ENDED)
                yield "the next round stores the row", self._count(added)


UNDONE = Assignment()
