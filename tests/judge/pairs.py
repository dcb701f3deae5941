"""Run every command between a read and a write of every other command, and judge what becomes of both.

A pair is a read and a later write of the same command: what was read may be part of what is written, or of its
condition. Whatever runs between them, both commands must end as if one had run after the other; a command that is
refused changes nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.interleaving.schedule import NEVER
from tests.judge.commands import COMMANDS, World, attempt, judge, observed, rows_are_sound
from tests.judge.wire import TIMEOUT_SECONDS, Call, Place

LONG = {"import", "import newer rows", "undo the import", "import again", "erase"}
REFUSED = {0, 409, 429, 503}
"""Statuses of a command that another one prevents, 0 for one that was killed."""


class Pair(NamedTuple):
    read: Place
    write: Place


class End(NamedTuple):
    """The answers of both roles, and what reads show afterwards. The answer of a role that did not act is None."""

    first: Any
    second: Any
    seen: tuple[str, ...]


type Act = tuple[str, str]
"""A role, `first` or `second`, and its command."""


class Pairs:
    """Runs commands in one world.

    pairs: those between which a command ran. runs: how many commands ran between two calls of another one.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.pairs: set[Pair] = set()
        self.runs = 0
        self._judged: set[tuple[str, ...]] = set()
        self._calls: dict[str, list[Call]] = {}
        self._in_turn: dict[tuple[Act, ...], End] = {}

    def all(self, first: str, seconds: Iterable[str] = COMMANDS) -> None:
        """Run each of these commands after `first`, and between any two of its calls. Raises AssertionError.

        Leave out those that write no table which `first` uses, and use none which it writes.
        """
        used, written = self._tables(first)
        seconds = [
            each for each in seconds if (tables := self._tables(each)) and (tables[0] & written or tables[1] & used)
        ]
        for second in seconds:
            self.in_turn(("first", first), ("second", second))
        for number, pairs in self.places_between(first):
            self.pairs |= pairs
            for second in seconds:
                self.between(first, number, second)

    def _tables(self, name: str) -> tuple[frozenset[bytes], frozenset[bytes]]:
        """Return the tables that a command uses, and those that it writes."""
        calls = self.calls(name)
        used, written = ([call.tables for call in calls if call.is_write or not only] for only in (False, True))
        return frozenset[bytes]().union(*used), frozenset[bytes]().union(*written)

    def calls(self, name: str) -> list[Call]:
        """Return a command's calls if no other runs."""
        if name not in self._calls:
            self.world.restart()
            with self.world.wire.watching(lambda _: None, seconds_of(name)):
                self._act("first", name)
            self._calls[name] = self.world.wire.calls
        return self._calls[name]

    def places_between(self, name: str) -> Iterator[tuple[int, set[Pair]]]:
        """Yield the numbers of a command's calls before which another may run, with the pairs around each.

        Of calls between the same two places with the same writes to come, only the first is yielded.
        """
        calls, known = self.calls(name), set[Any]()
        for number in range(1, len(calls)):
            reads = {call.place for call in calls[:number] if not call.is_write}
            writes = frozenset(call.place for call in calls[number:] if call.is_write)
            around = calls[number - 1].place, calls[number].place, writes
            if reads and writes and around not in known:
                known.add(around)
                yield number, {Pair(read, write) for read in reads for write in writes}

    def between(self, first: str, number: int, second: str) -> None:
        """Run a command before the call of another one with this number, from 0. Raises AssertionError."""
        self.runs += 1
        answers = self.answers(first, number, second)
        place = self.world.wire.calls[number].place
        try:
            end = self._end(*answers)
            if end not in self._right(first, second, end):
                raise AssertionError("neither came before the other:\n" + self._differences(first, second, end))
        except Exception as failure:
            failure.add_note(f"{second!r} ran before {place} of {first!r}")
            raise

    def answers(self, first: str, number: int, second: str) -> tuple[Any, Any]:
        answers: list[Any] = []

        def run_second(calls: list[Call]) -> None:
            if len(calls) == number + 1:
                with self.world.wire.aside(seconds_of(second)):
                    answers.append(self._act("second", second))

        self.world.restart()
        with self.world.wire.watching(run_second, seconds_of(first)):
            return self._act("first", first), answers[0]

    def _right(self, first: str, second: str, end: End) -> Iterator[End]:
        one, other = ("first", first), ("second", second)
        for in_turn in (self.in_turn(one, other), self.in_turn(other, one)):
            # An erasure also deletes what is written while it runs, whatever that was answered.
            yield in_turn if "erase" not in {first, second} else End(end.first, end.second, in_turn.seen)
        if end.first[0] in REFUSED:
            yield self.in_turn(other)._replace(first=end.first)
        if end.second[0] in REFUSED:
            yield self.in_turn(one)._replace(second=end.second)

    def _differences(self, first: str, second: str, end: End) -> str:
        right = [*self._right(first, second, end)]
        lines = [
            f"{end.first} and {end.second}, not {' or '.join(f'{each.first} and {each.second}' for each in right)}"
        ]
        lines += [f"  only here: {line}" for line in end.seen if all(line not in each.seen for each in right)]
        lines += [f"  only in turn: {line}" for each in right for line in each.seen if line not in end.seen]
        return "\n".join(lines)

    def in_turn(self, *acts: Act) -> End:
        """Run commands one after the other."""
        if acts not in self._in_turn:
            self.world.restart()
            answers: dict[str, Any] = {"first": None, "second": None}
            for role, name in acts:
                answers[role] = self._act(role, name)
            self._in_turn[acts] = self._end(answers["first"], answers["second"])
        return self._in_turn[acts]

    def _act(self, role: str, name: str) -> Any:
        return attempt(self.world, COMMANDS[name], role)

    def _end(self, first: Any, second: Any) -> End:
        """Look at what became of the user, and judge it, unless the judge has seen the same before."""
        rows_are_sound()
        seen = observed(self.world)
        if seen.lines not in self._judged:
            judge(seen)
            self._judged.add(seen.lines)
        return End(first, second, seen.lines)


def seconds_of(name: str) -> float:
    return NEVER if name in LONG else TIMEOUT_SECONDS
