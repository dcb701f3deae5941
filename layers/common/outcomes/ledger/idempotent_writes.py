"""Write outcomes idempotently: an outcome is recorded once, however often it is sent.

One transaction puts the outcome and the row of its idempotency key, so neither is ever stored without the other.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import batched, groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.backoff import THROTTLED, Backoff, read_pages
from outcomes.aws.services import CallFailed, Item, TransactionCanceled
from outcomes.calendar import instants
from outcomes.errors import BadRequest, Busy, Contended, Mistimed, Refused, throttled_by
from outcomes.ledger import ulid
from outcomes.ledger.idempotency_keys import KeyRow, base64, live_rows
from outcomes.ledger.items import new_item
from outcomes.ledger.store import NOT_THERE, OutcomeStore

if TYPE_CHECKING:
    from outcomes.contract.caller import Bounds
    from outcomes.contract.models import NewOutcome
    from outcomes.ledger.daily_budget import DailyBudgets

OUTCOMES_PER_TRANSACTION = 50
"""TransactWriteItems accepts 100 actions, and each outcome needs two:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

OUTCOMES_PER_BATCH = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html"""


class WriteRequest(NamedTuple):
    """An outcome to record.

    hash: its `idempotency_hash`; None if it has no idempotency key. recorded_by: `Caller.recorded_by`.
    refusal: the error if the outcome must not be recorded now. If an earlier request with this hash recorded the same
    outcome, the result of the earlier request is returned instead.
    limited_key: the calling agent key, if it has a daily limit.
    """

    outcome: "NewOutcome"
    hash: str | None
    recorded_by: str
    refusal: BadRequest | None = None
    limited_key: "Bounds | None" = None


class Recorded(NamedTuple):
    """The outcome is stored. replayed: whether an earlier request stored it."""

    id: str
    replayed: bool


class IdempotentWriter:
    """Writes outcomes to the table of outcomes and the table of idempotency keys.

    keys_table: the table of agent keys; empty if they are off.
    """

    def __init__(self, store: OutcomeStore, table: str, keys_table: str = "") -> None:
        self.store = store
        self.table = table
        self.keys_table = keys_table

    @cached_property
    def budgets(self) -> "DailyBudgets":
        from outcomes.ledger.daily_budget import DailyBudgets  # imported here, because only keys with a limit need it

        return DailyBudgets(self.store.dynamodb, self.table, self.keys_table)

    def record(self, request: WriteRequest) -> Recorded:
        """Store an outcome unless its idempotency key has a row.

        Raises IdempotencyKeyReused if the row is for a different outcome, the request's refusal if the key has no row,
        TooManyOutcomes if the agent key has used up its daily budget, Contended if other requests kept writing the row,
        and Busy if a table is throttled. After any other exception it is unknown whether the outcome is stored.
        """
        if request.hash is None:
            return self._record_plain(request)
        [result] = self.record_all([request])
        if isinstance(result, Exception):
            raise result
        return result

    def _record_plain(self, request: WriteRequest) -> Recorded:
        """Store an outcome that has no idempotency key."""
        if request.refusal:
            raise request.refusal
        draft, key = _Draft.of(request), request.limited_key
        if key and not self.budgets.take(key, draft.recorded_at):
            raise self.budgets.refusal(key, draft.recorded_at)
        try:
            self.store.put(draft.item, draft.recorded_at)
        except (Refused, Mistimed):
            if key:
                self.budgets.give_back(key, draft.recorded_at)
            raise
        return Recorded(draft.row.id, replayed=False)

    def record_all(self, requests: Sequence[WriteRequest]) -> list[Recorded | Exception]:
        """Record each outcome independently, in few calls. Return the results in the order of the requests.

        Raises Mistimed (this host's clock was wrong) if every write failed with this error. Any other error of a call
        is returned as the result of each outcome in that call, because outcomes of other calls may already be stored.
        """
        drafts = [_Draft.of(request) for request in requests]
        # If several requests have the same key, only the first is sent. The others are answered as if they had come
        # later.
        firsts: dict[str, _Draft] = {}
        # Refusals by outcome id, not by idempotency key: another request may have the same key and not be refused.
        refused: dict[str, BadRequest] = {}
        for draft in drafts:
            if draft.refusal and draft.key not in firsts:
                refused[draft.row.id] = draft.refusal
            else:
                firsts.setdefault(draft.key, draft)
        backoff = Backoff()
        key = requests[0].limited_key if requests else None  # all requests come from one caller
        unpaid = self._charge(key, list(firsts.values()), backoff) if key else {}
        keyed = [draft for draft in firsts.values() if draft.once and draft.key not in unpaid]
        plain = [draft for draft in firsts.values() if not draft.once and draft.key not in unpaid]
        remembered = self._look_up({draft.key for draft in drafts if draft.once and draft.row.id in refused}, backoff)
        stored: dict[str, KeyRow | Exception] = {}
        for group in batched(plain, OUTCOMES_PER_BATCH, strict=False):
            stored |= self._insert(group, backoff)
        stored |= self._put_once(batched(keyed, OUTCOMES_PER_TRANSACTION, strict=False), backoff)
        if key:
            self._refund(key, [*plain, *keyed], stored)
        stored |= unpaid
        failures = [each for each in stored.values() if isinstance(each, Mistimed)]
        if failures and len(failures) == len(stored):
            raise failures[0]
        results: list[Recorded | Exception] = []
        for draft in drafts:
            refusal = refused.get(draft.row.id)
            found = remembered.get(draft.key, refusal) if refusal else stored[draft.key]
            results.append(_answer(draft, found))
        return results

    def _charge(self, key: "Bounds", drafts: "list[_Draft]", backoff: Backoff) -> "dict[str, KeyRow | Exception]":
        """Take the outcomes from the daily budget of an agent key.

        Outcomes that are already stored lease nothing of it. If it does not suffice, the first others get the rest.
        Return for the key of each draft that must not be sent its stored row, or the error.
        """
        unpaid: dict[str, KeyRow | Exception] = {}
        for _, drafted in groupby(drafts, lambda draft: draft.recorded_at // instants.DAY):
            group = list(drafted)
            at = group[0].recorded_at
            if self.budgets.held(key, at) < len(group):
                unpaid |= self._look_up({draft.key for draft in group if draft.once}, backoff)
                group = [draft for draft in group if draft.key not in unpaid]
            try:
                taken = self.budgets.take(key, at, len(group))
            except Exception as failure:  # noqa: BLE001 - any failure is the result of these outcomes only
                unpaid |= dict.fromkeys((draft.key for draft in group), failure)
                continue
            unpaid |= {draft.key: self.budgets.refusal(key, draft.recorded_at) for draft in group[taken:]}
        return unpaid

    def _refund(self, key: "Bounds", drafts: "list[_Draft]", stored: "dict[str, KeyRow | Exception]") -> None:
        """Give back what was taken for outcomes that were certainly not stored now."""
        for draft in drafts:
            result = stored[draft.key]
            is_earlier = isinstance(result, KeyRow) and result.created_at != draft.row.created_at
            if is_earlier or isinstance(result, Refused | Mistimed):
                self.budgets.give_back(key, draft.recorded_at)

    def _look_up(self, keys: set[str], backoff: Backoff) -> dict[str, KeyRow | Exception]:
        """Read the rows of keys. Return for each key its row, or the error if the row cannot be read."""
        found: dict[str, KeyRow | Exception] = {}
        left: list[Item] = [{"key_sha256": {"S": key}} for key in keys]
        try:
            for items, still_left in read_pages(self.store.dynamodb, self.table, left, backoff):
                found |= live_rows(items)
                left = still_left
        except Exception as failure:  # noqa: BLE001 - any failure is the result of these outcomes only
            found |= {key["key_sha256"]["S"]: failure for key in left}
        return found

    def _put_once(self, groups: "Iterable[Sequence[_Draft]]", backoff: Backoff) -> "dict[str, KeyRow | Exception]":
        """Store outcomes with their rows. Return for each key the row that is now stored, or the error."""
        stored: dict[str, KeyRow | Exception] = {}
        throttled: set[str] = set()
        uncertain: set[str] = set()
        work = deque(groups)  # first attempts are made before retries
        while work:
            group = work.popleft()
            try:
                backoff.check()
                puts = [put for draft in group for put in self._puts(draft)]
                self.store.dynamodb.call("TransactWriteItems", {"TransactItems": puts}, recorded_at=_oldest(group))
                stored |= {draft.key: draft.row for draft in group}
            except TimeoutError as failure:
                # Keep the error of an earlier attempt, because it says more than a timeout.
                stored = dict.fromkeys((draft.key for draft in group), failure) | stored
            except Exception as failure:  # noqa: BLE001 - any failure is the result of these outcomes only
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
        return {"Put": put}, draft.row.put(self.table, draft.key)

    def _insert(self, drafts: "Sequence[_Draft]", backoff: Backoff) -> "dict[str, KeyRow | Exception]":
        """Insert outcomes that have no idempotency key. Return each row, or the error, by outcome id."""
        stored: dict[str, KeyRow | Exception] = {}
        uncertain: set[str] = set()
        waiting = list(drafts)
        try:
            while waiting:
                backoff.check()
                request = {"Statements": [insertion(self.store.table, draft.item) for draft in waiting]}
                answer = self.store.dynamodb.call("BatchExecuteStatement", request, recorded_at=_oldest(waiting))
                if answer.maybe_applied:
                    uncertain |= {draft.key for draft in waiting}
                left, codes = [], set()
                for draft, response in zip(waiting, answer["Responses"], strict=True):
                    code = response["Error"]["Code"] if "Error" in response else THERE
                    if code == THERE:
                        stored[draft.key] = draft.row
                    elif code in UNPROCESSED | UNKNOWN:
                        left.append(draft)
                        codes.add(code)
                        uncertain |= {draft.key} if code in UNKNOWN else set()
                    else:
                        stored[draft.key] = CallFailed(f"BatchExecuteStatement: {response['Error']}")
                if len(left) == len(waiting):
                    raise Busy(sorted(codes))
                waiting = left
                if waiting:
                    backoff.wait()
        except Exception as failure:  # noqa: BLE001 - any failure is the result of these outcomes only
            stored |= dict.fromkeys((draft.key for draft in waiting), failure)
        return stored | _doubtful(stored, uncertain)


THERE = "DuplicateItem"
UNPROCESSED = THROTTLED | {"RequestLimitExceeded"}
UNKNOWN = {"InternalServerError", "TransactionConflict"}
"""Error codes of statements. THERE: the item exists; an earlier attempt inserted it, as ids are random. UNPROCESSED:
the item was not inserted. UNKNOWN: it may have been inserted; after a conflict, an earlier attempt may have inserted
it, and another request is correcting it.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html"""

_NOT_CANCELLED = "NotCancelled"
_UNREADABLE = "Unreadable"
_FINAL = {"ValidationError", _NOT_CANCELLED, _UNREADABLE}
"""Codes (DynamoDB's and ours) of errors that a retry would not fix."""


def insertion(table: str, item: Item) -> dict[str, Any]:
    """Return the PartiQL statement that inserts an item unless its key exists; BatchWriteItem has no conditions.

    Values are passed as parameters: they are never parsed as PartiQL, and numbers remain text.
    """
    values = ",".join([f"'{name}':?" for name in item])
    return {"Statement": f'INSERT INTO "{table}" VALUE {{{values}}}', "Parameters": list(item.values())}


class _Draft(NamedTuple):
    """An outcome with its item. All attempts write the same item.

    key: the idempotency hash, or the outcome's id if there is none. once: whether it has an idempotency key.
    """

    key: str
    once: bool
    item: Item
    row: KeyRow
    refusal: BadRequest | None

    @property
    def recorded_at(self) -> int:
        return ulid.milliseconds(self.row.id)

    @classmethod
    def of(cls, request: WriteRequest) -> "_Draft":
        id_, item = new_item(request.outcome, request.recorded_by)
        fingerprint = {} if request.hash is None else base64(request.outcome.fingerprint())
        row = KeyRow(item["user_id"]["S"], item["created_at"]["S"], fingerprint)
        return cls(request.hash or id_, request.hash is not None, item, row, request.refusal)


def _oldest(drafts: "Iterable[_Draft]") -> int:
    """Return the earliest creation time of these drafts, in milliseconds since 1970."""
    return min(draft.recorded_at for draft in drafts)


def _doubtful(stored: "dict[str, KeyRow | Exception]", uncertain: set[str]) -> dict[str, Exception]:
    """Return CallFailed for each key in `uncertain` whose last error means "nothing was stored".

    An earlier attempt for these keys may have stored something.
    """
    return {
        key: CallFailed(f"{result}, after an attempt that may have taken effect")
        for key, result in stored.items()
        if isinstance(result, Refused | Mistimed) and key in uncertain
    }


def _sort_failed(
    group: "Sequence[_Draft]", failure: Exception, stored: "dict[str, KeyRow | Exception]", throttled: set[str]
) -> "tuple[list[_Draft], list[_Draft]]":
    """Add the results of a failed transaction to `stored`.

    Return the drafts to retry at once, and the drafts to retry after a pause.
    """
    # A single outcome can cancel the whole transaction, so retry the unaffected outcomes without it.
    unaffected, conflicting = [], []
    reasons = _cancellation_reasons(failure, len(group))
    hot = {draft.row.user_id for draft, (codes, _) in zip(group, reasons, strict=True) if codes & THROTTLED}
    for draft, (codes, row) in zip(group, reasons, strict=True):
        if row is not None:
            stored[draft.key] = row
        elif codes & _FINAL:
            stored[draft.key] = failure
        elif draft.row.user_id in hot:
            # A partition stays throttled for longer than a request can wait, so retry only once.
            stored[draft.key] = Busy([throttled_by(failure)])
            if draft.key not in throttled:
                throttled.add(draft.key)
                conflicting.append(draft)
        elif codes:
            stored[draft.key] = Contended() if "TransactionConflict" in codes else failure
            conflicting.append(draft)
        else:
            unaffected.append(draft)
    return unaffected, conflicting


def _cancellation_reasons(failure: Exception, count: int) -> "list[tuple[set[str], KeyRow | None]]":
    """Return the cancellation codes and the stored row of the key, for each outcome of a failed transaction."""
    if not isinstance(failure, TransactionCanceled):
        return [({_NOT_CANCELLED}, None)] * count
    reasons = failure.body.get("CancellationReasons")
    if not isinstance(reasons, list) or len(reasons) != 2 * count or not all(isinstance(one, dict) for one in reasons):
        return [({"Unknown"}, None)] * count
    found = [_reason(outcome, row) for outcome, row in batched(reasons, 2, strict=True)]
    return found if any(codes for codes, _ in found) else [({"Unknown"}, None)] * count


def _reason(outcome: dict[str, Any], row: dict[str, Any]) -> tuple[set[str], KeyRow | None]:
    codes = {str(reason.get("Code", "None")) for reason in (outcome, row)} - {"None"}
    try:
        return codes, KeyRow.of(row["Item"]) if row.get("Item") else None
    except (KeyError, TypeError, ValueError):  # the row has a different format
        return codes | {_UNREADABLE}, None


def _answer(draft: _Draft, stored: KeyRow | Exception) -> Recorded | Exception:
    if not isinstance(stored, KeyRow):
        return stored
    # A retry can also find the row of its own first attempt, whose answer was lost.
    is_own = stored.created_at == draft.row.created_at
    if is_own or stored.fingerprint == draft.row.fingerprint:
        return Recorded(stored.id, replayed=not is_own)
    if draft.refusal and draft.refusal.types:  # an invalid outcome type is reported before other faults
        return draft.refusal
    return stored.reused(draft.row.fingerprint)
