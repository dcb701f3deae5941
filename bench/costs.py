"""Measure reports of a year of costs: the first, the next, one of an agent, and one after a day was restated.

DynamoDB is a fake in the same process, which counts units like the service. Each call of it takes QUERY_SECONDS of
a simulated clock, to which the processor time of the reports is added.
"""

import random
import resource
import time
from collections.abc import Mapping
from decimal import Decimal
from multiprocessing import get_context
from typing import Any, NamedTuple
from unittest.mock import patch

from outcomes.aws.services import Answer, DynamoDB
from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.contract.caller import Caller
from outcomes.contract.costs import CostLine
from outcomes.contract.preconditions import Preconditions
from outcomes.costs.cost_report import CostReport
from outcomes.costs.cost_rows import CostDay, CostVersion, lines_text
from outcomes.costs.days import CostDays
from outcomes.costs.stored_costs import StoredCosts

from bench.report import Report
from bench.storage import QUERY_SECONDS, RETRY_SECONDS, until_added_up
from tests.costs.in_memory import CostsInMemory

USER = 42
NOW = "2026-11-28T12:00:00Z"
YEAR = 365
KINDS = 31  # each source has so many different texts of lines
MB = 1_000_000


class Case(NamedTuple):
    sources: int
    lines: int

    def __str__(self) -> str:
        return f"{self.sources} sources x {self.lines} lines x {YEAR} days"


class Look(NamedTuple):
    """Adds up what a report took over its calls. seconds: of processor time. peak: of the process, in bytes."""

    calls: int
    read_units: float
    write_units: int
    seconds: float
    peak: int


class Bars(NamedTuple):
    """Limits of the next report: read units, processor seconds and megabytes. calls: of the first report."""

    units: float
    calls: int | None = None
    seconds: float | None = None
    megabytes: float | None = None


BARS = {
    Case(3, 10): Bars(32),
    Case(50, 10): Bars(150),
    Case(15, 200): Bars(150, 6, 1.5),
    Case(50, 200): Bars(400, 20, 3, 300),
}


class Clock:
    """The simulated clock. busy: processor seconds that the fake took, which do not count."""

    def __init__(self) -> None:
        self.slept = self.busy = 0.0

    def monotonic(self) -> float:
        return self.slept + time.process_time() - self.busy

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def looks(case: Case) -> dict[str, Look]:
    """Return what reports of a year took, by name. Raises SystemExit if a cost is wrong."""
    table, clock, drawn = CostsInMemory(), Clock(), random.Random(4711)  # noqa: S311 - only amounts
    now = instants.read(NOW)
    dates = [instants.text(now - days_ago * instants.DAY)[:10] for days_ago in range(YEAR)]

    def call(_self: DynamoDB, *request: Any, **_how: Any) -> Answer:
        began = time.process_time()
        answer = table.call(*request)
        clock.busy += time.process_time() - began
        clock.sleep(QUERY_SECONDS)
        return answer

    with (
        patch.object(DynamoDB, "call", call),
        patch.object(instants, "now", lambda: now),
        patch("time.monotonic", clock.monotonic),
        patch("time.sleep", clock.sleep),
    ):
        days = CostDays("costs")
        expected = _fill(table, case, dates, drawn)

        def look(agent: int | None = None) -> Look:
            began, read, written = clock.monotonic() - clock.slept, table.read_units, table.write_units

            def call() -> CostReport:
                report = CostReport(period, agent)
                StoredCosts("costs", days.dynamodb).add_to(report, USER)
                report.response()
                return report

            calls, report = until_added_up(call, RETRY_SECONDS)
            if report.cost != (expected[agent] if agent else sum(expected.values())):
                raise SystemExit(f"A report found {report.cost}")
            seconds = clock.monotonic() - clock.slept - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            return Look(calls, table.read_units - read, table.write_units - written, seconds, peak)

        begin = instants.read(f"{dates[-1]}T00:00:00Z")
        period = Period(begin, begin + YEAR * instants.DAY, "UTC", "month", [])
        found = {"first": look(), "next": look(), "of an agent": look(7)}
        line = CostLine(Decimal(1), 7)
        replaced = days.read(day := CostDay(USER, dates[200], "source-00"), Caller(session_user=USER)).lines
        for old in replaced or ():
            expected[old.agent_id] -= old.cost_usd
        expected[7] += 1
        days.put(day, (line,), Caller(session_user=USER), Preconditions())
        return found | {"after a day was restated": look(), "after that": look()}


def _fill(table: CostsInMemory, case: Case, dates: list[str], drawn: random.Random) -> dict[int | None, Decimal]:
    """Put a year of costs, and return the plain sum of each agent's. Each line of a day has another agent."""
    by_agent: dict[int | None, Decimal] = {}
    for source in range(case.sources):
        agents = range(source * case.lines + 1, (source + 1) * case.lines + 1)
        for kind in range(KINDS):
            amounts = ((Decimal(drawn.randrange(10**6)).scaleb(-4), Decimal(drawn.randrange(10**7))) for _ in agents)
            lines = tuple(
                CostLine(cost, agent, quantity, "tokens", f"model-{agent % 10}")
                for agent, (cost, quantity) in zip(agents, amounts, strict=True)
            )
            text = {"lines": {"S": lines_text(lines)}}
            for date in (alike := dates[kind::KINDS]):
                row = CostVersion(1, None, "owner", f"{date}T23:00:00.000Z").attributes() | text
                table.put("costs", CostDay(USER, date, f"source-{source:02d}").key | row)
            for line in lines:
                by_agent[line.agent_id] = by_agent.get(line.agent_id, Decimal(0)) + len(alike) * line.cost_usd
    return by_agent


def costs_growth(report: Report, short: bool) -> None:
    """Measure each case in a process of its own, and report it.

    The server that forks it is small: the peak of a process that this one spawned would begin with our own.
    """
    for case, bars in BARS.items():
        if not short or case.lines < 100:
            with get_context("forkserver").Pool(1) as pool:
                costs(report, case, bars, pool.apply(looks, [case]))


def costs(report: Report, case: Case, bars: Bars, found: Mapping[str, Look]) -> None:
    """Compare what reports took with their bars (upper limits). found: the result of `looks`."""
    first, next_, of_agent = (found[name] for name in ("first", "next", "of an agent"))
    restated, after = found["after a day was restated"], found["after that"]
    name = f"report of costs, {case}"
    note = (
        f"{next_.seconds:.2f} s of processor time, {next_.peak / MB:.0f} MB; {restated.read_units:,.0f} after a day "
        f"was restated, then {after.read_units:,.0f}; first in {first.calls} calls, {said(first)}"
    )
    report.add(f"{name}, next", next_.read_units, "read units", bar=bars.units, note=note)
    report.add(f"{name}, of an agent", of_agent.calls, "calls", bar=3, note=said(of_agent))
    for what, measured, unit, bar in (
        ("first", first.calls, "calls", bars.calls),
        ("next, time", next_.seconds, "s of processor time", bars.seconds),
        ("next, memory of the process", next_.peak / MB, "MB", bars.megabytes),
    ):
        if bar:
            report.add(f"{name}, {what}", measured, unit, bar=bar)


def said(look: Look) -> str:
    return f"{look.seconds:.1f} s of processor time, {look.read_units:,.0f} read and {look.write_units:,} write units"
