"""Test the feed with many new outcomes at once, and with many rows."""

import itertools
from datetime import timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browsers import leave_and_return, wait_until
from tests.dashboard.conftest import Open
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW, Recorded, instant
from tests.dashboard.test_corrections import rows
from tests.dashboard.test_download import Held, button, line, part, text

pytestmark = pytest.mark.at_noon


def test_three_hundred_outcomes_keep_search_and_open_row(open_feed: Open, page: Page, ledger: Ledger) -> None:
    work = ledger.record("Work", created_at=NOW - timedelta(days=1))
    ledger.record("Other", created_at=NOW - timedelta(days=1, seconds=1))
    open_feed(refresh=3600)
    expect(rows(page)).to_have_count(2)
    page.get_by_label("Search").fill("work")
    row = rows(page).filter(has_text="Work")
    row.locator("summary").filter(visible=True).press("Enter")
    expect(row.locator(".past li")).to_have_count(1)
    held = Held(page)
    button(page).press("Enter")
    download = held.wait_for(0)
    ledger.correct(work, "dispute")
    for number in range(300):
        ledger.record(f"Rush {number}", created_at=NOW - timedelta(seconds=300 - number))
    leave_and_return(page)
    expect(page.get_by_text("1 match in 302 of 302")).to_be_visible()
    expect(row.locator("dl").first).to_be_visible()
    expect(row.locator(".tag")).to_have_text("Disputed")
    with page.expect_download() as got:
        part(download, line(1))
    assert line(1) in text(got.value)
    page.get_by_label("Search").fill("")
    expected = [f"Rush {299 - number}" for number in range(300)] + ["Work", "Other"]
    expect(rows(page).locator("strong")).to_have_text(expected)


def pages(recorded: Recorded) -> list[str]:
    return [request.url for request in recorded.asked if "time=occurred" in request.url]


def test_a_search_reads_on_and_asks_after_2000_rows(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.sums = {"count": 2300, "disputed": {"count": 6, "value_usd": 1}, "voided": {"count": 4, "value_usd": 1}}
    for number in range(2310):
        recorded.has(f"{'Renewal' if number % 100 == 0 else 'Deal'} {number}", hours=number / 60)
    open_feed(refresh=3600)
    expect(page.get_by_role("button", name="Load more")).to_be_visible()
    search, found = page.get_by_label("Search"), page.get_by_role("status").filter(has_text="match")
    search.fill("renewal")
    expect(found).to_have_text("21 matches in 2,020 of 2,310")
    expect(found).to_have_attribute("aria-busy", "false")
    assert len(pages(recorded)) == 1 + 40
    page.get_by_role("button", name="Search further").press("Enter")
    expect(found).to_have_text("24 matches in 2,310 of 2,310")
    expect(rows(page).nth(2300).locator("summary")).to_be_focused()  # not the button, which is hidden now
    assert len(pages(recorded)) == len(set(pages(recorded))) == 1 + 40 + 6
    search.fill("")
    expect(found).to_have_count(0)
    expect(page.locator(".rows [role=listitem]:not([hidden])")).to_have_count(2310)


def test_chunks_of_rows_stay_in_order(open_feed: Open, page: Page, recorded: Recorded) -> None:
    for number in range(20):
        recorded.has(f"Work {number}", hours=number + 1)
    open_feed(refresh=3600)
    expect(rows(page)).to_have_count(20)
    assert rows(page).first.locator("*").count() == 11  # few elements, until the row is unfolded
    rows(page).first.locator("summary").focus()
    expect(rows(page).first.locator("summary")).to_have_css("outline-offset", "-2px")  # a chunk clips the rest
    chunks, shown = page.locator(".feed > .rows > ol"), page.locator(".rows [role=listitem]:not([hidden])")

    def expect_chunks(*sizes: int, titles: list[str]) -> None:
        expect(shown.locator("strong")).to_have_text(titles)
        assert chunks.evaluate_all("all => all.map(chunk => chunk.childElementCount)") == list(sizes)
        # The first row that is shown has no line above it.
        lines = shown.evaluate_all("all => all.map(row => parseInt(getComputedStyle(row).borderTopWidth))")
        assert lines == [0, *[1] * (len(titles) - 1)]

    old = [f"Work {number}" for number in range(20)]
    newest = recorded.has("Newest", hours=0.5)
    leave_and_return(page)
    expect_chunks(1, 20, titles=["Newest", *old])
    recorded.has("Late", hours=1.5)
    leave_and_return(page)
    expect_chunks(1, 21, titles=["Newest", "Work 0", "Late", *old[1:]])
    page.get_by_label("Search").fill("work 1")
    expect_chunks(1, 21, titles=[title for title in old if title.startswith("Work 1")])
    page.get_by_label("Search").fill("")
    recorded.correct(newest, type="amend")
    next(one for one in recorded.outcomes if one["id"] == newest)["occurred_at"] = instant(NOW - timedelta(days=2))
    leave_and_return(page)
    expect_chunks(21, 1, titles=["Work 0", "Late", *old[1:], "Newest"])


@pytest.mark.viewer
def test_a_list_that_is_read_again_is_not_shorter_meanwhile(open_feed: Open, page: Page, recorded: Recorded) -> None:
    for number in range(70):
        recorded.has(f"Work {number}", hours=number / 60)
    open_feed(refresh=3600)
    for count in (40, 60):
        page.get_by_role("button", name="Load more").click()
        expect(rows(page)).to_have_count(count)
    held: list[Route] = []
    page.route("**/api/outcomes?*time=occurred*cursor=50*", lambda route: held.append(route))
    page.clock.set_fixed_time(NOW + timedelta(days=1))
    leave_and_return(page)
    wait_until(page, lambda: len(held) == 1)
    expect(rows(page)).to_have_count(60)
    held[0].fallback()
    expect(page.locator(".feed > .rows")).to_have_attribute("aria-busy", "false")
    expect(rows(page)).to_have_count(70)


# Counts nodes that are added or removed, and changed attributes and texts.
COUNT_CHANGES = """feed => {
    window.changes = 0
    new MutationObserver((records) => {
        for (const { addedNodes, removedNodes } of records) changes += addedNodes.length + removedNodes.length || 1
    }).observe(feed.shadowRoot, { subtree: true, childList: true, attributes: true, characterData: true })
}"""


def test_load_more_changes_as_little_behind_many_rows(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.sums = {"count": 440}
    for number in range(440):
        recorded.has(f"Work {number}", hours=number / 60)
    open_feed(refresh=3600)
    page.locator("value-delivered").evaluate(COUNT_CHANGES)
    counts = []
    for shown in range(20, 420, 20):
        expect(rows(page)).to_have_count(shown)
        expect(page.get_by_role("button", name="Load more")).to_be_enabled()
        counts.append(page.evaluate("changes"))
        page.get_by_role("button", name="Load more").press("Enter")
    first, *_, last = (after - before for before, after in itertools.pairwise(counts[1:]))
    assert 0 < last <= first + 20, counts  # 340 more, if it changed each row
