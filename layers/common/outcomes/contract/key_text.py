"""The text of an agent key: `oc_<id>_<secret>`, of 16 and of 38 characters 0-9, A-Z, a-z.

The last six are the CRC-32 of all before, in base62: who mistypes or makes up a key is told so without any look-up, and
whoever looks for keys that have leaked finds hardly anything else. For scanners, as a regular expression:

    \\boc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}\\b

A call with such a key comes by here on its way through the authorizer: this module imports nothing that is slow to
load.
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
    """Make an id that no other key has, of 95 random bits."""
    return _random(ID_LENGTH)


def new_key(id_: str) -> str:
    """Make a key of this id, with a secret of 190 random bits."""
    text = f"{PREFIX}{id_}_{_random(SECRET_LENGTH - _CHECKSUM_LENGTH)}"
    return text + _checksum(text)


def read_id(key: str) -> str | None:
    """Read the id of a key, None when the text is none. Its secret may still be anybody's guess."""
    if len(key) != LENGTH or not key.startswith(PREFIX) or not key.isascii():
        return None
    id_, separator, secret = key[len(PREFIX) :].partition("_")
    if not separator or not is_id(id_) or not secret.isalnum():
        return None
    return id_ if key[-_CHECKSUM_LENGTH:] == _checksum(key[:-_CHECKSUM_LENGTH]) else None


def is_id(text: str) -> bool:
    """Check that `text` can be the id of a key."""
    return len(text) == ID_LENGTH and text.isascii() and text.isalnum()


def digest(key: str) -> str:
    """Compute what is stored of a key: its SHA-256, as 64 lower-case hex digits."""
    return sha256(key.encode()).hexdigest()


def _random(length: int) -> str:
    # 40 bytes are 129 bits more than 32 digits take: so evenly spread that no digit can be told to be likelier.
    return _base62(int.from_bytes(os.urandom(40)), length)


def _checksum(text: str) -> str:
    return _base62(crc32(text.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    """Write the last `length` digits of a number, padded with zeros."""
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
