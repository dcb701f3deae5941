"""Create, list, rotate, pause, revoke and authenticate agent keys in DynamoDB.

id (HASH, S)    a key's id, 16 letters and digits; for a user's row, `user#42`

A key:
user_id N, name S, created_at S, scopes S (names, separated by spaces)
agent_id N, outcome_types S (as scopes), max_value_usd N, max_per_day N, expires_at S, last_used_at S: absent if null
made_by, rotated_by S, rotated_at S     who created and who last rotated it, `session` or `platform`; absent if null
paused_at S                             when it was paused; absent while it may be used
secret_sha256 S                         `key_text.digest` of the whole key
previous_sha256 S, previous_until S     digest of the previous key, and when that key stops working
forget_at N                             TTL, ENDED_DAYS after the key expires, in seconds since 1970; absent if never

A revoked key, with the id `revoked#<id>`, so that nothing that looks for keys finds it. It says whose the key was:
user_id N, revoked_at S
forget_at N         TTL, ENDED_DAYS after the revocation

A user's row lists the user's live keys and limits their number. Unlike an index, it can be read consistently:
<id of a key> S     when the key expires; empty if never
changes N           incremented whenever keys are added or removed, for optimistic locking

Instants have the format of `instants.text`, so that they can be compared as text. A revoked key's own item is deleted.
An expired key is invalid, even while its item still exists.
"""

import time
from collections.abc import Callable
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.backoff import CONFLICTS, THROTTLED, Backoff, read_items
from outcomes.aws.services import (
    NEVER,
    CallFailed,
    ConditionFailed,
    DynamoDB,
    Item,
    Limits,
    ServiceError,
    TransactionCanceled,
)
from outcomes.calendar import instants
from outcomes.errors import Busy, Contended, Mistimed, NotFound, TooManyKeys
from outcomes.keys import key_text
from outcomes.limits import MAX_KEYS

if TYPE_CHECKING:
    from outcomes.contract.agent_key_bodies import NewAgentKey

LIMITS = Limits(attempts=3, connect=1, read=2, total=4)
"""Limits of a call that manages keys. After `backoff.RETRY_SECONDS`, there is still time for two such calls."""

AUTHORIZER_LIMITS = Limits(attempts=2, connect=0.5, read=1, total=4)
"""Limits of the call that reads a key, unless the authorizer's deadline is earlier."""

MARK_SECONDS = 1.0
"""Maximum seconds to update last_used_at. A key is valid even if that fails."""

ENDED_DAYS = 400
"""Days for which the row of a key that expired or was revoked says whose it was, so that the user may void its work."""

_LOST_RACES = {"ConditionalCheckFailedException", "TransactionConflictException"}

_LIVE = "(attribute_not_exists(expires_at) OR expires_at > :now)"


class AgentKey(NamedTuple):
    """A stored key without its secret. max_value_usd: a number as text."""

    id: str
    user_id: int
    name: str
    agent_id: int | None
    outcome_types: list[str] | None
    max_value_usd: str | None
    max_per_day: int | None
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    made_by: str | None
    rotated_by: str | None
    rotated_at: str | None
    paused_at: str | None

    def public(self) -> dict[str, Any]:
        """Return the key's fields as in the contract. Numbers are `Decimal`."""
        from decimal import Decimal  # imported here, because the authorizer does not need it

        return self._asdict() | {
            "user_id": Decimal(self.user_id),
            "agent_id": None if self.agent_id is None else Decimal(self.agent_id),
            "max_value_usd": None if self.max_value_usd is None else Decimal(self.max_value_usd),
            "max_per_day": None if self.max_per_day is None else Decimal(self.max_per_day),
        }


