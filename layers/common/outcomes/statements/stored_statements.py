"""Read stored statements: the list, their texts and entries, and proofs of single outcomes."""

import time
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import DynamoDB, Limits
from outcomes.calendar import instants
from outcomes.contract.json_text import compact, response_bytes
from outcomes.contract.statement_ids import cursor_after, read_cursor
from outcomes.errors import Busy, NotFound
from outcomes.ledger import cursor as cursors
from outcomes.ledger import ulid
from outcomes.ledger.items import sort_key
from outcomes.limits import MAX_RESPONSE_BYTES
from outcomes.statements.format import ProofEntry, entry_line, inclusion_paths, leaf, proof_text, salt
from outcomes.statements.recorded_entries import RecordedEntries, entry_text
from outcomes.statements.statement_rows import Statement, StatementsTable

if TYPE_CHECKING:
    from outcomes.statements.tree import Subtree

LIMITS = Limits(attempts=3, connect=1, read=2, total=12)  # limits of each call to DynamoDB
READ_SECONDS = 14.0
"""No read begins later. Together with the 12 s of a call, this is below the function's timeout."""

_LISTED = ("id", "period", "timezone", "cut", "size", "root")


class StoredStatements:
    """Reads stored statements. outcomes, statements: the tables' names."""

    def __init__(self, outcomes: str, statements: str) -> None:
        self.outcomes = outcomes
        self.table = StatementsTable(statements)
        self.dynamodb = DynamoDB(LIMITS)

    def page(self, user_id: int, limit: int, cursor: str | None) -> str:
        """Return a page of the list as JSON text. Statements whose interval ends latest come first.

        Raises BadRequest for an invalid cursor.
        """
        after = read_cursor(cursor) if cursor is not None else ""
        found = self.table.read_list(self._reads(), user_id, after, limit + 1)
        shown = [{name: getattr(each, name) for name in _LISTED} for each in found[:limit]]
        more = cursor_after(found[limit - 1].place) if len(found) > limit else None
        return compact({"statements": shown, "next_cursor": more})

    def text(self, user_id: int, id_: str) -> str:
        """Return a statement. Raises NotFound."""
        return self._statement(self._reads(), user_id, id_).text

    def entries(self, user_id: int, id_: str, cursor: str | None) -> tuple[str, str | None]:
        """Return a part of a statement's entries as NDJSON, and the cursor of the next part.

        Raises NotFound, and BadRequest for an invalid cursor.
        """
        after = cursors.read(cursor) if cursor is not None else None
        reads = self._reads()
        statement = self._statement(reads, user_id, id_)
        lines: list[str] = []
        room = MAX_RESPONSE_BYTES
        has_more = False
        try:
            for entry in self._ledger(reads, user_id).recorded(statement.begin, statement.cut, after):
                line = entry_line(salt(statement.salt_key, entry.id), entry_text(entry))
                room -= response_bytes(line)
                if room < 0:
                    has_more = True
                    break
                lines.append(line)
                after = entry.id
            self._require_user(reads, user_id)
        except Busy:
            if not lines:
                raise
            has_more = True
        return "".join(lines), cursors.after(after) if has_more and after else None

    def proof(self, user_id: int, id_: str, outcome_id: str) -> str:
        """Return all entries of an outcome in a statement, with their inclusion paths. Raises NotFound."""
        from bisect import bisect  # imported here, as in `_proved`, because other calls do not need it

        from outcomes.statements.tree import subtrees

        reads = self._reads()
        statement = self._statement(reads, user_id, id_)
        index = subtrees(statement.tree_index)
        by_subtree: defaultdict[int, set[str]] = defaultdict(set)
        for each in self._ledger(reads, user_id).of_outcome(outcome_id):
            if statement.begin <= instants.text(ulid.milliseconds(each)) < statement.cut:
                by_subtree[bisect([subtree.first for subtree in index], each) - 1].add(each)
        if not by_subtree:
            raise NotFound
        entries = [
            entry
            for number in sorted(by_subtree)
            for entry in self._proved(reads, user_id, statement, index, number, by_subtree[number])
        ]
        head, signature = statement.text.partition(',"totals":')[0] + "}", statement.text[:-2].rpartition('"')[2]
        return proof_text(head, signature, entries)

    def _proved(
        self, reads: PacedReads, user_id: int, statement: Statement, index: "list[Subtree]", number: int, ids: set[str]
    ) -> list[ProofEntry]:
        """Read the entries of one subtree again. Return the entries with these ids."""
        from outcomes.statements.tree import SUBTREE, root_of

        end = sort_key(index[number + 1].first) if number + 1 < len(index) else statement.cut
        recorded = self._ledger(reads, user_id).recorded(sort_key(index[number].first), end)
        texts = {entry.id: entry_text(entry) for entry in islice(recorded, SUBTREE)}
        salts = {each: salt(statement.salt_key, each) for each in texts}
        leaves = [leaf(salts[each], text) for each, text in texts.items()]
        if root_of(leaves) != index[number].root:
            self._require_user(reads, user_id)
            raise RuntimeError("the ledger does not have the entries of the statement any more")
        [outer] = inclusion_paths([subtree.root for subtree in index], [number])
        places = [place for place, each in enumerate(texts) if each in ids]
        listed = [*texts]
        return [
            ProofEntry(number * SUBTREE + place, salts[listed[place]], texts[listed[place]], [*path, *outer])
            for place, path in zip(places, inclusion_paths(leaves, places), strict=True)
        ]

    def _statement(self, reads: PacedReads, user_id: int, id_: str) -> Statement:
        statement = self.table.read(reads, user_id, id_)
        if statement is None:
            raise NotFound
        return statement

    def _require_user(self, reads: PacedReads, user_id: int) -> None:
        """Raise NotFound if the user's key is missing: then the user is being erased, and entries may be missing."""
        if self.table.read_user_key(reads, user_id) is None:
            raise NotFound

    def _reads(self) -> PacedReads:
        return PacedReads(self.dynamodb, time.monotonic() + READ_SECONDS, Busy)

    def _ledger(self, reads: PacedReads, user_id: int) -> RecordedEntries:
        return RecordedEntries(reads, self.outcomes, user_id)
