"""Test `GET /api/outcomes/summary?include=cost`, which adds costs to a summary."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from outcomes.calendar.instants import DAY
from outcomes.contract import json_text
from outcomes.contract.caller import Caller
from outcomes.contract.costs import CostLine
from outcomes.contract.models import NewOutcome
from outcomes.contract.preconditions import Preconditions
from outcomes.costs import stored_costs
from outcomes.costs.cost_rows import CostDay
from outcomes.costs.days import CostDays

from functions.summarize_outcomes import app
from tests.aws import scan
from tests.events import proxy_event, session
from tests.faults import faulty, fine

pytestmark = pytest.mark.usefixtures("tables")

NOON = 1_779_969_600_000  # 2026-05-28T12:00:00Z
THREE_DAYS: dict[str, Any] = {"from": "2026-05-27", "to": "2026-05-30"}
SUMS = ("count", "value_usd")
COSTS = ("cost_usd", "known_days", "of_days", "net_usd", "ratio")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock to two days after NOON."""
    monkeypatch.setattr("outcomes.calendar.instants.now", lambda: NOON + 2 * DAY)


def record(agent: int | None, value: str | None, count: int = 1, **more: Any) -> None:
    body = {"outcomeType": "deal_closed", "title": "Closed", "agentId": agent and Decimal(agent)} | more
    body["valueUsd"] = value and Decimal(value)
    for _ in range(count):
        app.store.add(NewOutcome.parse(body, session_user=42), "key", milliseconds=NOON)


def put(day: str, *costs: tuple[int | None, str], source: str = "openai") -> None:
    lines = tuple(CostLine(Decimal(cost), agent, label=str(number)) for number, (agent, cost) in enumerate(costs))
    caller = Caller(session_user=42)
    CostDays("CostsTable").put(CostDay(42, day, source), lines, caller, Preconditions())


def answer(**query: str | list[str]) -> tuple[int, str]:
    response = app.handler(
        proxy_event("GET", "/api/outcomes/summary", authorizer=session(42), query=THREE_DAYS | query), None
    )
    return response["statusCode"], response["body"]


def summary(**query: str | list[str]) -> Any:
    status, body = answer(**({"include": "cost"} | query))
    assert status == 200, body
    return json_text.read(body)


def test_it_is_exactly_as_in_the_contract() -> None:
    record(7, "41.5", count=3)
    record(None, None)
    put("2026-05-27", (7, "9.80"), (9, "2.12"), (None, "0.37"))
    put("2026-05-28", (9, "-0.12"), source="anthropic")
    status, body = answer(include="cost", by="month")
    assert (status, body) == (
        200,
        '{"from":"2026-05-27T00:00:00.000Z","to":"2026-05-30T00:00:00.000Z","timezone":"UTC"'
        ',"count":4,"value_usd":124.5,"cost_usd":12.17,"known_days":2,"of_days":3,"net_usd":112.33,"ratio":10.230074'
        ',"confirmed":{"count":0,"value_usd":0},"disputed":{"count":0,"value_usd":0},"voided":{"count":0,"value_usd":0}'
        ',"by_type":[{"outcome_type":"deal_closed","count":4,"value_usd":124.5}]'
        ',"by_agent":[{"agent_id":7,"count":3,"value_usd":124.5,"cost_usd":9.8,"cost_per_outcome":3.266667}'
        ',{"agent_id":null,"count":1,"value_usd":0,"cost_usd":0.37,"cost_per_outcome":null}'
        ',{"agent_id":9,"count":0,"value_usd":0,"cost_usd":2,"cost_per_outcome":null}]'
        ',"by_month":[{"date":"2026-05-27","count":4,"value_usd":124.5}]}',
    )


def test_what_is_not_known_is_null() -> None:
    record(7, "41.5")
    found = summary()
    assert [found[name] for name in COSTS] == [None, 0, 3, None, None]
    assert found["by_agent"] == [
        {"agent_id": 7, "count": 1, "value_usd": Decimal("41.5"), "cost_usd": None, "cost_per_outcome": None}
    ]
    put("2026-05-27")  # a day that was put without lines has the known cost 0
    found = summary()
    assert [found[name] for name in COSTS] == [0, 1, 3, Decimal("41.5"), None]
    assert (found["by_agent"][0]["cost_usd"], found["by_agent"][0]["cost_per_outcome"]) == (0, None)


