"""Inject faults of AWS services between our AWS client and moto."""

import json
from binascii import crc32
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from outcomes.aws.connection import NotSent, Reply
from outcomes.aws.services import SQS, DynamoDB, EventBridge, SecretsManager

THROTTLED = "ProvisionedThroughputExceededException"
DENIED = "AccessDeniedException"


class Request(NamedTuple):
    """A request to AWS. operation: its name, such as `PutItem`. body: its parsed JSON."""

    operation: str
    body: Any


type Send = Callable[[], Reply]
type Fault = Callable[[Request, Send], Reply]
"""Gets a request and a function that sends it to moto. Returns an answer, or raises like a broken connection."""


class Killed(BaseException):
    """Raised to simulate that the function's process is killed."""


def answered(status: int, body: dict[str, Any] | bytes) -> Reply:
    """Return an AWS service's reply with this status and body."""
    return Reply(status, {"x-amzn-requestid": "R1"}, body if isinstance(body, bytes) else json.dumps(body).encode())


def error(code: str, *, status: int = 400, **extra: object) -> Fault:
    """Return a fault that answers with an error code, such as THROTTLED."""
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": code, **extra}
    return lambda _request, _send: answered(status, body)


def html(status: int) -> Fault:
    """Return a fault that answers like a proxy in front of the AWS service."""
    return lambda _request, _send: answered(status, b"<html><body>Http/1.1 Service Unavailable</body></html>")


def cancelled(*codes: str | None) -> Fault:
    """Return a fault that cancels a transaction with one reason per action. `cancelled(None)` gives no reasons."""
    reasons: Any = {} if codes == (None,) else {"CancellationReasons": [{"Code": code} for code in codes]}
    return error("TransactionCanceledException", **reasons)


def unreachable(_request: Request, _send: Send) -> Reply:
    """Fail to connect."""
    raise NotSent("no connection")


def lost(_request: Request, send: Send) -> Reply:
    """Execute the request, but lose its answer."""
    send()
    raise TimeoutError("timed out")


def killed_before(_request: Request, _send: Send) -> Reply:
    raise Killed


def killed_after(_request: Request, send: Send) -> Reply:
    send()
    raise Killed


def vanished(_request: Request, _send: Send) -> Reply:
    """Lose the request. To the caller, this looks like a lost answer."""
    raise TimeoutError("timed out")


def damaged(change: Callable[[bytes], bytes]) -> Fault:
    """Return a fault that executes the request and damages its answer.

    The checksum still is that of the undamaged answer.
    """

    def fault(_request: Request, send: Send) -> Reply:
        reply = send()
        checksum = {"x-amz-crc32": str(crc32(reply.body))}
        return reply._replace(body=change(reply.body), headers={**reply.headers, **checksum})

    return fault


DAMAGED = {
    "cut": damaged(lambda body: body[: len(body) // 2]),
    "empty": damaged(lambda _: b""),
    "corrupted": damaged(lambda body: body.replace(b"{", b"[", 1)),
    "another answer": damaged(lambda _: b'{"Table":{}}'),
}


def fine(_request: Request, send: Send) -> Reply:
    """Execute the request without a fault."""
    return send()


@contextmanager
def faulty(
    service: DynamoDB | EventBridge | SecretsManager | SQS, operations: str | set[str], *faults: Fault
) -> Iterator[list[str]]:
    """Inject one fault into each attempt of `operations`, in this order, and repeat the last fault.

    Yields a list of the operations that were attempted.
    """
    sent: list[str] = []
    post = service.connection.post

    def meet(headers: Mapping[str, str], body: bytes, until: float) -> Reply:
        operation = headers["x-amz-target"].rpartition(".")[2]
        if operation not in ({operations} if isinstance(operations, str) else operations):
            return post(headers, body, until)
        fault = faults[min(len(sent), len(faults) - 1)]
        sent.append(operation)
        return fault(Request(operation, json.loads(body)), lambda: post(headers, body, until))

    with patch.object(service.connection, "post", meet):
        yield sent
