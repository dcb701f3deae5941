"""The session secret in Secrets Manager, from which keys of encrypted cookies derive, and its rotation."""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from outcomes.auth.tokens import LIMITS, SessionsUnavailable, now
from outcomes.aws.caller import NEVER
from outcomes.aws.errors import CallFailed
from outcomes.aws.services import SecretsManager
from outcomes.errors import Busy

SECRET_CACHE_SECONDS = 240
SECRET_REFETCH_SECONDS = 30


class Version(NamedTuple):
    """A version of the session secret. created_at, read_at: in seconds since the epoch."""

    text: str
    created_at: float
    read_at: float


class SessionSecrets:
    """The current version of a secret and, for `overlap_days` after that was created, the previous one.

    Versions are cached for four minutes. API Gateway caches sessions for one more, so a rotation takes effect within
    five.
    """

    def __init__(self, arn: str, overlap_days: int, clock: Callable[[], float] = now) -> None:
        self._arn = arn
        self._overlap_seconds = overlap_days * 24 * 60 * 60
        self._clock = clock
        self._current: Version | None = None
        self._previous: Version | None = None
        self._looked_at = NEVER
        self._look_failed = False

    def try_each(self, decrypted: Callable[[str], bytes | None], until: float = NEVER) -> bytes | None:
        """Return the first result of `decrypted` over the versions that is not None; None if there is none.

        If no cached version fits, the token may need the previous version or a brand-new one. Both are read again, at
        most every 30 seconds, so that many invalid tokens cause few reads.

        Raises SessionsUnavailable if they cannot be read before `until`, and for the next 30 seconds if no cached
        version fits.
        """
        known = self._current
        if known is None or not self._is_within(SECRET_CACHE_SECONDS, known.read_at):
            self._current, self._previous, self._looked_at = self._read("AWSCURRENT", until), None, NEVER
        plaintext = self._first(decrypted)
        if plaintext is not None:
            return plaintext
        if not self._is_within(SECRET_REFETCH_SECONDS, self._looked_at):
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

    def _first(self, decrypted: Callable[[str], bytes | None]) -> bytes | None:
        counting = [self._current, self._previous if self._overlaps(self._current) else None]
        texts = (decrypted(version.text) for version in counting if version)
        return next((text for text in texts if text is not None), None)

    def _overlaps(self, current: Version | None) -> bool:
        """Check whether the previous version is still valid."""
        if current is None or not self._overlap_seconds:
            return False
        return self._clock() < current.created_at + self._overlap_seconds

    def _is_within(self, seconds: float, since: float) -> bool:
        """Check that at most `seconds` passed. False if the clock was set back."""
        return 0 <= self._clock() - since < seconds

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
