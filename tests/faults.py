"""Faults of DynamoDB and Secrets Manager, put between botocore and moto."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto.core.models import botocore_stubber

THROTTLED = "ProvisionedThroughputExceededException"
DENIED = "AccessDeniedException"

type Send = Callable[[], AWSResponse]
type Fault = Callable[[Any, Send], AWSResponse]
"""Gets the HTTP request and what sends it on to moto; answers, or raises as a broken connection does."""


class _Body:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def read(self) -> bytes:
        return self.body

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.body


def answered(request: Any, status: int, body: dict[str, Any]) -> AWSResponse:
    """Make an answer of the service."""
    return AWSResponse(request.url, status, HTTPHeaders(), _Body(json.dumps(body).encode()))


def error(code: str, *, status: int = 400, **extra: object) -> Fault:
    """Answer with an error, such as THROTTLED."""
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": code, **extra}
    return lambda request, _send: answered(request, status, body)


def cancelled(*codes: str | None) -> Fault:
    """Cancel a transaction, for one reason for each action; `cancelled(None)` tells none."""
    reasons: Any = {} if codes == (None,) else {"CancellationReasons": [{"Code": code} for code in codes]}
    return error("TransactionCanceledException", **reasons)


def unreachable(request: Any, _send: Send) -> AWSResponse:
    """Fail as if nobody answers."""
    raise EndpointConnectionError(endpoint_url=request.url)


def lost(request: Any, send: Send) -> AWSResponse:
    """Let the call take effect, and lose its answer on the way back."""
    send()
    raise ReadTimeoutError(endpoint_url=request.url)


def fine(_request: Any, send: Send) -> AWSResponse:
    """Answer as moto does, without a fault."""
    return send()


@contextmanager
def faulty(client: Any, operations: str | set[str], *faults: Fault) -> Iterator[list[str]]:
    """Let calls of `operations` meet `faults`, one each in turn, the last for ever. Yields the operations called."""
    calls: list[str] = []

    def meet(request: Any, event_name: str, **context: Any) -> Any:
        def send() -> Any:
            return botocore_stubber(event_name=event_name, request=request, **context)

        operation = event_name.rpartition(".")[2]
        if operation not in ({operations} if isinstance(operations, str) else operations):
            return send()
        fault = faults[min(len(calls), len(faults) - 1)]
        calls.append(operation)
        return fault(request, send)

    client.meta.events.unregister("before-send", botocore_stubber)
    client.meta.events.register("before-send", meet)
    try:
        yield calls
    finally:
        client.meta.events.unregister("before-send", meet)
        client.meta.events.register("before-send", botocore_stubber)
