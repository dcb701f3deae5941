"""Write planned outcomes, at a rate that leaves throughput for other requests."""

import time
from collections.abc import Callable, Iterator
from itertools import batched

from outcomes.aws.backoff import Backoff, read_items
from outcomes.aws.errors import CallFailed, Unavailable
from outcomes.aws.services import DynamoDB
from outcomes.errors import Busy, Contended, Mistimed
from outcomes.ledger.idempotent_writes import OUTCOMES_PER_BATCH, THERE, UNKNOWN, UNPROCESSED, insertion
from outcomes.ledger.items import item_key

from ops.errors import StackError
from ops.history.files import RowFile
from ops.history.mapper import Imported, Mapper, NotImported
from ops.history.past import LIMITS, Erased, Past, Pasts
from ops.history.plan import PlannedRow

PATIENCE_SECONDS = 300
MAX_PAUSE_SECONDS = 30.0


class Writer:
    """Writes outcomes to a table.

    imported: the number of outcomes that it wrote. present: the number of outcomes that were already stored.

    units_per_second: the write units to use. refuse: called with a line for each row that is not written.
    advance: called with the number of rows that are done.
    """

    def __init__(
        self,
        file: RowFile,
        mapper: Mapper,
        table: str,
        pasts: Pasts,
        units_per_second: float,
        *,
        refuse: Callable[[str], None],
        advance: Callable[[int], None],
    ) -> None:
        self.file = file
        self.mapper = mapper
        self.table = table
        self.pasts = pasts
        self.units_per_second = units_per_second
        self.refuse = refuse
        self.advance = advance
        self.dynamodb = DynamoDB(LIMITS)
        self.imported = 0
        self.present = 0
        self._next_at = 0.0
        # Reading an outcome costs less than a write that fails because the outcome exists. So look for stored outcomes
        # before writing, until a read finds none.
        self._looks_first = True

    def write(self, partition: str, rows: Iterator[PlannedRow]) -> None:
        """Write the rows of a partition.

        Block the partition's stored sums before the first write. End the block when every outcome is stored. Raises
        StackError if DynamoDB does not answer or the file has changed. The block then lasts until it expires.
        """
        past: Past | None = None
        waiting: dict[PlannedRow, Imported] = {}
        try:
            for group in batched(rows, OUTCOMES_PER_BATCH, strict=False):
                waiting = self._missing({row: self._outcome(row) for row in group})
                if waiting:
                    past = past or patiently(lambda: self.pasts.open(partition))
                    self._insert(waiting, past)
                self.advance(len(group))
            if past:
                patiently(past.close)
        except Erased:
            for row in [*waiting, *rows]:
                self.refuse(f"line {row.number}: user {partition} was erased")
            if not waiting:
                self.refuse(f"user {partition} was erased during the import")

    def _outcome(self, row: PlannedRow) -> Imported:
        try:
            outcome = self.mapper.outcome(self.file.row_at(row.offset, row.size))
        except NotImported:
            outcome = None
        if not outcome or outcome.id != row.id:
            raise StackError(f"line {row.number} of {self.file.path} has changed since the import began")
        return outcome

    def _missing(self, outcomes: dict[PlannedRow, Imported]) -> dict[PlannedRow, Imported]:
        """Return the outcomes that are not stored yet. Do not read again once a read has found no stored outcome."""
        if not self._looks_first:
            return outcomes
        keys = [item_key(each.user_id, each.id) for each in outcomes.values()]
        found = patiently(lambda: read_items(self.dynamodb, self.table, keys, Backoff()))
        ids = {item["created_at"]["S"].rpartition("#")[2] for item in found}
        self.present += len(ids)
        self._looks_first = bool(ids)
        return {row: outcome for row, outcome in outcomes.items() if outcome.id not in ids}

    def _insert(self, waiting: dict[PlannedRow, Imported], past: Past) -> None:
        """Insert outcomes, and remove them from `waiting`. Raises Erased."""
        is_first = True

        def attempt() -> None:
            nonlocal is_first
            past.check()
            for row in [row for row, outcome in waiting.items() if outcome.created_at < past.cut]:
                del waiting[row]
                self.refuse(f"line {row.number}: {before_cut(past.cut)}")
            if not waiting:
                return
            self._pace(sum(-(-outcome.bytes // 1024) for outcome in waiting.values()))
            request = {"Statements": [insertion(self.table, outcome.item) for outcome in waiting.values()]}
            # The call fails if `recorded_at`, the time of the last `past.check()`, is more than `caller.MAX_AGE` ago.
            answer = self.dynamodb.call("BatchExecuteStatement", request, recorded_at=past.checked_at)
            for row, response in zip([*waiting], answer["Responses"], strict=True):
                code = response["Error"]["Code"] if "Error" in response else ""
                if code in UNPROCESSED | UNKNOWN:
                    continue
                if code not in {"", THERE}:
                    raise CallFailed(f"line {row.number} cannot be written: {response['Error']}")
                was_there = code == THERE and is_first and not answer.maybe_applied
                self.present += was_there
                self.imported += not was_there
                self._looks_first |= was_there
                del waiting[row]
            is_first = False
            if waiting:
                raise Busy

        patiently(attempt)

    def _pace(self, units: int) -> None:
        """Wait until these write units may be used."""
        wait = self._next_at - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._next_at = time.monotonic() + units / self.units_per_second


def before_cut(cut: str) -> str:
    return f"created_at is before {cut}, the end of a statement of the user"


def patiently[Result](call: Callable[[], Result]) -> Result:
    """Repeat a call while DynamoDB is busy or unreachable. Raises StackError after PATIENCE_SECONDS."""
    until, pause = time.monotonic() + PATIENCE_SECONDS, 0.5
    while True:
        try:
            return call()
        except (Busy, Contended, Mistimed, TimeoutError, Unavailable) as failure:
            if time.monotonic() + pause > until:
                raise StackError(f"DynamoDB does not answer ({failure}); run the same command to go on") from failure
            time.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
