"""Run both clients against a real HTTP server that also fails on demand."""

from __future__ import annotations

import inspect
import logging
import time
import traceback
from collections.abc import Awaitable, Callable
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
    NewOutcome,
    NoAnswerError,
    OutcomesClient,
    OutcomesError,
    OutcomeType,
    Recorded,
    Result,
    Retry,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from outcomes_client._json import encode

from clients.python.tests.conftest import ONE_TRY, Api, everywhere, failing
from clients.python.tests.faults import AFTER_THE_WRITE, BEFORE_THE_WRITE, SLOW

Record = Callable[..., Awaitable[Recorded]]
RecordMany = Callable[..., Awaitable[list[Result]]]


@pytest.fixture(params=["blocking", "awaiting"])
def record(request: pytest.FixtureRequest, api: Api) -> Record:
    """Yield the function `record` of the blocking or the async client."""

    async def blocking(*args: Any, **fields: Any) -> Recorded:
        with OutcomesClient(**api.settings) as client:
            return client.record(*args, **fields)

    async def awaiting(*args: Any, **fields: Any) -> Recorded:
        async with AsyncOutcomesClient(**api.settings) as client:
            return await client.record(*args, **fields)

    return blocking if request.param == "blocking" else awaiting


@pytest.fixture(params=["blocking", "awaiting"])
def record_many(request: pytest.FixtureRequest, api: Api) -> RecordMany:
    async def blocking(items: Any) -> list[Result]:
        with OutcomesClient(**api.settings) as client:
            return client.record_many(items)

    async def awaiting(items: Any) -> list[Result]:
        async with AsyncOutcomesClient(**api.settings) as client:
            return await client.record_many(items)

    return blocking if request.param == "blocking" else awaiting


LONG = Decimal("9" * 5000)  # a whole number with more digits than Python converts to int


def tasks(count: int, user: int = 42, **fields: Any) -> list[NewOutcome]:
    return [NewOutcome(outcome_type="task_complete", title=f"Task {n}", user_id=user, **fields) for n in range(count)]


# Recording one


@everywhere
async def test_what_was_recorded_comes_back_exactly(api: Api, record: Record, client: OutcomesClient) -> None:
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
    answer = await record(OutcomeType.DEAL_CLOSED, "Acme renewed", user_id=api.user, **fields)
    [outcome] = client.list().outcomes
    assert outcome.id == answer.id
    assert {name: getattr(outcome, name) for name in fields} == fields
    assert isinstance(outcome.metadata["score"] if outcome.metadata else None, float)
    assert outcome.created_at.tzinfo is UTC


@everywhere
@pytest.mark.parametrize("value", [Decimal("12.50"), 12.5, 0.1, 7, Decimal("-0.01"), Decimal("1E+14"), None])
def test_values_come_back_exactly(api: Api, client: OutcomesClient, value: Decimal | float | None) -> None:
    client.record("deal_closed", "Signed", value_usd=value, user_id=api.user)
    [outcome] = client.list().outcomes
    assert outcome.value_usd == (None if value is None else Decimal(str(value)))


@failing(*AFTER_THE_WRITE, *BEFORE_THE_WRITE)
async def test_one_call_is_one_outcome_whatever_fails(api: Api, record: Record, faults: list[str]) -> None:
    api.fail(*faults)
    answer = await record("task_complete", "Inbox sorted", user_id=api.user)
    assert [one["id"] for one in api.recorded()] == [answer.id]
    assert answer.replayed is any(fault in AFTER_THE_WRITE for fault in faults)
    assert api.door.seen == {**dict.fromkeys(faults, 1), "": api.door.seen[""]}
    if not set(SLOW) & set(faults):  # after a slow fault, the timeout is so short that good answers may be late
        assert api.door.seen[""] == 1
    assert {headers["Idempotency-Key"] for headers, _ in api.door.requests} == {answer.idempotency_key}


