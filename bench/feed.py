"""python -m bench.feed [--short]: measure the delay from record to screen, and the work of a feed with many rows.

The delay is wall time from the API's answer to the frame that shows the outcome, with a local stack, this machine's
Chromium and refresh="1". Outcomes are recorded at times spread evenly between two refreshes.

"Load more" is measured in processor time of the page's main thread, over a list that the bench answers itself.
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
from playwright.sync_api import Page, Route, sync_playwright

from bench.laptop import running
from bench.outcome import API_KEY
from local.environment import forget_real_aws
from local.stack import DEMO_USER

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
  })).observe(rows, { childList: true });
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
"""Bars at the most rows: elements in the feed, and the processor time of "Load more" over that of the first."""
# The promise resolves when the second frame after the new rows is drawn.
LOAD_MORE = """() => new Promise((done, fail) => {
  setTimeout(() => fail(new Error("Load more shows no new rows")), 30_000);
  const root = document.querySelector("value-delivered").shadowRoot;
  const drawn = () => requestAnimationFrame(() => requestAnimationFrame(done));
  new MutationObserver((_, observer) => { observer.disconnect(); drawn(); })
    .observe(root.querySelector(".feed > .rows"), { childList: true });
  root.querySelector("button.more").click();
})"""


def main() -> None:
    """Print the median and the slowest tenth of the delays, then the work of a feed with many rows."""
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
        many = many_rows(browser.new_page(), stack.url, rows, pages)
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


def many_rows(page: Page, url: str, rows: int, pages: int) -> str:
    """Load rows, 20 at a time. Return the number of elements and the growth of processor time, as text.

    pages: how many loads are measured at the beginning, and how many at the end.
    """
    page.route("**/api/outcomes?*", answer_list)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def processor_seconds() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    def load_more() -> float:
        before = processor_seconds()
        page.evaluate(LOAD_MORE)
        return processor_seconds() - before

    first, last = [], []
    for _ in range(pages):
        page.goto(url)  # signs in
        feed = page.locator("value-delivered")
        feed.evaluate("feed => feed.setAttribute('refresh', '3600')")
        feed.locator(".feed > .rows > li").nth(PAGE_ROWS - 1).wait_for()
        first.append(load_more())
    for _ in range(rows // PAGE_ROWS):
        last.append(load_more())
    elements: int = feed.evaluate("feed => feed.shadowRoot.querySelectorAll('*').length")
    growth = median(last[-pages:]) / median(first)
    verdict = "met" if elements <= MOST_ELEMENTS and growth <= MOST_GROWTH else "**MISSED**"
    return (
        f'\n{rows:,} rows have {elements:,} elements (bar {MOST_ELEMENTS:,}). There, "Load more" takes {growth:.2f} of '
        f"the first on a new page (bar {MOST_GROWTH}; medians of {pages}): {verdict}."
    )


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
