"""Retry calls with exponential backoff, full jitter and a common deadline. Read batches of items in this way."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from outcomes.aws.services import DynamoDB, Item, TransactionCanceled, jitter
from outcomes.errors import Busy, Contended

RETRY_SECONDS = 6.0
"""No retry begins more than this many seconds after the first call. Together with the 12 s of a call, this is below the
functions' timeout."""

CONFLICTS = {"ConditionalCheckFailed", "TransactionConflict"}
THROTTLED = {"ProvisionedThroughputExceeded", "ThrottlingError"}
"""Codes of cancelled transactions: another write came first or at the same time, or a partition is throttled.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CancellationReason.html"""

UNITS_PER_SECOND = 500
"""Write units: half of what DynamoDB allows for a partition, so that others can write to it meanwhile.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""

KEYS_PER_CALL = 100  # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html


class Backoff:
    """The pauses between attempts, and a deadline after which no attempt may begin."""

    def __init__(self) -> None:
        self.at = time.monotonic() + RETRY_SECONDS
        self.pause = 0.025

    def check(self) -> None:
        """Raise TimeoutError if no further call may begin."""
        if time.monotonic() > self.at:
            raise TimeoutError("no time left for another call")

    def wait(self) -> bool:
        """Pause. Return whether there is time for another attempt."""
        time.sleep(jitter(self.pause))
        self.pause = min(self.pause * 2, 1)
        return time.monotonic() < self.at


def written[T](attempt: Callable[[Backoff], T | None]) -> T:
    """Attempt a write until it is stored, and return its result. An attempt returns None if another write came first.

    Raises Contended if other requests kept writing, and the errors of the attempt.
    """
    backoff, is_contended = Backoff(), False
    try:
        while (result := attempt(backoff)) is None:
            is_contended = True
            if not backoff.wait():
                raise Contended
        return result
    except TimeoutError as exc:
        if is_contended:
            raise Contended from exc
        raise


class PacedWrites:
    """Limits how many write units a request uses per second, after a burst of one second. units: those used so far."""

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self.began = time.monotonic()
        self.units = 0

    def wait(self) -> None:
        """Wait until the next write may begin. Raises TimeoutError if the backoff's deadline comes first."""
        now = time.monotonic()
        at = max(now, self.began + self.units / UNITS_PER_SECOND - 1)
        if at > self.backoff.at:
            raise TimeoutError("no time left for another write")
        if at > now:
            time.sleep(at - now)


def is_written(dynamodb: DynamoDB, actions: list[dict[str, Any]], made_at: int, backoff: Backoff) -> bool:
    """Write a transaction. Return False if another write came first.

    made_at: the timestamp that it writes, in milliseconds since 1970. Raises Busy, TimeoutError and the call's errors.
    """
    backoff.check()
    try:
        dynamodb.call("TransactWriteItems", {"TransactItems": actions}, recorded_at=made_at)
    except TransactionCanceled as failure:
        codes = set(failure.codes) - {"None"}
        if failure.maybe_applied or not codes <= CONFLICTS | THROTTLED:
            raise
        if codes & THROTTLED:
            raise Busy from failure
        return False
    return True


def read_items(
    dynamodb: DynamoDB, table: str, keys: list[Item], backoff: Backoff, *, consistent: bool = True
) -> list[Item]:
    """Read items by their keys. The items are returned in any order.

    Missing items are left out. consistent: see `read_pages`, whose errors this function raises.
    """
    return [item for items, _ in read_pages(dynamodb, table, keys, backoff, consistent=consistent) for item in items]


def read_pages(
    dynamodb: DynamoDB, table: str, keys: list[Item], backoff: Backoff, *, consistent: bool = True
) -> Iterator[tuple[list[Item], list[Item]]]:
    """Read items by their keys, 100 per call. Yield the items of each call and the keys that are still to be read.

    consistent: if false, a read costs half, and may miss the writes of the last second.
    Raises Busy if DynamoDB processes no key of a call, and TimeoutError if keys remain when the time is up.
    """
    while keys:
        backoff.check()
        now, later = keys[:KEYS_PER_CALL], keys[KEYS_PER_CALL:]
        request = {"RequestItems": {table: {"Keys": now, "ConsistentRead": consistent}}}
        answer = dynamodb.call("BatchGetItem", request)
        left = answer["UnprocessedKeys"].get(table, {}).get("Keys", [])
        if len(left) == len(now):
            raise Busy([f"UnprocessedKeys of {table}"])  # DynamoDB does not say why
        keys = left + later
        yield answer["Responses"].get(table, []), keys
        if left:
            backoff.wait()
