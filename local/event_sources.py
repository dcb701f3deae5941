"""Run event source mappings: pass the records of a table's stream to a function.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-batchfailurereporting.html

Unlike in Lambda, a failing batch is retried forever, not only up to the mapping's maximum age.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.lambdas import MAX_EVENT_BYTES, Function, FunctionError
from local.persistence import Backlog, Persistence
from local.template import Template
from ops.errors import StackError

log = logging.getLogger("local")

MAX_PAUSE = 10.0
"""Backoff grows to this many seconds."""


@dataclass(frozen=True)
class Source:
    """An event source mapping of the template. arn: the stream's ARN. bisects: whether a failing batch is halved."""

    arn: str
    table: str
    function_arn: str
    batch_size: int
    bisects: bool


def sources(template: Template) -> list[Source]:
    """Return the template's event source mappings. Raises StackError if they use unsupported features."""
    found = []
    for logical_id, properties in template.resources("AWS::Lambda::EventSourceMapping").items():
        mapping = template.resolve({name: value for name, value in properties.items() if name != "DestinationConfig"})
        arn = mapping["EventSourceArn"]
        if ":dynamodb:" not in arn:
            raise StackError(f"{logical_id}: the local stack reads streams of tables, not {arn}")
        if "FilterCriteria" in mapping or mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            raise StackError(
                f"{logical_id}: the local stack supports no FilterCriteria and requires ReportBatchItemFailures"
            )
        found.append(
            Source(
                arn=arn,
                table=arn.split("/")[1],
                # Leave out the alias, because every alias runs the code on disk.
                function_arn=":".join(mapping["FunctionName"].split(":")[:7]),
                batch_size=int(mapping.get("BatchSize", 100)),
                bisects=bool(mapping.get("BisectBatchOnFunctionError")),
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
            try:
                answer = await function.invoke({"Records": list(batch.values())}, str(uuid.uuid4()))
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
