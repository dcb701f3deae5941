"""Run this machine's Chromium with Playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

SECONDS = 30
"""The patience of tests with a page. On a busy machine, running the reference's 1.7 MB of script takes this long."""

expect.set_options(timeout=SECONDS * 1000)

# The first that is installed is used. The headless shell takes 3 % less time, but rounds the widths of texts up.
EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    "--no-sandbox",  # containers lack the kernel namespaces that the sandbox needs; tests only open our own pages
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",  # tests only open pages on this machine, so they need no proxy
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Disable features of the address bar. For them, Chromium would load two internal pages in each window, which take
    # as much processor time as the tests' pages. Playwright also passes --disable-features, but Chromium reads only the
    # last of these options. So this list repeats the features of Playwright's list that affect pages.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,AimEnabled,AvoidCorsURLLoaderRestartOnRedirect,"
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsFirstBalancedModeAutoEnable,HttpsUpgrades,"
    "MediaRouter,NetworkTimeServiceQuerying,OptimizationHints,PaintHolding,PreconnectToSearch,ThirdPartyStoragePartitioning",
)

# Simulates that the tab is hidden or shown, which headless browsers never do by themselves.
SET_HIDDEN = """(states) => {
    for (const hidden of states) {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true })
        document.dispatchEvent(new Event("visibilitychange"))
    }
}"""


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Context manager: run a headless Chromium. Skip the test if none is installed.

    The environment variable CHROMIUM can contain the path of another executable. Do not use this in folders with
    asynchronous tests, because Playwright's sync API keeps an event loop running.
    """
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, EXECUTABLES)), None)
    if executable is None:
        pytest.skip("no Chromium: install the system's (apt-get install chromium), or name one in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *flags])
        yield browser
        browser.close()


def wait_until(page: Page, is_so: Callable[[], bool]) -> None:
    """Let the page run until `is_so` returns true, but for at most SECONDS. The caller checks the result.

    Playwright's wait_for_function needs eval, which the test pages forbid.
    """
    for _ in range(SECONDS * 40):
        if is_so():
            break
        page.wait_for_timeout(25)


def go_offline(page: Page) -> None:
    """Take the page offline, and wait until it knows: Chromium may tell it only after Playwright returns."""
    page.context.set_offline(True)
    wait_until(page, lambda: not page.evaluate("navigator.onLine"))


def hide_tab(page: Page) -> None:
    page.evaluate(SET_HIDDEN, [True])


def show_tab(page: Page) -> None:
    page.evaluate(SET_HIDDEN, [False])


def leave_and_return(page: Page) -> None:
    """Hide the tab and show it again, so that the feed polls at once."""
    page.evaluate(SET_HIDDEN, [True, False])


def confirm(row: Locator) -> None:
    """Confirm an outcome. The page is hidden for a moment, so that the feed sends the confirmation at once."""
    row.get_by_role("button", name="Confirm").press("Enter")
    leave_and_return(row.page)
