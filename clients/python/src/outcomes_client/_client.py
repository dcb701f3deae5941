"""The blocking client. It runs the steps of `_calls`. `make contract` generates the async client from this module."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from . import _answers, _models, _readers
from ._calls import (
    PAGE_SIZE,
    Calls,
    ExportFormat,
    body_of,
    condition,
    definition_path,
    escaped,
    statement_path,
)
from ._choices import Division, IdOrNone, OutcomeType, Time
from ._connections import connections, failures
from ._http import (
    COSTS_PATH,
    KEYS_PATH,
    OWN_KEY_PATH,
    PATH,
    PUBLIC_KEYS_PATH,
    STATEMENTS_PATH,
    NoReply,
    Reply,
    Request,
)
from ._models import (
    AgentKey,
    ByRule,
    Corrected,
    CostDay,
    CostLine,
    Costs,
    CostSummary,
    CountedHistory,
    CountedOutcome,
    CountedPage,
    CountedSummary,
    Definition,
    Digest,
    ExportPart,
    History,
    NewAgentKey,
    NewCorrection,
    NewOutcome,
    Outcome,
    Page,
    Recorded,
    StatementPage,
    Summary,
    Watch,
    Watches,
)
from ._moments import Moment, of_body
from ._parsing import done
from ._requests import filters, listed, parameters
from ._sending import LOG, Corrections, Keys, Results, Statuses, Types, arguments, no_reply, reply
from ._settings import address_of, defaults_of, retry_of
from ._steps import Call, Retry, Say, Send

if TYPE_CHECKING:
    import httpx

    from ._connections import Connections

# make contract: types of rows
ListedTypes = list[_models.ListedType]
Definitions = list[_models.Definition]
# end of make contract

_SIGNED = partial(_answers.document, member="signature")
_LONGEST_ANSWER = 16 * 1024 * 1024  # maximum bytes of an answer; Lambda limits the API's answers to 6 MB


class OutcomesClient:
    """Records outcomes and reads them back, with blocking calls. Threads may share a client.

    Close the client, or use `with`.

    Nothing is buffered: when `record` returns, the outcome is recorded. All methods raise `OutcomesError`. The logger
    `outcomes_client` warns when a call is retried, when a field was ignored, and when an outcome has no user.

    Args:
        url: the API's base URL, stage included; default `OUTCOMES_URL`.
        api_key: an agent's or the platform's key, for recording; default `INTERNAL_API_KEY`.
        cookie: the session's cookie as `name=value`, for reading, and also for recording if there is no key; default
            `OUTCOMES_COOKIE`.
        agent_id, user_id: defaults for outcomes that name none; default `OUTCOMES_AGENT_ID`, `OUTCOMES_USER_ID`.
        retry: how long and how often to try; default 60 s, or `OUTCOMES_DEADLINE`.
        allow_http: allow sending key and cookie unencrypted to another machine; default `OUTCOMES_ALLOW_HTTP=1`.
        transport: an httpx transport, for a proxy or for tests.
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
        self._connect = partial(connections, self._address, transport)
        self._pool: tuple[object, Connections | httpx.Client] = None, self._connect()

    def __repr__(self) -> str:
        return f"OutcomesClient({self._address.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def _http(self) -> Connections | httpx.Client:
        """The connections of this process: the calls of two processes on one connection would mix up their answers."""
        here, (place, pool) = os.getpid(), self._pool
        if place not in (None, here):
            pool = self._connect()
        self._pool = here, pool
        return pool

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def record(
        self,
        outcome_type: OutcomeType | str,
        title: str,
        *,
        # make contract: fields to record
        description: str | None = None,
        value_usd: Decimal | float | None = None,
        agent_id: int | None = None,
        user_id: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: Moment | None = None,
        # end of make contract
        idempotency_key: str | None = None,
    ) -> Recorded:
        """Record one outcome, once, even if it is sent several times; see `NewOutcome` for the fields.

        If an error is `retryable`, call again with its `idempotency_key`.
        """
        return self._run(
            self._calls.record(
                NewOutcome(
                    # make contract: arguments
                    outcome_type=outcome_type,
                    title=title,
                    description=description,
                    value_usd=value_usd,
                    agent_id=agent_id,
                    user_id=user_id,
                    metadata=metadata,
                    occurred_at=occurred_at,
                    # end of make contract
                    idempotency_key=idempotency_key,
                )
            )
        )

    def record_many(self, outcomes: Iterable[NewOutcome | Mapping[str, Any]]) -> Results:
        """Record any number of outcomes in batches; return one result per item, in order. Items fail independently.

        An item is a `NewOutcome` or a request body of the API (`{"outcomeType": ...}`). Raises only if a whole batch
        fails (no answer, no access). The error's `results` then contains the known result of each item.
        """
        return self._run(self._calls.record_many(outcomes))

    def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        outcome_type: Types | None = None,
        agent_id: IdOrNone | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        status: Statuses | None = None,
        time: Time | None = None,
        recorded_by: str | None = None,
        ledger: bool = False,
        user_id: IdOrNone | None = None,
    ) -> Page:
        """List one page of the user's outcomes, newest first, from `start` (inclusive) to `end` (exclusive).

        A page can have fewer than `limit` outcomes (default 20, at most 50) even if `next_cursor` shows that there are
        more. `status` filters by status, and `agent_id="none"` lists outcomes without an agent. With
        `recorded_by="key:<id>"`, it lists what this agent key recorded, and reads all outcomes of the period. `start`,
        `end` and the order use the time of recording; with `time="occurred"`, the time when outcomes happened. `ledger`
        adds `status`, `occurred_at`, `recorded_by` and `version` to each outcome, and includes void outcomes. With the
        platform's key, `user_id` is the user whose outcomes are listed; "none" lists outcomes without a user.
        """
        asked = filters(outcome_type, agent_id, start, end, status, user_id, time, recorded_by)
        return self._run(self._calls.page(asked, limit, cursor, ledger=ledger))

    def iterate(
        self,
        *,
        outcome_type: Types | None = None,
        agent_id: IdOrNone | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        status: Statuses | None = None,
        time: Time | None = None,
        recorded_by: str | None = None,
        ledger: bool = False,
        user_id: IdOrNone | None = None,
    ) -> Iterator[Outcome]:
        """Yield every outcome of the user, newest first, reading pages on demand. See `list`."""
        asked = filters(outcome_type, agent_id, start, end, status, user_id, time, recorded_by)
        cursor: str | None = None
        while True:
            page = self._run(self._calls.page(asked, PAGE_SIZE, cursor, ledger=ledger))
            yield from page.outcomes
            cursor = page.next_cursor
            if cursor is None:
                return

    def export(
        self,
        file_format: ExportFormat = "csv",
        *,
        outcome_type: Types | None = None,
        agent_id: IdOrNone | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        status: Statuses | None = None,
        time: Time | None = None,
        recorded_by: str | None = None,
        counts: bool = False,
        user_id: IdOrNone | None = None,
        cursor: str | None = None,
    ) -> Iterator[ExportPart]:
        """Yield an export of the user's outcomes, newest first, in parts.

        The joined texts of the parts are the file: CSV (RFC 4180, with a heading, safe for spreadsheets), or NDJSON
        (`ndjson`), which `outcomes import` can read. It omits void outcomes unless `status` includes them; see `list`
        for the filters. `counts` adds what each outcome counts for by the user's definitions. To resume an export, pass
        the `next_cursor` of its last part.
        """
        asked = filters(outcome_type, agent_id, start, end, status, user_id, time, recorded_by)
        asked += parameters(include="counts" if counts else None)
        while True:
            part = self._run(self._calls.export_part(asked, file_format, cursor))
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
        agent_id: IdOrNone | None = None,
        status: Statuses | None = None,
        by: Division | None = None,
        compare: Literal["previous"] | None = None,
        user_id: IdOrNone | None = None,
    ) -> Summary:
        """Return exact totals of the user's outcomes that happened in a period, by default the last 30 days in UTC.

        `status` says which outcomes count, by default those that are recorded or confirmed; see `list` for the filters.
        `by` is "day", "week" or "month"; the period has at most 366 of them, and at most ten years.
        `compare="previous"` adds the totals of the previous period of the same length. The first summary of a long
        history takes longer; see `Retry`.
        """
        asked = filters(outcome_type, agent_id, start, end, status, user_id)
        return self._run(self._calls.summary(_readers.summary, asked, timezone, by, compare))

    # make contract: calls for rows
    def types(self) -> ListedTypes:
        """List the outcome types that the API records, in the platform's order. Any key or session may call this."""
        read = _answers.rows("types", _readers.listed_type)
        return self._run(self._calls.read("/api/outcomes/types", read, by="any", does="Listing types"))

    def list_definitions(self, *, user_id: IdOrNone | None = None) -> Definitions:
        """List the user's definitions of which outcomes count, newest first."""
        read = _answers.rows("definitions", _readers.definition)
        return self._run(self._calls.read("/api/definitions", read, parameters(userId=user_id)))

    # end of make contract

    def get(self, outcome_id: str, *, user_id: IdOrNone | None = None) -> History:
        """Read one outcome of the user with its corrections. See `list` for `user_id`."""
        return self._run(
            self._calls.read(
                f"{PATH}/{escaped(outcome_id)}",
                _answers.model(_readers.history),
                parameters(userId=user_id),
                names="outcome",
            )
        )

    def amend(
        self,
        outcome_id: str,
        reason: str,
        changes: Mapping[str, Any],
        *,
        user_id: int | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Corrected:
        """Correct an outcome: the new values count from now on, and its history keeps the recorded values.

        Needs the platform's key (`user_id` is the outcome's user), an agent key with the scope `correct`, or a session
        if a session recorded it. `changes` are fields of `NewOutcome` except `user_id`; None clears an optional field.
        The owner sees `reason`. Retries make only one correction; if an error is `retryable`, call again with its
        `idempotency_key`. Raises ConflictError if the outcome is void, and PreconditionFailedError if `if_version` is
        not its version.
        """
        more: Any = {"user_id": user_id, "if_version": if_version, "idempotency_key": idempotency_key}
        return self._run(self._calls.correct("amend", outcome_id, reason, changes=changes, **more))

    def void(
        self,
        outcome_id: str,
        reason: str,
        *,
        user_id: int | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Corrected:
        """Withdraw an outcome for good.

        Needs the same credentials as `amend`, but the owner's session also voids what a paused or revoked agent key of
        hers recorded, unless it is confirmed.
        """
        more: Any = {"user_id": user_id, "if_version": if_version, "idempotency_key": idempotency_key}
        return self._run(self._calls.correct("void", outcome_id, reason, **more))

    def confirm(
        self,
        outcome_id: str,
        reason: str | None = None,
        *,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Corrected:
        """Confirm an outcome as its owner, whoever recorded it. Needs the session."""
        more: Any = {"if_version": if_version, "idempotency_key": idempotency_key}
        return self._run(self._calls.correct("confirm", outcome_id, reason, **more))

    def dispute(
        self, outcome_id: str, reason: str, *, if_version: int | None = None, idempotency_key: str | None = None
    ) -> Corrected:
        """Dispute an outcome as its owner; it no longer counts. Needs the session."""
        more: Any = {"if_version": if_version, "idempotency_key": idempotency_key}
        return self._run(self._calls.correct("dispute", outcome_id, reason, **more))

    def uphold(
        self,
        outcome_id: str,
        reason: str,
        *,
        user_id: int | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Corrected:
        """Dismiss a dispute. Needs the platform's key; `user_id` is the outcome's user."""
        more: Any = {"user_id": user_id, "if_version": if_version, "idempotency_key": idempotency_key}
        return self._run(self._calls.correct("uphold", outcome_id, reason, **more))

    def correct_many(
        self, corrections: Iterable[NewCorrection | Mapping[str, Any]], *, reason: str | None = None
    ) -> Corrections:
        """Correct any number of outcomes, 100 a call; return one result per item, in order. Items fail independently.

        An item is a `NewCorrection` or a correction of the API (`{"id": ..., "type": ...}`), each of another outcome.
        Its names may also be ours (`if_version`). `reason` is for items without one. Each item is sent with the
        credential that its type needs. Raises only if a whole call fails (no answer, no access). The error's
        `corrections` then contains the known result of each item.
        """
        return self._run(self._calls.correct_many(corrections, reason))

    def assign(self, outcome_id: str, user_id: int) -> str:
        """Assign an outcome that has no user. Return the id of the user's new outcome; the original becomes void.

        Needs the platform's key. Retries get the same id. Raises NotFoundError if the outcome has a user, and
        ConflictError if it is void or was assigned to another user.
        """
        request = Request(
            "POST",
            f"{PATH}/{escaped(outcome_id)}/assign",
            body=body_of(userId=user_id),
            by="key",
            does="Assigning",
            names="outcome",
        )
        return self._run(self._calls.exchange(request, _answers.assigned))

    def create_key(
        self,
        name: str,
        *,
        user_id: int | None = None,
        agent_id: int | None = None,
        outcome_types: Types | None = None,
        max_value_usd: Decimal | float | None = None,
        max_per_day: int | Literal["unlimited"] | None = None,
        scopes: str | Iterable[str] | None = None,
        expires_at: Moment | None = None,
    ) -> NewAgentKey:
        """Create a key for one agent: with a session for its own user, with the platform's key for `user_id`.

        It records only for that user and, if given, for `agent_id`, `outcome_types`, values from -`max_value_usd` to
        `max_value_usd`, and until `expires_at`. In a UTC day, it records and corrects at most `max_per_day` times; by
        default as often as the deployment says. `scopes` are among `record` (the default), `read`, `correct`,
        `backfill` and `cost`. Its secret, `key`, is returned only here.

        If an answer is lost, there may be a new key that nobody received, so the call is not retried (`retryable` is
        false). Check `list_keys` and revoke that key.
        """
        return self._run(
            self._calls.new_key(
                "",
                name=name,
                userId=user_id,
                agentId=agent_id,
                outcomeTypes=None if outcome_types is None else listed(outcome_types),
                maxValueUsd=max_value_usd,
                maxPerDay=max_per_day,
                scopes=None if scopes is None else listed(scopes),
                expiresAt=of_body(expires_at),
            )
        )

    def list_keys(self, user_id: int | None = None) -> Keys:
        """List a user's live agent keys, newest first. Needs the same credentials as `create_key`."""
        user_id = self._calls.whose(user_id)
        return self._run(
            self._calls.read(
                KEYS_PATH,
                _answers.rows("keys", _readers.agent_key),
                parameters(userId=user_id),
                by="",
                user_id=user_id,
            )
        )

    def rotate_key(self, key_id: str, *, user_id: int | None = None, overlap_hours: int | None = None) -> NewAgentKey:
        """Replace a key's secret; the old one stays valid for `overlap_hours` (0 to 168, default 24).

        This call is not retried after a lost answer. The key may already be rotated, and a second rotation would
        invalidate the secret that is still in use. Create a new key, or wait until the overlap is over.
        """
        return self._run(self._calls.new_key(f"/{escaped(key_id)}/rotate", userId=user_id, overlapHours=overlap_hours))

    def pause_key(self, key_id: str, *, user_id: int | None = None) -> AgentKey:
        """Pause a key: from its next call on, calls get a ForbiddenError, `403 Paused`. Rotating does not resume it."""
        return self._run(self._calls.switch_key(key_id, "pause", user_id))

    def resume_key(self, key_id: str, *, user_id: int | None = None) -> AgentKey:
        """Let a paused key be used again, with the same id, limits and idempotency keys.

        This call is not retried after a lost answer, because the retry could end a newer pause.
        """
        return self._run(self._calls.switch_key(key_id, "resume", user_id))

    def revoke_key(self, key_id: str, *, user_id: int | None = None) -> None:
        """Revoke a key with all its secrets, from the next call on. Revoking a key twice is not an error."""
        path, user_id = f"{KEYS_PATH}/{escaped(key_id)}", self._calls.whose(user_id)
        request = Request("DELETE", path, parameters(userId=user_id), names="key", user_id=user_id)
        self._run(self._calls.exchange(request, done))

    def own_key(self) -> AgentKey:
        """Describe the agent key of this client: its user, limits and scopes."""
        return self._run(self._calls.read(OWN_KEY_PATH, _answers.model(_readers.agent_key)))

    def make_statement(self, period: str, timezone: str | None = None) -> bytes:
        """Return the statement of a month, such as `2026-10`, by default in UTC.

        Save the bytes as they are. They are the same in each call, because the first call stores them. Needs the
        session or an agent key with the scope `read`; only the session makes the first statement of a time zone. Raises
        ConflictError until ten minutes after the month's end, and for a fourth time zone. The first statement of a long
        history takes longer; see `Retry`.
        """
        return self._run(
            self._calls.exchange(
                Request(
                    "POST", STATEMENTS_PATH, body=body_of(period=period, timezone=timezone), does="Making a statement"
                ),
                _SIGNED,
            )
        )

    def list_statements(self, *, limit: int | None = None, cursor: str | None = None) -> StatementPage:
        """List one page of the existing statements, latest period first."""
        return self._run(
            self._calls.read(
                STATEMENTS_PATH, _answers.model(_readers.statement_page), parameters(limit=limit, cursor=cursor)
            )
        )

    def get_statement(self, statement_id: str) -> bytes:
        """Return the bytes of the existing statement with this id, such as `2026-10@Europe/Berlin`."""
        return self._run(self._calls.read(statement_path(statement_id), _SIGNED, names="statement"))

    def statement_entries(self, statement_id: str, *, cursor: str | None = None) -> Iterator[ExportPart]:
        """Yield the entries of a statement, in parts. The joined texts of the parts are the file."""
        while True:
            part = self._run(self._calls.entries(statement_id, cursor))
            yield part
            cursor = part.next_cursor
            if cursor is None:
                return

    def statement_proof(self, statement_id: str, outcome_id: str) -> bytes:
        """Return the proof that a statement contains an outcome's entries. A proof discloses no sums."""
        path, asked = f"{statement_path(statement_id)}/proof", parameters(outcome=outcome_id)
        return self._run(self._calls.read(path, _SIGNED, asked, names="statement, or it has no entry of this outcome"))

    def statement_keys(self) -> bytes:
        """Return the API's public keys, which verify its statements."""
        return self._run(self._calls.read(PUBLIC_KEYS_PATH, partial(_answers.document, member="keys"), by="nobody"))

    def put_costs(
        self,
        day: date | str,
        source: str,
        lines: Iterable[CostLine | Mapping[str, Any]],
        *,
        if_version: int | None = None,
        user_id: int | None = None,
    ) -> int:
        """Replace the costs of a UTC day from a source. Return their version; unchanged lines keep the version.

        A line is a `CostLine` or a line of the API's request (`{"costUsd": ...}`). Needs the platform's key (`user_id`
        is the user), an agent key with the scope `cost`, or a session. `if_version` is the version that must be stored
        before the call; 0 means that there must be none. Raises PreconditionFailedError if another version is stored.
        A retry also raises this error if the first try stored the lines but its answer was lost.

        Without `if_version`, the last call wins. Such a call is not retried after a lost answer (`retryable` is false),
        because others may have put costs since. Check `get_costs` before you call again.
        """
        return self._run(self._calls.put_costs(day, source, lines, if_version, user_id))

    def get_costs(self, day: date | str, source: str, *, versions: bool = False, user_id: int | None = None) -> CostDay:
        """Read the costs of a UTC day from a source; with `versions`, also read earlier versions.

        Raises NotFoundError if the source has put no costs for that day.
        """
        return self._run(self._calls.get_costs(day, source, user_id, versions=versions))

    def delete_costs(
        self, day: date | str, source: str, *, if_version: int | None = None, user_id: int | None = None
    ) -> int:
        """Delete the costs of a UTC day from a source: they become unknown. Return the version of the deletion.

        See `put_costs` for `if_version` and retries.
        """
        return self._run(self._calls.delete_costs(day, source, if_version, user_id))

    def cost_summary(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        timezone: str | None = None,
        agent_id: IdOrNone | None = None,
        by: Division | None = None,
        compare: Literal["previous"] | None = None,
        counted: bool = False,
        user_id: IdOrNone | None = None,
    ) -> CostSummary:
        """Return a summary of the user's outcomes, with the costs of the agents in the period. See `summary`.

        `counted` adds what counts by the user's definitions, as in `counted_summary`.
        """
        asked = filters(None, agent_id, start, end, None, user_id)
        include: Any = ("cost", "definition") if counted else ("cost",)
        return self._run(self._calls.summary(_readers.cost_summary, asked, timezone, by, compare, include))

    def list_costs(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        agent_id: IdOrNone | None = None,
        timezone: str | None = None,
        user_id: IdOrNone | None = None,
    ) -> Costs:
        """Return the user's costs by agent, UTC day and source, by default of the last 30 days.

        `start` and `end` without an offset are in `timezone`. See `list` for `user_id`.
        """
        asked = filters(None, agent_id, start, end, None, user_id)
        return self._run(
            self._calls.read(COSTS_PATH, _answers.model(_readers.costs), [*asked, *parameters(timezone=timezone)])
        )

    def counted_summary(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        timezone: str | None = None,
        outcome_type: Types | None = None,
        agent_id: IdOrNone | None = None,
        by: Division | None = None,
        compare: Literal["previous"] | None = None,
        user_id: IdOrNone | None = None,
    ) -> CountedSummary:
        """Return a summary with what counts by the user's definitions: `by_rule`. See `summary`.

        `timezone` must be that of the definitions, and `start` and `end` must begin local days.
        """
        asked = filters(outcome_type, agent_id, start, end, None, user_id)
        return self._run(self._calls.summary(_readers.counted_summary, asked, timezone, by, compare, ["definition"]))

    def list_counted(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        outcome_type: Types | None = None,
        agent_id: IdOrNone | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        status: Statuses | None = None,
        time: Time | None = None,
        recorded_by: str | None = None,
        user_id: IdOrNone | None = None,
    ) -> CountedPage:
        """List one page of the user's outcomes, void ones, too, with what they count for. See `list`."""
        asked = filters(outcome_type, agent_id, start, end, status, user_id, time, recorded_by)
        return self._run(self._calls.counted_page(asked, limit, cursor))

    def iterate_counted(
        self,
        *,
        outcome_type: Types | None = None,
        agent_id: IdOrNone | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        status: Statuses | None = None,
        time: Time | None = None,
        recorded_by: str | None = None,
        user_id: IdOrNone | None = None,
    ) -> Iterator[CountedOutcome]:
        """Yield every outcome of the user with what it counts for by the definitions, newest first.

        As in `list` with `ledger`, void outcomes are included.
        """
        asked = filters(outcome_type, agent_id, start, end, status, user_id, time, recorded_by)
        cursor: str | None = None
        while True:
            page = self._run(self._calls.counted_page(asked, PAGE_SIZE, cursor))
            yield from page.outcomes
            cursor = page.next_cursor
            if cursor is None:
                return

    def get_counted(self, outcome_id: str, *, user_id: IdOrNone | None = None) -> CountedHistory:
        """Read one outcome of the user with what it counts for by the definitions, and its corrections."""
        path, query = f"{PATH}/{escaped(outcome_id)}", parameters(userId=user_id, include="counts")
        return self._run(self._calls.read(path, _answers.model(_readers.counted_history), query, names="outcome"))

    def put_definition(
        self, month: str, definition: Definition | Mapping[str, Any], *, if_version: int | None = None
    ) -> int:
        """Say which outcomes count from a month on, such as `2026-12`. Return the version of the month's definition.

        `definition` is one of `list_definitions`, perhaps changed, or the API's request:

            {"timezone": "Europe/Berlin", "disputeDays": 14, "types": {"*": {"when": "unless_disputed"}}}

        Needs the session of the user who pays. The definition that is stored already keeps its version. Raises
        ConflictError for a month that has begun, except that a first definition may begin with any month after the last
        statement. See `put_costs` for `if_version` and retries.
        """
        return self._run(self._calls.put_definition(month, definition, if_version))

    def delete_definition(self, month: str, *, if_version: int | None = None) -> int:
        """Delete the definition that begins with a month that has not begun. Return the version of the deletion.

        Needs the session. Outcomes of that month then have the rule of the definition before. Raises NotFoundError if
        no definition begins with this month. See `put_costs` for `if_version` and retries.
        """
        path, headers = definition_path(month), condition(if_version)
        request = Request("DELETE", path, (), headers, by="session", does="Deleting a definition", names="definition")
        return self._run(self._calls.exchange(request, _answers.version, repeatable=if_version is not None))

    def try_definition(
        self, definition: Definition | Mapping[str, Any], *, start: Moment | None = None, end: Moment | None = None
    ) -> ByRule | None:
        """Return what would count in a period, by default the last 30 days, if this definition had always held.

        Nothing is stored. See `put_definition` for `definition`. Needs the session. Returns None if the period does not
        consist of whole days of the definition's time zone.
        """
        return self._run(self._calls.try_definition(definition, start, end))

    def list_watches(self, *, user_id: int | None = None) -> Watches:
        """Return the user's watches, with their present figures and what was told, and the setting of the digest.

        The platform's key names the user as `user_id`. If it may not read outcomes, it gets only what it put itself,
        without figures.
        """
        return self._run(self._calls.read_watches(_readers.watches, user_id))

    def get_watch(self, watch_id: str, *, user_id: int | None = None) -> Watch:
        """Return one of the watches that `list_watches` returns. Raises NotFoundError."""
        return self._run(self._calls.read_watches(_readers.watch, user_id, watch_id))

    def put_watch(
        self,
        watch_id: str,
        watch: Watch | Mapping[str, Any],
        *,
        if_version: int | None = None,
        user_id: int | None = None,
    ) -> int:
        """Put a watch, by which the user is told by an event when a figure crosses a line. Return its version.

        `watch` is one of `list_watches`, perhaps changed, or the API's request:

            {"name": "Deals", "measure": "value", "every": "month", "timezone": "Europe/Berlin", "target": 50000}

        The watch that is stored already keeps its version. Needs the session, or the platform's key (`user_id` is the
        user), which gets a ForbiddenError for what a session put. Raises ConflictError for more than 20 watches, and
        for the measure `counted` without a definition or in another time zone. See `put_costs` for `if_version` and
        retries.
        """
        return self._run(self._calls.put_watch(watch_id, watch, if_version, user_id))

    def delete_watch(self, watch_id: str, *, if_version: int | None = None, user_id: int | None = None) -> int:
        """Delete a watch. Return the version that was deleted. Raises NotFoundError if there is none.

        See `put_watch` for who may, and `put_costs` for `if_version` and retries.
        """
        return self._run(self._calls.delete_watch(watch_id, if_version, user_id))

    def put_digest(
        self, digest: Digest | Mapping[str, Any], *, if_version: int | None = None, user_id: int | None = None
    ) -> int:
        """Send the user a digest each week, as an event. Return the version of this setting. See `put_watch`.

        {"timezone": "Europe/Berlin", "day": "monday", "hour": 8}
        """
        return self._run(self._calls.put_watch("digest", digest, if_version, user_id))

    def delete_digest(self, *, if_version: int | None = None, user_id: int | None = None) -> int:
        """Send no digest any more. Return the deleted version. See `delete_watch`."""
        return self._run(self._calls.delete_watch("digest", if_version, user_id))

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
                    # httpx limits the time between two chunks, not the total.
                    if time.monotonic() > ends:
                        return NoReply("the answer did not end in time")
                    if len(body) > _LONGEST_ANSWER:
                        return NoReply("the answer is too long")
                return reply(self._address, step, response, bytes(body))
        except failures() as exc:
            return no_reply(self._address, exc)
