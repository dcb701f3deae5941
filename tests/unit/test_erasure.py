"""All that is held of a person goes, whatever comes in meanwhile and wherever the erasure is interrupted."""

import json
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from outcomes.aws.connection import Reply
from outcomes.contract import instants
from outcomes.errors import Busy
from outcomes.events.stream import event_of
from outcomes.keys.agent_keys import AgentKeys
from outcomes.privacy import data_sources, erasure

from functions.erase_user import app
from functions.summarize_outcomes import app as summarize_outcomes
from tests.aws import aws_client
from tests.events import proxy_event, session
from tests.faults import THROTTLED, error, faulty, fine, lost
from tests.people import (
    keep_sums,
    live,
    make_key,
    moto_tables,
    record,
    record_many,
    restore,
    rows_of,
    sign_in,
    snapshot,
)
from tests.streams import records as records_of_stream
from tests.streams import turn_on

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
SETTLE = 900
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}

pytestmark = pytest.mark.usefixtures("person", "no_waiting")


class Clock:
    """DynamoDB's clock, moved by hand: milliseconds since 1970."""

    now = NOON


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(erasure, "_instant", lambda _date: instants.text(clock.now))
    return clock


@pytest.fixture(scope="module")
def lives(template: Any) -> dict[str, Any]:
    """Make the tables with the rows of users 42 and 43, and of nobody, once: it takes longer than most tests do."""
    from tests.conftest import template_tables

    with template_tables(template):
        live(42)
        live(43)
        record(None, key="deal-4711")
        return snapshot()


@pytest.fixture
def person(tables: dict[str, str], lives: dict[str, Any]) -> None:
    assert tables.keys() == lives.keys()
    restore(lives)
    aws_client("secretsmanager").create_secret(Name="ErasureSecret", SecretString="a secret of the stack")
    app.erasures._secret = b""


def invoke(**event: Any) -> dict[str, Any]:
    """Invoke the function as Lambda does: what goes in and comes out is JSON."""
    answer: dict[str, Any] = json.loads(json.dumps(app.handler(json.loads(json.dumps(event)), None)))
    assert "error" not in answer, answer
    return answer


def erase(clock: Clock, user_id: int = 42, portions: int = 50) -> dict[str, Any]:
    """Go on with an erasure until it is done, waiting as it says."""
    for _ in range(portions):
        answer = invoke(user_id=user_id)
        if answer["done"]:
            return answer
        clock.now += answer["wait"] * 1000
    raise AssertionError(answer)


def records() -> list[Any]:
    return rows_of(None).get("ErasuresTable", [])


def without_records() -> dict[str, list[Any]]:
    return {table: rows for table, rows in rows_of(None).items() if table != "ErasuresTable"}


class Killed(BaseException):
    """The function's process has ended."""


def watching(monkeypatch: pytest.MonkeyPatch, before: Callable[[int, str, Any], None]) -> None:
    """Call `before` before each call of the erasure's that reaches DynamoDB, with its number, operation and body."""
    connection = app.erasures.dynamodb.connection
    post = type(connection).post
    number = 0

    def meet(headers: Any, body: bytes, until: float) -> Reply:
        nonlocal number
        number += 1
        before(number, headers["x-amz-target"].rpartition(".")[2], json.loads(body))
        return post(connection, headers, body, until)

    monkeypatch.setattr(connection, "post", meet)


