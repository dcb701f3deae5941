"""Test `GET /api/costs`, which returns costs by agent, day and source."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.calendar.instants import DAY
from outcomes.contract import json_text
from outcomes.costs import cost_report, month_sums, stored_costs

from functions.costs import app
from tests.aws import aws_client, scan
from tests.costs.service import CALLERS, call, put
from tests.events import KEY, proxy_event
from tests.faults import THROTTLED, Fault, Request, Send, error, faulty, fine, vanished

pytestmark = pytest.mark.usefixtures("tables", "no_waiting")

FOUR_DAYS = {"from": "2026-11-24", "to": "2026-11-28"}
SEPTEMBER = {"from": "2026-09-10", "to": "2026-09-20"}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Set the clock, and return a list with its time. Changing the list changes the time."""
    now = [instants.read("2026-11-28T12:00:00Z")]
    monkeypatch.setattr(instants, "now", lambda: now[0])
    return now


def line(agent: int | None, cost: float, label: str | None = None) -> dict[str, Any]:
    return {"agentId": agent, "costUsd": cost, "label": label}


def answer(caller: str = "session", **query: str) -> tuple[int, str]:
    asked: dict[str, Any] = FOUR_DAYS | query | ({"userId": "42"} if CALLERS[caller] == KEY else {})
    response = app.handler(proxy_event("GET", "/api/costs", authorizer=CALLERS[caller], query=asked), None)
    return response["statusCode"], response["body"]


def report(**query: str) -> Any:
    status, body = answer(**query)
    assert status == 200, body
    return json_text.read(body)


def test_it_is_exactly_as_in_the_contract() -> None:
    put("session", line(7, 9.8, "a"), line(7, 0.2, "b"), line(None, 37), date="2026-11-24")
    put("session", date="2026-11-26")
    put("session", line(9, -3.1), date="2026-11-26", source="anthropic")
    put("session", line(9, 1000), date="2026-11-28")
    assert answer() == (
        200,
        '{"from":"2026-11-24T00:00:00.000Z","to":"2026-11-28T00:00:00.000Z","days":"UTC","cost_usd":43.9'
        ',"by_agent":[{"agent_id":null,"cost_usd":37},{"agent_id":7,"cost_usd":10},{"agent_id":9,"cost_usd":-3.1}]'
        ',"by_day":[{"date":"2026-11-24","cost_usd":47,"sources":["openai"]}'
        ',{"date":"2026-11-25","cost_usd":null,"sources":[]}'
        ',{"date":"2026-11-26","cost_usd":-3.1,"sources":["anthropic","openai"]}'
        ',{"date":"2026-11-27","cost_usd":null,"sources":[]}]'
        ',"by_source":[{"source":"anthropic","cost_usd":-3.1,"known_days":1,"gaps":[]}'
        ',{"source":"openai","cost_usd":47,"known_days":2,"gaps":["2026-11-25"]}],"known_days":2,"of_days":4}',
    )
    for agent, cost in (("7", 10), ("none", 37), ("8", 0)):
        found = report(agentId=agent)
        assert (found["cost_usd"], found["known_days"], found["by_day"][1]["cost_usd"]) == (cost, 2, None)
        assert [each["cost_usd"] for each in found["by_agent"]] == [cost] * (agent != "8")


def test_the_default_is_thirty_days_with_today() -> None:
    put("session", line(7, 1), date="2026-11-28")
    response = app.handler(proxy_event("GET", "/api/costs", authorizer=CALLERS["session"]), None)
    found = json.loads(response["body"])
    assert (found["cost_usd"], found["of_days"], found["by_day"][-1]["date"]) == (1, 30, "2026-11-28")


def test_agents_beyond_the_limit_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_report, "MAX_AGENTS_WITH_COST", 2)
    put("session", *[line(agent, agent / 4) for agent in range(1, 5)], date="2026-11-24")
    found = report()
    assert [each["agent_id"] for each in found["by_agent"]] == [4, 3]
    assert found["other_agents"] == {"agents": 2, "cost_usd": Decimal("0.75")}


@pytest.mark.parametrize(
    ("caller", "status"),
    [("session", 200), ("reading key", 200), ("platform", 403), ("recording key", 403), ("key", 403)],
)
def test_only_who_may_read_outcomes_may_read_it(caller: str, status: int) -> None:
    assert answer(caller)[0] == status


