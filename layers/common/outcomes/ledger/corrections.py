"""Corrections of outcomes, by optimistic locking, and the idempotency key that each is remembered under.

One transaction appends the entry, changes the outcome (if it still has the version that was read) and remembers the
key: all or nothing. If somebody else was faster, the outcome is read again.
"""

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from outcomes.aws.backoff import CONFLICTS, THROTTLED, Backoff, read_items
from outcomes.aws.errors import CallFailed, TransactionCanceled
from outcomes.aws.services import Item
from outcomes.contract.caller import kind_of
from outcomes.contract.corrections import Recorded
from outcomes.errors import Busy, Contended, Mistimed, NotFound, Refused
from outcomes.ledger.correction_entries import CorrectionDraft, corrections_of, version_of
from outcomes.ledger.history import read_entries, read_outcome
from outcomes.ledger.idempotent_writes import Row, base64, is_remembered, remember, reused, row_of
from outcomes.ledger.items import counted_fields, outcome_json, status_of
from outcomes.ledger.store import OutcomeStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outcomes.contract.caller import Caller
    from outcomes.contract.corrections import Correction


class Corrected(NamedTuple):
    """A correction that is stored. outcome: as it stands now. replayed: it was stored before."""

    id: str
    outcome: Item
    replayed: bool

    @property
    def status_json(self) -> str:
        """Its status, and how often it was corrected, as members of a JSON object."""
        return f'"status":"{status_of(self.outcome)}","version":{version_of(self.outcome)}'

    def shown(self, caller: "Caller") -> str | None:
        """Write the outcome as JSON text, to a caller who may see what it says."""
        return outcome_json(self.outcome, include_ledger=True) if caller.may_read else None


class _Attempts:
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
        backoff = Backoff()
        tried = _Attempts()
        try:
            if correction.refusal and not (key and self._remembered(correction_hash(caller, id_, key), backoff)):
                raise correction.refusal
            while True:
                corrected = self._correct_now(id_, correction, caller, key, tried, backoff)
                if corrected:
                    return corrected
                if not backoff.wait():
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
        self, id_: str, correction: "Correction", caller: "Caller", key: str | None, tried: _Attempts, backoff: Backoff
    ) -> Corrected | None:
        """Correct the outcome as it stands now, or return None when it has been moved meanwhile."""
        user_id = caller.agent_key.user_id if caller.agent_key else correction.user_id
        before = read_outcome(self.store, user_id, id_, backoff)
        # An answer got lost, and the transaction was attempted again.
        for made in tried.ids.intersection(corrections_of(before)):
            return Corrected(made, before, replayed=False)
        recorded = _recorded(before)
        tried.doubtful &= {recorded.version}
        correction.require_allowed(caller, recorded)
        hash_ = None if key is None else correction_hash(caller, id_, key)
        fingerprint = base64(correction.fingerprint())
        row = self._remembered(hash_, backoff)
        if row and row.fingerprint != fingerprint:
            raise reused(fingerprint, row.fingerprint)
        if row:
            made = row.correction or ""
            # Read before the outcome was moved, it would not be the outcome as it stands.
            is_there = row.version <= recorded.version
            return Corrected(made, before, replayed=made not in tried.ids) if is_there else None
        corrected_by = self._corrected_by(before, backoff)
        to = correction.next_status(caller, recorded, corrected_by)
        draft = CorrectionDraft.of(before, correction, to, caller, corrected_by)
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
        backoff.check()
        tried.ids.add(draft.id)
        try:
            self.store.dynamodb.call("TransactWriteItems", {"TransactItems": actions}, recorded_at=draft.made_at)
        except CallFailed as failure:
            if failure.maybe_applied:
                tried.doubtful.add(recorded.version)
            if not isinstance(failure, TransactionCanceled):
                raise
            codes = set(failure.codes) - {"None"}
            if codes and codes <= CONFLICTS:
                return None
            if codes & THROTTLED and codes <= CONFLICTS | THROTTLED and not failure.maybe_applied:
                raise Busy from failure
            raise
        return Corrected(draft.id, draft.after, replayed=False)

    def _corrected_by(self, outcome: Item, backoff: Backoff) -> "Mapping[str, int]":
        """Read how often each kind of caller has corrected an outcome: from the entries, where it was not counted."""
        if "corrected_by" in outcome:
            return {kind: int(count["N"]) for kind, count in outcome["corrected_by"]["M"].items()}
        entries = read_entries(self.store, outcome, backoff)
        return Counter(kind_of(entry["recorded_by"]["S"]) for entry in entries)

    def _remembered(self, hash_: str | None, backoff: Backoff) -> Row | None:
        """Read the row of an idempotency key, if it is remembered: after the outcome, which it is never older than."""
        keys = [] if hash_ is None else [{"key_sha256": {"S": hash_}}]
        for item in read_items(self.store.dynamodb, self.table, keys, backoff):
            if is_remembered(item):
                return row_of(item)
        return None


def _recorded(item: Item) -> Recorded:
    return Recorded(
        recorded_by=item["recorded_by"]["S"] if "recorded_by" in item else None,
        fields=counted_fields(item),
        version=version_of(item),
    )
