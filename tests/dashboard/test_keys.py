"""Test <outcome-keys> with a fake API: creating, rotating and revoking keys, and errors.

test_keys_for_real.py uses the real API.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from outcomes.contract.agent_key_bodies import NEW_AGENT_KEY, Scope
from outcomes.limits import MAX_KEY_NAME, MAX_OVERLAP_HOURS
from playwright.sync_api import Locator, Page, Route, expect

from tests.browsers import go_offline, hide_tab, leave_and_return, show_tab, wait_until
from tests.dashboard.agent_keys import MCP_THERE, NO_MCP, AgentKeys
from tests.dashboard.conftest import (
    THEMES,
    FindFaults,
    Open,
    TakePicture,
    assert_fits,
    set_attribute,
    set_theme,
)
from tests.dashboard.recorded import NOW, Answer, instant
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


@dataclass
class Scene:
    open_keys: Open
    page: Page
    keys: AgentKeys


@pytest.fixture
def scene(open_keys: Open, page: Page, keys: AgentKeys) -> Scene:
    return Scene(open_keys, page, keys)


def loading(scene: Scene) -> None:
    scene.keys.answers["GET"] = [lambda _: None]  # never answered
    scene.open_keys()


def empty(scene: Scene) -> None:
    scene.open_keys()


def signed_out(scene: Scene) -> None:
    scene.keys.instead("GET", 401, json={"error": "Unauthorized"})
    scene.open_keys(sign_in_url="/login")


def offline(scene: Scene) -> None:
    scene.open_keys(endpoint_later=True)
    go_offline(scene.page)
    scene.keys.instead("GET")
    set_attribute(scene.page, "outcome-keys", "endpoint", "/api/keys")


def error(scene: Scene) -> None:
    scene.keys.instead("GET", 500, json={"error": "Failed to list keys"})
    scene.open_keys()


def unset(scene: Scene) -> None:
    scene.open_keys(endpoint_later=True)


def ready(scene: Scene) -> None:
    scene.keys.has("Last year's campaign", expires_at=instant(NOW - timedelta(days=90)), scopes=["record", "backfill"])
    platform = {"made_by": "platform", "rotated_by": "platform", "rotated_at": instant(NOW - timedelta(days=5))}
    scene.keys.has("Assistant", scopes=["record", "read"], last_used_at=instant(NOW - timedelta(days=3)), **platform)
    bounds = {"agent_id": 7, "outcome_types": ["deal_closed", "negotiation_complete"], "max_value_usd": 2500.5}
    scene.keys.has("Sales agent", **bounds, last_used_at=instant(NOW), expires_at=instant(NOW + timedelta(days=60)))
    scene.open_keys()
    expect(rows(scene.page)).to_have_count(3)


def out_of_date(scene: Scene) -> None:
    ready(scene)
    scene.keys.instead("GET", 500, json={"error": "Failed to list keys"})
    scene.page.evaluate("dispatchEvent(new Event('online'))")


def making(scene: Scene) -> None:
    ready(scene)
    new_key(scene.page)
    scene.page.get_by_label("Largest value").fill("500")


SCOPES_RULE = NEW_AGENT_KEY.rules["scopes"].words


def refused(scene: Scene) -> None:
    making(scene)
    faults = [{"field": name, "message": NEW_AGENT_KEY.rules[name].words} for name in ("name", "scopes")]
    scene.keys.instead("POST", 400, json={"error": "Invalid name", "details": faults})
    button(scene.page, "Make key").click()


def made(scene: Scene) -> None:
    making(scene)
    button(scene.page, "Make key").click()


def rotating(scene: Scene) -> None:
    ready(scene)
    button(scene.page, "Rotate Sales agent").click()


def revoking(scene: Scene) -> None:
    ready(scene)
    button(scene.page, "Revoke Assistant").click()


def failing(scene: Scene) -> None:
    revoking(scene)
    scene.keys.instead("DELETE")
    button(scene.page, "Revoke for good").click()


STATES: list[tuple[Callable[[Scene], None], str]] = [
    (loading, "Loading your agents\u2019 keys"),
    (empty, "No keys yet"),
    (signed_out, "You are signed out"),
    (offline, "You are offline"),
    (error, "The keys could not be loaded"),
    (unset, "No keys here"),
    (ready, "for Agent 7 only"),
    (out_of_date, "This may be out of date"),
    (making, "How you recognize the key"),
    (refused, f"What the key may do {SCOPES_RULE}."),
    (made, "It is shown only once"),
    (rotating, "A new secret for Sales agent"),
    (revoking, "Revoke Assistant?"),
    (failing, "The key may have been revoked anyway."),
]


@pytest.mark.parametrize(("arrange", "words"), STATES, ids=[arrange.__name__ for arrange, _ in STATES])
def test_each_state_has_a_message_and_axe_finds_no_violation(
    scene: Scene, take_picture: TakePicture, find_faults: FindFaults, arrange: Callable[[Scene], None], words: str
) -> None:
    page = scene.page
    arrange(scene)
    expect(page.get_by_text(words)).to_be_visible()
    for width, theme in zip((1000, 390), THEMES, strict=True):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        assert_fits(page, "outcome-keys")
        take_picture(f"keys-{arrange.__name__}-{width}-{theme}", full_page=True)
        assert find_faults("outcome-keys") == [], theme


# ---- the list


def test_keys_are_listed_in_the_order_of_the_api(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    for name in ("Old", "Middle", "New"):
        keys.has(name)
    open_keys()
    expect(rows(page).locator("strong")).to_have_text(["New", "Middle", "Old"])
    expect(rows(page).locator("code").first).to_have_text(f"oc_{keys.kept[0]['id']}_\u2026")


MAY: list[tuple[dict[str, Any], str]] = [
    ({}, "May record · for any agent · outcomes of any type · of any value"),
    (
        {
            "agent_id": 7,
            "outcome_types": ["deal_closed", "task_complete"],
            "max_value_usd": 500,
            "scopes": ["record", "correct"],
        },
        "May record and correct · for Agent 7 only · only Deal closed and Task complete · up to $500 each",
    ),
    # A newer server may have other types and scopes. The names in this test are also properties of every JavaScript
    # object.
    (
        {"outcome_types": ["constructor"], "scopes": ["record", "read", "toString"], "max_value_usd": 0.001},
        "May record, read, and toString · for any agent · only Constructor · up to $0.001 each",
    ),
]


def test_the_limits_of_a_key_are_shown_in_words(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    for fields, _ in reversed(MAY):
        keys.has("Key", **fields)
    open_keys()
    expect(rows(page)).to_have_count(len(MAY))
    for row, (_, words) in zip(rows(page).all(), MAY, strict=True):
        expect(row.locator(".meta").first).to_have_text(words)


def test_a_largest_value_keeps_its_digits(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key", max_value_usd="VALUE")
    body = json.dumps({"keys": keys.kept}).replace('"VALUE"', "123456789012345.12345678901234567890")
    keys.instead("GET", 200, body=body)
    open_keys()
    expect(rows(page)).to_contain_text("up to $123,456,789,012,345.1234567890123456789 each")


USED: list[tuple[dict[str, Any], str]] = [
    ({}, "Made Apr 15, 2026 by you · Never used"),
    (
        {"last_used_at": instant(NOW - timedelta(minutes=59))},
        "Made Apr 15, 2026 by you · Last used within the last hour",
    ),
    ({"last_used_at": instant(NOW - timedelta(hours=5.9))}, "Made Apr 15, 2026 by you · Last used 5 hours ago"),
    ({"last_used_at": instant(NOW - timedelta(days=20))}, "Made Apr 15, 2026 by you · Last used 2 weeks ago"),
    ({"expires_at": "2026-05-01T03:59:59.000Z"}, "Made Apr 15, 2026 by you · Never used · Until Apr 30, 2026"),
    ({"expires_at": instant(NOW)}, "Made Apr 15, 2026 by you · Never used · Expired Apr 15, 2026"),
    ({"made_by": "platform"}, "Made Apr 15, 2026 by the platform · Never used"),
    (
        {"rotated_by": "platform", "rotated_at": "2026-04-14T16:00:00.000Z"},
        "Made Apr 15, 2026 by you · Rotated Apr 14, 2026 by the platform · Never used",
    ),
    (
        {"made_by": "platform", "rotated_by": "session", "rotated_at": instant(NOW)},
        "Made Apr 15, 2026 by the platform · Rotated Apr 15, 2026 by you · Never used",
    ),
    ({"made_by": None}, "Made Apr 15, 2026 · Never used"),
    ({"made_by": "constructor"}, "Made Apr 15, 2026 · Never used"),
]


def test_maker_use_and_end_of_a_key_are_shown(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    for fields, _ in reversed(USED):
        keys.has("Key", **fields)
    open_keys()
    expect(rows(page)).to_have_count(len(USED))
    for row, (_, words) in zip(rows(page).all(), USED, strict=True):
        expect(row.locator(".meta").nth(1)).to_have_text(words)


@pytest.mark.viewer(locale="de-DE", timezone_id="Europe/Berlin")
def test_figures_and_dates_follow_the_viewers_locale(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key", max_value_usd=1234.5, last_used_at=instant(NOW - timedelta(hours=3)))
    open_keys()
    expect(rows(page)).to_contain_text("up to 1.234,50 $ each")
    expect(rows(page)).to_contain_text("Made 15.04.2026 by you · Last used vor 3 Stunden")


def test_text_is_never_markup(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    texts = [
        "<img src=x onerror='window.harmed = 1'>",
        "\u202egnirts desrever a",
        "W" * 80,
        "\u05e9\u05dc\u05d5\u05dd $5",
    ]
    for text in texts:
        keys.has(text)
    open_keys()
    expect(rows(page).locator("strong")).to_have_text([re.compile(re.escape(text)) for text in reversed(texts)])
    for index in range(len(texts)):
        rows(page).nth(index).get_by_role("button", name="Revoke").click()
        expect(rows(page).nth(index).locator("bdi")).to_have_text(texts[-1 - index])
    assert page.evaluate("window.harmed") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# ---- a new key


def test_a_key_with_only_a_name_may_record(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page)
    button(page, "Make key").click()
    expect(page.get_by_role("textbox", name="The key of Nightly import")).to_have_value(SECRET)
    assert keys.sent("POST") == [{"name": "Nightly import", "scopes": ["record"]}]
    assert [request.headers["content-type"] for request in keys.asked if request.method == "POST"] == [
        "application/json"
    ]


def test_each_limit_is_sent_as_typed(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page)
    page.get_by_label("Agent number").fill("7")
    page.get_by_label("Largest value of one outcome").fill("123456789012345.12345678901234567890")
    page.get_by_label("Last day").fill("2026-05-01")
    page.get_by_label("Deal closed").check()
    page.get_by_label("Content published").check()
    page.get_by_label("Record outcomes as they happen").uncheck()
    page.get_by_label("Correct outcomes").check()
    button(page, "Make key").click()
    expect(rows(page)).to_have_count(1)
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


def test_every_type_scope_and_overlap_of_the_api_can_be_chosen(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key")
    open_keys()
    new_key(page)
    # The form shows the types once they are loaded.
    expect(page.get_by_role("checkbox")).to_have_count(len(TYPES) + len(Scope))
    boxes = page.get_by_role("checkbox").evaluate_all("boxes => boxes.map(({ value }) => value)")
    assert sorted(boxes) == sorted([*TYPES, *Scope])
    expect(page.get_by_label("Name")).to_have_attribute("maxlength", str(MAX_KEY_NAME))
    button(page, "Rotate Key").click()
    expect(page.get_by_label("How long the current secret keeps working")).to_be_visible()
    hours = page.locator("select option").evaluate_all("options => options.map(({ value }) => Number(value))")
    assert (hours[0], hours[-1]) == (0, MAX_OVERLAP_HOURS)


@pytest.fixture
def clipboard(page: Page) -> Iterator[None]:
    """Let the page write and read the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield
    page.context.clear_permissions()


