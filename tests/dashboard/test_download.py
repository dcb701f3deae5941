"""Test the download of a period's outcomes: complete, in several parts, canceled, and after errors."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Download, Locator, Page, Route, expect

from tests.browsers import wait_until
from tests.dashboard.conftest import Open
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW, reply

pytestmark = pytest.mark.at_noon

EXPORT = "**/api/outcomes/export**"
HEADING = "id,user_id,created_at,occurred_at,status,recorded_by\r\n"


@pytest.fixture
def feed(open_feed: Open, ledger: Ledger) -> Page:
    """Open a feed with an outcome."""
    ledger.record("Work", created_at=NOW - timedelta(days=1), value_usd=1)
    page = open_feed()
    expect(page.locator(".rows li")).to_have_count(1)
    expect(page.locator(".total")).to_have_text("$1.00")  # totals that arrive later would move the button
    return page


def button(page: Page, name: str = "Download") -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def text(download: Download) -> str:
    return Path(download.path()).read_bytes().decode()


def line(day: int, user_id: int = 42) -> str:
    happened = f"2026-{day // 31 + 3:02}-{day % 31 + 1:02}T04:00:00.000Z"
    return f"x,{user_id},2026-04-15T00:00:00.000Z,{happened},recorded,key:1\r\n"


class Held(list[Route]):
    """Keeps requests for parts of the download waiting until the test answers them."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        page.route(EXPORT, lambda route: self.append(route))

    def wait_for(self, number: int) -> Route:
        """Wait for the request with this index, counted from 0."""
        wait_until(self.page, lambda: len(self) > number)
        return self[number]


def part(route: Route, body: str, cursor: str | None = None) -> None:
    headers = {"Content-Type": "text/csv; charset=utf-8"} | ({"Next-Cursor": cursor} if cursor else {})
    route.fulfill(body=body, headers=headers)


def test_parts_are_joined_and_a_bar_shows_the_progress(feed: Page) -> None:
    held = Held(feed)
    button(feed).dblclick()  # starts one download
    bar = feed.get_by_role("progressbar", name="Downloaded")
    expect(bar).to_be_visible()
    assert bar.get_attribute("value") is None
    part(held.wait_for(0), HEADING + line(31), cursor="next-one")
    held.wait_for(1)
    assert 0.4 < float(bar.evaluate("bar => bar.value")) < 0.6
    asked = [parse_qs(urlsplit(route.request.url).query) for route in held]
    assert (asked[0].get("cursor"), asked[1]["cursor"]) == (None, ["next-one"])
    assert {**asked[1], "cursor": None} == {**asked[0], "cursor": None}
    part(held[1], "", cursor="one-more")
    last = held.wait_for(2)
    with feed.expect_download() as got:
        part(last, line(20))
    assert got.value.suggested_filename == "outcomes_2026-03-17_2026-04-15.csv"
    assert text(got.value) == "\ufeff" + HEADING + line(31) + line(20)
    assert len(held) == 3
    expect(bar).to_be_hidden()


def test_a_canceled_download_leaves_no_file(feed: Page) -> None:
    downloads: list[Download] = []
    feed.on("download", lambda download: downloads.append(download))
    held = Held(feed)
    for number, ends in enumerate(("by its button", "with the session", "with the page's element")):
        button(feed).click()
        held.wait_for(number)
        cancel = button(feed, "Cancel")
        with feed.expect_event("requestfailed"):
            if ends == "by its button":
                expect(cancel).to_be_focused()
                cancel.press("Enter")
                expect(button(feed)).to_be_focused()
            elif ends == "with the session":
                cookies = feed.context.cookies()
                feed.context.clear_cookies()
                feed.evaluate("dispatchEvent(new Event('online'))")
                expect(feed.locator(".card")).to_have_attribute("data-state", "signed-out")
                feed.context.add_cookies([*cookies])  # type: ignore[list-item]
                feed.get_by_role("button", name="Try again").click()
            else:
                feed.evaluate("document.querySelector('value-delivered').remove()")
    assert downloads == []
    assert len(held) == 3


def test_a_failed_download_has_a_message(feed: Page) -> None:
    """dashboard/tests/requests.test.js repeats parts that failed."""
    answers = [(HEADING + line(31), "next-one"), (line(20, user_id=43), None)]
    feed.route(EXPORT, lambda route: part(route, *answers.pop(0)))
    button(feed).click()
    fault = feed.locator(".download .fault")
    expect(fault).to_have_text("Not downloaded. Another user has signed in.")
    feed.route(EXPORT, reply(404, json={"error": "No"}))
    button(feed).click()
    expect(fault).to_have_text("Not downloaded. The server answered 404.")
    expect(button(feed)).to_be_focused()
    feed.route(EXPORT, reply(401, json={"error": "No"}))
    button(feed).click()
    expect(feed.locator(".card")).to_have_attribute("data-state", "signed-out")
