"""Look up stored sessions in the sessions table by the SHA-256 of their opaque tokens."""

from collections.abc import Callable
from functools import cached_property
from hashlib import sha256

from outcomes.auth.tokens import LIMITS, NoSession, SessionsUnavailable, is_plausible, now, whole_number
from outcomes.aws.services import NEVER, CallFailed, DynamoDB
from outcomes.errors import Busy


def token_sha256(token: str) -> str:
    """Compute the table key of a stored session's token: its SHA-256 as 64 lower-case hex digits."""
    return sha256(token.encode()).hexdigest()


class StoredSessions:
    """The table of stored sessions: `token_sha256` (HASH, S), `user_id` (N), `expires_at` (N, seconds since 1970)."""

    def __init__(self, table: str, clock: Callable[[], float] = now) -> None:
        self._table = table
        self._clock = clock

    @cached_property
    def dynamodb(self) -> DynamoDB:
        return DynamoDB(LIMITS)

    def user_id(self, token: str, until: float = NEVER) -> int:
        """Return the id of the user whose session has this token. Raises NoSession and SessionsUnavailable."""
        if not is_plausible(token):
            raise NoSession("malformed_session")
        key = {"token_sha256": {"S": token_sha256(token)}}
        # Read consistently, so that a session deleted at logout is not found again.
        request = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        try:
            row = self.dynamodb.call("GetItem", request, until=until).get("Item")
        except (Busy, CallFailed) as error:
            raise SessionsUnavailable(f"Sessions table: {error}") from error
        if row is None:
            raise NoSession("unknown_session")
        # Check this here, because DynamoDB may delete an expired row days later.
        expires_at = whole_number(row.get("expires_at", {}).get("N"))
        if expires_at is None or expires_at <= self._clock():
            raise NoSession("expired_session")
        user_id = whole_number(row.get("user_id", {}).get("N"))
        if user_id is None:
            raise NoSession("no_user")
        return user_id
