"""Put, delete and read watches and the setting of the digest, with optimistic locking.

A write requires that the row has the `made` and `version` that were read, or is still absent. The clock may write the
row meanwhile: it requires the same, and changes neither. A transaction that makes or deletes one also requires and
changes the row `#watches`. So of two that counted the same watches, one fails, and counts again, and a watch that is
made again begins at a version that no deleted one had.
"""

from typing import Any

from outcomes.aws.backoff import Backoff, is_written, read_items, written
from outcomes.aws.services import DynamoDB, Item, Limits
from outcomes.calendar import instants
from outcomes.calendar.period import have_same_days
from outcomes.contract import json_text
from outcomes.contract.caller import Caller
from outcomes.contract.preconditions import Preconditions
from outcomes.contract.watches import Measure, NewDigest, NewWatch
from outcomes.definitions import stored_definitions
from outcomes.errors import BadRequest, Fault, Forbidden, NotFound, NotPossible
from outcomes.ledger import ulid
from outcomes.limits import MAX_WATCHES
from outcomes.watches.stored_watches import DIGEST, GUARD, Head, as_read, has_setting, is_watch, row_key

LIMITS = Limits(attempts=3, connect=1, read=2, total=4)
"""Limits of a call. No call of a PUT begins later than `backoff.RETRY_SECONDS` after its first call."""

PLATFORM = "platform"


