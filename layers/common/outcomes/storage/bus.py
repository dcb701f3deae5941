"""An EventBridge bus that hears, in their order, of the events that records of a stream tell of."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from outcomes.contract.events import MAX_ENTRY_BYTES, Event, entry, entry_bytes
from outcomes.errors import Busy
from outcomes.storage.attempts import Deadline, read_items
from outcomes.storage.dynamodb import CallFailed, DynamoDB, EventBridge, Item, Limits
from outcomes.storage.stream import Record, entry_key_of, event_of

LIMITS = Limits(attempts=3, connect=1, read=3, total=6)
"""Limits of a call, in seconds. The last begins `attempts.RETRY_SECONDS` after the first at the latest."""

MAX_ENTRIES = 10
"""All that PutEvents takes in a call."""

NEVER_TAKEN = {"InvalidArgument", "MalformedDetail"}
"""Codes of entries that EventBridge will not take, however often they are sent."""


class Told(NamedTuple):
    """Records, as far as they were told.

    types: of the events that the bus took. unknown: records that tell nothing that can be understood or taken, and why.
    first_left: the first record that is still to be told, None when there is none; why: what it is for.
    """

    types: list[str]
    unknown: list[tuple[Record, str]]
    first_left: Record | None = None
    why: Exception | str | None = None


class _Pending(NamedTuple):
    record: Record
    event: Event


class Bus:
    """A bus. table: of outcomes. source: the stack, by whose name events are known."""

    def __init__(self, table: str, name: str, source: str) -> None:
        self.table = table
        self.name = name
        self.source = source
        self.dynamodb = DynamoDB(LIMITS)
        self.eventbridge = EventBridge(LIMITS)

    def tell(self, records: list[Record]) -> Told:
        """Tell what at most 100 records say, up to the first that the bus does not take for now.

        Raises what `read_items` does, before anything was told.
        """
        deadline = Deadline()
        pending, unknown = self._read(records, deadline)
        types: list[str] = []
        for call in self._calls(pending):
            left, why = call, None
            while left:
                try:
                    deadline.check()
                    left, refused, why = self._put(left)
                except (Busy, CallFailed, TimeoutError) as failure:
                    return Told(types, unknown, left[0].record, failure)
                unknown += [(each.record, code) for each, code in refused]
                if left and not deadline.wait():
                    return Told(types, unknown, left[0].record, why)
            types += [each.event.type for each in call]
        return Told(types, unknown)

    def _read(self, records: list[Record], deadline: Deadline) -> tuple[list[_Pending], list[tuple[Record, str]]]:
        """Read the events of records, and set aside what is damaged: that must not keep others from being told."""
        keys, unknown = _each(records, entry_key_of)
        wanted = [key for _, key in keys if key]
        entries = {_id_of(item): item for item in read_items(self.dynamodb, self.table, wanted, deadline)}
        events, more = _each([record for record, _ in keys], lambda record: event_of(record, entries))
        return [_Pending(record, event) for record, event in events if event], unknown + more

    def _calls(self, pending: list[_Pending]) -> Iterator[list[_Pending]]:
        """Divide into calls: as much as EventBridge takes in one, and nothing twice about the same.

        Of a call it may take the later and not the earlier.
        """
        call: list[_Pending] = []
        room = MAX_ENTRY_BYTES
        for each in pending:
            size = entry_bytes(self._entry(each))
            is_full = len(call) == MAX_ENTRIES or size > room
            if call and (is_full or each.event.subject in {other.event.subject for other in call}):
                yield call
                call, room = [], MAX_ENTRY_BYTES
            call.append(each)
            room -= size
        if call:
            yield call

    def _put(self, call: list[_Pending]) -> tuple[list[_Pending], list[tuple[_Pending, str]], str | None]:
        """Put events on the bus. Returns those to try again, those that are never taken, and a code of the former.

        Nobody says what EventBridge makes of every JSON that is a customer's: what it does not take is tried without
        metadata.
        """
        answer = self.eventbridge.call("PutEvents", {"Entries": [self._entry(each) for each in call]})
        left, refused, why = [], [], None
        for each, result in zip(call, answer["Entries"], strict=True):
            code = result.get("ErrorCode")
            if code in NEVER_TAKEN and each.event.brief is not None:
                left.append(each._replace(event=each.event._replace(data=each.event.brief, brief=None)))
            elif code in NEVER_TAKEN:
                refused.append((each, f"{code}: {result.get('ErrorMessage')}"))
            elif code:
                left.append(each)
            why = code or why
        return left, refused, why

    def _entry(self, pending: _Pending) -> dict[str, str]:
        return entry(pending.event, self.source, self.name)


def _each[T](
    records: list[Record], read: Callable[[Record], T]
) -> tuple[list[tuple[Record, T]], list[tuple[Record, str]]]:
    """Read something of each record, and tell why not of those of which that fails."""
    done: list[tuple[Record, T]] = []
    failed: list[tuple[Record, str]] = []
    for record in records:
        try:
            done.append((record, read(record)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it would be so each time
            failed.append((record, f"{type(error).__name__}: {error}"))
    return done, failed


def _id_of(entry: Item) -> str:
    id_: str = entry["created_at"]["S"].rpartition("#")[2]
    return id_
