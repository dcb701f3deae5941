"""A signed-in page in a browser, the running stack behind it, and a viewer's outcomes there."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

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
# Of what axe looks at, themes change only the colors.
AXE_RUNS: dict[Theme, str] = {"light": "axe.run()", "dark": "axe.run({runOnly: ['color-contrast']})"}

viewers = itertools.count(70_000, 2)  # and a stranger each


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "viewer(**settings): what the viewer's browser is like, as for Playwright's new_context"
    )


@pytest.fixture(scope="package")
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


def new_tab(browser: Browser, **settings: Any) -> Page:
    """Open an empty page for a viewer in New York, unless the settings say otherwise."""
    viewer = {"locale": "en-US", "timezone_id": "America/New_York", "reduced_motion": "reduce"}
    context = browser.new_context(**viewer | settings)
    context.set_default_timeout(10_000)
    return context.new_page()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    """Open the page that tests of a module share, for a new one each takes longer than most of them do."""
    tab = new_tab(browser)
    yield tab
    tab.context.close()


@pytest.fixture
def page(browser: Browser, ledger: Ledger, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Sign in a viewer at an empty page, and fail the test with whatever the page itself complains of.

    A test with @pytest.mark.viewer(locale=..., ...) has a browser's context of its own. What others do to the page
    they share is undone, all but its clock: so let a module set the time for each of its tests, or for none.
    """
    marker = request.node.get_closest_marker("viewer")
    page: Page = new_tab(browser, **marker.kwargs) if marker else request.getfixturevalue("tab")
    ledger.sign_in(page.context)
    complaints: list[str] = []
    on, add_init_script = page.on, page.add_init_script
    with ExitStack() as hearers, ExitStack() as scripts, pytest.MonkeyPatch.context() as patch:

        def hear(event: Any, hearer: Any) -> None:
            on(event, hearer)
            hearers.callback(page.remove_listener, event, hearer)

        patch.setattr(page, "on", hear)
        patch.setattr(page, "add_init_script", lambda script: scripts.enter_context(add_init_script(script)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        yield page
        scripts.close()  # none is meant for the empty page
        if marker:
            page.context.close()
        else:
            leave(page)
    assert complaints == []


def leave(page: Page) -> None:
    """Undo what a test may have done to the page, its context and its storage."""
    page.unroute_all()
    page.evaluate("origin === 'null' || [localStorage, sessionStorage].forEach(storage => storage.clear())")
    page.goto("about:blank")
    page.mouse.move(0, 0)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(media="null", color_scheme="light", reduced_motion="reduce")
    page.context.set_offline(False)
    page.context.clear_permissions()
    page.context.clear_cookies()


@pytest.fixture
def context(page: Page) -> BrowserContext:
    return page.context


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
