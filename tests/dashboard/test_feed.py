"""Test the feed of a signed-in viewer: totals, rows, filters and live updates. Node tests hold the sums."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browsers import leave_and_return, wait_until
from tests.dashboard.agent_keys import NO_TYPES
from tests.dashboard.conftest import LIST, SUMMARY, Open, next_poll, set_attribute
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW, Recorded, instant

pytestmark = pytest.mark.at_noon


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def choose(page: Page, period: str) -> None:
    set_attribute(page, "value-delivered", "period", period)


# ---- totals


def test_a_range_of_days_limits_totals_and_list(open_feed: Open, page: Page, ledger: Ledger) -> None:
    for title, moment in (
        ("Too late", datetime(2026, 4, 1, 4, tzinfo=UTC)),
        ("Last evening", datetime(2026, 4, 1, 3, 59, tzinfo=UTC)),
        ("First morning", datetime(2026, 3, 1, 5, tzinfo=UTC)),
        ("Too early", datetime(2026, 3, 1, 4, 59, tzinfo=UTC)),
    ):
        ledger.record(title, created_at=moment, value_usd=1)
    open_feed(fast_timers=True, refresh=2)
    custom, shown = page.get_by_role("button", name="Custom"), page.locator(".rows strong")
    first, last, fault = page.get_by_label("From"), page.get_by_label("To"), page.locator(".range .fault")
    custom.press("Enter")
    expect(first).to_be_focused()
    expect(first).to_have_value("2026-03-17")  # the form begins with the period that the feed shows
    custom.press("Enter")
    expect(first).to_be_hidden()
    custom.press("Enter")
    first.press_sequentially("02312026")
    last.press("Enter")
    expect(fault).to_have_text("One of these days does not exist.")
    for begin, end, words in (
        ("2026-03-01", "", "Enter the first and the last day."),
        ("2026-03-01", "2026-02-28", "The last day is before the first."),
        ("1969-12-01", "1969-12-31", "Nothing happened before 1970."),
        ("2016-02-29", "2026-02-28", "A range can be at most ten years."),
        ("2026-03-01", "2026-03-31", ""),
    ):
        first.fill(begin)
        last.fill(end)
        last.press("Enter")
        expect(fault).to_have_text(words)
    expect(custom).to_be_focused()
    expect(custom).to_have_attribute("aria-pressed", "true")
    expect(first).to_be_hidden()
    expect(page.locator(".summary > .caption")).to_have_text("2 outcomes, Mar 1 \u2013 31, 2026")
    expect(page.locator("#latest")).to_have_text("Happened Mar 1 \u2013 31, 2026")
    expect(shown).to_have_text(["Last evening", "First morning"])
    ledger.record("Today", created_at=ago(seconds=1))
    next_poll(page)
    assert shown.all_text_contents() == ["Last evening", "First morning"]
    # Days that are entered as soon as the form opens again stay.
    custom.evaluate("""async (custom) => {
        custom.click()
        custom.getRootNode().querySelector(".range input").value = "2026-02-01"
        await new Promise((done) => setTimeout(done, 100))
    }""")
    expect(first).to_have_value("2026-02-01")
    last.fill("2026-02-02")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No outcome happened in this period.")).to_be_visible()


def test_a_bar_is_a_day_a_week_or_a_month_and_tells_its_figures(open_feed: Open, ledger: Ledger) -> None:
    for days, outcome_type, value in ((2, "deal_closed", "1234.56"), (1, "task_complete", "-100")):
        ledger.record("Work", created_at=ago(days=days), outcome_type=outcome_type, value_usd=Decimal(value))
    page = open_feed()
    plot, caption = page.locator(".plot"), page.locator(".summary > .caption")
    for period, bars, of, figures, row, axis in (
        ("2026-01-14..2026-04-15", 92, "day", "Daily figures", "Apr 13, 20261$1,234.56", "Jan 14"),
        ("2026-01-13..2026-04-15", 14, "week", "Weekly figures", "Apr 13, 20262$1,134.56", "Jan 13"),
        ("2025-04-16..2026-04-15", 53, "week", "Weekly figures", "Apr 13, 20262$1,134.56", "Apr 16, 2025"),
        ("2024-01-01..2026-04-15", 28, "month", "Monthly figures", "Apr 20262$1,134.56", "Jan 2024"),
    ):
        choose(page, period)
        expect(plot.locator("rect")).to_have_count(bars)
        expect(page.get_by_role("img", name=f"Value per {of} over")).to_be_visible()
        expect(page.get_by_text(figures)).to_be_visible()
        page.locator(".daily").evaluate("details => { details.open = true }")
        expect(page.locator("table tbody tr").filter(has_text="$1,")).to_have_text(row)
        expect(page.locator(".dates span").first).to_have_text(axis)
    choose(page, "31")  # an invalid period is replaced by the default
    expect(caption).to_have_text("2 outcomes in the last 30 days")
    words = "Value per day over the last 30 days. The highest was $1,234.56 on Apr 13."
    expect(page.get_by_role("img", name=words)).to_be_visible()
    shares = ["Deal closed$1,234.561 outcome", "Task complete-$100.001 outcome"]
    expect(page.locator(".split li")).to_have_text(shares)
    best, bad = (plot.locator("rect:not(.zero)").nth(index).bounding_box() for index in (0, 1))
    assert best is not None
    assert bad is not None
    assert bad["y"] == pytest.approx(best["y"] + best["height"], abs=1)  # the loss is drawn below the zero line
    expect(page.locator(".scale span")).to_have_text(["$1.5K", "$1K", "$500", "$0", "-$500"])
    plot.hover(position={"x": best["x"] - plot.evaluate("plot => plot.getBoundingClientRect().left") + 1, "y": 20})
    expect(page.locator(".tip")).to_have_text("$1,234.56Apr 13 · 1 outcome")
    page.mouse.move(0, 0)
    expect(page.locator(".tip")).to_be_hidden()


def test_the_split_by_agent_lists_other_agents_when_asked(open_feed: Open, ledger: Ledger) -> None:
    for agent in range(1, 9):
        ledger.record("Work", created_at=ago(days=1), agent_id=agent, value_usd=agent)
    ledger.record("Work", created_at=ago(days=1), value_usd=100)
    page = open_feed()
    agents = page.locator(".parts > details").filter(has=page.get_by_role("heading", name="By agent"))
    names = ["No agent", "Agent 8", "Agent 7", "Agent 6", "Agent 5", "Agent 4", "3 other agents"]
    expect(agents.locator(".name")).to_have_text(names)
    expect(agents.locator("li").last).to_have_text("3 other agents$6.003 outcomes")
    for is_open, more in ((True, ["Agent 3", "Agent 2", "Agent 1"]), (False, [])):
        page.get_by_role("button", name="3 other agents").press("Enter")
        expect(agents.locator(".name")).to_have_text([*names, *more])
        expect(page.get_by_role("button", name="3 other agents", expanded=is_open)).to_be_focused()


def test_the_page_names_the_agents(open_feed: Open, page: Page, ledger: Ledger) -> None:
    for minute, agent in enumerate((7, 11, 13)):
        ledger.record("Work", created_at=ago(minutes=minute), agent_id=agent)
    open_feed(agent_names='{"7": "<b>Ava</b>", "11": "Ben"}')
    rows, options = page.locator(".rows .meta"), page.get_by_label("Filter by agent").locator("option")
    expect(options).to_have_text(["All agents", "<b>Ava</b>", "Ben", "Agent 13"])
    expect(rows.first).to_have_text("Task complete · <b>Ava</b> · now")
    feed = page.locator("value-delivered")
    feed.evaluate("feed => { feed.agentName = id => id === 13 ? 'Cleo' : null }")
    expect(options).to_have_text(["All agents", "<b>Ava</b>", "Ben", "Cleo"])
    expect(rows.last).to_have_text("Task complete · Cleo · 2 minutes ago")
    expect(page.locator(".split .name").filter(has_text="Cleo")).to_have_count(1)
    feed.evaluate("feed => feed.setAttribute('agent-names', 'not JSON')")
    expect(options).to_have_text(["All agents", "Agent 7", "Agent 11", "Cleo"])
    # A page may name agents before it loads the element's script: the element is then upgraded.
    page.evaluate("""() => {
        const early = document.implementation.createHTMLDocument("").createElement("value-delivered")
        early.setAttribute("endpoint", "/api/outcomes")
        early.agentName = (id) => `Early ${id}`
        document.querySelector("main").replaceChildren(early)
    }""")
    expect(rows.first).to_have_text("Task complete · Early 7 · now")


# ---- one outcome


def test_a_row_unfolds_to_description_and_metadata_exactly(open_feed: Open, page: Page, ledger: Ledger) -> None:
    metadata: dict[str, Any] = {"note": "plain", "big": 12345678901234567890, "short": {"deep": [1, None]}}
    href = "https://crm.example.com/deals/7?a=1#b"
    metadata |= {"value_usd": Decimal("1.10"), "long": ["W" * 40] * 2, "where": href, "no": "javascript:alert(1)"}
    description = "First line\nsecond <b>line</b>"
    deal: dict[str, Any] = {"outcome_type": "deal_closed", "agent_id": 7, "value_usd": Decimal("12.50")}
    ledger.record("Acme", created_at=ago(hours=3), description=description, metadata=metadata, **deal)
    open_feed()
    expect(page.locator(".rows li summary")).to_have_text("AcmeDeal closed · Agent 7 · 3 hours ago$12.50")
    time = page.locator(".rows time")
    expect(time).to_have_attribute("datetime", "2026-04-15T13:00:00.000Z")
    expect(time).to_have_attribute("title", re.compile(r"Wednesday, April 15, 2026 at 9:00:00\sAM EDT"))
    page.locator(".rows summary").filter(visible=True).press("Enter")
    expect(page.locator(".description")).to_have_text(description, use_inner_text=True)
    terms = [*metadata, "Recorded", "Outcome"]
    expect(page.locator(".details dt")).to_have_text(terms)
    long = f'[\n  "{"W" * 40}",\n  "{"W" * 40}"\n]'
    facts = ["plain", "12345678901234567890", '{"deep":[1,null]}', "1.10", long]
    for index, text in enumerate(facts):
        expect(page.locator(".details dd").nth(index)).to_have_text(text, use_inner_text=True)
    names = "links => links.map(link => ['href', 'rel', 'target'].map(name => link.getAttribute(name)))"
    assert page.locator(".details a").evaluate_all(names) == [[href, "noopener", "_blank"]]


@pytest.mark.viewer(locale="de-DE", timezone_id="Europe/Berlin")
def test_figures_and_times_follow_the_viewers_locale(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(hours=3), value_usd=Decimal("1234.5"))
    open_feed()
    expect(page.locator(".rows .amount")).to_have_text("1.234,50 $")
    expect(page.locator(".rows time")).to_have_text("vor 3 Stunden")
    expect(page.locator(".rows time")).to_have_attribute("title", re.compile("Mittwoch, 15. April 2026 um 15:00:00"))


def test_text_is_never_markup(open_feed: Open, page: Page, ledger: Ledger) -> None:
    texts = [
        "<img src=x onerror='window.harmed = 1'>",
        "\u202egnirts desrever a\u202c and \u2066 an isolate left open",
        "W" * 200,
    ]
    for minute, text in enumerate(texts):
        moment = ago(days=1, minutes=minute)
        ledger.record(text, created_at=moment, agent_id=7, value_usd=1, description=text, metadata={text: text})
    open_feed()
    expect(page.locator(".rows summary")).to_have_count(len(texts))
    page.locator(".rows summary").evaluate_all("rows => rows.forEach(row => row.click())")
    expect(page.locator(".rows .description")).to_have_count(len(texts))
    looks = "elements => elements.map(it => [it.textContent, it.dir, getComputedStyle(it).unicodeBidi])"
    for place in ("strong", ".description", "dl > :first-child dt", "dl > :first-child dd"):
        # `dir` and `unicode-bidi` keep a right-to-left text from reordering the text around it.
        shown = page.locator(f".rows {place}").evaluate_all(looks)
        assert shown == [[text, "auto", "isolate"] for text in texts]
    assert page.evaluate("window.harmed") is None
    expect(page.locator("value-delivered").locator("script, img")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.viewer(timezone_id=None)
def test_days_follow_the_zone_of_the_viewers_device(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record(
        "Work", created_at=datetime(2026, 4, 14, 2, tzinfo=UTC), occurred_at=datetime(2026, 4, 1, 2, tzinfo=UTC)
    )
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setTimezoneOverride", {"timezoneId": "America/New_York"})
    open_feed(refresh=3600, period="2026-03-31..2026-04-13")
    recorded_on, totals = page.locator(".rows .meta span time"), page.locator(".daily tr").filter(has_text="1$0.00")
    page.locator(".rows summary").click()
    page.locator(".daily summary").click()
    expect(recorded_on).to_have_text("Apr 13")
    expect(page.locator(".details dl")).to_contain_text(re.compile("Recorded.*April 13, 2026"))
    expect(totals).to_contain_text("Mar 31, 2026")
    devtools.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    leave_and_return(page)
    expect(recorded_on).to_have_text("Apr 14")
    expect(page.locator(".details dl")).to_contain_text(re.compile("Recorded.*April 14, 2026"))
    expect(totals).to_contain_text("Apr 1, 2026")


# ---- pages and filters


def test_load_more_reaches_the_first_outcome_and_loses_nothing(open_feed: Open, page: Page, ledger: Ledger) -> None:
    for number in range(45):
        ledger.record(f"Of one instant, {number}", created_at=ago(minutes=1))
    open_feed()
    more, rows = page.get_by_role("button", name="Load more"), page.locator(".rows li")
    expect(rows).to_have_count(20)
    # What happened before the loaded outcomes comes with its page.
    ledger.record("Late", created_at=ago(seconds=30), occurred_at=ago(hours=3))
    ledger.record("In its place", created_at=ago(seconds=30), occurred_at=ago(seconds=40))
    leave_and_return(page)
    expect(page.locator(".rows strong").first).to_have_text("In its place")
    expect(rows).to_have_count(21)
    page.route(re.compile("cursor="), lambda route: route.fulfill(status=500, json={"error": "As arranged"}), times=1)
    more.press("Enter")
    expect(page.get_by_text("The server answered 500.")).to_be_visible()
    for shown in (21, 41):
        expect(rows).to_have_count(shown)
        more.press("Enter")
    expect(rows).to_have_count(47)
    expect(rows.last.locator("strong")).to_have_text("Late")
    expect(page.get_by_text("The server answered 500.")).to_have_count(0)
    expect(more).to_be_hidden()
    assert len(set(page.locator(".rows strong").all_text_contents())) == 47
    # The button "Load more" is hidden now, so the focus moved to the first new row.
    expect(page.locator(".rows summary").nth(41)).to_be_focused()


def test_an_error_of_load_more_stays_at_its_button_until_it_is_pressed_again(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    for number in range(21):
        recorded.has(f"Work {number}", hours=number + 1)
    open_feed(fast_timers=True, refresh=2)
    more, card = page.get_by_role("button", name="Load more"), page.locator(".card")
    failed = page.locator(".feed > .fault")
    expect(more).to_be_visible()
    page.route(re.compile("cursor="), lambda route: route.fulfill(status=500, json={"error": "As arranged"}), times=1)
    more.press("Enter")
    expect(failed).to_have_text("The server answered 500.")
    next_poll(page)
    assert failed.text_content() == "The server answered 500."
    assert card.get_attribute("data-banner") == ""  # what is shown is not out of date

    page.route(LIST, lambda route: route.fulfill(status=503) if "cursor" not in route.request.url else route.fallback())
    expect(card).to_have_attribute("data-banner", "error")
    more.press("Enter")
    expect(page.locator(".rows li")).to_have_count(21)
    assert failed.text_content() == ""
    assert card.get_attribute("data-banner") == "error"  # a page that was read does not end the polls' problem


def test_the_address_keeps_period_and_filters_with_url_state(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Deal", created_at=ago(days=49), outcome_type="deal_closed", agent_id=7)
    ledger.record("Task", created_at=ago(days=50), outcome_type="task_complete", agent_id=9)
    open_feed()
    page.evaluate("location.hash = '#period=90'")
    page.get_by_role("button", name="7 days").click()
    expect(page.locator(".summary > .caption")).to_have_text("0 outcomes in the last 7 days")
    assert page.url == f"{ledger.url}/feed#period=90"  # without url-state, the address is neither read nor written

    open_feed(reload=True, url_state="")
    page.get_by_role("button", name="90 days").click()
    page.get_by_label("Filter by type").select_option("Deal closed")
    page.get_by_label("Filter by agent").select_option("Agent 7")
    for _ in range(2):
        words = "1 outcome in the last 90 days · Deal closed · Agent 7"
        expect(page.locator(".summary > .caption")).to_have_text(words)
        expect(page.locator(".rows strong")).to_have_text(["Deal"])
        assert page.url == f"{ledger.url}/feed#period=90&type=deal_closed&agent=7"
        page.reload()
    page.evaluate("location.hash = '#tab=value&period=2026-02-01..2026-02-28&type=Nonsense&agent=-1'")
    expect(page.locator(".summary > .caption")).to_have_text("2 outcomes, Feb 1 \u2013 28, 2026")
    expect(page.locator(".rows strong")).to_have_text(["Deal", "Task"])
    page.evaluate("location.hash = '#tab=value&period=90&type=lead_qualified'")  # any well-formed type
    expect(page.locator(".summary > .caption")).to_have_text("0 outcomes in the last 90 days · Lead qualified")
    page.get_by_role("button", name="Clear filters").first.click()
    page.evaluate("location.hash = '#tab=value&period=2026-02-31..2026-03-03'")  # no day is taken for another
    expect(page.locator(".summary > .caption")).to_have_text("0 outcomes in the last 30 days")
    page.get_by_role("button", name="90 days").click()
    page.get_by_role("button", name="30 days").click()
    assert page.url == f"{ledger.url}/feed#tab=value"  # the feed removed its own parameters, and left those of the page
    page.get_by_role("button", name="7 days").click()
    assert page.url == f"{ledger.url}/feed#tab=value&period=7"
    choose(page, "7")  # the address has a period only if it is not the attribute's
    assert page.url == f"{ledger.url}/feed#tab=value"
    page.evaluate("location.hash = '#/feed?period=90'")
    expect(page.locator(".summary > .caption")).to_have_text("2 outcomes in the last 90 days")
    page.get_by_role("button", name="Year").click()
    assert page.url == f"{ledger.url}/feed#/feed?period=365"
    expect(page.locator(".summary > .caption")).to_have_text("2 outcomes in the last year")
    page.locator("value-delivered").evaluate("feed => feed.removeAttribute('url-state')")
    change = """new Promise((changed) => {
        addEventListener("hashchange", changed, { once: true })
        location.hash = "#period=90"
    })"""
    page.evaluate(f"{change}.then(() => null)")
    set_attribute(page, "value-delivered", "url-state", "")  # as frameworks do that insert the element first
    expect(page.locator(".summary > .caption")).to_have_text("2 outcomes in the last 90 days")


def test_empty_pages_with_a_cursor_are_skipped_until_a_click(open_feed: Open, page: Page, recorded: Recorded) -> None:
    """A page can be empty and still have a cursor, if few outcomes match the filter. The feed skips five of them."""
    recorded.has("Long ago", agent_id=3)
    asked = itertools.count(1)

    def sparse(route: Route) -> None:
        outcomes = recorded.outcomes if next(asked) == 8 else []
        route.fulfill(json={"outcomes": outcomes, "next_cursor": None if outcomes else "more"})

    open_feed(refresh=3600)
    page.route(re.compile(r"/api/outcomes\?.*agentId=3"), sparse)
    page.get_by_label("Filter by agent").select_option("Agent 3")
    expect(page.get_by_text("No match among the latest outcomes.")).to_be_visible()
    page.get_by_role("button", name="Look further back").press("Enter")
    expect(page.locator(".rows strong")).to_have_text(["Long ago"])
    expect(page.get_by_role("button", name="Look further back")).to_be_hidden()


# Lists wait for the summary, and not only for a second, however busy the machine is.
WAIT_FOR_SUMMARY = """() => {
    const patient = window.setTimeout
    window.setTimeout = (callback, milliseconds, ...rest) =>
        milliseconds === 1_000 ? 0 : patient(callback, milliseconds, ...rest)
    window.setTimeout.patient = patient
}"""


def test_a_list_that_the_summary_says_is_empty_is_not_requested(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Deal", created_at=ago(days=1), agent_id=7)
    open_feed(refresh=3600, url_state="")
    expect(page.locator(".rows strong")).to_have_text(["Deal"])
    page.evaluate(WAIT_FOR_SUMMARY)
    lists: list[str] = []
    page.on(
        "request", lambda request: lists.append(request.url) if re.search(r"outcomes\?.*agentId", request.url) else None
    )
    page.evaluate("location.hash = '#agent=9'")
    expect(page.locator(".summary > .caption")).to_have_text("0 outcomes in the last 30 days · Agent 9")
    expect(page.locator(".none-found")).to_have_text("No outcome matches this filter.")
    expect(page.get_by_role("button", name="Look further back")).to_be_hidden()
    assert lists == []
    ledger.record("New", created_at=ago(hours=1), agent_id=9)
    leave_and_return(page)
    expect(page.locator(".rows strong")).to_have_text(["New"])
    expect(page.locator(".none-found")).to_be_hidden()


# ---- the types of a deployment; tests/local/test_own_types.py has the API


OWN = ["lead_qualified", "ticket_resolved"]


def by_type(page: Page) -> Locator:
    return page.get_by_label("Filter by type")


def offered(page: Page) -> Locator:
    return by_type(page).locator("option")


def offered_on_return(page: Page) -> int:
    """Move the focus away from the filter and back. Return how many types the filter then offers."""
    by_type(page).blur()
    by_type(page).focus()
    return offered(page).count()


def test_the_filter_offers_types_that_occur_and_then_the_deployments_first(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.types = OWN
    recorded.has("Ticket", hours=1, outcome_type="ticket_resolved")
    recorded.sums["by_type"] = [{"outcome_type": "content_published", "count": 1, "value_usd": 1}]
    page.route("**/types", NO_TYPES, times=1)
    open_feed(refresh=3600)
    expect(page.locator(".rows strong")).to_be_visible()
    expect(offered(page)).to_have_count(3)
    occurring = offered(page).all_text_contents()  # list and totals arrive in any order
    assert sorted(occurring) == ["All types", "Content published", "Ticket resolved"]
    by_type(page).select_option("Content published")
    assert not [request for request in recorded.asked if "/types" in request.url]

    with page.expect_request("**/types"):
        by_type(page).hover()
    expect(offered(page)).to_have_text(occurring)  # the list could not be read
    expect(page.locator("value-delivered .notice")).to_have_text("")
    wait_until(page, lambda: offered_on_return(page) == len(occurring) + 1)
    listed = ["All types", "Lead qualified", "Ticket resolved", "Content published"]
    expect(offered(page)).to_have_text(listed)
    expect(by_type(page)).to_have_value("content_published")
    by_type(page).focus()
    by_type(page).select_option("Lead qualified")
    expect(page.locator(".summary > .caption")).to_contain_text("Lead qualified")
    assert "outcomeType=lead_qualified" in recorded.asked[-1].url
    assert len([request for request in recorded.asked if "/types" in request.url]) == 1


def test_another_deployments_types_are_forgotten(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Deal")
    open_feed(fast_timers=True, refresh=2)
    held = recorded.hold("GET", "/types")
    with page.expect_request("**/types"):
        by_type(page).hover()
    recorded.types = OWN
    set_attribute(page, "value-delivered", "endpoint", "/other/api/outcomes")
    expect(page.locator(".summary > .caption")).to_contain_text("1 outcome")
    by_type(page).focus()
    others = ["All types", "Lead qualified", "Ticket resolved", "Deal closed"]
    expect(offered(page)).to_have_text(others)
    with page.expect_event("requestfinished", lambda request: request == held[0].request):
        held[0].fulfill(json={"types": [{"type": "moon_landing", "label": "Moon landing"}]})
    next_poll(page)
    expect(offered(page)).to_have_text(others)


# ---- live updates; dashboard/tests/watcher.test.js and sums.test.js have the rest


def test_outcomes_are_added_while_totals_are_fresh(open_feed: Open, page: Page, recorded: Recorded) -> None:
    first = recorded.has("Work")
    recorded.sums = {
        "from": instant(NOW - timedelta(days=30)),
        "to": instant(NOW + timedelta(hours=12)),
        "timezone": "America/New_York",
        "by_agent": [{"agent_id": 7, "count": 1, "value_usd": 1200.5}],
        "recent": {"after": instant(NOW - timedelta(minutes=1)), "ids": []},
    }
    read: list[str] = []

    def answer(route: Route) -> None:
        read.append(route.request.url)
        route.fulfill(json=recorded.summary(), headers={"Fresh-For": "120"})

    page.route(SUMMARY, answer)
    open_feed(fast_timers=True, refresh=1)
    caption = page.locator(".summary > .caption")
    expect(caption).to_have_text("1 outcome in the last 30 days")
    recorded.has("More", hours=0, agent_id=8, value_usd=0.25)
    expect(page.locator(".total")).to_have_text("$1,200.75")
    expect(caption).to_have_text("2 outcomes in the last 30 days")
    expect(page.locator(".split .name")).to_have_text(["Deal closed", "Agent 7", "Agent 8"])
    page.get_by_text("Daily figures").click()
    expect(page.locator(".daily tbody tr").first.locator("td")).to_have_text(["2", "$1,200.75"])
    assert len(read) == 1
    recorded.correct(first, type="amend")  # asks again, at once
    wait_until(page, lambda: len(read) == 2)
    recorded.correct(first, type="amend")  # does not, while totals are fresh
    expect(caption).to_have_text("2 outcomes in the last 30 days · as of 12:00\u202fPM")
    assert len(read) == 2


def test_a_move_of_the_pointer_ends_a_quiet_time(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    open_feed(refresh=3600)
    expect(page.locator(".total")).to_have_text("$1,200.50")
    expect(page.locator(".rows strong")).to_be_visible()  # a move while the feed polls begins no poll
    page.evaluate("""() => {
        const { now } = performance
        performance.now = Object.assign(() => now.call(performance) + 601_000, { ticking: now })
    }""")
    with page.expect_request(LIST):
        page.mouse.move(20, 20)


def test_totals_of_one_user_never_stand_above_rows_of_another(open_feed: Open, page: Page, ledger: Ledger) -> None:
    """One of the first two lists is read for the first user. Another user signs in before the other list is read."""
    ledger.record("Of the first", created_at=ago(minutes=5), value_usd=1)
    ledger.record("Of another", user_id=ledger.stranger, created_at=ago(minutes=9), value_usd=5)
    held: list[Route] = []
    page.route(LIST, lambda route: route.continue_() if held else held.append(route))
    open_feed(fast_timers=True, refresh=2)
    wait_until(page, lambda: len(held) > 0)
    page.wait_for_timeout(300)  # if totals were requested too early, they would arrive now, for the first user
    ledger.sign_in(page.context, ledger.stranger)
    held[0].continue_()
    expect(page.locator(".rows strong")).to_have_text(["Of another"])
    next_poll(page)
    assert page.locator(".total").text_content() == "$5.00"


def test_an_element_that_returns_to_the_page_catches_up(open_feed: Open, page: Page, ledger: Ledger) -> None:
    for number in range(21):
        ledger.record(f"Work {number}", created_at=ago(minutes=5 + number))
    open_feed()
    page.route("**/*cursor=*", lambda _route: None)
    page.get_by_role("button", name="Load more").press("Enter")
    page.evaluate("window.feed = document.querySelector('value-delivered'); feed.remove()")
    page.unroute_all()
    ledger.record("While away", created_at=ago(minutes=4.5))
    page.evaluate("document.body.append(feed)")
    expect(page.locator(".rows strong").first).to_have_text("While away")
    page.get_by_role("button", name="Load more").press("Enter")
    expect(page.locator(".rows li")).to_have_count(22)
