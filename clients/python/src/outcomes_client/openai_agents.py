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
    TOOL_SCHEMA,
    Judged,
    OnError,
    Refused,
    arecord_finished,
    arecord_work,
    check_owner,
    of_run,
)
from ._async_client import AsyncOutcomesClient

__all__ = ["OutcomesHooks", "record_outcome_tool"]

type RunId = str | Callable[[RunContextWrapper[Any]], str]
"""A run's id, or where a run keeps it: `lambda run: run.context.job_id`."""


class OutcomesHooks(RunHooks[Any]):
    """Records what a run came to, once there is a final output: `Runner.run(..., hooks=OutcomesHooks(...))`.

    Args:
        client: what records; the caller closes it.
        outcome_of: is given what `on_agent_end` is (context, agent, output), and returns, or awaits, what to record;
            None for nothing. A final output alone is no outcome.
        run_id: the idempotency key, 1 to 100 visible ASCII characters. The SDK has no id of a run: give that of the job
            or the message that is worked on, which is the same when it is worked on again.
        on_error: is told of what could not be recorded; what it raises ends the run. Else the run ends as it would.
    """

    def __init__(
        self,
        client: AsyncOutcomesClient,
        outcome_of: Callable[[RunContextWrapper[Any], Agent[Any], Any], Judged | Awaitable[Judged]],
        *,
        run_id: RunId,
        on_error: OnError | None = None,
    ) -> None:
        self._client, self._outcome_of, self._on_error = client, outcome_of, on_error
        self._run_id = of_run(run_id)

    @override
    async def on_agent_end(self, context: AgentHookContext[Any], agent: Agent[Any], output: Any) -> None:
        """Record what `outcome_of` says."""
        await arecord_finished(
            self._client,
            lambda: self._outcome_of(context, agent, output),
            lambda: self._run_id(context),
            self._on_error,
        )


def record_outcome_tool(client: AsyncOutcomesClient, *, run_id: RunId, on_error: OnError | None = None) -> FunctionTool:
    """Make the tool by which a model records what it has finished, for the client's user and agent only.

    The key is `<run id>/<name>`, with the name that the model gives to the piece of work. See `OutcomesHooks` for the
    arguments.

    Raises:
        ConfigurationError: nothing says for which user, or the run's id cannot be in a key.
    """
    check_owner(client)
    id_of = of_run(run_id)

    async def record(context: ToolContext[Any], arguments: str) -> str:
        try:
            return await arecord_work(client, arguments, lambda: id_of(context), on_error)
        except Refused as refused:
            return str(refused)

    return FunctionTool(
        name=TOOL,
        description=TOOL_DESCRIPTION,
        params_json_schema=TOOL_SCHEMA,
        on_invoke_tool=record,
        strict_json_schema=False,  # `metadata` may hold anything
    )
