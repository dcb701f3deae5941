"""Read a user's costs of a period, and store sums of past months so that later reads need fewer read units.

A month's row (see `cost_rows`) gets these attributes:

sums        B, sums by day, source and agent, encoded by `totals.codec`. A cell has the source with a prefix, such as
            `$openai`, instead of an outcome type. The prefix is needed because a source may begin with a digit, but
            the codec reads a name that begins with a digit as a day. A day whose costs have no lines has a cell with
            the agent ALL_AGENTS.
rules       S, the version of the codec; sums with another version are ignored
restated    M, from a day and its source, such as `2026-09-30#openai`, to the instant when its costs were restated; only
            for costs that were restated less than a day before the sums were stored
"""

import time
from binascii import a2b_base64, b2a_base64
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby

from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import ConditionFailed, DynamoDB, Item, Unavailable
from outcomes.contract.costs import days_ago, last_day
from outcomes.contract.sums import ALL_AGENTS, EXACT, Cell, Sums
from outcomes.costs.cost_report import CostReport, SourceDay
from outcomes.costs.cost_rows import CostVersion, row_key, rows_between
from outcomes.errors import Busy, StillAddingUp
from outcomes.limits import FOLD_AFTER_DAYS
from outcomes.totals import codec

READ_SECONDS = 10.0  # after this time, a request reads no page and stores no sums
STORE_SECONDS = 4.0  # maximum time for a call that stores a month's sums; such a call has only one attempt

LINES_WORTH_SUMS = 100
"""A month's sums are stored if the month has at least this many lines, which take two read units or more."""

MAX_RESTATED = 1000
"""A month's sums are stored if at most this many days of sources were restated within the last day. So the row is less
than 400 KB, see `codec.PART_CHARACTERS`."""

_MONTH = len("2026-04")


class StoredCosts:
    """Reads stored costs. table: the name of the table of costs."""

    def __init__(self, table: str, dynamodb: DynamoDB) -> None:
        self.table = table
        self.dynamodb = dynamodb

    def add_to(self, report: CostReport, user_id: int | None, elapsed: float = 0) -> float:
        """Add a user's costs to a report. Return the number of read units used.

        user_id: if None, nothing is added, because all costs belong to a user. elapsed: seconds since the request
        began.

        Raises StillAddingUp if the time ends before everything is read, for example because the table is throttled. The
        next call has less to read, because this call has stored the sums of the first months.
        """
        reads = PacedReads(self.dynamodb, time.monotonic() + READ_SECONDS - elapsed, StillAddingUp)
        if report.days and user_id is not None:
            for day in _Look(self.table, reads, user_id, report.days).days():
                report.add(day)
        return reads.read_units


