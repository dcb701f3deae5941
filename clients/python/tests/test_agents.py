"""Test the hooks and tools of agent frameworks: what all share, and what each framework alone shows."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from outcomes_client import (
    AsyncOutcomesClient,
    ConfigurationError,
    NewOutcome,
    OutcomesClient,
    Retry,
    ServerError,
)
from outcomes_client._agents import Tool, arecord_run, record_run, run_key

from clients.python.tests.conftest import DEAL, ONE_TRY, RUN, WORK, Api, everywhere, keys

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from clients.python.tests.frameworks import Claude, Framework, Told

FRAMEWORKS = ["LangChain", "async LangChain", "OpenAI Agents", "Claude Agent SDK"]


class Late:
    """The module `frameworks`, which only the process that runs these tests loads: it takes two seconds."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest asks for these
            raise AttributeError(name)
        return getattr(importlib.import_module("clients.python.tests.frameworks"), name)


frameworks: Any = Late()
of_all = pytest.mark.parametrize("framework", FRAMEWORKS, indirect=True)


@pytest.fixture
def framework(request: pytest.FixtureRequest) -> Framework:
    assert [*frameworks.ALL] == FRAMEWORKS
    found: Framework = frameworks.ALL[request.param]
    return found


@pytest.fixture
def told() -> list[Exception]:
    """Return the list of errors that `on_error` got."""
    return []


def failing(failure: Exception) -> None:
    raise failure


async def hook(framework: Framework, api: Api, outcome_of: Callable[[Any], Any], **options: Any) -> None:
    async with closing(framework.client(**api.settings, user_id=42)) as client:
        await framework.hook(client, outcome_of, **options)


async def call(framework: Framework, api: Api, work: dict[str, Any] = WORK, **options: Any) -> Told:
    async with closing(framework.client(**api.settings, user_id=42)) as client:
        return await framework.call(client, work, **options)


@asynccontextmanager
async def closing(client: OutcomesClient | AsyncOutcomesClient) -> AsyncIterator[Any]:
    yield client
    client.close() if isinstance(client, OutcomesClient) else await client.aclose()


# Each framework


