"""Check outcome types. A deployment sets the valid types with its parameter OutcomeTypes."""

import re
from collections.abc import Sequence

PATTERN = "[a-z][a-z0-9_]{1,39}"

type Types = Sequence[str]
"""The types that can be recorded, in the parameter's order."""


def read(parameter: str) -> Types:
    return tuple(dict.fromkeys(parameter.split(",")))


def is_name(value: object) -> bool:
    """Check whether `value` has the form of a type. Stored outcomes may have types that are no longer configured."""
    return isinstance(value, str) and re.fullmatch(PATTERN, value) is not None


def described(types: Types) -> list[dict[str, str]]:
    return [{"type": name, "label": name.replace("_", " ").capitalize()} for name in types]
