"""Run both clients against a real HTTP server that also fails on demand."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import httpx
import pytest
from outcomes_client import (
    AsyncOutcomesClient,
    BrokenAnswerError,
    ConfigurationError,
    InvalidOutcomeError,
    InvalidRequestError,
    NewOutcome,
    NoAnswerError,
    OutcomesClient,
    OutcomesError,
    OutcomeType,
    Retry,
    _http,
)
from outcomes_client._json import decode, encode
from outcomes_client._parsing import amount, changes, instant, list_of, shaped, text, whole

from clients.python.tests.conftest import ONE_TRY, Api, everywhere, failing
from clients.python.tests.faults import AFTER_THE_WRITE, BEFORE_THE_WRITE, SLOW
from clients.python.tests.test_cases import TABLE

Call = Callable[..., Awaitable[Any]]


@pytest.fixture(params=[OutcomesClient, AsyncOutcomesClient])
def call(request: pytest.FixtureRequest, api: Api) -> Call:
    """Return a function that makes a call of the blocking or the async client, by the call's name."""

    async def call(name: str, *args: Any, **fields: Any) -> Any:
        if request.param is OutcomesClient:
            with OutcomesClient(**api.settings) as client:
                return getattr(client, name)(*args, **fields)
        async with AsyncOutcomesClient(**api.settings) as awaiting:
            return await getattr(awaiting, name)(*args, **fields)

    return call


LONG = Decimal("9" * 5000)  # a whole number with more digits than Python converts to int


def tasks(count: int, user: int = 42, **fields: Any) -> list[NewOutcome]:
    return [NewOutcome(outcome_type="task_complete", title=f"Task {n}", user_id=user, **fields) for n in range(count)]


# Recording one


@everywhere
async def test_what_was_recorded_comes_back_exactly(api: Api, call: Call, client: OutcomesClient) -> None:
    fields: dict[str, Any] = {
        "description": "Two years, paid upfront",
        "value_usd": Decimal("123456789012345.67890123456789"),
        "agent_id": 7,
        "metadata": {
            "score": 0.1,
            "exact": Decimal("0.10000000000000000000000001"),
            "tags": ["ü", "🎉", "cut \ud83d", None, LONG],
        },
    }
    answer = await call("record", OutcomeType.DEAL_CLOSED, "Acme renewed", user_id=api.user, **fields)
    [outcome] = client.list().outcomes
    assert outcome.id == answer.id
    assert {name: getattr(outcome, name) for name in fields} == fields
    assert isinstance(outcome.metadata["score"] if outcome.metadata else None, float)
    assert outcome.created_at.tzinfo is UTC


@failing(*AFTER_THE_WRITE, *BEFORE_THE_WRITE)
async def test_one_call_is_one_outcome_whatever_fails(api: Api, call: Call, faults: list[str]) -> None:
    api.fail(*faults)
    answer = await call("record", "task_complete", "Inbox sorted", user_id=api.user)
    assert [one["id"] for one in api.recorded()] == [answer.id]
    assert answer.replayed is any(fault in AFTER_THE_WRITE for fault in faults)
    assert api.door.seen == {**dict.fromkeys(faults, 1), "": api.door.seen[""]}
    if not set(SLOW) & set(faults):  # after a slow fault, the timeout is so short that good answers may be late
        assert api.door.seen[""] == 1
    assert {headers["Idempotency-Key"] for headers, _ in api.door.requests} == {answer.idempotency_key}


@pytest.mark.parametrize("fault", SLOW)
async def test_a_slow_answer_does_not_outlive_the_deadline(api: Api, call: Call, fault: str) -> None:
    api.fail(fault)
    api.quick = Retry(deadline=0.1)
    with pytest.raises(NoAnswerError):
        await call("record", "task_complete", "Inbox sorted", user_id=42)
    assert not api.door.waited_out


def test_values_that_json_cannot_represent_are_refused_before_sending(client: OutcomesClient) -> None:
    with pytest.raises(InvalidOutcomeError, match="Invalid metadata"):
        client.record("task_complete", "One", metadata={"a": object()})


async def test_a_refused_connection_names_its_reason() -> None:
    with (
        OutcomesClient("http://127.0.0.1:9", "k", retry=ONE_TRY) as client,
        pytest.raises(NoAnswerError, match="Connection refused"),
    ):
        client.record("task_complete", "One")


# Recording many


@failing(*AFTER_THE_WRITE, *BEFORE_THE_WRITE)
async def test_a_batch_counts_each_item_once_whatever_fails(api: Api, call: Call, faults: list[str]) -> None:
    api.fail(*faults)
    results = await call("record_many", tasks(3, api.user))
    assert {one["id"] for one in api.recorded()} == {one.id for one in results}
    assert len(api.recorded()) == 3


