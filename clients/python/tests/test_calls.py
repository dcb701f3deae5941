"""Test the steps of calls without network or clock. The cases shared with TypeScript are in test_cases.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes_client import (
    BusyError,
    InvalidOutcomeError,
    NewOutcome,
    OutcomesError,
    Retry,
)
from outcomes_client._calls import Calls, Defaults
from outcomes_client._http import NoReply, Reply, Request, retry_after
from outcomes_client._json import canonical, decode, encode
from outcomes_client._requests import BATCH_BYTES, BATCH_ITEMS, batches, check_key
from outcomes_client._steps import Call, Say, Send, Wait

OUTCOME = NewOutcome(outcome_type="task_complete", title="Inbox sorted", user_id=42)
DAY = Reply(
    200,
    {},
    b'{"date":"2026-11-26","source":"openai","version":1,"lines":[],"put_by":"key","put_at":"2026-11-26T00:00:00.000Z"}',
)
DONE = Reply(200, {"Outcome-Id": "1"}, b'{"ok":true}')
LOST = NoReply("ReadTimeout")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(call: Call[Any], clock: Clock, answers: Iterable[Reply | NoReply], each: float = 0) -> tuple[Any, list[Any]]:
    """Run a call. Each scripted answer takes `each` seconds. Return the call's result or error, and its steps."""
    steps: list[Any] = []
    left = iter(answers)
    answer: Reply | NoReply | None = None
    try:
        while True:
            step = call.send(answer)
            steps.append(step)
            if isinstance(step, Wait):
                clock.now += step.seconds
            elif isinstance(step, Send):
                clock.now += each
                answer = next(left)
    except StopIteration as done:
        return done.value, steps
    except OutcomesError as failure:
        return failure, steps


def test_jitter_is_full() -> None:
    asked: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        asked.append((low, high))
        return 0

    clock = Clock()
    run(Calls(Retry(first=1), clock, jitter).record(OUTCOME), clock, [LOST, LOST, DONE])
    assert asked == [(0, 1), (0, 2)]


def requests(steps: list[Any]) -> list[Request]:
    return [step.request for step in steps if isinstance(step, Send)]


def items(request: Request) -> list[dict[str, Any]]:
    body = decode(request.body or b"")
    return list(body["outcomes"]) if "outcomes" in body else [body]


def notices(steps: list[Any]) -> list[str]:
    return [step.notice for step in steps if isinstance(step, Say)]


def test_the_reason_of_a_wait_is_logged_at_once_then_every_ten_seconds() -> None:
    clock = Clock()
    calls = Calls(Retry(first=4, longest=4), clock, jitter=lambda _, ceiling: ceiling)
    _, steps = run(calls.record(OUTCOME), clock, [*[LOST] * 7, DONE])
    lost = "No answer from the Outcomes API: ReadTimeout. Trying again, for at most"
    assert notices(steps) == [f"{lost} 60 s", f"{lost} 48 s", f"{lost} 36 s"]


NOBODY = NewOutcome(outcome_type="task_complete", title="Whose?")
BOTH = b'{"results":[{"status":"created","id":"1"},{"status":"created","id":"2"}]}'


def test_each_warning_is_logged_once_by_a_client() -> None:
    clock = Clock()
    calls = Calls(Retry(), clock)
    answer = Reply(200, {"Outcome-Id": "1", "Unassigned": "true", "Ignored-Fields": "value_usd"}, b'{"ok":true}')
    for expected in (
        [
            "Recorded for no user, which is in nobody's feed: assign it, and set OUTCOMES_USER_ID for others",
            "Recorded, but the API did not read value_usd: is it misspelt?",
        ],
        [],
    ):
        _, steps = run(calls.record(NOBODY), clock, [answer])
        assert notices(steps) == expected


def test_a_put_warns_of_fields_that_the_api_did_not_read() -> None:
    clock = Clock()
    calls = Calls(Retry(), clock)
    answer = Reply(200, {"Ignored-Fields": "lines.0.agent_id"}, b'{"ok":true,"version":1}')
    version, steps = run(
        calls.put_costs("2026-11-26", "openai", [{"costUsd": 5, "agent_id": 7}], None, 42), clock, [answer]
    )
    assert version == 1
    assert notices(steps) == ["Stored, but the API did not read lines.0.agent_id: is it misspelt?"]


def test_an_explicit_null_is_kept_and_only_missing_fields_get_defaults() -> None:
    clock = Clock()
    calls = Calls(Retry(), clock, defaults=Defaults(agent_id=7, user_id=43))
    _, steps = run(calls.record(NOBODY), clock, [DONE])
    _, more = run(calls.record_many([OUTCOME, {"userId": None, "agentId": None}]), clock, [Reply(200, {}, BOTH)])
    sent = [item for request in requests(steps + more) for item in items(request)]
    assert [(item["agentId"], item["userId"]) for item in sent] == [(7, 43), (7, 42), (None, None)]


