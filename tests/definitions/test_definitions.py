"""Put, delete and list definitions, through the function."""

from collections.abc import Callable
from typing import Any

import pytest
from outcomes.ledger.imports import Imports

from functions.definitions import app
from tests.aws import scan
from tests.definitions.service import BERLIN, CLAIMED, body, call, delete, listed, months, put
from tests.events import KEY, agent, session
from tests.faults import DENIED, THROTTLED, Fault, cancelled, error, faulty, fine, lost, vanished
from tests.people import rows_of
from tests.statements.conftest import Clock
from tests.statements.service import before_call, imports

NEVER = {"*": {"when": "never"}}
POSTS = {"content_published": {"when": "confirmed", "eachUsd": 75, "basis": "estimated", "note": "90 minutes at $50"}}


@pytest.fixture(autouse=True)
def november(clock: Clock) -> Clock:
    clock.at("2026-11-20T12:00:00Z")
    return clock


def state_until(cut: str) -> None:
    """Store that the user's last statement ends at this instant."""
    imports(Imports(cut=cut))


def test_definitions_are_listed_newest_first_as_they_were_put() -> None:
    assert call("PUT", "2026-12", body=body(POSTS | NEVER))[:2] == (200, {"ok": True, "version": 1})
    status, answer, headers = call("PUT", "2027-03", body=body(dispute_days=0) | {"color": 1})
    assert (status, answer, headers["ETag"], headers["Ignored-Fields"]) == (
        200,
        {"ok": True, "version": 1},
        '"1"',
        "color",
    )

    spring, winter = listed()

    assert winter == {
        "from": "2026-12",
        "version": 1,
        "timezone": BERLIN,
        "dispute_days": 14,
        "types": [
            {
                "outcome_type": "content_published",
                "when": "confirmed",
                "each_usd": 75,
                "basis": "estimated",
                "note": "90 minutes at $50",
            },
            {"outcome_type": "*", "when": "never", "each_usd": None, "basis": "stated", "note": None},
        ],
        "put_at": winter["put_at"],
    }
    assert (spring["from"], spring["dispute_days"]) == ("2027-03", 0)
    assert listed(caller=session(43)) == []


def test_who_may_read_reads_and_only_a_session_writes() -> None:
    put("2026-12")
    for caller, query in [(agent("read"), None), (KEY | {"reads": "42"}, {"userId": "42"})]:
        assert [each["from"] for each in listed(caller=caller, query=query)] == ["2026-12"]
        for method, sent in (("PUT", body(NEVER)), ("DELETE", None)):
            assert call(method, "2026-12", caller, body=sent)[:2] == (403, {"error": "Forbidden"})
    assert listed(caller=KEY | {"reads": "none"}, query={"userId": "none"}) == []
    assert call("GET", caller=agent("record"))[0] == 403
    assert months() == {"2026-12": 1}


