"""Read a user's costs of a period, and store sums of months so that later reads need fewer read units.

`cost_rows` describes the rows, `month_sums` what they contain. A report whose time is over stores the sums of what it
has read, and the next report goes on from there.
"""

import json
import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import DynamoDB, Item, Unavailable
from outcomes.calendar import instants
from outcomes.contract import queries
from outcomes.contract.costs import days_ago, last_day
from outcomes.contract.sums import EXACT
from outcomes.costs.cost_report import CostReport
from outcomes.costs.cost_rows import AGENTS, FOLDED, MONTH, row_key, rows_between
from outcomes.costs.month_sums import BLOCK_CHARACTERS, FORMAT, MonthSums, SourceDay, read_part
from outcomes.errors import Busy, StillAddingUp
from outcomes.limits import COUNT_AFTER_DAYS, FOLD_AFTER_DAYS

READ_SECONDS = 10.0  # after this time, a request reads no page
FOLD_SECONDS = 8.0  # after this time, a request ends with the block that it is reading, and stores its sums
STORE_SECONDS = 4.0  # maximum time for a call that stores sums, and after READ_SECONDS until the last one begins

LINES_WORTH_SUMS = 100
"""A month's sums are stored if the month has at least this many lines, which take two read units or more."""

LINES_WORTH_AN_HOUR = 2_000
"""The same of a month whose sums are stored anew each hour: these lines take 20 read units or more."""

WITH_AGENTS = " agents"  # in `rules`: the sums by day, source and agent are stored, too

MARGIN = 60 * 60 * 1000
"""Milliseconds after which each transaction that changes a day and does not count its change has ended. It takes some
minutes at most, even if clocks are wrong, see `totals.stored_sums.SETTLED_SECONDS`."""

_DATE, _MONTH, _HOUR = len("2026-04-01"), len("2026-04"), len("2026-04-01T12")


class StoredCosts:
    """Reads stored costs. table: the name of the table of costs."""

    def __init__(self, table: str, dynamodb: DynamoDB) -> None:
        self.table = table
        self.dynamodb = dynamodb

    def add_to(self, report: CostReport, user_id: int | None, elapsed: float = 0) -> float:
        """Add a user's costs to a report. Return the number of read units used.

        user_id: if None, nothing is added, because all costs belong to a user. elapsed: seconds since the request
        began.

        Raises StillAddingUp if the time ends before everything is read. The next call has less to read, because this
        call has stored the sums of what it has read. The next call must get a new report.
        """
        reads = PacedReads(self.dynamodb, time.monotonic() + READ_SECONDS - elapsed, StillAddingUp)
        if report.days and user_id is not None:
            _Look(self.table, reads, user_id, report).run()
        return reads.read_units


class _Month:
    """A month of a report.

    sums: as far as they are stored, and then added up. rules: of the stored sums. end: the last day of the month until
    which sums may be stored; 0 if none may. worth: the number of lines from which they are stored. is_whole: whether
    the report needs only these sums until `end`, and not the days.
    """

    def __init__(self, sums: MonthSums, rules: str, end: int, worth: int, *, is_whole: bool) -> None:
        self.sums = sums
        self.rules = rules
        self.end = end
        self.worth = worth
        self.is_whole = is_whole
        self.is_done = False

    @property
    def has_agents(self) -> bool:
        """Check whether the sums by day, source and agent are stored, too."""
        return self.rules.endswith(WITH_AGENTS)