@everywhere
async def test_a_call_that_gave_up_is_safe_to_repeat_with_its_key(api: Api, record: Record) -> None:
    api.quick = ONE_TRY
    api.fail("drop after the write")
    with pytest.raises(NoAnswerError) as failure:
        await record("task_complete", "Inbox sorted", user_id=api.user)
    assert failure.value.retryable
    again = await record(
        "task_complete", "Inbox sorted", user_id=api.user, idempotency_key=failure.value.idempotency_key
    )
    assert again.replayed
    assert len(api.recorded()) == 1


@pytest.mark.parametrize("fault", SLOW)
async def test_a_slow_answer_does_not_outlive_the_deadline(api: Api, record: Record, fault: str) -> None:
    api.fail(fault)
    api.quick = Retry(deadline=0.1)
    with pytest.raises(NoAnswerError):
        await record("task_complete", "Inbox sorted", user_id=42)
    assert not api.door.waited_out


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": object()}])
async def test_values_that_json_cannot_represent_are_refused_before_sending(
    api: Api, record: Record, value: Any
) -> None:
    with pytest.raises(InvalidOutcomeError, match="Invalid metadata"):
        await record("task_complete", "One", metadata=value)
    assert not api.door.times


async def test_a_refused_connection_names_its_reason() -> None:
    with (
        OutcomesClient("http://127.0.0.1:9", "k", retry=ONE_TRY) as client,
        pytest.raises(NoAnswerError, match="Connection refused"),
    ):
        client.record("task_complete", "One")


@everywhere
async def test_a_misspelt_field_of_a_batch_is_named(
    api: Api, record_many: RecordMany, caplog: pytest.LogCaptureFixture
) -> None:
    misspelt = {"outcomeType": "task_complete", "title": "One", "userId": api.user, "value_usd": 5, "ü": 1}
    first, second = await record_many([misspelt, *tasks(1, api.user)])
    assert (first.ignored_fields, second.ignored_fields) == (("value_usd", "ü"), ())
    assert "the API did not read value_usd, ü: is it misspelt?" in caplog.text


# Recording many


@everywhere
async def test_every_item_gets_its_result_in_order(api: Api, record_many: RecordMany) -> None:
    same = {"outcomeType": "task_complete", "title": "Twice", "userId": api.user, "idempotencyKey": f"same-{api.user}"}
    unwritable = tasks(1, api.user, metadata={"x": float("nan")})
    other = {**same, "title": "Other"}
    results = await record_many([*tasks(2, api.user), {"outcomeType": "nonsense"}, *unwritable, same, same, other])
    expected = ["created", "created", "invalid", "invalid", "created", "replayed", "conflict"]
    assert [one.status for one in results] == expected
    assert [one.ok for one in results] == [True, True, False, False, True, True, False]
    assert results[2].error == "Invalid outcome_type"
    assert results[3].error == "Invalid metadata"
    assert len(api.recorded()) == 3


@everywhere
async def test_batches_stay_within_a_mebibyte(api: Api, record_many: RecordMany) -> None:
    results = await record_many(tasks(40, api.user, metadata={"text": "x" * 60_000}))
    assert all(one.ok for one in results)
    sizes = [len(body) for _, body in api.door.requests]
    assert len(sizes) == 3
    assert max(sizes) <= 1024 * 1024


@failing(*AFTER_THE_WRITE, *BEFORE_THE_WRITE)
async def test_a_batch_counts_each_item_once_whatever_fails(
    api: Api, record_many: RecordMany, faults: list[str]
) -> None:
    api.fail(*faults)
    results = await record_many(tasks(3, api.user))
    assert {one["id"] for one in api.recorded()} == {one.id for one in results}
    assert len(api.recorded()) == 3