def test_each_change_is_a_new_version_whose_row_stays() -> None:
    assert [put("2026-12"), put("2026-12", NEVER), delete("2026-12"), put("2026-12")] == [
        (200, n) for n in (1, 2, 3, 4)
    ]
    assert months() == {"2026-12": 4}
    history = [row for row in rows_of(42)["StatementsTable"] if "#" in row["id"]["S"]]
    assert [(row["id"]["S"], "types" in row) for row in history] == [
        (f"definition#2026-12#00000000{number}", number != 3) for number in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize(
    "types", [POSTS | CLAIMED, CLAIMED | {"content_published": POSTS["content_published"] | {"eachUsd": 75.0}}]
)
def test_the_same_definition_changes_nothing_also_in_a_month_that_has_begun(types: Any, november: Clock) -> None:
    put("2026-12", POSTS | CLAIMED)
    before = scan("StatementsTable")
    november.at("2027-02-01T00:00:00Z")

    assert put("2026-12", types) == put("2026-12", types, match='"1"') == (200, 1)
    assert scan("StatementsTable") == before


@pytest.mark.parametrize("note", [None, "another"])
def test_another_note_is_another_version(note: str | None) -> None:
    put("2026-12", POSTS | CLAIMED)
    assert put("2026-12", CLAIMED | {"content_published": POSTS["content_published"] | {"note": note}}) == (200, 2)


@pytest.mark.parametrize(
    ("month", "now", "status"),
    [
        ("2026-11", "2026-11-20T12:00:00Z", (409, "month")),
        ("2027-03", "2026-11-20T12:00:00Z", (200, 2)),
        ("2027-03", "2027-02-28T22:59:59.990Z", (200, 2)),
        ("2027-03", "2027-02-28T23:00:00Z", (409, "month")),
        ("2027-04", "2027-03-01T00:00:00Z", (404, "Not found")),
        ("2026-10", "2027-03-01T00:00:00Z", (409, "month")),
    ],
)
def test_a_month_is_written_until_it_begins(month: str, now: str, status: tuple[int, Any], november: Clock) -> None:
    put("2026-12")
    put("2027-03")
    november.at(now)

    assert delete(month) == status
    november.at(now)
    assert put(month, NEVER) == ((200, 1 if month == "2027-04" else 3) if status[0] != 409 else status)


def test_the_first_definition_begins_with_any_month_without_statements() -> None:
    assert put("1970-01") == (200, 1)


@pytest.mark.parametrize(
    ("cut", "zone", "month", "status"),
    [
        ("2026-08-31T22:00:00.000Z", BERLIN, "2026-09", (200, 1)),
        ("2026-08-31T22:00:00.000Z", BERLIN, "2026-08", (409, "month")),
        # The statement of August is in another time zone, where September begins later or earlier.
        ("2026-09-01T11:00:00.000Z", "Pacific/Kiritimati", "2026-09", (200, 1)),
        ("2026-09-01T11:00:00.000Z", "Pacific/Kiritimati", "2026-08", (409, "month")),
        ("2026-08-31T10:00:00.000Z", "Etc/GMT+12", "2026-09", (200, 1)),
        ("2026-08-31T10:00:00.000Z", "Etc/GMT+12", "2026-08", (409, "month")),
    ],
)
def test_the_first_definition_begins_after_the_last_statement(cut: str, zone: str, month: str, status: Any) -> None:
    state_until(cut)
    assert put(month, timezone=zone) == status


@pytest.mark.parametrize(
    ("now", "cut", "other", "possible"),
    [
        ("2026-11-21T22:59:59Z", "", False, True),
        ("2026-11-21T23:00:00Z", "", False, False),  # midnight in Berlin
        ("2026-11-21T12:00:00Z", "2026-09-30T22:00:00.000Z", False, True),
        ("2026-11-21T12:00:00Z", "2026-10-31T23:00:00.000Z", False, False),  # October has a statement
        ("2026-11-21T12:00:00Z", "", True, False),
    ],
)
def test_the_only_definition_is_put_again_or_deleted_until_the_next_day_ends(
    now: str, cut: str, other: bool, possible: bool, november: Clock
) -> None:
    put("2026-10")
    november.at("2026-11-21T10:00:00Z")
    put("2026-10", POSTS | CLAIMED)  # does not prolong the time
    if cut:
        state_until(cut)
    if other:
        put("2026-12")
    november.at(now)

    assert put("2026-10", NEVER) == ((200, 3) if possible else (409, "month"))
    assert delete("2026-10") == ((200, 4) if possible else (409, "month"))
    assert put("2026-10") == ((200, 5) if possible else (409, "month"))


def test_a_first_definition_that_was_deleted_prolongs_no_time(november: Clock) -> None:
    put("2026-10")
    november.at("2026-11-21T22:00:00Z")
    delete("2026-10")
    assert put("2026-09", NEVER, timezone="Europe/Vienna") == (200, 1)
    november.at("2026-11-21T23:00:00Z")
    assert [put("2026-09"), delete("2026-09")] == [(409, "timezone"), (409, "month")]
    assert put("2026-09", timezone="Europe/Vienna") == (409, "month")


def test_no_first_definition_reaches_back_after_the_time_of_one_that_was_deleted(november: Clock) -> None:
    put("2026-10")
    delete("2026-10")
    november.at("2026-11-21T23:00:00Z")
    assert [put("2026-10"), put("2026-12"), delete("2026-12")] == [(409, "month"), (200, 1), (200, 2)]
    assert put("2026-11") == (409, "month")


def test_all_definitions_have_one_time_zone() -> None:
    put("2026-12")
    assert put("2027-03", timezone="Europe/Vienna") == (409, "timezone")
    assert call("PUT", "2026-12", body=body(timezone="Europe/Vienna"))[1] == {
        "error": "Not possible",
        "details": [{"field": "timezone", "message": "must be Europe/Berlin, as in all other definitions"}],
    }
    delete("2026-12")
    assert put("2027-03", timezone="Europe/Vienna") == (200, 1)


@pytest.mark.parametrize(
    ("method", "month", "sent", "header", "status"),
    [
        ("PUT", "2026-12", body(NEVER), {"If-Match": '"1"'}, 200),
        ("PUT", "2026-12", body(NEVER), {"If-Match": '"2"'}, 412),
        ("PUT", "2026-12", body(), {"If-Match": '"2"'}, 412),  # even the same definition
        ("PUT", "2026-12", {}, {"If-Match": '"2"'}, 412),  # even an invalid one
        ("PUT", "2026-11", body(), {"If-Match": '"1"'}, 412),  # even a month that has begun
        ("PUT", "2026-12", body(), {"If-None-Match": "*"}, 412),
        ("PUT", "2027-01", body(), {"If-None-Match": "*"}, 200),
        ("PUT", "2027-01", body(), {"If-None-Match": "x"}, 400),
        ("DELETE", "2026-12", None, {"If-Match": '"1"'}, 200),
        ("DELETE", "2026-12", None, {"If-Match": '"2"'}, 412),
        ("DELETE", "2027-01", None, {"If-Match": '"1"'}, 412),
    ],
)
def test_preconditions_are_judged_first(
    method: str, month: str, sent: Any, header: dict[str, str], status: int
) -> None:
    put("2026-12")
    assert call(method, month, body=sent, headers=header)[0] == status


@pytest.mark.parametrize(("month", "sent", "error"), [("2026-13", body(), "month"), ("2026-12", body(1), "types")])
def test_an_invalid_request_is_a_400(month: str, sent: Any, error: str) -> None:
    status, answer, _ = call("PUT", month, body=sent)
    assert (status, answer["error"], answer["details"][0]["field"]) == (400, f"Invalid {error}", error)


def test_a_user_has_at_most_a_hundred_definitions() -> None:
    every = [f"{2027 + number // 12}-{number % 12 + 1:02d}" for number in range(101)]
    assert {put(month) for month in every[:100]} == {(200, 1)}
    assert put(every[100]) == (409, "month")
    assert put(every[99], NEVER) == (200, 2)


def test_the_definitions_of_a_user_have_at_most_100_kb_without_notes() -> None:
    large = {f"type_{number:034}": {"when": "unless_disputed", "note": "x" * 200} for number in range(40)}
    statuses = [put(f"{2027 + number // 12}-{number % 12 + 1:02d}", CLAIMED | large) for number in range(32)]
    assert set(statuses) == {(200, 1), (409, "types")}
    assert statuses == sorted(statuses)
    head = next(row for row in rows_of(42)["StatementsTable"] if row["id"]["S"] == "definitions")
    assert 95_000 < len(head["definitions"]["S"]) <= 100_000
    assert len(listed()) == statuses.count((200, 1))


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        (lambda: put("2027-01"), (200, 2)),
        (lambda: put("2026-12", NEVER), (200, 3)),
        (lambda: delete("2026-12"), (200, 3)),
        (lambda: state_until("2026-10-31T23:00:00.000Z"), (200, 2)),
        (lambda: imports(Imports(epoch=1, runs={"an import": 1}, changes=1)), (200, 2)),
    ],
)
@pytest.mark.parametrize("at", ["GetItem", "TransactWriteItems"])
@pytest.mark.usefixtures("no_waiting")
def test_a_write_that_another_write_meets_is_judged_again(
    meanwhile: Callable[[], Any], status: tuple[int, int], at: str
) -> None:
    put("2026-12")
    done: list[Any] = []

    def once() -> None:
        if not done:
            done.append(True)
            done.append(meanwhile())

    with before_call(1, once, at):
        assert put("2026-12", POSTS | CLAIMED) == status
    assert months()["2026-12"] == status[1]


