"""Decide each step of every call of the API, without any I/O.

A call is a generator: it yields what to do next (`Send` a request, `Wait` some seconds), is sent the answer, and
returns the result or raises. The two clients only carry the steps out, so what is sent, when to try again and what an
answer means exist once for both.
"""

from __future__ import annotations

import math
import random
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from . import _answers, _json, _moments
from ._errors import BusyError, InvalidOutcomeError, NoAnswerError, OutcomesError, StillAddingUpError
from ._http import KEYS_PATH, MCP_PATH, OWN_KEY_PATH, PATH, SESSION, By, NoReply, Owner, Reply, Request
from ._models import (
    AgentKey,
    Corrected,
    Division,
    ExportPart,
    History,
    NewAgentKey,
    NewOutcome,
    Page,
    Recorded,
    Result,
    Summary,
)
from ._moments import Moment

PAGE_SIZE = 50  # the API's own maximum
ExportFormat = Literal["csv", "ndjson"]
_MEDIA_TYPES: dict[ExportFormat, str] = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
BATCH_ITEMS = 100
BATCH_BYTES = 1024 * 1024


Kind = Literal["amend", "void", "confirm", "dispute", "uphold"]
_BY: dict[Kind, By] = {"confirm": "session", "dispute": "session", "uphold": "key"}
_DOES: dict[Kind, str] = {
    "amend": "Amending",
    "void": "Voiding",
    "confirm": "Confirming",
    "dispute": "Disputing",
    "uphold": "Upholding",
}
_CHANGED_AS = {
    "outcome_type": "outcomeType",
    "value_usd": "valueUsd",
    "agent_id": "agentId",
    "occurred_at": "occurredAt",
}


@dataclass(frozen=True)
class Retry:
    """Says how long and how often to try, in seconds.

    `deadline` bounds one call with all its retries (`record_many`: each of its batches); `timeout` one try. Between
    tries the client waits a random time from 0 to `first`, then 2, 4, 8 ... times that, at most `longest`, added to
    what `Retry-After` asks ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

    A first summary of a long history may take longer: each answer that the API is still adding up is progress, from
    which `deadline` counts anew, until the call has taken `adding_up`, or `deadline` where that is longer.
    """

    deadline: float = 60
    timeout: float = 30  # API Gateway answers within 29 s; to hang up earlier is to miss answers on their way
    first: float = 0.2
    longest: float = 10
    adding_up: float = 600  # a look takes the API some 10 s, for up to 120 MB of outcomes


@dataclass(frozen=True)
class Send:
    """Tells to send this as the next step, and to wait no longer than `timeout` seconds for the whole answer."""

    request: Request
    timeout: float


@dataclass(frozen=True)
class Wait:
    """Tells to wait as the next step."""

    seconds: float


@dataclass(frozen=True)
class Say:
    """Tells to let whoever runs this know, as the next step."""

    notice: str


type Call[T] = Generator[Send | Wait | Say, Reply | NoReply | None, T]


