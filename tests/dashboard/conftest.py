"""Fixtures: browser pages with a signed-in viewer. The pages use the running stack or prepared answers."""

import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import Any, Literal

import pytest
from outcomes.ledger.store import OutcomeStore
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browsers import SECONDS, chromium, wait_until
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW, Recorded
from tests.local.stacks import Stack

ROOT = Path(__file__).parents[2]
AXE = ROOT / "dashboard/node_modules/axe-core/axe.min.js"

Open = Callable[..., Page]
Faults = list[tuple[str, list[str]]]
FindFaults = Callable[..., Faults]
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
# The axe rules to check in each theme; an empty tuple means all rules. The dark theme only changes colors.
AXE_RULES: dict[Theme, tuple[str, ...]] = {"light": (), "dark": ("color-contrast",)}

VIEWPORT: ViewportSize = {"width": 1280, "height": 720}  # Playwright's default

API = "**/api/outcomes**"
LIST = re.compile(r"/api/outcomes(\?|$)")
SUMMARY = "**/api/outcomes/summary**"

# Select the needed parts of axe's result in the page: transferring all of it would take four times as long as axe.
RUN_AXE = """async ([names, options]) => {
    const { violations, passes } = await axe.run(options)
    const places = passes.flatMap(({ nodes }) => nodes.flatMap(({ target }) => target.flat()))
    return [
        names.filter((name) => places.some((place) => place.includes(name))),
        violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
    ]
}"""

# Loading a page takes as long as ten clicks, so tests reuse the previous test's document. Returns whether the test has
# changed the media.
CLEAR = """() => {
    document.body.replaceChildren()
    scrollTo(0, 0)
    document.dir = ""
    delete document.hidden
    window.setTimeout = window.setTimeout.patient ?? window.setTimeout
    performance.now = performance.now.ticking ?? performance.now
    if (origin !== "null") {
        if (location.href !== origin + location.pathname) history.replaceState(null, "", location.pathname)
        for (const storage of [localStorage, sessionStorage]) storage.clear()
    }
    return matchMedia("print, (prefers-color-scheme: dark), (prefers-reduced-motion: no-preference)").matches
}"""
INSERT = """([name, attributes]) => {
    const [main, heading, element] = ["main", "h1", name].map((name) => document.createElement(name))
    heading.textContent = "Spending"
    for (const attribute of Object.entries(attributes)) element.setAttribute(...attribute)
    main.append(heading, element)
    document.body.replaceChildren(main)
}"""
# Adds the delays of long timers to the list `waits`, and lets these timers fire after 20 ms.
SHORTEN_TIMERS = """() => {
    const patient = window.setTimeout
    window.waits = []
    window.setTimeout = (callback, milliseconds, ...rest) =>
        patient(callback, milliseconds < 400 ? milliseconds : (window.waits.push(milliseconds), 20), ...rest)
    window.setTimeout.patient = patient
    // So that a poll takes no time, however busy the machine is.
    performance.now = Object.assign(() => 0, { ticking: performance.now })
}"""
# Returns the labels of buttons that stick out of the card, or whose text takes more than a line or their width.
CRAMPED_BUTTONS = """({ shadowRoot: root }) => [...root.querySelectorAll("button")].filter((button) => {
    const card = root.querySelector(".card")
    const end = card.getBoundingClientRect().right - parseFloat(getComputedStyle(card).paddingInlineEnd)
    if (button.getBoundingClientRect().right > end) return true
    const range = document.createRange()
    range.selectNodeContents(button.lastChild)
    if (!button.matches(".skip") && range.getBoundingClientRect().width > button.offsetWidth) return true
    return new Set([...range.getClientRects()].map(({ top }) => top)).size > 1
}).map(({ textContent }) => textContent)"""

viewers = itertools.count(70_000, 2)  # every second id, because `Ledger.stranger` is the viewer's id plus 1


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "at_noon: stop the browser's clock at NOW")
    config.addinivalue_line("markers", "viewer(**settings): use a browser context of its own, with these settings")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium("--host-resolver-rules=MAP * 127.0.0.1") as browser:  # each host is this machine
        yield browser


@pytest.fixture(scope="session")
def store(stack: Stack) -> Iterator[OutcomeStore]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", stack.aws_url)
        store = OutcomeStore(stack.tables["OutcomesTable"])
    yield store
    store.dynamodb.connection.close()


@pytest.fixture
def ledger(stack: Stack, store: OutcomeStore) -> Ledger:
    return Ledger(stack, store, next(viewers))


def new_tab(browser: Browser, *, at_noon: bool, **settings: Any) -> Page:
    """Open an empty page, by default for a viewer in New York. at_noon: stop the clock of the page at NOW."""
    viewer = {"locale": "en-US", "timezone_id": "America/New_York", "reduced_motion": "reduce"}
    context = browser.new_context(**viewer | settings)
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    if at_noon:
        page.clock.set_fixed_time(NOW)  # timers still run
    return page


@pytest.fixture(scope="package")
def tabs(browser: Browser) -> Callable[[bool], Page]:
    """Return a function that returns one of two shared pages. The clock of one page stands at noon."""
    return cache(lambda at_noon: new_tab(browser, at_noon=at_noon))


