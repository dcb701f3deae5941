"""Events: what happened in the ledger, as CloudEvents 1.0 in JSON, and as EventBridge takes them.

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
"""To each type of correction, that of its event."""

RECORDED = "outcome.recorded"
KEY_CREATED, KEY_ROTATED, KEY_REVOKED = "key.created", "key.rotated", "key.revoked"
TYPES = (RECORDED, *CORRECTED.values(), KEY_CREATED, KEY_ROTATED, KEY_REVOKED)

MAX_ENTRY_BYTES = 256_000
"""Bytes of an entry, and of all entries of a call: EventBridge takes 256 KB, and does not say which.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""


class Event(NamedTuple):
    """Something that happened.

    id: the same whenever it is told again, and no other event's. time: as `instants.text` has it.
    data: JSON text. brief: the same without metadata, and saying so; None where there is none.
    """

    id: str
    type: str
    time: str
    subject: str
    data: str
    brief: str | None = None


def cloud_event(event: Event, source: str) -> str:
    """Write an event as JSON text. source: the stack."""
    return (
        f'{{"specversion":"1.0","id":{json_text.string(event.id)},"source":{json_text.string(source)}'
        f',"type":"{event.type}","time":"{event.time}","subject":{json_text.string(event.subject)}'
        f',"datacontenttype":"application/json","data":{event.data}}}'
    )


def entry(event: Event, source: str, bus: str) -> dict[str, str]:
    """Make the entry of PutEvents that tells an event, without metadata where EventBridge would not take it otherwise.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
    """
    whole = {
        "EventBusName": bus,
        "Source": source,
        "DetailType": event.type,
        "Detail": cloud_event(event, source),
    }
    if event.brief is None or entry_bytes(whole) <= MAX_ENTRY_BYTES:
        return whole
    return whole | {"Detail": cloud_event(event._replace(data=event.brief), source)}


def entry_bytes(entry: dict[str, str]) -> int:
    """Count the bytes of an entry as EventBridge does."""
    return sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
