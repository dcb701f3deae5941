"""Test the clock end to end: what is recorded through the API is told as events, once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from outcomes.aws.services import DynamoDB
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.events import Event
from outcomes.errors import StillAddingUp
from outcomes.events.stream import events_of
from outcomes.ledger import ulid
from outcomes.totals.materialized import Totals
from outcomes.watches import clock as clock_
from outcomes.watches import digest
from outcomes.watches.stored_watches import Digest, Head

from functions.evaluate_watches import app
from functions.publish_events import app as publish_events
from history.tests.imports import import_all, old_row, undo_all, write_ndjson
from tests import streams
from tests.aws import aws_client, scan
from tests.corrections import OWNER, correct
from tests.costs.service import put as put_costs
from tests.definitions.service import put as define
from tests.events import KEY
from tests.people import record
from tests.statements.conftest import Clock
from tests.watches.service import BERLIN, COST, COUNTED, DIGEST, SILENCE, UNREVIEWED, VALUE, call, listed, put

NOON = "2026-12-10T11:00:00Z"


@pytest.fixture(autouse=True)
def _with_a_stream(clock: Clock) -> None:
    streams.turn_on("WatchesTable")
    clock.at(NOON)


def evaluate() -> list[tuple[str, str]]:
    """Run the clock, and return the new events: type, and the end of the id."""
    before = len(told())
    app.handler({}, None)
    return [(event.type, event.id.partition("#")[2]) for event in told()[before:]]


def told() -> list[Event]:
    return [event for each in streams.records("WatchesTable") for event in events_of(each, {})]


def data(event: Event) -> Any:
    return json_text.read(event.data)


def test_the_value_of_a_period_is_told_at_each_share_and_when_a_correction_takes_it_back(clock: Clock) -> None:
    put("deals", VALUE | {"target": 100, "at": [50, 100]})
    assert evaluate() == []
    first = record(valueUsd=60)
    assert evaluate() == [("watch.reached", "2026-12#50#1")]
    assert evaluate() == []
    record(valueUsd=60)
    assert evaluate() == [("watch.reached", "2026-12#100#1")]
    correct(first, KEY, {"type": "void", "reason": "Cancelled"})
    assert evaluate() == [("watch.undone", "2026-12#100#2")]
    record(valueUsd=1, occurredAt="2026-11-30T22:59:59Z")  # in November, in Berlin
    clock.at("2026-12-31T23:00:00Z")
    assert evaluate() == []
    clock.at("2027-01-01T01:00:00Z")
    assert evaluate() == [("watch.missed", "2026-12#100#3")]
    last = data(told()[-1])
    assert (last["figure"], last["from"], last["already"]) == (60, "2026-11-30T23:00:00.000Z", False)
    assert last["text"] == "Deals did not reach 100 % of $100: $60 in 2026-12"


def test_what_counts_or_waits_is_told_with_both_and_what_is_estimated() -> None:
    types = {
        "deal_closed": {"when": "unless_disputed"},
        "task_complete": {"when": "claimed", "eachUsd": 5, "basis": "estimated"},
        "*": {"when": "confirmed"},
    }
    assert define("2026-12", types)[0] == 200
    assert put("sure", COUNTED | {"target": 100})[0] == 200
    evaluate()
    record(valueUsd=90)
    record(outcomeType="content_published", valueUsd=500)
    assert evaluate() == []
    for _ in range(2):
        record(outcomeType="task_complete", valueUsd=None)
    assert evaluate() == [("watch.reached", "2026-12#100#1")]
    said = data(told()[-1])
    assert [said[name] for name in ("figure", "counted", "waiting", "estimated_usd")] == [100, 10, 90, 10]


def test_the_known_cost_is_told_above_a_share_and_undone() -> None:
    put("spend", COST | {"target": 100, "every": "week"})
    evaluate()
    put_costs("session", {"costUsd": 100, "agentId": 7}, date="2026-12-09")
    assert evaluate() == []
    put_costs("session", {"costUsd": 0.01}, date="2026-12-08")
    assert evaluate() == [("watch.exceeded", "2026-W50#100#1")]
    put_costs("session", {"costUsd": 98}, date="2026-12-09")
    assert evaluate() == [("watch.undone", "2026-W50#100#2")]


@pytest.mark.parametrize("is_defined", [False, True])
def test_outcomes_that_wait_for_review_are_told(*, is_defined: bool) -> None:
    if is_defined:
        define("2026-12", {"deal_closed": {"when": "unless_disputed"}, "*": {"when": "claimed"}})
    put("queue", UNREVIEWED | {"target": 1})
    evaluate()
    first, _ = record(), record()
    assert evaluate() == [("watch.exceeded", "2026-12#1#1")]
    correct(first, OWNER, {"type": "confirm"})
    assert evaluate() == []  # within 1 % of the target
    for _ in range(2):
        record(outcomeType="task_complete")
    assert evaluate() == []


def test_silence_is_told_once_until_something_is_recorded_again(clock: Clock) -> None:
    put("quiet", SILENCE | {"target": 2})
    record(agentId=7)
    evaluate()
    record(agentId=8)
    for instant, events in (
        ("2026-12-12T22:59:59Z", []),
        ("2026-12-12T23:00:00Z", [("watch.silent", "2026-12#1#1")]),
        ("2027-01-03T12:00:00Z", []),
    ):
        clock.at(instant)
        assert evaluate() == events
    record(agentId=7)
    assert evaluate() == []
    clock.at("2027-01-05T23:00:00Z")
    assert evaluate() == [("watch.silent", "2027-01#1#1")]


def test_an_agent_that_never_recorded_is_silent_since_its_watch_was_made(clock: Clock) -> None:
    put("quiet", SILENCE | {"target": 1})
    assert evaluate() == []
    clock.at("2026-12-11T23:00:00Z")
    assert evaluate() == [("watch.silent", "2026-12#1#1")]


@pytest.mark.parametrize("ago", [85, 91])
def test_a_figure_of_silence_never_falls_while_nothing_happens(clock: Clock, ago: int) -> None:
    """Also of what happened before the watch was made, and no figure says more than the 90 days that are read."""
    now = instants.read(NOON)
    record(agentId=7, occurredAt=instants.text(now - ago * instants.DAY))
    put("quiet", SILENCE | {"target": 30})
    for days in (0, 5, 6, 29, 90, 91, 120):
        clock.at(instants.text(now + days * instants.DAY))
        expected = ago + days - 1 if ago <= 90 else max(0, days - 1)
        assert listed()["watches"][0]["figure"] == min(90, expected)


def test_what_a_new_watch_finds_above_is_told_once_as_such() -> None:
    record(valueUsd=70)
    put("deals", VALUE | {"target": 100, "at": [10, 50, 90]})
    assert evaluate() == [("watch.reached", "2026-12#50#1")]
    assert data(told()[-1])["already"] is True
    put("deals", VALUE | {"target": 100, "at": [10, 50, 90], "name": "Another name"})
    assert evaluate() == []
    put("deals", VALUE | {"target": 100, "at": [10, 50]})
    assert evaluate() == [("watch.reached", "2026-12#50#1")]
    assert len({event.id for event in told()}) == 2
    [shown] = listed()["watches"]
    assert shown["told"][0]["already"] is True


def test_a_deleted_watch_tells_nothing_and_an_erased_one_stays_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if it goes between the clock's read and its write."""
    record(valueUsd=100)
    put("deals", VALUE | {"target": 100})
    real = DynamoDB.call

    def erased_before(self: DynamoDB, operation: str, request: Any, **more: Any) -> Any:
        if operation == "UpdateItem" and request["TableName"] == "WatchesTable":
            aws_client("dynamodb").delete_item(TableName="WatchesTable", Key=request["Key"])
        return real(self, operation, request, **more)

    with monkeypatch.context() as context:
        context.setattr(DynamoDB, "call", erased_before)
        app.handler({}, None)
    assert told() == []
    assert [row for row in scan("WatchesTable") if row["id"]["S"] == "deals"] == []


