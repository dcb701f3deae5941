"""Code that both clients share: conversion to and from the libraries that send, and types of arguments."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any

from ._choices import OutcomeStatus, OutcomeType
from ._http import Address, Headers, NoReply, Reply
from ._models import AgentKey, CorrectionResult, Result
from ._steps import Send

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

LOG = logging.getLogger("outcomes_client")
# Aliases of types, because the clients' method `list` hides the built-in name.
Results = list[Result]
Corrections = list[CorrectionResult]
Keys = list[AgentKey]
Types = OutcomeType | str | Iterable[OutcomeType | str]
Statuses = OutcomeStatus | str | Iterable[OutcomeStatus | str]

_CONNECT = 10.0  # maximum seconds to connect, so that a wrong host does not use up the time of a try


async def in_time(seconds: float, sent: Awaitable[Reply | NoReply]) -> Reply | NoReply:
    """Wait for an answer (headers and body together) for at most `seconds`."""
    import anyio  # only the async client needs it

    try:
        with anyio.fail_after(seconds):
            return await sent
    except TimeoutError:
        return NoReply("the answer did not end in time")


def no_cookies() -> CookieJar:
    """Return a cookie jar that stores nothing, so that no cookie set by a server is sent with the next call's key."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy  # only httpx needs it

    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def arguments(address: Address, step: Send) -> dict[str, Any]:
    request = step.request
    return {
        "method": request.method,
        "url": address.url + request.path,
        "params": list(request.query),
        "headers": address.headers_for(request),
        "content": request.body,
        # to connect, to read, to write, and to wait for a connection of the pool
        "timeout": (min(_CONNECT, step.timeout), step.timeout, step.timeout, step.timeout),
    }


def reply(address: Address, step: Send, response: Any, body: bytes) -> Reply:
    """Return a complete answer. response: one of httpx or of `_connections`."""
    headers = Headers((name, address.hide(value)) for name, value in response.headers.items())
    return Reply(response.status_code, headers, body, address.credential_for(step.request), address.hide)


def no_reply(address: Address, exc: Exception) -> NoReply:
    """Return why there is no answer. exc: an error of httpx or httpcore."""
    kinds = {kind.__name__ for kind in type(exc).__mro__}
    reason = "timed out" if "TimeoutException" in kinds else str(exc).rstrip(".") or "the connection broke"
    return NoReply(address.hide(reason), unsent=bool(kinds & {"ConnectError", "ConnectTimeout", "PoolTimeout"}))
