"""Record outcomes in LangChain and LangGraph (https://docs.langchain.com/oss/python/)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, override
from uuid import UUID

from ._errors import missing

try:
    from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import StructuredTool, ToolException
except ImportError as exc:
    raise ImportError(missing(exc, "langchain"), name=exc.name) from exc

from ._agents import (
    TOOL,
    TOOL_DESCRIPTION,
    Judged,
    OnError,
    Refused,
    arecord_finished,
    arecord_work,
    check_owner,
    mistakes,
    of_run,
    record_finished,
    record_work,
)
from ._async_client import AsyncOutcomesClient
from ._client import OutcomesClient
from ._tools import Work

__all__ = ["AsyncOutcomesCallback", "OutcomesCallback", "record_outcome_tool"]

type RunId = str | Callable[[RunnableConfig], str]
"""A run's id, or where its config keeps it: `lambda config: config["metadata"]["job"]`."""


class OutcomesCallback(BaseCallbackHandler):
    """Records what a run came to, once it has ended: `agent.invoke(..., {"callbacks": [OutcomesCallback(...)]})`.

    The run is the outermost chain, graph or agent, and its `run_id` the key: a new one for each call, unless the config
    says `{"run_id": UUID(...)}`. For `ainvoke`, `AsyncOutcomesCallback` needs no thread.

    Args:
        client: what records; the caller closes it.
        outcome_of: is given the output of the run and returns what to record; None for nothing. An output alone is no
            outcome.
        on_error: is told of what could not be recorded; what it raises is raised by `invoke`. Else the run ends as it
            would.
    """

    raise_error = True  # nothing is raised but by `on_error`

    def __init__(
        self, client: OutcomesClient, outcome_of: Callable[[Any], Judged], *, on_error: OnError | None = None
    ) -> None:
        self._client, self._outcome_of, self._on_error = client, outcome_of, on_error

    @override
    def on_chain_end(self, outputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """Record what `outcome_of` says of the outermost run."""
        if parent_run_id is None:
            record_finished(self._client, lambda: self._outcome_of(outputs), lambda: str(run_id), self._on_error)


class AsyncOutcomesCallback(AsyncCallbackHandler):
    """Does what `OutcomesCallback` does, awaited, for `ainvoke` and `astream`; `outcome_of` may be awaited, too."""

    raise_error = True

    def __init__(
        self,
        client: AsyncOutcomesClient,
        outcome_of: Callable[[Any], Judged | Awaitable[Judged]],
        *,
        on_error: OnError | None = None,
    ) -> None:
        self._client, self._outcome_of, self._on_error = client, outcome_of, on_error

    @override
    async def on_chain_end(
        self, outputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Record what `outcome_of` says of the outermost run."""
        if parent_run_id is None:
            await arecord_finished(self._client, lambda: self._outcome_of(outputs), lambda: str(run_id), self._on_error)


def record_outcome_tool(
    client: OutcomesClient | AsyncOutcomesClient, *, run_id: RunId, on_error: OnError | None = None
) -> StructuredTool:
    """Make the tool by which a model records what it has finished, for the client's user and agent only.

    With an `AsyncOutcomesClient` for `ainvoke` and `astream`, else for `invoke`, too. The key is `<run id>/<name>`,
    with the name that the model gives to the piece of work: LangChain does not tell a tool the outermost run.

    Args:
        client, on_error: as in `OutcomesCallback`.
        run_id: 1 to 100 visible ASCII characters, such as the id of the job.

    Raises:
        ConfigurationError: nothing says for which user, or the run's id cannot be in a key.
    """
    check_owner(client)
    id_of = of_run(run_id)
    func = coroutine = None
    if isinstance(client, OutcomesClient):

        def record(config: RunnableConfig, **arguments: Any) -> str:
            try:
                return record_work(client, arguments, lambda: id_of(config), on_error)
            except Refused as refused:
                raise ToolException(str(refused)) from refused

        func = record
    else:

        async def arecord(config: RunnableConfig, **arguments: Any) -> str:
            try:
                return await arecord_work(client, arguments, lambda: id_of(config), on_error)
            except Refused as refused:
                raise ToolException(str(refused)) from refused

        coroutine = arecord
    return StructuredTool.from_function(
        func=func,
        coroutine=coroutine,
        name=TOOL,
        description=TOOL_DESCRIPTION,
        args_schema=Work,
        handle_tool_error=True,
        handle_validation_error=lambda invalid: mistakes(invalid),
    )
