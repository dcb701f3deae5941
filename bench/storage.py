"""Compute sizes of items, and the units for reading and writing them, like DynamoDB, for the fakes of the bench.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

import time
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from math import ceil
from typing import Any

from outcomes.errors import StillAddingUp

type Item = Mapping[str, Any]

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
PAGE_BYTES = 1024 * 1024
QUERY_SECONDS = 0.02  # without pauses, queries this fast exceed the units of a partition
RETRY_SECONDS = 1.0  # until the next call after `Still adding up`: its Retry-After
TRANSACTION = 2
"""In a transaction, a write counts twice."""

KEPT_OVERHEAD_BYTES = 100
"""Bytes that DynamoDB adds to each item, but only for the price of storage."""


def item_bytes(item: Item) -> int:
    """Return the size in bytes of an item in DynamoDB JSON, including names and values."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def write_units(*items: Item) -> int:
    """Return the units for writing each item alone."""
    return sum(max(1, ceil(item_bytes(item) / WRITE_UNIT_BYTES)) for item in items)


def read_units(*items: Item) -> int:
    """Return the units for reading the items in one consistent query, which rounds up the sum of their sizes."""
    return units_of(sum(map(item_bytes, items)))


def units_of(size: int) -> int:
    """Return the units for reading so many bytes in one consistent query."""
    return max(1, ceil(size / READ_UNIT_BYTES))


def page[Row: Item](rows: Iterable[Row]) -> tuple[list[Row], int]:
    """Return the rows that fit on one page, and their size."""
    found, size = list[Row](), 0
    for row in rows:
        if size + item_bytes(row) > PAGE_BYTES:
            break
        found.append(row)
        size += item_bytes(row)
    return found, size


def until_added_up[Result](call: Callable[[], Result], pause: float = 0) -> tuple[int, Result]:
    """Call, and pause, until the answer is not `Still adding up`. Return how many calls it took, and the result."""
    calls = 1
    while True:
        with suppress(StillAddingUp):
            return calls, call()
        calls += 1
        time.sleep(pause)


def _value_bytes(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            # AWS says "approximately (1 byte per two significant digits) + (1 byte)". A sign takes one more byte.
            digits = content.lstrip("-").partition("E")[0].replace(".", "").strip("0")
            return (len(digits) + 1) // 2 + 1 + int(content.startswith("-"))
        case "B":
            return len(content if isinstance(content, bytes) else a2b_base64(content))  # Base64 in requests and answers
        case "SS":
            return sum(len(each.encode()) for each in content)
        case "NULL" | "BOOL":
            return 1
        case "M":
            return 3 + sum(len(name.encode()) + _value_bytes(member) + 1 for name, member in content.items())
        case "L":
            return 3 + sum(_value_bytes(member) + 1 for member in content)
    raise ValueError(f"no item of ours has values of type {kind}")
