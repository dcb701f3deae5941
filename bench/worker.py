"""Run in the measured process: prepare one kind of call, then make it repeatedly.

The first line of standard input is the call as JSON; each further line is a number of repetitions. For each of these
lines, it prints one line of JSON: the seconds of processor and wall time of one call, or its result if the number is 1.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

# The function prints metrics to standard output, so answers go to a copy of the original standard output.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Context:
    """Lambda's context for an invocation."""

    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return 20_000


def prepared(spec: dict[str, Any]) -> Callable[[], Any]:
    if "event" in spec:
        handler, event, context = import_module("app").handler, spec["event"], Context()
        return lambda: handler(event, context)
    if spec["caller"] == "boto3":
        import boto3

        client: Any = boto3.client("dynamodb")
        return lambda: client.put_item(TableName="outcomes", Item=spec["item"])
    from outcomes.ledger.store import OutcomeStore

    dynamodb, request = OutcomeStore("outcomes").dynamodb, {"TableName": "outcomes", "Item": spec["item"]}
    # `call` raises an error if the service refuses the item
    return lambda: {"statusCode": 200} | dynamodb.call("PutItem", request)


call = prepared(json.loads(sys.stdin.readline()))
for line in sys.stdin:
    times = int(line)
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        result = call()
    taken = (time.process_time() - cpu) / times, (time.perf_counter() - wall) / times
    print(json.dumps(taken if times > 1 else result, default=str), file=answers)
