"""Write corrections and assignments of outcomes, with optimistic locking and idempotency keys.

One transaction appends the correction's entry, updates the outcome if it still has the version that was read, and
stores the idempotency key. If another write came first, the outcome is read again.

Several corrections go step by step together: one call reads all their outcomes, one call the rows of all their
idempotency keys, and a transaction writes as many corrections as fit into it. So each correction is a generator, which
yields its next step and gets the result. A single correction takes the same way.

An assignment works the same way, but stores a new outcome instead of an idempotency key. A repeated assignment is
recognized by the user to whom the outcome was assigned, because the original outcome contains this user's id.
"""

from collections.abc import Generator, Sequence
from functools import cached_property, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.backoff import CONFLICTS, THROTTLED, Backoff, PacedWrites, read_pages
from outcomes.aws.services import CallFailed, Item, TransactionCanceled
from outcomes.calendar import instants
from outcomes.contract.correction_rules import Correction, CorrectionType, OutcomeState
from outcomes.contract.json_text import compact
from outcomes.contract.status import VOID
from outcomes.errors import Busy, Contended, Mistimed, NotFound, NotPossible, Refused
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import CorrectionDraft, corrected_by, corrections_of, version_of
from outcomes.ledger.idempotency_keys import KeyRow, base64, live_rows
from outcomes.ledger.items import counted_fields, item_key, outcome_json, reassigned, status_of
from outcomes.ledger.store import NOT_THERE, OutcomeStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from outcomes.contract.caller import Bounds, Caller
    from outcomes.ledger.daily_budget import DailyBudgets

ACTIONS_PER_TRANSACTION = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

UNITS_PER_TRANSACTION = 500
"""Write units of a transaction, unless a single correction needs more. So it never reaches DynamoDB's limit of 4 MB."""


class CorrectionRequest(NamedTuple):
    """A correction to make. id: the outcome's. key: the idempotency key, or None."""

    id: str
    correction: Correction
    key: str | None


class Corrected(NamedTuple):
    """A stored correction. outcome: the item after the correction. replayed: whether an earlier request stored it."""

    id: str
    outcome: Item
    replayed: bool

    @property
    def status(self) -> str:
        return status_of(self.outcome)

    @property
    def version(self) -> int:
        return version_of(self.outcome)

    @property
    def status_json(self) -> str:
        """Return the outcome's status and version, as members of a JSON object."""
        return f'"status":"{self.status}","version":{self.version}'

    def shown(self, caller: "Caller") -> str | None:
        """Return the outcome as JSON text, or None if the caller may not read it."""
        return outcome_json(self.outcome, include_ledger=True) if caller.may_read else None


class _Attempts:
    """The attempted transactions of one correction.

    ids: the ids of their entries. doubtful: for each transaction whose result is unknown, the version that the outcome
    must have for the transaction to take effect. Versions only increase, so when the outcome has a newer version, the
    transaction can no longer take effect. conflicts: how many were cancelled because of this correction.
    """

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.doubtful: set[int] = set()
        self.conflicts = 0


class _Read(NamedTuple):
    """The step that reads an item. Its result is the item, or None."""

    table: str
    key: Item


class _Charge(NamedTuple):
    """The step that takes one record from the daily budget of an agent key.

    at: when the correction is made, in milliseconds since 1970. Raises TooManyOutcomes if the budget is used up.
    """

    key: "Bounds"
    at: int


