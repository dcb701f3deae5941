"""Find what stands between this machine and a recorded outcome. Records nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from urllib.parse import urlsplit

import httpx

from ._calls import Send
from ._client import OutcomesClient
from ._http import PATH, NoReply, Reply, Request, http_date

_TRY = 10.0
_SKEW = 60.0  # seconds; more makes sessions expire early or late


@dataclass(frozen=True)
class Finding:
    """Says of one thing whether it is well."""

    ok: bool
    text: str


def examine(client: OutcomesClient) -> Iterator[Finding]:
    """Look at one thing after the other, and stop where the rest depends on what is wrong."""
    address = client._address
    yield Finding(True, f"outcomes-client {version('outcomes-client')}")
    url = urlsplit(address.url)
    local = url.hostname in ("localhost", "127.0.0.1", "::1")
    if url.scheme == "http" and not local:
        yield Finding(False, f"{address.url} is not https: everyone on the way can read the key")
    started = time.monotonic()
    try:
        greeting = client._http.get(address.url + PATH, timeout=_TRY)
    except httpx.RequestError as exc:
        yield Finding(False, f"{address.url} cannot be reached: {type(exc).__name__} {exc}")
        return
    took = time.monotonic() - started
    if greeting.status_code != 401:
        yield Finding(
            False, f"{address.url} is no Outcomes API: GET {PATH} without a session is {greeting.status_code}, not 401"
        )
        return
    yield Finding(True, f"{address.url} answers in {took * 1000:.0f} ms")
    yield from _clock(greeting.headers)
    yield from _user(client)
    yield from _credentials(client)


def _clock(headers: httpx.Headers) -> Iterator[Finding]:
    theirs = http_date(headers.get("Date", ""))
    if theirs is None:
        yield Finding(False, "the clock cannot be compared: the answer has no date")
        return
    ahead = (datetime.now(UTC) - theirs).total_seconds()
    if abs(ahead) > _SKEW:
        side = "ahead of" if ahead > 0 else "behind"
        yield Finding(False, f"this machine's clock is {abs(ahead):.0f} s {side} the API's: set it by NTP")
    else:
        yield Finding(True, "the clock agrees with the API's")


def _user(client: OutcomesClient) -> Iterator[Finding]:
    told = client._calls.defaults
    if told.records_by_session and told.user_id is not None:
        yield Finding(True, "OUTCOMES_USER_ID is not used: without a key, outcomes are for the session's user")
    elif client._address.api_key and told.user_id is None:
        yield Finding(True, "no user (OUTCOMES_USER_ID): every outcome must name its own, to be in a feed")


def _credentials(client: OutcomesClient) -> Iterator[Finding]:
    address = client._address
    if address.api_key:
        # An empty outcome passes the door and is refused behind it: the key is checked and nothing is recorded.
        answer = client._send(Send(Request("POST", PATH, body=b"{}"), _TRY))
        yield _judged(answer, 400, "the key (INTERNAL_API_KEY) is valid", "the key (INTERNAL_API_KEY) is not valid")
    else:
        yield Finding(bool(address.cookie), "no key (INTERNAL_API_KEY): recording goes by the session")
    if address.cookie:
        answer = client._send(Send(Request("GET", PATH, [("limit", "1")]), _TRY))
        yield _judged(answer, 200, "the session is valid", "the session (OUTCOMES_COOKIE) is not valid, or has expired")
    else:
        yield Finding(bool(address.api_key), "no session (OUTCOMES_COOKIE): list, summary and export will not work")
    if address.api_key or address.cookie:
        answer = client._send(Send(Request("POST", f"{PATH}/batch", body=b'{"outcomes":[]}'), _TRY))
        if isinstance(answer, Reply) and answer.status in (403, 404, 405):
            yield Finding(False, "the API is older than this client: it takes no batches; deploy the current one")
        elif not (isinstance(answer, Reply) and answer.status == 401):
            yield _judged(answer, 400, "the API is as new as this client", "")


def _judged(answer: Reply | NoReply, expected: int, good: str, unauthorized: str) -> Finding:
    if isinstance(answer, NoReply):
        return Finding(False, f"no answer: {answer.reason}")
    if answer.status == expected:
        return Finding(True, good)
    if answer.status == 401:
        return Finding(False, unauthorized)
    return Finding(False, f"{answer.status} where {expected} was expected: the API is unwell, or this is not one")
