"""Test the list of statements in the feed: months, downloads, print, and errors."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from outcomes_client.statements import verify
from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browsers import go_offline, leave_and_return, wait_until
from tests.dashboard.conftest import AXE_RULES, SHORTEN_TIMERS, THEMES, FindFaults, Open, assert_fits
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import Recorded

pytestmark = pytest.mark.at_noon

STATEMENTS = "**/api/statements**"
CAPABILITIES = "totals, corrections, export, statements"
TRUTH = "The signature proves what the platform said and when, not that it is true."
MARCH = {"id": "2026-03@America/New_York", "period": "2026-03", "timezone": "America/New_York", "size": 1, "root": "e3"}

# Keeps the milliseconds after which requests are given up, until `restore` returns them.
SPY_LIMITS = """() => {
    const [real, limits] = [AbortSignal.timeout, []]
    const spy = (limit) => (limits.push(limit), real.call(AbortSignal, limit))
    AbortSignal.timeout = Object.assign(spy, { restore: () => ((AbortSignal.timeout = real), limits) })
}"""

# Chromium names so a time zone of the device that it does not know.
UNKNOWN = """{
    const real = Intl.DateTimeFormat.prototype.resolvedOptions
    Intl.DateTimeFormat.prototype.resolvedOptions = function () {
        return { ...real.call(this), timeZone: "Etc/Unknown" }
    }
}"""


def opener(page: Page) -> Locator:
    return page.get_by_role("button", name="Statements")


def panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Statements")


def download(page: Page, name: str) -> tuple[str, bytes]:
    with page.expect_download() as got:
        panel(page).get_by_role("button", name=name).press("Enter")
    return got.value.suggested_filename, Path(got.value.path()).read_bytes()


def test_each_month_since_the_first_outcome_has_a_statement(
    open_feed: Open, page: Page, ledger: Ledger, find_faults: FindFaults
) -> None:
    for month in (1, 3):
        ledger.record(
            f"Renewed in {month}", created_at=datetime(2026, month, 31, 17, tzinfo=UTC), agent_id=7, value_usd=5
        )
    # In New York, this outcome was recorded in March.
    ledger.record("Late", created_at=datetime(2026, 4, 1, 3, 59, tzinfo=UTC), value_usd=2)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "/api/statements" in request.url else None)
    open_feed(agent_names='{"7": "Ava"}', period=365)
    expect(page.locator(".rows li")).to_have_count(3)
    assert asked == []
    opener(page).press("Enter")
    months = panel(page).get_by_role("listitem")
    expect(months.locator("strong")).to_have_text(["March 2026", "February 2026", "January 2026"])
    expect(months.locator(".count")).to_have_text(["2 entries", "0 entries", "1 entry"])
    expect(panel(page)).to_contain_text(TRUTH)
    expect(panel(page).get_by_role("status")).to_have_text("Months of the time zone America/New_York.")

    name, statement = download(page, "Download the statement of March 2026")
    assert name == "statement_2026-03.json"
    name, entries = download(page, "Download the entries of March 2026")
    assert name == "statement_2026-03_entries.ndjson"
    _, february = download(page, "Download the statement of February 2026")
    keys = httpx.get(f"{ledger.url}/.well-known/outcomes-keys.json").content
    verified = verify(statement, keys=keys, entries=entries, previous=february)
    assert verified.head["id"] == MARCH["id"]

    page.evaluate("print = () => {}, 0")
    panel(page).get_by_role("button", name="Print the statement of March 2026").press("Enter")
    sheet = page.locator(".sheet")
    expect(sheet).to_have_count(1)
    expect(sheet).to_be_hidden()
    page.emulate_media(media="print")
    for said in (
        "Statement of March 2026",
        "March 1 \u2013 31, 2026, America/New_York",
        "2 outcomes, $7.00",
        "Task complete",
        "Ava",
        "No agent",
        json.loads(statement)["root"],
        TRUTH,
    ):
        expect(sheet).to_contain_text(said)
    assert f'"kid":"{sheet.locator("div", has_text="Key").locator("dd").inner_text()}"' in keys.decode().replace(
        " ", ""
    )
    expect(page.locator(".feed")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(sheet).to_have_count(0)
    page.emulate_media(media="null")

    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        assert find_faults("value-delivered", rules=AXE_RULES[theme]) == []
    page.set_viewport_size({"width": 320, "height": 900})
    assert_fits(page, "value-delivered")
    made = len([request for request in asked if request.method == "POST"])
    opener(page).press("Enter")
    expect(panel(page)).to_have_count(0)
    opener(page).press("Enter")
    expect(months).to_have_count(3)
    assert len([request for request in asked if request.method == "POST"]) == made == 1


def answers(page: Page, *planned: tuple[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer POST requests with the planned responses, and GET requests with a list of statements. Return this list."""
    listed: list[dict[str, Any]] = []
    plan = [*planned]

    def answer(route: Route) -> None:
        if route.request.method == "GET":
            route.fulfill(json={"statements": listed, "next_cursor": None})
        elif plan:
            status, body = plan.pop(0)
            route.fulfill(status=status, json=body, headers={"Retry-After": "0"})
        else:
            listed.insert(0, MARCH | {"timezone": json.loads(route.request.post_data or "")["timezone"]})
            route.fulfill(json={})

    page.unroute(STATEMENTS)
    page.route(STATEMENTS, answer)
    return listed