class _Look:
    """Makes the reads of one report."""

    def __init__(self, table: str, reads: PacedReads, user_id: int, dates: list[str]) -> None:
        self.table = table
        self.reads = reads
        self.user_id = user_id
        self.first, self.last = dates[0], dates[-1]
        self.months = [*dict.fromkeys(date[:_MONTH] for date in dates)]
        # The sums of these months may be stored, so all their days are read.
        self.over = [month for month in self.months if days_ago(last_day(month)) >= FOLD_AFTER_DAYS]
        self.rows: dict[str, Item] = {}
        self.may_store = True

    def days(self) -> Iterator[SourceDay]:
        """Yield the days of each source. If a month's sums may be stored, also yield its days outside the period."""
        if self.over:
            for row in self._query(f"month#{self.over[0]}", f"month#{self.over[-1]}"):
                self.rows[row["day_source"]["S"].removeprefix("month#")] = row
        stored = {month: days for month, row in self.rows.items() if (days := _read_sums(row)) is not None}
        for is_stored, together in groupby(self.months, stored.__contains__):
            if is_stored:
                for month in together:
                    yield from stored[month]
            else:
                yield from self._read([*together])

    def _read(self, months: list[str]) -> Iterator[SourceDay]:
        """Yield the days of consecutive months. Store the sums of past months."""
        first = f"{months[0]}-01" if months[0] in self.over else max(self.first, f"{months[0]}-01")
        last = last_day(months[-1]) if months[-1] in self.over else min(self.last, last_day(months[-1]))
        for month, together in groupby(self._query(first, f"{last}~"), lambda row: row["day_source"]["S"][:_MONTH]):
            versions = [(row["day_source"]["S"], CostVersion.of(row)) for row in together]
            days = [_source_day(key, version) for key, version in versions if version.lines is not None]
            yield from days
            lines = sum(len(version.lines or ()) for _, version in versions)
            is_worth_it = lines >= LINES_WORTH_SUMS and month in self.over
            if is_worth_it and self.may_store and time.monotonic() <= self.reads.until:
                self._store(month, days)

    def _query(self, first: str, last: str) -> Iterator[Item]:
        """Yield the user's rows from `first` to `last`."""
        keys = row_key(self.user_id, first), row_key(self.user_id, last)
        return rows_between(self.reads.call, self.table, *keys, ReturnConsumedCapacity="TOTAL")

    def _store(self, month: str, days: list[SourceDay]) -> None:
        """Store a month's sums, unless a day has changed since the month's row was read."""
        parts = codec.write(_sums(days))
        restated = {f"{day.date}#{day.source}": {"S": day.restated_at} for day in days if day.is_marked}
        if len(parts) > 1 or len(restated) > MAX_RESTATED:  # the sums would not fit into a row
            return
        changes = self.rows.get(month, {}).get("changes")
        values = {":sums": {"B": b2a_base64(parts[0], newline=False).decode()}, ":restated": {"M": restated}}
        values |= {":rules": {"S": codec.rules()}} | ({":changes": changes} if changes else {})
        update = {
            "TableName": self.table,
            "Key": row_key(self.user_id, f"month#{month}"),
            "UpdateExpression": "SET sums = :sums, #rules = :rules, restated = :restated",
            "ConditionExpression": "changes = :changes" if changes else "attribute_not_exists(changes)",
            "ExpressionAttributeNames": {"#rules": "rules"},
            "ExpressionAttributeValues": values,
        }
        until = time.monotonic() + STORE_SECONDS
        try:
            self.reads.dynamodb.call("UpdateItem", update, attempts=1, until=until)
        except ConditionFailed:
            pass  # a day was put or deleted meanwhile
        except (Busy, Unavailable):
            self.may_store = False  # the answer is correct even if storing fails


def _source_day(key: str, version: CostVersion) -> SourceDay:
    date, _, source = key.partition("#")
    by_agent: dict[int | None, Decimal] = {}
    for line in version.lines or ():
        by_agent[line.agent_id] = EXACT.add(by_agent.get(line.agent_id, Decimal(0)), line.cost_usd)
    is_restated = version.version > 1 and version.put_at[: len(date)] > date
    return SourceDay(date, source, by_agent, version.put_at if is_restated else None)


def _sums(days: Iterable[SourceDay]) -> Sums:
    sums = Sums()
    for day in days:
        for agent, cost in (day.by_agent or {ALL_AGENTS: Decimal(0)}).items():
            sums.of(Cell(day.date, f"${day.source}", agent))[0].add(1, cost)
    return sums


def _read_sums(row: Item) -> list[SourceDay] | None:
    """Return the days of a month's stored sums. Return None if no sums are stored or if they cannot be read."""
    if "sums" not in row or row["rules"]["S"] != codec.rules():
        return None
    sums = Sums()
    try:
        codec.read(a2b_base64(row["sums"]["B"]), sums)
    except codec.Damaged:
        return None
    restated = row["restated"]["M"]
    days: dict[tuple[str, str], dict[int | None, Decimal]] = defaultdict(dict)
    for (date, name, agent), (sum_, *_) in sums.by_cell.items():
        if sum_.count:
            days[date, name.removeprefix("$")] |= {} if agent == ALL_AGENTS else {agent: sum_.value}
    return [
        SourceDay(date, source, by_agent, restated.get(f"{date}#{source}", {}).get("S"))
        for (date, source), by_agent in days.items()
    ]