@pytest.mark.parametrize("query", [{"from": "x"}, {"from": "2026-11-28"}, {"from": "2025-11-26"}])
def test_a_wrong_from_is_refused_with_its_whole_rule(query: dict[str, str]) -> None:
    rule = (
        "must be a date, or an instant with offset, before `to` (by default the end of today) and at most 366 days "
        "before it; GET /api/outcomes/summary with include=cost also takes by=week and by=month, for longer periods"
    )
    refusal = {"error": "Invalid from", "details": [{"field": "from", "message": rule}]}
    status, body = answer(**{**FOUR_DAYS, **query})
    assert (status, json.loads(body)) == (400, refusal)


@pytest.mark.parametrize("name", ["to", "timezone", "agentId"])
def test_invalid_parameters_are_refused(name: str) -> None:
    assert answer(**{name: "x"}) == (400, f'{{"error":"Invalid {name}"}}')


@pytest.fixture
def always_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store the sums of each month, however few lines it has, in blocks of one day and parts of one line."""
    for name in ("LINES_WORTH_SUMS", "LINES_WORTH_AN_HOUR", "BLOCK_CHARACTERS"):
        monkeypatch.setattr(stored_costs, name, 1)
    monkeypatch.setattr(month_sums, "PART_CHARACTERS", 1)


WHOLE = {"from": "2026-09-01", "to": "2026-10-01"}
NOVEMBER = {"from": "2026-11-01", "to": "2026-11-29"}


def cost(**query: str) -> Any:
    return report(**WHOLE | query)["cost_usd"]


def stored() -> dict[str, Any]:
    """Return the rows of stored sums by name."""
    return {row["day_source"]["S"]: row for row in scan("CostsTable") if "sums" in row}


def put_uncounted(date: str, amount: int) -> None:
    """Replace a day's line without counting the change, as code of earlier commits does while the month is young."""
    [row] = [row for row in scan("CostsTable") if row["day_source"]["S"] == f"{date}#openai"]
    row["lines"] = {"S": f"[[{amount},7,null,null,null]]"}
    aws_client("dynamodb").put_item(TableName="CostsTable", Item=row)


def only_one_row(_request: Request, send: Send) -> Any:
    """Answer a query with a page of one row."""
    reply = send()
    page = json.loads(reply.body)
    row = page["Items"][0]
    page |= {"Items": [row], "LastEvaluatedKey": {name: row[name] for name in ("user_id", "day_source")}}
    return reply._replace(body=json.dumps(page).encode(), headers={"date": reply.headers.get("date", "")})


