"""Test the owner's target: a watch of value as a line in the head, with marks in the chart, and its form."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboard.conftest import AXE_RULES, THEMES, FindFaults, Open
from tests.dashboard.recorded import Recorded
from tests.dashboard.test_first_frame import WATCH, shifts

pytestmark = pytest.mark.at_noon


class Watches:
    """Answers /api/watches as the API does, of a user who watches costs, too. sent: other requests than GET."""

    def __init__(self, page: Page) -> None:
        self.stored: dict[str, Any] | None = None
        self.sent: list[tuple[str, str, str | None]] = []
        self.refused: dict[str, Any] | None = None
        page.route("**/api/watches**", self._answer)

    def _answer(self, route: Route) -> None:
        request = route.request
        if request.method == "GET":
            watches = [{"id": "target", "measure": "cost"}, *([self.stored] if self.stored else [])]
            return route.fulfill(json={"watches": watches, "digest": None})
        path = urlsplit(request.url).path.removeprefix("/api/watches")
        self.sent.append((request.method, path, request.headers.get("if-match", request.headers.get("if-none-match"))))
        if self.refused:
            return route.fulfill(status=400, json=self.refused)
        if request.method == "DELETE":
            self.stored = None
        else:
            sent = json.loads(request.post_data or "")
            told = {"period": "2026-04", "percent": 50, "type": "watch.reached", "already": False}
            self.stored = sent | {
                "id": path[1:],
                "version": len(self.sent),
                "outcome_type": None,
                "agent_id": None,
                "period": {"name": "2026-04", "to": "2026-05-01T04:00:00.000Z"},
                "figure": sent["target"] * 0.862,
                "estimated_usd": None,
                "status": None,
                "told": [told | {"at": "2026-04-10T12:15:00.000Z"}],
            }
        return route.fulfill(json={"ok": True, "version": 1})


@pytest.mark.viewer
def test_a_target_is_made_seen_changed_and_deleted_in_place(
    open_feed: Open, page: Page, recorded: Recorded, find_faults: FindFaults
) -> None:
    recorded.has("Work")
    recorded.capabilities = "corrections, totals, watches"
    days = [{"date": f"2026-04-{day:02}", "count": 1, "value_usd": 9} for day in range(1, 16)]
    recorded.sums = {"by_day": days}
    watches = Watches(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.add_init_script(WATCH)
    open_feed(refresh=3600, reload=True)
    line = page.locator(".target .offer")
    expect(line).to_have_text("Set a target")
    assert shifts(page) == 0  # its place was kept
    line.click()
    form = page.get_by_role("form", name="Target")
    expect(form.get_by_label("Dollars")).to_be_focused()
    expect(form.get_by_role("button", name="Delete")).to_be_hidden()
    watches.refused = {"error": "Invalid target", "details": [{"field": "target", "message": "must be a number"}]}
    form.get_by_label("Dollars").fill("many")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_have_text("Not saved. target must be a number.")
    watches.refused = None
    form.get_by_label("Name").fill("Deals")
    form.get_by_label("Dollars").fill("50000")
    form.get_by_role("button", name="Save").dblclick()  # the second click comes while the first is on its way
    expect(line).to_have_text("Deals: $43,100 of $50,000 · 16 days left · claimed this month")
    expect(line).to_be_focused()
    expect(form).to_be_hidden()
    mark = page.get_by_role("img", name="Deals: 50% on Apr 10")
    assert mark.evaluate("one => parseFloat(one.style.left)") == pytest.approx(9.5 / 15 * 100)

    page.keyboard.press("Enter")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        assert find_faults("value-delivered", rules=AXE_RULES[theme]) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    form.get_by_label("Each").select_option("week")
    form.get_by_role("button", name="Save").click()
    expect(line).to_contain_text("claimed this week")
    line.click()
    form.get_by_role("button", name="Delete").click()
    expect(line).to_have_text("Set a target")
    expect(mark).to_have_count(0)
    assert watches.sent == [
        ("PUT", "/target-2", "*"),
        ("PUT", "/target-2", "*"),
        ("PUT", "/target-2", '"2"'),
        ("DELETE", "/target-2", '"3"'),
    ]
