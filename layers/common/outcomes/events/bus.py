"""Publish the events of stream records to an EventBridge bus, in order."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from outcomes.aws.backoff import Backoff, read_items
from outcomes.aws.services import CallFailed, DynamoDB, EventBridge, Limits, ServiceError
from outcomes.contract.events import MAX_ENTRY_BYTES, Event, entry, entry_bytes
from outcomes.errors import Busy
from outcomes.events.stream import Record, entry_key_of, events_of
from outcomes.ledger.correction_entries import id_of

LIMITS = Limits(attempts=3, connect=1, read=3, total=6)
"""Limits of a call. No call begins later than `backoff.RETRY_SECONDS` after the first call."""

MAX_ENTRIES = 10  # PutEvents' limit

INVALID = "ValidationException"
PERMANENT = {"InvalidArgument", "MalformedDetail", INVALID}  # error codes of entries that EventBridge will never accept


class PublishResult(NamedTuple):
    """The result of publishing some records.

    types: the types of the published events. unknown: records that cannot be parsed or that EventBridge will never
    accept, each with the reason.
    first_left: the first record that is not published yet, or None. why: the reason why it is not published.
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
    """An EventBridge bus. table: the table of outcomes. source: the stack's name, used as `source` of its events."""

    def __init__(self, table: str, name: str, source: str) -> None:
        self.table = table
        self.name = name
        self.source = source
        self.dynamodb = DynamoDB(LIMITS)
        self.eventbridge = EventBridge(LIMITS)

    def publish(self, records: list[Record]) -> PublishResult:
        """Publish the events of at most 100 records. Stop at the first event that cannot be published at the moment.

        Raises the errors of `read_items`. In this case nothing was published.
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
        """Convert records to events. Skip and report damaged records, so that they do not block the other records."""
        keys, unknown = _each(records, entry_key_of)
        wanted = [key for _, key in keys if key]
        entries = {id_of(item): item for item in read_items(self.dynamodb, self.table, wanted, backoff)}

        def pending(record: Record) -> list[_Pending]:
            return [self._pending(record, event) for event in events_of(record, entries)]

        events, more = _each([record for record, _ in keys], pending)
        return [each for _, of_record in events for each in of_record], unknown + more

    def _pending(self, record: Record, event: Event) -> _Pending:
        return _Pending(record, event, entry(event, self.source, self.name))

    def _calls(self, pending: list[_Pending]) -> Iterator[list[_Pending]]:
        """Divide entries into calls within EventBridge's limits, with at most one event per subject in a call.

        EventBridge may accept a later entry of a call and refuse an earlier entry. That would reorder events of one
        subject.
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
        """Put events on the bus.

        Return the events to retry, the events that will never be accepted, and the reason for retrying.

        EventBridge may reject unusual JSON in metadata, so a rejected event is retried without metadata.
        """
        left, refused, why = [], [], ""
        for each, result in zip(call, self._results(call), strict=True):
            code = result.get("ErrorCode", "")
            if code in PERMANENT and each.event.brief is not None:
                left.append(self._pending(each.record, each.event._replace(data=each.event.brief, brief=None)))
            elif code in PERMANENT:
                refused.append((each.record, code))  # the error message is left out because it may quote the entry
            elif code:
                left.append(each)
            why = code or why
        return left, refused, why

    def _results(self, call: list[_Pending]) -> list[dict[str, str]]:
        """Return the result of each entry. If one entry makes the call invalid, send each entry in its own call."""
        try:
            answer = self.eventbridge.call("PutEvents", {"Entries": [each.entry for each in call]})
        except ServiceError as failure:
            if failure.code != INVALID:
                raise
            if len(call) == 1:
                return [{"ErrorCode": INVALID}]
            return [result for each in call for result in self._results([each])]
        results: list[dict[str, str]] = answer["Entries"]
        return results


def _each[T](
    records: list[Record], read: Callable[[Record], T]
) -> tuple[list[tuple[Record, T]], list[tuple[Record, str]]]:
    """Call `read` with each record. Return the results, and the failed records with their reasons."""
    done: list[tuple[Record, T]] = []
    failed: list[tuple[Record, str]] = []
    for record in records:
        try:
            done.append((record, read(record)))
        except Exception as error:  # noqa: BLE001 - any failure would repeat with each retry
            # The text of any other error may quote the record.
            failed.append((record, f"missing {error}" if isinstance(error, KeyError) else "unexpected value"))
    return done, failed
