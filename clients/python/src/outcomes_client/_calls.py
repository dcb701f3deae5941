"""Every call of the API, without any I/O.

A call is a generator: it yields what to do next (`Send` a request, `Wait` some seconds), is sent the answer, and
returns the result or raises. The two clients only carry the steps out, so what is sent, when to try again and what an
answer means exist once for both.
"""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Literal

from . import _json
from ._errors import (
    ApiError,
    BrokenAnswerError,
    BusyError,
    ConfigurationError,
    InvalidOutcomeError,
    KeyReusedError,
    NoAnswerError,
    OutcomesError,
    ServerError,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from ._models import AgentTotal, DayTotal, NewOutcome, Outcome, Page, Recorded, Result, Summary, TypeTotal

PATH = "/api/outcomes"
PAGE_SIZE = 50  # the API's own maximum
BATCH_ITEMS = 100
BATCH_BYTES = 1024 * 1024

Moment = datetime | date | str
"""An aware datetime, a date (midnight UTC), or ISO 8601 text that is sent as it is."""


@dataclass(frozen=True)
class Retry:
    """How long and how often to try, in seconds.

    `deadline` bounds one call with all its retries (`record_many`: each of its batches); `timeout` one try. Between
    tries the client waits a random time from 0 to `first`, then 2, 4, 8 ... times that, at most `longest`, added to
    what `Retry-After` asks ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """

    deadline: float = 60
    timeout: float = 30  # API Gateway answers within 29 s; to hang up earlier is to miss answers on their way
    first: float = 0.2
    longest: float = 10


@dataclass(frozen=True)
class Request:
    method: Literal["GET", "POST"]
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Send:
    request: Request
    timeout: float


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # looked up in any case, as httpx.Headers are
    body: bytes


@dataclass(frozen=True)
class NoReply:
    """Why no whole answer came."""

    reason: str


type Call[T] = Generator[Send | Wait, Reply | NoReply | None, T]


class _Patience:
    """The tries of one call until its deadline."""

    def __init__(self, retry: Retry, clock: Callable[[], float], jitter: Callable[[float, float], float]) -> None:
        self._retry, self._clock, self._jitter = retry, clock, jitter
        self._ends = clock() + retry.deadline
        self._ceiling = retry.first

    @property
    def timeout(self) -> float:
        return max(0.001, min(self._retry.timeout, self._ends - self._clock()))

    def pause(self, at_least: float | None) -> Wait | None:
        """The wait before the next try, or None when too little time would be left for it.

        A try in the last moments could only time out, and hide the reason of the one before.
        """
        seconds = (at_least or 0) + self._jitter(0, self._ceiling)
        self._ceiling = min(self._retry.longest, self._ceiling * 2)
        left = self._ends - self._clock() - seconds
        return Wait(seconds) if left >= self._retry.timeout / 10 else None


class Calls:
    def __init__(
        self,
        retry: Retry,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._retry, self._clock, self._jitter = retry, clock, jitter

    def _new_patience(self) -> _Patience:
        return _Patience(self._retry, self._clock, self._jitter)

    def record(self, outcome: NewOutcome) -> Call[Recorded]:
        key = check_key(str(uuid.uuid4()) if outcome.idempotency_key is None else outcome.idempotency_key)
        body = replace(outcome, idempotency_key=None).body()
        request = Request("POST", PATH, headers={"Idempotency-Key": key}, body=_encode(body))
        try:
            return (yield from self._exchange(request, partial(_recorded, key=key), self._new_patience()))
        except OutcomesError as failure:
            failure.idempotency_key = key
            raise

    def record_many(self, outcomes: Iterable[NewOutcome | Mapping[str, Any]]) -> Call[list[Result]]:
        bodies = [dict(item.body() if isinstance(item, NewOutcome) else item) for item in outcomes]
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
        return [results[n] for n in range(len(bodies))]

    def _record_batch(self, batch: dict[int, bytes], keys: list[str], results: dict[int, Result]) -> Call[None]:
        """Send the items (by their number in the call) until none is left that could still succeed in time."""
        patience = self._new_patience()
        while True:
            sent = list(batch)
            request = Request("POST", f"{PATH}/batch", body=b'{"outcomes":[%s]}' % b",".join(batch.values()))
            read = partial(_results, keys=[keys[n] for n in sent])
            try:
                answered = yield from self._exchange(request, read, patience)
            except OutcomesError as failure:
                if failure.retryable and sent[0] in results:
                    return  # the results of the try before still stand: not recorded yet, may be sent again
                raise
            results.update(zip(sent, answered, strict=True))
            batch = {n: batch[n] for n in sent if results[n].retryable}
            if not batch or (pause := patience.pause(None)) is None:
                return
            yield pause

    def page(
        self,
        limit: int | None = None,
        cursor: str | None = None,
        outcome_type: str | Iterable[str] | None = None,
        agent_id: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
    ) -> Call[Page]:
        types = [outcome_type] if isinstance(outcome_type, str) else list(outcome_type or ())
        query = [
            *_given(limit=limit, cursor=cursor, agentId=agent_id),
            *(("outcomeType", str(one)) for one in types),
            *_given(**{"from": _instant(start), "to": _instant(end)}),
        ]
        return (yield from self._exchange(Request("GET", PATH, query), _page, self._new_patience()))

    def summary(
        self, start: Moment | None = None, end: Moment | None = None, timezone: str | None = None
    ) -> Call[Summary]:
        query = _given(**{"from": _instant(start), "to": _instant(end), "timezone": timezone})
        return (yield from self._exchange(Request("GET", f"{PATH}/summary", query), _summary, self._new_patience()))

    def _exchange[T](self, request: Request, read: Callable[[Reply], T], patience: _Patience) -> Call[T]:
        """Send until the answer can be read, cannot get better, or the deadline is near; then return or raise."""
        while True:
            answer = yield Send(request, patience.timeout)
            try:
                if not isinstance(answer, Reply):
                    reason = answer.reason if answer else "nothing was sent"
                    raise NoAnswerError(f"No answer from the Outcomes API: {reason}")
                if answer.status != 200:
                    raise _refusal(answer)
                return read(answer)
            except OutcomesError as failure:
                pause = patience.pause(failure.retry_after) if failure.retryable else None
                if pause is None:
                    raise
            yield pause


def check_key(key: str) -> str:
    """The idempotency key itself, if it can be sent as one: 1 to 255 visible ASCII characters.

    Raises:
        InvalidOutcomeError: it cannot.
    """
    if re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        return key
    complaint = {"field": "idempotencyKey", "message": "must be 1 to 255 visible ASCII characters"}
    raise InvalidOutcomeError("Invalid Idempotency-Key", error="Invalid Idempotency-Key", details=[complaint])


def _encode(body: Mapping[str, Any]) -> bytes:
    """The body as JSON, or InvalidOutcomeError naming the fields that have no JSON form."""
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
        raise InvalidOutcomeError(_sentence(None, error, details), error=error, details=details) from None


def _batches(bodies: list[dict[str, Any]], results: dict[int, Result]) -> Iterator[dict[int, bytes]]:
    """Encoded items by their number, as many as one request may hold; those that no request can hold are judged."""
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


def _instant(moment: Moment | None) -> str | None:
    """Raises ValueError for a datetime without a time zone: it could mean any of 38 instants."""
    if not isinstance(moment, datetime):
        return str(moment) if moment is not None else None
    if moment.utcoffset() is None:
        raise ValueError("a datetime without time zone is ambiguous: pass an aware one, or a date")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks to wait: a number or an HTTP date (RFC 9110, 10.2.3); None if it says neither."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    # Against the server's own clock where it tells it: ours may be wrong.
    try:
        now = parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        now = datetime.now(UTC)
    return max(0.0, (_aware(at) - _aware(now)).total_seconds())


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_REFUSALS: dict[int, type[ApiError]] = {
    400: InvalidOutcomeError,
    401: UnauthorizedError,
    409: BusyError,
    413: InvalidOutcomeError,
    422: KeyReusedError,
    429: BusyError,
}


def _refusal(reply: Reply) -> OutcomesError:
    """The error that an answer other than 200 means."""
    try:
        body = _json.decode(reply.body)
    except ValueError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, str) else None
    details = body.get("details") if isinstance(body, dict) else None
    details = [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    kind = ServerError if reply.status >= 500 else _REFUSALS.get(reply.status)
    if kind is None:
        message = f"{reply.status} {error or ''}".strip() + ": is this the URL of an Outcomes API?"
        return UnexpectedAnswerError(message, status=reply.status, error=error, details=details)
    return kind(
        _sentence(reply.status, error, details),
        status=reply.status,
        error=error,
        details=details,
        retry_after=retry_after(reply.headers),
    )


def _sentence(status: int | None, error: str | None, details: Sequence[Mapping[str, Any]]) -> str:
    faults = "; ".join(f"{one.get('field')} {one.get('message')}" for one in details)
    head = " ".join(str(part) for part in (status, error or "without a reason") if part is not None)
    return f"{head}: {faults}" if faults else head


def _recorded(reply: Reply, key: str) -> Recorded:
    # The body must be read although a key's caller learns nothing from it: a proxy's page is also a 200.
    body = _object(reply)
    outcome_id = reply.headers.get("Outcome-Id") or body.get("id")
    if body.get("ok") is not True or not isinstance(outcome_id, str):
        raise BrokenAnswerError("200, but neither ok nor the outcome's id", status=200)
    return Recorded(outcome_id, reply.headers.get("Idempotent-Replayed", "").lower() == "true", key)


def _results(reply: Reply, keys: Sequence[str]) -> list[Result]:
    items = _object(reply).get("results")
    if not isinstance(items, list) or len(items) != len(keys):
        raise BrokenAnswerError("200, but not one result for each item", status=200)
    return [_shaped(_result, item, key) for item, key in zip(items, keys, strict=True)]


def _result(item: dict[str, Any], key: str) -> Result:
    status = item["status"]
    if status not in ("created", "replayed", "invalid", "conflict", "failed"):
        raise ValueError(status)
    retryable = status == "failed" and item.get("retryable") is True
    outcome_id = str(item["id"]) if status in ("created", "replayed") else None
    return Result(status, key, outcome_id, item.get("error"), list(item.get("details") or ()), retryable)


def _page(reply: Reply) -> Page:
    body = _object(reply)
    outcomes, cursor = body.get("outcomes"), body.get("next_cursor")
    if not isinstance(outcomes, list) or not isinstance(cursor, str | None):
        raise BrokenAnswerError("200, but no list of outcomes", status=200)
    return Page([_shaped(_outcome, item) for item in outcomes], cursor)


def _outcome(item: dict[str, Any]) -> Outcome:
    return Outcome(
        id=str(item["id"]),
        user_id=item["user_id"],
        agent_id=item["agent_id"],
        outcome_type=str(item["outcome_type"]),
        title=str(item["title"]),
        description=item["description"],
        value_usd=None if item["value_usd"] is None else Decimal(item["value_usd"]),
        metadata=_json.plain(item["metadata"]),
        created_at=datetime.fromisoformat(item["created_at"]),
    )


def _summary(reply: Reply) -> Summary:
    return _shaped(_totals, _object(reply))


def _totals(body: dict[str, Any]) -> Summary:
    def total(item: dict[str, Any]) -> dict[str, Any]:
        return {"count": int(item["count"]), "value_usd": Decimal(item["value_usd"])}

    return Summary(
        **total(body),
        start=str(body["from"]),
        end=str(body["to"]),
        timezone=str(body["timezone"]),
        by_type=[TypeTotal(**total(one), outcome_type=str(one["outcome_type"])) for one in body["by_type"]],
        by_agent=[AgentTotal(**total(one), agent_id=one["agent_id"]) for one in body["by_agent"]],
        by_day=[DayTotal(**total(one), date=date.fromisoformat(one["date"])) for one in body["by_day"]],
    )


def _object(reply: Reply) -> dict[str, Any]:
    try:
        body = _json.decode(reply.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BrokenAnswerError("200, but the body is not a JSON object", status=200)
    return body


def _shaped[T](read: Callable[..., T], *arguments: object) -> T:
    """What `read` makes of a part of an answer, or BrokenAnswerError when it is not as the contract says."""
    try:
        return read(*arguments)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as exc:
        raise BrokenAnswerError(f"200, but not as the contract says: {type(exc).__name__} {exc}", status=200) from exc


@dataclass(frozen=True)
class Address:
    """Where the API is and who is calling. Never shows the key or the cookie."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # A header value that HTTP cannot carry would come back, whole, in the text of an error.
        if self.api_key is not None and not re.fullmatch(r"[\x21-\x7e]+", self.api_key):
            raise ConfigurationError("The API key (INTERNAL_API_KEY) must be visible ASCII characters without spaces")
        if self.cookie is not None:  # also as the whole header, ready to paste behind curl -H
            object.__setattr__(self, "cookie", re.sub(r"(?i)^\s*cookie:\s*", "", self.cookie).strip())
        if self.cookie is not None and not re.fullmatch(r"[\x20-\x7e]+=[\x20-\x7e]+", self.cookie):
            raise ConfigurationError("The cookie (OUTCOMES_COOKIE) must read name=value, as a browser sends it")
        if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s?#]*)?", self.url):
            raise ConfigurationError(
                "The URL (OUTCOMES_URL) must read http(s)://host[:port][/stage], without a password"
            )
        object.__setattr__(self, "url", self.url.rstrip("/").removesuffix(PATH))

    def headers_for(self, request: Request) -> dict[str, str]:
        """Recording goes by the key, else by the session; reading always by the session.

        One at a time: were both sent, a mistyped key would silently record for the session's user.

        Raises:
            ConfigurationError: the one that is needed is missing.
        """
        headers = {"Accept": "application/json", **request.headers}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if request.method == "POST" and self.api_key:
            return {**headers, "Authorization": f"Bearer {self.api_key}"}
        if self.cookie:
            return {**headers, "Cookie": self.cookie}
        if request.method == "POST":
            raise ConfigurationError(
                "Recording needs an API key (INTERNAL_API_KEY) or a session cookie (OUTCOMES_COOKIE)"
            )
        raise ConfigurationError("Reading needs a session cookie (OUTCOMES_COOKIE)")
