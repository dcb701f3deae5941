"""Sign webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence

PREFIX = "whsec_"
"""Prefix of a secret where it is shown. Secrets Manager, which makes ours, cannot write it."""

KEY_BYTES = range(24, 65)
"""Lengths that a key may have."""

_ID = re.compile(r"[\w:/#-]{1,256}", re.ASCII)
"""An id without a full stop, which separates what is signed, and fit for a header."""


def signing_key(secret: str) -> bytes:
    """Read the key in a secret: Base64, with or without its prefix.

    Raises ValueError, which does not quote it, when that is not Base64 of 24 to 64 bytes.
    """
    try:
        key = b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if len(key) not in KEY_BYTES:
        raise ValueError(f"not Base64 of {KEY_BYTES[0]} to {KEY_BYTES[-1]} bytes")
    return key


def is_id(value: object) -> bool:
    """Check that a webhook can have this id."""
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def signed(webhook_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Make the three headers of an attempt, with one signature by each key.

    timestamp: of this attempt, in seconds since 1970.
    """
    content = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = (b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