@pytest.mark.usefixtures("always_worth")
class TestStoredSums:
    def test_they_answer_for_whole_months_for_parts_of_months_and_for_agents_without_the_days(self) -> None:
        for day, amount in (("2026-09-01", 1), ("2026-09-15", 2), ("2026-09-30", 4)):
            put("session", line(7, amount), line(9, amount / 8), line(None, amount / 16), date=day)
        asked: list[dict[str, str]] = [WHOLE, SEPTEMBER, WHOLE | {"agentId": "9"}, SEPTEMBER | {"agentId": "none"}]
        before = [report(**each) for each in asked]
        for day in ("2026-09-01", "2026-09-15", "2026-09-30"):
            put_uncounted(day, 1000)
        assert [report(**each) for each in asked] == before
        assert [str(each["cost_usd"]) for each in before] == ["8.3125", "2.375", "0.875", "0.125"]

    @pytest.mark.parametrize(("date", "period"), [("2026-09-15", WHOLE), ("2026-11-20", NOVEMBER)])
    def test_a_change_of_a_day_outdates_them(self, date: str, period: dict[str, str]) -> None:
        for amount in (1, 3, None, 5):
            if amount:
                put("session", line(7, amount), date=date)
            else:
                assert call("DELETE", "session", date=date)[0] == 200
            assert cost(**period) == cost(**period, agentId="7") == amount
            assert stored()

    def test_costs_that_a_report_did_not_see_outdate_what_it_stores_later(self) -> None:
        put("session", line(7, 1), date="2026-09-15")

        def after_a_put(_request: Request, send: Send) -> Any:
            put("session", line(7, 3), date="2026-09-15")
            return send()

        with faulty(app.days.dynamodb, "UpdateItem", after_a_put, fine):
            assert cost() == 1
        assert "agents#2026-09#01#000" in stored()
        assert cost() == cost(agentId="7") == 3

    def test_those_of_a_young_month_count_for_an_hour_because_earlier_code_counts_no_changes_of_it(
        self, clock: list[int]
    ) -> None:
        put("session", line(7, 1), date="2026-11-20")
        assert cost(**NOVEMBER) == 1
        put_uncounted("2026-11-20", 3)
        assert cost(**NOVEMBER) == 1
        clock[0] += 60 * 60 * 1000
        assert cost(**NOVEMBER) == 3
        assert {*stored()} == {f"folded#2026-11#{part:03d}" for part in range(2)}
        assert cost(**NOVEMBER, agentId="7") == 3
        assert "agents#2026-11#01#000" in stored()

    def test_a_report_goes_on_from_those_that_a_report_of_an_agent_stored(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for day in ("2026-11-05", "2026-11-15", "2026-11-25"):
            put("session", line(7, 1), line(9, 1), date=day)
        monkeypatch.setattr(stored_costs, "FOLD_SECONDS", -1)
        assert [answer(**NOVEMBER | query)[0] for query in ({"agentId": "7"}, {}, {})] == [503] * 3
        with faulty(app.days.dynamodb, "UpdateItem", fine) as sent:
            assert cost(**NOVEMBER) == 6
            assert sent
            del sent[:]
            assert (cost(**NOVEMBER), cost(**NOVEMBER, agentId="7")) == (6, 3)
        assert not sent

    def test_a_report_of_later_days_does_not_store_them_again(self) -> None:
        for day in ("2026-11-05", "2026-11-15", "2026-11-27"):
            put("session", line(7, 1), date=day)
        assert cost(**NOVEMBER, agentId="7") == 3
        with faulty(app.days.dynamodb, "UpdateItem", fine) as sent:
            assert cost(**NOVEMBER | {"from": "2026-11-27"}) == 1
        assert not sent

    def test_a_report_that_runs_out_of_time_after_them_does_not_store_them_again(self) -> None:
        for day in ("2026-11-15", "2026-11-27", "2026-11-28"):
            put("session", line(7, 1), date=day)
        assert cost(**NOVEMBER) == 3
        pages = fine, fine, only_one_row, error(THROTTLED)
        with faulty(app.days.dynamodb, "UpdateItem", fine) as sent, faulty(app.days.dynamodb, "Query", *pages):
            assert answer(**NOVEMBER)[0] == 503
        assert not sent

    def test_today_and_yesterday_are_never_among_them(self, clock: list[int]) -> None:
        for day in ("2026-11-25", "2026-11-26", "2026-11-27", "2026-11-28"):
            put("session", line(7, 1), date=day)
        assert cost(**NOVEMBER) == 4
        assert {name: row["rules"]["S"].split(" ")[-2] for name, row in stored().items() if "folded" in name} == {
            f"folded#2026-11#{part:03d}": "26" for part in range(2)
        }
        for day in ("2026-11-27", "2026-11-28"):
            put_uncounted(day, 5)
        assert cost(**NOVEMBER) == 12
        # A transaction that began before midnight, and did not count its change, may end after midnight.
        clock[0] += 12 * 60 * 60 * 1000
        put_uncounted("2026-11-27", 7)
        assert cost(**NOVEMBER) == 14

    def test_a_clock_that_was_wrong_until_the_first_answer_stores_no_day_too_early(self, clock: list[int]) -> None:
        for day in ("2026-11-26", "2026-11-27"):
            put("session", line(7, 1), date=day)
        clock[0] += DAY

        def corrected(_request: Request, send: Send) -> Any:
            clock[0] -= DAY
            return send()

        with faulty(app.days.dynamodb, "Query", corrected, fine):
            assert cost(**NOVEMBER) == 2
        assert stored()["folded#2026-11#000"]["rules"]["S"].startswith("1 1 2026-11-28T12 26 ")

    @pytest.mark.parametrize(
        "change",
        [{"rules": {"S": "other"}}, {"rules": {"S": "2 0 30 1"}}, {"sums": {"B": b"damaged"}}, None],
        ids=["other rules", "a later format", "damaged", "missing"],
    )
    def test_what_cannot_be_read_is_replaced(self, change: Any) -> None:
        for day, agent in (("2026-09-15", 7), ("2026-09-30", 9)):
            put("session", line(agent, 1), date=day)
        assert cost() == 2
        rows, table = stored(), aws_client("dynamodb")
        for row in rows.values():
            table.delete_item(TableName="CostsTable", Key={name: row[name] for name in ("user_id", "day_source")})
            if change:
                table.put_item(TableName="CostsTable", Item=row | change)
            assert (cost(), cost(agentId="7"), cost(agentId="9")) == (2, 1, 1)
            assert stored() == rows

    def test_sums_of_earlier_commits_are_not_read_and_go(self) -> None:
        put("session", line(7, 1), date="2026-09-15")
        [row] = [row for row in scan("CostsTable") if row["day_source"]["S"] == "month#2026-09"]
        old = {"sums": {"B": b"old"}, "rules": {"S": "3 d9c52a5a"}, "restated": {"M": {}}}
        for change in (lambda: cost(), lambda: put("session", line(7, 1), date="2026-09-16")):
            aws_client("dynamodb").put_item(TableName="CostsTable", Item=row | old)
            change()
            [row] = [row for row in scan("CostsTable") if row["day_source"]["S"] == "month#2026-09"]
            assert row.keys() == {"user_id", "day_source", "changes"}
        assert cost() == 2

    def test_a_report_whose_time_is_over_goes_on_after_its_last_block(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stored_costs, "FOLD_SECONDS", -1)
        for day in ("2026-09-01", "2026-09-15", "2026-09-30"):
            put("session", line(7, 1), line(9, 1), date=day)
        for query in ({}, {"agentId": "7"}):
            until = []
            while answer(**WHOLE | query)[0] == 503:
                until.append(stored()["folded#2026-09#000"]["rules"]["S"].split(" ")[-2])
            assert until == ["1", "15", "30"]
            assert cost(**query) == 6 / (1 + len(query))
            put("session", line(7, 1), line(9, 1, "again"), date="2026-09-01")
            put("session", line(7, 1), line(9, 1), date="2026-09-01")

    def test_a_part_of_a_young_month_is_stored_once_a_report_of_it_ran_out_of_time(self, clock: list[int]) -> None:
        for day in ("2026-11-05", "2026-11-15"):
            put("session", line(7, 1), date=day)
        part = NOVEMBER | {"from": "2026-11-10"}
        put("session", line(7, 1), date="2026-11-16")
        assert cost(**part) == 2
        assert not stored()
        with faulty(app.days.dynamodb, "Query", fine, fine, only_one_row, error(THROTTLED)):
            assert answer(**part)[0] == 503
        assert cost(**part) == 2
        assert {"agents#2026-11#01#000", "agents#2026-11#06#000", "agents#2026-11#16#000"} < {*stored()}
        with faulty(app.days.dynamodb, "UpdateItem", fine) as sent:
            clock[0] += 60 * 60 * 1000
            assert cost(**NOVEMBER | {"from": "2026-11-27"}) is None
            assert not sent
            assert cost(**part) == 2
        assert sent


@pytest.mark.usefixtures("always_worth")
@pytest.mark.parametrize("fault", [error(THROTTLED), vanished])
def test_a_report_is_correct_even_if_sums_cannot_be_stored(fault: Fault) -> None:
    for day in ("2026-09-01", "2026-09-15", "2026-09-30"):
        put("session", line(7, 1), date=day)
    with faulty(app.days.dynamodb, "UpdateItem", fault) as sent:
        assert cost() == 3
    assert len(sent) == 1
    assert not stored()
    assert cost() == 3


@pytest.mark.usefixtures("always_worth")
def test_a_report_stores_no_more_sums_once_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_costs, "BLOCK_CHARACTERS", 1_000)
    for day in ("2026-08-15", "2026-09-15"):
        put("session", line(7, 1), date=day)

    def slow(_request: Request, send: Send) -> Any:
        later = time.monotonic() + stored_costs.READ_SECONDS + stored_costs.STORE_SECONDS + 1
        monkeypatch.setattr("outcomes.costs.stored_costs.time.monotonic", lambda: later)
        return send()

    with faulty(app.days.dynamodb, "UpdateItem", slow) as sent:
        assert report(**{"from": "2026-08-01", "to": "2026-10-01"})["cost_usd"] == 2
    assert len(sent) == 1


def test_a_report_that_takes_too_long_is_continued_by_the_next() -> None:
    with faulty(app.days.dynamodb, "Query", error(THROTTLED)):
        assert answer() == (503, '{"error":"Still adding up"}')
