"""Run real agents of the OpenAI Agents SDK with a scripted model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call
from outcomes_client import AsyncOutcomesClient, ConfigurationError, NewOutcome, ServerError
from outcomes_client.openai_agents import OutcomesHooks, record_outcome_tool

from clients.python.tests.conftest import ONE_TRY, Api, everywhere
from clients.python.tests.frameworks import DEAL, FOR_ANOTHER, WORK, client_of_this_loop, example, keys

QUIET = RunConfig(tracing_disabled=True)


@pytest.fixture(scope="module", autouse=True)
def no_traces() -> Iterator[None]:
    set_tracing_disabled(True)
    yield
    set_tracing_disabled(False)


def says(*turns: str | dict[str, Any]) -> ScriptedModel:
    """Return a scripted model. Each turn is a dict, which calls the tool, or a text, which is an answer."""
    return ScriptedModel(
        [
            [assistant_message(turn)]
            if isinstance(turn, str)
            else [function_call("record_outcome", turn, call_id=f"call-{number}")]
            for number, turn in enumerate(turns)
        ]
    )


@everywhere
async def test_the_example_records_once_however_often_a_job_is_run(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTCOMES_URL", api.url)
    monkeypatch.setenv("INTERNAL_API_KEY", api.key)
    module = example("OpenAI Agents")
    module["AsyncOutcomesClient"] = lambda **whose: AsyncOutcomesClient(**{**whose, "user_id": api.user})
    job = f"renewal-{api.user}"
    signed, unsigned = (
        json.dumps({"customer": "Acme", "signed": signed, "value_usd": 1200.5}) for signed in (True, False)
    )

    for _ in range(2):
        await module["renew"](job, "Acme wants to go on", says(WORK, signed))
    await module["renew"](f"{job}-lost", "Acme wants to leave", says(unsigned))

    assert [(one["title"], str(one["value_usd"])) for one in api.recorded()] == [
        ("Acme renewed", "1200.5"),
        ("Sent the offer", "12.5"),
    ]
    assert keys(api)[:4] == [f"{job}/offer-sent", job] * 2


@dataclass
class Job:
    """The context object that an application passes to its agent runs."""

    id: str


async def test_hooks_and_tools_find_each_run_s_id_in_its_context(api: Api) -> None:
    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:

        async def outcome_of(context: Any, agent: Any, output: str) -> NewOutcome:
            return NewOutcome(outcome_type="deal_closed", title=f"{agent.name}: {output} of {context.context.id}")

        tool = record_outcome_tool(client, run_id=lambda run: run.context.id)
        hooks = OutcomesHooks(client, outcome_of, run_id=lambda run: run.context.id)
        for job in ("1", "2"):
            agent = Agent[Job]("Sales", model=says(WORK, "Won"), tools=[tool])
            result = Runner.run_streamed(agent, "Sell", context=Job(job), hooks=hooks, run_config=QUIET)
            _ = [event async for event in result.stream_events()]
    assert keys(api) == ["1/offer-sent", "1", "2/offer-sent", "2"]
    assert api.recorded()[0]["title"] == "Sales: Won of 2"


async def test_no_two_runs_or_names_share_a_key_whatever_slashes_they_contain(api: Api) -> None:
    longest = "/" * 100
    used = [("a/b", "c"), ("a", "b/c"), ("a", "b"), ("/1/a", "b"), ("/a", "b"), ("/", "a/b"), (longest, "x" * 150)]
    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        for run_id, name in used:
            tool = record_outcome_tool(client, run_id=run_id)
            await run(
                OutcomesHooks(client, lambda *_: DEAL, run_id=run_id),
                {**WORK, "idempotency_key": name},
                "Done",
                tools=[tool],
            )
    assert len(set(keys(api))) == len(api.recorded()) == 2 * len(used) - 1  # the run "a" is there twice
    assert keys(api)[:4] == ["/3/a/b/c", "/3/a/b", "a/b/c", "a"]


async def run(hooks: OutcomesHooks, *turns: str | dict[str, Any], tools: Any = ()) -> ScriptedModel:
    model = says(*(turns or ("Done",)))
    result = await Runner.run(Agent("Sales", model=model, tools=list(tools)), "Sell", hooks=hooks, run_config=QUIET)
    assert result.final_output == "Done"
    return model


async def test_only_the_agent_that_finishes_the_run_is_asked(api: Api) -> None:
    async with AsyncOutcomesClient(**api.settings) as client:
        asked: list[str] = []
        hooks = OutcomesHooks(client, lambda *given: asked.append(given[1].name), run_id="run-1")
        closer = Agent("Closer", model=says("Won"))
        first = Agent(
            "Opener", handoffs=[closer], model=ScriptedModel([[function_call("transfer_to_closer", {}, call_id="1")]])
        )
        await Runner.run(first, "Sell", hooks=hooks, run_config=QUIET)
    assert (asked, api.recorded()) == (["Closer"], [])


async def test_a_failed_recording_is_reported_and_ends_no_run(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Exception] = []
    async with AsyncOutcomesClient(**{**api.settings, "retry": ONE_TRY}) as client:
        api.fail("500")
        await run(OutcomesHooks(client, lambda *_: DEAL, run_id="run-1", on_error=told.append))
    [failure] = told
    assert isinstance(failure, ServerError)
    assert "It is not known whether an outcome was recorded, idempotency key run-1: 500" in caplog.text
    assert not api.recorded()


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
        await run(OutcomesHooks(client, lambda *_: DEAL, run_id="run-1"))
    assert says in caplog.text


async def test_what_was_never_sent_is_not_recorded(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncOutcomesClient("http://127.0.0.1:9", "k", retry=ONE_TRY) as client:
        await run(OutcomesHooks(client, lambda *_: DEAL, run_id="run-1"))
    assert "An outcome was not recorded, idempotency key run-1: No answer" in caplog.text


async def test_a_failing_function_is_reported_and_ends_no_run(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncOutcomesClient(**api.settings) as client:
        await run(OutcomesHooks(client, lambda *given: given[2].customer, run_id="run-1"))
    assert "AttributeError: 'str' object has no attribute 'customer'" in caplog.text
    assert not api.recorded()


async def test_on_error_may_raise_to_end_the_run(api: Api) -> None:
    def fail(failure: Exception) -> None:
        raise failure

    async with AsyncOutcomesClient(**{**api.settings, "retry": ONE_TRY}) as client:
        api.fail("500")
        with pytest.raises(ServerError):
            await run(OutcomesHooks(client, lambda *_: DEAL, run_id="run-1", on_error=fail))


async def test_hook_and_tool_do_not_block_the_event_loop() -> None:
    told: list[Exception] = []
    async with client_of_this_loop() as (client, fake):
        tool = record_outcome_tool(client, run_id="run-1", on_error=told.append)
        await run(
            OutcomesHooks(client, lambda *_: DEAL, run_id="run-1", on_error=told.append), WORK, "Done", tools=[tool]
        )
    assert (told, len(fake.recorded)) == ([], 2)


@pytest.mark.parametrize("more", FOR_ANOTHER)
async def test_a_model_cannot_choose_the_user_or_agent(api: Api, more: dict[str, Any]) -> None:
    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        tool = record_outcome_tool(client, run_id="run-1")
        hooks = OutcomesHooks(client, lambda *_: None, run_id="run-1")
        model = await run(hooks, {**WORK, **more}, "Done", tools=[tool])
    assert f"Not recorded: {next(iter(more))}: " in str(model.calls[1].input)
    assert not api.door.requests


async def test_a_model_learns_what_to_do_about_a_failure(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Exception] = []
    async with AsyncOutcomesClient(**{**api.settings, "retry": ONE_TRY}, user_id=42) as client:
        tool = record_outcome_tool(client, run_id="run-1", on_error=told.append)
        hooks = OutcomesHooks(client, lambda *_: None, run_id="run-1")
        api.fail("500 after the write")
        model = await run(hooks, WORK, WORK, {**WORK, "title": "Another"}, "Done", tools=[tool])
    first, again, other = (str(call.input[-1]) for call in model.calls[1:])
    assert "Call again later with the same idempotency_key and fields." in first
    assert '"replayed": true' in again
    assert "If it is other work, call again with a new idempotency_key." in other
    assert [type(one).__name__ for one in told] == ["ServerError", "KeyReusedError"]
    assert "idempotency key run-1/offer-sent" in caplog.text
    assert len(api.recorded()) == 1


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (400, "Invalid title", "Change what is named and call again; the idempotency_key may stay."),
        (401, "Unauthorized", "You cannot fix this: tell the person who runs this agent."),
        (403, "Forbidden", "That is beyond what this agent's key may record."),
        (429, "Too Many Requests", "Call again later with the same idempotency_key and fields."),
    ],
)
async def test_each_error_has_advice_for_the_model(api: Api, status: int, error: str, advice: str) -> None:
    api.door.upstream = lambda *_: (status, {"Retry-After": "60"}, json.dumps({"error": error}).encode())
    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        hooks = OutcomesHooks(client, lambda *_: None, run_id="run-1")
        model = await run(hooks, WORK, "Done", tools=[record_outcome_tool(client, run_id="run-1")])
    said = str(model.calls[1].input[-1])
    assert f"{status} {error}" in said
    assert advice in said.replace("\\'", "'")


async def test_a_model_learns_which_fields_were_ignored(api: Api) -> None:
    current = api.door.upstream

    def older(*asked: Any) -> Any:
        status, headers, body = current(*asked)
        return status, {**headers, "Ignored-Fields": "valueUsd"}, body

    api.door.upstream = older
    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        hooks = OutcomesHooks(client, lambda *_: None, run_id="run-1")
        model = await run(hooks, WORK, "Done", tools=[record_outcome_tool(client, run_id="run-1")])
    assert '"ignored_fields": ["valueUsd"]' in str(model.calls[1].input[-1])


async def test_a_run_without_an_id_continues_unrecorded(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncOutcomesClient(**api.settings, user_id=42) as client:
        tool = record_outcome_tool(client, run_id=lambda run: run.context.job_id)
        hooks = OutcomesHooks(client, lambda *_: DEAL, run_id=lambda run: run.context.job_id)
        model = await run(hooks, WORK, "Done", tools=[tool])
    assert "You cannot fix this: tell the person who runs this agent." in str(model.calls[1].input[-1])
    assert caplog.text.count("AttributeError: 'NoneType' object has no attribute 'job_id'") == 2
    assert not api.door.requests


def test_a_tool_needs_a_user_and_a_valid_run_id() -> None:
    client = AsyncOutcomesClient("https://h", "k3y")
    with pytest.raises(ConfigurationError, match="The tool needs a user to record for"):
        record_outcome_tool(client, run_id="run-1")
    client = AsyncOutcomesClient("https://h", "k3y", user_id=42)
    for run_id in ("", "a b", "é", "x" * 101):
        with pytest.raises(ConfigurationError, match="1 to 100 visible ASCII"):
            record_outcome_tool(client, run_id=run_id)
        with pytest.raises(ConfigurationError, match="1 to 100 visible ASCII"):
            OutcomesHooks(client, lambda *_: None, run_id=run_id)
