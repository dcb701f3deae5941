"""After any sequence of puts, deletes and reports, even if some are concurrent, a cost report equals a simple model."""

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import pytest
from outcomes.aws.services import DynamoDB
from outcomes.calendar import instants
from outcomes.calendar.instants import DAY
from outcomes.calendar.period import Period
from outcomes.contract import json_text
from outcomes.contract.caller import Caller
from outcomes.contract.costs import CostLine
from outcomes.contract.preconditions import Preconditions
from outcomes.costs import month_sums, stored_costs
from outcomes.costs.cost_report import CostReport
from outcomes.costs.cost_rows import CostDay
from outcomes.costs.days import CostDays
from outcomes.errors import StillAddingUp

from tests.costs.in_memory import CostsInMemory
from tests.figures import count

SEQUENCES = int(os.environ.get("SEQUENCES", "150"))
STEPS = 10
AMOUNTS = ("0", "9.8", "9.80", "-3.1", "1e-130", "999999999999999", "-0.00000000000000000000000000000000000001", "37")
SOURCES = ("openai", "0x", "a-_1")
AGENTS = (None, 7, 9, 2**53 - 1)
DATES = [(date(2026, 8, 20) + timedelta(days)).isoformat() for days in range(110)]
BEGINS = {day: instants.read(f"{day}T00:00:00Z") for day in DATES}
USER = Caller(session_user=42)


class Model(NamedTuple):
    """The expected cost lines and version of each day and source. restated: when a past day was last replaced."""

    days: dict[tuple[str, str], list[tuple[int | None, Fraction]]]
    versions: dict[tuple[str, str], int]
    restated: dict[tuple[str, str], int]

    def report(self, since: int, until: int, agent: int | str | None, now: int) -> dict[str, Any]:
        dates = [day for day, begin in BEGINS.items() if since <= begin < until]
        found = {key: lines for key, lines in self.days.items() if key[0] in dates}
        by_agent: defaultdict[int | None, Fraction] = defaultdict(Fraction)
        by_day: defaultdict[str, Fraction] = defaultdict(Fraction)
        by_source: defaultdict[str, Fraction] = defaultdict(Fraction)
        for (day, source), lines in found.items():
            for agent_id, cost in lines:
                if agent is None or agent == ("none" if agent_id is None else agent_id):
                    by_agent[agent_id] += cost
                    by_day[day] += cost
                    by_source[source] += cost
        known = {source: sorted(day for day, each in found if each == source) for _, source in found}
        rows = []
        for day in dates:
            sources = sorted(source for source, days in known.items() if day in days)
            row = {"date": day, "cost_usd": by_day[day] if sources else None, "sources": sources}
            restated = [self.restated[day, each] for each in sources if self.restated.get((day, each), 0) > now - DAY]
            rows.append(row | ({"restated_at": instants.text(max(restated))} if restated else {}))
        return {
            "from": instants.text(since),
            "to": instants.text(until),
            "days": "UTC",
            "cost_usd": sum(by_day.values()) if known else None,
            "by_agent": [
                {"agent_id": agent_id, "cost_usd": cost}
                for agent_id, cost in sorted(
                    by_agent.items(), key=lambda each: (-each[1], 2**60 if each[0] is None else each[0])
                )
            ],
            "by_day": rows,
            "by_source": [
                {
                    "source": source,
                    "cost_usd": by_source[source],
                    "known_days": len(days),
                    "gaps": [day for day in dates if days[0] < day < days[-1] and day not in days],
                }
                for source, days in sorted(known.items())
            ],
            "known_days": len({day for day, _ in found}),
            "of_days": len(dates),
        }


