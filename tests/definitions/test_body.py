"""Test the rules of a definition's body."""

import json
from decimal import Decimal
from typing import Any

import pytest
from outcomes.contract import json_text
from outcomes.contract.definitions import (
    NEVER_WORTH,
    ONLY_ESTIMATED,
    TYPE_RULE,
    TYPES_WORDS,
    TypeRule,
    ignored_definition_fields,
    read_definition,
    read_month,
)
from outcomes.errors import BadRequest

from tests.definitions.service import CLAIMED, body

WHEN = TYPE_RULE.rules["when"].words
MANY = {f"type_{number}": {"when": "never"} for number in range(40)}


def parsed(sent: Any) -> Any:
    return json_text.read(json.dumps(sent))


def test_a_definition_has_its_types_sorted_and_that_for_all_others_last() -> None:
    post = {"when": "confirmed", "eachUsd": 75.10, "basis": "estimated", "note": "90 minutes at $50"}
    task = {"when": "never", "eachUsd": None, "basis": None, "note": ""}

    new = read_definition(parsed(body({"task_complete": task, **CLAIMED, "content_published": post})))

    assert (new.timezone, new.dispute_days) == ("Europe/Berlin", 14)
    assert [*new.types.items()] == [
        ("content_published", TypeRule("confirmed", Decimal("75.1"), "estimated", "90 minutes at $50")),
        ("task_complete", TypeRule("never", None, "stated", None)),
        ("*", TypeRule("claimed", None, "stated", None)),
    ]


@pytest.mark.parametrize(
    "types", [MANY | CLAIMED, CLAIMED | {"x1": {"when": "confirmed", "eachUsd": -1, "basis": "stated"}}]
)
@pytest.mark.parametrize("dispute_days", [0, 31])
def test_the_limits_themselves_are_allowed(types: Any, dispute_days: int) -> None:
    assert read_definition(parsed(body(types, dispute_days=dispute_days))).types.keys() == types.keys()


@pytest.mark.parametrize(
    ("sent", "faults"),
    [
        ({}, {"timezone": "", "disputeDays": "", "types": TYPES_WORDS}),
        (body(timezone="Mars/Olympus"), {"timezone": "must be an IANA time zone, such as Europe/Berlin"}),
        (body(timezone=1), {"timezone": ""}),
        (body(dispute_days=32), {"disputeDays": "must be a whole number from 0 to 31"}),
        (body(dispute_days=-1), {"disputeDays": ""}),
        (body(dispute_days="14"), {"disputeDays": ""}),
        (body([]), {"types": TYPES_WORDS}),
        (body({}), {"types": TYPES_WORDS}),
        (body({"deal_closed": {"when": "never"}}), {"types": TYPES_WORDS}),
        (body(MANY | CLAIMED | {"one_more": {"when": "never"}}), {"types": TYPES_WORDS}),
        (body(CLAIMED | {"Deal": {"when": "never"}}), {"types": TYPES_WORDS}),
        (body({"*": "claimed"}), {"types.*": "must be an object"}),
        (body({"*": {}}), {"types.*.when": WHEN}),
        (body(CLAIMED | {"deal_closed": {"when": "sometimes"}}), {"types.deal_closed.when": WHEN}),
        (body({"*": {"when": "never", "eachUsd": 0}}), {"types.*.eachUsd": NEVER_WORTH}),
        (body({"*": {"when": "claimed", "eachUsd": 1e15}}), {"types.*.eachUsd": ""}),
        (body({"*": {"when": "claimed", "eachUsd": "75"}}), {"types.*.eachUsd": ""}),
        (body({"*": {"when": "claimed", "basis": "estimated"}}), {"types.*.basis": ONLY_ESTIMATED}),
        (body({"*": {"when": "claimed", "basis": "guessed"}}), {"types.*.basis": ""}),
        (body({"*": {"when": "claimed", "note": "x" * 201}}), {"types.*.note": ""}),
        (body({"*": {"when": "claimed", "note": "\0"}}), {"types.*.note": ""}),
        (
            body({"*": {"when": "x"}, "deal_closed": {"when": "y"}}, 1),
            {"timezone": "", "types.*.when": "", "types.deal_closed.when": ""},
        ),
    ],
)
def test_every_fault_is_named(sent: Any, faults: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as refused:
        read_definition(parsed(sent))

    assert refused.value.error == f"Invalid {next(iter(faults)).partition('.')[0]}"
    assert [fault["field"] for fault in refused.value.details] == [*faults]
    assert all(faults[fault["field"]] in ("", fault["message"]) for fault in refused.value.details)


def test_unknown_fields_are_named() -> None:
    sent = body({"*": {"when": "claimed", "color": 1}, "deal_closed": 3}) | {"userId": 42}
    assert ignored_definition_fields(sent) == ["userId", "types.*.color"]
    assert ignored_definition_fields({"types": []}) == []


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "1969-12", "9999-01", "2026-12-01", "x", "٢٠٢٦-12"])
def test_a_path_names_a_month(month: str) -> None:
    assert read_month("2026-12") == "2026-12"
    with pytest.raises(BadRequest, match="Invalid month"):
        read_month(month)
