"""Serve the examples of Next.js and Express, each with a local stack behind its proxy."""

import itertools
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from outcomes.auth.encrypted_cookies import NEXT_AUTH
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from docs.examples.tests.conftest import EXAMPLES, free_port, installed
from docs.examples.tests.relay import Relay, relay
from local.session_cookies import encrypted_cookie
from tests.browsers import confirm
from tests.local.stacks import WITHOUT_EVENTS, Stack, running

AXE = EXAMPLES.parents[1] / "dashboard/node_modules/axe-core/axe.min.js"
BUILD_SECONDS, START_SECONDS = 240, 60
SCREENS: dict[str, ViewportSize] = {"desktop": {"width": 1100, "height": 900}, "phone": {"width": 390, "height": 844}}
NEXT = ["node", "node_modules/next/dist/bin/next"]

users = itertools.count(80_000)


@dataclass(frozen=True)
class Site:
    """A running example. Its requests to the `stack` pass through the relay `api`."""

    url: str
    stack: Stack
    api: Relay

    def call(self, method: str, path: str, **request: object) -> httpx.Response:
        """Send a request to the example's site."""
        return httpx.request(method, f"{self.url}{path}", timeout=30, **request)  # type: ignore[arg-type]

    def signed_in(self, user: int) -> dict[str, str]:
        """Return the headers that this user's browser sends."""
        return {"Cookie": self.stack.cookie(user), "Origin": self.url}


def ended(command: list[str], example: str, **environment: str) -> tuple[int, str]:
    """Run a command in the example's folder, without the API's URL by default. Return its exit code and output."""
    own = {name: value for name, value in os.environ.items() if name != "OUTCOMES_URL"} | environment
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    run = subprocess.run(command, cwd=installed(example), env=own, text=True, timeout=BUILD_SECONDS, **streams)  # type: ignore[call-overload]
    return run.returncode, run.stdout