class AgentKeys:
    """The table of agent keys. If a call raises an error, it may be unknown whether a write took effect."""

    def __init__(self, table: str, limits: Limits = LIMITS) -> None:
        self.table = table
        self.dynamodb = DynamoDB(limits)

    def create(self, wanted: "NewAgentKey", by: str) -> tuple[str, AgentKey]:
        """Create a key.

        Return its text, which is not stored, and the stored key. by: who creates it, stored in `made_by`.

        Raises TooManyKeys if the user has MAX_KEYS, Contended if other requests kept changing the user's keys.
        """
        id_ = key_text.new_id()
        text = key_text.new_key(id_)
        now = instants.now()
        item = _new_item(id_, key_text.digest(text), wanted, by, now)

        def put() -> None:
            row = self._get(user_row_id(wanted.user_id))
            if id_ in row:  # an earlier attempt took effect, and its answer was lost
                return
            live = _live(row, instants.text(now))
            if len(live) >= MAX_KEYS:
                raise TooManyKeys
            put_key = {"TableName": self.table, "Item": item, "ConditionExpression": "attribute_not_exists(id)"}
            self._transact({"Put": put_key}, {"Update": self._added(item, row, live)}, made_at=now)

        _retry_conflicts(put)
        return text, agent_key(item)

    def of_user(self, user_id: int) -> list[AgentKey]:
        """Read the live keys of a user with consistent reads, newest first. Raises Busy."""
        ids = _live(self._get(user_row_id(user_id)), instants.text(instants.now()))
        try:
            items = read_items(self.dynamodb, self.table, [{"id": {"S": id_}} for id_ in ids], Backoff())
        except TimeoutError as exc:
            raise Busy from exc
        return sorted(map(agent_key, items), key=lambda key: (key.created_at, key.id), reverse=True)

    def rotate(self, user_id: int, id_: str, overlap_hours: int, by: str) -> tuple[str, AgentKey]:
        """Replace a key's secret. Return the key's new text and the stored key.

        The replaced secret stays valid for `overlap_hours`; an even older one stops working. by: who rotates it, stored
        in `rotated_by`.
        Raises Contended, and NotFound if the user has no live key with this id.
        """
        tried: dict[str, str] = {}  # the key text of each attempt, by its digest; each attempt creates a new secret

        def put() -> tuple[str, AgentKey]:
            now = instants.now()
            before = self._get(id_)
            if before.get("user_id") != {"N": str(user_id)} or not _is_live(before, instants.text(now)):
                raise NotFound
            present = before["secret_sha256"]["S"]
            if present in tried:  # an earlier attempt took effect, and its answer was lost
                return tried[present], agent_key(before)
            text = key_text.new_key(id_)
            digest = key_text.digest(text)
            tried[digest] = text
            update = {
                "TableName": self.table,
                "Key": {"id": {"S": id_}},
                "UpdateExpression": "SET previous_sha256 = secret_sha256, previous_until = :until,"
                " secret_sha256 = :new, rotated_by = :by, rotated_at = :now",
                # Optimistic locking: an attempt that takes effect late must not undo a newer rotation.
                "ConditionExpression": f"user_id = :user AND secret_sha256 = :present AND {_LIVE}",
                "ExpressionAttributeValues": {
                    ":user": {"N": str(user_id)},
                    ":present": {"S": present},
                    ":new": {"S": digest},
                    ":by": {"S": by},
                    ":now": {"S": instants.text(now)},
                    ":until": {"S": instants.text(now + overlap_hours * 3_600_000)},
                },
                "ReturnValues": "ALL_NEW",
            }
            return text, agent_key(self.dynamodb.call("UpdateItem", update, recorded_at=now)["Attributes"])

        return _retry_conflicts(put)

    def set_paused(self, user_id: int, id_: str, *, paused: bool) -> AgentKey:
        """Pause or resume a key, and return the stored key. A key that is paused already keeps its `paused_at`.

        Raises Contended, and NotFound if the user has no live key with this id.
        """

        def put() -> AgentKey:
            now = instants.now()
            before = self._get(id_)
            if before.get("user_id") != {"N": str(user_id)} or not _is_live(before, instants.text(now)):
                raise NotFound
            if ("paused_at" in before) is paused:
                return agent_key(before)
            # Optimistic locking: a resumption that takes effect late must not end a newer pause.
            update = {
                "TableName": self.table,
                "Key": {"id": {"S": id_}},
                "UpdateExpression": "SET paused_at = :now" if paused else "REMOVE paused_at",
                "ConditionExpression": f"user_id = :user AND {_LIVE} AND "
                + ("attribute_not_exists(paused_at)" if paused else "paused_at = :seen"),
                "ExpressionAttributeValues": {":user": {"N": str(user_id)}, ":now": {"S": instants.text(now)}}
                | ({} if paused else {":seen": before["paused_at"]}),
                "ReturnValues": "ALL_NEW",
            }
            return agent_key(self.dynamodb.call("UpdateItem", update, recorded_at=now)["Attributes"])

        return _retry_conflicts(put)

    def revoke(self, user_id: int, id_: str) -> None:
        """Delete a user's key, if it exists, and note whose it was.

        Raises Contended, and NotFound if the key belongs to another user.
        """
        user = {"N": str(user_id)}
        update_row = {
            "TableName": self.table,
            "Key": {"id": {"S": user_row_id(user_id)}},
            "UpdateExpression": "REMOVE #key ADD changes :one",
            "ConditionExpression": "attribute_exists(id)",
            "ExpressionAttributeNames": {"#key": id_},
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }

        def delete() -> None:
            now = instants.now()
            key = self._get(id_)
            if key and key["user_id"] != user:
                raise NotFound
            delete_key: dict[str, Any] = {"TableName": self.table, "Key": {"id": {"S": id_}}}
            if key:
                put = {"TableName": self.table, "Item": _revoked_item(id_, user, now)}
                delete_key["ConditionExpression"] = "attribute_exists(id)"
                self._transact({"Delete": delete_key}, {"Update": update_row}, {"Put": put}, made_at=now)
                return
            delete_key["ConditionExpression"] = "attribute_not_exists(id)"
            try:
                self._transact({"Delete": delete_key}, {"Update": update_row})
            except TransactionCanceled as failure:
                if failure.codes != ["None", "ConditionalCheckFailed"]:
                    raise
                # The user has never had a key.

        _retry_conflicts(delete)

    def find(self, id_: str) -> AgentKey | None:
        """Read a live key."""
        item = self._get(id_)
        return agent_key(item) if item and _is_live(item, instants.text(instants.now())) else None

    def authenticate(self, text: str, until: float = NEVER) -> AgentKey | None:
        """Return the live key with this text if its secret is valid now. until: the deadline, on `time.monotonic`."""
        id_ = key_text.read_id(text)
        item = self._get(id_, until) if id_ else {}
        if not item:
            return None
        now = instants.text(instants.now())
        sent = key_text.digest(text)
        is_present = compare_digest(sent, item["secret_sha256"]["S"])
        is_previous = "previous_sha256" in item and compare_digest(sent, item["previous_sha256"]["S"])
        if not is_present and not (is_previous and now < item["previous_until"]["S"]):
            return None
        return agent_key(item) if _is_live(item, now) else None

    def mark_used(self, key: AgentKey, until: float = NEVER) -> None:
        """Set last_used_at to the current hour unless it already has this value. key: the key that was just read."""
        hour = f"{instants.text(instants.now())[:13]}:00:00.000Z"
        if key.last_used_at is not None and key.last_used_at >= hour:
            return
        update = {
            "TableName": self.table,
            "Key": {"id": {"S": key.id}},
            "UpdateExpression": "SET last_used_at = :hour",
            # Otherwise the update would create an item for a key that was just revoked.
            "ConditionExpression": "attribute_exists(id)"
            " AND (attribute_not_exists(last_used_at) OR last_used_at < :hour)",
            "ExpressionAttributeValues": {":hour": {"S": hour}},
        }
        try:
            until = min(until, time.monotonic() + MARK_SECONDS)
            self.dynamodb.call("UpdateItem", update, attempts=1, until=until)
        except ConditionFailed:
            return  # another call already set the attribute, or the key was revoked

    def _get(self, id_: str, until: float = NEVER) -> Item:
        request = {"TableName": self.table, "Key": {"id": {"S": id_}}, "ConsistentRead": True}
        item: Item = self.dynamodb.call("GetItem", request, until=until).get("Item", {})
        return item

    def _transact(self, *actions: dict[str, Any], made_at: int | None = None) -> None:
        self.dynamodb.call("TransactWriteItems", {"TransactItems": actions}, recorded_at=made_at)

    def _added(self, item: Item, row: Item, live: list[str]) -> dict[str, Any]:
        """Return the update that adds a key to a user's row and removes expired keys. It fails if the row changed."""
        expired = [name for name in row if key_text.is_id(name) and name not in live]
        names = {f"#expired{index}": name for index, name in enumerate(expired)}
        remove = f" REMOVE {', '.join(names)}" if names else ""
        seen = {":seen": row["changes"]} if row else {}
        return {
            "TableName": self.table,
            "Key": {"id": {"S": user_row_id(int(item["user_id"]["N"]))}},
            "UpdateExpression": f"SET #key = :expires ADD changes :one{remove}",
            "ConditionExpression": "changes = :seen" if row else "attribute_not_exists(id)",
            "ExpressionAttributeNames": {"#key": item["id"]["S"], **names},
            "ExpressionAttributeValues": {":expires": item.get("expires_at", {"S": ""}), ":one": {"N": "1"}, **seen},
        }