async def test_a_failed_batch_reports_what_is_known_of_each_item(api: Api, record_many: RecordMany) -> None:
    api.quick = ONE_TRY
    api.fail("", "drop after the write")
    with pytest.raises(NoAnswerError) as failure:
        await record_many(tasks(150, api.user))
    results = failure.value.results
    assert [one.status for one in results] == ["created"] * 100 + ["failed"] * 50
    left = [
        NewOutcome(
            outcome_type="task_complete", title=f"Task {n}", user_id=api.user, idempotency_key=one.idempotency_key
        )
        for n, one in enumerate(results)
        if not one.ok
    ]
    assert {one.status for one in await record_many(left)} == {"replayed"}
    assert len(api.recorded()) == 150


# Reading


@pytest.fixture
def feed(api: Api, client: OutcomesClient) -> None:
    kinds = list(OutcomeType)
    client.record_many(
        NewOutcome(
            outcome_type=kinds[n % 6], title=f"No. {n}", value_usd=Decimal("0.10"), agent_id=n % 2 + 1, user_id=api.user
        )
        for n in range(120)
    )
    client.record("deal_closed", "Not mine", user_id=43, value_usd=1000)


@everywhere
@pytest.mark.usefixtures("feed")
async def test_iterating_gives_every_outcome_once(api: Api, client: OutcomesClient) -> None:
    outcomes = list(client.iterate())
    assert sorted(one.title for one in outcomes) == sorted(f"No. {n}" for n in range(120))
    assert [one.created_at for one in outcomes] == sorted((one.created_at for one in outcomes), reverse=True)
    async with AsyncOutcomesClient(**api.settings) as awaiting:
        assert [one async for one in awaiting.iterate()] == outcomes


@everywhere
@pytest.mark.usefixtures("feed")
async def test_the_summary_adds_up_exactly(api: Api, client: OutcomesClient) -> None:
    [newest] = client.list(limit=1).outcomes
    start = newest.created_at.date() - timedelta(days=1)
    asked: dict[str, Any] = {"start": start, "end": start + timedelta(days=7), "timezone": "Europe/Berlin"}
    summary = client.summary(**asked)
    assert (summary.count, summary.value_usd, summary.timezone) == (120, Decimal("12.00"), "Europe/Berlin")
    assert {one.outcome_type: one.value_usd for one in summary.by_type} == dict.fromkeys(OutcomeType, Decimal(2))
    assert sorted((one.agent_id or 0, one.count) for one in summary.by_agent) == [(1, 60), (2, 60)]
    assert [one.date for one in summary.by_day] == [start + timedelta(days=n) for n in range(7)]
    assert sum(one.value_usd for one in summary.by_day) == Decimal("12.00")
    async with AsyncOutcomesClient(**api.settings) as awaiting:
        assert await awaiting.summary(**asked) == summary


@everywhere
@pytest.mark.usefixtures("feed")
async def test_the_summary_filters_divides_and_compares(api: Api, client: OutcomesClient) -> None:
    [newest] = client.list(limit=1).outcomes
    after = newest.created_at.date() + timedelta(days=1)
    asked: dict[str, Any] = {"start": after, "end": after + timedelta(days=20), "compare": "previous"}
    filters: dict[str, Any] = {"outcome_type": ["deal_closed", OutcomeType.TASK_COMPLETE], "agent_id": 1}
    for by in ("day", "week", "month"):
        filters["by"] = by
        summary = client.summary(**asked, **filters)
        assert summary.count == sum(one.count for one in summary.by_day + summary.by_week + summary.by_month) == 0
        filled = {"day": summary.by_day, "week": summary.by_week, "month": summary.by_month}
        assert [name for name, there in filled.items() if there] == [by]
        assert summary.previous
        assert (summary.previous.count, summary.previous.value_usd) == (40, Decimal("4.00"))
        assert summary.previous.end == summary.start
    month = client.summary(start=after - timedelta(days=40), end=after, by="month", agent_id=2)
    assert (month.count, month.previous) == (60, None)
    assert sum(one.value_usd for one in month.by_month) == Decimal("6.00")
    assert [one.agent_id for one in month.by_agent] == [2]
    assert [one.date.day for one in month.by_month[1:]] == [1] * (len(month.by_month) - 1)
    async with AsyncOutcomesClient(**api.settings) as awaiting:
        assert await awaiting.summary(**asked, **filters) == summary


