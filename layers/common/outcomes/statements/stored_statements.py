"""Read stored statements: the list, their texts and entries, and proofs of single outcomes."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

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
from outcomes.statements.format import ProofEntry, RecordedOutcome, entry_line, inclusion_paths, leaf, proof_text, salt
from outcomes.statements.recorded_entries import RecordedEntries, entry_text, following
from outcomes.statements.statement_rows import Index, StatementsTable

if TYPE_CHECKING:
    from outcomes.statements.tree import Subtree

LIMITS = Limits(attempts=3, connect=1, read=2, total=12)  # limits of each call to DynamoDB
READ_SECONDS = 14.0
"""No read begins later. Together with the 12 s of a call, this is below the function's timeout."""

_LISTED = ("id", "period", "timezone", "cut", "size", "root")

_FEW = 20
"""A part of the entries ends before a page of fewer outcomes, because each page takes two calls."""


class _Located(NamedTuple):
    """A subtree of a statement. number: its place. end: the end of its sort keys. path: from its root to the tree's."""

    subtree: "Subtree"
    number: int
    end: str
    path: list[bytes]


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
        return _found(self.table.read_text(self._reads(), user_id, id_))

    def entries(self, user_id: int, id_: str, cursor: str | None) -> tuple[str, str | None]:
        """Return a part of a statement's entries as NDJSON, and the cursor of the next part.

        Raises NotFound, and BadRequest for an invalid cursor.
        """
        after = cursors.read(cursor) if cursor is not None else None
        reads = self._reads()
        begin, cut, salt_key = _found(self.table.read_interval(reads, user_id, id_))
        begin = max(begin, following(after)) if after else begin
        ledger = self._ledger(reads, user_id)
        lines: list[str] = []
        room, limit = MAX_RESPONSE_BYTES, None
        largest = 1.0  # bytes of lines per outcome read, in the window with the most
        has_more = False
        try:
            # Read no more outcomes than there is room for, because the next part would read the others again.
            while begin < cut and not has_more:
                window, begin = ledger.window(begin, cut, limit)
                before, outcomes = room, 0
                for entry in window:
                    line = entry_line(salt(salt_key, entry.id), entry_text(entry))
                    room -= response_bytes(line)
                    if room < 0:
                        has_more = True
                        break
                    lines.append(line)
                    after = entry.id
                    outcomes += isinstance(entry, RecordedOutcome)
                largest = max(largest, (before - room) / max(outcomes, 1))
                limit = int(room / largest)
                has_more |= begin < cut and limit < _FEW
            self._require_user(reads, user_id)
        except Busy:
            if not lines:
                raise
            has_more = True
        return "".join(lines), cursors.after(after) if has_more and after else None

    def proof(self, user_id: int, id_: str, outcome_id: str) -> str:
        """Return all entries of an outcome in a statement, with their inclusion paths. Raises NotFound."""
        reads = self._reads()
        index = _found(self.table.read_index(reads, user_id, id_))
        begin, cut, salt_key = index.interval
        of_outcome = self._ledger(reads, user_id).of_outcome(outcome_id)
        ids = [each for each in of_outcome if begin <= instants.text(ulid.milliseconds(each)) < cut]
        entries = [
            entry
            for located, wanted in self._located(reads, user_id, id_, index, ids)
            for entry in self._proved(reads, user_id, salt_key, located, wanted)
        ]
        if not entries:
            raise NotFound
        return proof_text(index.head, index.signature, entries)

    def _located(
        self, reads: PacedReads, user_id: int, id_: str, index: Index, ids: list[str]
    ) -> Iterator[tuple[_Located, set[str]]]:
        """Find the subtrees that contain these entries, oldest first, each with the ids of its entries."""
        from outcomes.statements.tree import by_subtree  # imported here, because other calls do not need it

        for number, in_group in by_subtree(index.groups, ids):
            group = _found(self.table.read_group(reads, user_id, id_, index, number))
            [outer] = inclusion_paths([each.root for each in index.groups], [number])
            ends = [sort_key(each.first) for each in (*group, *index.groups[number + 1 :][:1])][1:]
            ends += [index.interval.cut] * (len(group) - len(ends))
            for place, wanted in by_subtree(group, in_group):
                [path] = inclusion_paths([each.root for each in group], [place])
                yield _Located(group[place], number * index.size + place, ends[place], [*path, *outer]), wanted

    def _proved(
        self, reads: PacedReads, user_id: int, salt_key: bytes, located: _Located, ids: set[str]
    ) -> list[ProofEntry]:
        """Read the entries of one subtree again. Return the entries with these ids."""
        from outcomes.statements.tree import SUBTREE, root_of

        recorded = self._ledger(reads, user_id).recorded(sort_key(located.subtree.first), located.end)
        texts = {entry.id: entry_text(entry) for entry in islice(recorded, SUBTREE)}
        salts = {each: salt(salt_key, each) for each in texts}
        leaves = [leaf(salts[each], text) for each, text in texts.items()]
        if root_of(leaves) != located.subtree.root:
            self._require_user(reads, user_id)
            raise RuntimeError("the ledger does not have the entries of the statement any more")
        places = [place for place, each in enumerate(texts) if each in ids]
        listed = [*texts]
        first = located.number * SUBTREE
        return [
            ProofEntry(first + place, salts[listed[place]], texts[listed[place]], [*path, *located.path])
            for place, path in zip(places, inclusion_paths(leaves, places), strict=True)
        ]

    def _require_user(self, reads: PacedReads, user_id: int) -> None:
        """Raise NotFound if the user's key is missing: then the user is being erased, and entries may be missing."""
        if self.table.read_user_key(reads, user_id) is None:
            raise NotFound

    def _reads(self) -> PacedReads:
        return PacedReads(self.dynamodb, time.monotonic() + READ_SECONDS, Busy)

    def _ledger(self, reads: PacedReads, user_id: int) -> RecordedEntries:
        return RecordedEntries(reads, self.outcomes, user_id)


def _found[Stored](stored: Stored | None) -> Stored:
    """Return what was read. Raises NotFound if there is none."""
    if not stored:
        raise NotFound
    return stored