@of_all
async def test_failures_are_reported_and_end_no_run(
    framework: Framework, api: Api, told: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    api.quick = ONE_TRY
    api.fail("500", "500")
    await hook(framework, api, lambda _: DEAL, on_error=told.append)
    refused = await call(framework, api, on_error=told.append)
    await hook(framework, api, lambda said: said.customer, on_error=told.append)
    assert refused.is_error is not False
    assert "Call again later with the same idempotency_key and fields." in refused.text
    assert [type(one) for one in told] == [ServerError, ServerError, AttributeError]
    for key in (RUN, f"{RUN}/offer-sent"):
        assert f"It is not known whether an outcome was recorded, idempotency key {key}: 500" in caplog.text
    assert "AttributeError: 'str' object has no attribute 'customer'" in caplog.text
    assert not api.recorded()


@of_all
async def test_on_error_may_raise_to_end_the_run(framework: Framework, api: Api) -> None:
    api.quick = ONE_TRY
    api.fail("500")
    # Claude's run is another process, which gets an error instead of an answer.
    if framework is frameworks.ALL["Claude Agent SDK"]:
        with pytest.raises(KeyError, match="response"):
            await hook(framework, api, lambda _: DEAL, on_error=failing)
    else:
        with pytest.raises(ServerError):
            await hook(framework, api, lambda _: DEAL, on_error=failing)


@pytest.mark.parametrize("framework", FRAMEWORKS[1:], indirect=True)  # all but the client that waits
async def test_hook_and_tool_do_not_block_the_event_loop(framework: Framework, api: Api, told: list[Exception]) -> None:
    current, loop = api.door.upstream, asyncio.get_running_loop()

    def upstream(*asked: Any) -> Any:
        is_free = threading.Event()
        loop.call_soon_threadsafe(is_free.set)
        return current(*asked) if is_free.wait(10) else (401, {}, b'{"error":"The event loop is blocked"}')

    async def outcome_of(_: Any) -> NewOutcome:
        await asyncio.sleep(0)
        return DEAL

    api.door.upstream = upstream
    await hook(framework, api, outcome_of, on_error=told.append)
    await call(framework, api, on_error=told.append)
    assert (told, len(api.recorded())) == ([], 2)


@of_all
@pytest.mark.parametrize("more", [{"user_id": 43}, {"userId": 43}, {"agent_id": 8}, {"title": ""}])
async def test_a_model_cannot_choose_the_user_or_agent(framework: Framework, api: Api, more: dict[str, Any]) -> None:
    refused = await call(framework, api, {**WORK, **more})
    assert refused.is_error is not False
    # The Claude Agent SDK checks the arguments itself.
    assert framework is frameworks.ALL["Claude Agent SDK"] or f"Not recorded: {next(iter(more))}: " in refused.text
    assert not api.door.requests


@of_all
async def test_a_tool_records_only_the_types_that_it_offers(framework: Framework, api: Api) -> None:
    await call(framework, api, types=["lead_qualified"])
    assert not api.door.requests
    assert "replayed" in (await call(framework, api, types=["task_complete"])).text


@of_all
def test_a_tool_needs_a_user_and_a_valid_run_id(framework: Framework) -> None:
    with pytest.raises(ConfigurationError, match="The tool needs a user to record for"):
        framework.tool(framework.client("https://h", "k3y"), run_id="run-1")
    for run_id in ("", "a b", "é", "x" * 101):
        with pytest.raises(ConfigurationError, match="1 to 100 visible ASCII"):
            framework.tool(framework.client("https://h", "k3y", user_id=42), run_id=run_id)


# What they share


def said(api: Api, work: dict[str, Any] | str = WORK, run_id: Any = "run-1") -> str:
    """Return what a model is told about its work."""
    with OutcomesClient(**{**api.settings, "retry": ONE_TRY}, user_id=42) as client:
        return Tool[Any](client, run_id, None, None).record(work, None).text


def test_no_two_runs_or_names_share_a_key_whatever_slashes_they_contain(api: Api) -> None:
    used = [("a/b", "c"), ("a", "b/c"), ("a", "b"), ("/1/a", "b"), ("/a", "b"), ("/", "a/b"), ("/" * 100, "x" * 150)]
    for run_id, name in used:
        said(api, {**WORK, "idempotency_key": name}, run_id)
    made = [*keys(api), *{run_key(run_id) for run_id, _ in used}]
    assert len({*made}) == len(made) == 2 * len(used) - 1  # the run "a" is there twice
    assert len(api.recorded()) == len(used)
    assert (keys(api)[:2], run_key("a/b")) == (["/3/a/b/c", "a/b/c"], "/3/a/b")


@pytest.mark.parametrize("run_id", [4711, UUID(RUN), lambda _: RUN])
def test_a_run_id_may_be_a_number_a_uuid_or_a_function(api: Api, run_id: Any) -> None:
    said(api, run_id=run_id)
    assert keys(api) == [f"{4711 if run_id == 4711 else RUN}/offer-sent"]


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ("drop", "It is not known whether an outcome was recorded, idempotency key run-1: 401"),
        ("429", "An outcome was not recorded, idempotency key run-1: 401"),
        ("", "An outcome was not recorded, idempotency key run-1: 401"),
    ],
)
async def test_a_report_is_about_all_tries(api: Api, caplog: pytest.LogCaptureFixture, first: str, says: str) -> None:
    api.door.upstream = lambda *_: (401, {}, b'{"error":"Unauthorized"}')
    api.fail(first)
    async with AsyncOutcomesClient(**api.settings) as client:
        await arecord_run(client, lambda: DEAL, lambda: "run-1", None)
    assert says in caplog.text


def test_what_was_never_sent_is_not_recorded(caplog: pytest.LogCaptureFixture) -> None:
    client = OutcomesClient("http://127.0.0.1:9", "k", retry=ONE_TRY)
    record_run(client, lambda: DEAL, lambda: "run-1", None)
    assert "An outcome was not recorded, idempotency key run-1: No answer" in caplog.text
    client.close()
    record_run(client, lambda: DEAL, lambda: "run-1", None)
    assert "RuntimeError: Cannot send a request, as the client has been closed." in caplog.text


