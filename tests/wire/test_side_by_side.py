"""Our AWS client retries and gives up as botocore does."""

import json
from contextlib import ExitStack
from functools import partial
from socket import gaierror
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.retries.quota import RetryQuota
from outcomes.aws import services as wire
from outcomes.aws.services import CallFailed
from outcomes.errors import Busy

from tests.wire.conftest import ENDPOINT, botocore_session, botocores_client, our_client
from tests.wire.network import NEVER, Network, Trouble, drops, error, http

ITEM = {"user_id": {"S": "42"}, "created_at": {"S": "2026"}, "value_usd": {"N": "1.50"}}
PAGE = {"Items": [ITEM] * 3, "Count": 3, "ScannedCount": 3, "LastEvaluatedKey": {"user_id": {"S": "42"}}}

OPERATIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "PutItem": ("put_item", {"TableName": "t", "Item": ITEM}, {}),
    "Query": ("query", {"TableName": "t", "KeyConditionExpression": "user_id = :u"}, PAGE),
    "TransactWriteItems": ("transact_write_items", {"TransactItems": [{"Put": {"TableName": "t", "Item": ITEM}}]}, {}),
}

MODEL = botocore_session.get_service_model("dynamodb")

# The errors of botocore's service model, and the errors on these pages:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html
DOCUMENTED = {
    *(shape.name for operation in MODEL.operation_names for shape in MODEL.operation_model(operation).error_shapes),
    *("AccessDeniedException", "ExpiredTokenException", "IncompleteSignatureException", "InternalFailure"),
    *("InternalServerError", "InvalidSignatureException", "MissingAuthenticationTokenException", "NotAuthorized"),
    *("OptInRequired", "RequestAbortedException", "RequestEntityTooLargeException", "RequestExpired"),
    *("RequestTimeoutException", "SerializationException", "ServiceUnavailable", "ThrottlingException"),
    *("UnknownOperationException", "UnrecognizedClientException", "ValidationError", "ValidationException"),
}
STATUSES = [302, 400, 401, 403, 404, 408, 409, 413, 429, 500, 501, 502, 503, 504, 505]
HTML = b"<html><body><b>Http/1.1 Service Unavailable</b></body></html>"


def broken_connections(answer: bytes) -> list[Trouble]:
    """List faults of connections: some are refused, others break at various places in the answer."""
    head = answer.index(b"\r\n\r\n") + 4
    places = {"at once": 0, "in the status": 5, "in the headers": head - 20, "before the body": head, "in it": head + 1}
    return [
        Trouble("refused", ConnectionRefusedError(111, "Connection refused")),
        Trouble("no route", OSError(113, "No route to host")),
        Trouble("no such host", gaierror(-2, "Name or service not known")),
        Trouble("no connection in time", NEVER),
        Trouble("half open, reset when sending", sending=ConnectionResetError),
        Trouble("half open, broken pipe when sending", sending=BrokenPipeError),
        Trouble("half open, closed instead of an answer", answer=(b"",)),
        Trouble("cut in the status", answer=(answer[:5], b"")),
        *(Trouble(f"reset {where}", answer=(answer[:at], ConnectionResetError)) for where, at in places.items()),
        *(Trouble(f"silent {where}", answer=(answer[:at], NEVER)) for where, at in places.items()),
    ]