def test_a_failed_batch_reports_what_is_known_of_each_item(api: Api) -> None:
    api.fail("", "drop after the write")
    with (
        OutcomesClient(**{**api.settings, "retry": ONE_TRY}) as client,
        pytest.raises(NoAnswerError) as failure,
    ):
        client.record_many(tasks(150, api.user))
    results = failure.value.results
    assert [one.status for one in results] == ["created"] * 100 + ["failed"] * 50
    sent = [one.get("idempotencyKey") for _, body in api.door.requests for one in decode(body)["outcomes"]]
    assert [one.idempotency_key for one in results] == sent


# Reading


@everywhere
def test_a_feed_is_read_once_and_its_summary_filters_divides_and_compares(api: Api, client: OutcomesClient) -> None:
    client.record_many(
        replace(task, value_usd=Decimal("0.10"), agent_id=7 + n % 2) for n, task in enumerate(tasks(120, api.user))
    )
    outcomes = list(client.iterate())
    assert sorted(one.title for one in outcomes) == sorted(f"Task {n}" for n in range(120))
    assert [one.created_at for one in outcomes] == sorted((one.created_at for one in outcomes), reverse=True)
    if api.user == 42:  # the fake has no summaries
        return
    today = outcomes[0].created_at.date()
    asked: dict[str, Any] = {"outcome_type": ["deal_closed", OutcomeType.TASK_COMPLETE], "agent_id": 7}
    summary = client.summary(start=today - timedelta(days=1), end=today + timedelta(days=6), timezone="Europe/Berlin")
    assert (summary.count, summary.value_usd, summary.timezone) == (120, Decimal("12.00"), "Europe/Berlin")
    assert sorted((one.agent_id or 0, one.count) for one in summary.by_agent) == [(7, 60), (8, 60)]
    assert [one.date for one in summary.by_day] == [today + timedelta(days=n - 1) for n in range(7)]
    later = client.summary(
        start=today + timedelta(days=1), end=today + timedelta(days=21), by="week", compare="previous", **asked
    )
    assert (later.count, len(later.by_day), len(later.by_week) > 2, later.by_month) == (0, 0, True, [])
    assert later.previous
    assert (later.previous.count, later.previous.value_usd, later.previous.end) == (60, Decimal("6.00"), later.start)


def test_a_time_without_zone_is_refused(client: OutcomesClient) -> None:
    with pytest.raises(InvalidRequestError, match="without time zone is ambiguous"):
        client.list(start=datetime(2026, 4, 1, 12))  # noqa: DTZ001 - the mistake under test


HUGE, TINY = Decimal("1e30000000"), Decimal("1e-30000000")
WRONG: dict[Callable[[Any], object], list[Any]] = {
    whole: [HUGE, -1, Decimal("1.5"), True, "1", None, []],
    amount: [HUGE, TINY, True, "1", []],
    text: [7, None],
    list_of(text): ["x", [7]],
    changes: [{"title": 1}, {"value_usd": {"before": "1"}}],
    instant: ["0001-01-01T00:00:00Z", "2026-03-14"],
}


@pytest.mark.parametrize(("read", "wrong"), [(read, wrong) for read, each in WRONG.items() for wrong in each])
def test_a_value_of_another_kind_is_a_broken_answer(read: Callable[[Any], object], wrong: Any) -> None:
    """`make contract` writes which reader a field has, and mypy checks that the model has its type."""
    with pytest.raises(BrokenAnswerError):
        shaped(read, wrong)


def test_totals_that_are_not_divided_are_a_broken_answer(api: Api) -> None:
    api.door.upstream = lambda *_: (
        200,
        {},
        TABLE["answers"]["a task's totals"]["body"].replace("by_day", "by_hour").encode(),
    )
    with OutcomesClient(**{**api.settings, "retry": ONE_TRY}) as client, pytest.raises(BrokenAnswerError):
        client.summary()


# Who is calling


@pytest.mark.parametrize("value", ["1.5", "٣", "9" * 20])
def test_an_invalid_user_of_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OUTCOMES_USER_ID", value)
    for kind in (OutcomesClient, AsyncOutcomesClient):
        with pytest.raises(ConfigurationError, match="OUTCOMES_USER_ID"):
            kind("https://h")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nowhere", "must be http"),
        ("https://h:secret@h", "without a password"),
        ("http://127.0.0.1:300O", "cannot be used: Invalid port"),
        ("http://127.0.0.1:65536", "cannot be used: Invalid port: '65536'"),
        ("https://300.1.1.1", "cannot be used: Invalid IPv4 address"),
        ("https://api..example.com", "cannot be used: .* label empty"),
        ("https://xn--a.example.com", "cannot be used: .*U\\+0080"),
        (f"https://{'a' * 64}.example.com", "cannot be used: .* label .*too long"),
    ],
)
def test_an_invalid_url_is_an_error(url: str, says: str) -> None:
    for kind in (OutcomesClient, AsyncOutcomesClient):
        with pytest.raises(ConfigurationError, match=rf"The URL \(OUTCOMES_URL\) .*{says}"):
            kind(url, "k")