@pytest.mark.parametrize(
    ("asked", "unread"),
    [
        ({"by": "week"}, "by"),
        ({"compare": "previous"}, "compare"),
        ({"outcome_type": "deal_closed"}, "outcomeType"),
        ({"agent_id": 7}, "agentId"),
        ({"agent_id": 7, "by": "month", "compare": "previous"}, "by, compare, agentId"),
    ],
)
@pytest.mark.usefixtures("feed")
def test_totals_that_ignore_a_parameter_are_an_error(
    api: Api, client: OutcomesClient, asked: dict[str, Any], unread: str
) -> None:
    current = api.door.upstream

    def older(method: str, target: str, *rest: Any) -> Any:
        return current(method, target.partition("?")[0] + "?from=2026-04-01&to=2026-04-03", *rest)

    assert client.summary(start="2026-04-01", end="2026-04-03", **asked).count < 120 or "agent_id" not in asked
    api.door.upstream = older
    with pytest.raises(UnexpectedAnswerError) as failure:
        client.summary(start="2026-04-01", end="2026-04-03", **asked)
    assert str(failure.value) == f"200, but this API is too old to know {unread}: these are other totals"
    assert not failure.value.retryable


def test_a_time_without_zone_is_refused(client: OutcomesClient) -> None:
    with pytest.raises(ValueError, match="time zone"):
        client.list(start=datetime(2026, 4, 1, 12))  # noqa: DTZ001 - the mistake under test


TOTALS = '"from":"a","to":"b","timezone":"UTC","by_type":[],"by_agent":[],"by_day":[]'
OUTCOME = (
    '{"id":"x","user_id":42,"agent_id":null,"outcome_type":"task_complete","title":"x","description":null,'
    '"value_usd":1,"metadata":null,"created_at":"2026-04-01T12:00:00.000Z","status":"void",'
    '"occurred_at":"2026-04-01T12:00:00Z","recorded_by":null,"version":0}'
)
INVALID_COUNTS = ["1e30000000", "-1", "1.5", "true", '"1"', "null", "[]"]
INVALID_VALUES = ["1e30000000", "1e-30000000", "true", '"1"', "[]", "1e99999999999999999999"]


@pytest.mark.parametrize(("name", "value"), [("count", n) for n in INVALID_COUNTS] + [("v", n) for n in INVALID_VALUES])
def test_invalid_numbers_of_a_summary_are_refused_at_once(api: Api, name: str, value: str) -> None:
    count, value_usd = (value, "1") if name == "count" else ("1", value)
    api.door.upstream = lambda *_: (200, {}, f'{{"count":{count},"value_usd":{value_usd},{TOTALS}}}'.encode())
    api.quick = ONE_TRY
    with OutcomesClient(**api.settings) as client, pytest.raises(BrokenAnswerError):
        client.summary()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"value_usd":1', '"value_usd":1e30000000'),
        ('"agent_id":null', '"agent_id":1e30000000'),
        ('"agent_id":null', '"agent_id":"\\u001b[31m"'),
        ('"user_id":42', '"user_id":true'),
        ('"description":null', '"description":7'),
        ("2026-04-01T12:00:00.000Z", "0001-01-01T00:00:00Z"),
        ('"status":"void"', '"status":null'),
        ('"version":0', '"version":"1"'),
        ('"recorded_by":null', '"recorded_by":1'),
        ('"occurred_at":"2026-04-01T12:00:00Z"', '"occurred_at":"2026-03-14"'),
    ],
)
def test_a_malformed_field_of_an_outcome_is_a_broken_answer(api: Api, right: str, wrong: str) -> None:
    body = f'{{"outcomes":[{OUTCOME}],"next_cursor":null}}'
    api.door.upstream = lambda *_: (200, {}, body.encode())
    api.quick = ONE_TRY
    with OutcomesClient(**api.settings) as client:
        assert client.list().outcomes[0].recorded_by is None
        api.door.upstream = lambda *_: (200, {}, body.replace(right, wrong).encode())
        with pytest.raises(BrokenAnswerError):
            client.list()


