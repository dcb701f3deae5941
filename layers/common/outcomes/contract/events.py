"""Write domain events as CloudEvents 1.0 in JSON, and as entries for EventBridge.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from typing import NamedTuple

from outcomes.contract import json_text

CORRECTED = {
    "amend": "outcome.amended",
    "void": "outcome.voided",
    "confirm": "outcome.confirmed",
    "dispute": "outcome.disputed",
    "uphold": "outcome.upheld",
}
"""Event types by correction type."""

RECORDED = "outcome.recorded"
ASSIGNED = "outcome.assigned"
STATEMENT = "outcome.statement"
DEFINITION = "outcome.definition"
COSTS_UPDATED = "costs.updated"
KEY_EVENTS = KEY_CREATED, KEY_ROTATED, KEY_REVOKED, KEY_LIMITED = (
    "key.created",
    "key.rotated",
    "key.revoked",
    "key.limited",
)
WATCH_EVENTS = WATCH_REACHED, WATCH_UNDONE, WATCH_MISSED, WATCH_EXCEEDED, WATCH_SILENT = (
    "watch.reached",
    "watch.undone",
    "watch.missed",
    "watch.exceeded",
    "watch.silent",
)
DIGEST_WEEK = "digest.week"
LEDGER_EVENTS = (RECORDED, *CORRECTED.values(), ASSIGNED, STATEMENT, DEFINITION)
TYPES = (*LEDGER_EVENTS, COSTS_UPDATED, *KEY_EVENTS, *WATCH_EVENTS, DIGEST_WEEK)

MAX_ENTRY_BYTES = 256_000
"""Maximum bytes of an entry, and of all entries in a call. EventBridge's limit is 256 KB, 1000- or 1024-based.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""


class Event(NamedTuple):
    """A domain event.

    id: a unique id, which stays the same if the event is published again. time: when it happened, in the format of
    `instants.text`. data: JSON text. brief: `data` without metadata or lines of costs; None if `data` has neither.
    """

    id: str
    type: str
    time: str
    subject: str
    data: str
    brief: str | None = None


def cloud_event(event: Event, source: str) -> str:
    """Return an event as a CloudEvent in JSON text. source: the name of the stack."""
    return (
        f'{{"specversion":"1.0","id":{json_text.string(event.id)},"source":{json_text.string(source)}'
        f',"type":"{event.type}","time":"{event.time}","subject":{json_text.string(event.subject)}'
        f',"datacontenttype":"application/json","data":{event.data}}}'
    )


def entry(event: Event, source: str, bus: str) -> dict[str, str]:
    """Return the PutEvents entry of an event, with its brief data if the entry would be too large.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
    """
    whole = {"EventBusName": bus, "Source": source, "DetailType": event.type, "Detail": cloud_event(event, source)}
    if event.brief is None or entry_bytes(whole) <= MAX_ENTRY_BYTES:
        return whole
    return whole | {"Detail": cloud_event(event._replace(data=event.brief), source)}


def entry_bytes(entry: dict[str, str]) -> int:
    """Return the size of an entry by EventBridge's rules."""
    return sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