@pytest.mark.usefixtures("no_waiting")
def test_a_first_definition_and_a_statement_of_its_month_exclude_each_other() -> None:
    with before_call(1, lambda: state_until("2026-10-31T23:00:00.000Z"), "TransactWriteItems"):
        assert put("2026-10") == (409, "month")
    assert listed() == []


CANCELLED = cancelled("TransactionConflict", "None", "None")
FAILED = (500, "Failed to put or list definitions")


@pytest.mark.parametrize(
    ("faults", "expected", "version"),
    [
        ([CANCELLED, fine], (200, 2), 2),
        ([CANCELLED], (409, "Conflict"), 1),
        ([cancelled("None", "ThrottlingError", "None")], (503, "Busy"), 1),
        ([error(THROTTLED)] * 2, (503, "Busy"), 1),
        ([error(DENIED)], FAILED, 1),
        ([cancelled("ValidationError", "None", "None")], FAILED, 1),
        ([vanished, fine], (200, 2), 2),
        ([lost, fine], (200, 2), 2),
        # Whether the first try took effect is unknown. Who puts the same again learns it.
        ([lost, CANCELLED], FAILED, 2),
        ([vanished, CANCELLED], FAILED, 1),
    ],
)
@pytest.mark.usefixtures("no_waiting")
def test_a_put_takes_effect_once_or_says_that_it_is_unknown(faults: list[Fault], expected: Any, version: int) -> None:
    put("2026-12")
    with faulty(app.store.dynamodb, "TransactWriteItems", *faults):
        assert put("2026-12", NEVER) == expected
    assert months() == {"2026-12": version}
    assert put("2026-12", NEVER) == (200, 2)


@pytest.mark.usefixtures("waiting_too_long")
def test_a_put_without_time_to_retry_is_a_conflict() -> None:
    with faulty(app.store.dynamodb, "TransactWriteItems", CANCELLED):
        assert put("2026-12") == (409, "Conflict")
