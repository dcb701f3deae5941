"""Define the rules for the fields of a request body.

Numbers are passed to rules as `Decimal` (see `json_text.read`): booleans and numeric strings are never numbers, `1.0`
is the whole number 1, and money is never converted to a float.
"""

import re
from collections.abc import Callable
from decimal import Context, Decimal, Inexact
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.outcome_type import PATTERN, is_name
from outcomes.errors import BadRequest
from outcomes.limits import MAX_ID, MAX_METADATA_BYTES, MAX_METADATA_LEVELS

_MONEY_LIMIT = Decimal("1e15")
# DynamoDB stores up to 38 digits, and no value closer to zero than 1e-130:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_MONEY_CONTEXT = Context(prec=38, traps=[Inexact])
_SMALLEST_MONEY = Decimal("1e-130")
# In JSON Schema as `not`, because code generators would make a class for each branch of an `anyOf`.
_TOO_NEAR_TO_ZERO = {
    "exclusiveMaximum": float(_SMALLEST_MONEY),
    "exclusiveMinimum": -float(_SMALLEST_MONEY),
    "not": {"const": 0},
}

OUTCOME_TYPES = "the outcome types"
"""A placeholder in the words of rules. `Body.given` replaces it with the names of the deployment's types."""

_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # all control characters except tab, line feed and carriage return
_WITHOUT_CONTROLS = "without control characters other than tab, line feed and carriage return"
_CONTROL = re.compile(f"[{_CONTROLS}]")
# These characters are printable according to Unicode, but invisible: the space, the Braille blank, Hangul fillers.
_BLANKS = " \u2800\u3164\u115f\u1160\uffa0"
# The most frequent invisible characters, for patterns that also contain `\s`. JSON Schema cannot express all of them.
_UNSEEN = r"\xad\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ue000-\uf8ff\ufeff\uffa0"
# Only the years 1970 to 9998 are valid, because the instants of other periods cannot be formatted.
_MONTH = "(19[7-9][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])-(0[1-9]|1[0-2])"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Rule(NamedTuple):
    """A rule for a field, in three forms.

    words: the validation error's `message`, without the field's name
    engine: the schema for pydantic's engine: https://docs.pydantic.dev/latest/api/pydantic_core_schema/
    json_schema: the schema for openapi.yaml, as far as JSON Schema can express the rule:
    https://json-schema.org/draft/2020-12/schema
    """

    words: str
    engine: dict[str, Any]
    json_schema: dict[str, Any]


def title(max_length: int) -> Rule:
    """Accept a string that the rule `text` accepts and that has at least one visible character."""
    plain = text(max_length)
    return Rule(
        f"must be a string of 1 to {max_length} characters, at least one of them visible, {_WITHOUT_CONTROLS}",
        _then(_visible, plain.engine),
        plain.json_schema | {"pattern": _legible(rf"[^\s{_CONTROLS}{_UNSEEN}]")},
    )


def text(max_length: int) -> Rule:
    """Accept a string of 1 to `max_length` code points that is not blank and has no control characters."""
    return Rule(
        f"must be a string of 1 to {max_length} characters, not blank, {_WITHOUT_CONTROLS}",
        _then(_without_controls, _then(_not_blank, _string(1, max_length))),
        {"maxLength": max_length, "minLength": 1, "pattern": _legible(rf"[^\s{_CONTROLS}]"), "type": "string"},
    )


def text_or_null(max_length: int) -> Rule:
    """Accept a string of at most `max_length` code points without control characters. An empty string becomes None."""
    return or_null(
        Rule(
            f"must be a string of at most {max_length} characters, {_WITHOUT_CONTROLS}",
            _then(_without_controls, _then(lambda text: text or None, _string(0, max_length))),
            {"maxLength": max_length, "pattern": _legible(), "type": "string"},
        )
    )


def one_of(names: type[StrEnum]) -> Rule:
    """Accept a member of the enum `names`, which openapi.yaml contains as a schema with the same name."""
    return Rule(
        f"must be one of {', '.join(names)}",
        {"type": "enum", "cls": names, "members": list(names), "sub_type": "str"},
        {"$ref": f"#/components/schemas/{names.__name__}"},
    )


def some_of(names: type[StrEnum]) -> Rule:
    """Accept a non-empty list of `names`. It becomes a tuple in the order of `names`, without duplicates."""
    return Rule(
        f"must be a list of one or more of {', '.join(names)}",
        _made_by(partial(_some, names)),
        {"items": {"$ref": f"#/components/schemas/{names.__name__}"}, "minItems": 1, "type": "array"},
    )


def one_type() -> Rule:
    """Accept one of the types passed to `Body.given` or, if they are None, any well-formed name."""
    return Rule(
        f"must be one of {OUTCOME_TYPES}",
        _made_with_types(_type),
        {"$ref": "#/components/schemas/OutcomeType"},
    )


