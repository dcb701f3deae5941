"""Measure totals of long histories: the first read, the next read, and the read after one more record.

DynamoDB is a fake in the same process. It generates outcomes when they are read, counts and throttles like the service,
and stores the materialized totals. Outcomes are chosen from the demo data, spread evenly over the days; none is
corrected. Time is simulated: only queries and pauses take some.
"""

import time
from binascii import crc32
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial
from multiprocessing import get_context
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

from outcomes.aws.services import Answer
from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.contract import json_text
from outcomes.contract.caller import Caller
from outcomes.contract.correction_rules import Correction, CorrectionType
from outcomes.contract.models import NewOutcome
from outcomes.contract.status import CONFIRMED, RECORDED
from outcomes.definitions.definition_rules import Definition, Definitions, Rule
from outcomes.errors import Busy
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import CorrectionDraft
from outcomes.ledger.items import new_item
from outcomes.ledger.store import OutcomeStore
from outcomes.totals import settled_intervals
from outcomes.totals.materialized import Totals
from outcomes.totals.summary import Summary
from outcomes.totals.what_counts import WhatCounts

from bench.report import Report
from bench.storage import (
    PAGE_BYTES,
    QUERY_SECONDS,
    RETRY_SECONDS,
    item_bytes,
    page,
    units_of,
    until_added_up,
    write_units,
)
from local.seed import outcomes

DAY = 24 * 3_600_000
END = 1_777_593_600_000  # 2026-05-01T00:00:00Z
YEAR = 366
MONTH = 30
USER = 42

TOO_FEW = 100
"""A number of outcomes per year for which materializing does not save enough."""
CORRECTED = 1_000_000, 100_000
"""Outcomes of a year, and their corrections since the earliest month that is not closed. 1 % of these are of the last
ten minutes."""

PARTITION_UNITS = 3000
"""Read units per second of a partition. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html"""
LIST_UNITS = 3
LISTS_PER_SECOND = 10

PROJECTED = ("created_at", "outcome_type", "agent_id", "value_usd")

type Item = dict[str, Any]


class Case(NamedTuple):
    """A history: the numbers of outcomes, days and agents. is_daily: each agent records an outcome a day, in order."""

    number: int
    days: int
    agents: int
    is_daily: bool = False

    def __str__(self) -> str:
        return f"{self.number:,} outcomes of {self.agents:,} agents in {self.days} days"


CASES = [
    *(Case(number, YEAR, 3) for number in (TOO_FEW, 10_000, 100_000, 1_000_000)),
    *(Case(number, MONTH, 3) for number in (10_000, 1_000_000)),
    Case(1_000_000, YEAR, 10_000),
]
MANY = Case(365 * 10_000, 365, 10_000, is_daily=True)


class Look(NamedTuple):
    """The costs of reading totals, added up over all calls until the totals are complete.

    seconds: of processor time. rows, bytes: the number and total size of the totals that are stored afterwards. lists,
    refused: the outcomes were listed so often since the history began, and so often throttled.
    """

    name: str
    calls: int
    read_units: float
    write_units: int
    seconds: float
    rows: int
    bytes: int
    lists: int
    refused: int


