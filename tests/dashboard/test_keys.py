"""Test <outcome-keys>: creating, pausing, rotating and revoking keys, and errors.

Node tests hold the words of rows and the texts to paste.
"""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from outcomes.contract.agent_key_bodies import NEW_AGENT_KEY, Scope
from outcomes.keys import key_text
from outcomes.limits import MAX_KEY_NAME, MAX_OVERLAP_HOURS
from playwright.sync_api import Locator, Page, expect

from tests.browsers import go_offline, leave_and_return, wait_until
from tests.dashboard.agent_keys import LISTED, NO_TYPES, AgentKeys
from tests.dashboard.conftest import (
    AXE_RULES,
    THEMES,
    FindFaults,
    Open,
    assert_fits,
    set_attribute,
)
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW, instant
from tests.outcome_types import TYPES

pytestmark = pytest.mark.at_noon

SECRET = re.compile(r"oc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}")


@pytest.fixture
def keys(page: Page) -> AgentKeys:
    """Answer the page's requests with a fake API that has no key yet."""
    keys = AgentKeys()
    keys.serve(page)
    return keys


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def rows(page: Page) -> Locator:
    return page.locator(".rows > li")


def new_key(page: Page, name: str = "Nightly import") -> None:
    """Open the form for a new key, and fill in the key's name."""
    button(page, "New key").click()
    page.get_by_label("Name").fill(name)


# Returns everything that element and page store, except text nodes and the contents of text areas.
KEPT = """() => {
    const shadow = document.querySelector('outcome-keys').shadowRoot
    const attributes = [...shadow.querySelectorAll('*')].flatMap((one) => [...one.attributes].map(({ value }) => value))
    return JSON.stringify([attributes, location.href, document.cookie, { ...localStorage }, { ...sessionStorage }])
}"""


def all_text(page: Page) -> str:
    """Return all text of the element, including the contents of text areas."""
    text: str = page.locator("outcome-keys").evaluate(
        "({ shadowRoot: root }) =>"
        " [root.textContent, ...[...root.querySelectorAll('textarea')].map(({ value }) => value)].join()"
    )
    return text


# ---- the states


SCOPES_RULE = NEW_AGENT_KEY.rules["scopes"].words
MARKUP = "<img src=x onerror='window.harmed = 1'>\u202egnirts desrever" + "W" * 40


