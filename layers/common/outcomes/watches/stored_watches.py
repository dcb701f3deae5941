"""Read and write the rows of the table of watches.

user_id (HASH, S)       `42`
id (RANGE, S)           the id of a watch, `digest` for the setting of the digest, or `#watches`

A watch, or the setting of the digest:

version                 N, 1 more for each change of the setting. It begins above `deleted` of the row `#watches`
made                    S, a ULID, which ids of events contain. It is new if the watch is made again, or if more changes
                        than its name
put_by                  S, `session` or `platform`
put_at                  S, when this version was put
first_put_at            S, when the first version since the last DELETE was put
setting                 S, the JSON of the setting, as in answers of the API
changes                 N, incremented by each write of the clock
states                  S, JSON that only the clock writes, see `thresholds` and `digest`; a new `made` removes it

The row `#watches` guards the limit of their number, and their versions: a transaction that makes or deletes a watch or
the digest requires that the row is still the same as before the watches were counted:

changes                 N, how often one was made or deleted since the last erasure
put_at                  S, when that was last
deleted                 N, the highest version of those deleted; absent if none was
"""

from decimal import Decimal
from typing import Any, NamedTuple, Self

from outcomes.aws.services import Item
from outcomes.contract import json_text

DIGEST = "digest"
GUARD = "#watches"
LEVELS = 12
"""Maximum levels of the JSON in `states`."""


class Head(NamedTuple):
    """The attributes that rows of watches and of the digest have in common. made: a ULID. put_at: an instant's text."""

    user_id: int
    id: str
    version: int
    changes: int
    made: str
    put_by: str
    put_at: str

    @classmethod
    def of(cls, row: Item) -> Self:
        version, changes = (int(row[name]["N"]) for name in ("version", "changes"))
        made, put_by, put_at = (str(row[name]["S"]) for name in ("made", "put_by", "put_at"))
        return cls(int(row["user_id"]["S"]), row["id"]["S"], version, changes, made, put_by, put_at)


class Watch(NamedTuple):
    """A stored watch. target: in USD, or a number of outcomes or days, as `measure` says. at: percents of `target`.

    every: `week` or `month`; None for the measures `unreviewed` and `silence`. states: of its open periods.
    """

    head: Head
    name: str
    measure: str
    outcome_type: str | None
    agent_id: int | None
    every: str | None
    timezone: str
    target: Decimal
    at: tuple[int, ...]
    states: list[dict[str, Any]]

    @classmethod
    def of(cls, row: Item) -> Self:
        """Parse a row for which `is_watch` is true. Numbers in `states` are `Decimal`."""
        setting = json_text.read(row["setting"]["S"])
        name, measure, outcome_type = (setting[each] for each in ("name", "measure", "outcome_type"))
        agent_id = None if setting["agent_id"] is None else int(setting["agent_id"])
        every, timezone, target = (setting[each] for each in ("every", "timezone", "target"))
        at = tuple(map(int, setting["at"] or ()))
        states = json_text.read(row["states"]["S"]) if "states" in row else []
        return cls(Head.of(row), name, measure, outcome_type, agent_id, every, timezone, target, at, states)


class Digest(NamedTuple):
    """The stored setting of a user's digest. day: such as `monday`. hour: 0 to 23. state: of the last week told."""

    head: Head
    timezone: str
    day: str
    hour: int
    state: dict[str, Any]

    @classmethod
    def of(cls, row: Item) -> Self:
        """Parse a row for which `is_digest` is true. Numbers in `state` are `Decimal`."""
        setting = json_text.read(row["setting"]["S"])
        state = json_text.read(row["states"]["S"]) if "states" in row else {}
        return cls(Head.of(row), setting["timezone"], setting["day"], int(setting["hour"]), state)


def row_key(user_id: int, id_: str) -> Item:
    return {"user_id": {"S": str(user_id)}, "id": {"S": id_}}


def is_watch(row: Item) -> bool:
    """Check whether a row, or its key, is a watch."""
    return row["id"]["S"] != DIGEST and not row["id"]["S"].startswith("#")


def is_digest(row: Item) -> bool:
    """Check whether a row, or its key, is the setting of a digest."""
    return bool(row["id"]["S"] == DIGEST)


def has_setting(row: Item) -> bool:
    """Check whether a row, or its key, is a watch or the setting of a digest."""
    return bool(row["id"]["S"] != GUARD)


def row_json(row: Item) -> str:
    """Return the JSON of a watch, or of the setting of the digest, as the API shows it."""
    id_ = f'"id":"{row["id"]["S"]}",' if is_watch(row) else ""
    return (
        f'{{{id_}{row["setting"]["S"][1:-1]},"version":{row["version"]["N"]}'
        f',"put_by":"{row["put_by"]["S"]}","put_at":"{row["put_at"]["S"]}"}}'
    )


def as_read(before: Item, *names: str) -> dict[str, Any]:
    """Return the condition that these attributes of a row are as in `before`, or that the first is absent as there."""
    if not before:
        return {"ConditionExpression": f"attribute_not_exists({names[0]})"}
    return {
        "ConditionExpression": " AND ".join(f"{name} = :{name}" for name in names),
        "ExpressionAttributeValues": {f":{name}": before[name] for name in names},
    }


def put_states(table: str, head: Head, states: Any) -> dict[str, Any]:
    """Return the request of the UpdateItem by which the clock writes `states`. Numbers are `Decimal`.

    Its condition fails if the row was written since it was read, deleted or made again.
    """
    return {
        "TableName": table,
        "Key": row_key(head.user_id, head.id),
        "UpdateExpression": "SET states = :states, changes = :next",
        "ConditionExpression": "made = :made AND version = :version AND changes = :changes",
        "ExpressionAttributeValues": {
            ":states": {"S": json_text.exact(states, LEVELS)},
            ":next": {"N": str(head.changes + 1)},
            ":made": {"S": head.made},
            ":version": {"N": str(head.version)},
            ":changes": {"N": str(head.changes)},
        },
    }
