"""Outcomes that are recorded once, however often they are sent.

An outcome and the row that remembers its idempotency key are put in one transaction: both or neither. So there is no
state in between, and no crash leaves a key without its outcome or an outcome without its key.

key_sha256 (HASH, S)    SHA-256 of whose key it is and the key
user_id, created_at     S, the key of the outcome
fingerprint             M, a digest (B) of each field of the outcome that is not null
expires_at              N, seconds since 1970, when the key is forgotten
"""

import random
import time
from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from outcomes.errors import Contended, Fault, IdempotencyKeyReused
from outcomes.storage.store import OutcomeStore, new_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from outcomes.contract.models import NewOutcome
    from outcomes.storage.store import Item

REMEMBERED_SECONDS = 35 * 24 * 60 * 60

OUTCOMES_PER_TRANSACTION = 50
"""TransactWriteItems takes 100 actions, an outcome is two:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

OUTCOMES_PER_WRITE = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html"""

PATIENCE_SECONDS = 6.0
"""No call begins later than this after the first; with the 12 s of a call, that is below the functions' timeout."""


class Entry(NamedTuple):
    """An outcome to record. once: from `once_key`, or None for an outcome that is new each time it is sent."""

    outcome: "NewOutcome"
    once: str | None


class Recorded(NamedTuple):
    """The outcome is stored. replayed: it was before."""

    id: str
    replayed: bool


type Failure = IdempotencyKeyReused | Contended | TimeoutError | ClientError | BotoCoreError


def once_key(user_id: int | None, idempotency_key: str) -> str:
    """What an idempotency key of a user, or with None of the callers by key, is remembered under."""
    scope = "key" if user_id is None else f"user:{user_id}"
    return sha256(f"{scope}\n{idempotency_key}".encode()).hexdigest()


