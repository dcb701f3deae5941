"""Pages from other origins call the API with a user's session: allowed dashboards can do everything, others nothing."""

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browsers import confirm
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


@pytest.mark.parametrize("host", DASHBOARDS)
def test_a_dashboard_records_and_lists(platform: Platform, visitor: Visitor, host: str) -> None:
    page = visitor.open(host)
    recorded = visitor.fetch(page, platform.api_url, method="POST", headers=JSON, body=OUTCOME)
    assert recorded["status"] == 200
    id_ = json.loads(recorded["body"])["id"]
    listed = visitor.fetch(page, f"{platform.api_url}?limit=5")
    assert listed["status"] == 200
    [outcome] = json.loads(listed["body"])["outcomes"]
    assert (outcome["id"], outcome["user_id"], outcome["value_usd"]) == (id_, visitor.user_id, 12.5)
    assert platform.titles(visitor.user_id) == ["Closed in a browser"]


@pytest.mark.parametrize("host", DASHBOARDS)
def test_a_dashboard_reads_errors_of_its_requests(platform: Platform, visitor: Visitor, host: str) -> None:
    page = visitor.open(host)
    refused = visitor.fetch(page, platform.api_url, method="POST", headers=JSON, body='{"outcomeType":"deal_closed"}')
    assert refused["status"] == 400
    assert json.loads(refused["body"])["error"] == "Invalid title"
    refused = visitor.fetch(page, f"{platform.api_url}?limit=x")
    assert (refused["status"], refused["body"]) == (400, '{"error":"Invalid limit"}')
    refused = visitor.fetch(page, platform.api_url, method="POST", body=OUTCOME)
    assert (refused["status"], refused["body"]) == (415, '{"error":"Unsupported media type"}')


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("cookie", ["none", "stale"])
def test_the_first_dashboard_reads_that_the_viewer_is_signed_out(
    platform: Platform, visitor: Visitor, method: str, cookie: str
) -> None:
    visitor.context.clear_cookies()
    if cookie == "stale":
        visitor.set_cookie("session", "logged-out")
    page = visitor.open(FIRST_DASHBOARD)
    request = {"headers": JSON, "body": OUTCOME} if method == "POST" else {}
    refused = visitor.fetch(page, platform.api_url, method=method, **request)
    assert (refused["status"], refused["body"]) == (401, '{"error":"Unauthorized"}')


def test_users_of_a_dashboard_make_rotate_and_revoke_keys(platform: Platform, visitor: Visitor) -> None:
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


def test_users_of_a_dashboard_confirm_and_dispute_outcomes(platform: Platform, visitor: Visitor) -> None:
    body = {"outcomeType": "deal_closed", "title": "Closed", "valueUsd": 12.5, "userId": visitor.user_id}
    headers = {"Authorization": f"Bearer {platform.stack.key}"}
    httpx.post(f"{platform.stack.url}/api/outcomes", json=body, headers=headers).raise_for_status()
    page = visitor.open(DASHBOARDS[1])
    _embed(page, FEED, platform.api_url)
    page.locator(".rows summary").click()
    expect(page.locator(".past li")).to_have_count(1)
    confirm(page.locator(".rows [role=listitem]"))
    expect(page.locator(".standing")).to_have_text("$12.50 confirmed")
    page.get_by_role("button", name="This is not right").click()
    page.get_by_label("What is not right?").fill("It was $12")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".standing")).to_have_text("$12.50 disputed")
    expect(page.locator(".past li")).to_have_count(3)


def test_the_first_dashboard_reads_that_a_route_does_not_exist(platform: Platform, visitor: Visitor) -> None:
    refused = visitor.fetch(visitor.open(FIRST_DASHBOARD), platform.api_url.replace("outcomes", "nothing"))
    assert (refused["status"], refused["body"]) == (404, '{"error":"Not found"}')


