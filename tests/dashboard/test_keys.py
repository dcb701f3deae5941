"""The agents' keys of a signed-in viewer: made, rotated and revoked, and honest about what went wrong.

What the API answers is arranged between the browser and the network; test_keys_for_real.py asks the API itself.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from outcomes.contract.agent_keys import NEW_AGENT_KEY, Scope
from outcomes.contract.limits import MAX_KEY_NAME, MAX_OVERLAP_HOURS
from outcomes.contract.outcome_type import OutcomeType
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.dashboard.agent_keys import AgentKeys
from tests.dashboard.conftest import THEMES, FindFaults, Open, TakePicture, come_back, leave
from tests.dashboard.recorded import NOW, instant

pytestmark = pytest.mark.at_noon

SECRET = re.compile(r"oc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}")


@pytest.fixture
def keys(page: Page) -> AgentKeys:
    """Answer for a viewer who has no key yet."""
    keys = AgentKeys()
    keys.serve(page)
    return keys


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def rows(page: Page) -> Locator:
    return page.locator(".rows > li")


def new_key(page: Page, name: str = "Nightly import") -> None:
    """Open the form for a new key, and give it a name."""
    button(page, "New key").click()
    page.get_by_label("Name").fill(name)


def told(page: Page) -> str:
    """Read all there is in the element."""
    text: str = page.locator("outcome-keys").evaluate(
        "({ shadowRoot: root }) =>"
        " [root.textContent, ...[...root.querySelectorAll('textarea')].map(({ value }) => value)].join()"
    )
    return text


# ---- ways into each state; each is used for its words and for axe


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
    scene.page.context.set_offline(True)
    scene.keys.instead("GET")
    scene.page.locator("outcome-keys").evaluate("keys => keys.setAttribute('endpoint', '/api/keys')")


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


NAME_RULE = NEW_AGENT_KEY.rules["name"].words


def refused(scene: Scene) -> None:
    making(scene)
    faults = [
        {"field": "name", "message": NAME_RULE},
        {"field": "scopes", "message": "must be a list of one or more of record, read, correct, backfill, or null"},
    ]
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
    (ready, "for agent 7 only"),
    (out_of_date, "This may be out of date"),
    (making, "How you recognize the key"),
    (refused, f"Name {NAME_RULE}."),
    (made, "It is shown only once"),
    (rotating, "A new secret for Sales agent"),
    (revoking, "Revoke Assistant?"),
    (failing, "The key may have been revoked anyway."),
]


@pytest.mark.parametrize(("arrange", "words"), STATES, ids=[arrange.__name__ for arrange, _ in STATES])
def test_each_state_has_its_own_words_and_axe_finds_no_violation(
    scene: Scene,
    take_picture: TakePicture,
    find_faults: FindFaults,
    arrange: Callable[[Scene], None],
    words: str,
) -> None:
    page = scene.page
    arrange(scene)
    expect(page.get_by_text(words)).to_be_visible()
    for width, theme in zip((1000, 390), THEMES, strict=True):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        take_picture(f"keys-{arrange.__name__}-{width}-{theme}", full_page=True)
        assert find_faults("outcome-keys") == [], theme


# ---- what is shown of a key


def test_keys_are_listed_as_the_api_orders_them(open_keys: Open, page: Page, keys: AgentKeys) -> None:
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
        "May record and correct · for agent 7 only · only Deal closed and Task complete · up to $500.00 each",
    ),
    # What only a newer server knows, under names that every JavaScript object knows something under.
    (
        {"outcome_types": ["constructor"], "scopes": ["record", "read", "toString"], "max_value_usd": 0.001},
        "May record, read, and toString · for any agent · only constructor · up to $0.001 each",
    ),
]


def test_what_a_key_may_do_is_said_in_words(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    for fields, _ in reversed(MAY):
        keys.has("Key", **fields)
    open_keys()
    expect(rows(page)).to_have_count(len(MAY))
    for row, (_, words) in zip(rows(page).all(), MAY, strict=True):
        expect(row.locator(".meta").first).to_have_text(words)


def test_a_largest_value_keeps_its_digits(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key", max_value_usd="0")
    body = {"keys": keys.kept}
    keys.instead(
        "GET",
        200,
        body=str(body).replace("'0'", "123456789012345.12345678901234567890").replace("'", '"').replace("None", "null"),
    )
    open_keys()
    expect(rows(page)).to_contain_text("up to $123,456,789,012,345.1234567890123456789 each")


USED: list[tuple[dict[str, Any], str]] = [
    ({}, "Made Apr 15, 2026 by you · Never used"),
    ({"last_used_at": instant(NOW - timedelta(minutes=59))}, "Made Apr 15, 2026 by you · Last used within the hour"),
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


def test_who_made_a_key_when_it_was_used_and_ends_is_told(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    for fields, _ in reversed(USED):
        keys.has("Key", **fields)
    open_keys()
    expect(rows(page)).to_have_count(len(USED))
    for row, (_, words) in zip(rows(page).all(), USED, strict=True):
        expect(row.locator(".meta").nth(1)).to_have_text(words)


@pytest.mark.viewer(locale="de-DE", timezone_id="Europe/Berlin")
def test_figures_and_dates_are_written_as_the_viewer_writes_them(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key", max_value_usd=1234.5, last_used_at=instant(NOW - timedelta(hours=3)))
    open_keys()
    expect(rows(page)).to_contain_text("up to 1.234,50 $ each")
    expect(rows(page)).to_contain_text("Made 15.04.2026 by you · Last used vor 3 Stunden")


def test_text_is_only_ever_text(open_keys: Open, page: Page, keys: AgentKeys) -> None:
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


def test_a_key_with_nothing_but_a_name_is_for_recording(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page)
    button(page, "Make key").click()
    expect(page.get_by_role("textbox", name="The key of Nightly import")).to_have_value(SECRET)
    assert keys.sent("POST") == [{"name": "Nightly import", "scopes": ["record"]}]
    assert [request.headers["content-type"] for request in keys.asked if request.method == "POST"] == [
        "application/json"
    ]


def test_each_bound_is_sent_as_it_was_written(open_keys: Open, page: Page, keys: AgentKeys) -> None:
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
            "expiresAt": "2026-05-02T03:59:59.000Z",  # the end of the day in New York
            "outcomeTypes": ["deal_closed", "content_published"],
            "scopes": ["correct"],
        }
    ]


def test_every_type_and_scope_and_overlap_of_the_api_can_be_chosen(
    open_keys: Open, page: Page, keys: AgentKeys
) -> None:
    keys.has("Key")
    open_keys()
    new_key(page)
    boxes = page.get_by_role("checkbox").evaluate_all("boxes => boxes.map(({ value }) => value)")
    assert sorted(boxes) == sorted([*OutcomeType, *Scope])
    expect(page.get_by_label("Name")).to_have_attribute("maxlength", str(MAX_KEY_NAME))
    button(page, "Rotate Key").click()
    hours = page.locator("select option").evaluate_all("options => options.map(({ value }) => Number(value))")
    assert (hours[0], hours[-1]) == (0, MAX_OVERLAP_HOURS)


def test_a_secret_is_copied_and_then_forgotten(
    open_keys: Open, page: Page, context: BrowserContext, keys: AgentKeys
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    keys.has("Older")
    open_keys()
    new_key(page)
    button(page, "Make key").click()
    secret = page.get_by_role("textbox", name="The key of Nightly import").input_value()
    assert SECRET.fullmatch(secret)
    button(page, "Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert secret in told(page)
    button(page, "Done").click()
    assert secret.rpartition("_")[2] not in told(page)
    expect(button(page, "New key")).to_be_focused()
    expect(rows(page).locator("strong")).to_have_text(["Nightly import", "Older"])


@pytest.mark.viewer
@pytest.mark.usefixtures("keys")
def test_where_a_page_may_not_copy_the_secret_is_marked(open_keys: Open, page: Page) -> None:
    open_keys()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as without TLS
    new_key(page)
    button(page, "Make key").click()
    button(page, "Copy").click()
    expect(page.get_by_text("The key is selected: copy it by keyboard or menu.")).to_be_visible()
    secret = page.get_by_role("textbox", name="The key of Nightly import")
    assert secret.evaluate("text => text.value.slice(text.selectionStart, text.selectionEnd)") == secret.input_value()


def test_what_is_no_number_is_not_taken_for_no_bound(open_keys: Open, page: Page, keys: AgentKeys) -> None:
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


def test_a_key_that_may_do_nothing_is_not_asked_for(open_keys: Open, page: Page, keys: AgentKeys) -> None:
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
def test_a_day_that_is_over_is_no_last_day(open_keys: Open, page: Page) -> None:
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


@pytest.mark.parametrize(("choose", "hours"), [(None, 24), ("Not at all: it stops at once", 0), ("One week", 168)])
def test_a_key_gets_a_new_secret_while_the_old_one_goes_on(
    open_keys: Open, page: Page, keys: AgentKeys, choose: str | None, hours: int
) -> None:
    keys.has("Other")
    key = keys.has("Nightly import", max_value_usd=500)
    open_keys()
    button(page, "Rotate Nightly import").click()
    overlap = page.get_by_label("How long the current secret keeps working")
    expect(overlap).to_be_focused()
    if choose:
        overlap.select_option(choose)
    button(page, "Rotate").click()
    secret = page.get_by_role("textbox", name="The key of Nightly import")
    expect(secret).to_have_value(re.compile(f"oc_{key['id']}_"))
    assert (keys.paths("POST"), keys.sent("POST")) == ([f"/{key['id']}/rotate"], [{"overlapHours": hours}])
    button(page, "Done").click()
    expect(secret).to_have_count(0)
    expect(button(page, "Rotate Nightly import")).to_be_focused()
    expect(rows(page)).to_have_count(2)


def test_a_key_is_revoked_only_when_that_is_confirmed(open_keys: Open, page: Page, keys: AgentKeys) -> None:
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


def test_the_last_key_that_is_revoked_leaves_the_empty_state(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Only")
    open_keys()
    expect(page.get_by_text("No keys yet")).to_be_hidden()
    button(page, "Revoke Only").click()
    button(page, "Revoke for good").click()
    expect(page.get_by_text("No keys yet")).to_be_visible()


# ---- what goes wrong


def test_what_the_api_refuses_is_told_beside_each_field(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page)
    faults = [
        {"field": "scopes", "message": "must be a list of something"},
        {"field": "agentId", "message": "must be a number that exists"},
    ]
    keys.instead("POST", 400, json={"error": "Invalid agentId", "details": faults})
    button(page, "Make key").click()
    agent = page.get_by_label("Agent number")
    expect(page.get_by_text("Agent number must be a number that exists.")).to_be_visible()
    expect(page.get_by_text("What the key may do must be a list of something.")).to_be_visible()
    expect(agent).to_have_attribute("aria-invalid", "true")
    expect(agent).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value("Nightly import")  # nothing is lost
    button(page, "Make key").click()
    expect(rows(page)).to_have_count(1)


REFUSALS: list[tuple[int, dict[str, Any], str]] = [
    (400, {"error": "Invalid wish", "details": [{"field": "wish", "message": "no"}]}, "answered 400: Invalid wish."),
    (409, {"error": "Too many keys"}, "The server answered 409: Too many keys. Revoke one that is no longer used."),
    (403, {"error": "Forbidden"}, "The server answered 403: Forbidden."),
    (429, {"error": "Too Many Requests"}, "The server answered 429: Too Many Requests."),
]


def test_a_refusal_is_told_and_can_be_tried_again(open_keys: Open, page: Page, keys: AgentKeys) -> None:
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


@pytest.mark.parametrize(("answer", "words"), UNSURE, ids=["none", "500", "502", "no JSON", "no key"])
def test_a_key_that_may_have_been_made_is_looked_for(
    open_keys: Open, page: Page, keys: AgentKeys, answer: dict[str, Any], words: str
) -> None:
    open_keys()
    new_key(page)
    keys.has("Nightly import")  # for it was
    keys.instead("POST", **answer)
    button(page, "Make key").click()
    expect(page.get_by_role("alert")).to_have_text(
        f"{words}The key may have been made anyway, but its secret is lost. If it is in the list below, revoke it"
        " and make another."
    )
    expect(rows(page).locator("strong")).to_have_text(["Nightly import"])
    expect(page.get_by_label("Name")).to_have_value("Nightly import")


def test_a_rotation_of_which_nothing_is_known_warns_of_another(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Nightly import")
    open_keys()
    button(page, "Rotate Nightly import").click()
    keys.instead("POST")
    button(page, "Rotate").click()
    expect(page.get_by_role("alert")).to_contain_text("Rotating again would then end the secret that your agent uses")


def test_a_key_that_is_gone_leaves_the_list(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Other")
    keys.has("Nightly import")
    open_keys()
    button(page, "Rotate Nightly import").click()
    del keys.kept[0]  # in another tab
    button(page, "Rotate").click()
    expect(rows(page).locator("strong")).to_have_text(["Other"])
    expect(page.get_by_role("heading", name="Agent keys")).to_be_focused()


def test_signed_out_shows_nothing_of_what_was_there_and_leads_to_signing_in(
    open_keys: Open, page: Page, keys: AgentKeys
) -> None:
    keys.has("Private")
    open_keys(sign_in_url="/login?next=/")
    button(page, "Rotate Private").click()
    button(page, "Rotate").click()
    expect(page.get_by_role("textbox", name="The key of Private")).to_be_visible()
    new_key(page)
    assert SECRET.search(told(page))
    keys.instead("POST", 401, json={"error": "Unauthorized"})
    button(page, "Make key").click()
    expect(page.get_by_text("You are signed out")).to_be_visible()
    assert not re.search("oc_|Private", told(page))
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/login?next=/")
    expect(button(page, "New key")).to_have_count(0)
    button(page, "Check again").press("Enter")
    expect(rows(page).locator("strong")).to_have_text(["Private"])


def test_another_account_never_sees_the_keys_of_the_first(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    open_keys()
    new_key(page, "Of the first")
    button(page, "Make key").click()
    expect(rows(page)).to_have_count(1)
    keys.kept.clear()
    keys.has("Of another")
    leave(page)
    come_back(page)
    expect(rows(page).locator("strong")).to_have_text(["Of another"])
    assert not SECRET.search(told(page))


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"status": 500, "json": {"error": "Failed to list keys"}}, "The server answered 500: Failed to list keys."),
    ({}, "The server could not be reached."),
    ({"status": 200, "body": "null"}, "The server\u2019s answer could not be understood."),
    ({"status": 200, "json": {"keys": [{"id": 7}]}}, "The server\u2019s answer could not be understood."),
]


def test_an_error_says_what_happened_and_can_be_tried_again(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key")
    for answer, words in FAULTS:
        keys.instead("GET", **answer)
        open_keys()
        expect(page.get_by_text(words)).to_be_visible()
        expect(button(page, "New key")).to_have_count(0)
        button(page, "Try again").click()
        expect(rows(page)).to_have_count(1)
        expect(page.get_by_text(words)).to_have_count(0)


def test_offline_keeps_what_was_loaded_and_comes_back_by_itself(
    open_keys: Open, page: Page, context: BrowserContext, keys: AgentKeys
) -> None:
    keys.has("Key")
    open_keys()
    button(page, "Rotate Key").click()
    context.set_offline(True)
    keys.instead("POST")
    keys.instead("GET")
    button(page, "Rotate").click()
    expect(page.get_by_role("alert")).to_contain_text("You are offline.")
    expect(page.locator(".notice")).to_contain_text("You are offline")
    expect(rows(page)).to_have_count(1)
    context.set_offline(False)
    expect(page.locator(".notice")).to_be_hidden()
    button(page, "Rotate").click()
    expect(page.get_by_role("textbox", name="The key of Key")).to_be_visible()


# ---- while it is open


def test_coming_back_to_the_tab_shows_what_changed_and_disturbs_nothing(
    open_keys: Open, page: Page, keys: AgentKeys
) -> None:
    keys.has("Key")
    open_keys()
    new_key(page, "Half a na")
    leave(page)
    keys.has("From elsewhere")
    keys.kept[1] |= {"last_used_at": instant(NOW)}
    come_back(page)
    expect(rows(page).locator("strong")).to_have_text(["From elsewhere", "Key"])
    expect(rows(page).nth(1)).to_contain_text("Last used within the hour")
    expect(page.get_by_label("Name")).to_have_value("Half a na")
    expect(page.get_by_label("Name")).to_be_focused()
    button(page, "Revoke Key").focus()
    leave(page)
    keys.has("Another one")
    come_back(page)
    expect(rows(page)).to_have_count(3)
    expect(button(page, "Revoke Key")).to_be_focused()


def test_a_list_that_was_read_before_a_key_was_made_does_not_lose_it(
    open_keys: Open, page: Page, keys: AgentKeys
) -> None:
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


def test_an_element_taken_off_the_page_asks_no_more(open_keys: Open, page: Page, keys: AgentKeys) -> None:
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
    page.locator("outcome-keys").evaluate("keys => keys.setAttribute('endpoint', '/elsewhere/')")
    expect(page.get_by_text("No keys yet")).to_be_visible()


# ---- for everybody


def test_the_whole_of_it_is_used_by_keyboard(open_keys: Open, page: Page, keys: AgentKeys) -> None:
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
    assert [tab(), tab(), tab()] == ["textarea The key of By keyboard", "button Copy", "button Done"]
    page.keyboard.press("Enter")
    assert [tab(), tab(), tab()] == ["button Rotate By keyboard", "button Revoke By keyboard", "button Rotate Older"]
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Copy the key of Older now")).to_be_focused()
    assert keys.sent("POST")[-1] == {"overlapHours": 1}


@pytest.mark.parametrize("width", [390, 320])
def test_no_button_breaks_its_words_on_a_phone(open_keys: Open, page: Page, keys: AgentKeys, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    keys.has("One")
    keys.has("Another")
    open_keys()
    button(page, "Rotate One").click()
    button(page, "Revoke Another").click()
    button(page, "New key").click()
    lines = """button => {
        const range = document.createRange()
        range.selectNodeContents(button)
        return new Set([...range.getClientRects()].map(({ top }) => top)).size
    }"""
    found = {button.inner_text(): button.evaluate(lines) for button in page.get_by_role("button").all()}
    assert found == {"Make key": 1, "Rotate": 1, "Revoke for good": 1, "Cancel": 1}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_themes_it_as_the_feed(open_keys: Open, page: Page, keys: AgentKeys) -> None:
    keys.has("Key")
    open_keys()
    for name, value in (("accent", "rgb(1, 2, 3)"), ("surface", "rgb(4, 5, 6)"), ("danger", "rgb(7, 8, 9)")):
        property_ = [f"--value-delivered-{name}", value]
        page.locator("outcome-keys").evaluate("(keys, it) => keys.style.setProperty(...it)", property_)
    expect(button(page, "New key")).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(page.locator(".card")).to_have_css("background-color", "rgb(4, 5, 6)")
    button(page, "Revoke Key").click()
    expect(button(page, "Revoke for good")).to_have_css("background-color", "rgb(7, 8, 9)")