class TestAnErasure:
    def test_leaves_nothing_of_the_user_in_any_table_and_all_of_others(self, clock: Clock) -> None:
        # A table that is new has to get rows of a person in tests/people.py, or say here that it holds none.
        assert rows_of(42).keys() == moto_tables().keys() - {"ErasuresTable"}
        others = {
            table: [row for row in rows if row not in rows_of(42)[table]] for table, rows in rows_of(None).items()
        }

        answer = erase(clock)

        assert rows_of(42) == {}
        assert without_records() == others
        assert answer["erased"] == {
            "agent_keys": 3,
            "sessions": 1,
            "outcomes": 4,
            "corrections": 2,
            "kept_sums": 2,
            "idempotency_keys": 4,
        }

    def test_revokes_agent_keys_before_anything_else_goes_and_records_it_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = make_key(42)
        written: list[str] = []

        def note(_number: int, operation: str, body: Any) -> None:
            if operation in WRITES:
                written.append(body["TableName"] if "TableName" in body else next(iter(body["RequestItems"])))
                assert len(written) == 1 or records()

        watching(monkeypatch, note)
        answer = invoke(user_id=42)

        assert list(dict.fromkeys(written)) == [
            "ErasuresTable",
            "KeysTable",
            "SessionsTable",
            "TotalsTable",
            "OutcomesTable",
        ]
        assert (answer["done"], answer["wait"], answer["step"]) == (False, SETTLE, "wait")
        assert AgentKeys("KeysTable").authenticate(key) is None

    def test_waits_until_all_has_landed_that_was_on_its_way(self, clock: Clock) -> None:
        assert invoke(user_id=42)["wait"] == SETTLE
        clock.now += 100_000
        assert invoke(user_id=42)["wait"] == SETTLE - 100
        record(42, key="late")
        assert invoke(user_id=42)["wait"] == SETTLE
        clock.now += SETTLE * 1000
        assert invoke(user_id=42)["done"]
        assert rows_of(42) == {}

    def test_of_somebody_who_left_nothing_is_recorded_all_the_same(self, clock: Clock) -> None:
        assert set(erase(clock, user_id=44)["erased"].values()) == {0}
        [row] = records()
        assert row["done_at"] == {"S": instants.text(clock.now)}

    def test_may_be_followed_by_another_of_the_same_user(self, clock: Clock) -> None:
        erase(clock)
        record(42)
        assert rows_of(42).keys() == {"OutcomesTable"}
        clock.now += 1000
        assert erase(clock)["erased"]["outcomes"] == 1
        assert len(records()) == 2


class TestTheRecord:
    def test_names_nobody(self, clock: Clock) -> None:
        begun = clock.now
        erase(clock)
        [row] = records()
        assert row == {
            "user": row["user"],
            "erasure": {"S": instants.text(begun)},
            "begun_at": {"S": instants.text(begun)},
            "done_at": {"S": instants.text(clock.now)},
            "agent_keys": {"N": "3"},
            "sessions": {"N": "1"},
            "outcomes": {"N": "4"},
            "corrections": {"N": "2"},
            "kept_sums": {"N": "2"},
            "idempotency_keys": {"N": "4"},
        }
        assert row["user"]["S"] not in {"42", sha256(b"42").hexdigest()}

    def test_cannot_be_matched_without_the_secret(self, clock: Clock) -> None:
        erase(clock)
        aws_client("secretsmanager").put_secret_value(SecretId="ErasureSecret", SecretString="another")
        app.erasures._secret = b""
        assert app.erasures.hashed("42") != records()[0]["user"]["S"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_it_ends_well_wherever_it_is_killed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, lives: dict[str, Any], after: bool
) -> None:
    """At each write, before it takes effect or after."""
    connection = app.erasures.dynamodb.connection
    post = type(connection).post
    writes, fatal = 0, 0

    def meet(headers: Any, body: bytes, until: float) -> Reply:
        nonlocal writes
        is_write = headers["x-amz-target"].rpartition(".")[2] in WRITES
        writes += is_write
        is_fatal = is_write and writes == fatal
        if is_fatal and not after:
            raise Killed
        reply = post(connection, headers, body, until)
        if is_fatal:
            raise Killed
        return reply

    monkeypatch.setattr(connection, "post", meet)
    while writes >= fatal:
        fatal += 1
        writes = 0
        restore(lives)
        with suppress(Killed):
            erase(clock)
        if not any("done_at" in row for row in records()):
            erase(clock)
        assert rows_of(42) == {}, fatal
        assert [row["erasure"]["S"] for row in records() if row["erasure"]["S"] == "running"] == [], fatal
    assert fatal > 15


