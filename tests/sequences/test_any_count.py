"""Random histories of a user's outcomes, and what counts of them: by sums of entries, and by a loop over the outcomes.

Instants are near the ends of local months, a millisecond before, at and after them. Several looks follow each other:
each keeps sums, and the next one goes on from them. An entry can land minutes after its instant, an import adds
outcomes of the past, and earlier code has written some of the corrections.

HISTORIES=10000 tries as many (`make soak`). A failed test prints its seed.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays
from outcomes.calendar.period import Period, time_zone
from outcomes.contract import json_text, occurrence
from outcomes.contract.caller import Caller
from outcomes.contract.correction_rules import Correction, CorrectionType
from outcomes.contract.models import NewOutcome
from outcomes.contract.sums import TALLIES, Cell, Sums
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import CorrectionDraft, id_of, version_of
from outcomes.ledger.entries import Entries, sort_key_of
from outcomes.ledger.items import outcome_item, status_of
from outcomes.totals import materialized, open_months
from outcomes.totals.open_months import OpenMonths
from outcomes.totals.stored_sums import SETTLED_SECONDS, SettledInterval
from outcomes.totals.summary import Summary
from outcomes.totals.what_counts import WhatCounts

from smoke.model import MOVES, Choice
from tests.figures import count
from tests.what_counts import divided, draw_definitions, said, without_days

HISTORIES = int(os.environ.get("HISTORIES", "150"))
TOGETHER = 500
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Cairo", "Pacific/Apia"]
TYPES = ["deal_closed", "content_published", "task_complete"]
AGENTS = [None, 7, 8]
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
LATEST = 372 * SECOND  # after its instant, an entry lands at most this much later


class History:
    """Outcomes and corrections. entries: with the time when each landed. outcomes: the same of their items."""

    def __init__(self, random: Random, ends: list[int], until: int) -> None:
        self.random = random
        self.ends = ends
        self.until = until
        self.entries: list[tuple[int, Any]] = []
        self.outcomes: list[tuple[int, Any]] = []
        self.imports: list[int] = []
        for _ in range(random.randint(1, 12)):
            self.add_outcome()

    def instant(self, since: int) -> int:
        """Draw an instant from `since` on, often one at the end of a month."""
        near = [end + late for end in self.ends for late in (-1, 0, 1) if since <= end + late <= self.until]
        return (
            self.random.choice(near) if near and self.random.random() < 0.5 else self.random.randint(since, self.until)
        )

    def add_outcome(self) -> None:
        random = self.random
        at = self.instant(self.ends[0])
        landed = at + random.choice([0, 0, SECOND, LATEST])
        if random.random() < 0.15:  # an import
            landed = self.instant(at)
            self.imports.append(landed)
        fields = self.fields(at)
        outcome = NewOutcome(fields["outcome_type"], "Done", None, fields["value_usd"], fields["agent_id"], 42)
        outcome = outcome._replace(occurred_at=fields["occurred_at"])
        item = outcome_item(outcome, "key", ulid.new(at))
        self.outcomes.append((landed, item))
        for _ in range(random.choice([0, 0, 1, 2, 4])):
            if status_of(item) == "void" or max(at, landed) >= self.until:
                break
            at = self.instant(max(at, landed) + 1)
            landed = max(landed, at + random.choice([0, 0, SECOND, LATEST]))
            item = self.correct(item, at, landed)

    def fields(self, at: int) -> dict[str, Any]:
        ago = self.random.choice([None, 0, -occurrence.MOST_EARLY, HOUR, 34 * DAY, self.random.randint(0, 120 * DAY)])
        return {
            "outcome_type": self.random.choice(TYPES),
            "value_usd": self.random.choice([None, Decimal(0), Decimal("12.5"), Decimal(-3), Decimal("1E-9")]),
            "agent_id": self.random.choice(AGENTS),
            "occurred_at": None if ago is None else at - ago,
        }

    def correct(self, item: Any, at: int, landed: int) -> Any:
        random = self.random
        type_ = random.choice(["amend", "amend", "void", "dispute", "uphold", "confirm", "confirm"])
        to = MOVES[type_].get(status_of(item))
        if to is None:
            return item
        changes: dict[str, Any] = {}
        if type_ == "amend":
            changes = {"title": f"Amended {at}"}
            if random.random() < 0.6:
                changes |= self.fields(ulid.milliseconds(id_of(item)))
            if status_of(item) == "disputed" and random.random() < 0.5:  # by an agent's key
                to = "disputed"
        correction = Correction(CorrectionType(type_), None, None, changes, [])
        with patch.object(instants, "now", lambda: at):
            draft = CorrectionDraft.of(item, correction, to, Caller(session_user=42))
        entry = draft.entry
        if random.random() < 0.2:  # as earlier code wrote it
            entry = {name: value for name, value in entry.items() if name != "since"}
        self.entries.append((landed, entry))
        self.outcomes.append((landed, draft.after))
        return draft.after

    def items(self, now: int) -> dict[str, Any]:
        """Return the outcomes' items as they are stored at an instant, by id."""
        return {id_of(item): item for landed, item in sorted(self.outcomes, key=lambda each: each[0]) if landed <= now}

    def corrections(self, now: int) -> list[Any]:
        return [entry for landed, entry in self.entries if landed <= now]


