"""Corrections in DynamoDB: an entry beside the outcome that it moves, and the key that it is remembered under.

One transaction appends the entry, moves the outcome (if it still is the version that was read) and remembers the key:
all or nothing. Entries stand in the table of outcomes:

user_id (HASH, S)       of the outcome
created_at (RANGE, S)   `~2026-04-01T12:00:00.000Z#<id>`: after all outcomes of the user, in the order of time
outcome                 S, the id of the outcome
version                 N, of the outcome, once it was moved
type, reason            S, of the correction; no reason when none was given
recorded_by             S, `Caller.recorded_by`
changes                 M, of an amend: to each attribute that was to change, M of `before` and `after`, NULL for none
effects                 L of M, `Effect`s: tally, occurred_at, outcome_type S, agent_id, sign, value_usd N
"""

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.backoff import (
    RACES,
    THROTTLED,
    Deadline,
    read_items,
)
from outcomes.aws.errors import CallFailed, TransactionCanceled
from outcomes.aws.services import Item
from outcomes.contract import instants, json_text
from outcomes.contract.caller import kind_of
from outcomes.contract.corrections import Recorded, deltas
from outcomes.contract.json_text import response_bytes
from outcomes.contract.limits import MAX_HISTORY, MAX_METADATA_LEVELS, MAX_RESPONSE_BYTES
from outcomes.contract.status import RECORDED
from outcomes.errors import Busy, Contended, Mistimed, NotFound, Refused
from outcomes.ledger import ulid
from outcomes.ledger.idempotent_writes import (
    Row,
    base64,
    is_remembered,
    remember,
    reused,
    row_of,
)
from outcomes.ledger.items import (
    attribute,
    fact_of,
    item_key,
    outcome_json,
    status_of,
    value_json,
)
from outcomes.ledger.store import OutcomeStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outcomes.contract.caller import Caller
    from outcomes.contract.corrections import Correction
    from outcomes.contract.sums import Delta

_FACTS = ("outcome_type", "agent_id", "value_usd", "occurred_at")
_NULL = {"NULL": True}


class Corrected(NamedTuple):
    """A correction that is stored. outcome: as it stands now. replayed: it was stored before."""

    id: str
    outcome: Item
    replayed: bool

    @property
    def standing(self) -> str:
        """Where the outcome stands, and how often it was corrected, as members of a JSON object."""
        return f'"status":"{status_of(self.outcome)}","version":{version_of(self.outcome)}'

    def shown(self, caller: "Caller") -> str | None:
        """Write the outcome as JSON text, to a caller who may see what it says."""
        return outcome_json(self.outcome, include_ledger=True) if caller.may_read else None


class _Tried:
    """The transactions of one call.

    ids: of their corrections. doubtful: the versions that those expect of which it is not known how they ended. One
    takes effect as long as the outcome has the version that it expects: versions only rise.
    """

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.doubtful: set[int] = set()


def correction_hash(caller: "Caller", id_: str, key: str) -> str:
    """Hash an idempotency key of a correction together with its scope: the outcome with this id, and who corrects."""
    return sha256(f"correction:{caller.recorded_by}:{id_}\n{key}".encode()).hexdigest()


