"""Test the validation of bodies: pydantic's engine, the error details and openapi.yaml follow the same rules."""

import subprocess
import sys
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import pytest
from outcomes.contract.bodies import Body
from outcomes.contract.rules import one_of, or_null, text, text_or_null, whole_number
from outcomes.errors import BadRequest

from tests.conftest import ROOT


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Pencil(NamedTuple):
    colour: Annotated[Colour, one_of(Colour)]
    made_by: Annotated[str, text(10)]
    small_print: Annotated[str | None, text_or_null(20)] = None
    owner_id: Annotated[int | None, or_null(whole_number())] = 7


PENCIL = Body(Pencil)
LEGIBLE = "without control characters other than tab, line feed and carriage return"
CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"


def faults(body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(BadRequest) as refused:
        PENCIL.read(body)
    assert refused.value.error == f"Invalid {refused.value.details[0]['field']}"
    return [(fault["field"], fault["message"]) for fault in refused.value.details]


def test_fields_are_read_by_their_camel_case_names() -> None:
    read = PENCIL.read({"colour": "red", "madeBy": "Faber", "smallPrint": "", "ownerId": Decimal("3.0")})
    assert read == Pencil(Colour.RED, "Faber", None, 3)
    assert read.colour is Colour.RED


def test_a_missing_field_has_its_default_and_null_is_null() -> None:
    assert PENCIL.read({"colour": "red", "madeBy": "Faber"}).owner_id == 7
    assert PENCIL.read({"colour": "red", "madeBy": "Faber", "ownerId": None}).owner_id is None


def test_all_faults_are_named_in_the_order_of_the_model() -> None:
    assert faults({"ownerId": "3", "smallPrint": "x" * 21, "made_by": "Faber", "colour": "green"}) == [
        ("colour", "must be one of red, blue"),
        ("madeBy", f"must be a string of 1 to 10 characters, not blank, {LEGIBLE}"),
        ("smallPrint", f"must be a string of at most 20 characters, {LEGIBLE}, or null"),
        ("ownerId", "must be a whole number from 1 to 9007199254740991, or null"),
    ]


def test_a_refusal_names_the_fields_that_were_not_read() -> None:
    with pytest.raises(BadRequest) as refused:
        PENCIL.read({"colour": "red", "made_by": "Faber", "owner_id": 3})
    assert refused.value.ignored == ["made_by", "owner_id"]


def test_openapi_has_each_rule_in_words_and_as_json_schema() -> None:
    assert PENCIL.json_schema() == {
        "type": "object",
        "required": ["colour", "madeBy"],
        "properties": {
            "colour": {"$ref": "#/components/schemas/Colour", "description": "must be one of red, blue"},
            "madeBy": {
                "type": "string",
                "minLength": 1,
                "maxLength": 10,
                "pattern": rf"^[^{CONTROLS}]*[^\s{CONTROLS}][^{CONTROLS}]*$",
                "description": f"must be a string of 1 to 10 characters, not blank, {LEGIBLE}",
            },
            "smallPrint": {
                "anyOf": [{"type": "string", "maxLength": 20, "pattern": f"^[^{CONTROLS}]*$"}, {"type": "null"}],
                "description": f"must be a string of at most 20 characters, {LEGIBLE}, or null",
            },
            "ownerId": {
                "anyOf": [{"type": "integer", "minimum": 1, "maximum": 2**53 - 1}, {"type": "null"}],
                "description": "must be a whole number from 1 to 9007199254740991, or null",
            },
        },
    }


def run(code: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-W", "error", "-c", code],
        env={"PYTHONPATH": str(ROOT / "layers/common")},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_our_engine_is_pydantic_s_own() -> None:
    """`contract.engine` and pydantic_core have the same classes, whichever is loaded first.

    `contract.engine` alone does not load the package pydantic_core.
    """
    ours = "from outcomes.contract.engine import SchemaValidator as ours, ValidationError; import sys;"
    theirs = "import pydantic, pydantic_core;"
    same = "assert pydantic_core.SchemaValidator is ours; assert pydantic_core.ValidationError is ValidationError;"
    works = "assert pydantic.TypeAdapter(int).validate_python('3') == 3"
    assert run(f"{ours} assert 'pydantic_core' not in sys.modules") == ""
    assert run(ours + theirs + same + works) == ""
    assert run(theirs + ours + same + works) == ""


def test_a_missing_engine_is_named_in_the_error() -> None:
    """The option -S of Python hides installed packages."""
    assert "ModuleNotFoundError: No module named 'pydantic_core._pydantic_core'" in run(
        "import outcomes.contract.engine", "-S"
    )
