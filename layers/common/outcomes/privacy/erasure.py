"""Erase all stored data of a user, in portions. Each call continues where the previous call ended.

The record of an erasure is written before anything is deleted. It is in a separate table, so that restoring another
table does not change it:

user (HASH, S)          HMAC-SHA256 of the user's id, keyed by a secret of the stack; a plain hash could be reversed by
                        trying all ids
erasure (RANGE, S)      `running`; in the final record, the instant when the erasure began
begun_at, done_at       S, by DynamoDB's clock
agent_keys, sessions, outcomes, corrections, kept_sums, idempotency_keys, statements, costs, definitions, watches
                        N, deleted rows, if any
originals               N, originals from which this user's id was removed: outcomes that were recorded without a user
                        and later assigned to this user

While it is running:

found_at                S, when rows with the user's id as partition key were last found
step                    N, the index in STEPS
position                S, the key (JSON) after which to continue this step's scan
changes                 N, incremented by each write, for optimistic locking

Rows that are written during the erasure are deleted, too. Agent keys are deleted first, so no new call can use them.
When no new rows have been found for `settle_seconds`, calls in flight have ended. Only then are the tables scanned
that have no partition per user. Sessions are also deleted at the start, see STEPS.

A scan can miss an idempotency key or an original that is written meanwhile. But an idempotency key is always written in
one transaction with an outcome or a correction, and an original is assigned in one transaction with an outcome. So if a
new outcome or correction is found before the scans end, the wait and the scans start again.

After a table was restored from a backup, which brought erased rows back, `erase_again` repeats all erasures.
"""

import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from outcomes.aws.backoff import CONFLICTS, Backoff, read_items
from outcomes.aws.services import ConditionFailed, DynamoDB, Item, SecretsManager, TransactionCanceled, pages
from outcomes.calendar import instants
from outcomes.definitions.stored_definitions import is_version
from outcomes.errors import Busy
from outcomes.keys import key_text
from outcomes.keys.agent_keys import user_row_id
from outcomes.ledger import ulid
from outcomes.privacy.data_sources import (
    LIMITS,
    Bounds,
    OutOfTime,
    Portion,
    Tables,
    cursor_at,
    is_agent_key,
    is_correction,
    is_statement,
    read_cursor,
    user_data_sources,
)
from outcomes.watches.stored_watches import has_setting

RUNNING = "running"

STEPS = ("sessions", "wait", "agent_keys", "sessions", "idempotency_keys", "originals", "end")
"""The steps of an erasure. If new rows are found, the erasure returns to `wait`. Sessions are deleted twice: first to
log the user out at once, and later to delete sessions that were created in the meantime."""
WAIT = STEPS.index("wait")

COUNTED = (
    "agent_keys",
    "sessions",
    "outcomes",
    "corrections",
    "kept_sums",
    "idempotency_keys",
    "originals",
    "statements",
    "costs",
    "definitions",
    "watches",
)

INSTANT = len("2026-04-01T12:00:00.000Z")
EVER = "~"  # sorts after every instant


class Progress(NamedTuple):
    """The progress of an erasure, or of repeating all erasures (`erase_again`).

    done: whether it is complete. wait: seconds to wait before the next call.
    step: the current step of STEPS; when repeating, the current table.
    begun_at: when the erasure began; None if it could not begin yet, and when repeating. erased: the number of deleted
    rows by kind, in total; when repeating, only in this portion. cursor: the cursor for the next call, only when
    repeating.
    """

    done: bool
    wait: int
    step: str
    begun_at: str | None
    erased: dict[str, int]
    cursor: str | None = None


