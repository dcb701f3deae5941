"""Create the append-only entries of corrections: their items in the table of outcomes, and their JSON.

user_id (HASH, S)       the outcome's
created_at (RANGE, S)   `~2026-04-01T12:00:00.000Z#<id>`: sorts after all outcomes of the user, by time
outcome                 S, the id of the outcome
version                 N, the outcome's version after the correction
type, reason            S; reason is absent if none was given
recorded_by             S, `Caller.recorded_by`
changes                 M, of an amend: for each sent attribute, M of `before` and `after`, NULL if not set
effects                 L of M, each a `Delta`: tally, occurred_at, outcome_type S, agent_id, sign, value_usd N
since                   L of N, when the outcome's entry before this one was recorded, in milliseconds since 1970. If an
                        outcome was and stays recorded and no sum changes (an amend of words), its counted fields
                        follow in the order of COUNTED, NULL if not set; otherwise `effects` have them
imported                BOOL, true if it voids the outcome because the outcome's import was undone, otherwise absent
"""

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.status import RECORDED, VOID
from outcomes.contract.sums import deltas
from outcomes.ledger import ulid
from outcomes.ledger.items import attribute, counted_fields, indexed, value_json
from outcomes.limits import MAX_HISTORY, MAX_METADATA_LEVELS

if TYPE_CHECKING:
    from outcomes.contract.caller import Caller
    from outcomes.contract.correction_rules import Correction
    from outcomes.contract.sums import Delta

COUNTED = ("outcome_type", "agent_id", "value_usd", "occurred_at")
_NULL = {"NULL": True}


class CorrectionDraft(NamedTuple):
    """A correction to store.

    before, after: the outcome's item before and after the correction. made_at: the current time. The id may contain a
    later time, because it must sort after earlier ids.
    """

    id: str
    made_at: int
    entry: Item
    before: Item
    after: Item

    @classmethod
    def of(cls, before: Item, correction: "Correction", to: str, caller: "Caller") -> "CorrectionDraft":
        """Create the correction. to: the outcome's new status."""
        ids = corrections_of(before)
        made_at = instants.now()
        # The id must sort after the ids of the outcome and earlier corrections, even if the clocks of hosts differ.
        id_ = ulid.new(max(made_at, *(ulid.milliseconds(each) + 1 for each in (id_of(before), *ids))))
        changes = {
            name: _NULL if value is None else attribute(name, value) for name, value in correction.changes.items()
        }
        after = {name: value for name, value in before.items() if name not in {*changes, "standing"}}
        after |= {name: value for name, value in changes.items() if value is not _NULL}
        after = indexed(after)
        if to != RECORDED:
            after["standing"] = {"S": to}
        counts = Counter(corrected_by(before)) + Counter([caller.kind])
        after |= {
            "version": {"N": str(version_of(before) + 1)},
            "corrections": {"L": [{"S": each} for each in (*ids, id_)[-MAX_HISTORY:]]},
            "corrected_by": {"M": {kind: {"N": str(count)} for kind, count in counts.items()}},
        }
        if changes and "as_recorded" not in before:
            after["as_recorded"] = {"M": {name: before[name] for name in COUNTED if name in before}}
        effects = [{"M": _delta(delta)} for delta in deltas(counted_fields(before), counted_fields(after))]
        since = [{"N": str(ulid.milliseconds(newest_of(before)))}]
        if not effects and to == RECORDED:
            since += _stood(before)
        entry: Item = {
            **entry_key(before, id_),
            "outcome": {"S": id_of(before)},
            "version": after["version"],
            "type": {"S": correction.type},
            "recorded_by": {"S": caller.recorded_by},
            "effects": {"L": effects},
            "since": {"L": since},
        }
        if correction.reason is not None:
            entry["reason"] = {"S": correction.reason}
        if changes:
            entry["changes"] = {
                "M": {
                    name: {"M": {"before": before.get(name, _NULL), "after": value}} for name, value in changes.items()
                }
            }
        return cls(id_, made_at, entry, before, after)

    def assigned(self, user_id: int, id_: str) -> "CorrectionDraft":
        """Return a copy of this void that assigns the outcome to a user.

        id_: the id of the user's new outcome. The title, description and metadata of the voided outcome are removed,
        because the new outcome has them.
        """
        after = {name: value for name, value in self.after.items() if name not in {"description", "metadata"}}
        after |= {"title": {"S": ""}, "assigned_to": {"N": str(user_id)}, "assigned_id": {"S": id_}}
        return self._replace(after=after)

    def undone(self) -> "CorrectionDraft":
        """Return a copy of this void that undoes the outcome's import. It yields no event, like the import."""
        marked = {"BOOL": True}
        return self._replace(entry=self.entry | {"imported": marked}, after=self.after | {"undone": marked})

    @property
    def changes_nothing(self) -> bool:
        """Check whether all values of an amend equal the current values, even if numbers are written differently."""
        changes = self.entry.get("changes", {"M": {}})["M"]
        texts = [
            [_canonical(name, each["M"][when], self.before) for when in ("before", "after")]
            for name, each in changes.items()
        ]
        return bool(texts) and all(before == after for before, after in texts)

    def actions(self, table: str) -> list[dict[str, Any]]:
        """Return the transaction's actions: append the entry, and update the outcome if its version is unchanged.

        If the outcome itself does not change, only check its version.
        """
        place = {"TableName": table, "Key": {name: self.before[name] for name in ("user_id", "created_at")}}
        if "version" in self.before:
            condition, values = "#version = :as_read", {":as_read": self.before["version"]}
        else:
            condition, values = "attribute_exists(user_id) AND attribute_not_exists(#version)", {}
        if self.after is self.before:
            names = {"#version": "version"}
            check = {"ConditionExpression": condition, "ExpressionAttributeNames": names}
            return [{"ConditionCheck": place | check | ({"ExpressionAttributeValues": values} if values else {})}]
        set_ = {name: value for name, value in self.after.items() if self.before.get(name) != value}
        removed = [name for name in self.before if name not in self.after]
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in set_)
        if removed:
            update += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        return [
            {
                "Update": place
                | {
                    "UpdateExpression": update,
                    "ConditionExpression": condition,
                    "ExpressionAttributeNames": {f"#{name}": name for name in (*set_, *removed)},
                    "ExpressionAttributeValues": values | {f":{name}": value for name, value in set_.items()},
                }
            },
            {"Put": {"TableName": table, "Item": self.entry}},
        ]


