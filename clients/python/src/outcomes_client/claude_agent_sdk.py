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
    MaybeOutcome,
    OnError,
    OutcomeTypes,
    Refused,
    arecord_finished,
    arecord_work,
    check_owner,
    check_run_id,
)
from ._async_client import AsyncOutcomesClient
from ._tools import work_with

__all__ = ["record_outcome_server", "stop_hook"]

_AFTER_THE_DEADLINE = 10.0  # seconds for `outcome_of` and `on_error`, in addition to the client's deadline


def stop_hook(
    client: AsyncOutcomesClient,
    outcome_of: Callable[[StopHookInput], MaybeOutcome | Awaitable[MaybeOutcome]],
    *,
    on_error: OnError | None = None,
) -> HookMatcher:
    """Return the hook that records the outcome of a prompt: `ClaudeAgentOptions(hooks={"Stop": [stop_hook(...)]})`.

    The idempotency key is the prompt's id. The session's id would not work, because a session has many prompts.

    Args:
        client: the client to record with; the caller closes it.
        outcome_of: called with the hook's input; returns the outcome, or None if there is none; may be async. A stop of
            Claude is not an outcome in itself.
        on_error: called with the error if recording fails. An exception that it raises does not end the run, because
            the run is another process.
    """

    async def record(stopped: HookInput, _tool_use_id: str | None, _context: HookContext) -> HookJSONOutput:
        await arecord_finished(
            client, lambda: outcome_of(cast(StopHookInput, stopped)), lambda: _prompt_id(stopped), on_error
        )
        return {}

    return HookMatcher(hooks=[record], timeout=client._calls.retry.deadline + _AFTER_THE_DEADLINE)


def record_outcome_server(
    client: AsyncOutcomesClient, *, run_id: str, types: OutcomeTypes = None, on_error: OnError | None = None
) -> McpSdkServerConfig:
    """Return an in-process MCP server with the tool that lets Claude record finished work.

    Use `ClaudeAgentOptions(mcp_servers={"outcomes": ...}, allowed_tools=["mcp__outcomes__record_outcome"])`. The tool
    records only for the client's user and agent. The idempotency key is `<run_id>/<name>`, where the model names the
    piece of work: the SDK does not tell a tool which prompt called it.

    Args:
        client, on_error: the same as for `stop_hook`.
        run_id: 1 to 100 visible ASCII characters, such as the id of the job.
        types: the outcome types that the model may choose from, such as `client.types()`; by default any.

    Raises:
        ConfigurationError: the client has no user to record for, or `run_id` does not fit into an idempotency key.
    """
    check_owner(client)
    check_run_id(run_id)
    kind = work_with(types)
    recording = ToolAnnotations(readOnlyHint=False, destructiveHint=False, idempotentHint=True)

    @tool(TOOL, TOOL_DESCRIPTION, kind.model_json_schema(), annotations=recording)
    async def record(arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            said, failed = await arecord_work(client, arguments, lambda: run_id, on_error, kind), False
        except Refused as refused:
            said, failed = str(refused), True
        return {"content": [{"type": "text", "text": said}], "is_error": failed}

    return create_sdk_mcp_server("outcomes", version("outcomes-client"), [record])


def _prompt_id(stopped: HookInput) -> str:
    prompt_id = stopped.get("prompt_id")
    if not prompt_id:
        raise ConfigurationError(
            "Claude Code did not send the prompt's id: update Claude Code, or give the outcome an idempotency_key"
        )
    return prompt_id