class _Look:
    """Makes the reads of one report."""

    def __init__(self, table: str, reads: PacedReads, user_id: int, report: CostReport) -> None:
        self.table = table
        self.reads = reads
        self.user_id = user_id
        self.report = report
        self.first, self.last = report.days[0], report.days[-1]
        self.agent = 0 if report.agent_id == queries.NOBODY else report.agent_id
        self.may_store = True

    def run(self) -> None:
        months = [*dict.fromkeys(date_[:_MONTH] for date_ in self.report.days)]
        # Read the changes before the sums and the days: `rules` of stored sums name the changes that they include.
        counts = self._query(f"{MONTH}{months[0]}", f"{MONTH}{months[-1]}")
        self.counts = {row["day_source"]["S"].removeprefix(MONTH): row for row in counts}
        # Read the clock after an answer. If it was wrong, it has been corrected by then.
        now = instants.now()
        self.hour = instants.text(now)[:_HOUR]
        # The last day that may be stored:
        self.kept = instants.text(now - COUNT_AFTER_DAYS * instants.DAY - MARGIN)[:_DATE]
        rows = groupby(self._query(f"{FOLDED}{months[0]}", f"{FOLDED}{months[-1]}~"), _month_of_sums)
        folded = {month: [*together] for month, together in rows}
        self.months = {month: self._begin(month, folded.get(month, [])) for month in months}
        for first, last in self._to_read():
            self._read(first, last)
        for month in self.months.values():
            self._finish(month)

    def _begin(self, name: str, rows: list[Item]) -> _Month:
        """Add a month's stored sums to the report. rows: of these sums, even if they are outdated."""
        is_settled = days_ago(last_day(name)) >= FOLD_AFTER_DAYS
        end = min(last_day(name), self.kept)
        is_covered = self.first <= f"{name}-01" and end <= self.last
        # A young month is read from its first day only if the report needs it, or if rows show that it has many lines.
        may_store = f"{name}-01" <= end and (is_settled or is_covered or (bool(rows) and self.first <= end))
        is_whole = is_covered and self.agent is None
        changes = self.counts.get(name, {}).get("changes", {}).get("N", "0")
        rules = f"{FORMAT} {changes}" if is_settled else f"{FORMAT} {changes} {self.hour}"
        month = _Month(
            MonthSums(name),
            rules if is_whole and not is_settled else rules + WITH_AGENTS,
            int(end[-2:]) if may_store else 0,
            0 if rows else LINES_WORTH_SUMS if is_settled else LINES_WORTH_AN_HOUR,
            is_whole=is_whole,
        )
        for each in {month.rules, rules + WITH_AGENTS}:
            sums = _read_sums(name, each, rows)
            if sums and (is_whole or self._add_agents(sums, each)):
                month.sums, month.rules = sums, each
        if month.sums.until >= month.end:
            self._add(month)
        return month

    def _add_agents(self, sums: MonthSums, rules: str) -> bool:
        """Add stored sums by day, source and agent of days in the period. If any is missing, add none, return False."""
        wanted = {
            _block_key(sums.month, block.first, index): index in block.parts(self.agent)
            for block in sums.blocks
            if sums.date(block.first) <= self.last and self.first <= sums.date(block.last)
            for index in range(len(block.agents))
        }
        parts = []
        try:
            for is_wanted, together in groupby(wanted, wanted.__getitem__):
                keys = [*together]
                if is_wanted:
                    rows = {row["day_source"]["S"]: row for row in self._query(keys[0], keys[-1])}
                    parts += [read_part(_part(rows.get(key, {}), rules)) for key in keys]
        except ValueError:
            return False
        for source, costs in sums.by_source.items():
            for day in costs:
                self.report.add(SourceDay(day, source, {}, sums.restated.get((day, source))))
        for part in parts:
            for source_day in sums.days_of(part, self.agent):
                self.report.add(source_day)
        return True

    def _to_read(self) -> list[tuple[str, str]]:
        """Return ranges of days to read: those in the period, and those from which sums are added up."""
        ranges: list[tuple[str, str]] = []
        for name, month in self.months.items():
            kept = month.sums.date(month.end)
            found = [
                (month.sums.date(month.sums.until + 1), kept),
                (max(self.first, _next_day(kept) if month.end else f"{name}-01"), min(self.last, last_day(name))),
            ]
            for first, last in found:
                if first > last:
                    continue
                if ranges and _next_day(ranges[-1][1]) == first:
                    first, _ = ranges.pop()
                ranges.append((first, last))
        return ranges

    def _read(self, first: str, last: str) -> None:
        """Read days, add them to the report or to the sums of their month, and store these sums."""
        month = None
        try:
            for day, together in groupby(self._query(first, f"{last}~"), lambda row: row["day_source"]["S"][:_DATE]):
                if month and month.sums.date(month.end) < day:
                    self._finish(month)
                month = self.months[day[:_MONTH]]
                is_kept = day <= month.sums.date(month.end)
                for source_day, lines, characters in filter(None, map(_source_day, together)):
                    if is_kept:
                        month.sums.add(source_day, lines, characters)
                    if not (is_kept and month.is_whole):
                        self.report.add(source_day)
                if month.sums.characters >= BLOCK_CHARACTERS:
                    self._end_block(month, int(day[-2:]))
                    if time.monotonic() > self.reads.until - READ_SECONDS + FOLD_SECONDS:
                        raise StillAddingUp
        except StillAddingUp:
            # If no day may be stored for this report, the row shows the next one that the month has many lines.
            if month and not (month.end and month.is_done):
                self._store(month)
            raise

    def _finish(self, month: _Month) -> None:
        """Complete a month's sums, and store them if that is worth it."""
        if month.is_done:
            return
        if month.sums.until < month.end:
            self._end_block(month, month.end)
        if month.sums.lines >= month.worth:
            self._store(month)
        self._add(month)

    def _add(self, month: _Month) -> None:
        if month.is_whole:
            self.report.add_month(month.sums)
        month.is_done = True

    def _end_block(self, month: _Month, last: int) -> None:
        """End a block of the sums by day, source and agent with this day, and store it if that is worth it."""
        first = month.sums.until + 1
        for index, part in enumerate(month.sums.end_block(last, has_parts=month.has_agents)):
            if month.sums.lines >= month.worth:
                self._put(_block_key(month.sums.month, first, index), month.rules, part)

    def _store(self, month: _Month) -> None:
        """Store a month's sums without the block that has not ended."""
        parts = month.sums.parts()
        for index, part in enumerate(parts):
            rules = f"{month.rules} {month.sums.until} {len(parts)}"
            self._put(f"{FOLDED}{month.sums.month}#{index:03d}", rules, part)
        if "sums" in self.counts.get(month.sums.month, {}):  # from an earlier commit
            key = f"{MONTH}{month.sums.month}"
            self._update(key, {"UpdateExpression": "REMOVE sums, #rules, restated"})

    def _put(self, key: str, rules: str, part: bytes) -> None:
        """Store a row. It may replace a row that somebody else stored meanwhile: `rules` say what it includes."""
        values = {":sums": {"B": b2a_base64(part, newline=False).decode()}, ":rules": {"S": rules}}
        self._update(
            key, {"UpdateExpression": "SET sums = :sums, #rules = :rules", "ExpressionAttributeValues": values}
        )

    def _update(self, key: str, change: dict[str, Any]) -> None:
        until = time.monotonic() + STORE_SECONDS
        # If a row is not stored, none that follows is: sums name the blocks before them.
        self.may_store = self.may_store and until <= self.reads.until + 2 * STORE_SECONDS
        if not self.may_store:
            return
        update = {
            "TableName": self.table,
            "Key": row_key(self.user_id, key),
            "ExpressionAttributeNames": {"#rules": "rules"},
        }
        try:
            self.reads.dynamodb.call("UpdateItem", update | change, attempts=1, until=until)
        except (Busy, Unavailable):
            self.may_store = False  # the answer is correct even if storing fails

    def _query(self, first: str, last: str) -> Iterator[Item]:
        """Yield the user's rows from `first` to `last`."""
        keys = row_key(self.user_id, first), row_key(self.user_id, last)
        return rows_between(self.reads.call, self.table, *keys, ReturnConsumedCapacity="TOTAL")


