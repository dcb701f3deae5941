"""Compute what counts by the definitions of statements, from their entries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from ._entries import TALLIES, Counted, Entry
from ._reading import refuse
from ._sums import _Sum


class Month(NamedTuple):
    """A verified statement with its entries."""

    head: Mapping[str, Any]
    definition: Mapping[str, Any] | None
    entries: Sequence[Entry]


class _Part(_Sum):
    """Some of the outcomes, and how much of their value is estimated."""

    def __init__(self) -> None:
        super().__init__()
        self.estimated = _Sum()

    def count_for(self, counted: Counted, rule: Mapping[str, Any] | None = None) -> None:
        """Add an outcome, for what it counts by its rule."""
        has_own = rule is None or rule["each_usd"] is None
        value = counted.value or Decimal(0) if has_own else Decimal(rule["each_usd"])  # type: ignore[index] # there is a rule
        self.add(value, 1)
        if rule and rule["basis"] == "estimated":
            self.estimated.add(value, 1)

    def with_estimated(self) -> dict[str, Any]:
        return {**self.json(), "estimated_usd": self.estimated.json()["value_usd"]}


def by_rule(months: Sequence[Month]) -> dict[str, Any] | None:
    """Return what counts as of the last cut, or None if no statement has a definition. months: consecutive ones.

    Raises StatementError if a day is in no year of the calendar.
    """
    if not any(month.definition for month in months):
        return None
    newest: dict[str, tuple[Counted, str]] = {}  # an outcome's values, and the month of its newest entry
    for month in months:
        for entry in month.entries:
            newest[entry.fields.get("outcome_id", entry.fields["id"])] = entry.after, month.head["period"]
    today = _day_after(months[-1].head["period"])
    parts: defaultdict[str, _Part] = defaultdict(_Part)
    closes: defaultdict[date, _Part] = defaultdict(_Part)
    for counted, recorded_in in newest.values():
        if "standing" not in TALLIES[counted.status]:
            continue
        happened_in = next((m for m in months if m.head["from"] <= counted.occurred_at < m.head["cut"]), None)
        if happened_in is None:
            parts["no_rule_known"].count_for(counted)
        elif happened_in.definition is None:
            parts["before_rules"].count_for(counted)
        else:
            *rules, others = happened_in.definition["types"]
            rule = next((each for each in rules if each["outcome_type"] == counted.outcome_type), others)
            on = _day_after(recorded_in, happened_in.definition["dispute_days"])
            part = _part(rule["when"], counted, is_closed=on <= today)
            parts[part].count_for(counted, rule)
            if part == "waiting":
                closes[on].count_for(counted, rule)
    return {
        "as_of": months[-1].head["cut"],
        "counted": parts["counted"].with_estimated(),
        "waiting": {
            **parts["waiting"].with_estimated(),
            "closes": [{"on": on.isoformat(), **part.json()} for on, part in sorted(closes.items())],
        },
        "unconfirmed": parts["unconfirmed"].with_estimated(),
        **{name: parts[name].json() for name in ("not_counted", "before_rules", "no_rule_known")},
    }


def _part(when: str, counted: Counted, *, is_closed: bool) -> str:
    if when == "never":
        return "not_counted"
    if when == "claimed" or counted.status == "confirmed":
        return "counted"
    if when == "confirmed":
        return "unconfirmed"
    return "counted" if is_closed else "waiting"


def _day_after(period: str, days: int = 0) -> date:
    """Return the first day after a month, such as `2026-10`, or a day that is some days later."""
    year, month = map(int, period.split("-"))
    try:
        return date(year + month // 12, month % 12 + 1, 1) + timedelta(days)
    except (OverflowError, ValueError):
        refuse("definition", f"expected {days} days after {period} to be in the years 1 to 9999")
