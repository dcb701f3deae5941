"""Simulate an AWS account with moto. Only this module passes requests of our own AWS client to moto."""

import base64
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from botocore.handlers import BUILTIN_HANDLERS
from botocore.session import get_session
from outcomes.aws.connection import Connection, Reply

# Import moto before any client is made: moto cannot patch clients that already exist.
from local import moto_backend
from tests import permissions

STACKS: dict[tuple[str, str], dict[str, str]] = {}
"""Outputs of CloudFormation stacks, by region and name."""

PARAMETERS: dict[tuple[str, str], dict[str, str]] = {}
"""Parameters of CloudFormation stacks, by region and name."""

STATUSES: dict[tuple[str, str], str] = {}
"""Statuses of CloudFormation stacks, by region and name, if they are not UPDATE_COMPLETE."""

PROTECTED: list[str] = []
"""Names of CloudFormation stacks with termination protection."""

type Given = dict[str, Any]
"""The parameters of an SDK client's call, or its answer."""

_session = cache(get_session)  # each new session would read the list of AWS regions again


@cache
def aws_client(service: str) -> Any:
    """Return a client, which all tests share: making a client takes longer than most tests."""
    return _session().create_client(service)


def scan(table: str = "OutcomesTable") -> list[Any]:
    """Return all items of a table. An SDK's client would take five times as long."""
    headers = {"content-type": moto_backend.JSON, "X-Amz-Target": f"{moto_backend.TARGET}Scan"}
    status, _, text = moto_backend.answer(headers, json.dumps({"TableName": table}).encode())
    assert status == 200, text
    items: list[Any] = json.loads(text, object_hook=_with_bytes)["Items"]
    return items


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """Decode a binary value, as SDKs do."""
    return {"B": base64.b64decode(value["B"])} if isinstance(value.get("B"), str) else value


_moto = moto_backend.mock_aws(config={"core": {"mock_credentials": False, "reset_boto3_session": False}})
_start_moto = cache(_moto.start)  # tests start moto only once, because starting it takes longer than many tests


@contextmanager
def mock_aws() -> Iterator[None]:
    """Answer all requests of SDK clients and of our own AWS client with moto. The account is empty before and after."""
    _start_moto()
    _empty()
    try:
        with patch.object(Connection, "post", _answered_by_moto), patch.object(ssl, "create_default_context", _tls):
            yield
    finally:
        _empty()  # moto keeps answering SDK clients after the block


def _empty() -> None:
    STACKS.clear()
    PARAMETERS.clear()
    STATUSES.clear()
    PROTECTED.clear()
    _moto.reset()


_post = Connection.post
_tls = cache(ssl.create_default_context)  # reading the certificates for each new client would take half of some tests


@contextmanager
def answering(event: str, answer: Callable[[Given], Given]) -> Iterator[None]:
    """Use `answer` instead of moto for an operation (event="lambda.Invoke") or a whole service (event="lambda").

    It gets the parameters of the call, and returns its answer or raises `refused(...)`.
    """
    with patch.dict(IN_PLACE_OF_MOTO, {event: answer}):
        yield


def refused(code: str, message: str = "", operation: str = "") -> ClientError:
    """Return the exception of an SDK's client that an error of AWS raises."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def _keep(params: Given, context: Given, event_name: str, **_: Any) -> None:
    context["given"] = params
    permissions.check_sdk(event_name, params)


def _answered(event_name: str, context: Given, **_: Any) -> tuple[AWSResponse, Given] | None:
    """Answer an SDK client's call with a function from IN_PLACE_OF_MOTO. Without one, moto answers."""
    for event, answer in reversed(IN_PLACE_OF_MOTO.items()):  # an operation's answer was added after its service's
        if f"{event_name}.".startswith(f"before-call.{event}."):
            given = {"region": context["client_region"], "operation": event_name.rpartition(".")[2]} | context["given"]
            return AWSResponse("", 200, HTTPHeaders(), None), answer(given)
    return None


# botocore registers these for each new client, as moto's own handler.
BUILTIN_HANDLERS.extend([("before-parameter-build", _keep), ("before-call", _answered)])


def described(given: Given) -> Given:
    """Answer DescribeStacks with the stacks in STACKS, which were created in this order.

    moto's CloudFormation is not used, because it takes a second to load.
    """
    assert given["operation"] == "DescribeStacks"
    stack = given["region"], given["StackName"]
    if stack not in STACKS:
        raise no_stack(given)
    outputs = [{"OutputKey": key, "OutputValue": value} for key, value in STACKS[stack].items()]
    return {
        "Stacks": [
            {
                "StackName": given["StackName"],
                "CreationTime": datetime(2026, 11, 1 + [*STACKS].index(stack), tzinfo=UTC),
                "StackStatus": STATUSES.get(stack, "UPDATE_COMPLETE"),
                "Outputs": outputs,
                "Parameters": parameters(PARAMETERS.get(stack, {})),
                "EnableTerminationProtection": given["StackName"] in PROTECTED,
            }
        ]
    }


def no_stack(given: Given) -> ClientError:
    return refused("ValidationError", f"Stack with id {given['StackName']} does not exist", given["operation"])


def parameters(values: Mapping[str, str]) -> list[Given]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


IN_PLACE_OF_MOTO: dict[str, Callable[[Given], Given]] = {"cloudformation": described}


def _answered_by_moto(
    connection: Connection, headers: Mapping[str, str], body: bytes, until: float, **how: Any
) -> Reply:
    if not connection.host.endswith(".amazonaws.com"):
        return _post(connection, headers, body, until, **how)
    if connection.host.startswith("dynamodb."):
        answer: Any = moto_backend.answer(headers, body)
    else:
        answer = moto_backend.answer_any("POST", f"https://{connection.host}/", headers, body)
        assert answer, f"moto knows no {connection.host}"
    status, answered, text = answer
    named = {name.lower(): str(value) for name, value in answered.items()}
    return Reply(status, named, text.encode() if isinstance(text, str) else text)
