"""A durable FIFO queue of strings. Each string stays in the journal until its consumer has processed it.

It stores the records of table streams and the events of the bus, so that none is lost if the stack is killed.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from local.journal import Change


class Backlog:
    """A queue of strings, numbered from 1.

    name: the queue's name in the journal. It contains a slash, so that it differs from all names of tables.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.new: list[str] = []
        """Strings that are not yet in the journal."""
        self._wake: Callable[[], object] = lambda: None
        self._kept: dict[int, str] = {}
        self._last = 0

    def first(self, limit: int) -> list[tuple[int, str]]:
        """Return the oldest strings in the journal with their numbers."""
        # Other threads add and remove items, but list() copies them in one step.
        return list(self._kept.items())[:limit]

    def __len__(self) -> int:
        return len(self._kept)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Yield an event of the running loop that is set when any thread adds strings."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(event.set)
        try:
            yield event
        finally:
            self._wake = lambda: None

    def restore(self, change: Change) -> None:
        """Apply a change from the journal."""
        number = int(change.key["number"]["N"])
        if change.item is None:
            self._kept.pop(number, None)
        else:
            self._kept[number] = change.item["text"]["S"]
        self._last = max(self._last, number)

    def kept(self) -> list[Change]:
        """Return changes from which a new journal can restore all current strings."""
        return [self._change(number, text) for number, text in self._kept.items()]

    def additions(self) -> list[Change]:
        """Return the changes to write to the journal for new strings."""
        return [self._change(self._last + place, text) for place, text in enumerate(self.new, 1)]

    def removals(self, numbers: Sequence[int]) -> list[Change]:
        """Return the changes to write to the journal for strings that the consumer has processed."""
        return [self._change(number, None) for number in numbers]

    def add_new(self) -> None:
        """Mark the new strings as written to the journal."""
        for text in self.new:
            self._last += 1
            self._kept[self._last] = text
        if self.new:
            self.new.clear()
            self._wake()

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove strings that the consumer has processed."""
        for number in numbers:
            del self._kept[number]

    def _change(self, number: int, text: str | None) -> Change:
        key = {"number": {"N": str(number)}}
        return Change(self.name, key, None if text is None else key | {"text": {"S": text}})
