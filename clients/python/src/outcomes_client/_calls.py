"""Define the API's calls as sequences of steps, without I/O (sans-I/O).

A call is a generator. It yields the next step (`Send` a request, `Wait` some seconds), receives the answer, and returns
the result or raises an error. Both clients only execute the steps, so requests, retries and parsing are written once.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from . import _answers, _models, _moments
from ._choices import Division, IdOrNone
from ._errors import BusyError, NoAnswerError, OutcomesError, StillAddingUpError
from ._http import KEYS_PATH, MCP_PATH, OWN_KEY_PATH, PATH, SESSION, By, NoReply, Owner, Reply, Request
from ._models import (
    AgentKey,
    Corrected,
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
from ._refusals import refusal
from ._requests import batches, check_key, encode, in_request, listed, parameters
from ._steps import Backoff, Call, Retry, Say, Send

PAGE_SIZE = 50  # the API's maximum
ExportFormat = Literal["csv", "ndjson"]
_MEDIA_TYPES: dict[ExportFormat, str] = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
Query = list[tuple[str, str]]
Kind = Literal["amend", "void", "confirm", "dispute", "uphold"]
_BY: dict[Kind, By] = {"confirm": "session", "dispute": "session", "uphold": "key"}
_DOES: dict[Kind, str] = {
    "amend": "Amending",
    "void": "Voiding",
    "confirm": "Confirming",
    "dispute": "Disputing",
    "uphold": "Upholding",
}


@dataclass(frozen=True)
class Defaults:
    """The agent and the user of calls that name none."""

    agent_id: int | None = None
    user_id: int | None = None
    owner: Owner = "body"

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Add the default agent and user to a body that names none."""
        if "agentId" not in body and self.agent_id is not None:
            body["agentId"] = self.agent_id
        if "userId" not in body and self.user_id is not None and self.owner != "session":
            body["userId"] = self.user_id
        return body