def test_a_run_without_an_id_continues_unrecorded_unless_the_outcome_has_a_key(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(_: Any = None) -> str:
        raise LookupError("no job")

    with OutcomesClient(**api.settings) as client:
        record_run(client, lambda: DEAL, missing, None)
    assert said(api, run_id=missing) == "Not recorded. You cannot fix this: tell the person who runs this agent."
    assert caplog.text.count("LookupError: no job") == 2
    assert not api.door.requests
    with OutcomesClient(**api.settings) as client:
        record_run(client, lambda: replace(DEAL, idempotency_key="mine"), missing, None)
    assert keys(api) == ["mine"]


def test_a_model_learns_what_to_do(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.fail("500 after the write")
    assert "Call again later with the same idempotency_key and fields." in said(api)
    assert '"replayed": true' in said(api, json.dumps(WORK))
    assert "If it is other work, call again with a new idempotency_key." in said(api, {**WORK, "title": "Another"})
    assert said(api, "{").startswith("Not recorded: arguments: Invalid JSON")
    assert said(api, {**WORK, "title": ""}) == (
        "Not recorded: title: String should have at least 1 character. Change that and call again."
    )
    assert "idempotency key run-1/offer-sent" in caplog.text
    assert len(api.recorded()) == 1


def test_a_model_s_numbers_keep_every_digit(api: Api) -> None:
    value, tenth = "123456789012345.12345678901234567890123", "0.1234567890123456789"
    work = json.dumps({**WORK, "value_usd": 1, "metadata": {"tenth": 2, "half": "\ud800"}})
    assert '"replayed": false' in said(api, work.replace(": 1,", f": {value},").replace(": 2,", f": {tenth},"))
    [one] = api.recorded()
    assert (str(one["value_usd"]), str(one["metadata"]["tenth"])) == (value, tenth)


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (400, "Invalid title", "Change what is named and call again; the idempotency_key may stay."),
        (401, "Unauthorized", "You cannot fix this: tell the person who runs this agent."),
        (403, "Forbidden", "That is beyond what this agent's key may record."),
        (429, "Too Many Requests", "Call again later with the same idempotency_key and fields."),
    ],
)
def test_each_error_has_advice_for_the_model(api: Api, status: int, error: str, advice: str) -> None:
    api.door.upstream = lambda *_: (status, {"Retry-After": "60"}, json.dumps({"error": error}).encode())
    assert said(api).startswith(f"{status} {error}")
    assert advice in said(api)


def test_a_model_learns_which_fields_were_ignored(api: Api) -> None:
    current = api.door.upstream

    def older(*asked: Any) -> Any:
        status, headers, body = current(*asked)
        return status, {**headers, "Ignored-Fields": "valueUsd"}, body

    api.door.upstream = older
    assert '"ignored_fields": ["valueUsd"]' in said(api)


LATER = UUID(int=4712)

type Example = Callable[[str], dict[str, Any]]


@pytest.fixture
def readme(api: Api, monkeypatch: pytest.MonkeyPatch) -> Example:
    """Return a function that runs an example of README. The example's client records for the user of `api`."""
    monkeypatch.setenv("OUTCOMES_URL", api.url)
    monkeypatch.setenv("INTERNAL_API_KEY", api.key)

    def run(heading: str) -> dict[str, Any]:
        module: dict[str, Any] = frameworks.example(heading)
        for kind in (OutcomesClient, AsyncOutcomesClient):
            module[kind.__name__] = lambda kind=kind, **whose: kind(**{**whose, "user_id": api.user})
        return module

    return run


# LangChain and LangGraph


@everywhere
def test_the_example_of_langchain_records_once_however_often_a_run_is_started(api: Api, readme: Example) -> None:
    publish, run = readme("LangChain and LangGraph")["publish"], uuid4()
    for _ in range(2):
        publish(run, frameworks.langchain_model(WORK, "PUBLISHED How we sell"))
    publish(uuid4(), frameworks.langchain_model("There was nothing to publish."))
    assert [one["title"] for one in api.recorded()] == ["PUBLISHED How we sell", "Sent the offer"]
    assert keys(api) == [f"{run}/offer-sent", str(run)] * 2


async def test_an_agent_s_tool_finds_its_run_id_in_the_config(api: Api) -> None:
    from langchain.agents import create_agent

    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        callback = frameworks.langchain.AsyncOutcomesCallback(
            client, lambda outputs: DEAL if outputs["messages"][-1].text == "Won" else None
        )
        records = frameworks.langchain.record_outcome_tool(client, run_id=lambda config: config["metadata"]["job"])
        agent: Any = create_agent(frameworks.langchain_model(WORK, "Won"), tools=[records])
        config: Any = {"callbacks": [callback], "metadata": {"job": "1"}, "run_id": UUID(RUN)}
        async for _ in agent.astream({"messages": [("user", "Sell")]}, config):
            pass
    assert keys(api) == ["1/offer-sent", RUN]


def unlucky(_: Any) -> Any:
    raise ValueError("out of luck")


