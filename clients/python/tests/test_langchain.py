"""Run real LangChain agents and chains with a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, override
from uuid import UUID, uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from outcomes_client import AsyncOutcomesClient, ConfigurationError, NewOutcome, OutcomesClient, ServerError
from outcomes_client.langchain import AsyncOutcomesCallback, OutcomesCallback, record_outcome_tool

from clients.python.tests.conftest import ONE_TRY, Api, everywhere
from clients.python.tests.frameworks import DEAL, FOR_ANOTHER, WORK, client_of_this_loop, example, keys

RUN = UUID(int=4711)
LATER = UUID(int=4712)


class Scripted(GenericFakeChatModel):
    """A scripted model that ignores tools."""

    @override
    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self


def says(*turns: str | dict[str, Any]) -> Scripted:
    """Return a scripted model. Each turn is a dict, which calls the tool, or a text, which is an answer."""
    return Scripted(
        messages=iter(
            [
                turn
                if isinstance(turn, str)
                else AIMessage("", tool_calls=[{"name": "record_outcome", "args": turn, "id": f"call-{number}"}])
                for number, turn in enumerate(turns)
            ]
        )
    )


@everywhere
def test_the_example_records_once_however_often_a_run_is_started(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTCOMES_URL", api.url)
    monkeypatch.setenv("INTERNAL_API_KEY", api.key)
    module = example("LangChain and LangGraph")
    module["OutcomesClient"] = lambda **whose: OutcomesClient(**{**whose, "user_id": api.user})
    run = uuid4()

    for _ in range(2):
        module["publish"](run, says(WORK, "PUBLISHED How we sell"))
    module["publish"](uuid4(), says("There was nothing to publish."))

    assert [one["title"] for one in api.recorded()] == ["PUBLISHED How we sell", "Sent the offer"]
    assert keys(api) == [f"{run}/offer-sent", str(run)] * 2


async def test_an_async_run_is_recorded_by_its_id_without_blocking_the_event_loop() -> None:
    told: list[Exception] = []

    async def outcome_of(outputs: Any) -> NewOutcome | None:
        await asyncio.sleep(0)
        return DEAL if outputs["messages"][-1].text == "Won" else None

    async with client_of_this_loop() as (client, fake):
        tool = record_outcome_tool(client, run_id=lambda config: config["metadata"]["job"], on_error=told.append)
        callback = AsyncOutcomesCallback(client, outcome_of, on_error=told.append)
        for job in ("1", "2"):
            agent: Any = create_agent(says(WORK, "Won"), tools=[tool])
            config: Any = {"callbacks": [callback], "metadata": {"job": job}}
            async for _ in agent.astream({"messages": [("user", "Sell")]}, config):
                pass
        answer = await tool.ainvoke(WORK, {"metadata": {"job": "2"}})
    assert (told, len(fake.recorded)) == ([], 4)
    assert '"replayed": true' in answer


def test_only_the_outermost_run_is_recorded(api: Api) -> None:
    asked: list[Any] = []
    chain: Any = RunnableLambda(lambda number: number + 1) | RunnableLambda(lambda number: number * 2)
    with OutcomesClient(**api.settings) as client:
        callback = OutcomesCallback(client, asked.append)
        assert chain.batch([1, 2], {"callbacks": [callback]}) == [4, 6]
    assert (sorted(asked), api.recorded()) == ([4, 6], [])


def unlucky(_: Any) -> Any:
    raise ValueError("out of luck")


ADDS: Runnable[Any, Any] = RunnableLambda(lambda number: number + 1)
CHAIN = ADDS | ADDS
GRAPH: Any = StateGraph(int)
GRAPH.add_node("add", lambda number: number + 2)
GRAPH.add_edge(START, "add")
ONE_RUN: dict[str, Runnable[Any, Any]] = {
    "the first choice succeeds": CHAIN.with_fallbacks([ADDS]),
    "the first choice fails": RunnableLambda(unlucky).with_fallbacks([CHAIN]),
    "every choice has fallbacks": CHAIN.with_fallbacks([ADDS]).with_fallbacks([ADDS]),
    "with a config": CHAIN.with_fallbacks([ADDS]).with_config(run_name="adding"),
    "a graph": GRAPH.compile().with_fallbacks([ADDS]),
    "fallbacks inside": ADDS | ADDS.with_fallbacks([CHAIN]),
}
"""Runs that return the given number plus 2. LangChain gives the run of a choice of fallbacks no parent."""


async def in_threads(run: Runnable[Any, Any], config: Any) -> list[Any]:
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda number: run.invoke(number, config), [1, 2]))


async def side_by_side(run: Runnable[Any, Any], config: Any) -> list[Any]:
    return list(await asyncio.gather(run.ainvoke(1, config), run.ainvoke(2, config)))


async def one_after_the_other(run: Runnable[Any, Any], config: Any) -> list[Any]:
    return [run.invoke(1, config), run.invoke(2, config)]


async def by_streams(run: Runnable[Any, Any], config: Any) -> list[Any]:
    """Read two streams in turn. Return the last part of each."""
    return list(zip(run.stream(1, config), run.stream(2, config), strict=True))[-1:]


async def by_async_streams(run: Runnable[Any, Any], config: Any) -> list[Any]:
    return [[part async for part in run.astream(number, config)][-1] for number in (1, 2)]


async def by_events(run: Runnable[Any, Any], config: Any) -> list[Any]:
    return [[one async for one in run.astream_events(number, config, version="v2")][-1] for number in (1, 2)]


WAYS: list[Callable[[Runnable[Any, Any], Any], Any]] = [
    *(one_after_the_other, in_threads, side_by_side, by_streams, by_async_streams, by_events),
    lambda run, config: asyncio.to_thread(run.batch, [1, 2], config),
    lambda run, config: run.abatch([1, 2], config),
]
"""Ways to run a chain with 1 and with 2."""


@pytest.mark.parametrize("run", ONE_RUN.values(), ids=ONE_RUN)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [OutcomesCallback, AsyncOutcomesCallback])
async def test_each_run_counts_once_with_fallbacks(kind: Any, way: Any, run: Runnable[Any, Any]) -> None:
    asked: list[Any] = []
    callback = kind(None, lambda output: asked.append(output["add"] if isinstance(output, dict) else output))
    await way(run, {"callbacks": [callback]})
    assert sorted(asked) == [3, 4]


def test_a_choice_that_has_the_hook_in_its_own_config_counts_once() -> None:
    asked: list[Any] = []
    callback: Any = OutcomesCallback(None, asked.append)  # type: ignore[arg-type]
    run: Any = CHAIN.with_config(callbacks=[callback]).with_fallbacks(
        [ADDS]
    )  # so LangChain calls it twice for the choice
    assert run.invoke(1, {"callbacks": [callback]}) == 3
    assert asked == [3]


@pytest.mark.parametrize("run_id", [RUN, None])
async def test_the_key_is_the_id_of_the_outermost_run(api: Api, run_id: UUID | None) -> None:
    run = CHAIN.with_fallbacks([ADDS])
    with OutcomesClient(**api.settings) as client:
        callback = OutcomesCallback(client, lambda _: DEAL)
        run.invoke(1, {"callbacks": [callback], "run_id": run_id})
        await run.ainvoke(1, {"callbacks": [callback], "run_id": run_id and LATER})
    assert len(api.recorded()) == 2
    assert run_id is None or keys(api) == [str(RUN), str(LATER)]


async def test_two_runs_with_one_id_share_a_key_even_side_by_side(api: Api) -> None:
    async def slow(number: int) -> int:
        await asyncio.sleep(number / 100)
        return number

    run = RunnableLambda(lambda number: number, afunc=slow).with_fallbacks([ADDS])
    with OutcomesClient(**api.settings) as client:
        await side_by_side(run, {"callbacks": [OutcomesCallback(client, lambda _: DEAL)], "run_id": RUN})
    assert keys(api) == [str(RUN)] * 2


def test_a_run_whose_choices_all_fail_does_not_count_and_the_next_one_does() -> None:
    asked: list[Any] = []
    config: Any = {"callbacks": [OutcomesCallback(None, asked.append)]}  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="out of luck"):
        RunnableLambda(unlucky).with_fallbacks([RunnableLambda(unlucky)]).invoke(1, config)
    next(iter(CHAIN.with_fallbacks([ADDS]).stream(1, config)))  # abandoned
    assert asked == []
    CHAIN.with_fallbacks([ADDS]).invoke(1, config)
    assert asked == [3]


@pytest.mark.parametrize("kind", [OutcomesCallback, AsyncOutcomesCallback])
async def test_a_chain_called_by_hand_inside_a_tool_counts_itself(kind: Any) -> None:
    asked: list[Any] = []
    config: Any = {"callbacks": [kind(None, asked.append)]}
    inner: Any = CHAIN.with_fallbacks([ADDS])

    @tool
    def add(number: int) -> int:
        """Add 2."""
        return int(inner.invoke(number, config))

    @tool
    async def add_later(number: int) -> int:
        """Add 2."""
        return int(await inner.ainvoke(number, config))

    asks: Any = RunnableLambda(lambda number: {"number": number})
    assert (asks | add).with_fallbacks([ADDS]).invoke(1, config) == 3
    assert await (asks | add_later).with_fallbacks([ADDS]).ainvoke(2, config) == 4
    assert asked == [3, 3, 4, 4]


def test_a_graph_that_is_interrupted_counts_once_under_one_id(api: Api) -> None:
    graph: Any = StateGraph(dict)
    graph.add_node("ask", lambda _: {"signed": interrupt("Signed?")})
    graph.add_edge(START, "ask")
    graph = graph.compile(checkpointer=InMemorySaver())
    with OutcomesClient(**api.settings) as client:
        callback = OutcomesCallback(client, lambda _: DEAL)
        config = {"run_id": RUN, "callbacks": [callback], "configurable": {"thread_id": "1"}}
        assert "__interrupt__" in graph.invoke({}, config)
        assert graph.invoke(Command(resume=True), config) == {"signed": True}
    assert keys(api) == [str(RUN)] * 2
    assert len(api.recorded()) == 1


def test_failures_are_reported_and_end_no_run(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Exception] = []
    with OutcomesClient(**{**api.settings, "retry": ONE_TRY}, user_id=42) as client:
        tool = record_outcome_tool(client, run_id="run-1", on_error=told.append)
        agent: Any = create_agent(says(WORK, "Won"), tools=[tool])
        callback = OutcomesCallback(client, lambda _: DEAL, on_error=told.append)
        api.fail("500", "500")
        config: Any = {"run_id": RUN, "callbacks": [callback]}
        *_, answer, last = agent.invoke({"messages": [("user", "Sell")]}, config)["messages"]
    assert (answer.status, last.text) == ("error", "Won")
    assert "Call again later with the same idempotency_key and fields." in answer.text
    assert [type(one) for one in told] == [ServerError] * 2
    assert "not known whether an outcome was recorded, idempotency key run-1/offer-sent: 500" in caplog.text
    assert f"not known whether an outcome was recorded, idempotency key {RUN}: 500" in caplog.text


async def test_on_error_may_raise_to_end_the_run(api: Api) -> None:
    def fail(failure: Exception) -> None:
        raise failure

    chain: Any = RunnableLambda(lambda text: text.upper())
    with OutcomesClient(**{**api.settings, "retry": ONE_TRY}) as client:
        api.fail("500")
        with pytest.raises(ServerError):
            chain.invoke("won", {"callbacks": [OutcomesCallback(client, lambda _: DEAL, on_error=fail)]})
    async with AsyncOutcomesClient(**{**api.settings, "retry": ONE_TRY}) as awaiting:
        api.fail("500")
        with pytest.raises(ServerError):
            await chain.ainvoke("won", {"callbacks": [AsyncOutcomesCallback(awaiting, lambda _: DEAL, on_error=fail)]})


@pytest.mark.parametrize("more", FOR_ANOTHER)
async def test_a_model_cannot_choose_the_user_or_agent(api: Api, more: dict[str, Any]) -> None:
    call = {"name": "record_outcome", "args": {**WORK, **more}, "id": "call-1", "type": "tool_call"}
    with OutcomesClient(**api.settings, user_id=42) as client:
        answer = record_outcome_tool(client, run_id="run-1").invoke(call)
        assert f"Not recorded: {next(iter(more))}: " in answer.text
        assert answer.status == "error"
    async with AsyncOutcomesClient(**api.settings, user_id=42) as awaiting:
        assert (await record_outcome_tool(awaiting, run_id="run-1").ainvoke(call)).status == "error"
    assert not api.door.requests


async def test_an_async_tool_reports_a_failure_too(api: Api) -> None:
    call = {"name": "record_outcome", "args": WORK, "id": "call-1", "type": "tool_call"}
    async with AsyncOutcomesClient(**{**api.settings, "retry": ONE_TRY}, user_id=42) as client:
        api.fail("500")
        answer = await record_outcome_tool(client, run_id="run-1").ainvoke(call)
    assert answer.status == "error"
    assert "Call again later with the same idempotency_key and fields." in answer.text


def test_a_tool_records_only_the_types_that_it_offers(api: Api) -> None:
    call = {"name": "record_outcome", "args": WORK, "id": "call-1", "type": "tool_call"}
    with OutcomesClient(**api.settings, user_id=42) as client:
        refused = record_outcome_tool(client, run_id="run-1", types=["lead_qualified"]).invoke(call)
        recorded = record_outcome_tool(client, run_id="run-1", types=["task_complete"]).invoke(call)
    assert (refused.status, recorded.status) == ("error", "success")
    assert "outcome_type: Input should be 'lead_qualified'" in refused.text


def test_a_run_id_may_be_the_uuid_of_a_run(api: Api) -> None:
    call = {"name": "record_outcome", "args": WORK, "id": "call-1", "type": "tool_call"}
    tool: Any = record_outcome_tool
    with OutcomesClient(**api.settings, user_id=42) as client:
        assert tool(client, run_id=RUN).invoke(call).status == "success"
    assert keys(api) == [f"{RUN}/{WORK['idempotency_key']}"]


def test_an_async_tool_does_not_support_invoke() -> None:
    tool = record_outcome_tool(AsyncOutcomesClient("https://h", "k3y", user_id=42), run_id="run-1")
    with pytest.raises(NotImplementedError):
        tool.invoke(WORK)


def test_a_tool_needs_a_user_and_a_valid_run_id() -> None:
    with pytest.raises(ConfigurationError, match="needs a user"):
        record_outcome_tool(OutcomesClient("https://h", "k3y"), run_id="run-1")
    with pytest.raises(ConfigurationError, match="1 to 100 visible ASCII"):
        record_outcome_tool(OutcomesClient("https://h", "k3y", user_id=42), run_id="a b")
