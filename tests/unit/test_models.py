"""Test the validation of outcomes."""

import json
from decimal import Decimal
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from outcomes.contract import json_text
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.errors import BadRequest
from outcomes.limits import MAX_DESCRIPTION, MAX_ID, MAX_TITLE

from tests.outcome_types import TYPES

VALID = {"outcomeType": "deal_closed", "title": "Closed a deal"}
SCHEMA = OAS31Validator(NEW_OUTCOME.json_schema() | {"components": {"schemas": {"OutcomeType": {"enum": TYPES}}}})

BLANKS = "\u00a0\u00ad\u200b\ufeff\u2029\ue000\u2800\u3164\u115f\u1160\uffa0"
"""Spaces, format characters, a separator, a private-use character, and printable characters that show nothing."""
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"]


def parse(session_user: int | None = None, **fields: Any) -> NewOutcome:
    text = json.dumps(VALID | fields)
    return NewOutcome.parse(json_text.read(text), session_user=session_user, types=TYPES)


def faults_by_schema(**fields: Any) -> set[Any]:
    """Return the fields that the JSON Schema in openapi.yaml refuses."""
    return {error.absolute_path[0] for error in SCHEMA.iter_errors(VALID | fields)}


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels > 1 else {}


@pytest.mark.parametrize("outcome_type", TYPES)
def test_every_listed_type_is_an_outcome_type(outcome_type: str) -> None:
    assert parse(outcomeType=outcome_type).outcome_type == outcome_type
    assert not faults_by_schema(outcomeType=outcome_type)


@pytest.mark.parametrize("outcome_type", [None, "", "Deal_closed", "deal_closed ", "sale", 1, True, [], {}])
def test_any_other_type_is_refused_without_details(outcome_type: object) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(outcomeType=outcome_type)
    assert (refused.value.error, refused.value.details) == ("Invalid outcome_type", [])
    assert faults_by_schema(outcomeType=outcome_type) == {"outcomeType"}


def test_a_missing_type_wins_over_other_faults() -> None:
    with pytest.raises(BadRequest, match=r"^Invalid outcome_type$"):
        NewOutcome.parse({"title": "", "valueUsd": "1"}, session_user=None)


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("title", "x", "x"),
        ("title", " padded ", " padded "),
        ("title", "x" * MAX_TITLE, "x" * MAX_TITLE),
        ("title", "🎉" * MAX_TITLE, "🎉" * MAX_TITLE),
        ("title", "\tone\r\nline", "\tone\r\nline"),
        ("title", "\u200bx\u2800", "\u200bx\u2800"),
        ("title", "\u0301", "\u0301"),
        ("title", "\u2028.", "\u2028."),
        ("description", None, None),
        ("description", "", None),
        ("description", " ", " "),
        ("description", "\u200b\u3164", "\u200b\u3164"),
        ("description", "a\tb\r\nc", "a\tb\r\nc"),
        ("description", "é" * MAX_DESCRIPTION, "é" * MAX_DESCRIPTION),
        ("valueUsd", None, None),
        ("valueUsd", 0, "0"),
        ("valueUsd", -0.0, "0"),
        ("valueUsd", 12.50, "12.5"),
        ("valueUsd", -3, "-3"),
        ("valueUsd", 90, "90"),
        ("valueUsd", 1e14, "100000000000000"),
        ("valueUsd", 1e-130, "1E-130"),
        ("valueUsd", 999999999999999, "999999999999999"),
        ("agentId", None, None),
        ("agentId", 1, 1),
        ("agentId", 1.0, 1),
        ("agentId", MAX_ID, MAX_ID),
        ("userId", 7e0, 7),
        ("metadata", None, None),
        ("metadata", {}, "{}"),
        ("metadata", {"k": [1, 2.5, "é", None, True, False, {}]}, '{"k":[1,2.5,"é",null,true,false,{}]}'),
        ("metadata", {"half": "\ud800"}, '{"half":"\\ud800"}'),
        ("metadata", {"\x1b": "\0\x7f\x85"}, '{"\\u001b":"\\u0000\x7f\x85"}'),
        ("metadata", {"a": "x" * (65536 - len('{"a":""}'))}, '{"a":"' + "x" * (65536 - len('{"a":""}')) + '"}'),
    ],
)
def test_a_valid_field_is_kept(field: str, value: Any, stored: object) -> None:
    name = {"valueUsd": "value_usd", "agentId": "agent_id", "userId": "user_id"}.get(field, field)
    kept = getattr(parse(**{field: value}), name)
    assert (str(kept) if isinstance(kept, Decimal) else kept) == stored
    assert not faults_by_schema(**{field: value})


