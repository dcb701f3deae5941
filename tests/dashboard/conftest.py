"""A signed-in page in a browser, the running stack behind it, and a viewer's outcomes there."""

import itertools
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from outcomes.storage.store import OutcomeStore
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browsers import chromium
from tests.dashboard.ledger import Ledger
from tests.local.stacks import Stack

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / ".artefacts"
AXE = ROOT / "dashboard/node_modules/axe-core/axe.min.js"

Open = Callable[..., Page]
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

viewers = itertools.count(70_000, 2)  # and a stranger each


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "viewer(**settings): what the viewer's browser is like, as for Playwright's new_context"
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def store(stack: Stack) -> Iterator[OutcomeStore]:
    """Open the stack's own table."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", stack.aws_url)
        store = OutcomeStore(stack.tables["OutcomesTable"])
    yield store
    store.dynamodb.connection.close()


@pytest.fixture
def ledger(stack: Stack, store: OutcomeStore) -> Ledger:
    return Ledger(stack, store, next(viewers))


@pytest.fixture
def context(browser: Browser, ledger: Ledger, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """Sign in a viewer in New York; a test says otherwise with @pytest.mark.viewer(locale=..., ...)."""
    marker = request.node.get_closest_marker("viewer")
    viewer = {"locale": "en-US", "timezone_id": "America/New_York", "reduced_motion": "reduce"}
    context = browser.new_context(**viewer | (marker.kwargs if marker else {}))
    context.set_default_timeout(10_000)
    ledger.sign_in(context)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Open an empty page, and fail the test with whatever the page itself complains of."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    yield page
    assert complaints == []


@pytest.fixture
def open_feed(page: Page, ledger: Ledger) -> Open:
    """Open a page that embeds the feed, with the attributes given (its endpoint too, unless that comes later)."""
    return partial(embed, page, f"{ledger.url}/feed", "value-delivered", "/api/outcomes")


@pytest.fixture
def open_keys(page: Page, ledger: Ledger) -> Open:
    """Open a page that embeds the agents' keys, as open_feed does the feed."""
    return partial(embed, page, f"{ledger.url}/keys", "outcome-keys", "/api/keys")


def embed(
    page: Page, url: str, element: str, endpoint: str, *, endpoint_later: bool = False, **attributes: object
) -> Page:
    """Open a page with one element of ours, which asks `endpoint`."""
    attributes |= {} if endpoint_later else {"endpoint": endpoint}
    given = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    body = f"""<!doctype html><html lang="en"><head><title>Dashboard</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <script type="module" src="/{element}.js"></script></head>
        <body><main><h1>Spending</h1><{element}{given}></{element}></main></body></html>"""
    # The strictest policy a page may have: no inline code or style, no markup made from strings.
    policy = "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
    page.route(url, lambda route: route.fulfill(body=body, headers=headers))
    page.goto(url)
    return page


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Make the folder of the last run's pictures, ignored by git like pytest's own cache."""
    ARTEFACTS.mkdir(exist_ok=True)
    (ARTEFACTS / ".gitignore").write_text("*\n")
    return ARTEFACTS


@pytest.fixture(scope="session")
def axe() -> str:
    if not AXE.is_file() and "CI" not in os.environ:
        pytest.skip("axe-core is not installed: make test installs it where there is npm")
    return AXE.read_text()