ONE_RUN: dict[str, Callable[[Any, Any], Any]] = {
    "the first choice succeeds": lambda adds, chain: chain.with_fallbacks([adds]),
    "the first choice fails": lambda _, chain: frameworks.RunnableLambda(unlucky).with_fallbacks([chain]),
    "every choice has fallbacks": lambda adds, chain: chain.with_fallbacks([adds]).with_fallbacks([adds]),
    "with a config": lambda adds, chain: chain.with_fallbacks([adds]).with_config(run_name="adding"),
    "a graph": lambda adds, _: frameworks.GRAPH.compile().with_fallbacks([adds]),
    "fallbacks inside": lambda adds, chain: adds | adds.with_fallbacks([chain]),
    "no fallbacks": lambda _, chain: chain,
}
"""Runs that return the given number plus 2. LangChain gives the run of a choice of fallbacks no parent."""


async def read(parts: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in parts]


async def invoke(run: Runnable[Any, Any], config: Any) -> None:
    for number in (1, 2):
        run.invoke(number, config)


async def stream(run: Runnable[Any, Any], config: Any) -> None:
    for _ in zip(run.stream(1, config), run.stream(2, config), strict=True):  # in turn
        pass


WAYS: dict[str, Callable[[Runnable[Any, Any], Any], Any]] = {
    "invoke": invoke,
    "stream": stream,
    "threads": lambda run, config: asyncio.gather(*(asyncio.to_thread(run.invoke, n, config) for n in (1, 2))),
    "ainvoke": lambda run, config: asyncio.gather(*(run.ainvoke(n, config) for n in (1, 2))),
    "astream": lambda run, config: asyncio.gather(*(read(run.astream(n, config)) for n in (1, 2))),
    "events": lambda run, config: asyncio.gather(*(read(run.astream_events(n, config, version="v2")) for n in (1, 2))),
    "batch": lambda run, config: asyncio.to_thread(run.batch, [1, 2], config),
    "abatch": lambda run, config: run.abatch([1, 2], config),
}
"""Ways to run a chain with 1 and with 2."""


@pytest.mark.parametrize("run_of", ONE_RUN.values(), ids=ONE_RUN)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("kind", ["OutcomesCallback", "AsyncOutcomesCallback"])
async def test_each_run_counts_once_with_fallbacks(kind: str, way: Any, run_of: Any) -> None:
    asked: list[Any] = []
    callback = getattr(frameworks.langchain, kind)(
        None, lambda output: asked.append(output["add"] if isinstance(output, dict) else output)
    )
    await way(run_of(frameworks.ADDS, frameworks.CHAIN), {"callbacks": [callback]})
    assert sorted(asked) == [3, 4]


def test_a_choice_that_has_the_hook_in_its_own_config_counts_once() -> None:
    asked: list[Any] = []
    callback: Any = frameworks.langchain.OutcomesCallback(None, asked.append)
    # LangChain calls it twice for the choice.
    run: Any = frameworks.CHAIN.with_config(callbacks=[callback]).with_fallbacks([frameworks.ADDS])
    assert run.invoke(1, {"callbacks": [callback]}) == 3
    assert asked == [3]


@pytest.mark.parametrize("run_id", [UUID(RUN), None])
async def test_the_key_is_the_id_of_the_outermost_run(api: Api, run_id: UUID | None) -> None:
    run = frameworks.CHAIN.with_fallbacks([frameworks.ADDS])
    with OutcomesClient(**api.settings) as client:
        callback = frameworks.langchain.OutcomesCallback(client, lambda _: DEAL)
        run.invoke(1, {"callbacks": [callback], "run_id": run_id})
        await run.ainvoke(1, {"callbacks": [callback], "run_id": run_id and LATER})
    assert len(api.recorded()) == 2
    assert run_id is None or keys(api) == [RUN, str(LATER)]


async def test_two_runs_with_one_id_share_a_key_even_side_by_side(api: Api) -> None:
    async def slow(number: int) -> int:
        await asyncio.sleep(number / 100)
        return number

    run = frameworks.RunnableLambda(lambda number: number, afunc=slow).with_fallbacks([frameworks.ADDS])
    with OutcomesClient(**api.settings) as client:
        config: Any = {
            "callbacks": [frameworks.langchain.OutcomesCallback(client, lambda _: DEAL)],
            "run_id": UUID(RUN),
        }
        await asyncio.gather(run.ainvoke(1, config), run.ainvoke(2, config))
    assert keys(api) == [RUN] * 2


