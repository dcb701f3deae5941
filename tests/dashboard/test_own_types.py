"""Test the elements in a deployment with its own outcome types."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from outcomes_client import OutcomesClient
from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browsers import wait_until
from tests.clients.test_typescript import CLIENT, bundle, needs_npm, run
from tests.dashboard.agent_keys import AgentKeys
from tests.dashboard.conftest import FindFaults, Open, TakePicture, embed, next_poll, set_attribute
from tests.dashboard.recorded import Recorded, reply
from tests.dashboard.test_keys import button, new_key, rows
from tests.local.stacks import Stack
from tests.outcome_types import TYPES

OWN = ["lead_qualified", "ticket_resolved"]
CAPTION = ".summary > .caption"
WITHOUT_TYPES = [
    reply(404, json={"error": "Not found"}),  # an older deployment
    reply(500, json={"error": "Failed to list outcomes"}),
    reply(200, body="<html>"),
    reply(200, json={"types": [None]}),
    reply(0),
]


def by_type(page: Page) -> Locator:
    return page.get_by_label("Filter by type")


def offered(page: Page) -> Locator:
    return by_type(page).locator("option")


def offered_on_return(page: Page) -> int:
    """Move the focus away from the filter and back. Return how many types the filter then offers."""
    by_type(page).blur()
    by_type(page).focus()
    return offered(page).count()


def asked_for_types(recorded: Recorded) -> list[Request]:
    return [request for request in recorded.asked if request.url.endswith("/types")]


# ---- the feed


@pytest.mark.at_noon
def test_the_filter_offers_the_deployments_types_before_those_that_only_occur(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.types = OWN
    recorded.has("Ticket", hours=1, outcome_type="ticket_resolved")
    recorded.has("Deal", hours=2, outcome_type="deal_closed")
    recorded.sums["by_type"] = [{"outcome_type": "content_published", "count": 1, "value_usd": 1}]
    open_feed()
    occurring = ["All types", "Ticket resolved", "Deal closed", "Content published"]
    expect(offered(page)).to_have_text(occurring)
    by_type(page).select_option("Deal closed")
    assert asked_for_types(recorded) == []

    by_type(page).hover()
    listed = ["All types", "Lead qualified", "Ticket resolved", "Deal closed", "Content published"]
    expect(offered(page)).to_have_text(listed)
    expect(by_type(page)).to_have_value("deal_closed")
    by_type(page).focus()
    by_type(page).select_option("Lead qualified")
    expect(page.locator(CAPTION)).to_contain_text("Lead qualified")
    assert "outcomeType=lead_qualified" in recorded.asked[-1].url
    assert len(asked_for_types(recorded)) == 1


@pytest.mark.at_noon
def test_the_filter_has_the_labels_of_the_api(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.instead("GET", "/types", 200, json={"types": [{"type": "deal_closed", "label": "Deal, closed"}]})
    recorded.has("Deal")
    open_feed()
    by_type(page).hover()
    expect(offered(page)).to_have_text(["All types", "Deal, closed"])


@pytest.mark.at_noon
@pytest.mark.parametrize("answer", WITHOUT_TYPES)
def test_without_the_list_of_types_the_filter_has_those_that_occur(
    open_feed: Open, page: Page, recorded: Recorded, answer: Any
) -> None:
    recorded.has("Ticket", outcome_type="ticket_resolved")
    page.route("**/types", answer, times=1)
    open_feed()
    with page.expect_request("**/types"):
        by_type(page).hover()
    by_type(page).select_option("Ticket resolved")
    expect(page.locator(CAPTION)).to_contain_text("Ticket resolved")
    expect(page.locator("value-delivered .notice")).to_have_text("")
    wait_until(page, lambda: offered_on_return(page) == 2 + len(TYPES))


@pytest.mark.at_noon
def test_another_deployments_types_are_forgotten(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Deal")
    open_feed(fast_timers=True, refresh=1)
    held = recorded.hold("GET", "/types")
    with page.expect_request("**/types"):
        by_type(page).hover()
    recorded.types = OWN
    set_attribute(page, "value-delivered", "endpoint", "/other/api/outcomes")
    expect(page.locator(CAPTION)).to_contain_text("1 outcome")
    by_type(page).focus()
    others = ["All types", "Lead qualified", "Ticket resolved", "Deal closed"]
    expect(offered(page)).to_have_text(others)
    with page.expect_event("requestfinished", lambda request: request == held[0].request):
        held[0].fulfill(json={"types": [{"type": "moon_landing", "label": "Moon landing"}]})
    next_poll(page)
    expect(offered(page)).to_have_text(others)


@pytest.mark.at_noon
@pytest.mark.parametrize(("name", "caption"), [("lead_qualified", " · Lead qualified"), ("Lead", ""), ("a-b", "")])
def test_the_address_may_name_any_well_formed_type(
    open_feed: Open, page: Page, recorded: Recorded, name: str, caption: str
) -> None:
    recorded.has("Lead", outcome_type="deal_closed")
    open_feed(url_state="")
    page.evaluate(f"location.hash = '#period=90&type={name}'")
    expect(page.locator(CAPTION)).to_have_text(f"1 outcome in the last 90 days{caption}")


# ---- <outcome-keys>


@pytest.mark.at_noon
def test_a_key_is_limited_to_types_of_the_deployment(open_keys: Open, page: Page) -> None:
    keys = AgentKeys(types=reply(200, json={"types": [{"type": name, "label": name.upper()} for name in OWN]}))
    keys.serve(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_keys()
    expect(button(page, "New key")).to_be_visible()
    assert not [url for url in asked if url.endswith("/types")]
    new_key(page)
    types = page.get_by_role("group", name="Types of outcome")
    expect(types.locator("label")).to_have_text(["LEAD_QUALIFIED", "TICKET_RESOLVED"])
    page.get_by_label("TICKET_RESOLVED").check()
    button(page, "Make key").click()
    expect(rows(page)).to_contain_text("only Ticket resolved")
    assert keys.sent("POST") == [{"name": "Nightly import", "outcomeTypes": ["ticket_resolved"], "scopes": ["record"]}]


@pytest.mark.at_noon
@pytest.mark.parametrize("answer", WITHOUT_TYPES)
def test_without_the_list_of_types_a_key_is_made_for_all(open_keys: Open, page: Page, answer: Any) -> None:
    keys = AgentKeys(types=answer)
    keys.serve(page)
    open_keys()
    new_key(page)
    expect(page.get_by_text("The types could not be loaded.")).to_be_visible()
    button(page, "Make key").click()
    expect(rows(page)).to_contain_text("outcomes of any type")


@pytest.mark.at_noon
def test_types_are_read_beside_the_endpoint(open_keys: Open, page: Page) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json={"keys": []})

    page.route(re.compile("/stage/api/"), answer)
    open_keys(endpoint_later=True)
    set_attribute(page, "outcome-keys", "endpoint", "/stage/api/keys/")
    with page.expect_request("**/stage/api/outcomes/types"):
        button(page, "New key").click()


# ---- all clients and elements together


RECORD_BY_TYPESCRIPT = f"""
import {{ OutcomesClient }} from "{CLIENT}/src/index.js";
const client = new OutcomesClient();
await client.record("lead_qualified", "By TypeScript", {{ valueUsd: "16" }});
console.log((await client.types()).map(({{ type, label }}) => `${{type}}=${{label}}`).join());
"""
LISTED = [("lead_qualified", "Lead qualified"), ("ticket_resolved", "Ticket resolved")]


def record_by_api(stack: Stack, key: str) -> None:
    body = {"outcomeType": "lead_qualified", "title": "By the API", "valueUsd": 1}
    httpx.post(f"{stack.url}/api/outcomes", json=body, headers={"Authorization": f"Bearer {key}"}).raise_for_status()


def record_by_mcp(stack: Stack, key: str) -> None:
    arguments = {"outcome_type": "lead_qualified", "title": "By MCP", "idempotency_key": "mcp", "value_usd": 2}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    call |= {"params": {"name": "record_outcome", "arguments": arguments}}
    said = httpx.post(f"{stack.url}/mcp", json=call, headers={"Authorization": f"Bearer {key}"}).json()
    assert not said["result"].get("isError"), said


def record_by_command(stack: Stack, key: str) -> None:
    arguments = ("record", "--type", "lead_qualified", "--title", "By the command", "--value", "4")
    environment = {"PATH": os.environ["PATH"], "OUTCOMES_URL": stack.url, "INTERNAL_API_KEY": key}
    subprocess.run([sys.executable, "-m", "outcomes_client", *arguments], env=environment, check=True)


def record_by_python(stack: Stack, key: str) -> None:
    with OutcomesClient(stack.url, key) as client:
        client.record("lead_qualified", "By Python", value_usd=8)
        assert [(each.type, each.label) for each in client.types()] == LISTED


def record_by_typescript(stack: Stack, key: str, folder: Path) -> None:
    script = folder / "record.ts"
    script.write_text(RECORD_BY_TYPESCRIPT)
    bundle(folder, script, "--platform=node", "--out-extension:.js=.mjs")
    printed = run("node", folder / "record.mjs", OUTCOMES_URL=stack.url, INTERNAL_API_KEY=key)
    assert printed.strip() == ",".join(f"{name}={label}" for name, label in LISTED)


@needs_npm
@pytest.mark.viewer
def test_a_platform_uses_its_own_types_everywhere(
    page: Page, platform_stack: Stack, tmp_path: Path, take_picture: TakePicture, find_faults: FindFaults
) -> None:
    user, stack = 47_000, platform_stack
    name, _, value = stack.cookie(user).partition("=")
    page.context.clear_cookies()
    page.context.add_cookies([{"name": name, "value": value, "url": stack.url}])

    embed(page, f"{stack.url}/keys", "outcome-keys", "/api/keys")
    new_key(page, "Lead agent")
    types = page.get_by_role("group", name="Types of outcome")
    expect(types.locator("label")).to_have_text([label for _, label in LISTED])
    page.get_by_label("Lead qualified").check()
    take_picture("own-types-keys", full_page=True)
    button(page, "Make key").click()
    key = page.get_by_role("textbox", name="The key of Lead agent").input_value()
    expect(rows(page)).to_contain_text("only Lead qualified")

    for record in (record_by_api, record_by_mcp, record_by_command, record_by_python):
        record(stack, key)
    record_by_typescript(stack, key, tmp_path)
    body = {"outcomeType": "ticket_resolved", "title": "By the platform", "valueUsd": 32, "userId": user}
    headers = {"Authorization": f"Bearer {stack.key}"}
    httpx.post(f"{stack.url}/api/outcomes", json=body, headers=headers).raise_for_status()

    embed(page, f"{stack.url}/feed", "value-delivered", "/api/outcomes")
    expect(page.locator(".total")).to_have_text("$63.00")
    expect(page.locator(".split").first.locator(".name")).to_have_text(["Ticket resolved", "Lead qualified"])
    by_type(page).hover()
    expect(offered(page)).to_have_text(["All types", "Lead qualified", "Ticket resolved"])
    take_picture("own-types-feed", full_page=True)
    assert find_faults("value-delivered") == []
    by_type(page).select_option("Lead qualified")
    expect(page.locator(CAPTION)).to_have_text("5 outcomes in the last 30 days · Lead qualified")
    expect(page.locator(".rows strong")).to_have_text(
        ["By TypeScript", "By Python", "By the command", "By MCP", "By the API"]
    )
