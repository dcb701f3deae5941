"""Test costs, links, search, arrow keys and print of the feed."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browsers import confirm, leave_and_return, wait_until
from tests.dashboard.conftest import SUMMARY, FindFaults, Open, assert_fits, set_attribute
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW, Recorded
from tests.dashboard.test_corrections import unfold
from tests.dashboard.test_keys import AWAY

pytestmark = pytest.mark.at_noon

COSTS = "**/costs**"


# ---- cost


def test_cost_is_shown_for_the_period_and_agent_of_the_totals(open_feed: Open, page: Page, recorded: Recorded) -> None:
    """dashboard/tests/costs.test.js has exact amounts, failures and repeated reads."""
    recorded.has("Work", agent_id=7)
    recorded.sums["by_agent"] = [{"agent_id": 7, "count": 1, "value_usd": 5}]
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url.partition("?")[2])
        route.fulfill(json={"cost_usd": len(asked), "by_agent": [{"agent_id": 7, "cost_usd": 3}]})

    page.route(COSTS, answer)
    open_feed(cost_endpoint="/costs?team=1", refresh=1)
    shown = page.locator(".balance dd")
    expect(shown).to_have_text(["$1.00", "$1,199.50", "1,200 times its cost"])
    expect(page.locator(".parts .count").last).to_have_text("1 outcome · cost $3.00, 1.67\u00d7")
    page.get_by_role("button", name="7 days").click()
    expect(shown.first).to_have_text("$2.00")
    page.get_by_label("Filter by agent").select_option("Agent 7")
    expect(shown.first).to_have_text("$3.00")
    page.get_by_label("Filter by type").select_option("Deal closed")
    expect(page.locator(".known")).to_have_text("Costs have neither types nor statuses.")
    expect(shown).to_have_count(0)
    zone = "timezone=America%2FNew_York"
    week = "team=1&from=2026-04-09T04%3A00%3A00.000Z&to=2026-04-16T04%3A00%3A00.000Z"
    assert asked[1:] == [f"{week}&{zone}", f"{week}&agentId=7&{zone}"]
    set_attribute(page, "value-delivered", "cost-endpoint", "https://[")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator(".summary > .caption")).to_have_text("1 outcome in the last 7 days")
    expect(page.locator(".known")).to_have_text("The cost could not be read.")
    expect(page.locator(".card")).to_have_attribute("data-banner", "")  # a failed request for the cost is not shown
    set_attribute(page, "value-delivered", "cost-endpoint", "/costs")
    expect(shown.first).to_have_text("$4.00")
    page.locator("value-delivered").evaluate("feed => feed.removeAttribute('cost-endpoint')")
    expect(page.locator(".costs")).to_be_hidden()
    expect(page.locator(".parts .count").last).to_have_text("1 outcome")


# ---- links


def test_each_outcome_has_a_link_that_opens_it(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Long ago", created_at=datetime(2026, 4, 1, tzinfo=UTC), value_usd=7, agent_id=7)
    for number in range(25):
        ledger.record(f"Recent {number}", created_at=datetime(2026, 4, 14, number % 24, tzinfo=UTC))
    open_feed(reload=True, url_state="")
    page.get_by_role("button", name="Load more").press("Enter")
    expect(page.locator(".rows li")).to_have_count(26)
    page.locator(".rows summary").last.press("Enter")
    href = page.get_by_role("link", name="To this outcome").get_attribute("href")
    assert href is not None
    id_ = href.partition("#outcome=")[2]

    held: list[Route] = []
    page.route("**/summary?**", lambda route: held.append(route))
    page.goto("about:blank")
    page.goto(href)
    linked = page.locator(".link")
    expect(linked.locator("strong")).to_have_text(["Long ago"])
    expect(linked.locator("summary")).to_be_focused()
    expect(linked.locator(".past li")).to_have_count(1)  # a linked outcome is shown unfolded
    held[0].continue_()
    expect(page.locator(".split li").first).to_be_attached()
    expect(linked.locator("summary")).to_be_in_viewport()  # totals that arrive late push it down
    page.unroute("**/summary?**")
    confirm(linked)
    expect(linked.locator(".tag")).to_have_text("Confirmed")
    expect(linked.locator(".past li")).to_have_count(2)  # the confirmation is stored
    page.get_by_role("button", name="Load more").press("Enter")
    expect(page.locator(".feed > .rows .tag")).to_have_text("Confirmed")  # the tag in the list is updated, too

    linked.get_by_role("button", name="Close").click()
    expect(linked).to_be_hidden()
    assert page.url == href.partition("#")[0]
    page.evaluate(f"location.hash = '#outcome={id_}'")
    expect(linked.locator("strong")).to_have_text(["Long ago"])
    expect(linked.get_by_role("button", name="Dispute")).to_be_visible()
    listed = page.locator(".feed > .rows [role=listitem]").last
    listed.locator("summary").press("Enter")
    listed.get_by_role("button", name="Dispute").press("Enter")
    listed.get_by_role("button", name="Send").press("Enter")
    expect(listed.locator("textarea")).to_have_accessible_description("Say why you dispute it.")


def test_a_page_read_before_a_confirmation_shows_it(open_feed: Open, page: Page, ledger: Ledger) -> None:
    old = ledger.record("Long ago", created_at=datetime(2026, 4, 1, tzinfo=UTC))
    for number in range(20):
        ledger.record(f"Recent {number}", created_at=datetime(2026, 4, 14, number, tzinfo=UTC))
    open_linked(open_feed, page, old)
    linked = page.locator(".link")
    expect(linked.locator(".past li")).to_have_count(1)

    held: list[tuple[Route, APIResponse]] = []
    page.route("**/api/outcomes?*cursor=*", lambda route: held.append((route, route.fetch())))
    page.get_by_role("button", name="Load more").press("Enter")
    wait_until(page, lambda: bool(held))
    confirm(linked)
    expect(linked.locator(".past li")).to_have_count(2)
    [(route, before)] = held
    route.fulfill(response=before)
    expect(page.locator(".feed > .rows li")).to_have_count(21)
    expect(page.locator(".feed > .rows .tag")).to_have_text("Confirmed")


def open_linked(open_feed: Open, page: Page, id_: str) -> None:
    """Open a page through a link to an outcome."""
    open_feed()
    page.evaluate(f"location.hash = '#outcome={id_}'")
    open_feed(url_state="")


SOME_ID = "01M8ACQW01PJ4EYCKZDPA329TG"
NOT_THERE = "This outcome does not exist or is not yours."


def test_a_link_to_a_missing_outcome_shows_a_message_in_view(open_feed: Open, page: Page, recorded: Recorded) -> None:
    for number in range(20):
        recorded.has(f"Work {number}", hours=number + 1)
    recorded.instead("GET", f"/{SOME_ID}$", 404, json={"error": "Not found"})
    open_feed(reload=True, url_state="")
    expect(page.locator(".rows li")).to_have_count(20)
    link, caption = page.locator(".link"), page.locator(".link .caption")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    with page.expect_response(f"**/{SOME_ID}"):
        page.evaluate(f"location.hash = '#outcome={SOME_ID}'")
    expect(caption).to_have_text(NOT_THERE)
    expect(caption).to_be_in_viewport()
    expect(page.locator(".card")).to_have_attribute("data-banner", "")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(link).to_be_hidden()

    # Other routes below the endpoint are not requested: an export would have been downloaded with each poll.
    recorded.asked.clear()
    for id_ in ("export", "../keys", "01m8acqw01pj4eyckzdpa329tg", "81M8ACQW01PJ4EYCKZDPA329TG"):
        page.evaluate(f"location.hash = '#outcome={id_}'")
        expect(caption).to_have_text(NOT_THERE)
        page.get_by_role("button", name="Close", exact=True).click()
    assert {urlsplit(request.url).path for request in recorded.asked} == {"/api/outcomes"}

    recorded.instead("GET", f"/{SOME_ID}$", 500, json={"error": "Failed to read outcome"})
    page.evaluate(f"location.hash = '#outcome={SOME_ID}'")
    expect(page.locator(".card")).to_have_attribute("data-banner", "error")
    expect(page.locator(".rows li")).to_have_count(20)

    recorded.outcomes.clear()  # a link works also for a viewer without outcomes
    recorded.instead("GET", f"/{SOME_ID}$", 404, json={"error": "Not found"})
    open_linked(open_feed, page, SOME_ID)
    expect(caption).to_have_text(NOT_THERE)
    expect(caption).to_be_in_viewport()


def test_another_user_sees_nothing_of_the_first(open_feed: Open, page: Page, ledger: Ledger) -> None:
    moment = datetime(2026, 4, 15, 15, 55, tzinfo=UTC)
    ledger.record("Private work", created_at=moment, agent_id=7, value_usd=1, metadata={"note": "private"})
    ledger.record("Of another", user_id=ledger.stranger, created_at=moment, agent_id=9, value_usd=5)
    costs: list[Route] = []
    page.route(COSTS, lambda route: costs.append(route))
    open_feed(url_state="", cost_endpoint="/costs", refresh=3600)
    page.locator(".rows summary").filter(visible=True).press("Enter")
    page.get_by_role("link", name="To this outcome").press("Enter")
    expect(page.locator(".link strong")).to_have_text(["Private work"])
    page.get_by_label("Search").fill("private")
    ledger.sign_in(page.context, ledger.stranger)
    leave_and_return(page)
    expect(page.locator(".link .caption")).to_have_text(NOT_THERE)
    expect(page.locator(".feed > .rows strong")).to_have_text(["Of another"])
    expect(page.locator(".total")).to_have_text("$5.00")
    expect(page.get_by_label("Filter by agent").locator("option")).to_have_text(["All agents", "Agent 9"])
    expect(page.get_by_label("Search")).to_have_value("")
    assert not page.locator("value-delivered").evaluate("feed => /private/i.test(feed.shadowRoot.textContent)")
    wait_until(page, lambda: len(costs) > 1)
    costs[-1].fulfill(json={"cost_usd": 2})
    expect(page.locator(".cost")).to_have_text("$2.00")


LEFT = """feed => [feed.shadowRoot.textContent, ...[...feed.shadowRoot.querySelectorAll("input, textarea")]
    .map(({ value }) => value)].filter((text) => /private/i.test(text))"""


@pytest.mark.parametrize(
    ("opener", "field"),
    [
        ("1 to review", "Why do you dispute it?"),
        ("Decide what counts", "All others: note"),
        ("Set a target", "Name"),
        ("Statements", "Search"),
        ("Custom", "Search"),
    ],
)
def test_nothing_that_one_user_opened_read_or_typed_is_left_for_another(
    open_feed: Open, page: Page, ledger: Ledger, opener: str, field: str
) -> None:
    moment = datetime(2026, 4, 15, 15, 55, tzinfo=UTC)
    ledger.record("Private work", created_at=moment, value_usd=1)
    ledger.record("Of another", user_id=ledger.stranger, created_at=moment, value_usd=5)
    open_feed(refresh=3600)
    rows = page.locator(".feed > .rows strong")
    expect(rows).to_have_text(["Private work"])
    opens = page.get_by_role("button", name=re.compile(f"^{opener}"))
    dispute = page.locator(".claims").get_by_role("button", name="Dispute")
    opens.press("Enter")
    if opener == "1 to review":
        dispute.press("Enter")
    if opener == "Decide what counts":
        expect(page.get_by_label(field, exact=True)).to_be_attached()  # with its rows, the form moves the focus
        page.locator(".counts summary").click()
    page.get_by_label(field, exact=True).fill("Private words")
    ledger.sign_in(page.context, ledger.stranger)
    leave_and_return(page)
    expect(rows).to_have_text(["Of another"])
    feed = page.locator("value-delivered")
    assert feed.evaluate(LEFT) == []
    if opener == "1 to review":  # the queue stays open, with what is of the other user
        opens = dispute
    if opens.get_attribute("aria-expanded") == "true":
        opens.press("Enter")
    opens.press("Enter")
    assert feed.evaluate(LEFT) == []


# ---- search and keys


def test_outcomes_can_be_searched(open_feed: Open, page: Page, recorded: Recorded) -> None:
    renewed = recorded.has("Renewed Acme", hours=1, agent_id=7, metadata={"crm": "Deal-4711"})
    recorded.has("Answered tickets", hours=2, outcome_type="task_complete", description="All of Acme\u2019s")
    recorded.has("Renewed Borealis", hours=3, agent_id=9)
    open_feed(refresh=3600)
    search, shown = page.get_by_label("Search"), page.locator(".rows li:not([hidden]) strong")
    for words, expected in (
        ("ACME renewed", ["Renewed Acme"]),
        ("4711", ["Renewed Acme"]),
        ("agent 9", ["Renewed Borealis"]),
        ("task", ["Answered tickets"]),
        ("null", []),
        (" ", ["Renewed Acme", "Answered tickets", "Renewed Borealis"]),
    ):
        search.fill(words)
        expect(shown).to_have_text(expected)
        matches = "1 match" if len(expected) == 1 else f"{len(expected)} matches"
        said = page.get_by_role("status").filter(has_text=f"{matches} in 3 of 3")
        expect(said).to_have_count(1 if words.strip() else 0)
        expect(page.get_by_text("No outcome matches this search.")).to_be_visible(visible=not expected)
    # Node tests have the rules of what matches. What matched is marked, or shown if only an unfolded row has it.
    marks = page.locator(".rows li:not([hidden]) mark")
    for words, marked, excerpt in (
        ("4711 agent", ["Agent", "4711"], '{"crm":"Deal-4711"}'),
        ('"renewed b', ["Renewed B"], ""),
    ):
        search.fill(words)
        expect(marks).to_have_text(marked)
        expect(page.locator(".rows .hit")).to_have_text([excerpt] if excerpt else [])
    search.fill("acme")
    recorded.has("New of Acme", hours=0.1)
    recorded.has("Late of Acme", hours=1.5)
    recorded.has("New of Borealis", hours=0.2)
    leave_and_return(page)
    expect(shown).to_have_text(["New of Acme", "Renewed Acme", "Late of Acme", "Answered tickets"])
    recorded.correct(renewed, type="amend")
    next(one for one in recorded.outcomes if one["id"] == renewed)["title"] = "Renewed Ajax"
    leave_and_return(page)
    expect(shown).to_have_text(["New of Acme", "Late of Acme", "Answered tickets"])
    expect(page.get_by_role("status").filter(has_text="3 matches in 6 of 6")).to_have_count(1)


# Returns what can be clicked and is smaller than 24 pixels: itself, and what it covers by its ::after.
SMALL_TARGETS = """root => [...root.querySelectorAll("button, a, summary, select, input")].filter((target) => {
    if (!target.checkVisibility() || target.closest(".bars") || target.matches(".skip")) return false
    const { width, height } = (target.matches(".name") ? target.closest("li") : target).getBoundingClientRect()
    return width < 24 || height < 24
}).map((target) => target.outerHTML)"""


# Returns the words of filters that are narrower than their words.
CUT = """filters => filters.filter((filter) => {
    const { width } = filter.getBoundingClientRect()
    filter.style.flex = "none"
    const { width: needed } = filter.getBoundingClientRect()
    filter.style.flex = ""
    return width < needed
}).map(({ selectedOptions: [{ text }] }) => text)"""


@pytest.mark.parametrize("width", [1280, 390])
def test_targets_have_24_pixels_and_days_a_button_besides_their_bars(
    width: int, open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.has("Work", status="confirmed", agent_id=7)
    recorded.sums = {"confirmed": {"count": 1, "value_usd": 1}}
    recorded.sums["by_agent"] = [{"agent_id": 7, "count": 1, "value_usd": 5}]
    page.set_viewport_size({"width": width, "height": 720})
    open_feed(refresh=3600, url_state="")
    page.locator(".parts summary").evaluate_all("all => all.forEach(one => { one.parentElement.open = true })")
    page.locator(".rows summary").click()
    expect(page.get_by_role("button", name="Dispute")).to_be_visible()
    page.get_by_text("Daily figures").click()
    day = page.locator(".daily").get_by_role("button", name="Apr 15, 2026")
    expect(day).to_be_visible()
    assert page.locator(".card").evaluate(SMALL_TARGETS) == []
    page.evaluate("document.body.style.margin = '1rem'")
    assert page.locator(".filters select").evaluate_all(CUT) == []
    page.evaluate("document.body.style.margin = ''")
    day.press("Enter")
    expect(page.locator("#latest")).to_have_text("Happened Apr 15, 2026")
    assert page.url.endswith("#period=2026-04-15..2026-04-15")


SHAPES: list[tuple[int, Literal["active", "none"], str]] = [
    (1280, "active", "ltr"),
    (640, "none", "ltr"),  # a laptop's page at 200 %
    (320, "active", "rtl"),
    (1280, "none", "rtl"),
]
# Whether a date below the chart begins before the one on its left ends.
OVERLAP = """({ children }) => [...children].map((date) => date.getBoundingClientRect()).filter(({ width }) => width)
    .some(({ left }, index, all) => left < all[index - 1]?.right)"""
# Returns the texts that the card cuts off.
CUT_OFF = """(all) => all.filter((one) => {
    const [text, card] = [document.createRange(), one.closest(".card").getBoundingClientRect()]
    text.selectNodeContents(one)
    const { left, right } = text.getBoundingClientRect()
    return one.checkVisibility({ contentVisibilityAuto: true }) && (left < card.left || right > card.right)
}).map(({ textContent }) => textContent)"""
# Returns how many bars there are, and how many have the color of the page that forced colors give backgrounds.
BARS = """({ shadowRoot: root }) => {
    const colors = [...root.querySelectorAll(".bar, .share i")].map((bar) =>
        getComputedStyle(bar)[bar.localName === "i" ? "backgroundColor" : "fill"])
    return [colors.length, colors.filter((color) => color === "rgb(255, 255, 255)").length]
}"""


@pytest.mark.viewer
def test_feed_and_queue_fit_in_forced_colors_at_200_percent_and_from_right_to_left(
    open_feed: Open, page: Page, recorded: Recorded, find_faults: FindFaults
) -> None:
    for number in range(3):
        recorded.has(f"Work {number} {number * 40 * 'w'}", hours=number + 1)
    open_feed(url_state="", agent_names=json.dumps({"7": "Agent" * 20}))
    page.evaluate("document.body.style.margin = '1rem'")
    expect(unfold(page).locator(".past li")).to_be_visible()
    for view in ("", "review"):
        page.evaluate("view => { location.hash = view }", view)
        expect(page.locator(".claims > li")).to_have_count(3 if view else 0)
        for width, forced, direction in SHAPES:
            page.set_viewport_size({"width": width, "height": 720})
            page.emulate_media(forced_colors=forced)
            page.evaluate("direction => { document.dir = direction }", direction)
            assert_fits(page, "value-delivered")
            assert page.locator(".dates").evaluate(OVERLAP) is False
            assert page.locator(".what [dir]").evaluate_all(CUT_OFF) == [], (view, width, direction)
            if width == 1280 and direction == "rtl" and not view:
                assert page.locator(".feed > .rows strong").first.evaluate_all(AWAY) == []
            assert forced == "none" or find_faults("value-delivered", rules=["color-contrast"]) == [], view
            bars, unseen = page.locator("value-delivered").evaluate(BARS)
            assert (bars > 0, unseen) == (True, 0), (view, width)


def test_arrow_keys_move_between_rows(open_feed: Open, page: Page, recorded: Recorded) -> None:
    for number in range(4):
        recorded.has(f"{number} {'even' if number % 2 == 0 else 'odd'}", hours=number + 1)
    open_feed()
    rows = page.locator(".rows summary")
    rows.first.focus()
    for key, expected in (
        ("ArrowDown", 1),
        ("ArrowDown", 2),
        ("End", 3),
        ("ArrowDown", 3),
        ("Home", 0),
        ("ArrowUp", 0),
    ):
        page.keyboard.press(key)
        expect(rows.nth(expected)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".rows details").first).to_have_attribute("open", "")
    page.get_by_label("Search").fill("odd")
    expect(rows.nth(2)).to_be_hidden()
    rows.nth(1).focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(3)).to_be_focused()  # the arrow keys skip hidden rows


# ---- print


def test_the_printed_feed_is_a_statement(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    page.emulate_media(color_scheme="dark")
    open_feed(refresh=60, owner="Jane Doe")
    expect(page.locator(".rows li")).to_have_count(1)
    head = "Jane Doe · Mar 17 \u2013 Apr 15, 2026 · America/New_York · printed Apr 15, 2026, 12:00 PM"
    paper = page.get_by_text(head, exact=True)
    expect(paper).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    expect(paper).to_be_visible()
    # Controls are not printed, except the buttons of shares and of the sums by status, which are printed as text.
    controls = page.locator("button:not(.split *, .standing *), select, input")
    expect(controls.filter(visible=True)).to_have_count(0)
    expect(page.locator(".card")).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator(".card")).to_have_css("color", "rgb(0, 0, 0)")
    day = "time => getComputedStyle(time, '::after').content"
    assert page.locator(".rows .ago").evaluate(day) == '"Apr 15, 2026"'
    underlined = page.locator("a, button, summary").filter(visible=True)
    assert "underline" not in str(
        underlined.evaluate_all("all => all.map(one => getComputedStyle(one).textDecoration)")
    )
    # Without Totals and Export, paper and queue have the outcomes of all times.
    page.emulate_media(media="null")
    recorded.capabilities = "corrections"
    open_feed(refresh=3600, url_state="")
    page.evaluate("location.hash = '#review'")
    expect(page.locator(".review .caption")).to_have_text("1 to review · $1,200.50")
    expect(page.locator(".help.paper").first).to_have_text("America/New_York · printed Apr 15, 2026, 12:00 PM")


def test_print_loads_every_outcome_of_the_period(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Too early", created_at=NOW - timedelta(days=31), value_usd=1000)
    for number in range(52):  # two pages
        ledger.record(
            f"Work {number}", created_at=NOW - timedelta(minutes=number), value_usd=Decimal("0.1"), agent_id=7
        )
    ledger.correct(ledger.record("Void", created_at=NOW - timedelta(days=1), value_usd=7), "void")
    open_feed(refresh=60)
    expect(page.locator(".total")).to_have_text("$5.20")
    page.emulate_media(media="print")  # the viewer prints without clicking the button Print
    expect(page.get_by_text("20 of 53 outcomes are listed here.")).to_be_visible()
    page.emulate_media(media="null")
    page.evaluate("window.printed = 0, print = () => { window.printed += 1 }, 0")
    button = page.get_by_role("button", name="Print", exact=True)
    cancel = page.get_by_role("button", name="Cancel", exact=True)

    held: list[Route] = []
    page.route("**/api/outcomes?**cursor=**", lambda route: held.append(route))
    button.click()
    wait_until(page, lambda: len(held) == 1)
    assert page.get_by_role("progressbar", name="Loaded").get_attribute("title") == "50 of 53"
    cancel.click()
    expect(page.get_by_role("progressbar")).to_have_count(0)

    page.unroute("**/api/outcomes?**cursor=**")
    page.route("**/api/outcomes?**cursor=**", lambda route: route.fulfill(status=400, json={"error": "No"}))
    button.click()
    expect(page.locator(".download .fault")).to_have_text("Not printed. The server answered 400.")
    assert page.evaluate("printed") == 0

    page.unroute("**/api/outcomes?**cursor=**")
    busy = {"status": 503, "json": {"error": "Busy"}}
    page.route("**/api/outcomes?**cursor=**", lambda route: route.fulfill(**busy), times=1)
    button.click()
    rows = page.locator(".ledger tbody tr")
    expect(rows).to_have_count(53)
    assert page.evaluate("printed") == 1
    expect(rows.first).to_be_hidden()
    page.emulate_media(media="print")
    expect(rows.first).to_have_text("Apr 15, 2026Work 0Task completeAgent 7$0.10")
    expect(page.get_by_text("52 outcomes count: $5.20")).to_be_visible()
    expect(page.locator(".feed > .rows")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(rows).to_have_count(0)


def test_a_paper_has_the_total_of_its_rows_although_something_is_recorded_while_they_load(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    for number in range(53):
        ledger.record("Work", created_at=NOW - timedelta(hours=number + 1), value_usd=1)
    open_feed(refresh=1)
    total = page.locator(".total")
    expect(total).to_have_text("$53.00")
    page.evaluate("window.printed = 0, print = () => { window.printed += 1 }, 0")
    held: list[Route] = []
    page.route("**/api/outcomes?*limit=50*time=occurred*cursor=**", lambda route: held.append(route))
    button = page.get_by_role("button", name="Print", exact=True)
    button.click()
    wait_until(page, lambda: len(held) == 1)
    ledger.record("Meanwhile", created_at=NOW, value_usd=100)
    ledger.record("Late", occurred_at=(NOW - timedelta(hours=60)).isoformat(), value_usd=10)  # on the next page
    page.wait_for_timeout(1500)  # longer than between two polls
    expect(total).to_have_text("$53.00")
    held.pop().continue_()
    expect(page.locator(".ledger")).to_contain_text("53 outcomes count: $53.00")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(total).to_have_text("$163.00")  # the polls go on

    button.click()
    wait_until(page, lambda: len(held) == 1)
    ledger.record("Meanwhile", occurred_at=NOW.isoformat(), value_usd=1000)
    leave_and_return(page)
    expect(total).to_have_text("$1,163.00")
    held.pop().continue_()
    expect(page.locator(".download .fault")).to_have_text("Not printed. The outcomes have changed meanwhile.")
    assert page.evaluate("printed") == 1


def test_a_paper_is_not_printed_if_one_of_its_outcomes_is_voided_while_they_load(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ids = [ledger.record("Work", created_at=NOW - timedelta(hours=hours + 1), value_usd=1) for hours in range(51)]
    open_feed(refresh=3600)
    held: list[Route] = []
    page.route("**/api/outcomes?*cursor=**", lambda route: held.append(route), times=1)
    page.get_by_role("button", name="Print", exact=True).press("Enter")
    wait_until(page, lambda: len(held) == 1)
    ledger.correct(ids[-1], "void")
    held.pop().continue_()
    expect(page.locator(".download .fault")).to_have_text("Not printed. The outcomes have changed meanwhile.")


def test_a_download_reads_the_list_again_and_keeps_the_rows_that_were_loaded(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ids = [ledger.record(f"Work {number}", created_at=NOW - timedelta(hours=1)) for number in range(45)]
    open_feed(refresh=3600)
    rows = page.locator(".feed > .rows [role=listitem]")
    for count in (40, 45):
        page.get_by_role("button", name="Load more").click()
        expect(rows).to_have_count(count)
    ledger.correct(ids[0], "void")
    with page.expect_download():
        page.get_by_role("button", name="Download", exact=True).press("Enter")
    expect(page.locator(".rows [data-standing=void]")).to_have_count(1)  # the oldest, on the last page
    expect(rows).to_have_count(45)


def test_what_was_corrected_elsewhere_is_read_before_it_is_printed_or_saved(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ids = [ledger.record(f"Work {usd}", created_at=NOW - timedelta(hours=1), value_usd=usd) for usd in (1, 10, 100)]
    open_feed(refresh=3600)
    total, standings = page.locator(".total"), page.locator(".rows [data-standing=void]")
    expect(total).to_have_text("$111.00")
    page.evaluate("window.printed = 0, print = () => { window.printed += 1 }, 0")
    ledger.correct(ids[2], "void")
    page.get_by_role("button", name="Print", exact=True).press("Enter")
    expect(page.locator(".ledger")).to_contain_text("2 outcomes count: $11.00")
    expect(total).to_have_text("$11.00")
    expect(standings).to_have_count(1)
    page.evaluate("dispatchEvent(new Event('afterprint'))")

    ledger.correct(ids[1], "void")
    with page.expect_download():
        page.get_by_role("button", name="Download", exact=True).press("Enter")
    expect(total).to_have_text("$1.00")
    expect(standings).to_have_count(2)

    ledger.correct(ids[0], "void")
    page.route(SUMMARY, lambda route: route.fulfill(status=500, json={"error": "No"}))
    page.get_by_role("button", name="Print", exact=True).press("Enter")
    expect(page.locator(".download .fault")).to_have_text("Not printed. The total could not be read.")
    assert page.evaluate("printed") == 1
