"""Erasure of all that is held of one person, in portions: whoever asks again goes on where the last one ended.

The record of it is there before anything is deleted, in a table of its own, which no restore of another table changes:

user (HASH, S)          HMAC-SHA256 of the user's id, by a secret of the stack: the id itself would be what was erased,
                        and a plain digest of it a riddle of a second, as ids are small numbers
erasure (RANGE, S)      `running`; once it is done, when it began
begun_at, done_at       S, by DynamoDB's clock
agent_keys, sessions, outcomes, corrections, kept_sums, idempotency_keys    N, how many were deleted; absent for none

While it is running:

found_at                S, when something was last found that is by the user's id
step                    N, the place in STEPS
position                S, the key, as JSON, after which the table of that step is read on
changes                 N, how often this row was written

What comes in meanwhile goes too. Agent keys go first, so nothing is recorded with one from the next call on. Whatever
was on its way then has landed when nothing new was found for `settle_seconds`, and only then the tables are read in
which rows have no order of users: an idempotency key is remembered in one transaction with an outcome or a correction,
so if none of those has come in until the end of that reading, neither has one of these behind it. If one has, the wait
begins anew.
"""

import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, NamedTuple

from outcomes.aws.backoff import CONFLICTS, Backoff, read_items
from outcomes.aws.errors import ConditionFailed, TransactionCanceled
from outcomes.aws.services import DynamoDB, Item, SecretsManager
from outcomes.contract import instants, key_text
from outcomes.errors import Busy
from outcomes.keys.agent_keys import user_row_id
from outcomes.privacy.data_sources import (
    LIMITS,
    Bounds,
    OutOfTime,
    Portion,
    Tables,
    is_correction,
    user_data_sources,
)

RUNNING = "running"

STEPS = ("sessions", "wait", "agent_keys", "sessions", "idempotency_keys", "end")
"""Steps of an erasure. `wait` is where it goes back to when something new comes in. Sessions are looked for at once, so
that they end, and again for those that were on their way."""
WAIT = STEPS.index("wait")

COUNTED = ("agent_keys", "sessions", "outcomes", "corrections", "kept_sums", "idempotency_keys")

EVER = "~"
"""A time after all instants."""


class Progress(NamedTuple):
    """done: whether all is gone. wait: seconds until going on makes sense. step: where it is, of STEPS.

    begun_at: None for one that could not begin yet, and for one that repeats many.
    erased: how many of each were deleted, by one erasure as a whole, or by this portion of one that repeats many.
    cursor: with which one that repeats many goes on.
    """

    done: bool
    wait: int
    step: str
    begun_at: str | None
    erased: dict[str, int]
    cursor: str | None = None


