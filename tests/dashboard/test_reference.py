"""Test in a browser the API reference that `make run` serves at /docs."""

import os

import pytest
from playwright.sync_api import Browser, expect

from local.reference import PACKAGE
from ops.template import declared_calls
from release.contract.source import template
from tests.browsers import SECONDS
from tests.local.stacks import Stack


def test_the_reference_shows_each_call_and_tries_one(browser: Browser, stack: Stack) -> None:
    if not PACKAGE.is_dir() and "CI" not in os.environ:
        pytest.skip("npm has not installed the viewer; make run does, where there is a registry")
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))  # includes CSP violations
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{stack.url}/docs")
    expect(page.locator(".opblock")).to_have_count(len(declared_calls(template())))

    listing = page.locator("#operations-outcomes-listOutcomes")
    listing.click()
    listing.get_by_role("button", name="Try it out").click()
    listing.get_by_role("button", name="Execute").click()
    expect(listing.locator(".live-responses-table .response-col_status").last).to_have_text("200")
    context.close()

    assert complaints == []
    assert {url for url in asked if not url.startswith((f"{stack.url}/", "data:"))} == set()
