"""Compute sizes of items, and the units for reading and writing them, like DynamoDB.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
TRANSACTION = 2
"""In a transaction, a write counts twice."""

KEPT_OVERHEAD_BYTES = 100
"""Bytes that DynamoDB adds to each item, but only for the price of storage."""


def item_bytes(item: Mapping[str, Any]) -> int:
    """Return the size in bytes of an item in DynamoDB JSON, including names and values."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def write_units(*items: Mapping[str, Any]) -> int:
    """Return the units for writing each item alone."""
    return sum(max(1, ceil(item_bytes(item) / WRITE_UNIT_BYTES)) for item in items)


def read_units(*items: Mapping[str, Any]) -> int:
    """Return the units for reading the items in one consistent query, which rounds up the sum of their sizes."""
    return max(1, ceil(sum(map(item_bytes, items)) / READ_UNIT_BYTES))


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
            return len(bytes(content))
        case "SS":
            return sum(len(each.encode()) for each in content)
        case "NULL" | "BOOL":
            return 1
        case "M":
            return 3 + sum(len(name.encode()) + _value_bytes(member) + 1 for name, member in content.items())
        case "L":
            return 3 + sum(_value_bytes(member) + 1 for member in content)
    raise ValueError(f"no item of ours has values of type {kind}")
