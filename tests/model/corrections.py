"""Corrections of one outcome, with lost answers and rows of idempotency keys, as `ledger.corrections` writes them.

A request reads the outcome, then the row of its key, then sends one transaction: the correction's entry, the outcome
if it has the version that was read, and the row if there is none. A sent transaction takes effect once, at once or
later, or never; its answer may be lost. After a lost answer or a conflict, the request reads again. Its caller repeats
a request with a key that did not end well, once.

Laws:
- A correction begins with the outcome that the one before it left.
- A request with a key is stored at most once, however often it is repeated; one without a key at most once, too.
- Who is told that a correction is stored reads an outcome that contains it.
- Who is told that nothing is stored is told the truth, for ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.model.explore import LawBroken


class Sent(NamedTuple):
    """A transaction on its way. made: the name of its correction. version: what it read."""

    made: str
    version: int
    key: str | None


class State(NamedTuple):
    """made: the corrections stored, in order. The outcome's version is their number.

    key_row: the correction stored under the key, and the version after it. requests: for each, its next step and what
    it knows. attempts: how many transactions each has sent.
    """

    made: tuple[str, ...]
    key_row: tuple[str, int] | None
    sent: frozenset[Sent]
    requests: tuple[tuple[Any, ...], ...]
    attempts: tuple[int, ...]
    told_nothing: frozenset[str]


NOTHING: frozenset[Any] = frozenset()
ATTEMPTS = 2


@dataclass(frozen=True)
class Corrections:
    """callers: the key of each request, or None. Two requests with one key are a request and its repetition."""

    without: frozenset[str] = frozenset()
    callers: tuple[str | None, ...] = ("k", "k")

    def start(self) -> State:
        begin = ("read", NOTHING, NOTHING)
        return State((), None, NOTHING, (begin,) * len(self.callers), (0,) * len(self.callers), NOTHING)

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        for sent in state.sent:
            yield f"{sent.made} never arrives", state._replace(sent=state.sent - {sent})
            if applied := self._apply(state, sent):
                yield f"{sent.made} arrives late", applied._replace(sent=state.sent - {sent})
        for index, request in enumerate(state.requests):
            for step, after, now in self._request(state, index, request):
                requests = (*state.requests[:index], now, *state.requests[index + 1 :])
                yield f"request {index} {step}", after._replace(requests=requests)

    def _apply(self, state: State, sent: Sent) -> State | None:
        """Return the state after a transaction, or None if DynamoDB cancels it."""
        if sent.version != len(state.made):
            if "the condition on the version" not in self.without:
                return None
            raise LawBroken(f"{sent.made} begins with version {sent.version}, not {len(state.made)}")
        key_row = state.key_row
        if sent.key:
            if key_row and "the condition on the key's row" not in self.without:
                return None
            if "the key's row in the transaction" not in self.without:
                key_row = sent.made, sent.version + 1
        if sent.made.partition(".")[0] in state.told_nothing:
            raise LawBroken(f"{sent.made} is stored, and its caller was told that nothing is")
        made = (*state.made, sent.made)
        for name in ("k", *(f"request {index}" for index in range(len(self.callers)))):
            if sum(each.startswith(f"{name}.") for each in made) > 1:
                raise LawBroken(f"{name} is stored twice")
        return state._replace(made=made, key_row=key_row)

    def _request(
        self, state: State, index: int, request: tuple[Any, ...]
    ) -> Iterator[tuple[str, State, tuple[Any, ...]]]:
        key = self.callers[index]
        name = key or f"request {index}"
        match request:
            case ("read", tried, doubtful):
                if any(made in tried for made in state.made) and "its own earlier attempts" not in self.without:
                    yield "finds its own correction", state, ("ended",)
                    return
                version = len(state.made)
                still = doubtful & {version} if "doubt about attempts" not in self.without else NOTHING
                if key and "the outcome before the key's row" in self.without:
                    yield "reads its outcome", state, ("key", tried, still, version, state.key_row)
                else:
                    yield "reads its outcome", state, ("key", tried, still, version)
            case ("key", tried, doubtful, version, *early):
                row = early[0] if early else state.key_row
                if early:  # the fault: the row was read first, the outcome only now
                    version = len(state.made)
                if key and row:
                    made, after = row
                    if after <= version or "the version of a replay" in self.without:
                        self._tell_stored(made, state.made[:version])
                        yield "replays", state, ("ended",)
                    else:
                        yield "reads again", state, ("read", tried, doubtful)
                elif state.attempts[index] < ATTEMPTS:
                    yield "is ready", state, ("send", tried, doubtful, version)
                else:
                    yield from self._give_up(state, index, name, doubtful)
            case ("send", tried, doubtful, version):
                sent = Sent(f"{name}.{index}{state.attempts[index]}", version, key)
                attempts = tuple(count + (each == index) for each, count in enumerate(state.attempts))
                after, tried = state._replace(attempts=attempts), tried | {sent.made}
                again = ("read", tried, doubtful | {version})
                yield "gets no answer", after._replace(sent=after.sent | {sent}), again
                if applied := self._apply(after, sent):
                    self._tell_stored(sent.made, applied.made)
                    yield "stores", applied, ("ended",)
                else:
                    yield "is cancelled", after, ("read", tried, doubtful)

    def _give_up(
        self, state: State, index: int, name: str, doubtful: frozenset[int]
    ) -> Iterator[tuple[str, State, tuple[Any, ...]]]:
        """End with `Contended` (nothing is stored) or, if an attempt is in doubt, with `CallFailed`."""
        if doubtful:
            yield "does not know", state, ("ended",)
            return
        told = f"{name}.{index}"
        stored = [made for made in state.made if made.startswith(told)]
        if stored:
            raise LawBroken(f"{stored[0]} is stored, and its caller is told that nothing is")
        late = [sent for sent in state.sent if sent.made.startswith(told) and sent.version == len(state.made)]
        if late:
            raise LawBroken(f"{late[0].made} can still take effect, and its caller is told that nothing is stored")
        yield "says that nothing is stored", state, ("ended",)

    def _tell_stored(self, made: str, seen: tuple[str, ...]) -> None:
        if made not in seen:
            raise LawBroken(f"a caller is told of {made}, with an outcome from before it")


REPEATED = Corrections(callers=("k", "k"))
RIVALS = Corrections(callers=("k", None))
