"""Forked processes draw different random numbers, although they are copies of one process."""

import random
from collections.abc import Callable

import pytest
from outcomes.aws.backoff import Backoff
from outcomes.aws.services import jitter
from outcomes.ledger import ulid


def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the four waits between five attempts, in seconds."""
    slept: list[float] = []
    monkeypatch.setattr("outcomes.aws.backoff.time.sleep", slept.append)
    backoff = Backoff()
    for _ in range(5):
        backoff.wait()
    return slept


@pytest.mark.parametrize(
    "drawn", [waits, lambda _: ulid.new(0), lambda _: jitter(1)], ids=["the ledger's waits", "ids", "a call's pauses"]
)
def test_a_copy_of_the_memory_draws_other_numbers(
    drawn: Callable[[pytest.MonkeyPatch], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = random.getstate()
    first = drawn(monkeypatch)
    random.setstate(snapshot)
    assert drawn(monkeypatch) != first
