"""Test states of the feed: messages, offered actions, and accessibility.

Errors are simulated between the browser and the network; the service is always healthy.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browsers import go_offline, hide_tab, leave_and_return, show_tab, wait_until
from tests.dashboard.conftest import (
    API,
    AXE_RULES,
    CLEAR,
    LIST,
    SUMMARY,
    THEMES,
    FindFaults,
    Open,
    TakePicture,
    assert_fits,
    set_attribute,
    waits,
)
from tests.dashboard.ledger import Ledger


def answer(page: Page, status: int, url: str | re.Pattern[str] = API, **headers: str) -> None:
    page.route(url, lambda route: route.fulfill(status=status, json={"error": "As arranged"}, headers=headers))


# ---- the states


@dataclass
class Scene:
    open_feed: Open
    page: Page
    ledger: Ledger


@pytest.fixture
def scene(open_feed: Open, page: Page, ledger: Ledger) -> Scene:
    return Scene(open_feed, page, ledger)


def loading(scene: Scene) -> None:
    scene.page.route(API, lambda _: None)  # never answered
    scene.open_feed()


def empty(scene: Scene) -> None:
    scene.open_feed()
    expect(scene.page.get_by_label("A call that records an outcome")).to_be_visible()


def signed_out(scene: Scene) -> None:
    scene.page.context.clear_cookies()
    scene.open_feed(sign_in_url="/login")


def offline(scene: Scene) -> None:
    scene.open_feed(endpoint_later=True)
    go_offline(scene.page)
    set_attribute(scene.page, "value-delivered", "endpoint", "/api/outcomes")


def error(scene: Scene) -> None:
    answer(scene.page, 500)
    scene.open_feed()


def switched_off(scene: Scene) -> None:
    answer(scene.page, 404, **{"No-Such-Route": "true"})
    scene.open_feed()


def adding_up(scene: Scene) -> None:
    scene.ledger.record("Work")
    scene.page.route(SUMMARY, lambda route: route.fulfill(status=503, json={"error": "Still adding up"}))
    scene.open_feed()


def unset(scene: Scene) -> None:
    scene.open_feed(endpoint_later=True)


def ready(scene: Scene) -> None:
    scene.ledger.seed(datetime.now(UTC))
    scene.open_feed()
    scene.page.get_by_text("Daily figures").click()
    scene.page.locator(".rows summary").first.press("Enter")


def out_of_date(scene: Scene) -> None:
    ready(scene)
    answer(scene.page, 500)
    scene.page.get_by_role("button", name="7 days").click()


def all_at_once(scene: Scene) -> None:
    scene.page.route("**/costs**", lambda route: route.fulfill(json={"cost_usd": 3}))
    scene.ledger.record("Work", agent_id=7, value_usd=5, metadata={"where": "https://example.com/"})
    scene.open_feed(url_state="", cost_endpoint="/costs")
    scene.page.locator(".rows summary").press("Enter")
    scene.page.get_by_role("link", name="To this outcome").click()
    expect(scene.page.locator(".link .past li")).to_have_count(1)
    scene.page.get_by_role("button", name="Custom").click()
    scene.page.get_by_role("button", name="Show").click()
    scene.page.get_by_role("button", name="Custom").click()
    scene.page.get_by_label("Search").fill("nowhere")


def nothing_found(scene: Scene) -> None:
    scene.ledger.record("Work", outcome_type="task_complete")
    scene.open_feed()
    scene.page.get_by_label("Filter by type").hover()
    scene.page.get_by_label("Filter by type").select_option("Deal closed")


def nothing_in_period(scene: Scene) -> None:
    scene.ledger.record("Work", created_at=datetime.now(UTC) - timedelta(days=99))
    scene.open_feed(period=7)
    expect(scene.page.locator(".way-out button")).to_have_text(re.compile(r"Show \w+ \d+ \(1 outcome\)"))


STATES: list[tuple[Callable[[Scene], None], str]] = [
    (loading, "Loading what your agents delivered"),
    (empty, "Nothing delivered yet"),
    (signed_out, "You are signed out"),
    (offline, "You are offline"),
    (error, "The feed could not be loaded"),
    (switched_off, "It is switched off here, or its address is wrong."),
    (adding_up, "Adding up your history, once…"),
    (unset, "No endpoint"),
    (ready, "From first mail to signature without a call."),
    (out_of_date, "This may be out of date"),
    (all_at_once, "Linked outcome"),
    (nothing_found, "No outcome matches this filter."),
    (nothing_in_period, "No outcome happened in this period."),
]


@pytest.mark.parametrize(("arrange", "words"), STATES, ids=[arrange.__name__ for arrange, _ in STATES])
def test_each_state_has_a_message_and_axe_finds_no_violation(
    scene: Scene, take_picture: TakePicture, find_faults: FindFaults, arrange: Callable[[Scene], None], words: str
) -> None:
    page = scene.page
    arrange(scene)
    expect(page.get_by_text(words)).to_be_visible()
    if arrange not in (out_of_date, nothing_found, switched_off):
        others = "|".join(re.escape(others) for _, others in STATES if others != words)
        expect(page.get_by_text(re.compile(others, re.IGNORECASE)).filter(visible=True)).to_have_count(0)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        take_picture(f"state-{arrange.__name__}-{theme}")
        assert find_faults("value-delivered", rules=AXE_RULES[theme]) == [], theme


def test_the_feed_is_used_by_keyboard(open_feed: Open, page: Page, ledger: Ledger) -> None:
    for number in range(25):
        ledger.record(f"Work {number:02}", created_at=datetime.now(UTC) - timedelta(minutes=number))
    open_feed()
    expect(page.locator(".rows li")).to_have_count(20)
    expect(page.get_by_text("Daily figures")).to_be_visible()
    stops = []
    for _ in range(35):
        page.keyboard.press("Tab")
        stops.append(
            page.evaluate(
                "(({ localName, ariaLabel, textContent }) => `${localName} ${ariaLabel ?? textContent.slice(0, 10)}`)"
                "(document.querySelector('value-delivered').shadowRoot.activeElement ?? document.body)"
            )
        )
    assert stops[:14] == [
        "button 7 days",
        "button 30 days",
        "button 90 days",
        "button Year",
        "button Custom",
        "select Filter by type",
        "select Filter by agent",
        "select Filter by status",
        "summary Daily figu",
        "button Task compl",
        "input Search",
        "button Download",
        "button Print",
        "button Statements",
    ]
    assert stops[14:34] == [f"summary Work {number:02}Tas" for number in range(20)]
    assert stops[34] == "button Load more"


def test_the_feed_fits_on_a_phone(open_feed: Open, page: Page, ledger: Ledger) -> None:
    for number in range(25):
        ledger.record(f"Work {number}")
    open_feed()
    expect(page.get_by_role("button", name="Load more")).to_be_visible()
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert_fits(page, "value-delivered")


# ---- the end of each state


def test_loading_ends_with_the_feed(open_feed: Open, page: Page, ledger: Ledger) -> None:
    held: list[Route] = []
    released: list[Route] = []
    page.route(API, lambda route: route.continue_() if released else held.append(route))
    ledger.record("Work")
    open_feed()
    expect(page.get_by_text("Loading what your agents delivered")).to_be_visible()
    expect(page.locator(".card")).to_have_attribute("aria-busy", "true")
    wait_until(page, lambda: bool(held))
    while held:
        released.append(held.pop())
        released[-1].continue_()
    expect(page.locator(".rows li")).to_have_count(1)
    expect(page.locator(".card")).to_have_attribute("aria-busy", "false")


def test_an_outcome_recorded_between_the_first_two_requests_is_shown(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ledger.record("Work")

    def answer_before_it(route: Route) -> None:
        route.fulfill(response=route.fetch(), json={"outcomes": [], "next_cursor": None})

    page.route(re.compile(r"/api/outcomes\?(?!.*time=)"), answer_before_it)
    open_feed()
    expect(page.locator(".rows strong")).to_be_visible()


def test_a_signed_out_viewer_sees_no_outcomes_and_can_sign_in(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Private work", value_usd=1234)
    open_feed(fast_timers=True, refresh=1, sign_in_url="/login?next=/")
    expect(page.locator(".rows li")).to_have_count(1)
    page.context.clear_cookies()
    expect(page.get_by_text("You are signed out")).to_be_visible()
    assert not page.locator("value-delivered").evaluate("feed => /Private|1,234/.test(feed.shadowRoot.textContent)")
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/login?next=/")
    ledger.sign_in(page.context)
    page.get_by_role("button", name="Check again").press("Enter")
    expect(page.locator(".rows li")).to_have_count(1)
    expect(page.get_by_role("heading", name="Value Delivered")).to_be_focused()


def test_a_signed_out_feed_polls_when_its_tab_is_shown_again(open_feed: Open, page: Page, ledger: Ledger) -> None:
    page.context.clear_cookies()
    open_feed(fast_timers=True)
    expect(page.get_by_text("You are signed out")).to_be_visible()
    assert page.evaluate("waits") == []
    ledger.record("Work")
    ledger.sign_in(page.context)  # in another tab, the viewer signs in
    leave_and_return(page)
    expect(page.locator(".rows li")).to_have_count(1)


def test_an_offline_feed_keeps_its_outcomes_and_resumes_automatically(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ledger.record("Work")
    open_feed()
    expect(page.locator(".rows li")).to_have_count(1)
    go_offline(page)
    expect(page.get_by_text("You are offline")).to_be_visible()
    expect(page.locator(".rows li")).to_have_count(1)
    ledger.record("Meanwhile")
    page.context.set_offline(False)
    expect(page.locator(".rows li")).to_have_count(2)
    expect(page.get_by_text("You are offline")).to_have_count(0)


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "The server could not be reached."),
    ({"status": 500, "json": {"error": "Failed to list outcomes"}}, "The server answered 500."),
    ({"status": 429, "json": {"error": "Too Many Requests"}}, "The server answered 429."),
    ({"status": 403, "json": {"error": "Forbidden"}}, "The server answered 403."),
    (
        {"status": 200, "body": "<!doctype html><title>Sign in to Wi-Fi"},
        "The server\u2019s answer could not be read.",
    ),
    ({"status": 200, "body": ""}, "The server\u2019s answer could not be read."),
    ({"status": 200, "body": "null"}, "The server\u2019s answer could not be understood."),
    ({"status": 200, "json": {"items": []}}, "The server\u2019s answer could not be understood."),
    ({"status": 200, "json": {"outcomes": [{"id": 7}]}}, "The server\u2019s answer could not be understood."),
]


def test_an_error_has_a_message_and_a_retry(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work")
    for fault, words in FAULTS:
        page.route(LIST, partial(Route.fulfill, **fault) if fault else lambda route: route.abort("connectionrefused"))
        open_feed()
        expect(page.get_by_text(words)).to_be_visible()
        page.unroute_all()
        page.get_by_role("button", name="Try again").press("Enter")
        expect(page.locator(".rows li")).to_have_count(1)
        expect(page.get_by_text(words)).to_have_count(0)


def test_rows_are_shown_if_totals_fail_and_totals_if_rows_fail(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", value_usd=3)
    answer(page, 500, SUMMARY)
    open_feed(fast_timers=True, refresh=1)
    expect(page.locator(".rows li")).to_have_count(1)
    expect(page.get_by_text("Totals are not available right now.")).to_be_visible()
    page.unroute_all()
    expect(page.locator(".total")).to_have_text("$3.00")

    answer(page, 500, LIST)
    page.get_by_role("button", name="7 days").click()
    expect(page.locator(".summary > .caption")).to_have_text("1 outcome in the last 7 days")
    expect(page.get_by_text("This may be out of date")).to_be_visible()
    page.unroute_all()
    expect(page.get_by_text("This may be out of date")).to_have_count(0)


def test_a_failed_load_more_loses_nothing(open_feed: Open, page: Page, ledger: Ledger) -> None:
    for number in range(25):
        ledger.record(f"Outcome {number}")
    open_feed()
    expect(page.locator(".total")).to_have_text("$0.00")  # wait for the end of the poll, which would clear the error
    answer(page, 500, re.compile("cursor="))
    page.get_by_role("button", name="Load more").press("Enter")
    expect(page.get_by_text("The server answered 500.")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Load more").press("Enter")
    expect(page.locator(".rows li")).to_have_count(25)
    expect(page.get_by_text("The server answered 500.")).to_have_count(0)


# ---- polling; dashboard/tests/watcher.test.js has the rest


def test_refresh_is_in_seconds_and_at_least_one(open_feed: Open, page: Page) -> None:
    for given, seconds in (("", 15), ("abc", 15), ("-3", 1), ("0.01", 1), ("60", 60), ("900", 900)):
        open_feed(fast_timers=True, refresh=given)
        assert waits(page, 1) == [seconds * 1000], given
        page.evaluate(CLEAR)


def test_a_hidden_tab_sends_nothing_and_catches_up_when_shown(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Before")
    open_feed(fast_timers=True, refresh=1)
    expect(page.locator(".rows li")).to_have_count(1)
    hide_tab(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ledger.record("Meanwhile")
    page.wait_for_timeout(200)  # ten polls
    assert asked == []
    show_tab(page)
    expect(page.locator(".rows li")).to_have_count(2)


# ---- slow totals


def test_the_feed_waits_for_totals_that_are_still_being_added_up(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", value_usd=3)
    asked: list[Route] = []
    page.route(SUMMARY, lambda route: asked.append(route))
    open_feed(fast_timers=True, refresh=60)
    for number in (1, 2):
        while len(asked) < number:
            page.wait_for_timeout(10)
        headers = {"Retry-After": "1"}
        asked[-1].fulfill(status=503, json={"error": "Still adding up"}, headers=headers)
        expect(page.get_by_role("status").filter(has_text="Adding up your history, once…")).to_be_visible()
        # The banner for errors is not shown while totals are slow.
        expect(page.locator(".card")).to_have_attribute("data-banner", "")
        assert waits(page, number) == [1000] * number
    while len(asked) < 3:
        page.wait_for_timeout(10)
    expect(page.locator(".rows strong")).to_have_text(["Work"])
    expect(page.get_by_text("Adding up your history")).to_be_visible()
    asked[-1].continue_()
    expect(page.locator(".total")).to_have_text("$3.00")
    expect(page.get_by_text("Adding up your history")).to_have_count(0)
    assert waits(page, 3)[2] == 60_000


def test_old_totals_stay_until_those_of_another_period_are_added_up(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ledger.record("Work", value_usd=3)
    open_feed(fast_timers=True, refresh=60)
    caption, adding_up = page.locator(".summary > .caption"), page.get_by_text("Still adding up\u2026")
    expect(page.locator(".total")).to_have_text("$3.00")
    page.route(SUMMARY, lambda route: route.fulfill(status=503, json={"error": "Still adding up"}))
    page.get_by_role("button", name="90 days").click()
    expect(adding_up).to_be_visible()
    expect(page.locator(".total")).to_have_text("$3.00")
    expect(caption).to_have_text("1 outcome in the last 30 days")
    page.get_by_role("button", name="30 days").click()
    expect(adding_up).to_have_count(0)  # the totals of 30 days are already known, so no message is shown
    expect(page.locator(".total")).to_have_text("$3.00")
    page.get_by_role("button", name="90 days").click()
    expect(adding_up).to_be_visible()
    page.unroute_all()
    expect(caption).to_have_text("1 outcome in the last 90 days")
    expect(adding_up).to_have_count(0)
