"""Carry out the steps of calls (`_calls`), blocking. The awaiting client is made from this: `make awaiting`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from ._calls import PAGE_SIZE, Calls, ExportFormat
from ._http import NoReply, Reply
from ._models import (
    AgentKey,
    Corrected,
    Division,
    ExportPart,
    History,
    NewAgentKey,
    NewOutcome,
    Outcome,
    OutcomeType,
    Page,
    Recorded,
    Summary,
)
from ._moments import Moment
from ._sending import LOG, Keys, Results, Statuses, Types, arguments, no_cookies, no_reply, reply
from ._settings import address_of, defaults_of, retry_of
from ._steps import Call, Retry, Say, Send

_LONGEST_ANSWER = 16 * 1024 * 1024  # Lambda's own limit is 6 MB; what is longer is not from this API


class OutcomesClient:
    """Records outcomes and reads them back, blocking; safe to share between threads. Close it, or use `with`.

    Every method sends before it returns and buffers nothing: what returned is recorded. All raise `OutcomesError`.
    The logger `outcomes_client` warns why a call takes longer, and of what was recorded otherwise than it was meant.

    Args:
        url: the API's base URL, stage included; default `OUTCOMES_URL`.
        api_key: for recording, an agent's or the platform's; default `INTERNAL_API_KEY`.
        cookie: the session's cookie as `name=value`, for reading, and for recording without a key;
            default `OUTCOMES_COOKIE`.
        agent_id, user_id: for outcomes that name none; default `OUTCOMES_AGENT_ID`, `OUTCOMES_USER_ID`.
        retry: how long and how often to try; default 60 s, or `OUTCOMES_DEADLINE`.
        allow_http: sends key and cookie also to an `http://` address of another machine; default whether
            `OUTCOMES_ALLOW_HTTP` is 1.
        transport: an httpx transport, for proxies of your own or tests.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        cookie: str | None = None,
        agent_id: int | None = None,
        user_id: int | None = None,
        retry: Retry | None = None,
        allow_http: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._address = address_of(url, api_key, cookie, allow_http)
        self._calls = Calls(retry_of(retry), defaults=defaults_of(self._address, agent_id, user_id))
        self._http = httpx.Client(transport=transport, cookies=no_cookies())

    def __repr__(self) -> str:
        return f"OutcomesClient({self._address.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._http.close()

    def record(
        self,
        outcome_type: OutcomeType | str,
        title: str,
        *,
        description: str | None = None,
        value_usd: Decimal | float | None = None,
        agent_id: int | None = None,
        user_id: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: Moment | None = None,
        idempotency_key: str | None = None,
    ) -> Recorded:
        """Record one outcome, once, however often it must be sent; see `NewOutcome` for the fields.

        An error's `idempotency_key` is what to call again with when it is `retryable`.
        """
        return self._run(
            self._calls.record(
                NewOutcome(
                    outcome_type=outcome_type,
                    title=title,
                    description=description,
                    value_usd=value_usd,
                    agent_id=agent_id,
                    user_id=user_id,
                    metadata=metadata,
                    occurred_at=occurred_at,
                    idempotency_key=idempotency_key,
                )
            )
        )

    def record_many(self, outcomes: Iterable[NewOutcome | Mapping[str, Any]]) -> Results:
        """Record any number, in batches; one result for each, in order. A bad item never sinks the others.

        An item is a `NewOutcome` or a request body as the API takes it (`{"outcomeType": ...}`). Raises only when a
        whole batch fails (no answer, no access); the error's `results` then tells item by item what is known.
        """
        return self._run(self._calls.record_many(outcomes))

    def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        outcome_type: Types | None = None,
        agent_id: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        status: Statuses | None = None,
        ledger: bool = False,
    ) -> Page:
        """List one page of the session's outcomes, newest first, from `start` (inclusive) to `end` (exclusive).

        A page may hold fewer than `limit` (default 20, at most 50) while `next_cursor` says that there are more.
        `status` asks for outcomes that stand so. `ledger` adds `status`, `occurred_at`, `recorded_by` and `version` to
        each, and the void ones, which are left out else.
        """
        return self._run(self._calls.page(limit, cursor, outcome_type, agent_id, start, end, status, ledger))

    def iterate(
        self,
        *,
        outcome_type: Types | None = None,
        agent_id: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        status: Statuses | None = None,
        ledger: bool = False,
    ) -> Iterator[Outcome]:
        """Yield every outcome of the session, newest first; pages are read as they are needed. See `list`."""
        cursor: str | None = None
        while True:
            page = self._run(self._calls.page(PAGE_SIZE, cursor, outcome_type, agent_id, start, end, status, ledger))
            yield from page.outcomes
            cursor = page.next_cursor
            if cursor is None:
                return

    def export(
        self,
        file_format: ExportFormat = "csv",
        *,
        outcome_type: Types | None = None,
        agent_id: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        cursor: str | None = None,
    ) -> Iterator[ExportPart]:
        """Yield the parts of a file of all outcomes of the session that are not void, newest first, as they are read.

        Their texts, one after the other, are the file: CSV (RFC 4180, with a heading, safe for spreadsheets), or
        NDJSON (`ndjson`), which `outcomes import` takes. To go on where an export ended, give the `next_cursor` of the
        last part that there is.
        """
        while True:
            part = self._run(self._calls.export_part(file_format, cursor, outcome_type, agent_id, start, end))
            yield part
            cursor = part.next_cursor
            if cursor is None:
                return

    def summary(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        timezone: str | None = None,
        outcome_type: Types | None = None,
        agent_id: int | None = None,
        by: Division | None = None,
        compare: Literal["previous"] | None = None,
    ) -> Summary:
        """Sum up the session's outcomes by when they happened, exactly; unless said, the last 30 days in UTC.

        `by` is "day", "week" or "month": up to 366 of them, and ten years. `compare="previous"` adds what the same
        length of time before came to, with the same filters. A first look at a long history takes longer; see `Retry`.
        """
        return self._run(self._calls.summary(start, end, timezone, outcome_type, agent_id, by, compare))

    def get(self, outcome_id: str) -> History:
        """Read one outcome of the session with its corrections."""
        return self._run(self._calls.history(outcome_id))

    def amend(
        self,
        outcome_id: str,
        reason: str,
        changes: Mapping[str, Any],
        *,
        user_id: int | None = None,
        idempotency_key: str | None = None,
    ) -> Corrected:
        """Put an outcome right: what was recorded stays in its history, and `changes` count from now on.

        By the platform's key (`user_id` says whose outcome it is), by an agent key with the scope `correct`, or by a
        session what a session recorded. `changes` are fields of `NewOutcome`, but for `user_id`; None clears an
        optional one. `reason` is for the owner to read. Sent again as often as it must be, it is one correction; an
        error's `idempotency_key` is what to call again with when it is `retryable`. ConflictError: it is void.
        """
        return self._run(
            self._calls.correct(
                "amend", outcome_id, reason, changes=changes, user_id=user_id, idempotency_key=idempotency_key
            )
        )

    def void(
        self, outcome_id: str, reason: str, *, user_id: int | None = None, idempotency_key: str | None = None
    ) -> Corrected:
        """Take an outcome back, for good; who may is as for `amend`."""
        return self._run(
            self._calls.correct("void", outcome_id, reason, user_id=user_id, idempotency_key=idempotency_key)
        )

    def confirm(self, outcome_id: str, reason: str | None = None, *, idempotency_key: str | None = None) -> Corrected:
        """Say as its owner, by the session, that an outcome that a key recorded is right."""
        return self._run(self._calls.correct("confirm", outcome_id, reason, idempotency_key=idempotency_key))

    def dispute(self, outcome_id: str, reason: str, *, idempotency_key: str | None = None) -> Corrected:
        """Say as its owner, by the session, that an outcome is not right; it then counts no longer."""
        return self._run(self._calls.correct("dispute", outcome_id, reason, idempotency_key=idempotency_key))

    def uphold(
        self, outcome_id: str, reason: str, *, user_id: int | None = None, idempotency_key: str | None = None
    ) -> Corrected:
        """Dismiss a dispute, by the platform's key; `user_id` says whose outcome it is."""
        return self._run(
            self._calls.correct("uphold", outcome_id, reason, user_id=user_id, idempotency_key=idempotency_key)
        )

    def create_key(
        self,
        name: str,
        *,
        user_id: int | None = None,
        agent_id: int | None = None,
        outcome_types: Types | None = None,
        max_value_usd: Decimal | float | None = None,
        scopes: Iterable[str] | None = None,
        expires_at: Moment | None = None,
    ) -> NewAgentKey:
        """Make a key for one agent, by a session for its own user, by the platform's key for `user_id`.

        It records for that user alone, and if so bound, only for `agent_id`, these types, values up to a magnitude of
        `max_value_usd`, until `expires_at`. `scopes` are out of `record` (unless given), `read`, `correct`, `backfill`.
        Its text, `key`, is told this once.

        A lost answer may have made a key that nobody has, so nothing is sent again where that can be (`retryable` is
        then false): look into `list_keys`, and revoke it.
        """
        return self._run(
            self._calls.create_key(
                name,
                user_id=user_id,
                agent_id=agent_id,
                outcome_types=outcome_types,
                max_value_usd=max_value_usd,
                scopes=scopes,
                expires_at=expires_at,
            )
        )

    def list_keys(self, user_id: int | None = None) -> Keys:
        """List a user's live agent keys, newest first; who may ask, and of whom, is as for `create_key`."""
        return self._run(self._calls.keys(user_id))

    def rotate_key(self, key_id: str, *, user_id: int | None = None, overlap_hours: int | None = None) -> NewAgentKey:
        """Give a key a new text; the one before works for `overlap_hours` more (0 to 168, 24 unless given).

        A lost answer may have rotated it, and another rotation would end the text that agents have: so nothing is sent
        again. Make a new key, or let the overlap run out first.
        """
        return self._run(self._calls.rotate_key(key_id, user_id, overlap_hours))

    def revoke_key(self, key_id: str, *, user_id: int | None = None) -> None:
        """End a key with all its texts, from the next call on; one that is gone already is well as it is."""
        self._run(self._calls.revoke_key(key_id, user_id))

    def own_key(self) -> AgentKey:
        """Ask what the agent key, with which this client records, may do."""
        return self._run(self._calls.own_key())

    def _run[T](self, call: Call[T]) -> T:
        answer: Reply | NoReply | None = None
        try:
            while True:
                step = call.send(answer)
                if isinstance(step, Send):
                    answer = self._send(step)
                elif isinstance(step, Say):
                    LOG.warning("%s: %s", self._address.url, step.notice)
                else:
                    time.sleep(step.seconds)
        except StopIteration as done:
            result: T = done.value
            return result

    def _send(self, step: Send) -> Reply | NoReply:
        ends = time.monotonic() + step.timeout
        try:
            with self._http.stream(**arguments(self._address, step)) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    # httpx bounds the silence between two chunks, not their sum.
                    if time.monotonic() > ends:
                        return NoReply("the answer did not end in time")
                    if len(body) > _LONGEST_ANSWER:
                        return NoReply("the answer is too long")
                return reply(self._address, step, response, bytes(body))
        except httpx.RequestError as exc:
            return no_reply(self._address, exc)
