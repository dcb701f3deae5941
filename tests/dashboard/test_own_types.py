"""Test the elements in a deployment with its own outcome types. tests/local/test_own_types.py has the API."""

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from tests.browsers import wait_until
from tests.dashboard.agent_keys import AgentKeys
from tests.dashboard.conftest import Open, next_poll, set_attribute
from tests.dashboard.recorded import Recorded, reply
from tests.dashboard.test_keys import button, new_key, rows

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
def test_the_filter_offers_types_that_occur_and_then_the_deployments_first(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.types = OWN
    recorded.has("Ticket", hours=1, outcome_type="ticket_resolved")
    recorded.has("Deal", hours=2, outcome_type="deal_closed")
    recorded.sums["by_type"] = [{"outcome_type": "content_published", "count": 1, "value_usd": 1}]
    page.route("**/types", NO_TYPES, times=1)
    open_feed()
    occurring = ["All types", "Ticket resolved", "Deal closed", "Content published"]
    expect(offered(page)).to_have_text(occurring)
    by_type(page).select_option("Deal closed")
    assert asked_for_types(recorded) == []

    with page.expect_request("**/types"):
        by_type(page).hover()
    expect(offered(page)).to_have_text(occurring)  # the list could not be read
    expect(page.locator("value-delivered .notice")).to_have_text("")
    wait_until(page, lambda: offered_on_return(page) == len(occurring) + 1)
    listed = ["All types", "Lead qualified", "Ticket resolved", "Deal closed", "Content published"]
    expect(offered(page)).to_have_text(listed)
    expect(by_type(page)).to_have_value("deal_closed")
    by_type(page).focus()
    by_type(page).select_option("Lead qualified")
    expect(page.locator(CAPTION)).to_contain_text("Lead qualified")
    assert "outcomeType=lead_qualified" in recorded.asked[-1].url
    assert len(asked_for_types(recorded)) == 1


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