def test_what_comes_in_between_any_two_calls_goes_too(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, lives: dict[str, Any]
) -> None:
    """Until it ends, which is when it looks for the last time: for keys, kept sums, outcomes, in this order."""
    moment, calls = 0, 0

    def write(_number: int, _operation: str, _body: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            record(42)
            record(42, key="late")
            record_many(42, "late-1", "late-2")
            make_key(42)
            keep_sums(42)

    watching(monkeypatch, write)
    while True:
        moment += 1
        calls = 0
        restore(lives)
        erase(clock)
        if calls - moment < 3:
            break
        assert rows_of(42) == {}, (moment, calls)
    assert moment > 20


def test_it_is_not_done_as_long_as_somebody_records(clock: Clock) -> None:
    for number in range(5):
        record(42, key=f"another-{number}")
        answer = invoke(user_id=42)
        assert not answer["done"]
        clock.now += answer["wait"] * 1000
    assert answer["erased"]["outcomes"] == 4 + 5
    erase(clock)
    assert rows_of(42) == {}


def test_two_at_once_miss_nothing_that_one_of_them_deletes(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, lives: dict[str, Any]
) -> None:
    """Between any two calls of the one, the other finds and deletes what has just come in."""
    other = erasure.Erasures(
        "ErasuresTable",
        data_sources.Tables("KeysTable", "SessionsTable", "OutcomesTable", "TotalsTable", "IdempotencyTable"),
        "ErasureSecret",
        SETTLE,
        data_sources.Bounds(4000, 4000),
    )
    moment, calls = 0, 0

    def interfere(_number: int, _operation: str, _body: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            record(42, key="late")
            other.erase(42)

    watching(monkeypatch, interfere)
    while calls >= moment:
        moment += 1
        calls = 0
        restore(lives)
        erase(clock)
        assert rows_of(42) == {}, moment
        assert [row["erasure"]["S"] for row in records() if row["erasure"]["S"] == "running"] == [], moment
    assert moment > 20


def test_a_table_that_is_too_busy_is_waited_for(clock: Clock) -> None:
    with faulty(app.erasures.dynamodb, "BatchWriteItem", error(THROTTLED)):
        answer = invoke(user_id=42)
    assert (answer["done"], answer["wait"]) == (False, 1)
    assert records()
    erase(clock)
    assert rows_of(42) == {}


def test_a_portion_ends_when_its_time_is_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 10**9, 2))  # for a dozen calls there is time
    monkeypatch.setattr("outcomes.privacy.data_sources.time.monotonic", lambda: next(ticks))
    assert invoke(user_id=42)["wait"] == 0
    erase(clock, portions=200)
    assert rows_of(42) == {}


