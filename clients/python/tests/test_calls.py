"""Test the decisions of a call, without network or clock: when to try again, for how long, and what an answer means."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes_client import (
    BusyError,
    ConflictError,
    NewOutcome,
    NoAnswerError,
    OutcomesError,
    Retry,
    ServerError,
    StillAddingUpError,
    Summary,
)
from outcomes_client._calls import Calls, Defaults
from outcomes_client._http import NoReply, Reply, Request, retry_after
from outcomes_client._json import canonical, decode, encode, plain
from outcomes_client._requests import BATCH_BYTES, BATCH_ITEMS, batches
from outcomes_client._steps import Call, Say, Send, Wait

OUTCOME = NewOutcome(outcome_type="task_complete", title="Inbox sorted", user_id=42)
DONE = Reply(200, {"Outcome-Id": "1"}, b'{"ok":true}')
LOST = NoReply("ReadTimeout")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(call: Call[Any], clock: Clock, answers: Iterable[Reply | NoReply], each: float = 0) -> tuple[Any, list[Any]]:
    """Give these answers to a call, `each` seconds apart; return its result or error, and its steps."""
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


def waits(steps: list[Any]) -> list[float]:
    return [step.seconds for step in steps if isinstance(step, Wait)]


def test_waits_double_up_to_the_longest() -> None:
    clock = Clock()
    calls = Calls(Retry(deadline=60, first=1, longest=8), clock, jitter=lambda _, ceiling: ceiling)
    _, steps = run(calls.record(OUTCOME), clock, [*[LOST] * 6, DONE])
    assert waits(steps) == [1, 2, 4, 8, 8, 8]


def test_jitter_is_full() -> None:
    asked: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        asked.append((low, high))
        return 0

    clock = Clock()
    run(Calls(Retry(first=1), clock, jitter).record(OUTCOME), clock, [LOST, LOST, DONE])
    assert asked == [(0, 1), (0, 2)]


def test_retry_after_is_added_to() -> None:
    clock = Clock()
    calls = Calls(Retry(first=1), clock, jitter=lambda _, ceiling: ceiling / 2)
    _, steps = run(calls.record(OUTCOME), clock, [Reply(429, {"Retry-After": "7"}, b""), DONE])
    assert waits(steps) == [7.5]


def requests(steps: list[Any]) -> list[Request]:
    return [step.request for step in steps if isinstance(step, Send)]


def items(request: Request) -> list[dict[str, Any]]:
    body = decode(request.body or b"")
    return list(body["outcomes"]) if "outcomes" in body else [body]


def notices(steps: list[Any]) -> list[str]:
    return [step.notice for step in steps if isinstance(step, Say)]


BUSY = Reply(503, {"Retry-After": "1"}, b'{"error":"Busy"}')


def test_a_busy_api_is_waited_for_as_it_asks_with_the_same_key() -> None:
    clock = Clock()
    calls = Calls(Retry(first=1), clock, jitter=lambda _, ceiling: ceiling / 2)
    recorded, steps = run(calls.record(OUTCOME), clock, [BUSY, BUSY, DONE])
    assert waits(steps) == [1.5, 2]
    assert {request.headers["Idempotency-Key"] for request in requests(steps)} == {recorded.idempotency_key}


def test_an_api_that_stays_busy_is_told_at_the_deadline() -> None:
    clock = Clock()
    failure, _ = run(Calls(Retry(deadline=20), clock).record(OUTCOME), clock, [BUSY] * 99)
    assert isinstance(failure, BusyError)
    assert (failure.status, failure.error, failure.retryable, clock.now <= 20) == (503, "Busy", True, True)


ADDING_UP = Reply(503, {"Retry-After": "1"}, b'{"error":"Still adding up"}')
TOTALS = Reply(
    200,
    {},
    b'{"from":"a","to":"b","timezone":"UTC","count":0,"value_usd":0,"by_type":[],"by_agent":[],"by_day":[]}',
)


def test_what_is_still_added_up_is_waited_for_as_it_asks_each_time_anew() -> None:
    clock = Clock()
    calls = Calls(Retry(first=1), clock, jitter=lambda _, ceiling: ceiling / 2)
    summary, steps = run(calls.summary(), clock, [*[ADDING_UP] * 20, TOTALS], each=11)
    assert isinstance(summary, Summary)
    assert waits(steps) == [1.5] * 20
    said = "503 Still adding up: the API saves its progress and continues from there. Trying again, for at most"
    assert notices(steps)[:2] == [f"{said} 589 s", f"{said} 577 s"]


@pytest.mark.parametrize(("adding_up", "most"), [(600, 600), (45, 60), (0, 60)])
def test_it_is_waited_for_no_longer_than_that(adding_up: float, most: float) -> None:
    clock = Clock()
    calls = Calls(Retry(adding_up=adding_up), clock)
    failure, steps = run(calls.summary(), clock, [ADDING_UP] * 99, each=11)
    assert isinstance(failure, StillAddingUpError)
    assert (failure.status, failure.error, failure.retryable) == (503, "Still adding up", True)
    assert most - 15 <= clock.now <= most + 11
    assert [step.timeout for step in steps if isinstance(step, Send)][-1] <= most - (clock.now - 11)  # what was left


def test_an_api_that_fails_after_it_came_farther_is_given_the_deadline_from_then() -> None:
    clock = Clock()
    calls = Calls(Retry(deadline=60, longest=5), clock)
    failure, _ = run(calls.summary(), clock, [*[ADDING_UP] * 9, *[LOST] * 99], each=11)
    assert isinstance(failure, NoAnswerError)
    came_farther = 9 * 11 + 8  # and waits of at most 0.2 s more
    assert came_farther + 45 < clock.now <= came_farther + 3 + 60


def test_any_other_503_may_have_stored_something() -> None:
    clock = Clock()
    unavailable = Reply(503, {}, b'{"error":"Service Unavailable"}')
    failure, _ = run(Calls(Retry(deadline=1), clock).record(OUTCOME), clock, [unavailable] * 99)
    assert isinstance(failure, ServerError)


def test_items_that_a_batch_could_not_take_are_sent_again_with_their_keys_and_it_is_said() -> None:
    clock = Clock()
    taken, busy = b'{"status":"created","id":"1"}', b'{"status":"failed","error":"Busy","retryable":true}'
    answers = [
        Reply(200, {}, b'{"results":[%s]}' % b",".join(one)) for one in ([busy, taken, busy], [busy, taken], [taken])
    ]
    results, steps = run(Calls(Retry(), clock).record_many([OUTCOME] * 3), clock, answers)
    assert {one.status for one in results} == {"created"}
    sent = [[item["idempotencyKey"] for item in items(request)] for request in requests(steps)]
    first, second, third = (one.idempotency_key for one in results)
    assert sent == [[first, second, third], [first, third], [first]]
    assert [one.partition(":")[0] for one in notices(steps)] == [
        "2 of 3 outcomes not taken yet",
        "1 of 2 outcomes not taken yet",
    ]


def test_what_is_waited_for_is_said_at_once_then_every_ten_seconds() -> None:
    clock = Clock()
    calls = Calls(Retry(first=4, longest=4), clock, jitter=lambda _, ceiling: ceiling)
    _, steps = run(calls.record(OUTCOME), clock, [*[LOST] * 7, DONE])
    lost = "No answer from the Outcomes API: ReadTimeout. Trying again, for at most"
    assert notices(steps) == [f"{lost} 60 s", f"{lost} 48 s", f"{lost} 36 s"]


def test_another_reason_to_wait_is_said_at_once() -> None:
    clock = Clock()
    _, steps = run(Calls(Retry(first=1), clock).record(OUTCOME), clock, [LOST, LOST, BUSY, DONE])
    assert [one.partition(".")[0] for one in notices(steps)] == [
        "No answer from the Outcomes API: ReadTimeout",
        "503 Busy",
    ]


NOBODY = NewOutcome(outcome_type="task_complete", title="Whose?")
BOTH = b'{"results":[{"status":"created","id":"1"},{"status":"created","id":"2"}]}'
FIRST_UNASSIGNED = BOTH.replace(b'"1"}', b'"1","unassigned":true}')
UNASSIGNED = Reply(200, {"Outcome-Id": "1", "Unassigned": "true"}, b'{"ok":true}')


def test_an_outcome_of_no_user_is_told_once() -> None:
    clock = Clock()
    calls = Calls(Retry(), clock)
    results, steps = run(calls.record_many([NOBODY, OUTCOME]), clock, [Reply(200, {}, FIRST_UNASSIGNED)])
    assert [one.unassigned for one in results] == [True, False]
    assert notices(steps) == ["Recorded for no user, which is in nobody's feed: name a user, or set OUTCOMES_USER_ID"]
    recorded, steps = run(calls.record(NOBODY), clock, [UNASSIGNED])
    assert recorded.unassigned
    assert not notices(steps)


def test_an_outcome_that_the_api_assigned_is_not_told() -> None:
    clock = Clock()
    recorded, steps = run(Calls(Retry(), clock).record(NOBODY), clock, [DONE])
    assert not recorded.unassigned
    assert not notices(steps)


def test_what_an_outcome_does_not_say_is_as_the_client_was_told() -> None:
    clock = Clock()
    calls = Calls(Retry(), clock, defaults=Defaults(agent_id=7, user_id=43))
    _, steps = run(calls.record(NOBODY), clock, [DONE])
    _, more = run(calls.record_many([OUTCOME, {"userId": None, "agentId": None}]), clock, [Reply(200, {}, BOTH)])
    sent = [item for request in requests(steps + more) for item in items(request)]
    assert [(item["agentId"], item["userId"]) for item in sent] == [(7, 43), (7, 42), (None, None)]


def test_a_session_records_for_its_user_and_a_user_id_beside_it_is_told() -> None:
    clock = Clock()
    calls = Calls(Retry(), clock, defaults=Defaults(user_id=43, owner="session"))
    _, steps = run(calls.record(NOBODY), clock, [DONE])
    assert not notices(steps)
    assert "userId" not in items(requests(steps)[0])[0]
    _, steps = run(calls.record(OUTCOME), clock, [DONE])
    assert notices(steps) == ["Recorded for the user of the session (OUTCOMES_COOKIE): the given user_id was ignored"]


def test_fields_that_were_not_read_are_told_once_and_come_with_the_result() -> None:
    clock = Clock()
    calls = Calls(Retry(), clock)
    answer = Reply(200, {"Outcome-Id": "1", "Ignored-Fields": "value_usd, %C3%BC%2Cx, ..."}, b'{"ok":true}')
    recorded, steps = run(calls.record(OUTCOME), clock, [answer])
    assert recorded.ignored_fields == ("value_usd", "ü,x", "...")
    assert notices(steps) == ["Recorded, but the API did not read value_usd, ü,x, ...: is it misspelt?"]
    _, steps = run(calls.record(OUTCOME), clock, [answer])
    assert not notices(steps)


def test_fields_of_a_batch_that_were_not_read_come_with_each_result() -> None:
    clock = Clock()
    answer = (
        b'{"results":[{"status":"created","id":"1","ignored":["value_usd"]},{"status":"replayed","id":"2","ignored":'
        b'["value_usd","%C3%BC"]},{"status":"invalid","error":"Invalid outcome_type","ignored":["outcome_type"]}]}'
    )
    results, steps = run(Calls(Retry(), clock).record_many([OUTCOME] * 3), clock, [Reply(200, {}, answer)])
    assert [one.ignored_fields for one in results] == [("value_usd",), ("value_usd", "ü"), ("outcome_type",)]
    assert notices(steps) == ["Recorded, but the API did not read value_usd, ü: is it misspelt?"]


def test_a_refusal_names_the_fields_that_were_not_read() -> None:
    clock = Clock()
    refusal = Reply(400, {"Ignored-Fields": "outcome_type"}, b'{"error":"Invalid outcome_type"}')
    failure, _ = run(Calls(Retry(), clock).record(OUTCOME), clock, [refusal])
    assert str(failure) == "400 Invalid outcome_type; not read: outcome_type"
    assert failure.ignored_fields == ("outcome_type",)


def test_a_key_is_asked_for_again_where_nobody_was_reached() -> None:
    clock = Clock()
    made = Reply(409, {}, b'{"error":"Too many keys"}')
    failure, steps = run(
        Calls(Retry(), clock).create_key("Nightly"), clock, [NoReply("ConnectError", unsent=True), made]
    )
    assert isinstance(failure, ConflictError)
    assert len(requests(steps)) == 2
    assert notices(steps) == ["No answer from the Outcomes API: ConnectError. Trying again, for at most 60 s"]


def test_every_try_sends_the_same_request() -> None:
    clock = Clock()
    _, steps = run(Calls(Retry(), clock).record(OUTCOME), clock, [LOST, LOST, DONE])
    sent = requests(steps)
    assert len(sent) == 3
    assert sent == [sent[0]] * 3


def test_two_calls_never_share_a_key() -> None:
    clock = Clock()
    keys = {run(Calls(Retry(), clock).record(OUTCOME), clock, [DONE])[0].idempotency_key for _ in range(100)}
    assert len(keys) == 100


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


def test_the_last_error_is_told() -> None:
    clock = Clock()
    failure, _ = run(Calls(Retry(deadline=5, timeout=5), clock).record(OUTCOME), clock, [LOST] * 99, each=5)
    assert isinstance(failure, NoAnswerError)
    assert str(failure) == "No answer from the Outcomes API: ReadTimeout"


def test_results_outlive_a_failed_try_to_better_them() -> None:
    clock = Clock()
    answer = b'{"results":[{"status":"failed","error":"Failed to record outcome","retryable":true},%s]}'
    first = Reply(200, {}, answer % b'{"status":"created","id":"1"}')
    results, steps = run(Calls(Retry(), clock).record_many([OUTCOME, OUTCOME]), clock, [first, *[LOST] * 99], each=5)
    assert [(one.status, one.retryable) for one in results] == [("failed", True), ("created", False)]
    assert [len(items(request)) for request in requests(steps)[:2]] == [2, 1]


NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=9), usegmt=True)}, 9),
        ({"Retry-After": format_datetime(NOW - timedelta(seconds=9), usegmt=True)}, 0),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 999_999_999),
        ({"Retry-After": "Wed, 01 Apr 99999999999999999999 12:00:09 GMT"}, None),
        ({"Retry-After": "Wed, 01 Apr 2026 12:00:09 +99999999999999"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after({"Date": format_datetime(NOW, usegmt=True), **headers}) == seconds


def test_a_retry_date_counts_by_our_clock_where_the_server_tells_none() -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert retry_after({"Retry-After": format_datetime(in_an_hour, usegmt=True)}) == pytest.approx(3600, abs=60)


@given(st.text(), st.text())
def test_no_header_breaks_the_reading_of_retry_after(asked: str, date: str) -> None:
    assert 0 <= (retry_after({"Retry-After": asked, "Date": date}) or 0) < 1e9


@given(st.lists(st.integers(0, 400_000), max_size=250))
def test_batches_hold_every_item_once_in_order_and_within_the_limits(sizes: list[int]) -> None:
    bodies = [{"title": "x" * size, "n": n, "idempotencyKey": "k"} for n, size in enumerate(sizes)]
    sent = list(batches(bodies, {}))
    assert [number for batch in sent for number in batch] == list(range(len(sizes)))
    for batch in sent:
        assert 1 <= len(batch) <= BATCH_ITEMS
        assert len(b'{"outcomes":[%s]}' % b",".join(batch.values())) <= BATCH_BYTES


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_as_it_was_sent(number: Decimal) -> None:
    # Compared as text too, for equal Decimals may differ in their digits.
    assert str(decode(encode([number]))[0]) in (str(number), str(int(number)) if number == int(number) else "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0.5", 0.5),
        (b"0.1", 0.1),
        (b"1.50", 1.5),
        (b"0.10000000000000000001", Decimal("0.10000000000000000001")),
        (b"1e400", Decimal("1e400")),
        (b"9007199254740993", 9007199254740993),
        (b'{"a":[0.1]}', {"a": [0.1]}),
    ],
)
def test_metadata_is_plain_unless_a_float_would_change_it(text: bytes, value: object) -> None:
    made = plain(decode(text))
    assert made == value
    assert type(made) is type(value)


def test_layout_does_not_change_what_a_value_says() -> None:
    assert canonical(decode(b'{"b": 1, "a": [1.0, null]}')) == canonical(decode(b'{"a":[1.0,null],"b":1}'))


@pytest.mark.parametrize(
    "text", [b"NaN", b"[Infinity]", b"\xff", b"", b"{", b"[" * 100_000, b"1" * 5000, b"1e99999999999999999999"]
)
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is the JSON library's
        decode(text)
