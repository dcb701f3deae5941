"""Test an owner's verdicts in the feed with the real API."""

from decimal import Decimal

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browsers import confirm, leave_and_return
from tests.dashboard.conftest import Open
from tests.dashboard.ledger import Ledger
from tests.dashboard.test_corrections import TIME_CONFIRMATIONS, dispute, history, right, rows, unfold, wrong


@pytest.fixture
def feed(open_feed: Open, ledger: Ledger) -> Page:
    """Open the feed of a viewer with one outcome of $12.50."""
    ledger.record("Renewed Acme", value_usd=Decimal("12.50"))
    page = open_feed(refresh=60)
    expect(rows(page)).to_have_count(1)
    return page


def correct(ledger: Ledger, page: Page, **correction: object) -> None:
    """Correct the only outcome with the platform's key."""
    found = page.evaluate("fetch('/api/outcomes?include=ledger').then(answer => answer.json())")["outcomes"]
    [id_] = [outcome["id"] for outcome in found]
    httpx.post(
        f"{ledger.url}/api/outcomes/{id_}/corrections",
        json=correction | {"userId": ledger.viewer},
        headers={"Authorization": f"Bearer {ledger.key}"},
    ).raise_for_status()


def test_an_owner_disputes_and_confirms_after_an_amendment(feed: Page, ledger: Ledger) -> None:
    row = unfold(feed)
    expect(history(row)).to_have_text(["Recorded by the platform · now"])
    dispute(row, "It was $12")
    expect(feed.locator(".standing")).to_have_text("$12.50 disputed")
    expect(feed.locator(".total")).to_have_text("$0.00")

    correct(ledger, feed, type="amend", reason="Of course", changes={"valueUsd": 12, "title": "Renewed Acme at last"})
    leave_and_return(feed)
    expect(row.locator("summary .amount")).to_have_text("$12.00")
    expect(row.locator("strong")).to_have_text("Renewed Acme at last")
    expect(row.locator("summary")).not_to_contain_text("Disputed")
    expect(feed.locator(".total")).to_have_text("$12.00")

    confirm(row)
    expect(feed.locator(".standing")).to_have_text("$12.00 confirmed")
    expect(history(row)).to_have_text(
        [
            "Recorded by the platform · now",
            "Disputed by you · nowIt was $12",
            "Amended by the platform · nowOf courseTitleRenewed Acme → Renewed Acme at lastValue$12.50 → $12.00",
            "Confirmed by you · now",
        ]
    )


def test_a_lost_verdict_counts_once_and_a_late_one_is_refused(feed: Page, ledger: Ledger) -> None:
    row, total = unfold(feed), feed.locator(".total")
    expect(history(row)).to_have_count(1)

    def lose(route: Route) -> None:
        assert route.fetch().ok
        route.abort("connectionreset")

    feed.route("**/corrections", lose, times=1)
    feed.evaluate(TIME_CONFIRMATIONS, 0)  # sends it without hiding the page, after which the feed polls
    right(row).press("Enter")
    expect(row.get_by_role("alert")).to_contain_text("It may not have been saved.")
    expect(row.locator("summary")).not_to_contain_text("Confirmed")
    expect(row.get_by_role("button", name="This is right", pressed=False)).to_be_focused()
    row.locator(".word").get_by_role("button", name="Try again").click()
    expect(row.locator("summary")).to_contain_text("Confirmed · ")
    expect(row.get_by_role("alert")).to_have_text("")
    expect(feed.locator(".standing")).to_have_text("$12.50 confirmed")
    expect(history(row)).to_have_text(["Recorded by the platform · now", "Confirmed by you · now"])

    def too_late(route: Route) -> None:
        correct(ledger, feed, type="void", reason="Recorded twice")
        route.continue_()

    feed.route("**/corrections", too_late, times=1)
    dispute(row, "It was $12")
    expect(row.get_by_role("alert")).to_have_text("Not saved. Not possible: cannot dispute an outcome that is void.")
    expect(row.locator(".word").get_by_role("button", name="Try again")).to_be_hidden()
    expect(row.locator("summary")).to_contain_text("Void · ")
    expect(right(row)).to_be_hidden()
    expect(wrong(row)).to_be_hidden()
    leave_and_return(feed)
    expect(total).to_have_text("$0.00")  # a void outcome stays in the list
    expect(history(row).last).to_have_text("Declared void by the platform · nowRecorded twice")
