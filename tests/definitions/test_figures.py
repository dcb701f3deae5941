"""Test what counts: of summaries, lists, single outcomes and exports. tests/model and tests/sequences test the sums."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from email.utils import formatdate
from io import StringIO
from typing import Any

import pytest
from outcomes.aws.connection import Connection, Reply
from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.contract import json_text
from outcomes.contract.caller import Caller
from outcomes.contract.costs import CostLine
from outcomes.contract.models import NewOutcome
from outcomes.contract.preconditions import Preconditions
from outcomes.costs.cost_rows import CostDay
from outcomes.costs.days import CostDays
from outcomes.definitions.definition_rules import Definition, Definitions, Rule
from outcomes.errors import StillAddingUp
from outcomes.ledger.imports import Imports
from outcomes.ledger.items import reassigned
from outcomes.totals import materialized, open_months, settled_intervals, stored_sums
from outcomes.totals.settled_intervals import SettledIntervals
from outcomes.totals.what_counts import tried

from functions.export_outcomes import app as export_outcomes
from functions.get_outcome import app as get_outcome
from functions.list_outcomes import app as list_outcomes
from functions.summarize_outcomes import app
from tests.aws import scan
from tests.corrections import BODIES, OWNER, correct, given
from tests.events import KEY, agent, proxy_event, session
from tests.faults import Request, Send, faulty
from tests.statements.service import imports
from tests.what_counts import head_row

BERLIN = "Europe/Berlin"
CLAIMED, UNLESS_DISPUTED = Rule("claimed", None, "stated"), Rule("unless_disputed", None, "stated")
POSTS = Rule("confirmed", Decimal(75), "estimated")
RULES = {"content_published": POSTS, "task_complete": Rule("never", None, "stated"), "*": UNLESS_DISPUTED}
NOON = 1_796_122_800_000  # 2026-12-01T11:00:00Z, noon in Berlin
DAY = instants.DAY
YEAR: dict[str, Any] = {
    "from": "2026-01-01",
    "to": "2027-01-01",
    "timezone": BERLIN,
    "by": "month",
    "include": "definition",
}


@pytest.fixture
def clock(tables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that sets the clock of the functions' hosts and of DynamoDB."""
    assert tables
    times = [NOON]
    post = Connection.post

    def at_a_time(*request: Any, **more: Any) -> Reply:
        reply = post(*request, **more)
        return reply._replace(headers={**reply.headers, "date": formatdate(times[-1] / 1000, usegmt=True)})

    monkeypatch.setattr(Connection, "post", at_a_time)
    monkeypatch.setattr(instants, "now", lambda: times[-1])
    return times.append


@pytest.fixture(autouse=True)
def _at_noon(clock: Callable[[int], None]) -> None:
    clock(NOON)


def define(*rules: tuple[str, dict[str, Rule]], zone: str = BERLIN, days: int = 14) -> None:
    every = tuple(Definition(month, 1, days, by_type, "", "") for month, by_type in rules)
    app.store.dynamodb.call("PutItem", {"TableName": "StatementsTable", "Item": head_row(Definitions(zone, every, 1))})


def record(at: str, type_: str = "deal_closed", value: str | None = "10", agent_id: int | None = None) -> str:
    body = {"outcomeType": type_, "title": "Done", "userId": Decimal(42), "valueUsd": value and Decimal(value)}
    outcome = NewOutcome.parse(body | {"agentId": agent_id and Decimal(agent_id)}, session_user=None)
    return app.store.add(outcome, "key", milliseconds=instants.read(at))


def answer(caller: Any = OWNER, **query: Any) -> tuple[int, Any]:
    response = app.handler(proxy_event("GET", authorizer=caller, query=YEAR | query), None)
    return response["statusCode"], json_text.read(response["body"])


def by_rule(**query: Any) -> Any:
    status, body = answer(**query)
    assert status == 200, body
    return body["by_rule"]


def a_year() -> None:
    define(("2026-10", RULES))
    record("2026-09-30T21:59:59.999Z", value="9000")  # before the rule
    record("2026-10-20T10:00:00Z", value="110000", agent_id=7)  # closed on November 15
    record("2026-11-20T10:00:00Z", value="18000")
    record("2026-11-30T23:00:00Z", value="3110")  # the first instant of December in Berlin
    record("2026-11-21T10:00:00Z", "task_complete", value="11000")
    record("2026-11-22T10:00:00Z", "content_published", value=None)
    confirmed = record("2026-11-23T10:00:00Z", "content_published", value="1")
    disputed = record("2026-11-24T10:00:00Z", value="5")
    correct(confirmed, OWNER, BODIES["confirm"])
    correct(disputed, OWNER, BODIES["dispute"])


