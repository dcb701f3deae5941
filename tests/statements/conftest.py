"""Fixtures: the template's tables, the secret of the signing key, and a clock that only a test advances."""

from email.utils import formatdate
from typing import Any

import pytest
from outcomes.aws.connection import Connection, Reply
from outcomes.calendar import instants

from tests.aws import aws_client


class Clock:
    """A simulated clock, which DynamoDB and all hosts share. It counts milliseconds since 1970."""

    def __init__(self) -> None:
        self.now = 0

    def at(self, instant: str) -> None:
        self.now = instants.read(instant) - 1

    def tick(self) -> int:
        """Advance the clock by a millisecond, and return it. The first call after `at(instant)` returns `instant`."""
        self.now += 1
        return self.now


@pytest.fixture
def clock(tables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return a clock that is set to 1 September 2026. Also create the secret of the signing key."""
    assert tables
    clock = Clock()
    clock.at("2026-09-01T00:00:00Z")
    post = Connection.post

    def at_a_time(*request: Any, **more: Any) -> Reply:
        reply = post(*request, **more)
        return reply._replace(headers={**reply.headers, "date": formatdate(clock.now / 1000, usegmt=True)})

    monkeypatch.setattr(Connection, "post", at_a_time)
    monkeypatch.setattr(instants, "now", clock.tick)
    aws_client("secretsmanager").create_secret(Name="StatementSecret", SecretString="the secret of the tests")
    return clock