def test_each_state_has_a_message_and_axe_finds_no_violation(
    open_keys: Open, page: Page, keys: AgentKeys, find_faults: FindFaults
) -> None:
    def shows(words: str) -> None:
        expect(page.get_by_text(words)).to_be_visible()
        for width, theme in zip((1000, 320), THEMES, strict=True):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=theme)
            assert_fits(page, "outcome-keys")
            assert find_faults("outcome-keys", rules=AXE_RULES[theme]) == [], (words, theme)

    fails: dict[str, Any] = {"status": 500, "json": {"error": "Failed to list keys"}}
    open_keys(endpoint_later=True, sign_in_url="/login?next=/")
    shows("No keys here")
    held = keys.hold("GET", "")
    set_attribute(page, "outcome-keys", "endpoint", "/api/keys/")
    shows("Loading your agents\u2019 keys")
    held[0].fulfill(**fails)
    shows("The keys could not be loaded")
    keys.instead("GET", "", 200, json={"keys": [{"id": 7}]})
    button(page, "Try again").click()
    expect(page.get_by_text("The server\u2019s answer could not be understood.")).to_be_visible()
    go_offline(page)
    keys.instead("GET", "")
    button(page, "Try again").click()
    shows("You are offline")
    expect(button(page, "New key")).to_have_count(0)
    page.context.set_offline(False)
    shows("No keys yet")

    keys.has(MARKUP, expires_at=instant(NOW - timedelta(days=90)), scopes=["record", "backfill"])
    platform = {"made_by": "platform", "rotated_by": "platform", "rotated_at": instant(NOW - timedelta(days=5))}
    keys.has("Assistant", scopes=["record", "read"], last_used_at=instant(NOW - timedelta(days=3)), **platform)
    bounds = {"agent_id": 7, "outcome_types": ["deal_closed", "negotiation_complete"], "max_value_usd": 2500.5}
    bounds |= {"max_per_day": 10_000, "recorded_today": 3_120, "paused_at": instant(NOW)}
    keys.has("Sales agent", **bounds, last_used_at=instant(NOW), expires_at=instant(NOW + timedelta(days=60)))
    leave_and_return(page)
    shows("for Agent 7 only")
    keys.instead("GET", "", **fails)
    leave_and_return(page)
    shows("This may be out of date")
    button(page, "Rotate Sales agent").click()
    expect(button(page, "Rotate")).to_be_visible()  # the file with the form must be loaded before the page is offline
    go_offline(page)
    keys.instead("POST", "")
    keys.instead("GET", "")
    button(page, "Rotate").click()
    expect(page.get_by_role("alert")).to_contain_text("You are offline.")
    wait_until(page, lambda: keys.asked[-1].method == "GET")  # the one whose connection is reset
    expect(rows(page).locator("strong")).to_have_text(["Sales agent", "Assistant", MARKUP])
    page.context.set_offline(False)
    expect(page.locator(".notice")).to_be_hidden()
    shows("A new secret for Sales agent")
    button(page, "Revoke Assistant").click()
    keys.instead("DELETE", "")
    button(page, "Revoke for good").click()
    shows("The key may have been revoked anyway.")
    new_key(page)
    faults = [{"field": name, "message": NEW_AGENT_KEY.rules[name].words} for name in ("name", "scopes")]
    keys.instead("POST", "", 400, json={"error": "Invalid name", "details": faults})
    button(page, "Make key").click()
    shows(f"What the key may do {SCOPES_RULE}.")
    expect(page.get_by_label("Name")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    button(page, "Make key").click()
    shows("It is shown only once")
    assert SECRET.search(all_text(page))
    keys.instead("POST", "", 401, json={"error": "Unauthorized"})
    button(page, "Rotate").click()
    shows("You are signed out")
    assert not re.search("oc_|Sales agent", all_text(page))
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/login?next=/")
    expect(button(page, "New key")).to_have_count(0)
    button(page, "Check again").press("Enter")
    expect(rows(page)).to_have_count(4)
    assert page.evaluate("window.harmed") is None


# ---- a new key


def test_each_limit_can_be_chosen_and_is_sent_as_typed(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.types = NO_TYPES
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_keys()
    expect(button(page, "New key")).to_be_visible()
    assert not [url for url in asked if url.endswith("/types")]  # only the form asks for them
    new_key(page)
    expect(page.get_by_text("The types could not be loaded.")).to_be_visible()
    button(page, "Cancel").click()
    keys.types = LISTED
    new_key(page)
    boxes, values = page.get_by_role("checkbox"), "all => all.map(({ value }) => value)"
    expect(boxes).to_have_count(len(TYPES) + len(Scope))  # the form shows the types once they are loaded
    assert sorted(boxes.evaluate_all(values)) == sorted([*TYPES, *Scope])
    expect(page.get_by_label("Name")).to_have_attribute("maxlength", str(MAX_KEY_NAME))
    agent, last = page.get_by_label("Agent number"), page.get_by_label("Last day")
    most, record = page.get_by_label("Largest value"), page.get_by_label("Record outcomes as they happen")
    for control, text in ((most, "5e"), (most, "-1"), (agent, "1.5"), (page.get_by_label("Name"), "")):
        before = control.input_value()
        control.fill("")
        control.press_sequentially(text)  # an invalid number does not count as no limit
        button(page, "Make key").click()
        expect(control).to_have_attribute("aria-invalid", "true")
        expect(control).to_be_focused()
        described = control.get_attribute("aria-describedby")
        assert described
        expect(page.locator(f"#{described.split()[0]}")).not_to_be_empty()
        control.fill(before)
    agent.fill("7")
    most.fill("123456789012345.12345678901234567890")
    last.fill("2026-04-14")
    button(page, "Make key").click()
    expect(last).to_have_attribute("aria-invalid", "true")  # this day is over
    last.fill("2026-05-01")
    page.get_by_label("Deal closed").check()
    page.get_by_label("Content published").check()
    record.uncheck()
    button(page, "Make key").click()
    expect(page.get_by_text("Tick at least one.")).to_be_visible()
    assert keys.sent("POST") == []
    page.get_by_label("Correct outcomes").check()
    button(page, "Make key").click()
    expect(rows(page)).to_contain_text("Until May 1, 2026")
    assert keys.sent("POST") == [
        {
            "name": "Nightly import",
            "agentId": 7,
            "maxValueUsd": "123456789012345.12345678901234567890",
            "expiresAt": "2026-05-02T03:59:59.000Z",  # 03:59:59 UTC is the end of the day before in New York
            "outcomeTypes": ["deal_closed", "content_published"],
            "scopes": ["correct"],
        }
    ]
    button(page, "Rotate Nightly import").click()
    expect(page.get_by_label("How long the current secret keeps working")).to_be_visible()
    hours = page.locator("select option").evaluate_all(values)
    assert (hours[0], hours[-1]) == ("0", str(MAX_OVERLAP_HOURS))
    page.route("**/stage/api/**", lambda route: route.fulfill(json={"keys": []}))
    set_attribute(page, "outcome-keys", "endpoint", "/stage/api/keys/")
    with page.expect_request("**/stage/api/outcomes/types"):  # types are read beside the endpoint
        button(page, "New key").click()


@pytest.fixture
def clipboard(page: Page) -> Iterator[None]:
    """Let the page write and read the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield
    page.context.clear_permissions()


PASTED = {
    ".env": re.compile(rf"OUTCOMES_URL=http://\S+\nINTERNAL_API_KEY={SECRET.pattern}"),
    "Shell": re.compile(rf"export OUTCOMES_URL='http://\S+'\nexport INTERNAL_API_KEY='{SECRET.pattern}'"),
    "curl": re.compile(
        rf"curl 'http://\S+/api/outcomes'.+'Authorization: Bearer {SECRET.pattern}'.+deal_closed.+", re.S
    ),
    "Claude Code": re.compile(r".+\$\{INTERNAL_API_KEY\}.+", re.S),
    "Cursor": re.compile(r".+\$\{env:INTERNAL_API_KEY\}.+", re.S),
    "VS Code": re.compile(r".+\$\{input:outcomes-key\}.+", re.S),
}


def places(page: Page) -> Locator:
    return page.get_by_role("group", name="Paste it where your agent runs").get_by_role("button")


# Returns the texts that are not at the right edge of what is around them.
AWAY = """(all) => all.filter((one) => {
    const text = document.createRange()
    text.selectNodeContents(one)
    return one.parentElement.getBoundingClientRect().right - text.getBoundingClientRect().right > 1
}).map(({ textContent }) => textContent)"""


@pytest.mark.usefixtures("clipboard")
def test_a_secret_and_texts_with_it_are_copied_and_forgotten(
    open_keys: Open, page: Page, keys: AgentKeys, find_faults: FindFaults
) -> None:
    keys.has("Older")
    open_keys()
    new_key(page)
    page.get_by_label("Deal closed").check()
    button(page, "Make key").click()
    secret = page.get_by_role("textbox", name="The key of Nightly import").input_value()
    assert SECRET.fullmatch(secret)
    expect(places(page)).to_have_text([*PASTED])
    for place, text in [("", SECRET), *PASTED.items()]:
        if place:
            button(page, place).press("Enter")
            expect(button(page, place)).to_have_attribute("aria-pressed", "true")
            expect(page.get_by_role("textbox", name=place)).to_have_value(text)
        button(page, f"Copy for {place}" if place else "Copy").press("Enter")
        copied = f"Copied: {place or 'The key of Nightly import'}."
        expect(page.get_by_role("status").filter(has_text=copied)).to_be_visible()
        assert text.fullmatch(page.evaluate("navigator.clipboard.readText()"))
        assert_fits(page, "outcome-keys")
    assert find_faults("outcome-keys") == []
    page.evaluate("document.dir = 'rtl'")
    for shown in (page.get_by_role("textbox"), button(page, ".env"), rows(page).locator("code")):
        expect(shown.last).to_have_css("direction", "ltr")
    assert rows(page).locator("strong, code").evaluate_all(AWAY) == []
    page.evaluate("document.dir = ''")
    assert secret in all_text(page)
    assert secret not in page.evaluate(KEPT)
    button(page, "Done").press("Enter")
    assert secret.rpartition("_")[2] not in all_text(page)
    expect(button(page, "New key")).to_be_focused()
    expect(rows(page).locator("strong")).to_have_text(["Nightly import", "Older"])

    # Pages without TLS have no clipboard.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    new_key(page, "Later")
    button(page, "Make key").click()
    for label, copy in (("The key of Later", "Copy"), (".env", "Copy for .env")):
        button(page, copy).click()
        shown = page.get_by_role("textbox", name=label)
        selected = shown.evaluate("text => text.value.slice(text.selectionStart, text.selectionEnd)")
        assert selected == shown.input_value()
        expect(shown).to_be_focused()
    expect(page.get_by_text("The text is selected: copy it by keyboard or menu.")).to_have_count(2)
    page.evaluate("delete navigator.clipboard, 0")


def test_a_form_that_failed_to_load_comes_with_the_next_click(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Nightly import")
    page.route("**/outcome-keys-more.js", lambda route: route.abort())
    open_keys(reload=True)
    button(page, "Revoke Nightly import").click()
    expect(page.get_by_role("status").filter(has_text="A file of this page could not be loaded.")).to_be_visible()
    button(page, "Revoke Nightly import").click()
    expect(page.get_by_role("heading", name="Revoke Nightly import?")).to_be_focused()


def test_agents_are_called_by_the_names_that_the_feed_uses(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    for id_ in (7, 11, 13):
        keys.has(f"Key {id_}", agent_id=id_)
    open_keys(agent_names='{"0": "Nobody", "7": "<b>Ava</b>", "11": "Ben", "17": "Dan"}')
    bound = rows(page).locator("bdi[title]")
    expect(bound).to_have_text(["for Agent 13 only", "for Ben only", "for <b>Ava</b> only"])
    page.locator("outcome-keys").evaluate("keys => { keys.agentName = id => id === 13 ? 'Cleo' : null }")
    expect(bound).to_have_text(["for Cleo only", "for Ben only", "for <b>Ava</b> only"])
    new_key(page)
    agent, number = page.get_by_label("Agent", exact=True), page.get_by_label("Agent number")
    offered = ["Any of your agents", "<b>Ava</b>", "Ben", "Cleo", "Dan", "Another agent, by its number"]
    expect(agent.locator("option")).to_have_text(offered)
    expect(number).to_be_hidden()
    agent.select_option(offered[-1])
    number.fill("1.5")
    agent.select_option("Cleo")
    button(page, "Make key").click()
    button(page, "Done").click()
    expect(bound.first).to_have_text("for Cleo only")
    new_key(page)
    agent.select_option(offered[-1])
    button(page, "Make key").click()
    expect(number).to_be_focused()  # without an agent number, no key is made
    number.fill("19")
    button(page, "Make key").click()
    expect(bound.first).to_have_text("for Agent 19 only")
    assert [sent["agentId"] for sent in keys.sent("POST")] == [13, 19]


def test_pressing_twice_makes_one_key_which_an_old_list_does_not_remove(
    open_keys: Open, page: Page, keys: AgentKeys
) -> None:
    open_keys()
    new_key(page)
    lists, held = keys.hold("GET", ""), keys.hold("POST", "")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.get_by_label("Name").press("Enter")
    expect(button(page, "Making\u2026")).to_have_attribute("aria-disabled", "true")
    page.get_by_label("Name").press("Enter")
    button(page, "Making\u2026").click(force=True)
    page.get_by_label("Name").press("Escape")
    expect(page.get_by_label("Name")).to_be_visible()
    assert len(keys.sent("POST")) == 1
    made = keys.has("Nightly import")
    held[0].fulfill(json=made | {"key": "oc_secret"})
    expect(page.get_by_role("textbox", name="The key of Nightly import")).to_have_value("oc_secret")
    with page.expect_response(lambda response: len(response.body()) > 20):
        lists[0].fulfill(json={"keys": []})
    expect(rows(page)).to_have_count(1)
    button(page, "Revoke Nightly import").click()
    button(page, "Revoke for good").click()
    expect(page.get_by_text("No keys yet")).to_be_visible()
    assert "oc_secret" not in all_text(page)


@pytest.mark.usefixtures("keys")
def test_a_new_key_that_is_rotated_shows_only_the_secret_that_it_has_now(open_keys: Open, page: Page) -> None:
    open_keys()
    new_key(page)
    button(page, "Make key").click()
    secret = page.get_by_role("textbox", name="The key of Nightly import")
    first = secret.input_value()
    button(page, "Rotate Nightly import").click()
    button(page, "Rotate").click()
    expect(page.get_by_role("heading", name="Copy the key of Nightly import now")).to_be_focused()
    expect(secret).to_have_count(1)
    assert first not in all_text(page)


# ---- errors


REFUSED = {"status": 409, "json": {"error": "Too many keys"}}
OTHER_FIELD = {"error": "Invalid wish", "details": [{"field": "wish", "message": "no"}]}
LOST = (
    "The key may have been made anyway, but its secret is lost. If it is in the list below, revoke it and make another."
)
FAILURES: list[tuple[dict[str, Any], str]] = [
    (REFUSED, "The server answered 409: Too many keys. Revoke one that is no longer used."),
    ({"status": 400, "json": OTHER_FIELD}, "The server answered 400: Invalid wish."),
    ({"status": 503, "json": {"error": "Busy"}}, "The server answered 503: Busy."),
    ({}, f"The server could not be reached. {LOST}"),
    ({"status": 500, "json": {"error": "Busy"}}, f"The server answered 500: Busy. {LOST}"),
    ({"status": 200, "json": {"id": "x"}}, f"The server\u2019s answer could not be understood. {LOST}"),
]


def test_a_key_is_paused_and_resumed_by_one_button(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    id_ = keys.has("Old")["id"]
    open_keys()
    button(page, "Pause Old").click()
    expect(page.get_by_text("Old is paused.")).to_be_visible()
    expect(button(page, "Resume Old")).to_be_focused()
    expect(rows(page)).to_contain_text("Paused")
    button(page, "Resume Old").click()
    expect(page.get_by_text("Old is no longer paused.")).to_be_visible()
    expect(rows(page)).not_to_contain_text("Paused")
    assert keys.paths("POST") == [f"/{id_}/pause", f"/{id_}/resume"]
    keys.instead("POST", f"/{id_}/pause", 500, json={"error": "Failed to manage keys"})
    listed = len(keys.paths("GET"))
    button(page, "Pause Old").click()
    expect(page.get_by_text("The server answered 500: Failed to manage keys.")).to_be_visible()
    wait_until(page, lambda: len(keys.paths("GET")) > listed)
    assert len(keys.paths("GET")) > listed, "the list is not read, though the key may be paused"
    keys.instead("POST", f"/{id_}/pause")
    go_offline(page)
    button(page, "Pause Old").click()
    said = "You are offline: once you are not, the list shows whether the key is paused."
    expect(page.get_by_text(said)).to_be_visible()
    page.context.set_offline(False)
    keys.instead("POST", f"/{id_}/pause", 401, json={"error": "Unauthorized"})
    button(page, "Pause Old").click()
    expect(page.get_by_text("You are signed out")).to_be_visible()


def test_a_failure_says_whether_a_key_may_have_been_made(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page)
    keys.has("Nightly import")  # the server has created the key, but its answer is lost
    for reads, (answer, words) in zip((0, 0, 0, 1, 2, 3), FAILURES, strict=True):
        keys.instead("POST", "", **answer)
        button(page, "Make key").click()
        expect(page.get_by_role("alert")).to_have_text(words)
        expect(page.get_by_label("Name"), words).to_have_value("Nightly import")
        expect(rows(page)).to_have_count(int(reads > 0))
        wait_until(page, lambda: len(keys.paths("GET")) > reads)  # noqa: B023 - called at once
        assert len(keys.paths("GET")) == 1 + reads


def test_a_late_secret_is_not_shown_after_signing_out_or_a_move(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    old = keys.has("Old")
    open_keys()
    for open_form, send, verb in (("New key", "Make key", "made"), ("Rotate Old", "Rotate", "rotated")):
        button(page, open_form).click()
        if verb == "made":
            page.get_by_label("Name").fill("Nightly import")
        held = keys.hold("POST", "")
        button(page, send).click()
        wait_until(page, lambda: held != [])  # noqa: B023 - called at once
        if verb == "made":
            keys.instead("GET", "", 401, json={"error": "Unauthorized"})
            leave_and_return(page)
            expect(page.get_by_text("You are signed out")).to_be_visible()
        else:
            page.evaluate("document.body.append(document.querySelector('outcome-keys'))")
        held.pop().fulfill(json=old | {"key": "oc_late"})
        expect(page.locator(".live")).to_contain_text(f"The key may have been {verb} anyway")
        assert "oc_late" not in all_text(page)
        leave_and_return(page)
        expect(rows(page).locator("strong", has_text="Old")).to_be_visible()


# ---- updates


def test_returning_to_the_tab_keeps_input_and_focus_unless_another_user_has_signed_in(
    open_keys: Open, page: Page, keys: AgentKeys
) -> None:
    keys.has("Key")
    open_keys()
    new_key(page, "Half a na")
    keys.has("From elsewhere")
    keys.kept[1] |= {"last_used_at": instant(NOW)}
    leave_and_return(page)
    expect(rows(page).locator("strong")).to_have_text(["From elsewhere", "Key"])
    expect(rows(page).nth(1)).to_contain_text("Last used within the last hour")
    expect(page.get_by_label("Name")).to_have_value("Half a na")
    expect(page.get_by_label("Name")).to_be_focused()
    button(page, "Revoke Key").focus()
    keys.has("Another one")
    leave_and_return(page)
    expect(rows(page)).to_have_count(3)
    expect(button(page, "Revoke Key")).to_be_focused()
    button(page, "Make key").click()
    expect(rows(page)).to_have_count(4)
    keys.kept.clear()
    keys.has("Of another", user_id=43)
    button(page, "Rotate Key").focus()
    leave_and_return(page)
    expect(rows(page).locator("strong")).to_have_text(["Of another"])
    assert not re.search(f"{SECRET.pattern}|Half a na", all_text(page))
    expect(page.get_by_role("heading", name="Agent keys")).to_be_focused()


@pytest.mark.parametrize("told", ["paused", "revoked"])
@pytest.mark.parametrize("then", ["a user with keys", "a user without keys", "nobody"])
def test_what_was_told_to_one_user_is_not_told_to_another(
    open_keys: Open, page: Page, keys: AgentKeys, then: str, told: str
) -> None:
    keys.has("Acme merger")
    open_keys()
    if told == "paused":
        button(page, "Pause Acme merger").click()
    else:
        button(page, "Revoke Acme merger").click()
        button(page, "Revoke for good").click()
    expect(page.get_by_text(f"Acme merger is {told}.")).to_be_visible()
    button(page, "New key").focus()
    keys.kept.clear()
    if then == "a user with keys":
        keys.has("Of another", user_id=43)
    if then == "nobody":
        keys.instead("GET", "", 401, json={"error": "Unauthorized"})
    leave_and_return(page)
    expect(rows(page).filter(has_text="Acme")).to_have_count(0)
    wait_until(page, lambda: "Acme" not in all_text(page))
    assert "Acme" not in all_text(page)


# ---- accessibility


def test_the_keys_are_managed_by_keyboard(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Older")
    open_keys()
    expect(rows(page)).to_have_count(1)

    def tab(times: int = 1) -> list[str]:
        stops: list[str] = []
        for _ in range(times):
            page.keyboard.press("Tab")
            stops.append(
                page.evaluate(
                    "(({ localName, type, value, ariaLabel, textContent }) =>"
                    " [localName, type === 'checkbox' ? value : ariaLabel ?? textContent].join(' ').trim())"
                    "(document.querySelector('outcome-keys').shadowRoot.activeElement ?? document.body)"
                )
            )
        return stops

    assert tab(4) == ["button New key", "button Pause Older", "button Rotate Older", "button Revoke Older"]
    button(page, "New key").press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("By keyboard")
    assert tab(2) == ["input", "input"]
    page.get_by_role("checkbox").last.focus()
    assert tab() == ["button Make key"]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Copy the key of By keyboard now")).to_be_focused()
    assert tab(2) == ["textarea The key of By keyboard", "button Copy"]
    expect(places(page)).to_have_count(len(PASTED))
    assert tab(len(PASTED)) == [f"button {place}" for place in PASTED]
    assert tab(3) == ["textarea .env", "button Copy for .env", "button Done"]
    page.keyboard.press("Enter")
    assert tab(3) == ["button Pause By keyboard", "button Rotate By keyboard", "button Revoke By keyboard"]
    assert tab(2) == ["button Pause Older", "button Rotate Older"]
    page.keyboard.press("Enter")
    expect(page.get_by_label("How long the current secret keeps working")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Copy the key of Older now")).to_be_focused()
    assert keys.sent("POST")[-1] == {"overlapHours": 1}


# ---- with the real API


@pytest.fixture
def real_keys(open_keys: Open) -> Page:
    """Open <outcome-keys> for a viewer without keys."""
    page = open_keys()
    expect(page.get_by_text("No keys yet")).to_be_visible()
    return page


def take(page: Page, name: str) -> str:
    """Return the new key's secret, which the page shows only once, and click Done."""
    shown = page.get_by_role("textbox", name=f"The key of {name}")
    expect(shown).to_be_visible()
    key = shown.input_value()
    assert key_text.read_id(key)
    button(page, "Done").click()
    return key


def record(ledger: Ledger, key: str, **fields: object) -> tuple[int, list[str]]:
    """Record a deal with a key. Return the response's status and the names of the fields that were refused."""
    headers = {"Authorization": f"Bearer {key}"}
    body = {"outcomeType": "deal_closed", "title": "By its own key", **fields}
    answer = httpx.post(f"{ledger.url}/api/outcomes", json=body, headers=headers)
    return answer.status_code, [fault["field"] for fault in answer.json().get("details", [])]


def test_a_key_is_made_used_rotated_and_revoked(real_keys: Page, ledger: Ledger) -> None:
    new_key(real_keys, "Sales agent")
    real_keys.get_by_label("Agent number").fill("7")
    real_keys.get_by_label("Largest value").fill("500.50")
    real_keys.get_by_label("Deal closed").check()
    button(real_keys, "Make key").click()
    call = real_keys.get_by_role("textbox", name="curl")
    button(real_keys, "curl").click()
    url, _, credential, _, body = shlex.split(call.input_value().removeprefix("curl").replace("\\\n", ""))
    name, _, value = credential.partition(": ")
    assert httpx.post(url, content=body.replace("}", ', "agentId": 7}'), headers={name: value}).json() == {"ok": True}
    secrets = [take(real_keys, "Sales agent")]
    facts = rows(real_keys).locator(".meta")
    words = "May record · for Agent 7 only · only Deal closed · up to $500.50 each"
    expect(facts.first).to_have_text(words)
    assert record(ledger, secrets[0], valueUsd=500.5) == (200, [])
    button(real_keys, "Pause Sales agent").click()
    expect(button(real_keys, "Resume Sales agent")).to_be_visible()
    assert record(ledger, secrets[0], valueUsd=500.5) == (403, ["Authorization"])
    button(real_keys, "Resume Sales agent").click()
    expect(button(real_keys, "Pause Sales agent")).to_be_visible()
    refused = ["agentId", "outcomeType", "valueUsd"]
    assert record(ledger, secrets[0], valueUsd=500.51, agentId=8, outcomeType="task_complete") == (403, refused)
    real_keys.evaluate("dispatchEvent(new Event('online'))")
    expect(rows(real_keys)).to_contain_text("Last used within the last hour")
    expect(facts.first).to_have_text(words)

    works = [[200, 200], [401, 200, 200], [401, 401, 401, 200]]
    for overlap, expected in zip(("One day", "One day", "Not at all: it stops at once"), works, strict=True):
        button(real_keys, "Rotate Sales agent").click()
        real_keys.get_by_label("How long the current secret keeps working").select_option(overlap)
        button(real_keys, "Rotate").click()
        secrets.append(take(real_keys, "Sales agent"))
        assert [record(ledger, secret)[0] for secret in secrets] == expected
        expect(facts.nth(1)).to_have_text(re.compile("Made .* by you · Rotated .* by you · "))

    for key in ("Enter", "Escape"):
        button(real_keys, "Revoke Sales agent").click()
        expect(real_keys.get_by_role("heading", name="Revoke Sales agent?")).to_be_focused()
        button(real_keys, "Cancel").press(key)
        expect(button(real_keys, "Revoke Sales agent")).to_be_focused()
    assert record(ledger, secrets[-1])[0] == 200
    button(real_keys, "Revoke Sales agent").click()
    button(real_keys, "Revoke for good").click()
    expect(real_keys.get_by_text("No keys yet")).to_be_visible()
    expect(real_keys.get_by_role("status").filter(has_text="Sales agent is revoked.")).to_be_visible()
    expect(real_keys.get_by_role("heading", name="Agent keys")).to_be_focused()
    assert {record(ledger, secret)[0] for secret in secrets} == {401}


@pytest.mark.parametrize("is_new", [True, False])
def test_a_secret_that_was_replaced_elsewhere_is_no_longer_shown(real_keys: Page, is_new: bool) -> None:
    new_key(real_keys, "Sales agent")
    button(real_keys, "Make key").click()
    if not is_new:
        take(real_keys, "Sales agent")
        button(real_keys, "Rotate Sales agent").click()
        button(real_keys, "Rotate").click()
    expect(real_keys.get_by_role("heading", name="Copy the key of Sales agent now")).to_be_focused()
    id_ = rows(real_keys).locator("code").inner_text()[len("oc_") :][: key_text.ID_LENGTH]
    call = f"""fetch("/api/keys/{id_}/rotate", {{
        method: "POST", body: "{{}}", headers: {{ "content-type": "application/json" }},
    }}).then(({{ status }}) => status)"""
    assert real_keys.evaluate(call) == 200
    leave_and_return(real_keys)
    said = "Sales agent was rotated: the secret that was shown here has stopped working, or will."
    expect(real_keys.get_by_text(said)).to_be_visible()
    expect(real_keys.get_by_role("heading", name="Agent keys")).to_be_focused()
    assert not SECRET.search(all_text(real_keys))
    expect(button(real_keys, "Rotate Sales agent")).to_be_visible()


def test_a_list_from_before_a_rotation_does_not_hide_the_new_secret(real_keys: Page) -> None:
    new_key(real_keys, "Sales agent")
    button(real_keys, "Make key").click()
    take(real_keys, "Sales agent")
    before = real_keys.evaluate("fetch('/api/keys').then((response) => response.text())")
    button(real_keys, "Rotate Sales agent").click()
    button(real_keys, "Rotate").click()
    expect(rows(real_keys)).to_contain_text("Rotated")
    real_keys.route("**/api/keys", lambda route: route.fulfill(body=before, content_type="application/json"))
    leave_and_return(real_keys)
    expect(rows(real_keys)).not_to_contain_text("Rotated")
    expect(real_keys.get_by_role("heading", name="Copy the key of Sales agent now")).to_be_visible()
    assert SECRET.search(all_text(real_keys))


def test_a_key_that_was_revoked_elsewhere_leaves_the_list(real_keys: Page) -> None:
    new_key(real_keys, "Sales agent")
    button(real_keys, "Make key").click()
    take(real_keys, "Sales agent")
    button(real_keys, "Rotate Sales agent").click()
    id_ = rows(real_keys).locator("code").inner_text()[len("oc_") :][: key_text.ID_LENGTH]
    revoked = f"fetch('/api/keys/{id_}', {{ method: 'DELETE' }}).then(({{ status }}) => status)"
    assert real_keys.evaluate(revoked) == 200
    button(real_keys, "Rotate").click()
    expect(real_keys.get_by_text("The key no longer exists: it expired or was revoked elsewhere.")).to_be_visible()
    expect(real_keys.get_by_text("No keys yet")).to_be_visible()
    expect(real_keys.get_by_role("heading", name="Agent keys")).to_be_focused()
