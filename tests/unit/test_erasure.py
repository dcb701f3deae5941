"""Test that an erasure is complete despite concurrent writes and despite interruptions at any point."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from outcomes.aws.connection import Reply
from outcomes.calendar import instants
from outcomes.costs.cost_rows import AGENTS, ALL_SOURCES, FOLDED, MONTH, row_key
from outcomes.errors import Busy
from outcomes.events.stream import event_of
from outcomes.keys.agent_keys import AgentKeys
from outcomes.privacy import data_sources, erasure
from outcomes.statements.statement_rows import ListedStatement, Statement, StatementsTable

from functions.erase_user import app
from functions.summarize_outcomes import app as summarize_outcomes
from local.moto_backend import ABOUT_ITEMS
from tests.aws import aws_client
from tests.corrections import assign
from tests.events import proxy_event, session
from tests.faults import Killed, faulty, fine, lost
from tests.people import (
    cost_day,
    define,
    keep_sums,
    make_key,
    moto_tables,
    put_costs,
    record,
    record_many,
    restore,
    revoke_key,
    rows_of,
    sign_in,
    snapshot,
    watch,
)
from tests.streams import records as records_of_stream
from tests.streams import turn_on
from tests.watches.service import VALUE
from tests.watches.service import put as put_watch

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
NOON_TEXT = instants.text(NOON)
SETTLE = 900
ERASED = {
    **{"agent_keys": 3, "sessions": 1, "outcomes": 5},
    **{
        "corrections": 2,
        "kept_sums": 6,
        "idempotency_keys": 4,
        "originals": 1,
        "statements": 1,
        "costs": 8,
        "definitions": 2,
        "watches": 2,
    },
}
"""Numbers of rows that `lives` makes for user 42."""
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}

pytestmark = pytest.mark.usefixtures("person", "secret", "no_waiting")


class Clock:
    """DynamoDB's clock, set by the test: milliseconds since 1970."""

    now = NOON


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(erasure, "_instant", lambda _date: instants.text(clock.now))
    return clock


@pytest.fixture
def secret(tables: dict[str, str]) -> None:
    assert tables
    aws_client("secretsmanager").create_secret(Name="ErasureSecret", SecretString="a secret of the stack")
    app.erasures._secret = b""


def invoke(**event: Any) -> dict[str, Any]:
    """Invoke the function with JSON in and out, as Lambda does."""
    answer: dict[str, Any] = json.loads(json.dumps(app.handler(json.loads(json.dumps(event)), None)))
    assert "error" not in answer, answer
    return answer