@pytest.mark.parametrize("url", ["http://[::1]:80/stage", "https://bücher.example", "https://a_b.example.com."])
def test_a_url_may_have_any_host(url: str) -> None:
    with OutcomesClient(url) as client:
        assert client._address.url == url


@everywhere
async def test_cookies_of_a_server_are_not_sent_back(api: Api) -> None:
    current = api.door.upstream

    def baking(*asked: Any) -> Any:
        status, headers, body = current(*asked)
        return status, {**headers, "Set-Cookie": "session=of-someone-else; Path=/"}, body

    api.door.upstream = baking
    with OutcomesClient(**api.settings) as client:
        client.record("task_complete", "One", user_id=api.user)
        client.list()
        client.record("task_complete", "Two", user_id=api.user)
    async with AsyncOutcomesClient(**api.settings) as awaiting:
        await awaiting.list()
        await awaiting.record("task_complete", "Three", user_id=api.user)
    assert [headers.get("Cookie") for headers, _ in api.door.requests] == [None, api.cookie, None, api.cookie, None]


async def test_neither_key_nor_cookie_is_ever_shown_even_if_a_server_echoes_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    echo = "Bearer K3Y-secret, K3Y%2dsecret, a=b; session=C00KIE-secret, C00KIE-secret"
    fault = {"error": echo, "details": [{"field": echo, "message": {"deep": [echo]}}]}
    result = {"status": "invalid", **fault, "ignored": ["K3Y-secret"]}
    outcome = {"id": "01A", "created_at": echo, "user_id": echo, "title": echo}
    headers = dict.fromkeys(("Ignored-Fields", "Location", "Retry-After", "Content-Type", "Outcome-Types"), echo)
    answers: list[httpx.Response | httpx.TransportError] = []

    def answer(_: httpx.Request) -> httpx.Response:
        if isinstance(answers[-1], Exception):
            raise answers[-1]
        return answers[-1]

    settings: dict[str, Any] = {
        **{"url": "https://h", "api_key": "K3Y-secret", "cookie": "a=b; session=C00KIE-secret", "retry": ONE_TRY},
        "transport": httpx.MockTransport(answer),
    }
    shown: list[str] = []
    with OutcomesClient(**settings) as client:
        async with AsyncOutcomesClient(**settings) as awaiting:
            calls: list[Callable[[], Any]] = [
                lambda: client.record("task_complete", "One"),
                lambda: client.record_many([{"title": "One"}]),
                lambda: list(client.export()),
                client.list,
                client.summary,
                lambda: client.list_keys(user_id=7),
                lambda: awaiting.record("task_complete", "One"),
                awaiting.summary,
            ]
            statuses = (200, 301, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503)
            bodies: list[Any] = [fault, {"ok": True}, {"results": [result]}, {"outcomes": [outcome]}, outcome, echo]
            told = [(status, encode(body)) for status, body in product(statuses, bodies)]
            for (status, content), call in product([*told, (0, b"")], calls):
                lost = httpx.ReadError(echo)
                answers.append(httpx.Response(status, headers=headers, content=content) if status else lost)
                try:
                    done = call()
                    shown.append(repr(await done if inspect.isawaitable(done) else done))
                except OutcomesError as failure:
                    shown += [*traceback.format_exception(failure), repr(vars(failure)), str(failure.__cause__)]
        shown += [repr(client), repr(client._address)]
    assert len(shown) > 500
    assert not [text for text in [*shown, caplog.text] if "secret" in text]


@pytest.mark.parametrize("piece", ["\\", "%", "%25", "\\u00", "K3Y-secre"])
def test_the_search_for_echoed_secrets_decodes_a_text_at_most_twice(
    api: Api, monkeypatch: pytest.MonkeyPatch, piece: str
) -> None:
    """Decoding until nothing changes would take as many passes as there are escapes."""
    plain = _http._plain
    decoded: list[int] = []

    def counted(text: str) -> str:
        decoded.append(len(text))
        return plain(text)

    monkeypatch.setattr(_http, "_plain", counted)
    api.door.upstream = lambda *_: (400, {}, encode({"error": piece * 200_000}))
    with OutcomesClient(api.url, "K3Y-secret", retry=ONE_TRY) as client, pytest.raises(InvalidOutcomeError):
        client.record("task_complete", "One")
    long = 200_000 * len(piece)
    assert long <= sum(decoded) < 2 * long + 10_000
