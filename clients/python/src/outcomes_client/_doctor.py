"""Check whether this machine can record outcomes, without recording any."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from . import _answers, _json, _readers
from ._client import OutcomesClient
from ._display import money
from ._errors import BrokenAnswerError
from ._http import (
    AGENT_KEY,
    KEY,
    KEYS_PATH,
    LOCAL_SESSION,
    OWN_KEY_PATH,
    PATH,
    SESSION,
    NoReply,
    Reply,
    Request,
    http_date,
    id_of_key,
)
from ._models import AgentKey
from ._refusals import capability_off, switched_off
from ._steps import Send

_TRY = 10.0
_SKEW = 60.0  # maximum seconds of clock skew; with more, sessions expire early or late


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    ok: bool
    text: str
    prevents_only_recording: bool = False


def examine(client: OutcomesClient) -> Iterator[Finding]:
    """Run the checks in order. Stop if the remaining checks depend on a failed check."""
    address = client._address
    yield Finding(True, f"outcomes-client {version('outcomes-client')}")
    if address.is_plaintext:
        yield Finding(False, f"{address.url} is not https: anyone on the network can read the key")
    started = time.monotonic()
    greeting = client._send(Send(Request("GET", PATH, by="nobody"), _TRY))
    if isinstance(greeting, NoReply):
        yield Finding(False, f"{address.url} cannot be reached: {greeting.reason}")
        return
    took = time.monotonic() - started
    if greeting.status != 401:
        if greeting.status == 429 or greeting.status >= 500:
            what = "fails or has too many requests, so try again"
        else:
            what = f"is not an Outcomes API{', or its firewall refuses this machine' * (greeting.status == 403)}"
        said = f"{address.url} {what}: GET {PATH} without a session is {greeting.status}, not 401"
        yield Finding(False, said)
        return
    yield Finding(True, f"{address.url} answers in {took * 1000:.0f} ms")
    yield from _clock(greeting.headers)
    yield from _user(client)
    yield from _credentials(client)


def _clock(headers: Mapping[str, str]) -> Iterator[Finding]:
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
    defaults = client._calls.defaults
    if defaults.owner == "session" and defaults.user_id is not None:
        yield Finding(True, "OUTCOMES_USER_ID is not used: without a key, outcomes are for the session's user")
    elif defaults.owner == "body" and client._address.api_key and defaults.user_id is None:
        yield Finding(True, "no user (OUTCOMES_USER_ID): outcomes that name none are in nobody's feed")


def _credentials(client: OutcomesClient) -> Iterator[Finding]:
    address = client._address
    records, reads, key = bool(address.api_key or address.cookie), False, None
    if address.has_agent_key:
        key = yield from _agent_key(client)
        records, reads = (key is not None and scope in key.scopes for scope in ("record", "read"))
    elif address.api_key and address.api_key.startswith("oc_"):
        yield Finding(False, f"{KEY} begins like an agent key but is not a complete one: copy it again")
    elif address.api_key:
        # An empty outcome passes authentication but fails validation. So sending one checks the key but records
        # nothing.
        answer = client._send(Send(Request("POST", PATH, body=b"{}"), _TRY))
        yield _judged(answer, 400, f"{KEY} is valid for all users: give agents keys of their own", KEY)
    else:
        yield Finding(bool(address.cookie), "no key (INTERNAL_API_KEY): recording uses the session")
    if address.cookie:
        answer = client._send(Send(Request("GET", PATH, [("limit", "1")]), _TRY))
        yield _judged(answer, 200, "the session is valid", SESSION)
        if key and isinstance(answer, Reply) and answer.status == 200:
            yield from _other_user(client, key)
        if isinstance(answer, Reply) and (off := switched_off(answer)):
            yield Finding(True, f"Off in this deployment: {', '.join(off)}")
    elif not reads and (key or not address.has_agent_key):  # a key that cannot be asked may read, too
        local = f"; with the local stack, {LOCAL_SESSION}" if address.is_local else ""
        said = f"no session (OUTCOMES_COOKIE): list, summary and export will not work{local}"
        yield Finding(bool(address.api_key), said)
    if records:
        request = Request("POST", f"{PATH}/batch", body=b'{"outcomes":[]}')
        answer = client._send(Send(request, _TRY))
        if isinstance(answer, Reply) and capability_off(answer, request):
            yield Finding(True, "Batch is Off in this deployment: record_many and import will not work")
        elif isinstance(answer, Reply) and answer.status in (403, 404, 405):
            yield Finding(False, "the API is older than this client: it takes no batches; deploy the current one")
        elif not (isinstance(answer, Reply) and answer.status == 401):
            yield _judged(answer, 400, "the API is as new as this client", "")


def _agent_key(client: OutcomesClient) -> Generator[Finding, None, AgentKey | None]:
    request = Request("GET", OWN_KEY_PATH)
    answer = client._send(Send(request, _TRY))
    if not isinstance(answer, Reply) or answer.status != 200:
        if isinstance(answer, Reply) and capability_off(answer, request):
            yield Finding(False, f"AgentKeys is Off in this deployment: {AGENT_KEY} is refused")
        elif isinstance(answer, Reply) and _is_paused(answer):
            resume = f"`outcomes keys resume {id_of_key(client._address.api_key or '')}`"
            yield Finding(False, f"{AGENT_KEY} is paused: with its owner's session, {resume} lets it be used again")
        elif isinstance(answer, Reply) and answer.status in (403, 404):
            yield Finding(False, "the API is older than this client: it knows no agent keys; deploy the current one")
        else:
            yield _judged(answer, 200, "", AGENT_KEY)
        return None
    try:
        key = _answers.model(_readers.agent_key)(answer)
    except BrokenAnswerError as broken:
        yield Finding(False, f"{AGENT_KEY} cannot be checked: {broken}")
        return None
    text = f"{AGENT_KEY} is valid: {_may(key, client._address.hide)}"
    yield Finding("record" in key.scopes, text, prevents_only_recording=True)
    yield from _contradictions(client, key)
    return key


def _is_paused(answer: Reply) -> bool:
    try:
        body = _json.decode(answer.body)
    except ValueError:
        return False
    return answer.status == 403 and isinstance(body, dict) and body.get("error") == "Paused"


def _may(key: AgentKey, hide: Callable[[str], str]) -> str:
    """Describe what a key may do."""
    may = "records" if "record" in key.scopes else "lacks the scope record, and may not record"
    parts = [f"{hide(key.name)!r} {may} for user {key.user_id}"]
    if key.agent_id is not None:
        parts.append(f"agent {key.agent_id}")
    if key.outcome_types is not None:
        parts.append(f"only {', '.join(key.outcome_types)}")
    if key.max_value_usd is not None:
        parts.append(f"values of {money(key.max_value_usd)} at most")
    if key.max_per_day is not None:
        parts.append(f"{key.max_per_day} a day, of which about {key.recorded_today} are used")
    parts.append(f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "without an end")
    return f"{'; '.join(parts)}; its scopes are {', '.join(key.scopes)}"


def _contradictions(client: OutcomesClient, key: AgentKey) -> Iterator[Finding]:
    """Find environment variables that make the API refuse every outcome."""
    defaults = client._calls.defaults
    for variable, said, own in (
        ("OUTCOMES_USER_ID", defaults.user_id, key.user_id),
        ("OUTCOMES_AGENT_ID", defaults.agent_id, key.agent_id),
    ):
        if None not in (said, own) and said != own:
            yield Finding(False, f"{variable} is {said}, but the key records for {own} only: unset it")


def _other_user(client: OutcomesClient, key: AgentKey) -> Iterator[Finding]:
    """Find that the session is not of the key's user: then its user does not have the key."""
    answer = client._send(Send(Request("GET", KEYS_PATH), _TRY))
    if not isinstance(answer, Reply) or answer.status != 200:
        return
    with suppress(BrokenAnswerError):
        if key.id not in {one.id for one in _answers.rows("keys", _readers.agent_key)(answer)}:
            said = f"{SESSION} is of another user than the key's user {key.user_id}"
            yield Finding(False, f"{said}: list, summary and export do not read the outcomes of user {key.user_id}")


def _judged(answer: Reply | NoReply, expected: int, good: str, credential: str) -> Finding:
    if isinstance(answer, NoReply):
        return Finding(False, f"no answer: {answer.reason}")
    if answer.status == expected:
        return Finding(True, good)
    if answer.status == 401:
        return Finding(False, f"{credential} is not valid: wrong, expired or revoked")
    return Finding(
        False, f"{answer.status} instead of {expected}: the API fails or has too many requests, or is no Outcomes API"
    )