def type_name() -> Rule:
    """Accept any well-formed name of a type, also of one that can no longer be recorded."""
    return Rule(
        "must be a type: 2 to 40 lower-case letters, digits and _, beginning with a letter",
        _made_by(_type_name),
        {"pattern": f"^{PATTERN}$", "type": "string"},
    )


def some_types() -> Rule:
    """Accept a non-empty list of types; each must pass `one_type`.

    The list becomes a tuple in the order of the valid types, without duplicates.
    """
    return Rule(
        f"must be a list of one or more of {OUTCOME_TYPES}",
        _made_with_types(_types),
        {"items": {"$ref": "#/components/schemas/OutcomeType"}, "minItems": 1, "type": "array"},
    )


def whole_number(least: int = 1, greatest: int = MAX_ID) -> Rule:
    """Accept a whole number, by default in the range of ids. It becomes an int."""
    return Rule(
        f"must be a whole number from {least} to {greatest}",
        _made_by(partial(_whole, least, greatest)),
        {"maximum": greatest, "minimum": least, "type": "integer"},
    )


def money() -> Rule:
    """Accept a number that DynamoDB can store exactly. It becomes a Decimal such as 90, not 9E+1 or 90.0."""
    return Rule(
        "must be a number of magnitude below 1e15 (and at least 1e-130, or 0) with at most 38 significant digits",
        _made_by(_money),
        {
            "exclusiveMaximum": float(_MONEY_LIMIT),
            "exclusiveMinimum": -float(_MONEY_LIMIT),
            "not": _TOO_NEAR_TO_ZERO,
            "type": "number",
        },
    )


def magnitude() -> Rule:
    """Accept a number that the rule `money` accepts and that is not below 0."""
    return Rule(
        "must be a number from 0, below 1e15 (and at least 1e-130, or 0) with at most 38 significant digits",
        _made_by(_magnitude),
        {
            "exclusiveMaximum": float(_MONEY_LIMIT),
            "minimum": 0,
            "not": _TOO_NEAR_TO_ZERO,
            "type": "number",
        },
    )


def above_zero() -> Rule:
    """Accept a number that the rule `money` accepts and that is above 0."""
    return Rule(
        "must be a number above 0, below 1e15 and at least 1e-130, with at most 38 significant digits",
        _made_by(_above_zero),
        {"exclusiveMaximum": float(_MONEY_LIMIT), "minimum": float(_SMALLEST_MONEY), "type": "number"},
    )


def percents(max_length: int) -> Rule:
    """Accept a list of 1 to `max_length` whole numbers from 1 to 100. It becomes a sorted tuple without duplicates."""
    return Rule(
        f"must be a list of 1 to {max_length} whole numbers from 1 to 100",
        _made_by(partial(_percents, max_length)),
        {
            "items": {"maximum": 100, "minimum": 1, "type": "integer"},
            "maxItems": max_length,
            "minItems": 1,
            "type": "array",
        },
    )


def future_instant() -> Rule:
    """Accept a future RFC 3339 date-time. It becomes milliseconds since 1970."""
    return Rule(
        "must be a date-time with an offset, such as 2030-01-31T12:00:00Z, in the future",
        _made_by(_future),
        {"format": "date-time", "type": "string"},
    )


def json_object() -> Rule:
    """Accept an object. It becomes its JSON text."""
    return Rule(
        f"must be an object of at most {MAX_METADATA_BYTES} bytes of JSON and at most {MAX_METADATA_LEVELS} levels",
        _made_by(_json_text),
        {"type": "object"},
    )


def instant() -> Rule:
    """Accept an RFC 3339 date-time. It becomes milliseconds since 1970. `occurrence` checks the range."""
    return Rule(
        "must be a date-time with an offset, such as 2026-04-01T12:00:00Z",
        _made_by(_instant),
        {"format": "date-time", "type": "string"},
    )


def calendar_month() -> Rule:
    """Accept a month."""
    return Rule("must be a month, such as 2026-10", _made_by(_month), {"pattern": f"^{_MONTH}$", "type": "string"})


def time_zone() -> Rule:
    """Accept the name of a time zone."""
    return Rule("must be an IANA time zone, such as Europe/Berlin", _made_by(_zone), {"type": "string"})


def or_null(rule: Rule) -> Rule:
    """Accept null and the values that `rule` accepts."""
    return Rule(
        f"{rule.words}, or null",
        {"type": "nullable", "schema": rule.engine},
        {"anyOf": [rule.json_schema, {"type": "null"}]},
    )


def or_default(rule: Rule, default: object) -> Rule:
    """Accept null and the values that `rule` accepts. Null becomes `default`."""
    nullable = or_null(rule)
    return nullable._replace(engine=_then(lambda value: default if value is None else value, nullable.engine))


