"""Run the real Claude Agent SDK with a transport that replaces Claude Code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, override

import claude_agent_sdk
import pytest
from claude_agent_sdk import ClaudeAgentOptions, Transport, query
from outcomes_client import AsyncOutcomesClient, ConfigurationError, NewOutcome, Retry, ServerError
from outcomes_client.claude_agent_sdk import record_outcome_server, stop_hook

from clients.python.tests.conftest import ONE_TRY, Api, everywhere
from clients.python.tests.frameworks import DEAL, FOR_ANOTHER, WORK, client_of_this_loop, example, keys

PROMPT = "0b6f9a52-5f0e-4b0c-9a53-0d8c6c1f0d11"
SESSION = "5e551011-0000-4000-8000-000000000000"


class Claude(Transport):
    """A fake Claude Code. `work` calls tools and hooks through the SDK's control protocol."""

    def __init__(self, work: Callable[[Claude], Awaitable[None]]) -> None:
        self._work = work
        self._said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.hooks: dict[str, list[dict[str, Any]]] = {}

    async def call(self, **arguments: Any) -> dict[str, Any]:
        """Call the tool record_outcome, and return its result."""
        return await self.tell_server("tools/call", name="record_outcome", arguments=arguments)

    async def tell_server(self, method: str, **parameters: Any) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "id": len(self._answers), "method": method, "params": parameters}
        answer = await self._ask(subtype="mcp_message", server_name="outcomes", message=message)
        result: dict[str, Any] = answer["response"]["mcp_response"]["result"]
        return result

    async def stop(self, said: str, prompt_id: str | None = PROMPT) -> dict[str, Any]:
        """Call the Stop hook, and return its answer."""
        [matcher] = self.hooks["Stop"]
        [callback] = matcher["hookCallbackIds"]
        given = {
            "hook_event_name": "Stop",
            "session_id": SESSION,
            "transcript_path": "/transcript",
            "cwd": "/",
            "stop_hook_active": False,
            "last_assistant_message": said,
            **({"prompt_id": prompt_id} if prompt_id else {}),
        }
        return await self._ask(subtype="hook_callback", callback_id=callback, input=given, tool_use_id=None)

    async def _ask(self, **request: Any) -> dict[str, Any]:
        number = f"request-{len(self._answers)}"
        self._answers[number] = asyncio.get_running_loop().create_future()
        self._said.put_nowait({"type": "control_request", "request_id": number, "request": request})
        return await self._answers[number]

    @override
    async def connect(self) -> None:
        """Do nothing, because the fake needs no connection."""

    @override
    async def write(self, data: str) -> None:
        message = json.loads(data)
        if message["type"] == "control_response":
            self._answers[message["response"]["request_id"]].set_result(message["response"])
        elif message["type"] == "control_request":
            self.hooks = message["request"]["hooks"] or {}
            done = {"subtype": "success", "request_id": message["request_id"], "response": {}}
            self._said.put_nowait({"type": "control_response", "response": done})
        else:
            self._working = asyncio.create_task(self._finish())

    async def _finish(self) -> None:
        try:
            about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            await self.tell_server("initialize", **about)
            await self._work(self)
        finally:
            times = {"duration_ms": 1, "duration_api_ms": 1, "num_turns": 1}
            result = {"type": "result", "subtype": "success", "is_error": False, "session_id": SESSION, **times}
            self._said.put_nowait(result)
            self._said.put_nowait(None)

    @override
    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        while (message := await self._said.get()) is not None:
            yield message
        await self._working

    @override
    async def close(self) -> None:
        """Nothing to close."""

    @override
    def is_ready(self) -> bool:
        return True

    @override
    async def end_input(self) -> None:
        """Do nothing, because the fake reads no input."""