@contextmanager
def served(command: list[str], example: str, url: str, said: Path, **environment: str) -> Iterator[None]:
    """Run a server in the example's folder until the block ends. Wait until it answers at `url`."""
    with said.open("w") as output:
        process = subprocess.Popen(
            command, cwd=installed(example), env=os.environ | environment, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            try:
                httpx.get(f"{url}/nothing")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                break
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def stack_of(folder: Path) -> Iterator[tuple[str, Stack, Relay]]:
    """Run a stack for a site with a free port. Yield the site's URL, the stack and a relay."""
    url = f"http://127.0.0.1:{free_port()}"
    with (
        running(folder, *WITHOUT_EVENTS, environment={"DASHBOARD_ORIGINS": url}) as stack,
        relay(stack.url) as api,
    ):
        yield url, stack, api


@pytest.fixture(scope="module")
def nextjs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    installed("nextjs")
    folder = tmp_path_factory.mktemp("nextjs")
    with stack_of(folder) as (url, stack, api):
        environment = {
            "OUTCOMES_URL": api.url,
            "INTERNAL_API_KEY": stack.key,
            "NEXTAUTH_URL": url,
            "NEXTAUTH_SECRET": stack.session_secret,
            "NEXT_TELEMETRY_DISABLED": "1",
        }
        code, said = ended(["npm", "run", "build"], "nextjs", **environment)
        assert code == 0, said
        command = [*NEXT, "start", "-H", "127.0.0.1", "-p", url.rpartition(":")[2]]
        with served(command, "nextjs", url, folder / "site", **environment):
            yield Site(url, stack, api)


@pytest.fixture(scope="module")
def express(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    installed("express")
    folder = tmp_path_factory.mktemp("express")
    with stack_of(folder) as (url, stack, api):
        environment = {"OUTCOMES_URL": api.url, "PORT": url.rpartition(":")[2]}
        with served(["node", "server.mjs"], "express", url, folder / "site", **environment):
            yield Site(url, stack, api)


@pytest.fixture(params=["nextjs", "express"])
def site(request: pytest.FixtureRequest) -> Site:
    """Return each site in turn."""
    started: Site = request.getfixturevalue(request.param)
    return started


@pytest.fixture
def user() -> int:
    return next(users)


# Both sites


@pytest.mark.parametrize(
    ("method", "path", "request_headers", "content"),
    [
        ("GET", "/api/outcomes?limit=1", {}, None),
        ("GET", "/api/outcomes?limit=x", {}, None),
        ("GET", "/api/outcomes/no-such", {}, None),
        ("GET", "/api/outcomes/a%2Fb", {}, None),
        ("GET", "/api/outcomes/a/b/c", {}, None),
        ("GET", "/api/outcomes/export?format=ndjson", {}, None),
        (
            "GET",
            "/api/outcomes/summary?timezone=Europe/Berlin&outcomeType=deal_closed&outcomeType=task_complete",
            {},
            None,
        ),
        ("GET", "/api/outcomes?from=2026-04-01T00:00:00%2B02:00&to=2026-04-02", {}, None),
        ("GET", "/api/outcomes", {"Cookie": "next-auth.session-token=nonsense"}, None),
        ("GET", "/api/keys", {}, None),
        ("DELETE", "/api/keys/no-such", {}, None),
        ("GET", "/api/statements", {}, None),
        ("GET", "/api/costs?from=2026-04-01&to=2026-04-02", {}, None),
        ("PUT", "/api/costs/no-day/openai", {}, '{"lines": []}'),
        ("POST", "/api/outcomes", {}, "{"),
        ("POST", "/api/outcomes", {"Content-Type": "text/plain"}, "{}"),
        ("POST", "/api/outcomes", {}, '{"outcomeType": "deal_closed", "title": ""}'),
        ("POST", "/api/outcomes", {"Origin": "https://elsewhere.example.com"}, "{}"),
        ("POST", "/api/outcomes/batch", {}, '{"outcomes": []}'),
        ("POST", "/api/outcomes/no-such/corrections", {}, '{"type": "confirm"}'),
        ("OPTIONS", "/api/outcomes", {"Access-Control-Request-Method": "POST"}, None),
    ],
)
def test_a_site_answers_as_the_api(
    site: Site, user: int, method: str, path: str, request_headers: dict[str, str], content: str | None
) -> None:
    headers = {**site.signed_in(user), **({"Content-Type": "application/json"} if content else {}), **request_headers}
    direct = httpx.request(method, f"{site.stack.url}{path}", headers=headers, content=content, timeout=30)
    through = site.call(method, path, headers=headers, content=content)
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    changing = re.compile("x-amz|date|server|vary|connection|content-length")
    kept = {name: value for name, value in direct.headers.items() if not changing.match(name)}
    assert kept.items() <= dict(through.headers).items()


def test_the_api_gets_the_page_s_origin_and_its_own_host(site: Site, user: int) -> None:
    sent = {**site.signed_in(user), "Sec-Fetch-Site": "same-origin", "If-None-Match": '"a"'}
    site.call("GET", "/api/outcomes", headers=sent)
    heard = site.api.heard[-1]
    assert sent.items() <= {name.title(): value for name, value in heard.items()}.items()
    assert heard["host"] == site.api.url.removeprefix("http://")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failure_of_the_api_passes_through(site: Site, status: int) -> None:
    body = b'{"error":"Busy"}'
    site.api.answer = (status, {"content-type": "application/json", "retry-after": "7"}, body)
    answer = site.call("GET", "/api/outcomes")
    assert (answer.status_code, answer.content, answer.headers["Retry-After"]) == (status, body, "7")


@pytest.mark.parametrize(
    "path", ["/mcp", "/api", "/api/outcomesx", "/api/auth/session", "/api/outcomes%2F..%2F..%2Fmcp"]
)
def test_no_other_path_leads_to_the_api(site: Site, path: str) -> None:
    before = len(site.api.heard)
    site.call("POST", path, headers={"Authorization": f"Bearer {site.stack.key}"})
    assert len(site.api.heard) == before


@pytest.mark.parametrize(("example", "command"), [("nextjs", [*NEXT, "build"]), ("express", ["node", "server.mjs"])])
def test_without_the_api_s_url_nothing_is_built_or_served(example: str, command: list[str]) -> None:
    code, said = ended(command, example, NEXT_TELEMETRY_DISABLED="1")
    assert code == 1
    assert "Error: Set OUTCOMES_URL to the API's URL, with its stage: ApiUrl, as make deploy prints it" in said


# Next.js


def test_the_site_never_serves_the_key(nextjs: Site) -> None:
    served = [path for path in (EXAMPLES / "nextjs/.next/static").rglob("*") if path.is_file()]
    assert served
    assert not [path for path in served if nextjs.stack.key.encode() in path.read_bytes()]
    assert nextjs.stack.key not in nextjs.call("GET", "/").text


def test_without_the_api_next_answers_500_and_the_feed_retries(page: Page, nextjs: Site) -> None:
    nextjs.api.down = True
    try:
        answer = nextjs.call("GET", "/api/outcomes")
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
        page.goto(nextjs.url)
        expect(page.locator("value-delivered")).to_contain_text("Retrying automatically.")
    finally:
        nextjs.api.down = False
    expect(page.locator("value-delivered")).to_contain_text("Nothing delivered yet")


@pytest.fixture
def page(browser: Browser, nextjs: Site, user: int) -> Iterator[Page]:
    """Open a tab of a signed-in viewer. Fail the test if the page raises an error."""
    context = browser.new_context(locale="en-US", timezone_id="America/New_York", reduced_motion="reduce")
    context.set_default_timeout(10_000)
    name, _, value = nextjs.stack.cookie(user).partition("=")
    context.add_cookies([{"name": name, "value": value, "url": nextjs.url, "sameSite": "Lax", "httpOnly": True}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def record(page: Page, title: str, value: str) -> None:
    """Submit the form, which calls the server action."""
    page.get_by_label("Deal").fill(title)
    page.get_by_label("Value in USD").fill(value)
    page.get_by_role("button", name="Record").click()


def rows(page: Page) -> Locator:
    return page.locator("value-delivered .rows li")


def test_a_deal_recorded_by_a_server_action_is_in_the_feed_beside_costs_and_can_be_confirmed(
    page: Page, nextjs: Site, user: int
) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    costs = {"lines": [{"agentId": 7, "costUsd": 412.07}]}
    nextjs.call("PUT", f"/api/costs/{yesterday}/openai", json=costs, headers=nextjs.signed_in(user)).raise_for_status()
    page.goto(nextjs.url)
    for title, value in [("Renewed Acme", "12500.50"), ("Renewed Initech", "800")]:
        record(page, title, value)
        expect(rows(page).filter(has_text=title)).to_have_count(1)
        expect(page.get_by_label("Deal")).to_have_value("")
    expect(page.locator("output")).to_have_text("Recorded.")
    expect(page.locator("value-delivered .total")).to_have_text("$13,300.50")
    expect(page.locator("value-delivered .balance")).to_contain_text("$412.07")

    row = rows(page).filter(has_text="Renewed Acme")
    row.locator("summary").click()
    confirm(row)
    # the outcome was confirmed through the API
    expect(page.locator("value-delivered .standing")).to_have_text("$12,500.50 confirmed")
    listed = nextjs.call("GET", "/api/outcomes?include=ledger", headers=nextjs.signed_in(user)).json()["outcomes"]
    assert [(each["title"], each["status"], each["recorded_by"]) for each in listed] == [
        ("Renewed Initech", "recorded", "key"),
        ("Renewed Acme", "confirmed", "key"),
    ]

    for screen, size in SCREENS.items():
        page.set_viewport_size(size)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), screen
        page.screenshot(path=EXAMPLES.parents[1] / f".artefacts/nextjs-{screen}.png", full_page=True)
    page.evaluate(AXE.read_text())
    assert [fault["id"] for fault in page.evaluate("axe.run()")["violations"]] == []


def test_a_refused_deal_shows_the_error_and_can_be_corrected(page: Page, nextjs: Site) -> None:
    page.goto(nextjs.url)
    record(page, "Renewed Acme", "twelve")
    expect(page.locator("output")).to_contain_text("Not recorded: 400 Invalid valueUsd")
    expect(page.get_by_label("Deal")).to_have_value("Renewed Acme")
    page.get_by_label("Value in USD").fill("12")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("output")).to_have_text("Recorded.")
    expect(page.get_by_label("Deal")).to_have_value("")
    expect(rows(page)).to_have_count(1)


def test_a_deal_whose_answer_was_lost_can_be_changed_and_recorded_too(page: Page, nextjs: Site, user: int) -> None:
    page.route("**/api/**", lambda route: route.abort())  # so that the feed does not get the answer below
    page.goto(nextjs.url)
    nextjs.api.answer = (503, {"retry-after": "60"}, b"lost")
    record(page, "Renewed Acme", "12")
    expect(page.locator("output")).to_have_text("It may be recorded: 503")
    record(page, "Renewed Acme", "13")
    expect(page.locator("output")).to_contain_text("Not recorded: an earlier deal of this form is recorded.")
    expect(page.get_by_label("Value in USD")).to_have_value("13")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("output")).to_have_text("Recorded.")
    listed = nextjs.call("GET", "/api/outcomes", headers=nextjs.signed_in(user)).json()["outcomes"]
    assert [each["value_usd"] for each in listed] == [13, 12]


@pytest.mark.parametrize("claims", [None, {"sub": "cm3x1y2z", "userId": None}], ids=["signed out", "an id of letters"])
def test_without_a_user_nothing_is_recorded_or_shown(
    page: Page, nextjs: Site, claims: dict[str, object] | None
) -> None:
    page.context.clear_cookies()
    if claims:
        claims |= {"exp": int(time.time()) + 60}
        name, _, value = encrypted_cookie(NEXT_AUTH, NEXT_AUTH.name, claims, nextjs.stack.session_secret).partition("=")
        page.context.add_cookies([{"name": name, "value": value, "url": nextjs.url}])
    page.goto(nextjs.url)
    expect(page.locator("value-delivered")).to_contain_text("Sign in")
    record(page, "Renewed Acme", "1")
    expect(page.locator("output")).to_have_text("Sign in first.")


def test_a_viewer_makes_a_key_for_an_agent(page: Page, nextjs: Site, user: int) -> None:
    page.goto(f"{nextjs.url}/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("Nightly import")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_label("The key of Nightly import")).to_have_value(re.compile("^oc_"))
    [key] = nextjs.call("GET", "/api/keys", headers=nextjs.signed_in(user)).json()["keys"]
    assert key["name"] == "Nightly import"


# Express


def test_an_outcome_recorded_by_a_page_is_in_its_feed(express: Site, user: int, browser: Browser) -> None:
    body = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": 12500.5}
    express.call("POST", "/api/outcomes", json=body, headers=express.signed_in(user)).raise_for_status()
    context = browser.new_context()
    name, _, value = express.stack.cookie(user).partition("=")
    context.add_cookies([{"name": name, "value": value, "url": express.url}])
    page = context.new_page()
    page.goto(express.url)
    expect(rows(page)).to_have_count(1)
    expect(page.locator("value-delivered")).to_contain_text("Renewed Acme")
    context.close()


def test_the_stage_stands_before_the_path(express: Site, tmp_path: Path) -> None:
    port = free_port()
    environment = {"OUTCOMES_URL": f"{express.api.url}/prod/api/outcomes", "PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with served(["node", "server.mjs"], "express", url, tmp_path / "output", **environment):
        express.api.answer = (200, {"content-type": "application/json"}, b"{}")
        assert httpx.get(f"{url}/api/outcomes/summary?by=week").status_code == 200
    assert express.api.paths[-1] == "/prod/api/outcomes/summary?by=week"


def test_an_api_that_is_down_is_a_502(express: Site) -> None:
    express.api.down = True
    try:
        answer = express.call("GET", "/api/outcomes")
    finally:
        express.api.down = False
    assert (answer.status_code, answer.json()) == (502, {"error": "Bad gateway"})


def test_an_answer_that_breaks_off_ends_the_visitors(express: Site) -> None:
    express.api.faults.append("half an answer after the write")
    with pytest.raises(httpx.RemoteProtocolError):
        express.call("GET", "/api/outcomes")