@pytest.mark.parametrize("calls", [11, 14, 17])
def test_whatever_ends_a_portion_all_that_it_deleted_is_counted(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Its time, between any two calls, also those that delete a page."""
    for number in range(60):
        record(42, key=f"another-{number}")
    monkeypatch.setattr(data_sources, "PORTION_SECONDS", calls)
    ticks = iter(range(10**9))
    monkeypatch.setattr("outcomes.privacy.data_sources.time.monotonic", lambda: next(ticks))
    answer = erase(clock, portions=200)
    assert answer["erased"] == {
        "agent_keys": 3,
        "sessions": 1,
        "outcomes": 64,
        "corrections": 2,
        "kept_sums": 2,
        "idempotency_keys": 64,
    }


def test_what_was_deleted_until_a_table_was_too_busy_is_counted(clock: Clock) -> None:
    for number in range(60):
        record(42, key=f"another-{number}")
    deletions = 0

    def busy(_number: int, operation: str, body: Any) -> None:
        nonlocal deletions
        if operation == "BatchWriteItem" and "OutcomesTable" in body["RequestItems"]:
            deletions += 1
            if deletions == 2:
                raise Busy

    with pytest.MonkeyPatch.context() as patch:
        watching(patch, busy)
        assert invoke(user_id=42)["wait"] == 1
    assert erase(clock)["erased"]["outcomes"] == 64


def test_nothing_is_counted_twice_whichever_answer_of_the_record_s_table_is_lost(
    clock: Clock, lives: dict[str, Any]
) -> None:
    calls: list[Any] = []
    number = 0
    while number <= len(calls):
        restore(lives)
        with faulty(app.erasures.dynamodb, "UpdateItem", *[fine] * number, lost, fine) as calls:
            answer = erase(clock)
        assert (answer["erased"]["outcomes"], answer["erased"]["agent_keys"]) == (4, 3), number
        number += 1
    assert number > 5


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"user_id": "42"},
        {"user_id": 0},
        {"user_id": True},
        {"user_id": 42.0},
        {"user_id": 2**53},
        {"user_id": None},
        {"user_id": 42, "again": True},
        {"user_id": 42, "cursor": "[0, null]"},
        {"again": False},
        {"again": 1},
        {"again": True, "cursor": 7},
        {"again": True, "cursor": "nonsense"},
        {"again": True, "cursor": "[9, null]"},
        {"again": True, "cursor": '[0, "id"]'},
        {"again": True, "cursor": '[0, {"id": 5}]'},
        {"again": True, "cursor": '[2, {"id": {"S": "42"}}]'},
        {"again": True, "cursor": "[true, null]"},
        {"again": True, "cursor": "[" * 100_000},
    ],
    ids=lambda event: str(event)[:60],
)
def test_what_asks_for_nothing_is_told_so_and_deletes_nothing(event: dict[str, Any]) -> None:
    before = rows_of(None)
    assert app.handler(event, None).keys() == {"error"}
    assert rows_of(None) == before


class TestAfterARestore:
    def repeat(self) -> dict[str, int]:
        """Repeat until it is done, and count what was deleted."""
        deleted: dict[str, int] = {}
        event: dict[str, Any] = {}
        for _ in range(50):
            answer = invoke(again=True, **event)
            for name, number in answer["erased"].items():
                deleted[name] = deleted.get(name, 0) + number
            if answer["done"]:
                return deleted
            event = {"cursor": answer["cursor"]}
        raise AssertionError(answer)

    def test_all_that_was_erased_goes_again(self, clock: Clock, lives: dict[str, Any]) -> None:
        clock.now = instants.now()  # the rows were written now
        erase(clock)
        gone = rows_of(None)
        restore({name: table for name, table in lives.items() if name != "ErasuresTable"})
        assert rows_of(42)

        deleted = self.repeat()

        assert rows_of(None) == gone
        assert deleted["outcomes"] == 4
        assert deleted["idempotency_keys"] == 4
        assert deleted["agent_keys"] == 3

    def test_what_an_erased_user_has_recorded_since_stays(self, clock: Clock) -> None:
        clock.now = instants.now() - SETTLE * 1000
        erase(clock)
        clock.now = instants.now() // 1000 * 1000 - 60_000
        for row in records():
            row["done_at"] = {"S": instants.text(clock.now)}
            aws_client("dynamodb").put_item(TableName="ErasuresTable", Item=row)
        record(42, key="since")
        key = make_key(42)
        since = rows_of(42)

        self.repeat()

        assert rows_of(42) == since
        assert AgentKeys("KeysTable").authenticate(key)

    def test_a_restored_key_goes_and_one_made_since_stays(self, clock: Clock) -> None:
        clock.now = instants.now()
        restored = make_key(42)
        row = {"user": {"S": app.erasures.hashed("42")}, "erasure": {"S": "2026"}, "begun_at": {"S": "2026"}}
        aws_client("dynamodb").put_item(
            TableName="ErasuresTable", Item=row | {"done_at": {"S": instants.text(instants.now())}}
        )
        while instants.text(instants.now()) <= instants.text(clock.now + 5):
            pass
        since = make_key(42)

        self.repeat()

        keys = AgentKeys("KeysTable")
        assert keys.authenticate(restored) is None
        assert keys.authenticate(since)
        assert len(keys.of_user(42)) == 1

    def test_of_whoever_is_being_erased_all_goes(self) -> None:
        invoke(user_id=42)
        record(42)
        self.repeat()
        assert rows_of(42) == {}

    @pytest.mark.parametrize("created_at", [{"N": "1775044800"}, {"S": "~ tomorrow"}], ids=["number", "text"])
    def test_a_session_goes_whatever_the_platform_wrote_into_it(self, clock: Clock, created_at: Any) -> None:
        erase(clock)
        sign_in(42, "a token")
        [row] = rows_of(42)["SessionsTable"]
        aws_client("dynamodb").put_item(TableName="SessionsTable", Item=row | {"created_at": created_at})
        assert self.repeat()["sessions"] == 1
        assert rows_of(42) == {}

    def test_it_goes_on_where_a_portion_ended(self, clock: Clock, lives: dict[str, Any]) -> None:
        clock.now = instants.now()
        erase(clock)
        gone = rows_of(None)
        restore({name: table for name, table in lives.items() if name != "ErasuresTable"})
        with pytest.MonkeyPatch.context() as patch:
            ticks = iter(range(0, 10**9, 2))
            patch.setattr("outcomes.privacy.data_sources.time.monotonic", lambda: next(ticks))
            assert self.repeat()["outcomes"] == 4
        assert rows_of(None) == gone


def told() -> list[Any]:
    """Read what the streams of outcomes and keys tell of."""
    return [event_of(each, {}) for table in ("OutcomesTable", "KeysTable") for each in records_of_stream(table)]


def test_no_event_tells_of_it(clock: Clock) -> None:
    turn_on("OutcomesTable", "KeysTable")
    erase(clock)
    assert len(told()) > 9
    assert set(told()) == {None}


def test_no_event_tells_of_keys_that_a_restore_brought_back() -> None:
    row = {"user": {"S": app.erasures.hashed("42")}, "erasure": {"S": "2026"}, "begun_at": {"S": "2026"}}
    done = row | {"done_at": {"S": instants.text(instants.now())}}
    aws_client("dynamodb").put_item(TableName="ErasuresTable", Item=done)
    while instants.text(instants.now()) <= done["done_at"]["S"]:
        pass
    make_key(42, "Since")
    turn_on("OutcomesTable", "KeysTable")
    invoke(again=True)
    assert [key.name for key in AgentKeys("KeysTable").of_user(42)] == ["Since"]
    assert set(told()) == {None}


def test_no_event_tells_of_a_single_key_that_a_restore_brought_back() -> None:
    make_key(44, "Restored")
    row = {"user": {"S": app.erasures.hashed("44")}, "erasure": {"S": "2026"}, "begun_at": {"S": "2026"}}
    done = row | {"done_at": {"S": instants.text(instants.now())}}
    aws_client("dynamodb").put_item(TableName="ErasuresTable", Item=done)
    while instants.text(instants.now()) <= done["done_at"]["S"]:
        pass
    make_key(44, "Since")
    turn_on("OutcomesTable", "KeysTable")
    invoke(again=True)
    assert [key.name for key in AgentKeys("KeysTable").of_user(44)] == ["Since"]
    assert set(told()) == {None}


def test_a_look_keeps_nothing_of_whoever_is_erased(clock: Clock) -> None:
    erase(clock)
    event = proxy_event("GET", "/api/outcomes/summary", authorizer=session(42))
    assert json.loads(summarize_outcomes.handler(event, None)["body"])["count"] == 0
    assert rows_of(42) == {}


def test_sessions_end_at_once() -> None:
    sign_in(42, "another token")
    invoke(user_id=42)
    assert "SessionsTable" not in rows_of(42)
