"""Code that both clients share: conversion to and from httpx, and types of arguments."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import anyio
import httpx

from ._choices import OutcomeStatus, OutcomeType
from ._http import Address, NoReply, Reply
from ._models import AgentKey, Result
from ._steps import Send

LOG = logging.getLogger("outcomes_client")
# Aliases of types, because the clients' method `list` hides the built-in name.
Results = list[Result]
Keys = list[AgentKey]
Types = OutcomeType | str | Iterable[OutcomeType | str]
Statuses = OutcomeStatus | str | Iterable[OutcomeStatus | str]

_CONNECT = 10.0  # maximum seconds to connect, so that a wrong host does not use up the time of a try


async def in_time(seconds: float, sent: Awaitable[Reply | NoReply]) -> Reply | NoReply:
    """Wait for an answer (headers and body together) for at most `seconds`."""
    try:
        with anyio.fail_after(seconds):
            return await sent
    except TimeoutError:
        return NoReply("the answer did not end in time")


def no_cookies() -> CookieJar:
    """Return a cookie jar that stores nothing, so that no cookie set by a server is sent with the next call's key."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def arguments(address: Address, step: Send) -> dict[str, Any]:
    request = step.request
    return {
        "method": request.method,
        "url": address.url + request.path,
        "params": list(request.query),
        "headers": address.headers_for(request),
        "content": request.body,
        "timeout": httpx.Timeout(step.timeout, connect=min(_CONNECT, step.timeout)),
    }


def reply(address: Address, step: Send, response: httpx.Response, body: bytes) -> Reply:
    headers = httpx.Headers([(name, address.hide(value)) for name, value in response.headers.multi_items()])
    return Reply(response.status_code, headers, body, address.credential_for(step.request), address.hide)


def no_reply(address: Address, exc: httpx.RequestError) -> NoReply:
    unsent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return NoReply(address.hide(why(exc)), unsent)


def why(exc: httpx.RequestError) -> str:
    """Return in words why there was no answer."""
    return "timed out" if isinstance(exc, httpx.TimeoutException) else str(exc).rstrip(".") or "the connection broke"