def _read_sums(month: str, rules: str, rows: list[Item]) -> MonthSums | None:
    """Return a month's stored sums. Return None if they are missing, outdated or damaged."""
    text = rows[0].get("rules", {}).get("S", "") if rows else ""
    own, *until_and_parts = text.rsplit(" ", 2)
    if own != rules:
        return None
    until, parts = map(int, until_and_parts)
    if len(rows) < parts:
        return None
    try:
        return MonthSums.read(month, until, [_part(row, text) for row in rows[:parts]])
    except ValueError:
        return None


def _part(row: Item, rules: str) -> bytes:
    """Return the part of sums in a row. Raises ValueError if it has other rules."""
    if row.get("rules") != {"S": rules}:
        raise ValueError("other rules")
    return a2b_base64(row["sums"]["B"])


def _block_key(month: str, first: int, index: int) -> str:
    return f"{AGENTS}{month}#{first:02d}#{index:03d}"


def _month_of_sums(row: Item) -> str:
    name: str = row["day_source"]["S"]
    return name[len(FOLDED) :][:_MONTH]


def _next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _source_day(row: Item) -> tuple[SourceDay, int, int] | None:
    """Return costs by agent with the number of their lines and characters. Return None if they are deleted."""
    if "lines" not in row:
        return None
    day, _, source = row["day_source"]["S"].partition("#")
    text, put_at = row["lines"]["S"], row["put_at"]["S"]
    by_agent: dict[int | None, Decimal] = {}
    lines = json.loads(text, parse_float=Decimal)
    for cost, agent, *_ in lines:
        by_agent[agent] = EXACT.add(by_agent.get(agent, Decimal(0)), Decimal(cost))
    is_restated = int(row["version"]["N"]) > 1 and put_at[:_DATE] > day
    return SourceDay(day, source, by_agent, put_at if is_restated else None), len(lines), len(text)
