"""The elements in a deployment without some capabilities: they hide these features, and send no requests for them."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from tests.dashboard.conftest import FindFaults, Open, TakePicture, hide_tab, show_tab
from tests.dashboard.recorded import Recorded
from tests.dashboard.test_corrections import rows, unfold
from tests.local.stacks import Stack

ALL = "batch, totals, agentkeys, corrections, export, datarequests, modeltools"
SUMMARY, PERIODS, DOWNLOAD = ".summary", ".periods", ".download"


def test_the_feed_of_a_core_deployment_is_a_list(
    page: Page, core_stack: Stack, take_picture: TakePicture, find_faults: FindFaults
) -> None:
    assert core_stack.command("seed").returncode == 0
    page.context.clear_cookies()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.goto(core_stack.url)  # this page signs the viewer in
    expect(rows(page)).to_have_count(20)
    keys = page.locator("outcome-keys")
    expect(keys.locator(".notice")).to_have_text("No keys here AgentKeys is Off, or the endpoint is wrong.")
    for part in (SUMMARY, PERIODS, DOWNLOAD):
        expect(page.locator(part)).to_be_hidden()
    row = unfold(page)
    expect(row.locator("dl")).to_be_visible()
    expect(row.get_by_role("button")).to_have_count(0)
    expect(row.get_by_text("History")).to_have_count(0)
    page.get_by_label("Filter by type").select_option("Deal closed")
    expect(rows(page).first).to_contain_text("Deal closed")
    take_picture("core")
    assert find_faults("value-delivered", "outcome-keys") == []
    hide_tab(page)
    with page.expect_response(re.compile("/api/outcomes[?]")):
        show_tab(page)
    expect(page.locator("value-delivered .card")).to_have_attribute("data-banner", "")
    paths = [urlsplit(request.url).path for request in asked]
    assert set(paths) == {"/", "/value-delivered.js", "/outcome-keys.js", "/api/outcomes", "/api/keys"}
    assert paths.count("/api/keys") == 1


@pytest.mark.at_noon
@pytest.mark.parametrize(
    ("capabilities", "shown"),
    [
        (None, {SUMMARY, PERIODS, DOWNLOAD, "buttons"}),
        (ALL, {SUMMARY, PERIODS, DOWNLOAD, "buttons"}),
        ("totals", {SUMMARY, PERIODS}),
        ("export", {PERIODS, DOWNLOAD}),
        ("batch, corrections", {"buttons"}),
        ("", set()),
    ],
)
def test_what_is_off_is_neither_shown_nor_requested(
    open_feed: Open, page: Page, recorded: Recorded, capabilities: str | None, shown: set[str]
) -> None:
    recorded.has("Closed Acme")
    recorded.capabilities = capabilities
    open_feed(url_state="")
    expect(rows(page)).to_have_count(1)
    for part in (SUMMARY, PERIODS, DOWNLOAD):
        expect(page.locator(part)).to_be_visible(visible=part in shown)
    row = unfold(page)
    expect(row.get_by_role("button", name="This is right")).to_have_count(int("buttons" in shown))
    expect(row.get_by_role("link", name="To this outcome")).to_have_count(int("buttons" in shown))
    below = {urlsplit(request.url).path.removeprefix("/api/outcomes") for request in recorded.asked}
    assert ("/summary" in below) is (SUMMARY in shown)
    assert ("/outcome-0" in below) is ("buttons" in shown)


@pytest.mark.at_noon
def test_a_link_to_an_outcome_is_ignored_without_corrections(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Closed Acme")
    recorded.capabilities = "totals"
    open_feed(url_state="", refresh=1)
    page.evaluate("location.hash = 'outcome=01KN4EMBG0QK3YB9X6N1V8ZT5R'")
    expect(page.get_by_text("Linked outcome")).to_be_hidden()
    expect(rows(page)).to_have_count(1)
    assert not [request for request in recorded.asked if request.url.endswith("/01KN4EMBG0QK3YB9X6N1V8ZT5R")]


@pytest.mark.at_noon
def test_a_period_of_the_address_can_be_left_without_totals(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Closed Acme")
    recorded.capabilities = ""
    open_feed(url_state="", refresh=1)
    page.evaluate("location.hash = 'period=2026-04-01..2026-04-30'")
    expect(page.locator("#latest")).to_have_text(re.compile("^Recorded "))
    page.get_by_role("button", name="30 days").click()
    expect(page.locator("#latest")).to_have_text("Latest outcomes")
    expect(page.locator(PERIODS)).to_be_hidden()
