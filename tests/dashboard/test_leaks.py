"""A removed element and its nodes are garbage-collected, so it left no listener, timer or request that holds it."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browsers import wait_until
from tests.dashboard.conftest import Open
from tests.dashboard.ledger import Ledger

TIMES = 10
# Inserts and removes elements. Every second element is removed before its first response arrives.
COME_AND_GO = """async ([name, endpoint, times]) => {
    const turn = () => new Promise(requestAnimationFrame)
    for (let number = 0; number < times; number += 1) {
        const element = document.createElement(name)
        element.setAttribute("endpoint", endpoint)
        document.body.append(element)
        elements.push(new WeakRef(element))
        if (number % 2) {
            const card = element.shadowRoot.querySelector(".card")
            while (card.dataset.state !== "ready") await turn()
            element.shadowRoot.querySelector(".rows summary, .main").click()
            while (!element.shadowRoot.querySelector(".details, form")) await turn()
            if (name === "value-delivered") {
                while (!element.shadowRoot.querySelector(".needs button")) await turn()
                element.shadowRoot.querySelector(".needs button").click()
                while (!element.shadowRoot.querySelector(".claims li")) await turn()
                for (const value of ["confirm", "undo", "details"])
                    element.shadowRoot.querySelector(`.claims [value=${value}]`).click()
            }
        } else await Promise.resolve()
        element.remove()
    }
}"""


@pytest.mark.viewer
@pytest.mark.parametrize("name", ["value-delivered", "outcome-keys"])
def test_an_element_added_and_removed_ten_times_leaves_nothing(
    name: str, page: Page, open_feed: Open, open_keys: Open, ledger: Ledger
) -> None:
    ledger.record("Work", value_usd=1)
    open_, endpoint = {"value-delivered": (open_feed, "/api/outcomes"), "outcome-keys": (open_keys, "/api/keys")}[name]
    open_()
    page.evaluate("document.body.replaceChildren()")
    page.evaluate("window.elements = [], 0")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def left_alive() -> int:
        devtools.send("HeapProfiler.collectGarbage")
        number: int = page.evaluate("elements.filter((element) => element.deref()).length")
        return number

    def nodes() -> int:
        devtools.send("HeapProfiler.collectGarbage")
        metrics: list[dict[str, Any]] = devtools.send("Performance.getMetrics")["metrics"]
        return int(next(metric["value"] for metric in metrics if metric["name"] == "Nodes"))

    page.evaluate(COME_AND_GO, [name, endpoint, 2])
    wait_until(page, lambda: left_alive() == 0)
    before = nodes()
    page.evaluate(COME_AND_GO, [name, endpoint, TIMES])
    wait_until(page, lambda: left_alive() == 0)

    wait_until(page, lambda: nodes() <= before)
    assert nodes() <= before
    assert left_alive() == 0
    assert page.evaluate("elements.length") == TIMES + 2