class _Write(NamedTuple):
    """The step that writes in a transaction. Its result is a _Failed, or None if the actions are stored.

    conflicts: corrections share a transaction only with those that conflicted as often, so that an outcome that others
    keep correcting holds up no other. check: a further action, the same for all corrections that depend on the same
    key, and so only once in a transaction.
    """

    draft: CorrectionDraft
    actions: list[dict[str, Any]]
    conflicts: int
    check: dict[str, Any] | None = None

    @property
    def units(self) -> int:
        """Return about how many write units of OutcomesTable the actions use: a transaction uses two for each kB."""
        return sum(2 * (len(compact(item)) // 1024 + 1) for item in (self.draft.after, self.draft.entry))


class _Pause(NamedTuple):
    """The step that waits before the next attempt. Its result is whether there is time for one."""


class _Failed(NamedTuple):
    """A transaction failed. codes: why it was cancelled; empty if only other corrections in it were the reason."""

    failure: CallFailed
    codes: set[str]


type _Steps[Result] = Generator[_Read | _Charge | _Write | _Pause, Any, Result]
type _Writes = list[tuple[_Task[Any], _Write]]


class _Task[Result]:
    """Runs the steps of one correction. step: the next one; None at the end, which has a result."""

    def __init__(self, steps: _Steps[Result]) -> None:
        self.steps = steps
        self.step: _Read | _Charge | _Write | _Pause | None = None
        self.result: Any = None
        self.go_on(None)

    def go_on(self, said: object) -> None:
        """Continue with the result of the step. An exception is raised in it."""
        failed = said.failure if isinstance(said, _Failed) else said
        raised_at = getattr(failed, "__traceback__", None)
        try:
            self.step = self.steps.throw(said) if isinstance(said, Exception) else self.steps.send(said)
        except StopIteration as end:
            self.step, self.result = None, end.value
        except Exception as failure:  # noqa: BLE001 - any failure is the result of this correction only
            if failure is failed:  # several corrections may share it, and each would add its frames
                failure.__traceback__ = raised_at
            self.step, self.result = None, failure


def correction_hash(caller: "Caller", id_: str, key: str) -> str:
    """Hash a correction's idempotency key together with its scope: the outcome's id and the caller."""
    return sha256(f"correction:{caller.recorded_by}:{id_}\n{key}".encode(errors="surrogatepass")).hexdigest()


class Corrections:
    """Writes corrections to the table of outcomes and the table of idempotency keys.

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

    def correct(self, id_: str, correction: "Correction", caller: "Caller", key: str | None) -> Corrected:
        """Correct the outcome with this id, or return the correction that is stored under the idempotency key.

        Raises NotFound, Forbidden, IdempotencyKeyReused, Stale, NotPossible, TooManyOutcomes if the agent key has
        used up its daily budget, and Contended if other requests kept writing the outcome.
        After any other exception it is unknown whether the correction is stored.
        """
        return _only(self._run([self._correct(id_, correction, caller, key)]))

    def correct_all(self, requests: "Iterable[CorrectionRequest]", caller: "Caller") -> list[Corrected | Exception]:
        """Correct several outcomes, each independently. Return the results in the order of the requests.

        The outcomes must be different. A result may be each exception of `correct`, and TimeoutError if no time was
        left. A wrong clock is corrected by the first read, before any correction gets its time.
        """
        return self._run([self._correct(each.id, each.correction, caller, each.key) for each in requests])

    def assign(self, id_: str, user_id: int, caller: "Caller") -> str:
        """Assign an outcome that has no user: copy it for `user_id`, and void the original. Return the copy's id.

        If the outcome was already assigned to this user, return the id of the earlier copy. Raises NotFound,
        NotPossible if the outcome is void or was assigned to another user, and Contended. After any other exception it
        is unknown whether it was assigned.
        """
        return _only(self._run([self._repeat(partial(self._assign_now, id_, user_id, caller))]))

    # ── Steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _correct(self, id_: str, correction: "Correction", caller: "Caller", key: str | None) -> _Steps[Corrected]:
        hash_ = None if key is None else correction_hash(caller, id_, key)
        if correction.refusal and not (hash_ and (yield from self._row(hash_))):
            raise correction.refusal
        return (yield from self._repeat(partial(self._correct_now, id_, correction, caller, hash_)))

    def _repeat[Result](self, attempt: "Callable[[_Attempts], _Steps[Result | None]]") -> _Steps[Result]:
        """Repeat attempts until one has a result."""
        tried = _Attempts()
        try:
            while True:
                if result := (yield from attempt(tried)):
                    return result
                if not (yield _Pause()):
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
        self, id_: str, correction: "Correction", caller: "Caller", hash_: str | None, tried: _Attempts
    ) -> _Steps[Corrected | None]:
        """Attempt one transaction. Return None if another write changed the outcome meanwhile."""
        before = yield from self._outcome(caller.agent_key.user_id if caller.agent_key else correction.user_id, id_)
        # An earlier attempt took effect, but its answer was lost.
        for made in tried.ids.intersection(corrections_of(before)):
            return Corrected(made, before, replayed=False)
        recorded = _state(before)
        tried.doubtful &= {recorded.version}
        check = None
        if key_id := correction.key_to_look_up(caller, recorded):
            check = yield from self._check_of_key(key_id, correction.user_id)
        # Read the row of the idempotency key after the outcome, so that the row is never older than the outcome.
        row = (yield from self._row(hash_)) if hash_ else None
        # What was voided while the key was paused is replayed even if the key has been resumed since.
        is_made = bool(key_id and row and recorded.fields.status == VOID)
        correction.require_allowed(caller, recorded, is_of_ended_key=is_made or check is not None)
        fingerprint = base64(correction.fingerprint())
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
        limited_key = None if draft.after is before else caller.limited_key
        is_stored = yield from self._store(draft, actions, tried, limited_key, check)
        return Corrected(draft.id, draft.after, replayed=False) if is_stored else None

    def _assign_now(self, id_: str, user_id: int, caller: "Caller", tried: _Attempts) -> _Steps[str | None]:
        """Attempt one transaction. Return None if another write changed the outcome meanwhile."""
        before = yield from self._outcome(None, id_)
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
        is_stored = yield from self._store(draft, [*draft.actions(self.store.table), {"Put": put}], tried)
        return new_id if is_stored else None

    def _check_of_key(self, key_id: str, user_id: int | None) -> _Steps[dict[str, Any] | None]:
        """Return the check that a user's agent key is paused or revoked, or None if it is not. Raises Busy."""
        if not self.keys_table:
            return None
        from outcomes.ledger import ended_keys  # imported here, because few corrections depend on another key

        for row_id in ended_keys.row_ids(key_id):
            row: Item | None = yield _Read(self.keys_table, {"id": {"S": row_id}})
            if row:
                return ended_keys.check(self.keys_table, row, user_id)
        return None

    def _store(
        self,
        draft: CorrectionDraft,
        actions: list[dict[str, Any]],
        tried: _Attempts,
        key: "Bounds | None" = None,
        check: dict[str, Any] | None = None,
    ) -> _Steps[bool]:
        """Write a transaction. Return whether it is stored; it is not stored if another write came first.

        key: the agent key whose daily budget the correction uses, if it has one. check: see `_Write`.
        """
        if key:
            yield _Charge(key, draft.made_at)
        try:
            failed: _Failed | None = yield _Write(draft, actions, tried.conflicts, check)
        except (Refused, Mistimed, TimeoutError):  # nothing was stored
            if key:
                self.budgets.give_back(key, draft.made_at)
            raise
        tried.ids.add(draft.id)
        if failed is None:
            return True
        failure, codes = failed
        if failure.maybe_applied:
            tried.doubtful.add(version_of(draft.before))
        elif key:
            self.budgets.give_back(key, draft.made_at)
        if codes <= CONFLICTS:
            tried.conflicts += bool(codes)
            return False
        if codes & THROTTLED and codes <= CONFLICTS | THROTTLED and not failure.maybe_applied:
            raise Busy from failure
        raise failure

    def _outcome(self, user_id: int | None, id_: str) -> _Steps[Item]:
        """Read an outcome. user_id: None for an outcome without a user. Raises NotFound."""
        found: Item | None = (yield _Read(self.store.table, item_key(user_id, id_))) if ulid.is_valid(id_) else None
        if not found:
            raise NotFound
        return found

    def _row(self, hash_: str) -> _Steps[KeyRow | None]:
        """Read the row of an idempotency key. Return None if there is none or it has expired."""
        found: Item | None = yield _Read(self.table, {"key_sha256": {"S": hash_}})
        row = live_rows([found] if found else []).get(hash_)
        if isinstance(row, Exception):
            raise row
        return row

    # ── Calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run[Result](self, corrections: "Iterable[_Steps[Result]]") -> list[Result | Exception]:
        """Make corrections step by step together: first reads, then charges and writes, then one pause for all."""
        backoff = Backoff()
        pace = PacedWrites(backoff)
        tasks = [_Task(steps) for steps in corrections]
        while waiting := [(task, task.step) for task in tasks if task.step is not None]:
            if reads := [(task, step) for task, step in waiting if isinstance(step, _Read)]:
                self._read(reads, backoff)
            elif charges := [(task, step) for task, step in waiting if isinstance(step, _Charge)]:
                self._charge(charges)
            elif writes := [(task, step) for task, step in waiting if isinstance(step, _Write)]:
                self._write(writes, pace)
            else:
                is_time_left = backoff.wait()
                for task, _ in waiting:
                    task.go_on(is_time_left)
        return [task.result for task in tasks]

    def _read(self, reads: "list[tuple[_Task[Any], _Read]]", backoff: Backoff) -> None:
        """Read the items that are in the same table as the first one."""
        table, names = reads[0][1].table, [*reads[0][1].key]
        reads = [(task, step) for task, step in reads if step.table == table]
        left = [step.key for _, step in reads]
        left = [key for index, key in enumerate(left) if key not in left[:index]]  # several may need the same row
        found: dict[tuple[str, ...], Item] = {}
        failure: Exception | None = None
        try:
            for items, still_left in read_pages(self.store.dynamodb, table, left, backoff):
                found |= {tuple(item[name]["S"] for name in names): item for item in items}
                left = still_left
        except Exception as failed:  # noqa: BLE001 - the result of those that were not read
            failure = failed
        for task, (_, key) in reads:
            item = found.get(tuple(key[name]["S"] for name in names))
            task.go_on(failure if failure and key in left else item)

    def _charge(self, charges: "list[tuple[_Task[Any], _Charge]]") -> None:
        """Take what corrections of one day need from the daily budget, in one call. The first get what is left."""
        key, at = charges[0][1]
        charges = [(task, step) for task, step in charges if step.at // instants.DAY == at // instants.DAY]
        try:
            taken = self.budgets.take(key, at, len(charges))
        except Exception as failure:  # noqa: BLE001 - the result of these corrections only
            for task, _ in charges:
                task.go_on(failure)
            return
        for index, (task, step) in enumerate(charges):
            task.go_on(None if index < taken else self.budgets.refusal(key, step.at))

    def _write(self, writes: _Writes, pace: PacedWrites) -> None:
        """Write the first corrections, as many as fit into a transaction. If no time is left, write none."""
        try:
            pace.wait()
        except TimeoutError as late:
            for task, _ in writes:
                task.go_on(late)
            return
        writes, units = _fitting(writes)
        pace.units += units
        actions = [action for _, step in writes for action in step.actions]
        actions += _checks([step for _, step in writes])
        made_at = min(step.draft.made_at for _, step in writes)
        said: list[Any] = [None] * len(writes)
        try:
            self.store.dynamodb.call("TransactWriteItems", {"TransactItems": actions}, recorded_at=made_at)
        except CallFailed as failure:
            said = [_Failed(failure, codes) for codes in _codes(failure, [step for _, step in writes])]
        except Exception as failure:  # noqa: BLE001 - the result of these corrections only
            said = [failure] * len(writes)
        for (task, _), result in zip(writes, said, strict=True):
            task.go_on(result)


def _fitting(writes: _Writes) -> tuple[_Writes, int]:
    """Return what the next transaction writes, and its units: first what conflicted least."""
    if len(writes) == 1:
        return writes, 0  # nothing else has to wait for it
    least = min(step.conflicts for _, step in writes)
    fitting: _Writes = []
    actions, units = 0, 0
    for task, step in writes:
        if step.conflicts == least:
            actions += len(step.actions)
            units += step.units
            checks = len(_checks([each for _, each in (*fitting, (task, step))]))
            if fitting and (actions + checks > ACTIONS_PER_TRANSACTION or units > UNITS_PER_TRANSACTION):
                return fitting, units - step.units
            fitting.append((task, step))
    return fitting, units


def _checks(writes: "Sequence[_Write]") -> list[dict[str, Any]]:
    """Return the checks of these corrections, each once: a transaction may have only one action on an item."""
    checks: list[dict[str, Any]] = []
    for step in writes:
        if step.check and step.check not in checks:
            checks.append(step.check)
    return checks


def _codes(failure: CallFailed, writes: "Sequence[_Write]") -> list[set[str]]:
    """Return why each correction cancelled its transaction, see `_Failed`."""
    codes = failure.codes if isinstance(failure, TransactionCanceled) else []
    told = set(codes) - {"None"} or {"Unknown"}
    checks = _checks(writes)
    if told == {"Unknown"} or len(codes) != sum(len(step.actions) for step in writes) + len(checks):
        return [told] * len(writes)
    rest = iter(codes)
    own = [{next(rest) for _ in step.actions} - {"None"} for step in writes]
    for check, code in zip(checks, rest, strict=True):
        for of_one, step in zip(own, writes, strict=True):
            of_one |= {code} - {"None"} if step.check == check else set()
    # A partition stays throttled for longer than a request can wait, so what is in it is not tried again.
    users = [step.draft.before["user_id"]["S"] for step in writes]
    hot = {user for user, of_one in zip(users, own, strict=True) if of_one & THROTTLED}
    return [of_one or (told & THROTTLED if user in hot else set()) for user, of_one in zip(users, own, strict=True)]


def _only[Result](results: list[Result | Exception]) -> Result:
    """Return the only result, or raise it if it is an exception."""
    [result] = results
    if isinstance(result, Exception):
        raise result
    return result


def _state(item: Item) -> OutcomeState:
    return OutcomeState(
        recorded_by=item["recorded_by"]["S"] if "recorded_by" in item else None,
        fields=counted_fields(item),
        version=version_of(item),
    )