def test_it_is_exactly_as_in_the_contract() -> None:
    a_year()
    response = app.handler(proxy_event("GET", authorizer=OWNER, query=YEAR | {"compare": "previous"}), None)
    closes = '[{"on":"2026-12-15","count":1,"value_usd":18000},{"on":"2027-01-15","count":1,"value_usd":3110}]'
    nothing = '{"count":0,"value_usd":0}'
    none = '{"count":0,"value_usd":0,"estimated_usd":0}'
    none_waits = '{"count":0,"value_usd":0,"estimated_usd":0,"closes":[]}'
    assert (
        ',"by_rule":{"counted":{"count":2,"value_usd":110075,"estimated_usd":75}'
        f',"waiting":{{"count":2,"value_usd":21110,"estimated_usd":0,"closes":{closes}}}'
        ',"unconfirmed":{"count":1,"value_usd":75,"estimated_usd":75}'
        ',"not_counted":{"count":1,"value_usd":11000},"before_rules":{"count":1,"value_usd":9000}'
        ',"by_type":[{"outcome_type":"deal_closed","counted":{"count":1,"value_usd":110000,"estimated_usd":0}'
        f',"waiting":{{"count":2,"value_usd":21110,"estimated_usd":0,"closes":{closes}}}'
        f',"unconfirmed":{none},"not_counted":{nothing},"before_rules":{{"count":1,"value_usd":9000}}}}'
        f',{{"outcome_type":"task_complete","counted":{none},"waiting":{none_waits}'
        f',"unconfirmed":{none},"not_counted":{{"count":1,"value_usd":11000}},"before_rules":{nothing}}}'
        ',{"outcome_type":"content_published","counted":{"count":1,"value_usd":75,"estimated_usd":75}'
        f',"waiting":{none_waits},"unconfirmed":{{"count":1,"value_usd":75,"estimated_usd":75}}'
        f',"not_counted":{nothing},"before_rules":{nothing}}}]}}'
        ',"previous":{"from":"2024-12-31T23:00:00.000Z","to":"2025-12-31T23:00:00.000Z","count":0,"value_usd":0'
        ',"counted_usd":0,"waiting_usd":0}'
    ) in response["body"]
    assert (
        ',{"date":"2026-10-01","count":1,"value_usd":110000,"counted_usd":110000,"waiting_usd":0}'
        ',{"date":"2026-11-01","count":4,"value_usd":29001,"counted_usd":75,"waiting_usd":18000}'
        ',{"date":"2026-12-01","count":1,"value_usd":3110,"counted_usd":0,"waiting_usd":3110}]'
    ) in response["body"]


def test_a_day_that_closes_a_month_lets_it_count(clock: Callable[[int], None]) -> None:
    a_year()
    for day, counted in ((13, 110075), (14, 128075), (45, 131185)):
        clock(NOON + day * DAY)
        assert by_rule()["counted"]["value_usd"] == counted


def test_an_amend_of_words_lets_an_outcome_wait_again() -> None:
    define(("2026-10", {"*": UNLESS_DISPUTED}))
    id_ = record("2026-10-20T10:00:00Z")
    assert by_rule()["counted"]["count"] == 1
    correct(id_, KEY, BODIES["amend"])
    assert by_rule()["waiting"] == {
        "count": 1,
        "value_usd": 10,
        "estimated_usd": 0,
        "closes": [{"on": "2027-01-15", "count": 1, "value_usd": 10}],
    }


def test_corrections_that_older_code_wrote_are_counted_by_their_outcomes_histories() -> None:
    define(("2026-10", {"*": UNLESS_DISPUTED}))
    amended, confirmed = record("2026-10-20T10:00:00Z"), record("2026-11-20T10:00:00Z")
    correct(amended, KEY, BODIES["amend"])
    correct(confirmed, OWNER, BODIES["confirm"])
    expected = by_rule()
    assert (expected["counted"]["count"], expected["waiting"]["count"]) == (1, 1)
    for entry in [row for row in scan() if "since" in row]:
        older = {name: value for name, value in entry.items() if name not in {"since", "stood"}}
        app.store.dynamodb.call("PutItem", {"TableName": "OutcomesTable", "Item": older})
    assert by_rule() == expected