class Corrections:
    """The table of outcomes, and the table of idempotency keys."""

    def __init__(self, store: OutcomeStore, table: str) -> None:
        self.store = store
        self.table = table

    def correct(self, id_: str, correction: "Correction", caller: "Caller", key: str | None) -> Corrected:
        """Correct the outcome with this id, unless the idempotency key is remembered of one of its corrections.

        Raises NotFound, Forbidden, NotPossible, IdempotencyKeyReused, and Contended when others kept writing it.
        Whatever else is raised: nothing was stored, or it cannot be known.
        """
        deadline = Deadline()
        tried = _Tried()
        try:
            if correction.refusal and not (key and self._remembered(correction_hash(caller, id_, key), deadline)):
                raise correction.refusal
            while True:
                corrected = self._correct_now(id_, correction, caller, key, tried, deadline)
                if corrected:
                    return corrected
                if not deadline.wait():
                    raise Contended
        except NotFound:  # erased meanwhile, with whatever was stored
            raise
        except (Refused, Mistimed, TimeoutError) as exc:
            if tried.doubtful:
                raise CallFailed(f"{exc}, after an attempt that may have taken effect") from exc
            if tried.ids and isinstance(exc, TimeoutError):  # and lost
                raise Contended from exc
            raise

    def _correct_now(
        self, id_: str, correction: "Correction", caller: "Caller", key: str | None, tried: "_Tried", deadline: Deadline
    ) -> Corrected | None:
        """Correct the outcome as it stands now, or return None when it has been moved meanwhile."""
        user_id = caller.agent_key.user_id if caller.agent_key else correction.user_id
        before = _read_outcome(self.store, user_id, id_, deadline)
        # An answer got lost, and the transaction was attempted again.
        for made in tried.ids.intersection(corrections_of(before)):
            return Corrected(made, before, replayed=False)
        recorded = _recorded(before)
        tried.doubtful &= {recorded.version}
        correction.require_allowed(caller, recorded)
        hash_ = None if key is None else correction_hash(caller, id_, key)
        fingerprint = base64(correction.fingerprint())
        row = self._remembered(hash_, deadline)
        if row and row.fingerprint != fingerprint:
            raise reused(fingerprint, row.fingerprint)
        if row:
            made = row.correction or ""
            # Read before the outcome was moved, it would not be the outcome as it stands.
            is_there = row.version <= recorded.version
            return Corrected(made, before, replayed=made not in tried.ids) if is_there else None
        corrected_by = self._corrected_by(before, deadline)
        to = correction.move(caller, recorded, corrected_by)
        draft = _Draft.of(before, correction, to, caller, corrected_by)
        if draft.changes_nothing:
            correction.refuse_unchanged(caller)
            if not hash_:
                return Corrected(draft.id, before, replayed=False)
            draft = draft._replace(after=before)
        actions = draft.actions(self.store.table)
        if hash_:
            user_id, created_at = before["user_id"]["S"], before["created_at"]["S"]
            row = Row(user_id, created_at, fingerprint, draft.id, version_of(draft.after))
            actions.append(remember(self.table, hash_, row))
        deadline.check()
        tried.ids.add(draft.id)
        try:
            self.store.dynamodb.call("TransactWriteItems", {"TransactItems": actions}, recorded_at=draft.made_at)
        except CallFailed as failure:
            if failure.maybe_done:
                tried.doubtful.add(recorded.version)
            if not isinstance(failure, TransactionCanceled):
                raise
            codes = set(failure.codes) - {"None"}
            if codes and codes <= RACES:
                return None
            if codes & THROTTLED and codes <= RACES | THROTTLED and not failure.maybe_done:
                raise Busy from failure
            raise
        return Corrected(draft.id, draft.after, replayed=False)

    def _corrected_by(self, outcome: Item, deadline: Deadline) -> "Mapping[str, int]":
        """Read how often each kind of caller has corrected an outcome: from the entries, where it was not counted."""
        if "corrected_by" in outcome:
            return {kind: int(count["N"]) for kind, count in outcome["corrected_by"]["M"].items()}
        entries = _read_entries(self.store, outcome, deadline)
        return Counter(kind_of(entry["recorded_by"]["S"]) for entry in entries)

    def _remembered(self, hash_: str | None, deadline: Deadline) -> Row | None:
        """Read the row of an idempotency key, if it is remembered: after the outcome, which it is never older than."""
        keys = [] if hash_ is None else [{"key_sha256": {"S": hash_}}]
        for item in read_items(self.store.dynamodb, self.table, keys, deadline):
            if is_remembered(item):
                return row_of(item)
        return None


def read_history(store: OutcomeStore, user_id: int, id_: str) -> str:
    """Read an outcome of a user with its newest corrections, oldest first, as the JSON text of the contract.

    Metadata is left out of the oldest corrections, and said to be, where all together would not fit into a response.

    Raises NotFound.
    """
    deadline = Deadline()
    item = _read_outcome(store, user_id, id_, deadline)
    entries = _read_entries(store, item, deadline)
    outcome = outcome_json(item, include_ledger=True)
    newest_first = sorted(entries, key=lambda entry: -int(entry["version"]["N"]))
    brief = [entry_json(entry, item, with_metadata=False) for entry in newest_first]
    room = MAX_RESPONSE_BYTES - response_bytes(outcome) - sum(response_bytes(each) + 1 for each in brief)
    corrections = []
    for entry, short in zip(newest_first, brief, strict=True):
        text = entry_json(entry, item, with_metadata=True)
        room -= response_bytes(text) - response_bytes(short)
        corrections.append(text if room >= 0 else short)
    return f'{{"outcome":{outcome},"corrections":[{",".join(reversed(corrections))}]}}'


