"""Undo an import: void the outcomes that it created.

A void is an ordinary correction by the platform, at the time of its own signature: it belongs to the present month, and
changes no stored sum. Its transaction fails if the outcome was corrected since it was read, so nobody's correction is
overwritten. Statements wait while outcomes are voided, because an outcome from before the end of a statement can never
be imported again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import batched

from outcomes.aws.backoff import CONFLICTS, THROTTLED
from outcomes.aws.services import DynamoDB, Item, TransactionCanceled
from outcomes.contract.caller import Caller
from outcomes.contract.correction_rules import Correction, CorrectionType
from outcomes.contract.status import VOID
from outcomes.contract.sums import Sum
from outcomes.errors import Contended
from outcomes.ledger.correction_entries import CorrectionDraft, corrections_of, version_of
from outcomes.ledger.items import counted_fields, status_of

from history.mapper import size_of
from history.past import Erased, Past, Pasts
from history.plan import PlannedRow
from history.stored import StoredOutcomes, before_cut
from ops.patience import LIMITS, patiently

ROWS_PER_TRANSACTION = 25
"""TransactWriteItems accepts 100 actions, and each row needs two. A conflict about one row repeats them all."""
_VOID = Correction(CorrectionType.VOID, "Its import was undone", None, {}, [])


@dataclass
class Undo:
    """Voids imported outcomes, or only finds out which ones it would void.

    pasts: None to write nothing. force: whether to void outcomes that were corrected, or are from before the end of a
    statement. pace: called with the write units of each call. advance: called with the number of rows that are done.

    undone, before, left, absent: the numbers of rows whose outcomes it voids, were undone before, are left, and are not
    stored. again: the number of those undone before that a later round imported again. units: the write units of the
    voids. sums: the outcomes that it voids, by user (0: no user) and type.
    """

    table: str
    pasts: Pasts | None
    stored: StoredOutcomes
    force: bool
    pace: Callable[[int], None]
    advance: Callable[[int], None]
    undone: int = 0
    before: int = 0
    again: int = 0
    left: int = 0
    absent: int = 0
    units: int = 0

    def __post_init__(self) -> None:
        self.dynamodb = DynamoDB(LIMITS)
        self.sums: defaultdict[tuple[int, str], Sum] = defaultdict(Sum)
        self._past: Past | None = None
        self._cut = ""

    def undo(self, partition: str, rows: Iterator[PlannedRow], cut: str) -> None:
        """Void the outcomes of a partition's rows. cut: the end of the user's latest statement, or empty.

        Raises StackError if DynamoDB does not answer.
        """
        self._past, self._cut = None, cut
        waiting: list[PlannedRow] = []
        try:
            for group in batched(rows, ROWS_PER_TRANSACTION, strict=False):
                waiting, tried = [*group], set[str]()
                patiently(partial(self._void, partition, waiting, tried))
                self.advance(len(group))
            if self._past:
                patiently(self._past.close)
        except Erased:
            print(f"user {partition} was erased during the undo")
            self.absent += len([*waiting, *rows])

    def _void(self, partition: str, waiting: list[PlannedRow], tried: set[str]) -> None:
        """Void the outcomes of rows, and remove each row from `waiting` when it is done.

        tried: the ids of all voids that earlier attempts may have stored. Raises Contended if another caller corrects
        one of the outcomes at the same moment.
        """
        self.pace(0)  # waits before the read, because a void is only sent within a minute of its time
        # A first read that misses a correction costs half, and does no harm: the transaction then fails.
        found = self.stored.find(partition, waiting, consistent=bool(tried))
        if self.pasts and any(item and not self._reason_to_leave(item) for _, item in found.values()):
            self._past = self._past or self.pasts.open(partition, keeps_sums=True)
            self._past.check()
            self._cut = self._past.cut
        drafts: dict[PlannedRow, CorrectionDraft] = {}
        again = self.stored.again(partition, found)
        for row, (_, item) in found.items():
            if item is None:
                self.absent += 1
            elif tried.intersection(corrections_of(item)):
                self._count(row, item, 0)
            elif "undone" in item:
                self.before += 1
                self.again += row in again
            elif reason := self._reason_to_leave(item):
                self.left += 1
                print(f"line {row.number}: {reason}")
            else:
                drafts[row] = _draft(item)
                continue
            waiting.remove(row)
        units = {row: 2 * (1 + -(-size_of(draft.after) // 1024)) for row, draft in drafts.items()}
        if self.pasts and drafts:
            self._store([*drafts.values()], tried)
            self.pace(sum(units.values()))
        for row, draft in drafts.items():
            self._count(row, draft.before, units[row])
            waiting.remove(row)

    def _reason_to_leave(self, item: Item) -> str:
        status = status_of(item)
        if status == VOID:
            return "assigned to a user since the import" if "assigned_id" in item else "voided since the import"
        if self.force:
            return ""
        if version_of(item):
            return f"corrected since the import, and now {status}"
        return before_cut(self._cut) if item["created_at"]["S"] < self._cut else ""

    def _count(self, row: PlannedRow, item: Item, units: int) -> None:
        self.undone += 1
        self.units += units
        user_id, fields = item["user_id"]["S"], counted_fields(item)
        self.sums[int(user_id) if user_id.isdigit() else 0, fields.outcome_type].add(1, fields.value_usd)
        if item["created_at"]["S"] < self._cut:
            print(f"line {row.number}: cannot be imported again: {before_cut(self._cut)}")

    def _store(self, drafts: list[CorrectionDraft], tried: set[str]) -> None:
        tried |= {draft.id for draft in drafts}
        actions = [action for draft in drafts for action in draft.actions(self.table)]
        made_at = min(draft.made_at for draft in drafts)
        try:
            self.dynamodb.call("TransactWriteItems", {"TransactItems": actions}, recorded_at=made_at)
        except TransactionCanceled as failure:
            if set(failure.codes) <= CONFLICTS | THROTTLED | {"None"}:
                raise Contended from failure
            raise


def _draft(item: Item) -> CorrectionDraft:
    return CorrectionDraft.of(item, _VOID, VOID, Caller()).undone()
