"""Test a platform's own outcome types in the API, MCP, the Python client and its command.

The platform also removes a type although outcomes of this type are stored.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from outcomes_client import OutcomesClient

from smoke.api import Api, outcome_types
from tests.local.stacks import WITH_OWN_TYPES, WITHOUT_EVENTS, Stack, running
from tests.outcome_types import TYPES

NAMES = "lead_qualified, ticket_resolved"
LISTED = {
    "types": [
        {"type": "lead_qualified", "label": "Lead qualified"},
        {"type": "ticket_resolved", "label": "Ticket resolved"},
    ]
}
DEAL = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": 5, "userId": 42}
REFUSED = '{"error":"Invalid outcome_type"}'


@pytest.fixture
def platform(platform_stack: Stack) -> Stack:
    return platform_stack


def api(stack: Stack, user: int | None = None, key: str = "") -> httpx.Client:
    """Return a client for the API.

    It sends the session of `user`, or else `key`, which defaults to the platform's key.
    """
    headers = {"Cookie": stack.cookie(user)} if user else {"Authorization": f"Bearer {key or stack.key}"}
    # No connection stays open, so the client need not be closed.
    without_keep_alive = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=stack.url, headers=headers, limits=without_keep_alive, timeout=30)


def agent_key(stack: Stack, user: int, **bounds: Any) -> str:
    made = api(stack, user).post("/api/keys", json={"name": "Agent"} | bounds)
    assert made.status_code == 200, made.text
    return str(made.json()["key"])


def answered(response: httpx.Response) -> tuple[int, str, str | None]:
    return response.status_code, response.text, response.headers.get("outcome-types")


def test_the_types_are_listed_where_every_capability_is_off(core_stack: Stack) -> None:
    listed = api(core_stack).get("/api/outcomes/types").json()["types"]
    assert [each["type"] for each in listed] == [*TYPES]
    assert listed[0]["label"] == "Negotiation complete"


def test_only_the_platforms_types_are_listed_and_recorded(platform: Stack) -> None:
    assert api(platform).get("/api/outcomes/types").json() == LISTED
    assert api(platform).post("/api/outcomes", json=DEAL | {"outcomeType": "ticket_resolved"}).json() == {"ok": True}
    for headers in ({}, {"Idempotency-Key": "deal-1"}):
        refused = api(platform).post("/api/outcomes", json=DEAL, headers=headers)
        assert answered(refused) == (400, REFUSED, NAMES)
    batch = api(platform).post(
        "/api/outcomes/batch", json={"outcomes": [DEAL, DEAL | {"outcomeType": "lead_qualified"}]}
    )
    assert [each["status"] for each in batch.json()["results"]] == ["invalid", "created"]
    assert batch.headers["outcome-types"] == NAMES


def test_an_amend_and_bounds_of_a_key_take_only_the_platforms_types(platform: Stack) -> None:
    recorded = api(platform).post("/api/outcomes", json=DEAL | {"outcomeType": "lead_qualified"})
    path = f"/api/outcomes/{recorded.headers['outcome-id']}/corrections"
    amend = {"type": "amend", "reason": "Misread", "userId": 42, "changes": {"outcomeType": "deal_closed"}}
    fault = {"field": "changes.outcomeType", "message": f"must be one of {NAMES}"}
    refused = api(platform).post(path, json=amend)
    assert (refused.status_code, refused.json()) == (400, {"error": "Invalid changes", "details": [fault]})
    assert refused.headers["outcome-types"] == NAMES
    amended = api(platform).post(path, json=amend | {"changes": {"outcomeType": "ticket_resolved"}})
    assert amended.status_code == 200
    made = api(platform, 42).post("/api/keys", json={"name": "Agent", "outcomeTypes": ["deal_closed"]})
    assert (made.status_code, made.json()["error"]) == (400, "Invalid outcomeTypes")
    assert made.json()["details"][0]["message"] == f"must be a list of one or more of {NAMES}, or null"
    assert made.headers["outcome-types"] == NAMES


def test_models_are_offered_the_platforms_types(platform: Stack) -> None:
    key = agent_key(platform, 43, scopes=["record", "read"])
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    tools = {
        each["name"]: each["inputSchema"]
        for each in api(platform, key=key).post("/mcp", json=message).json()["result"]["tools"]
    }
    own = ["lead_qualified", "ticket_resolved"]
    many = tools["record_outcomes"]["properties"]["outcomes"]["items"]
    for schema in (tools["record_outcome"], many):
        assert schema["properties"]["outcome_type"]["enum"] == own
    assert tools["amend_outcome"]["properties"]["outcome_type"]["anyOf"][0]["enum"] == own
    for name in ("list_outcomes", "value_summary"):
        assert tools[name]["properties"]["outcome_types"]["anyOf"][0]["items"]["examples"] == own
    arguments = {"outcome_type": "deal_closed", "title": "Renewed Acme", "idempotency_key": "deal-1"}
    call = message | {"method": "tools/call", "params": {"name": "record_outcome", "arguments": arguments}}
    said = api(platform, key=key).post("/mcp", json=call).json()["result"]["content"][0]["text"]
    assert f"outcome_type: must be one of {NAMES}" in said


def test_the_python_client_and_the_command_pass_any_type(platform: Stack) -> None:
    with OutcomesClient(platform.url, cookie=platform.cookie(44)) as client:
        client.record("lead_qualified", "A lead")
        assert [one.outcome_type for one in client.list(outcome_type="lead_qualified").outcomes] == ["lead_qualified"]
        environment = {"PATH": os.environ["PATH"], "OUTCOMES_URL": platform.url, "OUTCOMES_COOKIE": platform.cookie(44)}
        record = ["-m", "outcomes_client", "record", "--type", "ticket_resolved", "--title", "A ticket"]
        subprocess.run([sys.executable, *record], env=environment, check=True)
        assert client.list().outcomes[0].outcome_type == "ticket_resolved"


def test_make_smoke_records_the_platforms_types(platform: Stack) -> None:
    with httpx.Client() as client:
        checked = Api(f"{platform.url}/api/outcomes", client, platform.key)
        checked.types = outcome_types(checked)
    assert checked.types == ["lead_qualified", "ticket_resolved"]
    assert checked.outcome(None)["outcomeType"] == "lead_qualified"


def test_what_was_recorded_under_a_removed_type_stays(tmp_path: Path) -> None:
    again = {"Idempotency-Key": "deal-1"}
    with running(tmp_path, *WITHOUT_EVENTS) as stack:
        first = api(stack).post("/api/outcomes", json=DEAL, headers=again)
        key = agent_key(stack, 42, outcomeTypes=["deal_closed"])
    with running(tmp_path, *WITHOUT_EVENTS, *WITH_OWN_TYPES) as stack:
        replayed = api(stack).post("/api/outcomes", json=DEAL, headers=again)
        assert (replayed.text, replayed.headers["idempotent-replayed"]) == ('{"ok":true}', "true")
        assert replayed.headers["outcome-id"] == first.headers["outcome-id"]
        other = api(stack).post("/api/outcomes", json=DEAL | {"title": "Won Globex"}, headers=again)
        assert answered(other) == (400, REFUSED, NAMES)
        assert answered(api(stack, key=key).post("/api/outcomes", json=DEAL)) == (400, REFUSED, NAMES)

        owner = api(stack, 42)
        only = {"outcomeType": "deal_closed"}
        [listed] = owner.get("/api/outcomes", params=only).json()["outcomes"]
        assert listed["outcome_type"] == "deal_closed"
        assert owner.get("/api/outcomes/summary", params=only).json()["by_type"] == [
            {"outcome_type": "deal_closed", "count": 1, "value_usd": 5}
        ]
        assert "deal_closed" in owner.get("/api/outcomes/export", params=only).text
        amend = {"type": "amend", "reason": "Misread", "userId": 42, "changes": {"title": "Renewed Acme for a year"}}
        amended = api(stack).post(f"/api/outcomes/{listed['id']}/corrections", json=amend)
        assert amended.status_code == 200
        [own] = [each for each in owner.get("/api/keys").json()["keys"] if each["name"] == "Agent"]
        assert own["outcome_types"] == ["deal_closed"]


def test_the_demo_has_the_platforms_types(platform: Stack) -> None:
    done = platform.command("seed", "--user-id", "46")
    assert done.returncode == 0, done.stderr
    types = {each["outcome_type"] for each in api(platform, 46).get("/api/outcomes?limit=50").json()["outcomes"]}
    assert types == {"lead_qualified", "ticket_resolved"}
