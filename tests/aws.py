"""Simulate an AWS account with moto. Only this module passes requests of our own AWS client to moto."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.session import get_session
from outcomes.aws.connection import Connection, Reply

# Import moto before any client is made: moto cannot patch clients that already exist.
from local import moto_backend
from local.moto_backend import BotocoreStubber

STACKS: dict[tuple[str, str], dict[str, str]] = {}
"""Outputs of CloudFormation stacks, by region and name."""

PARAMETERS: dict[tuple[str, str], dict[str, str]] = {}
"""Parameters of CloudFormation stacks, by region and name."""

STATUSES: dict[tuple[str, str], str] = {}
"""Statuses of CloudFormation stacks, by region and name, if they are not UPDATE_COMPLETE."""

DESCRIBED = """<DescribeStacksResponse><DescribeStacksResult><Stacks><member>
<StackName>{}</StackName><StackStatus>{}</StackStatus><Outputs>{}</Outputs><Parameters>{}</Parameters>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""
OUTPUT = "<member><OutputKey>{}</OutputKey><OutputValue>{}</OutputValue></member>"
PARAMETER = "<member><ParameterKey>{}</ParameterKey><ParameterValue>{}</ParameterValue></member>"
NO_STACK = """<ErrorResponse><Error>
<Code>ValidationError</Code><Message>Stack with id {} does not exist</Message>
</Error></ErrorResponse>"""

type Answer = tuple[int, dict[str, str], str]
"""Status, headers and body."""

_session = cache(get_session)  # each new session would read the list of AWS regions again


@cache
def aws_client(service: str) -> Any:
    """Return a client, which all tests share: making a client takes longer than most tests."""
    return _session().create_client(service)


def scan(table: str = "OutcomesTable") -> list[Any]:
    """Return all items of a table."""
    items: list[Any] = aws_client("dynamodb").scan(TableName=table)["Items"]
    return items


_moto = moto_backend.mock_aws(config={"core": {"mock_credentials": False, "reset_boto3_session": False}})
_start_moto = cache(_moto.start)  # tests start moto only once, because starting it takes longer than many tests


@contextmanager
def mock_aws() -> Iterator[None]:
    """Answer all requests of SDK clients and of our own AWS client with moto. The account is empty before and after."""
    _start_moto()
    _empty()
    try:
        with (
            patch.object(BotocoreStubber, "__call__", _answered),
            patch.object(Connection, "post", _answered_by_moto),
        ):
            yield
    finally:
        _empty()  # moto keeps answering SDK clients after the block


def _empty() -> None:
    STACKS.clear()
    PARAMETERS.clear()
    STATUSES.clear()
    _moto.reset()


_post, _answered_by_any_service = Connection.post, BotocoreStubber.__call__


class _Raw(BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


@contextmanager
def answering(event: str, answer: Callable[[AWSPreparedRequest], Answer]) -> Iterator[None]:
    """Use `answer` instead of moto for an operation (event="lambda.Invoke") or a whole service (event="lambda")."""
    with patch.dict(IN_PLACE_OF_MOTO, {event: answer}):
        yield


def _answered(
    stubber: BotocoreStubber, event_name: str, request: AWSPreparedRequest, **more: Any
) -> AWSResponse | None:
    """Answer an SDK client's request with a function from IN_PLACE_OF_MOTO, or else with moto."""
    for event, answer in reversed(IN_PLACE_OF_MOTO.items()):  # an operation's answer was added after its service's
        if event_name.startswith(f"before-send.{event}"):
            status, headers, text = answer(request)
            any_type: Any = headers, _Raw(text.encode())
            return AWSResponse(request.url, status, *any_type)
    return _answered_by_any_service(stubber, event_name, request, **more)


def _answered_by_cloudformation(request: AWSPreparedRequest) -> Answer:
    body: Any = request.body
    return _described(str(urlsplit(request.url).netloc).split(".")[1], parse_qs(body))


IN_PLACE_OF_MOTO: dict[str, Callable[[AWSPreparedRequest], Answer]] = {"cloudformation": _answered_by_cloudformation}


def _described(region: str, query: Mapping[str, list[str]]) -> Answer:
    """Answer DescribeStacks with the stacks in STACKS.

    moto's CloudFormation is not used, because it takes a second to load.
    """
    assert query["Action"] == ["DescribeStacks"]
    [name] = query["StackName"]
    if (region, name) not in STACKS:
        return 400, {}, NO_STACK.format(escape(name))
    outputs = "".join(OUTPUT.format(key, escape(value)) for key, value in STACKS[region, name].items())
    given = PARAMETERS.get((region, name), {})
    parameters = "".join(PARAMETER.format(key, escape(value)) for key, value in given.items())
    status = STATUSES.get((region, name), "UPDATE_COMPLETE")
    return 200, {}, DESCRIBED.format(escape(name), status, outputs, parameters)


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
