"""Records of the streams of OutcomesTable and KeysTable, as the events that they tell of. Most tell of none.

An outcome's own item tells of all that happens to it, in that order, as it then was: its INSERT that it was recorded, a
MODIFY that raises its version that it was corrected. The entry of a correction is read beside it: entries never change.

A key's item tells that it was made and rotated. That a key was revoked, the row of its user's keys tells, which then
loses one: keys are also deleted where they have expired, and where all of a person is erased, which is no event.

Records are as Lambda gives them: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

from typing import Any

from outcomes.aws.services import Item
from outcomes.contract import instants, json_text, key_text
from outcomes.contract.events import CORRECTED, KEY_CREATED, KEY_REVOKED, KEY_ROTATED, RECORDED, Event
from outcomes.keys.agent_keys import AgentKey, agent_key
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import corrections_of, entry_json, entry_key
from outcomes.ledger.items import outcome_json

type Record = dict[str, Any]


def entry_key_of(record: Record) -> Item | None:
    """Make the key of the entry that a record's event says as well; None where there is no such."""
    outcome = _corrected(record)
    return entry_key(outcome, corrections_of(outcome)[-1]) if outcome else None


def event_of(record: Record, entries: dict[str, Item]) -> Event | None:
    """Read what happened, if anybody wants to hear of it. entries: those of corrections, by id.

    None also where an entry is not there: only who is erased loses those.
    """
    change = record["dynamodb"]
    if "created_at" in change["Keys"]:
        return _of_outcome(record, entries)
    id_ = change["Keys"]["id"]["S"]
    return _of_key(id_, record) if key_text.is_id(id_) else _of_users_keys(record)


def _of_outcome(record: Record, entries: dict[str, Item]) -> Event | None:
    outcome = record["dynamodb"].get("NewImage", {})
    id_ = record["dynamodb"]["Keys"]["created_at"]["S"].rpartition("#")[2]
    if record["eventName"] == "INSERT" and _is_outcome(record):
        type_, entry, event_id = RECORDED, None, id_
    elif _corrected(record) and (entry := entries.get(corrections_of(outcome)[-1])):
        type_, event_id = CORRECTED[entry["type"]["S"]], corrections_of(outcome)[-1]
    else:
        return None
    user_id = outcome["user_id"]["S"]
    owner = f"users/{user_id}/" if user_id.isdigit() else ""
    has_metadata = "metadata" in outcome or (entry and "metadata" in entry.get("changes", {"M": {}})["M"])
    return Event(
        id=event_id,
        type=type_,
        time=instants.text(ulid.milliseconds(event_id)),
        subject=f"{owner}outcomes/{id_}",
        data=_outcome_data(outcome, entry),
        brief=_outcome_data(outcome, entry, with_metadata=False) if has_metadata else None,
    )


def _is_outcome(record: Record) -> bool:
    """Check that a record is of an outcome: the keys of all other items begin with another character."""
    created_at: str = record["dynamodb"]["Keys"]["created_at"]["S"]
    return created_at[:1].isdigit()


def _corrected(record: Record) -> Item | None:
    """Read the outcome that a record says was corrected, as it was then."""
    if record["eventName"] != "MODIFY" or "created_at" not in record["dynamodb"]["Keys"] or not _is_outcome(record):
        return None
    before, after = (corrections_of(record["dynamodb"][image]) for image in ("OldImage", "NewImage"))
    outcome: Item = record["dynamodb"]["NewImage"]
    return outcome if after[-1:] != before[-1:] else None


def _outcome_data(outcome: Item, entry: Item | None, *, with_metadata: bool = True) -> str:
    """Write an outcome as a list with the ledger has it, and beside that the correction as its history has it."""
    shown = outcome if with_metadata else {name: value for name, value in outcome.items() if name != "metadata"}
    also = f',"correction":{entry_json(entry, outcome, with_metadata=with_metadata)}' if entry else ""
    omitted = "" if with_metadata else ',"metadata_omitted":true'
    return f"{outcome_json(shown, include_ledger=True)[:-1]}{also}{omitted}}}"


def _of_key(id_: str, record: Record) -> Event | None:
    new, old = (record["dynamodb"].get(image) for image in ("NewImage", "OldImage"))
    if not new:
        return None
    key = agent_key(new)
    if not old:
        return Event(f"{id_}-created", KEY_CREATED, key.created_at, _subject(key.user_id, id_), _key_data(key))
    if new["secret_sha256"] == old["secret_sha256"]:  # only that it was used
        return None
    event_id = f"{id_}-rotated-{record['eventID']}"
    return Event(event_id, KEY_ROTATED, _time(record), _subject(key.user_id, id_), _key_data(key))


def _key_data(key: AgentKey) -> str:
    return json_text.exact(key.public(), levels=2)


def _of_users_keys(record: Record) -> Event | None:
    """Read which key a user's row has lost. Where one comes, those that go have expired; where the row counts an
    erasure, they were erased."""
    before, after = (record["dynamodb"].get(image, {}) for image in ("OldImage", "NewImage"))
    old, new = (set(filter(key_text.is_id, row)) for row in (before, after))
    is_erasure = before.get("erasures") != after.get("erasures")
    if record["eventName"] != "MODIFY" or is_erasure or new - old or len(old - new) != 1:
        return None
    [id_] = old - new
    user_id = record["dynamodb"]["Keys"]["id"]["S"].removeprefix("user#")
    data = f'{{"id":{json_text.string(id_)},"user_id":{user_id}}}'
    return Event(f"{id_}-revoked", KEY_REVOKED, _time(record), _subject(user_id, id_), data)


def _subject(user_id: int | str, id_: str) -> str:
    return f"users/{user_id}/keys/{id_}"


def _time(record: Record) -> str:
    return instants.text(round(float(record["dynamodb"]["ApproximateCreationDateTime"]) * 1000))