@pytest.mark.parametrize(
    ("value", "count", "cost", "ratio", "per_outcome"),
    [
        ("1", 1, "3", "0.333333", "3"),
        ("2", 1, "3", "0.666667", "3"),
        ("0.0000005", 1, "1", "0", "1"),  # rounds half to even
        ("0.0000015", 1, "1", "0.000002", "1"),
        ("-0.0000025", 1, "1", "-0.000002", "1"),
        ("0.0000025000000000000000000000000000000000001", 1, "1", "0.000003", "1"),
        ("0.5", 8, "0.000002", "2000000", "0"),
        ("5", 1, "-1", None, None),
        ("5", 1, "0", None, None),
        (None, 2, "1", "0", "0.5"),
        (None, 0, "1", None, None),
        ("999999999999999", 1, "1e-130", f"999999999999999{'0' * 130}", "0"),
    ],
)
def test_ratios_are_rounded_half_even_to_six_digits(
    value: str | None, count: int, cost: str, ratio: str | None, per_outcome: str | None
) -> None:
    record(7, value, count)
    put("2026-05-28", (7, cost))
    found = summary()
    [agent] = found["by_agent"]
    expected = [text and Decimal(text) for text in (ratio, per_outcome)]
    assert [found["ratio"], agent["cost_per_outcome"]] == expected


def test_filters_by_agent_apply_to_costs_and_those_by_type_or_status_make_them_null() -> None:
    record(7, "10")
    record(9, "20", outcomeType="task_complete")
    put("2026-05-28", (7, "1"), (9, "2"), (None, "4"))
    for agent, cost, net in (("7", 1, 9), ("9", 2, 18), ("none", 4, -4), ("8", 0, 0)):
        found = summary(agentId=agent)
        assert [found[name] for name in COSTS[:4]] == [cost, 1, 3, net]
        assert [each["cost_usd"] for each in found["by_agent"]] == [cost] * (agent != "8")
    with faulty(app.store.dynamodb, "Query", fine) as sent:
        without = len(sent), answer(outcomeType="deal_closed")[0], len(sent)
        found = summary(outcomeType="deal_closed")
        assert len(sent) - without[2] == without[2] - without[0]  # include=cost adds no queries
    assert [found[name] for name in COSTS] == [None] * 5
    assert [list(each.values())[3:] for each in found["by_agent"]] == [[None, None]]
    assert summary(status=["disputed", "recorded"])["net_usd"] is None
    assert summary(status=["confirmed", "recorded"])["net_usd"] == 23


def test_other_agents_have_a_cost_and_no_agent_is_always_listed() -> None:
    record(1, "5")
    put("2026-05-28", *[(agent, str(agent)) for agent in range(1, 121)], (None, "0.5"))
    put("2026-05-29", (119, "1"), (120, "1e-35"), source="anthropic")  # the costs of agents 119 and 120 differ by 1e-35
    found = summary()
    listed = [each["agent_id"] for each in found["by_agent"]]
    assert listed == [1, *range(120, 22, -1), None]
    assert found["other_agents"] == {"agents": 21, "count": 0, "value_usd": 0, "cost_usd": sum(range(2, 23))}
    assert found["cost_usd"] == Decimal("7261.50000000000000000000000000000000001")


def test_the_days_are_those_that_begin_in_utc_within_the_period() -> None:
    for day in range(26, 31):
        put(f"2026-05-{day}", (7, f"{10 ** (day - 26)}"))
    for zone, cost in (("UTC", 1110), ("Europe/Berlin", 1110), ("America/New_York", 11100)):
        assert (zone, summary(timezone=zone)["cost_usd"]) == (zone, cost)
    found = summary(**{"from": "2026-05-28T01:00:00Z", "to": "2026-05-28T23:00:00Z"})
    assert [found[name] for name in COSTS] == [None, 0, 0, None, None]


def test_recent_ids_may_be_listed_too_and_the_previous_period_has_no_costs() -> None:
    record(7, "5")
    found = summary(include=["cost", "recent"], compare="previous")
    assert found["recent"]["after"]
    assert "cost_usd" not in found["previous"]


def test_a_summary_without_it_reads_no_costs_and_without_the_capability_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record(7, "5")
    put("2026-05-28", (7, "1"))
    with faulty(app.store.dynamodb, {"Query", "GetItem"}, fine) as sent:
        before = answer()[1]
        calls = len(sent)
        assert answer(include="cost")[0] == 200
    assert len(sent) == 2 * calls + 3  # counted changes, stored sums, and days
    assert "cost" not in before
    monkeypatch.setattr(app, "COSTS_TABLE", "")
    assert answer(include="cost") == (400, '{"error":"Invalid include"}')
    assert answer()[1] == before


def test_the_sums_of_a_past_month_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function's role lets it write these attributes only."""
    monkeypatch.setattr(stored_costs, "LINES_WORTH_SUMS", 1)
    put("2026-03-10", (7, "1.25"))
    for _ in range(2):
        assert summary(**{"from": "2026-03-01", "to": "2026-04-01"})["cost_usd"] == Decimal("1.25")
    stored = {row["day_source"]["S"] for row in scan("CostsTable") if "sums" in row}
    assert stored == {"agents#2026-03#01#000", "folded#2026-03#000"}


def test_a_period_of_years_is_possible_by_month() -> None:
    put("2026-05-28", (7, "1"))
    first = date(2026, 5, 30) - timedelta(days=3600)
    assert summary(**{"from": first.isoformat(), "by": "month"})["of_days"] == 3600
    assert summary(**{"from": "9999-12-30", "to": "9999-12-31"})["of_days"] == 1
