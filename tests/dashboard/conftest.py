"""A signed-in page in a browser, the running stack behind it, and a viewer's outcomes there."""

import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import Any, Literal

import pytest
from outcomes.ledger.store import OutcomeStore
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browsers import chromium, wait_until
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW
from tests.local.stacks import Stack

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / ".artefacts"  # ignored by git, like pytest's own cache
AXE = ROOT / "dashboard/node_modules/axe-core/axe.min.js"

Open = Callable[..., Page]
TakePicture = Callable[..., None]
Faults = list[tuple[str, list[str]]]
FindFaults = Callable[..., Faults]
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
# Of what axe looks at, themes change only the colors.
AXE_RULES: dict[Theme, tuple[str, ...]] = {"light": (), "dark": ("color-contrast",)}
# All that axe finds is some hundred kilobytes, whose way here would take four times as long as finding it.
LOOK = """async ([names, options]) => {
    const { violations, passes } = await axe.run(options)
    const places = passes.flatMap(({ nodes }) => nodes.flatMap(({ target }) => target.flat()))
    return [
        names.filter((name) => places.some((place) => place.includes(name))),
        violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
    ]
}"""

# Reading a page anew takes as long as ten clicks, so a test goes on in the document of the one before.
CLEAR = """() => {
    document.body.replaceChildren()
    scrollTo(0, 0)
    delete document.hidden
    window.setTimeout = window.setTimeout.patient ?? window.setTimeout
    if (origin === "null") return
    history.replaceState(null, "", location.pathname)
    for (const storage of [localStorage, sessionStorage]) storage.clear()
}"""
PLACE = """([name, attributes]) => {
    const [main, heading, element] = ["main", "h1", name].map((name) => document.createElement(name))
    heading.textContent = "Spending"
    for (const attribute of Object.entries(attributes)) element.setAttribute(...attribute)
    main.append(heading, element)
    document.body.replaceChildren(main)
}"""
# Long waits are written down and cut short.
HASTE = """() => {
    const patient = window.setTimeout
    window.waits = []
    window.setTimeout = (callback, milliseconds, ...rest) =>
        patient(callback, milliseconds < 400 ? milliseconds : (window.waits.push(milliseconds), 20), ...rest)
    window.setTimeout.patient = patient
}"""
# A headless tab is never hidden.
LEAVE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true })
    document.dispatchEvent(new Event("visibilitychange"))
}"""

viewers = itertools.count(70_000, 2)  # and a stranger each


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "at_noon: the clock of the viewer's browser stands at NOW")
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


def new_tab(browser: Browser, *, at_noon: bool, **settings: Any) -> Page:
    """Open an empty page for a viewer in New York, or whom the settings say, with a clock that goes or stands."""
    viewer = {"locale": "en-US", "timezone_id": "America/New_York", "reduced_motion": "reduce"}
    context = browser.new_context(**viewer | settings)
    context.set_default_timeout(10_000)
    page = context.new_page()
    if at_noon:
        page.clock.set_fixed_time(NOW)  # timers go on
    return page


@pytest.fixture(scope="package")
def tabs(browser: Browser) -> Callable[[bool], Page]:
    """Give the page that tests share, at noon or of the present: a new one each takes longer than most of them do."""
    return cache(lambda at_noon: new_tab(browser, at_noon=at_noon))


@pytest.fixture
def page(
    browser: Browser, tabs: Callable[[bool], Page], ledger: Ledger, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """Sign in a viewer at a page with nothing in it, and fail the test with whatever the page itself complains of.

    With @pytest.mark.at_noon its clock stands at NOW. A test with @pytest.mark.viewer(locale=..., ...) has a browser's
    context of its own, as one needs that sets the clock. What others do to the page that they share is undone.
    """
    at_noon = request.node.get_closest_marker("at_noon") is not None
    marker = request.node.get_closest_marker("viewer")
    page = new_tab(browser, at_noon=at_noon, **marker.kwargs) if marker else tabs(at_noon)
    ledger.sign_in(page.context)
    complaints: list[str] = []
    on = page.on
    with ExitStack() as hearers, pytest.MonkeyPatch.context() as patch:

        def hear(event: Any, hearer: Any) -> None:
            on(event, hearer)
            hearers.callback(page.remove_listener, event, hearer)

        patch.setattr(page, "on", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        yield page
        if marker:
            page.context.close()
        else:
            clear(page)
    assert complaints == []


def clear(page: Page) -> None:
    """Undo what a test may have done to the page, its context and its storage; the document stays, without elements."""
    page.evaluate(CLEAR)
    page.unroute_all()
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
    page: Page,
    url: str,
    element: str,
    endpoint: str,
    *,
    endpoint_later: bool = False,
    in_haste: bool = False,
    anew: bool = False,
    **attributes: object,
) -> Page:
    """Open a page, unless it is open, and put one element of ours in it, which asks `endpoint`.

    in_haste: its timers go off at once, and `waits` lists them. anew: the page is read in any case, has the element
    from the start, and can be read again; only then, and at first, what it asks for goes through Playwright.
    """
    attributes |= {} if endpoint_later else {"endpoint": endpoint}
    given = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    if anew or page.url.partition("#")[0] != url:
        in_tag = "".join(f' {name}="{escape(value)}"' for name, value in given.items())
        main = f"<main><h1>Spending</h1><{element}{in_tag}></{element}></main>"
        body = f"""<!doctype html><html lang="en"><head><title>Dashboard</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <script type="module" src="/{element}.js"></script></head>
            <body>{main if anew else ""}</body></html>"""
        # The strictest policy a page may have: no inline code or style, no markup made from strings.
        policy = "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        page.route(url, lambda route: route.fulfill(body=body, headers=headers))
        page.goto(url)
    if in_haste:
        page.evaluate(HASTE)
    if not anew:
        page.evaluate(PLACE, [element, given])
    return page


def waits(page: Page, number: int) -> list[int]:
    """List the first `number` waits, in milliseconds, rounded up to seconds: what a look took is no part of them."""
    wait_until(page, lambda: page.evaluate("waits.length") >= number)
    found: list[float] = page.evaluate(f"waits.slice(0, {number})")
    return [math.ceil(wait / 1000) * 1000 for wait in found]


def leave(page: Page) -> None:
    """Let the tab be hidden."""
    page.evaluate(LEAVE, True)


def come_back(page: Page) -> None:
    """Let the tab be seen again."""
    page.evaluate(LEAVE, False)


@pytest.fixture
def take_picture(page: Page) -> TakePicture:
    """Give a function that keeps a picture of the page in .artefacts, if PICTURES is set: each takes as long as axe."""
    if "PICTURES" not in os.environ:
        return lambda _name, **_options: None
    ARTEFACTS.mkdir(exist_ok=True)
    (ARTEFACTS / ".gitignore").write_text("*\n")

    def take(name: str, **options: Any) -> None:
        page.screenshot(path=ARTEFACTS / f"{name}.png", **options)

    return take


@pytest.fixture(scope="session")
def axe() -> str:
    if not AXE.is_file() and "CI" not in os.environ:
        pytest.skip("axe-core is not installed: make test installs it where there is npm")
    return AXE.read_text()


@pytest.fixture
def find_faults(page: Page, axe: str) -> FindFaults:
    """Give a function that lists what axe finds wrong with a page: of each rule that is broken, the elements.

    It fails where axe did not look into the elements of these names. `rules` are the only ones that are gone by.
    """

    def find(*names: str, rules: Sequence[str] = ()) -> Faults:
        if not page.evaluate("'axe' in window"):
            page.evaluate(f"{axe}; 0")
        faults: Faults
        looked_into, faults = page.evaluate(LOOK, [names, {"runOnly": rules} if rules else {}])
        assert looked_into == [*names]
        return faults

    return find