def test_what_cannot_be_summed_up_now_is_told_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    put("deals", VALUE | {"target": 100})
    evaluate()
    record(valueUsd=100)

    def late(*_: Any) -> None:
        raise StillAddingUp

    with monkeypatch.context() as context:
        context.setattr(Totals, "aggregate", late)
        assert evaluate() == []
    assert evaluate() == [("watch.reached", "2026-12#100#1")]


def test_one_user_s_trouble_delays_no_other(log: Callable[[], list[dict[str, Any]]]) -> None:
    for user in (41, 42, 43):
        call("PUT", "deals", VALUE | {"target": 100, "userId": user}, by=KEY)
        record(user, valueUsd=100)
    aws_client("dynamodb").update_item(
        TableName="WatchesTable",
        Key={"user_id": {"S": "42"}, "id": {"S": "deals"}},
        UpdateExpression="SET setting = :damaged",
        ExpressionAttributeValues={":damaged": {"S": "{"}},
    )
    with pytest.raises(app.UsersFailed, match="1 of 3 users"):
        app.handler({}, None)
    assert {event.subject.split("/")[1] for event in told()} == {"41", "43"}
    assert [line["message"] for line in log()] == ["Could not evaluate a user's watches"]


def test_a_run_goes_on_where_the_last_one_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_, "MAX_USERS", 2)
    for user in range(41, 46):
        call("PUT", "deals", VALUE | {"target": 100, "userId": user}, by=KEY)
        record(user, valueUsd=100)
    assert [app.handler({}, None)["users"] for _ in range(4)] == [2, 2, 1, 2]
    assert len({event.subject for event in told()}) == len(told()) == 5