def fulfill(answer: dict[str, Any], route: Route) -> None:
    route.fulfill(**answer)


def not_possible(message: str, field: str = "period") -> tuple[int, dict[str, Any]]:
    return 409, {"error": "Not possible", "details": [{"field": field, "message": message}]}


def test_a_list_that_is_not_complete_says_why(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.capabilities = CAPABILITIES
    recorded.has("Work")
    open_feed(refresh=3600)
    expect(page.locator(".total")).to_have_text("$1,200.50")
    page.evaluate(SHORTEN_TIMERS)  # only now, so that the feed does not poll all the time
    too_early = not_possible("can be requested from 2026-04-01T04:10:00.000Z on")
    fault = panel(page).locator(".fault")
    says = panel(page).get_by_role("status")
    failed = "Not all statements could be loaded. "
    made = "The statement of March 2026 cannot be made: it has"
    cases: list[tuple[tuple[int, dict[str, Any]], str, str, int]] = [
        (too_early, "March 2026 will be ready at 4/1/2026, 12:10:00 AM.", "", 0),
        (not_possible("is before the first entry"), "The first month is not over yet.", "", 0),
        (not_possible("has more than 6 MB of sums in 2026-02"), made, "", 0),
        ((503, {"error": "Still adding up"}), "Months of the time zone America/New_York.", "", 1),
        ((403, {"error": "Forbidden"}), "", f"{failed}This session may not read statements.", 0),
        ((400, {"error": "Invalid timezone"}), "Months of the time zone UTC.", "", 1),
    ]
    for answer, status, alert, count in cases:
        answers(page, answer)
        opener(page).press("Enter")
        expect(says).to_contain_text(status) if status else expect(says).to_have_text("")
        expect(fault).to_have_text(alert)
        expect(panel(page).get_by_role("listitem")).to_have_count(count)
        if alert:
            panel(page).get_by_role("button", name="Try again").click()
            expect(panel(page).get_by_role("listitem")).to_have_count(1)
        opener(page).press("Enter")
    open_feed(refresh=3600)
    answers(page).append(MARCH | {"timezone": "US/Eastern"})
    opener(page).press("Enter")
    expect(says).to_have_text("Months of the time zone US/Eastern.")  # the viewer's, by its former name
    open_feed(refresh=3600)
    fourth = not_possible("must be one of those that have statements: Asia/Tokyo, Europe/Berlin, UTC", "timezone")
    listed = answers(page, fourth)
    tokyo = MARCH | {"id": "2026-03@Asia/Tokyo", "timezone": "Asia/Tokyo"}
    listed += [
        tokyo | {"id": "2026-02@Asia/Tokyo", "period": "2026-02"},
        MARCH | {"id": "2026-01@UTC", "timezone": "UTC"},
    ]
    opener(page).press("Enter")
    no_zone = "No statements can be made for the time zone America/New_York. Months of the time zone Asia/Tokyo."
    expect(says).to_have_text(no_zone)
    expect(panel(page).get_by_role("listitem").locator("strong")).to_have_text(["March 2026", "February 2026"])
    opener(page).press("Enter")
    answers(page, fourth).append(tokyo)
    opener(page).press("Enter")
    expect(says).to_have_text(no_zone)  # as often as the list is opened
    opener(page).press("Enter")
    answers(page)  # of another user
    opener(page).press("Enter")
    expect(says).to_have_text("Months of the time zone America/New_York.")
    opener(page).press("Enter")
    answers(page, fourth)  # an erasure has deleted the statements meanwhile
    opener(page).press("Enter")
    expect(says).to_contain_text("The statement of March 2026 cannot be made: it must be")
    opener(page).press("Enter")
    go_offline(page)
    page.unroute(STATEMENTS)
    opener(page).press("Enter")
    expect(fault).to_have_text(f"{failed}You are offline.")


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_statements_are_listed_while_the_next_one_cannot_be_made(
    zone: str, open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.capabilities = CAPABILITIES
    recorded.has("Work")
    open_feed(refresh=3600)
    expect(page.locator(".total")).to_have_text("$1,200.50")
    refused = [] if zone == MARCH["timezone"] else [not_possible("must be one of them", "timezone")]
    (listed := answers(page, *refused)).append(MARCH | {"period": "2026-02", "timezone": zone})
    waiting: list[Route] = []
    page.route(
        STATEMENTS, lambda route: waiting.append(route) if zone in (route.request.post_data or "") else route.fallback()
    )
    page.evaluate(SPY_LIMITS)
    opener(page).press("Enter")
    months = panel(page).get_by_role("listitem").locator("strong")
    expect(months).to_have_text(["February 2026"])
    february = panel(page).get_by_role("button", name="Print the statement of February 2026")
    february.focus()
    wait_until(page, lambda: bool(waiting))
    assert min(page.evaluate("AbortSignal.timeout.restore()")) == 30_000  # API Gateway answers within 29 s
    listed.insert(0, MARCH | {"timezone": zone})
    waiting[0].fulfill(json={})
    expect(months).to_have_text(["March 2026", "February 2026"])
    expect(february).to_be_focused()
    opener(page).press("Enter")
    answers(page, *refused, (500, {"error": "No"}), *refused).extend(listed[1:])
    opener(page).press("Enter")
    expect(panel(page).locator(".fault")).to_have_text("Not all statements could be loaded. The server answered 500.")
    expect(months).to_have_text(["February 2026"])
    panel(page).get_by_role("button", name="Try again").click()
    expect(months).to_have_text(["March 2026", "February 2026"])


@pytest.mark.viewer(timezone_id="UTC")
def test_a_viewer_whose_time_zone_the_browser_does_not_know_has_the_months_of_utc(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    page.add_init_script(UNKNOWN)
    ledger.record("Renewed", created_at=datetime(2026, 3, 31, 17, tzinfo=UTC), value_usd=5)
    open_feed()
    expect(page.locator(".total")).to_have_text("$5.00")
    opener(page).press("Enter")
    expect(panel(page).get_by_role("status")).to_have_text("Months of the time zone UTC.")
    expect(panel(page).get_by_role("listitem")).to_have_count(1)


FAILURES: list[tuple[str, dict[str, Any], str]] = [
    ("Download", {"status": 404, "json": {"error": "Not found"}}, "Not downloaded. The server answered 404."),
    ("Download", {"body": '{"root":"of another user"}'}, "Not downloaded. Another user has signed in."),
    ("Download the entries", {"body": "{}\n{}\n"}, "Not downloaded. The file was not complete."),
    ("Download the entries", {"body": '{"root":"of another user"}\n'}, "Not downloaded. Another user has signed in."),
    ("Print", {"status": 500, "json": {"error": "No"}}, "Not printed. The server answered 500."),
]


def test_an_empty_month_of_another_user_who_has_signed_in_is_not_saved(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    """All empty months have the same root."""
    recorded.capabilities = CAPABILITIES
    recorded.has("Work")
    listed = answers(page)
    first = MARCH | {"id": "2026-02@America/New_York", "period": "2026-02", "root": "f2"}
    listed += [MARCH | {"size": 0}, first]
    open_feed()
    opener(page).press("Enter")
    page.route("**/api/statements/**", lambda route: route.fulfill(body='{"root":"e3"}'))
    empty = "Download the statement of March 2026"
    assert download(page, empty)[1] == b'{"root":"e3"}'
    listed[-1] = first | {"root": "of another user"}
    panel(page).get_by_role("button", name=empty).press("Enter")
    expect(panel(page).locator(".fault")).to_have_text("Not downloaded. Another user has signed in.")


def test_a_statement_that_cannot_be_read_says_why(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.capabilities = CAPABILITIES
    recorded.has("Work")
    answers(page)
    open_feed()
    opener(page).press("Enter")
    for name, answer, alert in FAILURES:
        page.route("**/api/statements/**", partial(fulfill, answer))
        panel(page).get_by_role("button", name=f"{name} ").first.click()
        expect(panel(page).locator(".fault")).to_have_text(alert)
    recorded.capabilities = None  # the capability is switched off
    leave_and_return(page)
    expect(panel(page)).to_have_count(0)
    expect(opener(page)).to_be_hidden()
    expect(page.get_by_role("button", name="Download")).to_be_visible()

    recorded.capabilities = CAPABILITIES
    leave_and_return(page)
    opener(page).press("Enter")
    page.route("**/api/statements/**", lambda route: route.fulfill(status=401, json={"error": "Unauthorized"}))
    panel(page).get_by_role("button", name="Print").press("Enter")
    expect(page.locator(".card")).to_have_attribute("data-state", "signed-out")
    expect(panel(page)).to_have_count(0)
