"""Read the session secret (during a rotation, two versions) from Secrets Manager, and derive keys from it."""

import hmac
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from outcomes.auth.tokens import LIMITS, SessionsUnavailable, is_within, now
from outcomes.aws.services import NEVER, CallFailed, SecretsManager
from outcomes.errors import Busy

SECRET_CACHE_SECONDS = 240
SECRET_REFETCH_SECONDS = 30

PSEUDONYMS = "Outcomes API: users in logs"
"""Label of the key for pseudonyms. It differs from the labels of session cookies."""


def derived_key(secret: str, length: int, label: str, salt: str = "") -> bytes:
    """Derive a key of `length` bytes from the session secret with HKDF-SHA256 (RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256  # imported on first use, because it loads slowly
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt.encode(), label.encode()).derive(secret.encode())


class Version(NamedTuple):
    """A version of the session secret. created_at, read_at: instants in seconds since the epoch."""

    text: str
    created_at: float
    read_at: float


class SessionSecrets:
    """The valid versions of a secret, cached for four minutes.

    The current version is valid. For `overlap_days` after its creation, the previous version is valid, too.
    """

    def __init__(self, arn: str, overlap_days: float, clock: Callable[[], float] = now) -> None:
        self._arn = arn
        self._overlap_seconds = overlap_days * 24 * 60 * 60
        self._clock = clock
        self._current: Version | None = None
        self._previous: Version | None = None
        self._looked_at = NEVER
        self._look_failed = False

    def try_each(self, decrypted: Callable[[str], bytes | None], until: float = NEVER) -> bytes | None:
        """Call `decrypted` with each version of the secret. Return the first result that is not None, or else None.

        If no cached version can decrypt a token, the token may have been encrypted with the previous version or with a
        new version. So both versions are read again, but at most every 30 seconds. Many invalid tokens thus cause few
        reads.

        Raises SessionsUnavailable if the versions cannot be read before `until`. If reading them again failed, every
        token that no cached version can decrypt raises this error for the next 30 seconds.
        """
        known = self._current
        if known is None or not is_within(SECRET_CACHE_SECONDS, known.read_at, self._clock()):
            self._current, self._previous, self._looked_at = self._read("AWSCURRENT", until), None, NEVER
        plaintext = self._first(decrypted)
        if plaintext is not None:
            return plaintext
        if not is_within(SECRET_REFETCH_SECONDS, self._looked_at, self._clock()):
            self._looked_at = self._clock()
            self._look_failed = True
            current = self._read("AWSCURRENT", until) if known is self._current else self._current
            previous = self._read("AWSPREVIOUS", until) if self._overlaps(current) else None
            self._current, self._previous = current, previous
            self._look_failed = False
            return self._first(decrypted)
        if self._look_failed:
            raise SessionsUnavailable("Session secret: could not be read again a moment ago")
        return None

    def pseudonym(self, user_id: int, until: float = NEVER) -> str:
        """Return the HMAC-SHA256 of a user's id, for logs. A plain hash could be reversed by trying all ids.

        Raises SessionsUnavailable if the secret cannot be read before `until`.
        """

        def pseudonym(secret: str) -> bytes:
            return hmac.digest(derived_key(secret, 32, PSEUDONYMS), str(user_id).encode(), "sha256")

        if digest := self.try_each(pseudonym, until):
            return digest.hex()
        raise SessionsUnavailable("Session secret: it has no current version")

    def _first(self, decrypted: Callable[[str], bytes | None]) -> bytes | None:
        counting = [self._current, self._previous if self._overlaps(self._current) else None]
        texts = (decrypted(version.text) for version in counting if version)
        return next((text for text in texts if text is not None), None)

    def _overlaps(self, current: Version | None) -> bool:
        """Check whether the previous version is still valid."""
        if current is None or not self._overlap_seconds:
            return False
        return self._clock() < current.created_at + self._overlap_seconds

    @cached_property
    def secrets_manager(self) -> SecretsManager:
        return SecretsManager(LIMITS)

    def _read(self, stage: str, until: float) -> Version | None:
        try:
            answer = self.secrets_manager.version(self._arn, stage, until)
        except (Busy, CallFailed) as error:
            raise SessionsUnavailable(f"Session secret: {error}") from error
        if answer is None:
            return None
        if not answer.get("SecretString"):
            # An empty secret would derive a key that anybody can compute.
            raise SessionsUnavailable(f"Session secret: {stage} has no text")
        return Version(answer["SecretString"], answer.get("CreatedDate", 0), self._clock())