@pytest.mark.usefixtures("clipboard")
def test_a_secret_is_copied_and_then_forgotten(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Older")
    open_keys()
    new_key(page)
    button(page, "Make key").click()
    secret = page.get_by_role("textbox", name="The key of Nightly import").input_value()
    assert SECRET.fullmatch(secret)
    button(page, "Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied: The key of Nightly import.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert secret in all_text(page)
    assert secret not in page.evaluate(KEPT)
    button(page, "Done").click()
    assert secret.rpartition("_")[2] not in all_text(page)
    expect(button(page, "New key")).to_be_focused()
    expect(rows(page).locator("strong")).to_have_text(["Nightly import", "Older"])


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


@pytest.mark.usefixtures("keys", "clipboard")
def test_each_place_has_a_text_to_copy_by_keyboard(open_keys: Open, page: Page, find_faults: FindFaults) -> None:
    open_keys()
    new_key(page)
    page.get_by_label("Deal closed").check()
    button(page, "Make key").click()
    expect(places(page)).to_have_text([*PASTED])
    for place, text in PASTED.items():
        button(page, place).press("Enter")
        expect(button(page, place)).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("textbox", name=place)).to_have_value(text)
        button(page, f"Copy for {place}").press("Enter")
        expect(page.get_by_role("status").filter(has_text=f"Copied: {place}.")).to_be_visible()
        assert text.fullmatch(page.evaluate("navigator.clipboard.readText()"))
        assert_fits(page, "outcome-keys")
    assert find_faults("outcome-keys") == []
    assert not SECRET.search(page.evaluate(KEPT))
    button(page, "Done").press("Enter")
    assert not SECRET.search(all_text(page))
    expect(button(page, "New key")).to_be_focused()


ADDRESSES: list[tuple[dict[str, str], Answer, str, int, bool]] = [
    ({}, NO_MCP, "http://127.0.0.1", 1, False),
    ({"api_url": "https://api.example.com/Prod/api/outcomes"}, MCP_THERE, "https://api.example.com/Prod", 1, True),
    ({"mcp_url": "https://api.example.com/mcp"}, NO_MCP, "http://127.0.0.1", 0, True),
    ({"mcp_url": ""}, MCP_THERE, "http://127.0.0.1", 0, False),
]


@pytest.mark.parametrize(("attributes", "mcp", "url", "asked", "has_mcp"), ADDRESSES)
def test_the_texts_have_the_addresses_that_agents_reach(
    open_keys: Open,
    page: Page,
    keys: AgentKeys,
    attributes: dict[str, str],
    mcp: Answer,
    url: str,
    asked: int,
    has_mcp: bool,
) -> None:
    keys.mcp = mcp
    questions: list[str] = []
    page.on("request", lambda request: questions.append(request.method) if request.url.endswith("/mcp") else None)
    keys.has("Nightly import")
    open_keys(**attributes)
    button(page, "Rotate Nightly import").click()
    button(page, "Rotate").click()
    expect(places(page)).to_have_text([*PASTED] if has_mcp else [".env", "Shell", "curl"])
    expect(page.get_by_role("textbox", name=".env")).to_have_value(re.compile(f"OUTCOMES_URL={re.escape(url)}"))
    assert questions == ["OPTIONS"] * asked


def test_a_form_that_cannot_be_loaded_says_so_and_is_loaded_with_the_next_click(
    open_keys: Open, page: Page, keys: AgentKeys
) -> None:
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
    agent = page.get_by_label("Agent", exact=True)
    offered = ["Any of your agents", "<b>Ava</b>", "Ben", "Cleo", "Dan", "Another agent, by its number"]
    expect(agent.locator("option")).to_have_text(offered)
    expect(page.get_by_label("Agent number")).to_be_hidden()
    agent.select_option("Another agent, by its number")
    page.get_by_label("Agent number").fill("1.5")
    agent.select_option("Cleo")
    refused = {"error": "Invalid agentId", "details": [{"field": "agentId", "message": "must be another"}]}
    keys.instead("POST", 400, json=refused)
    button(page, "Make key").click()
    expect(page.get_by_role("alert")).to_have_text("The server answered 400: Invalid agentId.")
    button(page, "Make key").click()
    button(page, "Done").click()
    expect(bound.first).to_have_text("for Cleo only")
    new_key(page)
    agent.select_option("Another agent, by its number")
    button(page, "Make key").click()
    expect(page.get_by_label("Agent number")).to_be_focused()  # without an agent number, no key is made
    page.get_by_label("Agent number").fill("19")
    button(page, "Make key").click()
    expect(bound.first).to_have_text("for Agent 19 only")
    assert [sent["agentId"] for sent in keys.sent("POST")] == [13, 13, 19]


@pytest.mark.viewer
@pytest.mark.usefixtures("keys")
def test_the_secret_is_selected_if_the_page_may_not_copy(open_keys: Open, page: Page) -> None:
    open_keys()
    # Pages without TLS have no clipboard.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    new_key(page)
    button(page, "Make key").click()
    button(page, "Copy").click()
    button(page, "Copy for .env").click()
    for label in ("The key of Nightly import", ".env"):
        text = page.get_by_role("textbox", name=label)
        selected = text.evaluate("text => text.value.slice(text.selectionStart, text.selectionEnd)")
        assert selected == text.input_value()
    expect(text).to_be_focused()
    expect(page.get_by_text("The text is selected: copy it by keyboard or menu.")).to_have_count(2)


def test_an_invalid_number_does_not_count_as_no_limit(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    for label, text in (("Largest value", "5e"), ("Largest value", "-1"), ("Agent number", "1.5"), ("Name", "")):
        new_key(page)
        page.get_by_label(label).fill("")
        page.get_by_label(label).press_sequentially(text)
        button(page, "Make key").click()
        expect(page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label(label)).to_be_focused()
        described = page.get_by_label(label).get_attribute("aria-describedby")
        assert described
        expect(page.locator(f"#{described.split()[0]}")).not_to_be_empty()
        button(page, "Cancel").click()
    assert keys.sent("POST") == []


def test_a_key_needs_a_scope(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page)
    page.get_by_label("Record outcomes as they happen").uncheck()
    button(page, "Make key").click()
    expect(page.get_by_text("Tick at least one.")).to_be_visible()
    page.get_by_label("Read your outcomes").check()
    button(page, "Make key").click()
    expect(rows(page)).to_have_count(1)
    assert keys.sent("POST") == [{"name": "Nightly import", "scopes": ["read"]}]


@pytest.mark.usefixtures("keys")
def test_a_past_day_cannot_be_the_last_day(open_keys: Open, page: Page) -> None:
    open_keys()
    new_key(page)
    page.get_by_label("Last day").fill("2026-04-14")
    button(page, "Make key").click()
    expect(page.get_by_label("Last day")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Last day").fill("2026-04-15")
    button(page, "Make key").click()
    expect(rows(page)).to_contain_text("Until Apr 15, 2026")


def test_pressing_twice_makes_one_key(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    held: list[Route] = []
    keys.answers["POST"] = [held.append]
    new_key(page)
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


# ---- rotating and revoking


def test_a_key_gets_a_new_secret_while_the_old_one_works_for_a_day(
    open_keys: Open, page: Page, keys: AgentKeys
) -> None:
    keys.has("Other")
    key = keys.has("Nightly import", max_value_usd=500)
    open_keys()
    button(page, "Rotate Nightly import").click()
    expect(page.get_by_label("How long the current secret keeps working")).to_be_focused()
    button(page, "Rotate").click()
    secret = page.get_by_role("textbox", name="The key of Nightly import")
    expect(secret).to_have_value(re.compile(f"oc_{key['id']}_"))
    assert (keys.paths("POST"), keys.sent("POST")) == ([f"/{key['id']}/rotate"], [{"overlapHours": 24}])
    button(page, "Done").click()
    expect(secret).to_have_count(0)
    expect(button(page, "Rotate Nightly import")).to_be_focused()
    expect(rows(page)).to_have_count(2)


def test_a_key_is_revoked_only_after_confirmation(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Other")
    key = keys.has("Nightly import")
    open_keys()
    for key_ in ("Enter", "Escape"):
        button(page, "Revoke Nightly import").click()
        expect(page.get_by_role("heading", name="Revoke Nightly import?")).to_be_focused()
        button(page, "Cancel").press(key_)
        expect(button(page, "Revoke Nightly import")).to_be_focused()
    assert keys.paths("DELETE") == []
    button(page, "Revoke Nightly import").click()
    button(page, "Revoke for good").click()
    expect(rows(page).locator("strong")).to_have_text(["Other"])
    expect(page.get_by_role("status").filter(has_text="Nightly import is revoked.")).to_be_visible()
    expect(page.get_by_role("heading", name="Agent keys")).to_be_focused()
    assert keys.paths("DELETE") == [f"/{key['id']}"]


# ---- errors


REFUSALS: list[tuple[int, dict[str, Any], str]] = [
    (400, {"error": "Invalid wish", "details": [{"field": "wish", "message": "no"}]}, "answered 400: Invalid wish."),
    (409, {"error": "Too many keys"}, "The server answered 409: Too many keys. Revoke one that is no longer used."),
    (409, {"error": "Conflict"}, "The server answered 409: Conflict."),
    (403, {"error": "Forbidden"}, "The server answered 403: Forbidden."),
    (429, {"error": "Too Many Requests"}, "The server answered 429: Too Many Requests."),
]


def test_a_refusal_has_a_message_and_can_be_retried(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page)
    for status, answer, words in REFUSALS:
        keys.instead("POST", status, json=answer)
        button(page, "Make key").click()
        expect(page.get_by_role("alert")).to_have_text(re.compile(re.escape(words) + "$"))
    assert len(keys.paths("GET")) == 1
    button(page, "Make key").click()
    expect(rows(page)).to_have_count(1)


UNSURE: list[tuple[dict[str, Any], str]] = [
    ({}, "The server could not be reached. "),
    ({"status": 500, "json": {"error": "Failed to make the key"}}, "The server answered 500: Failed to make the key. "),
    ({"status": 502, "body": "<html>"}, "The server answered 502. "),
    ({"status": 200, "body": "<html>"}, "The server\u2019s answer could not be understood. "),
    ({"status": 200, "json": {"id": "x"}}, "The server\u2019s answer could not be understood. "),
]


def test_the_list_is_read_again_if_a_key_may_have_been_made(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    for answer, words in UNSURE:
        keys.kept.clear()
        open_keys()
        new_key(page)
        keys.has("Nightly import")  # the server has created the key, but its answer is lost
        keys.instead("POST", **answer)
        button(page, "Make key").click()
        expect(page.get_by_role("alert")).to_have_text(
            f"{words}The key may have been made anyway, but its secret is lost. If it is in the list below, revoke it"
            " and make another."
        )
        expect(rows(page).locator("strong"), words).to_have_text(["Nightly import"])
        expect(page.get_by_label("Name"), words).to_have_value("Nightly import")


def test_an_ambiguous_rotation_warns_against_another(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Nightly import")
    open_keys()
    button(page, "Rotate Nightly import").click()
    keys.instead("POST")
    button(page, "Rotate").click()
    expect(page.get_by_role("alert")).to_contain_text("Rotating again would then end the secret that your agent uses")


def test_a_signed_out_viewer_sees_no_keys_and_can_sign_in(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Private")
    open_keys(sign_in_url="/login?next=/")
    button(page, "Rotate Private").click()
    button(page, "Rotate").click()
    expect(page.get_by_role("textbox", name="The key of Private")).to_be_visible()
    new_key(page)
    assert SECRET.search(all_text(page))
    keys.instead("POST", 401, json={"error": "Unauthorized"})
    button(page, "Make key").click()
    expect(page.get_by_text("You are signed out")).to_be_visible()
    assert not re.search("oc_|Private", all_text(page))
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/login?next=/")
    expect(button(page, "New key")).to_have_count(0)
    button(page, "Check again").press("Enter")
    expect(rows(page).locator("strong")).to_have_text(["Private"])


@pytest.mark.parametrize("signs_out", [True, False])
def test_a_secret_that_arrives_after_the_viewer_signed_out_or_the_element_was_moved_is_not_shown(
    open_keys: Open, page: Page, keys: AgentKeys, signs_out: bool
) -> None:
    old, held = keys.has("Old"), list[Route]()
    open_keys()

    def answer_late(send: str, answer: dict[str, Any], unsure: str) -> None:
        keys.answers["POST"] = [held.append]
        button(page, send).click()
        wait_until(page, lambda: held != [])
        if signs_out:
            keys.instead("GET", 401, json={"error": "Unauthorized"})
            leave_and_return(page)
            expect(page.get_by_text("You are signed out")).to_be_visible()
        else:
            page.evaluate("document.body.append(document.querySelector('outcome-keys'))")
        held.pop().fulfill(json=answer | {"key": "oc_late"})
        expect(page.locator(".live")).to_contain_text(unsure)
        assert "oc_late" not in all_text(page)
        leave_and_return(page)
        expect(rows(page).locator("strong", has_text="Old")).to_be_visible()

    new_key(page)
    answer_late("Make key", keys.has("Nightly import"), "The key may have been made anyway")
    button(page, "Rotate Old").click()
    answer_late("Rotate", old, "The key may have been rotated anyway")


def test_another_user_never_sees_the_keys_of_the_first(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page, "Of the first")
    button(page, "Make key").click()
    expect(rows(page)).to_have_count(1)
    button(page, "Done").click()
    keys.kept.clear()
    keys.has("Of another", user_id=43)
    button(page, "Rotate Of the first").focus()
    leave_and_return(page)
    expect(rows(page).locator("strong")).to_have_text(["Of another"])
    assert not re.search(f"{SECRET.pattern}|Of the first", all_text(page))
    expect(page.get_by_role("heading", name="Agent keys")).to_be_focused()


def test_a_wrong_address_of_the_page_is_shown_as_it_is(open_keys: Open, page: Page) -> None:
    open_keys(api_url="https://[")
    new_key(page)
    button(page, "Make key").click()
    expect(page.get_by_role("textbox", name="The key of")).to_be_visible()
    expect(page.get_by_role("group", name="Paste it where your agent runs")).to_be_visible()


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"status": 500, "json": {"error": "Failed to list keys"}}, "The server answered 500: Failed to list keys."),
    ({}, "The server could not be reached."),
    ({"status": 200, "body": "null"}, "The server\u2019s answer could not be understood."),
    ({"status": 200, "json": {"keys": [{"id": 7}]}}, "The server\u2019s answer could not be understood."),
]


def test_an_error_has_a_message_and_a_retry(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key")
    for answer, words in FAULTS:
        keys.instead("GET", **answer)
        open_keys()
        expect(page.get_by_text(words)).to_be_visible()
        expect(button(page, "New key")).to_have_count(0)
        button(page, "Try again").click()
        expect(rows(page)).to_have_count(1)
        expect(page.get_by_text(words)).to_have_count(0)


def test_offline_keys_stay_and_can_be_changed_later(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key")
    open_keys()
    button(page, "Rotate Key").click()
    go_offline(page)
    keys.instead("POST")
    keys.instead("GET")
    button(page, "Rotate").click()
    expect(page.get_by_role("alert")).to_contain_text("You are offline.")
    expect(page.locator(".notice")).to_contain_text("You are offline")
    expect(rows(page)).to_have_count(1)
    page.context.set_offline(False)
    expect(page.locator(".notice")).to_be_hidden()
    button(page, "Rotate").click()
    expect(page.get_by_role("textbox", name="The key of Key")).to_be_visible()


# ---- updates


def test_returning_to_the_tab_shows_changes_and_keeps_input_and_focus(
    open_keys: Open, page: Page, keys: AgentKeys
) -> None:
    keys.has("Key")
    open_keys()
    new_key(page, "Half a na")
    hide_tab(page)
    keys.has("From elsewhere")
    keys.kept[1] |= {"last_used_at": instant(NOW)}
    show_tab(page)
    expect(rows(page).locator("strong")).to_have_text(["From elsewhere", "Key"])
    expect(rows(page).nth(1)).to_contain_text("Last used within the last hour")
    expect(page.get_by_label("Name")).to_have_value("Half a na")
    expect(page.get_by_label("Name")).to_be_focused()
    button(page, "Revoke Key").focus()
    hide_tab(page)
    keys.has("Another one")
    show_tab(page)
    expect(rows(page)).to_have_count(3)
    expect(button(page, "Revoke Key")).to_be_focused()


def test_an_old_list_does_not_remove_a_new_key(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page)
    held: list[Route] = []
    keys.answers["GET"] = [held.append]
    page.evaluate("dispatchEvent(new Event('online'))")
    button(page, "Make key").click()
    expect(rows(page)).to_have_count(1)
    held[0].fulfill(json={"keys": []})
    with page.expect_response(lambda response: len(response.body()) > 20):
        pass
    expect(rows(page)).to_have_count(1)


def test_a_removed_element_sends_nothing(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key")
    open_keys()
    expect(rows(page)).to_have_count(1)
    page.evaluate("window.keys = document.querySelector('outcome-keys'); keys.remove()")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.evaluate("keys.setAttribute('endpoint', '/api/keys/')")
    assert len(keys.paths("GET")) == 1
    page.evaluate("document.body.append(keys)")
    expect(rows(page)).to_have_count(1)
    assert keys.paths("GET") == ["", ""]


def test_another_endpoint_has_other_keys(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key")
    open_keys()
    expect(rows(page)).to_have_count(1)
    page.route("**/elsewhere", lambda route: route.fulfill(json={"keys": []}))
    set_attribute(page, "outcome-keys", "endpoint", "/elsewhere/")
    expect(page.get_by_text("No keys yet")).to_be_visible()


# ---- accessibility


def test_the_keys_are_managed_by_keyboard(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Older")
    open_keys()
    expect(rows(page)).to_have_count(1)

    def tab(times: int = 1) -> str:
        for _ in range(times):
            page.keyboard.press("Tab")
        stop: str = page.evaluate(
            "(({ localName, type, value, ariaLabel, textContent }) =>"
            " [localName, type === 'checkbox' ? value : ariaLabel ?? textContent].join(' ').trim())"
            "(document.querySelector('outcome-keys').shadowRoot.activeElement ?? document.body)"
        )
        return stop

    assert [tab(), tab(), tab()] == ["button New key", "button Rotate Older", "button Revoke Older"]
    button(page, "New key").press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("By keyboard")
    assert [tab(), tab()] == ["input", "input"]
    page.get_by_label("Last day").focus()
    stops: list[str] = []
    while not stops or stops[-1] != "button Make key":
        stops.append(tab())
    assert [stop for stop in stops if stop != "input"] == [
        *[f"input {type_}" for type_ in page.get_by_role("checkbox").evaluate_all("boxes => boxes.map(b => b.value)")],
        "button Make key",
    ]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Copy the key of By keyboard now")).to_be_focused()
    assert [tab(), tab()] == ["textarea The key of By keyboard", "button Copy"]
    expect(places(page)).to_have_count(len(PASTED))
    assert [tab() for _ in PASTED] == [f"button {place}" for place in PASTED]
    assert [tab(), tab(), tab()] == ["textarea .env", "button Copy for .env", "button Done"]
    page.keyboard.press("Enter")
    assert [tab(), tab(), tab()] == ["button Rotate By keyboard", "button Revoke By keyboard", "button Rotate Older"]
    page.keyboard.press("Enter")
    expect(page.get_by_label("How long the current secret keeps working")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Copy the key of Older now")).to_be_focused()
    assert keys.sent("POST")[-1] == {"overlapHours": 1}


def test_the_keys_fit_on_a_phone(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    for name in ("One", "Another", "Third"):
        keys.has(name)
    open_keys()
    button(page, "Rotate One").click()
    button(page, "Revoke Another").click()
    button(page, "New key").click()
    expect(page.locator("form")).to_have_count(3)
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert_fits(page, "outcome-keys")


def test_a_page_themes_the_keys_like_the_feed(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key")
    open_keys()
    set_theme(page, "outcome-keys", accent="rgb(1, 2, 3)", surface="rgb(4, 5, 6)", danger="rgb(7, 8, 9)")
    expect(button(page, "New key")).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(page.locator(".card")).to_have_css("background-color", "rgb(4, 5, 6)")
    expect(button(page, "Revoke Key")).to_have_css("color", "rgb(7, 8, 9)")
    button(page, "Revoke Key").click()
    expect(button(page, "Revoke for good")).to_have_css("background-color", "rgb(7, 8, 9)")
