"""Errors that a request causes, each named once.

    Refused
    ├── Unauthorized
    ├── Forbidden
    ├── NotFound
    ├── BadRequest
    │   └── InvalidOutcomeType
    ├── PayloadTooLarge
    ├── UnsupportedMediaType
    ├── IdempotencyKeyReused
    ├── TooManyKeys
    ├── NotPossible
    ├── Contended
    ├── Busy
    └── StillAddingUp

    Mistimed

Anything else that is raised is a failure of ours or of AWS. Which status each becomes is said in `api`.
"""

from collections.abc import Sequence
from typing import Any, TypedDict


class Fault(TypedDict):
    """One thing to mend: the field as the request names it, and the rule that it broke."""

    field: str
    message: str


class Refused(Exception):
    """The request cannot be served as it is, and nothing was stored.

    error: the `error` of the response.
    details: what to mend, one entry per faulty field; empty when `error` says it all.
    """

    error: str

    def __init__(self, error: str | None = None, details: list[Fault] | None = None) -> None:
        self.error = error or self.error
        self.details = details or []
        super().__init__(self.error)

    def body(self) -> dict[str, Any]:
        """Tell the caller: `error`, and `details` when there are any."""
        return {"error": self.error} | ({"details": self.details} if self.details else {})


class Unauthorized(Refused):
    """Nobody, or somebody unknown, is calling."""

    error = "Unauthorized"


class Forbidden(Refused):
    """A page that is not a dashboard of ours calls with the user's session, or an agent key goes beyond its bounds."""

    error = "Forbidden"


class NotFound(Refused):
    """There is nothing of this name, or it is another user's, which is not told."""

    error = "Not found"


class BadRequest(Refused):
    """The request breaks the contract.

    ignored: the fields of the body that were not read, perhaps a misspelling of what is missing.
    """

    def __init__(self, error: str, details: list[Fault] | None = None, ignored: Sequence[str] = ()) -> None:
        super().__init__(error, details)
        self.ignored = ignored


class InvalidOutcomeType(BadRequest):
    """The outcome is of no type that this deployment records; `types` are those that it does."""

    def __init__(self, types: Sequence[str], ignored: Sequence[str] = ()) -> None:
        super().__init__("Invalid outcome_type", ignored=ignored)
        self.types = types


class PayloadTooLarge(Refused):
    """The body is over the limit."""

    error = "Payload too large"


class UnsupportedMediaType(Refused):
    """A body that is not declared to be JSON."""

    error = "Unsupported media type"


class IdempotencyKeyReused(Refused):
    """The key already stands for another outcome; `details` names the fields that differ."""

    error = "Idempotency key reused"


class TooManyKeys(Refused):
    """The user has as many live agent keys as there may be."""

    error = "Too many keys"


class NotPossible(Refused):
    """A correction that cannot be made from where the outcome stands, or one too many."""

    error = "Not possible"


class Contended(Refused):
    """Others kept writing the same thing at the same moment. To be tried again."""

    error = "Conflict"


class Busy(Refused):
    """The table takes no more at this moment. To be tried again."""

    error = "Busy"


class StillAddingUp(Refused):
    """More has to be added up than there was time for. What was added up is kept: the next call goes on there."""

    error = "Still adding up"


class Mistimed(Exception):
    """Nothing was stored, as this host's clock was wrong. It has been set: serve the request from its beginning."""
