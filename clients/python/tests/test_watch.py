"""Test that `outcomes watch` shows each outcome once, and misses none."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from outcomes_client import OutcomesClient, OutcomeType
from outcomes_client.testing._copied.ledger import store

from clients.python.tests.conftest import ONE_TRY, Api, Outcomes, Run
from clients.python.tests.test_cli import COMMAND

type Watch = Callable[..., Run]

INTERVAL = 77.0  # an unusual number, so that tests can tell the pause between two polls from other sleeps


@pytest.fixture
def watch(outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Return a function that runs `outcomes watch`. It calls an action in each pause, and then ends the command."""
    sleep = time.sleep

    def run(*actions: Callable[[], object], arguments: tuple[str, ...] = ()) -> Run:
        waiting = iter(actions)

        def pause(seconds: float) -> None:
            if seconds != INTERVAL:
                return sleep(seconds)
            action = next(waiting, None)
            if action is None:
                raise KeyboardInterrupt
            action()
            return None

        with monkeypatch.context() as patched:
            patched.setattr("outcomes_client._cli.time.sleep", pause)
            return outcomes("watch", "--interval", str(INTERVAL), *arguments)

    return run


@pytest.fixture
def record(client: OutcomesClient) -> Callable[..., Callable[[], object]]:
    """Return a function that returns an action. The action records outcomes with the given titles."""

    def action(*titles: str) -> Callable[[], object]:
        return lambda: [client.record("task_complete", title, user_id=42) for title in titles]

    return action


type Record = Callable[..., Callable[[], object]]


def titles(run: Run) -> list[str]:
    return [line.split()[-1] for line in run.out.splitlines()]


def nothing() -> None:
    """Record nothing in a pause between polls."""


def test_watch_shows_the_last_outcomes_and_then_new_ones(watch: Watch, record: Record) -> None:
    record("first", "second", "third")()
    run = watch(nothing, record("fourth"), nothing, record("fifth", "sixth"), arguments=("-n", "2"))
    assert titles(run) == ["second", "third", "fourth", "fifth", "sixth"]
    assert (run.code, run.err) == (130, "")


def test_titles_are_aligned_whatever_the_type(client: OutcomesClient, watch: Watch) -> None:
    for type_ in OutcomeType:
        client.record(type_, "Here", user_id=42)
    assert len({line.index("Here") for line in watch().out.splitlines()}) == 1


def test_more_than_a_page_between_two_polls_is_shown_completely(watch: Watch, record: Record) -> None:
    many = [f"n{n}" for n in range(60)]
    assert titles(watch(record(*many), nothing)) == many


def test_many_outcomes_of_the_same_time_are_shown_once(api: Api, watch: Watch, record: Record) -> None:
    api.clock.step = 0
    record(*(f"n{n}" for n in range(60)))()
    assert len(titles(watch(nothing, record("new"), nothing))) == 10 + 1


def test_an_outcome_that_is_stored_late_is_not_missed(api: Api, watch: Watch, record: Record) -> None:
    def late() -> None:
        api.clock.now -= 30_000
        record("late")()

    newest = record("newest")
    api.clock.step = 1000
    assert titles(watch(record("first"), newest, late, nothing)) == ["first", "newest", "late"]


def test_an_old_outcome_behind_many_others_is_not_shown_as_new(
    outcomes: Outcomes, client: OutcomesClient, watch: Watch, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MAX_QUERIES", 1)  # a page of 50 examines 51 outcomes
    deal = partial(client.record, "deal_closed", user_id=42)
    deal("old")
    record(*(f"n{n}" for n in range(60)))()
    arguments = ("--type", "deal_closed")
    assert outcomes("list", *arguments).out.startswith("No outcomes on this page.\nMore: ")
    assert titles(watch(nothing, partial(deal, "new"), nothing, arguments=arguments)) == ["new"]


def test_a_poll_with_a_filter_does_not_read_again_what_earlier_polls_read(
    api: Api, watch: Watch, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MAX_QUERIES", 1)

    def later() -> None:
        api.clock.now += 120_000
        record("last")()

    many, calls, current = record(*(f"n{n}" for n in range(110))), list[str](), api.door.upstream

    def upstream(method: str, target: str, headers: Any, body: bytes) -> Any:
        calls.append(target)
        return current(method, target, headers, body)

    api.door.upstream = upstream
    assert titles(watch(many, later, calls.clear, arguments=("--type", "deal_closed"))) == []
    assert ["from=" in call for call in calls] == [True] * 2, calls


def test_watch_filters_and_prints_json(watch: Watch, record: Record) -> None:
    run = watch(record("one"), arguments=("--type", "deal_closed", "--json"))
    assert run.out == ""
    run = watch(nothing, arguments=("--type", "task_complete", "--json"))
    assert run.out.count('"title":"one"') == run.out.count("\n") == 1


def test_watch_retries_while_the_api_does_not_answer(
    api: Api, watch: Watch, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        record("meanwhile")()
        api.fail("drop", "drop")

    monkeypatch.setattr("outcomes_client._settings.Retry", lambda **_: ONE_TRY)
    run = watch(record("before"), away, nothing, nothing, nothing)
    assert titles(run) == ["before", "meanwhile"]
    assert run.err.count("retrying until the API answers") == 1
    assert run.err.endswith("outcomes: the API answers again\n")


def test_an_expired_session_ends_the_watch(api: Api, watch: Watch) -> None:
    def end() -> None:
        api.door.upstream = lambda *_: (401, {}, b'{"error":"Unauthorized"}')

    run = watch(end)
    assert run.code == 1
    assert "the session (OUTCOMES_COOKIE) is not valid" in run.err


def test_a_pipe_gets_each_line_at_once_and_ctrl_c_ends_the_watch(api: Api, record: Record) -> None:
    record("first")()
    with subprocess.Popen(
        [*COMMAND, "watch", "--interval", "0.2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **api.environment},
        # If a shell runs the tests in the background, they ignore SIGINT. Undo that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline().endswith("first\n")
        record("second")()
        assert run.stdout.readline().endswith("second\n")
        run.send_signal(signal.SIGINT)
        assert (run.stdout.read(), run.stderr.read()) == ("", "")
        assert run.wait(timeout=30) == 130
