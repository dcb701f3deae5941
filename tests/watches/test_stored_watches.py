"""Test what rows of watches say."""

from decimal import Decimal
from typing import Any

import pytest
from outcomes.contract import json_text
from outcomes.contract.watches import NewDigest, NewWatch
from outcomes.watches.stored_watches import Digest, Head, Watch, is_digest, is_watch, put_states, row_key

STATES: list[dict[str, Any]] = [
    {"period": "2026-12", "thresholds": {"50": {"state": "over", "n": Decimal(1), "told": {"figure": "25000.50"}}}}
]
HEAD = {
    "version": {"N": "3"},
    "changes": {"N": "5"},
    "made": {"S": "01KBDZ0000" + "0" * 16},
    "put_by": {"S": "session"},
    "put_at": {"S": "2026-12-01T08:00:00.000Z"},
}


def row(id_: str, new: NewWatch | NewDigest, **more: Any) -> Any:
    return row_key(42, id_) | HEAD | {"setting": {"S": json_text.exact(new.public(), levels=2)}} | more


@pytest.mark.parametrize(
    "new",
    [
        NewWatch("Größe", "value", "Asia/Kolkata", Decimal("1e-130"), "deal_closed", 7, "week", (50, 100)),
        NewWatch("Queue", "unreviewed", "UTC", Decimal(20)),
    ],
)
@pytest.mark.parametrize("states", [[], STATES])
def test_a_watch_is_read_as_it_was_put(new: NewWatch, states: Any) -> None:
    stored = row("deals", new, **({"states": {"S": json_text.exact(states, 12)}} if states else {}))

    watch = Watch.of(stored)

    assert watch._asdict() == new._asdict() | {
        "head": Head(42, "deals", 3, 5, HEAD["made"]["S"], "session", "2026-12-01T08:00:00.000Z"),
        "at": new.at or (),
        "states": states,
    }


@pytest.mark.parametrize("state", [{}, {"week": "2026-W49", "told": {"claimed": {"count": Decimal(3)}}}])
def test_the_digest_is_read_as_it_was_put(state: Any) -> None:
    new = NewDigest("Europe/Berlin", "monday", 8)
    digest = Digest.of(row("digest", new, **({"states": {"S": json_text.exact(state, 12)}} if state else {})))
    assert (digest.timezone, digest.day, digest.hour, digest.state) == (*new, state)


@pytest.mark.parametrize(
    ("id_", "kinds"), [("deals", (True, False)), ("digest", (False, True)), ("#watches", (False, False))]
)
def test_an_id_says_what_a_row_is(id_: str, kinds: tuple[bool, bool]) -> None:
    assert (is_watch(row_key(42, id_)), is_digest(row_key(42, id_))) == kinds


def test_the_clock_writes_only_what_it_has_read() -> None:
    head = Head(42, "deals", 3, 5, "01K", "session", "")
    assert put_states("WatchesTable", head, STATES) == {
        "TableName": "WatchesTable",
        "Key": row_key(42, "deals"),
        "UpdateExpression": "SET states = :states, changes = :next",
        "ConditionExpression": "made = :made AND version = :version AND changes = :changes",
        "ExpressionAttributeValues": {
            ":states": {"S": json_text.exact(STATES, 12)},
            ":next": {"N": "6"},
            ":made": {"S": "01K"},
            ":version": {"N": "3"},
            ":changes": {"N": "5"},
        },
    }
