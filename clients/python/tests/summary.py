"""Compute summaries for the fake API, which has none, from outcomes as a list with `include=ledger` returns them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

type Outcomes = list[dict[str, Any]]

COUNTED = ("recorded", "confirmed")


def summary(outcomes: Outcomes, query: Mapping[str, Sequence[str]]) -> dict[str, Any] | None:
    """Return the body of a summary, or None for an unknown time zone. In every time zone, its days are days in UTC."""
    zone = query.get("timezone", ["UTC"])[0]
    if zone not in ("UTC", "Europe/Berlin"):
        return None
    start, end = query.get("from", ["2026-03-20"])[0], query.get("to", ["2026-04-19"])[0]
    first, last = date.fromisoformat(start[:10]), date.fromisoformat(end[:10])

    def happened(begin: str, end: str, *status: str) -> Outcomes:
        return [
            one
            for one in outcomes
            if begin <= one["occurred_at"] < end
            and one["status"] in status
            and one["outcome_type"] in query.get("outcomeType", [one["outcome_type"]])
            and str(one["agent_id"]) in query.get("agentId", [str(one["agent_id"])])
        ]

    counted = happened(start, end, *COUNTED)
    groups: dict[str, dict[Any, Outcomes]] = {name: defaultdict(list) for name in ("outcome_type", "agent_id")}
    for (name, group), one in itertools.product(groups.items(), counted):
        group[one[name]].append(one)
    by = {name: [{name: key, **total(items)} for key, items in group.items()] for name, group in groups.items()}
    division = query.get("by", ["day"])[0]
    days = [first + timedelta(n) for n in range((last - first).days)]
    begins = [day for day in days if division == "day" or day == first or _begins(day, division)]
    texts = [*(day.isoformat() for day in begins), end]
    answer = {
        **{"from": start, "to": end, "timezone": zone, **total(counted)},
        "confirmed": total(happened(start, end, "confirmed")),
        "disputed": total(happened(start, end, "disputed")),
        "voided": total(happened(start, end, "void")),
        "by_type": by["outcome_type"],
        "by_agent": by["agent_id"],
        f"by_{division}": [
            {"date": day, **total(happened(day, after, *COUNTED))} for day, after in itertools.pairwise(texts)
        ],
    }
    if "compare" in query:
        before = (first - (last - first)).isoformat()
        answer["previous"] = {"from": before, "to": start, **total(happened(before, start, *COUNTED))}
    return answer


def total(items: Outcomes) -> dict[str, Any]:
    return {"count": len(items), "value_usd": sum((Decimal(one["value_usd"] or 0) for one in items), Decimal(0))}


def _begins(day: date, division: str) -> bool:
    return day.weekday() == 0 if division == "week" else day.day == 1
