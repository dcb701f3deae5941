"""Try a definition that is not stored."""

import json
from typing import Any

import pytest

from functions.summarize_outcomes import app as summarize_outcomes
from functions.try_definition import app
from tests.definitions.service import BERLIN, CLAIMED, body, put
from tests.events import KEY, agent, proxy_event, session
from tests.people import record, rows_of
from tests.statements.conftest import Clock

PERIOD = {"from": "2026-09-01", "to": "2026-11-01"}
POSTS = {"content_published": {"when": "claimed", "eachUsd": 75, "basis": "estimated", "note": "90 minutes at $50"}}


@pytest.fixture(autouse=True)
def outcomes(clock: Clock) -> Clock:
    """Record in September and October, and set the clock to 20 November."""
    for day, fields in ("2026-09-15", {"valueUsd": 10}), ("2026-10-15", {"outcomeType": "content_published"}):
        clock.at(f"{day}T12:00:00Z")
        record(**fields)
    clock.at("2026-11-10T12:00:00Z")
    return clock


def tried(definition: Any, caller: Any = None, **more: Any) -> tuple[int, Any, dict[str, str]]:
    sent = {"definition": definition} | PERIOD | more
    event = proxy_event("POST", "/api/definitions/try", authorizer=caller or session(42), body=sent)
    response = app.handler(event, None)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def test_it_says_what_would_count_of_the_whole_period_and_stores_no_rule() -> None:
    status, answer, headers = tried(body(POSTS | {"*": {"when": "unless_disputed"}}) | {"color": 1})

    assert (status, headers["Ignored-Fields"]) == (200, "definition.color")
    by_rule = answer["by_rule"]
    assert by_rule["counted"] == {"count": 2, "value_usd": 85, "estimated_usd": 75}
    assert [by_rule[name]["count"] for name in ("waiting", "unconfirmed", "not_counted", "before_rules")] == [0] * 4
    assert "StatementsTable" not in rows_of(42)


@pytest.mark.parametrize("types", [CLAIMED, POSTS | {"*": {"when": "confirmed"}}])
@pytest.mark.parametrize("dispute_days", [0, 14])
def test_it_says_what_a_summary_says_once_the_definition_is_put(types: Any, dispute_days: int) -> None:
    _, answer, _ = tried(body(types, dispute_days=dispute_days))
    assert put("1970-01", types, dispute_days=dispute_days) == (200, 1)
    query: Any = PERIOD | {"timezone": BERLIN, "include": "definition"}

    summary = summarize_outcomes.handler(proxy_event("GET", authorizer=session(42), query=query), None)

    assert answer["by_rule"] == json.loads(summary["body"])["by_rule"]


def test_a_part_of_a_day_has_no_answer() -> None:
    assert tried(body(), to="2026-11-01T00:00:00Z")[:2] == (200, {"by_rule": None})


@pytest.mark.parametrize("caller", [KEY | {"reads": "42"}, agent("read record correct backfill cost")])
def test_no_key_tries(caller: Any) -> None:
    assert tried(body(), caller)[:2] == (403, {"error": "Forbidden"})


@pytest.mark.parametrize(
    ("sent", "error", "field"),
    [
        ({"definition": None}, "Invalid definition", "definition"),
        ({"definition": body(dispute_days=32)}, "Invalid disputeDays", "disputeDays"),
        ({"definition": body({"*": {"when": "x"}})}, "Invalid types", "types.*.when"),
        ({"from": 1}, "Invalid from", "from"),
        ({"from": "2026-11-01"}, "Invalid from", "from"),
        ({"to": []}, "Invalid to", "to"),
        ({"to": "yesterday"}, "Invalid to", None),
    ],
)
def test_what_is_wrong_is_named(sent: Any, error: str, field: str | None) -> None:
    status, answer, _ = tried(**{"definition": body()} | sent)
    assert (status, answer["error"]) == (400, error)
    assert [fault["field"] for fault in answer.get("details", [])] == ([field] if field else [])


def test_a_period_may_have_ten_years() -> None:
    assert tried(body(), **{"from": "2016-11-01"})[0] == 200
    refused = tried(body(), **{"from": "2016-10-31"})[1]
    assert refused["details"][0]["message"].endswith(
        " before `to` (by default the end of today) and at most 10 years before it"
    )
