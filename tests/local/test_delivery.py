"""Test event source mappings: which stream records a function gets, and which records are retried."""

import asyncio
import errno
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks.webhooks import Webhook

from local import delivery
from local.delivery import Schedule, Source
from local.journal import Journal
from local.lambdas import Function, FunctionError
from local.persistence import Backlog, Persistence
from local.template import Template
from ops.errors import StackError

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/Pages/stream/local"
SOURCE = Source(ARN, "Pages", "the function", batch_size=4, bisects=True)
FINE: Any = {"batchItemFailures": []}


class Reader:
    """A fake function that returns the given answers in turn, and afterwards succeeds."""

    def __init__(self, *answers: Any) -> None:
        self.batches: list[list[int]] = []
        self.events: list[Any] = []
        self.spec = type("Spec", (), {"name": "Reader"})
        self._answers = list(answers)

    async def invoke(self, event: Any, _request_id: str) -> Any:
        json.dumps(event)
        self.events.append(event)
        self.batches.append([int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]])
        answer = self._answers.pop(0) if self._answers else FINE
        if isinstance(answer, Exception):
            raise answer
        return answer


def failed_from(number: int) -> Any:
    return {"batchItemFailures": [{"itemIdentifier": str(number)}]}


@pytest.fixture
def persistence(tmp_path: Path) -> Iterator[Persistence]:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.rewrite([])
    with closing(Persistence(cast("Any", type("Backend", (), {"tables": {}})), journal)) as persistence:
        persistence.streams["Pages"] = Backlog("Pages/stream")
        yield persistence


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Skip all pauses, and return the list of their seconds."""
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return pauses


def add_records(backlog: Backlog, *pages: str) -> None:
    backlog.new += [json.dumps({"dynamodb": {"Keys": {"page": {"S": page}}}}) for page in pages]
    backlog.add_new()


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0)


async def batches_of(persistence: Persistence, reader: Reader, records: int = 6) -> list[list[int]]:
    """Pass records to a reader until all are processed. Return the batches, as lists of record numbers."""
    backlog = cast("Backlog", persistence.stream("Pages"))
    add_records(backlog, *map(str, range(records)))
    task = asyncio.create_task(delivery.read(SOURCE, {"the function": cast("Function", reader)}, persistence))
    await until(lambda: not len(backlog) or task.done())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return reader.batches


async def test_records_arrive_in_batches_and_in_order(persistence: Persistence) -> None:
    reader = Reader()
    assert await batches_of(persistence, reader) == [[1, 2, 3, 4], [5, 6]]
    [record, *_] = reader.events[0]["Records"]
    assert record == {"dynamodb": {"Keys": {"page": {"S": "0"}}, "SequenceNumber": "1"}, "eventSourceARN": ARN}


CRASHED = FunctionError("Runtime.ExitError", "Runtime exited")
UNREADABLE: list[Any] = [{"batchItemFailures": [{}]}, {"batchItemFailures": [{"itemIdentifier": "99"}]}, [], "text"]


@pytest.mark.parametrize(
    ("answers", "batches"),
    [
        ([failed_from(1)], [[1, 2, 3, 4], [1, 2], [3, 4, 5, 6]]),
        ([None], [[1, 2, 3, 4], [5, 6]]),
        ([failed_from(3)], [[1, 2, 3, 4], [3, 4, 5, 6]]),
        (
            [{"batchItemFailures": [{"itemIdentifier": "4"}, {"itemIdentifier": "2"}]}],
            [[1, 2, 3, 4], [2, 3, 4, 5], [6]],
        ),
        ([CRASHED], [[1, 2, 3, 4], [1, 2], [3, 4, 5, 6]]),
        ([CRASHED] * 4, [[1, 2, 3, 4], [1, 2], [1], [1], [1], [2, 3, 4, 5], [6]]),
    ],
)
async def test_a_failed_record_is_retried_with_all_later_ones(
    persistence: Persistence, answers: list[Any], batches: list[list[int]]
) -> None:
    assert await batches_of(persistence, Reader(*answers)) == batches


@pytest.mark.parametrize("answer", UNREADABLE, ids=str)
async def test_a_malformed_answer_counts_as_a_failure(persistence: Persistence, answer: Any) -> None:
    assert await batches_of(persistence, Reader(answer), records=1) == [[1], [1]]


async def test_backoff_grows_and_restarts_after_a_success(persistence: Persistence, no_pause: list[float]) -> None:
    await batches_of(persistence, Reader(*[CRASHED] * 9, FINE, CRASHED), records=5)
    waits = [seconds for seconds in no_pause if seconds]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 0.1]


async def test_an_event_is_no_larger_than_lambdas_limit(
    persistence: Persistence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_EVENT_BYTES", 1_600)
    assert await batches_of(persistence, Reader(), records=4) == [[1, 2], [3, 4]]
    monkeypatch.setattr(delivery, "MAX_EVENT_BYTES", 0)  # a batch has at least one record, however large
    assert await batches_of(persistence, Reader(), records=2) == [[5], [6]]


async def test_records_are_passed_again_when_the_journal_cannot_be_written(
    persistence: Persistence, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, times = Persistence.done, iter([OSError(errno.ENOSPC, "No space left on device")])

    def full_at_first(self: Persistence, *what: Any) -> None:
        if error := next(times, None):
            raise error
        done(self, *what)

    monkeypatch.setattr(Persistence, "done", full_at_first)
    assert await batches_of(persistence, Reader(), records=1) == [[1], [1]]


async def test_a_waiting_reader_wakes_up_for_new_records(persistence: Persistence) -> None:
    backlog, reader = cast("Backlog", persistence.stream("Pages")), Reader()
    task = asyncio.create_task(delivery.read(SOURCE, {"the function": cast("Function", reader)}, persistence))
    for page in "ab":
        await asyncio.sleep(0)
        await asyncio.to_thread(add_records, backlog, page)
        await until(lambda: not len(backlog))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert reader.batches == [[1], [2]]


MAPPING = {
    "EventSourceArn": ARN,
    "FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:Reader:live",
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}


def template_of(mapping: dict[str, Any]) -> Template:
    resources = {"Source": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}}
    return Template({"Resources": resources}, Path(), {})


def test_a_source_has_the_templates_settings() -> None:
    mapping = MAPPING | {"BatchSize": 7, "BisectBatchOnFunctionError": True}
    arn = "arn:aws:lambda:us-east-1:123456789012:function:Reader"
    assert delivery.sources(template_of(mapping)) == [Source(ARN, "Pages", arn, 7, bisects=True)]
    assert delivery.sources(template_of(MAPPING)) == [Source(ARN, "Pages", arn, 100, bisects=False)]


@pytest.mark.parametrize(
    "other",
    [
        {"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/x"},
        {"FunctionResponseTypes": []},
    ],
)
def test_an_unsupported_source_is_named_in_the_error(other: dict[str, Any]) -> None:
    with pytest.raises(StackError, match=r"^Source: the local stack "):
        delivery.sources(template_of(MAPPING | other))


async def test_a_filter_keeps_other_records_from_the_function(persistence: Persistence) -> None:
    """Batches of other records are done without a call."""
    pattern = json.dumps({"dynamodb": {"Keys": {"page": {"S": ["4", "5"]}}}})
    [source] = delivery.sources(template_of(MAPPING | {"FilterCriteria": {"Filters": [{"Pattern": pattern}]}}))
    reader = Reader()
    backlog = cast("Backlog", persistence.stream("Pages"))
    add_records(backlog, *map(str, range(6)))
    filtered = replace(source, batch_size=4, function_arn="the function")
    task = asyncio.create_task(delivery.read(filtered, {"the function": cast("Function", reader)}, persistence))
    await until(lambda: not len(backlog))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert reader.batches == [[5, 6]]


# ── Schedules ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def rule(expression: str) -> Template:
    properties = {"ScheduleExpression": expression, "Targets": [{"Arn": MAPPING["FunctionName"]}]}
    other = {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {}}}
    return Template({"Resources": {"Other": other, "Rule": other | {"Properties": properties}}}, Path(), {})


def test_a_schedule_has_the_templates_interval() -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:Reader"
    assert delivery.schedules(rule("rate(15 minutes)")) == [Schedule(arn, 900)]
    with pytest.raises(StackError, match=r"^Rule: the local stack supports schedules such as"):
        delivery.schedules(rule("cron(0 12 * * ? *)"))


async def test_a_function_is_invoked_at_once_and_whenever_the_clock_passes_the_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also after an error, and if the clock jumps."""
    left, passed, invoked = [10_000.0, 901.0, 900.0, 899.0, 1.0, 0.0], [-1.0], []

    def now() -> float:
        passed.append(left.pop())
        return passed[-1]

    class Clock:
        async def invoke(self, event: dict[str, Any], _request_id: str) -> None:
            assert event == {}
            invoked.append(passed[-1])
            raise CRASHED

    monkeypatch.setattr("time.time", now)
    functions = {"the function": cast("Function", Clock())}
    with pytest.raises(IndexError):  # the clock has no more times
        await delivery.tick(Schedule("the function", 900), functions)
    assert invoked == [0.0, 900.0, 10_000.0]


