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
from datetime import date
from functools import partial
from typing import Any, Literal, TypedDict
from urllib.parse import quote

from . import _answers, _readers
from ._choices import Division
from ._errors import (
    BusyError,
    ForbiddenError,
    InvalidOutcomeError,
    LimitError,
    NoAnswerError,
    NotFoundError,
    OutcomesError,
    PreconditionFailedError,
    StillAddingUpError,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from ._http import (
    COSTS_PATH,
    DEFINITIONS_PATH,
    KEYS_PATH,
    MCP_PATH,
    PATH,
    SESSION,
    STATEMENTS_PATH,
    WATCHES_PATH,
    By,
    NoReply,
    Owner,
    Reply,
    Request,
)
from ._models import (
    CORRECTION_SENT_AS,
    AgentKey,
    ByRule,
    Corrected,
    CorrectionResult,
    CostDay,
    CostLine,
    CountedPage,
    Definition,
    Digest,
    ExportPart,
    NewAgentKey,
    NewCorrection,
    NewOutcome,
    Page,
    Recorded,
    Result,
    Summary,
    Watch,
    add_line,
    by_agent_and_label,
    definition_body,
    watch_body,
)
from ._moments import Moment, of_query
from ._refusals import refusal
from ._requests import batches, check_key, encode, in_request, parameters, repeated, utf8
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


class Failed(TypedDict):
    """Describes in a result an item that was not sent, or whose answer was lost."""

    status: Literal["invalid", "failed"]
    error: str | None
    details: list[Mapping[str, Any]]
    retryable: bool


@dataclass(frozen=True)
class Bulk[R]:
    """A call with several items in batches.

    request: without its body. around: the body, with %s for the items. read: parses the result of an item. undone:
    returns the result of an item that was not sent, or whose answer was lost.
    """

    request: Request
    around: bytes
    read: Callable[[dict[str, Any], Mapping[str, Any], Reply], R]
    undone: Callable[[dict[str, Any], Failed], R]


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
                "Recorded for no user, which is in nobody's feed: assign it, and set OUTCOMES_USER_ID for others"
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
        bodies = _keyed(
            self.defaults.complete(item.body() if isinstance(item, NewOutcome) else dict(item)) for item in outcomes
        )

        def undone(body: dict[str, Any], failed: Failed) -> Result:
            return Result(idempotency_key=str(body["idempotencyKey"]), **failed)

        bulk = Bulk(Request("POST", f"{PATH}/batch"), b'{"outcomes":[%s]}', _answers.result, undone)
        results: dict[int, Result] = {}
        try:
            yield from self._send_all(bodies, bulk, results)
        except OutcomesError as failure:
            failure.results = [results[n] for n in bodies]
            raise
        recorded = [n for n in bodies if results[n].ok]
        yield from self._say_whose((bodies[n] for n in recorded), (results[n] for n in recorded))
        yield from self._say_ignored(name for n in recorded for name in results[n].ignored_fields)
        return [results[n] for n in bodies]

    def correct_many(
        self, corrections: Iterable[NewCorrection | Mapping[str, Any]], reason: str | None
    ) -> Call[list[CorrectionResult]]:
        bodies = _keyed(
            item.body() if isinstance(item, NewCorrection) else in_request(item, CORRECTION_SENT_AS)
            for item in corrections
        )
        by: dict[int, By] = {n: next((_BY[k] for k in _BY if k == body.get("type")), "") for n, body in bodies.items()}
        for n, body in bodies.items():
            if isinstance(body.get("changes"), Mapping):
                body["changes"] = in_request(body["changes"])
            if by[n] != "session":
                body["userId"] = self.whose(body.get("userId"))
            if body.get("userId") is None:
                body.pop("userId", None)

        def undone(body: dict[str, Any], failed: Failed) -> CorrectionResult:
            return CorrectionResult(id=str(body.get("id")), idempotency_key=str(body["idempotencyKey"]), **failed)

        shared = encode({} if reason is None else {"reason": reason})[:-1].replace(b"%", b"%%")
        around = shared + (b"" if reason is None else b",") + b'"corrections":[%s]}'
        results: dict[int, CorrectionResult] = {}
        try:
            for credential in dict.fromkeys(by.values()):  # a call has one credential, which all its corrections need
                request = Request("POST", f"{PATH}/corrections", by=credential, does="Correcting")
                bulk = Bulk(request, around, _answers.correction, undone)
                yield from self._send_all({n: bodies[n] for n in bodies if by[n] == credential}, bulk, results)
        except OutcomesError as failure:
            unsent = _undone(failure)
            failure.corrections = [results.get(n) or undone(body, unsent) for n, body in bodies.items()]
            raise
        made = [result for result in results.values() if result.ok]
        yield from self._say_ignored((name for result in made for name in result.ignored_fields), "Corrected")
        return [results[n] for n in bodies]

    def _send_all[R: (Result, CorrectionResult)](
        self, bodies: Mapping[int, dict[str, Any]], bulk: Bulk[R], results: dict[int, R]
    ) -> Call[None]:
        """Send bodies in batches, and add the result of each to `results`, also before raising an error."""

        def refuse(number: int, refused: InvalidOutcomeError) -> None:
            failed = Failed(status="invalid", error=refused.error, details=list(refused.details), retryable=False)
            results[number] = bulk.undone(bodies[number], failed)

        try:
            for batch in batches(bodies, len(bulk.around % b""), refuse):
                yield from self._send_batch(batch, bodies, bulk, results)
        except OutcomesError as failure:
            for number in bodies.keys() - results.keys():
                results[number] = bulk.undone(bodies[number], _undone(failure))
            raise

    def _send_batch[R: (Result, CorrectionResult)](
        self, batch: dict[int, bytes], bodies: Mapping[int, dict[str, Any]], bulk: Bulk[R], results: dict[int, R]
    ) -> Call[None]:
        """Send items until all are done or no time is left. batch: the items' JSON, by their number in the call."""
        backoff = self._backoff()
        while True:
            sent = list(batch)
            request = replace(bulk.request, body=bulk.around % b",".join(batch.values()))
            read = partial(_answers.results, sent=[bodies[n] for n in sent], read=bulk.read)
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

    def page(self, filters: Query, limit: int | None, cursor: str | None, *, ledger: bool) -> Call[Page]:
        query = [*filters, *parameters(limit=limit, cursor=cursor, include="ledger" if ledger else None)]
        return self.read(PATH, _answers.model(_readers.page), query)

    def counted_page(self, filters: Query, limit: int | None, cursor: str | None) -> Call[CountedPage]:
        query = [*filters, *parameters(limit=limit, cursor=cursor), *repeated("include", ["ledger", "counts"])]
        return self.read(PATH, _answers.model(_readers.counted_page), query)

    def export_part(self, filters: Query, file_format: ExportFormat, cursor: str | None) -> Call[ExportPart]:
        return self._part(
            f"{PATH}/export", [*filters, *parameters(format=file_format, cursor=cursor)], _MEDIA_TYPES[file_format]
        )

    def entries(self, statement_id: str, cursor: str | None) -> Call[ExportPart]:
        path = f"{statement_path(statement_id)}/entries"
        return self._part(path, parameters(cursor=cursor), _MEDIA_TYPES["ndjson"], names="statement")

    def _part(self, path: str, query: Query, media_type: str, names: str = "") -> Call[ExportPart]:
        accept = {"Accept": f"{media_type}, application/json"}
        read = partial(_answers.export_part, media_type=media_type)
        return self.read(path, read, query, headers=accept, names=names)

    def correct(
        self,
        kind: Kind,
        outcome_id: str,
        reason: str | None,
        *,
        changes: Mapping[str, Any] | None = None,
        user_id: int | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Corrected]:
        key = check_key(str(uuid.uuid4()) if idempotency_key is None else idempotency_key)
        by: By = _BY.get(kind, "")
        body = body_of(
            type=kind,
            reason=reason,
            userId=None if by == "session" else self.whose(user_id),
            changes=None if changes is None else in_request(changes),
            ifVersion=if_version,
        )
        try:
            request = Request(
                "POST",
                f"{PATH}/{escaped(outcome_id)}/corrections",
                headers={"Idempotency-Key": key},
                body=body,
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

    def summary[S: Summary](
        self,
        read: Callable[[dict[str, Any]], S],
        filters: Query,
        timezone: str | None = None,
        by: Division | None = None,
        compare: Literal["previous"] | None = None,
        include: Iterable[Literal["cost", "definition"]] = (),
    ) -> Call[S]:
        query = [*filters, *parameters(timezone=timezone, by=by, compare=compare), *repeated("include", include)]
        return self.read(f"{PATH}/summary", partial(_answers.summary, read=read, query=query), query)

    def new_key(self, below: str, **wanted: Any) -> Call[NewAgentKey]:
        """Request a new secret for `userId`, or for the default user.

        Retry only if it is certain that nothing was done, because otherwise a key may already exist.
        """
        wanted["userId"] = user_id = self.whose(wanted["userId"])
        sent = {name: value for name, value in wanted.items() if value is not None}
        if sent.get("maxPerDay") == "unlimited":
            sent["maxPerDay"] = None
        request = Request("POST", KEYS_PATH + below, body=encode(sent), names="live key", user_id=user_id)
        made, ignored = yield from self.exchange(request, _answers.made, repeatable=False)
        yield from self._say_ignored(ignored, "Made")
        return made

    def switch_key(self, key_id: str, way: Literal["pause", "resume"], user_id: int | None) -> Call[AgentKey]:
        user_id = self.whose(user_id)
        body = body_of(userId=user_id)
        request = Request("POST", f"{KEYS_PATH}/{escaped(key_id)}/{way}", body=body, names="live key", user_id=user_id)
        # A resumption that is sent again could end a newer pause.
        return self.exchange(request, _answers.model(_readers.agent_key), repeatable=way == "pause")

    def whose(self, user_id: int | None) -> int | None:
        """Return `user_id` or, with the platform's key, the default user. A session always acts for its own user."""
        return user_id if user_id is not None or self.defaults.owner != "body" else self.defaults.user_id

    def put_costs(
        self,
        day: date | str,
        source: str,
        lines: Iterable[CostLine | Mapping[str, Any]],
        if_version: int | None,
        user_id: int | None,
        *,
        repeatable: bool = True,
    ) -> Call[int]:
        """Replace the costs of a day. `if_version` is the version that must be stored: 0 for none, None for any.

        With None, a put whose answer was lost is not sent again: it could replace costs that others have put since.

        repeatable: whether to retry after a lost answer if `if_version` is not None.
        """
        sent = [line.body() if isinstance(line, CostLine) else dict(line) for line in lines]
        body, headers = body_of(userId=(yield from self._owner_of_costs(user_id)), lines=sent), condition(if_version)
        request = Request("PUT", costs_path(day, source), headers=headers, body=body, by="any", does="Putting costs")
        return (yield from self._put(request, repeatable=repeatable and if_version is not None))

    def get_costs(self, day: date | str, source: str, user_id: int | None, *, versions: bool = False) -> Call[CostDay]:
        owner = yield from self._owner_of_costs(user_id)
        query = parameters(userId=owner, include="versions" if versions else None)
        how: dict[str, Any] = {"by": "any", "does": "Reading costs", "names": "costs"}
        return (yield from self.read(costs_path(day, source), _answers.model(_readers.cost_day), query, **how))

    def delete_costs(self, day: date | str, source: str, if_version: int | None, user_id: int | None) -> Call[int]:
        query, headers = parameters(userId=(yield from self._owner_of_costs(user_id))), condition(if_version)
        request = Request(
            "DELETE", costs_path(day, source), query, headers, by="any", does="Deleting costs", names="costs"
        )
        return (yield from self.exchange(request, _answers.version, repeatable=if_version is not None))

    def _owner_of_costs(self, user_id: int | None) -> Call[int | None]:
        if self.defaults.owner == "session" and user_id is not None:
            yield from self._say_once(f"The costs are of the user of {SESSION}: the given user_id is ignored")
        return self.whose(user_id)

    def change_costs(
        self,
        day: date | str,
        source: str,
        user_id: int | None,
        changed: Callable[[list[CostLine] | None], list[CostLine] | None],
        *,
        repeatable: bool,
    ) -> Call[int]:
        """Read the costs of a day, and put changed lines. Start again if another version was put in the meantime.

        changed: gets the day's costs, or None if they are not known; returns the new lines, or None to put nothing.

        repeatable: whether to send a put again if its answer was lost. If the put was stored, `changed` then gets its
        own result, so it must be idempotent.

        Raises UnreadableError.
        """
        backoff, unseen = self._backoff(), 0
        while True:
            lines, version = None, 0
            try:
                stored = yield from self.get_costs(day, source, user_id)
                lines, version = stored.lines, stored.version
            except NotFoundError:
                pass
            lines = changed(lines)
            if lines is None:
                return version
            try:
                return (yield from self.put_costs(day, source, lines, version, user_id, repeatable=repeatable))
            except PreconditionFailedError as exc:
                unseen = 0 if version else unseen + 1
                if unseen > 1:
                    raise UnreadableError("others put the costs of this day, and this key may not read them") from exc
                if not (yield from backoff.wait(str(exc))):
                    raise

    def add_costs(self, day: date | str, source: str, line: CostLine, user_id: int | None) -> Call[int]:
        def changed(lines: list[CostLine] | None) -> list[CostLine]:
            sums = by_agent_and_label(lines or ())
            add_line(sums, line)
            return [*sums.values()]

        return self.change_costs(day, source, user_id, changed, repeatable=False)

    def put_definition(
        self, month: str, definition: Definition | Mapping[str, Any], if_version: int | None
    ) -> Call[int]:
        body, headers = encode(definition_body(definition)), condition(if_version)
        request = Request("PUT", definition_path(month), (), headers, body, "session", "Putting a definition")
        return (yield from self._put(request, repeatable=if_version is not None))

    def put_watch(
        self, watch_id: str, watch: Watch | Digest | Mapping[str, Any], if_version: int | None, user_id: int | None
    ) -> Call[int]:
        """Put a watch, or the setting of the digest, whose id is `digest`."""
        owner = self.whose(user_id)
        body = encode({**watch_body(watch), **({} if owner is None else {"userId": owner})})
        by, headers = _by_user(owner), condition(if_version)
        request = Request("PUT", watch_path(watch_id), (), headers, body, by, "Putting a watch")
        return (yield from self._put(request, repeatable=if_version is not None))

    def delete_watch(self, watch_id: str, if_version: int | None, user_id: int | None) -> Call[int]:
        owner = self.whose(user_id)
        query, headers, by = parameters(userId=owner), condition(if_version), _by_user(owner)
        request = Request("DELETE", watch_path(watch_id), query, headers, by=by, does="Deleting a watch", names="watch")
        return self.exchange(request, _answers.version, repeatable=if_version is not None)

    def read_watches[T](
        self, read: Callable[[dict[str, Any]], T], user_id: int | None, watch_id: str | None = None
    ) -> Call[T]:
        """Read a watch, or all."""
        path, names = (WATCHES_PATH, "") if watch_id is None else (watch_path(watch_id), "watch")
        owner = self.whose(user_id)
        how: dict[str, Any] = {"by": _by_user(owner), "does": "Reading watches", "names": names}
        return self.read(path, _answers.model(read), parameters(userId=owner), **how)

    def _put(self, request: Request, *, repeatable: bool) -> Call[int]:
        version, ignored = yield from self.exchange(request, _answers.stored, repeatable=repeatable)
        yield from self._say_ignored(ignored, "Stored")
        return version

    def try_definition(
        self, definition: Definition | Mapping[str, Any], start: Moment | None, end: Moment | None
    ) -> Call[ByRule | None]:
        period = {"from": of_query(start), "to": of_query(end)}
        body = body_of(definition=definition_body(definition), **period)
        request = Request("POST", f"{DEFINITIONS_PATH}/try", (), {}, body, "session", "Trying a definition")
        by_rule, ignored = yield from self.exchange(request, _answers.trial)
        yield from self._say_ignored(ignored, "Tried")
        return by_rule

    def relay(self, message: bytes, headers: Mapping[str, str]) -> Call[bytes | None]:
        """Forward an MCP message. Sending it again is safe, because every tool is idempotent."""
        request = Request(
            "POST", MCP_PATH, headers=headers, body=message, by="key", does="Serving tools", any_status=True
        )
        return self.exchange(request, partial(_answers.relayed, request=request))

    def read[T](self, path: str, read: Callable[[Reply], T], query: Query | None = None, **how: Any) -> Call[T]:
        """Read, by default with a credential that may read. A query that names a user needs the platform's key.

        how: other arguments of the `Request`.
        """
        by: By = "key" if any(name == "userId" for name, _ in query or ()) else ""
        return self.exchange(Request("GET", path, query or (), **{"by": by, **how}), read)

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
            is_doubtful = isinstance(failure, _DOUBTFUL) and not failure.retryable
            if is_doubtful and maybe_done and request.method != "GET":
                failure.args = (f"{failure}; it is not known whether an earlier try took effect",)
            if not repeatable and not isinstance(failure, BusyError):
                failure.retryable = unsent
            progress = isinstance(failure, StillAddingUpError)
            if not failure.retryable or not (
                yield from backoff.wait(str(failure), failure.retry_after, progress=progress)
            ):
                raise failure


# Refusals of a try that say nothing about the tries before it.
_DOUBTFUL = (ForbiddenError, LimitError, PreconditionFailedError, UnauthorizedError, UnexpectedAnswerError)


def _keyed(bodies: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Number bodies, and give an idempotency key to those without one."""
    keyed = dict(enumerate(bodies))
    for body in keyed.values():
        if body.get("idempotencyKey") is None:
            body["idempotencyKey"] = str(uuid.uuid4())
    return keyed


def _undone(failure: OutcomesError) -> Failed:
    return Failed(status="failed", error=str(failure), details=[], retryable=failure.retryable)


class UnreadableError(OutcomesError):
    """The day has costs, but the read finds none: others put them, and this key may not read what others put."""


def body_of(**values: object) -> bytes:
    """Write a body without the values that are None."""
    return encode({name: value for name, value in values.items() if value is not None})


def condition(if_version: int | None) -> dict[str, str]:
    """Return the header that requires a version of costs, of a definition or of a watch."""
    if if_version is None:
        return {}
    return {"If-Match": f'"{if_version}"'} if if_version else {"If-None-Match": "*"}


def _by_user(user_id: int | None) -> By:
    """Return the credential for a user's watches: the platform's key, which must name the user, or the session."""
    return "session" if user_id is None else "key"


def costs_path(day: date | str, source: str) -> str:
    return f"{COSTS_PATH}/{escaped(str(day))}/{escaped(source)}"


def definition_path(month: str) -> str:
    return f"{DEFINITIONS_PATH}/{escaped(month)}"


def watch_path(watch_id: str) -> str:
    return f"{WATCHES_PATH}/{escaped(watch_id)}"


def statement_path(statement_id: str) -> str:
    # Replace `/` and `+` in the time zone's name, because gateways decode escapes in paths.
    return f"{STATEMENTS_PATH}/{quote(utf8(statement_id).replace('/', '~').replace('+', '.'), safe='@~')}"


def escaped(part: str) -> str:
    """Escape a part of a path."""
    return quote(utf8(part), safe="")
