"""Keep summaries from using stored sums of a partition while an import writes outcomes with their old times into it.

A partition contains the outcomes of a user, or a part of the outcomes without a user. The import blocks the stored sums
of a partition: summaries ignore sums that were stored before the block, and store no sums during the block (see
`outcomes.ledger.imports`). The import ends the block when every outcome is stored. If the import is killed, its block
expires after BLOCK_SECONDS.
"""

from collections.abc import Callable, Iterable
from itertools import batched
from secrets import token_hex
from typing import Any

from outcomes.aws.backoff import Backoff, read_items
from outcomes.aws.services import Answer, CallFailed, ConditionFailed, DynamoDB
from outcomes.calendar import instants
from outcomes.errors import Contended
from outcomes.ledger.imports import Imports, imports_key, service_time
from outcomes.privacy.erasure import hashed

from ops.patience import LIMITS

BLOCK_SECONDS = 3600
CHECK_SECONDS = 30
"""Seconds for which a check allows writes. A write is signed at most `services.MAX_AGE` (60 s) after the check, and
DynamoDB refuses signatures older than 300 s. Even if our clock is 300 s ahead, a write takes effect at most 660 s after
the check. By then, neither has the block expired, nor has an erasure ended that began after the check (900 s)."""


class Erased(Exception):
    """The user was erased, or is being erased."""


class Pasts:
    """Blocks the stored sums of partitions during one import.

    It also finds the erased users, and the ends of statements. An import writes no outcomes of erased users, and none
    from before the end of a user's latest statement.

    totals, erasures: the names of the tables. secret: the secret for the HMAC in erasure records; empty if the stack
    cannot erase users. run: the id of this import.
    """

    def __init__(self, totals: str, erasures: str, secret: bytes) -> None:
        self.totals = totals
        self.erasures = erasures
        self.secret = secret
        self.run = token_hex(8)
        self.dynamodb = DynamoDB(LIMITS)

    def open(self, partition: str, *, keeps_sums: bool = False) -> "Past":
        """Begin the block of a partition, and delete the partition's stored sums. Raises Erased.

        keeps_sums: do not delete or outdate the stored sums, because what is written is recorded now. The block then
        only keeps statements from ending after an outcome that is being undone.
        """
        past = Past(self, partition, keeps_sums=keeps_sums)
        past.check()
        if not keeps_sums:
            past.delete_sums()
        return past

    def digest(self, partition: str) -> str:
        """Return the digest that identifies a user in erasure records."""
        return hashed(self.secret, partition)

    def erased(self) -> set[str]:
        """Return the digests of all users who were erased, or are being erased."""
        scan: dict[str, Any] = {"TableName": self.erasures, "ConsistentRead": True}
        digests: set[str] = set()
        while True:
            page = self.dynamodb.call("Scan", scan)
            digests |= {row["user"]["S"] for row in page["Items"]}
            if "LastEvaluatedKey" not in page:
                return digests
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def cuts(self, partitions: Iterable[str]) -> dict[str, str]:
        """Return the end of the latest statement (`Imports.cut`) by partition, for partitions with an `Imports` row."""
        items = read_items(self.dynamodb, self.totals, [imports_key(partition) for partition in partitions], Backoff())
        return {item["user_id"]["S"]: Imports.of(item).cut for item in items}


