"""The types of outcomes: names that a deployment chooses by its parameter OutcomeTypes."""

import re
from collections.abc import Sequence

PATTERN = "[a-z][a-z0-9_]{1,39}"

type Types = Sequence[str]
"""The types that may be recorded, in the order of the parameter."""


def read(parameter: str) -> Types:
    return tuple(dict.fromkeys(parameter.split(",")))


def is_name(value: object) -> bool:
    """Check whether `value` can be a type, of this deployment or of an earlier configuration."""
    return isinstance(value, str) and re.fullmatch(PATTERN, value) is not None


def described(types: Types) -> list[dict[str, str]]:
    return [{"type": name, "label": name.replace("_", " ").capitalize()} for name in types]