class Erasures:
    """The table of erasures, and the tables to erase from.

    secret_arn: the ARN of the secret for the HMAC of user ids. settle_seconds: after this time, calls in flight have
    ended.
    """

    def __init__(self, table: str, tables: Tables, secret_arn: str, settle_seconds: int, bounds: Bounds) -> None:
        self.table = table
        self.user_data_sources = user_data_sources(tables)
        self.secret_arn = secret_arn
        self.settle_seconds = settle_seconds
        self.bounds = bounds
        self.dynamodb = DynamoDB(LIMITS)
        self.secrets_manager = SecretsManager(LIMITS)
        self._secret = b""

    def erase(self, user_id: int) -> Progress:
        """Erase a portion of a user's data. A call may raise; the next call continues."""
        return _Erasure(self, user_id).go_on()

    def hashed(self, user_id: str) -> str:
        """Compute the HMAC of a user's id. Raises Busy and CallFailed."""
        if not self._secret:
            answer = self.secrets_manager.call("GetSecretValue", {"SecretId": self.secret_arn})
            self._secret = answer["SecretString"].encode()
        return hashed(self._secret, user_id)

    def revoke(self, portion: Portion, user_id: int, until: str = EVER) -> Iterator[str]:
        """Delete the live agent keys of a user, except those created after `until`. Yield their ids after each call."""
        keys = self.user_data_sources["agent_keys"]
        row_key = {"id": {"S": user_row_id(user_id)}}
        while True:
            get = {"TableName": keys.table, "Key": row_key, "ConsistentRead": True}
            row: Item = portion.call("GetItem", get).get("Item", {})
            if not row:
                return
            names = [name for name in row if key_text.is_id(name)]
            portion.check()
            found = read_items(self.dynamodb, keys.table, [{"id": {"S": name}} for name in names], Backoff())
            old = [keys.key_of(key) for key in found if key["created_at"]["S"] <= until]
            # Delete keys before the row that lists them. In the opposite order, an interruption would leave valid keys
            # that are not listed.
            for deleted in portion.delete(keys.table, old):
                yield from (key["id"]["S"] for key in deleted)
            stay = {key["id"]["S"] for key in found if key["created_at"]["S"] > until}
            gone = {f"#gone{index}": name for index, name in enumerate(set(names) - stay)}
            if stay and not gone:
                return
            change: dict[str, Any] = {
                "TableName": keys.table,
                "Key": row_key,
                "ConditionExpression": "changes = :seen",
                "ExpressionAttributeValues": {":seen": row["changes"]},
            }
            if stay:
                change["UpdateExpression"] = f"REMOVE {', '.join(gone)} ADD changes :one"
                change["ExpressionAttributeNames"] = gone
                change["ExpressionAttributeValues"] |= {":one": {"N": "1"}}
            try:
                portion.call("UpdateItem" if stay else "DeleteItem", change)
            except ConditionFailed:
                continue  # the row changed meanwhile: read it again
            return


def hashed(secret: bytes, user_id: str) -> str:
    return hmac.new(secret, user_id.encode(), sha256).hexdigest()


