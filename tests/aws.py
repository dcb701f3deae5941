"""moto's AWS account: clients of it, and the one place where what our caller sends gets there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.session import get_session

# Before any client is made: into those that are older moto does not get.
from moto.core.base_backend import BackendDict
from moto.core.models import botocore_stubber
from outcomes.storage.connection import Connection, Reply

from local import tables


@cache
def aws_client(service: str) -> Any:
    """One client for all tests: to make it takes longer than most tests do."""
    return get_session().create_client(service)


@contextmanager
def mock_aws() -> Iterator[None]:
    """Put an empty AWS account of moto's behind all clients, and behind the connections of our caller.

    moto's own function of this name does it for `requests` and 180 services too, anew each time, which takes longer
    than most tests do.
    """
    BackendDict.reset()
    with patch.object(botocore_stubber, "enabled", True), patch.object(Connection, "post", _answered_by_moto):
        yield
    BackendDict.reset()


_post = Connection.post


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
