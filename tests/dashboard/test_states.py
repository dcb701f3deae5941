"""Test states of the feed: messages, offered actions, and accessibility.

Errors are simulated between the browser and the network; the service is always healthy.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browsers import go_offline, hide_tab, leave_and_return, show_tab, wait_until
from tests.dashboard.conftest import (
    API,
    AXE_RULES,
    CLEAR,
    LIST,
    SHORTEN_TIMERS,
    SUMMARY,
    THEMES,
    FindFaults,
    Open,
    set_attribute,
    waits,
)
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW

# ---- the states


ALONE = [
    "Loading what your agents delivered",
    "Nothing delivered yet",
    "You are signed out",
    "You are offline",
    "The feed could not be loaded",
    "Adding up your history…",
    "No endpoint",
    "Linked outcome",
    "No outcome happened in this period.",
]


def test_each_state_has_a_message_and_axe_finds_no_violation(
    open_feed: Open, page: Page, ledger: Ledger, find_faults: FindFaults
) -> None:
    def shows(words: str) -> None:
        expect(page.get_by_text(words)).to_be_visible()
        expect(page.locator(".card")).to_have_attribute("aria-busy", str(words == ALONE[0]).lower())
        others = "|".join(re.escape(others) for others in ALONE if others != words)
        if words in ALONE:
            expect(page.get_by_text(re.compile(others, re.IGNORECASE)).filter(visible=True)).to_have_count(0)
        for width, theme in zip((1280, 320), THEMES, strict=True):
            page.set_viewport_size({"width": width, "height": 720})
            page.emulate_media(color_scheme=theme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), words
            assert find_faults("value-delivered", rules=AXE_RULES[theme]) == [], (words, theme)

    def after(status: int, url: str | re.Pattern[str] = API, *, error: str = "No", **headers: str) -> None:
        """Answer requests like this, and poll. Hide the page first: unroute_all would send a request that is held."""
        hide_tab(page)
        page.unroute_all()
        if status:
            page.route(url, lambda route: route.fulfill(status=status, json={"error": error}, headers=headers))
        show_tab(page)

    page.route(API, lambda _: None)  # never answered
    open_feed(sign_in_url="/login?next=/", url_state="")
    shows("Loading what your agents delivered")
    set_attribute(page, "value-delivered", "endpoint", "")
    shows("No endpoint")
    set_attribute(page, "value-delivered", "endpoint", "/api/outcomes")
    after(500)
    shows("The feed could not be loaded")
    after(404, **{"No-Such-Route": "true"})
    shows("It is switched off here, or its address is wrong.")
    hide_tab(page)  # a poll before the page is offline would succeed
    page.unroute_all()
    go_offline(page)
    show_tab(page)
    shows("You are offline")
    page.context.set_offline(False)
    expect(page.get_by_label("A call that records an outcome")).to_be_visible()
    shows("Nothing delivered yet")
    page.context.clear_cookies()
    leave_and_return(page)
    shows("You are signed out")

    ledger.seed(datetime.now(UTC))
    ledger.sign_in(page.context)
    after(503, SUMMARY, error="Still adding up")
    shows("Adding up your history…")
    after(0)
    set_attribute(page, "value-delivered", "period", "2020-01-01..2020-01-01")
    expect(page.locator(".way-out button")).to_have_text(re.compile(r"Show \w+ \d+ \(\d+ outcomes?\)"))
    shows("No outcome happened in this period.")
    set_attribute(page, "value-delivered", "period", "30")
    page.get_by_text("Daily figures").click()
    page.locator(".rows summary").filter(visible=True).first.press("Enter")
    shows("From first mail to signature without a call.")
    page.get_by_text("Daily figures").click()  # they were checked, and axe takes long for their rows
    after(500)
    shows("This may be out of date")
    after(0)
    go_offline(page)
    expect(page.get_by_text("You are offline")).to_be_visible()
    expect(page.locator(".rows li").first).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline")).to_have_count(0)
    page.get_by_label("Filter by status").select_option("Void")
    page.get_by_label("Filter by type").select_option("Task complete")
    shows("No outcome matches this filter.")
    page.get_by_role("button", name="Clear filters").first.click()

    page.route("**/costs**", lambda route: route.fulfill(json={"cost_usd": 3}))
    set_attribute(page, "value-delivered", "cost-endpoint", "/costs")
    page.locator(".rows summary").filter(visible=True).first.press("Enter")
    page.get_by_role("link", name="To this outcome").press("Enter")
    expect(page.locator(".link .past ol")).to_be_visible()
    for name in ("Custom", "Show", "Custom"):
        page.get_by_role("button", name=name, exact=True).click()
    page.get_by_label("Search").fill("nowhere")
    shows("Linked outcome")

    page.context.clear_cookies()
    leave_and_return(page)
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/login?next=/")
    assert page.locator("value-delivered").evaluate("feed => feed.shadowRoot.querySelector('.rows li')") is None
    ledger.sign_in(page.context)
    page.get_by_role("button", name="Check again").press("Enter")
    expect(page.locator(".feed > .rows li").first).to_be_visible()


# ---- the end of each state


def test_an_outcome_between_the_first_two_requests_is_shown(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work")

    def answer_before_it(route: Route) -> None:
        route.fulfill(response=route.fetch(), json={"outcomes": [], "next_cursor": None})

    page.route(re.compile(r"/api/outcomes\?(?!.*time=)"), answer_before_it)
    open_feed()
    expect(page.locator(".rows strong")).to_be_visible()


def test_rows_are_shown_if_totals_fail_and_totals_if_rows_fail(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", value_usd=3)
    fails: dict[str, Any] = {"status": 500, "json": {"error": "As arranged"}}
    page.route(LIST, lambda route: route.fulfill(status=200, json={"outcomes": [{"id": 7}]}))
    page.route(SUMMARY, lambda route: route.fulfill(**fails))
    open_feed(refresh=3600)
    expect(page.get_by_text("The feed could not be loaded")).to_be_visible()
    page.evaluate(SHORTEN_TIMERS)  # not before: the feed would try again by itself, and hide the button
    page.unroute(LIST)
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator(".rows li")).to_have_count(1)
    expect(page.get_by_text("Totals are not available right now.")).to_be_visible()
    page.unroute_all()
    expect(page.locator(".total")).to_have_text("$3.00")

    page.route(LIST, lambda route: route.fulfill(**fails))
    page.get_by_role("button", name="7 days").click()
    expect(page.locator(".summary > .caption")).to_have_text("1 outcome in the last 7 days")
    expect(page.get_by_text("This may be out of date")).to_be_visible()
    page.unroute_all()
    expect(page.get_by_text("This may be out of date")).to_have_count(0)


@pytest.mark.at_noon
def test_offline_the_feed_never_mixes_two_periods_and_says_as_of_when(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ledger.record("Work", created_at=NOW - timedelta(hours=1), value_usd=3)
    open_feed(refresh=1)
    caption, row = page.locator(".summary > .caption"), page.locator(".rows strong")
    expect(caption).to_have_text("1 outcome in the last 30 days")
    go_offline(page)
    expect(page.get_by_text("You are offline")).to_be_visible()
    as_of = "1 outcome in the last 30 days · as of 12:00\u202fPM"
    for period, words, shows in (
        ("7 days", "Totals are not available right now.", False),
        ("30 days", as_of, True),
        ("90 days", "Totals are not available right now.", False),
    ):
        page.get_by_role("button", name=period).click()
        expect(caption).to_have_text(words)
        for part in (row, page.locator(".total"), page.locator(".chart"), page.locator(".parts")):
            expect(part).to_be_visible(visible=shows)
        expect(page.get_by_text("Not loaded yet.")).to_be_visible(visible=not shows)
    page.context.set_offline(False)
    expect(caption).to_have_text("1 outcome in the last 90 days")
    expect(row).to_be_visible()


# ---- polling; dashboard/tests/watcher.test.js has the rest


def test_refresh_is_in_seconds_and_at_least_one(open_feed: Open, page: Page) -> None:
    for given, seconds in (("abc", 15), ("0.01", 1), ("900", 900)):
        open_feed(fast_timers=True, refresh=given)
        assert waits(page, 1) == [seconds * 1000], given
        page.evaluate(CLEAR)


@pytest.mark.viewer  # the test changes the clock, so it needs its own browser context
def test_a_hidden_tab_sends_nothing_and_catches_up_when_shown(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Before")
    with page.expect_request("**/api/watches"):  # the last request of the first frame
        open_feed(fast_timers=True, refresh=1)
    expect(page.locator(".ago")).to_have_text(["now"])
    hide_tab(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(200)  # ten polls
    assert asked == []
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(hours=2.5))
    show_tab(page)
    expect(page.locator(".ago")).to_have_text(["2 hours ago"])  # maybe before the request is sent
    wait_until(page, lambda: asked != [])
    assert asked


def test_the_feed_waits_for_totals_that_are_still_being_added_up(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", value_usd=3)
    asked: list[Route] = []
    page.route(SUMMARY, lambda route: asked.append(route))
    open_feed(fast_timers=True, refresh=60)
    busy: dict[str, Any] = {"status": 503, "json": {"error": "Still adding up"}}
    wait_until(page, lambda: asked != [])
    asked[-1].fulfill(**busy, headers={"Retry-After": "2"})
    expect(page.get_by_role("status").filter(has_text="Adding up your history…")).to_be_visible()
    # The banner for errors is not shown while totals are slow.
    expect(page.locator(".card")).to_have_attribute("data-banner", "")
    expect(page.locator(".rows strong")).to_have_text(["Work"])
    wait_until(page, lambda: len(asked) == 2)
    asked[-1].continue_()
    expect(page.locator(".total")).to_have_text("$3.00")
    expect(page.get_by_text("Adding up your history")).to_have_count(0)
    assert waits(page, 2) == [2000, 60_000]

    caption, adding_up = page.locator(".summary > .caption"), page.get_by_text("Adding up your history")
    page.unroute_all()
    page.route(SUMMARY, lambda route: route.fulfill(**busy))
    page.get_by_role("button", name="90 days").click()
    expect(adding_up).to_be_visible()
    expect(caption).to_have_text("1 outcome in the last 30 days")  # old totals stay until the others are added up
    page.get_by_role("button", name="30 days").click()
    expect(adding_up).to_have_count(0)  # the totals of 30 days are already known, so no message is shown
    # The wait was for the other period. The poll that reads this one sets one of the next two timers.
    assert waits(page, page.evaluate("waits.length") + 2)[-1] == 60_000