INVALID: dict[str, list[Any]] = {
    "title": [
        *(None, "", " \n\u2003", "x" * (MAX_TITLE + 1), 1, True, ["x"]),
        *(f"x{control}" for control in CONTROLS),
        *(f" {blank}\n" for blank in BLANKS),
    ],
    "description": ["x" * (MAX_DESCRIPTION + 1), 0, False, *(f"{control}x" for control in CONTROLS)],
    "valueUsd": ["1", "", True, [], 10**15, -(10**15), 1e-131],
    "agentId": [0, -1, 1.5, MAX_ID + 1, True, "7"],
    "userId": [0, "42", {}],
    "metadata": [[], "{}", 1],
}
INVALID_BEYOND_JSON_SCHEMA: dict[str, list[Any]] = {
    "title": ["half \ud800", " \u0378\n"],
    "description": ["half \udfff"],
    "metadata": [{"a": "x" * (65536 - len('{"a":""}') + 1)}, {"a": "é" * 32768}, nested(33)],
}


@pytest.mark.parametrize("field", INVALID)
def test_an_invalid_field_is_refused_by_name_and_rule(field: str) -> None:
    beyond_schema = INVALID_BEYOND_JSON_SCHEMA.get(field, [])
    for value in INVALID[field] + beyond_schema:
        with pytest.raises(BadRequest) as refused:
            parse(**{field: value})
        assert refused.value.error == f"Invalid {field}"
        [detail] = refused.value.details
        assert detail["field"] == field
        assert detail["message"].startswith("must be ")
        assert faults_by_schema(**{field: value}) == (set() if value in beyond_schema else {field}), value


def test_metadata_may_be_32_levels_deep() -> None:
    assert parse(metadata=nested(32)).metadata == json.dumps(nested(32), separators=(",", ":"))


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("0." + "1" * 38, True),
        ("0." + "1" * 39, False),
        ("12345678901234.123456789012345678901234", True),
        ("1.5" + "0" * 60, True),
        ("1e14", True),
        ("1e15", False),
        ("9e999999999999999999", False),
        ("1e-999999999999999999", False),
        ("-0e999999", True),
    ],
)
def test_money_is_exact_or_refused(text: str, accepted: bool) -> None:
    body = VALID | {"valueUsd": Decimal(text)}
    if accepted:
        assert NewOutcome.parse(body, session_user=None).value_usd == Decimal(text)
    else:
        with pytest.raises(BadRequest, match=r"^Invalid valueUsd$"):
            NewOutcome.parse(body, session_user=None)


@pytest.mark.parametrize(
    "literal", ["0.1000000000000000055511151231257827", "1E+400", "10000000000000000000001", "1.10"]
)
def test_numbers_in_metadata_keep_every_digit(literal: str) -> None:
    assert NewOutcome.parse(VALID | {"metadata": {"n": Decimal(literal)}}, session_user=None).metadata == (
        f'{{"n":{literal}}}'
    )


def test_all_faults_are_named_at_once_in_the_order_of_the_contract() -> None:
    with pytest.raises(BadRequest) as refused:
        parse(metadata=[], userId=0, agentId=0, valueUsd="", description=1, title="")
    assert refused.value.error == "Invalid title"
    fields = ["title", "description", "valueUsd", "agentId", "userId", "metadata"]
    assert [detail["field"] for detail in refused.value.details] == fields


@pytest.mark.parametrize("claimed", [7, 0, "nonsense", None])
def test_a_session_ignores_the_body_s_user(claimed: object) -> None:
    assert parse(session_user=42, userId=claimed).user_id == 42


def test_unknown_fields_are_ignored() -> None:
    assert parse(outcome_type="x", created_at="2020-01-01", deep=nested(100)) == parse()


def test_a_refusal_does_not_carry_the_input_along() -> None:
    with pytest.raises(BadRequest) as refused:
        parse(title=["sesame"])
    assert "sesame" not in repr(refused.value.details)
    assert refused.value.__context__ is None
