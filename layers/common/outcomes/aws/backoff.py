"""Backoff with full jitter between calls that are made again within one request, and batches read so."""

import time

from outcomes.aws.caller import jitter
from outcomes.aws.services import DynamoDB, Item
from outcomes.errors import Busy

RETRY_SECONDS = 6.0
"""No call begins later than this after the first; with the 12 s of a call, that is below the functions' timeout."""

CONFLICTS = {"ConditionalCheckFailed", "TransactionConflict"}
THROTTLED = {"ProvisionedThroughputExceeded", "ThrottlingError"}
"""Codes of canceled transactions: somebody else was there first, or at the same moment; or a partition was too hot.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CancellationReason.html"""


KEYS_PER_CALL = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""


class Backoff:
    """Exponential backoff with full jitter: the waits between attempts, and when there is no time for another."""

    def __init__(self) -> None:
        self.at = time.monotonic() + RETRY_SECONDS
        self.pause = 0.025

    def check(self) -> None:
        """Raise TimeoutError when no further call may begin."""
        if time.monotonic() > self.at:
            raise TimeoutError("no time left for another call")

    def wait(self) -> bool:
        """Wait, and return whether to try again."""
        time.sleep(jitter(self.pause))
        self.pause = min(self.pause * 2, 1)
        return time.monotonic() < self.at


def read_items(dynamodb: DynamoDB, table: str, keys: list[Item], backoff: Backoff) -> list[Item]:
    """Read items by their keys, 100 a call, consistently, in any order; those that are not there are left out.

    Raises Busy when DynamoDB reads none of them, TimeoutError when it keeps leaving some for another call.
    """
    found: list[Item] = []
    while keys:
        backoff.check()
        now, later = keys[:KEYS_PER_CALL], keys[KEYS_PER_CALL:]
        request = {"RequestItems": {table: {"Keys": now, "ConsistentRead": True}}}
        answer = dynamodb.call("BatchGetItem", request)
        found += answer["Responses"].get(table, [])
        left = answer["UnprocessedKeys"].get(table, {}).get("Keys", [])
        if len(left) == len(now):
            raise Busy
        keys = left + later
        if left:
            backoff.wait()
    return found
