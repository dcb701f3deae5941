"""Agent keys in DynamoDB: make, list, rotate, revoke and recognize them. The only place that knows their attributes.

id (HASH, S)    of a key, 16 letters and digits; of a user's row, `user#42`

A key:
user_id N, name S, created_at S, scopes S (names, separated by blanks)
agent_id N, outcome_types S (as scopes), max_value_usd N, expires_at S, last_used_at S: absent when null
made_by, rotated_by S, rotated_at S     who made it and rotated it last, `session` or `platform`; absent when null
secret_sha256 S                         `key_text.digest` of the whole key
previous_sha256 S, previous_until S     the same of the key before it, and when that stops working
forget_at N                             seconds since 1970, when DynamoDB may delete what has expired

A user's row, which bounds how many there are and tells which, without an index that comes after:
<id of a key> S     for each that is live, when it expires; empty for never
changes N           how often keys were added or removed, for optimistic locking
erasures N          how often some of them were erased, and others stayed; absent for never

Instants are as `instants.text` has them, so that they compare as text. A revoked key is deleted, and one that has
expired counts no more, whether it is still there or not.
"""

import time
from collections.abc import Callable
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.backoff import CONFLICTS, THROTTLED, Backoff, read_items
from outcomes.aws.caller import NEVER, Limits
from outcomes.aws.errors import (
    CallFailed,
    ConditionFailed,
    ServiceError,
    TransactionCanceled,
)
from outcomes.aws.services import DynamoDB, Item
from outcomes.contract import instants, key_text
from outcomes.contract.limits import MAX_KEYS
from outcomes.errors import Busy, Contended, Mistimed, NotFound, TooManyKeys

if TYPE_CHECKING:
    from outcomes.contract.agent_keys import NewAgentKey

LIMITS = Limits(attempts=3, connect=1, read=2, total=4)
"""Limits of a call of DynamoDB that manages keys, in seconds: after `backoff.RETRY_SECONDS`, there is time for two."""

AUTHORIZER_LIMITS = Limits(attempts=2, connect=0.5, read=1, total=4)
"""Limits of the call that reads a key, in seconds, if the authorizer has as many left."""

MARK_SECONDS = 1.0
"""Seconds of the call that notes its use. A key is valid also where that takes longer."""

_LOST_RACES = {"ConditionalCheckFailedException", "TransactionConflictException"}

_LIVE = "(attribute_not_exists(expires_at) OR expires_at > :now)"


class AgentKey(NamedTuple):
    """A key as it is stored, but for its secret. max_value_usd: a number's text."""

    id: str
    user_id: int
    name: str
    agent_id: int | None
    outcome_types: list[str] | None
    max_value_usd: str | None
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    made_by: str | None
    rotated_by: str | None
    rotated_at: str | None

    def public(self) -> dict[str, Any]:
        """Describe a key to whoever may see it; numbers as `Decimal`."""
        from decimal import Decimal  # which the authorizer does without

        return self._asdict() | {
            "user_id": Decimal(self.user_id),
            "agent_id": None if self.agent_id is None else Decimal(self.agent_id),
            "max_value_usd": None if self.max_value_usd is None else Decimal(self.max_value_usd),
        }


