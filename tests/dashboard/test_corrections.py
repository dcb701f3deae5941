"""Test corrections in the feed: an outcome's history, and its owner's verdict (confirm or dispute)."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browsers import confirm, hide_tab, leave_and_return, wait_until
from tests.dashboard.conftest import AXE_RULES, THEMES, FindFaults, Open
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW, Recorded, instant

pytestmark = pytest.mark.at_noon

AGENT_KEY = "key:7Fq2LmXw9KdR4sTb"
OTHERS = ["The platform stands by it", "<img src=x onerror='window.harmed = 1'> by you"]
NAMED = ["by the key <b>Nightly</b> import", "by an agent\u2019s key (revoked)", *OTHERS]
UNREACHED = "It may not have been saved. The server could not be reached. Trying again is safe: it counts once."


def rows(page: Page) -> Locator:
    return page.locator(".rows [role=listitem]")


def unfold(page: Page, at: int = 0) -> Locator:
    row = rows(page).nth(at)
    row.locator("summary").filter(visible=True).press("Enter")
    return row


def right(row: Locator) -> Locator:
    return row.get_by_role("button", name="Confirm", include_hidden=True)


def wrong(row: Locator) -> Locator:
    return row.get_by_role("button", name="Dispute", include_hidden=True)


# Sets after how many milliseconds a confirmation is sent; null: never, so it can still be undone on a slow machine.
TIME_CONFIRMATIONS = """(delay) => {
    const patient = window.setTimeout
    window.setTimeout = (callback, milliseconds, ...rest) =>
        milliseconds === 5_000 ? delay !== null && patient(callback, delay) : patient(callback, milliseconds, ...rest)
    window.setTimeout.patient = patient
}"""


# Notes for each request whether the browser sends it even if the page is closed, until `unwatch` is called.
WATCH_FETCH = """() => {
    const { fetch } = window
    window.sent = []
    window.fetch = (url, options) => (sent.push(options.method + options.keepalive), fetch(url, options))
    window.unwatch = () => { window.fetch = fetch }
}"""


def dispute(row: Locator, reason: str) -> None:
    wrong(row).click()
    row.get_by_label("Why do you dispute it?").fill(reason)
    row.get_by_role("button", name="Send").click()


def history(row: Locator) -> Locator:
    return row.locator(".past li")


def first(page: Page, held: list[Route]) -> Route:
    """Wait for a held request, and return it."""
    wait_until(page, lambda: held != [])
    return held[0]


# ---- history


def test_a_history_names_agents_keys(open_feed: Open, page: Page, recorded: Recorded) -> None:
    names = [{"id": AGENT_KEY.removeprefix("key:"), "name": "<b>Nightly</b> import"}]
    reads: list[Route] = []

    def answer(route: Route) -> None:
        reads.append(route)
        route.fulfill(json={"keys": names})

    page.route("**/api/keys", answer)
    html = "<img src=x onerror='window.harmed = 1'>"
    revoked = {"type": "amend", "by": "key:revoked", "reason": html, "changes": {html: {"omitted": True}}}
    others = [{"type": "uphold", "by": "key", "reason": "Signed"}, {"type": html, "by": "session"}]
    for hours in (1, 2):
        recorded.has("Work", hours=hours, recorded_by=AGENT_KEY, corrections=[revoked, *others])
    recorded.has("By the platform", hours=3)
    open_feed()
    for at, by in ((2, ["by the platform"]), (0, NAMED), (1, NAMED)):
        expect(history(unfold(page, at))).to_have_text([re.compile(re.escape(words)) for words in by])
        assert len(reads) == (by is NAMED)
    assert page.evaluate("window.harmed") is None

    recorded.capabilities = "corrections, totals"  # without the capability AgentKeys
    open_feed()
    by_key = [f"Recorded by an agent\u2019s key ({AGENT_KEY[4:]})", "Amended by an agent\u2019s key (revoked)"]
    expect(history(unfold(page))).to_have_text([re.compile(re.escape(words)) for words in (*by_key, *OTHERS)])
    assert len(reads) == 1


def test_a_history_that_fails_has_a_message_and_a_retry(open_feed: Open, page: Page, recorded: Recorded) -> None:
    id_ = recorded.has("Work")
    open_feed()
    held = recorded.hold("GET", id_)
    row = unfold(page)
    expect(row.locator(".past")).to_have_text("HistoryLoading…")
    faults: list[tuple[dict[str, Any], str]] = [
        ({"status": 404, "json": {"error": "Not found"}}, "This outcome no longer exists or is not yours."),
        ({"status": 200, "json": {"outcome": {}}}, "The server\u2019s answer could not be understood."),
    ]
    for fault, words in faults:
        first(page, held).fulfill(**fault)
        expect(row.locator(".past .fault")).to_have_text(f"The history could not be loaded. {words}")
        held = recorded.hold("GET", id_)
        row.locator(".past button").press("Enter")
        expect(row.locator(".past")).to_have_text("HistoryLoading…")
    recorded.answer(first(page, held))
    expect(history(row)).to_have_count(1)
    expect(row.locator(".past .fault")).to_have_count(0)
    expect(row.locator("summary")).to_be_focused()


def test_an_older_server_has_no_history_and_buttons(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has_ledger = False
    id_ = recorded.has("Work", description="As ever")
    open_feed()
    row = unfold(page)
    expect(row.locator("dt")).to_have_text(["Recorded", "Outcome"])
    expect(row.locator("button, .past")).to_have_count(0)
    assert recorded.reads(id_) == 0


# ---- status


def test_a_row_shows_its_status_and_when_it_happened(open_feed: Open, page: Page, recorded: Recorded) -> None:
    for hours, status in enumerate(("recorded", "confirmed", "disputed", "void", "questioned"), start=1):
        recorded.has("Work", hours=hours, status=status)
    recorded.has("A minute before", hours=6, occurred_at=instant(NOW - timedelta(hours=6, minutes=1)))
    recorded.has("Backfilled", hours=1, occurred_at="2026-03-03T17:00:00.000Z")
    open_feed(period=90)
    tags = ["", "Confirmed · ", "Disputed · ", "Void · ", "Questioned · "]
    shown = [*(f"{tag}Deal closed · Agent 7 · {hours} hour" for hours, tag in enumerate(tags, start=1)), "Deal closed"]
    last = "Deal closed · Agent 7 · 1 month ago · recorded Apr 15"
    expect(rows(page).locator(".meta")).to_have_text([*(re.compile(f"^{words}") for words in shown), last])
    for at, line in enumerate(("none", "none", "none", "line-through", "none")):
        expect(rows(page).nth(at).locator("summary .amount")).to_have_css("text-decoration-line", line)
        expect(rows(page).nth(at).locator("strong")).to_have_css("text-decoration-line", line)
    for at, terms in ((4, ["Recorded", "Outcome"]), (6, ["Happened", "Recorded", "Outcome"])):
        expect(unfold(page, at).locator("dl:not(.past dl) dt")).to_have_text(terms)
    expect(rows(page).nth(6).locator("dd").nth(0)).to_have_text(re.compile("Tuesday, March 3, 2026 at 12:00:00"))


# ---- the owner's verdict


DISPUTED = (
    "You disputed this. It waits for the platform, which amends it, declares it void or stands by it."
    " The last word is yours: confirm it to end the dispute. It does not count until then."
)
AMENDED = {"type": "amend", "by": AGENT_KEY, "reason": "You are right"}
BY_OWNER = {"type": "dispute", "by": "session", "reason": "We never signed"}
RIGHT, WRONG = "Confirm", "Dispute"
OFFERS: list[tuple[dict[str, Any], list[str], str]] = [
    ({"recorded_by": "key"}, [RIGHT, WRONG], ""),
    ({"recorded_by": AGENT_KEY}, [RIGHT, WRONG], ""),
    ({"recorded_by": "session"}, [RIGHT, WRONG], ""),
    ({"recorded_by": None}, [RIGHT, WRONG], ""),
    ({"status": "confirmed"}, [RIGHT, WRONG], "You confirmed this. You can still dispute it."),
    ({"status": "disputed"}, [RIGHT, WRONG], DISPUTED),
    ({"status": "disputed", "recorded_by": "session"}, [RIGHT, WRONG], DISPUTED),
    (
        {"status": "disputed", "corrections": [AMENDED, BY_OWNER]},
        [RIGHT, WRONG],
        DISPUTED,
    ),
    (
        {"status": "disputed", "corrections": [BY_OWNER, AMENDED]},
        [RIGHT, WRONG],
        "It was amended after you disputed it. The last word is yours: confirm it to end the dispute."
        " It does not count until then.",
    ),
    ({"status": "void"}, [], "It is void for good and does not count."),
]


def test_an_owner_is_offered_only_possible_verdicts(open_feed: Open, page: Page, recorded: Recorded) -> None:
    for hours, (fields, _, _) in enumerate(OFFERS, start=1):
        recorded.has("Work", hours=hours, **fields)
    open_feed()
    for at, (fields, buttons, words) in enumerate(OFFERS):
        row = unfold(page, at)
        expect(history(row)).to_have_count(1 + len(fields.get("corrections", [])))
        expect(row.locator(".word").get_by_role("button")).to_have_text(buttons)
        expect(row.locator(".word .help")).to_have_text(words)


def test_a_confirmation_can_be_undone_before_it_is_sent(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    open_feed()
    row = unfold(page)
    expect(history(row)).to_have_count(1)
    page.evaluate(TIME_CONFIRMATIONS, None)
    undo = row.get_by_role("button", name="Undo")
    for take_back in (undo, wrong(row)):
        right(row).press("Enter")
        expect(row.locator("summary")).to_contain_text("Confirmed · ")
        expect(row.get_by_role("status")).to_have_text("Confirmed. You can undo this for five seconds.")
        take_back.press("Enter")
        expect(row.locator("summary")).not_to_contain_text("Confirmed · ")
        expect(undo).to_be_hidden()
    expect(row.get_by_label("Why do you dispute it?")).to_be_focused()
    leave_and_return(page)
    assert recorded.sent(0) == []


def test_a_reason_outlives_the_end_of_the_session(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    open_feed(refresh=3600)
    row = page.locator(".rows li")
    row.locator("summary").press("Enter")
    reason = row.get_by_label("Why do you dispute it?")
    wrong(row).click()
    reason.fill("The wrong customer")
    recorded.instead("GET", "/api/outcomes$", 401, json={"error": "Unauthorized"})
    leave_and_return(page)
    page.get_by_role("button", name="Try again").press("Enter")
    row.locator("summary").press("Enter")
    wrong(row).click()
    expect(reason).to_have_value("The wrong customer")


def test_a_confirmation_is_only_of_what_was_shown_when_it_was_given(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    id_ = recorded.has("Work")
    open_feed(refresh=3600)
    row = unfold(page)
    expect(history(row)).to_have_count(1)
    page.evaluate(TIME_CONFIRMATIONS, None)
    right(row).press("Enter")
    row.get_by_role("button", name="Undo").focus()
    recorded.correct(id_, type="amend", changes={"value_usd": {"before": 1200.5, "after": 120_050}})
    leave_and_return(page)  # sends at once, but the feed does not know the new version yet
    fault = "Not saved. It was corrected in the meantime. Please look at it again."
    expect(row.get_by_role("alert")).to_have_text(fault)
    expect(row.locator("summary")).not_to_contain_text("Confirmed")
    expect(row.locator(".word").get_by_role("button", name="Try again")).to_be_hidden()
    expect(right(row)).to_be_focused()
    expect(history(row)).to_have_count(2)

    right(row).press("Enter")
    recorded.correct(id_, type="amend", changes={"value_usd": {"before": 120_050, "after": 1}})
    unfold(page)  # this click folds the row
    unfold(page)  # shows the new version while the confirmation of the old one waits
    expect(history(row)).to_have_count(3)
    leave_and_return(page)
    expect(row.get_by_role("alert")).to_have_text(fault)

    recorded.instead("POST", "/corrections")
    confirm(row)
    expect(row.get_by_role("alert")).to_have_text(UNREACHED)
    recorded.correct(id_, type="amend", changes={"value_usd": {"before": 1, "after": 2}})
    leave_and_return(page)
    expect(history(row)).to_have_count(4)
    row.locator(".word").get_by_role("button", name="Try again").click()
    expect(row.get_by_role("alert")).to_have_text(fault)
    lost, again = recorded.sent(4)[2:]
    assert again == lost  # another body with its idempotency key would be an error if it had been saved

    confirm(row)
    expect(row.get_by_role("status")).to_have_text("You confirmed this. You can still dispute it.")
    sent = recorded.sent(5)
    assert [one["ifVersion"] for one in sent] == [0, 1, 2, 2, 3]
    assert len({one["key"] for one in sent}) == 4


def test_a_verdict_is_shown_at_once_and_kept_after_success(open_feed: Open, page: Page, recorded: Recorded) -> None:
    id_ = recorded.has("Work")
    open_feed()
    row = unfold(page)
    expect(history(row)).to_have_count(1)
    page.evaluate(WATCH_FETCH)
    held = recorded.hold("POST", "/corrections")
    confirm(row)
    expect(row.locator("summary")).to_contain_text("Confirmed · ")
    expect(right(row)).to_have_attribute("aria-pressed", "true")
    expect(row.get_by_text("Saving…")).to_be_visible()
    right(row).press("Enter")  # while the first verdict is being saved, other verdicts are ignored
    wrong(row).press("Enter")
    expect(row.get_by_label("Why do you dispute it?")).to_be_hidden()

    recorded.sums = {"confirmed": {"count": 1, "value_usd": 1200.5}}
    recorded.answer(first(page, held))
    expect(row.locator(".word .help")).to_have_text("You confirmed this. You can still dispute it.")
    expect(history(row)).to_have_text([re.compile("^Recorded"), "Confirmed by you · now"])
    expect(page.locator(".standing")).to_have_text("$1,200.50 confirmed")  # the feed has requested the totals again
    assert [said | {"key": ""} for said in recorded.sent(1)] == [{"type": "confirm", "ifVersion": 0, "key": ""}]
    assert [entry["type"] for entry in recorded.corrections[id_]] == ["confirm"]

    asked = row.get_by_label("Why do you dispute it?")
    for reason, fault in ((" \n ", "Say why you dispute it."), ("x" * 501, "At most 500 characters; these are 501.")):
        dispute(row, reason)
        expect(row.locator("form .fault")).to_have_text(fault)
        expect(asked).to_be_focused()
        expect(asked).to_have_attribute("aria-invalid", "true")
    reason = "\U0001f389" * 485 + "We never <sign>"  # in JavaScript, an emoji such as this one has the length 2
    dispute(row, f"  {reason}\n")
    expect(row.locator("summary")).to_contain_text("Disputed · ")
    expect(history(row).nth(2)).to_have_text(f"Disputed by you · now{reason}")
    assert recorded.sent(2)[1]["reason"] == reason
    assert len({said["key"] for said in recorded.sent(2)}) == 2
    posts = page.evaluate("unwatch(), sent.filter((one) => one.startsWith('POST'))")
    assert posts == ["POSTtrue", "POSTfalse"]  # the page was hidden when the confirmation was sent


@pytest.mark.parametrize("verdict", ["confirm", "dispute"])
def test_a_verdict_whose_answer_was_lost_is_not_tried_again_once_the_feed_shows_it(
    verdict: str, open_feed: Open, page: Page, recorded: Recorded
) -> None:
    id_ = recorded.has("Work")
    open_feed(refresh=3600)
    row = unfold(page)
    expect(history(row)).to_have_count(1)
    recorded.instead("POST", "/corrections")
    if verdict == "confirm":
        confirm(row)
    else:
        dispute(row, "Never met")
    expect(row.get_by_role("alert")).to_have_text(UNREACHED)
    again = row.locator(".word").get_by_role("button", name="Try again")
    again.focus()
    recorded.correct(id_, type=verdict, by="session")  # it was saved
    leave_and_return(page)
    expect(history(row)).to_have_count(2)
    expect(row.get_by_role("alert")).to_have_text("")
    expect(again).to_be_hidden()
    expect(row.locator(".word").get_by_role("button", pressed=True)).to_be_focused()


def test_a_history_that_arrives_after_a_verdict_does_not_take_it_back(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    id_ = recorded.has("Work")
    entry = {"id": "1", "type": "uphold", "by": AGENT_KEY, "created_at": instant(NOW)}
    late = {"outcome": {**recorded.outcomes[0]}, "corrections": [entry]}
    open_feed(refresh=3600)
    history, posted = recorded.hold("GET", id_), recorded.hold("POST", "/corrections")
    row = unfold(page)
    dispute(row, "Never met")
    row.locator("summary").press("Enter")
    with page.expect_response("**/summary?**"):  # of the poll after the verdict, which reads the outcome first
        recorded.answer(first(page, posted))
    expect(row.locator(".tag")).to_have_text("Disputed")
    with page.expect_request("**/api/keys"):  # for the key's name, once the history is read
        first(page, history).fulfill(json=late)
    expect(row.locator(".tag")).to_have_text("Disputed")


def test_a_verdict_that_fails_after_another_period_was_chosen_says_so(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.has("Recent")
    recorded.has("Work", hours=24 * 10)
    open_feed(refresh=3600)
    row = unfold(page, 1)
    expect(history(row)).to_have_count(1)
    held = recorded.hold("POST", "/corrections")
    dispute(row, "Important")
    answer = first(page, held)
    listed = recorded.outcomes.pop()  # the list of these days does not have it
    with page.expect_response("**/api/outcomes?**"):
        page.get_by_role("button", name="7 days").click()
    expect(page.locator(".summary > .caption")).to_contain_text("last 7 days")
    answer.fulfill(status=503, json={"error": "Busy"})
    expect(row.get_by_role("alert")).to_have_text("Not saved. The server answered 503.")
    wrong(row).press("Enter")
    expect(row.get_by_label("Why do you dispute it?")).to_have_value("Important")
    row.get_by_label("Why do you dispute it?").press("Escape")
    expect(wrong(row)).to_be_focused()
    recorded.outcomes.append(listed)
    row.get_by_role("button", name="Try again").click()
    expect(row.locator("summary")).to_contain_text("Disputed · ")
    first_sent, second = recorded.sent(2)
    assert first_sent == second  # with the same reason and idempotency key


def test_a_verdict_that_fails_after_its_row_was_folded_says_so(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    open_feed(refresh=3600)
    row = unfold(page)
    expect(history(row)).to_have_count(1)
    held = recorded.hold("POST", "/corrections")
    dispute(row, "Important")
    answer = first(page, held)
    unfold(page)  # this click folds the row
    expect(row.locator(".word")).to_be_hidden()
    answer.abort()
    expect(row.get_by_role("alert")).to_have_text(UNREACHED)
    recorded.instead("POST", "/corrections", 503, json={"error": "Busy"})
    row.locator(".word").get_by_role("button", name="Try again").click()
    doubt = "It may not have been saved. The server answered 503. Trying again is safe: it counts once."
    expect(row.get_by_role("alert")).to_have_text(doubt)  # the first attempt may have been saved


def test_a_signed_out_viewer_sees_nothing(open_feed: Open, page: Page, recorded: Recorded) -> None:
    id_ = recorded.has("Private work")
    open_feed()
    for call in ("GET", "POST"):
        expect(rows(page)).to_have_count(1)
        if call == "GET":
            recorded.instead(call, id_, 401, json={"error": "Unauthorized"})
        row = unfold(page)
        if call == "POST":
            recorded.instead(call, id_, 401, json={"error": "Unauthorized"})
            expect(history(row)).to_have_count(1)
            right(row).press("Enter")
            hide_tab(page)  # the feed sends the confirmation, and does not poll
        expect(page.get_by_text("You are signed out")).to_be_visible()
        expect(page.get_by_text("Your verdict was not saved.")).to_be_visible(visible=call == "POST")
        assert not page.locator("value-delivered").evaluate("feed => /Private/.test(feed.shadowRoot.textContent)")
        expect(page.get_by_role("heading", name="Value Delivered")).to_be_focused()
        page.get_by_role("button", name="Try again").press("Enter")


def test_axe_finds_no_violation_in_any_status(
    open_feed: Open, page: Page, recorded: Recorded, find_faults: FindFaults
) -> None:
    amended = {"type": "amend", "reason": "Two fewer", "changes": {"value_usd": {"before": 5, "after": 4}}}
    recorded.has("Renewed Acme", hours=1, corrections=[amended], occurred_at="2026-03-03T17:00:00.000Z")
    recorded.has("Closed Borealis", hours=2, status="confirmed", corrections=[{"type": "confirm", "by": "session"}])
    disputed = {"type": "dispute", "by": "session", "reason": "They never signed"}
    recorded.has("Negotiated Northwind down", hours=3, status="disputed", corrections=[disputed])
    recorded.has("Published the report twice", hours=4, status="void", recorded_by=AGENT_KEY)
    unread = recorded.has("Recorded by hand", hours=5, recorded_by="session")
    recorded.instead("GET", unread, 500, json={"error": "Failed to get outcome"})
    recorded.has("Confirmed a moment ago", hours=6)
    some = {"count": 1, "value_usd": 1200.5}
    recorded.sums = {"confirmed": some, "disputed": some}
    open_feed()
    expect(rows(page)).to_have_count(6)
    for at in range(6):
        unfold(page, at)
    expect(page.locator(".past ol")).to_have_count(5)
    # Rows are sorted by the time when outcomes happened.
    renewed, disputed_row, latest = rows(page).nth(5), rows(page).nth(1), rows(page).nth(4)
    wrong(renewed).press("Enter")
    renewed.get_by_role("button", name="Send").click()
    recorded.instead("POST", "/corrections")
    confirm(disputed_row)
    expect(disputed_row.get_by_role("alert")).to_have_text(UNREACHED)
    page.evaluate(TIME_CONFIRMATIONS, None)
    right(latest).click()
    expect(latest.get_by_role("button", name="Undo")).to_be_visible()
    for width, theme in zip((1100, 320), THEMES, strict=True):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert find_faults("value-delivered", rules=AXE_RULES[theme]) == [], (width, theme)
    latest.get_by_role("button", name="Undo").click()  # the stopped timer would never send this confirmation


# ---- with the real API


@pytest.fixture
def outcome(ledger: Ledger) -> str:
    return ledger.record("Renewed Acme", created_at=NOW - timedelta(hours=1), value_usd=Decimal("12.50"))


@pytest.fixture
def feed(open_feed: Open, outcome: str) -> Page:  # noqa: ARG001 - recorded before the feed opens
    """Open the feed of a viewer with one outcome of $12.50."""
    page = open_feed(refresh=60)
    expect(rows(page)).to_have_count(1)
    return page


def test_an_owner_disputes_and_confirms_after_an_amendment(feed: Page, ledger: Ledger, outcome: str) -> None:
    row = unfold(feed)
    expect(history(row)).to_have_text(["Recorded by the platform · 1 hour ago"])
    dispute(row, "It was $12")
    expect(feed.locator(".standing")).to_have_text("left out of all sums: $12.50 disputed")
    expect(feed.locator(".total")).to_have_text("$0.00")

    ledger.correct(outcome, "amend", reason="Of course", changes={"valueUsd": 12, "title": "Renewed Acme at last"})
    leave_and_return(feed)
    expect(row.locator("summary .amount")).to_have_text("$12.00")
    expect(row.locator("strong")).to_have_text("Renewed Acme at last")
    expect(row.locator("summary")).not_to_contain_text("Disputed")
    expect(feed.locator(".total")).to_have_text("$12.00")

    confirm(row)
    expect(feed.locator(".standing")).to_have_text("$12.00 confirmed")
    expect(history(row)).to_have_text(
        [
            "Recorded by the platform · 1 hour ago",
            "Disputed by you · nowIt was $12",
            "Amended by the platform · nowOf courseTitleRenewed Acme → Renewed Acme at lastValue$12.50 → $12.00",
            "Confirmed by you · now",
        ]
    )


def test_a_lost_verdict_counts_once_and_a_late_one_is_refused(feed: Page, ledger: Ledger, outcome: str) -> None:
    row, total = unfold(feed), feed.locator(".total")
    expect(history(row)).to_have_count(1)

    def lose(route: Route) -> None:
        assert route.fetch().ok
        route.abort("connectionreset")

    feed.route("**/corrections", lose, times=1)
    feed.evaluate(TIME_CONFIRMATIONS, 0)  # sends it without hiding the page, after which the feed polls
    right(row).press("Enter")
    expect(row.get_by_role("alert")).to_contain_text("It may not have been saved.")
    expect(row.locator("summary")).not_to_contain_text("Confirmed")
    expect(row.get_by_role("button", name="Confirm", pressed=False)).to_be_focused()
    row.locator(".word").get_by_role("button", name="Try again").click()
    expect(right(row)).to_be_focused()  # not the button, which is hidden now
    expect(row.locator("summary")).to_contain_text("Confirmed · ")
    expect(row.get_by_role("alert")).to_have_text("")
    expect(feed.locator(".standing")).to_have_text("$12.50 confirmed")
    expect(history(row)).to_have_text(["Recorded by the platform · 1 hour ago", "Confirmed by you · now"])

    def too_late(route: Route) -> None:
        ledger.correct(outcome, "void", reason="Recorded twice")
        route.continue_()

    feed.route("**/corrections", too_late, times=1)
    dispute(row, "It was $12")
    expect(row.get_by_role("alert")).to_have_text("Not saved. Not possible: cannot dispute an outcome that is void.")
    expect(row.locator(".word").get_by_role("button", name="Try again")).to_be_hidden()
    expect(row.locator("summary")).to_contain_text("Void · ")
    expect(right(row)).to_be_hidden()
    expect(wrong(row)).to_be_hidden()
    leave_and_return(feed)
    expect(total).to_have_text("$0.00")  # a void outcome stays in the list
    expect(history(row).last).to_have_text("Declared void by the platform · nowRecorded twice")