class Calls:
    """Builds the steps of each call; `OutcomesClient` documents the calls."""

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
        """Warn if outcomes were recorded for no user, or for the session's user although the caller named a user."""
        if self.defaults.owner == "session" and any(body.get("userId") is not None for body in sent):
            yield from self._say_once(f"Recorded for the user of {SESSION}: the given user_id was ignored")
        if any(each.unassigned for each in recorded):
            yield from self._say_once(
                "Recorded for no user, which is in nobody's feed: name a user, or set OUTCOMES_USER_ID"
            )

    def _say_ignored(self, names: Iterable[str], done: str = "Recorded") -> Call[None]:
        unread = ", ".join(dict.fromkeys(names))
        if unread:
            yield from self._say_once(f"{done}, but the API did not read {unread}: is it misspelt?")

    def _backoff(self) -> Backoff:
        return Backoff(self.retry, self._clock, self._jitter)

    def record(self, outcome: NewOutcome) -> Call[Recorded]:
        key = check_key(str(uuid.uuid4()) if outcome.idempotency_key is None else outcome.idempotency_key)
        body = self.defaults.complete(replace(outcome, idempotency_key=None).body())
        request = Request("POST", PATH, headers={"Idempotency-Key": key}, body=encode(body))
        try:
            recorded = yield from self.exchange(request, partial(_answers.recorded, key=key))
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
            for batch in batches(bodies, results):
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
        """Send items until all are done or no time is left. batch: the items' JSON, by their index in the call."""
        backoff = self._backoff()
        while True:
            sent = list(batch)
            request = Request("POST", f"{PATH}/batch", body=b'{"outcomes":[%s]}' % b",".join(batch.values()))
            read = partial(_answers.results, keys=[keys[n] for n in sent])
            try:
                answered = yield from self.exchange(request, read, backoff)
            except OutcomesError as failure:
                if failure.retryable and sent[0] in results:
                    return  # keep the results of the previous try, which say that the caller may send these items again
                raise
            results.update(zip(sent, answered, strict=True))
            batch = {n: batch[n] for n in sent if results[n].retryable}
            if not batch:
                return
            reason = next(results[n].error for n in batch)
            if not (yield from backoff.wait(f"{len(batch)} of {len(sent)} outcomes not taken yet: {reason}")):
                return

    def page(
        self, filters: Query, limit: int | None = None, cursor: str | None = None, *, ledger: bool = False
    ) -> Call[Page]:
        query = [*filters, *parameters(limit=limit, cursor=cursor, include="ledger" if ledger else None)]
        request = Request("GET", PATH, query, by=_reader(query))
        return (yield from self.exchange(request, _answers.page))

    def export_part(self, filters: Query, file_format: ExportFormat, cursor: str | None = None) -> Call[ExportPart]:
        query = [*filters, *parameters(format=file_format, cursor=cursor)]
        media_type = _MEDIA_TYPES[file_format]
        accept = {"Accept": f"{media_type}, application/json"}
        request = Request("GET", f"{PATH}/export", query, headers=accept, by=_reader(query))
        read = partial(_answers.export_part, media_type=media_type)
        return (yield from self.exchange(request, read))

    def history(self, outcome_id: str, user_id: IdOrNone | None = None) -> Call[History]:
        path, query = f"{PATH}/{quote(outcome_id, safe='')}", parameters(userId=user_id)
        request = Request("GET", path, query, by=_reader(query), names="outcome")
        return (yield from self.exchange(request, _answers.history))

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
            "changes": None if changes is None else in_request(changes),
        }
        sent = encode({name: value for name, value in body.items() if value is not None})
        try:
            request = Request(
                "POST",
                f"{PATH}/{quote(outcome_id, safe='')}/corrections",
                headers={"Idempotency-Key": key},
                body=sent,
                by=by,
                does=_DOES[kind],
                names="outcome",
            )
            corrected = yield from self.exchange(request, partial(_answers.corrected, key=key))
        except OutcomesError as failure:
            failure.idempotency_key = key
            raise
        yield from self._say_ignored(corrected.ignored_fields, "Corrected")
        return corrected

    def assign(self, outcome_id: str, user_id: int) -> Call[str]:
        request = Request(
            "POST",
            f"{PATH}/{quote(outcome_id, safe='')}/assign",
            body=encode({"userId": user_id}),
            by="key",
            does="Assigning",
            names="outcome",
        )
        return (yield from self.exchange(request, _answers.assigned))

    def summary(
        self,
        filters: Query,
        timezone: str | None = None,
        by: Division | None = None,
        compare: Literal["previous"] | None = None,
    ) -> Call[Summary]:
        query = [*filters, *parameters(timezone=timezone, by=by, compare=compare)]
        request = Request("GET", f"{PATH}/summary", query, by=_reader(query))
        return (yield from self.exchange(request, partial(_answers.summary, query=query)))

    # make contract: calls for rows
    def types(self) -> Call[list[_models.ListedType]]:
        request = Request("GET", "/api/outcomes/types", by="any", does="Listing types")
        return (yield from self.exchange(request, _answers.types))

    # end of make contract

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
            "outcomeTypes": None if outcome_types is None else listed(outcome_types),
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
        """Request a new secret.

        Retry only if it is certain that nothing was done, because otherwise a key may already exist.
        """
        body = encode({name: value for name, value in wanted.items() if value is not None})
        request = Request("POST", path, body=body, names="key", user_id=wanted["userId"])
        return (yield from self.exchange(request, _answers.new_key, repeatable=False))

    def keys(self, user_id: int | None = None) -> Call[list[AgentKey]]:
        user_id = self._whose(user_id)
        request = Request("GET", KEYS_PATH, parameters(userId=user_id), user_id=user_id)
        return (yield from self.exchange(request, _answers.keys))

    def revoke_key(self, key_id: str, user_id: int | None = None) -> Call[None]:
        path, user_id = f"{KEYS_PATH}/{quote(key_id, safe='')}", self._whose(user_id)
        request = Request("DELETE", path, parameters(userId=user_id), names="key", user_id=user_id)
        yield from self.exchange(request, _answers.revoked)

    def _whose(self, user_id: int | None) -> int | None:
        """Return `user_id` or, with the platform's key, the default user. A session always acts for its own user."""
        return user_id if user_id is not None or self.defaults.owner != "body" else self.defaults.user_id

    def own_key(self) -> Call[AgentKey]:
        return (yield from self.exchange(Request("GET", OWN_KEY_PATH), _answers.key))

    def relay(self, message: bytes, headers: Mapping[str, str]) -> Call[bytes | None]:
        """Forward an MCP message. Sending it again is safe, because every tool is idempotent."""
        request = Request(
            "POST", MCP_PATH, headers=headers, body=message, by="key", does="Serving tools", any_status=True
        )
        return (yield from self.exchange(request, partial(_answers.relayed, request=request)))

    def exchange[T](
        self, request: Request, read: Callable[[Reply], T], backoff: Backoff | None = None, repeatable: bool = True
    ) -> Call[T]:
        """Send a request until its answer can be parsed, a retry cannot help, or the deadline is near.

        Then return the result or raise.

        repeatable: whether sending twice has the same effect as sending once. If not, retry only if it is certain that
        nothing was done.
        """
        backoff, maybe_done = backoff or self._backoff(), False
        while True:
            answer = yield Send(request, backoff.timeout)
            try:
                if not isinstance(answer, Reply):
                    reason = answer.reason if answer else "nothing was sent"
                    raise NoAnswerError(f"No answer from the Outcomes API: {reason}")
                if answer.status != 200 and not request.any_status:
                    raise refusal(answer, request)
                return read(answer)
            except OutcomesError as exc:
                failure = exc
            unsent = isinstance(answer, NoReply) and answer.unsent
            # BusyError is also retryable, but it means that this try did nothing.
            maybe_done = maybe_done or (failure.retryable and not unsent and not isinstance(failure, BusyError))
            failure._maybe_done = maybe_done
            if not repeatable and not isinstance(failure, BusyError):
                failure.retryable = unsent
            progress = isinstance(failure, StillAddingUpError)
            if not failure.retryable or not (
                yield from backoff.wait(str(failure), failure.retry_after, progress=progress)
            ):
                raise failure


def _reader(query: Query) -> By:
    """Return the credential for a query. A query that names a user needs the platform's key."""
    return "key" if any(name == "userId" for name, _ in query) else ""
