"""Test the elements in a deployment with its own outcome types."""

import httpx
import pytest
from playwright.sync_api import Locator, Page, Request, expect

from tests.browsers import wait_until
from tests.dashboard.agent_keys import AgentKeys
from tests.dashboard.conftest import FindFaults, Open, TakePicture, embed, next_poll, set_attribute
from tests.dashboard.recorded import Recorded, reply
from tests.dashboard.test_keys import button, new_key, rows
from tests.local.stacks import Stack
from tests.outcome_types import TYPES

OWN = ["lead_qualified", "ticket_resolved"]
CAPTION = ".summary > .caption"
NO_TYPES = reply(200, json={"types": [None]})


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
def test_the_filter_offers_the_deployments_types_first(open_feed: Open, page: Page, recorded: Recorded) -> None:
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
def test_without_a_list_the_filter_has_types_that_occur(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Ticket", outcome_type="ticket_resolved")
    page.route("**/types", NO_TYPES, times=1)
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
    keys = AgentKeys(types=NO_TYPES)
    keys.serve(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_keys()
    expect(button(page, "New key")).to_be_visible()
    assert not [url for url in asked if url.endswith("/types")]
    new_key(page)
    expect(page.get_by_text("The types could not be loaded.")).to_be_visible()
    button(page, "Make key").click()
    expect(rows(page)).to_contain_text("outcomes of any type")
    keys.types = reply(200, json={"types": [{"type": name, "label": name.upper()} for name in OWN]})
    button(page, "Done").click()
    new_key(page)
    types = page.get_by_role("group", name="Types of outcome")
    expect(types.locator("label")).to_have_text(["LEAD_QUALIFIED", "TICKET_RESOLVED"])
    page.get_by_label("TICKET_RESOLVED").check()
    button(page, "Make key").click()
    expect(rows(page).first).to_contain_text("only Ticket resolved")
    only = {"name": "Nightly import", "outcomeTypes": ["ticket_resolved"], "scopes": ["record"]}
    assert keys.sent("POST") == [{"name": "Nightly import", "scopes": ["record"]}, only]
    page.route("**/stage/api/**", lambda route: route.fulfill(json={"keys": []}))
    set_attribute(page, "outcome-keys", "endpoint", "/stage/api/keys/")
    with page.expect_request("**/stage/api/outcomes/types"):  # types are read beside the endpoint
        button(page, "New key").click()


# ---- both elements; tests/local/test_own_types.py has the API, MCP, the clients and the command


@pytest.mark.viewer
def test_both_elements_have_the_platforms_types(
    page: Page, platform_stack: Stack, take_picture: TakePicture, find_faults: FindFaults
) -> None:
    stack = platform_stack
    name, _, value = stack.cookie(47_000).partition("=")
    page.context.clear_cookies()
    page.context.add_cookies([{"name": name, "value": value, "url": stack.url}])
    embed(page, f"{stack.url}/keys", "outcome-keys", "/api/keys")
    new_key(page, "Lead agent")
    types = page.get_by_role("group", name="Types of outcome")
    expect(types.locator("label")).to_have_text(["Lead qualified", "Ticket resolved"])
    page.get_by_label("Lead qualified").check()
    take_picture("own-types-keys", full_page=True)
    button(page, "Make key").click()
    key = page.get_by_role("textbox", name="The key of Lead agent").input_value()
    expect(rows(page)).to_contain_text("only Lead qualified")
    body = {"outcomeType": "lead_qualified", "title": "By the key", "valueUsd": 1}
    httpx.post(f"{stack.url}/api/outcomes", json=body, headers={"Authorization": f"Bearer {key}"}).raise_for_status()

    embed(page, f"{stack.url}/feed", "value-delivered", "/api/outcomes")
    expect(page.locator(".split").first.locator(".name")).to_have_text(["Lead qualified"])
    by_type(page).hover()
    expect(offered(page)).to_have_text(["All types", "Lead qualified", "Ticket resolved"])
    take_picture("own-types-feed", full_page=True)
    assert find_faults("value-delivered") == []
    by_type(page).select_option("Lead qualified")
    expect(page.locator(CAPTION)).to_have_text("1 outcome in the last 30 days · Lead qualified")
    expect(page.locator(".rows strong")).to_have_text(["By the key"])
