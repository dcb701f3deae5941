"""Measure totals of long histories: the first read, the next read, and the read after one more record.

DynamoDB is a fake in the same process. It generates outcomes when they are read, counts units like the service, and
stores the materialized totals. Outcomes are chosen from the demo data, spread evenly over the days; none is corrected.
"""

import time
from binascii import a2b_base64, crc32
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import formatdate
from multiprocessing import get_context
from typing import Any, NamedTuple
from unittest.mock import patch

from outcomes.aws.calls import Answer
from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.contract import json_text
from outcomes.contract.models import NewOutcome
from outcomes.errors import Busy, StillAddingUp
from outcomes.ledger.items import new_item
from outcomes.ledger.store import OutcomeStore
from outcomes.totals import settled_intervals
from outcomes.totals.materialized import Totals
from outcomes.totals.summary import Summary

from bench.report import Report
from bench.runtime_api import peak_bytes
from bench.storage import READ_UNIT_BYTES, WRITE_UNIT_BYTES, item_bytes
from local.seed import outcomes

HOUR = 3_600_000
DAY = 24 * HOUR
END = 1_777_593_600_000  # 2026-05-01T00:00:00Z
PAGE_BYTES = 1024 * 1024
COUNTS = [100, 1_000, 10_000, 100_000, 1_000_000]
AGENTS = [3, 10_000]
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

QUERY_SECONDS = 0.1
"""Seconds for a query and for adding up its items on Lambda, where a function with 512 MB has 0.29 processors."""

PARTITION_UNITS = 3000
"""Read units per second of a partition. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html"""
THROTTLED_QUERY_SECONDS = 0.02  # without pauses, queries this fast exceed PARTITION_UNITS
LIST_UNITS = 3
LISTS_PER_SECOND = 10
RETRY_SECONDS = 1.0
"""Seconds until the next call after `Still adding up`: its Retry-After."""
MOST_CALLS = 7
MOST_FIRST_UNITS = 75_000
MOST_REFUSED = 0.01
"""Bars of a first read of 1,000,000 outcomes of 30 days: calls, read units, and the fraction of lists that are
throttled meanwhile."""

MANY_FIRST_CALLS = 16
MANY_SECONDS = 3.0
MANY_UNITS = 400
MANY_CALLS = 3
"""Bars of 10,000 agents that each record once a day for a year: calls of the first read; processor time and read units
of a read of whole months; calls of a read with the previous period, or of parts of months."""

PROJECTED = ("created_at", "outcome_type", "agent_id", "value_usd")

type Item = dict[str, Any]


class Case(NamedTuple):
    """A history: the numbers of outcomes, days and agents.

    hours: how many hours of the last day have passed, or 0 if the day is over.
    """

    number: int
    days: int
    agents: int
    hours: int = 0


class Look(NamedTuple):
    """The costs of reading totals, added up over all calls until the totals are complete.

    rows, bytes, largest: the number, total size and largest size of the totals that are stored afterwards.
    """

    name: str
    calls: int
    queries: int
    read_units: float
    write_units: int
    seconds: float
    rows: int
    bytes: int
    largest: int
    memory: int


class History:
    """A fake DynamoDB with a user's outcomes, spread evenly over the days before END, and their materialized totals.

    now: the current time of the fake DynamoDB, in milliseconds since 1970.
    """

    def __init__(self, case: Case) -> None:
        bodies = [json_text.read(json_text.compact(body)) for _, body in outcomes(END)]
        self.templates = [new_item(NewOutcome.parse(body, session_user=USER), "key", END)[1] for body in bodies]
        self.sizes = [item_bytes(item) for item in self.templates]
        self.count, self.agents = case.number, case.agents
        self.start, self.step = END - case.days * DAY, case.days * DAY // case.number
        self.now = END + DAY
        if case.hours:
            self.now = END - DAY + case.hours * HOUR
            self.count = (self.now - self.start) // self.step
        self.one_more: int | None = None
        self.kept: dict[str, Item] = {}
        self.queries, self.read_units, self.write_units = 0, 0.0, 0

    def call(self, operation: str, request: Item, **_: Any) -> Answer:
        answer = Answer(getattr(self, f"_{operation}")(request))
        answer.date = formatdate(self.now / 1000, usegmt=True)
        return answer

    def _Query(self, request: Item) -> Item:  # noqa: N802 - its name
        self.queries += 1
        first, last = (request["ExpressionAttributeValues"][name]["S"] for name in (":first", ":last"))
        if request["TableName"] == "totals":
            return self._sums(request, first, last)
        if first.startswith("~"):
            self.read_units += 1
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
            agent = self.agent(index, chance)
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
        self.read_units += units
        answer: Item = {"Items": items, "ConsumedCapacity": {"CapacityUnits": units}}
        if items and index < self.count and self._at(index) <= last:
            answer["LastEvaluatedKey"] = {"created_at": items[-1]["created_at"]}
        return answer

    def agent(self, _index: int, chance: int) -> int:
        """Return the agent of an outcome. chance: a random number that determines the agent."""
        return 1 + (chance >> 8) % self.agents

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