# ── EVENTS_URL ───────────────────────────────────────────────────────────────────────────────────────────────────────


SIGNED_WITH = "whsec_bWFkZS11cC13ZWJob29rLXNlY3JldC1vZi10ZXN0cw=="


class Receiver:
    """An HTTP receiver that answers with the given statuses, then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.bodies: list[str] = []
        self.types: set[str] = set()
        self.signed: list[bool] = []
        self._statuses = list(statuses)

    async def answer(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.text())
        self.types.add(request.headers["Content-Type"])
        self.signed.append("webhook-signature" in request.headers)
        if self.signed[-1]:
            Webhook(SIGNED_WITH).verify(self.bodies[-1], dict(request.headers))
        status = self._statuses.pop(0) if self._statuses else 200
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 307 else {})


async def posted(persistence: Persistence, receiver: Receiver, *texts: str) -> list[str]:
    """Post events until the receiver has accepted all. Return the bodies that it received."""
    app = web.Application()
    app.router.add_post("/events", receiver.answer)
    app.router.add_post("/elsewhere", Receiver().answer)
    async with TestServer(app) as server:
        persistence.bus_events.new += texts
        persistence.bus_events.add_new()
        task = asyncio.create_task(
            delivery.post(str(server.make_url("/events")), SIGNED_WITH, persistence.bus_events, persistence)
        )
        await until(lambda: not len(persistence.bus_events))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return receiver.bodies


async def test_events_are_posted_unchanged(persistence: Persistence) -> None:
    receiver = Receiver()
    texts = ['{"id":"a","data":{"value_usd":0.1000}}', '{"id":"b","data":{"title":"ü"}}', '{"detail":"without an id"}']
    assert await posted(persistence, receiver, *texts) == texts
    assert receiver.signed == [True, True, False]
    assert receiver.types == {"application/cloudevents+json; charset=utf-8"}


@pytest.mark.parametrize("status", [307, 400, 410, 429, 500])
async def test_a_refused_event_is_posted_again_before_later_ones(persistence: Persistence, status: int) -> None:
    one, two = '{"id":"1"}', '{"id":"2"}'
    assert await posted(persistence, Receiver(status, 200, status), one, two) == [one, one, two, two]
