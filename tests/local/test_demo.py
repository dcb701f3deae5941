"""Test the demo dashboard of `make run`."""

import re
from base64 import b64encode
from hashlib import sha256

import httpx
import pytest

from local.demo import HEADERS
from ops.dashboard import FILES
from tests.local.stacks import ROOT, Stack

DASHBOARD = ROOT / "dashboard/public"
OUTCOME = {"outcomeType": "task_complete", "title": "Hers"}


@pytest.mark.parametrize("path", [*FILES])
def test_the_page_and_the_components_are_served_unchanged(stack: Stack, path: str) -> None:
    file, content_type = FILES[path]
    answer = httpx.get(f"{stack.url}{path}")
    served = re.sub(r" agent-names=\"[^\"]*\"| of user 42", "", answer.text)
    assert (answer.status_code, served) == (200, (DASHBOARD / file).read_text())
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers.items() >= {(name.lower(), value) for name, value in HEADERS.items()}


def test_the_page_is_compressed_for_who_accepts_it_as_by_cloudfront(stack: Stack) -> None:
    for accepted, used in (("gzip, br", "gzip"), ("identity", None)):
        answer = httpx.get(f"{stack.url}/value-delivered.js", headers={"Accept-Encoding": accepted})
        assert answer.headers.get("Content-Encoding") == used


@pytest.mark.parametrize(
    "path",
    [
        "/package.json",
        "/package-lock.json",
        "/README.md",
        "/node_modules/axe-core/axe.min.js",
        "/../template.yaml",
        "/%2e%2e/template.yaml",
        "//value-delivered.js",
        "/value-delivered.js/",
    ],
)
def test_no_other_file_of_the_folder_is_served(stack: Stack, path: str) -> None:
    answer = httpx.get(httpx.URL(stack.url, raw_path=path.encode()))
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def test_the_page_signs_in_the_visitor_with_the_printed_session(stack: Stack) -> None:
    printed = re.search(r"^Cookie +(\S+)  \(user 42\)$", stack.output_file.read_text(), re.MULTILINE)
    assert printed
    cookie, *attributes = httpx.get(f"{stack.url}/").headers["Set-Cookie"].split("; ")
    assert cookie == printed[1]
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax"]  # a cookie without Domain is sent to this host only
    listed = httpx.get(f"{stack.url}/api/outcomes", headers={"Cookie": cookie})
    assert {one["user_id"] for one in listed.raise_for_status().json()["outcomes"]} <= {42}


def test_the_page_of_another_user_says_whose_it_is_and_names_the_agents(stack: Stack) -> None:
    answer = httpx.get(f"{stack.url}/?user=7")
    assert "<h1>Dashboard of user 7</h1>" in answer.text
    assert answer.text.count("&quot;23&quot;: &quot;Renewals&quot;") == 2
    signed_in = {"Cookie": answer.headers["Set-Cookie"]}
    httpx.post(f"{stack.url}/api/outcomes", json=OUTCOME, headers=signed_in).raise_for_status()
    listed = httpx.get(f"{stack.url}/api/outcomes", headers={"Cookie": stack.cookie(7)}).json()["outcomes"]
    assert listed[0]["title"] == "Hers"


@pytest.mark.parametrize("user", ["0", "-7", "seven", "07", "7.0", "%D9%A7", "9007199254740992", ""])
def test_a_page_of_no_user_is_refused_and_signs_nobody_in(stack: Stack, user: str) -> None:
    answer = httpx.get(f"{stack.url}/?user={user}")
    assert (answer.status_code, answer.text.partition(",")[0]) == (
        400,
        "user must be a whole number from 1 to 9007199254740991",
    )
    assert "Set-Cookie" not in answer.headers


def test_only_the_page_sets_the_session_cookie(stack: Stack) -> None:
    for path in ("/value-delivered.js", "/api/outcomes", "/nowhere"):
        assert "Set-Cookie" not in httpx.get(f"{stack.url}{path}").headers
    assert "Set-Cookie" not in httpx.post(f"{stack.url}/").headers


def test_the_dashboards_address_is_printed_first(stack: Stack) -> None:
    first, *_ = stack.output_file.read_text().split("\n\n", 1)[0].strip().splitlines()
    assert first.split()[:2] == ["Dashboard", f"{stack.url}/"]


def test_a_template_without_a_dashboard_folder_serves_no_dashboard(echo_stack: Stack) -> None:
    assert "Dashboard" not in echo_stack.output_file.read_text()
    assert "Set-Cookie" not in httpx.get(f"{echo_stack.url}/").headers


def test_the_content_security_policy_allows_only_the_pages_own_styles() -> None:
    pages = [(DASHBOARD / name).read_text() for name in ("index.html", "verify.html")]
    styles = [style for page in pages for style in re.findall(r"<style>(.*?)</style>", page, re.DOTALL)]
    hashes = [f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" for style in styles]
    [allowed] = re.findall(r"style-src ([^;]*);", HEADERS["Content-Security-Policy"])
    assert allowed.split() == hashes
    assert f"style-src {hashes[1]}; img-src data:; connect-src 'none';" in pages[1]
