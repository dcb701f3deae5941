"""Find the outcomes that earlier imports stored for the rows of a file.

A void is for good. So if an import was undone, its rows can only be imported again under other ids: those of the next
round. A row's outcome is the one of the first round that was not undone, so no row is imported twice, whatever the
number of the last round is.
"""

from collections.abc import Iterable

from outcomes.aws.backoff import Backoff, read_items
from outcomes.aws.services import DynamoDB, Item
from outcomes.ledger.correction_entries import id_of
from outcomes.ledger.items import sort_key

from history import MAX_ROUND
from history.mapper import next_round
from history.plan import PlannedRow
from ops.patience import LIMITS

type Found = dict[PlannedRow, tuple[str, Item | None]]


class StoredOutcomes:
    """Finds stored outcomes in a table.

    last_round: the last round to look for. present: the number of rows that were there before. undone: the number of
    rows whose outcomes were undone in the last round.
    """

    def __init__(self, table: str, last_round: int) -> None:
        self.table = table
        self.last_round = last_round
        self.dynamodb = DynamoDB(LIMITS)
        self.present = 0
        self.undone = 0

    def find(self, partition: str, rows: Iterable[PlannedRow], *, consistent: bool = True) -> Found:
        """Return for each row the id of its outcome, and the outcome's item or None.

        consistent: if false, an item may lack the corrections of the last second.
        """
        found: Found = {row: (row.id, None) for row in rows}
        looking = [*found]
        for left in reversed(range(self.last_round)):
            items = self._read(partition, [found[row][0] for row in looking], consistent=consistent)
            found |= {row: (id_, items.get(id_)) for row in looking for id_, _ in [found[row]]}
            looking = [row for row in looking if "undone" in (found[row][1] or {})]
            if left:
                found |= {row: (next_round(found[row][0]), None) for row in looking}
        return found

    def missing(self, partition: str, rows: Iterable[PlannedRow], cut: str = "") -> dict[PlannedRow, str]:
        """Return the rows whose outcomes are not stored, with the ids of these outcomes. Count all other rows.

        cut: the end of a statement, if the rows are from before this instant.
        """
        missing: dict[PlannedRow, str] = {}
        found = self.find(partition, rows)
        again = self.again(partition, found)
        for row, (id_, item) in found.items():
            if item is None:
                missing[row] = id_
            elif "undone" in item and row not in again:
                self.undone += 1
                advice = f"and {before_cut(cut)}" if cut else f"import with ROUND={self.last_round + 1}"
                print(f"line {row.number}: undone, {advice}")
            else:
                self.present += 1
        return missing

    def again(self, partition: str, found: Found) -> set[PlannedRow]:
        """Return those of the rows that were undone which a round after the last one imported again."""
        undone = [row for row, (_, item) in found.items() if "undone" in (item or {})]
        later = StoredOutcomes(self.table, MAX_ROUND).find(partition, undone) if undone else {}
        return {row for row, (_, item) in later.items() if item and "undone" not in item}

    def _read(self, partition: str, ids: list[str], *, consistent: bool) -> dict[str, Item]:
        items = {} if consistent else self._read_once(partition, ids, consistent=False)
        return items | self._read_once(partition, [id_ for id_ in ids if id_ not in items], consistent=True)

    def _read_once(self, partition: str, ids: list[str], *, consistent: bool) -> dict[str, Item]:
        keys: list[Item] = [{"user_id": {"S": partition}, "created_at": {"S": sort_key(id_)}} for id_ in ids]
        found = read_items(self.dynamodb, self.table, keys, Backoff(), consistent=consistent)
        return {id_of(item): item for item in found}


def before_cut(cut: str) -> str:
    return f"created_at is before {cut}, the end of a statement of the user"