class Kept:
    """Stored sums, which may be lost."""

    partition = "42"

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.settled = ""
        self.rows: dict[str, SettledInterval] = {}

    def read(self, _name: str, first: str) -> Iterator[SettledInterval]:
        end = ""
        for begin in sorted(self.rows):
            if begin >= first and begin >= end:
                yield self.rows[begin]
                end = self.rows[begin].end


def run(seed: int) -> int:
    """Run one history. Return how many looks had something that waited."""
    random = Random(seed)  # noqa: S311 - to be drawn again
    zone = random.choice(ZONES)
    days = LocalDays(time_zone(zone))
    first = random.randint(1, 8)
    months = [date(2026, month, 1) for month in range(first, first + 5)]
    ends = [instants.read(days.named(month).begin) for month in months]
    nows = sorted(
        random.choice(
            [
                random.choice(ends[2:])
                + random.choice([-1, 0, 1, MINUTE, DAY, 2 * DAY, 14 * DAY, 28 * DAY + 1, 31 * DAY]),
                random.randint(ends[2], ends[-1]),
            ]
        )
        for _ in range(3)
    )
    with patch.object(ulid, "os", SimpleNamespace(urandom=random.randbytes)), patch.object(ulid, "_last", None):
        history = History(random, ends, nows[-1])
    definitions = draw_definitions(random, zone, [f"{month:%Y-%m}" for month in months[:4]], TYPES[:2])
    kept = Kept(zone)
    waiting = before = 0
    for now in nows:
        if any(before < at <= now for at in history.imports) or random.random() < 0.1:
            kept.rows = {}
        waiting += look(random, history, kept, definitions, days, now)
        before = now
    return waiting


def look(random: Random, history: History, kept: Kept, definitions: Any, days: LocalDays, now: int) -> bool:
    today = date.fromisoformat(days.of(instants.text(now)).date)
    since = today - timedelta(days=random.choice([0, 6, 29, 89, 400, 400]))
    until = today + timedelta(days=random.choice([1, 1, 1, -5, 30]))
    since = min(since, until - timedelta(days=1))
    types = tuple(random.choice([[], [], TYPES[:1], TYPES[1:]]))
    agent: Any = random.choice([None, None, 7, "none"])
    clock = datetime.fromtimestamp(now / 1000, UTC)
    period = Period.from_query(since.isoformat(), until.isoformat(), kept.zone, "month", now=clock)
    summary = Summary(period, types, agent)
    items, corrections = history.items(now), history.corrections(now)
    entries = sorted([*items.values(), *corrections], key=sort_key_of)

    first = instants.text(period.since - occurrence.MOST_EARLY)
    kept.settled = instants.text(now - SETTLED_SECONDS * SECOND)
    position = random.choice(
        [first, kept.settled, instants.text(random.randint(instants.read(first), max(now, period.since)))]
    )
    reader: Any = Entries(lambda _: None, "", "", with_items=True)  # type: ignore[arg-type,return-value]
    told = list(reader._entries([{"Items": entries}]))

    def recorded(begin: str, end: str | None) -> Any:
        return materialized._by_instant(
            iter([each for each in told if begin <= each[0] and (not end or each[0] < end)])
        )

    with patch.object(instants, "now", lambda: now):
        counted = WhatCounts(definitions, summary)
    sums = Sums()
    for entry in told:
        for delta in entry.deltas if entry.recorded_at >= first else ():
            cell = Cell(days.of(delta.occurred_at).date, delta.outcome_type, delta.agent_id)
            sums.of(cell)[TALLIES.index(delta.tally)].add(delta.sign, delta.value_usd)
    for cell, tallies in sums.by_cell.items():
        if since.isoformat() <= cell.date < until.isoformat():
            summary.add(cell, tallies)
    if counted.month:
        histories: Any = SimpleNamespace(
            items=lambda keys: [items[id_of(key)] for key in keys],
            of=lambda outcomes: {
                id_of(item): sorted(
                    (entry for entry in corrections if entry["outcome"]["S"] == id_of(item)), key=version_of
                )
                for item in outcomes
            },
        )
        with patch.multiple(
            open_months, MERGED_CELLS=random.choice([0, 3, 1_000]), TOGETHER=random.choice([1, 3, 100])
        ):
            sums_of_months = OpenMonths(kept, days, counted.month, first, histories)  # type: ignore[arg-type]

            def keep() -> None:
                for interval in sums_of_months.new_intervals(min(position, kept.settled)):
                    kept.rows[interval.begin] = interval

            position = max(position, first)
            for _ in sums_of_months.adding(recorded(position, None), position, None):
                pass
            for begin, end in sums_of_months.gaps(position):
                for _ in sums_of_months.adding(recorded(begin, end), begin, end):
                    if random.random() < 0.1:  # the time is up
                        keep()
                        return False
            if random.random() < 0.8:  # beside an import, nothing is kept
                keep()
            counted.add(sums_of_months.by_month())
    expected = without_days(
        divided(items.values(), definitions, today, Choice(types, agent, (), *map(instants.text, period[:2])))
    )
    assert said(json_text.read(counted.by_rule(summary))) == expected
    return any(place[1] == "waiting" for place in expected)


@pytest.mark.parametrize("first", range(0, HISTORIES, TOGETHER))
def test_what_counts_equals_a_loop_over_the_outcomes(first: int) -> None:
    waiting, seeds = 0, range(first, min(first + TOGETHER, HISTORIES))
    for seed in seeds:
        try:
            waiting += run(seed)
        except Exception as failure:
            failure.add_note(f"The history of seed {seed}")
            raise
    count(counts=len(seeds))
    assert waiting > len(seeds) / 4