class Sequence:
    def __init__(self, seed: int, writes: CostDays, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - a failure must be repeatable
        self.model = Model({}, {}, {})
        self.now = instants.read("2026-11-28T00:30:00Z")
        self.table = CostsInMemory(self.random.choice([1, 2, 5, 1000]))
        self.stops = 0
        monkeypatch.setattr(DynamoDB, "call", lambda _self, *request, **how: self.table.call(*request, **how))
        monkeypatch.setattr(instants, "now", lambda: self.now)
        self.writes = writes
        self.reads = stored_costs.StoredCosts("costs", writes.dynamodb)

    def put(self, month: str | None = None) -> None:
        """Put or delete the lines of a day. month: if given, of one of its days whose changes are counted."""
        counted = [day for day in DATES if month == day[:7] and BEGINS[day] + 3 * DAY < self.now]
        if month and not counted:
            return
        day = self.random.choice(counted) if month else self.date()
        key = day, self.random.choice(SOURCES)
        is_deleted = self.random.random() < 0.2
        if is_deleted and key not in self.model.versions:
            return
        drawn = {
            (self.random.choice(AGENTS), self.random.choice(["", "gpt-5"])): self.random.choice(AMOUNTS)
            for _ in range(self.random.choice([0, 1, 3]))
        }
        made = [CostLine(json_text.read(cost), agent, label=label or None) for (agent, label), cost in drawn.items()]
        lines = None if is_deleted else tuple(sorted(made, key=lambda line: line.key))
        version = self.writes.put(CostDay(42, *key), lines, USER, Preconditions())
        if version > self.model.versions.get(key, 0) > 0 and instants.text(self.now)[:10] > day:
            self.model.restated[key] = self.now
        self.model.versions[key] = version
        self.model.days[key] = [(line.agent_id, Fraction(line.cost_usd)) for line in made]
        if is_deleted:
            del self.model.days[key]

    def date(self) -> str:
        today = instants.text(self.now)[:10]
        recent = [DATES.index(today)] * 3 if today in DATES else []
        return DATES[self.random.choice([*range(0, 100, 9), 12, 13, 41, 42, 43, *recent])]

    def look(self) -> None:
        """Ask for a report, which may run out of time, and be asked for again."""
        since, until = sorted(BEGINS[self.date()] + self.random.choice([0, 0, -1, 1, DAY // 4]) for _ in range(2))
        agent: Any = self.random.choice([None, None, 7, 9, "none"])
        if self.random.random() < 0.3:
            self.table.before_storing = self.put_once
        left = self.random.choice([1000, 1000, 1, 3, 6, 12])
        while left:
            expected = self.model.report(since, until, agent, self.now)
            self.table.before_query = partial(self.stop, iter(range(left)))
            report = CostReport(Period(since, until, "UTC", "day", []), agent)
            try:
                self.reads.add_to(report, 42)
                left = 0
            except StillAddingUp:
                self.stops += 1
                left += 5  # if each page has one row, an early stop has nothing to store
        self.table.before_storing, self.table.before_query = lambda _month: None, lambda: None
        answer = json_text.read(report.response())
        assert exact(answer) == expected, f"seed {self.seed}"

    def put_once(self, month: str) -> None:
        """Put a day of the month whose sums are about to be stored."""
        self.table.before_storing = lambda _month: None
        self.put(month)

    def stop(self, pages: Iterator[int]) -> None:
        if next(pages, None) is None:
            raise StillAddingUp

    def pass_time(self) -> None:
        self.now += self.random.choice([1, DAY // 2, DAY, 8 * DAY, 31 * DAY])


def exact(answer: Any) -> Any:
    """Replace the numbers of an answer with fractions."""
    match answer:
        case dict():
            return {name: exact(value) for name, value in answer.items()}
        case list():
            return [exact(each) for each in answer]
        case str() | None:
            return answer
    return Fraction(answer)


def test_a_report_equals_the_model_after_any_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_costs, "LINES_WORTH_SUMS", 1)
    monkeypatch.setattr(stored_costs, "LINES_WORTH_AN_HOUR", 2)
    monkeypatch.setattr(stored_costs, "BLOCK_CHARACTERS", 60)
    monkeypatch.setattr(month_sums, "LINE_SUMS", 2)
    monkeypatch.setattr(month_sums, "PART_CHARACTERS", 60)
    stored_sums = stops = 0
    writes = CostDays("costs")
    for seed in range(SEQUENCES):
        sequence = Sequence(seed, writes, monkeypatch)
        steps = [sequence.put] * 5 + [sequence.look] * 4 + [sequence.pass_time]
        for _ in range(STEPS):
            sequence.random.choice(steps)()
        sequence.look()
        stored_sums += sequence.table.stored
        stops += sequence.stops
    count(ledgers=SEQUENCES)
    assert stored_sums > SEQUENCES / 2
    assert stops > SEQUENCES / 10
