"""Serve the Express example, with a local stack behind its proxy."""

import itertools
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from docs.examples.tests.conftest import free_port, installed
from docs.examples.tests.relay import Relay, relay
from tests.local.stacks import WITHOUT_EVENTS, Stack, running

START_SECONDS = 30
users = itertools.count(90_000)


@contextmanager
def served(api_url: str, port: int, said: Path) -> Iterator[str]:
    """Context manager: run the example in front of an API, and yield the example's URL."""
    folder, url = installed("express"), f"http://127.0.0.1:{port}"
    environment = os.environ | {"OUTCOMES_URL": api_url, "PORT": str(port)}
    with said.open("w") as output:
        process = subprocess.Popen(["node", "server.mjs"], cwd=folder, env=environment, stdout=output, stderr=output)
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
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def site_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, site_port: int) -> Iterator[Stack]:
    origins = {"DASHBOARD_ORIGINS": f"http://127.0.0.1:{site_port}"}
    with running(tmp_path_factory.mktemp("stack"), *WITHOUT_EVENTS, environment=origins) as stack:
        yield stack


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[Relay]:
    with relay(stack.url) as api:
        yield api


@pytest.fixture(scope="module")
def site(api: Relay, site_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(api.url, site_port, tmp_path_factory.mktemp("express") / "output") as url:
        yield url


@pytest.fixture
def signed_in(stack: Stack, site: str) -> dict[str, str]:
    """Return the headers that a new user's browser sends."""
    return {"Cookie": stack.cookie(next(users)), "Origin": site}


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "/api/outcomes?limit=1", None),
        ("GET", "/api/outcomes/no-such", None),
        ("GET", "/api/outcomes/summary?timezone=Europe/Berlin&outcomeType=deal_closed&outcomeType=task_complete", None),
        ("GET", "/api/outcomes?from=2026-04-01T00:00:00%2B02:00&to=2026-04-02", None),
        ("GET", "/api/keys", None),
        ("DELETE", "/api/keys/no-such", None),
        ("GET", "/api/statements", None),
        ("GET", "/api/costs?from=2026-04-01&to=2026-04-02", None),
        ("PUT", "/api/costs/no-day/openai", '{"lines": []}'),
        ("POST", "/api/outcomes", "{"),
        ("POST", "/api/outcomes/batch", '{"outcomes": []}'),
    ],
)
def test_the_site_answers_as_the_api(
    site: str, stack: Stack, signed_in: dict[str, str], method: str, path: str, content: str | None
) -> None:
    headers = signed_in | ({"Content-Type": "application/json"} if content else {})
    direct, through = (
        httpx.request(method, f"{url}{path}", headers=headers, content=content, timeout=30) for url in (stack.url, site)
    )
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    changing = re.compile("x-amz|date|server|connection|content-length")
    assert {name: value for name, value in direct.headers.items() if not changing.match(name)}.items() <= dict(
        through.headers
    ).items()


def test_an_outcome_recorded_by_a_page_is_in_its_feed(site: str, signed_in: dict[str, str], browser: Browser) -> None:
    body = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": 12500.5}
    first, again = (
        httpx.post(f"{site}/api/outcomes", json=body, headers=signed_in | {"Idempotency-Key": "acme"}) for _ in range(2)
    )
    assert first.headers["Outcome-Id"] == again.headers["Outcome-Id"] == first.json()["id"]

    context = browser.new_context()
    name, _, value = signed_in["Cookie"].partition("=")
    context.add_cookies([{"name": name, "value": value, "url": site}])
    page = context.new_page()
    page.goto(site)
    expect(page.locator("value-delivered .rows li")).to_have_count(1)
    expect(page.locator("value-delivered")).to_contain_text("Renewed Acme")
    context.close()


def test_a_page_of_another_origin_records_nothing_by_it(site: str, signed_in: dict[str, str]) -> None:
    headers = signed_in | {"Origin": "https://elsewhere.example.com"}
    answer = httpx.post(f"{site}/api/outcomes", json={"outcomeType": "deal_closed", "title": "Mine"}, headers=headers)
    assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"})


def test_the_api_is_called_by_its_own_host(site: str, api: Relay, signed_in: dict[str, str]) -> None:
    httpx.get(f"{site}/api/outcomes", headers=signed_in)
    assert api.seen[-1]["host"] == api.url.removeprefix("http://")
    assert signed_in.items() <= {name.title(): value for name, value in api.seen[-1].items()}.items()


def test_the_stage_stands_before_the_path(api: Relay, tmp_path: Path) -> None:
    with served(f"{api.url}/prod/api/outcomes", free_port(), tmp_path / "output") as url:
        api.answer = (200, {"content-type": "application/json"}, b"{}")
        assert httpx.get(f"{url}/api/outcomes/summary?by=week").status_code == 200
    assert api.paths[-1] == "/prod/api/outcomes/summary?by=week"


@pytest.mark.parametrize("path", ["/mcp", "/api", "/api/outcomesx", "/api/outcomes%2F..%2F..%2Fmcp"])
def test_no_other_path_leads_to_the_api(site: str, api: Relay, path: str) -> None:
    before = len(api.seen)
    assert httpx.post(f"{site}{path}").status_code == 404
    assert len(api.seen) == before


def test_an_api_that_is_down_is_a_502(site: str, api: Relay, signed_in: dict[str, str]) -> None:
    api.down = True
    try:
        answer = httpx.get(f"{site}/api/outcomes", headers=signed_in)
    finally:
        api.down = False
    assert (answer.status_code, answer.json()) == (502, {"error": "Bad gateway"})


def test_without_the_api_s_url_it_does_not_start() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OUTCOMES_URL"}
    started = subprocess.run(
        ["node", "server.mjs"], cwd=installed("express"), env=environment, capture_output=True, text=True, check=False
    )
    assert started.returncode == 1
    assert "Set OUTCOMES_URL to the API's URL" in started.stderr
