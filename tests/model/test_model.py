"""Each protocol keeps its laws in every order of its steps, and needs each safeguard: without it, a law is broken."""

import os
from dataclasses import replace
from typing import Any

import pytest

from tests.figures import count
from tests.model import assignment, budget, corrections, costs, definitions, erasure, totals, watches
from tests.model.explore import explore

# `make proof` sets MODEL_TICKS for more time, and so for more orders.
MORE = int(os.environ.get("MODEL_TICKS", "0"))

PROTOCOLS: dict[str, Any] = {
    "settling": totals.SETTLING,
    "epochs of imports": totals.EPOCHS,
    "cuts of statements": totals.CUTS,
    "cuts by clocks a tick apart": totals.WRONG_HOSTS,
    "a repeated correction": corrections.REPEATED,
    "two corrections": corrections.RIVALS,
    "an assignment": assignment.UNDONE,
    "an erasure": erasure.BUSY,
    "an erasure and a statement": erasure.STATED,
    "sums of costs": costs.COUNTED,
    "sums of costs beside earlier code": costs.EARLIER,
    "a key's day": budget.LEASED,
    "a first definition and a statement": definitions.FIRST,
    "a definition put again, and a statement": definitions.AGAIN,
    "a watch's tellings": watches.TOLD,
}

# Protocol, what is taken out of it, and the length of the shortest trace to a broken law.
FAULTS: list[tuple[str, tuple[str, ...] | dict[str, int], int]] = [
    ("settling", {"SETTLED": 0}, 10),
    ("settling", {"SETTLED": 1, "HOSTS": 1}, 10),
    ("epochs of imports", ("sums of the row's epoch only",), 15),
    ("epochs of imports", ("an epoch for each renewal",), 17),
    ("epochs of imports", ("no sums stored during a block",), 15),
    ("cuts of statements", ("no statement during a block",), 11),
    ("cuts of statements", ("the statement's check of changes",), 11),
    ("cuts of statements", ("the cut of the renewed row",), 13),
    ("cuts of statements", ("the import's own check of the cut",), 11),
    ("cuts by clocks a tick apart", {"RENEWED": 3}, 11),
    ("a repeated correction", ("the condition on the version",), 6),
    ("a repeated correction", ("the key's row in the transaction",), 6),
    ("a repeated correction", ("the condition on the key's row", "the outcome before the key's row"), 6),
    ("a repeated correction", ("the version of a replay",), 5),
    ("two corrections", ("its own earlier attempts",), 7),
    ("two corrections", ("doubt about attempts",), 8),
    ("an assignment", ("the condition on the original's version",), 4),
    ("an assignment", ("one transaction",), 2),
    ("an assignment", ("the user of an earlier attempt",), 4),
    ("an assignment", ("doubt about attempts",), 6),
    ("an assignment", ("the undo's condition on the version",), 6),
    ("an assignment", ("the mark `undone`",), 4),
    ("an erasure", {"SETTLE": 1}, 10),
    ("an erasure", ("found_at before rows are deleted",), 14),
    ("an erasure", ("the look after the scans",), 10),
    ("an erasure", ("the record's check of changes",), 15),
    ("an erasure and a statement", ("the user's key deleted first",), 7),
    ("an erasure and a statement", ("the statement's check of the user's key",), 8),
    ("sums of costs", ("counted changes",), 10),
    ("sums of costs", ("the changes read before the day",), 9),
    ("sums of costs", ("sums of these changes only",), 10),
    ("sums of costs", {"MARGIN": 0}, 9),
    ("sums of costs beside earlier code", ("the hour of a young month",), 12),
    ("sums of costs beside earlier code", {"MARGIN": 0}, 12),
    ("a key's day", ("the update's condition",), 6),
    ("a key's day", ("the day of a lease",), 7),
    ("a key's day", ("a lost answer is a lost lease",), 6),
    ("a key's day", ("the day of what goes back",), 9),
    ("a key's day", ("doubt whether it is stored",), 5),
    ("a first definition and a statement", ("the statement's check",), 4),
    ("a first definition and a statement", ("the check of an absent row",), 4),
    ("a first definition and a statement", ("the condition on the cut",), 4),
    ("a definition put again, and a statement", ("the statement's check",), 4),
    ("a definition put again, and a statement", ("the condition on changes",), 4),
    ("a definition put again, and a statement", ("the row of a deletion",), 6),
    ("a watch's tellings", ("the condition on made",), 5),
    ("a watch's tellings", ("the condition on changes",), 7),
    ("a watch's tellings", ("the row before its figure",), 7),
    ("a watch's tellings", ("the outbox",), 4),
]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_order_of_steps_breaks_a_law(name: str) -> None:
    protocol = PROTOCOLS[name]
    if MORE and hasattr(protocol, "LAST"):
        protocol = replace(protocol, LAST=protocol.LAST + MORE)
    found = explore(protocol)
    count(states=found.states)
    assert found.trace == []


@pytest.mark.parametrize(("name", "fault", "length"), FAULTS)
def test_a_law_breaks_without_a_safeguard(name: str, fault: tuple[str, ...] | dict[str, int], length: int) -> None:
    change = fault if isinstance(fault, dict) else {"without": frozenset(fault)}
    count(faults=1)
    assert len(explore(replace(PROTOCOLS[name], **change)).trace) == length