class AgentKeys:
    """The table of agent keys. Whatever a call raises passes through: nothing was done, or it cannot be known."""

    def __init__(self, table: str, limits: Limits = LIMITS) -> None:
        self.table = table
        self.dynamodb = DynamoDB(limits)

    def create(self, wanted: "NewAgentKey", by: str) -> tuple[str, AgentKey]:
        """Make a key, and return its text, which is not stored, with what is. by: as `made_by` is stored.

        Raises TooManyKeys when its user has MAX_KEYS, Contended when others kept changing that user's keys.
        """
        id_ = key_text.new_id()
        text = key_text.new_key(id_)
        now = instants.now()
        item = _new_item(id_, key_text.digest(text), wanted, by, now)

        def put() -> None:
            row = self._get(user_row_id(wanted.user_id))
            if id_ in row:  # an earlier attempt, whose answer was lost
                return
            live = _live(row, instants.text(now))
            if len(live) >= MAX_KEYS:
                raise TooManyKeys
            put_key = {"TableName": self.table, "Item": item, "ConditionExpression": "attribute_not_exists(id)"}
            self._transact({"Put": put_key}, {"Update": self._added(item, row, live)}, made_at=now)

        _until_nobody_interferes(put)
        return text, agent_key(item)

    def of_user(self, user_id: int) -> list[AgentKey]:
        """Read the live keys of a user, newest first: all that were made, to the last. Raises Busy."""
        row = self._get(user_row_id(user_id))
        keys = [agent_key(item) for item in self._get_all(_live(row, instants.text(instants.now())))]
        return sorted(keys, key=lambda key: (key.created_at, key.id), reverse=True)

    def rotate(self, user_id: int, id_: str, overlap_hours: int, by: str) -> tuple[str, AgentKey]:
        """Give a key a new secret, and return its new text with what is stored. The present one works on for a while,
        the one before that no longer. by: as `rotated_by` is stored.

        Raises NotFound when there is no live key of this user's with this id, Contended.
        """
        tried: dict[str, str] = {}  # digest to text: each try has its own, so that no secret ever comes back

        def put() -> tuple[str, AgentKey]:
            now = instants.now()
            before = self._get(id_)
            if not _is_live_of(user_id, before, now):
                raise NotFound
            present = before["secret_sha256"]["S"]
            if present in tried:  # an attempt took effect whose answer was lost
                return tried[present], agent_key(before)
            text = key_text.new_key(id_)
            digest = key_text.digest(text)
            tried[digest] = text
            update = {
                "TableName": self.table,
                "Key": {"id": {"S": id_}},
                "UpdateExpression": "SET previous_sha256 = secret_sha256, previous_until = :until,"
                " secret_sha256 = :new, rotated_by = :by, rotated_at = :now",
                # Optimistic locking: an attempt that lands late, after another rotation, must not undo that one.
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

        return _until_nobody_interferes(put)

    def revoke(self, user_id: int, id_: str) -> None:
        """Delete a key of this user's, if it is there.

        Raises NotFound when it is another user's, Contended.
        """
        key_of_user = {
            "TableName": self.table,
            "Key": {"id": {"S": id_}},
            "ConditionExpression": "attribute_not_exists(id) OR user_id = :user",
            "ExpressionAttributeValues": {":user": {"N": str(user_id)}},
        }
        row = {
            "TableName": self.table,
            "Key": {"id": {"S": user_row_id(user_id)}},
            "UpdateExpression": "REMOVE #key ADD changes :one",
            "ConditionExpression": "attribute_exists(id)",
            "ExpressionAttributeNames": {"#key": id_},
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }

        def delete() -> None:
            try:
                self._transact({"Delete": key_of_user}, {"Update": row})
            except TransactionCanceled as failure:
                match failure.codes:
                    case ["ConditionalCheckFailed", _]:
                        raise NotFound from None
                    case ["None", "ConditionalCheckFailed"]:  # the user never had any key
                        return
                raise

        _until_nobody_interferes(delete)

    def find(self, id_: str) -> AgentKey | None:
        """Read a live key."""
        item = self._get(id_)
        return agent_key(item) if item and _is_live(item, instants.text(instants.now())) else None

    def authenticate(self, text: str, until: float = NEVER) -> AgentKey | None:
        """Find the key that `text` is: live, and with a secret that works at this moment. until: as of `call`."""
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
        """Note that a key that was just read is in use in this hour, unless that is noted already."""
        hour = f"{instants.text(instants.now())[:13]}:00:00.000Z"
        if key.last_used_at is not None and key.last_used_at >= hour:
            return
        update = {
            "TableName": self.table,
            "Key": {"id": {"S": key.id}},
            "UpdateExpression": "SET last_used_at = :hour",
            # A key that was revoked a moment ago must not come back as a row of its use.
            "ConditionExpression": "attribute_exists(id)"
            " AND (attribute_not_exists(last_used_at) OR last_used_at < :hour)",
            "ExpressionAttributeValues": {":hour": {"S": hour}},
        }
        try:
            until = min(until, time.monotonic() + MARK_SECONDS)
            self.dynamodb.call("UpdateItem", update, attempts=1, until=until)
        except ConditionFailed:
            return  # another call has noted it, or it is gone

    def _get(self, id_: str, until: float = NEVER) -> Item:
        request = {"TableName": self.table, "Key": {"id": {"S": id_}}, "ConsistentRead": True}
        item: Item = self.dynamodb.call("GetItem", request, until=until).get("Item", {})
        return item

    def _get_all(self, ids: list[str]) -> list[Item]:
        """Read up to MAX_KEYS keys, without those that are gone. Raises Busy when some could not be read in time."""
        try:
            return read_items(self.dynamodb, self.table, [{"id": {"S": id_}} for id_ in ids], Backoff())
        except TimeoutError as exc:
            raise Busy from exc

    def _transact(self, *actions: dict[str, Any], made_at: int | None = None) -> None:
        self.dynamodb.call("TransactWriteItems", {"TransactItems": actions}, recorded_at=made_at)

    def _added(self, item: Item, row: Item, live: list[str]) -> dict[str, Any]:
        """Update a user's row, if it is still as it was read: a key comes, those that have expired go."""
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
    """Name the row of a user's live keys."""
    return f"user#{user_id}"


def _live(row: Item, now: str) -> list[str]:
    """List the keys of a user's row that have not expired."""
    return [name for name, expires in row.items() if key_text.is_id(name) and (not expires["S"] or now < expires["S"])]


def _is_live(item: Item, now: str) -> bool:
    """Check that a key has not expired."""
    return "expires_at" not in item or now < item["expires_at"]["S"]


def _is_live_of(user_id: int, item: Item, now: int) -> bool:
    """Check that a key is this user's and has not expired."""
    return item.get("user_id") == {"N": str(user_id)} and _is_live(item, instants.text(now))


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
    if wanted.expires_at is not None:
        item["expires_at"] = {"S": instants.text(wanted.expires_at)}
        item["forget_at"] = {"N": str(wanted.expires_at // 1000 + 1)}
    return item


def agent_key(item: Item) -> AgentKey:
    """Read what is stored of a key, but for its secret."""
    return AgentKey(
        id=item["id"]["S"],
        user_id=int(item["user_id"]["N"]),
        name=item["name"]["S"],
        agent_id=int(item["agent_id"]["N"]) if "agent_id" in item else None,
        outcome_types=item["outcome_types"]["S"].split() if "outcome_types" in item else None,
        max_value_usd=item["max_value_usd"]["N"] if "max_value_usd" in item else None,
        scopes=item["scopes"]["S"].split(),
        created_at=item["created_at"]["S"],
        expires_at=_text(item, "expires_at"),
        last_used_at=_text(item, "last_used_at"),
        made_by=_text(item, "made_by"),
        rotated_by=_text(item, "rotated_by"),
        rotated_at=_text(item, "rotated_at"),
    )


def _text(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None


def _until_nobody_interferes[T](write: Callable[[], T]) -> T:
    """Write, and again while others write the same at the same moment, and once more where a partition is too hot.

    Raises Contended when they keep doing so, and Busy.
    """
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
            codes = _codes(failure)
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


def _codes(failure: ServiceError) -> set[str]:
    return set(failure.codes) - {"None"} if isinstance(failure, TransactionCanceled) else set()
