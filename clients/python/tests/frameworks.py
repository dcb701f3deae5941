"""Run real agents of each framework with a scripted model, in the same way: with a hook, or with a call of the tool."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, override
from uuid import UUID

import agents
from agents.testing import ScriptedModel, assistant_message, function_call
from claude_agent_sdk import ClaudeAgentOptions, Transport, query
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.graph import START, StateGraph
from outcomes_client import AsyncOutcomesClient, OutcomesClient, langchain, openai_agents
from outcomes_client.claude_agent_sdk import record_outcome_server, stop_hook

from clients.python.tests.conftest import RUN

README = (Path(__file__).parents[1] / "README.md").read_text()
QUIET = agents.RunConfig(tracing_disabled=True)


class Told(NamedTuple):
    """An answer to a model about its work. is_error: None if the framework does not say whether it is an error."""

    text: str
    is_error: bool | None


class Framework(NamedTuple):
    """hook: a run with the id `RUN` that says "Won", with the hook. call: a call of the tool. tool: makes the tool."""

    client: type[OutcomesClient] | type[AsyncOutcomesClient]
    hook: Callable[..., Awaitable[None]]
    call: Callable[..., Awaitable[Told]]
    tool: Callable[..., Any]


# LangChain

ADDS: Runnable[Any, Any] = RunnableLambda(lambda number: number + 1)
CHAIN = ADDS | ADDS
GRAPH: Any = StateGraph(int)
GRAPH.add_node("add", lambda number: number + 2)
GRAPH.add_edge(START, "add")


class Scripted(GenericFakeChatModel):
    """A scripted model that ignores tools."""

    @override
    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self


def langchain_model(*turns: str | dict[str, Any]) -> Scripted:
    """Return a scripted model. Each turn is a dict, which calls the tool, or a text, which is an answer."""
    calls = [{"name": "record_outcome", "args": turn, "id": f"call-{number}"} for number, turn in enumerate(turns)]
    answers = [
        turn if isinstance(turn, str) else AIMessage("", tool_calls=[call])
        for turn, call in zip(turns, calls, strict=True)
    ]
    return Scripted(messages=iter(answers))


async def hook_of_langchain(client: Any, outcome_of: Any, **options: Any) -> None:
    waits = isinstance(client, OutcomesClient)
    kind: Any = langchain.OutcomesCallback if waits else langchain.AsyncOutcomesCallback
    chain: Any = RunnableLambda(lambda text: text)
    config = {"callbacks": [kind(client, outcome_of, **options)], "run_id": UUID(RUN)}
    assert (chain.invoke("Won", config) if waits else await chain.ainvoke("Won", config)) == "Won"


async def call_of_langchain(client: Any, work: dict[str, Any], run_id: Any = RUN, **options: Any) -> Told:
    call = {"name": "record_outcome", "args": work, "id": "call-1", "type": "tool_call"}
    tool = langchain.record_outcome_tool(client, run_id=run_id, **options)
    answer = tool.invoke(call) if isinstance(client, OutcomesClient) else await tool.ainvoke(call)
    return Told(answer.text, answer.status == "error")


# OpenAI Agents


def openai_model(*turns: str | dict[str, Any]) -> ScriptedModel:
    """Return a scripted model, as `langchain_model` does."""
    return ScriptedModel(
        [
            [
                assistant_message(turn)
                if isinstance(turn, str)
                else function_call("record_outcome", turn, call_id=f"call-{number}")
            ]
            for number, turn in enumerate(turns)
        ]
    )


async def run_openai(model: ScriptedModel, *tools: Any, hooks: Any = None) -> None:
    agent = agents.Agent("Sales", model=model, tools=[*tools])
    result = await agents.Runner.run(agent, "Sell", hooks=hooks, run_config=QUIET)
    assert result.final_output == "Won"


async def hook_of_openai(client: Any, outcome_of: Any, run_id: Any = RUN, **options: Any) -> None:
    hooks = openai_agents.OutcomesHooks(client, lambda *given: outcome_of(given[2]), run_id=run_id, **options)
    await run_openai(openai_model("Won"), hooks=hooks)


async def call_of_openai(client: Any, work: dict[str, Any], run_id: Any = RUN, **options: Any) -> Told:
    model = openai_model(work, "Won")
    await run_openai(model, openai_agents.record_outcome_tool(client, run_id=run_id, **options))
    answer: Any = model.calls[1].input[-1]
    return Told(answer["output"], None)


# Claude Agent SDK


class Claude(Transport):
    """A fake Claude Code. `work` calls tools and hooks through the SDK's control protocol."""

    def __init__(self, work: Callable[[Claude], Awaitable[None]]) -> None:
        self._work = work
        self._said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.hooks: dict[str, list[dict[str, Any]]] = {}

    async def tell_server(self, method: str, **parameters: Any) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "id": len(self._answers), "method": method, "params": parameters}
        answer = await self._ask(subtype="mcp_message", server_name="outcomes", message=message)
        result: dict[str, Any] = answer["response"]["mcp_response"]["result"]
        return result

    async def call(self, **arguments: Any) -> Told:
        """Call the tool record_outcome, and return its result."""
        answer = await self.tell_server("tools/call", name="record_outcome", arguments=arguments)
        return Told(answer["content"][0]["text"], answer["isError"])

    async def stop(self, said: str, prompt_id: str | None = RUN) -> None:
        """Call the Stop hook, which always answers nothing."""
        [matcher] = self.hooks["Stop"]
        [callback] = matcher["hookCallbackIds"]
        given = {"hook_event_name": "Stop", "session_id": "a session", "transcript_path": "/transcript", "cwd": "/"}
        given |= {"last_assistant_message": said, **({"prompt_id": prompt_id} if prompt_id else {})}
        answer = await self._ask(subtype="hook_callback", callback_id=callback, input=given, tool_use_id=None)
        assert answer["response"] == {}

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
            result = {"type": "result", "subtype": "success", "is_error": False, "session_id": "a session", **times}
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


