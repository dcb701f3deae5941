"""If a deployment lacks a capability, the elements hide its features, and send no requests for them."""

import json
import re
from decimal import Decimal
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, Request, expect

from tests.browsers import hide_tab, show_tab
from tests.dashboard.conftest import FindFaults, Open, next_poll
from tests.dashboard.recorded import Recorded, reply
from tests.dashboard.test_corrections import rows, unfold
from tests.local.stacks import Stack

ALL = "batch, totals, agentkeys, corrections, export, datarequests, modeltools"
SUMMARY, PERIODS, DOWNLOAD = ".summary", ".periods", ".download"


def test_the_feed_of_a_core_deployment_is_a_list(page: Page, core_stack: Stack, find_faults: FindFaults) -> None:
    assert core_stack.command("seed").returncode == 0
    page.context.clear_cookies()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.goto(core_stack.url)  # the start page signs the viewer in
    expect(rows(page)).to_have_count(20)
    listed = httpx.get(f"{core_stack.url}/api/outcomes", headers={"Cookie": core_stack.cookie(42)}).text
    worth = sum(one["value_usd"] or 0 for one in json.loads(listed, parse_float=Decimal)["outcomes"])
    expect(page.locator("#latest")).to_have_text(f"${worth:,.2f} in the latest 20".replace(".00", ""))
    keys = page.locator("outcome-keys")
    expect(keys.locator(".notice")).to_have_text("No keys here AgentKeys is Off, or the endpoint is wrong.")
    for part in (SUMMARY, PERIODS, DOWNLOAD):
        expect(page.locator(part)).to_be_hidden()
    row = unfold(page)
    expect(row.locator("dl")).to_be_visible()
    expect(row.get_by_role("button")).to_have_count(0)
    expect(row.get_by_text("History")).to_have_count(0)
    page.get_by_label("Filter by type").hover()
    page.get_by_label("Filter by type").select_option("Deal closed")
    expect(rows(page).first).to_contain_text("Deal closed")
    assert find_faults("value-delivered", "#keys") == []
    hide_tab(page)
    with page.expect_response(re.compile("/api/outcomes[?]")):
        show_tab(page)
    expect(page.locator("value-delivered .card")).to_have_attribute("data-banner", "")
    paths = [urlsplit(request.url).path for request in asked]
    # Totals and their cost are read with the first list, before its answer says that there are none.
    early = ["/api/outcomes/summary", "/api/costs"]
    assert [paths.count(path) for path in early] == [1, 1]
    assert {*paths} - {*early} == {
        "/",
        "/value-delivered.js",
        "/value-delivered-more.js",  # with the deployment's types
        "/outcome-keys.js",
        "/api/outcomes",
        "/api/outcomes/types",
        "/api/keys",
    }
    assert paths.count("/api/keys") == 1


@pytest.mark.at_noon
def test_what_is_off_is_neither_shown_nor_requested_also_when_it_is_switched(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    page.route("**/summary**", reply(503, json={"error": "Still adding up"}), times=1)
    open_feed(fast_timers=True, url_state="", refresh=2)
    cases = (
        (ALL, {SUMMARY, PERIODS, DOWNLOAD, "buttons"}),
        ("totals", {SUMMARY, PERIODS}),
        ("export", {PERIODS, DOWNLOAD}),
        ("batch, corrections", {"buttons"}),
        ("", set[str]()),
    )
    for number, (capabilities, shown) in enumerate(cases):
        id_ = recorded.has(f"Work {number}", hours=9 - number)
        recorded.capabilities = capabilities
        next_poll(page)
        recorded.asked.clear()
        row = unfold(page)
        expect(row.locator("dl")).to_be_visible()
        has_buttons = int("buttons" in shown)
        expect(row.get_by_role("button", name=re.compile("^(Confirm|Dispute)$"))).to_have_count(2 * has_buttons)
        expect(row.get_by_role("link", name="To this outcome")).to_have_count(has_buttons)
        expect(row.locator(".past ol")).to_have_count(has_buttons)
        for part in (SUMMARY, PERIODS, DOWNLOAD):
            expect(page.locator(part)).to_be_visible(visible=part in shown)
        page.get_by_label("Filter by agent").select_option("Agent 7")
        expect(rows(page)).to_have_count(number + 1)
        page.get_by_label("Filter by agent").select_option("All agents")
        next_poll(page)
        expected = {""} | ({"/summary"} if SUMMARY in shown else set()) | ({f"/{id_}"} if has_buttons else set())
        for _ in range(100):  # a summary is requested a moment after its list
            paths = {urlsplit(request.url).path.removeprefix("/api/outcomes") for request in recorded.asked}
            if paths >= expected:
                break
            page.wait_for_timeout(50)
        assert paths == expected
        unfold(page)  # this key folds the row

    # Without any capability, an address selects a range of days, and no outcome.
    page.evaluate("location.hash = 'outcome=01KN4EMBG0QK3YB9X6N1V8ZT5R&period=2026-04-01..2026-04-30'")
    expect(page.locator("#latest")).to_have_text(re.compile("^Happened "))
    page.get_by_role("button", name="30 days").click()
    expect(page.locator("#latest")).to_have_text("$6,002.50 in the latest 5")
    expect(page.locator(PERIODS)).to_be_hidden()
    next_poll(page)
    expect(page.get_by_text("Linked outcome")).to_be_hidden()
    assert not [request for request in recorded.asked if "01KN4EMBG0QK3YB9X6N1V8ZT5R" in request.url]
