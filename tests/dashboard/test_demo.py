"""Test the demo page of `make run` with outcomes from `make seed`."""

import re

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.dashboard.conftest import AXE_RULES, THEMES, FindFaults
from tests.local.stacks import Stack

SCREENS: dict[str, ViewportSize] = {
    "desktop": {"width": 1100, "height": 1640},
    "phone": {"width": 390, "height": 1400},
}


@pytest.fixture(scope="session")
def seeded(stack: Stack) -> Stack:
    assert stack.command("seed").returncode == 0
    return stack


def test_the_page_shows_the_seed(page: Page, seeded: Stack, find_faults: FindFaults) -> None:
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
            assert find_faults("value-delivered", "#keys", rules=AXE_RULES[theme]) == [], (screen, theme)
            assert errors == [], (screen, theme)
