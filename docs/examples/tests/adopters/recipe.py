"""python recipe.py HEADING JOB: run the recipe below a heading of docs/agents.md with a scripted model.

The model calls the tool `record_deal` once, and then says what the tool answered, which is printed.
"""

import asyncio
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

DEAL = {"title": "Renewed Acme", "value_usd": 12500.5}
PAGE = Path(__file__).parents[3] / "agents.md"


def recipe(heading: str) -> Any:
    """Return the function `work` of a recipe."""
    [code] = re.findall(rf"^### {heading}\n+```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - code of our own page
    return names["work"]


def pydantic_ai() -> dict[str, Any]:
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel

    def answer(messages: list[Any], _info: Any) -> ModelResponse:
        returned = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        return ModelResponse([TextPart(str(returned[0].content)) if returned else ToolCallPart("record_deal", DEAL)])

    return {"model": FunctionModel(answer)}


def crewai() -> dict[str, Any]:
    from crewai.llms.base_llm import BaseLLM

    class Scripted(BaseLLM):
        def call(self, messages: Any, *_args: Any, **_more: Any) -> str:
            observed = re.findall(r"Observation: *([0-9A-Z]{26})", str(messages))
            if observed:
                return f"Thought: I now know the final answer\nFinal Answer: {observed[-1]}"
            return f"Thought: it is closed\nAction: record_deal\nAction Input: {json.dumps(DEAL)}"

    return {"model": Scripted(model="scripted")}


def anthropic() -> dict[str, Any]:
    import httpx2 as httpx
    from anthropic import Anthropic

    def answer(request: Any) -> Any:
        last = json.loads(request.content)["messages"][-1]["content"]
        results = [part for part in last if isinstance(part, dict) and part["type"] == "tool_result"]
        use = {"type": "tool_use", "id": "call-1", "name": "record_deal", "input": DEAL}
        content = {"type": "text", "text": str(results[0]["content"])} if results else use
        message = {"id": "m", "type": "message", "role": "assistant", "model": "scripted", "content": [content]}
        message |= {
            "stop_reason": "end_turn" if results else "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        return httpx.Response(200, json=message)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return {"anthropic": lambda: Anthropic(api_key="made-up", http_client=client)}


def llama_index() -> dict[str, Any]:
    from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
    from llama_index.core.llms.mock import MockFunctionCallingLLM

    def answer(messages: Any, **_more: Any) -> ChatMessage:
        if messages[-1].role == MessageRole.TOOL:
            return ChatMessage(role="assistant", content=messages[-1].content)
        call = ToolCallBlock(tool_call_id="call-1", tool_name="record_deal", tool_kwargs=DEAL)
        return ChatMessage(role="assistant", blocks=[call])

    return {"model": MockFunctionCallingLLM(response_generator=answer, is_chat_model=True)}


MODELS = {"pydantic-ai": pydantic_ai, "CrewAI": crewai, "Anthropic's SDK": anthropic, "LlamaIndex": llama_index}

if __name__ == "__main__":
    _, heading, job = sys.argv
    said = recipe(heading)(job, "Close the deal with Acme.", **MODELS[heading]())
    print(asyncio.run(said) if inspect.isawaitable(said) else said)
