"""Idempotent writes: outcomes that are recorded once, however often they are sent.

An outcome and the row that remembers its idempotency key are put in one transaction: both or neither. So there is no
state in between, and no crash leaves a key without its outcome or an outcome without its key.

key_sha256 (HASH, S)    `idempotency_hash`: SHA-256 of the key and its scope
user_id, created_at     S, the key of the outcome
fingerprint             M, a digest (B) of each field of the outcome that is not null, or of the correction
correction              S, the id of the correction of that outcome that the key stands for, if it does for one
version                 N, of that outcome, once it was so corrected
expires_at              N, seconds since 1970, when the key is forgotten
"""

from binascii import b2a_base64
from collections import deque
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.backoff import THROTTLED, Backoff
from outcomes.aws.errors import CallFailed, TransactionCanceled
from outcomes.aws.services import Item
from outcomes.contract import instants
from outcomes.errors import BadRequest, Busy, Contended, Fault, IdempotencyKeyReused, Mistimed, Refused
from outcomes.ledger import ulid
from outcomes.ledger.items import new_item
from outcomes.ledger.store import NOT_THERE, OutcomeStore

if TYPE_CHECKING:
    from outcomes.contract.caller import Caller
    from outcomes.contract.models import NewOutcome

REMEMBERED_SECONDS = 35 * 24 * 60 * 60

OUTCOMES_PER_TRANSACTION = 50
"""TransactWriteItems takes 100 actions, an outcome is two:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

OUTCOMES_PER_BATCH = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html"""


class Entry(NamedTuple):
    """An outcome to record.

    hash: its `idempotency_hash`, or None for an outcome that is new each time it is sent.
    recorded_by: `Caller.recorded_by`.
    refusal: why it may not be recorded any more, or yet. If its hash is remembered, it was recorded when it might be.
    """

    outcome: "NewOutcome"
    hash: str | None
    recorded_by: str
    refusal: BadRequest | None = None


class Recorded(NamedTuple):
    """The outcome is stored. replayed: it was before."""

    id: str
    replayed: bool


def idempotency_hash(caller: "Caller", outcome: "NewOutcome", key: str) -> str:
    """Hash an idempotency key together with its scope, in which it stands for one outcome.

    The scope is the user of a session, or whose key is calling and the agent that it records for: agents that share a
    key know nothing of each other's idempotency keys, and what an agent key uses up, no other caller misses.
    """
    if caller.agent_key:
        scope = f"agent:{caller.agent_key.key_id}:{outcome.agent_id or ''}"
    elif caller.session_user is not None:
        scope = f"user:{caller.session_user}"
    else:
        scope = f"key:{outcome.user_id or ''}:{outcome.agent_id or ''}"
    return sha256(f"{scope}\n{key}".encode()).hexdigest()