class _Draft(NamedTuple):
    """A correction as it will be stored, and the outcome before and after it. made_at: its id may be of later."""

    id: str
    made_at: int
    entry: Item
    before: Item
    after: Item

    @classmethod
    def of(
        cls, before: Item, correction: "Correction", to: str, caller: "Caller", corrected_by: "Mapping[str, int]"
    ) -> "_Draft":
        """Make the correction of an outcome, as of now. to: where it moves the outcome. corrected_by: until now."""
        ids = corrections_of(before)
        made_at = instants.now()
        # After what it corrects, whatever the clocks of hosts say.
        id_ = ulid.new(max(made_at, *(ulid.milliseconds(each) + 1 for each in (_id_of(before), *ids))))
        changes = {
            name: _NULL if value is None else attribute(name, value) for name, value in correction.changes.items()
        }
        after = {name: value for name, value in before.items() if name not in {*changes, "standing"}}
        after |= {name: value for name, value in changes.items() if value is not _NULL}
        if to != RECORDED:
            after["standing"] = {"S": to}
        counts = Counter(corrected_by) + Counter([caller.kind])
        after |= {
            "version": {"N": str(version_of(before) + 1)},
            "corrections": {"L": [{"S": each} for each in (*ids, id_)[-MAX_HISTORY:]]},
            "corrected_by": {"M": {kind: {"N": str(count)} for kind, count in counts.items()}},
        }
        if changes and "as_recorded" not in before:
            after["as_recorded"] = {"M": {name: before[name] for name in _FACTS if name in before}}
        entry: Item = {
            **entry_key(before, id_),
            "outcome": {"S": _id_of(before)},
            "version": after["version"],
            "type": {"S": correction.type},
            "recorded_by": {"S": caller.recorded_by},
            "effects": {"L": [{"M": _delta(delta)} for delta in deltas(fact_of(before), fact_of(after))]},
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

    @property
    def changes_nothing(self) -> bool:
        """Tell whether an amend leaves what the outcome says as it is, however that is written."""
        changes = self.entry.get("changes", {"M": {}})["M"]
        texts = [
            [_canonical(name, each["M"][when], self.before) for when in ("before", "after")]
            for name, each in changes.items()
        ]
        return bool(texts) and all(before == after for before, after in texts)

    def actions(self, table: str) -> list[dict[str, Any]]:
        """Make the actions that append the entry and move the outcome, unless somebody else has moved that.

        Of an outcome that stays as it is, only that is checked.
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


def _read_outcome(store: OutcomeStore, user_id: int | None, id_: str, deadline: Deadline) -> Item:
    """Read the outcome of a user, or of nobody. Raises NotFound."""
    found = read_items(store.dynamodb, store.table, [item_key(user_id, id_)], deadline) if ulid.is_valid(id_) else []
    if not found:
        raise NotFound
    return found[0]


def _read_entries(store: OutcomeStore, outcome: Item, deadline: Deadline) -> list[Item]:
    """Read the entries of an outcome's corrections, in any order."""
    keys = [entry_key(outcome, each) for each in corrections_of(outcome)]
    return read_items(store.dynamodb, store.table, keys, deadline)


def _recorded(item: Item) -> Recorded:
    return Recorded(
        recorded_by=item["recorded_by"]["S"] if "recorded_by" in item else None,
        fact=fact_of(item),
        version=version_of(item),
    )


def _id_of(item: Item) -> str:
    id_: str = item["created_at"]["S"].rpartition("#")[2]
    return id_


def version_of(item: Item) -> int:
    """Read how often an outcome was corrected."""
    return int(item["version"]["N"]) if "version" in item else 0


def corrections_of(item: Item) -> list[str]:
    """Read the ids of an outcome's newest corrections, oldest first."""
    return [each["S"] for each in item["corrections"]["L"]] if "corrections" in item else []


def entry_key(outcome: Item, id_: str) -> Item:
    """Make the key of the entry of a correction."""
    created_at = instants.text(ulid.milliseconds(id_))
    return {"user_id": outcome["user_id"], "created_at": {"S": f"~{created_at}#{id_}"}}


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
    """Write the contract's JSON of a correction; metadata that it leaves out, it says to be."""
    created_at, _, id_ = entry["created_at"]["S"].removeprefix("~").partition("#")
    reason = json_text.string(entry["reason"]["S"]) if "reason" in entry else "null"
    changes = [
        f'"{name}":{_change_json(name, each["M"], outcome) if with_metadata or name != "metadata" else _OMITTED}'
        for name, each in entry.get("changes", {"M": {}})["M"].items()
    ]
    return (
        f'{{"id":"{id_}","type":"{entry["type"]["S"]}","reason":{reason}'
        f',"by":{json_text.string(entry["recorded_by"]["S"])},"created_at":"{created_at}"'
        f"{f',"changes":{{{",".join(changes)}}}' if changes else ''}}}"
    )


_OMITTED = '{"omitted":true}'


def _change_json(name: str, change: Item, outcome: Item) -> str:
    before, after = (value_json(name, change[when], outcome) for when in ("before", "after"))
    return f'{{"before":{before},"after":{after}}}'


def _canonical(name: str, value: dict[str, Any], outcome: Item) -> str:
    """Write a value such that equal values have equal texts."""
    return json_text.exact(json_text.read(value_json(name, value, outcome)), MAX_METADATA_LEVELS, canonical=True)