def test_the_stream_s_filter_lets_only_tellings_through() -> None:
    """And what passes is published by the function that publishes all events."""
    record(valueUsd=100)
    put("deals", VALUE | {"target": 100})
    app.handler({}, None)
    [passed] = [each for each in streams.records("WatchesTable") if each["eventName"] == "MODIFY" and _has_states(each)]
    passed["dynamodb"]["SequenceNumber"] = "1"
    assert publish_events.handler({"Records": [passed, passed]}, None) == {"batchItemFailures": []}


def _has_states(each: Any) -> bool:
    return "states" in each["dynamodb"]["NewImage"]


# ── The digest ────────────────────────────────────────────────────────────────────────────────────────────────────────

MADE = ulid.from_number(instants.read("2026-12-12T12:00:00Z") << 80)
HEAD = Head(42, "digest", 1, 0, MADE, "session", "")


@pytest.mark.parametrize(
    ("setting", "now", "week"),
    [
        ((BERLIN, "monday", 8), "2026-12-14T06:59:59Z", None),  # told before it was made
        ((BERLIN, "monday", 8), "2026-12-14T07:00:00Z", "2026-W50"),
        ((BERLIN, "monday", 8), "2026-12-21T06:59:59Z", "2026-W50"),
        ((BERLIN, "sunday", 23), "2026-12-20T22:00:00Z", "2026-W50"),
        (("Asia/Kolkata", "monday", 0), "2026-12-13T18:30:00Z", "2026-W50"),
        (("America/New_York", "sunday", 2), "2027-03-14T07:00:00Z", "2027-W09"),  # 2:00 is skipped there
        ((BERLIN, "monday", 8), "2027-01-04T07:00:00Z", "2026-W53"),
    ],
)
def test_the_week_before_is_due_at_the_local_hour(setting: tuple[str, str, int], now: str, week: str | None) -> None:
    zone, day, hour = setting
    due = digest.due(Digest(HEAD, zone, day, hour, {}), instants.read(now))
    assert (due and due.name) == week
    told_already = Digest(HEAD, zone, day, hour, {"week": week or "2026-W50"})
    assert digest.due(told_already, instants.read(now)) is None


def test_a_digest_has_the_week_beside_the_one_before_and_what_waits(clock: Clock) -> None:
    define("2026-12", {"*": {"when": "unless_disputed"}}, dispute_days=5)
    put("digest", DIGEST)
    for date, cost in (("2026-12-08", 30), ("2026-12-10", 10), ("2026-12-01", 5)):
        put_costs("session", {"costUsd": cost, "agentId": 7}, date=date)
    for agent, value in ((7, 100), (8, 300), (9, 200), (None, 50)):
        record(valueUsd=value, agentId=agent, occurredAt="2026-12-09T12:00:00Z")
    record(valueUsd=40, occurredAt="2026-12-02T12:00:00Z")
    correct(record(valueUsd=7, occurredAt="2026-12-03T12:00:00Z"), OWNER, {"type": "dispute", "reason": "Not mine"})
    clock.at("2026-12-14T07:00:00Z")
    assert evaluate() == [("digest.week", "2026-W50")]
    assert evaluate() == []
    assert "E+" not in told()[-1].data  # 650, not 6.5E+2
    said = data(told()[-1])
    assert {name: said[name] for name in ("week", "count", "value_usd", "counted_usd", "waiting_usd", "cost_usd")} == {
        "week": "2026-W50",
        "count": 4,
        "value_usd": 650,
        "counted_usd": 0,
        "waiting_usd": 650,
        "cost_usd": 40,
    }
    assert (said["net_usd"], said["known_days"], said["of_days"]) == (610, 2, 7)
    assert (said["previous"]["value_usd"], said["previous"]["cost_usd"]) == (40, 5)
    assert [each["agent_id"] for each in said["best_agents"]] == [8, 9, 7]
    assert said["unreviewed"] == {"count": 5, "value_usd": 690}
    assert said["counts_soon"] == {"count": 0, "value_usd": 0}
    assert said["disputed"] == {"count": 1, "value_usd": 7, "oldest_days": 11}
    assert said["cost_gaps"] == [{"source": "openai", "days": ["2026-12-07", "2026-12-09"]}]
    clock.at("2027-01-04T07:00:00Z")
    assert evaluate() == [("digest.week", "2026-W53")]
    assert data(told()[-1])["counts_soon"] == {"count": 5, "value_usd": 690}  # on January 6


