"""Record outcomes in LangChain and LangGraph (https://docs.langchain.com/oss/python/)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
    Client,
    MaybeOutcome,
    OnError,
    OutcomeOf,
    OutcomeTypes,
    RunId,
    Told,
    Tool,
    arecord_run,
    record_run,
)
from ._async_client import AsyncOutcomesClient
from ._client import OutcomesClient
from ._tools import mistakes

__all__ = ["AsyncOutcomesCallback", "OutcomesCallback", "record_outcome_tool"]


class _Hook[Recording, Finding]:
    """Tells a run that counts from a run inside it, which LangChain may also report without a parent.

    `with_fallbacks` calls its choices with the caller's callbacks, so their runs have no parent. But it calls them in
    a context whose config has the run of `with_fallbacks` as parent; LangChain also copies this context to threads and
    tasks. Inside a tool, the parent is the tool's run, so a chain that a tool calls by hand counts.
    """

    raise_error = True  # Without this, LangChain would only log an exception that `on_error` raises.

    def __init__(self, client: Recording, outcome_of: Finding, *, on_error: OnError = None) -> None:
        self._client, self._outcome_of, self._on_error = client, outcome_of, on_error
        # Lists, because runs at the same time may have the same id, and a hook may be in a config twice.
        self._open: list[UUID] = []
        self._inner: list[UUID] = []

    def _begin(self, run_id: UUID, parent_run_id: UUID | None = None, **_: Any) -> None:
        if parent_run_id is None:
            if getattr(ensure_config().get("callbacks"), "parent_run_id", None) in self._open:
                self._inner.append(run_id)
            self._open.append(run_id)

    def _end(self, run_id: UUID, parent_run_id: UUID | None = None, **_: Any) -> bool:
        """Forget a run. Return whether it was an outermost one."""
        counts = parent_run_id is None and run_id not in self._inner
        for runs in (self._open, self._inner):
            if run_id in runs:
                runs.remove(run_id)
        return counts


class OutcomesCallback(_Hook[OutcomesClient, Callable[[Any], MaybeOutcome]], BaseCallbackHandler):
    """Records the outcome of a finished run: `agent.invoke(..., {"callbacks": [OutcomesCallback(...)]})`.

    The run is the outermost chain, graph or agent, also with `with_fallbacks`. `outcome_of` gets the run's output. The
    idempotency key is the `run_id`, a new one for each call unless the config sets `{"run_id": UUID(...)}`. With
    `ainvoke`, LangChain runs this callback in a thread; `AsyncOutcomesCallback` runs in the event loop.
    """

    @override
    def on_chain_start(self, *_: Any, **run: Any) -> None:
        self._begin(**run)

    @override
    def on_chain_error(self, *_: Any, **run: Any) -> None:
        self._end(**run)

    @override
    def on_chain_end(self, outputs: Any, **run: Any) -> None:
        if self._end(**run):
            outcome_of, key = partial(self._outcome_of, outputs), partial(str, run["run_id"])
            record_run(self._client, outcome_of, key, self._on_error)


class AsyncOutcomesCallback(_Hook[AsyncOutcomesClient, OutcomeOf[[Any]]], AsyncCallbackHandler):
    """Async version of `OutcomesCallback`, for `ainvoke` and `astream`; `outcome_of` may be async."""

    @override
    async def on_chain_start(self, *_: Any, **run: Any) -> None:
        self._begin(**run)

    @override
    async def on_chain_error(self, *_: Any, **run: Any) -> None:
        self._end(**run)

    @override
    async def on_chain_end(self, outputs: Any, **run: Any) -> None:
        if self._end(**run):
            outcome_of, key = partial(self._outcome_of, outputs), partial(str, run["run_id"])
            await arecord_run(self._client, outcome_of, key, self._on_error)


def record_outcome_tool(
    client: Client, *, run_id: RunId[RunnableConfig], types: OutcomeTypes = None, on_error: OnError = None
) -> StructuredTool:
    """Return the tool that lets a model record finished work, only for the client's user and agent.

    With an `AsyncOutcomesClient`, the tool supports `ainvoke` and `astream` only. The idempotency key is
    `<run_id>/<name>`, where the model names the piece of work: LangChain does not tell a tool which run is the
    outermost, so pass the id of the job, or `lambda config: config["metadata"]["job"]`.

    Raises:
        ConfigurationError: the client has no user to record for, or `run_id` does not fit into an idempotency key.
    """
    tool = Tool(client, run_id, types, on_error)

    def answer(told: Told) -> str:
        if told.failed:
            raise ToolException(told.text)
        return told.text

    def record(config: RunnableConfig, **arguments: Any) -> str:
        return answer(tool.record(arguments, config))

    async def arecord(config: RunnableConfig, **arguments: Any) -> str:
        return answer(await tool.arecord(arguments, config))

    blocking = isinstance(client, OutcomesClient)
    return StructuredTool.from_function(
        func=record if blocking else None,
        coroutine=None if blocking else arecord,
        name=tool.name,
        description=tool.description,
        args_schema=tool.arguments,
        handle_tool_error=True,
        handle_validation_error=lambda invalid: mistakes(invalid),
    )
