"""ULIDs (https://github.com/ulid/spec): ids of 128 bits, 48 of them milliseconds since 1970, as 26 characters."""

import os

from outcomes.contract import instants

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_last: int | None = None
"""The random part of this process's last id."""


def new(milliseconds: int) -> str:
    """Create an id of this instant. A process's ids of the same millisecond increase.

    The 80 random bits begin in the lower half, so they do not overflow. They increase by random steps, so processes
    forked from one do not create equal ids.
    """
    global _last
    if _last is None:
        _last = int.from_bytes(os.urandom(10)) >> 1
    else:
        _last += 1 + int.from_bytes(os.urandom(4))
    return from_number(milliseconds << 80 | _last)


def from_number(number: int) -> str:
    """Encode 128 bits as an id."""
    return "".join([_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)])


def number(ulid: str) -> int:
    """Decode an id to its 128 bits. Raises ValueError for an invalid character."""
    bits = 0
    for digit in ulid:
        bits = bits << 5 | _CROCKFORD.index(digit)
    return bits


def milliseconds(ulid: str) -> int:
    """Return the instant in an id, in milliseconds since 1970."""
    return number(ulid[:10])


def shard(ulid: str, shards: int) -> int:
    """Choose one of at most 32 shards by the last character, which is random."""
    return _CROCKFORD.index(ulid[-1]) % shards


def is_valid(text: str) -> bool:
    """Check that `text` is an id, of an instant that `instants.text` can format."""
    return (
        len(text) == 26
        and text.isascii()
        and all(digit in _CROCKFORD for digit in text)
        and milliseconds(text) <= instants.LAST_MILLISECOND
    )
