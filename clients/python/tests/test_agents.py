"""Test what all agent frameworks share, with real runs of each framework or on the code that they share."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from outcomes_client import AsyncOutcomesClient, ConfigurationError, NewOutcome, OutcomesClient, ServerError
from outcomes_client._agents import Refused, Tool, arecord_run, record_run, run_key

from clients.python.tests.conftest import ONE_TRY, Api
from clients.python.tests.frameworks import ALL, DEAL, RUN, WORK, Framework, Told, keys

of_all = pytest.mark.parametrize("framework", ALL.values(), ids=ALL)


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
    if framework is ALL["Claude Agent SDK"]:  # the run is another process, which gets an error instead of an answer
        with pytest.raises(KeyError, match="response"):
            await hook(framework, api, lambda _: DEAL, on_error=failing)
    else:
        with pytest.raises(ServerError):
            await hook(framework, api, lambda _: DEAL, on_error=failing)


@pytest.mark.parametrize("framework", [one for one in ALL.values() if one.client is AsyncOutcomesClient])
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
    assert framework is ALL["Claude Agent SDK"] or f"Not recorded: {next(iter(more))}: " in refused.text
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


def tool(client: OutcomesClient, run_id: Any = "run-1") -> Tool[Any]:
    return Tool(client, run_id, None, None)


def said(api: Api, work: dict[str, Any] | str = WORK, run_id: Any = "run-1") -> str:
    """Return what a model is told about its work."""
    with OutcomesClient(**{**api.settings, "retry": ONE_TRY}, user_id=42) as client:
        try:
            return tool(client, run_id).record(work, None)
        except Refused as refused:
            return str(refused)


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
