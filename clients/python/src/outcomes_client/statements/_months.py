"""Add up the statements of consecutive months. `verify_months` verifies each statement before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ._reading import _NUMBERS_END, members, refuse
from ._sums import _APART, _DIGITS, _MONEY_OF_SUMS, _SUM, _Sum

if TYPE_CHECKING:
    from . import Verified

_ROWS = {"by_type": ("outcome_type", (str,)), "by_agent": ("agent_id", (int, type(None)))}


@dataclass(frozen=True)
class VerifiedMonths:
    """The verified statements of consecutive months, oldest first, and their sum.

    `totals` are those of all these months, with the adjustments that the statements have of these months. `changes` are
    the adjustments of other months, `{"from","to","totals"}`. `by_agent` of totals is None if a statement left agents
    out of it (`other_agents`). `by_rule` is what counts by the statements' definitions, as of the last `cut`, as in
    `Verified`; None without entries.
    """

    statements: Sequence[Verified]
    totals: Mapping[str, Any]
    changes: Sequence[Mapping[str, Any]]
    by_rule: Mapping[str, Any] | None = None


def add_up(statements: Sequence[Verified]) -> VerifiedMonths:
    """Add up statements, oldest first. Raises StatementError if they are not of consecutive months of one chain."""
    for earlier, later in pairwise(each.head for each in statements):
        for name in ("issuer", "user", "timezone"):
            if later[name] != earlier[name]:
                refuse("previous", f"expected statements of one {name}, found {earlier[name]} and {later[name]}")
        if later["period"] != (expected := _month_after(earlier["period"])):
            refuse(
                "previous", f"expected the statement of {expected} after {earlier['period']}, found {later['period']}"
            )
    begin, end = statements[0].head["from"], statements[-1].head["cut"]
    own: list[Mapping[str, Any]] = []
    others: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for statement in statements:
        own.append(statement.totals or {})
        for each in statement.adjustments or ():
            is_inside = begin <= each["from"] and each["to"] <= end
            (own if is_inside else others[each["from"], each["to"]]).append(each["totals"])
    changes = [{"from": since, "to": to, "totals": _sum(parts)} for (since, to), parts in sorted(others.items())]
    return VerifiedMonths(statements, _sum(own), changes)


def _month_after(period: str) -> str:
    year, month = map(int, period.split("-"))
    return f"{year + month // 12:04d}-{month % 12 + 1:02d}"


def _sum(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of totals."""
    has_all_agents = all(part["other_agents"] is None for part in parts)
    return {
        **_added(parts),
        **{tally: _added([part[tally] for part in parts]) for tally in _APART},
        "by_type": _rows("by_type", parts),
        "by_agent": _rows("by_agent", parts) if has_all_agents else None,
    }


def _added(sums: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    total = _Sum()
    for each in sums:
        total.count += each["count"]
        total.value = _DIGITS.add(total.value, Decimal(each["value_usd"]))
    if abs(total.count) >= _NUMBERS_END:
        refuse("totals", f"expected a sum of counts with a magnitude below {_NUMBERS_END}, found {total.count}")
    return total.json()


def _rows(name: str, parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    key, types = _ROWS[name]
    by_key: defaultdict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for row in (row for part in parts for row in part[name]):
        members("totals", f"a row of {name}", row, {key: types, **_SUM})
        if not _MONEY_OF_SUMS.fullmatch(row["value_usd"]):
            refuse("totals", f"a row of {name}: expected money of sums, found {row['value_usd']}")
        by_key[row[key]].append(row)
    # null first, as in a statement
    rows = [{key: each, **_added(by_key[each])} for each in sorted(by_key, key=lambda each: (each is not None, each))]
    return [row for row in rows if row["count"] or Decimal(row["value_usd"])]
