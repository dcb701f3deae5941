"""moto's AWS account: clients of it, and the one place where what our caller sends gets there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.session import get_session

# Before any client is made: into those that are older moto does not get.
from moto.core.base_backend import BackendDict
from moto.core.models import botocore_stubber
from outcomes.aws.connection import Connection, Reply

from local import tables

STACKS: dict[tuple[str, str], dict[str, str]] = {}
"""Outputs of the stacks that CloudFormation knows, by region and name."""

PARAMETERS: dict[tuple[str, str], dict[str, str]] = {}
"""Their parameters."""

DESCRIBED = """<DescribeStacksResponse><DescribeStacksResult><Stacks><member>
<StackName>{}</StackName><Outputs>{}</Outputs><Parameters>{}</Parameters>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""
OUTPUT = "<member><OutputKey>{}</OutputKey><OutputValue>{}</OutputValue></member>"
PARAMETER = "<member><ParameterKey>{}</ParameterKey><ParameterValue>{}</ParameterValue></member>"
NO_STACK = """<ErrorResponse><Error>
<Code>ValidationError</Code><Message>Stack with id {} does not exist</Message>
</Error></ErrorResponse>"""

_session = cache(get_session)  # each reads anew which regions there are


@cache
def aws_client(service: str) -> Any:
    """One client for all tests: to make it takes longer than most tests do."""
    return _session().create_client(service)


@contextmanager
def mock_aws() -> Iterator[None]:
    """Put an empty AWS account of moto's behind all clients, and behind the connections of our caller.

    moto's own function of this name does it for `requests` and 180 services too, anew each time, which takes longer
    than most tests do.
    """
    BackendDict.reset()
    STACKS.clear()
    PARAMETERS.clear()
    with (
        patch.object(botocore_stubber, "enabled", True),
        patch.object(botocore_stubber, "process_request", _answered),
        patch.object(Connection, "post", _answered_by_moto),
    ):
        yield
    BackendDict.reset()


_post, _answered_by_any_service = Connection.post, botocore_stubber.process_request


def _answered(request: AWSPreparedRequest) -> Any:
    """Answer an SDK's client without what moto does for each call to find the service."""
    service, region, *_ = urlsplit(request.url).netloc.split(".")
    body: Any = request.body
    if service == "dynamodb":
        headers: Any = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name] = value.decode() if isinstance(value, bytes) else value
        return tables.answer(headers, body)
    if service == "cloudformation":
        return _described(region, parse_qs(body))
    return _answered_by_any_service(request)


def _described(region: str, query: Mapping[str, list[str]]) -> tuple[int, dict[str, str], str]:
    """Describe one of STACKS. moto takes a second to load, for all that CloudFormation can make."""
    assert query["Action"] == ["DescribeStacks"]
    [name] = query["StackName"]
    if (region, name) not in STACKS:
        return 400, {}, NO_STACK.format(escape(name))
    outputs = "".join(OUTPUT.format(key, escape(value)) for key, value in STACKS[region, name].items())
    given = PARAMETERS.get((region, name), {})
    parameters = "".join(PARAMETER.format(key, escape(value)) for key, value in given.items())
    return 200, {}, DESCRIBED.format(escape(name), outputs, parameters)


def _answered_by_moto(
    connection: Connection, headers: Mapping[str, str], body: bytes, until: float, **how: Any
) -> Reply:
    if not connection.host.endswith(".amazonaws.com"):
        return _post(connection, headers, body, until, **how)
    if connection.host.startswith("dynamodb."):
        status, answered, text = tables.answer(headers, body)
    else:
        request = AWSPreparedRequest("POST", f"https://{connection.host}/", HTTPHeaders(), body, stream_output=False)
        for name, value in headers.items():
            request.headers[name] = value
        answer = botocore_stubber.process_request(request)
        assert answer, f"moto knows no {connection.host}"
        status, answered, text = answer
    named = {name.lower(): str(value) for name, value in answered.items()}
    return Reply(status, named, text.encode() if isinstance(text, str) else text)
