"""Fixtures: our AWS client and a botocore client, each on a fake network."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.session import Session
from outcomes.aws.services import DynamoDB, Limits

from tests.wire.network import Network

LIMITS = Limits(attempts=3, connect=1, read=2, total=12)
ENDPOINT = "http://dynamodb.test:8000"

botocore_session = Session()


@contextmanager
def our_client(network: Network, service: Any = DynamoDB, **how: Any) -> Iterator[Any]:
    """Yield our AWS client, which uses the network's clock."""
    how = {"limits": LIMITS, "clock": network.clock, "sleep": network.sleep, "jitter": lambda seconds: seconds} | how
    with patch("outcomes.aws.connection.socket", network):
        client = service(**how)
        yield client
    network.close()


@contextmanager
def botocores_client(network: Network) -> Iterator[Any]:
    """Yield botocore's client, with the same limits."""
    config = Config(
        connect_timeout=LIMITS.connect,
        read_timeout=LIMITS.read,
        retries={"mode": "standard", "total_max_attempts": LIMITS.attempts},
        parameter_validation=False,
        signature_version=UNSIGNED,  # signing takes a fifth of each call, and test_signature.py tests it
        user_agent="botocore",  # composing its own takes a tenth of each call
    )
    with patch("urllib3.util.connection.socket", network), patch("botocore.endpoint.time.sleep", network.sleep):
        client = botocore_session.create_client("dynamodb", endpoint_url=ENDPOINT, config=config)
        yield client
        client.close()
    network.close()


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def dynamodb(network: Network, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDB]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", ENDPOINT)
    with our_client(network) as client:
        yield client
