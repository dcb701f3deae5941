"""Read the present figures of a user's watches, as the summary and the cost report have them.

Watches with the same period and filters share one reading, and all readings of a time zone read the ledger once.
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from outcomes.calendar import instants
from outcomes.calendar.period import have_same_days
from outcomes.contract.sums import EXACT, Sum
from outcomes.costs.cost_report import CostReport
from outcomes.costs.stored_costs import StoredCosts
from outcomes.definitions import stored_definitions
from outcomes.definitions.definition_rules import Definitions
from outcomes.errors import Busy, StillAddingUp
from outcomes.ledger import ulid
from outcomes.limits import RECENT_DAYS
from outcomes.totals.materialized import Totals
from outcomes.totals.summary import Summary
from outcomes.totals.what_counts import WhatCounts
from outcomes.watches import periods
from outcomes.watches.periods import LocalPeriod

if TYPE_CHECKING:
    from outcomes.watches.stored_watches import Watch

READ_SECONDS = 30.0  # after this time, no further reading of a user begins; each one ends by itself

NO_DEFINITION, OTHER_ZONE, NO_COSTS = "No definition", "Other time zone", "No costs"
LASTING = {NO_DEFINITION, OTHER_ZONE, NO_COSTS}
"""The statuses that stay until somebody changes something. All others pass by themselves."""


class Figure(NamedTuple):
    """A watch's present figure.

    value: in US dollars, a count or a number of days; None if it cannot be known now.
    status: then says why. counted, waiting, estimated_usd: only of `counted`, of which `value` is the sum of the first
    two. recorded_until: all that was recorded before this instant is included, in the format of `instants.text`.
    """

    value: Decimal | None
    status: str | None = None
    recorded_until: str = ""
    counted: Decimal | None = None
    waiting: Decimal | None = None
    estimated_usd: Decimal | None = None


class Figures:
    """Reads figures. costs, definitions: the names of the tables of costs and of statements; empty if switched off.

    seconds: see READ_SECONDS.
    """

    def __init__(self, totals: Totals, costs: str, definitions: str, seconds: float = READ_SECONDS) -> None:
        self.totals = totals
        self.seconds = seconds
        self.costs = costs
        self.definitions = definitions

    def read(self, user_id: int, watches: "Iterable[tuple[Watch, LocalPeriod]]", now: int) -> list[Figure]:
        """Return the figure of each watch for a period. now: in milliseconds since 1970.

        The periods of `unreviewed` and `silence` are ignored: they are about the last RECENT_DAYS.
        """
        reading = Reading(self, user_id, now)
        figures = [reading.of(watch, period) for watch, period in watches]
        reading.run()
        return [figure() for figure in figures]


class Reading:
    """The readings of one user that share what they read. First say what is needed, then `run`, then get figures."""

    def __init__(self, figures: Figures, user_id: int, now: int) -> None:
        self.figures = figures
        self.user_id = user_id
        self.now = now
        self.recorded_until = ""
        self.began = time.monotonic()
        self.summaries: dict[tuple[object, ...], Summary] = {}
        self.reports: dict[tuple[object, ...], CostReport] = {}
        self.counting: dict[tuple[str, bool], WhatCounts] = {}
        self.trouble: dict[int, str] = {}  # by the id of a summary or report that could not be read
        self._definitions: Definitions | None = None
        self._has_definitions = False

    def summary(
        self,
        period: LocalPeriod,
        outcome_type: str | None = None,
        agent_id: int | None = None,
        *,
        lists_agents: bool = False,
    ) -> Summary:
        key = (period[1:], outcome_type, agent_id, lists_agents)
        if key not in self.summaries:
            types = (outcome_type,) if outcome_type else ()
            self.summaries[key] = Summary(period.whole, types, agent_id, lists_agents=lists_agents)
        return self.summaries[key]

    def report(self, period: LocalPeriod, agent_id: int | None = None) -> CostReport:
        key = (period[1:], agent_id)
        if key not in self.reports:
            self.reports[key] = CostReport(period.whole, agent_id)
        return self.reports[key]

    @property
    def definitions(self) -> Definitions | None:
        """Return the user's definitions, which are read once."""
        if not self._has_definitions and self.figures.definitions:
            dynamodb = self.figures.totals.store.dynamodb
            self._definitions = stored_definitions.read(dynamodb, self.figures.definitions, self.user_id)
            self._has_definitions = True
        return self._definitions

    def count(self, summary: Summary) -> WhatCounts | None:
        """Let the reading of a summary say what counts of it, if the definitions have its time zone."""
        if not self.definitions or not have_same_days(self.definitions.timezone, summary.period.timezone):
            return None
        group = _group(summary)
        if group not in self.counting:
            self.counting[group] = WhatCounts(self.definitions, summary)
        return self.counting[group]

    def run(self) -> None:
        """Read everything. What cannot be read in time is in `trouble`, and is tried again with the next run."""
        self.recorded_until = instants.text(instants.now())
        groups: defaultdict[tuple[str, bool], list[Summary]] = defaultdict(list)
        for summary in self.summaries.values():
            groups[_group(summary)].append(summary)
        why = ""
        # Begin with another group each minute, so that none is never read if the time ends before all are.
        order = deque(groups.items())
        order.rotate(self.now // 60_000)
        for group, summaries in order:
            why = why or self._late()
            try:
                if not why:
                    self.figures.totals.aggregate(self.user_id, summaries, self.counting.get(group))
            except (Busy, StillAddingUp) as refused:
                why = refused.error
            self.trouble |= dict.fromkeys(map(id, summaries if why else []), why)
        for report in self.reports.values():
            why = why or self._late()
            try:
                if not why:
                    store = StoredCosts(self.figures.costs, self.figures.totals.store.dynamodb)
                    store.add_to(report, self.user_id)
            except (Busy, StillAddingUp) as refused:
                why = refused.error
            if why:
                self.trouble[id(report)] = why

    def _late(self) -> str:
        return StillAddingUp.error if time.monotonic() > self.began + self.figures.seconds else ""

    def of(self, watch: "Watch", period: LocalPeriod) -> "_Later":
        """Say that a watch's figure is needed. Return what computes it after `run`."""
        match watch.measure:
            case "cost":
                return self._cost(self.report(period, watch.agent_id)) if self.figures.costs else _known(NO_COSTS)
            case "silence":
                return self._silence(watch)
            case "unreviewed":
                return self._unreviewed(watch)
        summary = self.summary(period, watch.outcome_type, watch.agent_id)
        if watch.measure == "counted":
            if not self.definitions:
                return _known(NO_DEFINITION)
            counting = self.count(summary)
            return self._counted(summary, counting) if counting else _known(OTHER_ZONE)
        return lambda: self._figure(summary, lambda: _standing(summary).value)

    def _figure(self, read: Summary | CostReport, value: "_Value") -> Figure:
        if why := self.trouble.get(id(read)):
            return Figure(None, why)
        return Figure(value(), None, self.recorded_until)

    def _cost(self, report: CostReport) -> "_Later":
        # Costs that are not known are no part of the known cost.
        return lambda: self._figure(report, lambda: report.cost or Decimal(0))

    def _counted(self, summary: Summary, counting: WhatCounts) -> "_Later":
        def figure() -> Figure:
            whole = self._figure(summary, Decimal)
            if whole.value is None or not (total := counting.total(summary)):
                return whole if whole.status else Figure(None, OTHER_ZONE)
            counted, waiting = total.counted, total.all_waiting
            return whole._replace(
                value=EXACT.add(counted.value, waiting.value),
                counted=counted.value,
                waiting=waiting.value,
                estimated_usd=EXACT.add(counted.estimated, waiting.estimated),
            )

        return figure

    def _unreviewed(self, watch: "Watch") -> "_Later":
        zone = self.definitions.timezone if self.definitions else watch.timezone
        summary = self.summary(periods.recent(self.now, RECENT_DAYS, zone), watch.outcome_type, watch.agent_id)
        left = self.unreviewed(summary)
        return lambda: self._figure(summary, lambda: Decimal(left().count))

    def unreviewed(self, summary: Summary) -> "_Counted":
        """Return what computes how much of a summary waits for its owner: claimed and not confirmed."""
        counting = self.count(summary)

        def left() -> Sum:
            waits = Sum()
            if counting and (total := counting.total(summary)):
                for part in (total.all_waiting, total.unconfirmed):
                    waits.add(part.count, part.value)
                return waits
            standing, confirmed, *_ = summary.totals
            waits.add(standing.count, standing.value)
            waits.add(-confirmed.count, confirmed.value.copy_negate())
            return waits

        return left

    def _silence(self, watch: "Watch") -> "_Later":
        made_on = periods.today_in(watch.timezone, ulid.milliseconds(watch.head.made))
        today = periods.today_in(watch.timezone, self.now)
        age = max(0, (today - made_on).days)
        # Also read the days before it was made, as long as they matter: a figure must not fall while nothing happens.
        period = periods.recent(self.now, RECENT_DAYS + (age if age <= RECENT_DAYS else 0), watch.timezone)
        summary = self.summary(period, watch.outcome_type, watch.agent_id)

        def days() -> Decimal:
            happened = [cell.date for cell, tallies in summary.of_all_agents() if any(each.count for each in tallies)]
            last = max(happened, default=made_on.isoformat())
            return Decimal(min(RECENT_DAYS, max(0, (today - date.fromisoformat(last)).days - 1)))

        return lambda: self._figure(summary, days)


if TYPE_CHECKING:
    from collections.abc import Callable

    type _Value = Callable[[], Decimal]
    type _Later = Callable[[], Figure]
    type _Counted = Callable[[], Sum]


def _known(status: str) -> "_Later":
    return lambda: Figure(None, status)


def _group(summary: Summary) -> tuple[str, bool]:
    """Return the key of the summaries that are read together. Filters would keep others from stored monthly sums."""
    return summary.period.timezone, summary.is_filtered


def _standing(summary: Summary) -> Sum:
    return summary.totals[0]