class WatchStore:
    """Reads and writes the watches of users.

    watches: the name of their table. definitions: the table that contains definitions; empty if they are off.
    """

    def __init__(self, watches: str, definitions: str) -> None:
        self.table = watches
        self.definitions = definitions
        self.dynamodb = DynamoDB(LIMITS)

    def put(
        self,
        user_id: int,
        id_: str,
        new: NewWatch | NewDigest | BadRequest | None,
        caller: Caller,
        preconditions: Preconditions,
    ) -> int:
        """Replace a watch, or the setting of the digest, whose id is DIGEST. Return its version.

        The same setting from the same kind of caller keeps the version. new: None deletes it, and the deleted version
        is returned. The error of an invalid body is passed as a BadRequest: it is raised only after Forbidden and
        PreconditionFailed, which take precedence.

        Raises Forbidden, PreconditionFailed, BadRequest, NotPossible, NotFound for a DELETE of what does not exist,
        Busy, and Contended if other requests kept writing. After any other exception it is unknown whether it is
        stored.
        """
        return written(lambda backoff: self._put_now(user_id, id_, new, caller, preconditions, backoff))

    def listed(self, user_id: int, caller: Caller) -> list[Item]:
        """Return the rows of a user's watches and digest that the caller may read, in the order of their making."""
        rows = [row for row in self._rows(user_id) if has_setting(row) and _may_read(caller, row)]
        return sorted(rows, key=lambda row: str(row["first_put_at"]["S"]))

    def read(self, user_id: int, id_: str, caller: Caller) -> Item:
        """Return the row of a watch. Raises NotFound, also if the caller may not read it."""
        get = {"TableName": self.table, "Key": row_key(user_id, id_), "ConsistentRead": True}
        row: Item = self.dynamodb.call("GetItem", get).get("Item", {})
        if not row or not _may_read(caller, row):
            raise NotFound
        return row

    def _put_now(
        self,
        user_id: int,
        id_: str,
        new: NewWatch | NewDigest | BadRequest | None,
        caller: Caller,
        preconditions: Preconditions,
        backoff: Backoff,
    ) -> int | None:
        """Attempt one transaction. Return None if another write came first."""
        keys = [row_key(user_id, id_), row_key(user_id, GUARD)]
        rows = {row["id"]["S"]: row for row in read_items(self.dynamodb, self.table, keys, backoff)}
        row = rows.get(id_, {})
        before = Head.of(row) if row else None
        put_by = PLATFORM if caller.session_user is None else "session"
        if before and put_by == PLATFORM != before.put_by:
            raise Forbidden(details=[Fault(field="id", message="the user's own session put it")])
        preconditions.check(before.version if before else None)
        if isinstance(new, BadRequest):
            raise new
        made_at = instants.now()
        put_at, guard = instants.text(made_at), rows.get(GUARD, {})
        if new is None:
            if before is None:
                raise NotFound
            delete = {"TableName": self.table, "Key": row_key(user_id, id_), **as_read(row, "made", "version")}
            actions = [{"Delete": delete}, self._guarded(user_id, guard, put_at, before.version)]
            return before.version if is_written(self.dynamodb, actions, made_at, backoff) else None
        said, was = new.public(), json_text.read(row["setting"]["S"]) if row else {}
        if before and (was, before.put_by) == (said, put_by):
            return before.version
        # A watch that only has another name tells nothing again.
        is_renamed = before is not None and was | {"name": ""} == said | {"name": ""}
        if not is_renamed:
            self._require_definition(user_id, new)
        version = 1 + (before.version if before else _last_deleted(guard))
        made = before.made if before and is_renamed else ulid.new(made_at)
        actions = [self._put(Head(user_id, id_, version, 0, made, put_by, put_at), said, row)]
        if before is None:
            if id_ != DIGEST:
                self._require_room(user_id, put_by, backoff)
            actions.append(self._guarded(user_id, guard, put_at))
        return version if is_written(self.dynamodb, actions, made_at, backoff) else None

    def _put(self, after: Head, setting: dict[str, Any], before: Item) -> dict[str, Any]:
        """Return the action that writes a setting. It leaves alone what the clock has written about the same `made`."""
        values = {
            ":after": {"S": after.made},
            ":next": {"N": str(after.version)},
            ":put_by": {"S": after.put_by},
            ":put_at": {"S": after.put_at},
            ":setting": {"S": json_text.exact(setting, levels=2)},
        }
        update = "SET made = :after, version = :next, put_by = :put_by, put_at = :put_at, setting = :setting"
        if not before:
            update, values[":zero"] = f"{update}, changes = :zero, first_put_at = :put_at", {"N": "0"}
        elif before["made"] != values[":after"]:
            update += " REMOVE states"
        condition = as_read(before, "made", "version")
        values |= condition.pop("ExpressionAttributeValues", {})
        key = row_key(after.user_id, after.id)
        change = {"TableName": self.table, "Key": key, "UpdateExpression": update, "ExpressionAttributeValues": values}
        return {"Update": change | condition}

    def _require_room(self, user_id: int, put_by: str, backoff: Backoff) -> None:
        """Raise NotPossible if this kind of caller has put MAX_WATCHES of the user's, or both twice as many.

        A session may take over any number that the platform put.
        """
        backoff.check()
        put = [row["put_by"]["S"] for row in self._rows(user_id) if is_watch(row)]
        if put.count(put_by) >= MAX_WATCHES or len(put) >= 2 * MAX_WATCHES:
            raise _not_possible("id", f"must be one of at most {MAX_WATCHES} watches")

    def _guarded(self, user_id: int, guard: Item, put_at: str, deleted: int = 0) -> dict[str, Any]:
        """Return the action that counts a making or a deletion. It fails if another was counted since `guard` was read.

        deleted: the version that is deleted, if any.
        """
        changes = int(guard["changes"]["N"]) if guard else 0
        last = max(_last_deleted(guard), deleted)
        item = row_key(user_id, GUARD) | {"changes": {"N": str(changes + 1)}, "put_at": {"S": put_at}}
        item |= {"deleted": {"N": str(last)}} if last else {}
        # After an erasure, `changes` begins at 1 again.
        return {"Put": {"TableName": self.table, "Item": item, **as_read(guard, "changes", "put_at")}}

    def _require_definition(self, user_id: int, new: NewWatch | NewDigest) -> None:
        """Raise NotPossible if a watch of what counts has no definition, or another time zone.

        Nothing guards this read, because the definition may change after the PUT, too: then a GET says so.
        """
        if not isinstance(new, NewWatch) or new.measure != Measure.COUNTED:
            return
        found = stored_definitions.read(self.dynamodb, self.definitions, user_id) if self.definitions else None
        if found is None:
            raise _not_possible("measure", "needs a definition of which outcomes count")
        if not have_same_days(found.timezone, new.timezone):
            raise _not_possible("timezone", f"must be {found.timezone}, as in the definitions")

    def _rows(self, user_id: int) -> list[Item]:
        """Read all rows of a user. They fit into one page."""
        query = {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "user_id = :user AND id BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":user": {"S": str(user_id)},
                ":first": {"S": GUARD},
                ":last": {"S": "~"},
            },
        }
        rows: list[Item] = self.dynamodb.call("Query", query)["Items"]
        return rows


def _last_deleted(guard: Item) -> int:
    return int(guard.get("deleted", {"N": "0"})["N"])


def _may_read(caller: Caller, row: Item) -> bool:
    return caller.may_read or bool(row["put_by"]["S"] == PLATFORM)


def _not_possible(field: str, message: str) -> NotPossible:
    return NotPossible(details=[Fault(field=field, message=message)])