def _string(min_length: int, max_length: int) -> dict[str, Any]:
    # If the schema has a length, the engine also refuses lone surrogates, which DynamoDB does not accept.
    return {"type": "str", "strict": True, "min_length": min_length, "max_length": max_length}


def _then(function: Callable[[Any], object], schema: dict[str, Any]) -> dict[str, Any]:
    """Return an engine schema that applies `schema`, then `function`, which raises ValueError for an invalid value."""
    return {"type": "function-after", "function": {"type": "no-info", "function": function}, "schema": schema}


def _made_by(function: Callable[[object], object]) -> dict[str, Any]:
    """Return an engine schema that applies only `function`, which raises ValueError for an invalid value."""
    return {"type": "function-plain", "function": {"type": "no-info", "function": function}}


def _made_with_types(function: Callable[[object, Any], object]) -> dict[str, Any]:
    """Return an engine schema like `_made_by`. The function also gets `context`: the valid types, or None."""
    return {"type": "function-plain", "function": {"type": "with-info", "function": function}}


def _type(name: object, info: Any) -> object:
    if not is_name(name) or (info.context is not None and name not in info.context):
        raise ValueError("not a type")
    return name


def _type_name(name: object) -> object:
    if not is_name(name):
        raise ValueError("not a type")
    return name


def _types(listed: object, info: Any) -> tuple[object, ...]:
    if not isinstance(listed, list) or not listed:
        raise ValueError("not a list of types")
    chosen = {_type(each, info) for each in listed}
    return tuple(name for name in info.context or dict.fromkeys(listed) if name in chosen)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("blank")
    return text


def _without_controls(text: str | None) -> str | None:
    if text and _CONTROL.search(text):
        raise ValueError("control character")
    return text


def _visible(text: str) -> str:
    if not any(char.isprintable() and char not in _BLANKS for char in text):
        raise ValueError("nothing to see")
    return text


def _legible(one: str = "") -> str:
    """Return a pattern for text without control characters and with at least one character of the class `one`."""
    return f"^[^{_CONTROLS}]*{one and f'{one}[^{_CONTROLS}]*'}$"


def _some(names: type[StrEnum], listed: object) -> tuple[StrEnum, ...]:
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) for each in listed):
        raise ValueError("not a list of names")
    chosen = {names(each) for each in listed}
    return tuple(name for name in names if name in chosen)


def _whole(least: int, greatest: int, number: object) -> int:
    # Compare before converting: int(Decimal("1e999999")) would exhaust the memory.
    if not isinstance(number, Decimal) or not least <= number <= greatest or number != int(number):
        raise ValueError("not a whole number in range")
    return int(number)


def _money(number: object) -> Decimal:
    # Compare without abs(), which rounds numbers and can overflow.
    if not isinstance(number, Decimal) or not -_MONEY_LIMIT < number < _MONEY_LIMIT:
        raise ValueError("not a number in range")
    if -_SMALLEST_MONEY < number < _SMALLEST_MONEY and number:
        raise ValueError("too near to zero")
    try:
        exact = number.normalize(_MONEY_CONTEXT)
    except Inexact as exc:
        raise ValueError("too many digits") from exc
    if not exact:
        return Decimal(0)  # negative zero becomes zero
    # Write 90 instead of 9E+1. Values are below 1e15, so this takes at most 15 digits.
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact


def _magnitude(number: object) -> Decimal:
    exact = _money(number)
    if exact < 0:
        raise ValueError("below zero")
    return exact


def _above_zero(number: object) -> Decimal:
    exact = _money(number)
    if exact <= 0:
        raise ValueError("not above zero")
    return exact


def _percents(max_length: int, listed: object) -> tuple[int, ...]:
    if not isinstance(listed, list) or not 1 <= len(listed) <= max_length:
        raise ValueError("not a list of percents")
    return tuple(sorted({_whole(1, 100, each) for each in listed}))


def _future(text: object) -> int:
    milliseconds = _instant(text)
    if milliseconds <= instants.now():
        raise ValueError("past")
    return milliseconds


def _instant(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError("not a string")
    return instants.read(text)


def _month(text: object) -> str:
    if not isinstance(text, str) or not re.fullmatch(_MONTH, text):
        raise ValueError("not a period")
    return text


def _zone(name: object) -> str:
    from outcomes.calendar import period  # imported here, because it loads slowly, and only statements need it

    if not isinstance(name, str):
        raise ValueError("not a string")
    try:
        return period.time_zone(name).key
    except BadRequest as exc:
        raise ValueError("not a time zone") from exc


def _json_text(metadata: object) -> str:
    if not isinstance(metadata, dict):
        raise ValueError("not an object")
    text = json_text.exact(metadata, MAX_METADATA_LEVELS)
    # JSON allows lone surrogates as escapes, but UTF-8 cannot encode them.
    text = _LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    if len(text.encode()) > MAX_METADATA_BYTES:
        raise ValueError("too large")
    return text
