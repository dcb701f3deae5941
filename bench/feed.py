"""python -m bench.feed [--short]: measure the delay from record to screen, and the speed of a feed with many rows.

The delay is wall time from the API's answer to the frame that shows the outcome, with a local stack, this machine's
Chromium and refresh="1". Outcomes are recorded at times spread evenly between two refreshes.

"Load more" is measured in processor time of the page's main thread. The bench itself answers the requests for the list.
RESULTS.md contains the output. --short makes few measurements.
"""

import argparse
import os
import random
import shutil
import time
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Browser, Page, Route, sync_playwright

from bench.laptop import running
from bench.outcome import API_KEY
from bench.report import MISSED
from local.demo import DEMO_USER
from local.environment import forget_real_aws

BETWEEN_REFRESHES = 1.0
BEFORE = 0.3
"""Seconds after a refresh in which nothing is recorded, so that the totals of the refresh arrive first."""
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-proxy-server", "--disable-background-networking")

# Stores the time when the first frame with a title is drawn, in milliseconds since 1970.
WATCH = """
  window.shown = {};
  const rows = document.querySelector("value-delivered").shadowRoot.querySelector(".feed > .rows");
  new MutationObserver(() => requestAnimationFrame(() => {
    for (const { textContent } of rows.querySelectorAll("strong"))
      window.shown[textContent] ??= performance.timeOrigin + performance.now();
  })).observe(rows, { childList: true, subtree: true });
"""
SHOWN = """title => new Promise((done, fail) => {
  setTimeout(() => fail(new Error(`"${title}" is not shown`)), 30_000);
  const look = () => title in window.shown ? done(window.shown[title]) : requestAnimationFrame(look);
  look();
})"""


BEGAN = datetime.now(UTC)
PAGE_ROWS = 20
MOST_ELEMENTS = 26_000
MOST_GROWTH = 1.3
"""Upper limits for a long feed: its elements, and its time for "Load more" relative to that of a new feed."""
# Presses the button. The promise resolves when the second frame after the new rows is drawn.
LOAD_MORE = """button => new Promise((done, fail) => {
  setTimeout(() => fail(new Error("Load more shows no new rows")), 30_000);
  const drawn = () => requestAnimationFrame(() => requestAnimationFrame(done));
  new MutationObserver((_, observer) => { observer.disconnect(); drawn(); })
    .observe(button.parentElement.querySelector(".rows"), { childList: true, subtree: true });
  button.click();
})"""
# The promise resolves when the rows that came into view are drawn.
AT_REST = "() => new Promise(done => setTimeout(() => requestAnimationFrame(() => setTimeout(done)), 150))"


def main() -> None:
    """Print the median and the slowest tenth of the delays, then the speed of a feed with many rows."""
    options = argparse.ArgumentParser(prog="python -m bench.feed")
    options.add_argument("--short", action="store_true", help="few measurements")
    count, rows, pages = (5, 200, 3) if options.parse_args().short else (60, 2_000, 15)
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if executable is None:
        print("Not measured: there is no Chromium here.")
        return
    forget_real_aws()
    with running() as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        page = browser.new_page()
        page.goto(stack.url)  # signs in
        page.locator("value-delivered").evaluate("feed => feed.setAttribute('refresh', '1')")
        page.locator("value-delivered .card[data-state=empty]").wait_for()
        taken = measured(page, stack.url, count)
        many = many_rows(browser, stack.url, rows, pages)
        browser.close()
    print("| outcomes | ms from record to screen, median | slowest tenth |\n| --: | --: | --: |")
    print(f"| {count} | {median(taken):.0f} | {quantiles(taken, n=10)[-1]:.0f} |")
    print(many)


def measured(page: Page, url: str, count: int) -> list[float]:
    """Record outcomes. Return the milliseconds from each answer until the outcome is on the screen."""
    page.evaluate(WATCH)
    pauses = [BEFORE + BETWEEN_REFRESHES * (index + 0.5) / count for index in range(count)]
    random.Random(count).shuffle(pauses)  # noqa: S311 (an order)
    taken = []
    with httpx.Client(headers={"Authorization": f"Bearer {API_KEY}"}, timeout=30) as client:
        for number, pause in enumerate(pauses):
            time.sleep(pause)
            title = f"Outcome {number}"
            body = {"outcomeType": "task_complete", "title": title, "valueUsd": 1, "userId": DEMO_USER}
            client.post(f"{url}/api/outcomes", json=body).raise_for_status()
            recorded = time.time() * 1000
            shown: float = page.evaluate(SHOWN, title)
            taken.append(shown - recorded)
    return taken