class History:
    """A fake DynamoDB with a user's outcomes, spread evenly over the days before END, and their materialized totals.

    Its partition throttles, while the user's outcomes are listed ten times a second.

    now: the current time of the fake DynamoDB, in milliseconds since 1970. clock: seconds since the beginning. Queries
    and the reader's pauses advance it.
    """

    def __init__(self, case: Case) -> None:
        bodies = [json_text.read(json_text.compact(body)) for _, body in outcomes(END)]
        self.templates = [new_item(NewOutcome.parse(body, session_user=USER), "key", END)[1] for body in bodies]
        self.sizes = [item_bytes(item) for item in self.templates]
        self.case = case
        self.count = case.number
        self.start, self.step = END - case.days * DAY, case.days * DAY // case.number
        self.now = END + DAY
        self.one_more: int | None = None
        self.kept: dict[str, Item] = {}
        self.read_units, self.write_units = 0.0, 0
        self.clock = self.refilled_at = 0.0
        self.capacity = float(PARTITION_UNITS)
        self.lists = self.refused = self.queries = 0
        self.entries: list[Item] = []  # of corrections, in order

    def call(self, operation: str, request: Item, **_: Any) -> Answer:
        self.sleep(QUERY_SECONDS)
        if request["TableName"] != "totals" and not self._admits():
            raise Busy
        answer = Answer(getattr(self, f"_{operation}")(request))
        answer.date = formatdate(self.now / 1000, usegmt=True)
        return answer

    def sleep(self, seconds: float) -> None:
        """Advance the clock, and list outcomes LISTS_PER_SECOND times a second meanwhile."""
        end = self.clock + seconds
        while (due := (self.lists + 1) / LISTS_PER_SECOND) <= end:
            self.clock = due
            self.lists += 1
            if self._admits():
                self.capacity -= LIST_UNITS
            else:
                self.refused += 1
        self.clock = end

    def _admits(self) -> bool:
        """Refill the partition's capacity, and return whether any is left.

        A read is admitted before its size is known, so the capacity can become negative.
        """
        self.capacity = min(PARTITION_UNITS, self.capacity + (self.clock - self.refilled_at) * PARTITION_UNITS)
        self.refilled_at = self.clock
        return self.capacity > 0

    def _Query(self, request: Item) -> Item:  # noqa: N802 - its name
        self.queries += 1
        first, last = (request["ExpressionAttributeValues"][name]["S"] for name in (":first", ":last"))
        if request["TableName"] == "totals":
            return self._sums(request, first, last)
        if first.startswith("~"):
            return self._corrections(request, first, last)
        start = request.get("ExclusiveStartKey")
        begin = instants.read((start["created_at"]["S"] if start else first)[:24])
        index = min(self.count, max(0, -(-(begin - self.start) // self.step)) + bool(start))
        items, size = [], 0
        while index < self.count + (self.one_more is not None):
            at, chance = self._at(index), crc32(index.to_bytes(4))
            template = chance % len(self.templates)
            if at > last or size + self.sizes[template] > PAGE_BYTES:
                break
            agent = 1 + (index if self.case.is_daily else chance >> 8) % self.case.agents
            index += 1
            if at < first:
                continue
            size += self.sizes[template]
            item = self.templates[template] | {
                "created_at": {"S": f"{at}#01KN4EMBG0QK3YB9X6N1V8ZT5R"},
                "agent_id": {"N": str(agent)},
            }
            items.append({name: item[name] for name in PROJECTED if name in item})
        return self._page(items, size, has_more=bool(items) and index < self.count and self._at(index) <= last)

    def _page(self, items: list[Item], size: int, *, has_more: bool) -> Item:
        units = units_of(size)
        self.read_units += units
        self.capacity -= units
        more = {"LastEvaluatedKey": {"created_at": items[-1]["created_at"]}} if has_more else {}
        return {"Items": items, "ConsumedCapacity": {"CapacityUnits": units}} | more

    def _corrections(self, request: Item, first: str, last: str) -> Item:
        is_reverse = request.get("ScanIndexForward") is False
        begin, end = (bisect_left(self.entries, each, key=sort_key) for each in (first, last))
        if start := request.get("ExclusiveStartKey"):
            at = bisect_left(self.entries, sort_key(start), key=sort_key)
            begin, end = (begin, at) if is_reverse else (at + 1, end)
        found = self.entries[begin:end][:: -1 if is_reverse else 1]
        items, size = page(found)
        return self._page(items, size, has_more=len(items) < len(found))

    def _at(self, index: int) -> str:
        """Return the time when the outcome with this index was recorded."""
        at = self.start + index * self.step if index < self.count else self.one_more
        return instants.text(at or 0)

    def _sums(self, request: Item, first: str, last: str) -> Item:
        start = request.get("ExclusiveStartKey", {"stretch": {"S": ""}})["stretch"]["S"]
        keys = [key for key in sorted(self.kept) if first <= key <= last and key > start]
        if request.get("ScanIndexForward") is False:
            keys = keys[::-1]
        items, size = page(self.kept[key] for key in keys[: request.get("Limit")])
        self.read_units += units_of(size) / (1 if request.get("ConsistentRead") else 2)
        more = len(items) < len(keys) and "Limit" not in request
        return {"Items": items} | ({"LastEvaluatedKey": {"stretch": items[-1]["stretch"]}} if more else {})

    def _PutItem(self, request: Item) -> Item:  # noqa: N802 - its name
        self.kept[request["Item"]["stretch"]["S"]] = request["Item"]
        self.write_units += write_units(request["Item"])
        return {}

    def _UpdateItem(self, _request: Item) -> Item:  # noqa: N802 - its name
        self.write_units += 1
        return {}


class Corrected(History):
    """A history of 3 agents with corrections, every second one an amend of words, since the begin of April."""

    def __init__(self, number: int, corrections: int) -> None:
        super().__init__(Case(number, YEAR, 3))
        random = Random(1)  # noqa: S311 - the same history each time
        since, settled = instants.read("2026-04-01T00:00:00Z"), self.now - 11 * 60_000
        times = [random.randint(since, settled) for _ in range(corrections * 99 // 100)]
        times += [random.randint(settled + 120_000, self.now) for _ in range(corrections // 100)]
        self.entries = [self._entry(random, index, at) for index, at in enumerate(sorted(times))]

    def _entry(self, random: Random, index: int, at: int) -> Item:
        earlier = min(instants.read(self._at(random.randrange(self.count))), at - 1)
        before = random.choice(self.templates) | {"created_at": {"S": self._key(earlier, index)}}
        before |= {"user_id": {"S": "42"}, "agent_id": {"N": str(random.randint(1, 3))}}
        type_ = (CorrectionType.AMEND, CorrectionType.CONFIRM)[index % 2]
        changes = {"title": "Closed the deal"} if type_ == CorrectionType.AMEND else {}
        correction = Correction(type_, "A typo", USER, changes, [])
        to = RECORDED if changes else CONFIRMED
        entry = CorrectionDraft.of(before, correction, to, Caller(session_user=USER)).entry
        return entry | {"created_at": {"S": f"~{self._key(at, index)}"}}

    def _key(self, at: int, index: int) -> str:
        return f"{instants.text(at)}#{ulid.from_number(at << 80 | index)}"


def sort_key(item: Item) -> str:
    key: str = item["created_at"]["S"]
    return key


def looks_with_a_definition(number: int, corrections: int) -> dict[str, tuple[int, int, float]]:
    """Return calls, queries and read units of a summary of a year, by whether it says what counts and how often."""
    history = Corrected(number, corrections)
    rule = Rule("unless_disputed", None, "stated")
    definitions = Definitions("UTC", (Definition("2025-06", 1, 14, {"*": rule}, ""),))
    found = {}
    with reading(history) as totals, patch.object(instants, "now", lambda: history.now):
        period = period_of(*(instants.text(at)[:10] for at in (END - YEAR * DAY, END + 2 * DAY)))
        for name in ("alone, first", "counts, first", "counts, next", "alone, next"):
            queries, units = history.queries, history.read_units
            calls, _ = until_added_up(partial(_summary, totals, period, definitions if "counts" in name else None))
            found[name] = calls, history.queries - queries, history.read_units - units
    return found


def bars_of_counting(report: Report, found: dict[str, tuple[int, int, float]]) -> None:
    """Compare what a definition adds to a summary, once sums are kept, with its bars. found: see above."""
    (_, queries, units), (_, alone, units_alone) = found["counts, next"], found["alone, next"]
    note = f"first {found['counts, first'][2]:,.0f} read units in {found['counts, first'][0]} calls"
    number, corrections = CORRECTED
    name = f"look with a definition at {number:,} outcomes and {corrections:,} corrections"
    report.add(f"{name}, queries", queries - alone, "more", bar=2)
    report.add(name, units - units_alone, "read units more", bar=20, note=note)


@contextmanager
def reading(history: History) -> Iterator[Totals]:
    """Context manager: return totals that are read from the history, in its time."""
    store = OutcomeStore("outcomes")
    with (
        patch.object(store.dynamodb, "call", history.call),
        patch.object(time, "monotonic", lambda: history.clock),
        patch.object(time, "sleep", history.sleep),
    ):
        yield Totals(store, "totals", "1")


def period_of(since: str, until: str) -> Period:
    return Period.from_query(since, until, "UTC", "month", now=datetime.fromtimestamp(END / 1000, UTC))


def _summary(
    totals: Totals, period: Period, definitions: Definitions | None = None, *, is_compared: bool = False
) -> Summary:
    """Read a summary. is_compared: whether to read the period before, too."""
    summary = Summary(period)
    counted = WhatCounts(definitions, summary) if definitions else None
    totals.aggregate(USER, [summary, summary.previous()] if is_compared else [summary], counted)
    summary.response(counted=counted)
    return summary


def look(name: str, totals: Totals, history: History, period: Period, *, is_compared: bool = False) -> Look:
    """Read totals, with as many calls as necessary. Raises SystemExit if the count is wrong."""
    read, written = history.read_units, history.write_units
    began = time.process_time()
    calls, summary = until_added_up(partial(_summary, totals, period, is_compared=is_compared), RETRY_SECONDS)
    took = time.process_time() - began
    first, after = (min(history.count, -(-(at - history.start) // history.step)) for at in (period.since, period.until))
    expected = after - max(0, first) + (history.one_more is not None)
    if summary.totals[0].count != expected:
        raise SystemExit(f"A look found {summary.totals[0].count} instead of {expected}")
    sizes = [*map(item_bytes, history.kept.values())]
    read, written = history.read_units - read, history.write_units - written
    return Look(name, calls, read, written, took, len(sizes), sum(sizes), history.lists, history.refused)


def looks(case: Case) -> list[Look]:
    """Read a history's totals a day after its end, again, and once more after one more outcome was recorded."""
    history = History(case)
    with reading(history) as totals:
        period = period_of(*(instants.text(at)[:10] for at in (END - case.days * DAY, END + 2 * DAY)))
        first, next_ = (look(name, totals, history, period) for name in ("first", "next"))
        history.one_more = history.now
        return [first, next_, look("one more", totals, history, period)]


def looks_of_many() -> list[Look]:
    """Read the totals of MANY: twice the year, half a year with the previous one, and the year without its ends."""
    history = History(MANY)
    year = period_of("2025-05-01", "2026-05-01")
    with reading(history) as totals:
        return [
            *(look(name, totals, history, year) for name in ("first", "next")),
            look("with the previous period", totals, history, period_of("2025-11-01", "2026-05-01"), is_compared=True),
            look("at parts of months", totals, history, period_of("2025-05-15", "2026-04-20")),
            look("at parts of days", totals, history, period_of("2025-05-15T12:00:00Z", "2026-04-20T12:00:00Z")),
        ]


def totals_growth(report: Report, short: bool) -> None:
    """Report the costs of reading totals by the size of the history."""
    cases = [Case(number, days, 3) for number in (TOO_FEW, 1_000) for days in (MONTH, YEAR)] if short else CASES
    # Importing takes longer than most reads, so the processes are forked.
    with get_context("fork").Pool() as pool:
        many = None if short else pool.apply_async(looks_of_many)
        counting = None if short else pool.apply_async(looks_with_a_definition, CORRECTED)
        found = dict(zip(cases, pool.map(looks, cases, chunksize=1), strict=True))
        totals_bars(report, found)
        if many:
            bars_of_many(report, many.get())
        if counting:
            bars_of_counting(report, counting.get())


def totals_bars(report: Report, found: dict[Case, list[Look]]) -> None:
    """Compare the costs of reading totals with their bars (upper limits), in a short bench only a few of them."""
    for case, (first, next_, one) in found.items():
        note = (
            f"first {first.read_units:,.0f} in {first.calls} calls and {first.seconds:.1f} s of processor time, after "
            f"one more record {one.read_units:g}; {next_.rows} items of {next_.bytes:,} bytes"
        )
        most = 60 if case == Case(1_000_000, YEAR, 3) else None
        report.add(f"next look at {case}", next_.read_units, "read units", bar=most, note=note)
    after = max(one.read_units - next_.read_units for _, next_, one in found.values())
    report.add("next look after one more record, at most", after, "read units more", bar=2)
    few_written = sum(each.write_units for each in found[Case(TOO_FEW, YEAR, 3)])
    report.add(f"looks at {TOO_FEW} outcomes in a year", few_written, "write units", bar=0)
    if not {*CASES} <= found.keys():
        return
    for days in (MONTH, YEAR):
        few, many = (found[Case(number, days, 3)][1].read_units for number in (10_000, 1_000_000))
        report.add(f"next look at {days} days: 1,000,000 over 10,000", many - few, "read units", bar=1.5)
    for number, bar in {10_000: 1 / 4, 100_000: 1 / 40}.items():
        first, next_, _ = found[Case(number, YEAR, 3)]
        price = first.write_units * settled_intervals.READ_UNITS_PER_WRITE_UNIT
        saved = price / (first.read_units - next_.read_units)
        report.add(f"keeping totals of {number:,} in a year", saved, "of what it saves", bar=bar)
    first = found[Case(1_000_000, MONTH, 3)][0]
    report.add("first look at 1,000,000 in 30 days, calls", first.calls, "calls", bar=7)
    report.add("first look at 1,000,000 in 30 days", first.read_units, "read units", bar=75_000)
    report.add("lists throttled meanwhile", first.refused / first.lists, f"of {first.lists}", bar=0.01)


def bars_of_many(report: Report, found: list[Look]) -> None:
    """Compare the costs of reading the totals of MANY with their bars. found: see `looks_of_many`."""
    first, next_, *others = found
    units = f"{first.read_units:,.0f} read and {first.write_units:,} write units"
    note = f"{first.seconds:.0f} s of processor time, {units}"
    report.add(f"first look at {MANY}", first.calls, "calls", bar=16, note=note)
    report.add(f"next look at {MANY}, time", next_.seconds, "s of processor time", bar=3)
    report.add(f"next look at {MANY}", next_.read_units, "read units", bar=400)
    for each in others:
        note = f"{each.seconds:.1f} s of processor time, {each.read_units:,.0f} read units"
        report.add(f"look {each.name}", each.calls, "calls", bar=3, note=note)