class Throttled(History):
    """A history in a partition that throttles, while its user's outcomes are listed ten times a second.

    clock: seconds since the beginning. Queries and the reader's pauses advance it.
    """

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.clock = 0.0
        self.refilled_at = 0.0
        self.capacity = float(PARTITION_UNITS)
        self.lists = self.refused = 0

    def call(self, operation: str, request: Item, **options: Any) -> Answer:
        self.sleep(THROTTLED_QUERY_SECONDS)
        if request["TableName"] == "totals":
            return super().call(operation, request, **options)
        if not self.admits():
            raise Busy
        before = self.read_units
        answer = super().call(operation, request, **options)
        self.capacity -= self.read_units - before
        return answer

    def sleep(self, seconds: float) -> None:
        """Advance the clock, and list outcomes LISTS_PER_SECOND times a second meanwhile."""
        end = self.clock + seconds
        while (due := (self.lists + 1) / LISTS_PER_SECOND) <= end:
            self.clock = due
            self.lists += 1
            if self.admits():
                self.capacity -= LIST_UNITS
            else:
                self.refused += 1
        self.clock = end

    def admits(self) -> bool:
        """Refill the partition's capacity, and return whether any is left.

        A read is admitted before its size is known, so the capacity can become negative.
        """
        self.capacity = min(PARTITION_UNITS, self.capacity + (self.clock - self.refilled_at) * PARTITION_UNITS)
        self.refilled_at = self.clock
        return self.capacity > 0


class Daily(Throttled):
    """A history in which each agent records one outcome a day. The agents always record in the same order."""

    def agent(self, index: int, _chance: int) -> int:
        return 1 + index % self.agents


def kept_bytes(item: Item) -> int:
    """Return the size in bytes of an item of the table of totals. The item's binary value is in Base64."""
    return item_bytes(item | ({"sums": {"B": a2b_base64(item["sums"]["B"])}} if "sums" in item else {}))


def look(name: str, totals: Totals, history: History, period: Period, **more: Any) -> Look:
    """Read totals, with as many calls as necessary. Raises SystemExit if the count is wrong.

    more: arguments of `Summary`, and optionally `expected` (the count) and `is_compared` (also read the period before).
    """
    queries, read, written = history.queries, history.read_units, history.write_units
    expected = more.pop("expected", history.count + (history.one_more is not None))
    is_compared = more.pop("is_compared", False)
    began, calls, is_done = time.process_time(), 0, False
    while not is_done:
        calls, summary = calls + 1, Summary(period, **more)
        with suppress(StillAddingUp):
            totals.aggregate(USER, [summary, summary.previous()] if is_compared else [summary])
            summary.response()
            is_done = True
        time.sleep(0 if is_done else RETRY_SECONDS)
    took = time.process_time() - began
    if summary.totals[0].count != expected:
        raise SystemExit(f"A look found {summary.totals[0].count} instead of {expected}")
    sizes = [kept_bytes(item) for item in history.kept.values()] or [0]
    return Look(
        name,
        calls,
        history.queries - queries,
        history.read_units - read,
        history.write_units - written,
        took,
        len(history.kept),
        sum(sizes),
        max(sizes),
        peak_bytes(),
    )