def test_a_run_whose_choices_all_fail_does_not_count_and_the_next_one_does() -> None:
    asked: list[Any] = []
    config: Any = {"callbacks": [frameworks.langchain.OutcomesCallback(None, asked.append)]}
    with pytest.raises(ValueError, match="out of luck"):
        frameworks.RunnableLambda(unlucky).with_fallbacks([frameworks.RunnableLambda(unlucky)]).invoke(1, config)
    next(iter(frameworks.CHAIN.with_fallbacks([frameworks.ADDS]).stream(1, config)))  # abandoned
    assert asked == []
    frameworks.CHAIN.with_fallbacks([frameworks.ADDS]).invoke(1, config)
    assert asked == [3]


@pytest.mark.parametrize("kind", ["OutcomesCallback", "AsyncOutcomesCallback"])
async def test_a_chain_called_by_hand_inside_a_tool_counts_itself(kind: str) -> None:
    from langchain_core.tools import tool

    asked: list[Any] = []
    config: Any = {"callbacks": [getattr(frameworks.langchain, kind)(None, asked.append)]}
    inner: Any = frameworks.CHAIN.with_fallbacks([frameworks.ADDS])

    @tool
    def add(number: int) -> int:
        """Add 2."""
        return int(inner.invoke(number, config))

    @tool
    async def add_later(number: int) -> int:
        """Add 2."""
        return int(await inner.ainvoke(number, config))

    asks: Any = frameworks.RunnableLambda(lambda number: {"number": number})
    assert (asks | add).with_fallbacks([frameworks.ADDS]).invoke(1, config) == 3
    assert await (asks | add_later).with_fallbacks([frameworks.ADDS]).ainvoke(2, config) == 4
    assert asked == [3, 3, 4, 4]


