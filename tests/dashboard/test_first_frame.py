"""The first frame stays: nothing that arrives moves what is shown, at a laptop's and a phone's width."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import wait_until
from tests.dashboard.conftest import AXE_RULES, ROOT, THEMES, FindFaults, Open
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import Recorded
from tests.dashboard.test_corrections import rows
from tests.local.stacks import Stack

WATCH = """window.shifts = []
new PerformanceObserver((list) => shifts.push(...list.getEntries().map(({ value }) => value)))
    .observe({ type: "layout-shift", buffered: true })
AbortSignal.timeout = () => new AbortController().signal // the first frame waits, however busy the machine is
"""
MOST_SHIFTS = 0.05
PHONE_PX, LAPTOP_PX = 390, 1280
FIRST_OUTCOME_PX = 1100
FAR = {"offline": False, "latency": 300, "downloadThroughput": 90_000, "uploadThroughput": 90_000}


def settle(page: Page) -> float:
    """Wait until the page shows all of its parts. Return the sum of its layout shifts."""
    # The days of the rule, which are read after those of the viewer.
    expect(page.locator(".summary > .caption")).to_contain_text("days of UTC")
    expect(rows(page)).to_have_count(20)
    expect(rows(page).first).to_be_visible()
    expect(page.locator(".net data")).to_be_visible()
    expect(page.locator("outcome-keys")).to_contain_text("No keys yet")
    return shifts(page)


def shifts(page: Page) -> float:
    """Return the sum of the layout shifts, once the next frame is drawn."""
    page.evaluate("() => new Promise((end) => requestAnimationFrame(() => requestAnimationFrame(end)))")
    return float(page.evaluate("shifts.reduce((sum, shift) => sum + shift, 0)"))


@pytest.mark.viewer
@pytest.mark.parametrize(("width", "height"), [(PHONE_PX, 844), (LAPTOP_PX, 720)], ids=["phone", "laptop"])
def test_the_demo_page_shows_the_seed_and_does_not_move_while_it_loads(
    width: int, height: int, page: Page, stack: Stack, find_faults: FindFaults
) -> None:
    assert stack.command("seed").returncode == 0
    page.context.clear_cookies()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.set_viewport_size({"width": width, "height": height})
    page.add_init_script(WATCH)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", FAR)
    page.goto(stack.url)
    found = [settle(page)]
    devtools.send("Network.emulateNetworkConditions", FAR | {"latency": 0, "downloadThroughput": -1})
    page.goto(stack.url)  # again, with what the browser keeps
    found.append(settle(page))
    assert max(found) <= MOST_SHIFTS, found
    top = rows(page).first.evaluate("row => row.getBoundingClientRect().top + scrollY")
    assert width > PHONE_PX or top <= FIRST_OUTCOME_PX

    expect(page.locator(".plot .bar")).to_have_count(30)
    known = re.compile(r"Cost known for \d\d of 30 days, not for .*, not yet for .* · cost of .* as of .*")
    expect(page.locator(".known")).to_have_text(known)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        assert find_faults("value-delivered", "#keys", rules=AXE_RULES[theme]) == [], theme
    assert errors == []


@pytest.mark.viewer
def test_no_room_is_left_for_costs_that_there_are_not(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    page.route("**/costs**", lambda route: route.fulfill(json={"cost_usd": None}))
    page.add_init_script(WATCH)
    open_feed(cost_endpoint="/costs", refresh=3600, reload=True)
    expect(page.locator(".costs > div")).to_be_attached()  # their code is loaded after the first frame
    expect(page.locator(".costs")).to_be_hidden()
    assert shifts(page) == 0


def test_a_host_page_reserves_the_space_with_the_line_of_the_docs() -> None:
    [line] = re.findall(r"^ *(value-delivered:not\(:defined\).*)$", (ROOT / "dashboard/README.md").read_text(), re.M)
    assert line in (ROOT / "dashboard/public/index.html").read_text()


@pytest.mark.at_noon
def test_new_outcomes_do_not_move_the_row_that_the_viewer_points_at(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    for number in range(9):
        recorded.has(f"Work {number}", hours=number + 1)
    open_feed(refresh=1)
    expect(page.locator(".parts")).to_be_visible()  # on a busy machine, the rows may be shown before the totals
    aimed = rows(page).filter(has_text="Work 2")
    aimed.scroll_into_view_if_needed()
    aimed.hover()
    top = "row => row.getBoundingClientRect().top"
    before = aimed.evaluate(top)
    recorded.has("New", hours=0)
    expect(rows(page).first).to_contain_text("New")
    assert aimed.evaluate(top) == pytest.approx(before, abs=1)  # a page scrolls by whole pixels


def test_a_banner_moves_nothing(open_feed: Open, page: Page, ledger: Ledger) -> None:
    ledger.record("Work")
    open_feed(refresh=1)
    expect(rows(page)).to_be_visible()
    for part in (".parts", ".needs button", ".target .offer"):  # they move the rows if a busy machine shows them later
        expect(page.locator(part)).to_be_visible()
    before = rows(page).bounding_box()
    page.route("**/api/outcomes?**", lambda route: route.abort())
    expect(page.get_by_text("This may be out of date")).to_be_in_viewport()
    wait_until(page, lambda: page.locator(".card").get_attribute("data-banner") == "error")
    assert rows(page).bounding_box() == before
