"""Test `GET /api/costs`, which returns costs by agent, day and source."""

import json
import time
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.costs import cost_report, stored_costs

from functions.costs import app
from tests.aws import scan
from tests.costs.service import CALLERS, put
from tests.events import KEY, proxy_event
from tests.faults import THROTTLED, Fault, Request, Send, error, faulty, vanished

pytestmark = pytest.mark.usefixtures("tables", "no_waiting")

FOUR_DAYS = {"from": "2026-11-24", "to": "2026-11-28"}
SEPTEMBER = {"from": "2026-09-10", "to": "2026-09-20"}
DAY = 24 * 60 * 60 * 1000


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


def test_a_row_of_sums_has_few_restated_days(clock: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_costs, "LINES_WORTH_SUMS", 1)
    monkeypatch.setattr(stored_costs, "MAX_RESTATED", 2)

    def restate(*days: int) -> list[list[str]]:
        """Put days twice, and request a report. Return the restated days that each row of sums lists."""
        for cost, day in product((1, 2), days):
            put("session", line(7, cost), date=f"2026-09-{day:02d}")
        september()
        return [sorted(row["restated"]["M"]) for row in scan("CostsTable") if "sums" in row]

    assert restate(1, 15, 30) == []  # with too many restated days, a row of sums could be too large for DynamoDB
    clock[0] += DAY
    assert restate(16, 17) == [["2026-09-16#openai", "2026-09-17#openai"]]


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


def september() -> Any:
    """Return the costs of ten days of September. The first report stores the sums of the whole month."""
    return report(**SEPTEMBER)["cost_usd"]


@pytest.mark.parametrize("fault", [error(THROTTLED), vanished, error("ConditionalCheckFailedException")])
def test_a_report_is_correct_even_if_sums_cannot_be_stored(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_costs, "LINES_WORTH_SUMS", 1)
    for day in ("2026-09-01", "2026-09-15", "2026-09-30"):
        put("session", line(7, 1), date=day)
    with faulty(app.days.dynamodb, "UpdateItem", fault) as sent:
        assert september() == 1
    assert len(sent) == 1
    assert september() == 1


def test_a_report_stores_no_more_sums_once_its_time_for_reads_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_costs, "LINES_WORTH_SUMS", 1)
    for day in ("2026-08-15", "2026-09-15"):
        put("session", line(7, 1), date=day)

    def slow(_request: Request, send: Send) -> Any:
        later = time.monotonic() + stored_costs.READ_SECONDS + 1
        monkeypatch.setattr("outcomes.costs.stored_costs.time.monotonic", lambda: later)
        return send()

    with faulty(app.days.dynamodb, "UpdateItem", slow) as sent:
        assert report(**{"from": "2026-08-01", "to": "2026-10-01"})["cost_usd"] == 2
    assert len(sent) == 1


def test_a_report_that_takes_too_long_is_continued_by_the_next() -> None:
    with faulty(app.days.dynamodb, "Query", error(THROTTLED)):
        assert answer() == (503, '{"error":"Still adding up"}')


def test_sums_that_cannot_be_read_are_replaced(monkeypatch: pytest.MonkeyPatch, tables: dict[str, str]) -> None:
    from tests.aws import aws_client

    monkeypatch.setattr(stored_costs, "LINES_WORTH_SUMS", 1)
    put("session", line(7, 1), date="2026-09-15")
    assert september() == 1
    [row] = [row for row in scan(tables["CostsTable"]) if "sums" in row]
    for change in ({"rules": {"S": "other"}}, {"sums": {"B": b"damaged"}}):
        aws_client("dynamodb").put_item(TableName=tables["CostsTable"], Item=row | change)
        assert september() == 1
        assert [each for each in scan(tables["CostsTable"]) if "sums" in each] == [row]