class IdempotentWriter:
    """The table of outcomes and the table of idempotency keys."""

    def __init__(self, store: OutcomeStore, table: str) -> None:
        self.store = store
        self.table = table

    def record(self, entry: Entry) -> Recorded:
        """Store an outcome unless its idempotency hash is remembered.

        Raises IdempotencyKeyReused when it is remembered for another outcome, its refusal when it is not remembered at
        all, Contended when others kept writing it, Busy when a table took it neither at first nor a moment later.
        Whatever else is raised: nothing was stored, or it cannot be known.
        """
        [result] = self.record_all([entry])
        if isinstance(result, Exception):
            raise result
        return result

    def record_all(self, entries: Sequence[Entry]) -> list[Recorded | Exception]:
        """Record each entry as if alone, but in few calls. The results stand in the order of the entries.

        Raises Mistimed where that is all that came of it. Whatever else goes wrong with a call is the result of each
        entry that it was for, since others may be stored already.
        """
        drafts = [_Draft.of(entry) for entry in entries]
        # Of several entries with one key the first is sent; the others are answered as if they had come after it.
        firsts: dict[str, _Draft] = {}
        refused: dict[str, BadRequest] = {}  # by id, for one with the same key may come later and be sent
        for draft in drafts:
            if draft.refusal and draft.key not in firsts:
                refused[draft.row.id] = draft.refusal
            else:
                firsts.setdefault(draft.key, draft)
        keyed = [draft for draft in firsts.values() if draft.once]
        plain = [draft for draft in firsts.values() if not draft.once]
        backoff = Backoff()
        remembered = self._look_up({draft.key for draft in drafts if draft.once and draft.row.id in refused}, backoff)
        stored: dict[str, Row | Exception] = {}
        for group in batched(plain, OUTCOMES_PER_BATCH, strict=False):
            stored |= self._insert(group, backoff)
        stored |= self._put_once(batched(keyed, OUTCOMES_PER_TRANSACTION, strict=False), backoff)
        failures = [each for each in stored.values() if isinstance(each, Mistimed)]
        if failures and len(failures) == len(stored):
            raise failures[0]
        results: list[Recorded | Exception] = []
        for draft in drafts:
            refusal = refused.get(draft.row.id)
            found = remembered.get(draft.key, refusal) if refusal else stored[draft.key]
            results.append(_answer(draft, found))
        return results

    def _look_up(self, keys: set[str], backoff: Backoff) -> "dict[str, Row | Exception]":
        """Read the rows of keys. To each that is remembered, its row; to each of which that cannot be known, why."""
        found: dict[str, Row | Exception] = {}
        waiting = [{"key_sha256": {"S": key}} for key in keys]
        try:
            while waiting:
                backoff.check()
                wanted = {"Keys": waiting, "ConsistentRead": True}
                answer = self.store.dynamodb.call("BatchGetItem", {"RequestItems": {self.table: wanted}})
                for item in answer["Responses"].get(self.table, []):
                    if is_remembered(item):
                        found[item["key_sha256"]["S"]] = row_of(item)
                left = answer["UnprocessedKeys"].get(self.table, {}).get("Keys", [])
                if len(left) == len(waiting):
                    raise Busy
                waiting = left
                if waiting:
                    backoff.wait()
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is the result of these outcomes only
            for key in waiting:
                found.setdefault(key["key_sha256"]["S"], failure)
        return found

    def _put_once(self, groups: "Iterable[Sequence[_Draft]]", backoff: Backoff) -> "dict[str, Row | Exception]":
        """Put outcomes with their rows. To each key, the row that is now stored under it, or why none is."""
        stored: dict[str, Row | Exception] = {}
        throttled: set[str] = set()
        uncertain: set[str] = set()
        work = deque(groups)  # whatever is tried again comes after all that has not been tried
        while work:
            group = work.popleft()
            try:
                backoff.check()
                puts = [put for draft in group for put in self._puts(draft)]
                self.store.dynamodb.call("TransactWriteItems", {"TransactItems": puts}, recorded_at=_oldest(group))
                stored |= {draft.key: draft.row for draft in group}
            except TimeoutError as failure:
                # Why an earlier attempt failed says more than that there was no time for another.
                stored = dict.fromkeys((draft.key for draft in group), failure) | stored
            except Exception as failure:  # noqa: BLE001 - whatever it is, it is the result of these outcomes only
                if isinstance(failure, CallFailed) and failure.maybe_applied:
                    uncertain |= {draft.key for draft in group}
                unaffected, conflicting = _sort_failed(group, failure, stored, throttled)
                if unaffected:
                    work.append(unaffected)
                if conflicting and backoff.wait():
                    work.append(conflicting)
        return stored | _doubtful(stored, uncertain)

    def _puts(self, draft: "_Draft") -> tuple[dict[str, Any], dict[str, Any]]:
        put = {"TableName": self.store.table, "Item": draft.item, "ConditionExpression": NOT_THERE}
        return {"Put": put}, remember(self.table, draft.key, draft.row)

    def _insert(self, drafts: "Sequence[_Draft]", backoff: Backoff) -> "dict[str, Row | Exception]":
        """Insert outcomes that have no idempotency key. To each, its row, or why there is none."""
        stored: dict[str, Row | Exception] = {}
        uncertain: set[str] = set()
        waiting = list(drafts)
        try:
            while waiting:
                backoff.check()
                request = {"Statements": [_insertion(self.store.table, draft.item) for draft in waiting]}
                answer = self.store.dynamodb.call("BatchExecuteStatement", request, recorded_at=_oldest(waiting))
                if answer.maybe_applied:
                    uncertain |= {draft.key for draft in waiting}
                left = []
                for draft, response in zip(waiting, answer["Responses"], strict=True):
                    code = response["Error"]["Code"] if "Error" in response else _THERE
                    if code == _THERE:
                        stored[draft.key] = draft.row
                    elif code in _UNPROCESSED | _UNKNOWN:
                        left.append(draft)
                        uncertain |= {draft.key} if code in _UNKNOWN else set()
                    else:
                        stored[draft.key] = CallFailed(f"BatchExecuteStatement: {response['Error']}")
                if len(left) == len(waiting):
                    raise Busy
                waiting = left
                if waiting:
                    backoff.wait()
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is the result of these outcomes only
            stored |= dict.fromkeys((draft.key for draft in waiting), failure)
        return stored | _doubtful(stored, uncertain)


