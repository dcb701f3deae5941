"""Check that a statement's sums follow from its entries."""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Mapping
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact
from itertools import pairwise
from typing import Any

from ._entries import INSTANT, TALLIES, Counted, Entry
from ._reading import Kinds, compact, members, refuse

_SUM: Kinds = {"count": (int,), "value_usd": (str,)}
_APART = ("confirmed", "disputed", "voided")
_TOTALS: Kinds = {
    **_SUM,
    **dict.fromkeys(_APART, (dict,)),
    **dict.fromkeys(("by_type", "by_agent"), (list,)),
    "other_agents": (dict, type(None)),
}
_OTHERS: Kinds = {"agents": (int,), **_SUM}
_MAX_AGENTS = 1_000  # the most rows of agents in the totals, and in all adjustments together
_ADJUSTMENT: Kinds = {"from": (str,), "to": (str,), "totals": (dict,)}
_MONEY_OF_SUMS = re.compile(r"(?!-0\.00$)-?(0|[1-9][0-9]*)\.[0-9]{2}([0-9]*[1-9])?")
_DIGITS = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact])  # never rounds a sum
_LONGEST = 300  # maximum characters of a value that an error quotes


def check_sums(head: Mapping[str, Any], sums: Mapping[str, Any], entries: list[Entry] | None) -> None:
    """Refuse malformed totals and adjustments. If entries are given, also refuse values that differ from their sums."""
    totals, adjustments = sums["totals"], sums["adjustments"]
    own, others = _Totals(), []
    for entry in entries or []:
        if entry.before == entry.after:
            continue
        for counted, sign in ((entry.before, -1), (entry.after, 1)):
            if counted is None:
                continue
            if head["from"] <= counted.occurred_at < head["cut"]:
                own.add(counted, sign)
            else:
                others.append((counted, sign))
    _check_totals("totals", totals)
    if entries is not None:
        _compare("totals", "", own.json(*_fold([own])), totals)
    _check_periods(head, adjustments)
    if entries is not None:
        _check_changes(adjustments, others)


def _check_totals(word: str, totals: Any) -> None:
    members(word, "totals", totals, _TOTALS)
    others = totals["other_agents"]
    parts = [members(word, tally, totals[tally], _SUM) for tally in _APART]
    parts += [] if others is None else [members(word, "other_agents", others, _OTHERS)]
    for sum_ in (totals, *parts):
        if not _MONEY_OF_SUMS.fullmatch(sum_["value_usd"]):
            refuse(word, f"expected money of sums, found {sum_['value_usd']}")


def _check_periods(head: Mapping[str, Any], listed: list[Any]) -> None:
    for n, each in enumerate(listed):
        members("adjustments", f"adjustment {n}", each, _ADJUSTMENT)
        for instant in (each["from"], each["to"]):
            if not INSTANT.fullmatch(instant):
                refuse("adjustments", f"adjustment {n}: expected an instant, found {instant}")
        _check_totals("adjustments", each["totals"])
    periods = [(each["from"], each["to"]) for each in listed]
    if any(begin >= end for begin, end in periods) or any(end > begin for (_, end), (begin, _) in pairwise(periods)):
        refuse("adjustments", "expected periods that are sorted and do not overlap")
    if any(begin < head["cut"] and head["from"] < end for begin, end in periods):
        refuse("adjustments", f"expected no period that overlaps {head['from']} to {head['cut']}")


def _check_changes(listed: list[Any], changes: list[tuple[Counted, int]]) -> None:
    totals = [_Totals() for _ in listed]
    begins = [each["from"] for each in listed]
    for counted, sign in changes:
        n = bisect(begins, counted.occurred_at) - 1
        if n < 0 or counted.occurred_at >= listed[n]["to"]:
            refuse("adjustments", f"expected one for {counted.occurred_at}, when an outcome of an entry happened")
        totals[n].add(counted, sign)
    for n, (each, expected, agents) in enumerate(zip(listed, totals, _fold(totals), strict=True)):
        if not expected.touched:
            refuse("adjustments", f"expected none from {each['from']}, because no entry changes this period")
        right = {"from": each["from"], "to": each["to"], "totals": expected.json(agents)}
        _compare("adjustments", f"[{n}]", right, each)


