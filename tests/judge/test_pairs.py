"""Test every command between a read and a write of every other command."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.figures import count
from tests.judge.commands import COMMANDS, worlds
from tests.judge.pairs import Pairs
from tests.judge.wire import places_of_writes

IS_PROOF = os.environ.get("PAIRS") == "all"
YOUNG = ("import", "import newer rows", "state February", "state with a new secret", "add up", "put a definition")
"""Commands that do something else before a user's first import, statement or definition."""
FEW = {
    ("amend", False): ["amend", "assign"],
    ("import newer rows", False): ["state March"],
    ("undo the import", False): ["state March"],
    ("put a definition", False): ["state March"],
    ("put a definition", True): ["state March"],
    ("add up what counts", False): ["import newer rows", "put a definition"],
    ("state February", True): ["import"],
    ("evaluate watches", False): ["put a watch", "evaluate watches"],
}
"""The pairs that `make test` tries."""
LONGEST = ("erase", "state February in parts")
ALL = [*((each, True) for each in YOUNG), *((each, False) for each in reversed(COMMANDS))]
ALL.sort(key=lambda each: each[0] not in LONGEST)
"""The pairs that `make proof` tries, long ones first."""


@pytest.fixture(scope="module")
def both(template: Any) -> Iterator[tuple[Pairs, Pairs]]:
    with worlds(template) as (young, settled):
        yield Pairs(young), Pairs(settled)


@pytest.mark.parametrize(("first", "young"), ALL if IS_PROOF else FEW)
def test_what_runs_between_two_calls_comes_before_or_after(both: tuple[Pairs, Pairs], first: str, young: bool) -> None:
    pairs = both[0] if young else both[1]
    before = pairs.runs
    pairs.all(first, COMMANDS if IS_PROOF else FEW[first, young])
    count(runs=pairs.runs - before)


def test_every_write_of_our_code_is_reached(both: tuple[Pairs, Pairs]) -> None:
    found = set[Any]()
    for pairs in both:
        for name in COMMANDS:
            found |= {pair for _, around in pairs.places_between(name) for pair in around}
    # Only beside itself, an erasure finds its record changed, and a key its budget used up.
    for name in "erase", "use the key":
        for number, _ in both[1].places_between(name):
            both[1].answers(name, number, name)
    reached = both[0].world.wire.reached
    count(pairs=len(found), commands=len(COMMANDS), writes=len(places_of_writes()))
    missed = [
        str(place)
        for place, lines in places_of_writes().items()
        if not any(each.file == place.file and each.line in lines for each in reached)
    ]
    assert not missed
