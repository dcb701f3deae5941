"""The elements in a deployment with outcome types of its own."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browsers import wait_until
from tests.dashboard.agent_keys import AgentKeys
from tests.dashboard.conftest import Open, next_poll
from tests.dashboard.recorded import Recorded, reply
from tests.dashboard.test_keys import button, new_key, rows
from tests.outcome_types import TYPES

pytestmark = pytest.mark.at_noon

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
    """Return how many types the filter offers after the viewer has left it and come back."""
    by_type(page).blur()
    by_type(page).focus()
    return offered(page).count()


def asked_for_types(recorded: Recorded) -> list[Request]:
    return [request for request in recorded.asked if request.url.endswith("/types")]


# ---- the feed


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


def test_the_filter_has_the_labels_of_the_api(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.instead("GET", "/types", 200, json={"types": [{"type": "deal_closed", "label": "Deal, closed"}]})
    recorded.has("Deal")
    open_feed()
    by_type(page).hover()
    expect(offered(page)).to_have_text(["All types", "Deal, closed"])


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


def test_another_deployments_types_are_forgotten(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Deal")
    open_feed(refresh=1)
    held = recorded.hold("GET", "/types")
    with page.expect_request("**/types"):
        by_type(page).hover()
    page.locator("value-delivered").evaluate("feed => feed.setAttribute('endpoint', '/other/api/outcomes')")
    recorded.types = OWN
    expect(page.locator(CAPTION)).to_contain_text("1 outcome")
    by_type(page).focus()
    others = ["All types", "Lead qualified", "Ticket resolved", "Deal closed"]
    expect(offered(page)).to_have_text(others)
    with page.expect_event("requestfinished", lambda request: request == held[0].request):
        held[0].fulfill(json={"types": [{"type": "moon_landing", "label": "Moon landing"}]})
    next_poll(page)
    expect(offered(page)).to_have_text(others)


@pytest.mark.parametrize(("name", "caption"), [("lead_qualified", " · Lead qualified"), ("Lead", ""), ("a-b", "")])
def test_the_address_may_name_any_well_formed_type(
    open_feed: Open, page: Page, recorded: Recorded, name: str, caption: str
) -> None:
    recorded.has("Lead", outcome_type="deal_closed")
    open_feed(url_state="")
    page.evaluate(f"location.hash = '#period=90&type={name}'")
    expect(page.locator(CAPTION)).to_have_text(f"1 outcome in the last 90 days{caption}")


# ---- <outcome-keys>


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


@pytest.mark.parametrize("answer", WITHOUT_TYPES)
def test_without_the_list_of_types_a_key_is_made_for_all(open_keys: Open, page: Page, answer: Any) -> None:
    keys = AgentKeys(types=answer)
    keys.serve(page)
    open_keys()
    new_key(page)
    expect(page.get_by_text("The types could not be loaded.")).to_be_visible()
    button(page, "Make key").click()
    expect(rows(page)).to_contain_text("outcomes of any type")


def test_types_are_read_beside_the_endpoint(open_keys: Open, page: Page) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json={"keys": []})

    page.route(re.compile("/stage/api/"), answer)
    open_keys(endpoint_later=True)
    page.locator("outcome-keys").evaluate("keys => keys.setAttribute('endpoint', '/stage/api/keys/')")
    with page.expect_request("**/stage/api/outcomes/types"):
        button(page, "New key").click()
