"""Record outcomes in the OpenAI Agents SDK (https://openai.github.io/openai-agents-python/)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, override

from ._errors import missing

try:
    from agents import Agent, FunctionTool, RunContextWrapper, RunHooks
    from agents.run_context import AgentHookContext
    from agents.tool_context import ToolContext
except ImportError as exc:
    raise ImportError(missing(exc, "openai-agents"), name=exc.name) from exc

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
    run_id_getter,
)
from ._async_client import AsyncOutcomesClient
from ._tools import work_with

__all__ = ["OutcomesHooks", "record_outcome_tool"]

type RunId = str | Callable[[RunContextWrapper[Any]], str]
"""A run's id, or a function that finds it in the run: `lambda run: run.context.job_id`."""


class OutcomesHooks(RunHooks[Any]):
    """Records the outcome of a run with a final output: `Runner.run(..., hooks=OutcomesHooks(...))`.

    Args:
        client: the client to record with; the caller closes it.
        outcome_of: called with the arguments of `on_agent_end` (context, agent, output); returns the outcome, or None
            if there is none; may be async. A final output is not an outcome in itself.
        run_id: the idempotency key, 1 to 100 visible ASCII characters. The SDK has no run id: pass the id of the job or
            message, which stays the same when the work is repeated.
        on_error: called with the error if recording fails; an exception that it raises ends the run. Without
            `on_error`, the run ends normally.
    """

    def __init__(
        self,
        client: AsyncOutcomesClient,
        outcome_of: Callable[[RunContextWrapper[Any], Agent[Any], Any], MaybeOutcome | Awaitable[MaybeOutcome]],
        *,
        run_id: RunId,
        on_error: OnError | None = None,
    ) -> None:
        self._client, self._outcome_of, self._on_error = client, outcome_of, on_error
        self._run_id = run_id_getter(run_id)

    @override
    async def on_agent_end(self, context: AgentHookContext[Any], agent: Agent[Any], output: Any) -> None:
        """Record the outcome, if there is one."""
        await arecord_finished(
            self._client,
            lambda: self._outcome_of(context, agent, output),
            lambda: self._run_id(context),
            self._on_error,
        )


def record_outcome_tool(
    client: AsyncOutcomesClient, *, run_id: RunId, types: OutcomeTypes = None, on_error: OnError | None = None
) -> FunctionTool:
    """Return the tool that lets a model record finished work, only for the client's user and agent.

    The idempotency key is `<run_id>/<name>`, where the model names the piece of work.

    Args:
        client, run_id, on_error: the same as for `OutcomesHooks`.
        types: the outcome types that the model may choose from, such as `client.types()`; by default any.

    Raises:
        ConfigurationError: the client has no user to record for, or `run_id` does not fit into an idempotency key.
    """
    check_owner(client)
    id_of, kind = run_id_getter(run_id), work_with(types)

    async def record(context: ToolContext[Any], arguments: str) -> str:
        try:
            return await arecord_work(client, arguments, lambda: id_of(context), on_error, kind)
        except Refused as refused:
            return str(refused)

    return FunctionTool(
        name=TOOL,
        description=TOOL_DESCRIPTION,
        params_json_schema=kind.model_json_schema(),
        on_invoke_tool=record,
        strict_json_schema=False,  # a strict schema is not possible, because `metadata` may contain anything
    )