class _Sum:
    def __init__(self) -> None:
        self.count, self.value = 0, Decimal(0)

    def add(self, value: Decimal, sign: int) -> None:
        self.count += sign
        self.value = (_DIGITS.add if sign > 0 else _DIGITS.subtract)(self.value, value)

    def json(self) -> dict[str, Any]:
        whole, _, decimals = f"{self.value.normalize(_DIGITS) if self.value else Decimal(0):f}".partition(".")
        return {"count": self.count, "value_usd": f"{whole}.{decimals:0<2}"}


class _Totals:
    """The totals of a period. `touched`: whether entries change them, even if the changes add up to zero."""

    def __init__(self) -> None:
        self.touched = False
        self.tallies: defaultdict[str, _Sum] = defaultdict(_Sum)
        self.by_type: defaultdict[str, _Sum] = defaultdict(_Sum)
        self.by_agent: defaultdict[int | None, _Sum] = defaultdict(_Sum)

    def add(self, counted: Counted, sign: int) -> None:
        self.touched = True
        tallies = TALLIES[counted.status]
        sums = [self.tallies[tally] for tally in tallies]
        if "standing" in tallies:
            sums += self.by_type[counted.outcome_type], self.by_agent[counted.agent_id]
        for sum_ in sums:
            sum_.add(counted.value or Decimal(0), sign)

    def json(self, agents: _Agents) -> dict[str, Any]:
        return {
            **self.tallies["standing"].json(),
            **{tally: self.tallies[tally].json() for tally in _APART},
            "by_type": _rows("outcome_type", self.by_type),
            "by_agent": _rows("agent_id", agents.kept),
            "other_agents": {"agents": agents.others, **agents.sum.json()} if agents.others else None,
        }


class _Agents:
    """The sums of a period's agents that are listed, and the number and sum of all others."""

    def __init__(self) -> None:
        self.kept: dict[int | None, _Sum] = {}
        self.others, self.sum = 0, _Sum()

    def leave_out(self, sum_: _Sum) -> None:
        self.others += 1
        self.sum.count += sum_.count
        self.sum.value = _DIGITS.add(self.sum.value, sum_.value)


def _fold(periods: list[_Totals]) -> list[_Agents]:
    """Keep the greatest sums of agents of all periods together. The periods are sorted by time."""
    rows = [
        (sum_, agent, n)
        for n, totals in enumerate(periods)
        for agent, sum_ in totals.by_agent.items()
        if sum_.count or sum_.value
    ]
    # copy_abs and copy_negate do not round, as abs and the minus sign do.
    rows.sort(key=lambda row: (row[0].value.copy_abs().copy_negate(), -abs(row[0].count), _order(row[1]), row[2]))
    folded = [_Agents() for _ in periods]
    for sum_, agent, n in rows[:_MAX_AGENTS]:
        folded[n].kept[agent] = sum_
    for sum_, _, n in rows[_MAX_AGENTS:]:
        folded[n].leave_out(sum_)
    return folded


def _rows(name: str, sums: Mapping[str, _Sum] | Mapping[int | None, _Sum]) -> list[dict[str, Any]]:
    rows = [(key, sum_) for key, sum_ in sums.items() if sum_.count or sum_.value]
    return [{name: key, **sum_.json()} for key, sum_ in sorted(rows, key=lambda row: _order(row[0]))]


def _order(key: str | int | None) -> tuple[bool, Any]:
    """Return the sort key of a type or an agent, null first."""
    return key is not None, key


def _compare(word: str, where: str, expected: Any, found: Any) -> None:
    """Refuse a value that differs from the expected one, and name the first difference."""
    if compact(expected) == compact(found):
        return
    if isinstance(expected, dict) and isinstance(found, dict) and list(expected) == list(found):
        for name in expected:
            _compare(word, f"{where}.{name}".lstrip("."), expected[name], found[name])
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for n, each in enumerate(expected):
            _compare(word, f"{where}[{n}]", each, found[n])
    refuse(word, f"expected {where} {compact(expected)[:_LONGEST]} by the entries, found {compact(found)[:_LONGEST]}")