def id_of(item: Item) -> str:
    id_: str = item["created_at"]["S"].rpartition("#")[2]
    return id_


def version_of(item: Item) -> int:
    return int(item["version"]["N"]) if "version" in item else 0


def corrected_by(item: Item) -> dict[str, int]:
    """Return how often each kind of caller corrected an outcome."""
    return {kind: int(count["N"]) for kind, count in item.get("corrected_by", {"M": {}})["M"].items()}


def corrections_of(item: Item) -> list[str]:
    """Return the ids of an outcome's newest corrections, oldest first."""
    return [each["S"] for each in item["corrections"]["L"]] if "corrections" in item else []


def newest_of(item: Item) -> str:
    """Return the id of an outcome's newest entry: its last correction, or the outcome's own without any."""
    return [id_of(item), *corrections_of(item)][-1]


def entry_key(outcome: Item, id_: str) -> Item:
    """Return the item key of the correction with this id."""
    created_at = instants.text(ulid.milliseconds(id_))
    return {"user_id": outcome["user_id"], "created_at": {"S": f"~{created_at}#{id_}"}}


def _stood(outcome: Item) -> list[dict[str, Any]]:
    """Return the counted fields, with the instant as a number, which takes fewer bytes than its text."""
    occurred_at = {"N": str(instants.read(outcome["occurred_at"]["S"]))} if "occurred_at" in outcome else _NULL
    return [outcome.get(name, _NULL) for name in COUNTED[:-1]] + [occurred_at]


def _delta(delta: "Delta") -> Item:
    item: Item = {
        "tally": {"S": delta.tally},
        "occurred_at": {"S": delta.occurred_at},
        "outcome_type": {"S": delta.outcome_type},
        "sign": {"N": str(delta.sign)},
    }
    if delta.agent_id is not None:
        item["agent_id"] = {"N": str(delta.agent_id)}
    if delta.value_usd is not None:
        item["value_usd"] = {"N": str(delta.value_usd)}
    return item


def entry_json(entry: Item, outcome: Item, *, with_metadata: bool) -> str:
    """Return the contract's JSON of a correction. with_metadata: if false, changed metadata is `{"omitted":true}`."""
    created_at, _, id_ = entry["created_at"]["S"].removeprefix("~").partition("#")
    reason = json_text.string(entry["reason"]["S"]) if "reason" in entry else "null"
    changes = [
        f'"{name}":{_change_json(name, each["M"], outcome) if with_metadata or name != "metadata" else _OMITTED}'
        for name, each in entry.get("changes", {"M": {}})["M"].items()
    ]
    # An outcome has at most one void, because a void is final. So if the outcome was assigned, this void assigned it.
    is_assignment = "assigned_to" in outcome and entry["type"]["S"] == VOID
    return (
        f'{{"id":"{id_}","type":"{entry["type"]["S"]}","reason":{reason}'
        f',"by":{json_text.string(entry["recorded_by"]["S"])},"created_at":"{created_at}"'
        f"{f',"changes":{{{",".join(changes)}}}' if changes else ''}"
        f"{_assigned_json(outcome) if is_assignment else ''}}}"
    )


def _assigned_json(outcome: Item) -> str:
    return f',"assigned_to":{outcome["assigned_to"]["N"]},"assigned_id":"{outcome["assigned_id"]["S"]}"'


_OMITTED = '{"omitted":true}'


def _change_json(name: str, change: Item, outcome: Item) -> str:
    before, after = (value_json(name, change[when], outcome) for when in ("before", "after"))
    return f'{{"before":{before},"after":{after}}}'


def _canonical(name: str, value: dict[str, Any], outcome: Item) -> str:
    """Return the canonical JSON text of a field's value: equal values have equal texts."""
    return json_text.exact(json_text.read(value_json(name, value, outcome)), MAX_METADATA_LEVELS, canonical=True)