class Erasures:
    """The table of erasures, and the tables that are erased from.

    secret_arn: of the secret by which users are known in the records. settle_seconds: after which nothing that was
    begun before can be written any more.
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
        """Erase a portion of what is held of a user. Whatever a call raises passes through: asking again goes on."""
        return _Erasure(self, user_id).go_on()

    def hashed(self, user_id: str) -> str:
        """Compute by what a user is known in the records. Raises Busy and CallFailed."""
        if not self._secret:
            answer = self.secrets_manager.call("GetSecretValue", {"SecretId": self.secret_arn})
            self._secret = answer["SecretString"].encode()
        return hmac.new(self._secret, user_id.encode(), sha256).hexdigest()

    def revoke(self, portion: Portion, user_id: int, until: str = EVER) -> Iterator[str]:
        """Delete the agent keys that a user's row lists, which are all that live, and tell their ids as they go.

        until: those that were made later stay.
        """
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
            for deleted in portion.delete(keys.table, old):  # before the row: a key that no row lists would still open
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
                change["UpdateExpression"] = f"REMOVE {', '.join(gone)} ADD changes :one, erasures :one"
                change["ExpressionAttributeNames"] = gone
                change["ExpressionAttributeValues"] |= {":one": {"N": "1"}}
            try:
                portion.call("UpdateItem" if stay else "DeleteItem", change)
            except ConditionFailed:
                continue  # a key has come or gone meanwhile
            return


class _Erasure:
    """A portion of the erasure of one user."""

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
                    if self.step:  # sessions end before the rest goes
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
        """Read the record of a running erasure, or write that one begins."""
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
            except ConditionFailed:  # somebody else has begun, or an attempt whose answer was lost
                answer = self.portion.call("GetItem", get)
        self.row = answer["Item"]

    def _write(self, update: str, values: Item) -> None:
        """Write the record, with what was deleted since it was written last.

        Raises OutOfTime when somebody else has written it: whoever asks again goes on from there.
        """
        counted = {name: number for name, number in self.deleted.items() if number}
        added = ", ".join(["changes :one", *(f"#{name} :{name}" for name in counted)])
        names = {f"#{name}": name for name in ("step", "position") if f"#{name}" in update}
        change = {
            "TableName": self.erasures.table,
            "Key": self.key,
            "UpdateExpression": f"{update} ADD {added}",
            "ConditionExpression": "changes = :seen AND begun_at = :begun_at",
            "ExpressionAttributeNames": names | {f"#{name}": name for name in counted},
            "ExpressionAttributeValues": values
            | {f":{name}": {"N": str(number)} for name, number in counted.items()}
            | {":one": {"N": "1"}, ":seen": self.row["changes"], ":begun_at": self.row["begun_at"]},
            "ReturnValues": "ALL_NEW",
        }
        try:
            self.row = self.portion.call("UpdateItem", change)["Attributes"]
        except ConditionFailed as exc:
            if exc.maybe_applied:  # it may be counted already, by an attempt whose answer was lost
                self.deleted = dict.fromkeys(COUNTED, 0)
            raise OutOfTime from exc
        self.deleted = dict.fromkeys(COUNTED, 0)

    def _count(self) -> None:
        """Add what was deleted since the record was written last, whoever has written it meanwhile.

        After the portion's time, too: what is gone is found by no other portion.
        """
        counted = {name: number for name, number in self.deleted.items() if number}
        if not counted:
            return
        change = {
            "TableName": self.erasures.table,
            "Key": self.key,
            "UpdateExpression": "ADD changes :one, " + ", ".join(f"#{name} :{name}" for name in counted),
            "ConditionExpression": "begun_at = :begun_at",
            "ExpressionAttributeNames": {f"#{name}": name for name in counted},
            "ExpressionAttributeValues": {f":{name}": {"N": str(number)} for name, number in counted.items()}
            | {":one": {"N": "1"}, ":begun_at": self.row["begun_at"]},
            "ReturnValues": "ALL_NEW",
        }
        with suppress(ConditionFailed, Busy):  # somebody else has ended it; or it is as with one that was killed
            # Once only: this may not be counted twice.
            self.row = self.portion.dynamodb.call("UpdateItem", change, attempts=1)["Attributes"]

    def _note_found(self, date: str) -> None:
        """Write that something by the user's id was found, before it is deleted: so nobody ends without knowing."""
        step = min(self.step, WAIT)
        self._write(
            f"SET found_at = :now, #step = :step{' REMOVE #position' if step == WAIT else ''}",
            {":now": {"S": _instant(date)}, ":step": {"N": str(step)}},
        )

    def _revoke(self) -> None:
        """Delete the user's live agent keys."""
        keys = self.erasures.user_data_sources["agent_keys"]
        get = {"TableName": keys.table, "Key": {"id": {"S": user_row_id(self.user_id)}}, "ConsistentRead": True}
        answer = self.portion.call("GetItem", get)
        if "Item" in answer:
            self._note_found(answer.date)
            for _ in self.erasures.revoke(self.portion, self.user_id):
                self.deleted["agent_keys"] += 1
            self._write("SET #step = :step", {":step": self.row["step"]})

    def _delete_by_id(self) -> None:
        """Delete outcomes, corrections and kept sums."""
        for kind in ("kept_sums", "outcomes"):  # outcomes last: with them, idempotency keys come
            source = self.erasures.user_data_sources[kind]
            for rows, _ in self.portion.pages(source, self.user_id, ProjectionExpression=", ".join(source.key)):
                if rows:
                    self._note_found(self.portion.date)
                    for keys in self.portion.delete(source.table, [source.key_of(row) for row in rows]):
                        count_rows(self.deleted, kind, keys)
        if any(self.deleted.values()):
            self._write("SET #step = :step", {":step": self.row["step"]})

    def _read_through(self, kind: str) -> None:
        """Delete what is the user's in a table that is read from one end to the other, and go to the next step."""
        source = self.erasures.user_data_sources[kind]
        start = json.loads(self.row["position"]["S"]) if "position" in self.row else None
        next_step = {"N": str(self.step + 1)}
        for rows, after in self.portion.pages(source, self.user_id, start, ProjectionExpression=", ".join(source.key)):
            for keys in self.portion.delete(source.table, [source.key_of(row) for row in rows]):
                count_rows(self.deleted, kind, keys)
            if after:
                self._write("SET #position = :at", {":at": {"S": json.dumps(after)}})
            else:
                self._write("SET #step = :step REMOVE #position", {":step": next_step})

    def _left_to_wait(self) -> int:
        """Count the seconds until whatever was on its way, when something was last found, has landed."""
        settled = instants.read(self.row["found_at"]["S"]) + self.erasures.settle_seconds * 1000
        return max(0, -(-(settled - instants.read(_instant(self.portion.date))) // 1000))

    def _end(self) -> None:
        """Put the record of what is done in the place of the running one.

        Raises OutOfTime when somebody has written that since.
        """
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


def count_rows(deleted: dict[str, int], kind: str, keys: list[Item]) -> None:
    """Count rows that are gone, by their keys."""
    corrections = sum(map(is_correction, keys)) if kind == "outcomes" else 0
    deleted["corrections"] += corrections
    deleted[kind] += len(keys) - corrections


def _instant(date: str) -> str:
    """Write the date of an answer, DynamoDB's clock, as an instant; ours, where it did not tell the time."""
    try:
        return instants.text(int(parsedate_to_datetime(date).timestamp()) * 1000)
    except ValueError:
        return instants.text(instants.now())
