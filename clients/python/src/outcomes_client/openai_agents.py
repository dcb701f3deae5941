"""Record outcomes in the OpenAI Agents SDK (https://openai.github.io/openai-agents-python/)."""

from __future__ import annotations

from functools import partial
from typing import Any, override

from ._errors import missing

try:
    from agents import Agent, FunctionTool, RunContextWrapper, RunHooks
    from agents.run_context import AgentHookContext
except ImportError as exc:
    raise ImportError(missing(exc, "openai-agents"), name=exc.name) from exc

from ._agents import OnError, OutcomeOf, OutcomeTypes, RunId, Tool, arecord_run, key_getter
from ._async_client import AsyncOutcomesClient

__all__ = ["OutcomesHooks", "record_outcome_tool"]

type Run = RunContextWrapper[Any]
type OutcomeOfRun = OutcomeOf[[Run, Agent[Any], Any]]


class OutcomesHooks(RunHooks[Any]):
    """Records the outcome of a run with a final output: `Runner.run(..., hooks=OutcomesHooks(...))`.

    `outcome_of` gets the arguments of `on_agent_end` (context, agent, output), and may be async. The SDK has no run id:
    pass the id of the job or message, which stays the same when the work is repeated, or a function that finds it:
    `lambda run: run.context.job_id`. What `on_error` raises ends the run.
    """

    def __init__(
        self, client: AsyncOutcomesClient, outcome_of: OutcomeOfRun, *, run_id: RunId[Run], on_error: OnError = None
    ) -> None:
        self._client, self._outcome_of, self._key, self._on_error = client, outcome_of, key_getter(run_id), on_error

    @override
    async def on_agent_end(self, context: AgentHookContext[Any], agent: Agent[Any], output: Any) -> None:
        outcome_of, key = partial(self._outcome_of, context, agent, output), partial(self._key, context)
        await arecord_run(self._client, outcome_of, key, self._on_error)


def record_outcome_tool(
    client: AsyncOutcomesClient, *, run_id: RunId[Run], types: OutcomeTypes = None, on_error: OnError = None
) -> FunctionTool:
    """Return the tool that lets a model record finished work, only for the client's user and agent.

    The idempotency key is `<run_id>/<name>`, where the model names the piece of work.

    Raises:
        ConfigurationError: the client has no user to record for, or `run_id` does not fit into an idempotency key.
    """
    tool = Tool(client, run_id, types, on_error)

    async def record(context: Run, arguments: str) -> str:
        return (await tool.arecord(arguments, context)).text

    schema = tool.arguments.model_json_schema()  # not strict, because `metadata` may contain anything
    return FunctionTool(tool.name, tool.description, schema, record, strict_json_schema=False)
