"""Test the review queue: keyboard and focus, verdicts that are sent as the page closes, and each state as axe sees it.

dashboard/tests/queue.test.js tests order and hints, verdicts.test.js when verdicts are sent and what becomes of them.
"""

import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Dialog, Locator, Page, Route, expect

from tests.browsers import hide_tab, leave_and_return, show_tab, wait_until
from tests.dashboard.conftest import API, AXE_RULES, THEMES, VIEWPORT, FindFaults, Open, set_attribute
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import Recorded
from tests.dashboard.test_corrections import TIME_CONFIRMATIONS

pytestmark = pytest.mark.at_noon

ROWS = ".claims > li"
BAR = ".verdicts .chosen"


def claims(page: Page) -> Locator:
    return page.locator(ROWS)


def title_of_focused(page: Page) -> str:
    """Return the title of the row that has the focus."""
    return page.locator(f"{ROWS}:focus-within strong").inner_text()


def test_a_person_reviews_with_keys_and_mouse_and_what_waits_is_saved_as_she_leaves(
    open_feed: Open, page: Page, ledger: Ledger
) -> None:
    ids = {}
    for number in range(8):
        title = f"Work {number}"
        created_at = datetime(2026, 4, 14, 20 - number, tzinfo=UTC)
        ids[title] = ledger.record(title, value_usd=800 - 100 * number, created_at=created_at)
    ledger.correct(ids["Work 7"], "dispute", reason="Half of it")
    open_feed(reload=True, url_state="")
    page.get_by_role("button", name="7 to review · $3,500").press("Enter")
    expect(claims(page)).to_have_count(7)
    assert page.url.endswith("#review")
    page.evaluate(TIME_CONFIRMATIONS, None)

    # Keys: the focus begins in the first row and goes on to the next one that is open.
    expect(claims(page).nth(0).get_by_role("checkbox")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("Shift+j")
    expect(page.locator(BAR)).to_have_text("2 selected · $1,500")
    page.keyboard.press("c")
    assert title_of_focused(page) == "Work 2"
    page.keyboard.press("k")  # what has a verdict is skipped
    assert title_of_focused(page) == "Work 2"
    page.keyboard.press("d")
    page.keyboard.type("jxc?")  # keys are letters in a field
    page.keyboard.press("Enter")
    expect(claims(page).nth(2)).to_have_attribute("data-state", "waiting")
    assert title_of_focused(page) == "Work 3"
    page.set_viewport_size({"width": 1280, "height": 360})
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.keyboard.press("?")  # shows what is above the list
    expect(page.locator(".keys")).to_be_in_viewport()
    page.keyboard.press("?")
    expect(page.locator(f"{ROWS}:focus-within")).to_be_in_viewport()
    page.set_viewport_size(VIEWPORT)

    # The mouse: the second click on Undo would be too late.
    claims(page).nth(1).get_by_role("button", name="Undo").click()
    expect(claims(page).nth(1).get_by_role("checkbox")).to_be_focused()
    claims(page).nth(3).get_by_text("Work 3").click()
    claims(page).nth(5).get_by_text("Work 5").click(modifiers=["Shift"])
    expect(page.locator(BAR)).to_have_text("3 selected · $1,200")
    page.locator(".verdicts").get_by_role("button", name="Confirm").click()
    hide_tab(page)  # sends all that wait, in one request
    expect(claims(page).locator(".given")).to_have_text(["Confirmed", "", "Disputed", *["Confirmed"] * 3, ""])
    show_tab(page)
    expect(page.locator(ROWS + "[data-state=saved]")).to_have_count(5)

    # What was changed elsewhere is seen when she returns to the tab.
    ledger.correct(ids["Work 6"], "amend", changes={"valueUsd": 7})
    leave_and_return(page)
    expect(claims(page).nth(6).locator(".what-happened")).to_have_text(
        "It was changed meanwhile: its value was $200.00. Please look at it again."
    )

    ledger.record("New", value_usd=900, created_at=datetime(2026, 4, 15, tzinfo=UTC))
    leave_and_return(page)
    page.get_by_role("button", name="Show 1 new").click()
    expect(claims(page).nth(0).get_by_role("checkbox")).to_be_focused()
    expect(claims(page).locator("strong")).to_have_text(["New", "Work 1", "Work 6"])

    claims(page).nth(2).get_by_role("button", name="Confirm").click()
    claims(page).nth(2).get_by_role("button", name="Undo").click()
    page.get_by_role("checkbox", name="Select all").check()
    page.keyboard.press("d")
    page.keyboard.type("Not ours")
    ledger.correct(ids["Work 6"], "amend", changes={"valueUsd": 8})
    leave_and_return(page)
    expect(claims(page).nth(2).locator(".what-happened")).to_contain_text("its value was $7.00")
    expect(page.locator(BAR)).to_have_text("2 selected · $1,600")  # a verdict is only on what she saw
    page.keyboard.press("Enter")
    expect(claims(page).locator(".given")).to_have_text(["Disputed", "Disputed", ""])
    page.keyboard.press("u")
    expect(page.locator(".verdicts")).not_to_contain_text("not saved")  # it was taken back

    # Keys can be turned off, also for the next time.
    page.get_by_role("switch", name="Shortcuts").click()
    claims(page).nth(1).get_by_role("checkbox").focus()
    page.keyboard.press("c")
    page.keyboard.press("Escape")
    expect(claims(page).nth(1)).to_have_attribute("data-state", "open")
    page.reload()
    expect(claims(page)).to_have_count(3)
    expect(page.get_by_role("switch", name="Shortcuts")).not_to_be_checked()

    page.get_by_role("button", name="Disputes", exact=True).click()
    expect(claims(page).locator(".state")).to_have_text(["waits for the platform: disputed just now"] * 2)
    expect(page.locator(".verdicts").get_by_role("button", name="Dispute", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Shortcuts", exact=True).click()
    expect(page.locator(".keys")).not_to_contain_text("dispute", use_inner_text=True)
    page.get_by_role("button", name="To review", exact=True).click()
    expect(claims(page)).to_have_count(3)
    claims(page).nth(0).get_by_role("button", name="Confirm").click()
    assert title_of_focused(page) == "Work 1"
    page.goto("about:blank")  # does not wait five seconds

    page.goto(f"{ledger.url}/feed")
    expect(page.locator(".feed > .rows .tag")).to_have_text(
        [*["Confirmed"] * 2, "Disputed", *["Confirmed"] * 3, "Disputed"]
    )


def test_a_queue_that_is_opened_by_the_address_before_the_feed_is_there_gets_the_focus(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    recorded.has("Work")
    open_feed(endpoint_later=True, url_state="", refresh=3600)
    page.evaluate("location.hash = '#review'")
    held = recorded.hold("GET", "/api/outcomes$")
    set_attribute(page, "value-delivered", "endpoint", "/api/outcomes")
    expect(claims(page)).to_have_count(1)
    expect(claims(page)).to_be_hidden()
    recorded.answer(held[0])
    expect(claims(page).first.get_by_role("checkbox")).to_be_focused()


def test_a_queue_whose_session_has_ended_says_what_is_lost_and_asks_no_more(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    for number in range(3):
        recorded.has(f"Work {number}", hours=number + 1)
    open_feed(refresh=3600, url_state="")
    page.evaluate("location.hash = '#review'")
    expect(claims(page).first.get_by_role("checkbox")).to_be_focused()
    page.evaluate(TIME_CONFIRMATIONS, None)
    page.keyboard.press("c")
    page.keyboard.press("c")
    expect(page.locator(ROWS + "[data-state=waiting]")).to_have_count(2)
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=401, json={"error": "Unauthorized"})

    page.route(API, refuse)
    page.evaluate("dispatchEvent(new Event('online'))")  # polls
    said = page.locator(".notice p")
    expect(said).to_have_text(
        "You are signed out 2 verdicts were not saved. Sign in to see what your agents delivered."
    )
    page.get_by_role("button", name="Try again").press("Enter")
    expect(said).to_have_text("You are signed out Sign in to see what your agents delivered.")
    assert len(refused) == 4  # one poll, and then the first three requests of a feed

    page.unroute(API, refuse)
    page.get_by_role("button", name="Try again").press("Enter")
    expect(claims(page)).to_have_count(3)
    claims(page).first.get_by_role("button", name="Confirm").click()
    recorded.instead("POST", "/corrections$", 401, json={"error": "Unauthorized"})
    hide_tab(page)  # sends it
    expect(said).to_contain_text("1 verdict was not saved.")


def test_the_queue_closes_to_its_opener_keeps_no_reason_of_another_and_resumes_online(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    for number in range(2):
        recorded.has(f"Work {number}", hours=number + 1)
    recorded.sums["confirmed"] = {"count": 0, "value_usd": 0}
    open_feed(refresh=3600)
    opener = page.get_by_role("button", name="2 to review")
    opener.press("Enter")
    dispute = claims(page).get_by_role("button", name="Dispute")
    dispute.first.click()
    reason = page.get_by_label("Why do you dispute it?")
    reason.fill("The wrong customer")
    page.locator(".verdicts form").get_by_role("button", name="Cancel").press("Escape")
    expect(reason).to_be_hidden()
    dispute.last.click()
    expect(reason).to_have_value("")
    reason.press("Escape")
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()

    opener.press("Enter")
    expect(claims(page).first.get_by_role("checkbox")).to_be_focused()  # it is read again
    recorded.instead("GET", "/api/outcomes$")
    page.get_by_role("button", name="Disputes", exact=True).click()
    loaded = page.locator(".review .loaded p")
    expect(loaded).to_contain_text("This could not be loaded.")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(loaded).to_have_text("No disputes.")


HEIGHTS = "items => items.map((item) => item.offsetHeight)"
TOP = "element => element.getBoundingClientRect().top + scrollY"
# Whether what has the focus is above the bar.
IS_SEEN = """({ shadowRoot: root }) => root.activeElement.getBoundingClientRect().bottom
    <= root.querySelector(".verdicts").getBoundingClientRect().top"""


@pytest.mark.parametrize("width", [1280, 600, 390])
def test_selecting_and_judging_move_nothing(width: int, open_feed: Open, page: Page, recorded: Recorded) -> None:
    for number in range(30):  # some of these titles break in a line that is a little narrower
        title = "Sold a plan " + "to " * number
        waits = {"state": "waiting", "on": "2026-05-15", "usd": number}
        recorded.has(title, hours=number + 1, value_usd=number, counts=waits)
    page.set_viewport_size({"width": width, "height": 844})
    open_feed(url_state="")
    page.evaluate("location.hash = '#review'")
    expect(claims(page)).to_have_count(30)
    page.evaluate(TIME_CONFIRMATIONS, None)
    claims(page).evaluate_all("rows => rows.map((row) => (row.style.contentVisibility = 'visible'))")
    bar = page.locator(".verdicts")

    def places() -> tuple[list[int], float, float]:
        height = bar.evaluate("bar => bar.offsetHeight")
        return claims(page).evaluate_all(HEIGHTS), page.locator(".claims").evaluate(TOP), height

    due = page.get_by_text("counts on May 15, 2026")
    expect(due.first).to_be_visible()
    before = places()
    page.get_by_role("checkbox", name="Select all").check()
    expect(page.locator(BAR)).to_contain_text("30 selected")
    assert places() == before
    page.keyboard.press("c")
    expect(page.locator(ROWS + "[data-state=waiting]")).to_have_count(30)
    expect(due.first).to_be_hidden()
    assert places() == before
    page.keyboard.press("u")
    expect(page.locator(ROWS + "[data-state=open]")).to_have_count(30)
    claims(page).first.get_by_role("button", name="Confirm").click()
    hide_tab(page)  # sends it
    expect(page.locator(ROWS + "[data-state=saved]")).to_have_count(1)
    show_tab(page)
    expect(page.get_by_role("button", name="Hide 1 saved")).to_be_visible()
    assert places() == before
    for _ in range(12):
        page.keyboard.press("j")
        assert page.locator("value-delivered").evaluate(IS_SEEN)


def test_the_bar_offers_what_is_possible_details_follow_and_hiding_keeps_the_count(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    ids = [recorded.has(f"Work {number}", hours=number + 1) for number in range(4)]
    recorded.correct(ids[3], type="dispute", by="session")
    open_feed(url_state="")
    page.evaluate("location.hash = '#review'")
    rows, caption = claims(page), page.locator(".review .caption")
    expect(rows).to_have_count(3)

    rows.first.get_by_role("button", name="Details").click()
    expect(rows.first.locator(".past li")).to_have_count(1)
    recorded.outcomes[0]["description"] = "Checked"
    recorded.correct(ids[0], type="amend", changes={"description": {"before": None, "after": "Checked"}})
    leave_and_return(page)
    expect(rows.first.locator(".past li")).to_have_count(2)
    expect(rows.first.locator(".description")).to_have_text("Checked")

    page.evaluate(TIME_CONFIRMATIONS, None)
    for number in (1, 2):
        rows.nth(number).get_by_role("button", name="Confirm").click()
    page.keyboard.press("u")
    page.keyboard.press("u")  # the verdict before
    expect(page.locator(ROWS + "[data-state=waiting]")).to_have_count(0)
    rows.nth(1).get_by_role("button", name="Confirm").click()
    leave_and_return(page)
    expect(page.get_by_role("button", name=re.compile("Show"))).to_be_hidden()  # the list has all that the poll found
    expect(caption).to_contain_text("2 to review · $2,401 · 1 reviewed")
    page.get_by_role("button", name="Hide 1 saved").click()
    expect(rows).to_have_count(2)
    expect(caption).to_contain_text("2 to review · $2,401 · 1 reviewed")

    page.get_by_role("button", name="Disputes", exact=True).click()
    rows.first.get_by_role("checkbox").check()
    bar = page.locator(".verdicts")
    expect(bar.get_by_role("button", name="Confirm")).to_be_enabled()
    expect(bar.get_by_role("button", name="Dispute")).to_be_hidden()


def test_disputes_that_ended_are_listed_with_what_ended_them_and_of_a_void_outcome_nothing_is_left_to_decide(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    ends = [{"type": "void", "reason": "Never signed"}, {"type": "confirm", "by": "session"}, {"type": "uphold"}]
    for hours, (status, end) in enumerate(zip(("void", "confirmed", "recorded"), ends, strict=True)):
        dispute = {"type": "dispute", "by": "session"}
        recorded.has("Deal", hours=hours + 1, status=status, corrections=[dispute, end])
    recorded.has("Never disputed", hours=9, status="void", corrections=[{"type": "amend"}, {"type": "void"}])
    open_feed(url_state="")
    page.evaluate("location.hash = '#review'")
    page.get_by_role("button", name="Disputes", exact=True).click()
    states = ["declared void: Never signed", "the platform stands by it", "you confirmed it"]
    expect(claims(page)).to_have_count(3)
    assert sorted(claims(page).locator(".state").all_inner_texts()) == states
    expect(page.locator("#review ~ .caption, section[aria-labelledby=review] .caption")).to_have_text(
        re.compile("^3 disputes · ")
    )
    expect(page.locator("section[aria-labelledby=review] [role=status]").first).to_have_text("")
    page.get_by_role("checkbox", name="Select all").check()
    expect(page.locator(BAR)).to_contain_text("2 selected")


def test_a_dispute_that_she_ends_waits_no_longer(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Deal", status="disputed", corrections=[{"type": "dispute", "by": "session"}])
    open_feed(url_state="")
    page.evaluate("location.hash = '#review=disputes'")
    expect(claims(page).locator(".state")).to_have_text(re.compile("^waits for the platform"))
    claims(page).get_by_role("button", name="Confirm").click()
    leave_and_return(page)
    expect(claims(page)).to_have_attribute("data-state", "saved")
    expect(claims(page).locator(".state")).to_have_count(0)


def test_a_list_that_is_opened_again_is_read_again(open_feed: Open, page: Page, recorded: Recorded) -> None:
    deal = recorded.has("Deal")
    recorded.sums |= {"confirmed": {"count": 0, "value_usd": 0}, "disputed": {"count": 1, "value_usd": 1200.5}}
    open_feed(refresh=3600)
    opener = page.get_by_role("button", name="1 dispute waits for the platform")
    opener.press("Enter")
    loaded = page.locator(".review .loaded p")
    expect(loaded).to_have_text("No disputes.")
    page.get_by_role("button", name="Close", exact=True).click()
    recorded.correct(deal, type="dispute", by="session")
    opener.press("Enter")
    expect(claims(page).locator(".state")).to_have_text(re.compile("^waits for the platform"))


def test_open_disputes_follow_what_is_disputed_or_ended_elsewhere(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    first = recorded.has("First", status="disputed", corrections=[{"type": "dispute", "by": "session"}])
    second = recorded.has("Second")
    open_feed(url_state="", refresh=3600)
    page.evaluate("location.hash = '#review=disputes'")
    expect(claims(page).locator(".state")).to_have_count(1)
    recorded.correct(first, type="uphold")
    recorded.correct(second, type="dispute", by="session")
    recorded.has("New")
    leave_and_return(page)
    expect(claims(page).locator(".what-happened")).to_have_text(
        "It was changed meanwhile, and is no longer disputed. Please look at it again."
    )
    page.get_by_role("button", name="Show 1 new").click()
    expect(claims(page).locator("strong")).to_have_text(["Second", "First"])


def test_an_open_queue_follows_the_rule(open_feed: Open, page: Page, recorded: Recorded) -> None:
    for number in range(3):
        recorded.has(f"Work {number}", counts={"state": "waiting", "on": "2026-05-15", "usd": 100 - number})
    open_feed(url_state="", refresh=3600)
    page.evaluate("location.hash = '#review'")
    caption = page.locator(".review .caption")
    expect(caption).to_contain_text("3 to review · $297")
    for outcome, state, usd in zip(
        recorded.outcomes, ("waiting", "counted", "not_counted"), (5, 99, None), strict=True
    ):
        outcome["counts"] = {"state": state, "on": "2026-05-04" if state == "waiting" else None, "usd": usd}
    leave_and_return(page)
    expect(caption).to_contain_text("1 to review · $5")
    due = [" · counts on May 4, 2026", " · counts now", " · does not count"]
    expect(claims(page).locator(".due")).to_have_text(due)


def test_the_bar_says_that_disputes_wait_when_the_first_was_changed_elsewhere(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    first = recorded.has("Deal")
    for hours in (2, 3):
        recorded.has("Deal", hours=hours)
    open_feed(url_state="", refresh=3600)
    page.evaluate("location.hash = '#review'")
    expect(claims(page)).to_have_count(3)
    page.evaluate(TIME_CONFIRMATIONS, None)
    page.get_by_role("checkbox", name="Select all").check()
    page.keyboard.press("d")
    page.keyboard.type("Not ours")
    page.keyboard.press("Enter")
    recorded.correct(first, type="amend")
    page.evaluate("dispatchEvent(new Event('online'))")  # polls
    said = "2 disputed, saved in five seconds. 1 not saved: see the list."
    expect(page.locator(".verdicts [role=status]")).to_have_text(said)


def test_a_row_whose_details_find_a_newer_version_shows_it(open_feed: Open, page: Page, recorded: Recorded) -> None:
    deal = recorded.has("Deal")
    open_feed(url_state="", refresh=3600)
    page.evaluate("location.hash = '#review'")
    expect(claims(page)).to_have_count(1)
    recorded.outcomes[0]["value_usd"] = 5
    recorded.correct(deal, type="amend")
    claims(page).get_by_role("button", name="Details").click()
    expect(claims(page).locator(".amount")).to_have_text("$5.00")
    expect(claims(page).locator(".what-happened")).to_have_text(
        "It was changed meanwhile: its value was $1,200.50. Please look at it again."
    )


def test_what_is_to_review_again_or_new_is_offered_whatever_the_status_of_the_feeds_filter(
    open_feed: Open, page: Page, recorded: Recorded
) -> None:
    original = recorded.has("Deal", hours=2)
    recorded.has("Deal")
    again = recorded.has("Other", status="confirmed", corrections=[{"type": "confirm", "by": "session"}])
    open_feed(url_state="", refresh=3600)
    page.evaluate("location.hash = '#status=confirmed&review'")
    expect(claims(page).locator(".hint")).to_have_count(1)
    claims(page).first.get_by_role("button", name="Dispute").click()
    page.get_by_role("button", name="Cancel").press("Escape")  # closes the form, not the queue
    expect(page.get_by_label("Why do you dispute it?")).to_be_hidden()
    recorded.correct(original, type="void")
    leave_and_return(page)
    expect(claims(page).locator(".hint")).to_have_count(0)  # what is void is no original of a duplicate
    recorded.correct(again, type="amend", changes={"value_usd": {"before": 1200.5, "after": 9}})
    recorded.has("New")
    leave_and_return(page)
    page.get_by_role("button", name="Show 2 new").click()
    expect(claims(page)).to_have_count(3)


def test_what_happened_meanwhile_stays_in_its_row_and_the_page_asks_before_it_loses_a_verdict(
    open_feed: Open, page: Page, recorded: Recorded, find_faults: FindFaults
) -> None:
    for number in range(5):
        recorded.has("Twice", hours=number + 1, value_usd=50 - number // 2)
    disputed = [{"type": "dispute", "by": "session"}]
    recorded.has("Upheld", hours=9, corrections=[*disputed, {"type": "uphold", "reason": "Signed by both"}])
    recorded.has("Amended", hours=8, status="disputed", corrections=[*disputed, {"type": "amend", "by": "key:7"}])
    recorded.has("Twice", hours=6, value_usd=48, status="confirmed")
    open_feed(url_state="")
    page.evaluate("location.hash = '#review'")
    rows = claims(page)
    expect(rows).to_have_count(6)
    expect(rows.locator(".hint")).to_have_count(4)  # one is like a confirmed one, one far above what is usual
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        assert find_faults("value-delivered", rules=AXE_RULES[theme]) == []
    page.emulate_media(color_scheme="light")

    recorded.correct("outcome-1", type="amend", changes={})
    recorded.outcomes[1]["title"] = "Once"
    recorded.correct("outcome-2", type="confirm", by="session")
    recorded.instead("POST", "/corrections$", 503, json={"error": "Busy"})
    page.get_by_role("checkbox", name="Select all").check()
    page.keyboard.press("c")
    leave_and_return(page)
    expect(rows.locator(".what-happened:not(:empty)")).to_have_count(6)
    assert find_faults("value-delivered") == []

    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.evaluate("location.href = '/elsewhere'")
    wait_until(page, lambda: asked == ["beforeunload"])
    assert asked == ["beforeunload"]

    page.get_by_role("button", name=re.compile(r"Try \d again")).click()
    expect(page.locator(ROWS + "[data-state=saved]")).to_have_count(4)
    said = Counter(text for text in rows.locator(".what-happened").all_inner_texts() if text)
    assert said == {
        "Not saved. It was changed meanwhile: its title was “Twice”. Please look at it again.": 1,
        "Not saved. It was confirmed meanwhile.": 1,
    }
    page.set_viewport_size({"width": 320, "height": 800})
    page.evaluate("document.dir = 'rtl'")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("document.dir = ''")
