"""Plan an import: decide which rows of a file become outcomes.

The plan is a temporary database, so that files may be of any size. It stores only the place of each row in the file,
not its cells.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from outcomes.calendar import instants
from outcomes.contract.sums import Sum
from outcomes.ledger import ulid

from history.mapper import Imported, size_of

LAST_ID = "~"  # this text sorts after all ids
_NOBODY = 0  # this number in the column `user` means "no user"

_TABLE = """
    CREATE TABLE planned (
        user INTEGER, partition TEXT, offset INTEGER, size INTEGER, number INTEGER, id TEXT UNIQUE, type TEXT,
        value TEXT, bytes INTEGER, PRIMARY KEY (user, partition, offset)
    ) WITHOUT ROWID
"""


class PlannedRow(NamedTuple):
    """A row to import.

    number: the number of its first line. offset, size: its place in the file. id: the outcome's id.
    """

    number: int
    offset: int
    size: int
    id: str


class Partition(NamedTuple):
    """A partition of the table of outcomes. user: the user's id, or 0 for outcomes without a user."""

    user: int
    name: str


class Cost(NamedTuple):
    """The size and cost of a plan. bytes: the total size of the outcomes' items."""

    outcomes: int
    users: int
    bytes: int
    write_units: int


class Plan:
    """The rows to import, by partition."""

    def __init__(self) -> None:
        # an empty name means a temporary file, which SQLite deletes
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(_TABLE)
        self._database.execute("BEGIN")  # never committed, which saves time: the database is temporary

    def close(self) -> None:
        self._database.close()

    def add(self, imported: Imported, number: int, offset: int, size: int) -> int | None:
        """Add a row. If an earlier row has the same id, return its number instead."""
        values = (
            *(imported.user_id or _NOBODY, imported.partition, offset, size, number, imported.id, imported.type),
            None if imported.value is None else str(imported.value),
            size_of(imported.item),
        )
        try:
            self._database.execute("INSERT INTO planned VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        except sqlite3.IntegrityError:
            [earlier] = self._database.execute("SELECT number FROM planned WHERE id = ?", [imported.id]).fetchone()
            return int(earlier)
        return None

    def remove(self, partition: Partition, before: str) -> None:
        """Remove the rows of a partition with ids before `before`."""
        query = "DELETE FROM planned WHERE user = ? AND partition = ? AND id < ?"
        self._database.execute(query, [*partition, before])

    def cost(self) -> Cost:
        query = """
            SELECT COUNT(*), COUNT(DISTINCT NULLIF(user, 0)), TOTAL(bytes), TOTAL((bytes + 1023) / 1024),
                COUNT(DISTINCT partition) FROM planned
        """
        outcomes, users, size, units, partitions = map(int, self._database.execute(query).fetchone())
        # An import writes two more items for each partition: one to block its stored sums, and one to end the block.
        return Cost(outcomes, users, size, units + 2 * partitions)

    def sums(self) -> Iterator[tuple[int | None, str, Sum]]:
        """Yield each user and type with the count and value of the outcomes. Outcomes without a user come first."""
        rows = self._database.execute("SELECT user, type, value FROM planned ORDER BY user, type")
        for (user, type_), group in groupby(rows, lambda row: row[:2]):
            sum_ = Sum()
            for *_, value in group:
                sum_.add(1, None if value is None else Decimal(value))
            yield user or None, type_, sum_

    def users(self) -> Iterator[int]:
        """Yield the users, without nobody."""
        yield from (user for (user,) in self._database.execute("SELECT DISTINCT user FROM planned WHERE user > 0"))

    def outcomes(self, user: int) -> Iterator[tuple[str, str, Decimal | None]]:
        """Yield id, type and value of each outcome of a user."""
        for id_, type_, value in self._database.execute("SELECT id, type, value FROM planned WHERE user = ?", [user]):
            yield id_, type_, None if value is None else Decimal(value)

    def partitions(self) -> Iterator[Partition]:
        """Yield the partitions, in order.

        During the iteration, the caller may remove rows of partitions that were already yielded.
        """
        query = "SELECT user, partition FROM planned WHERE (user, partition) > (?, ?) ORDER BY user, partition LIMIT 1"
        last = self._database.execute(query, (-1, "")).fetchone()
        while last:
            yield Partition(*last)
            last = self._database.execute(query, last).fetchone()

    def rows(self, partition: Partition, before: str = LAST_ID) -> Iterator[PlannedRow]:
        """Yield the rows of a partition with ids before `before`, in the order of the file."""
        query = """
            SELECT number, offset, size, id FROM planned WHERE user = ? AND partition = ? AND id < ? ORDER BY offset
        """
        yield from map(PlannedRow._make, self._database.execute(query, [*partition, before]))

    def months(self) -> Iterator[tuple[int | None, dict[str, Sum]]]:
        """Yield each user with the sums of the outcomes by month, such as `2026-04`, in UTC."""
        rows = self._database.execute("SELECT user, id, value FROM planned ORDER BY user")
        for user, group in groupby(rows, itemgetter(0)):
            months: defaultdict[str, Sum] = defaultdict(Sum)
            for _, id_, value in group:
                months[instants.text(ulid.milliseconds(id_))[:7]].add(1, None if value is None else Decimal(value))
            yield user or None, months
