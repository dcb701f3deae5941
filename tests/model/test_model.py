"""Each protocol keeps its laws in every order of its steps, and needs each safeguard: without it, a law is broken."""

import os
import re
from pathlib import Path

import pytest

from tests.figures import count
from tests.model.budget import Budget
from tests.model.costs import Costs
from tests.model.definitions import Definitions
from tests.model.erasure import OUTCOME, USER, Erasure
from tests.model.explore import Model, explore
from tests.model.totals import Totals
from tests.model.transactions import Assignment, Corrections
from tests.model.watches import Watch

# `make proof` sets MODEL_TICKS for more time, and so for more orders.
MORE = int(os.environ.get("MODEL_TICKS", "0"))

# Each has only the actors that its laws need.
PROTOCOLS: dict[str, Model] = {
    "settling": Totals("clock, record, summary, summary"),
    "epochs of imports": Totals("clock, imports, summary, summary"),
    "cuts of statements": Totals("clock, record, imports, statement"),
    "cuts by clocks a tick apart": Totals("clock, imports, statement", LAST=6, HOSTS=1, SETTLED=3, BLOCK=5, RENEWED=4),
    "a repeated correction": Corrections("network, request k.0, request k.1"),
    "two corrections": Corrections("network, request k.0, request other.1"),
    "an assignment": Assignment("network, assign ann, assign bob, undo, next_round"),
    "an erasure": Erasure("clock, record, call, call"),
    "an erasure and a statement": Erasure(
        "clock, statement, call", start=Erasure.start._replace(rows=frozenset({OUTCOME, USER}))
    ),
    "sums of costs": Costs("clock, put, put, report, report"),
    "sums of costs beside earlier code": Costs("clock, put, report, report", is_earlier=True, OLD=3, LAST=6),
    "a key's day": Budget("network, environment, environment"),
    "a first definition": Definitions("write 1, write 2, write statement"),
    "a definition put again": Definitions(
        "write 2, write 0, write 3, write statement", start=Definitions.start._replace(rule=1, changes=1)
    ),
    "a watch's tellings": Watch("world, run, run"),
}

# Of each protocol what is taken out of it, with the length of the shortest trace to a broken law.
TABLE = """
settling: SETTLED=0 10, SETTLED=1 + HOSTS=1 10
epochs of imports: sums of the row's epoch only 15, an epoch for each renewal 17, no sums stored during a block 15
cuts of statements: no statement during a block 11, the statement's check of changes 11
cuts of statements: the cut of the renewed row 13, the import's own check of the cut 11
cuts by clocks a tick apart: RENEWED=3 11
a repeated correction: the condition on the version 6, the key's row in the transaction 6
a repeated correction: the condition on the key's row + the outcome before the key's row 6, the version of a replay 5
two corrections: its own earlier attempts 7, doubt about attempts 8
an assignment: the condition on the original's version 4, one transaction 2, the user of an earlier attempt 4
an assignment: doubt about attempts 6, the undo's condition on the version 6, the mark `undone` 4
an erasure: SETTLE=1 10, found_at before rows are deleted 14, the look after the scans 10
an erasure: the record's check of changes 15
an erasure and a statement: the user's key deleted first 7, the statement's check of the user's key 8
sums of costs: counted changes 10, the changes read before the day 9, sums of these changes only 10, MARGIN=0 9
sums of costs beside earlier code: the hour of a young month 12, MARGIN=0 12
a key's day: the update's condition 6, the day of a lease 7, a lost answer is a lost lease 6
a key's day: the day of what goes back 9, doubt whether it is stored 5
a first definition: the statement's check 4, the check of an absent row 4, the condition on the cut 4
a definition put again: the statement's check 4, the condition on changes 4, the row of a deletion 6
a watch's tellings: the condition on made 5, the condition on changes 7, the row before its figure 7, the outbox 4
"""
FAULTS = [
    (name, *fault.rsplit(" ", 1))
    for name, faults in (line.split(": ") for line in TABLE.strip().splitlines())
    for fault in faults.split(", ")
]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_order_of_steps_breaks_a_law(name: str) -> None:
    protocol = PROTOCOLS[name]
    found = explore(protocol.but(LAST=protocol.LAST + MORE))
    count(states=found.states)
    assert found.trace == []


@pytest.mark.parametrize(("name", "fault", "length"), FAULTS)
def test_a_law_breaks_without_a_safeguard(name: str, fault: str, length: str) -> None:
    without = fault.split(" + ")
    bounds = dict(each.split("=") for each in without if "=" in each)
    count(faults=1)
    broken = PROTOCOLS[name].but(without=without, **{bound: int(ticks) for bound, ticks in bounds.items()})
    assert len(explore(broken).trace) == int(length)


def test_each_safeguard_is_taken_out() -> None:
    code = "".join(module.read_text() for module in Path(__file__).parent.glob("*.py"))
    faults = {each for _, fault, _ in FAULTS for each in fault.split(" + ")}
    assert {*re.findall(r'self\.has\("(.+?)"\)', code)} == {each for each in faults if "=" not in each}
