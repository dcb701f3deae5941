"""Test the rules of a watch's body, and of the digest's."""

import json
from decimal import Decimal
from typing import Any

import pytest
from outcomes.contract import json_text
from outcomes.contract.watches import (
    DIGEST,
    WATCH,
    NewDigest,
    NewWatch,
    ignored_watch_fields,
    read_digest,
    read_id,
    read_watch,
)
from outcomes.errors import BadRequest

from tests.watches import service
from tests.watches.service import BERLIN, COST, SILENCE, UNREVIEWED, VALUE

WORDS = {name: rule.words for name, rule in (WATCH.rules | DIGEST.rules).items()}
WHOLE = "must be a whole number from 1 to"
TYPELESS = "must be null if `measure` is cost: costs have no type"


def parsed(sent: Any) -> Any:
    return json_text.read(json.dumps(sent))


@pytest.mark.parametrize(
    ("sent", "watch"),
    [
        (VALUE, NewWatch("Deals", "value", BERLIN, Decimal(50_000), None, None, "month", (100,))),
        (
            VALUE | {"at": [90, 50.0, 100, 50], "outcomeType": "no_longer_a_type", "agentId": 7, "target": 1e-130},
            NewWatch("Deals", "value", BERLIN, Decimal("1e-130"), "no_longer_a_type", 7, "month", (50, 90, 100)),
        ),
        (VALUE | {"at": None}, NewWatch("Deals", "value", BERLIN, Decimal(50_000), None, None, "month", (100,))),
        (COST, NewWatch("Deals", "cost", BERLIN, Decimal("99.5"), None, None, "week", (100,))),
        (UNREVIEWED | {"target": 100_000}, NewWatch("Queue", "unreviewed", BERLIN, Decimal(100_000))),
        (SILENCE | {"target": 90, "every": None}, NewWatch("Quiet", "silence", BERLIN, Decimal(90), None, 7)),
    ],
)
def test_a_valid_watch_is_read_with_its_defaults(sent: Any, watch: NewWatch) -> None:
    assert read_watch(parsed(sent)) == watch


@pytest.mark.parametrize(
    ("sent", "faults"),
    [
        ({}, {"name": WORDS["name"], "measure": "", "timezone": WORDS["timezone"], "target": ""}),
        (VALUE | {"name": "\u2800"}, {"name": ""}),
        (VALUE | {"name": "x" * 81}, {"name": ""}),
        (VALUE | {"measure": "net"}, {"measure": "must be one of value, counted, cost, unreviewed, silence"}),
        (VALUE | {"timezone": "Mars/Olympus"}, {"timezone": ""}),
        (VALUE | {"target": 0}, {"target": WORDS["target"]}),
        (VALUE | {"target": -0.01}, {"target": ""}),
        (VALUE | {"target": 1e15}, {"target": ""}),
        (VALUE | {"target": True}, {"target": ""}),
        (VALUE | {"outcomeType": "Deal"}, {"outcomeType": WORDS["outcomeType"]}),
        (VALUE | {"outcomeType": 7, "agentId": 0}, {"outcomeType": "", "agentId": ""}),
        (VALUE | {"every": "day"}, {"every": "must be one of week, month, or null"}),
        (VALUE | {"every": None}, {"every": "must be one of week, month if `measure` is value"}),
        (VALUE | {"at": []}, {"at": WORDS["at"]}),
        (VALUE | {"at": [0]}, {"at": ""}),
        (VALUE | {"at": [101]}, {"at": ""}),
        (VALUE | {"at": [50.5]}, {"at": ""}),
        (VALUE | {"at": ["50"]}, {"at": ""}),
        (VALUE | {"at": 50}, {"at": ""}),
        (VALUE | {"at": [1, 2, 3, 4, 5, 6]}, {"at": "must be a list of 1 to 5 whole numbers from 1 to 100, or null"}),
        (COST | {"outcomeType": "deal_closed"}, {"outcomeType": TYPELESS}),
        (UNREVIEWED | {"target": 100_001}, {"target": f"{WHOLE} 100000 if `measure` is unreviewed"}),
        (UNREVIEWED | {"target": 0.5}, {"target": ""}),
        (SILENCE | {"target": 91}, {"target": f"{WHOLE} 90 if `measure` is silence"}),
        (
            SILENCE | {"target": 1.5, "every": "week", "at": [100]},
            {"target": "", "every": "must be null if `measure` is silence", "at": ""},
        ),
    ],
)
def test_an_invalid_watch_is_refused_with_every_fault(sent: Any, faults: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as refused:
        read_watch(parsed(sent | {"color": "red"}))

    assert refused.value.error == f"Invalid {next(iter(faults))}"
    said = {fault["field"]: fault["message"] for fault in refused.value.details}
    assert said == {name: message or said[name] for name, message in faults.items()}
    assert refused.value.ignored == ["color"]


@pytest.mark.parametrize("id_", ["a", "0", "deals-2026_q4", "a" * 40])
def test_an_id_is_as_that_of_a_source_of_costs(id_: str) -> None:
    assert read_id(id_) == id_


@pytest.mark.parametrize("id_", ["", "-a", "A", "a" * 41, "#watches", "a b", "digest"])
def test_any_other_id_is_refused_and_that_of_the_digest_too(id_: str) -> None:
    with pytest.raises(BadRequest, match="Invalid id"):
        read_id(id_)


def test_the_digest_has_a_zone_a_day_and_an_hour() -> None:
    assert read_digest(parsed(service.DIGEST)) == NewDigest(BERLIN, "monday", 8)
    for hour, day in [(24, "Monday"), (-1, 1), (8.5, "mon")]:
        with pytest.raises(BadRequest) as refused:
            read_digest(parsed({"timezone": BERLIN, "hour": hour, "day": day}))
        assert [fault["field"] for fault in refused.value.details] == ["day", "hour"]


def test_unknown_fields_are_named() -> None:
    assert ignored_watch_fields(VALUE | {"outcome_type": "x"}) == ["outcome_type"]
