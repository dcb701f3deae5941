"""Check the member `definition`: which outcomes count for the payer. No sum depends on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from ._entries import MONEY
from ._reading import Kinds, members, refuse

_DEFINITION: Kinds = {"from": (str,), "timezone": (str,), "dispute_days": (int,), "types": (list,)}
_RULE: Kinds = {
    **dict.fromkeys(("outcome_type", "when"), (str,)),
    "each_usd": (str, type(None)),
    "basis": (str,),
    "note": (str, type(None)),
}
_PATTERNS = {
    "from": re.compile("[0-9]{4}-(0[1-9]|1[0-2])"),
    "when": re.compile("claimed|unless_disputed|confirmed|never"),
    "each_usd": MONEY,
    "basis": re.compile("stated|estimated"),
}
_ALL_OTHERS = "*"
"""The type that stands for all types without a rule of their own. Its rule comes last."""


def check_definition(definition: Mapping[str, Any] | None) -> None:
    """Refuse a malformed definition."""
    if definition is None:
        return
    _check("the definition", definition, _DEFINITION)
    rules = definition["types"]
    for n, rule in enumerate(rules):
        _check(f"rule {n}", rule, _RULE)
    *types, last = [rule["outcome_type"] for rule in rules] or [""]
    if last != _ALL_OTHERS or _ALL_OTHERS in types or any(one >= other for one, other in pairwise(types)):
        refuse("definition", f"expected rules of different types, sorted, and then that of {_ALL_OTHERS}")


def _check(what: str, value: Any, kinds: Kinds) -> None:
    """Check the order of an object's members, too: no digest of computed values depends on it."""
    members("definition", what, value, kinds)
    if list(value) != list(kinds):
        refuse("definition", f"{what}: expected the members in the order {', '.join(kinds)}")
    for name, pattern in _PATTERNS.items():
        if value.get(name) is not None and not pattern.fullmatch(value[name]):
            refuse("definition", f"{what}: expected {name} to match {pattern.pattern}, found {value[name]}")
