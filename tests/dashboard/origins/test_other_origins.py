"""Pages from other origins call the API with a user's session: allowed dashboards can do everything, others nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.origins.conftest import Platform, Visitor

SERVED = Path(__file__).parents[3] / "dashboard/public"
FEED, KEYS = "value-delivered", "outcome-keys"

DASHBOARDS = ["app.example.com", "beta.example.com"]
FIRST_DASHBOARD = DASHBOARDS[0]
SIBLING = "blog.example.com"
ANOTHER_SITE = "evil.example.org"
STRANGERS = [SIBLING, ANOTHER_SITE]

OUTCOME = json.dumps({"outcomeType": "deal_closed", "title": "Closed in a browser", "valueUsd": 12.5})
JSON = {"Content-Type": "application/json"}

# A POST without a JSON content type gets a 415 if the browser sends the cookie, and otherwise a 401.
WITH_SESSION, WITHOUT_SESSION = "POST 415", "POST 401"
BLOCKED = {"blocked": "TypeError"}

LOAD_AS_SCRIPT = """url => new Promise(resolve => {
    const script = document.createElement("script")
    script.onload = script.onerror = event => resolve(event.type)
    script.src = url
    document.head.append(script)
})"""


@pytest.mark.parametrize("host", DASHBOARDS)
def test_a_dashboard_records_lists_and_reads_errors(platform: Platform, visitor: Visitor, host: str) -> None:
    page = visitor.open(host)
    recorded = visitor.fetch(page, platform.api_url, method="POST", headers=JSON, body=OUTCOME)
    assert recorded["status"] == 200
    listed = visitor.fetch(page, f"{platform.api_url}?limit=5")
    assert listed["status"] == 200
    [outcome] = json.loads(listed["body"])["outcomes"]
    assert outcome["id"] == json.loads(recorded["body"])["id"]
    assert (outcome["user_id"], outcome["value_usd"]) == (visitor.user_id, 12.5)
    untitled = {"method": "POST", "headers": JSON, "body": '{"outcomeType":"deal_closed"}'}
    for url, init, status, error in (
        (platform.api_url, untitled, 400, "Invalid title"),
        (f"{platform.api_url}?limit=x", {}, 400, "Invalid limit"),
        (platform.api_url, {"method": "POST", "body": OUTCOME}, 415, "Unsupported media type"),
    ):
        refused = visitor.fetch(page, url, **init)
        assert (refused["status"], json.loads(refused["body"])["error"]) == (status, error)


def test_the_first_dashboard_reads_errors_without_a_session_or_a_route(platform: Platform, visitor: Visitor) -> None:
    page = visitor.open(FIRST_DASHBOARD)
    missing = visitor.fetch(page, platform.api_url.replace("outcomes", "nothing"))
    assert (missing["status"], missing["body"]) == (404, '{"error":"Not found"}')
    visitor.context.clear_cookies()
    for cookie in ("none", "stale"):
        if cookie == "stale":
            visitor.set_cookie("session", "logged-out")
        for init in ({}, {"method": "POST", "headers": JSON, "body": OUTCOME}):
            refused = visitor.fetch(page, platform.api_url, **init)
            assert (refused["status"], refused["body"]) == (401, '{"error":"Unauthorized"}')


def test_users_of_a_dashboard_make_keys_and_correct_outcomes(platform: Platform, visitor: Visitor) -> None:
    page = visitor.open(DASHBOARDS[1])
    _embed(page, KEYS, platform.keys_url)
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("Nightly import")
    for send in ("Make key", "Rotate"):
        page.get_by_role("button", name=send, exact=True).click()
        expect(page.get_by_role("textbox", name="The key of Nightly import")).to_be_visible()
        page.get_by_role("button", name="Done").click()
        page.get_by_role("button", name="Rotate Nightly import").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Revoke Nightly import").click()
    page.get_by_role("button", name="Revoke for good").click()
    expect(page.get_by_text("No keys yet")).to_be_visible()

    assert visitor.fetch(page, platform.api_url, method="POST", headers=JSON, body=OUTCOME)["status"] == 200
    _embed(page, FEED, platform.api_url)
    page.locator(".rows summary").click()
    expect(page.locator(".past li")).to_have_count(1)
    page.get_by_role("button", name="Dispute", exact=True).click()
    page.get_by_label("Why do you dispute it?").fill("It was $12")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".standing")).to_have_text("left out of all sums: $12.50 disputed")
    expect(page.locator(".past li")).to_have_count(2)


@pytest.mark.parametrize("host", STRANGERS)
def test_a_stranger_reads_nothing(platform: Platform, visitor: Visitor, host: str) -> None:
    dashboard = visitor.open(FIRST_DASHBOARD)
    made = visitor.fetch(dashboard, platform.api_url, method="POST", headers=JSON, body=OUTCOME)
    outcome = f"{platform.api_url}/{json.loads(made['body'])['id']}"
    page = visitor.open(host)
    nothing = platform.api_url.replace("outcomes", "nothing")
    urls = [platform.api_url, outcome, platform.keys_url, f"{platform.api_url}?limit=x", nothing]
    assert visitor.fetch_all(page, [(url, {}) for url in urls]) == [BLOCKED] * len(urls)
    unseen = visitor.fetch(page, platform.api_url, mode="no-cors")
    assert unseen == {"status": 0, "body": "", "headers": {}, "type": "opaque"}
    assert page.evaluate(LOAD_AS_SCRIPT, platform.api_url) == "error"
    visitor.context.clear_cookies()
    assert visitor.fetch(page, platform.api_url) == BLOCKED


@pytest.mark.parametrize("host", STRANGERS)
def test_a_stranger_changes_no_outcome_and_no_key(platform: Platform, visitor: Visitor, host: str) -> None:
    dashboard, page = visitor.open(FIRST_DASHBOARD), visitor.open(host)

    def made(url: str, body: str) -> Any:
        return json.loads(visitor.fetch(dashboard, url, method="POST", headers=JSON, body=body)["body"])

    name, dispute = json.dumps({"name": "Theirs"}), json.dumps({"type": "dispute", "reason": "Theirs"})
    outcome, key = made(platform.api_url, OUTCOME), made(platform.keys_url, name)
    corrections = f"{platform.api_url}/{outcome['id']}/corrections"
    asking = [
        (url, {"method": method, "headers": JSON, "body": body})
        for method, url, body in (
            ("POST", platform.api_url, OUTCOME),
            ("PUT", platform.api_url, OUTCOME),
            ("DELETE", platform.api_url, OUTCOME),
            ("POST", corrections, dispute),
            ("POST", platform.keys_url, name),
            ("POST", f"{platform.keys_url}/{key['id']}/rotate", "{}"),
            ("DELETE", f"{platform.keys_url}/{key['id']}", "{}"),
        )
    ]
    with platform.arriving(len(asking)) as arrived:
        assert visitor.fetch_all(page, asking) == [BLOCKED] * len(asking)
    assert arrived == ["OPTIONS 204"] * len(asking)

    # Requests that browsers send without asking first: only their content type stops them.
    unchecked = [WITH_SESSION if host == SIBLING else WITHOUT_SESSION]
    sent = [
        (url, {"method": "POST", "mode": mode, "headers": headers, "body": body})
        for url, body in ((platform.api_url, OUTCOME), (corrections, dispute), (platform.keys_url, name))
        for mode in ("cors", "no-cors")
        for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "text/plain; application/json"}, {})
    ]
    with platform.arriving(len(sent)) as arrived:
        visitor.fetch_all(page, sent)
    assert arrived == unchecked * len(sent)
    blob = 'const body = new Blob([text], {type: "application/json"})'
    for send, expected in (
        ('fetch(url, {method: "POST", mode: "no-cors", credentials: "include", body})', unchecked),
        ("navigator.sendBeacon(url, body)", ["OPTIONS 204"]),
    ):
        with platform.arriving() as arrived:
            page.evaluate(f"([url, text]) => {{ {blob}; return {send} }}", [platform.api_url, OUTCOME])
        assert arrived == expected, send
    for enctype in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        with platform.arriving() as arrived, page.expect_navigation(url=platform.api_url):
            _submit_form(page, platform.api_url, enctype)
        # Forms of another site send the cookie, too: browsers add a new cookie without SameSite to form posts.
        assert arrived == [WITH_SESSION], enctype
        page.goto(platform.page_url(host))

    [listed] = json.loads(visitor.fetch(dashboard, platform.api_url)["body"])["outcomes"]
    assert listed["id"] == outcome["id"]
    assert json.loads(visitor.fetch(dashboard, f"{platform.api_url}/{outcome['id']}")["body"])["corrections"] == []
    [kept] = json.loads(visitor.fetch(dashboard, platform.keys_url)["body"])["keys"]
    assert {"key": key["key"], **kept} == key


def _embed(page: Page, element: str, endpoint: str) -> None:
    """Load the script of an element, and insert the element into the page. Script and element have the same name."""
    page.route("**/*.js", lambda route: route.fulfill(path=SERVED / route.request.url.rpartition("/")[2]))
    page.add_script_tag(url=f"/{element}.js", type="module")
    page.evaluate(
        """([name, endpoint]) => {
            const element = document.createElement(name)
            element.setAttribute("endpoint", endpoint)
            document.body.append(element)
        }""",
        [element, endpoint],
    )


def _submit_form(page: Page, url: str, enctype: str) -> None:
    """Post a form. Its encoded body is `name=value`, which here is the JSON of an outcome."""
    name, value = OUTCOME[:-1] + ',"description":"', '"}'
    page.evaluate(
        """([url, enctype, name, value]) => {
            const form = document.createElement("form")
            Object.assign(form, {method: "POST", action: url, enctype})
            const field = document.createElement("input")
            Object.assign(field, {name, value})
            form.append(field)
            document.body.append(form)
            form.submit()
        }""",
        [url, enctype, name, value],
    )
