"""Convert outcomes to DynamoDB items, and items to JSON.

user_id (HASH, S)       `42`; without a user `unassigned#<0-15>`, sharded to avoid a hot partition
created_at (RANGE, S)   `2026-04-01T12:00:00.000Z#<id>`; the id makes it unique within a millisecond
fields                  agent_id N, outcome_type S, title S, description S, value_usd N, metadata S (JSON text);
                        absent if null
recorded_by             S, `session`, `key`, or `key:<id>` of an agent key; absent in the oldest outcomes
occurred_at             S, `2026-03-31T09:30:00.000Z`, when it happened; absent if it equals the time of recording
happened                S, `2026-03-31T09:30:00.000Z#<id>`, the range key of INDEX; absent if it would equal created_at:
                        INDEX has only the outcomes that happened at another time than they were recorded
imported                BOOL, true if an import of earlier outcomes wrote it, otherwise absent

A correction updates these attributes (its entry keeps the earlier values, see `correction_entries`) and sets:

standing                S, the status: `confirmed`, `disputed` or `void`; absent for `recorded`
version                 N, the number of corrections
corrections             L, the ids of its newest corrections, oldest first
corrected_by            M, the number of corrections (N) by each kind of caller (`Caller.kind`)
as_recorded             M, present after an amend: outcome_type, agent_id, value_usd and occurred_at as recorded
assigned_to             N, the user to whom an outcome without a user was assigned; erasing this user removes it
assigned_id             S, the id of the outcome that was recorded for this user instead
undone                  BOOL, true if an undo of its import voided it, otherwise absent
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.outcome_fields import KINDS, LATER, Kind
from outcomes.contract.status import RECORDED, CountedFields
from outcomes.ledger import ulid

if TYPE_CHECKING:
    from outcomes.contract.models import NewOutcome

INDEX = "by-occurrence"
"""The global secondary index: user_id (HASH), happened (RANGE)."""

UNASSIGNED_SHARDS = 16
_STORED_AS_JSON = frozenset(name for name, kind in KINDS.items() if kind in {Kind.NUMBER, Kind.JSON})


def new_item(outcome: "NewOutcome", recorded_by: str, milliseconds: int | None = None) -> tuple[str, Item]:
    """Create an id and the item, recorded now or at `milliseconds` since 1970."""
    id_ = ulid.new(instants.now() if milliseconds is None else milliseconds)
    return id_, outcome_item(outcome, recorded_by, id_)


def outcome_item(outcome: "NewOutcome", recorded_by: str, id_: str) -> Item:
    """Create the item of an outcome with this id."""
    item: Item = {**item_key(outcome.user_id, id_), "recorded_by": {"S": recorded_by}}
    for name, value in zip(outcome._fields, outcome, strict=True):
        if name != "user_id" and value is not None:
            item[name] = attribute(name, value)
    return indexed(item)


def indexed(item: Item) -> Item:
    """Set or remove the outcome's attribute `happened`, according to when it was recorded and when it happened."""
    happened = f"{occurred_at_of(item)}#{item['created_at']['S'].partition('#')[2]}"
    if happened != item["created_at"]["S"]:
        item["happened"] = {"S": happened}
    else:
        item.pop("happened", None)
    return item


def reassigned(item: Item, user_id: int, milliseconds: int) -> tuple[str, Item]:
    """Copy an outcome for a user. Return the id and item of the copy, recorded at `milliseconds` since 1970."""
    id_ = ulid.new(milliseconds)
    same = {name: item[name] for name in ("recorded_by", *KINDS) if name in item}
    return id_, indexed({**item_key(user_id, id_), **same, "occurred_at": {"S": occurred_at_of(item)}})


def item_key(user_id: int | None, id_: str) -> Item:
    return {"user_id": {"S": _partition(user_id, id_)}, "created_at": {"S": sort_key(id_)}}


def attribute(name: str, value: Any) -> dict[str, Any]:
    """Return the DynamoDB attribute that stores a field's value, which must not be null."""
    kind = KINDS[name]
    if kind is Kind.INSTANT:
        return {"S": instants.text(value)}
    return {"N": str(value)} if kind is Kind.NUMBER else {"S": value}


def value_json(name: str, value: dict[str, Any] | None, item: Item) -> str:
    """Return the JSON of a current or earlier value of an outcome's field.

    value: the attribute; None or NULL if the field is not set. item: the outcome.
    """
    if value is None or "NULL" in value:
        return f'"{_recorded_at(item)}"' if name == "occurred_at" else "null"
    text: str = value.get("N") or value["S"]
    return text if name in _STORED_AS_JSON else json_text.string(text)


def counted_fields(item: Item) -> CountedFields:
    return CountedFields(
        occurred_at_of(item),
        item["outcome_type"]["S"],
        int(item["agent_id"]["N"]) if "agent_id" in item else None,
        Decimal(item["value_usd"]["N"]) if "value_usd" in item else None,
        status_of(item),
    )


def status_of(item: Item) -> str:
    status: str = item["standing"]["S"] if "standing" in item else RECORDED
    return status


def partitions(user_id: int | None) -> list[str]:
    """Return the partition keys of a user's outcomes. user_id: None for outcomes without a user."""
    return _UNASSIGNED if user_id is None else [str(user_id)]


_UNASSIGNED = [f"unassigned#{shard}" for shard in range(UNASSIGNED_SHARDS)]


def _partition(user_id: int | None, id_: str) -> str:
    return _UNASSIGNED[ulid.shard(id_, UNASSIGNED_SHARDS)] if user_id is None else str(user_id)


def sort_key(id_: str) -> str:
    return f"{instants.text(ulid.milliseconds(id_))}#{id_}"


def occurred_at_of(item: Item) -> str:
    """Return the time when an outcome happened, in the format of `instants.text`."""
    occurred_at: str = item["occurred_at"]["S"] if "occurred_at" in item else _recorded_at(item)
    return occurred_at


def _recorded_at(item: Item) -> str:
    recorded_at: str = item["created_at"]["S"].partition("#")[0]
    return recorded_at


def outcome_json(item: Item, include_ledger: bool) -> str:
    """Return an outcome as the API's JSON. Numbers and metadata are stored as JSON text and copied unchanged."""
    instant, _, id_ = item["created_at"]["S"].partition("#")
    user_id = item["user_id"]["S"]
    return (
        f'{{"id":"{id_}"'
        f',"user_id":{user_id if user_id.isdigit() else "null"}'
        f',"agent_id":{item["agent_id"]["N"] if "agent_id" in item else "null"}'
        f',"outcome_type":"{item["outcome_type"]["S"]}"'
        f',"title":{json_text.string(item["title"]["S"])}'
        f',"description":{json_text.string(item["description"]["S"]) if "description" in item else "null"}'
        f',"value_usd":{item["value_usd"]["N"] if "value_usd" in item else "null"}'
        f',"metadata":{item["metadata"]["S"] if "metadata" in item else "null"}'
        f',"created_at":"{instant}"'
        f"{_ledger_json(item) if include_ledger else ''}}}"
    )


def _ledger_json(item: Item) -> str:
    version = item["version"]["N"] if "version" in item else "0"
    return (
        f',"status":"{status_of(item)}",{later_json(item)},"recorded_by":{recorded_by_json(item)},"version":{version}'
    )


def later_json(item: Item) -> str:
    """Return the fields that are only in lists with `include=ledger`, as members of a JSON object."""
    return ",".join([f'"{name}":{value_json(name, item.get(name), item)}' for name in LATER])


def recorded_by_json(item: Item) -> str:
    return json_text.string(item["recorded_by"]["S"]) if "recorded_by" in item else "null"