@pytest.mark.parametrize(
    "query",
    [
        {"timezone": "UTC"},
        {"status": "recorded"},
        {"from": "2026-01-01T00:00:00Z"},
        {"to": "2026-12-01T00:00:00Z"},
    ],
)
def test_it_is_null_for_what_no_definition_says(query: dict[str, str]) -> None:
    a_year()
    status, body = answer(**query, compare="previous")
    assert (status, body["by_rule"]) == (200, None)
    assert {(each["counted_usd"], each["waiting_usd"]) for each in (*body["by_month"], body["previous"])} == {
        (None, None)
    }


def test_another_name_of_the_definitions_time_zone_has_the_same_figures() -> None:
    a_year()
    assert answer(timezone="Arctic/Longyearbyen")[1]["by_rule"] == by_rule()


def test_it_may_be_asked_for_by_the_definitions_days_before_their_time_zone_is_known() -> None:
    query = {"timezone": "Asia/Tokyo", "compare": "previous"}
    [(_, by_own_days), (_, with_none)] = [answer(**query, include=each) for each in ("definition", "definition_days")]
    assert with_none == by_own_days  # there is no definition
    a_year()
    status, body = answer(**query, include="definition_days")
    assert (status, body) == answer(compare="previous")
    assert (body["timezone"], body["from"]) == (BERLIN, "2025-12-31T23:00:00.000Z")
    _, body = answer(**query, include="definition_days", status="recorded")
    assert (body["timezone"], body["by_rule"]) == (BERLIN, None)


def test_before_a_period_that_ends_within_a_day_nothing_is_known_either() -> None:
    define(("2026-10", RULES))
    record("2026-10-25T10:00:00Z")
    # as long as the day before, which has 25 hours
    _, body = answer(**{"from": "2026-10-26T00:00:00+01:00", "to": "2026-10-27T01:00:00+01:00"}, compare="previous")
    assert (body["by_rule"], body["previous"]["count"], body["previous"]["counted_usd"]) == (None, 1, None)


def test_it_is_null_without_a_definition_and_for_outcomes_without_a_user() -> None:
    record("2026-11-20T10:00:00Z")
    assert by_rule() is None
    assert not any("since" in request.body.get("ProjectionExpression", "") for request in reads_of())
    define(("2026-10", RULES))
    assert by_rule() is not None
    assert answer(KEY | {"reads": "none"}, userId="none")[1]["by_rule"] is None
    assert answer(session(43))[1]["by_rule"] is None
    assert answer(agent("read"))[1]["by_rule"]["waiting"]["count"] == 1


def test_with_costs_it_says_what_counts_less_the_cost() -> None:
    a_year()
    lines = (CostLine(Decimal("1000.5"), 7, label="1"),)
    CostDays("CostsTable").put(CostDay(42, "2026-11-20", "openai"), lines, Caller(session_user=42), Preconditions())
    _, body = answer(include=["cost", "definition"])
    assert (body["net_counted_usd"], body["ratio_counted"]) == (Decimal("109074.5"), Decimal("110.019990"))
    _, body = answer(include=["cost", "definition"], outcomeType="deal_closed")
    assert (body["net_counted_usd"], body["ratio_counted"]) == (None, None)
    _, body = answer(include=["cost", "definition"], timezone="UTC")
    assert (body["net_counted_usd"], body["ratio_counted"]) == (None, None)
    assert "net_counted_usd" not in answer(include="cost")[1]
    define(("2026-10", {"*": Rule("never", None, "stated")}))  # no ratio if no outcome counts, as in `ratio`
    _, body = answer(include=["cost", "definition"])
    assert (body["net_counted_usd"], body["ratio_counted"]) == (Decimal("-1000.5"), None)


def test_only_who_asks_for_it_pays_and_without_the_capability_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    a_year()
    usual = reads_of(include="recent")
    assert len(reads_of()) == len(usual) + 2  # the definitions, and the sums of open months
    assert not any("since" in request.body.get("ProjectionExpression", "") for request in usual)
    assert "by_rule" not in answer(include="recent")[1]
    monkeypatch.setattr(app, "DEFINITIONS_TABLE", "")
    assert answer() == (400, {"error": "Invalid include"})


