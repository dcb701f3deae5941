"""Test recording with an agent key: the key's limits, and the stored provenance."""

import json
from typing import Any

import pytest
from outcomes.contract.outcome_fields import LATER

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.events import KEY, agent, proxy_event, session

PLAIN = {"outcomeType": "deal_closed", "title": "Closed a deal"}

pytestmark = pytest.mark.usefixtures("tables")


def post(body: Any, authorizer: dict[str, Any], **event: Any) -> tuple[int, Any]:
    response = record_outcome.handler(proxy_event("POST", authorizer=authorizer, body=body, **event), None)
    return response["statusCode"], json.loads(response["body"])


def post_batch(items: list[Any], authorizer: dict[str, Any]) -> tuple[int, Any]:
    event = proxy_event("POST", "/api/outcomes/batch", authorizer=authorizer, body={"outcomes": items})
    response = record_batch.handler(event, None)
    return response["statusCode"], json.loads(response["body"])


def listed(user_id: int = 42, **query: Any) -> Any:
    response = list_outcomes.handler(proxy_event("GET", authorizer=session(user_id), query=query), None)
    return json.loads(response["body"])["outcomes"]


def test_an_agent_key_records_for_its_user_and_agent_where_the_body_names_none() -> None:
    assert post(PLAIN | {"userId": None}, agent(agentId="7")) == (200, {"ok": True})
    [outcome] = listed()
    assert (outcome["user_id"], outcome["agent_id"]) == (42, 7)


@pytest.mark.parametrize(
    ("bounds", "fields", "details"),
    [
        ({}, {"userId": 7}, {"userId": "this key records for user 42 only"}),
        ({"agentId": "7"}, {"agentId": 8}, {"agentId": "this key records for agent 7 only"}),
        (
            {"outcomeTypes": "task_complete content_published"},
            {},
            {"outcomeType": "this key records only content_published, task_complete"},
        ),
        *(
            (
                {"maxValueUsd": most},
                {"valueUsd": value},
                {"valueUsd": f"this key records values of magnitude {most} at most"},
            )
            for most, value in (("500", 500.01), ("500", -501), ("0", 1e-9))
        ),
        (
            {"maxValueUsd": "1", "agentId": "7"},
            {"valueUsd": 2, "agentId": 8, "userId": 9},
            {
                "userId": "this key records for user 42 only",
                "agentId": "this key records for agent 7 only",
                "valueUsd": "this key records values of magnitude 1 at most",
            },
        ),
    ],
)
def test_beyond_its_bounds_an_agent_key_gets_a_403_that_names_them(
    bounds: dict[str, str], fields: dict[str, Any], details: dict[str, str]
) -> None:
    expected = [{"field": field, "message": message} for field, message in details.items()]
    forbidden = {"error": "Forbidden", "details": expected}
    assert post(PLAIN | fields, agent(**bounds)) == (403, forbidden)
    status, answer = post_batch([PLAIN | fields, "nonsense"], agent(**bounds))
    assert status == 200
    assert answer["results"] == [{"status": "forbidden"} | forbidden, {"status": "invalid", "error": "Invalid outcome"}]
    assert (listed(42), listed(7), listed(9)) == ([], [], [])


def test_invalid_fields_are_reported_before_bounds() -> None:
    assert post(PLAIN | {"userId": 7, "title": ""}, agent())[1]["error"] == "Invalid title"


def test_a_list_with_the_ledger_says_who_recorded_each_outcome() -> None:
    for caller in (KEY, agent(), session(42)):
        post(PLAIN | {"userId": 42}, caller)
        post_batch([PLAIN | {"userId": 42}, PLAIN | {"userId": 42, "idempotencyKey": f"k{caller['caller']}"}], caller)
    by = [outcome["recorded_by"] for outcome in listed(include="ledger")]
    assert by == ["session"] * 3 + ["key:0123456789abcdef"] * 3 + ["key"] * 3
    assert all("recorded_by" not in outcome for outcome in listed())
    assert list(listed(include="ledger")[0]) == [*listed()[0], "status", *LATER, "recorded_by", "version"]


@pytest.mark.parametrize("include", ["", "Ledger", "ledger ", ["ledger", "all"]])
def test_an_unknown_include_is_refused(include: Any) -> None:
    response = list_outcomes.handler(proxy_event("GET", authorizer=session(42), query={"include": include}), None)
    assert (response["statusCode"], response["body"]) == (400, '{"error":"Invalid include"}')