def looks(case: Case) -> list[Look]:
    """Read a history's totals a day after its end, or within its last day.

    Then read them again, record one more outcome, and read them once more.
    """
    history, before = History(case), peak_bytes()
    store = OutcomeStore("outcomes")

    def clock() -> float:
        """Return a time that depends only on the number of queries, so that the results are repeatable."""
        return history.queries * QUERY_SECONDS

    with (
        patch.object(store.dynamodb, "call", history.call),
        patch.object(time, "monotonic", clock),
        patch.object(time, "sleep", lambda _seconds: None),
    ):
        totals = Totals(store, "totals", "1")
        since, until = (instants.text(at)[:10] for at in (END - case.days * DAY, END + 2 * DAY))
        period = Period.from_query(since, until, "UTC", "month", now=datetime.fromtimestamp(END / 1000, UTC))
        first, next_ = (look(name, totals, history, period) for name in ("first", "next"))
        history.one_more = history.now
        found = [first, next_, look("one more", totals, history, period)]
    return [each._replace(memory=each.memory - before) for each in found]


def first_look_at_limits(report: Report) -> None:
    """Report the first read of a large history's totals in a throttled partition, and the lists that fail meanwhile."""
    case = Case(1_000_000, MONTH, 3)
    history = Throttled(case)
    store = OutcomeStore("outcomes")
    with (
        patch.object(store.dynamodb, "call", history.call),
        patch.object(time, "monotonic", lambda: history.clock),
        patch.object(time, "sleep", history.sleep),
    ):
        totals = Totals(store, "totals", "1")
        since, until = (instants.text(at)[:10] for at in (END - case.days * DAY, END + 2 * DAY))
        period = Period.from_query(since, until, "UTC", "month", now=datetime.fromtimestamp(END / 1000, UTC))
        first = look("first", totals, history, period)
    report.text(
        f"The first look at {case.number:,} outcomes of {case.days} days took {first.calls} calls and "
        f"{first.read_units:,.0f} read units in {history.clock:.0f} s (simulated, {PARTITION_UNITS:,} units a second). "
        f"Meanwhile {history.lists - history.refused} of {history.lists} lists were answered."
    )
    report.bars_table(
        [
            ("calls of this first look", MOST_CALLS, first.calls),
            ("read units of this first look", MOST_FIRST_UNITS, first.read_units),
            ("part of the lists that were throttled meanwhile", MOST_REFUSED, history.refused / history.lists),
        ]
    )


def many_agents(report: Report) -> None:
    """Report reads of a year's totals. In this year, each of 10,000 agents records one outcome a day."""
    case = Case(365 * 10_000, 365, 10_000)
    history = Daily(case)
    store = OutcomeStore("outcomes")
    types = [each["outcome_type"]["S"] for each in history.templates]
    chosen = [index for index in range(case.number) if types[crc32(index.to_bytes(4)) % len(types)] == types[0]]
    mine = [index for index in chosen if not index % case.agents]
    of_type, of_agent = {"outcome_types": (types[0],)}, {"agent_id": 1}
    year, part = ("2025-05-01", "2026-05-01"), ("2025-05-15", "2026-04-20")
    asked: list[tuple[str, tuple[str, str], dict[str, Any]]] = [
        ("first", year, {}),
        ("next", year, {}),
        ("half a year, with the previous", ("2025-11-01", "2026-05-01"), {"is_compared": True}),
        ("first and last month cut", part, {}),
        ("first and last day cut, too", (f"{part[0]}T12:00:00Z", f"{part[1]}T12:00:00Z"), {}),
        ("one type", year, of_type | {"expected": len(chosen)}),
        ("one agent", year, of_agent | {"expected": case.days}),
        ("one type of one agent", year, of_type | of_agent | {"expected": len(mine)}),
    ]
    found: dict[str, Look] = {}
    with (
        patch.object(store.dynamodb, "call", history.call),
        patch.object(time, "monotonic", lambda: history.clock),
        patch.object(time, "sleep", history.sleep),
    ):
        totals = Totals(store, "totals", "1")
        for name, (since, until), more in asked:
            period = Period.from_query(since, until, "UTC", "month", now=datetime.fromtimestamp(END / 1000, UTC))
            expected = (period.until - period.since) // history.step
            found[name] = look(name, totals, history, period, **{"expected": expected} | more)
    report.text(
        f"Looks at {case.number:,} outcomes: each of {case.agents:,} agents records one a day for {case.days} days. "
        f"The table is as above; a call's processor time does not count as its time."
    )
    rows = []
    for name, each in found.items():
        counts = each.calls, each.queries, each.read_units, each.write_units, each.rows, each.bytes
        rows.append([name, f"{each.seconds:,.1f}", *(f"{count:,.0f}" for count in counts)])
    report.table(["", "processor s", "calls", "queries", "read units", "write units", "items", "bytes"], rows)
    first, next_, compared, cut, *_ = found.values()
    report.bars_table(
        [
            ("calls of the first look", MANY_FIRST_CALLS, first.calls),
            ("processor seconds of the next look", MANY_SECONDS, next_.seconds),
            ("read units of the next look", MANY_UNITS, next_.read_units),
            ("calls of a look with the previous period", MANY_CALLS, compared.calls),
            ("calls of a look at parts of months", MANY_CALLS, cut.calls),
        ]
    )