def reads_of(**query: Any) -> list[Request]:
    """Return the reads of a summary."""
    noted: list[Request] = []

    def note(request: Request, send: Send) -> Any:
        noted.append(request)
        return send()

    with faulty(app.store.dynamodb, {"Query", "GetItem", "BatchGetItem"}, note):
        assert answer(**query)[0] == 200
    return noted


# ── What is kept ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def _keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settled_intervals, "SAVED_PER_COST", 0)
    monkeypatch.setattr(settled_intervals, "FILLED", 0)


@pytest.mark.usefixtures("_keeping")
@pytest.mark.parametrize("until_midnight", [False, True])
def test_once_kept_two_reads_are_added(
    until_midnight: bool, clock: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_year()
    record("2026-12-03T09:00:00Z", "task_complete")
    clock(NOON + 2 * DAY)
    if until_midnight:  # settled intervals end there, as those of a long history do
        close = SettledIntervals.close
        monkeypatch.setattr(
            SettledIntervals, "close", lambda *args, is_last=False, **late: None if is_last else close(*args, **late)
        )
    usual = [reads_of(include="recent"), reads_of(include="recent")][1]
    if until_midnight:
        forget()
    first = reads_of()
    # It also reads what only the other kept sums say, and whether an import has begun meanwhile.
    assert until_midnight or len(first) == len(usual) + 2 + 2 + 1
    assert tables(reads_of()) - tables(usual) == Counter(["StatementsTable", "TotalsTable"])
    assert by_rule()["waiting"]["count"] == 2


def tables(reads: list[Request]) -> Counter[str]:
    return Counter(request.body["TableName"] for request in reads)


@pytest.mark.usefixtures("_keeping")
def test_what_is_kept_is_one_row_a_month(clock: Callable[[int], None]) -> None:
    a_year()
    answer()
    clock(NOON + DAY)
    record("2026-12-01T12:00:00Z")
    expected = by_rule()
    november, december = (instants.read(f"2026-{day}T23:00:00Z") for day in ("10-31", "11-30"))
    assert sorted(open_rows()) == [f"{BERLIN} open#{november}", f"{BERLIN} open#{december}"]
    assert by_rule() == expected


@pytest.mark.usefixtures("_keeping")
def test_a_summary_without_time_keeps_what_it_has_read(monkeypatch: pytest.MonkeyPatch) -> None:
    a_year()
    expected = by_rule()
    forget()
    monkeypatch.setattr(materialized, "AGGREGATION_SECONDS", -1)
    rows = []
    while answer()[0] == 503:
        rows.append(open_rows())
    assert rows[1]
    assert by_rule() == expected


def forget(*, open_months: bool = True) -> None:
    """Delete all stored sums, or only those of settled intervals."""
    for row in scan("TotalsTable"):
        if open_months or " open#" not in row["stretch"]["S"]:
            key = {name: row[name] for name in ("user_id", "stretch")}
            app.store.dynamodb.call("DeleteItem", {"TableName": "TotalsTable", "Key": key})


def open_rows() -> list[str]:
    return [row["stretch"]["S"] for row in scan("TotalsTable") if " open#" in row["stretch"]["S"]]


@pytest.mark.usefixtures("_keeping")
def test_beside_an_import_nothing_is_kept() -> None:
    a_year()
    imports(Imports(epoch=1))
    answer(include="recent")
    imports(Imports(epoch=1, runs={"a run": 4_000_000_000_000}))
    assert by_rule()["waiting"]["count"] == 2
    assert not open_rows()


@pytest.mark.usefixtures("_keeping")
def test_what_is_kept_is_deleted_after_a_hundred_days() -> None:
    a_year()
    answer()
    rows = [row for row in scan("TotalsTable") if " open#" in row["stretch"]["S"]]
    assert rows
    for row in rows:
        begin = int(row["stretch"]["S"].rpartition("#")[2]) // 1000
        assert int(row["expires_at"]["N"]) == begin + 100 * 24 * 60 * 60


@pytest.mark.usefixtures("_keeping")
def test_what_is_kept_has_the_same_bytes_however_often_it_was_extended(
    clock: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise, two readers that store parts of the same sums could leave parts that do not fit each other."""
    define(("2026-10", RULES))

    def kept_at(instant: str) -> list[Any]:
        clock(now := instants.read(instant))
        monkeypatch.setattr(stored_sums, "service_time", lambda _: now)
        assert by_rule() is not None
        return [row for row in scan("TotalsTable") if " open#" in row["stretch"]["S"]]

    id_ = record("2026-11-20T10:00:00Z")
    record("2026-11-18T10:00:00Z")
    kept_at("2026-11-21T12:00:00Z")
    correct(id_, OWNER, BODIES["confirm"])
    kept = kept_at("2026-11-23T12:00:00Z")
    for row in scan("TotalsTable"):
        key = {name: row[name] for name in ("user_id", "stretch")}
        app.store.dynamodb.call("DeleteItem", {"TableName": "TotalsTable", "Key": key})
    assert kept_at("2026-11-23T12:00:00Z") == kept


@pytest.mark.usefixtures("_keeping")
@pytest.mark.parametrize("kept", ["definition", "recent"])
def test_an_import_that_begins_between_two_reads_is_waited_for(kept: str) -> None:
    """Only one of two kinds of sums is kept, so entries are read again for the other."""
    a_year()
    answer(include=kept)
    if kept == "definition":
        forget(open_months=False)

    def begin(request: Request, send: Send) -> Any:
        if request.body["TableName"] == "OutcomesTable":
            imports(Imports(epoch=1))
        return send()

    with faulty(app.store.dynamodb, "Query", begin):
        assert answer() == (503, {"error": "Still adding up"})
    assert answer()[0] == 200


@pytest.mark.usefixtures("_keeping")
def test_entries_whose_histories_cannot_be_read_in_time_are_not_lost(
    clock: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    define(("2026-10", RULES))
    for day in (20, 21, 22):
        clock(instants.read(f"2026-11-{day}T12:00:00Z"))
        correct(record(f"2026-11-{day}T10:00:00Z"), KEY, BODIES["amend"])
    clock(NOON)
    for entry in scan("OutcomesTable"):
        if "since" in entry:
            older = {name: value for name, value in entry.items() if name not in {"since", "stood"}}
            app.store.dynamodb.call("PutItem", {"TableName": "OutcomesTable", "Item": older})
    monkeypatch.setattr(open_months, "TOGETHER", 3)

    def is_late(_request: Request, _send: Send) -> Any:
        raise StillAddingUp

    with faulty(app.store.dynamodb, "BatchGetItem", is_late):
        assert answer() == (503, {"error": "Still adding up"})
    assert by_rule()["waiting"]["count"] == 3


# ── Single outcomes ───────────────────────────────────────────────────────────────────────────────────────────────────

STATES = [
    ("2026-09-30T21:59:59.999Z", "deal_closed", "10", {"state": "no_rule", "on": None, "usd": None}),
    ("2026-10-20T10:00:00Z", "deal_closed", "10", {"state": "counted", "on": None, "usd": 10}),
    ("2026-11-20T10:00:00Z", "deal_closed", "10", {"state": "waiting", "on": "2026-12-15", "usd": 10}),
    ("2026-11-20T10:00:00Z", "deal_closed", None, {"state": "waiting", "on": "2026-12-15", "usd": None}),
    ("2026-11-20T10:00:00Z", "deal_closed", "0", {"state": "waiting", "on": "2026-12-15", "usd": 0}),
    ("2026-11-20T10:00:00Z", "task_complete", "10", {"state": "not_counted", "on": None, "usd": None}),
    ("2026-11-20T10:00:00Z", "content_published", None, {"state": "unconfirmed", "on": None, "usd": 75}),
]


@pytest.mark.parametrize(("at", "type_", "value", "expected"), STATES)
def test_an_outcome_says_what_it_counts_for(at: str, type_: str, value: str | None, expected: Any) -> None:
    define(("2026-10", RULES))
    id_ = record(at, type_, value)
    assert counts_of(id_) == expected


def test_corrections_change_what_an_outcome_counts_for() -> None:
    define(("2026-10", RULES))
    id_ = record("2026-10-20T10:00:00Z")
    correct(id_, KEY, BODIES["amend"])
    assert counts_of(id_) == {"state": "waiting", "on": "2027-01-15", "usd": 10}
    correct(id_, OWNER, BODIES["confirm"])
    assert counts_of(id_) == {"state": "counted", "on": None, "usd": 10}
    correct(id_, OWNER, BODIES["dispute"])
    assert counts_of(id_) is None


def test_without_a_definition_no_rule_says_what_an_outcome_counts_for() -> None:
    assert counts_of(record("2026-11-20T10:00:00Z")) == {"state": "no_rule", "on": None, "usd": None}


def counts_of(id_: str) -> Any:
    """Return `counts` of an outcome, which a list, a single read and both exports must say alike."""
    [told] = [each["counts"] for each in json.loads(get(list_outcomes.handler, include="counts"))["outcomes"]]
    with_ledger = json.loads(get(list_outcomes.handler, include=["counts", "ledger"]))["outcomes"]
    assert [each["counts"] for each in with_ledger] == [told]
    assert "status" in with_ledger[0]
    one = get_outcome.handler(
        proxy_event("GET", authorizer=OWNER, parameters={"id": id_}, query={"include": "counts"}), None
    )
    assert json.loads(one["body"])["outcome"]["counts"] == told
    assert json.loads(get(export_outcomes.handler, format="ndjson", include="counts"))["counts"] == told
    [row] = csv.DictReader(StringIO(get(export_outcomes.handler, include="counts"), newline=""))
    cells = {name: row[f"counts_{name}"] for name in ("state", "on", "usd")}
    assert cells == {name: "" if not told or told[name] is None else str(told[name]) for name in cells}
    return told


def test_what_an_import_brought_is_marked_only_beside_what_it_counts_for() -> None:
    record("2026-11-19T10:00:00Z")
    id_ = record("2026-11-20T10:00:00Z")
    [item] = [each for each in scan("OutcomesTable") if each["created_at"]["S"].endswith(id_)]
    item |= {"imported": {"BOOL": True}}
    app.store.dynamodb.call("PutItem", {"TableName": "OutcomesTable", "Item": item})
    correct(id_, OWNER, BODIES["dispute"])
    one: dict[str, Any] = {"authorizer": OWNER, "parameters": {"id": id_}}
    asked = get_outcome.handler(proxy_event("GET", **one, query={"include": "counts"}), None)["body"]
    unasked = get_outcome.handler(proxy_event("GET", **one), None)["body"]
    assert (json.loads(asked)["outcome"]["imported"], "imported" in unasked) == (True, False)
    listed = json.loads(get(list_outcomes.handler, include="counts"))["outcomes"]
    assert [each.get("imported") for each in listed] == [True, None]
    assert (listed[0]["counts"], "imported" in get(list_outcomes.handler, include="ledger")) == (None, False)
    lines = get(export_outcomes.handler, format="ndjson", include="counts").splitlines()
    assert [json.loads(line).get("imported") for line in lines] == [True, None]
    rows = csv.reader(StringIO(get(export_outcomes.handler, include="counts"), newline=""))
    assert [row[-1] for row in rows] == ["imported", "true", ""]
    assert "imported" not in get(export_outcomes.handler)
    # A copy for another user is recorded now.
    assert "imported" not in reassigned(item, 43, NOON)[1]


def get(handler: Callable[[Any, None], Any], **query: Any) -> str:
    response = handler(proxy_event("GET", authorizer=OWNER, query=query), None)
    assert response["statusCode"] == 200, response["body"]
    return str(response["body"])


@pytest.mark.parametrize("function", [list_outcomes, get_outcome, export_outcomes])
def test_without_the_capability_what_counts_is_refused(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    event = proxy_event("GET", authorizer=OWNER, parameters={"id": given()}, query={"include": "counts"})
    assert function.handler(event, None)["statusCode"] == 200
    monkeypatch.setattr(function, "DEFINITIONS_TABLE", "")
    response = function.handler(event, None)
    assert (response["statusCode"], response["body"]) == (400, '{"error":"Invalid include"}')


def test_a_definition_is_tried_on_a_whole_period_and_stored_nowhere() -> None:
    a_year()
    before = scan("StatementsTable")
    period = Period.from_query("2026-01-01", "2027-01-01", BERLIN, now=instants.local(NOON, UTC))
    definition = Definition("2027-01", 1, 0, {"*": UNLESS_DISPUTED}, "")
    found = json_text.read(tried(app.totals, 42, period, BERLIN, definition))
    assert {part: found[part]["value_usd"] for part in ("counted", "waiting", "before_rules")} == {
        "counted": 148_001,
        "waiting": 3110,
        "before_rules": 0,
    }
    assert scan("StatementsTable") == before
