"""The kinds of outcome are the same wherever they are named: who adds one adds it everywhere."""

import re
from pathlib import Path
from typing import Any

import outcomes_client
import pytest
from outcomes.contract.outcome_type import OutcomeType

from clients.python.tests import ledger
from ops.template import parse_yaml

ROOT = Path(__file__).parents[2]


def of_page(path: str) -> set[str]:
    """Collect the names in code of a page that look like a kind of outcome."""
    return set(re.findall(r"`(\w+_(?:complete|closed|published))`", (ROOT / path).read_text()))


def of_elements(module: str) -> set[str]:
    """Collect the kinds that the table of a module of the elements names."""
    table = re.search(r"TYPES = new Map\(\[\n(.*?)^\]\);", (ROOT / "dashboard/src" / module).read_text(), re.M | re.S)
    assert table
    return set(re.findall(r'\[\s*"(\w+)",', table[1]))


def of_openapi() -> set[str]:
    document: Any = parse_yaml((ROOT / "openapi.yaml").read_text())
    return set(document["components"]["schemas"]["OutcomeType"]["enum"])


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("the client", set(outcomes_client.OutcomeType)),
        ("the ledger that the client is tested against", set(ledger.TYPES)),
        ("the words of both elements", of_elements("shared/types.js")),
        ("the icons of the feed", of_elements("feed/icons.js")),
        ("openapi.yaml", of_openapi()),
        ("README.md", of_page("README.md")),
        ("docs/api.md", of_page("docs/api.md")),
    ],
)
def test_the_kinds_of_outcome_are_those_that_the_api_records(where: str, named: set[str]) -> None:
    assert named == set(OutcomeType), where