def test_a_session_warns_that_a_given_user_id_is_ignored() -> None:
    clock = Clock()
    calls = Calls(Retry(), clock, defaults=Defaults(user_id=43, owner="session"))
    _, steps = run(calls.record(NOBODY), clock, [DONE])
    assert not notices(steps)
    assert "userId" not in items(requests(steps)[0])[0]
    _, steps = run(calls.record(OUTCOME), clock, [DONE])
    assert notices(steps) == ["Recorded for the user of the session (OUTCOMES_COOKIE): the given user_id was ignored"]
    changed = Reply(200, {}, b'{"ok":true,"version":1}')
    day: tuple[str, str] = ("2026-11-26", "openai")
    costs: list[tuple[Callable[[Calls], Call[Any]], Reply]] = [
        (lambda calls: calls.put_costs(*day, [], 0, 42), changed),
        (lambda calls: calls.delete_costs(*day, 0, 42), changed),
        (lambda calls: calls.get_costs(*day, 42), DAY),
    ]
    for call, answer in costs:
        _, steps = run(call(Calls(Retry(), clock, defaults=Defaults(owner="session"))), clock, [answer])
        assert notices(steps)[0].startswith("The costs are of the user of the session (OUTCOMES_COOKIE)")


@given(
    deadline=st.floats(0.1, 100),
    timeout=st.floats(0.1, 100),
    first=st.floats(0.01, 10),
    each=st.floats(0.01, 30),
    asked=st.integers(0, 50),
)
def test_no_call_outlives_its_deadline(deadline: float, timeout: float, first: float, each: float, asked: int) -> None:
    clock = Clock()
    calls = Calls(Retry(deadline, timeout, first), clock)
    busy = Reply(429, {"Retry-After": str(asked)}, b'{"error":"Too Many Requests"}')
    call = calls.record(OUTCOME)
    failure, steps = run(call, clock, [busy] * 100_000, each=min(each, timeout, deadline))
    assert isinstance(failure, BusyError)
    ends = 0.0
    for step in steps:
        if not isinstance(step, Say):
            ends += step.seconds if isinstance(step, Wait) else min(each, step.timeout)
    assert ends <= deadline + 0.001


@pytest.mark.parametrize("text", ["٣", "Wed, 01 Apr 2026 12:00:09 +99999999999999"])
def test_retry_after_takes_ascii_digits_and_valid_dates_only(text: str) -> None:
    assert retry_after({"Retry-After": text}) is None


def test_a_retry_date_counts_by_our_clock_without_a_date_of_the_server() -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert retry_after({"Retry-After": format_datetime(in_an_hour, usegmt=True)}) == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("key", ["", "tab\t", "ä", "line\nbreak", "end\n", 5])
def test_an_idempotency_key_that_no_header_can_carry_is_refused(key: Any) -> None:
    with pytest.raises(InvalidOutcomeError, match="Idempotency-Key"):
        check_key(key)


@given(st.text(), st.text())
def test_no_header_breaks_the_reading_of_retry_after(asked: str, date: str) -> None:
    assert 0 <= (retry_after({"Retry-After": asked, "Date": date}) or 0) < 1e9


@given(st.lists(st.integers(0, 400_000), max_size=250))
def test_batches_contain_each_item_once_in_order_within_the_limits(sizes: list[int]) -> None:
    bodies = [{"title": "x" * size, "n": n, "idempotencyKey": "k"} for n, size in enumerate(sizes)]
    sent = list(batches(dict(enumerate(bodies)), len(b'{"outcomes":[]}'), lambda _number, _refused: None))
    assert [number for batch in sent for number in batch] == list(range(len(sizes)))
    for batch in sent:
        assert 1 <= len(batch) <= BATCH_ITEMS
        assert len(b'{"outcomes":[%s]}' % b",".join(batch.values())) <= BATCH_BYTES


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_as_it_was_sent(number: Decimal) -> None:
    # Compare the text too, because equal Decimals may differ in trailing zeros.
    assert str(decode(encode([number]))[0]) in (str(number), str(int(number)) if number == int(number) else "")


@pytest.mark.parametrize("text", [b"[1%s]" % (b"0" * 5000), b"[-%s]" % (b"9" * 4301), b"[1.%s]" % (b"7" * 5000)])
def test_a_long_number_is_written_as_it_was_read(text: bytes) -> None:
    assert encode(decode(text)) == text


def test_canonical_json_ignores_layout_and_key_order() -> None:
    assert canonical(decode(b'{"b": 1, "a": [1.0, null]}')) == canonical(decode(b'{"a":[1.0,null],"b":1}'))


@pytest.mark.parametrize("text", [b"NaN", b"[Infinity]", b"\xff", b"", b"{", b"[" * 100_000, b"1e99999999999999999999"])
def test_invalid_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is the JSON library's
        decode(text)
