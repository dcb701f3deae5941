"""Write corrections and assignments of outcomes, with optimistic locking and idempotency keys.

One transaction appends the correction's entry, updates the outcome if it still has the version that was read, and
stores the idempotency key. If another write came first, the outcome is read again.

An assignment works the same way, but stores a new outcome instead of an idempotency key. A repeated assignment is
recognized by the user to whom the outcome was assigned, because the original outcome contains this user's id.
"""

from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.backoff import CONFLICTS, THROTTLED, Backoff, read_items
from outcomes.aws.services import CallFailed, Item, TransactionCanceled
from outcomes.contract.correction_rules import Correction, CorrectionType, OutcomeState
from outcomes.contract.status import VOID
from outcomes.errors import Busy, Contended, Mistimed, NotFound, NotPossible, Refused
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import CorrectionDraft, corrected_by, corrections_of, version_of
from outcomes.ledger.history import read_outcome
from outcomes.ledger.idempotency_keys import KeyRow, base64, live_rows
from outcomes.ledger.items import counted_fields, outcome_json, reassigned, status_of
from outcomes.ledger.store import NOT_THERE, OutcomeStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from outcomes.contract.caller import Caller


class Corrected(NamedTuple):
    """A stored correction. outcome: the item after the correction. replayed: whether an earlier request stored it."""

    id: str
    outcome: Item
    replayed: bool

    @property
    def status_json(self) -> str:
        """Return the outcome's status and version, as members of a JSON object."""
        return f'"status":"{status_of(self.outcome)}","version":{version_of(self.outcome)}'

    def shown(self, caller: "Caller") -> str | None:
        """Return the outcome as JSON text, or None if the caller may not read it."""
        return outcome_json(self.outcome, include_ledger=True) if caller.may_read else None


class _Attempts:
    """The attempted transactions of one request.

    ids: the ids of their corrections. doubtful: for each transaction whose result is unknown, the version that the
    outcome must have for the transaction to take effect. Versions only increase, so when the outcome has a newer
    version, the transaction can no longer take effect.
    """

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.doubtful: set[int] = set()


def correction_hash(caller: "Caller", id_: str, key: str) -> str:
    """Hash a correction's idempotency key together with its scope: the outcome's id and the caller."""
    return sha256(f"correction:{caller.recorded_by}:{id_}\n{key}".encode(errors="surrogatepass")).hexdigest()