def user_row_id(user_id: int) -> str:
    return f"user#{user_id}"


def _revoked_item(id_: str, user: dict[str, Any], now: int) -> Item:
    from outcomes.ledger.ended_keys import REVOKED  # imported here, because the authorizer does not need it

    return {
        "id": {"S": f"{REVOKED}{id_}"},
        "user_id": user,
        "revoked_at": {"S": instants.text(now)},
        "forget_at": {"N": str((now + ENDED_DAYS * instants.DAY) // 1000)},
    }


def _live(row: Item, now: str) -> list[str]:
    """Return the ids of the live keys in a user's row."""
    return [name for name, expires in row.items() if key_text.is_id(name) and (not expires["S"] or now < expires["S"])]


def _is_live(item: Item, now: str) -> bool:
    return "expires_at" not in item or now < item["expires_at"]["S"]


def _new_item(id_: str, digest: str, wanted: "NewAgentKey", by: str, now: int) -> Item:
    item: Item = {
        "id": {"S": id_},
        "user_id": {"N": str(wanted.user_id)},
        "name": {"S": wanted.name},
        "scopes": {"S": " ".join(wanted.scopes)},
        "created_at": {"S": instants.text(now)},
        "made_by": {"S": by},
        "secret_sha256": {"S": digest},
    }
    if wanted.agent_id is not None:
        item["agent_id"] = {"N": str(wanted.agent_id)}
    if wanted.outcome_types is not None:
        item["outcome_types"] = {"S": " ".join(wanted.outcome_types)}
    if wanted.max_value_usd is not None:
        item["max_value_usd"] = {"N": str(wanted.max_value_usd)}
    if wanted.max_per_day is not None:
        item["max_per_day"] = {"N": str(wanted.max_per_day)}
    if wanted.expires_at is not None:
        item["expires_at"] = {"S": instants.text(wanted.expires_at)}
        item["forget_at"] = {"N": str((wanted.expires_at + ENDED_DAYS * instants.DAY) // 1000)}
    return item


def agent_key(item: Item) -> AgentKey:
    return AgentKey(
        id=item["id"]["S"],
        user_id=int(item["user_id"]["N"]),
        name=item["name"]["S"],
        agent_id=int(item["agent_id"]["N"]) if "agent_id" in item else None,
        outcome_types=item["outcome_types"]["S"].split() if "outcome_types" in item else None,
        max_value_usd=item["max_value_usd"]["N"] if "max_value_usd" in item else None,
        max_per_day=int(item["max_per_day"]["N"]) if "max_per_day" in item else None,
        scopes=item["scopes"]["S"].split(),
        created_at=item["created_at"]["S"],
        expires_at=_text(item, "expires_at"),
        last_used_at=_text(item, "last_used_at"),
        made_by=_text(item, "made_by"),
        rotated_by=_text(item, "rotated_by"),
        rotated_at=_text(item, "rotated_at"),
        paused_at=_text(item, "paused_at"),
    )


def _text(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None


def _retry_conflicts[T](write: Callable[[], T]) -> T:
    """Retry `write` while it conflicts with other writes, and once if it is throttled. Raises Contended and Busy."""
    backoff, was_throttled, is_doubtful = Backoff(), False, False
    while True:
        try:
            return write()
        except (Busy, Mistimed) as failure:
            if is_doubtful:
                raise CallFailed(f"{failure}, after an attempt that may have taken effect") from failure
            raise
        except ServiceError as failure:
            is_doubtful = is_doubtful or failure.maybe_applied
            codes = set(failure.codes) - {"None"} if isinstance(failure, TransactionCanceled) else set()
            is_throttled = not codes.isdisjoint(THROTTLED)
            is_race = failure.code in _LOST_RACES or (bool(codes) and codes <= CONFLICTS)
            if not is_throttled and not is_race:
                raise
            if is_throttled and was_throttled:
                if is_doubtful:
                    raise
                raise Busy from failure
            if not backoff.wait():
                if is_doubtful:
                    raise
                raise Contended from failure
            was_throttled = was_throttled or is_throttled
