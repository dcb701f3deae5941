"""ULIDs (https://github.com/ulid/spec): ids of 128 bits, 48 of them milliseconds since 1970, as 26 characters."""

import os

from outcomes.contract import instants

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


_last: int | None = None
"""The random part of the id that this process made last."""


def new(milliseconds: int) -> str:
    """Make an id of this instant: of one millisecond, those of one process rise.

    Its random part begins anywhere in the lower half of 80 bits, and rises by random steps: so neither does it end, nor
    do two processes that were forked from one make the same id.
    """
    global _last
    if _last is None:
        _last = int.from_bytes(os.urandom(10)) >> 1
    else:
        _last += 1 + int.from_bytes(os.urandom(4))
    return from_number(milliseconds << 80 | _last)


def from_number(number: int) -> str:
    """Write 128 bits as an id."""
    return "".join([_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)])


def number(ulid: str) -> int:
    """Read an id as its 128 bits. Raises ValueError for a character that no id has."""
    bits = 0
    for digit in ulid:
        bits = bits << 5 | _CROCKFORD.index(digit)
    return bits


def milliseconds(ulid: str) -> int:
    """Read the instant that an id was made of, in milliseconds since 1970."""
    return number(ulid[:10])


def shard(ulid: str, shards: int) -> int:
    """Choose one of at most 32 shards by the last, random, character."""
    return _CROCKFORD.index(ulid[-1]) % shards


def is_valid(text: str) -> bool:
    """Tell whether `text` is an id, of a time that `instants.text` can write."""
    return (
        len(text) == 26
        and text.isascii()
        and all(digit in _CROCKFORD for digit in text)
        and milliseconds(text) <= instants.LAST_MILLISECOND
    )