def average_bytes() -> float:
    """Return the average size of an outcome in bytes."""
    sizes = History(Case(1, 1, 1)).sizes
    return sum(sizes) / len(sizes)


def part_of_saved(first: Look, next_: Look) -> float:
    """Return the price of storing the totals as a fraction of the price of the reads that they save."""
    return first.write_units * settled_intervals.READ_UNITS_PER_WRITE_UNIT / (first.read_units - next_.read_units)


def totals_growth(report: Report, short: bool) -> None:
    """Report the costs of reading totals by the size of the history."""
    cases = [
        *[Case(count, days, agents) for days in (MONTH, YEAR) for agents in AGENTS for count in COUNTS],
        *[Case(count, MONTH, 3, hours=18) for count in COUNTS[2:]],
    ]
    if short:
        cases = [case for case in cases if case.number <= 1_000]
    # Measure each history in a separate process, to measure its peak memory. The process is forked, because importing
    # takes longer than most reads.
    with get_context("fork").Pool(maxtasksperchild=1) as pool:
        found = dict(zip(cases, pool.map(looks, cases, chunksize=1), strict=True))
    report.text(
        "## Growth of totals\n\nA first look at a history, the next, and one after one more record. Outcomes have "
        f"{average_bytes():.0f} bytes on average. Where hours are given, the last day is not over. Calls before the "
        f"last one were `Still adding up`, at {QUERY_SECONDS} s a query. Memory is in addition to the bench's own."
    )
    rows = []
    for case, three in found.items():
        for each in three:
            day = f", {case.hours} h" if case.hours else ""
            rows.append(
                [
                    f"{case.number:,} in {case.days} days{day}, {case.agents:,} agents: {each.name}",
                    f"{each.calls}",
                    f"{each.queries}",
                    f"{each.read_units:,.1f}",
                    f"{each.write_units:,}",
                    f"{each.seconds * 1000:,.0f}",
                    f"{each.rows:,}",
                    f"{each.bytes:,}",
                    f"{each.largest:,}",
                    f"{each.memory / 1e6:.0f}",
                ]
            )
    columns = ["", "calls", "queries", "read units", "write units", "processor ms", "items", "bytes", "largest"]
    report.table([*columns, "memory MB"], rows)
    totals_bars(report, found)
    if not short:
        first_look_at_limits(report)
        many_agents(report)


def totals_bars(report: Report, found: dict[Case, list[Look]]) -> None:
    """Compare the costs of reading totals with their bars (upper limits)."""
    rows: list[tuple[str, float | None, float]] = []
    for days in (MONTH, YEAR):
        few, many = found.get(Case(10_000, days, 3)), found.get(Case(1_000_000, days, 3))
        if few and many:
            more = many[1].read_units - few[1].read_units
            rows += [
                (f"read units of a next look at 1,000,000 in {days} days over those at 10,000", MOST_MORE_UNITS, more)
            ]
    if year := found.get(Case(1_000_000, YEAR, 3)):
        rows += [("read units of a next look at a year of 1,000,000", MOST_UNITS, year[1].read_units)]
    after = max(one.read_units - next_.read_units for _, next_, one in found.values())
    rows += [("read units that one more record costs, at most", MOST_AFTER_ONE, after)]
    for count, most in MOST_COST.items():
        if each := found.get(Case(count, YEAR, 3)):
            cost = part_of_saved(*each[:2])
            rows += [(f"cost of keeping a year of {count:,} over the reading that it saves", most, cost)]
    few_written = sum(each.write_units for each in found[Case(TOO_FEW, YEAR, 3)])
    rows += [(f"write units of looks at {TOO_FEW} outcomes a year", 0, few_written)]
    report.bars_table(rows)
