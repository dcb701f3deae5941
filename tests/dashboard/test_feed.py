"""Test the feed of a signed-in viewer: totals, rows, filters and live updates."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browsers import hide_tab, show_tab, wait_until
from tests.dashboard.conftest import API, LIST, SUMMARY, Open, next_poll, set_attribute
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW, Recorded, instant

pytestmark = pytest.mark.at_noon


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def choose(page: Page, period: str) -> None:
    set_attribute(page, "value-delivered", "period", period)


def titles(page: Page) -> list[str]:
    return page.locator(".rows strong").all_text_contents()


# ---- totals


def test_the_total_and_the_count_are_of_the_chosen_period(open_feed: Open, ledger: Ledger) -> None:
    for days, value in ((1, "10.50"), (20, "200.25"), (80, "3000.00"), (95, "40000.00"), (400, "500000.00")):
        ledger.record("Work", created_at=ago(days=days), value_usd=Decimal(value))
    page = open_feed()
    for choose, total, caption in (
        (None, "$210.75", "2 outcomes in the last 30 days"),
        ("7 days", "$10.50", "1 outcome in the last 7 days"),
        ("90 days", "$3,210.75", "3 outcomes in the last 90 days"),
        ("Year", "$43,210.75", "4 outcomes in the last year"),
    ):
        if choose:
            page.get_by_role("button", name=choose).click()
            expect(page.get_by_role("button", name=choose)).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".total")).to_have_text(total)
        expect(page.locator(".summary > .caption")).to_have_text(caption)


def test_the_page_sets_the_first_period(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(days=50))
    page = open_feed(period=90)
    for period, caption in (
        ("90", "1 outcome in the last 90 days"),
        ("365", "1 outcome in the last year"),
        ("2026-02-20..2026-02-24", "1 outcome, Feb 20 \u2013 24, 2026"),
        ("31", "0 outcomes in the last 30 days"),  # An invalid period is replaced by the default.
        # The API adds up at most ten years.
        ("2016-04-01..2026-03-31", "1 outcome, Apr 1, 2016 \u2013 Mar 31, 2026"),
        ("2016-02-29..2026-02-27", "1 outcome, Feb 29, 2016 \u2013 Feb 27, 2026"),
    ):
        choose(page, period)
        expect(page.locator(".summary > .caption")).to_have_text(caption)


def test_a_range_of_days_limits_totals_and_list(open_feed: Open, page: Page, ledger: Ledger) -> None:
    for title, moment in (
        ("Too late", datetime(2026, 4, 1, 4, tzinfo=UTC)),
        ("Last evening", datetime(2026, 4, 1, 3, 59, tzinfo=UTC)),
        ("First morning", datetime(2026, 3, 1, 5, tzinfo=UTC)),
        ("Too early", datetime(2026, 3, 1, 4, 59, tzinfo=UTC)),
    ):
        ledger.record(title, created_at=moment, value_usd=1)
    open_feed(fast_timers=True, refresh=1)
    expect(page.locator(".rows strong")).to_have_text(["Too late", "Last evening"])
    custom = page.get_by_role("button", name="Custom")
    custom.press("Enter")
    first, last, fault = page.get_by_label("From"), page.get_by_label("To"), page.locator(".range .fault")
    expect(first).to_be_focused()
    expect(first).to_have_value("2026-03-17")  # the form begins with the period that the feed shows
    expect(last).to_have_value("2026-04-15")
    for begin, end, words in (
        ("2026-03-01", "", "Enter the first and the last day."),
        ("2026-03-01", "2026-02-28", "The last day is before the first."),
        ("2016-03-31", "2026-03-31", "A range can be at most ten years."),
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
    expect(page.locator(".plot rect")).to_have_count(31)
    expect(page.locator("#latest")).to_have_text("Happened Mar 1 \u2013 31, 2026")
    expect(page.locator(".rows strong")).to_have_text(["Last evening", "First morning"])
    ledger.record("Today", created_at=ago(seconds=1))
    for _ in range(2):  # the first poll may have been sent before the outcome was recorded
        next_poll(page)
    assert titles(page) == ["Last evening", "First morning"]
    custom.click()
    first.fill("2026-02-01")
    last.fill("2026-02-02")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No outcome happened in this period.")).to_be_visible()
    page.get_by_role("button", name="30 days").click()
    expect(page.locator(".rows strong").first).to_have_text("Today")


def test_days_entered_as_soon_as_the_form_opens_again_stay(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work")
    open_feed()
    custom, first = page.get_by_role("button", name="Custom"), page.get_by_label("From")
    custom.press("Enter")
    expect(first).to_be_focused()
    custom.press("Enter")
    expect(first).to_be_hidden()
    custom.evaluate("""async (custom) => {
        custom.click()
        const first = custom.getRootNode().querySelector(".range input")
        first.value = "2026-02-01"
        await new Promise((done) => setTimeout(done, 100))
    }""")
    expect(first).to_have_value("2026-02-01")


def test_a_bar_of_a_long_period_is_a_week_or_a_month(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(days=3), value_usd=5)
    page = open_feed()
    for period, bars, of, figures, row, axis in (
        ("2026-01-14..2026-04-15", 92, "day", "Daily figures", "Apr 12, 20261$5.00", "Jan 14"),
        ("2026-01-13..2026-04-15", 14, "week", "Weekly figures", "Apr 6, 20261$5.00", "Jan 13"),
        ("2025-04-16..2026-04-15", 53, "week", "Weekly figures", "Apr 6, 20261$5.00", "Apr 2025"),
        ("2024-01-01..2026-04-15", 28, "month", "Monthly figures", "Apr 20261$5.00", "Jan 2024"),
    ):
        choose(page, period)
        expect(page.locator(".plot rect")).to_have_count(bars)
        expect(page.get_by_role("img", name=f"Value per {of} over")).to_be_visible()
        expect(page.get_by_text(figures)).to_be_visible()
        page.locator(".daily").evaluate("details => { details.open = true }")
        expect(page.locator("table tbody tr").filter(has_text="$5.00")).to_have_text(row)
        expect(page.locator(".dates span").first).to_have_text(axis)


def test_the_total_is_compared_with_the_period_before(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    open_feed()
    for before, value, period, words in (
        (100, 112, "7", "+12% against the 7 days before"),
        (100, 50, "30", "-50% against the 30 days before"),
        (100, 0, "90", "-100% against the 90 days before"),
        (3, 3, "365", "0% against the year before"),
        (0, 3, "30", "$0.00 in the 30 days before"),
        (-5, 3, "7", "-$5.00 in the 7 days before"),
        (0, 0, "30", ""),
        (2, 3, "2026-04-15..2026-04-15", "+50% against the day before"),
        (2, 3, "2026-04-14..2026-04-15", "+50% against the 2 days before"),
    ):
        recorded.sums = {"value_usd": value, "previous": {"count": 1, "value_usd": before}}
        choose(page, period)
        expect(page.locator(".total")).to_have_text(f"${value}.00")
        expect(page.locator(".change")).to_have_text(words)
    recorded.sums = {}
    choose(page, "30")
    expect(page.locator(".total")).to_have_text("$1,200.50")
    expect(page.locator(".change")).to_have_text("")  # earlier releases of the API do not compare periods
    compared = [request.url for request in recorded.asked if "/summary" in request.url]
    assert all("compare=previous" in url for url in compared)


def test_days_are_local_days_of_the_viewer(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Late in the evening in New York", created_at=datetime(2026, 4, 15, 3, 59, tzinfo=UTC), value_usd=5)
    ledger.record("Early in the morning in New York", created_at=datetime(2026, 4, 15, 4, 0, tzinfo=UTC), value_usd=7)
    ledger.record("A minute too old for seven days", created_at=datetime(2026, 4, 9, 3, 59, tzinfo=UTC), value_usd=1)
    page = open_feed(period=7)
    page.get_by_text("Daily figures").click()
    rows = page.locator("table tbody tr")
    expect(rows).to_have_count(7)
    expect(rows.nth(0)).to_have_text("Apr 15, 20261$7.00")
    expect(rows.nth(1)).to_have_text("Apr 14, 20261$5.00")
    expect(rows.nth(6)).to_have_text("Apr 9, 20260$0.00")


def test_the_chart_has_a_bar_for_each_day_and_a_description(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Best day", created_at=ago(days=3), value_usd=Decimal("1234.56"))
    ledger.record("Bad day", created_at=ago(days=2), value_usd=Decimal("-100"))
    page = open_feed()
    for period in (7, 30, 90):
        choose(page, str(period))
        expect(page.locator(".plot rect")).to_have_count(period)
        expect(page.locator(".plot rect:not(.zero)")).to_have_count(2)
        words = f"Value per day over the last {period} days. The highest was $1,234.56 on Apr 12."
        expect(page.get_by_role("img", name=words)).to_be_visible()
    best, bad = (page.locator(".plot rect:not(.zero)").nth(index).bounding_box() for index in (0, 1))
    assert best is not None
    assert bad is not None
    assert bad["y"] == pytest.approx(best["y"] + best["height"], abs=1)  # the loss is drawn below the zero line
    expect(page.locator(".scale span")).to_have_text(["$1.5K", "$1K", "$500", "$0", "-$500"])


def test_pointing_at_a_day_shows_its_figures(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Today", created_at=ago(hours=1), value_usd=Decimal("1234.56"))
    page = open_feed(period=7)
    plot = page.locator(".plot")
    box = plot.bounding_box()
    assert box is not None
    plot.hover(position={"x": box["width"] - 5, "y": 20})
    expect(page.locator(".tip")).to_have_text("$1,234.56Apr 15 · 1 outcome")
    page.mouse.move(0, 0)
    expect(page.locator(".tip")).to_be_hidden()


def test_the_split_by_type_is_largest_first(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("A", created_at=ago(days=1), outcome_type="content_published", value_usd=Decimal("1.10"))
    ledger.record("B", created_at=ago(days=1), outcome_type="deal_closed", value_usd=Decimal("5.00"))
    ledger.record("C", created_at=ago(days=2), outcome_type="deal_closed", value_usd=None)
    ledger.record("D", created_at=ago(days=2), outcome_type="task_complete", value_usd=Decimal("-3"))
    parts = open_feed().locator(".split li")
    expect(parts).to_have_text(
        ["Deal closed$5.002 outcomes", "Content published$1.101 outcome", "Task complete-$3.001 outcome"]
    )


def test_the_split_by_agent_shows_the_agents_of_most_value_and_the_others_when_asked(
    open_feed: Open, ledger: Ledger
) -> None:
    for agent in range(1, 9):
        ledger.record("Work", created_at=ago(days=1), agent_id=agent, value_usd=agent)
    ledger.record("Work", created_at=ago(days=1), value_usd=100)
    page = open_feed()
    agents = page.locator(".parts > div").filter(has=page.get_by_role("heading", name="By agent"))
    names = ["No agent", "Agent 8", "Agent 7", "Agent 6", "Agent 5", "Agent 4"]
    expect(agents.locator(".name")).to_have_text([*names, "3 other agents"])
    others = agents.locator("li").last
    expect(others).to_have_text("3 other agents$6.003 outcomes")
    for is_open, more in ((True, ["Agent 3", "Agent 2", "Agent 1"]), (False, [])):
        page.get_by_role("button", name="3 other agents").press("Enter")
        expect(agents.locator(".name")).to_have_text([*names, "3 other agents", *more])
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


@pytest.mark.viewer
def test_agent_name_may_be_set_before_the_element_is_defined(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(minutes=1), agent_id=7)
    early = "document.addEventListener('readystatechange', () => {{ {} }}, {{ once: true }})"
    page.add_init_script(early.format("document.querySelector('value-delivered').agentName = id => `Ava ${id}`"))
    open_feed(reload=True)
    expect(page.locator(".rows .meta")).to_have_text("Task complete · Ava 7 · 1 minute ago")


UNKNOWN_TYPES = {
    "deal_closed": ("moon_landing", "Moon landing"),
    # "constructor" is also a property of every JavaScript object.
    "task_complete": ("constructor", "Constructor"),
    "content_published": ("toString", "ToString"),
    "broadcast_complete": ("__proto__", "  proto  "),
}


def test_an_unknown_type_is_shown_by_its_name(open_feed: Open, page: Page, ledger: Ledger) -> None:
    def rename_types(route: Route) -> None:
        response = route.fetch()
        text = response.text()
        for known, (unknown, _) in UNKNOWN_TYPES.items():
            text = text.replace(known, unknown)
        route.fulfill(response=response, body=text)

    page.route(API, rename_types)
    for place, known in enumerate(UNKNOWN_TYPES):
        ledger.record("Landed", created_at=ago(days=1, minutes=place), outcome_type=known, value_usd=9 - place)
    open_feed()
    names = [words for _, words in UNKNOWN_TYPES.values()]
    expect(page.locator(".split .name")).to_have_text(names)
    expect(page.locator(".rows .meta")).to_have_text([f"{name} · No agent · 1 day ago" for name in names])


def test_the_split_is_by_count_if_nothing_has_a_value(open_feed: Open, ledger: Ledger) -> None:
    for outcome_type in ("task_complete", "content_published", "content_published"):
        ledger.record("Work", created_at=ago(days=1), outcome_type=outcome_type)
    shares = open_feed().locator(".share i")
    expect(shares).to_have_count(2)
    assert shares.evaluate_all("bars => bars.map(bar => bar.style.inlineSize)") == ["100%", "50%"]


def test_totals_are_in_utc_if_the_server_does_not_know_the_time_zone(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ledger.record("Work", created_at=ago(days=1), value_usd=1)
    refusal = {"status": 400, "json": {"error": "Invalid timezone"}}
    page.route(re.compile(r"/summary\?.*New_York"), lambda route: route.fulfill(**refusal))
    expect(open_feed().locator(".total")).to_have_text("$1.00")


# ---- one outcome


def test_a_row_shows_title_type_agent_time_and_value(open_feed: Open, ledger: Ledger) -> None:
    moment = ago(hours=3)
    ledger.record(
        "Deal with Acme", created_at=moment, outcome_type="deal_closed", agent_id=7, value_usd=Decimal("12.50")
    )
    page = open_feed()
    expect(page.locator(".rows li summary")).to_have_text("Deal with AcmeDeal closed · Agent 7 · 3 hours ago$12.50")
    time = page.locator(".rows time")
    expect(time).to_have_attribute("datetime", "2026-04-15T13:00:00.000Z")
    expect(time).to_have_attribute("title", re.compile(r"Wednesday, April 15, 2026 at 9:00:00\sAM EDT"))


def test_a_time_is_shown_in_its_largest_unit(open_feed: Open, ledger: Ledger) -> None:
    times: list[tuple[dict[str, float], str]] = [
        ({"seconds": -40}, "now"),  # for a viewer whose clock is slow, this outcome is in the future
        ({"seconds": 59}, "now"),
        ({"seconds": 60}, "1 minute ago"),
        ({"hours": 23.9}, "23 hours ago"),
        ({"days": 6}, "6 days ago"),
        ({"days": 20}, "2 weeks ago"),
        ({"days": 800}, "2 years ago"),
    ]
    for span, _ in times:
        ledger.record("Work", created_at=ago(**span))
    page = open_feed(period="2024-01-01..2026-04-15")
    expect(page.locator(".rows time")).to_have_text([words for _, words in times])


def test_an_unfolded_row_shows_description_and_metadata_exactly(open_feed: Open, ledger: Ledger) -> None:
    ledger.record(
        "Work",
        created_at=ago(days=1),
        description="First line\nsecond <b>line</b>",
        metadata={
            "note": "plain",
            "big": 12345678901234567890,
            "short": {"deep": [1, None]},
            "value_usd": Decimal("1.10"),
            "long": ["W" * 40] * 2,
        },
    )
    page = open_feed()
    expect(page.locator(".details dl")).to_have_count(0)
    page.locator(".rows summary").press("Enter")
    expect(page.locator(".description")).to_have_text("First line\nsecond <b>line</b>", use_inner_text=True)
    facts = page.locator(".details dl > div")
    for index, text in enumerate(
        ["noteplain", "big12345678901234567890", "short", "value_usd1.10", "long", "Recorded", "Outcome"]
    ):
        expect(facts.nth(index)).to_contain_text(text)
    expect(facts.nth(2).locator("dd")).to_have_text('{"deep":[1,null]}')
    long = f'[\n  "{"W" * 40}",\n  "{"W" * 40}"\n]'
    expect(facts.nth(4).locator("dd")).to_have_text(long, use_inner_text=True)


def test_values_are_exact(open_feed: Open, ledger: Ledger) -> None:
    values = [
        ("0", "$0.00", None),
        ("-12.5", "-$12.50", None),
        ("999999999999999.12", "$999,999,999,999,999.12", None),
        ("-999999999999999.98", "-$999,999,999,999,999.98", None),
        ("0.0042", "$0.00", "$0.0042"),
        ("1E+3", "$1,000.00", None),
        (
            "123456789012345.12345678901234567890123",
            "$123,456,789,012,345.12",
            "$123,456,789,012,345.12345678901234567890123",
        ),
    ]
    for minute, (value, _, _) in enumerate(values):
        ledger.record("Work", created_at=ago(days=1, minutes=minute), value_usd=Decimal(value))
    page = open_feed()
    amounts = page.locator(".rows .amount")
    expect(amounts).to_have_text([shown for _, shown, _ in values])
    in_full = amounts.evaluate_all("amounts => amounts.map(amount => amount.getAttribute('title'))")
    assert in_full == [exact for _, _, exact in values]
    expect(page.locator(".total")).to_have_text("$123,456,789,013,331.77")
    expect(page.locator(".total data")).to_have_attribute("title", "$123,456,789,013,331.76765678901234567890123")


def test_no_value_is_not_zero(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(days=1), value_usd=None)
    expect(open_feed().locator(".rows .amount")).to_have_text("\u2013no value")


@pytest.mark.viewer
def test_an_older_browser_shows_the_nearest_double(open_feed: Open, page: Page, ledger: Ledger) -> None:
    page.add_init_script("delete JSON.rawJSON")
    ledger.record("Work", created_at=ago(days=1), value_usd=Decimal("1234567.89"))
    expect(open_feed().locator(".rows .amount")).to_have_text("$1,234,567.89")


@pytest.mark.viewer(locale="de-DE", timezone_id="Europe/Berlin")
def test_figures_and_times_follow_the_viewers_locale(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(hours=3), value_usd=Decimal("1234.5"))
    page = open_feed()
    expect(page.locator(".rows .amount")).to_have_text("1.234,50 $")
    expect(page.locator(".rows time")).to_have_text("vor 3 Stunden")
    expect(page.locator(".rows time")).to_have_attribute("title", re.compile("Mittwoch, 15. April 2026 um 15:00:00"))


def test_text_is_never_markup(open_feed: Open, ledger: Ledger) -> None:
    texts = [
        "<script>window.harmed = 1</script>",
        "<img src=x onerror='window.harmed = 1'>",
        "\u202egnirts desrever a\u202c and \u2066 an isolate left open",
        "\u05e9\u05dc\u05d5\u05dd $5",
        "\U0001f389 \U0001f469\U0001f3fd\u200d\U0001f680 done",
        "{{constructor.constructor('window.harmed = 1')()}} ${1}",
        "W" * 200,
    ]
    for minute, text in enumerate(texts):
        moment = ago(days=1, minutes=minute)
        ledger.record(text, created_at=moment, agent_id=7, value_usd=1, description=text, metadata={text: text})
    page = open_feed()
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


# ---- pagination


def test_load_more_reaches_the_first_outcome(open_feed: Open, ledger: Ledger) -> None:
    expected = [f"Outcome {number}" for number in range(45)]
    for number, title in enumerate(expected):
        ledger.record(title, created_at=ago(minutes=number))
    page = open_feed()
    more = page.get_by_role("button", name="Load more")
    for shown in (20, 40, 45):
        expect(page.locator(".rows li")).to_have_count(shown)
        if shown < 45:
            more.press("Enter")
    expect(more).to_be_hidden()
    assert titles(page) == expected
    # The button "Load more" is hidden now, so the focus moved to the first new row.
    expect(page.locator(".rows summary").nth(40)).to_be_focused()


def test_outcomes_of_one_instant_are_each_shown_once(open_feed: Open, ledger: Ledger) -> None:
    for number in range(45):
        ledger.record(f"Outcome {number}", created_at=ago(minutes=1))
    page = open_feed(fast_timers=True, refresh=1)
    for _ in range(2):
        page.get_by_role("button", name="Load more").press("Enter")
        expect(page.get_by_role("button", name="Loading…")).to_have_count(0)
    for _ in range(2):
        next_poll(page)
    expect(page.locator(".rows li")).to_have_count(45)
    assert sorted(titles(page)) == sorted(f"Outcome {number}" for number in range(45))


# ---- filters


def test_the_feed_is_filtered_by_type_and_agent(open_feed: Open, ledger: Ledger) -> None:
    for minute, (title, outcome_type, agent) in enumerate(
        (("A", "deal_closed", 7), ("B", "deal_closed", 11), ("C", "task_complete", 7), ("D", "task_complete", None))
    ):
        ledger.record(title, created_at=ago(minutes=minute), outcome_type=outcome_type, agent_id=agent, value_usd=1)
    page = open_feed()
    by_type, by_agent = page.get_by_label("Filter by type"), page.get_by_label("Filter by agent")
    expect(by_agent.locator("option")).to_have_text(["All agents", "Agent 7", "Agent 11", "No agent"])
    by_type.hover()
    for chosen_type, chosen_agent, expected in (
        ("Deal closed", "All agents", ["A", "B"]),
        ("Deal closed", "Agent 7", ["A"]),
        ("All types", "Agent 7", ["A", "C"]),
        ("All types", "No agent", ["D"]),
        ("Content published", "Agent 7", []),
        ("All types", "All agents", ["A", "B", "C", "D"]),
    ):
        by_type.select_option(chosen_type)
        by_agent.select_option(chosen_agent)
        expect(page.locator(".rows strong")).to_have_text(expected)
        expect(page.get_by_text("No outcome matches this filter.")).to_be_visible(visible=not expected)
        chosen = [words for words in (chosen_type, chosen_agent) if not words.startswith("All ")]
        count = "1 outcome" if len(expected) == 1 else f"{len(expected)} outcomes"
        caption = " · ".join([f"{count} in the last 30 days", *chosen])
        expect(page.locator(".summary > .caption")).to_have_text(caption)
        expect(page.locator(".total")).to_have_text(f"${len(expected)}.00")


def test_url_state_keeps_period_and_filters_in_the_address(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Deal", created_at=ago(days=49), outcome_type="deal_closed", agent_id=7)
    ledger.record("Task", created_at=ago(days=50), outcome_type="task_complete", agent_id=9)
    open_feed(reload=True, url_state="")
    page.get_by_role("button", name="90 days").click()
    page.get_by_label("Filter by type").select_option("Deal closed")
    page.get_by_label("Filter by agent").select_option("Agent 7")
    expect(page.locator(".summary > .caption")).to_have_text("1 outcome in the last 90 days · Deal closed · Agent 7")
    assert page.url == f"{ledger.url}/feed#period=90&type=deal_closed&agent=7"
    page.reload()
    expect(page.locator(".summary > .caption")).to_have_text("1 outcome in the last 90 days · Deal closed · Agent 7")
    expect(page.locator(".rows strong")).to_have_text(["Deal"])

    page.evaluate("location.hash = '#tab=value&period=2026-02-01..2026-02-28&type=Nonsense&agent=-1'")
    expect(page.locator(".summary > .caption")).to_have_text("2 outcomes, Feb 1 \u2013 28, 2026")
    expect(page.locator(".rows strong")).to_have_text(["Deal", "Task"])
    page.get_by_role("button", name="30 days").click()
    assert page.url == f"{ledger.url}/feed#tab=value"  # the feed removed its own parameters, and left those of the page


def test_the_address_is_ignored_without_url_state(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(days=1))
    open_feed()
    page.evaluate("location.hash = '#period=90'")
    page.get_by_role("button", name="7 days").click()
    expect(page.locator(".summary > .caption")).to_have_text("1 outcome in the last 7 days")
    assert page.url == f"{ledger.url}/feed#period=90"


def test_every_agent_of_the_period_can_be_selected(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Found", created_at=ago(days=9), agent_id=3)
    for number in range(30):
        ledger.record("Other", created_at=ago(minutes=number), agent_id=7)
    page = open_feed()
    page.get_by_label("Filter by agent").select_option("Agent 3")
    expect(page.locator(".rows strong")).to_have_text(["Found"])


def test_empty_pages_with_a_cursor_are_skipped(open_feed: Open, page: Page, ledger: Ledger) -> None:
    """A page can be empty and still have a cursor, if few outcomes match the filter.

    After five such pages, the feed waits for the viewer's click.
    """
    found = {"id": "x", "user_id": 42, "agent_id": 3, "outcome_type": "task_complete", "title": "Long ago"}
    found |= {"description": None, "value_usd": None, "metadata": None, "created_at": "2026-01-01T00:00:00.000Z"}

    def sparse(route: Route) -> None:
        hop = int((re.search(r"cursor=hop(\d+)", route.request.url) or [0, 0])[1])
        last = hop == 7
        route.fulfill(json={"outcomes": [found] if last else [], "next_cursor": None if last else f"hop{hop + 1}"})

    page.route(re.compile(r"/api/outcomes\?.*agentId=3"), sparse)
    ledger.record("Recent", created_at=ago(minutes=1), agent_id=3)
    open_feed()
    page.get_by_label("Filter by agent").select_option("Agent 3")
    expect(page.get_by_text("No match among the latest outcomes.")).to_be_visible()
    page.get_by_role("button", name="Look further back").press("Enter")
    expect(page.locator(".rows strong")).to_have_text(["Long ago"])
    expect(page.get_by_role("button", name="Look further back")).to_be_hidden()


# ---- live updates; dashboard/tests/watcher.test.js has the rest


def test_a_burst_of_outcomes_is_shown_completely_and_once(open_feed: Open, ledger: Ledger) -> None:
    for number in range(30):
        ledger.record(f"Old {number}", created_at=ago(minutes=10, seconds=number))
    page = open_feed(refresh=3600)
    expect(page.locator(".rows li")).to_have_count(20)
    hide_tab(page)
    for number in range(60):
        ledger.record(f"New {number}", created_at=ago(seconds=60 - number))
    show_tab(page)
    expect(page.locator(".rows strong").first).to_have_text("New 59")
    expect(page.locator(".summary > .caption")).to_have_text("90 outcomes in the last 30 days")
    page.locator(".more").press("Enter")
    expect(page.locator(".more")).to_be_hidden()
    assert titles(page) == [f"New {59 - number}" for number in range(60)] + [f"Old {number}" for number in range(30)]


def test_new_outcomes_are_filtered_in_rows_and_totals(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Deal", created_at=ago(minutes=5), outcome_type="deal_closed", value_usd=1)
    page = open_feed(fast_timers=True, refresh=1)
    page.get_by_label("Filter by type").select_option("Deal closed")
    expect(page.locator(".rows strong")).to_have_text(["Deal"])
    ledger.record("Task", created_at=ago(seconds=2), outcome_type="task_complete", value_usd=10)
    ledger.record("Another deal", created_at=ago(seconds=1), outcome_type="deal_closed", value_usd=100)
    expect(page.locator(".rows strong")).to_have_text(["Another deal", "Deal"])
    expect(page.locator(".total")).to_have_text("$101.00")
    page.get_by_label("Filter by type").select_option("All types")
    expect(page.locator(".rows strong")).to_have_text(["Another deal", "Task", "Deal"])


def test_totals_are_read_again_only_after_changes(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(minutes=5), value_usd=1)
    read: list[str] = []
    page.on("request", lambda request: read.append(request.url))
    open_feed(fast_timers=True, refresh=1)
    for _ in range(3):
        next_poll(page)
    assert len([url for url in read if "/summary" in url]) == 1


def test_outcomes_are_added_while_totals_are_fresh_and_a_correction_asks_again_but_not_twice(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
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
    for asked in (2, 2):
        recorded.correct(first, type="amend")
        wait_until(page, lambda: len(read) == asked)  # noqa: B023 - called at once
        for _ in range(2):  # the first poll may have been answered before the correction
            next_poll(page)
    expect(caption).to_have_text("2 outcomes in the last 30 days · as of 12:00\u202fPM")
    assert len(read) == 2


def test_a_move_of_the_pointer_ends_a_quiet_time(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    open_feed(refresh=3600)
    expect(page.locator(".total")).to_have_text("$1,200.50")
    page.evaluate("""() => {
        const { now } = performance
        performance.now = Object.assign(() => now.call(performance) + 601_000, { ticking: now })
    }""")
    with page.expect_request(LIST):
        page.mouse.move(20, 20)


def test_another_user_never_sees_the_feed_of_the_first(open_feed: Open, ledger: Ledger) -> None:
    ledger.record("Of the first", created_at=ago(minutes=5), agent_id=7, value_usd=1)
    page = open_feed(fast_timers=True, refresh=1)
    expect(page.locator(".total")).to_have_text("$1.00")
    ledger.record("Of another", user_id=ledger.stranger, created_at=ago(minutes=9), agent_id=9, value_usd=5)
    ledger.sign_in(page.context, ledger.stranger)
    expect(page.locator(".rows strong")).to_have_text(["Of another"])
    expect(page.locator(".total")).to_have_text("$5.00")
    expect(page.get_by_label("Filter by agent").locator("option")).to_have_text(["All agents", "Agent 9"])


def test_totals_of_the_first_user_do_not_stay_above_rows_of_another(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    """One of the first two lists is read for the first user. Another user signs in before the other list is read."""
    ledger.record("Of the first", created_at=ago(minutes=5), value_usd=1)
    ledger.record("Of another", user_id=ledger.stranger, created_at=ago(minutes=9), value_usd=5)
    held: list[Route] = []
    page.route(LIST, lambda route: route.continue_() if held else held.append(route))
    open_feed(fast_timers=True, refresh=1)
    wait_until(page, lambda: len(held) > 0)
    page.wait_for_timeout(300)  # if totals were requested too early, they would arrive now, for the first user
    ledger.sign_in(page.context, ledger.stranger)
    held[0].continue_()
    expect(page.locator(".rows strong")).to_have_text(["Of another"])
    for _ in range(2):
        next_poll(page)
    assert page.locator(".total").text_content() == "$5.00"


def test_totals_that_arrive_after_another_user_signed_in_are_not_shown(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    """The second user's outcomes are shown, but their totals fail. Then the first user's totals arrive late."""
    ledger.record("Of the first", created_at=ago(minutes=5), value_usd=1)
    ledger.record("Of another", user_id=ledger.stranger, created_at=ago(minutes=9), value_usd=5)
    open_feed()
    expect(page.locator(".total")).to_have_text("$1.00")
    held: list[Route] = []
    page.route(API, lambda route: route.continue_() if len(held) == 2 else held.append(route))
    page.get_by_role("button", name="7 days").click()
    while len(held) < 2:
        page.wait_for_timeout(10)
    [listing, summary] = held
    late = summary.fetch()
    assert late.json()["count"] == 1
    ledger.sign_in(page.context, ledger.stranger)
    page.route(SUMMARY, lambda route: route.fulfill(status=500, json={"error": "As arranged"}))
    listing.continue_()
    expect(page.locator(".rows strong")).to_have_text(["Of another"])
    expect(page.locator(".total")).to_have_text("\u2013")
    summary.fulfill(response=late)
    expect(page.get_by_text("Totals are not available right now.")).to_be_visible()
    expect(page.locator(".total")).to_have_text("\u2013")


def test_totals_without_rows_are_not_kept_for_another_user(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Of the first", created_at=ago(minutes=5), value_usd=1)
    ledger.record("Of another", user_id=ledger.stranger, created_at=ago(minutes=9), value_usd=5)
    page.route(LIST, lambda route: route.fulfill(status=500, json={"error": "As arranged"}))
    open_feed(refresh=60)
    expect(page.get_by_text("The feed could not be loaded")).to_be_visible()
    ledger.sign_in(page.context, ledger.stranger)
    page.unroute(LIST)
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator(".rows strong")).to_have_text(["Of another"])
    expect(page.locator(".total")).to_have_text("$5.00")


def test_rows_are_usable_before_the_totals_arrive(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(minutes=5), value_usd=1)
    held: list[Route] = []
    page.route(SUMMARY, lambda route: held.append(route))
    open_feed()
    expect(page.locator(".rows strong")).to_have_text(["Work"])
    page.locator(".rows summary").press("Enter")
    expect(page.locator(".details dl")).to_be_visible()
    expect(page.locator(".summary > .caption")).to_have_text("Adding up\u2026")
    [summary] = held
    summary.continue_()
    expect(page.locator(".total")).to_have_text("$1.00")


def test_an_element_that_returns_to_the_page_catches_up_and_loads_more(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
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


def test_another_endpoint_is_another_feed(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work", created_at=ago(minutes=5))
    open_feed()
    expect(page.locator(".rows li")).to_have_count(1)
    page.route("**/elsewhere**", lambda route: route.fulfill(json={"outcomes": [], "next_cursor": None}))
    set_attribute(page, "value-delivered", "endpoint", "/elsewhere/")
    expect(page.locator(".rows li")).to_have_count(0)