@pytest.fixture(params=["graph", "subgraph"])
def asking(request: pytest.FixtureRequest) -> Any:
    """A graph that is interrupted to ask "Signed?", by itself or by a subgraph, and the command that answers."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import START, StateGraph
    from langgraph.types import Command, interrupt

    def graph(node: Any) -> Any:
        made: Any = StateGraph(dict)
        made.add_node("ask", node)
        return made.add_edge(START, "ask")

    asks = graph(lambda _: {"signed": interrupt("Signed?")})
    asks = asks if request.param == "graph" else graph(asks.compile())
    return asks.compile(checkpointer=InMemorySaver()), Command(resume=True)


RESUMED: Any = {"run_id": UUID(RUN), "configurable": {"thread_id": "1"}}


def signed(output: dict[str, Any]) -> NewOutcome:
    return replace(DEAL, title=f"Signed: {output['signed']}")


def test_a_graph_that_waits_for_an_answer_is_recorded_when_it_was_resumed(api: Api, asking: Any) -> None:
    graph, answer = asking
    with OutcomesClient(**api.settings) as client:
        callback = frameworks.langchain.OutcomesCallback(client, signed)
        assert "__interrupt__" in graph.invoke({}, RESUMED | {"callbacks": [callback]})
        assert keys(api) == []
        graph.invoke(answer, RESUMED | {"callbacks": [callback]})
    assert ([one["title"] for one in api.recorded()], keys(api)) == (["Signed: True"], [RUN])


async def test_so_is_one_that_is_async(api: Api, asking: Any) -> None:
    graph, answer = asking
    async with AsyncOutcomesClient(**api.settings) as client:
        callback = frameworks.langchain.AsyncOutcomesCallback(client, signed)
        await graph.ainvoke({}, RESUMED | {"callbacks": [callback]})
        await graph.ainvoke(answer, RESUMED | {"callbacks": [callback]})
    assert ([one["title"] for one in api.recorded()], keys(api)) == (["Signed: True"], [RUN])


def test_an_async_tool_does_not_support_invoke() -> None:
    tool = frameworks.langchain.record_outcome_tool(AsyncOutcomesClient("https://h", "k3y", user_id=42), run_id="run-1")
    with pytest.raises(NotImplementedError):
        tool.invoke(WORK)


# OpenAI Agents


@pytest.fixture
def no_traces() -> Iterator[None]:
    frameworks.agents.set_tracing_disabled(True)
    yield
    frameworks.agents.set_tracing_disabled(False)


@everywhere
@pytest.mark.usefixtures("no_traces")
async def test_the_example_of_openai_records_once_however_often_a_job_is_run(api: Api, readme: Example) -> None:
    renew, job = readme("OpenAI Agents")["renew"], f"renewal-{api.user}"
    signed, unsigned = (
        json.dumps({"customer": "Acme", "signed": is_so, "value_usd": 1200.5}) for is_so in (True, False)
    )
    for _ in range(2):
        await renew(job, "Acme wants to go on", frameworks.openai_model(WORK, signed))
    await renew(f"{job}-lost", "Acme wants to leave", frameworks.openai_model(unsigned))
    recorded = [(one["title"], str(one["value_usd"])) for one in api.recorded()]
    assert recorded == [("Acme renewed", "1200.5"), ("Sent the offer", "12.5")]
    assert keys(api)[:4] == [f"{job}/offer-sent", job] * 2


async def test_hooks_and_tools_find_each_run_s_id_in_its_context(api: Api) -> None:
    async def outcome_of(context: Any, agent: Any, output: str) -> NewOutcome:
        return NewOutcome(outcome_type="deal_closed", title=f"{agent.name}: {output} of {context.context.id}")

    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        records = frameworks.openai_agents.record_outcome_tool(client, run_id=lambda run: run.context.id)
        hooks = frameworks.openai_agents.OutcomesHooks(client, outcome_of, run_id=lambda run: run.context.id)
        for job in ("1", "2"):
            agent = frameworks.agents.Agent("Sales", model=frameworks.openai_model(WORK, "Won"), tools=[records])
            result = frameworks.agents.Runner.run_streamed(
                agent, "Sell", context=SimpleNamespace(id=job), hooks=hooks, run_config=frameworks.QUIET
            )
            _ = [event async for event in result.stream_events()]
    assert keys(api) == ["1/offer-sent", "1", "2/offer-sent", "2"]
    assert api.recorded()[0]["title"] == "Sales: Won of 2"


async def test_only_the_agent_that_finishes_the_run_is_asked() -> None:
    asked: list[str] = []
    client: Any = None
    hooks = frameworks.openai_agents.OutcomesHooks(client, lambda *given: asked.append(given[1].name), run_id="run-1")
    closer = frameworks.agents.Agent("Closer", model=frameworks.openai_model("Won"))
    hands_over = frameworks.ScriptedModel([[frameworks.function_call("transfer_to_closer", {}, call_id="1")]])
    await frameworks.agents.Runner.run(
        frameworks.agents.Agent("Opener", handoffs=[closer], model=hands_over),
        "Sell",
        hooks=hooks,
        run_config=frameworks.QUIET,
    )
    assert asked == ["Closer"]


# Claude Agent SDK


@everywhere
async def test_the_example_of_claude_records_once_however_often_a_hook_is_called(
    api: Api, readme: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    import claude_agent_sdk

    async def work(claude: Claude) -> None:
        for _ in range(2):
            assert not (await claude.call(**WORK)).is_error
            await claude.stop("FILED Week 48", f"prompt-of-{api.user}")
        await claude.stop("I could not file it.", "another prompt")

    monkeypatch.setattr(claude_agent_sdk, "query", partial(claude_agent_sdk.query, transport=frameworks.Claude(work)))
    await readme("Claude Agent SDK")["file_report"](f"report-{api.user}")
    assert [one["title"] for one in api.recorded()] == ["FILED Week 48", "Sent the offer"]
    assert keys(api) == [f"report-{api.user}/offer-sent", f"prompt-of-{api.user}"] * 2


async def test_a_prompt_without_an_id_needs_an_idempotency_key(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async def stop(claude: Claude) -> None:
        await claude.stop("Won", prompt_id=None)

    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        await frameworks.run_claude(client, stop, lambda _: DEAL)
        assert "Claude Code did not send the prompt's id" in caplog.text
        assert not api.recorded()
        await frameworks.run_claude(
            client, stop, lambda stopped: replace(DEAL, idempotency_key=stopped["session_id"][2:])
        )
    assert keys(api) == ["session"]


async def test_claude_is_told_what_the_tool_needs_and_does() -> None:
    async def work(claude: Claude) -> None:
        [listed] = (await claude.tell_server("tools/list"))["tools"]
        assert set(listed["inputSchema"]["required"]) == {"outcome_type", "title", "idempotency_key"}
        assert listed["annotations"]["idempotentHint"]

    async with AsyncOutcomesClient("https://h", "k3y", user_id=42) as client:
        await frameworks.run_claude(client, work)


def test_the_hook_s_timeout_exceeds_the_client_s_deadline() -> None:
    client = AsyncOutcomesClient("https://h", "k3y", retry=Retry(deadline=100))
    assert (frameworks.stop_hook(client, lambda _: None).timeout or 0) > 100
