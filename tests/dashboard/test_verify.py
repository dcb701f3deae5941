"""Test the page verify.html, which verifies files without sending them."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import AXE_RULES, ROOT, THEMES, FindFaults
from tests.local.stacks import Stack
from tests.statements import example

FOLDER = ROOT / "clients" / "statements"
WRONG = json.loads((FOLDER / "wrong.json").read_text())
OCTOBER = {"statement": "2026-10.json", "keys": "keys.json"}
ALL = OCTOBER | {"entries": "2026-10.ndjson", "previous": "2026-09.json", "proof": "proof.json"}


@pytest.fixture
def verifier(page: Page, stack: Stack) -> Page:
    page.goto(f"{stack.url}/verify.html")
    return page


def choose(page: Page, **names: str | Path | list[str]) -> None:
    for role, name in names.items():
        files = [FOLDER / each for each in (name if isinstance(name, list) else [name])]
        page.locator(f"input[name={role}]").set_input_files(files)


def test_the_page_verifies_files_and_sends_nothing(verifier: Page, find_faults: FindFaults) -> None:
    output = verifier.get_by_role("status")
    expect(output).to_have_text("Choose a statement or a proof, and keys.")
    sent: list[str] = []
    verifier.on("request", lambda request: sent.append(request.url))
    choose(verifier, **OCTOBER)
    expect(output).to_contain_text(
        "Verified: 2026-10@Europe/Berlin of https://api.example.com, signed 2026-10-31T23:11"
    )
    expect(output).to_contain_text("Not verified: whether the sums follow from the entries.")
    choose(verifier, **ALL)
    expect(output).to_contain_text("Sold the small plan")
    expect(output).not_to_contain_text("Not verified")
    expect(output).to_contain_text("Total: 1 outcome, $0.01; disputed: 1 outcome, $80.00; voided: 1 outcome, $0.00")
    expect(output).to_contain_text("-1 outcomes, $0.00; confirmed: 1 outcome, $12,500.50")
    expect(verifier.locator("main")).to_contain_text(
        "The signature proves what the platform said and when, not that it is true."
    )
    for theme in THEMES:
        verifier.emulate_media(color_scheme=theme)
        assert find_faults(rules=AXE_RULES[theme]) == []
    verifier.set_viewport_size({"width": 320, "height": 700})
    assert verifier.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert sent == []


def test_the_page_cannot_send_anything(page: Page, stack: Stack) -> None:
    other = page.context.new_page()  # errors in the fixture `page` would fail the test, so open another page
    other.goto(f"{stack.url}/verify.html")
    assert other.evaluate("fetch('/api/outcomes').then(() => 'sent', (error) => error.name)") == "TypeError"
    other.close()


def test_the_page_says_what_is_verified_and_what_is_not(verifier: Page, tmp_path: Path) -> None:
    def says(words: str, *, without: str, **files: str | Path | list[str]) -> None:
        choose(verifier, **files)  # besides the files that were chosen before
        expect(verifier.get_by_role("status")).to_contain_text(words)
        expect(verifier.get_by_role("status")).not_to_contain_text(without)

    wrong = tmp_path / "totals.json"
    wrong.write_text(WRONG["totals.json"])
    proof = "A proof shows what was recorded, not that nothing corrects it later."
    says(proof, without="Total", proof="proof.json", keys="keys.json")
    says("Choose the statement, too.", without=proof, entries="2026-10.ndjson")
    size = "Refused: size: expected 10 entries, found 3"
    says(size, without="Total", statement="2026-10.json", proof=[], entries="2026-08.ndjson")
    totals = "Refused: totals: expected count 1 by the entries"
    says(totals, without="Total", statement=wrong, entries="2026-10.ndjson")

    three = ["2026-10.json", "2026-08.json", "2026-09.json"]
    sums = "4 outcomes, $12,650.77; confirmed: 1 outcome, $12,500.50; disputed: 1 outcome, $80.00"
    says(f"August to October 2026: {sums}", without="previous", statement=three, entries=[])
    change = "Change of 2026-06-30T22:00:00.000Z to 2026-07-31T22:00:00.000Z: 1 outcome, $40.00"
    says(change, without="Refused")
    expect(verifier.get_by_text("Verified: 2026-")).to_have_count(3)
    not_verified, two = "Not verified: whether", ["2026-09.json", "2026-10.json"]
    says(f"{not_verified} they continue the previous statement.", without="2026-08@", statement=two)
    of_one = f"{not_verified} the sums follow from the entries, of one statement at a time."
    says(of_one, without="previous", previous="2026-08.json")
    gap = "Refused: previous: expected the statement of 2026-09 after 2026-08, found 2026-10"
    says(gap, without="Verified", statement=["2026-08.json", "2026-10.json"])
    only_one = "Entries and a proof are of one statement: choose only this one."
    says(only_one, without="Verified", entries="2026-10.ndjson")


def test_while_new_files_are_checked_no_earlier_result_is_shown(verifier: Page) -> None:
    choose(verifier, **OCTOBER)
    output = verifier.get_by_role("status")
    expect(output).to_have_class("verified")
    verifier.evaluate("() => { crypto.subtle.importKey = () => new Promise((_, reject) => { window.fail = reject }) }")
    choose(verifier, entries="2026-10.ndjson")
    expect(output).to_have_text("Checking…")
    expect(output).to_have_class("")
    verifier.evaluate("fail(new DOMException('Unrecognized name', 'NotSupportedError'))")
    expect(output).to_have_text("Not verified, because this browser failed: NotSupportedError: Unrecognized name")
    verifier.evaluate("Object.defineProperty(window, 'isSecureContext', { value: false })")  # as over http
    verifier.evaluate("() => { crypto.subtle.importKey = null }")
    choose(verifier, entries="2026-09.ndjson")
    expect(output).to_have_text("Not verified: open this page over https.")
    expect(output).to_have_class("refused")


def test_a_title_shows_no_line_of_its_own(verifier: Page, tmp_path: Path) -> None:
    text, shown = example.deceiving_proof()
    proof = tmp_path / "proof.json"
    proof.write_text(text)
    choose(verifier, proof=proof, keys="keys.json")
    lines = verifier.get_by_role("status").get_by_role("paragraph")
    expect(lines).to_have_count(3)
    assert (lines.all_text_contents()[1]).endswith(f", recorded 2026-10-01T08:00:00.000Z: {shown}")
    issuer = tmp_path / "issuer.json"
    issuer.write_text((FOLDER / "proof.json").read_text().replace("api.example.com", r"x\nTotal: 9\u202e", 1))
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys":[]}')
    choose(verifier, proof=issuer, keys=keys)
    said = "Refused: key: expected a signature by a key of https://x\ufffdTotal: 9\ufffd: none is known"
    expect(verifier.get_by_role("status")).to_have_text(said)
