"""The platform in a browser: dashboards, strangers and the API, each a host of its own.

The hosts are those of a real deployment: `app` and `api` of one domain are of one site, so that the session cookie of
the domain goes along, and of two origins, so that only CORS lets a page of `app` read. A host that is not on the list
is either a sibling in the same domain, to whose requests the cookie is added too, or of another site altogether.
"""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browsers import chromium
from tests.local.stacks import Stack, running

PAGE = b"<!doctype html><html lang=en><title>A page</title>"


class PageHandler(BaseHTTPRequestHandler):
    """Serves the same page whatever is asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Platform:
    """A running stack, called `api_url` by pages, whose hosts are all on `page_port`; dynamodb: a client of it."""

    stack: Stack
    page_port: int
    dynamodb: Any

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
        """Yield a list that has, after the block, the requests that came to the API's routes: `POST 415`.

        Waits until there are `count` of them, if need be. What a browser asks of each host, an icon, is not there.
        """
        arrived: list[str] = []
        before = len(self.stack.log)
        yield arrived
        deadline = time.monotonic() + 10
        while len(arrived) < count:
            assert time.monotonic() < deadline, f"{arrived} arrived, {count} were expected"
            time.sleep(0.01)
            arrived[:] = map(" ".join, re.findall(r"^([A-Z]+) /api/\S+ (\d+) ", self.stack.log[before:], re.MULTILINE))

    def titles(self, user_id: int) -> list[str]:
        """List the titles of all outcomes that the table has of a user."""
        found = self.dynamodb.query(
            TableName=self.stack.tables["OutcomesTable"],
            KeyConditionExpression="user_id = :user_id",
            ExpressionAttributeValues={":user_id": {"S": str(user_id)}},
            ConsistentRead=True,
        )
        return [item["title"]["S"] for item in found["Items"]]


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), PageHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    port = server.server_port
    origins = f"http://app.example.com:{port},http://beta.example.com:{port}"
    try:
        with (
            running(
                tmp_path_factory.mktemp("platform"),
                environment={"DASHBOARD_ORIGINS": origins, "ALLOWED_HOSTS": "api.example.com"},
            ) as stack,
            closing(boto3.client("dynamodb", endpoint_url=stack.aws_url)) as dynamodb,
        ):
            yield Platform(stack, port, dynamodb)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium("--host-resolver-rules=MAP * 127.0.0.1") as browser:
        yield browser


class Visitor:
    """A user of the platform at the browser."""

    def __init__(self, platform: Platform, context: BrowserContext, tabs: dict[str, Page], user_id: int) -> None:
        self.platform = platform
        self.context = context
        self.tabs = tabs
        self.user_id = user_id

    def sign_in(self) -> None:
        """Get the platform's session cookie, which is of the whole domain."""
        name, _, value = self.platform.stack.cookie(self.user_id).partition("=")
        self.set_cookie(name, value)

    def set_cookie(self, name: str, value: str) -> None:
        self.context.add_cookies(
            [{"name": name, "value": value, "domain": ".example.com", "path": "/", "httpOnly": True}]
        )

    def open(self, host: str) -> Page:
        """Open a page of a host, in the tab that is kept for that host, and only read anew if it is elsewhere."""
        if host not in self.tabs:
            self.tabs[host] = self.context.new_page()
        page = self.tabs[host]
        page.bring_to_front()  # those behind are drawn once a second
        if page.url != self.platform.page_url(host):  # as long as ten requests take
            page.goto(self.platform.page_url(host))
        return page

    def leave(self) -> None:
        """Take out of all pages what was put into them, and forget the session."""
        for page in self.tabs.values():
            page.evaluate("document.body.replaceChildren()")
        self.context.clear_cookies()

    def fetch(self, page: Page, url: str, **init: Any) -> Any:
        """Return all that a script of the page learns of a request: status, body and headers, or `blocked`."""
        return page.evaluate(
            """async ([url, init]) => {
                try {
                    const response = await fetch(url, {credentials: "include", ...init})
                    return {
                        status: response.status,
                        body: await response.text(),
                        headers: Object.fromEntries(response.headers),
                        type: response.type,
                    }
                } catch (error) {
                    return {blocked: error.name}
                }
            }""",
            [url, init],
        )


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture(scope="package")
def tabs() -> dict[str, Page]:
    """Remember the pages that visitors share, by their hosts: a new one each takes longer than most tests do."""
    return {}


@pytest.fixture
def visitor(
    platform: Platform, context: BrowserContext, tabs: dict[str, Page], request: pytest.FixtureRequest
) -> Iterator[Visitor]:
    """Sign in a visitor, in each test another user, with nothing left of the one before."""
    visitor = Visitor(platform, context, tabs, 1 + request.session.items.index(request.node))
    visitor.sign_in()
    yield visitor
    visitor.leave()
