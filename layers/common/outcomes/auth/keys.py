"""Tell a valid key from any other.

The deployment knows keys only by their SHA-256 fingerprints, so a call with a key needs no secret and no network. This
module is on that call's way through the authorizer: it imports nothing that is slow to load.
"""

from hashlib import sha256
from hmac import compare_digest

# Far above any key that `make key` prints; what is longer is not worth hashing.
MAX_KEY_LENGTH = 512


def fingerprint(key: str) -> str:
    """Compute the SHA-256 of a key, as 64 lower-case hex digits."""
    return sha256(key.encode()).hexdigest()


def parse_fingerprints(text: str) -> tuple[bytes, ...]:
    """Read comma-separated fingerprints, current and previous. Blanks around them and empty entries do not count.

    Raises ValueError for anything that is not a fingerprint. It names the place and not the text, which could be a key
    that was put there by mistake.
    """
    digests = []
    for place, entry in enumerate(text.split(","), start=1):
        if not entry.strip():
            continue
        try:
            digest = bytes.fromhex(entry.strip())
        except ValueError:
            digest = b""
        if len(digest) != sha256().digest_size:
            raise ValueError(f"Entry {place} of the key fingerprints is not a SHA-256 in hex")
        digests.append(digest)
    return tuple(digests)


def bearer_key(authorization: list[str]) -> str | None:
    """Read the key in a request's Authorization headers; None when they do not carry exactly one (RFC 6750, 2.1)."""
    if len(authorization) != 1:
        return None
    scheme, _, key = authorization[0].strip(" ").partition(" ")
    key = key.lstrip(" ")
    if scheme.lower() != "bearer" or not key.isascii() or not 0 < len(key) <= MAX_KEY_LENGTH:
        return None
    return key


def is_valid(key: str, fingerprints: tuple[bytes, ...]) -> bool:
    """Check that the key has one of the fingerprints; without fingerprints no key is valid."""
    digest = sha256(key.encode()).digest()
    valid = False
    for known in fingerprints:  # all of them, so that the time taken does not tell which one was right
        valid |= compare_digest(digest, known)
    return valid