@dataclass(frozen=True)
class Defaults:
    """Says for which agent and user outcomes are where the caller does not, and what else may say it."""

    agent_id: int | None = None
    user_id: int | None = None
    owner: Owner = "body"

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Add to a body what it does not say."""
        if "agentId" not in body and self.agent_id is not None:
            body["agentId"] = self.agent_id
        if "userId" not in body and self.user_id is not None and self.owner != "session":
            body["userId"] = self.user_id
        return body


_SAY_AGAIN = 10.0  # seconds after which a wait for the same reason is worth another word


class _Deadline:
    """Spaces the tries of one call until its deadline."""

    def __init__(self, retry: Retry, clock: Callable[[], float], jitter: Callable[[float, float], float]) -> None:
        self._retry, self._clock, self._jitter = retry, clock, jitter
        self._ends = clock() + retry.deadline
        self._ends_adding_up = clock() + max(retry.deadline, retry.adding_up)
        self._ceiling = retry.first
        self._said, self._said_at = "", 0.0

    @property
    def timeout(self) -> float:
        """Tell how many seconds the next try may take."""
        return max(0.001, min(self._retry.timeout, self._ends - self._clock()))

    def wait(self, reason: str, at_least: float | None = None, *, progress: bool = False) -> Call[bool]:
        """Wait before the next try; False, without waiting, when too little time would be left for it.

        A try in the last moments could only time out, and hide the reason of the one before. `progress`: the one before
        came farther.
        """
        now = self._clock()
        last = self._ends
        if progress:
            last, self._ceiling = self._ends_adding_up, self._retry.first
            self._ends = min(last, max(self._ends, now + self._retry.deadline))
        seconds = (at_least or 0) + self._jitter(0, self._ceiling)
        self._ceiling = min(self._retry.longest, self._ceiling * 2)
        if self._ends - now - seconds < self._retry.timeout / 10:
            return False
        if reason != self._said or now - self._said_at >= _SAY_AGAIN:
            self._said, self._said_at = reason, now
            yield Say(f"{reason}. Trying again, for at most {math.ceil(last - now)} s")
        yield Wait(seconds)
        return True


class Calls:
    """Makes the calls of the API, each as its steps; `OutcomesClient` says what they do."""

    def __init__(
        self,
        retry: Retry,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
        defaults: Defaults = Defaults(),
    ) -> None:
        self.retry, self._clock, self._jitter, self.defaults = retry, clock, jitter, defaults
        self._said: set[str] = set()

    def _say_once(self, notice: str) -> Call[None]:
        if notice not in self._said:
            self._said.add(notice)
            yield Say(notice)

    def _say_whose(self, sent: Iterable[Mapping[str, Any]], recorded: Iterable[Recorded | Result]) -> Call[None]:
        """Say where a recorded outcome's user is not the one that the caller may think of."""
        if self.defaults.owner == "session" and any(body.get("userId") is not None for body in sent):
            yield from self._say_once(f"Recorded for the user of {SESSION}: the user_id given was not read")
        if any(each.unassigned for each in recorded):
            yield from self._say_once(
                "Recorded for no user, which is in nobody's feed: give a user_id, or set OUTCOMES_USER_ID"
            )

    def _say_ignored(self, names: Iterable[str], done: str = "Recorded") -> Call[None]:
        unread = ", ".join(dict.fromkeys(names))
        if unread:
            yield from self._say_once(f"{done}, but the API did not read {unread}: is it misspelt?")

    def _deadline(self) -> _Deadline:
        return _Deadline(self.retry, self._clock, self._jitter)

    def record(self, outcome: NewOutcome) -> Call[Recorded]:
        key = check_key(str(uuid.uuid4()) if outcome.idempotency_key is None else outcome.idempotency_key)
        body = self.defaults.complete(replace(outcome, idempotency_key=None).body())
        request = Request("POST", PATH, headers={"Idempotency-Key": key}, body=_encode(body))
        try:
            recorded = yield from self._exchange(request, partial(_answers.recorded, key=key), self._deadline())
        except OutcomesError as failure:
            failure.idempotency_key = key
            raise
        yield from self._say_whose([body], [recorded])
        yield from self._say_ignored(recorded.ignored_fields)
        return recorded

    def record_many(self, outcomes: Iterable[NewOutcome | Mapping[str, Any]]) -> Call[list[Result]]:
        bodies = [
            self.defaults.complete(item.body() if isinstance(item, NewOutcome) else dict(item)) for item in outcomes
        ]
        for body in bodies:
            if body.get("idempotencyKey") is None:
                body["idempotencyKey"] = str(uuid.uuid4())
        keys = [str(body["idempotencyKey"]) for body in bodies]
        results: dict[int, Result] = {}
        try:
            for batch in _batches(bodies, results):
                yield from self._record_batch(batch, keys, results)
        except OutcomesError as failure:
            unknown = Result("failed", "", error=str(failure), retryable=failure.retryable)
            failure.results = [results.get(n) or replace(unknown, idempotency_key=key) for n, key in enumerate(keys)]
            raise
        recorded = [n for n in range(len(bodies)) if results[n].ok]
        yield from self._say_whose((bodies[n] for n in recorded), (results[n] for n in recorded))
        yield from self._say_ignored(name for n in recorded for name in results[n].ignored_fields)
        return [results[n] for n in range(len(bodies))]

    def _record_batch(self, batch: dict[int, bytes], keys: list[str], results: dict[int, Result]) -> Call[None]:
        """Send the items (by their number in the call) until none is left that could still succeed in time."""
        deadline = self._deadline()
        while True:
            sent = list(batch)
            request = Request("POST", f"{PATH}/batch", body=b'{"outcomes":[%s]}' % b",".join(batch.values()))
            read = partial(_answers.results, keys=[keys[n] for n in sent])
            try:
                answered = yield from self._exchange(request, read, deadline)
            except OutcomesError as failure:
                if failure.retryable and sent[0] in results:
                    return  # the results of the try before still stand: not recorded yet, may be sent again
                raise
            results.update(zip(sent, answered, strict=True))
            batch = {n: batch[n] for n in sent if results[n].retryable}
            if not batch:
                return
            reason = next(results[n].error for n in batch)
            if not (yield from deadline.wait(f"{len(batch)} of {len(sent)} outcomes not taken yet: {reason}")):
                return

    def page(
        self,
        limit: int | None = None,
        cursor: str | None = None,
        outcome_type: str | Iterable[str] | None = None,
        agent_id: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        status: str | Iterable[str] | None = None,
        ledger: bool = False,
    ) -> Call[Page]:
        query = [
            *_given(limit=limit, cursor=cursor, agentId=agent_id),
            *_each("outcomeType", outcome_type),
            *_given(**{"from": _moments.of_query(start), "to": _moments.of_query(end)}),
            *_each("status", status),
            *_given(include="ledger" if ledger else None),
        ]
        return (yield from self._exchange(Request("GET", PATH, query), _answers.page, self._deadline()))

    def export_part(
        self,
        file_format: ExportFormat,
        cursor: str | None = None,
        outcome_type: str | Iterable[str] | None = None,
        agent_id: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
    ) -> Call[ExportPart]:
        query = [
            *_given(format=file_format, cursor=cursor, agentId=agent_id),
            *_each("outcomeType", outcome_type),
            *_given(**{"from": _moments.of_query(start), "to": _moments.of_query(end)}),
        ]
        media_type = _MEDIA_TYPES[file_format]
        request = Request("GET", f"{PATH}/export", query, headers={"Accept": f"{media_type}, application/json"})
        read = partial(_answers.export_part, media_type=media_type)
        return (yield from self._exchange(request, read, self._deadline()))

    def history(self, outcome_id: str) -> Call[History]:
        request = Request("GET", f"{PATH}/{quote(outcome_id, safe='')}", names="outcome")
        return (yield from self._exchange(request, _answers.history, self._deadline()))

    def correct(
        self,
        kind: Kind,
        outcome_id: str,
        reason: str | None,
        *,
        changes: Mapping[str, Any] | None = None,
        user_id: int | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Corrected]:
        key = check_key(str(uuid.uuid4()) if idempotency_key is None else idempotency_key)
        by: By = _BY.get(kind, "")
        body = {
            "type": kind,
            "reason": reason,
            "userId": None if by == "session" else self._whose(user_id),
            "changes": None if changes is None else _in_request(changes),
        }
        request = Request(
            "POST",
            f"{PATH}/{quote(outcome_id, safe='')}/corrections",
            headers={"Idempotency-Key": key},
            body=_encode({name: value for name, value in body.items() if value is not None}),
            by=by,
            does=_DOES[kind],
            names="outcome",
        )
        try:
            corrected = yield from self._exchange(request, partial(_answers.corrected, key=key), self._deadline())
        except OutcomesError as failure:
            failure.idempotency_key = key
            raise
        yield from self._say_ignored(corrected.ignored_fields, "Corrected")
        return corrected

    def summary(
        self,
        start: Moment | None = None,
        end: Moment | None = None,
        timezone: str | None = None,
        outcome_type: str | Iterable[str] | None = None,
        agent_id: int | None = None,
        by: Division | None = None,
        compare: Literal["previous"] | None = None,
    ) -> Call[Summary]:
        query = [
            *_given(**{"from": _moments.of_query(start), "to": _moments.of_query(end), "timezone": timezone}),
            *_each("outcomeType", outcome_type),
            *_given(agentId=agent_id, by=by, compare=compare),
        ]
        read = partial(_answers.summary, query=query)
        return (yield from self._exchange(Request("GET", f"{PATH}/summary", query), read, self._deadline()))

    def create_key(
        self,
        name: str,
        *,
        user_id: int | None = None,
        agent_id: int | None = None,
        outcome_types: str | Iterable[str] | None = None,
        max_value_usd: Decimal | float | None = None,
        scopes: Iterable[str] | None = None,
        expires_at: Moment | None = None,
    ) -> Call[NewAgentKey]:
        wanted = {
            "name": name,
            "userId": self._whose(user_id),
            "agentId": agent_id,
            "outcomeTypes": None if outcome_types is None else _listed(outcome_types),
            "maxValueUsd": max_value_usd,
            "scopes": None if scopes is None else list(scopes),
            "expiresAt": _moments.of_body(expires_at),
        }
        return (yield from self._new_key(KEYS_PATH, wanted))

    def rotate_key(
        self, key_id: str, user_id: int | None = None, overlap_hours: int | None = None
    ) -> Call[NewAgentKey]:
        wanted = {"userId": self._whose(user_id), "overlapHours": overlap_hours}
        return (yield from self._new_key(f"{KEYS_PATH}/{quote(key_id, safe='')}/rotate", wanted))

    def _new_key(self, path: str, wanted: Mapping[str, Any]) -> Call[NewAgentKey]:
        """Ask for a key. Without an answer that says that nothing was done, it may be there: nothing is asked again."""
        body = _encode({name: value for name, value in wanted.items() if value is not None})
        request = Request("POST", path, body=body, names="key", user_id=wanted["userId"])
        return (yield from self._exchange(request, _answers.new_key, self._deadline(), repeatable=False))

    def keys(self, user_id: int | None = None) -> Call[list[AgentKey]]:
        user_id = self._whose(user_id)
        request = Request("GET", KEYS_PATH, _given(userId=user_id), user_id=user_id)
        return (yield from self._exchange(request, _answers.keys, self._deadline()))

    def revoke_key(self, key_id: str, user_id: int | None = None) -> Call[None]:
        path, user_id = f"{KEYS_PATH}/{quote(key_id, safe='')}", self._whose(user_id)
        request = Request("DELETE", path, _given(userId=user_id), names="key", user_id=user_id)
        yield from self._exchange(request, _answers.revoked, self._deadline())

    def _whose(self, user_id: int | None) -> int | None:
        """Say whose keys or outcome the platform means. A session's are its user's: another would change nothing."""
        return user_id if user_id is not None or self.defaults.owner != "body" else self.defaults.user_id

    def own_key(self) -> Call[AgentKey]:
        return (yield from self._exchange(Request("GET", OWN_KEY_PATH), _answers.key, self._deadline()))

    def relay(self, message: bytes, headers: Mapping[str, str]) -> Call[bytes | None]:
        """Hand a message of the Model Context Protocol on; done twice, none does more than once."""
        request = Request(
            "POST", MCP_PATH, headers=headers, body=message, by="key", does="Serving tools", any_status=True
        )
        return (yield from self._exchange(request, partial(_answers.relayed, request=request), self._deadline()))

    def _exchange[T](
        self, request: Request, read: Callable[[Reply], T], deadline: _Deadline, repeatable: bool = True
    ) -> Call[T]:
        """Send until the answer can be read, cannot get better, or the deadline is near; then return or raise.

        repeatable: to send it twice is as good as once. Else it is sent again only where it is known that nothing was
        done.
        """
        while True:
            answer = yield Send(request, deadline.timeout)
            try:
                if not isinstance(answer, Reply):
                    reason = answer.reason if answer else "nothing was sent"
                    raise NoAnswerError(f"No answer from the Outcomes API: {reason}")
                if answer.status != 200 and not request.any_status:
                    raise _answers.refusal(answer, request)
                return read(answer)
            except OutcomesError as exc:
                failure = exc
            if not repeatable and not isinstance(failure, BusyError):
                failure.retryable = isinstance(answer, NoReply) and answer.unsent
            progress = isinstance(failure, StillAddingUpError)
            if not failure.retryable or not (
                yield from deadline.wait(str(failure), failure.retry_after, progress=progress)
            ):
                raise failure