def test_a_digest_without_costs_and_definitions_says_what_is_not_known(clock: Clock) -> None:
    put("digest", DIGEST | {"timezone": "America/New_York"})
    define("2026-12")  # in another time zone
    clock.at("2026-12-14T13:00:00Z")
    assert evaluate() == [("digest.week", "2026-W50")]
    said = data(told()[-1])
    assert [said[name] for name in ("value_usd", "counted_usd", "cost_usd", "net_usd")] == [0, None, None, None]
    assert (said["disputed"]["oldest_days"], said["best_agents"]) == (None, [])


# ── How much a run reads ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_user_takes_few_calls_so_2000_users_fit_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 30 ms a call, 12 calls a user would take 720 s of the 840 s of a run."""
    for user in (41, 42, 43):
        for id_, setting in (
            ("value", VALUE),
            ("week", VALUE | {"every": "week"}),
            ("cost", COST),
            ("queue", UNREVIEWED),
        ):
            call("PUT", id_, setting | {"userId": user}, by=KEY)
        record(user, valueUsd=100)
    app.handler({}, None)
    calls: list[str] = []
    real = DynamoDB.call

    def counted(self: DynamoDB, operation: str, request: Any, **more: Any) -> Any:
        calls.append(operation)
        return real(self, operation, request, **more)

    monkeypatch.setattr(DynamoDB, "call", counted)
    app.handler({}, None)
    assert 3 < len(calls) <= 36, calls
    assert "UpdateItem" not in calls


def test_imports_and_their_undo_which_publish_nothing_are_seen(clock: Clock, tmp_path: Path) -> None:
    put("deals", VALUE | {"target": 100})
    evaluate()
    rows = [old_row(number, instants.read("2026-12-05T12:00:00Z"), value_usd=50, user_id=42) for number in (1, 2)]
    write_ndjson(tmp_path / "old.ndjson", rows)
    import_all(tmp_path / "old.ndjson")
    clock.at("2026-12-10T12:00:00Z")
    assert evaluate() == [("watch.reached", "2026-12#100#1")]
    undo_all(tmp_path / "old.ndjson")
    clock.at("2026-12-10T13:00:00Z")
    assert evaluate() == [("watch.undone", "2026-12#100#2")]


def test_a_digest_is_told_later_if_something_cannot_be_read_now(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    put("digest", DIGEST)
    clock.at("2026-12-14T07:00:00Z")

    def late(*_: Any) -> None:
        raise StillAddingUp

    with monkeypatch.context() as context:
        context.setattr("outcomes.watches.figures.StoredCosts.add_to", late)
        assert evaluate() == []
    clock.at("2026-12-16T07:00:00Z")
    assert evaluate() == [("digest.week", "2026-W50")]


def test_without_costs_and_definitions_their_watches_wait_and_the_digest_has_none(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("spend", COST)
    put("queue", UNREVIEWED | {"target": 1})
    put("digest", DIGEST)
    monkeypatch.setattr(app.figures, "costs", "")
    monkeypatch.setattr(app.figures, "definitions", "")
    record(), record()
    clock.at("2026-12-14T07:00:00Z")
    assert evaluate() == [("watch.exceeded", "2026-12#1#1"), ("digest.week", "2026-W50")]
    assert data(told()[-1])["cost_usd"] is None


def test_a_run_that_another_one_overtakes_ends_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(*_: Any) -> None:
        raise clock_.Overtaken

    monkeypatch.setattr(clock_.Run, "_move", overtaken)
    assert app.handler({}, None) == {"users": 0}
