"""Test drilling down: a click on a bar, a share or the sum of a status selects the outcomes that the feed shows."""

import csv
import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browsers import leave_and_return
from tests.dashboard.conftest import Open, set_attribute
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import Recorded
from tests.dashboard.test_feed import ago

pytestmark = pytest.mark.at_noon

FOCUSED = """(({ localName, ariaLabel, textContent }) => `${localName} ${ariaLabel ?? textContent.slice(0, 10)}`)(
    document.querySelector('value-delivered').shadowRoot.activeElement ?? document.body)"""
MOST_STOPS = 40  # maximum number of Tab presses to reach a control


@pytest.fixture
def feed(open_feed: Open, ledger: Ledger) -> Page:
    """Open the feed of a viewer with three outcomes, two of them on April 12."""
    for title, days, outcome_type, agent, value in (
        ("Deal", 2.9, "deal_closed", 7, 100),
        ("Task", 3, "task_complete", 9, 30),
        ("Of no agent", 14, "task_complete", None, 5),
    ):
        ledger.record(title, created_at=ago(days=days), outcome_type=outcome_type, agent_id=agent, value_usd=value)
    page = open_feed(url_state="")
    expect(page.locator(".total")).to_have_text("$135.00")
    return page


def bar(page: Page, day: str) -> Locator:
    return page.get_by_role("toolbar", name="Select a day").get_by_role(
        "button", name=re.compile(f"^{day}(, so far)?:")
    )


def share(page: Page, name: str) -> Locator:
    return page.locator(".split").get_by_role("button", name=name)


def assert_shows(page: Page, total: str, titles: list[str], **state: str) -> None:
    """Check headline, list and the parameters of the page's address."""
    expect(page.locator(".total")).to_have_text(total)
    expect(page.locator(".feed > .rows strong")).to_have_text(titles)
    assert parse_qs(urlsplit(page.url).fragment) == {name: [value] for name, value in state.items()}


def test_bars_and_shares_select_and_take_back(feed: Page) -> None:
    everything = ["Deal", "Task", "Of no agent"]
    expect(bar(feed, "Apr 12")).to_have_accessible_name("Apr 12: $130.00, 2 outcomes")
    bar(feed, "Apr 12").click()
    assert_shows(feed, "$130.00", ["Deal", "Task"], period="2026-04-12..2026-04-12")
    expect(bar(feed, "Apr 12")).to_have_attribute("aria-pressed", "true")
    expect(feed.get_by_role("status").filter(has_text="$130.00 · 2 outcomes, Apr 12, 2026")).to_have_count(1)
    feed.get_by_role("button", name="Back to the last 30 days").click()
    assert_shows(feed, "$135.00", everything)
    for name, total, titles, state in (
        ("Deal closed", "$100.00", ["Deal"], {"type": "deal_closed"}),
        ("Agent 9", "$30.00", ["Task"], {"agent": "9"}),
        ("No agent", "$5.00", ["Of no agent"], {"agent": "none"}),
    ):
        share(feed, name).click()
        assert_shows(feed, total, titles, **state)
        expect(share(feed, name)).to_have_attribute("aria-pressed", "true")
        share(feed, name).click()
        assert_shows(feed, "$135.00", everything)
    share(feed, "Task complete").click()
    assert_shows(feed, "$35.00", ["Task", "Of no agent"], type="task_complete")  # by now, the bars are drawn again
    bar(feed, "Apr 12").click()
    assert_shows(feed, "$30.00", ["Task"], type="task_complete", period="2026-04-12..2026-04-12")
    bar(feed, "Apr 12").click()  # a click on the selected bar ends the selection
    feed.get_by_role("button", name="Clear filters").click()
    assert_shows(feed, "$135.00", everything)
    expect(feed.get_by_label("Filter by type")).to_be_focused()
    expect(feed.get_by_role("button", name="Clear filters")).to_be_hidden()