def check_key(key: str) -> str:
    """Hand back an idempotency key that can be sent as one: 1 to 255 visible ASCII characters.

    Raises:
        InvalidOutcomeError: it cannot.
    """
    if re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        return key
    complaint = {"field": "idempotencyKey", "message": "must be 1 to 255 visible ASCII characters"}
    raise InvalidOutcomeError("Invalid Idempotency-Key", error="Invalid Idempotency-Key", details=[complaint])


def _in_request(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Spell changes as a request does; ValueError where one is said in both spellings."""
    said = {
        _CHANGED_AS.get(name, name): _moments.of_body(value) if isinstance(value, date) else value
        for name, value in changes.items()
    }
    if len(said) < len(changes):
        raise ValueError("changes say a field in two spellings")
    return said


def _encode(body: Mapping[str, Any]) -> bytes:
    """Write the body as JSON, or raise InvalidOutcomeError naming the fields that have no JSON form."""
    try:
        return _json.encode(body)
    except (TypeError, ValueError, RecursionError):
        details = []
        for name, value in body.items():
            try:
                _json.encode(value)
            except (TypeError, ValueError, RecursionError) as exc:
                details.append({"field": str(name), "message": f"cannot be written as JSON: {exc}"})
        error = f"Invalid {details[0]['field'] if details else 'outcome'}"
        raise InvalidOutcomeError(_answers.sentence(error, details), error=error, details=details) from None


def _batches(bodies: list[dict[str, Any]], results: dict[int, Result]) -> Iterator[dict[int, bytes]]:
    """Group encoded items by their number, as many as one request may hold; judge those that no request can hold."""
    batch: dict[int, bytes] = {}
    room = BATCH_BYTES - len(b'{"outcomes":[]}')
    size = 0
    for number, body in enumerate(bodies):
        try:
            item = _encode(body)
            if len(item) > room:
                raise InvalidOutcomeError("Payload too large", error="Payload too large")
        except InvalidOutcomeError as refused:
            key = str(body["idempotencyKey"])
            results[number] = Result("invalid", key, error=refused.error, details=list(refused.details))
            continue
        if len(batch) == BATCH_ITEMS or size + len(item) > room:
            yield batch
            batch, size = {}, 0
        batch[number] = item
        size += len(item) + 1  # its comma
    if batch:
        yield batch


def _given(**parameters: object) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in parameters.items() if value is not None]


def _listed(values: str | Iterable[str]) -> list[str]:
    """List what may be given as one or as many."""
    return [values] if isinstance(values, str) else list(values)


def _each(name: str, values: str | Iterable[str] | None) -> list[tuple[str, str]]:
    return [(name, str(value)) for value in _listed(values or ())]
