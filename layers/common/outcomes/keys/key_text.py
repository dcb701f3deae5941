"""Create and read the text of an agent key: `oc_<id>_<secret>`, with 16 and 38 characters 0-9, A-Z, a-z.

The last six characters are the CRC-32 of the rest, in base62. A mistyped or made-up key is refused without a look-up,
and scanners for leaked keys have few false positives. A scanner can search for this regular expression:

    \\boc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}\\b

This is version 1 of the format. A key of a later version begins with the version's number, such as `oc2_`. Attributes
of the keys table that contain a key's digest are named after the hash algorithm, such as `secret_sha256`.

The authorizer imports this module for every call with such a key, so it imports nothing that loads slowly.
"""

import os
from binascii import crc32
from hashlib import sha256

PREFIX = "oc_"
ID_LENGTH = 16
SECRET_LENGTH = 38
LENGTH = len(PREFIX) + ID_LENGTH + len("_") + SECRET_LENGTH

_CHECKSUM_LENGTH = 6
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_id() -> str:
    """Create an id of 95 random bits."""
    return _random(ID_LENGTH)


def new_key(id_: str) -> str:
    """Create a key with this id and a secret of 190 random bits."""
    text = f"{PREFIX}{id_}_{_random(SECRET_LENGTH - _CHECKSUM_LENGTH)}"
    return text + _checksum(text)


def read_id(key: str) -> str | None:
    """Return the id in a key, or None if the key is malformed. The secret is not verified."""
    if len(key) != LENGTH or not key.startswith(PREFIX) or not key.isascii():
        return None
    id_, separator, secret = key[len(PREFIX) :].partition("_")
    if not separator or not is_id(id_) or not secret.isalnum():
        return None
    return id_ if key[-_CHECKSUM_LENGTH:] == _checksum(key[:-_CHECKSUM_LENGTH]) else None


def is_id(text: str) -> bool:
    return len(text) == ID_LENGTH and text.isascii() and text.isalnum()


def digest(key: str) -> str:
    """Compute the stored SHA-256 of a key, as 64 lower-case hex digits."""
    return sha256(key.encode()).hexdigest()


def _random(length: int) -> str:
    # 40 bytes have 129 bits more than 32 digits need, so the modulo's bias is negligible.
    return _base62(int.from_bytes(os.urandom(40)), length)


def _checksum(text: str) -> str:
    return _base62(crc32(text.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    """Return the last `length` digits of a number in base 62."""
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