def test_statuses_below_the_headline_are_filters(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work", status="void")
    sums = {"confirmed": 3, "disputed": 0, "voided": 2}
    recorded.sums = {name: {"count": count, "value_usd": count} for name, count in sums.items()}
    open_feed(url_state="")
    page.evaluate("location.hash = '#status=disputed&agent=none'")  # a link may filter by a status that no outcome has
    line = page.locator(".standing")
    expect(line).to_have_text("$3.00 confirmed · $0.00 disputed · 2 void")
    expect(page.locator(".summary > .caption")).to_have_text("1 outcome in the last 30 days · No agent · Disputed")
    line.get_by_role("button", name="void").click()
    expect(page.get_by_label("Filter by status")).to_have_value("void")
    expect(line.get_by_role("button", pressed=True)).to_have_text("2 void")
    expect(line).to_have_text("$3.00 confirmed · 2 void")
    assert urlsplit(page.url).fragment == "agent=none&status=void"
    expect(page.locator(".rows strong")).to_have_text(["Work"])  # the list is asked for after the totals
    for path in ("", "/summary"):
        asked = [urlsplit(request.url) for request in recorded.asked]
        query = [parse_qs(url.query) for url in asked if url.path == f"/api/outcomes{path}"][-1]
        assert {name: query.get(name) for name in ("status", "agentId")} == {"status": ["void"], "agentId": ["none"]}


def test_a_list_without_outcomes_offers_what_has_some(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(days=60), value_usd=5)
    ledger.record("Of another", user_id=ledger.stranger, created_at=ago(days=90))
    open_feed(period=7, refresh=3600)
    way_out = page.locator(".way-out").get_by_role("button")
    way_out.press("Enter")
    assert_shows(page, "$5.00", ["Work"])
    expect(page.locator(".summary > .caption")).to_have_text("1 outcome, Feb 1 \u2013 28, 2026")
    expect(page.get_by_role("button", name="Custom")).to_be_focused()
    expect(way_out).to_be_hidden()
    page.get_by_label("Filter by status").select_option("Void")
    expect(way_out).to_have_text("Clear filters")
    way_out.press("Enter")
    assert_shows(page, "$5.00", ["Work"])
    expect(page.get_by_label("Filter by type")).to_be_focused()
    page.get_by_role("button", name="7 days").click()
    expect(way_out).to_have_text("Show Feb 2026 (1 outcome)")
    ledger.sign_in(page.context, ledger.stranger)
    leave_and_return(page)
    expect(way_out).to_have_text("Show Jan 2026 (1 outcome)")  # the feed has forgotten the month of the first user


def test_a_viewer_without_outcomes_sees_how_to_record_one_and_then_each_new_one(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    held: list[Route] = []
    page.route("**/types", lambda route: held.append(route))
    with page.expect_request("**/types"):
        open_feed(fast_timers=True, refresh=1, keys_url="#keys")
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()  # nothing can be copied yet
    held[0].continue_()
    expect(page.get_by_role("link", name="a key")).to_have_attribute("href", "#keys")
    call = page.get_by_label("A call that records an outcome")
    expect(call).to_have_value(
        f"curl '{ledger.url}/api/outcomes' \\\n  -H 'Authorization: Bearer oc_...' \\\n"
        """  -d '{"outcomeType":"negotiation_complete","title":"First outcome"}'"""
    )
    set_attribute(page, "value-delivered", "api-url", "https://api.example.com/prod")
    set_attribute(page, "value-delivered", "keys-url", "#other")
    expect(call).to_have_value(re.compile("^curl 'https://api.example.com/prod/api/outcomes'"))
    expect(page.get_by_role("link", name="a key")).to_have_attribute("href", "#other")
    page.get_by_role("link", name="a key").evaluate("link => { window.link = link }")
    with page.expect_response("**/api/outcomes?*"):  # as in each poll
        leave_and_return(page)
    expect(page.locator(".card")).to_have_attribute("data-state", "empty")
    assert page.evaluate("link.isConnected")  # a click may have begun on it
    ledger.record("First outcome", created_at=ago(minutes=1), value_usd=2)
    titles = page.locator(".rows strong")
    expect(titles).to_have_text(["First outcome"])
    expect(call).to_be_hidden()
    expect(page.locator(".total")).to_have_text("$2.00")
    page.locator(".rows summary").filter(visible=True).press("Enter")
    ledger.record("New", created_at=ago(seconds=30), value_usd=1)
    expect(titles).to_have_text(["New", "First outcome"])
    expect(page.locator(".rows details").nth(1)).to_have_attribute("open", "")  # the other row stays unfolded
    expect(page.get_by_role("status").filter(has_text="1 new outcome")).to_have_count(1)


def test_the_keyboard_is_enough_to_dispute_an_outcome_and_download_it(feed: Page) -> None:
    def focus(control: Locator, key: str = "Tab") -> None:
        for _ in range(MOST_STOPS):
            if control.and_(feed.locator(":focus")).count():
                return
            feed.keyboard.press(key)
        expect(control).to_be_focused()

    for part in (".needs button", ".target .offer"):  # they are shown after the total, and Tab reaches them
        expect(feed.locator(part)).to_be_visible()
    press, stops = feed.keyboard.press, []
    for _ in range(28):
        press("Tab")
        stops.append(feed.evaluate(FOCUSED))
    periods = [f"button {name}" for name in ("7 days", "30 days", "90 days", "Year", "Custom")]
    filters = [f"select Filter by {name}" for name in ("type", "agent", "status")]
    chart = ["button Apr 15, so far: $0.00, 0 outcomes", "summary Daily figu"]  # Tab reaches only one of the bars
    needs = ["button Decide wha", "button Set a targ", "button 3 to revie"]
    types = ["summary By type", "button Deal close", "button Task compl"]
    agents = ["summary By agent", "button Agent 7", "button Agent 9", "button No agent"]
    listed = ["input Search", "button Download", "button Print", "button Statements"]
    rows = [f"summary {name}" for name in ("DealDeal c", "TaskTask c", "Of no agen")]
    assert stops == ["button Skip to th", *periods, *filters, *needs, *chart, *types, *agents, *listed, *rows]
    focus(feed.get_by_role("button", name="Skip to the outcomes"), "Shift+Tab")
    press("Enter")
    expect(feed.locator(".rows summary").first).to_be_focused()
    focus(bar(feed, "Apr 15"), "Shift+Tab")
    press("Home")
    press("End")
    for _ in range(3):
        press("ArrowLeft")
    expect(feed.locator(".tip")).to_have_text("$130.00Apr 12 · 2 outcomes")
    press("Enter")
    expect(feed.locator(".total")).to_have_text("$130.00")
    expect(bar(feed, "Apr 12")).to_be_focused()
    focus(share(feed, "Task complete"))
    press("Enter")
    expect(feed.locator(".total")).to_have_text("$30.00")
    expect(share(feed, "Task complete")).to_be_focused()
    row = feed.locator(".feed > .rows [role=listitem]")
    expect(row).to_have_count(1)
    focus(row.locator("summary"))
    press("Enter")
    wrong = row.get_by_role("button", name="Dispute")
    expect(wrong).to_be_visible()
    focus(wrong)
    press("Enter")
    feed.keyboard.type("It was half of it")
    focus(row.get_by_role("button", name="Send"))
    press("Enter")
    disputed = feed.locator(".standing").get_by_role("button", name="$30.00 disputed")
    expect(disputed).to_be_visible()
    focus(disputed, "Shift+Tab")
    press("Enter")
    expect(feed.locator(".total")).to_have_text("$30.00")
    expect(feed.locator(".summary > .caption")).to_have_text("1 outcome, Apr 12, 2026 · Task complete · Disputed")
    expect(disputed).to_be_focused()
    focus(feed.get_by_role("button", name="Download"))
    with feed.expect_download() as got:
        press("Enter")
    text = Path(got.value.path()).read_text("utf-8-sig")
    assert [(line["title"], line["status"]) for line in csv.DictReader(io.StringIO(text))] == [("Task", "disputed")]