# Who is calling


def test_a_cookie_may_be_the_whole_header(api: Api) -> None:
    with OutcomesClient(api.url, cookie=f"Cookie: {api.cookie}\n") as client:
        assert client.list().outcomes == []


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


@pytest.mark.parametrize(
    ("settings", "names"),
    [({}, "the key (INTERNAL_API_KEY)"), ({"api_key": None}, "the session (OUTCOMES_COOKIE)")],
)
def test_a_401_names_the_credential_and_the_doctor(api: Api, settings: dict[str, Any], names: str) -> None:
    wrong = {"api_key": "wrong", "cookie": "session=wrong", **settings}
    with OutcomesClient(**{**api.settings, **wrong}) as client:
        for call, name in (
            (lambda: client.record("task_complete", "One"), names),
            (lambda: client.record_many(tasks(1)), names),
            (client.list, "the session (OUTCOMES_COOKIE)"),
        ):
            with pytest.raises(UnauthorizedError) as failure:
                call()
            assert str(failure.value) == (
                f"401 Unauthorized: {name} is not valid: wrong, expired or revoked; run `outcomes doctor`"
            )


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


def test_neither_key_nor_cookie_is_ever_shown(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    api.quick = ONE_TRY
    settings = {**api.settings, "api_key": "K3Y-secret", "cookie": "session=C00KIE-secret"}
    with OutcomesClient(**settings) as client:
        for faults in ([], ["drop"] * 99, ["garbage"] * 99, ["500"] * 99):
            api.door.faults.clear()
            api.fail(*faults)
            for call in (lambda: client.record("task_complete", "One"), client.list):
                with pytest.raises(OutcomesError) as failure:
                    call()
                shown += traceback.format_exception(failure.value)
                shown += [repr(failure.value), repr(vars(failure.value))]
        shown += [repr(client), repr(client._address), caplog.text]
    assert not [text for text in shown if "secret" in text]


async def test_what_a_server_echoes_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    echo = "Bearer K3Y-secret, K3Y%2dsecret, a=b; session=C00KIE-secret, C00KIE-secret"
    fault = {"error": echo, "details": [{"field": echo, "message": {"deep": [echo]}}]}
    result = {"status": "invalid", **fault, "ignored": ["K3Y-secret"]}
    outcome = {"id": "01A", "created_at": echo, "user_id": echo, "title": echo}
    headers = dict.fromkeys(("Ignored-Fields", "Location", "Retry-After", "Content-Type", "Outcome-Types"), echo)
    answers: list[httpx.Response] = []
    settings: dict[str, Any] = {
        **{"url": "https://h", "api_key": "K3Y-secret", "cookie": "a=b; session=C00KIE-secret", "retry": ONE_TRY},
        "transport": httpx.MockTransport(lambda _: answers[-1]),
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
            for status, body, call in product(statuses, bodies, calls):
                answers.append(httpx.Response(status, headers=headers, content=encode(body)))
                try:
                    done = call()
                    shown.append(repr(await done if inspect.isawaitable(done) else done))
                except OutcomesError as failure:
                    shown += [*traceback.format_exception(failure), repr(vars(failure)), str(failure.__cause__)]
    assert len(shown) > 500
    assert not [text for text in [*shown, caplog.text] if "secret" in text]


@pytest.mark.parametrize("piece", ["\\", "%", "%25", "\\u00", "K3Y-secre"])
def test_the_search_for_echoed_secrets_takes_bounded_time(api: Api, piece: str) -> None:
    api.door.upstream = lambda *_: (400, {}, encode({"error": piece * 200_000}))
    began = time.process_time()
    with OutcomesClient(api.url, "K3Y-secret", retry=ONE_TRY) as client, pytest.raises(InvalidOutcomeError):
        client.record("task_complete", "One")
    assert time.process_time() - began < 5
