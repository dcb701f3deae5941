"""The feed when many outcomes come at once, and with many rows."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import hide_tab, show_tab
from tests.dashboard.conftest import Open
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW, Recorded
from tests.dashboard.test_corrections import rows, unfold
from tests.dashboard.test_corrections_for_real import correct
from tests.dashboard.test_download import Held, button, line, part, text

pytestmark = pytest.mark.at_noon


def test_three_hundred_outcomes_at_once_keep_search_open_row_and_download(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    for title in ("Work", "Other"):
        ledger.record(title, created_at=NOW - timedelta(days=1))
    open_feed(refresh=3600)
    expect(rows(page)).to_have_count(2)
    page.get_by_label("Search what is loaded").fill("work")
    row = rows(page).filter(has_text="Work")
    row.locator("summary").click()
    held = Held(page)
    button(page).click()
    download = held.wait_for(0)
    for number in range(300):
        ledger.record(f"Rush {number}", created_at=NOW - timedelta(seconds=300 - number))
    hide_tab(page)
    show_tab(page)
    expect(page.get_by_text("1 of 21 loaded match")).to_be_visible()
    expect(row.locator("dl")).to_be_visible()
    expect(page.get_by_role("button", name="Load more")).to_be_visible()
    with page.expect_download() as got:
        part(download, line(1))
    assert line(1) in text(got.value)
    page.get_by_label("Search what is loaded").fill("")
    page.get_by_role("button", name="Load more").click()
    expect(rows(page)).to_have_count(41)
    expect(rows(page).last.locator("strong")).to_have_text("Work")
    expect(rows(page).nth(39).locator("strong")).to_have_text("Rush 260")


def test_an_open_row_shows_a_correction_that_came_with_many_outcomes(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ledger.record("Work", created_at=NOW, value_usd=1, outcome_type="deal_closed")
    open_feed(refresh=3600)
    page.get_by_label("Filter by type").select_option("deal_closed")
    row = unfold(page)
    expect(row.locator("summary .amount")).to_have_text("$1.00")
    correct(ledger, page, type="amend", reason="Miscounted", changes={"valueUsd": 2})
    for number in range(201):
        ledger.record(f"Rush {number}", created_at=NOW + timedelta(seconds=30))
    hide_tab(page)
    show_tab(page)
    expect(row.locator("summary .amount")).to_have_text("$2.00")


@pytest.mark.viewer  # as it changes the clock
def test_a_tab_that_is_shown_again_says_how_long_ago_outcomes_came(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.has("Closed Acme", hours=1)
    open_feed(refresh=3600)
    expect(rows(page).locator(".ago")).to_have_text("1 hour ago")
    hide_tab(page)
    page.clock.set_fixed_time(NOW + timedelta(hours=2))
    show_tab(page)
    expect(rows(page).locator(".ago")).to_have_text("3 hours ago")


def test_a_row_has_twelve_elements_until_it_is_unfolded(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Closed Acme", metadata={"a": 1})
    open_feed()
    expect(rows(page)).to_have_count(1)
    assert rows(page).locator("*").count() == 11
    expect(unfold(page).locator("dl")).to_be_visible()
