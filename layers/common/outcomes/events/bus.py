"""Publishes the events of stream records to an EventBridge bus, in order."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from outcomes.aws.backoff import Backoff, read_items
from outcomes.aws.caller import Limits
from outcomes.aws.errors import CallFailed, ServiceError
from outcomes.aws.services import DynamoDB, EventBridge, Item
from outcomes.contract.events import MAX_ENTRY_BYTES, Event, entry, entry_bytes
from outcomes.errors import Busy
from outcomes.events.stream import Record, entry_key_of, event_of

LIMITS = Limits(attempts=3, connect=1, read=3, total=6)
"""Limits of a call, in seconds. The last begins `backoff.RETRY_SECONDS` after the first at the latest."""

MAX_ENTRIES = 10
"""All that PutEvents takes in a call."""

INVALID = "ValidationException"
NEVER_TAKEN = {"InvalidArgument", "MalformedDetail", INVALID}
"""Codes of entries that EventBridge will not take, however often they are sent."""


class PublishResult(NamedTuple):
    """What was published of some records.

    types: of the events that the bus took. unknown: records that cannot be understood or are never taken, and why.
    first_left: the first record that is still to be published, None when there is none; why: what it is for.
    """

    types: list[str]
    unknown: list[tuple[Record, str]]
    first_left: Record | None = None
    why: Exception | str | None = None


class _Pending(NamedTuple):
    record: Record
    event: Event
    entry: dict[str, str]


class Bus:
    """A bus. table: of outcomes. source: the stack, by whose name events are known."""

    def __init__(self, table: str, name: str, source: str) -> None:
        self.table = table
        self.name = name
        self.source = source
        self.dynamodb = DynamoDB(LIMITS)
        self.eventbridge = EventBridge(LIMITS)

    def publish(self, records: list[Record]) -> PublishResult:
        """Publish the events of at most 100 records, up to the first that the bus does not take for now.

        Raises what `read_items` does, before anything was published.
        """
        backoff = Backoff()
        pending, unknown = self._read(records, backoff)
        types: list[str] = []
        for call in self._calls(pending):
            left: list[_Pending] = call
            why: Exception | str = ""
            is_over = False
            while left and not is_over:
                try:
                    backoff.check()
                    left, refused, why = self._put(left)
                    unknown += refused
                    is_over = bool(left) and not backoff.wait()
                except (Busy, CallFailed, TimeoutError) as failure:
                    why, is_over = failure, True
            not_taken = {id(each.record) for each in left} | {id(record) for record, _ in unknown}
            types += [each.event.type for each in call if id(each.record) not in not_taken]
            if left:
                return PublishResult(types, unknown, left[0].record, why)
        return PublishResult(types, unknown)

    def _read(self, records: list[Record], backoff: Backoff) -> tuple[list[_Pending], list[tuple[Record, str]]]:
        """Read the events of records, and set aside what is damaged: that must not keep others from being published."""
        keys, unknown = _each(records, entry_key_of)
        wanted = [key for _, key in keys if key]
        entries = {_id_of(item): item for item in read_items(self.dynamodb, self.table, wanted, backoff)}

        def pending(record: Record) -> _Pending | None:
            event = event_of(record, entries)
            return self._pending(record, event) if event else None

        events, more = _each([record for record, _ in keys], pending)
        return [each for _, each in events if each], unknown + more

    def _pending(self, record: Record, event: Event) -> _Pending:
        return _Pending(record, event, entry(event, self.source, self.name))

    def _calls(self, pending: list[_Pending]) -> Iterator[list[_Pending]]:
        """Divide into calls: as much as EventBridge takes in one, and nothing twice about the same.

        Of a call it may take the later and not the earlier.
        """
        call: list[_Pending] = []
        room = MAX_ENTRY_BYTES
        for each in pending:
            size = entry_bytes(each.entry)
            is_full = len(call) == MAX_ENTRIES or size > room
            if call and (is_full or each.event.subject in {other.event.subject for other in call}):
                yield call
                call, room = [], MAX_ENTRY_BYTES
            call.append(each)
            room -= size
        if call:
            yield call

    def _put(self, call: list[_Pending]) -> tuple[list[_Pending], list[tuple[Record, str]], str]:
        """Put events on the bus. Returns those to try again, those that are never taken, and a code of the former.

        Nobody says what EventBridge makes of every JSON that is a customer's: what it does not take is tried without
        metadata.
        """
        left, refused, why = [], [], ""
        for each, result in zip(call, self._results(call), strict=True):
            code = result.get("ErrorCode", "")
            if code in NEVER_TAKEN and each.event.brief is not None:
                left.append(self._pending(each.record, each.event._replace(data=each.event.brief, brief=None)))
            elif code in NEVER_TAKEN:
                refused.append((each.record, code))  # without the message, which may quote the entry
            elif code:
                left.append(each)
            why = code or why
        return left, refused, why

    def _results(self, call: list[_Pending]) -> list[dict[str, str]]:
        """Read what became of each entry of a call. Where one makes the whole call invalid, each has one of its own."""
        try:
            results: list[dict[str, str]] = self.eventbridge.call(
                "PutEvents", {"Entries": [each.entry for each in call]}
            )["Entries"]
        except ServiceError as failure:
            if failure.code != INVALID:
                raise
            if len(call) == 1:
                return [{"ErrorCode": INVALID}]
            return [result for each in call for result in self._results([each])]
        return results


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
            # Other texts may quote what is in the record.
            failed.append((record, repr(error) if isinstance(error, KeyError) else type(error).__name__))
    return done, failed


def _id_of(entry: Item) -> str:
    id_: str = entry["created_at"]["S"].rpartition("#")[2]
    return id_
