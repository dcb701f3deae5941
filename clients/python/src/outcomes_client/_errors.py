"""Name what can go wrong, once.

OutcomesError
├── ConfigurationError           no usable URL, key or cookie; nothing was sent
├── NoAnswerError                no whole answer came in time; it may have been recorded
├── UnexpectedAnswerError        something answered, but not this API
│   └── BrokenAnswerError        a success that cannot be read; it may have been recorded
└── ApiError                     the API answered no
    ├── InvalidOutcomeError      400, 413: `error` and `details` say what to change
    ├── UnauthorizedError        401: the key or the session is not valid
    ├── ForbiddenError           403: the key or the session may not do this; `details` say which bound it is
    ├── NotFoundError            404: no such key or outcome
    ├── ConflictError            409: not possible as things stand
    ├── KeyReusedError           422: this idempotency key already belongs to another outcome or correction
    ├── BusyError                409 with Retry-After, 429, 503 Busy: too much at once; that try stored nothing
    ├── StillAddingUpError       503 Still adding up: a first look at a long history; the next goes on from there
    └── ServerError              5xx: nothing was stored, or it cannot be known
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._display import printable

if TYPE_CHECKING:
    from ._models import Result

LONGEST_MESSAGE = 4000  # characters; `details` of a page of outcomes can be more than a log should hold


def missing(exc: ImportError, extra: str) -> str:
    """Say how to get a package that is not installed, or too old. This client is on no package index."""
    what = f"{exc.name} is not installed" if isinstance(exc, ModuleNotFoundError) else str(exc)
    return f"{what}: in a checkout of the Outcomes API, run pip install 'clients/python[{extra}]'"


class OutcomesError(Exception):
    """Stands for all errors of this package; neither its text nor its attributes ever hold a key or a cookie.

    `retryable`: the same call, with the same idempotency key where it takes one, may succeed later (the client has
    already retried until its deadline), and does nothing twice. `idempotency_key`: the key to do that with, where the
    call had one. `results`: after a failed `record_many`, what is known of each item.
    """

    retryable = False

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
        """The fields of the body that the API did not read, misspelt perhaps."""
        self.idempotency_key: str | None = None
        self.results: list[Result] = []


class ConfigurationError(OutcomesError):
    """The URL, the key or the cookie is missing or malformed; the text names the argument and the variable."""


class NoAnswerError(OutcomesError):
    """No whole answer came before the deadline. It may have been recorded: call again with the same key."""

    retryable = True


class UnexpectedAnswerError(OutcomesError):
    """An answer that this API does not give: most often the URL is wrong or a proxy answered."""


class BrokenAnswerError(UnexpectedAnswerError):
    """A success whose body cannot be read. It may have been recorded: call again with the same key."""

    retryable = True


class ApiError(OutcomesError):
    """The API answered no: `status`, `error` and `details` are its own."""


class InvalidOutcomeError(ApiError):
    """400 or 413, or refused here because it cannot be written as JSON: change what `details` names."""


class UnauthorizedError(ApiError):
    """401: neither the key nor the session is valid."""


class ForbiddenError(ApiError):
    """403: the agent key may not record or change this, as `details` say, or may not do this at all."""


class NotFoundError(ApiError):
    """404: this user has no such key, or no such outcome."""


class ConflictError(ApiError):
    """409 that no waiting mends: a user has as many keys as one may have; or an outcome, from where it stands, cannot
    be corrected so."""


class KeyReusedError(ApiError):
    """422: the idempotency key belongs to another outcome or correction; `details` names the fields that differ."""


class BusyError(ApiError):
    """409 with `Retry-After`, 429 or 503 `Busy`: the last try did nothing. Call again with the same idempotency key."""

    retryable = True


class StillAddingUpError(ApiError):
    """503 `Still adding up`: more is to be added up than a look has time for. Call again: it goes on from there."""

    retryable = True


class ServerError(ApiError):
    """5xx, and still so at the deadline. It may have been recorded: call again with the same key."""

    retryable = True
