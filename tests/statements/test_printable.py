"""Test that all verifiers print the same characters of other people's texts, those that the format's page allows."""

import json
import re

from outcomes_client._display import quoted
from outcomes_client.statements import printable

from tests.statements import verifiers

LIST = re.compile(r"U\+([0-9A-F]{4,5})(?: to U\+([0-9A-F]{4,5}))?")
SHOWN = [
    "a",
    " ",
    "\u00a0",
    "ü",
    "é",
    "日",
    "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "👩\u200d👩\u200d👧",
    "❤️",
    "\ufffd",
    "\U0001f600",
]
PROGRAM = """
import { printable } from %s;
const isReplaced = (code) => printable(String.fromCodePoint(code)) !== String.fromCodePoint(code);
console.log(JSON.stringify(Array.from({ length: 0x110000 }, (_, code) => code).filter(isReplaced)));
"""


def listed() -> list[int]:
    page = (verifiers.ROOT / "docs/statement-format.md").read_text()
    section = page.partition("\n## Display\n")[2].partition("The joiners")[0].partition("with U+FFFD: ")[2]
    ranges = [(int(first, 16), int(last or first, 16)) for first, last in LIST.findall(section)]
    return [code for first, last in ranges for code in range(first, last + 1)]


def test_the_python_client_replaces_what_the_page_lists() -> None:
    assert [code for code in range(0x110000) if printable(chr(code)) != chr(code)] == listed()
    assert {printable(chr(code)) for code in listed()} == {"\ufffd"}
    assert [printable(text) for text in SHOWN] == SHOWN


@verifiers.needs_npm
def test_the_typescript_client_and_the_example_replace_the_same() -> None:
    for module in (verifiers.typescript(), verifiers.EXAMPLE):
        assert verifiers.node(PROGRAM % json.dumps(module), "") == listed()


def test_quotes_in_a_quoted_text_are_escaped() -> None:
    assert quoted('Sold "Acme"\nTotal: 9') == '"Sold \\"Acme\\"\ufffdTotal: 9"'