@pytest.fixture
def page(
    browser: Browser, tabs: Callable[[bool], Page], ledger: Ledger, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """Return an empty page with a signed-in viewer. Errors in the page fail the test.

    Tests share the page, and each test's changes are undone. With @pytest.mark.viewer(locale=..., ...), the test gets
    its own browser context, for example to set the clock. @pytest.mark.at_noon stops the clock at NOW.
    """
    at_noon = request.node.get_closest_marker("at_noon") is not None
    marker = request.node.get_closest_marker("viewer")
    page = new_tab(browser, at_noon=at_noon, **marker.kwargs) if marker else tabs(at_noon)
    ledger.sign_in(page.context)
    errors: list[str] = []
    on = page.on
    with ExitStack() as listeners, pytest.MonkeyPatch.context() as patch:

        def listen(event: Any, listener: Any) -> None:
            on(event, listener)
            listeners.callback(page.remove_listener, event, listener)

        patch.setattr(page, "on", listen)
        if not marker:
            fail = "a shared page keeps the script for the tests to come: use @pytest.mark.viewer"
            patch.setattr(page, "add_init_script", lambda *_: pytest.fail(fail))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda entry: errors.append(entry.text) if "Content Security" in entry.text else None)
        yield page
        if marker:
            page.context.close()
        else:
            clear(page)
    assert errors == []


def clear(page: Page) -> None:
    """Undo a test's changes to the page, its browser context and its storage, and empty the document."""
    if page.evaluate(CLEAR):
        page.emulate_media(media="null", color_scheme="light", reduced_motion="reduce")
    page.unroute_all()
    page.mouse.move(0, 0)
    if page.viewport_size != VIEWPORT:
        page.set_viewport_size(VIEWPORT)
    page.context.set_offline(False)
    page.context.clear_cookies()


@pytest.fixture
def open_feed(page: Page, ledger: Ledger) -> Open:
    """Return a function that opens a page with the feed. Its arguments become the feed's attributes."""
    return partial(embed, page, f"{ledger.url}/feed", "value-delivered", "/api/outcomes")


@pytest.fixture
def open_keys(page: Page, ledger: Ledger) -> Open:
    """Return a function that opens a page with <outcome-keys>. Its arguments become the element's attributes."""
    return partial(embed, page, f"{ledger.url}/keys", "outcome-keys", "/api/keys")


@pytest.fixture
def recorded(page: Page) -> Recorded:
    """Answer the page's requests with a fake API."""
    recorded = Recorded()
    recorded.serve(page)
    return recorded


def embed(
    page: Page,
    url: str,
    element: str,
    endpoint: str,
    *,
    endpoint_later: bool = False,
    fast_timers: bool = False,
    reload: bool = False,
    **attributes: object,
) -> Page:
    """Open a page, unless it is open, and insert the element.

    When totals arrive, they move everything below them, so a click there can miss. Tests press Enter instead.

    fast_timers: shorten long timers; waits() returns their delays. reload: always load the page, with the element in
    its HTML, so that the test can reload it.
    """
    attributes |= {} if endpoint_later else {"endpoint": endpoint}
    given = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    if reload or page.url.partition("#")[0] != url:
        in_tag = "".join(f' {name}="{escape(value)}"' for name, value in given.items())
        main = f"<main><h1>Spending</h1><{element}{in_tag}></{element}></main>"
        body = f"""<!doctype html><html lang="en"><head><title>Dashboard</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <script type="module" src="/{element}.js"></script></head>
            <body>{main if reload else ""}</body></html>"""
        # The strictest Content Security Policy: no inline code or styles, no HTML from strings.
        policy = "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        page.route(url, lambda route: route.fulfill(body=body, headers=headers))
        page.goto(url)
    if fast_timers:
        page.evaluate(SHORTEN_TIMERS)
    if not reload:
        page.evaluate(INSERT, [element, given])
    return page


def waits(page: Page, number: int) -> list[int]:
    """Wait for `number` long timers, and return their delays in milliseconds."""
    wait_until(page, lambda: page.evaluate("waits.length") >= number)
    found: list[int] = page.evaluate(f"waits.slice(0, {number})")
    return found


def next_poll(page: Page) -> None:
    """Wait until the feed has rendered a poll that it began after this call.

    The feed sets its timer only after it has rendered a poll. So it needs fast_timers, and refresh=2: one second is
    also the patience of lists.
    """

    def rendered() -> int:
        return len([delay for delay in page.evaluate("waits") if delay == 2000])

    now = rendered()
    wait_until(page, lambda: rendered() >= now + 2)  # the first of them may have begun before
    assert rendered() >= now + 2


def set_attribute(page: Page, element: str, name: str, value: str) -> None:
    """Set an attribute of an open element, as an embedding page does."""
    script = "([element, name, value]) => document.querySelector(element).setAttribute(name, value)"
    page.evaluate(script, [element, name, value])


def assert_fits(page: Page, element: str) -> None:
    """Check that the page does not scroll sideways, no button is cut off, and no button's text wraps."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(element).evaluate(CRAMPED_BUTTONS) == []


@pytest.fixture(scope="session")
def axe() -> str:
    if not AXE.is_file() and "CI" not in os.environ:
        pytest.skip("axe-core is not installed: make test installs it where there is npm")
    return AXE.read_text()


@pytest.fixture
def find_faults(page: Page, axe: str, request: pytest.FixtureRequest) -> FindFaults:
    """Return a function that runs axe, and returns each broken rule with the elements that break it.

    The function fails if axe did not look into the named custom elements. rules: check only these rules. With the
    environment variable PICTURES, each call saves a screenshot in .artefacts.
    """
    pictures = itertools.count()

    def find(*names: str, rules: Sequence[str] = ()) -> Faults:
        if "PICTURES" in os.environ:
            picture = ROOT / ".artefacts" / f"{request.node.name}-{next(pictures):02}.png"
            page.screenshot(path=picture, full_page=True)
        if not page.evaluate("'axe' in window"):
            page.evaluate(f"{axe}; 0")
        faults: Faults
        looked_into, faults = page.evaluate(RUN_AXE, [names, {"runOnly": rules} if rules else {}])
        assert looked_into == [*names]
        return faults

    return find