_THERE = "DuplicateItem"
_UNPROCESSED = THROTTLED | {"RequestLimitExceeded"}
_UNKNOWN = {"InternalServerError", "TransactionConflict"}
"""Codes of statements: an item with this random id, so that an earlier attempt inserted it; nothing was inserted; it
may have been, or was before, as somebody is just correcting it.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html"""

_NOT_CANCELLED = "NotCancelled"
_UNREADABLE = "Unreadable"
_FINAL = {"ValidationError", _NOT_CANCELLED, _UNREADABLE}
"""Codes, DynamoDB's and ours, of what another attempt would not mend."""


class Row(NamedTuple):
    """The row of an idempotency key: the outcome stored under it, and digests, in Base64, of what that was made of.

    correction: the id of the correction of that outcome that is stored under it instead. version: see above.
    """

    user_id: str
    created_at: str
    fingerprint: dict[str, str]
    correction: str | None = None
    version: int = 0

    @property
    def id(self) -> str:
        return self.created_at.partition("#")[2]


def remember(table: str, key: str, row: Row) -> dict[str, Any]:
    """Make the action of a transaction that remembers a key, unless it is remembered already.

    If it is, the transaction is cancelled, with the row that is there.
    """
    now = instants.now() // 1000
    unknown = "attribute_not_exists(key_sha256)"
    # DynamoDB deletes what has expired within days, not at once.
    forgotten = "expires_at <= :now"
    item: Item = {
        "key_sha256": {"S": key},
        "user_id": {"S": row.user_id},
        "created_at": {"S": row.created_at},
        "fingerprint": {"M": {name: {"B": digest} for name, digest in row.fingerprint.items()}},
        "expires_at": {"N": str(now + REMEMBERED_SECONDS)},
    }
    if row.correction is not None:
        item |= {"correction": {"S": row.correction}, "version": {"N": str(row.version)}}
    return {
        "Put": {
            "TableName": table,
            "Item": item,
            "ConditionExpression": f"{unknown} OR {forgotten}",
            "ExpressionAttributeValues": {":now": {"N": str(now)}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def _insertion(table: str, item: Item) -> dict[str, Any]:
    """Make the statement that inserts an item unless one with its key is there: PartiQL, as BatchWriteItem knows no
    condition. Values are parameters, so that none is ever read as PartiQL, and numbers stay text."""
    values = ",".join([f"'{name}':?" for name in item])
    return {"Statement": f'INSERT INTO "{table}" VALUE {{{values}}}', "Parameters": list(item.values())}


def is_remembered(item: Item) -> bool:
    """Tell whether a row still counts."""
    return int(item["expires_at"]["N"]) * 1000 > instants.now()


def row_of(item: Item) -> Row:
    """Read a row. Raises KeyError, TypeError or ValueError for one that we did not write."""
    fingerprint = {name: digest["B"] for name, digest in item["fingerprint"]["M"].items()}
    correction = item["correction"]["S"] if "correction" in item else None
    version = int(item["version"]["N"]) if "version" in item else 0
    return Row(item["user_id"]["S"], item["created_at"]["S"], fingerprint, correction, version)


def base64(digests: dict[str, bytes]) -> dict[str, str]:
    """Write digests as DynamoDB's JSON has them."""
    return {name: b2a_base64(digest, newline=False).decode() for name, digest in digests.items()}


def reused(ours: dict[str, str], theirs: dict[str, str]) -> IdempotencyKeyReused:
    """Name the fields by which a key was used for something else."""
    differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    message = "differs from what was recorded under this key"
    return IdempotencyKeyReused(details=[Fault(field=name, message=message) for name in differing])


class _Draft(NamedTuple):
    """An outcome with the item it will be, however often it is sent.

    key: its idempotency hash, or else its id. refusal: its entry's.
    """

    key: str
    once: bool
    item: Item
    row: Row
    refusal: BadRequest | None

    @classmethod
    def of(cls, entry: Entry) -> "_Draft":
        id_, item = new_item(entry.outcome, entry.recorded_by)
        fingerprint = {} if entry.hash is None else base64(entry.outcome.fingerprint())
        row = Row(item["user_id"]["S"], item["created_at"]["S"], fingerprint)
        return cls(entry.hash or id_, entry.hash is not None, item, row, entry.refusal)


def _oldest(drafts: "Iterable[_Draft]") -> int:
    """Find when the first of some outcomes was recorded, in milliseconds since 1970."""
    return min(ulid.milliseconds(draft.row.id) for draft in drafts)


def _doubtful(stored: "dict[str, Row | Exception]", uncertain: set[str]) -> dict[str, Exception]:
    """Find refusals, which say that nothing was stored, where an attempt may have stored something."""
    return {
        key: CallFailed(f"{result}, after an attempt that may have taken effect")
        for key, result in stored.items()
        if isinstance(result, Refused | Mistimed) and key in uncertain
    }


def _sort_failed(
    group: "Sequence[_Draft]", failure: Exception, stored: "dict[str, Row | Exception]", throttled: set[str]
) -> "tuple[list[_Draft], list[_Draft]]":
    """Note what became of a transaction that failed. Returns what to try again at once, and what after a pause."""
    # One outcome cancels the transaction of all: those that did not go again without those that did.
    unaffected, conflicting = [], []
    reasons = _cancellation_reasons(failure, len(group))
    hot = {draft.row.user_id for draft, (codes, _) in zip(group, reasons, strict=True) if codes & THROTTLED}
    for draft, (codes, row) in zip(group, reasons, strict=True):
        if row is not None:
            stored[draft.key] = row
        elif codes & _FINAL:
            stored[draft.key] = failure
        elif draft.row.user_id in hot:
            # A partition stays hot for longer than a request can wait: it is tried once more.
            stored[draft.key] = Busy()
            if draft.key not in throttled:
                throttled.add(draft.key)
                conflicting.append(draft)
        elif codes:
            stored[draft.key] = Contended() if "TransactionConflict" in codes else failure
            conflicting.append(draft)
        else:
            unaffected.append(draft)
    return unaffected, conflicting


def _cancellation_reasons(failure: Exception, count: int) -> "list[tuple[set[str], Row | None]]":
    """Read, for each outcome of a failed transaction, the codes against it and the row that is stored already."""
    if not isinstance(failure, TransactionCanceled):
        return [({_NOT_CANCELLED}, None)] * count
    reasons = failure.body.get("CancellationReasons")
    if not isinstance(reasons, list) or len(reasons) != 2 * count or not all(isinstance(one, dict) for one in reasons):
        return [({"Unknown"}, None)] * count
    found = [_reason(outcome, row) for outcome, row in batched(reasons, 2, strict=True)]
    return found if any(codes for codes, _ in found) else [({"Unknown"}, None)] * count


def _reason(outcome: dict[str, Any], row: dict[str, Any]) -> tuple[set[str], Row | None]:
    codes = {str(reason.get("Code", "None")) for reason in (outcome, row)} - {"None"}
    try:
        return codes, row_of(row["Item"]) if row.get("Item") else None
    except (KeyError, TypeError, ValueError):  # a row that we did not write
        return codes | {_UNREADABLE}, None


def _answer(draft: _Draft, stored: Row | Exception) -> Recorded | Exception:
    if not isinstance(stored, Row):
        return stored
    # Its own row is also found when an answer got lost and the call was attempted again.
    if stored.created_at == draft.row.created_at:
        return Recorded(stored.id, replayed=False)
    ours, theirs = draft.row.fingerprint, stored.fingerprint
    if ours == theirs:
        return Recorded(stored.id, replayed=True)
    return reused(ours, theirs)
