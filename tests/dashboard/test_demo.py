"""Test the demo page of `make run` with outcomes from `make seed`."""

import re

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.dashboard.conftest import AXE_RULES, THEMES, FindFaults, Open, TakePicture
from tests.dashboard.ledger import Ledger
from tests.local.stacks import Stack

SCREENS: dict[str, ViewportSize] = {
    "desktop": {"width": 1100, "height": 1640},
    "phone": {"width": 390, "height": 1400},
}


@pytest.fixture(scope="session")
def seeded(stack: Stack) -> Stack:
    assert stack.command("seed").returncode == 0
    return stack


@pytest.mark.viewer(device_scale_factor=2)
def test_the_page_shows_the_seed(page: Page, seeded: Stack, take_picture: TakePicture, find_faults: FindFaults) -> None:
    page.context.clear_cookies()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    for screen, size in SCREENS.items():
        page.set_viewport_size(size)
        page.goto(seeded.url)
        expect(page.locator("value-delivered .rows li")).to_have_count(20)
        expect(page.locator(".plot rect")).to_have_count(30)
        expect(page.locator(".known")).to_have_text(
            re.compile(r"Cost known for \d\d of 30 days · openai lacks .* · cost of .* restated")
        )
        expect(page.locator(".net data")).to_be_visible()
        expect(page.locator("outcome-keys")).to_contain_text("No keys yet")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), screen
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            take_picture(f"value-delivered-{screen}-{theme}")
            assert find_faults("value-delivered", "#keys", rules=AXE_RULES[theme]) == [], (screen, theme)
            assert errors == [], (screen, theme)


def test_the_first_outcome_is_shown_and_the_next_announced(open_feed: Open, page: Page, ledger: Ledger) -> None:
    open_feed(fast_timers=True, refresh=1)
    expect(page.get_by_text("Nothing delivered yet")).to_be_visible()
    ledger.record("First", value_usd=2)
    expect(page.locator(".rows strong")).to_have_text(["First"])
    expect(page.get_by_text("Nothing delivered yet")).to_have_count(0)
    expect(page.locator(".total")).to_have_text("$2.00")
    page.locator(".rows summary").press("Enter")  # a click could miss the row, because totals move it when they arrive
    ledger.record("New", value_usd=1)
    expect(page.locator(".rows strong")).to_have_text(["New", "First"])
    expect(page.locator(".total")).to_have_text("$3.00")
    expect(page.locator(".rows details").nth(1)).to_have_attribute("open", "")  # the other row stays unfolded
    expect(page.get_by_role("status").filter(has_text="1 new outcome")).to_have_count(1)
