"""Create and read ULIDs: ids of 26 characters for 128 bits, of which 48 are milliseconds since 1970.

https://github.com/ulid/spec
"""

import os

from outcomes.calendar import instants

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_last: int | None = None
"""The random part of this process's last id."""


def new(milliseconds: int) -> str:
    """Create an id for this instant. Ids that a process creates within one millisecond increase.

    The 80 random bits start in the lower half of their range, so they do not overflow. They increase by random steps,
    so that forks of a process do not create equal ids.
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
    """Return an id's instant, in milliseconds since 1970."""
    return number(ulid[:10])


def shard(ulid: str, shards: int) -> int:
    """Choose one of at most 32 shards by an id's last character, which is random."""
    return _CROCKFORD.index(ulid[-1]) % shards


def is_valid(text: str) -> bool:
    """Check that `text` is an id whose instant `instants.text` can format."""
    return (
        len(text) == 26
        and text.isascii()
        and all(digit in _CROCKFORD for digit in text)
        and milliseconds(text) <= instants.LAST_MILLISECOND
    )


def time_of(text: str) -> int | None:
    """Return an id's instant, or None if `text` is no valid id."""
    return milliseconds(text) if is_valid(text) else None