class Loading:
    """A new feed in a page, which loads more rows, 20 at a time."""

    def __init__(self, page: Page, url: str) -> None:
        page.route("**/api/outcomes?*", answer_list)
        page.goto(url, wait_until="networkidle")  # signs in
        self.feed = page.locator("value-delivered")
        self.feed.evaluate("feed => feed.setAttribute('refresh', '3600')")
        # Find the button only once: each search goes through all rows, and its time would count as the feed's.
        self._button = self.feed.locator("button.more").element_handle()
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def load_more(self, *, in_view: bool = False) -> float:
        """Press the button. Return the processor time in seconds until the new rows are drawn.

        in_view: whether to scroll to the button first, so that the new rows are in view.
        """
        if in_view:
            self._button.scroll_into_view_if_needed()
            self._button.evaluate(AT_REST)
        before = self._processor_seconds()
        self._button.evaluate(LOAD_MORE)
        return self._processor_seconds() - before

    def _processor_seconds(self) -> float:
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def many_rows(browser: Browser, url: str, rows: int, pages: int) -> str:
    """Return the results of `more_growth` for a feed with many rows, as text."""
    elements, growth = more_growth(browser, url, rows, pages, in_view=False)
    _, growth_in_view = more_growth(browser, url, rows, pages, in_view=True)
    verdict = "met" if elements <= MOST_ELEMENTS and growth <= MOST_GROWTH else MISSED
    return (
        f'\n{rows:,} rows have {elements:,} elements (bar {MOST_ELEMENTS:,}). There, "Load more" takes {growth:.2f} of '
        f"the first on a new page (bar {MOST_GROWTH}; medians of {pages}): {verdict}. The page was not scrolled. "
        f"With the button in view, so that the new rows are also drawn, it takes {growth_in_view:.2f} of the first."
    )


def more_growth(browser: Browser, url: str, rows: int, pages: int, *, in_view: bool) -> tuple[int, float]:
    """Return the number of elements of a feed with `rows` rows, and its time for "Load more" relative to a new feed's.

    Times are processor times. Both feeds are measured in turn, so that other load on the machine affects both equally.
    pages: how often each feed is measured.
    """
    many = Loading(browser.new_page(), url)
    for _ in range(rows // PAGE_ROWS - 1):
        many.load_more()
    elements: int = many.feed.evaluate("feed => feed.shadowRoot.querySelectorAll('*').length")
    first, later = [], []
    for _ in range(pages):
        page = browser.new_page()
        first.append(Loading(page, url).load_more(in_view=in_view))
        later.append(many.load_more(in_view=in_view))
        page.close()
    return elements, median(later) / median(first)


def answer_list(route: Route) -> None:
    """Answer a request for a page of an endless list.

    With `from`, the list contains only outcomes recorded since then.
    """
    asked = parse_qs(urlsplit(route.request.url).query)
    start = int(asked.get("cursor", ["0"])[0])
    outcomes = [stored_json(index) for index in range(start, start + PAGE_ROWS)]
    since = datetime.fromisoformat(asked.get("from", ["0001-01-01T00:00Z"])[0])
    wanted = [outcome for outcome in outcomes if datetime.fromisoformat(outcome["created_at"]) >= since]
    cursor = str(start + PAGE_ROWS) if len(wanted) == PAGE_ROWS else None
    route.fulfill(json={"outcomes": wanted, "next_cursor": cursor})


def stored_json(index: int) -> dict[str, Any]:
    """Return an outcome in the format of a list with include=ledger. It was recorded `index` minutes before BEGAN."""
    at = (BEGAN - timedelta(minutes=index)).isoformat(timespec="milliseconds")
    return {
        "id": f"01KN4EMBG0QK3YB9X6N1{index:06}",
        "user_id": DEMO_USER,
        "agent_id": 7,
        "outcome_type": "deal_closed",
        "title": f"Closed deal {index}",
        "description": "Signed for two years",
        "value_usd": 1200.5,
        "metadata": {"invoice": index},
        "created_at": at,
        "occurred_at": at,
        "status": "recorded",
        "recorded_by": "key",
        "version": 0,
    }


if __name__ == "__main__":
    main()
