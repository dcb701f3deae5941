"""Read and answer requests that replace or delete something stored, if the preconditions that they send hold."""

from collections.abc import Callable
from typing import Any

from outcomes.contract.preconditions import Preconditions, etag
from outcomes.edge import headers
from outcomes.edge.api import Event, Response, ignored_header, ok
from outcomes.errors import BadRequest


def preconditions(event: Event) -> Preconditions:
    """Parse the headers If-Match and If-None-Match. Raises BadRequest."""
    return Preconditions.parse(headers.values(event, "if-match"), headers.values(event, "if-none-match"))


def read_or_refusal[New](read: Callable[[dict[str, Any]], New], body: dict[str, Any]) -> New | BadRequest:
    """Parse a body. Return the error of an invalid one, because PreconditionFailed takes precedence over it."""
    try:
        return read(body)
    except BadRequest as refused:
        return refused


def replaced(version: int, ignored: list[str]) -> Response:
    """Return the answer to a PUT. ignored: the names of the body's unknown fields."""
    return ok(_answer(version), {"ETag": etag(version)} | ignored_header(ignored))


def deleted(version: int) -> Response:
    """Return the answer to a DELETE."""
    return ok(_answer(version))


def _answer(version: int) -> str:
    return f'{{"ok":true,"version":{version}}}'
