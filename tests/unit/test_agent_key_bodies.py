"""Test request bodies that create or rotate an agent key, and the error details of invalid bodies."""

import json
from decimal import Decimal
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from outcomes.calendar import instants
from outcomes.contract.agent_key_bodies import (
    NEW_AGENT_KEY,
    ROTATION,
    NewAgentKey,
    Rotation,
    Scope,
    read_body,
)
from outcomes.errors import BadRequest
from outcomes.limits import MAX_ID

from tests.outcome_types import TYPES

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
LEAST = {"name": "Nightly import"}
WHOLE = LEAST | {"userId": 42}
NAMES = ", ".join(TYPES)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock to noon of 1 April 2026."""
    monkeypatch.setattr(instants, "now", lambda: NOON)


SCHEMA = OAS31Validator(
    NEW_AGENT_KEY.json_schema()
    | {"components": {"schemas": {"OutcomeType": {"enum": TYPES}, "Scope": {"enum": list(Scope)}}}}
)
ROTATION_SCHEMA = OAS31Validator(ROTATION.json_schema())


def as_sent(body: dict[str, Any]) -> Any:
    return json.loads(json.dumps(body), parse_float=Decimal, parse_int=Decimal)


def read(body: dict[str, Any], session_user: int | None = 42) -> NewAgentKey:
    return read_body(NEW_AGENT_KEY, as_sent(LEAST | body), session_user=session_user, types=TYPES)


def test_a_name_is_enough_and_the_key_may_record() -> None:
    assert read({}) == NewAgentKey("Nightly import", 42, None, None, None, (Scope.RECORD,), None)


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("name", "x", "x"),
        ("name", "🎉" * 80, "🎉" * 80),
        ("agentId", None, None),
        ("agentId", MAX_ID, MAX_ID),
        ("outcomeTypes", None, None),
        ("outcomeTypes", ["task_complete", "deal_closed", "task_complete"], ("deal_closed", "task_complete")),
        ("outcomeTypes", list(TYPES), TYPES),
        ("maxValueUsd", None, None),
        ("maxValueUsd", 0, Decimal(0)),
        ("maxValueUsd", -0.0, Decimal(0)),
        ("maxValueUsd", 500.50, Decimal("500.5")),
        ("maxValueUsd", 999999999999999, Decimal(999999999999999)),
        ("scopes", None, ("record",)),
        ("scopes", ["read", "record"], ("record", "read")),
        ("scopes", ["backfill"], ("backfill",)),
        ("expiresAt", None, None),
        ("expiresAt", "2026-04-01T12:00:00.001Z", NOON + 1),
        ("expiresAt", "2026-04-01t14:00:01+02:00", NOON + 1000),
        ("expiresAt", "9999-12-31T23:59:59-23:59", 253_402_300_799_999),
    ],
)
def test_a_valid_field_is_kept(field: str, value: Any, kept: Any) -> None:
    attribute = dict(zip(NEW_AGENT_KEY.rules, NewAgentKey._fields, strict=True))[field]
    assert getattr(read({field: value}), attribute) == kept
    assert SCHEMA.is_valid(WHOLE | {field: value})


@pytest.mark.parametrize(
    ("field", "values", "rule"),
    [
        (
            "name",
            [None, "", " ", "x" * 81, 7, "\ud800", "x\0", "\x1bx", "x\x7fy", "\x85x"],
            "must be a string of 1 to 80 characters, not blank, without control characters other than tab, line feed"
            " and carriage return",
        ),
        ("agentId", [0, 1.5, "7", True, MAX_ID + 1], f"must be a whole number from 1 to {MAX_ID}, or null"),
        (
            "outcomeTypes",
            [[], "deal_closed", ["sale"], ["deal_closed", None], {}, [["deal_closed"]], ["deal_closed", "Deal_closed"]],
            f"must be a list of one or more of {NAMES}, or null",
        ),
        (
            "maxValueUsd",
            [-1, -1e-130, 1e15, "500", True, 1e-131],
            "must be a number from 0, below 1e15 (and at least 1e-130, or 0) with at most 38 significant digits,"
            " or null",
        ),
        (
            "scopes",
            [[], "record", ["admin"], [1], {"record": True}],
            "must be a list of one or more of record, read, correct, backfill, cost, or null",
        ),
        (
            "expiresAt",
            [
                *("2026-04-01T12:00:00Z", "2020-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "2030-02-30T00:00:00Z"),
                *("2030-01-01", "2030-01-01 00:00:00Z", "٢٠٣٠-01-01T00:00:00Z", 1_900_000_000, True),
                *(f"2030-01-01T{time}" for time in ("00:00:00", "24:00:00Z", "00:00:60Z", "00:00Z", "00:00:00+0100")),
                *("2030-01-01T00:00:00.Z", "2030-01-01T00:00:00Z\n"),
            ],
            "must be a date-time with an offset, such as 2030-01-31T12:00:00Z, in the future, or null",
        ),
    ],
)
def test_an_invalid_field_is_refused_with_its_rule(field: str, values: list[Any], rule: str) -> None:
    for value in values:
        with pytest.raises(BadRequest) as refused:
            read({field: value})
        assert (refused.value.error, refused.value.details) == (
            f"Invalid {field}",
            [{"field": field, "message": rule}],
        ), value
        # The JSON Schema accepts any string as a date-time, and cannot exclude lone surrogates, although our code
        # refuses both.
        is_text = value == "\ud800" or (field == "expiresAt" and isinstance(value, str))
        assert SCHEMA.is_valid(WHOLE | {field: value}) == is_text, value


def test_a_session_ignores_the_body_s_user() -> None:
    assert read({"userId": 7}).user_id == 42
    assert read_body(ROTATION, {"userId": Decimal(7)}, session_user=42).user_id == 42


@pytest.mark.parametrize("body", [{}, {"userId": None}, {"userId": 0}, {"userId": "42"}])
def test_the_platform_must_name_the_key_s_user(body: dict[str, Any]) -> None:
    assert read({"userId": 7}, session_user=None).user_id == 7
    for refuse in (lambda: read(body, session_user=None), lambda: read_body(ROTATION, body, session_user=None)):
        with pytest.raises(BadRequest, match=r"^Invalid userId$"):
            refuse()


@pytest.mark.parametrize(
    ("sent", "hours"),
    [({}, 24), ({"overlapHours": None}, 24)] + [({"overlapHours": Decimal(hours)}, hours) for hours in (0, 1, 168)],
)
def test_the_overlap_is_24_hours_by_default(sent: dict[str, Any], hours: int) -> None:
    assert read_body(ROTATION, sent, session_user=42) == Rotation(42, hours)
    for value in (hours, None):
        assert ROTATION_SCHEMA.is_valid({"userId": 42, "overlapHours": value})


@pytest.mark.parametrize("hours", [-1, 169, 0.5, "24", True])
def test_an_overlap_is_a_week_at_most(hours: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        read_body(ROTATION, as_sent({"overlapHours": hours}), session_user=42)
    assert refused.value.details == [
        {"field": "overlapHours", "message": "must be a whole number from 0 to 168, or null"}
    ]
    assert not ROTATION_SCHEMA.is_valid({"userId": 42, "overlapHours": hours})
