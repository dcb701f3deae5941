"""Verify the platform's key.

The deployment stores only SHA-256 fingerprints of keys, so verifying one needs no secret and no network. The authorizer
imports this module for every call with a key, so it imports nothing that loads slowly.
"""

from hashlib import sha256
from hmac import compare_digest

# Keys printed by `make key` are far shorter. Longer text is refused without hashing it.
MAX_KEY_LENGTH = 512


def fingerprint(key: str) -> str:
    """Compute the SHA-256 of a key, as 64 lower-case hex digits."""
    return sha256(key.encode()).hexdigest()


def parse_fingerprints(text: str) -> tuple[bytes, ...]:
    """Parse comma-separated fingerprints, current and previous. Spaces and empty entries are ignored.

    Raises ValueError for an invalid fingerprint. The message contains its position but not its text, which could be a
    key that someone entered by mistake.
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


def bearer(authorization: list[str]) -> str | None:
    """Return the bearer token in a request's Authorization header.

    Return None unless there is exactly one (RFC 6750, 2.1).
    """
    if len(authorization) != 1:
        return None
    scheme, _, credential = authorization[0].strip(" ").partition(" ")
    credential = credential.lstrip(" ")
    return credential if scheme.lower() == "bearer" and credential.isascii() and credential else None


def is_valid(key: str, fingerprints: tuple[bytes, ...]) -> bool:
    """Check that the key matches one of the fingerprints. Without fingerprints, no key is valid."""
    if len(key) > MAX_KEY_LENGTH:
        return False
    digest = sha256(key.encode()).digest()
    valid = False
    # always compare with every fingerprint, so that the timing does not reveal which one matched
    for known in fingerprints:
        valid |= compare_digest(digest, known)
    return valid
