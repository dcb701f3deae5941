"""Fixtures: pages from several hosts in a browser, and the API on its own host.

As in a real deployment, `app` and `api` share a domain. They are same-site, so the browser sends the session cookie.
They are not same-origin, so a page from `app` needs CORS to read responses. A host that is not allowed may be in the
same domain, so that its requests also carry the cookie, or on another site.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from clients.python.tests.faults import FaultyServer
from tests.browsers import SECONDS
from tests.local.stacks import Stack, running
from tests.servers import serving

PAGE = b"<!doctype html><html lang=en><title>A page</title>"


@dataclass(frozen=True)
class Platform:
    """A running stack and the pages on it.

    api_url: the API's URL, as pages use it. page_port: the port of all pages.
    """

    stack: Stack
    page_port: int

    def page_url(self, host: str) -> str:
        return f"http://{host}:{self.page_port}/"

    @property
    def api_url(self) -> str:
        return f"{self.stack.url.replace('127.0.0.1', 'api.example.com')}/api/outcomes"

    @property
    def keys_url(self) -> str:
        return self.api_url.replace("/outcomes", "/keys")

    @contextmanager
    def arriving(self, count: int = 1) -> Iterator[list[str]]:
        """Yield an empty list.

        When the block ends, wait for `count` requests to the API, and add each to the list as method and status, such
        as `POST 415`.
        """
        arrived: list[str] = []
        before = len(self.stack.log)
        yield arrived
        deadline = time.monotonic() + 10
        while len(arrived) < count:
            assert time.monotonic() < deadline, f"{arrived} arrived, {count} were expected"
            time.sleep(0.01)
            arrived[:] = map(" ".join, re.findall(r"^([A-Z]+) /api/\S+ (\d+) ", self.stack.log[before:], re.MULTILINE))


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    def answer(*_request: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "text/html; charset=utf-8"}, PAGE

    with serving(FaultyServer(answer)) as pages:
        port = pages.server_port
        origins = f"http://app.example.com:{port},http://beta.example.com:{port}"
        environment = {"DASHBOARD_ORIGINS": origins, "ALLOWED_HOSTS": "api.example.com"}
        with running(tmp_path_factory.mktemp("platform"), environment=environment) as stack:
            yield Platform(stack, port)


class Visitor:
    """A user of the platform with a browser."""

    def __init__(self, platform: Platform, context: BrowserContext, user_id: int) -> None:
        self.platform = platform
        self.context = context
        self.user_id = user_id

    def sign_in(self) -> None:
        """Set the platform's session cookie, which is valid for the whole domain."""
        name, _, value = self.platform.stack.cookie(self.user_id).partition("=")
        self.set_cookie(name, value)

    def set_cookie(self, name: str, value: str) -> None:
        self.context.add_cookies(
            [{"name": name, "value": value, "domain": ".example.com", "path": "/", "httpOnly": True}]
        )

    def open(self, host: str) -> Page:
        page = self.context.new_page()
        page.goto(self.platform.page_url(host))
        return page

    def fetch(self, page: Page, url: str, **init: Any) -> Any:
        """Send a request from the page. Return what the page's script can read: the response, or `blocked`."""
        return self.fetch_all(page, [(url, init)])[0]

    def fetch_all(self, page: Page, requests: list[tuple[str, dict[str, Any]]]) -> list[Any]:
        """Send requests one after the other."""
        found: list[Any] = page.evaluate(
            """async (requests) => {
                const read = []
                for (const [url, init] of requests) try {
                    const response = await fetch(url, {credentials: "include", ...init})
                    read.push({
                        status: response.status,
                        body: await response.text(),
                        headers: Object.fromEntries(response.headers),
                        type: response.type,
                    })
                } catch (error) {
                    read.push({blocked: error.name})
                }
                return read
            }""",
            requests,
        )
        return found


@pytest.fixture
def visitor(platform: Platform, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Return a signed-in visitor, who is another user in each test."""
    context = browser.new_context()
    context.set_default_timeout(SECONDS * 1000)
    visitor = Visitor(platform, context, 1 + request.session.items.index(request.node))
    visitor.sign_in()
    yield visitor
    context.close()
