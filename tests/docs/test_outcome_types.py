"""Every place where a person lists outcome types has the types of the template's parameter OutcomeTypes.

If a test fails, it names the places where the new type must be added.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.outcome_types import TYPES

ROOT = Path(__file__).parents[2]


def of_page(path: str) -> set[str]:
    """Return the outcome types that a page lists. The list looks like "`one`, `two` or `three`"."""
    lists = re.findall(r"`\w+`(?:(?:,| or)\s+`\w+`)+", (ROOT / path).read_text())
    [names] = [names for each in lists if min(TYPES) in (names := set(re.findall(r"\w+", each)) - {"or"})]
    return names


def between(path: str, begin: str, end: str, name: str = r'"(\w+)"') -> set[str]:
    """Return the names that a file lists between the texts `begin` and `end`."""
    text = (ROOT / path).read_text().partition(begin)[2].partition(end)[0]
    return set(re.findall(name, text))


def test_each_place_names_the_outcome_types_of_the_api() -> None:
    of_table = ("TYPES = new Map([", "\n]);", r'\[\s*"(\w+)",')
    places: dict[str, Iterable[str]] = {
        "dashboard/src/feed/icons.js": between("dashboard/src/feed/icons.js", *of_table),
        "README.md": of_page("README.md"),
    }
    wrong = {where: sorted(set(named) ^ set(TYPES)) for where, named in places.items()}
    assert not any(wrong.values()), "".join(f"\n{where}: {', '.join(names)}" for where, names in wrong.items() if names)
