"""Test what counts by the owner's rule: the head of the feed, and the form that writes the rule."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browsers import leave_and_return, wait_until
from tests.dashboard.conftest import AXE_RULES, THEMES, FindFaults, Open
from tests.dashboard.recorded import Recorded

pytestmark = pytest.mark.at_noon


def part(count: int = 0, value: float = 0, **more: Any) -> dict[str, Any]:
    return {"count": count, "value_usd": value, "estimated_usd": 0} | more


BY_RULE = {
    "counted": part(1, 1000, estimated_usd=75),
    "waiting": part(1, 150, closes=[{"on": "2026-05-15", "count": 1, "value_usd": 150}]),
    "unconfirmed": part(1, 40),
    "not_counted": part(),
    "before_rules": part(1, 10.5),
    "by_type": [{"outcome_type": "deal_closed", "counted": part(1, 1000)}],
}
LINE = (
    "claimed $1,200.50 · to review: $150 count on May 15, unless you dispute them; $40 need your word"
    " · $10.50 are from before your rule"
)
CONTENT = {
    "outcome_type": "content_published",
    "when": "confirmed",
    "each_usd": 75,
    "basis": "estimated",
    "note": "90 min",
}
OTHERS = {"outcome_type": "*", "when": "unless_disputed", "each_usd": None, "basis": "stated", "note": None}
RULE = {"from": "2026-04", "version": 3, "timezone": "America/New_York", "dispute_days": 14, "types": [CONTENT, OTHERS]}
RULE |= {"put_at": "2026-04-01T12:00:00.000Z"}

BOX = "element => element.getBoundingClientRect().toJSON()"


class Rules:
    """Answers /api/definitions. sent: method, path, body and conditions of each other request. refused: an answer."""

    def __init__(self, page: Page, *stored: dict[str, Any]) -> None:
        self.stored = stored
        self.sent: list[tuple[str, str, Any, str | None]] = []
        self.refused: tuple[int, dict[str, Any]] | None = None
        page.route("**/api/definitions**", self._answer)

    def _answer(self, route: Route) -> None:
        request, path = route.request, urlsplit(route.request.url).path.removeprefix("/api/definitions")
        if request.method == "GET":
            return route.fulfill(json={"definitions": self.stored})
        condition = request.headers.get("if-match", request.headers.get("if-none-match"))
        self.sent.append((request.method, path, json.loads(request.post_data or "null"), condition))
        status, answer = self.refused or (200, {"ok": True, "version": 1})
        return route.fulfill(
            status=200 if path == "/try" else status, json={"by_rule": BY_RULE} if path == "/try" else answer
        )

    def written(self) -> list[tuple[str, str, Any, str | None]]:
        return [one for one in self.sent if one[1] != "/try"]


def with_rule(recorded: Recorded) -> None:
    day = {"date": "2026-04-15", "count": 4, "value_usd": 1200.5, "counted_usd": 1000, "waiting_usd": 150}
    recorded.sums = {"by_rule": BY_RULE, "count": 4, "value_usd": 1200.5, "by_day": [day]}
    recorded.sums["previous"] = {"count": 1, "value_usd": 9, "counted_usd": 900, "waiting_usd": 100}


def with_rule_in(zone: str, page: Page, recorded: Recorded) -> None:
    with_rule(recorded)
    recorded.sums["timezone"] = zone
    Rules(page, RULE | {"timezone": zone})


def with_the_form(open_feed: Open, page: Page, recorded: Recorded) -> tuple[Rules, Locator, Locator]:
    """Open the feed of a user with a rule. Return the rules, and the button and the form that change them."""
    recorded.has("Work")
    with_rule(recorded)
    rules = Rules(page, RULE)
    open_feed(refresh=3600)
    opener, form = page.get_by_role("button", name="What counts"), page.get_by_role("form", name="What counts")
    return rules, opener, form


# Whether the first tone of the legend is left of its words.
IS_BEFORE_ITS_WORDS = """({ firstElementChild: tone }) => {
    const words = document.createRange()
    words.selectNode(tone.nextSibling)
    return tone.getBoundingClientRect().right <= words.getBoundingClientRect().left
}"""


def test_with_a_rule_the_head_says_what_counts_and_what_will(
    open_feed: Open, page: Page, recorded: Recorded, find_faults: FindFaults
) -> None:
    recorded.has("Work")
    with_rule(recorded)
    before = {"date": "2026-04-14", "count": 0, "value_usd": 0, "counted_usd": 900, "waiting_usd": 300}
    recorded.sums["by_day"].insert(0, before)
    recorded.sums["confirmed"] = part(1, 1000)
    Rules(page, RULE | {"from": "2026-02"})
    page.route("**/costs**", lambda route: route.fulfill(json={"cost_usd": 100}))
    open_feed(refresh=3600, cost_endpoint="/costs")
    expect(page.locator(".total")).to_have_text("$1,000.00")
    head = "counts now by your rule · of it $75 estimated by your rule · 1 of 4 outcomes in the last 30 days"
    expect(page.locator(".summary > .caption")).to_have_text(head)
    expect(page.locator(".rule")).to_have_text(LINE)
    expect(page.locator(".standing")).to_have_text("$1,000.00 confirmed")
    change = "Counts or will count: +15% against the same of the 30 days before; today is not over"
    expect(page.locator(".change")).to_have_text(change)
    expect(page.locator(".balance dd")).to_have_text(["$100.00", "$900.00", "10 times the cost"])
    expect(page.locator(".plot .waits")).to_have_count(2)
    highest = "The highest was $900.00 counts, $300.00 will count on Apr 14."
    expect(page.locator(".plot svg")).to_have_attribute("aria-label", re.compile(re.escape(highest)))
    expect(page.locator(".legend")).to_have_text("counts will count so far")
    expect(page.locator(".parts summary").first).to_have_text("By type as claimed")
    expect(page.locator(".split .count")).to_have_text("1 outcome · counted $1,000")
    page.get_by_text("Daily figures").click()
    rows = ["Apr 15, 20264$1,200.50$1,000.00$150.00", "Apr 14, 20260$0.00$900.00$300.00"]
    expect(page.locator(".daily tbody tr")).to_have_text(rows)
    asked = [parse_qs(urlsplit(one.url).query) for one in recorded.asked if "summary" in one.url]
    assert asked[0]["include"] == ["recent", "definition_days"]
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        assert find_faults("value-delivered", rules=AXE_RULES[theme]) == []
    page.evaluate("document.dir = 'rtl'")
    assert page.locator(".legend").evaluate(IS_BEFORE_ITS_WORDS)
    legend, figures = (page.locator(part).evaluate(BOX) for part in (".legend", ".daily > summary"))
    assert legend["right"] < figures["left"]
    page.set_viewport_size({"width": 320, "height": 800})
    legend, figures = (page.locator(part).evaluate(BOX) for part in (".legend", ".daily > summary"))
    assert legend["right"] < figures["left"] or legend["bottom"] <= figures["top"]


def test_who_disputed_what_never_counts_is_not_told_that_it_would_count_once_confirmed(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.has("Work", status="disputed", corrections=[{"type": "dispute", "by": "session", "reason": "Not done"}])
    with_rule(recorded)
    recorded.sums["disputed"] = part(1, 1200.5)
    Rules(page, RULE | {"from": "2026-02", "types": [OTHERS | {"when": "never"}]})
    open_feed(refresh=3600)
    page.locator(".rows summary").filter(visible=True).press("Enter")
    expect(page.locator(".word .help")).to_have_text(
        "You disputed this. It waits for the platform, which amends it, declares it void or stands by it."
        " The last word is yours: confirm it to end the dispute. It is then confirmed, but your rule"
        " never counts this type."
    )
    page.get_by_role("button", name="1 dispute waits for the platform").click()
    state = re.compile("^waits for the platform: disputed .* · your rule never counts this type$")
    expect(page.locator(".claims .state")).to_have_text(state)


def test_a_rule_that_could_not_be_read_is_read_with_the_next_poll(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.has("Work")
    with_rule(recorded)
    Rules(page, RULE | {"from": "2026-02"})
    page.route("**/api/definitions**", lambda route: route.fulfill(status=503, json={"error": "Busy"}), times=1)
    page.route("**/api/definitions**", lambda route: route.fulfill(json={"definitions": []}), times=1)  # just deleted
    open_feed(refresh=1)
    expect(page.locator(".change")).to_contain_text("Counts or will count: +15%")


def test_a_server_that_knows_no_definitions_is_asked_once(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    recorded.instead("GET", "/summary", 400, json={"error": "Invalid include"})
    open_feed(refresh=3600)
    expect(page.locator(".total")).to_have_text("$1,200.50")
    expect(page.locator(".offer")).to_be_hidden()
    page.get_by_role("button", name="7 days").click()
    expect(page.locator(".summary > .caption")).to_contain_text("7 days")
    includes = [parse_qs(urlsplit(one.url).query)["include"] for one in recorded.asked if "summary" in one.url]
    assert includes == [["recent", "definition_days"], ["recent"], ["recent"]]


def test_an_opened_outcome_and_the_queue_say_how_it_was_recorded(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    changes = {"outcome_type": {"before": "task_complete", "after": "deal_closed"}}
    by_key, by_owner = ({"type": "amend", "by": by, "changes": changes} for by in ("key:1", "session"))
    waits = {"state": "waiting", "on": "2026-05-15", "usd": 150}
    late = "2026-03-31T12:00:00.000Z"
    recorded.has("Late", occurred_at=late, imported=True, counts=waits, corrections=[by_key, by_owner])
    recorded.has("In time", hours=2, value_usd=1, counts=waits, corrections=[by_owner])
    Rules(page, RULE, RULE | {"from": "2026-01"})
    open_feed(refresh=3600, url_state="")
    rows = page.locator(".rows [role=listitem]")
    entries = rows.locator(".past li")
    marks = entries.locator("strong")
    rows.nth(0).locator("summary").click()
    expect(entries).to_have_count(2)
    expect(marks).to_have_count(0)
    rows.nth(1).locator("summary").click()
    said = ["recorded after the rule changed", "imported with its time of recording", "type amended by its agent"]
    expect(marks).to_have_text(said)
    counting = page.locator(".counting")
    by_rule = "Will count $150.00 by your rule ($1,200.50 claimed) on May 15, 2026, unless you dispute it before"
    expect(counting.last).to_have_text(by_rule)
    assert [one for one in recorded.asked if one.url.endswith("/outcome-0?include=counts")]

    page.evaluate("location.hash = '#review'")
    expect(page.locator(".claims .hint")).to_have_text(["recorded late", *said])
    page.evaluate("location.hash = ''")

    page.unroute("**/api/definitions**")
    page.route("**/api/definitions**", lambda route: route.fulfill(status=500, json={"error": "Failed"}))
    open_feed(refresh=3600)
    rows.nth(1).locator("summary").click()
    expect(marks).to_have_text(said[1:])  # the rules cannot be read
    recorded.capabilities = "corrections, totals"
    open_feed(refresh=3600)
    rows.nth(1).locator("summary").click()
    expect(entries).to_have_count(3)
    assert any(one.url.endswith("/outcome-0") for one in recorded.asked)


def test_an_opened_outcome_of_the_list_says_that_it_looks_like_a_duplicate(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    for hours in (3, 2):
        recorded.has("Work", hours=hours)
    open_feed(refresh=3600)
    rows = page.locator(".rows summary")
    expect(rows).to_have_count(2)
    expect(rows.first).to_be_visible()
    for row in rows.all():
        row.press("Enter")
    expect(page.locator(".details h4")).to_have_count(2)
    expect(page.locator(".hint")).to_have_text("This looks like a duplicate of “Work” of Apr 15, 2026, 9:00\u202fAM")


def test_without_a_rule_a_quiet_line_offers_one(
    open_feed: Open, page: Page, recorded: Recorded, find_faults: FindFaults
) -> None:
    recorded.has("Work")
    recorded.sums = {"by_rule": None}
    rules = Rules(page)
    open_feed(refresh=3600)
    expect(page.locator(".total")).to_have_text("$1,200.50")
    page.get_by_label("Filter by status").select_option("Void")
    offer = page.get_by_role("button", name="Decide what counts")
    expect(offer).to_be_hidden()  # with a status, the summary does not say whether there is a rule
    page.get_by_label("Filter by status").select_option("All statuses")
    offer.click()
    form = page.get_by_role("form", name="What counts")
    expect(form.get_by_label("unless I dispute it within")).to_be_checked()
    expect(form.get_by_label("unless I dispute it within")).to_be_focused()
    expect(form.get_by_label("Days to dispute")).to_have_value("14")
    expect(form.locator(".effect")).to_contain_text(
        f"If this rule had held for the last 12 months, $1,000 would count, of it $75 estimated by your rule: {LINE}."
    )
    expect(form.get_by_text("As it is now: $1,200.50 is claimed and counts.")).to_be_visible()
    for width, theme in zip((1280, 390), THEMES, strict=True):
        page.set_viewport_size({"width": width, "height": 720})
        page.emulate_media(color_scheme=theme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert find_faults("value-delivered", rules=AXE_RULES[theme]) == []

    form.get_by_label("only what I confirm").check()
    form.get_by_text("By type").click()
    form.get_by_label("Deal closed: each, in dollars").fill("75.10")
    form.get_by_label("Deal closed: estimated").check()
    form.get_by_label("Deal closed: note").fill("90 minutes")
    form.get_by_label("Content published: counts").select_option("never")
    form.get_by_role("button", name="Save").dblclick()  # the second click comes while the first is on its way
    expect(form).to_be_hidden()
    expect(offer).to_be_focused()
    deal = {"when": "confirmed", "eachUsd": 75.10, "basis": "estimated", "note": "90 minutes"}
    types = {"deal_closed": deal, "content_published": {"when": "never"}, "*": {"when": "confirmed"}}
    body = {"timezone": "America/New_York", "disputeDays": 14, "types": types}
    assert rules.written() == [("PUT", "/2026-04", body, "*")]
    tried = rules.sent[0]
    assert tried[:2] == ("POST", "/try")
    assert (tried[2]["from"], tried[2]["to"]) == ("2025-05-01T04:00:00.000Z", "2026-05-01T04:00:00.000Z")
    assert tried[2]["definition"]["types"] == {"*": {"when": "unless_disputed"}}


def test_a_rule_is_tried_once_she_pauses(open_feed: Open, page: Page, recorded: Recorded) -> None:
    rules, opener, form = with_the_form(open_feed, page, recorded)
    opener.click()
    expect(form.locator(".effect")).to_contain_text("$1,000 would count")
    before = len(rules.sent)
    # Both changes come within the pause, however slow the machine is.
    change = "(days, when) => (days.dispatchEvent(new Event('input', { bubbles: true })), when.click())"
    form.get_by_label("Days to dispute").evaluate(change, form.get_by_label("only what I confirm").element_handle())
    wait_until(page, lambda: len(rules.sent) > before)
    page.evaluate("() => new Promise((end) => setTimeout(end, 50))")  # a second timer would have fired now
    assert len(rules.sent) == before + 1
    assert rules.sent[-1][2]["definition"]["types"]["*"] == {"when": "confirmed"}


def test_a_form_that_is_closed_meanwhile_has_each_type_once_and_stays_closed(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    rules, opener, form = with_the_form(open_feed, page, recorded)
    held: list[Route] = []
    types = recorded.hold("GET", "/types")
    opener.click()
    wait_until(page, lambda: types != [])
    form.get_by_role("button", name="Cancel").click()
    opener.click()
    expect(form.locator(".effect")).to_contain_text("$1,000 would count")
    form.get_by_label("All others: note").evaluate("note => { note.value = 'Mine' }")
    with page.expect_event("requestfinished", lambda request: request == types[0].request):
        recorded.answer(types[0])
    form.get_by_text("By type").click()
    expect(form.get_by_label("All others: note")).to_have_value("Mine")
    titles = form.locator("tbody th").all_text_contents()
    assert sorted(titles) == sorted({*titles})

    page.route("**/api/definitions/2*", lambda route: held.append(route))
    form.get_by_role("button", name="Save").click()
    wait_until(page, lambda: held != [])
    page.keyboard.press("Escape")
    expect(form).to_be_visible()  # it shows what comes of it
    opener.click()
    expect(form).to_be_hidden()
    held[0].fulfill(json={"ok": True, "version": 1})
    expect(opener).to_be_focused()
    expect(form).to_be_hidden()
    assert rules.written() == []


def test_the_form_waits_for_the_rules_and_leaves_the_focus_to_who_has_gone_on(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    _, opener, form = with_the_form(open_feed, page, recorded)
    held = recorded.hold("GET", "/types$")
    opener.click()
    wait_until(page, lambda: held != [])
    expect(form.get_by_label("only what I confirm")).to_be_disabled()  # the stored rule would take its place
    page.get_by_role("searchbox").focus()
    held[0].fulfill(json={"types": []})
    expect(form.get_by_label("only what I confirm")).to_be_enabled()
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_what_cannot_be_saved_is_sent_so_that_the_server_says_why(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    rules, opener, form = with_the_form(open_feed, page, recorded)
    opener.click()
    form.get_by_text("By type").click()
    form.get_by_label("Deal closed: each, in dollars").fill("1e400")
    form.get_by_label("Task complete: estimated").check()
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()
    [(_, _, body, _)] = rules.written()
    assert body["types"]["deal_closed"]["eachUsd"] == "1e400"
    assert body["types"]["task_complete"] == {"when": "unless_disputed", "basis": "estimated"}


def test_rules_that_could_not_be_read_again_are_not_overwritten(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    rules, opener, form = with_the_form(open_feed, page, recorded)
    save = form.get_by_role("button", name="Save")
    opener.click()
    expect(save).to_be_enabled()
    form.get_by_role("button", name="Cancel").click()
    page.route("**/api/definitions", lambda route: route.abort())
    opener.click()
    expect(form.get_by_role("alert")).to_contain_text("Your rules could not be read.")
    expect(save).to_be_disabled()
    expect(form.get_by_label("Days to dispute")).to_be_disabled()
    assert rules.written() == []
    recorded.instead("GET", "/api/outcomes$", 401, json={"error": "Unauthorized"})
    leave_and_return(page)
    page.get_by_role("button", name="Try again").press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "false")


def test_earlier_rules_are_listed_and_a_refused_rule_says_why(open_feed: Open, page: Page, recorded: Recorded) -> None:
    rules, opener, form = with_the_form(open_feed, page, recorded)
    opener.click()
    sentence = (
        "unless I dispute it within 14 days after the month of its recording or last correction"
        " · Content published: only what I confirm, $75.00 each"
    )
    expect(form.locator(".past li")).to_contain_text(f"From April 2026 · {sentence}, estimated (90 min)")
    form.get_by_label("From the month").select_option("April 2026")
    fault = form.get_by_role("alert")
    for status, details, words in (
        (409, [{"field": "month", "message": "has begun"}], "Not saved. month has begun."),
        (412, [], "Not saved. It was changed in the meantime. Close this and open it again."),
        (401, [], "Not saved. You are signed out."),
        (500, [], "It may not have been saved: close this and open it again. The server answered 500."),
    ):
        rules.refused = (status, {"error": "No", "details": details})
        form.get_by_role("button", name="Save").click()
        expect(fault).to_have_text(words)
    form.get_by_label("Days to dispute").fill("20")
    form.get_by_role("button", name="Save").click()
    expect(fault).to_have_text(words)
    wait_until(
        page, lambda: any(path == "/try" and body["definition"]["disputeDays"] == 20 for _, path, body, _ in rules.sent)
    )
    expect(form.locator(".effect")).to_contain_text("$1,000 would count")
    expect(fault).to_have_text(words)  # what the rule would count does not take the place of why it is not saved
    rules.refused = None
    form.get_by_role("button", name="Delete").click()
    expect(form).to_be_hidden()
    assert [(method, path, condition) for method, path, _, condition in rules.written()] == [
        *[("PUT", "/2026-04", '"3"')] * 5,
        ("DELETE", "/2026-04", '"3"'),
    ]
    opener.click()
    expect(form.locator(".effect")).to_contain_text("$1,000 would count")
    page.keyboard.press("Escape")
    expect(form).to_be_hidden()


@pytest.mark.viewer
def test_months_begin_in_the_rules_time_zone(open_feed: Open, page: Page, recorded: Recorded) -> None:
    page.clock.set_fixed_time(datetime(2026, 5, 1, 2, tzinfo=UTC))  # April in New York
    recorded.has("Work")
    with_rule(recorded)
    Rules(page, *[RULE | {"from": month, "timezone": "UTC"} for month in ("2026-04", "2026-03")])
    open_feed(refresh=3600)
    page.get_by_role("button", name="What counts").click()
    expect(page.get_by_label("From the month")).to_have_value("2026-06")


def asked_of(recorded: Recorded, part: str) -> list[tuple[str, ...]]:
    """Return time zone and period of each request for summaries or lists of a period."""
    queries = [parse_qs(urlsplit(one.url).query) for one in recorded.asked if urlsplit(one.url).path.endswith(part)]
    names = ("timezone", "from", "to")
    return [tuple(query[name][0] for name in names if name in query) for query in queries if "from" in query]


def test_the_days_are_those_of_the_rules_time_zone_which_the_next_visit_knows(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.has("Work", hours=41)  # the day before in New York
    with_rule_in("Europe/Berlin", page, recorded)
    caption = page.locator(".summary > .caption")
    of_new_york = ("America/New_York", "2026-04-14", "2026-04-15")
    days = ("2026-04-13T22:00:00.000Z", "2026-04-14T22:00:00.000Z")
    for lists in ([("2026-04-14T04:00:00.000Z", "2026-04-15T04:00:00.000Z"), days], [days]):
        recorded.asked.clear()
        open_feed(refresh=3600, period="2026-04-14..2026-04-14", reload=True)
        expect(caption).to_contain_text("Apr 14, 2026 · days of Europe/Berlin")
        expect(page.locator(".rows")).to_contain_text("Work")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        expect(page.locator(".rows .ago").last).to_have_attribute("data-day", "Apr 14, 2026")
        assert asked_of(recorded, "/summary") == [of_new_york]
        assert asked_of(recorded, "/outcomes") == lists
    recorded.sums = {}  # the rule was deleted
    recorded.asked.clear()
    open_feed(refresh=3600, period="2026-04-14..2026-04-14", reload=True)
    expect(caption).to_have_text("1 outcome, Apr 14, 2026")
    expect(page.locator(".rows")).to_contain_text("Work")
    assert asked_of(recorded, "/outcomes")[-1] == ("2026-04-14T04:00:00.000Z", "2026-04-15T04:00:00.000Z")


def test_list_file_and_cost_have_the_ends_that_the_summary_says(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    """Browser and server may have other rules of a time zone."""
    recorded.has("Work", hours=24)
    of_browser = ("2026-04-14T04:00:00.000Z", "2026-04-15T04:00:00.000Z")
    ends = ("2026-04-14T05:00:00.000Z", "2026-04-15T05:00:00.000Z")
    recorded.sums = {"timezone": "America/New_York", "from": ends[0], "to": ends[1]}
    for path in "/costs", "/costs", "/export":
        recorded.instead("GET", path, 200, json={"cost_usd": 1})
    open_feed(refresh=3600, period="2026-04-14..2026-04-14", cost_endpoint="/api/outcomes/costs")
    expect(page.locator(".rows")).to_contain_text("Work")
    expect(page.locator(".balance dd").first).to_have_text("$1.00")
    assert asked_of(recorded, "/outcomes") == [of_browser, ends]
    assert asked_of(recorded, "/costs")[-1] == ("America/New_York", *ends)
    with page.expect_download():
        page.get_by_role("button", name="Download").press("Enter")
    assert asked_of(recorded, "/export") == [ends]


def test_an_empty_list_looks_for_months_in_the_rules_time_zone(open_feed: Open, page: Page, recorded: Recorded) -> None:
    with_rule_in("Asia/Tokyo", page, recorded)
    open_feed(refresh=3600)

    def asked() -> list[tuple[str, ...]]:
        return [one for one in asked_of(recorded, "/summary") if one[1].startswith("2016")]

    wait_until(page, lambda: bool(asked()))
    assert asked()[0] == ("Asia/Tokyo", "2016-04-16T15:00:00.000Z", "2026-04-16T15:00:00.000Z")


def test_the_list_is_not_read_again_if_it_is_the_same_in_the_rules_time_zone(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    for number in range(21):
        recorded.has(f"Work {number}")
    with_rule_in("Europe/Berlin", page, recorded)
    open_feed(refresh=3600)
    expect(page.locator(".summary > .caption")).to_contain_text("days of Europe/Berlin")
    expect(page.locator(".rows li")).to_have_count(20)
    assert len(asked_of(recorded, "/outcomes")) == 1


@pytest.mark.viewer(timezone_id="Pacific/Kiritimati")
def test_where_it_is_tomorrow_the_days_end_with_today_in_the_rules_time_zone(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.has("Work")
    with_rule_in("America/New_York", page, recorded)
    open_feed(refresh=3600, period="7")
    expect(page.locator(".summary > .caption")).to_contain_text("days of America/New_York")
    expect(page.locator(".rows")).to_contain_text("Work")
    zone = "Pacific/Kiritimati"
    assert asked_of(recorded, "/summary") == [(zone, "2026-04-10", "2026-04-17"), (zone, "2026-04-09", "2026-04-16")]
    assert asked_of(recorded, "/outcomes")[-1] == ("2026-04-09T04:00:00.000Z", "2026-04-16T04:00:00.000Z")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator(".rows .ago")).to_have_attribute("data-day", "Apr 15, 2026")  # as it is printed
    expect(page.locator(".card > .paper")).to_contain_text("America/New_York · printed Apr 15, 2026, 12:00")


def test_a_rule_in_a_time_zone_that_the_browser_does_not_know_leaves_the_feed_usable(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.has("Work")
    with_rule_in("Mars/Olympus", page, recorded)
    for _ in "now", "at the next visit":
        open_feed(refresh=3600, reload=True)
        expect(page.locator(".summary > .caption")).to_contain_text("days of Mars/Olympus")
        expect(page.locator(".change")).not_to_be_empty()
        expect(page.locator(".rows")).to_contain_text("Work")