class _Erasure:
    """One portion of a user's erasure."""

    def __init__(self, erasures: Erasures, user_id: int) -> None:
        self.erasures = erasures
        self.user_id = user_id
        self.portion = Portion(erasures.dynamodb, erasures.bounds)
        self.key: Item = {"user": {"S": erasures.hashed(str(user_id))}, "erasure": {"S": RUNNING}}
        self.row: Item = {}
        self.deleted = dict.fromkeys(COUNTED, 0)

    def go_on(self) -> Progress:
        wait, done, has_looked = 0, False, False
        try:
            self._begin()
            while not done and not wait:
                if not has_looked or STEPS[self.step] in {"wait", "end"}:
                    has_looked = True
                    self._revoke()
                    if self.step:  # the first step only deletes keys and sessions
                        self._delete_by_id()
                match STEPS[self.step]:
                    case "wait":
                        wait = self._left_to_wait()
                        if not wait:
                            self._write("SET #step = :step", {":step": {"N": str(WAIT + 1)}})
                    case "end":
                        self._end()
                        done = True
                    case kind:
                        self._read_through(kind)
        except (OutOfTime, TimeoutError):
            wait = 0
            self._count()
        except Busy:
            wait = 1
            self._count()
        erased = {name: int(self.row[name]["N"] if name in self.row else 0) for name in COUNTED}
        begun_at = self.row["begun_at"]["S"] if self.row else None
        return Progress(done, wait, STEPS[self.step], begun_at, erased)

    @property
    def step(self) -> int:
        return int(self.row["step"]["N"]) if self.row else 0

    def _begin(self) -> None:
        """Read the record of a running erasure, or create it."""
        get = {"TableName": self.erasures.table, "Key": self.key, "ConsistentRead": True}
        answer = self.portion.call("GetItem", get)
        if "Item" not in answer:
            now = {"S": _instant(answer.date)}
            self.row = self.key | {"begun_at": now, "found_at": now, "step": {"N": "0"}, "changes": {"N": "0"}}
            put = {"TableName": self.erasures.table, "Item": self.row}
            put |= {"ConditionExpression": "attribute_not_exists(erasure)"}
            try:
                self.portion.call("PutItem", put)
                return
            except ConditionFailed:  # another call or an earlier attempt created it
                answer = self.portion.call("GetItem", get)
        self.row = answer["Item"]

    def _write(self, update: str, values: Item) -> None:
        """Update the record, and add the rows deleted since the last write to its counts.

        Raises OutOfTime if another call has updated the record: the next call continues from there.
        """
        change = self._change(
            update, "changes = :seen AND begun_at = :begun_at", values | {":seen": self.row["changes"]}
        )
        try:
            self.row = self.portion.call("UpdateItem", change)["Attributes"]
        except ConditionFailed as exc:
            if exc.maybe_applied:  # an earlier attempt may have counted these rows
                self.deleted = dict.fromkeys(COUNTED, 0)
            raise OutOfTime from exc
        self.deleted = dict.fromkeys(COUNTED, 0)

    def _count(self) -> None:
        """Add the rows deleted since the last write to the record's counts, even if another call has updated it.

        This ignores the portion's deadline, because no later portion can find these rows.
        """
        if any(self.deleted.values()):
            # Ignore errors: either another call has ended the erasure, or the counts stay too low, as they do after a
            # crash.
            with suppress(ConditionFailed, Busy):
                # Make only one attempt, so that nothing is counted twice.
                change = self._change("", "begun_at = :begun_at", {})
                self.row = self.portion.dynamodb.call("UpdateItem", change, attempts=1)["Attributes"]

    def _change(self, update: str, condition: str, values: Item) -> dict[str, Any]:
        """Return an update of the record that also adds the deleted rows to its counts."""
        counted = {name: number for name, number in self.deleted.items() if number}
        added = ", ".join(["changes :one", *(f"#{name} :{name}" for name in counted)])
        names = [name for name in ("step", "position") if f"#{name}" in update]
        change = {
            "TableName": self.erasures.table,
            "Key": self.key,
            "UpdateExpression": f"{update} ADD {added}".lstrip(),
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values
            | {f":{name}": {"N": str(number)} for name, number in counted.items()}
            | {":one": {"N": "1"}, ":begun_at": self.row["begun_at"]},
            "ReturnValues": "ALL_NEW",
        }
        return change | {"ExpressionAttributeNames": {f"#{name}": name for name in (*names, *counted)}}

    def _note_found(self, date: str) -> None:
        """Write found_at before deleting the found rows, so that no concurrent call ends the erasure."""
        step = min(self.step, WAIT)
        self._write(
            f"SET found_at = :now, #step = :step{' REMOVE #position' if step == WAIT else ''}",
            {":now": {"S": _instant(date)}, ":step": {"N": str(step)}},
        )

    def _revoke(self) -> None:
        keys = self.erasures.user_data_sources["agent_keys"]
        get = {"TableName": keys.table, "Key": {"id": {"S": user_row_id(self.user_id)}}, "ConsistentRead": True}
        answer = self.portion.call("GetItem", get)
        if "Item" in answer:
            self._note_found(answer.date)
            for _ in self.erasures.revoke(self.portion, self.user_id):
                self.deleted["agent_keys"] += 1
            self._write("SET #step = :step", {":step": self.row["step"]})

    def _delete_by_id(self) -> None:
        """Delete statements and definitions, stored sums, costs, watches, outcomes and corrections."""
        # Statements come first, so that no statement is served with only some of its entries.
        for kind in ("statements", "kept_sums", "costs", "watches", "outcomes"):
            source = self.erasures.user_data_sources[kind]
            query: dict[str, Any] = {"ProjectionExpression": ", ".join(source.key)}
            query["ScanIndexForward"] = kind != "statements"
            for rows, _ in self.portion.pages(source, self.user_id, **query):
                if rows:
                    self._note_found(self.portion.date)
                    # Statements are read in descending order, so the first row is `user`, whose key every new statement
                    # needs. Delete it first: otherwise, a request could sign another statement of a deleted period.
                    for some in rows[:1], rows[1:]:
                        for keys in self.portion.erase(source, some):
                            count_rows(self.deleted, kind, keys)
        if any(self.deleted.values()):
            self._write("SET #step = :step", {":step": self.row["step"]})

    def _read_through(self, kind: str) -> None:
        """Scan a table and delete the user's rows. Then continue with the next step."""
        source = self.erasures.user_data_sources[kind]
        start = json.loads(self.row["position"]["S"]) if "position" in self.row else None
        next_step = {"N": str(self.step + 1)}
        for rows, after in self.portion.pages(source, self.user_id, start, ProjectionExpression=", ".join(source.key)):
            for keys in self.portion.erase(source, rows):
                count_rows(self.deleted, kind, keys)
            if after:
                self._write("SET #position = :at", {":at": {"S": json.dumps(after)}})
            else:
                self._write("SET #step = :step REMOVE #position", {":step": next_step})

    def _left_to_wait(self) -> int:
        """Return the seconds until all calls that were in flight at `found_at` have ended."""
        settled = instants.read(self.row["found_at"]["S"]) + self.erasures.settle_seconds * 1000
        return max(0, -(-(settled - instants.read(_instant(self.portion.date))) // 1000))

    def _end(self) -> None:
        """Replace the `running` record with the final one. Raises OutOfTime if another call has updated it."""
        table = self.erasures.table
        done = {name: self.row[name] for name in ("user", "begun_at", *COUNTED) if name in self.row}
        done |= {"erasure": self.row["begun_at"], "done_at": {"S": _instant(self.portion.date)}}
        delete = {
            "TableName": table,
            "Key": self.key,
            "ConditionExpression": "changes = :seen AND begun_at = :begun_at",
            "ExpressionAttributeValues": {":seen": self.row["changes"], ":begun_at": self.row["begun_at"]},
        }
        actions = [{"Delete": delete}, {"Put": {"TableName": table, "Item": done}}]
        try:
            self.portion.call("TransactWriteItems", {"TransactItems": actions})
        except TransactionCanceled as failure:
            if set(failure.codes) - {"None"} <= CONFLICTS:
                raise OutOfTime from failure
            raise


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
        for page in pages(partial(self.portion.call, "Scan"), request):
            for row in page["Items"]:
                end = row["done_at"]["S"] if "done_at" in row else EVER
                self.ends[row["user"]["S"]] = max(end, self.ends.get(row["user"]["S"], ""))

    def _read_through(self, kind: str) -> None:
        source = self.erasures.user_data_sources[kind]
        names = dict.fromkeys([*source.key, "user_id", "created_at", "put_at", "revoked_at"])
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
            kind, _, user_id = row["id"]["S"].partition("#")
            if kind == "user" and (end := self._end_of(user_id)):
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
        written = row.get("created_at", row.get("put_at", row.get("revoked_at")))
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


def count_rows(deleted: dict[str, int], kind: str, keys: list[Item]) -> None:
    """Add deleted rows, given by their keys, to the counts.

    Of statements, only the first rows count; of the rows of agent keys, only the keys; of definitions, the versions;
    of watches, all rows except that which guards their number.
    """
    deleted["definitions"] += sum(map(is_version, keys)) if kind == "statements" else 0
    corrections = sum(map(is_correction, keys)) if kind == "outcomes" else 0
    deleted["corrections"] += corrections
    counts = {"statements": is_statement, "agent_keys": is_agent_key, "watches": has_setting}.get(kind)
    deleted[kind] += sum(map(counts, keys)) if counts else len(keys) - corrections


def _instant(date: str) -> str:
    """Convert an answer's Date header (DynamoDB's clock) to an instant. If there is no header, use our clock."""
    try:
        return instants.text(instants.read_http_date(date))
    except ValueError:
        return instants.text(instants.now())
