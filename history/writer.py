"""Write planned outcomes, at a rate that leaves throughput for other requests."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import batched

from outcomes.aws.services import CallFailed, DynamoDB
from outcomes.errors import Busy
from outcomes.ledger.idempotent_writes import OUTCOMES_PER_BATCH, THERE, UNKNOWN, UNPROCESSED, insertion

from history.files import RowFile
from history.mapper import Imported, Mapper, NotImported, size_of
from history.past import Erased, Past, Pasts
from history.plan import PlannedRow
from history.stored import StoredOutcomes, before_cut
from ops.errors import StackError
from ops.patience import LIMITS, patiently


@dataclass
class Writer:
    """Writes outcomes to a table.

    imported: the number of outcomes that it wrote.

    pace: called with the write units of each call. refuse: called with a line for each row that is not written.
    advance: called with the number of rows that are done.
    """

    file: RowFile
    mapper: Mapper
    table: str
    pasts: Pasts
    stored: StoredOutcomes
    pace: Callable[[int], None]
    refuse: Callable[[str], None]
    advance: Callable[[int], None]
    imported: int = 0

    def __post_init__(self) -> None:
        self.dynamodb = DynamoDB(LIMITS)
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
                waiting = {row: self._outcome(row) for row in group}
                # In a later round, a write under the id of the first round would fail for each row that was undone.
                if self._looks_first or self.stored.last_round > 1:
                    self._keep_missing(partition, waiting, group)
                    self._looks_first = len(waiting) < len(group)
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

    def _keep_missing(self, partition: str, waiting: dict[PlannedRow, Imported], rows: Collection[PlannedRow]) -> None:
        """Remove those of these rows from `waiting` whose outcomes are stored. Give the others their rounds' ids."""
        missing = patiently(lambda: self.stored.missing(partition, rows))
        for row in rows:
            outcome = waiting.pop(row)
            if row in missing:
                waiting[row] = outcome.under(missing[row])

    def _insert(self, waiting: dict[PlannedRow, Imported], past: Past) -> None:
        """Insert outcomes, and remove them from `waiting`. Raises Erased."""
        is_first = True

        def attempt() -> None:
            nonlocal is_first
            past.check()
            before = [row for row, outcome in waiting.items() if outcome.created_at < past.cut]
            self._keep_missing(past.partition, waiting, before)
            for row in before:
                if waiting.pop(row, None):
                    self.refuse(f"line {row.number}: {before_cut(past.cut)}")
            if not waiting:
                return
            self.pace(sum(-(-size_of(outcome.item) // 1024) for outcome in waiting.values()))
            request = {"Statements": [insertion(self.table, outcome.item) for outcome in waiting.values()]}
            # The call fails if `recorded_at`, the time of the last `past.check()`, is more than `services.MAX_AGE` ago.
            answer = self.dynamodb.call("BatchExecuteStatement", request, recorded_at=past.checked_at)
            there = []
            for row, response in zip([*waiting], answer["Responses"], strict=True):
                code = response["Error"]["Code"] if "Error" in response else ""
                if code in UNPROCESSED | UNKNOWN:
                    continue
                if code not in {"", THERE}:
                    raise CallFailed(f"line {row.number} cannot be written: {response['Error']}")
                if code == THERE and is_first and not answer.maybe_applied:
                    there.append(row)
                else:
                    self.imported += 1
                    del waiting[row]
            is_first = False
            self._looks_first |= bool(there)
            self._keep_missing(past.partition, waiting, there)
            if waiting:
                raise Busy

        patiently(attempt)


class Pace:
    """Limits the write units that are used in a second."""

    def __init__(self, units_per_second: float) -> None:
        self.units_per_second = units_per_second
        self._next_at = 0.0

    def __call__(self, units: int) -> None:
        """Wait until these write units may be used."""
        wait = self._next_at - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._next_at = time.monotonic() + units / self.units_per_second
