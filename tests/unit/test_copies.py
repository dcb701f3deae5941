"""Copies of one process, as a fork makes them, draw different random numbers."""

import random
from collections.abc import Callable

import pytest
from outcomes.aws.backoff import Backoff
from outcomes.aws.caller import jitter
from outcomes.ledger import ulid


def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """List the seconds that an environment would wait between attempts."""
    slept: list[float] = []
    monkeypatch.setattr("outcomes.aws.backoff.time.sleep", slept.append)
    backoff = Backoff()
    for _ in range(5):
        backoff.wait()
    return slept


@pytest.mark.parametrize(
    "drawn", [waits, lambda _: ulid.new(0), lambda _: jitter(1)], ids=["the ledger's waits", "ids", "a call's pauses"]
)
def test_what_is_drawn_is_not_what_a_copy_of_the_memory_draws(
    drawn: Callable[[pytest.MonkeyPatch], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = random.getstate()
    first = drawn(monkeypatch)
    random.setstate(snapshot)
    assert drawn(monkeypatch) != first
