"""Test where the focus goes when something that the viewer did not do removes or hides what has it."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import confirm, leave_and_return, wait_until
from tests.dashboard.conftest import Open
from tests.dashboard.recorded import NOW, Recorded, instant

pytestmark = pytest.mark.at_noon

FOCUSED = """() => {
    const { activeElement: host } = document
    const one = host.shadowRoot?.activeElement ?? host
    return `${one.localName} ${(one.querySelector("strong") ?? one).textContent || one.ariaLabel}`
}"""
KEEP = "window.lost = document.activeElement.shadowRoot.activeElement, 0"
MOVE = "document.querySelector('main').append(document.querySelector('value-delivered'))"
# Whether something else is at the middle of what has the focus.
IS_BEHIND = """() => {
    const root = document.activeElement.shadowRoot
    const [one, box] = [root.activeElement, root.activeElement.getBoundingClientRect()]
    const top = root.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
    return !one.contains(top) && !top?.contains(one)
}"""
LINKED = "01M8ACQW01PJ4EYCKZDPA329TG"

Change = Callable[[Page, Recorded], object]


def find(recorded: Recorded, title: str) -> dict[str, Any]:
    return next(one for one in recorded.outcomes if one["title"] == title)


def moves(page: Page, _: Recorded) -> None:
    page.evaluate(MOVE)


def midnight(day: int, page: Page, recorded: Recorded, *, ends: str = "") -> None:
    recorded.outcomes = [one for one in recorded.outcomes if one["title"] != ends]
    page.clock.set_fixed_time(NOW + timedelta(days=day))
    leave_and_return(page)
    expect(page.locator(".feed > .rows")).to_have_attribute("aria-busy", "false")


def loses(page: Page) -> None:
    wait_until(page, lambda: not page.evaluate("lost.checkVisibility()"))


def polls(page: Page, _: Recorded) -> None:
    leave_and_return(page)
    loses(page)


def address(fragment: str, page: Page, _: Recorded) -> None:
    page.evaluate("fragment => { location.hash = fragment }", fragment)
    loses(page)


def corrected(title: str, correction: str, page: Page, recorded: Recorded, *, hours: float = 0) -> None:
    outcome = find(recorded, title)
    recorded.correct(outcome["id"], type=correction, changes={})
    if hours:
        outcome["occurred_at"] = instant(NOW - timedelta(hours=hours))
    polls(page, recorded)


def answered(status: int, path: str, page: Page, recorded: Recorded, *, fragment: str = "") -> None:
    recorded.instead("GET", path, status, json={"error": "As arranged"})
    if fragment:
        address(fragment, page, recorded)
    else:
        polls(page, recorded)


def folds(title: str, page: Page, _: Recorded) -> None:
    """Confirm an outcome, and then fold its row."""
    page.keyboard.press("Enter")
    confirm(page.locator(row(title, "[role=group]")).locator(".."))
    expect(page.locator(row(title, ".tag"))).to_have_text("Confirmed")
    expect(page.locator(row(title, ".word .help"))).to_have_text("You confirmed this. You can still dispute it.")
    page.locator(row(title)).press("Enter")
    loses(page)


def switched_off(page: Page, recorded: Recorded) -> None:
    recorded.capabilities = "totals"
    polls(page, recorded)


def row(title: str, control: str = "summary") -> str:
    return f".feed > .rows li:has(strong:text-is('{title}')) {control}"


LIST, HEADING = "h3 Latest outcomes", "h2 Value Delivered"
# The address or what is pressed before; what has the focus; what happens; what has the focus afterwards.
CASES: list[tuple[str, str, Change, str]] = [
    ("", ".plot button >> nth=5", partial(midnight, 1), "button Mar 22: $0.00, 0 outcomes"),
    ("", row("Second"), partial(midnight, 2), "summary Second"),
    ("", row("Second"), moves, "summary Second"),
    ("", row("Third"), partial(midnight, 3, ends="Third"), "summary Fourth"),
    ("", row("Fourth"), partial(midnight, 4, ends="Fourth"), LIST),
    ("", row("First"), partial(corrected, "First", "amend", hours=12), "summary First"),
    (row("First"), row("First", "a"), partial(corrected, "First", "amend"), "a To this outcome"),
    (row("First", ".no"), row("First", "textarea"), partial(corrected, "First", "void"), "summary First"),
    (f"#outcome={LINKED}", ".link a", partial(corrected, "Second", "amend"), "a To this outcome"),
    ("", ".link .top button", partial(address, ""), LIST),
    ("#review", ".claims input >> nth=0", partial(address, ""), HEADING),
    ("#status=recorded", row("Second"), partial(folds, "Second"), LIST),
    ("", ".filters button >> nth=0", partial(address, ""), HEADING),
    ("", "select >> nth=2", switched_off, HEADING),
    ("", row("Second"), partial(answered, 500, "/outcomes$", fragment="period=7"), LIST),
    ("", ".notice button", polls, HEADING),
    ("", row("Second"), partial(answered, 401, "/outcomes$"), HEADING),
]


def test_the_focus_never_falls_to_the_page(open_feed: Open, page: Page, recorded: Recorded) -> None:
    for number, title in enumerate(("First", "Second", "Third", "Fourth"), start=1):
        recorded.has(title, hours=number)
    find(recorded, "Second")["id"] = LINKED
    recorded.corrections[LINKED] = []
    open_feed(url_state="", refresh=3600)
    found = []
    for before, control, change, _ in CASES:
        if before.startswith("#"):
            page.evaluate("fragment => { location.hash = fragment }", before)
        elif before:
            page.locator(before).press("Enter")
        expect(page.locator(control)).to_be_visible()  # what is hidden, as before the first frame, cannot get the focus
        page.locator(control).focus()
        page.evaluate(KEEP)
        change(page, recorded)
        found.append(page.evaluate(FOCUSED))
    page.clock.set_fixed_time(NOW)
    assert found == [expected for *_, expected in CASES]


def test_the_focus_is_never_behind_the_banner(open_feed: Open, page: Page, recorded: Recorded) -> None:
    for number in range(20):
        recorded.has(f"Work {number}")
    open_feed(refresh=3600)
    expect(page.locator(row("Work 0"))).to_be_visible()
    recorded.instead("GET", "/outcomes$", 500, json={"error": "As arranged"})
    leave_and_return(page)
    expect(page.get_by_text("This may be out of date")).to_be_visible()
    stops = {}
    page.get_by_label("Search").focus()
    while (stop := page.evaluate(FOCUSED)) != "button Try again":
        stops[stop] = page.evaluate(IS_BEHIND)
        page.keyboard.press("Tab")
    assert len(stops) > 20
    assert [stop for stop, is_behind in stops.items() if is_behind] == []
