"""Test the bench of recovery after throttling, and its bars (limits)."""

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from outcomes_client import _steps

from bench.recovery import BUSY_FROM, BUSY_UNTIL, END, Course, recovery
from bench.report import Report

WELL = dict.fromkeys(range(END), 100)
BUSY = dict.fromkeys(range(BUSY_FROM, BUSY_UNTIL), 0)


@pytest.mark.parametrize(
    ("recorded", "seconds"),
    [
        (WELL | BUSY, 0),
        (WELL | BUSY | {BUSY_UNTIL: 0, BUSY_UNTIL + 1: 200}, 0),
        (WELL | BUSY | dict.fromkeys(range(BUSY_UNTIL, BUSY_UNTIL + 3), 0), 3),
        (WELL | BUSY | dict.fromkeys(range(BUSY_UNTIL + 10, BUSY_UNTIL + 20), 90), 18),
        (dict.fromkeys(range(END), 94), END - BUSY_UNTIL - 4),
    ],
)
def test_recovery_counts_until_the_rate_is_back_for_good(recorded: dict[int, int], seconds: int) -> None:
    assert Course(Counter(recorded), requests=0, writes=0, lost=0).seconds_until_back(100) == seconds


def test_clients_recover_soon_after_throttling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.recovery.END", 80)
    report = Report()
    recovery(report, clients=5)
    assert not report.is_missed, report.bars


def test_clients_without_backoff_miss_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(_backoff: Any, *_why: Any, **_how: Any) -> Generator[Any, Any, bool]:
        yield _steps.Wait(0)
        return True

    monkeypatch.setattr(_steps.Backoff, "wait", at_once)
    monkeypatch.setattr("bench.recovery.BUSY_UNTIL", BUSY_FROM + 5)
    monkeypatch.setattr("bench.recovery.END", 60)
    report = Report()
    recovery(report, clients=1)
    assert any(bar.measured > bar.limit for bar in report.bars if "over those" in bar.name)
