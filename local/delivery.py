"""Deliver events: pass the records of a table's stream to a function, post events of the bus to EVENTS_URL, and invoke
functions on schedule.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-batchfailurereporting.html
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

Unlike in Lambda, a failing batch is retried forever, not only up to the mapping's maximum age. Posts are signed like
webhooks, so that a webhook receiver can be developed with the local stack. In a deployed stack, a function posts
webhooks, and only to public addresses.
"""

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from outcomes.events.webhooks import CONTENT_TYPE, is_id, signed, signing_key

from local.lambdas import MAX_EVENT_BYTES, Function, FunctionError
from local.moto_backend import EventPattern, backend
from local.persistence import Backlog, Persistence
from local.template import Template
from ops.errors import StackError

log = logging.getLogger("local")

POST_SECONDS = 15.0
MAX_PAUSE = 10.0
"""Backoff grows to this many seconds."""


@dataclass(frozen=True)
class Source:
    """An event source mapping of the template.

    arn: the stream's ARN. bisects: whether a failing batch is halved. filters: JSON of patterns, of which a record must
    match one; if empty, all records are passed.
    """

    arn: str
    table: str
    function_arn: str
    batch_size: int
    bisects: bool
    filters: tuple[str, ...] = ()

    def passes(self, record: Any) -> bool:
        return not self.filters or any(EventPattern.load(each).matches_event(record) for each in self.filters)


@dataclass(frozen=True)
class Schedule:
    """A function that the template lets a rule invoke every `seconds`."""

    function_arn: str
    seconds: int


def schedules(template: Template) -> list[Schedule]:
    """Return the template's rules with a schedule. Raises StackError if one is not a rate in minutes."""
    found = []
    for logical_id, properties in template.resources("AWS::Events::Rule").items():
        if "ScheduleExpression" not in properties:
            continue
        rate = re.fullmatch(r"rate\((\d+) minutes?\)", template.resolve(properties["ScheduleExpression"]))
        if not rate:
            raise StackError(f"{logical_id}: the local stack supports schedules such as rate(15 minutes)")
        arns = [template.resolve(target["Arn"]) for target in properties["Targets"]]
        found += [Schedule(":".join(arn.split(":")[:7]), int(rate[1]) * 60) for arn in arns]
    return found


async def tick(schedule: Schedule, functions: Mapping[str, Function]) -> None:
    """Invoke a function at once and then whenever the wall clock passes its interval, until cancelled."""
    last = None
    while True:
        now = int(time.time()) // schedule.seconds
        if now != last:
            last = now
            with suppress(FunctionError):  # the function's invocation has already logged the error
                await functions[schedule.function_arn].invoke({}, str(uuid.uuid4()))
        await asyncio.sleep(1)


def sources(template: Template) -> list[Source]:
    """Return the template's event source mappings. Raises StackError if they use unsupported features."""
    found = []
    for logical_id, properties in template.resources("AWS::Lambda::EventSourceMapping").items():
        mapping = template.resolve({name: value for name, value in properties.items() if name != "DestinationConfig"})
        arn = mapping["EventSourceArn"]
        if ":dynamodb:" not in arn:
            raise StackError(f"{logical_id}: the local stack reads streams of tables, not {arn}")
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            raise StackError(f"{logical_id}: the local stack requires ReportBatchItemFailures")
        found.append(
            Source(
                arn=arn,
                table=arn.split("/")[1],
                # Leave out the alias, because every alias runs the code on disk.
                function_arn=":".join(mapping["FunctionName"].split(":")[:7]),
                batch_size=int(mapping.get("BatchSize", 100)),
                bisects=bool(mapping.get("BisectBatchOnFunctionError")),
                filters=tuple(each["Pattern"] for each in mapping.get("FilterCriteria", {}).get("Filters", [])),
            )
        )
    return found


