"""The errors of this package."""

# make contract: tree
# OutcomesError
# ├── ConfigurationError           no usable URL, key or cookie; nothing was sent
# ├── NoAnswerError                no complete answer came in time; the outcome may have been recorded
# ├── UnexpectedAnswerError        the answer is not from this API
# │   └── BrokenAnswerError        a success that cannot be parsed; the outcome may have been recorded
# ├── StatementError               a statement or a proof does not verify; `word` names the check that failed
# └── ApiError                     the API refused the call or failed
#     ├── InvalidRequestError      400, 413: `error` and `details` say what to change
#     │   └── InvalidOutcomeError  the same, if the call was to write something
#     ├── UnauthorizedError        401: the key or the session is not valid
#     ├── ForbiddenError           403: the key or the session may not do this; `details` name the limits
#     ├── NotFoundError            404: the key or outcome does not exist
#     ├── CapabilityOffError       404 with No-Such-Route: the capability that the text names is off in this deployment
#     ├── ConflictError            409: not possible in the current state
#     ├── PreconditionFailedError  412: another version of the costs or the outcome is stored than the call requires
#     ├── KeyReusedError           422: this idempotency key already belongs to another outcome or correction
#     ├── LimitError               429 Too many outcomes: the agent key has used up its daily limit; nothing was stored
#     ├── BusyError                409 with Retry-After, 429, 503 Busy: too many requests at once; nothing was stored
#     ├── StillAddingUpError       503 Still adding up: the first summary of a long history takes several calls
#     └── ServerError              5xx: the outcome may have been recorded
# end of make contract

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._display import printable

if TYPE_CHECKING:
    from ._models import CorrectionResult, Result

LONGEST_MESSAGE = 4000  # maximum characters of the text: `details` for a batch of outcomes can be too long for a log


def missing(exc: ImportError, extra: str) -> str:
    """Explain how to install a missing or outdated package, because this client is not on a package index."""
    how = "tool" if os.path.exists(f"{sys.prefix}/uv-receipt.toml") else "pip"  # `uv tool` made this environment
    what = f"{exc.name} is not installed" if isinstance(exc, ModuleNotFoundError) else str(exc)
    return f"{what}: in a checkout of the Outcomes API, run uv {how} install './clients/python[{extra}]'"


class OutcomesError(Exception):
    """The base of all errors of this package. Its text and attributes never contain a key or a cookie.

    `retryable`: the same call may succeed later, and counts only once if it repeats the idempotency key; the client has
    already retried until its deadline. `idempotency_key`: the key of the failed call, if such calls have one.
    `results`, `corrections`: after a failed `record_many` or `correct_many`, the known result of each item.
    """

    retryable = False
    _maybe_done = False  # whether a try of the call, not only the last, may have taken effect

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        retry_after: float | None = None,
        ignored_fields: Sequence[str] = (),
    ) -> None:
        super().__init__(printable(message[:LONGEST_MESSAGE]))
        self.status = status
        self.error = error
        self.details = list(details)
        self.retry_after = retry_after
        """Seconds that the server asked to wait, or None."""
        self.ignored_fields = tuple(ignored_fields)
        """Fields of the body that the API ignored; they may be misspelt."""
        self.idempotency_key: str | None = None
        self.results: list[Result] = []
        self.corrections: list[CorrectionResult] = []


# make contract: errors
class ConfigurationError(OutcomesError):
    """The URL, the key or the cookie is missing or malformed; the text names the argument and the variable."""


class NoAnswerError(OutcomesError):
    """No complete answer before the deadline. The outcome may be recorded: call again with the same idempotency key."""

    retryable = True


class UnexpectedAnswerError(OutcomesError):
    """The answer is not from this API: usually the URL is wrong, or a proxy answered."""


class BrokenAnswerError(UnexpectedAnswerError):
    """A success whose body cannot be parsed. The outcome may be recorded: call again with the same idempotency key."""

    retryable = True


class ApiError(OutcomesError):
    """The API refused the call or failed; `status`, `error` and `details` are from its answer."""


class InvalidRequestError(ApiError):
    """400 or 413, or an id that cannot be in a path. `details` names what to change."""


class InvalidOutcomeError(InvalidRequestError):
    """An InvalidRequestError of a call that writes, such as of an outcome that JSON cannot represent."""


class UnauthorizedError(ApiError):
    """401: neither the key nor the session is valid."""


class ForbiddenError(ApiError):
    """403: the key or the session may not do this. If an agent key's limits are the reason, `details` names them."""


class NotFoundError(ApiError):
    """404: this user has no key or outcome with this id."""


class CapabilityOffError(ApiError):
    """404 with the header `No-Such-Route`: a capability is off. The text names its template parameter."""


class ConflictError(ApiError):
    """409, and a retry does not help: the user has too many keys, or the outcome's status does not allow the call."""


class PreconditionFailedError(ApiError):
    """412: the stored version of an outcome or of a day's costs is not `if_version`. This try stored nothing."""


class KeyReusedError(ApiError):
    """422: the idempotency key belongs to another outcome or correction; `details` names the fields that differ."""


class LimitError(ApiError):
    """429 `Too many outcomes`: the agent key has used up its daily limit. `details` says when it may record again."""


class BusyError(ApiError):
    """409 with `Retry-After`, 429 or 503 `Busy`: the last try did nothing. Call again with the same idempotency key."""

    retryable = True


class StillAddingUpError(ApiError):
    """503 `Still adding up`: the totals take longer than one call. Call again: the API continues where it stopped."""

    retryable = True


class ServerError(ApiError):
    """5xx until the deadline. The outcome may be recorded: call again with the same idempotency key."""

    retryable = True


# end of make contract


class StatementError(OutcomesError):
    """A statement or a proof does not verify.

    `word`: the first check that failed: "format", "key", "signature", "size", "root", "totals", "adjustments",
    "definition", "previous" or "proof". The text begins with it.
    """

    def __init__(self, word: str, why: str) -> None:
        super().__init__(f"{word}: {why}")
        self.word = word
