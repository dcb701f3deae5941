"""Record outcomes in the Claude Agent SDK (https://docs.claude.com/en/api/agent-sdk/python)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, cast

from ._errors import ConfigurationError, missing

try:
    from claude_agent_sdk import (
        HookContext,
        HookInput,
        HookJSONOutput,
        HookMatcher,
        McpSdkServerConfig,
        StopHookInput,
        ToolAnnotations,
        create_sdk_mcp_server,
        tool,
    )
except ImportError as exc:
    raise ImportError(missing(exc, "claude"), name=exc.name) from exc

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
    check_run_id,
)
from ._async_client import AsyncOutcomesClient

__all__ = ["record_outcome_server", "stop_hook"]

_AFTER_THE_DEADLINE = 10.0  # seconds for the function that judges, and for saying what went wrong


def stop_hook(
    client: AsyncOutcomesClient,
    outcome_of: Callable[[StopHookInput], Judged | Awaitable[Judged]],
    *,
    on_error: OnError | None = None,
) -> HookMatcher:
    """Make the hook that records what came of a prompt: `ClaudeAgentOptions(hooks={"Stop": [stop_hook(...)]})`.

    The key is the prompt's id. Not the session's, which goes on over many prompts and is resumed.

    Args:
        client: what records; the caller closes it.
        outcome_of: is given the input of the hook, and returns, or awaits, what to record; None for nothing. That
            Claude stops is no outcome.
        on_error: is told of what could not be recorded. What it raises does not end the run, which is another process.
    """

    async def record(stopped: HookInput, _tool_use_id: str | None, _context: HookContext) -> HookJSONOutput:
        await arecord_finished(
            client, lambda: outcome_of(cast(StopHookInput, stopped)), lambda: _prompt_id(stopped), on_error
        )
        return {}

    return HookMatcher(hooks=[record], timeout=client._calls.retry.deadline + _AFTER_THE_DEADLINE)


def record_outcome_server(
    client: AsyncOutcomesClient, *, run_id: str, on_error: OnError | None = None
) -> McpSdkServerConfig:
    """Make the MCP server, in this process, of the tool by which Claude records what it has finished.

    `ClaudeAgentOptions(mcp_servers={"outcomes": ...}, allowed_tools=["mcp__outcomes__record_outcome"])`; it records for
    the client's user and agent only. The key is `<run id>/<name>`, with the name that the model gives to the piece of
    work. The SDK does not tell a tool which prompt it is called for.

    Args:
        client, on_error: as in `stop_hook`.
        run_id: 1 to 100 visible ASCII characters, such as the id of the job that the prompt, or the session, is for.

    Raises:
        ConfigurationError: nothing says for which user, or the run's id cannot be in a key.
    """
    check_owner(client)
    check_run_id(run_id)
    recording = ToolAnnotations(readOnlyHint=False, destructiveHint=False, idempotentHint=True)

    @tool(TOOL, TOOL_DESCRIPTION, TOOL_SCHEMA, annotations=recording)
    async def record(arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            said, failed = await arecord_work(client, arguments, lambda: run_id, on_error), False
        except Refused as refused:
            said, failed = str(refused), True
        return {"content": [{"type": "text", "text": said}], "is_error": failed}

    return create_sdk_mcp_server("outcomes", version("outcomes-client"), [record])


def _prompt_id(stopped: HookInput) -> str:
    prompt_id = stopped.get("prompt_id")
    if not prompt_id:
        raise ConfigurationError(
            "Claude Code did not say at which prompt it stopped; a newer one does, or give the outcome a key"
        )
    return prompt_id
