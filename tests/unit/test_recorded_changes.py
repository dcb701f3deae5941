"""Test what entries say about the outcome before them, also entries of older code, which need the history."""

import time
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from outcomes.aws.paced_reads import PacedReads
from outcomes.contract.status import RECORDED, CountedFields
from outcomes.errors import StillAddingUp
from outcomes.ledger import correction_entries
from outcomes.ledger.histories import Histories
from outcomes.ledger.items import counted_fields
from outcomes.ledger.recorded_changes import Change, changes

from bench.storage import item_bytes
from functions.list_outcomes import app as list_outcomes
from tests.aws import scan
from tests.corrections import AGENT, BODIES, OWNER, correct, given
from tests.events import KEY

pytestmark = pytest.mark.usefixtures("tables")

AMENDS: list[dict[str, Any]] = [
    {"title": "Other words"},
    {"valueUsd": 12.5},
    {"valueUsd": None, "outcomeType": "content_published"},
    {"agentId": 9, "occurredAt": "2026-03-01T00:00:00Z"},
]
CALLERS = {"amend": [KEY, AGENT], "void": [KEY], "confirm": [OWNER], "dispute": [OWNER], "uphold": [KEY]}


def histories() -> Histories:
    store = list_outcomes.store
    return Histories(PacedReads(store.dynamodb, time.monotonic() + 60, StillAddingUp), store.table, "42")


def put(item: Any) -> None:
    list_outcomes.store.dynamodb.call("PutItem", {"TableName": "OutcomesTable", "Item": item})


def entries() -> list[Any]:
    return sorted((row for row in scan() if "effects" in row), key=lambda row: row["created_at"]["S"])


def correct_at_random(random: Random, id_: str) -> list[Change]:
    """Correct an outcome several times. Return what each entry changes, by the outcome's item before and after it."""
    made: list[Change] = []
    since, before = _item()
    for number in range(random.randint(1, 6)):
        type_ = random.choice(["amend", "amend", "amend", "confirm", "dispute", "uphold", "void"])
        body = BODIES[type_]
        if type_ == "amend":
            changed = random.choice(AMENDS)
            body = body | {"changes": changed | ({"title": f"{number}"} if "title" in changed else {})}
        if correct(id_, random.choice(CALLERS[type_]), body)[0] == 200 and _item()[0] != since:
            at, after = _item()
            made.append(Change(at, _recorded(after), _recorded(before), since if _recorded(before) else ""))
            since, before = at, after
    return made


def _item() -> tuple[str, CountedFields]:
    [item] = [row for row in scan() if "effects" not in row]
    newest = item["corrections"]["L"][-1]["S"] if "corrections" in item else item["created_at"]["S"].partition("#")[2]
    return correction_entries.entry_key(item, newest)["created_at"]["S"][1:].partition("#")[0], counted_fields(item)


def _recorded(fields: CountedFields) -> CountedFields | None:
    return fields if fields.status == RECORDED else None


@pytest.mark.parametrize("seed", range(12))
def test_entries_say_what_stood_before_them_and_since_when(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)  # noqa: S311 - to be drawn again
    # An outcome's item lists only its newest corrections.
    monkeypatch.setattr(correction_entries, "MAX_HISTORY", random.choice([2, 900]))
    expected = correct_at_random(random, given(agentId=Decimal(7)))
    assert changes(entries(), histories()) == expected
    assert all("since" in entry for entry in entries())
    for entry in entries():
        if random.random() < 0.6:  # as code before 1.0 wrote them
            put({name: value for name, value in entry.items() if name != "since"})
    assert changes(entries(), histories()) == expected


def test_an_outcome_counts_as_it_was_recorded() -> None:
    id_ = given(agentId=Decimal(7))
    correct(id_, KEY, BODIES["amend"] | {"changes": AMENDS[3]})
    [item] = [row for row in scan() if "effects" not in row]
    at, _, _ = item["created_at"]["S"].partition("#")
    recorded = CountedFields(at, "deal_closed", 7, Decimal(10))
    assert changes([item], histories()) == [Change(at, recorded)]


def test_an_older_entry_of_an_outcome_that_was_erased_meanwhile_changes_nothing() -> None:
    correct(given(), KEY, BODIES["amend"])
    [entry] = entries()
    assert (
        changes(
            [{name: value for name, value in entry.items() if name != "since"} | {"outcome": {"S": "0" * 26}}],
            histories(),
        )
        == []
    )


def test_what_stood_before_takes_at_most_100_bytes() -> None:
    fields: dict[str, Any] = {"outcomeType": "x" * 40, "occurredAt": "2026-03-01T00:00:00.001Z"}
    value = Decimal("-987654321098765." + "1" * 23)
    correct(given(agentId=Decimal(2**53 - 1), valueUsd=value, **fields), KEY, BODIES["amend"])
    [entry] = entries()
    assert [*map(list, entry["since"]["L"])] == [["N"], ["S"], ["N"], ["N"], ["N"]]
    assert item_bytes({"since": entry["since"]}) <= 100