def erase(
    clock: Clock, user_id: int = 42, portions: int = 50, after_portion: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Invoke the function until the erasure is done.

    In between, advance the clock by the time that the function asks for.
    """
    for _ in range(portions):
        answer = invoke(user_id=user_id)
        if answer["done"]:
            return answer
        clock.now += answer["wait"] * 1000
        after_portion()
    raise AssertionError(answer)


def records() -> list[Any]:
    return rows_of(None).get("ErasuresTable", [])


def assert_erased(course: Any) -> None:
    """Check that no row of user 42 is left, and that no erasure is still running."""
    assert rows_of(42) == {}, course
    left = rows_of(None)
    assert not re.search("Call(ed)? 42", repr(left)), course
    assert "running" not in [row["erasure"]["S"] for row in left["ErasuresTable"]], course


def record_done(user_id: int) -> str:
    """Store a finished erasure of a user. Wait until the next millisecond, and return the time when it ended."""
    done_at = instants.text(instants.now())
    row = {"user": {"S": app.erasures.hashed(str(user_id))}, "erasure": {"S": "2026"}, "begun_at": {"S": "2026"}}
    aws_client("dynamodb").put_item(TableName="ErasuresTable", Item=row | {"done_at": {"S": done_at}})
    while instants.text(instants.now()) <= done_at:
        pass
    return done_at


def id_of(row: Any) -> str:
    id_: str = row.get("created_at", {"S": ""})["S"].rpartition("#")[2]
    return id_


def without_records() -> dict[str, list[Any]]:
    return {table: rows for table, rows in rows_of(None).items() if table != "ErasuresTable"}


def watching(monkeypatch: pytest.MonkeyPatch, before: Callable[[int, str, Any], None]) -> None:
    """Call `before` with number, operation and body of each DynamoDB call of an erasure, before the call is made."""
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
    def test_deletes_every_row_of_the_user_and_no_other(self, clock: Clock) -> None:
        # If there is a new table, write a user's rows to it in tests/people.py, or add an exception here.
        assert rows_of(42).keys() == moto_tables().keys() - {"ErasuresTable"}
        before = rows_of(None)
        [original] = [row for row in before["OutcomesTable"] if row.get("assigned_to") == {"N": "42"}]
        made = {each["S"] for each in original["corrections"]["L"]}
        theirs = {id_of(row): row for row in before["OutcomesTable"] if row == original or id_of(row) in made}
        others = {
            table: [row for row in rows if row not in rows_of(42)[table] and id_of(row) not in theirs]
            for table, rows in before.items()
        }

        answer = erase(clock)

        assert rows_of(42) == {}
        assert {
            table: [row for row in rows if id_of(row) not in theirs] for table, rows in without_records().items()
        } == others
        assert answer["erased"] == ERASED
        # The void original and its corrections stay, because stored sums of outcomes without a user may contain them.
        # They lose the user's id and all text.
        personal = {"assigned_to", "assigned_id", "reason", "changes"}
        assert {id_of(row): row for row in rows_of(None)["OutcomesTable"] if id_of(row) in theirs} == {
            id_: {name: value for name, value in row.items() if name not in personal} for id_, row in theirs.items()
        }
        assert "Called" not in repr(theirs[id_of(original)])

    def test_is_recorded_first_then_revokes_agent_keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        key = make_key(42)
        written: list[str] = []

        def note(_number: int, operation: str, body: Any) -> None:
            if operation in WRITES:
                written.append(body["TableName"] if "TableName" in body else next(iter(body["RequestItems"])))
                assert len(written) == 1 or records()

        watching(monkeypatch, note)
        answer = invoke(user_id=42)

        names = ("Erasures", "Keys", "Sessions", "Statements", "Totals", "Costs", "Watches", "Outcomes")
        tables = [f"{name}Table" for name in names]
        assert list(dict.fromkeys(written)) == tables
        assert (answer["done"], answer["wait"], answer["step"]) == (False, SETTLE, "wait")
        assert AgentKeys("KeysTable").authenticate(key) is None

    def test_deletes_the_key_that_every_new_statement_needs_before_any_other_row_of_statements(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # If the statements were deleted before the user's key, a request could sign a second statement of a period.
        table = StatementsTable("StatementsTable")
        for number in range(30):
            listed = ListedStatement(f"20{number + 10}", "UTC", NOON_TEXT, NOON_TEXT, 0, "", "")
            for action in table.put_statement(42, Statement("{}", b"", b"", NOON_TEXT, NOON_TEXT), listed, NOON_TEXT):
                aws_client("dynamodb").put_item(**action["Put"])
        deleted: list[Any] = []

        def note(_number: int, operation: str, body: Any) -> None:
            if operation == "BatchWriteItem" and "StatementsTable" in body["RequestItems"]:
                deleted.append(
                    [each["DeleteRequest"]["Key"]["id"]["S"] for each in body["RequestItems"]["StatementsTable"]]
                )

        watching(monkeypatch, note)
        invoke(user_id=42)

        assert deleted[0] == ["user"]
        assert len([id_ for batch in deleted for id_ in batch]) > 60

    def test_waits_until_late_writes_have_landed(self, clock: Clock) -> None:
        assert invoke(user_id=42)["wait"] == SETTLE
        clock.now += 100_000
        assert invoke(user_id=42)["wait"] == SETTLE - 100
        record(42, key="late")
        assert invoke(user_id=42)["wait"] == SETTLE
        clock.now += SETTLE * 1000
        assert invoke(user_id=42)["done"]
        assert rows_of(42) == {}

    def test_of_an_unknown_user_is_recorded_too(self, clock: Clock) -> None:
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
    def test_does_not_name_the_user(self, clock: Clock) -> None:
        begun = clock.now
        erase(clock)
        [row] = records()
        assert row == {
            "user": row["user"],
            "erasure": {"S": instants.text(begun)},
            "begun_at": {"S": instants.text(begun)},
            "done_at": {"S": instants.text(clock.now)},
            **{kind: {"N": str(number)} for kind, number in ERASED.items()},
        }
        assert row["user"]["S"] not in {"42", sha256(b"42").hexdigest()}

    def test_cannot_be_matched_without_the_secret(self, clock: Clock) -> None:
        erase(clock)
        aws_client("secretsmanager").put_secret_value(SecretId="ErasureSecret", SecretString="another")
        app.erasures._secret = b""
        assert app.erasures.hashed("42") != records()[0]["user"]["S"]


def erasures_disturbed(
    disturb: Callable[[], None], clock: Clock, lives: dict[str, Any], monkeypatch: pytest.MonkeyPatch, among: set[str]
) -> Iterator[tuple[int, int]]:
    """Erase user 42 repeatedly. Call `disturb` before call 1 of the first erasure, call 2 of the second, and so on.

    Only DynamoDB calls of the operations in `among` are counted. Yield the number of the disturbed call, and the number
    of all calls. To save time, an erasure starts with the tables as the last portion before the disturbed call left
    them: until then, all erasures are equal.
    """
    calls, disturbed, start = 0, 0, (0, clock.now, lives)

    def count(_number: int, operation: str, _body: Any) -> None:
        nonlocal calls
        if operation in among:
            calls += 1
            if calls == disturbed:
                disturb()

    def keep_start() -> None:
        nonlocal start
        if calls < disturbed:
            start = calls, clock.now, snapshot()

    watching(monkeypatch, count)
    while calls >= disturbed:
        disturbed += 1
        calls, clock.now, tables = start
        restore(tables)
        with suppress(Killed):
            erase(clock, after_portion=keep_start)
        yield disturbed, calls


def test_an_erasure_that_is_killed_before_any_write_is_finished_by_the_next(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, lives: dict[str, Any]
) -> None:
    """The erasure is killed before any one of its writes. Killing it after a write would leave the same rows."""

    def kill() -> None:
        raise Killed

    for write, _ in erasures_disturbed(kill, clock, lives, monkeypatch, among=WRITES):
        if not any("done_at" in row for row in records()):
            erase(clock)
        assert_erased(write)
    assert write > 15


def test_rows_written_between_any_two_calls_are_erased_too(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, lives: dict[str, Any]
) -> None:
    """Rows may only remain if they were written during the last three calls, which look for new rows once more."""

    def write() -> None:
        record(42)
        record(42, key="late")
        record_many(42, "late-1", "late-2")
        assert assign(record(None, title="Called 42"))[0] == 200
        make_key(42)
        keep_sums(42)

    for call, calls in erasures_disturbed(write, clock, lives, monkeypatch, among=ABOUT_ITEMS):
        if calls - call < 3:
            break
        assert_erased((call, calls))
    assert call > 20


@pytest.mark.parametrize("operation", ["Query", "BatchWriteItem"])
def test_watches_that_are_put_while_watches_are_deleted_are_deleted_too(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    watch(42)
    ids = iter(("second", "third"))

    def put(_number: int, called: str, body: Any) -> None:
        if called == operation and "WatchesTable" in str(body) and (id_ := next(ids, None)):
            assert put_watch(id_, VALUE)[0] == 200

    with monkeypatch.context() as patch:
        watching(patch, put)
        assert erase(clock)["erased"]["watches"] == 4
    assert "WatchesTable" not in rows_of(42)


def test_two_erasures_at_once_leave_nothing(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, lives: dict[str, Any]
) -> None:
    """Before any one call of the first erasure, an outcome is recorded and the second erasure runs."""
    other = erasure.Erasures(
        "ErasuresTable",
        data_sources.Tables(
            "KeysTable",
            "SessionsTable",
            "OutcomesTable",
            "TotalsTable",
            "IdempotencyTable",
            "StatementsTable",
            "CostsTable",
            "WatchesTable",
        ),
        "ErasureSecret",
        SETTLE,
        data_sources.Bounds(4000, 4000),
    )

    def interfere() -> None:
        record(42, key="late")
        other.erase(42)

    for call, _ in erasures_disturbed(interfere, clock, lives, monkeypatch, among=ABOUT_ITEMS):
        assert_erased(call)
    assert call > 20


@pytest.fixture
def sixty_more() -> dict[str, int]:
    """Record sixty more outcomes. Return how many rows of each kind an erasure must delete now."""
    for number in range(60):
        record(42, key=f"another-{number}")
    return ERASED | {"outcomes": 65, "idempotency_keys": 64}


@pytest.mark.parametrize("calls", [12, 14, 17])
def test_a_portion_out_of_time_counts_all_that_it_deleted(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, calls: int, sixty_more: dict[str, int]
) -> None:
    """A portion runs out of time after `calls` reads of the clock. Some portions have deleted rows by then."""
    monkeypatch.setattr(data_sources, "PORTION_SECONDS", calls)
    ticks = iter(range(10**9))
    monkeypatch.setattr("outcomes.privacy.data_sources.time.monotonic", lambda: next(ticks))
    assert erase(clock, portions=200)["erased"] == sixty_more


def test_a_portion_that_met_a_busy_table_counts_all_that_it_deleted(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, sixty_more: dict[str, int]
) -> None:
    deletions = 0

    def busy(_number: int, operation: str, body: Any) -> None:
        nonlocal deletions
        if operation == "BatchWriteItem" and "OutcomesTable" in body["RequestItems"]:
            deletions += 1
            if deletions == 2:
                raise Busy

    with monkeypatch.context() as patch:
        watching(patch, busy)
        assert invoke(user_id=42)["wait"] == 1
    assert erase(clock)["erased"] == sixty_more


def test_nothing_is_counted_twice_when_an_answer_is_lost(clock: Clock, lives: dict[str, Any]) -> None:
    calls: list[Any] = []
    number = 0
    while number <= len(calls):
        restore(lives)
        with faulty(app.erasures.dynamodb, "UpdateItem", *[fine] * number, lost, fine) as calls:
            answer = erase(clock)
        assert (answer["erased"]["outcomes"], answer["erased"]["agent_keys"]) == (5, 3), number
        number += 1
    assert number > 5


@pytest.mark.parametrize(
    "event",
    [
        *(
            {},
            {"user_id": "42"},
            {"user_id": 0},
            {"user_id": True},
            {"user_id": 42.0},
            {"user_id": 2**53},
            {"user_id": None},
        ),
        *({"user_id": 42, "again": True}, {"user_id": 42, "cursor": "[0, null]"}, {"again": False}, {"again": 1}),
        *({"again": True, "cursor": cursor} for cursor in (7, "nonsense", "[9, null]", "[true, null]", "[" * 100_000)),
        *({"again": True, "cursor": f"[{at}]"} for at in ('0, "id"', '0, {"id": 5}', '2, {"id": {"S": "42"}}')),
    ],
    ids=lambda event: str(event)[:60],
)
def test_an_invalid_event_is_answered_with_an_error_and_deletes_nothing(event: dict[str, Any]) -> None:
    before = rows_of(None)
    assert app.handler(event, None).keys() == {"error"}
    assert rows_of(None) == before


class TestAfterARestore:
    def repeat(self) -> dict[str, int]:
        """Invoke the function to repeat all erasures until they are done. Return the numbers of deleted rows."""
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

    def test_restored_rows_are_erased_again(self, clock: Clock, lives: dict[str, Any]) -> None:
        clock.now = instants.now()  # the clock must not be before the creation of the rows
        erase(clock)
        gone = rows_of(None)
        restore({name: table for name, table in lives.items() if name != "ErasuresTable"})
        assert rows_of(42)

        deleted = self.repeat()

        assert rows_of(None) == gone
        assert deleted["outcomes"] == 5
        assert deleted["originals"] == 1
        assert deleted["idempotency_keys"] == 4
        assert deleted["agent_keys"] == 3

    def test_rows_written_after_the_erasure_stay(self, clock: Clock) -> None:
        clock.now = instants.now() - SETTLE * 1000
        erase(clock)
        clock.now = instants.now() // 1000 * 1000 - 60_000
        for row in records():
            row["done_at"] = {"S": instants.text(clock.now)}
            aws_client("dynamodb").put_item(TableName="ErasuresTable", Item=row)
        record(42, key="since")
        key = make_key(42)
        revoke_key(42)
        put_costs(42)
        define(42, "claimed")
        watch(42)
        # A repeated erasure also deletes the new rows of a month's changes and sums, and of all sources, because these
        # rows have no creation time. So they are not among the rows that must stay.
        month = cost_day(42, 100).month_key["day_source"]["S"].removeprefix(MONTH)
        for name in f"{AGENTS}{month}#01#000", f"{FOLDED}{month}#000", f"{MONTH}{month}", ALL_SOURCES:
            aws_client("dynamodb").delete_item(TableName="CostsTable", Key=row_key(42, name))
        since = rows_of(42)

        self.repeat()

        assert rows_of(42) == since
        assert AgentKeys("KeysTable").authenticate(key)

    def test_a_restored_key_goes_and_one_made_since_stays(self) -> None:
        restored = make_key(42)
        record_done(42)
        since = make_key(42)

        self.repeat()

        keys = AgentKeys("KeysTable")
        assert keys.authenticate(restored) is None
        assert keys.authenticate(since)
        assert len(keys.of_user(42)) == 1

    def test_all_rows_go_of_a_user_whose_erasure_is_running(self) -> None:
        invoke(user_id=42)
        record(42)
        self.repeat()
        assert rows_of(42) == {}

    @pytest.mark.parametrize("created_at", [{"N": "1775044800"}, {"S": "~ tomorrow"}], ids=["number", "text"])
    def test_a_session_goes_whatever_its_created_at_is(self, clock: Clock, created_at: Any) -> None:
        erase(clock)
        sign_in(42, "a token")
        [row] = rows_of(42)["SessionsTable"]
        aws_client("dynamodb").put_item(TableName="SessionsTable", Item=row | {"created_at": created_at})
        assert self.repeat()["sessions"] == 1
        assert rows_of(42) == {}

    def test_a_portion_out_of_time_goes_on_from_its_cursor(self, clock: Clock, lives: dict[str, Any]) -> None:
        clock.now = instants.now()
        erase(clock)
        gone = rows_of(None)
        restore({name: table for name, table in lives.items() if name != "ErasuresTable"})
        with pytest.MonkeyPatch.context() as patch:
            ticks = iter(range(0, 10**9, 2))
            patch.setattr("outcomes.privacy.data_sources.time.monotonic", lambda: next(ticks))
            assert self.repeat()["outcomes"] == 5
        assert rows_of(None) == gone


def told() -> list[Any]:
    """Convert all records of both streams to events. A record for which no event is published becomes None."""
    return [event_of(each, {}) for table in ("OutcomesTable", "KeysTable") for each in records_of_stream(table)]


def test_an_erasure_publishes_no_event(clock: Clock) -> None:
    turn_on("OutcomesTable", "KeysTable")
    erase(clock)
    assert len(told()) > 9
    assert set(told()) == {None}


@pytest.mark.parametrize("user_id", [42, 44], ids=["of many keys", "of a single key"])
def test_erasing_restored_keys_publishes_no_event(user_id: int) -> None:
    make_key(user_id, "Restored")
    record_done(user_id)
    make_key(user_id, "Since")
    turn_on("OutcomesTable", "KeysTable")
    invoke(again=True)
    assert [key.name for key in AgentKeys("KeysTable").of_user(user_id)] == ["Since"]
    assert set(told()) == {None}


def test_a_summary_after_an_erasure_stores_nothing(clock: Clock) -> None:
    erase(clock)
    event = proxy_event("GET", "/api/outcomes/summary", authorizer=session(42))
    assert json.loads(summarize_outcomes.handler(event, None)["body"])["count"] == 0
    assert rows_of(42) == {}
