"""A removed element leaves no listener, timer, request or node behind, and is itself garbage-collected."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browsers import wait_until
from tests.dashboard.conftest import Open
from tests.dashboard.ledger import Ledger

TIMES = 10
# Collects in `left` all listeners, timers and requests that are not yet removed or completed.
WATCH = """() => {
    const left = window.left = { listeners: new Set(), timers: new Map(), requests: new Set() }
    for (const target of [window, document]) {
        const { addEventListener, removeEventListener } = target
        const find = (type, listener) =>
            [...left.listeners].find((one) => one.target === target && one.type === type && one.listener === listener)
        target.addEventListener = (type, listener, options) => {
            const one = { target, type, listener }
            left.listeners.add(one)
            options?.signal?.addEventListener("abort", () => left.listeners.delete(one))
            addEventListener.call(target, type, listener, options)
        }
        target.removeEventListener = (type, listener, options) => {
            left.listeners.delete(find(type, listener))
            removeEventListener.call(target, type, listener, options)
        }
    }
    for (const kind of ["Timeout", "Interval"]) {
        const [set, clear] = [window[`set${kind}`], window[`clear${kind}`]]
        window[`set${kind}`] = (callback, wait, ...rest) => {
            const timer = set(() => {
                if (kind === "Timeout") left.timers.delete(timer)
                callback(...rest)
            }, wait)
            left.timers.set(timer, `${kind} of ${wait}`)
            return timer
        }
        window[`clear${kind}`] = (timer) => {
            left.timers.delete(timer)
            clear(timer)
        }
    }
    const { fetch } = window
    window.fetch = (url, options) => {
        const request = { url: String(url) }
        left.requests.add(request)
        return fetch(url, options).finally(() => left.requests.delete(request))
    }
    window.elements = []
}"""
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
        } else await Promise.resolve()
        element.remove()
    }
}"""
LEFT = """() => [
    ...[...left.listeners].map(({ type }) => type), ...left.timers.values(),
    ...[...left.requests].map(({ url }) => url),
]"""


@pytest.mark.viewer
@pytest.mark.parametrize("name", ["value-delivered", "outcome-keys"])
def test_an_element_added_and_removed_ten_times_leaves_nothing(
    name: str, page: Page, open_feed: Open, open_keys: Open, ledger: Ledger
) -> None:
    ledger.record("Work", value_usd=1)
    open_, endpoint = {"value-delivered": (open_feed, "/api/outcomes"), "outcome-keys": (open_keys, "/api/keys")}[name]
    open_()
    page.evaluate("document.body.replaceChildren()")
    page.evaluate(WATCH)
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
    wait_until(page, lambda: page.evaluate("left.requests.size") == 0 and left_alive() == 0)
    before = nodes()
    page.evaluate(COME_AND_GO, [name, endpoint, TIMES])
    wait_until(page, lambda: page.evaluate("left.requests.size") == 0 and left_alive() == 0)

    assert page.evaluate(LEFT) == []
    wait_until(page, lambda: nodes() <= before)
    assert nodes() <= before
    assert left_alive() == 0
    assert page.evaluate("elements.length") == TIMES + 2
