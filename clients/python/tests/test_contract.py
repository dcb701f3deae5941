"""Compare the models with openapi.yaml: names, types, optional and nullable fields."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import outcomes_client
import pytest
from outcomes_client import _choices, _models

from ops.template import parse_yaml

ROOT = Path(__file__).parents[3]
DOCUMENT: Any = parse_yaml((ROOT / "openapi.yaml").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]

OUR_NAMES = {"from": "start", "to": "end"}
KINDS = {str: "string", int: "integer", Decimal: "number", float: "number", bool: "boolean", datetime: "string"}


def our_name(name: str) -> str:
    return OUR_NAMES.get(name) or re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def told_types(schema: Any) -> set[str]:
    """Return the JSON types that a schema in openapi.yaml allows."""
    if "$ref" in schema:
        return told_types(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "type" in schema:
        return {schema["type"]} if isinstance(schema["type"], str) else {*schema["type"]}
    if "enum" in schema:
        return {"null" if each is None else "string" for each in schema["enum"]}
    if "const" in schema:
        return {"string"}
    return set().union(*map(told_types, schema["anyOf"]))


def own_types(hint: Any) -> set[str]:
    """Return the JSON types that correspond to a Python type."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return set().union(*map(own_types, typing.get_args(hint)))
    if hint is type(None):
        return {"null"}
    origin = typing.get_origin(hint) or hint
    if origin in KINDS or issubclass(origin, (str, StrEnum)):
        return {KINDS.get(origin, "string")}
    if dataclasses.is_dataclass(origin):
        return {"object"}
    # A Moment includes `date`, which is sent as text.
    return {"array"} if origin in (list, tuple) else {"string"} if origin.__name__ == "date" else {"object"}


@pytest.mark.parametrize(
    ("model", "schema"),
    [
        ("NewOutcome", "NewOutcomeOfBatch"),
        ("Outcome", "Outcome"),
        ("Correction", "Correction"),
        ("AgentKey", "AgentKey"),
        ("NewAgentKey", "MadeAgentKey"),
        ("Summary", "Summary"),
        ("CostLine", "CostLine"),
        ("CostDay", "CostsOfDay"),
        ("Costs", "Costs"),
        ("CostSummary", "CostSummary"),
    ],
)
def test_a_model_has_the_contract_s_fields_and_types(model: str, schema: str) -> None:
    kind = getattr(outcomes_client, model)
    hints, contract = typing.get_type_hints(kind), SCHEMAS[schema]
    # The models have no `recent`, because only the dashboard's feed requests `include=recent`.
    told = {our_name(name): told_types(each) for name, each in contract["properties"].items() if name != "recent"}
    assert not told.keys() - hints.keys(), f"_models.{model} lacks what openapi.yaml has: {told.keys() - hints.keys()}"
    assert not hints.keys() - told.keys(), f"_models.{model} has what openapi.yaml lacks: {hints.keys() - told.keys()}"
    required = {our_name(name) for name in contract["required"]}
    for field in dataclasses.fields(kind):
        name = field.name
        # A field is optional if it has a default.
        is_optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if model in ("NewOutcome", "Outcome"):
            assert is_optional is (name not in required), (
                f"_models.{model}.{name} is optional, or is not, as openapi.yaml"
            )
        # `by` may be null: older APIs did not store it.
        may_be_null = name not in required or (model, name) == ("Correction", "by")
        own, theirs = (types - ({"null"} if may_be_null else set()) for types in (own_types(hints[name]), told[name]))
        assert own == theirs, f"_models.{model}.{name} is of another type than openapi.yaml says"


@pytest.mark.parametrize(
    ("names", "values"),
    [("OutcomeType", SCHEMAS["OutcomeType"]["examples"]), ("OutcomeStatus", SCHEMAS["Status"]["enum"])],
)
def test_enums_have_the_contract_s_values(names: str, values: list[str]) -> None:
    assert list(getattr(_choices, names)) == values, f"_choices.{names}"


def test_a_result_has_all_fields_of_the_contract_s_results() -> None:
    one_of = [one["$ref"].rpartition("/")[2] for one in SCHEMAS["Result"]["oneOf"]]
    said = {name for one in one_of for name in SCHEMAS[one]["properties"]}
    # The API's field `ignored` is `ignored_fields` in the client. The idempotency key comes from the item, not the API.
    named = {"ignored_fields" if name == "ignored" else name for name in said} | {"idempotency_key"}
    assert {each.name for each in dataclasses.fields(_models.Result)} == named
