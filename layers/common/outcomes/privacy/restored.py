"""Repeat all erasures after a table was restored from a backup, which brought erased rows back."""

from typing import Any

from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.errors import Busy
from outcomes.ledger import ulid
from outcomes.privacy.data_sources import OutOfTime, Portion, cursor_at, read_cursor
from outcomes.privacy.erasure import COUNTED, EVER, Erasures, Progress, count_rows

INSTANT = len("2026-04-01T12:00:00.000Z")


def erase_again(erasures: Erasures, cursor: str | None) -> Progress:
    """Delete a portion of the restored rows, in all tables. A call may raise; the next call continues.

    Outcomes that an erased user has recorded since the erasure are not deleted. Sessions and stored sums have no
    creation time, so all that belong to the user are deleted. The user must sign in again, and sums are added up again.
    Raises BadRequest for an invalid cursor.
    """
    return _RepeatedErasure(erasures, cursor).go_on()


class _RepeatedErasure:
    def __init__(self, erasures: Erasures, cursor: str | None) -> None:
        self.erasures = erasures
        self.kinds = list(erasures.user_data_sources)
        self.place, self.start = read_cursor(cursor, [source.key for source in erasures.user_data_sources.values()])
        self.portion = Portion(erasures.dynamodb, erasures.bounds)
        self.ends: dict[str, str] = {}
        self.known: dict[str, str] = {}
        self.deleted = dict.fromkeys(COUNTED, 0)

    def go_on(self) -> Progress:
        wait = 0
        try:
            self._read_records()
            while self.place < len(self.kinds):
                self._read_through(self.kinds[self.place])
                self.place, self.start = self.place + 1, None
        except (OutOfTime, TimeoutError):
            pass
        except Busy:
            wait = 1
        done = self.place == len(self.kinds)
        step = "end" if done else self.kinds[self.place]
        cursor = None if done else cursor_at(self.place, self.start)
        return Progress(done, wait, step, None, self.deleted, cursor)

    def _read_records(self) -> None:
        """Read the time when each user's last erasure ended. It is EVER for an erasure that is still running."""
        request: dict[str, Any] = {"TableName": self.erasures.table, "ConsistentRead": True}
        while True:
            page = self.portion.call("Scan", request)
            for row in page["Items"]:
                end = row["done_at"]["S"] if "done_at" in row else EVER
                self.ends[row["user"]["S"]] = max(end, self.ends.get(row["user"]["S"], ""))
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _read_through(self, kind: str) -> None:
        source = self.erasures.user_data_sources[kind]
        names = dict.fromkeys([*source.key, "user_id", "created_at", "put_at"])
        for rows, after in self.portion.pages(source, None, self.start, ProjectionExpression=", ".join(names)):
            revoked = self._revoke(rows) if kind == "agent_keys" else set()
            back = [row for row in rows if self._is_back(kind, row) and row.get("id", {}).get("S") not in revoked]
            for keys in self.portion.erase(source, back):
                count_rows(self.deleted, kind, keys)
            self.start = after

    def _revoke(self, rows: list[Item]) -> set[str]:
        """Delete the live keys of the erased users to whom these rows belong. Return the keys' ids."""
        revoked: set[str] = set()
        for row in rows:
            user_id = row["id"]["S"].partition("#")[2]
            if end := self._end_of(user_id):
                for id_ in self.erasures.revoke(self.portion, int(user_id), end):
                    revoked.add(id_)
                    self.deleted["agent_keys"] += 1
        return revoked

    def _is_back(self, kind: str, row: Item) -> bool:
        """Check whether a row was written, or an outcome assigned, before the end of its user's erasure."""
        if kind == "originals":
            assigned_at = instants.text(ulid.milliseconds(row["assigned_id"]["S"]))
            return assigned_at <= self._end_of(row["assigned_to"]["N"])
        end = self._end_of(str(*row["user_id"].values())) if "user_id" in row else ""
        written = row.get("created_at", row.get("put_at"))
        # Delete all sessions, stored sums and sums of a month's costs, because their creation time is unknown. The sums
        # are added up again.
        if not end or kind in {"sessions", "kept_sums"} or written is None:
            return bool(end)
        return bool(written["S"].removeprefix("~")[:INSTANT] <= end)

    def _end_of(self, user_id: str) -> str:
        """Return the time when the user's erasure ended, or an empty text if there was no erasure."""
        if user_id not in self.known:
            self.known[user_id] = self.ends.get(self.erasures.hashed(user_id), "") if user_id.isdigit() else ""
        return self.known[user_id]
