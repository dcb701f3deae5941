"""Test the watches of a user: versions, who may put them, preconditions, limits, races and what a GET shows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from outcomes.aws.services import ConditionFailed
from outcomes.watches.clock import Run
from outcomes.watches.stored_watches import Head, is_watch, put_states

from functions.watches.app import figures, store, totals
from tests.aws import aws_client, scan
from tests.definitions import service as definitions
from tests.events import KEY, agent, session
from tests.faults import DENIED, THROTTLED, Fault, cancelled, error, faulty, fine, lost, vanished
from tests.people import record, rows_of
from tests.statements.conftest import Clock
from tests.statements.service import before_call
from tests.watches.service import (
    BERLIN,
    COST,
    COUNTED,
    DIGEST,
    EVERY,
    SILENCE,
    UNREVIEWED,
    VALUE,
    call,
    delete,
    listed,
    put,
    versions,
)

OF_42 = {"userId": "42"}
BOTH = pytest.mark.parametrize(
    ("id_", "sent", "other"), [("deals", VALUE, VALUE | {"target": 1}), ("digest", DIGEST, DIGEST | {"hour": 9})]
)
STATES = [{"period": "2026-11", "thresholds": {"100": {"state": "over", "n": 1}}}]


@pytest.fixture(autouse=True)
def november(clock: Clock) -> Clock:
    clock.at("2026-11-20T12:00:00Z")
    return clock


def rows() -> dict[str, Any]:
    """Return the rows of watches of user 42 by their ids."""
    return {row["id"]["S"]: row for row in rows_of(42).get("WatchesTable", [])}


def tell(id_: str = "deals") -> None:
    """Write states as the clock does."""
    store.dynamodb.call("UpdateItem", put_states("WatchesTable", Head.of(rows()[id_]), []))


@contextmanager
def once_before(operation: str, event: Callable[[], Any]) -> Iterator[list[Any]]:
    """Run `event` once before a call of DynamoDB. Yield its result, as a list."""
    results: list[Any] = []
    with before_call(1, lambda: results.append(event()), operation):
        yield results


def test_a_watch_is_shown_as_it_was_put() -> None:
    put("deals", VALUE | {"target": 90.50, "at": [90, 50], "outcomeType": "deal_closed", "agentId": 7})
    assert call("GET", "deals")[1] == {
        "id": "deals",
        "name": "Deals",
        "measure": "value",
        "outcome_type": "deal_closed",
        "agent_id": 7,
        "every": "month",
        "timezone": BERLIN,
        "target": 90.5,
        "at": [50, 90],
        "version": 1,
        "put_by": "session",
        "put_at": "2026-11-20T12:00:00.001Z",
        "period": {"name": "2026-11", "from": "2026-10-31T23:00:00.000Z", "to": "2026-11-30T23:00:00.000Z"},
        "figure": 0,
        "counted": None,
        "waiting": None,
        "estimated_usd": None,
        "status": None,
        "told": [],
    }


def test_a_list_has_the_present_figures_and_the_digest() -> None:
    definitions.put("2026-11", {"*": {"when": "unless_disputed"}})
    record(valueUsd=43_100, agentId=7)
    for number, sent in enumerate(EVERY):
        assert put(f"watch-{number}", sent) == (200, 1)
    assert put("digest", DIGEST) == (200, 1)

    found = listed()

    shown = [(each["measure"], each["figure"], each["status"], bool(each["period"])) for each in found["watches"]]
    assert shown == [
        ("value", 43_100, None, True),
        ("counted", 43_100, None, True),
        ("cost", 0, None, True),
        ("unreviewed", 1, None, False),
        ("silence", 0, None, False),
    ]
    assert {name: found["digest"][name] for name in DIGEST} == DIGEST
    assert found["watches"] == [call("GET", f"watch-{number}")[1] for number in range(5)]
    assert listed(by=session(43)) == {"watches": [], "digest": None}


def test_a_list_is_in_the_order_in_which_watches_were_made(clock: Clock) -> None:
    for number, id_ in enumerate(("middle", "last", "first")):
        put(id_, VALUE)
        clock.at(f"2026-11-20T13:00:0{number}Z")
    put("middle", VALUE | {"target": 1})
    delete("last")
    put("last", VALUE)
    assert [each["id"] for each in listed()["watches"]] == ["middle", "first", "last"]


def test_a_get_shows_the_last_telling_of_each_line() -> None:
    put("deals", VALUE)
    told = {"type": "watch.reached", "at": "2026-11-20T12:15:00.000Z", "figure": 50_000.5, "already": False}
    states = '[{"period":"2026-11","thresholds":{"50":{"state":"under","n":0},"100":{"state":"over","n":1,"told":%s}}}]'
    row = rows()["deals"] | {"states": {"S": states % str(told).replace("'", '"').replace("False", "false")}}
    aws_client("dynamodb").put_item(TableName="WatchesTable", Item=row)
    assert call("GET", "deals")[1]["told"] == [{"period": "2026-11", "percent": 100, **told}]


@BOTH
def test_each_change_is_a_new_version_even_after_a_deletion(id_: str, sent: Any, other: Any) -> None:
    assert [put(id_, sent), put(id_, sent), put(id_, other), delete(id_)] == [(200, each) for each in (1, 1, 2, 2)]
    assert delete(id_) == (404, "Not found")
    assert [put(id_, sent), delete(id_), put(id_, sent)] == [(200, each) for each in (3, 3, 4)]


@BOTH
def test_a_late_repetition_does_not_meet_what_was_made_again(id_: str, sent: Any, other: Any) -> None:
    put("longer", VALUE)
    put("longer", COST)
    for made in (id_, "longer"):
        put(made, sent if made == id_ else VALUE)
        delete(made)
    assert put(id_, sent)[0] == 200
    for repeated in (put(id_, other, headers={"If-Match": '"1"'}), delete(id_, match='"1"')):
        assert repeated == (412, "Precondition failed")


@pytest.mark.usefixtures("no_waiting")
@BOTH
@pytest.mark.parametrize("at", ["BatchGetItem", "TransactWriteItems"])
def test_a_first_put_does_not_repeat_a_version_of_what_came_and_went(id_: str, sent: Any, other: Any, at: str) -> None:
    with once_before(at, lambda: (put(id_, other), delete(id_))):
        assert put(id_, sent) == (200, 2)


@pytest.mark.usefixtures("no_waiting")
def test_of_two_deletions_at_once_the_higher_version_counts() -> None:
    put("one", VALUE)
    put("two", VALUE)
    put("two", COST)
    with once_before("TransactWriteItems", lambda: delete("two")):
        assert delete("one") == (200, 1)
    assert put("two", VALUE) == (200, 3)


@pytest.mark.parametrize(
    ("change", "is_told_anew"),
    [
        ({"name": "Others"}, False),
        ({"measure": "cost"}, True),
        ({"outcomeType": "deal_closed"}, True),
        ({"agentId": 7}, True),
        ({"every": "week"}, True),
        ({"timezone": "UTC"}, True),
        ({"target": 50_000.01}, True),
        ({"at": [100, 50]}, True),
    ],
)
def test_all_but_another_name_begins_to_tell_anew(change: Any, is_told_anew: bool) -> None:
    put("deals", VALUE)
    tell()
    before = rows()["deals"]

    assert put("deals", VALUE | change) == (200, 2)

    after = rows()["deals"]
    assert ("states" not in after, after["made"] != before["made"]) == (is_told_anew, is_told_anew)
    assert after["changes"] == before["changes"] == {"N": "1"}


def test_a_watch_that_is_made_again_tells_anew() -> None:
    put("deals", VALUE)
    before = rows()["deals"]["made"]
    delete("deals")
    put("deals", VALUE)
    assert rows()["deals"]["made"] != before


def test_the_platform_puts_and_reads_only_its_own() -> None:
    put("hers", VALUE)
    put("digest", DIGEST)
    assert put("ours", VALUE | {"userId": 42}, by=KEY) == (200, 1)

    assert versions(by=KEY, query=OF_42) == {"ours": 1}
    assert listed(by=KEY, query=OF_42)["digest"] is None
    assert call("GET", "ours", by=KEY, query=OF_42)[0] == 200
    assert call("GET", "hers", by=KEY, query=OF_42)[0] == 404
    for id_, sent in (("hers", VALUE), ("digest", DIGEST)):
        assert put(id_, sent | {"userId": 42}, by=KEY) == delete(id_, by=KEY, query=OF_42) == (403, "id")
    assert delete("ours", by=KEY, query=OF_42) == (200, 1)
    assert versions() == {"hers": 1}


def test_the_platform_reads_no_figures_of_outcomes_that_it_may_not_read() -> None:
    put("ours", VALUE | {"userId": 42, "target": 1}, by=KEY)
    record(valueUsd=100)
    Run("WatchesTable", figures).go(float("inf"))
    for watch in call("GET", "ours", by=KEY, query=OF_42)[1], *listed(by=KEY, query=OF_42)["watches"]:
        assert (watch["figure"], watch["status"], watch["told"]) == (None, "Forbidden", [])
    [watch] = listed()["watches"]
    assert (watch["figure"], len(watch["told"])) == (100, 1)


def test_a_platform_that_may_read_reads_all(monkeypatch: pytest.MonkeyPatch) -> None:
    put("hers", VALUE)
    monkeypatch.setattr("outcomes.contract.caller.Caller.may_read", True)
    assert versions(by=KEY, query=OF_42) == {"hers": 1}


def test_a_session_takes_over_what_the_platform_put_even_with_the_same_body() -> None:
    put("ours", VALUE | {"userId": 42}, by=KEY)
    made = rows()["ours"]["made"]

    assert put("ours", VALUE) == (200, 2)

    assert rows()["ours"]["made"] == made
    assert put("ours", VALUE | {"userId": 42}, by=KEY) == (403, "id")
    assert delete("ours") == (200, 2)


@pytest.mark.parametrize("by", [agent("read"), agent("record read correct backfill cost")])
def test_who_is_paid_neither_puts_nor_reads(by: Any) -> None:
    put("deals", VALUE)
    calls = [("GET", ""), *((method, id_) for method in ("GET", "PUT", "DELETE") for id_ in ("deals", "digest"))]
    assert {call(method, id_, VALUE, by=by)[0] for method, id_ in calls} == {403}
    assert versions() == {"deals": 1}


@pytest.mark.parametrize(
    ("method", "id_", "sent", "headers", "status"),
    [
        ("PUT", "deals", COST, {"If-Match": '"1"'}, 200),
        ("PUT", "deals", VALUE, {"If-Match": '"2"'}, 412),  # even the same watch
        ("PUT", "deals", {}, {"If-Match": '"2"'}, 412),  # even an invalid one
        ("PUT", "deals", COUNTED, {"If-Match": '"2"'}, 412),  # even an impossible one
        ("PUT", "deals", VALUE, {"If-None-Match": "*"}, 412),
        ("PUT", "other", VALUE, {"If-None-Match": "*"}, 200),
        ("PUT", "other", VALUE, {"If-Match": '"1"'}, 412),
        ("PUT", "digest", DIGEST, {"If-Match": "*"}, 412),
        ("DELETE", "deals", None, {"If-Match": '"1"'}, 200),
        ("DELETE", "deals", None, {"If-Match": '"2"'}, 412),
        ("DELETE", "other", None, {"If-Match": '"1"'}, 412),
    ],
)
def test_preconditions_are_judged_first(method: str, id_: str, sent: Any, headers: Any, status: int) -> None:
    put("deals", VALUE)
    assert call(method, id_, sent, headers=headers)[0] == status


@pytest.mark.parametrize(
    ("id_", "sent", "field"),
    [("A", VALUE, "id"), ("deals", VALUE | {"at": []}, "at"), ("digest", DIGEST | {"hour": 24}, "hour")],
)
def test_an_invalid_request_is_a_400(id_: str, sent: Any, field: str) -> None:
    assert put(id_, sent) == (400, field)
    assert rows() == {}


def test_unknown_fields_are_ignored_and_named() -> None:
    assert call("PUT", "deals", VALUE | {"userId": 7, "color": 1})[2]["Ignored-Fields"] == "color"
    assert call("PUT", "digest", DIGEST | {"userId": 7, "every": 1})[2]["Ignored-Fields"] == "every"
    assert rows_of(7) == {}
    for id_, sent in ("deals", VALUE | {"target": 0}), ("digest", DIGEST | {"hour": 24}):
        status, _, headers = call("PUT", id_, sent | {"userId": 7, "color": 1}, by=KEY)
        assert (status, headers["Ignored-Fields"]) == (400, "color")


def test_what_counts_is_watched_only_in_the_definitions_time_zone() -> None:
    assert put("deals", COUNTED) == (409, "measure")
    definitions.put("2026-12", definitions.CLAIMED)
    assert put("deals", COUNTED | {"timezone": "UTC"}) == (409, "timezone")
    assert put("deals", COUNTED) == (200, 1)
    assert put("deals", COUNTED | {"timezone": "Arctic/Longyearbyen"}) == (200, 2)  # another name of Berlin's


@pytest.mark.parametrize(
    ("zone", "status"),
    [(None, "No definition"), ("Europe/Vienna", "Other time zone"), ("Arctic/Longyearbyen", None), (BERLIN, None)],
)
def test_a_get_says_if_the_definition_changed_later(zone: str | None, status: str | None) -> None:
    definitions.put("2026-12", definitions.CLAIMED)
    put("deals", COUNTED)
    definitions.delete("2026-12")
    if zone:
        definitions.put("2026-12", definitions.CLAIMED, timezone=zone)
    assert call("GET", "deals")[1]["status"] == status
    assert put("deals", COUNTED | {"name": "Renamed"}) == (200, 2)


@pytest.mark.usefixtures("no_waiting")
def test_a_get_says_if_a_figure_cannot_be_read_now(monkeypatch: pytest.MonkeyPatch) -> None:
    put("deals", VALUE)
    put("spend", COST)
    monkeypatch.setattr(figures, "costs", "")
    with faulty(totals.store.dynamodb, "Query", error(THROTTLED)):
        shown = listed()["watches"]
    assert [(each["figure"], each["status"]) for each in shown] == [(None, "Still adding up"), (None, "No costs")]


def test_what_counts_cannot_be_watched_if_definitions_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "definitions", "")
    assert put("deals", COUNTED) == (409, "measure")


def test_a_user_has_at_most_twenty_watches_and_the_digest() -> None:
    put("digest", DIGEST)
    assert {put(f"w{number}", UNREVIEWED) for number in range(20)} == {(200, 1)}

    assert put("w20", UNREVIEWED) == (409, "id")
    assert put("w19", SILENCE) == (200, 2)
    assert delete("w0") == (200, 1)
    assert put("w20", UNREVIEWED) == (200, 2)


def test_what_the_platform_put_takes_no_place_of_the_session_s() -> None:
    of_42 = UNREVIEWED | {"userId": 42}
    assert {put(f"ours{number}", of_42, by=KEY) for number in range(20)} == {(200, 1)}
    assert put("ours20", of_42, by=KEY) == (409, "id")
    assert {put(f"hers{number}", UNREVIEWED) for number in range(20)} == {(200, 1)}
    assert put("hers20", UNREVIEWED) == (409, "id")
    assert put("ours0", UNREVIEWED) == (200, 2)  # taken over
    assert put("ours20", of_42, by=KEY) == (409, "id")  # its place is not free: all have the same one page


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("at", ["BatchGetItem", "Query", "TransactWriteItems"])
def test_of_two_puts_at_nineteen_watches_one_is_refused(at: str) -> None:
    for number in range(19):
        put(f"w{number}", UNREVIEWED)
    with once_before(at, lambda: put("first", UNREVIEWED)) as other:
        assert put("second", UNREVIEWED) == (409, "id")
    assert other == [(200, 1)]
    assert sum(map(is_watch, rows().values())) == 20


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("headers", "status"), [({}, (200, 2)), ({"If-None-Match": "*"}, (412, "Precondition failed"))]
)
@pytest.mark.parametrize(("id_", "sent", "other"), [("deals", VALUE, COST), ("digest", DIGEST, DIGEST | {"hour": 9})])
def test_of_two_first_puts_the_later_one_finds_the_other(
    id_: str, sent: Any, other: Any, headers: Any, status: Any
) -> None:
    with once_before("TransactWriteItems", lambda: put(id_, other)):
        assert put(id_, sent, headers=headers) == status


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("at", ["BatchGetItem", "TransactWriteItems"])
@pytest.mark.parametrize(
    ("meanwhile", "status", "headers"),
    [
        (lambda: put("deals", VALUE | {"target": 7}), (200, 3), {}),
        (lambda: put("deals", VALUE | {"target": 7}), (412, "Precondition failed"), {"If-Match": '"1"'}),
        (lambda: put("deals", COST), (200, 2), {}),  # the other put the same
        (lambda: delete("deals"), (200, 2), {}),
        (lambda: delete("deals"), (412, "Precondition failed"), {"If-Match": '"1"'}),
        (tell, (200, 2), {"If-Match": '"1"'}),
    ],
)
def test_a_put_that_another_write_meets_is_judged_again(
    meanwhile: Callable[[], Any], status: Any, headers: Any, at: str
) -> None:
    put("deals", VALUE)
    with once_before(at, meanwhile):
        assert put("deals", COST, headers=headers) == status


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        (lambda: put("deals", COST), (412, "Precondition failed")),
        (lambda: delete("deals"), (412, "Precondition failed")),
        (tell, (200, 1)),
    ],
)
def test_a_delete_that_another_write_meets_is_judged_again(meanwhile: Callable[[], Any], status: Any) -> None:
    put("deals", VALUE)
    with once_before("TransactWriteItems", meanwhile):
        assert delete("deals", match='"1"') == status


@pytest.mark.parametrize("change", [lambda: delete("deals"), lambda: put("deals", COST), tell])
def test_the_clock_writes_nothing_into_a_row_that_changed(change: Callable[[], Any]) -> None:
    put("deals", VALUE)
    request = put_states("WatchesTable", Head.of(rows()["deals"]), STATES)
    change()
    before = scan("WatchesTable")
    with pytest.raises(ConditionFailed):
        store.dynamodb.call("UpdateItem", request)
    assert scan("WatchesTable") == before


CANCELLED = cancelled("ConditionalCheckFailed")
FAILED = (500, "Failed to put or read watches")


@pytest.mark.parametrize(
    ("faults", "expected", "version"),
    [
        ([CANCELLED, fine], (200, 2), 2),
        ([CANCELLED], (409, "Conflict"), 1),
        ([cancelled("ThrottlingError")], (503, "Busy"), 1),
        ([error(THROTTLED)] * 2, (503, "Busy"), 1),
        ([error(DENIED)], FAILED, 1),
        ([lost, fine], (200, 2), 2),
        ([lost, CANCELLED], FAILED, 2),  # whether the first try took effect is unknown
        ([vanished, CANCELLED], FAILED, 1),
    ],
)
@pytest.mark.usefixtures("no_waiting")
def test_a_put_takes_effect_once_or_says_that_it_is_unknown(faults: list[Fault], expected: Any, version: int) -> None:
    put("deals", VALUE)
    with faulty(store.dynamodb, "TransactWriteItems", *faults):
        assert put("deals", COST) == expected
    assert versions() == {"deals": version}
    assert put("deals", COST) == (200, 2)


@pytest.mark.usefixtures("waiting_too_long")
def test_a_put_without_time_to_retry_is_a_conflict() -> None:
    with faulty(store.dynamodb, "TransactWriteItems", CANCELLED):
        assert put("deals", COST) == (409, "Conflict")
