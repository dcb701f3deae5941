"""Test who makes the first statement of a time zone, and in how many time zones."""

import json
from itertools import count
from typing import Any

import pytest
from outcomes.statements import chain

from tests.aws import aws_client
from tests.events import agent
from tests.people import record, rows_of
from tests.statements.conftest import Clock
from tests.statements.service import BERLIN, ID, ask, before_call, call, erase, head, in_path, made, september, verified

pytestmark = pytest.mark.usefixtures("no_waiting")

READER = agent("read")
PARIS, KATHMANDU = "Europe/Paris", "Asia/Kathmandu"


def refused(error: str, field: str, message: str) -> Any:
    return {"error": error, "details": [{"field": field, "message": message}]}


NOT_BY_A_KEY = (
    403,
    refused("Forbidden", "timezone", "only the owner's session makes the first statement of a time zone"),
)


def no_place(*zones: str) -> tuple[int, Any]:
    message = f"must be one of those that have statements: {', '.join(zones)}"
    return 409, refused("Not possible", "timezone", message)


def zones() -> list[str]:
    listed = json.loads(call("GET", "/api/statements", query={"limit": "50"})[1])["statements"]
    return sorted({each["timezone"] for each in listed})


# ── Time zones ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_makes_statements_only_in_time_zones_in_which_the_owner_made_the_first_one(clock: Clock) -> None:
    september(clock)
    assert ask("2026-09", caller=READER) == NOT_BY_A_KEY
    assert ask("2026-08", caller=READER) == NOT_BY_A_KEY
    assert list(rows_of(42)) == ["OutcomesTable"]
    first = made("2026-09")
    assert ask("2026-09", caller=READER) == (200, first)
    assert ask("2026-10", "UTC", caller=READER) == NOT_BY_A_KEY
    status, second = ask("2026-10", caller=READER)
    assert status == 200
    verified(second, first)
    assert zones() == [BERLIN]


def test_statements_have_at_most_three_time_zones(clock: Clock) -> None:
    september(clock)
    for zone in ("UTC", KATHMANDU, BERLIN):
        made("2026-09", zone)
    rows = rows_of(42)
    assert ask("2026-09", PARIS) == no_place(KATHMANDU, BERLIN, "UTC")
    assert ask("2026-09", PARIS, caller=READER) == NOT_BY_A_KEY
    assert rows_of(42) == rows
    assert head(made("2026-10", BERLIN))["timezone"] == BERLIN
    record(43)
    assert ask("2026-10", PARIS, user_id=43)[0] == 409  # before the first entry: each user has time zones of her own
    clock.at("2026-12-20T12:00:00Z")
    assert ask("2026-11", PARIS, user_id=43)[0] == 200


def test_only_a_stored_statement_takes_the_place_of_its_time_zone(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    september(clock)
    clock.at("2026-09-20T12:00:00Z")
    record()
    clock.at("2026-11-20T12:00:00Z")
    for zone in (BERLIN, "UTC"):
        made("2026-09", zone)
    monkeypatch.setattr(chain, "MAX_ENTRIES", 1)
    assert ask("2026-09", PARIS)[0] == 503  # the work is stored, but no statement
    assert any(row["id"]["S"].startswith("unfinished") for row in rows_of(42)["StatementsTable"])
    assert ask("2026-09", KATHMANDU)[0] == 503
    made("2026-09", KATHMANDU)
    assert ask("2026-09", PARIS) == no_place(KATHMANDU, BERLIN, "UTC")


@pytest.mark.parametrize(("taken", "most"), [([], 1), ([BERLIN, "UTC"], 3)], ids=str)
def test_two_time_zones_never_take_the_last_place_at_once(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, taken: list[str], most: int
) -> None:
    monkeypatch.setattr(chain, "MAX_STATEMENT_ZONES", most)
    others: list[int] = []
    for number in count(1):
        september(clock)
        for zone in taken:
            made("2026-09", zone)
        with before_call(number, lambda: others.append(ask("2026-09", PARIS)[0])) as calls:
            status, answer = ask("2026-09", KATHMANDU)
        winner = {200: KATHMANDU, 409: PARIS}[status]
        assert zones() == sorted([*taken, winner])
        assert status == 200 or (status, answer) == no_place(*sorted([*taken, PARIS]))
        if len(calls) < number:
            break
        assert others[number - 1 :] == [200 if winner == PARIS else 409]
        erase()
    assert number > 8


# ---- quarters and years of a stack in development


@pytest.mark.parametrize("old", ["2026-Q3", "2026"])
def test_a_stored_quarter_or_year_is_refused_by_its_name_and_stops_no_month(clock: Clock, old: str) -> None:
    september(clock)
    first = made("2026-09", "UTC")
    for row in rows_of(42)["StatementsTable"]:  # store a copy of the month's rows as the quarter of another time zone
        if "2026-09@UTC" in row["id"]["S"]:
            copy = row | {"id": {"S": row["id"]["S"].replace("2026-09@UTC", f"{old}@{PARIS}")}}
            if "period" in copy:
                copy |= {"period": {"S": old}, "timezone": {"S": PARIS}}
            aws_client("dynamodb").put_item(TableName="StatementsTable", Item=copy)
    rule = refused("Invalid period", "period", "must be a month, such as 2026-10")
    for part in ("", "/entries", "/proof"):
        status, answer, _ = call("GET", ID + part, parameters=in_path(f"{old}@{PARIS}"), query={"outcome": "x"})
        assert (status, json.loads(answer)) == (400, rule)
    assert zones() == ["UTC"]
    verified(made("2026-10", "UTC"), first)
    made("2026-09", KATHMANDU)
    made("2026-09", PARIS)
    assert zones() == [KATHMANDU, PARIS, "UTC"]
