"""Convert answers other than 200 to errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from . import _json
from ._errors import (
    ApiError,
    BusyError,
    CapabilityOffError,
    ConflictError,
    ForbiddenError,
    InvalidOutcomeError,
    InvalidRequestError,
    KeyReusedError,
    LimitError,
    NotFoundError,
    OutcomesError,
    PreconditionFailedError,
    ServerError,
    StillAddingUpError,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from ._http import Reply, Request, retry_after
from ._models import CorrectionResult, Result
from ._parsing import details_of, ignored_of, text_or_none

_REFUSALS: dict[int, type[ApiError]] = {
    400: InvalidOutcomeError,
    401: UnauthorizedError,
    409: ConflictError,
    412: PreconditionFailedError,
    413: InvalidOutcomeError,
    422: KeyReusedError,
    429: BusyError,
}
_OF_KEY = (ForbiddenError, LimitError)  # their details are an agent key's limits
# make contract: capabilities
_CAPABILITIES = {
    r"/api/outcomes/batch": "Batch",
    r"/api/outcomes/summary": "Totals",
    r"/api/outcomes/export": "Export",
    r"/api/outcomes/[0-7][0-9A-HJKMNP-TV-Z]{25}": "Corrections",
    r"/api/outcomes/[0-7][0-9A-HJKMNP-TV-Z]{25}/corrections": "Corrections",
    r"/api/outcomes/corrections": "Corrections",
    r"/api/outcomes/[0-7][0-9A-HJKMNP-TV-Z]{25}/assign": "Corrections",
    r"/api/keys": "AgentKeys",
    r"/api/keys/self": "AgentKeys",
    r"/api/keys/[^/]+": "AgentKeys",
    r"/api/keys/[^/]+/rotate": "AgentKeys",
    r"/api/keys/[^/]+/pause": "AgentKeys",
    r"/api/keys/[^/]+/resume": "AgentKeys",
    r"/api/statements": "Statements",
    r"/api/statements/[^/]+": "Statements",
    r"/api/statements/[^/]+/entries": "Statements",
    r"/api/statements/[^/]+/proof": "Statements",
    r"/\.well-known/outcomes-keys\.json": "Statements",
    r"/api/costs": "Costs",
    r"/api/costs/[^/]+/[^/]+": "Costs",
    r"/api/definitions": "Definitions",
    r"/api/definitions/try": "Definitions",
    r"/api/definitions/[^/]+": "Definitions",
    r"/api/watches": "Watches",
    r"/api/watches/digest": "Watches",
    r"/api/watches/[^/]+": "Watches",
    r"/mcp": "ModelTools",
}
# end of make contract
"""Patterns of paths, with the template's parameter that switches their routes on or off. A mistyped id is no route."""


_PARTS = {"counts": "Definitions", "definition": "Definitions", "cost": "Costs"}
"""Values of `include`, with the template parameter that switches them on or off."""


def capability_off(reply: Reply, request: Request) -> str | None:
    """If an answer says that a capability is off, return the capability's template parameter, or else None."""
    if reply.status != 404 or "No-Such-Route" not in reply.headers:
        return None
    return next((name for path, name in _CAPABILITIES.items() if re.fullmatch(path, request.path)), None)


def switched_off(reply: Reply) -> list[str]:
    """Return the template parameters of the capabilities that are off, from the answer to `GET /api/outcomes`.

    The answer's header `Capabilities` names the capabilities that are on. If the API is too old to send this header,
    return an empty list.
    """
    on = reply.headers.get("Capabilities")
    known = dict.fromkeys(_CAPABILITIES.values())
    return [] if on is None else [name for name in known if name.lower() not in on.split(", ")]


def refusal(reply: Reply, request: Request) -> OutcomesError:
    """Return the error for an answer other than 200."""
    try:
        body = _json.decode(reply.body)
    except ValueError:
        body = None
    body = reply.hide(body) if isinstance(body, dict) else {}
    error, details = text_or_none(body.get("error")), details_of(body, reply)
    off = capability_off(reply, request)
    if error == "Invalid include":
        off = " or ".join(_PARTS[part] for name, part in request.query if name == "include" and part in _PARTS)
    kind = CapabilityOffError if off else _kind(reply, request, error)
    if kind is None:
        message = f"{reply.status} {error or ''}".strip() + ": is this the URL of an Outcomes API?"
        return UnexpectedAnswerError(message, status=reply.status, error=error, details=details)
    said = sentence(f"{reply.status} {error or 'without a reason'}", details, of_key=kind in _OF_KEY)
    if kind is UnauthorizedError:
        said += f": {reply.credential} is not valid: wrong, expired or revoked; run `outcomes doctor`"
    elif kind is ForbiddenError and not details:
        said += f": {reply.credential} may not do this; run `outcomes doctor`"
    elif kind is StillAddingUpError:
        said += ": the API saves its progress and continues from there"
    elif off:
        said += f": {off} is Off in this deployment"
        said += ", or OUTCOMES_URL has a wrong path" if reply.status == 404 else ""
    elif kind is NotFoundError:
        said += f": this user has no such {request.names}"
    ignored = ignored_of(reply)
    if ignored:
        said += f"; not read: {', '.join(ignored)}"
    failure = kind(
        said,
        status=reply.status,
        error=error,
        details=details,
        retry_after=retry_after(reply.headers),
        ignored_fields=ignored,
    )
    failure.retryable = failure.retryable and reply.status != 501  # the fake's answer to what it never supports
    return failure


def _kind(reply: Reply, request: Request, error: str | None) -> type[ApiError] | None:
    match reply.status, error:
        case 403, "Forbidden" | "Paused":
            return ForbiddenError
        case 404, "Not found" if request.names:
            return NotFoundError
        case 409, _ if "Retry-After" in reply.headers:
            return BusyError
        case 429, "Too many outcomes":
            return LimitError
        case 503, "Busy":  # unlike after other errors with 503, the API certainly stored nothing
            return BusyError
        case 503, "Still adding up":
            return StillAddingUpError
        case 400 | 413, _ if request.method == "GET":
            return InvalidRequestError
    return ServerError if reply.status >= 500 else _REFUSALS.get(reply.status)


def why(refused: Result | CorrectionResult) -> str:
    """Return why an item of several was refused."""
    return sentence(str(refused.error), refused.details, of_key=refused.status in ("forbidden", "limited"))


def sentence(error: str, details: Sequence[Mapping[str, Any]], of_key: bool = False) -> str:
    """Return an error text with each faulty field and its rule. of_key: whether the rules are an agent key's limits."""
    form = "{message} ({field})" if of_key else "{field} {message}"
    faults = "; ".join(form.format(field=one.get("field"), message=one.get("message")) for one in details)
    return f"{error}: {faults}" if faults else error
