"""Record outcomes in the Claude Agent SDK (https://docs.claude.com/en/api/agent-sdk/python)."""

from __future__ import annotations

from functools import partial
from typing import Any

from ._errors import ConfigurationError, missing

try:
    import claude_agent_sdk as sdk
except ImportError as exc:
    raise ImportError(missing(exc, "claude"), name=exc.name) from exc

from ._agents import OnError, OutcomeOf, OutcomeTypes, Tool, arecord_run, run_key
from ._async_client import AsyncOutcomesClient

__all__ = ["record_outcome_server", "stop_hook"]


def stop_hook(
    client: AsyncOutcomesClient, outcome_of: OutcomeOf[[sdk.StopHookInput]], *, on_error: OnError = None
) -> sdk.HookMatcher:
    """Return the hook that records the outcome of a prompt: `ClaudeAgentOptions(hooks={"Stop": [stop_hook(...)]})`.

    `outcome_of` gets the hook's input, and may be async. The idempotency key is the prompt's id, as a session has many
    prompts. What `on_error` raises does not end the run, which is another process.
    """

    async def record(stopped: Any, *_: Any) -> sdk.HookJSONOutput:
        await arecord_run(client, partial(outcome_of, stopped), partial(_prompt_key, stopped), on_error)
        return {}

    return sdk.HookMatcher(hooks=[record], timeout=client._calls.retry.deadline + 10)  # 10 s for the two functions


def _prompt_key(stopped: sdk.StopHookInput) -> str:
    if not stopped.get("prompt_id"):
        raise ConfigurationError("Claude Code did not send the prompt's id: update it, or give an idempotency_key")
    return run_key(stopped["prompt_id"])


def record_outcome_server(
    client: AsyncOutcomesClient, *, run_id: str, types: OutcomeTypes = None, on_error: OnError = None
) -> sdk.McpSdkServerConfig:
    """Return an in-process MCP server with the tool that lets Claude record finished work.

    Use `ClaudeAgentOptions(mcp_servers={"outcomes": ...}, allowed_tools=["mcp__outcomes__record_outcome"])`. It records
    only for the client's user and agent, with the idempotency key `<run_id>/<name>`, where the model names the work.
    Raises ConfigurationError if the client has no user, or `run_id` does not fit into an idempotency key.
    """
    tool = Tool[None](client, run_id, types, on_error)
    recording = sdk.ToolAnnotations(readOnlyHint=False, destructiveHint=False, idempotentHint=True)

    @sdk.tool(tool.name, tool.description, tool.arguments.model_json_schema(), annotations=recording)
    async def record(arguments: dict[str, Any]) -> dict[str, Any]:
        told = await tool.arecord(arguments, None)
        return {"content": [{"type": "text", "text": told.text}], "is_error": told.failed}

    return sdk.create_sdk_mcp_server("outcomes", tools=[record])