class Corrections:
    """Writes corrections to the table of outcomes and the table of idempotency keys."""

    def __init__(self, store: OutcomeStore, table: str) -> None:
        self.store = store
        self.table = table

    def correct(self, id_: str, correction: "Correction", caller: "Caller", key: str | None) -> Corrected:
        """Correct the outcome with this id, or return the correction that is stored under the idempotency key.

        Raises NotFound, Forbidden, IdempotencyKeyReused, Stale, NotPossible, and Contended if other requests kept
        writing the outcome.
        After any other exception it is unknown whether the correction is stored.
        """
        backoff = Backoff()
        if correction.refusal and not (key and self._row(correction_hash(caller, id_, key), backoff)):
            raise correction.refusal
        return self._repeat(partial(self._correct_now, id_, correction, caller, key), backoff)

    def assign(self, id_: str, user_id: int, caller: "Caller") -> str:
        """Assign an outcome that has no user: copy it for `user_id`, and void the original. Return the copy's id.

        If the outcome was already assigned to this user, return the id of the earlier copy. Raises NotFound,
        NotPossible if the outcome is void or was assigned to another user, and Contended. After any other exception it
        is unknown whether it was assigned.
        """
        return self._repeat(partial(self._assign_now, id_, user_id, caller), Backoff())

    def _repeat[Result](self, attempt: "Callable[[_Attempts, Backoff], Result | None]", backoff: Backoff) -> Result:
        """Repeat attempts until one has a result."""
        tried = _Attempts()
        try:
            while True:
                if result := attempt(tried, backoff):
                    return result
                if not backoff.wait():
                    raise Contended
        except NotFound:  # the outcome was erased meanwhile, with all its corrections
            raise
        except (Refused, Mistimed, TimeoutError) as exc:
            if tried.doubtful:
                raise CallFailed(f"{exc}, after an attempt that may have taken effect") from exc
            if tried.ids and isinstance(exc, TimeoutError):  # another request wrote first in each attempt
                raise Contended from exc
            raise

    def _correct_now(
        self, id_: str, correction: "Correction", caller: "Caller", key: str | None, tried: _Attempts, backoff: Backoff
    ) -> Corrected | None:
        """Attempt one transaction. Return None if another write changed the outcome meanwhile."""
        user_id = caller.agent_key.user_id if caller.agent_key else correction.user_id
        before = read_outcome(self.store, user_id, id_, backoff)
        # An earlier attempt took effect, but its answer was lost.
        for made in tried.ids.intersection(corrections_of(before)):
            return Corrected(made, before, replayed=False)
        recorded = _state(before)
        tried.doubtful &= {recorded.version}
        correction.require_allowed(caller, recorded)
        hash_ = None if key is None else correction_hash(caller, id_, key)
        fingerprint = base64(correction.fingerprint())
        # Read the row of the idempotency key after the outcome, so that the row is never older than the outcome.
        row = self._row(hash_, backoff) if hash_ else None
        if row and row.fingerprint != fingerprint:
            wrong_type = correction.refusal if correction.refusal and correction.refusal.types else None
            raise wrong_type or row.reused(fingerprint)
        if row:
            made = row.correction or ""
            # If the outcome was read before the stored correction took effect, it must be read again.
            is_current = row.version <= recorded.version
            return Corrected(made, before, replayed=made not in tried.ids) if is_current else None
        correction.require_version(caller, recorded.version)
        to = correction.next_status(caller, recorded, corrected_by(before))
        draft = CorrectionDraft.of(before, correction, to, caller)
        if draft.changes_nothing:
            correction.refuse_unchanged(caller)
            if not hash_:
                return Corrected(draft.id, before, replayed=False)
            draft = draft._replace(after=before)
        actions = draft.actions(self.store.table)
        if hash_:
            user_id, created_at = before["user_id"]["S"], before["created_at"]["S"]
            row = KeyRow(user_id, created_at, fingerprint, draft.id, version_of(draft.after))
            actions.append(row.put(self.table, hash_))
        is_stored = self._store(draft, actions, tried, backoff)
        return Corrected(draft.id, draft.after, replayed=False) if is_stored else None

    def _assign_now(self, id_: str, user_id: int, caller: "Caller", tried: _Attempts, backoff: Backoff) -> str | None:
        """Attempt one transaction. Return None if another write changed the outcome meanwhile."""
        before = read_outcome(self.store, None, id_, backoff)
        tried.doubtful &= {version_of(before)}
        if before.get("assigned_to") == {"N": str(user_id)}:
            assigned: str = before["assigned_id"]["S"]
            return assigned
        if status_of(before) == VOID:
            raise NotPossible
        void = Correction(CorrectionType.VOID, None, None, {}, [])
        draft = CorrectionDraft.of(before, void, VOID, caller)
        new_id, item = reassigned(before, user_id, ulid.milliseconds(draft.id))
        draft = draft.assigned(user_id, new_id)
        put = {"TableName": self.store.table, "Item": item, "ConditionExpression": NOT_THERE}
        is_stored = self._store(draft, [*draft.actions(self.store.table), {"Put": put}], tried, backoff)
        return new_id if is_stored else None

    def _store(self, draft: CorrectionDraft, actions: list[dict[str, Any]], tried: _Attempts, backoff: Backoff) -> bool:
        """Write a transaction. Return whether it is stored; it is not stored if another write came first."""
        backoff.check()
        tried.ids.add(draft.id)
        try:
            self.store.dynamodb.call("TransactWriteItems", {"TransactItems": actions}, recorded_at=draft.made_at)
        except CallFailed as failure:
            if failure.maybe_applied:
                tried.doubtful.add(version_of(draft.before))
            if not isinstance(failure, TransactionCanceled):
                raise
            codes = set(failure.codes) - {"None"}
            if codes and codes <= CONFLICTS:
                return False
            if codes & THROTTLED and codes <= CONFLICTS | THROTTLED and not failure.maybe_applied:
                raise Busy from failure
            raise
        return True

    def _row(self, hash_: str, backoff: Backoff) -> KeyRow | None:
        """Return the row of an idempotency key, or None if there is none or it has expired."""
        key: Item = {"key_sha256": {"S": hash_}}
        row = live_rows(read_items(self.store.dynamodb, self.table, [key], backoff)).get(hash_)
        if isinstance(row, Exception):
            raise row
        return row


def _state(item: Item) -> OutcomeState:
    return OutcomeState(
        recorded_by=item["recorded_by"]["S"] if "recorded_by" in item else None,
        fields=counted_fields(item),
        version=version_of(item),
    )
