"""Bodies that make an agent key or rotate one are valid, or told what is wrong with them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from outcomes.contract import instants, queries
from outcomes.contract.agent_keys import (
    NEW_AGENT_KEY,
    ROTATION,
    NewAgentKey,
    Rotation,
    Scope,
    read_new_key,
    read_rotation,
)
from outcomes.contract.bodies import Body
from outcomes.contract.limits import MAX_ID
from outcomes.contract.outcome_type import OutcomeType
from outcomes.errors import BadRequest

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
LEAST = {"name": "Nightly import"}
TYPES = ", ".join(OutcomeType)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be noon of 1 April 2026."""
    monkeypatch.setattr(instants, "now", lambda: NOON)


def read(body: dict[str, Any], session_user: int | None = 42) -> NewAgentKey:
    text = json.dumps(LEAST | body)
    return read_new_key(json.loads(text, parse_float=Decimal, parse_int=Decimal), session_user=session_user)


def test_least_is_a_name_and_is_for_recording() -> None:
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
        ("outcomeTypes", list(OutcomeType), tuple(OutcomeType)),
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
def test_a_bound_that_is_valid_is_kept(field: str, value: Any, kept: Any) -> None:
    attribute = dict(zip(NEW_AGENT_KEY.rules, NewAgentKey._fields, strict=True))[field]
    assert getattr(read({field: value}), attribute) == kept


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
            f"must be a list of one or more of {TYPES}, or null",
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
            "must be a list of one or more of record, read, correct, backfill, or null",
        ),
        (
            "expiresAt",
            [
                "2026-04-01T12:00:00Z",
                "2020-01-01T00:00:00Z",
                "0001-01-01T00:00:00+23:59",
                "2030-01-01",
                "2030-01-01T00:00:00",
                "2030-01-01 00:00:00Z",
                "2030-02-30T00:00:00Z",
                "2030-01-01T24:00:00Z",
                "2030-01-01T00:00:60Z",
                "2030-01-01T00:00Z",
                "2030-01-01T00:00:00+0100",
                "2030-01-01T00:00:00.Z",
                "٢٠٣٠-01-01T00:00:00Z",
                "2030-01-01T00:00:00Z\n",
                1_900_000_000,
                True,
            ],
            "must be a date-time with an offset, such as 2030-01-31T12:00:00Z, in the future, or null",
        ),
    ],
)
def test_a_bound_that_is_not_is_told_by_its_rule(field: str, values: list[Any], rule: str) -> None:
    for value in values:
        with pytest.raises(BadRequest) as refused:
            read({field: value})
        assert (refused.value.error, refused.value.details) == (
            f"Invalid {field}",
            [{"field": field, "message": rule}],
        ), value


def test_a_session_s_key_is_its_user_s_whatever_the_body_says() -> None:
    assert read({"userId": 7}).user_id == 42
    assert read_rotation({"userId": Decimal(7)}, session_user=42).user_id == 42


@pytest.mark.parametrize("body", [{}, {"userId": None}, {"userId": 0}, {"userId": "42"}])
def test_the_platform_has_to_say_whose_key_it_is(body: dict[str, Any]) -> None:
    assert read({"userId": 7}, session_user=None).user_id == 7
    for refuse in (lambda: read(body, session_user=None), lambda: read_rotation(body, session_user=None)):
        with pytest.raises(BadRequest, match=r"^Invalid userId$"):
            refuse()


@pytest.mark.parametrize(
    ("sent", "hours"),
    [({}, 24), ({"overlapHours": None}, 24)] + [({"overlapHours": Decimal(hours)}, hours) for hours in (0, 1, 168)],
)
def test_an_overlap_is_a_day_unless_said(sent: dict[str, Any], hours: int) -> None:
    assert read_rotation(sent, session_user=42) == Rotation(42, hours)


@pytest.mark.parametrize("hours", [Decimal(-1), Decimal(169), Decimal("0.5"), "24", True])
def test_an_overlap_is_a_week_at_most(hours: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        read_rotation({"overlapHours": hours}, session_user=42)
    assert refused.value.details == [
        {"field": "overlapHours", "message": "must be a whole number from 0 to 168, or null"}
    ]


@pytest.mark.parametrize("text", [None, "", "0", "-1", "1.0", " 7", str(MAX_ID + 1), "me"])
def test_the_platform_has_to_ask_for_somebody_s_keys(text: str | None) -> None:
    assert queries.user_id("7") == 7
    with pytest.raises(BadRequest, match=r"^Invalid userId$"):
        queries.user_id(text)


numbers = st.sampled_from([-1, 0, 1, 24, 168, 169, 1.5, 2.0, MAX_ID, MAX_ID + 1, 1e15, -1e-130])
scalars = numbers | st.booleans() | st.none() | st.text(max_size=3) | st.sampled_from(["", " ", "x" * 81])
names = st.sampled_from([*OutcomeType, *Scope, "sale"])
anything = scalars | st.lists(names | scalars, max_size=3)
SCHEMAS = {"components": {"schemas": {names.__name__: {"enum": list(names)} for names in (OutcomeType, Scope)}}}


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*NEW_AGENT_KEY.rules, *ROTATION.rules]), anything))
def test_the_description_and_the_engine_refuse_the_same_fields(sent: dict[str, Any]) -> None:
    """But for date-times, which JSON Schema knows as text."""
    sent.pop("expiresAt", None)
    bodies: list[Body[Any]] = [NEW_AGENT_KEY, ROTATION]
    for body in bodies:
        validator = OAS31Validator(body.json_schema() | SCHEMAS)
        described = {name for name in body.required if name not in sent}
        described |= {error.absolute_path[0] for error in validator.iter_errors(sent) if error.absolute_path}
        try:
            body.read(json.loads(json.dumps(sent), parse_float=Decimal, parse_int=Decimal))
            refused = set()
        except BadRequest as exc:
            refused = {fault["field"] for fault in exc.details}
        assert refused == described
