"""Go through all users with watches, and write what changed into the rows of their watches.

The rows are the outbox: the table's stream becomes events. Each write requires that the row is as it was read, so no
run can repeat, undo or resurrect what another run, a PUT, a DELETE or an erasure did meanwhile.

The clock's own row (user_id `#clock`, id `#place`) says where the next run begins:

changes                 N, incremented by each write, for optimistic locking
after                   M, the key of the last row of the last user who is finished; absent if all are
users                   N, how many users the run has begun to evaluate since; absent if it ended by itself. If the run
                        was killed, the next one evaluates these users one by one; one user who kills it, it passes over
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from typing import Any

from outcomes.aws.services import Answer, ConditionFailed, DynamoDB, Item, pages
from outcomes.calendar import instants
from outcomes.watches import digest, thresholds
from outcomes.watches.digest import Letter
from outcomes.watches.figures import Figures, Reading
from outcomes.watches.stored_watches import Digest, Head, Watch, as_read, is_digest, is_watch, put_states

MAX_USERS = 2_000  # in a run
TOGETHER = 50
"""Users after whom the place is written, so that it costs little."""

PLACE = {"user_id": {"S": "#clock"}, "id": {"S": "#place"}}


class Overtaken(Exception):
    """Another run has written the place, so this one ends."""


class Run:
    """One run. users: how many were evaluated. failed: the errors of users who could not be evaluated."""

    def __init__(self, table: str, figures: Figures) -> None:
        self.table = table
        self.figures = figures
        self.dynamodb: DynamoDB = figures.totals.store.dynamodb
        self.users = 0
        self.failed: list[Exception] = []
        self.place: Item = {}

    def go(self, until: float) -> None:
        """Evaluate at most MAX_USERS users, from the place on. until: when no further user begins, by `monotonic`.

        Raises Overtaken, and the errors of calls that read users or write the place.
        """
        self.place = self.dynamodb.call("GetItem", {"TableName": self.table, "Key": PLACE, "ConsistentRead": True}).get(
            "Item", {}
        )
        users = self._users(self.place.get("after", {}).get("M"), until)
        killed = int(self.place.get("users", {"N": "0"})["N"])
        if killed == 1 and (rows := next(users, None)):
            self._move(rows)
        alone = killed if killed > 1 else 0
        last: list[Item] | None = None
        begun = 0
        for rows in users:
            if not begun:
                begun = 1 if alone else TOGETHER
                self._move(last, begun)
            self._evaluate(rows)
            last = rows
            begun, alone = begun - 1, max(0, alone - 1)
            self.users += 1
            if self.users == MAX_USERS or time.monotonic() > until:
                self._move(last)
                return
        self._move([])

    def _users(self, after: Item | None, until: float) -> Iterator[list[Item]]:
        """Yield the rows of each user, all in one list. Raises TimeoutError if no page may begin any more."""

        def page(request: dict[str, Any]) -> Answer:
            if time.monotonic() > until:
                raise TimeoutError("no time left for another page of users")
            return self.dynamodb.call("Scan", request)

        scan = {"TableName": self.table} | ({"ExclusiveStartKey": after} if after else {})
        found = (row for each in pages(page, scan) for row in each["Items"])
        for user_id, rows in groupby(found, lambda row: row["user_id"]["S"]):
            if user_id.isdigit():
                yield [*rows]

    def _move(self, last: list[Item] | None, begun: int = 0) -> None:
        """Write the place: after these rows, or from the beginning if there are none. None leaves it where it is."""
        changes = int(self.place.get("changes", {"N": "0"})["N"])
        after = self.place.get("after") if last is None else {"M": _key(last[-1])} if last else None
        item: Item = PLACE | {"changes": {"N": str(changes + 1)}}
        item |= ({"after": after} if after else {}) | ({"users": {"N": str(begun)}} if begun else {})
        try:
            self.dynamodb.call("PutItem", {"TableName": self.table, "Item": item, **as_read(self.place, "changes")})
        except ConditionFailed as failure:
            raise Overtaken from failure
        self.place = item

    def _evaluate(self, rows: list[Item]) -> None:
        """Evaluate a user. An error ends this user's evaluation, but not the run."""
        try:
            evaluate(self.table, self.figures, rows)
        except Exception as error:  # noqa: BLE001 - nothing of one user may delay the others
            self.failed.append(error)


def evaluate(table: str, figures: Figures, rows: list[Item]) -> None:
    """Evaluate a user's watches and digest, and write what changed. rows: all rows of the user."""
    now = instants.now()
    watches = [Watch.of(row) for row in rows if is_watch(row)]
    settings = [Digest.of(row) for row in rows if is_digest(row)]
    reading = Reading(figures, int(rows[0]["user_id"]["S"]), now)
    needed = [
        (watch, {period.name: reading.of(watch, period) for period in thresholds.periods_of(watch, now)})
        for watch in watches
    ]
    letters = [(setting, Letter(reading, setting, week)) for setting in settings if (week := digest.due(setting, now))]
    reading.run()
    for watch, later in needed:
        _write(figures, table, watch.head, thresholds.evaluate(watch, {name: of() for name, of in later.items()}, now))
    for setting, letter in letters:
        _write(figures, table, setting.head, letter.state())


def _write(figures: Figures, table: str, head: Head, states: Any) -> None:
    # If the row was changed or deleted since it was read, the next run sees what it is now.
    with suppress(ConditionFailed):
        if states is not None:
            figures.totals.store.dynamodb.call("UpdateItem", put_states(table, head, states))


def _key(row: Item) -> Item:
    return {name: row[name] for name in ("user_id", "id")}
