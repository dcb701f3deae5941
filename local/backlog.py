"""Texts in the order in which they came, in the journal until somebody is done with them.

So what a stream of a table tells, and what was told to a bus, waits for its reader also where the stack is killed.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from local.journal import Change


class Backlog:
    """Texts by number, from 1 on. name: in the journal, where no table has a name with a slash."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.new: list[str] = []
        """Texts that are not in the journal yet."""
        self._wake: Callable[[], object] = lambda: None
        self._kept: dict[int, str] = {}
        self._last = 0

    def first(self, limit: int) -> list[tuple[int, str]]:
        """Read the oldest with their numbers, of those that are in the journal."""
        # Other threads add and remove: a list of all is made in one step.
        return list(self._kept.items())[:limit]

    def __len__(self) -> int:
        return len(self._kept)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Have an event of the running loop set when more have come, from whichever thread."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(event.set)
        try:
            yield event
        finally:
            self._wake = lambda: None

    def restore(self, change: Change) -> None:
        """Read a line of the journal."""
        number = int(change.key["number"]["N"])
        if change.item is None:
            self._kept.pop(number, None)
        else:
            self._kept[number] = change.item["text"]["S"]
        self._last = max(self._last, number)

    def kept(self) -> list[Change]:
        """List what the journal must have."""
        return [self._change(number, text) for number, text in self._kept.items()]

    def additions(self) -> list[Change]:
        """List what the journal must get for all that is new."""
        return [self._change(self._last + place, text) for place, text in enumerate(self.new, 1)]

    def removals(self, numbers: Sequence[int]) -> list[Change]:
        """List what the journal must get for those that somebody is done with."""
        return [self._change(number, None) for number in numbers]

    def add_new(self) -> None:
        """Take all that is new for kept."""
        for text in self.new:
            self._last += 1
            self._kept[self._last] = text
        if self.new:
            self.new.clear()
            self._wake()

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget what somebody is done with."""
        for number in numbers:
            del self._kept[number]

    def _change(self, number: int, text: str | None) -> Change:
        key = {"number": {"N": str(number)}}
        return Change(self.name, key, None if text is None else key | {"text": {"S": text}})