async def run_claude(
    client: Any, work: Callable[[Claude], Awaitable[None]], outcome_of: Any = None, **more: Any
) -> None:
    """Run Claude with the hook, which calls `outcome_of`, and the tool. more: options of the tool."""
    hook: Any = stop_hook(client, outcome_of, on_error=more.get("on_error"))
    server = record_outcome_server(client, **{"run_id": RUN, **more})
    options = ClaudeAgentOptions(hooks={"Stop": [hook]}, mcp_servers={"outcomes": server})
    [result] = [message async for message in query(prompt="Sell", options=options, transport=Claude(work))]
    assert type(result).__name__ == "ResultMessage"


async def hook_of_claude(client: Any, outcome_of: Any, **options: Any) -> None:
    await run_claude(
        client,
        lambda claude: claude.stop("Won"),
        lambda stopped: outcome_of(stopped["last_assistant_message"]),
        **options,
    )


async def call_of_claude(client: Any, work: dict[str, Any], **options: Any) -> Told:
    told: list[Told] = []

    async def call(claude: Claude) -> None:
        told.append(await claude.call(**work))

    await run_claude(client, call, **options)
    return told[0]


OF_LANGCHAIN = hook_of_langchain, call_of_langchain, langchain.record_outcome_tool
ALL = {
    "LangChain": Framework(OutcomesClient, *OF_LANGCHAIN),
    "async LangChain": Framework(AsyncOutcomesClient, *OF_LANGCHAIN),
    "OpenAI Agents": Framework(AsyncOutcomesClient, hook_of_openai, call_of_openai, openai_agents.record_outcome_tool),
    "Claude Agent SDK": Framework(AsyncOutcomesClient, hook_of_claude, call_of_claude, record_outcome_server),
}


def example(heading: str) -> dict[str, Any]:
    """Run the example below a heading of the client's README. Return its global variables."""
    [code] = re.findall(rf"^### {heading}\n+```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    module: dict[str, Any] = {}
    exec(code, module)  # noqa: S102 - code of our own page
    return module
