"""Define the errors that a request can cause.

    Refused
    ├── Unauthorized
    ├── Forbidden
    ├── NotFound
    │   └── NoSuchRoute
    ├── BadRequest
    ├── PayloadTooLarge
    ├── UnsupportedMediaType
    ├── IdempotencyKeyReused
    ├── TooManyKeys
    ├── TooManySources
    ├── TooManyLines
    ├── TooManyOutcomes
    ├── PreconditionFailed
    ├── Stale
    ├── NotPossible
    ├── Contended
    ├── Busy
    └── StillAddingUp

    Mistimed

Any other exception is a bug in this code or an AWS failure. `edge.api` maps each error to its HTTP status.
"""

from collections.abc import Sequence
from typing import Any, TypedDict, override


class Fault(TypedDict):
    """An invalid field: the field's name in the request, and the rule that its value breaks."""

    field: str
    message: str


class Refused(Exception):
    """The request is refused and nothing was stored.

    error: the `error` of the response.
    details: one entry per invalid field; empty if `error` is enough.
    """

    error: str

    def __init__(self, error: str | None = None, details: list[Fault] | None = None) -> None:
        self.error = error or self.error
        self.details = details or []
        super().__init__(self.error)

    def body(self) -> dict[str, Any]:
        """Return the body of the response: `error`, and `details` if there are any."""
        return {"error": self.error} | ({"details": self.details} if self.details else {})


class Unauthorized(Refused):
    """The request has no valid key or session."""

    error = "Unauthorized"


class Forbidden(Refused):
    """The request comes from a page of a foreign origin, or exceeds the bounds of its agent key."""

    error = "Forbidden"


class NotFound(Refused):
    """The resource does not exist or belongs to another user. The answer does not reveal which."""

    error = "Not found"


class NoSuchRoute(NotFound):
    """The API has no such route, or this deployment has it switched off."""


class BadRequest(Refused):
    """The request breaks the contract.

    ignored: the unknown fields of the body; one may be a misspelling of a missing field.
    types: the valid outcome types, if the request's type is not one of them.
    """

    def __init__(
        self,
        error: str,
        details: list[Fault] | None = None,
        ignored: Sequence[str] = (),
        types: Sequence[str] = (),
    ) -> None:
        super().__init__(error, details)
        self.ignored = ignored
        self.types = types


class PayloadTooLarge(Refused):
    """The body exceeds the size limit."""

    error = "Payload too large"


class UnsupportedMediaType(Refused):
    """The body is not declared as JSON."""

    error = "Unsupported media type"


class IdempotencyKeyReused(Refused):
    """The idempotency key was used for a different request; `details` names the fields that differ."""

    error = "Idempotency key reused"


class TooManyKeys(Refused):
    """The user already has the maximum number of live agent keys."""

    error = "Too many keys"


class TooManySources(Refused):
    """Callers of this kind, or this agent key, already own the maximum number of the user's sources of costs."""

    error = "Too many sources"


class TooManyLines(Refused):
    """Agent keys already put the maximum number of bytes for the user's days of this month."""

    error = "Too many lines"


class TooManyOutcomes(Refused):
    """The agent key has recorded as much as it may in a day. retry_after: seconds to wait, at most."""

    error = "Too many outcomes"

    def __init__(self, details: list[Fault], retry_after: int) -> None:
        super().__init__(details=details)
        self.retry_after = retry_after


class PreconditionFailed(Refused):
    """The stored version is not the one that If-Match or If-None-Match requires."""

    error = "Precondition failed"


class Stale(Refused):
    """The outcome has another version than the request's `ifVersion`.

    version: the outcome's version, or None if the caller may not read it.
    """

    error = "Stale"

    def __init__(self, details: list[Fault], version: int | None) -> None:
        super().__init__(details=details)
        self.version = version

    @override
    def body(self) -> dict[str, Any]:
        return super().body() | ({} if self.version is None else {"version": self.version})


class NotPossible(Refused):
    """The outcome's status does not allow this correction, or it was corrected too often."""

    error = "Not possible"


class Contended(Refused):
    """Other requests kept writing the same item concurrently. The caller may retry."""

    error = "Conflict"


class Busy(Refused):
    """DynamoDB throttles the table. The caller may retry.

    throttled_by: the reasons, unless the error that this error is raised from has them. The text of this error includes
    the reasons for logs, but its response does not.
    """

    error = "Busy"

    def __init__(self, throttled_by: Sequence[str] = ()) -> None:
        super().__init__()
        self.throttled_by = throttled_by

    def __str__(self) -> str:
        return ": ".join(filter(None, [self.error, throttled_by(self)]))


class StillAddingUp(Refused):
    """Adding up took too long. The sums so far are stored, and the next call continues from there."""

    error = "Still adding up"


class Mistimed(Exception):
    """Nothing was stored because this host's clock was wrong. The clock is now corrected: process the request again."""


def throttled_by(failure: BaseException | None) -> str:
    """Return the reasons why an AWS service throttled a call, such as `TableWriteKeyRangeThroughputExceeded of Table1`.

    failure: the error, or an error that was raised from it. The text is empty if no call was throttled.
    """
    while failure is not None:
        if reasons := getattr(failure, "throttled_by", ()):
            return ", ".join(reasons)
        failure = failure.__cause__
    return ""