class Past:
    """A partition whose stored sums are blocked.

    Methods also raise the errors of DynamoDB calls. After such an error, the method may be called again.

    cut: no outcome before this instant may be written. checked_at: the time of the last check, in milliseconds since
    1970.
    """

    def __init__(self, pasts: Pasts, partition: str, *, keeps_sums: bool) -> None:
        self.pasts = pasts
        self.partition = partition
        self.keeps_sums = keeps_sums
        self.cut = ""
        self.checked_at = 0
        self._until = 0

    def check(self) -> None:
        """Raise Erased if the user was erased or is being erased. Renew the block when half of its time is over.

        Call this before each write. The result is cached for CHECK_SECONDS.
        """
        now = instants.now()
        if abs(now - self.checked_at) < CHECK_SECONDS * 1000:
            return
        if self._until - self._require_not_erased() < BLOCK_SECONDS * 500:
            row = self._change(self._blocked)
            self.cut, self._until = row.cut, row.runs[self.pasts.run]
        self.checked_at = now

    def close(self) -> None:
        """Allow summaries to store sums again. Call this only when all outcomes are certainly stored. Raises Erased."""
        self._change(self._closed)

    def delete_sums(self) -> None:
        """Delete the stored sums. Summaries ignore these sums, but would still use read units to read them."""
        query = {
            "TableName": self.pasts.totals,
            "ConsistentRead": True,
            "KeyConditionExpression": "user_id = :user",
            "FilterExpression": "attribute_exists(#rules)",
            "ExpressionAttributeNames": {"#rules": "rules"},
            "ExpressionAttributeValues": {":user": {"S": self.partition}},
            "ProjectionExpression": "user_id, stretch",
        }
        while True:
            page = self.pasts.dynamodb.call("Query", query)
            deletions = [{"DeleteRequest": {"Key": key}} for key in page["Items"]]
            for some in batched(deletions, 25, strict=False):  # BatchWriteItem's limit
                # DynamoDB may leave sums undeleted. This does no harm, because summaries ignore them.
                self.pasts.dynamodb.call("BatchWriteItem", {"RequestItems": {self.pasts.totals: some}})
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _require_not_erased(self) -> int:
        """Return DynamoDB's time. Raises Erased if the user was erased or is being erased."""
        query = {
            "TableName": self.pasts.erasures,
            "ConsistentRead": True,
            "KeyConditionExpression": "#user = :user",
            "ExpressionAttributeNames": {"#user": "user"},
            "ExpressionAttributeValues": {":user": {"S": self.pasts.digest(self.partition)}},
            "Limit": 1,
        }
        answer = self.pasts.dynamodb.call("Query", query)
        if answer["Items"]:
            raise Erased
        return _time_of(answer)

    def _blocked(self, before: Imports, now: int) -> Imports:
        until = now + BLOCK_SECONDS * 1000
        epoch = before.epoch + (not self.keeps_sums)
        return before._replace(epoch=epoch, runs={**before.blocking(now), self.pasts.run: until})

    def _closed(self, before: Imports, now: int) -> Imports:
        if not before.changes:  # the row is missing, because an erasure deleted it
            raise Erased
        others = {run: until for run, until in before.blocking(now).items() if run != self.pasts.run}
        return before._replace(runs=others)

    def _change(self, change: Callable[[Imports, int], Imports]) -> Imports:
        """Compute a new row from the current row and DynamoDB's time. Store it and return it.

        If another write comes first, read the row and compute the new row again.
        """
        key = imports_key(self.partition)
        get = {"TableName": self.pasts.totals, "Key": key, "ConsistentRead": True}
        backoff = Backoff()
        while True:
            answer = self.pasts.dynamodb.call("GetItem", get)
            before = answer.get("Item", {})
            after = change(Imports.of(before), _time_of(answer))
            put: dict[str, Any] = {
                "TableName": self.pasts.totals,
                "Item": key | after.item(),
                "ConditionExpression": "changes = :seen" if before else "attribute_not_exists(stretch)",
            }
            if before:
                put["ExpressionAttributeValues"] = {":seen": before["changes"]}
            try:
                self.pasts.dynamodb.call("PutItem", put)
                return after
            except ConditionFailed:  # another import, a statement or an earlier attempt of this call changed the row
                if not backoff.wait():
                    raise Contended from None


def _time_of(answer: Answer) -> int:
    now = service_time(answer.date)
    if now is None:
        raise CallFailed("an answer of DynamoDB has no Date")
    return now
