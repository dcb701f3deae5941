"""The tool of LangChain with which a model records finished work."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import StructuredTool, ToolException

from ._agents import Client, OnError, OutcomeTypes, RunId, Told, Tool
from ._client import OutcomesClient
from ._tools import mistakes


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
