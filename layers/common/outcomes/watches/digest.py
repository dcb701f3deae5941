"""Compute a user's weekly digest: last week beside the week before, and what waits.

The state of the setting's row is `{"week":"2026-W49","told":{...}}`: the week that was told last, and the data of its
event.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from outcomes.calendar import instants
from outcomes.contract.sums import ALL_TYPES, EXACT, Sum
from outcomes.contract.watches import Weekday
from outcomes.costs.cost_report import CostReport
from outcomes.ledger import ulid
from outcomes.limits import RECENT_DAYS
from outcomes.watches import periods
from outcomes.watches.figures import Reading
from outcomes.watches.periods import LocalPeriod
from outcomes.watches.stored_watches import Digest

BEST_AGENTS = 3
SOON_DAYS = 7

_DAYS = [*Weekday]


def due(digest: Digest, now: int) -> LocalPeriod | None:
    """Return the week to tell: the one before the last time that the setting names. None if it was told, or not due."""
    today = periods.today_in(digest.timezone, now)
    monday = today - timedelta(days=today.weekday())
    tells_at = _time(digest, monday)
    if now < tells_at:
        monday -= timedelta(days=7)
        tells_at = _time(digest, monday)
    week = periods.week_of(monday - timedelta(days=7), digest.timezone)
    was_told = bool(digest.state) and digest.state["week"] >= week.name
    return None if was_told or tells_at < ulid.milliseconds(digest.head.made) else week


class Letter:
    """The digest of a week. It says what it needs to a reading, which must `run` before `state` is called."""

    def __init__(self, reading: Reading, digest: Digest, week: LocalPeriod) -> None:
        self.reading = reading
        self.name = week.name
        weeks = week, periods.before(week)
        has_costs = bool(reading.figures.costs)
        self.weeks = [reading.summary(each, lists_agents=each is week) for each in weeks]
        self.reports = [reading.report(each) for each in weeks if has_costs]
        self.counting = reading.count(self.weeks[0])
        zone = reading.definitions.timezone if reading.definitions else digest.timezone
        self.recent = reading.summary(periods.recent(reading.now, RECENT_DAYS, zone))
        self.unreviewed = reading.unreviewed(self.recent)
        self.today = periods.today_in(zone, reading.now)

    def state(self) -> dict[str, Any] | None:
        """Return the new state of the setting's row, or None if something cannot be read now."""
        if any(id(each) in self.reading.trouble for each in (*self.weeks, *self.reports, self.recent)):
            return None
        week, before = (self._week(place) for place in (0, 1))
        period = self.weeks[0].period
        told = {
            "at": instants.text(self.reading.now),
            "from": instants.text(period.since),
            "to": instants.text(period.until),
            "timezone": period.timezone,
            **week,
            "previous": before,
            "best_agents": self._best_agents(),
            "unreviewed": _members(self.unreviewed()),
            "counts_soon": self._soon(),
            "disputed": self._disputed(),
            "cost_gaps": self._gaps(),
            "recorded_until": self.reading.recorded_until,
        }
        return {"week": self.name, "told": told}

    def _week(self, place: int) -> dict[str, Any]:
        summary = self.weeks[place]
        claimed = summary.totals[0]
        report = self.reports[place] if self.reports else None
        cost = report.cost if report else None
        total = self.counting.total(summary) if self.counting else None
        return {
            **_members(claimed),
            "counted_usd": total.counted.plain if total else None,
            "waiting_usd": total.all_waiting.plain if total else None,
            "cost_usd": cost,
            "known_days": Decimal(report.known_days) if report else None,
            "of_days": Decimal(len(report.days)) if report else None,
            "net_usd": None if cost is None else EXACT.subtract(claimed.value, cost),
        }

    def _best_agents(self) -> list[dict[str, Any]]:
        by_agent = [
            (cell.agent_id, tallies[0])
            for cell, tallies in self.weeks[0].sums.by_cell.items()
            if cell.outcome_type == ALL_TYPES and tallies[0].count
        ]
        best = sorted(by_agent, key=lambda each: (*each[1].rank, each[0] is None, each[0] or 0))[:BEST_AGENTS]
        return [{"agent_id": agent and Decimal(agent), **_members(sum_)} for agent, sum_ in best]

    def _soon(self) -> dict[str, Any] | None:
        """Return what counts by itself in the next days, if nobody disputes it."""
        counting = self.reading.count(self.recent)
        total = counting.total(self.recent) if counting else None
        if total is None:
            return None
        last, soon = (self.today + timedelta(days=SOON_DAYS)).isoformat(), Sum()
        for day, amount in total.waiting.items():
            if day <= last:
                soon.add(amount.count, amount.value)
        return _members(soon)

    def _disputed(self) -> dict[str, Any]:
        """Return the disputes, and the age in days of the outcome that happened first."""
        total, days = Sum(), []
        for cell, (_, _, disputed, _) in self.recent.of_all_agents():
            total.add(disputed.count, disputed.value)
            days += [cell.date] if disputed.count else []
        oldest = (self.today - date.fromisoformat(min(days))).days if days else None
        return {**_members(total), "oldest_days": None if oldest is None else Decimal(oldest)}

    def _gaps(self) -> list[dict[str, Any]]:
        """Return the days of the week of which a source has no costs, but of days before and after."""
        known: dict[str, set[str]] = {}
        for report in self.reports:
            for source, days in report.known_by_source.items():
                known.setdefault(source, set()).update(days)
        gaps = {source: _gaps(self.reports[0], days) for source, days in sorted(known.items())}
        return [{"source": source, "days": days} for source, days in gaps.items() if days]


def _gaps(report: CostReport, known: set[str]) -> list[str]:
    return [day for day in report.days if min(known) < day < max(known) and day not in known]


def _members(sum_: Sum) -> dict[str, Any]:
    return {"count": Decimal(sum_.count), "value_usd": sum_.plain}


def _time(digest: Digest, monday: date) -> int:
    day = monday + timedelta(days=_DAYS.index(Weekday(digest.day)))
    return periods.at_hour(day, digest.hour, digest.timezone)