def damages(answer: bytes, body: bytes) -> list[Trouble]:
    """Return troubles: damaged answers, which do not match their checksum.

    botocore retries them, but returns the answer of its last attempt even if it is damaged.
    """
    head = answer.index(b"\r\n\r\n") + 4
    flipped = body.replace(b"{", b"[", 1) if len(body) == 2 else body.replace(b"2026", b"2O26").replace(b"U", b"V", 1)
    return [
        *(Trouble(f"cut at {at}", answer=(answer[:at], b"")) for at in (head - 20, head - 2, head, head + 1)),
        Trouble("empty", answer=(http(200, body, sent=b""),)),
        Trouble("half", answer=(http(200, body, sent=body[: len(body) // 2]),)),
        Trouble("corrupted", answer=(http(200, body, sent=flipped),)),
        Trouble("another answer", answer=(http(200, body, sent=b'{"Table":{}}'),)),
    ]


def errors(operation: str) -> list[Trouble]:
    """List every documented error of DynamoDB, with status 400 and with 500, and error answers from proxies."""
    modeled = {shape.name for shape in MODEL.operation_model(operation).error_shapes}
    codes = sorted(DOCUMENTED - wire.THROTTLED - ({"ReplicatedWriteConflictException"} - modeled))
    return [
        *(error(code, status) for code in codes for status in (400, 500)),
        *(Trouble(f"empty {status}", answer=(http(status, b""),)) for status in STATUSES),
        *(Trouble(f"html {status}", answer=(http(status, HTML, crc=False),)) for status in STATUSES),
        *(Trouble(f"untyped {status}", answer=(http(status, {"message": "told"}),)) for status in STATUSES),
        Trouble("typed by name", answer=(http(400, {"__type": "TransactionInProgressException"}),)),
        Trouble("typed by URL", answer=(http(400, {"__type": "a.b#RequestTimeout:http://a.b/c#d"}),)),
    ]


def slow(answer: bytes) -> list[Trouble]:
    """List complete answers that arrive late or in pieces, or that end the connection with `Connection: close`."""
    return [
        Trouble("late", answer=(1.9, answer)),
        Trouble("dripping", answer=drops(answer, 60, 0.01)),
        Trouble("last", answer=(answer.replace(b"Content-Type", b"Connection: close\r\nContent-Type"),)),
    ]


def troubles(operation: str) -> dict[str, list[Trouble]]:
    body = json.dumps(OPERATIONS[operation][2]).encode()
    answer = http(200, body)
    return {
        "connection": broken_connections(answer),
        "damage": damages(answer, body),
        "error": errors(operation),
        "slow": slow(answer),
        "fine": [Trouble("fine", answer=(answer,))],
    }


TROUBLES = {operation: troubles(operation) for operation in OPERATIONS}


class Pair:
    """Our client and botocore's, each on its own network with the same faults."""

    def __init__(self, quota: int = wire.QUOTA) -> None:
        self.stack = ExitStack()
        self.networks = Network(), Network()
        self.stack.enter_context(patch.object(wire, "QUOTA", quota))
        self.stack.enter_context(patch("botocore.retries.quota.RetryQuota", partial(RetryQuota, quota)))
        self.stack.enter_context(patch.dict("os.environ", AWS_ENDPOINT_URL_DYNAMODB=ENDPOINT))
        self.ours = self.stack.enter_context(our_client(self.networks[0]))
        self.botocores = self.stack.enter_context(botocores_client(self.networks[1]))

    def call(self, operation: str, *met: Trouble) -> tuple[Any, Any]:
        """Call an operation with both clients, which meet the same faults.

        Return both results; None stands for a failure.
        """
        method, request, _ = OPERATIONS[operation]
        for network in self.networks:
            network.meet(*met)
        try:
            ours: Any = dict(self.ours.call(operation, request))
        except (CallFailed, Busy):
            ours = None
        try:
            theirs = getattr(self.botocores, method)(**request)
            del theirs["ResponseMetadata"]
        except (ClientError, BotoCoreError):
            theirs = None
        return ours, theirs

    @property
    def attempts(self) -> tuple[int, int]:
        """Return how many attempts our client made, and how many botocore's client made."""
        return self.networks[0].met, self.networks[1].met


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_fault_has_the_same_result_and_attempts_whether_it_lasts_or_not(operation: str) -> None:
    pair = Pair(quota=10_000)  # enough retries for all faults
    for kind, which in TROUBLES[operation].items():
        for trouble in which:
            for times in (1, 5):
                ours, theirs = pair.call(operation, *[trouble] * times)
                assert pair.attempts[0] == pair.attempts[1], (trouble, times)
                assert ours == theirs or (kind == "damage" and times > 1 and ours is None), (trouble, times)
    pair.stack.close()


@pytest.mark.parametrize(
    "trouble", ["silent at once", "no connection in time", "reset at once", "500 InternalServerError"]
)
def test_the_retry_quota_is_spent_and_refilled_alike(trouble: str) -> None:
    pair = Pair()
    which = [each for kind in TROUBLES["PutItem"].values() for each in kind if each.name == trouble]
    pattern = [*[3] * 60, *([*[0] * 10, *[1] * 5] * 3), *[2, 0, 0, 0, 3] * 20]
    for times in pattern:
        pair.call("PutItem", *which * times)
        assert pair.attempts[0] == pair.attempts[1]
    pair.stack.close()