class Ledger:
    """The table of outcomes and the table of idempotency keys."""

    def __init__(self, store: OutcomeStore, table: str) -> None:
        self.store = store
        self.table = table

    def record(self, outcome: "NewOutcome", once: str) -> Recorded:
        """Store `outcome` unless `once` is remembered.

        Raises IdempotencyKeyReused when it is remembered for another outcome, Contended when others kept writing it,
        and what botocore raises: nothing was stored, or it cannot be known.
        """
        [result] = self.record_all([Entry(outcome, once)])
        if isinstance(result, Exception):
            raise result
        return result

    def record_all(self, entries: Sequence[Entry]) -> list[Recorded | Failure]:
        """Record each entry as if alone, but in few calls. The results stand in the order of the entries."""
        drafts = [_Draft.of(entry) for entry in entries]
        # Of several entries with one key the first is sent; the others are answered as if they had come after it.
        firsts: dict[str, _Draft] = {}
        for draft in drafts:
            firsts.setdefault(draft.key, draft)
        keyed = [draft for draft in firsts.values() if draft.once]
        plain = [draft for draft in firsts.values() if not draft.once]
        patience = _Patience()
        standing: dict[str, _Row | Failure] = {}
        for group in batched(keyed, OUTCOMES_PER_TRANSACTION, strict=False):
            standing |= self._put_once(group, patience)
        for group in batched(plain, OUTCOMES_PER_WRITE, strict=False):
            standing |= self._put(group, patience)
        return [_answer(draft, standing[draft.key]) for draft in drafts]

    def _put_once(self, drafts: "Sequence[_Draft]", patience: "_Patience") -> "dict[str, _Row | Failure]":
        """Put outcomes with their rows. To each key, the row that now stands under it, or why none does."""
        standing: dict[str, _Row | Failure] = {}
        work = deque([drafts])
        while work:
            group = work.popleft()
            try:
                patience.check()
                self.store.client.transact_write_items(
                    TransactItems=[put for draft in group for put in self._puts(draft)]
                )
                standing |= {draft.key: draft.row for draft in group}
            except TimeoutError as failure:
                # Why an earlier attempt failed says more than that there was no time for another.
                standing = dict.fromkeys((draft.key for draft in group), failure) | standing
            except BotoCoreError as failure:
                standing |= dict.fromkeys((draft.key for draft in group), failure)
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    standing |= dict.fromkeys((draft.key for draft in group), error)
                    continue
                # One outcome cancels the transaction of all: those that did not go again without those that did.
                innocent, guilty = [], []
                for draft, (codes, row) in zip(group, _reasons(error, len(group)), strict=True):
                    if row is not None:
                        standing[draft.key] = row
                    elif codes:
                        standing[draft.key] = Contended() if "TransactionConflict" in codes else error
                        if "ValidationError" not in codes:
                            guilty.append(draft)
                    else:
                        innocent.append(draft)
                if innocent:
                    work.append(innocent)
                if guilty and patience.wait():
                    work.append(guilty)
        return standing

    def _puts(self, draft: "_Draft") -> "tuple[TransactWriteItemTypeDef, TransactWriteItemTypeDef]":
        now = int(time.time())
        unknown = "attribute_not_exists(key_sha256)"
        # DynamoDB deletes what has expired within days, not at once.
        forgotten = "expires_at <= :now"
        row: Item = {
            "key_sha256": {"S": draft.key},
            "user_id": {"S": draft.row.user_id},
            "created_at": {"S": draft.row.created_at},
            "fingerprint": {"M": {name: {"B": digest} for name, digest in draft.row.fingerprint.items()}},
            "expires_at": {"N": str(now + REMEMBERED_SECONDS)},
        }
        return (
            {"Put": {"TableName": self.store.table, "Item": draft.item}},
            {
                "Put": {
                    "TableName": self.table,
                    "Item": row,
                    "ConditionExpression": f"{unknown} OR {forgotten}",
                    "ExpressionAttributeValues": {":now": {"N": str(now)}},
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            },
        )

    def _put(self, drafts: "Sequence[_Draft]", patience: "_Patience") -> "dict[str, _Row | Failure]":
        """Put outcomes that have no idempotency key. To each, its row, or why there is none."""
        waiting = {draft.row.created_at: draft for draft in drafts}
        standing: dict[str, _Row | Failure] = {draft.key: draft.row for draft in drafts}
        try:
            while waiting:
                patience.check()
                puts: Any = [{"PutRequest": {"Item": draft.item}} for draft in waiting.values()]
                answer = self.store.client.batch_write_item(RequestItems={self.store.table: puts})
                left = answer["UnprocessedItems"].get(self.store.table, [])
                waiting = {key: waiting[key] for put in left if (key := put["PutRequest"]["Item"]["created_at"]["S"])}
                if waiting:
                    patience.wait()
        except (ClientError, BotoCoreError, TimeoutError) as failure:
            standing |= dict.fromkeys((draft.key for draft in waiting.values()), failure)
        return standing


class _Row(NamedTuple):
    """Which outcome stands under a key, and what it was made of."""

    user_id: str
    created_at: str
    fingerprint: dict[str, bytes]

    @property
    def id(self) -> str:
        return self.created_at.partition("#")[2]


class _Draft(NamedTuple):
    """An outcome with the item it will be, however often it is sent. key: of its idempotency key, or else its id."""

    key: str
    once: bool
    item: "Item"
    row: _Row

    @classmethod
    def of(cls, entry: Entry) -> "_Draft":
        id_, item = new_item(entry.outcome)
        fingerprint = {} if entry.once is None else entry.outcome.fingerprint()
        row = _Row(item["user_id"]["S"], item["created_at"]["S"], fingerprint)
        return cls(entry.once or id_, entry.once is not None, item, row)


class _Patience:
    """How long to go on, and how long to wait between attempts: ever longer, and by chance, so that rivals part."""

    def __init__(self) -> None:
        self.deadline = time.monotonic() + PATIENCE_SECONDS
        self.pause = 0.025

    def check(self) -> None:
        """Raises TimeoutError when no further call may begin."""
        if time.monotonic() > self.deadline:
            raise TimeoutError("no time left for another call")

    def wait(self) -> bool:
        """Wait, and say whether to try again."""
        time.sleep(random.uniform(0, self.pause))  # noqa: S311 - no secret
        self.pause = min(self.pause * 2, 1)
        return time.monotonic() < self.deadline


def _reasons(error: ClientError, count: int) -> "list[tuple[set[str], _Row | None]]":
    """Of each outcome in a cancelled transaction, the codes against it, and the row that stood in its way."""
    reasons: Any = error.response.get("CancellationReasons", [])
    if len(reasons) != 2 * count or all(reason.get("Code", "None") == "None" for reason in reasons):
        return [({"Unknown"}, None)] * count
    return [
        ({put.get("Code", "None"), row.get("Code", "None")} - {"None"}, _row(row["Item"]) if row.get("Item") else None)
        for put, row in batched(reasons, 2, strict=True)
    ]


def _row(item: "Item") -> _Row:
    fingerprint = {name: bytes(digest["B"]) for name, digest in item["fingerprint"]["M"].items()}
    return _Row(item["user_id"]["S"], item["created_at"]["S"], fingerprint)


def _answer(draft: _Draft, standing: "_Row | Failure") -> "Recorded | Failure":
    if not isinstance(standing, _Row):
        return standing
    # Its own row also stands there when an answer got lost and the SDK tried again.
    if standing.created_at == draft.row.created_at:
        return Recorded(standing.id, replayed=False)
    ours, theirs = draft.row.fingerprint, standing.fingerprint
    if ours == theirs:
        return Recorded(standing.id, replayed=True)
    differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    message = "differs from what was recorded under this key"
    return IdempotencyKeyReused(details=[Fault(field=name, message=message) for name in differing])
