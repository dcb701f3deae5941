"""Measure totals of long histories: the first read, the next read, and the read after one more record.

DynamoDB is a fake in the same process. It generates outcomes when they are read, counts and throttles like the service,
and stores the materialized totals. Outcomes are chosen from the demo data, spread evenly over the days; none is
corrected. Time is simulated: only queries and pauses take some.
"""

import time
from binascii import a2b_base64, crc32
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import formatdate
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
from outcomes.errors import Busy, StillAddingUp
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import CorrectionDraft
from outcomes.ledger.items import new_item
from outcomes.ledger.store import OutcomeStore
from outcomes.totals import settled_intervals
from outcomes.totals.materialized import Totals
from outcomes.totals.summary import Summary
from outcomes.totals.what_counts import WhatCounts

from bench.report import Report
from bench.storage import READ_UNIT_BYTES, WRITE_UNIT_BYTES, item_bytes
from local.seed import outcomes

DAY = 24 * 3_600_000
END = 1_777_593_600_000  # 2026-05-01T00:00:00Z
PAGE_BYTES = 1024 * 1024
YEAR = 366
MONTH = 30
USER = 42

MOST_UNITS = 60
"""Maximum read units of the next read of a year's totals, with 1,000,000 outcomes of 3 agents."""
MOST_MORE_UNITS = 1.5
"""Maximum read units by which the next read with 1,000,000 outcomes exceeds the next read with 10,000."""
MOST_AFTER_ONE = 2
"""Maximum additional read units of a read after one more outcome was recorded."""
MOST_COST = {10_000: 1 / 4, 100_000: 1 / 40}
"""Maximum cost of materializing, as a fraction of the saved reads, by the number of outcomes of 3 agents in a year."""
TOO_FEW = 100
"""A number of outcomes per year for which materializing does not save enough."""

PARTITION_UNITS = 3000
"""Read units per second of a partition. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html"""
QUERY_SECONDS = 0.02  # without pauses, queries this fast exceed PARTITION_UNITS
LIST_UNITS = 3
LISTS_PER_SECOND = 10
RETRY_SECONDS = 1.0
"""Seconds until the next call after `Still adding up`: its Retry-After."""

FIRST_BARS = 7, 75_000, 0.01
"""Bars of a first read of 1,000,000 outcomes of 30 days: calls, read units, and the fraction of lists that are
throttled meanwhile."""

MANY_BARS = 16, 3.0, 400, 3
"""Bars of 10,000 agents that each record once a day for a year: calls of the first read; processor seconds and read
units of a read of whole months; calls of a read with the previous period, or of parts of months."""