@pytest.mark.parametrize("host", STRANGERS)
class TestAStranger:
    def test_cannot_read_outcomes(self, platform: Platform, visitor: Visitor, host: str) -> None:
        visitor.fetch(visitor.open(FIRST_DASHBOARD), platform.api_url, method="POST", headers=JSON, body=OUTCOME)
        assert len(platform.titles(visitor.user_id)) == 1
        page = visitor.open(host)
        assert visitor.fetch(page, platform.api_url) == {"blocked": "TypeError"}
        unseen = visitor.fetch(page, platform.api_url, mode="no-cors")
        assert unseen == {"status": 0, "body": "", "headers": {}, "type": "opaque"}

    def test_cannot_read_an_error(self, platform: Platform, visitor: Visitor, host: str) -> None:
        page = visitor.open(host)
        for url in (f"{platform.api_url}?limit=x", platform.api_url.replace("outcomes", "nothing")):
            assert visitor.fetch(page, url) == {"blocked": "TypeError"}
        visitor.context.clear_cookies()
        assert visitor.fetch(page, platform.api_url) == {"blocked": "TypeError"}

    def test_cannot_make_revoke_or_see_a_key(self, platform: Platform, visitor: Visitor, host: str) -> None:
        dashboard = visitor.open(FIRST_DASHBOARD)
        body = json.dumps({"name": "Theirs"})
        made = json.loads(visitor.fetch(dashboard, platform.keys_url, method="POST", headers=JSON, body=body)["body"])
        page = visitor.open(host)
        assert visitor.fetch(page, platform.keys_url) == {"blocked": "TypeError"}
        for url, init in (
            (platform.keys_url, {"method": "POST", "headers": JSON, "body": body}),
            (f"{platform.keys_url}/{made['id']}/rotate", {"method": "POST", "headers": JSON, "body": "{}"}),
            (f"{platform.keys_url}/{made['id']}", {"method": "DELETE"}),
        ):
            with platform.arriving() as arrived:
                assert visitor.fetch(page, url, **init) == {"blocked": "TypeError"}
            assert arrived == ["OPTIONS 204"]
        with platform.arriving() as arrived:
            visitor.fetch(page, platform.keys_url, method="POST", mode="no-cors", body=body)
        assert arrived == [WITH_SESSION if host == SIBLING else WITHOUT_SESSION]
        [kept] = json.loads(visitor.fetch(dashboard, platform.keys_url)["body"])["keys"]
        assert {"key": made["key"], **kept} == made

    def test_cannot_correct_an_outcome_or_read_history(self, platform: Platform, visitor: Visitor, host: str) -> None:
        dashboard = visitor.open(FIRST_DASHBOARD)
        made = visitor.fetch(dashboard, platform.api_url, method="POST", headers=JSON, body=OUTCOME)
        url = f"{platform.api_url}/{json.loads(made['body'])['id']}"
        body = json.dumps({"type": "dispute", "reason": "Theirs"})
        page = visitor.open(host)
        assert visitor.fetch(page, url) == {"blocked": "TypeError"}
        with platform.arriving() as arrived:
            blocked = visitor.fetch(page, f"{url}/corrections", method="POST", headers=JSON, body=body)
        assert (blocked, arrived) == ({"blocked": "TypeError"}, ["OPTIONS 204"])
        with platform.arriving() as arrived:
            visitor.fetch(page, f"{url}/corrections", method="POST", mode="no-cors", body=body)
        assert arrived == [WITH_SESSION if host == SIBLING else WITHOUT_SESSION]
        assert json.loads(visitor.fetch(dashboard, url)["body"])["corrections"] == []

    def test_cannot_load_the_list_as_a_script(self, platform: Platform, visitor: Visitor, host: str) -> None:
        page = visitor.open(host)
        event = page.evaluate(
            """url => new Promise(resolve => {
                const script = document.createElement("script")
                script.onload = script.onerror = event => resolve(event.type)
                script.src = url
                document.head.append(script)
            })""",
            platform.api_url,
        )
        assert event == "error"

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_may_not_send_json(self, platform: Platform, visitor: Visitor, host: str, method: str) -> None:
        page = visitor.open(host)
        with platform.arriving() as arrived:
            blocked = visitor.fetch(page, platform.api_url, method=method, headers=JSON, body=OUTCOME)
        assert blocked == {"blocked": "TypeError"}
        assert arrived == ["OPTIONS 204"]
        assert platform.titles(visitor.user_id) == []

    @pytest.mark.parametrize("mode", ["cors", "no-cors"])
    @pytest.mark.parametrize("content_type", ["text/plain", "text/plain; application/json", None])
    def test_cannot_write_without_a_preflight(
        self, platform: Platform, visitor: Visitor, host: str, mode: str, content_type: str | None
    ) -> None:
        page = visitor.open(host)
        headers = {"Content-Type": content_type} if content_type else {}
        with platform.arriving() as arrived:
            visitor.fetch(page, platform.api_url, method="POST", mode=mode, headers=headers, body=OUTCOME)
        assert arrived == [WITH_SESSION if host == SIBLING else WITHOUT_SESSION]
        assert platform.titles(visitor.user_id) == []

    @pytest.mark.parametrize(
        ("send", "preflight"),
        [
            ('fetch(url, {method: "POST", mode: "no-cors", credentials: "include", body})', False),
            ("navigator.sendBeacon(url, body)", True),
        ],
    )
    def test_cannot_write_with_a_typed_blob(
        self, platform: Platform, visitor: Visitor, host: str, send: str, preflight: bool
    ) -> None:
        page = visitor.open(host)
        blob = 'new Blob([text], {type: "application/json"})'
        with platform.arriving() as arrived:
            page.evaluate(f"([url, text]) => {{ const body = {blob}; return {send} }}", [platform.api_url, OUTCOME])
        unchecked = WITH_SESSION if host == SIBLING else WITHOUT_SESSION
        assert arrived == ["OPTIONS 204" if preflight else unchecked]
        assert platform.titles(visitor.user_id) == []

    @pytest.mark.parametrize("enctype", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
    def test_cannot_write_with_a_form(self, platform: Platform, visitor: Visitor, host: str, enctype: str) -> None:
        page = visitor.open(host)
        with platform.arriving() as arrived, page.expect_navigation(url=platform.api_url):
            _submit_form(page, platform.api_url, enctype)
        # Forms of another site send the cookie, too: browsers add a new cookie without SameSite to form posts.
        assert arrived == [WITH_SESSION]
        assert platform.titles(visitor.user_id) == []


def _embed(page: Page, element: str, endpoint: str) -> None:
    """Load the script of an element, and insert the element into the page. Script and element have the same name."""
    page.bring_to_front()  # browsers draw background tabs only once a second
    page.route("**/*.js", lambda route: route.fulfill(path=SERVED / route.request.url.rpartition("/")[2]))
    if not page.evaluate("name => Boolean(customElements.get(name))", element):
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
