"""python -m bench.feed [COUNT]: measure the delay from record to screen in a feed with refresh="1".

The delay is wall time from the API's answer to the frame that shows the outcome, with a local stack and this machine's
Chromium. Outcomes are recorded at times spread evenly between two refreshes. RESULTS.md contains the output.
"""

import argparse
import os
import random
import shutil
import time
from statistics import median, quantiles

import httpx
from playwright.sync_api import Page, sync_playwright

from bench.laptop import running
from bench.outcome import API_KEY
from local.environment import forget_real_aws
from local.stack import DEMO_USER

COUNT = 60
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
SHOWN = """title => new Promise(done => {
  const look = () => title in window.shown ? done(window.shown[title]) : requestAnimationFrame(look);
  look();
})"""


def main() -> None:
    """Print the median delay and the slowest tenth."""
    options = argparse.ArgumentParser(prog="python -m bench.feed")
    options.add_argument("count", nargs="?", type=int, default=COUNT, metavar="COUNT")
    count = options.parse_args().count
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
        browser.close()
    print("| outcomes | ms from record to screen, median | slowest tenth |\n| --: | --: | --: |")
    print(f"| {count} | {median(taken):.0f} | {quantiles(taken, n=10)[-1]:.0f} |")


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


if __name__ == "__main__":
    main()