CORRECTED = 1_000_000, 100_000
"""Outcomes of a year, and their corrections since the earliest month that is not closed. 1 % of these are of the last
ten minutes."""
COUNTED_BARS = 2, 20
"""Queries and read units by which a summary that says what counts may exceed one that does not, once sums are kept."""

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
        self.lists = self.refused = 0

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
        first, last = (request["ExpressionAttributeValues"][name]["S"] for name in (":first", ":last"))
        if request["TableName"] == "totals":
            return self._sums(request, first, last)
        if first.startswith("~"):
            self._reads(1)
            return {"Items": [], "ConsumedCapacity": {"CapacityUnits": 1}}
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
        units = max(1, -(-size // READ_UNIT_BYTES))
        self._reads(units)
        answer: Item = {"Items": items, "ConsumedCapacity": {"CapacityUnits": units}}
        if items and index < self.count and self._at(index) <= last:
            answer["LastEvaluatedKey"] = {"created_at": items[-1]["created_at"]}
        return answer

    def _reads(self, units: int) -> None:
        self.read_units += units
        self.capacity -= units

    def _at(self, index: int) -> str:
        """Return the time when the outcome with this index was recorded."""
        at = self.start + index * self.step if index < self.count else self.one_more
        return instants.text(at or 0)

    def _sums(self, request: Item, first: str, last: str) -> Item:
        start = request.get("ExclusiveStartKey", {"stretch": {"S": ""}})["stretch"]["S"]
        keys = [key for key in sorted(self.kept) if first <= key <= last and key > start]
        if request.get("ScanIndexForward") is False:
            keys = keys[::-1]
        items: list[Item] = []
        size = 0
        for key in keys[: request.get("Limit")]:
            if size + kept_bytes(self.kept[key]) > PAGE_BYTES:
                break
            items.append(self.kept[key])
            size += kept_bytes(self.kept[key])
        self.read_units += max(1, -(-size // READ_UNIT_BYTES)) / (1 if request.get("ConsistentRead") else 2)
        more = len(items) < len(keys) and "Limit" not in request
        return {"Items": items} | ({"LastEvaluatedKey": {"stretch": items[-1]["stretch"]}} if more else {})

    def _PutItem(self, request: Item) -> Item:  # noqa: N802 - its name
        item = request["Item"]
        self.kept[item["stretch"]["S"]] = item
        self.write_units += -(-kept_bytes(item) // WRITE_UNIT_BYTES)
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
        self.queries = 0

    def _entry(self, random: Random, index: int, at: int) -> Item:
        earlier = min(instants.read(self._at(random.randrange(self.count))), at - 1)
        fields = {
            **random.choice(self.templates),
            "created_at": {"S": self._key(earlier, index)},
            "user_id": {"S": "42"},
        }
        before = fields | {"agent_id": {"N": str(random.randint(1, 3))}}
        type_ = (CorrectionType.AMEND, CorrectionType.CONFIRM)[index % 2]
        changes = {"title": "Closed the deal"} if type_ == CorrectionType.AMEND else {}
        correction = Correction(type_, "A typo", USER, changes, [])
        to = RECORDED if changes else CONFIRMED
        entry = CorrectionDraft.of(before, correction, to, Caller(session_user=USER)).entry
        return entry | {"created_at": {"S": f"~{self._key(at, index)}"}}

    def _key(self, at: int, index: int) -> str:
        return f"{instants.text(at)}#{ulid.from_number(at << 80 | index)}"

    def _Query(self, request: Item) -> Item:  # noqa: N802 - its name
        self.queries += 1
        values = request["ExpressionAttributeValues"]
        first, last = values[":first"]["S"], values[":last"]["S"]
        if request["TableName"] == "totals" or not first.startswith("~"):
            return super()._Query(request)
        is_reverse = request.get("ScanIndexForward") is False
        begin, end = (bisect_left(self.entries, each, key=sort_key) for each in (first, last))
        if start := request.get("ExclusiveStartKey"):
            at = bisect_left(self.entries, sort_key(start), key=sort_key)
            begin, end = (begin, at) if is_reverse else (at + 1, end)
        found, items, size = self.entries[begin:end], list[Item](), 0
        for entry in reversed(found) if is_reverse else found:
            size += item_bytes(entry)
            if size > PAGE_BYTES:
                break
            items.append(entry)
        units = max(1, -(-min(size, PAGE_BYTES) // READ_UNIT_BYTES))
        self._reads(units)
        more = {"LastEvaluatedKey": {"created_at": items[-1]["created_at"]}} if len(items) < len(found) else {}
        return {"Items": items, "ConsumedCapacity": {"CapacityUnits": units}} | more


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
            calls, queries, units, is_done = 0, history.queries, history.read_units, False
            while not is_done:
                calls, summary = calls + 1, Summary(period)
                counted = WhatCounts(definitions, summary) if "counts" in name else None
                with suppress(StillAddingUp):
                    totals.aggregate(USER, [summary], counted)
                    summary.response(counted=counted)
                    is_done = True
            found[name] = calls, history.queries - queries, history.read_units - units
    return found


def bars_of_counting(report: Report, found: dict[str, tuple[int, int, float]]) -> None:
    """Compare what a definition adds to a summary with its bars. found: see `looks_with_a_definition`."""
    (_, queries, units), (_, alone, units_alone) = found["counts, next"], found["alone, next"]
    note = f"first {found['counts, first'][2]:,.0f} read units in {found['counts, first'][0]} calls"
    number, corrections = CORRECTED
    name = f"look with a definition at {number:,} outcomes and {corrections:,} corrections"
    report.add(f"{name}, queries", queries - alone, "more", bar=COUNTED_BARS[0])
    report.add(name, units - units_alone, "read units more", bar=COUNTED_BARS[1], note=note)


def kept_bytes(item: Item) -> int:
    """Return the size in bytes of an item of the table of totals. The item's binary value is in Base64."""
    return item_bytes(item | ({"sums": {"B": a2b_base64(item["sums"]["B"])}} if "sums" in item else {}))


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


def look(name: str, totals: Totals, history: History, period: Period, *, is_compared: bool = False) -> Look:
    """Read totals, with as many calls as necessary. Raises SystemExit if the count is wrong.

    is_compared: whether to read the period before, too.
    """
    read, written = history.read_units, history.write_units
    began, calls, is_done = time.process_time(), 0, False
    while not is_done:
        calls, summary = calls + 1, Summary(period)
        with suppress(StillAddingUp):
            totals.aggregate(USER, [summary, summary.previous()] if is_compared else [summary])
            summary.response()
            is_done = True
        time.sleep(0 if is_done else RETRY_SECONDS)
    took = time.process_time() - began
    first, after = (min(history.count, -(-(at - history.start) // history.step)) for at in (period.since, period.until))
    expected = after - max(0, first) + (history.one_more is not None)
    if summary.totals[0].count != expected:
        raise SystemExit(f"A look found {summary.totals[0].count} instead of {expected}")
    sizes = [kept_bytes(item) for item in history.kept.values()]
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
            look("first", totals, history, year),
            look("next", totals, history, year),
            look("with the previous period", totals, history, period_of("2025-11-01", "2026-05-01"), is_compared=True),
            look("at parts of months", totals, history, period_of("2025-05-15", "2026-04-20")),
            look("at parts of days", totals, history, period_of("2025-05-15T12:00:00Z", "2026-04-20T12:00:00Z")),
        ]


def part_of_saved(first: Look, next_: Look) -> float:
    """Return the price of storing the totals as a fraction of the price of the reads that they save."""
    return first.write_units * settled_intervals.READ_UNITS_PER_WRITE_UNIT / (first.read_units - next_.read_units)


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
    """Compare the costs of reading totals with their bars (upper limits)."""
    for case, (first, next_, one) in found.items():
        note = (
            f"first {first.read_units:,.0f} in {first.calls} calls and {first.seconds:.1f} s of processor time, after "
            f"one more record {one.read_units:g}; {next_.rows} items of {next_.bytes:,} bytes"
        )
        bar = MOST_UNITS if case == Case(1_000_000, YEAR, 3) else None
        report.add(f"next look at {case}", next_.read_units, "read units", bar=bar, note=note)
    for days in (MONTH, YEAR):
        few, many = found.get(Case(10_000, days, 3)), found.get(Case(1_000_000, days, 3))
        if few and many:
            more = many[1].read_units - few[1].read_units
            report.add(f"next look at {days} days: 1,000,000 over 10,000", more, "read units", bar=MOST_MORE_UNITS)
    after = max(one.read_units - next_.read_units for _, next_, one in found.values())
    report.add("next look after one more record, at most", after, "read units more", bar=MOST_AFTER_ONE)
    for number, most in MOST_COST.items():
        if each := found.get(Case(number, YEAR, 3)):
            report.add(
                f"keeping totals of {number:,} in a year", part_of_saved(*each[:2]), "of what it saves", bar=most
            )
    few_written = sum(each.write_units for each in found[Case(TOO_FEW, YEAR, 3)])
    report.add(f"looks at {TOO_FEW} outcomes in a year", few_written, "write units", bar=0)
    if month := found.get(Case(1_000_000, MONTH, 3)):
        first, *_ = month
        calls, units, refused = FIRST_BARS
        report.add("first look at 1,000,000 in 30 days, calls", first.calls, "calls", bar=calls)
        report.add("first look at 1,000,000 in 30 days", first.read_units, "read units", bar=units)
        report.add("lists throttled meanwhile", first.refused / first.lists, f"of {first.lists}", bar=refused)


def bars_of_many(report: Report, found: list[Look]) -> None:
    """Compare the costs of reading the totals of MANY with their bars. found: see `looks_of_many`."""
    first, next_, *others = found
    calls, seconds, units, other_calls = MANY_BARS
    note = (
        f"{first.seconds:.0f} s of processor time, {first.read_units:,.0f} read and {first.write_units:,} write units"
    )
    report.add(f"first look at {MANY}", first.calls, "calls", bar=calls, note=note)
    report.add(f"next look at {MANY}, time", next_.seconds, "s of processor time", bar=seconds)
    report.add(f"next look at {MANY}", next_.read_units, "read units", bar=units)
    for each in others:
        note = f"{each.seconds:.1f} s of processor time, {each.read_units:,.0f} read units"
        report.add(f"look {each.name}", each.calls, "calls", bar=other_calls, note=note)