async def read(source: Source, functions: Mapping[str, Function], persistence: Persistence) -> None:
    """Pass the records of a stream to a function, in order, until cancelled."""
    backlog, function = persistence.stream(source.table), functions[source.function_arn]
    if backlog is None:
        raise StackError(f"{source.table} has no stream")
    with backlog.listening() as more:
        size, pause = source.batch_size, 0.1
        while True:
            more.clear()
            batch = _batch(source, backlog, size)
            if not batch:
                await more.wait()
                continue
            passed = [record for record in batch.values() if source.passes(record)]
            try:
                answer = await function.invoke({"Records": passed}, str(uuid.uuid4())) if passed else None
                done = _done(batch, answer)
            except FunctionError:  # the function's invocation has already logged the error
                done = []
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                log.error("%s: malformed result for a batch of records: %r", function.spec.name, error)
                done = []
            if done:
                try:
                    await asyncio.to_thread(persistence.done, backlog, done)
                except OSError as error:
                    log.error("cannot write to the journal: %s", error.strerror)
                    done = []
            if len(done) == len(batch):
                size, pause = source.batch_size, 0.1
                continue
            if not done and source.bisects:
                size = max(1, len(batch) // 2)
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)


def _batch(source: Source, backlog: Backlog, size: int) -> dict[int, Any]:
    """Return the oldest records by their numbers. Return as many as fit into an event, but at least one."""
    batch: dict[int, Any] = {}
    room = MAX_EVENT_BYTES - 1_000
    for number, text in backlog.first(size):
        room -= len(text.encode()) + len(source.arn) + 100
        if batch and room < 0:
            break
        record = json.loads(text)
        record["dynamodb"]["SequenceNumber"] = str(number)
        batch[number] = record | {"eventSourceARN": source.arn}
    return batch


def _done(batch: dict[int, Any], answer: Any) -> list[int]:
    """Return the numbers of the records before the first failed record, or of all records if none failed."""
    failed = ({} if answer is None else answer).get("batchItemFailures") or []
    failures = [int(failure["itemIdentifier"]) for failure in failed]
    first = min(failures, default=None)
    if first is not None and first not in batch:
        raise ValueError(f"{first} is not in the batch")
    return [number for number in batch if first is None or number < first]


def listen(backlog: Backlog | None) -> None:
    """Log every event put on a bus from now on, and add it to the backlog. This patches moto, which has no hook."""
    bus = backend("events")
    put_events = bus.put_events

    def put_and_log(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = put_events(events)
        for entry, result in zip(events, results, strict=True):
            if "EventId" in result:
                event = json.loads(entry["Detail"])
                log.info("event %s %s (%s)", event.get("type"), event.get("subject"), event.get("id"))
                if backlog is not None:
                    # insert the original text, so that numbers keep all their digits
                    backlog.new.append(entry["Detail"])
        return results

    bus.put_events = put_and_log


async def post(url: str, secret: str, backlog: Backlog, persistence: Persistence) -> None:
    """Post the events in order until cancelled. Retry each event with backoff until the answer is 2xx.

    secret: the signing secret, in the format of Standard Webhooks.
    """
    key = signing_key(secret)
    timeout = aiohttp.ClientTimeout(total=POST_SECONDS)
    pause, is_trouble = 0.1, False
    async with aiohttp.ClientSession(timeout=timeout, headers={"Content-Type": CONTENT_TYPE}) as receiver:
        with backlog.listening() as more:
            while True:
                more.clear()
                events = backlog.first(1)
                if not events:
                    await more.wait()
                    continue
                [(number, text)] = events
                trouble = await _post(receiver, url, text.encode(), key)
                if trouble is None:
                    try:
                        await asyncio.to_thread(persistence.done, backlog, [number])
                    except OSError as error:
                        trouble = f"its answer cannot be written to the journal: {error.strerror}"
                if trouble is None:
                    if is_trouble:
                        log.info("EVENTS_URL accepts events again; %d are waiting", len(backlog))
                    pause, is_trouble = 0.1, False
                    continue
                if not is_trouble:
                    log.warning("EVENTS_URL does not accept events (%s); %d are waiting", trouble, len(backlog))
                is_trouble = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)


async def _post(receiver: aiohttp.ClientSession, url: str, body: bytes, key: bytes) -> str | None:
    """Post an event once. Return the error, or None on success."""
    id_ = json.loads(body).get("id")
    # Events from other publishers may have no valid id.
    headers = signed(id_, int(time.time()), body, [key]) if is_id(id_) else {}
    try:
        async with receiver.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            return None if 200 <= answer.status < 300 else f"status {answer.status}"
    except (aiohttp.ClientError, OSError) as error:  # OSError includes a timeout
        return str(error) or "timed out"
