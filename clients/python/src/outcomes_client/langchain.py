"""Record outcomes in LangChain and LangGraph (https://docs.langchain.com/oss/python/)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, override
from uuid import UUID

from ._errors import missing

try:
    from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
    from langchain_core.runnables import RunnableConfig, ensure_config
    from langchain_core.tools import StructuredTool, ToolException
except ImportError as exc:
    raise ImportError(missing(exc, "langchain"), name=exc.name) from exc

from ._agents import (
    TOOL,
    TOOL_DESCRIPTION,
    MaybeOutcome,
    OnError,
    OutcomeTypes,
    Refused,
    arecord_finished,
    arecord_work,
    check_owner,
    mistakes,
    record_finished,
    record_work,
    run_id_getter,
)
from ._async_client import AsyncOutcomesClient
from ._client import OutcomesClient
from ._tools import work_with

__all__ = ["AsyncOutcomesCallback", "OutcomesCallback", "record_outcome_tool"]

type RunId = str | Callable[[RunnableConfig], str]
"""A run's id, or a function that finds it in the config: `lambda config: config["metadata"]["job"]`."""


class _OutermostRuns:
    """Tells a run that counts from a run inside it, which LangChain may also report without a parent.

    `with_fallbacks` calls its choices with the caller's callbacks, so their runs have no parent. But it calls them in
    a context whose config has the run of `with_fallbacks` as parent; LangChain also copies this context to threads and
    tasks. Inside a tool, the parent is the tool's run, so a chain that a tool calls by hand counts.
    """

    def __init__(self) -> None:
        # Lists, because runs at the same time may have the same id, and a hook may be in a config twice.
        self._open: list[UUID] = []
        self._inner: list[UUID] = []

    def begin(self, run_id: UUID, parent_run_id: UUID | None) -> None:
        if parent_run_id is None:
            if getattr(ensure_config().get("callbacks"), "parent_run_id", None) in self._open:
                self._inner.append(run_id)
            self._open.append(run_id)

    def end(self, run_id: UUID, parent_run_id: UUID | None) -> bool:
        """Forget a run. Return whether it was an outermost one."""
        counts = parent_run_id is None and run_id not in self._inner
        for runs in (self._open, self._inner):
            if run_id in runs:
                runs.remove(run_id)
        return counts


class OutcomesCallback(BaseCallbackHandler):
    """Records the outcome of a finished run: `agent.invoke(..., {"callbacks": [OutcomesCallback(...)]})`.

    The run is the outermost chain, graph or agent, also with `with_fallbacks`. The idempotency key is its `run_id`, a
    new one for each call unless the config sets `{"run_id": UUID(...)}`. With `ainvoke`, LangChain runs this callback
    in a thread; `AsyncOutcomesCallback` runs in the event loop.

    Args:
        client: the client to record with; the caller closes it.
        outcome_of: called with the run's output; returns the outcome, or None if there is none. An output is not an
            outcome in itself.
        on_error: called with the error if recording fails; an exception that it raises is raised by `invoke`. Without
            `on_error`, the run ends normally.
    """

    raise_error = True  # Without this, LangChain would only log an exception that `on_error` raises.

    def __init__(
        self, client: OutcomesClient, outcome_of: Callable[[Any], MaybeOutcome], *, on_error: OnError | None = None
    ) -> None:
        self._client, self._outcome_of, self._on_error = client, outcome_of, on_error
        self._runs = _OutermostRuns()

    @override
    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember whether the run is an outermost one."""
        self._runs.begin(run_id, parent_run_id)

    @override
    def on_chain_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Forget a run that failed."""
        self._runs.end(run_id, parent_run_id)

    @override
    def on_chain_end(self, outputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """Record the outcome of an outermost run."""
        if self._runs.end(run_id, parent_run_id):
            record_finished(self._client, lambda: self._outcome_of(outputs), lambda: str(run_id), self._on_error)


class AsyncOutcomesCallback(AsyncCallbackHandler):
    """Async version of `OutcomesCallback`, for `ainvoke` and `astream`; `outcome_of` may be async."""

    raise_error = True

    def __init__(
        self,
        client: AsyncOutcomesClient,
        outcome_of: Callable[[Any], MaybeOutcome | Awaitable[MaybeOutcome]],
        *,
        on_error: OnError | None = None,
    ) -> None:
        self._client, self._outcome_of, self._on_error = client, outcome_of, on_error
        self._runs = _OutermostRuns()

    @override
    async def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember whether the run is an outermost one."""
        self._runs.begin(run_id, parent_run_id)

    @override
    async def on_chain_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Forget a run that failed."""
        self._runs.end(run_id, parent_run_id)

    @override
    async def on_chain_end(
        self, outputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Record the outcome of an outermost run."""
        if self._runs.end(run_id, parent_run_id):
            await arecord_finished(self._client, lambda: self._outcome_of(outputs), lambda: str(run_id), self._on_error)


def record_outcome_tool(
    client: OutcomesClient | AsyncOutcomesClient,
    *,
    run_id: RunId,
    types: OutcomeTypes = None,
    on_error: OnError | None = None,
) -> StructuredTool:
    """Return the tool that lets a model record finished work, only for the client's user and agent.

    With an `AsyncOutcomesClient`, the tool supports `ainvoke` and `astream` only. The idempotency key is
    `<run_id>/<name>`, where the model names the piece of work: LangChain does not tell a tool which run is the
    outermost.

    Args:
        client, on_error: the same as for `OutcomesCallback`.
        run_id: 1 to 100 visible ASCII characters, such as the id of the job.
        types: the outcome types that the model may choose from, such as `client.types()`; by default any.

    Raises:
        ConfigurationError: the client has no user to record for, or `run_id` does not fit into an idempotency key.
    """
    check_owner(client)
    id_of, kind = run_id_getter(run_id), work_with(types)
    func = coroutine = None
    if isinstance(client, OutcomesClient):

        def record(config: RunnableConfig, **arguments: Any) -> str:
            try:
                return record_work(client, arguments, lambda: id_of(config), on_error, kind)
            except Refused as refused:
                raise ToolException(str(refused)) from refused

        func = record
    else:

        async def arecord(config: RunnableConfig, **arguments: Any) -> str:
            try:
                return await arecord_work(client, arguments, lambda: id_of(config), on_error, kind)
            except Refused as refused:
                raise ToolException(str(refused)) from refused

        coroutine = arecord
    return StructuredTool.from_function(
        func=func,
        coroutine=coroutine,
        name=TOOL,
        description=TOOL_DESCRIPTION,
        args_schema=kind,
        handle_tool_error=True,
        handle_validation_error=lambda invalid: mistakes(invalid),
    )