@everywhere
async def test_the_example_records_once_however_often_a_hook_is_called(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(claude: Claude) -> None:
        for _ in range(2):
            answer = await claude.call(**WORK)
            assert not answer["isError"]
            assert (await claude.stop("FILED Week 48", f"prompt-of-{api.user}"))["response"] == {}
        await claude.stop("I could not file it.", "another prompt")

    monkeypatch.setenv("OUTCOMES_URL", api.url)
    monkeypatch.setenv("INTERNAL_API_KEY", api.key)
    monkeypatch.setattr(claude_agent_sdk, "query", partial(query, transport=Claude(work)))
    module = example("Claude Agent SDK")
    module["AsyncOutcomesClient"] = lambda **whose: AsyncOutcomesClient(**{**whose, "user_id": api.user})

    await module["file_report"](f"report-{api.user}")

    assert [one["title"] for one in api.recorded()] == ["FILED Week 48", "Sent the offer"]
    assert keys(api) == [f"report-{api.user}/offer-sent", f"prompt-of-{api.user}"] * 2


async def run(work: Callable[[Claude], Awaitable[None]], options: ClaudeAgentOptions) -> None:
    [result] = [message async for message in query(prompt="Sell", options=options, transport=Claude(work))]
    assert type(result).__name__ == "ResultMessage"


def options(
    client: AsyncOutcomesClient, told: list[Exception] | None = None, outcome: Any = DEAL
) -> ClaudeAgentOptions:
    tell = None if told is None else told.append
    server = record_outcome_server(client, run_id="run-1", on_error=tell)
    hooks: Any = {"Stop": [stop_hook(client, outcome if callable(outcome) else lambda _: outcome, on_error=tell)]}
    return ClaudeAgentOptions(hooks=hooks, mcp_servers={"outcomes": server})


async def test_hook_and_tool_do_not_block_the_event_loop() -> None:
    told: list[Exception] = []

    async def work(claude: Claude) -> None:
        await asyncio.gather(claude.call(**WORK), claude.stop("Won"))

    async with client_of_this_loop() as (client, fake):
        await run(work, options(client, told))
    assert (told, len(fake.recorded)) == ([], 2)


async def test_failures_are_reported_and_end_no_run(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Exception] = []

    async def work(claude: Claude) -> None:
        assert (await claude.stop("Won"))["response"] == {}
        answer = await claude.call(**WORK)
        assert answer["isError"]
        assert "Call again later with the same idempotency_key and fields." in answer["content"][0]["text"]

    async with AsyncOutcomesClient(**{**api.settings, "retry": ONE_TRY}, user_id=42) as client:
        api.fail("500", "500")
        await run(work, options(client, told))
    assert [type(one) for one in told] == [ServerError] * 2
    assert "not known whether an outcome was recorded, idempotency key run-1/offer-sent: 500" in caplog.text
    assert f"not known whether an outcome was recorded, idempotency key {PROMPT}: 500" in caplog.text
    assert not api.recorded()


async def test_a_prompt_without_an_id_needs_an_idempotency_key(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async def named(stopped: Any) -> NewOutcome:
        return NewOutcome(outcome_type="deal_closed", title="Acme", user_id=42, idempotency_key=stopped["session_id"])

    async def stop(claude: Claude) -> None:
        await claude.stop("Won", prompt_id=None)

    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        await run(stop, options(client))
        assert "Claude Code did not send the prompt's id" in caplog.text
        assert not api.recorded()
        await run(stop, options(client, outcome=named))
    assert keys(api) == [SESSION]


@pytest.mark.parametrize("more", FOR_ANOTHER)
async def test_a_model_cannot_choose_the_user_or_agent(api: Api, more: dict[str, Any]) -> None:
    async def work(claude: Claude) -> None:
        answer = await claude.call(**{**WORK, **more})
        assert answer["isError"]
        [tool] = (await claude.tell_server("tools/list"))["tools"]
        assert set(tool["inputSchema"]["required"]) == {"outcome_type", "title", "idempotency_key"}
        assert tool["annotations"]["idempotentHint"]

    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        await run(work, options(client))
    assert not api.door.requests


def test_the_hook_s_timeout_exceeds_the_client_s_deadline() -> None:
    client = AsyncOutcomesClient("https://h", "k3y", retry=Retry(deadline=100))
    assert (stop_hook(client, lambda _: None).timeout or 0) > 100


def test_a_tool_needs_a_user_and_a_valid_run_id() -> None:
    with pytest.raises(ConfigurationError, match="needs a user"):
        record_outcome_server(AsyncOutcomesClient("https://h", "k3y"), run_id="run-1")
    with pytest.raises(ConfigurationError, match="1 to 100 visible ASCII"):
        record_outcome_server(AsyncOutcomesClient("https://h", "k3y", user_id=42), run_id="a b")
