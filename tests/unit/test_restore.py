"""Environments that were started from one snapshot draw different random numbers."""

import random
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from outcomes.storage import ulid
from outcomes.storage.ledger import _Deadline
from outcomes.storage.restore import reseed_after_restore


@pytest.fixture
def after_restore(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """List the hooks that Lambda's runtime would call."""
    hooks: list[Callable[[], None]] = []
    runtime = ModuleType("snapshot_restore_py")
    runtime.__dict__["register_after_restore"] = hooks.append
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    return hooks


def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """List the seconds that an environment would wait between attempts."""
    slept: list[float] = []
    monkeypatch.setattr("outcomes.storage.ledger.time.sleep", slept.append)
    deadline = _Deadline()
    for _ in range(5):
        deadline.wait()
    return slept


def test_environments_of_one_snapshot_wait_differently(
    after_restore: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reseed_after_restore()
    [hook] = after_restore
    snapshot = random.getstate()

    first = waits(monkeypatch)
    random.setstate(snapshot)
    assert waits(monkeypatch) == first  # as they would without the hook
    random.setstate(snapshot)
    hook()
    assert waits(monkeypatch) != first


def test_environments_of_one_snapshot_give_other_ids() -> None:
    snapshot = random.getstate()
    first = ulid.new(0)
    random.setstate(snapshot)

    assert ulid.new(0) != first


def test_elsewhere_than_on_lambda_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)

    reseed_after_restore()
