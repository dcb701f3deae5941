"""Totals of a user, added up once: sums of stretches of record time that are over are kept, in a table of their own.

user_id (HASH, S)       `42`
stretch (RANGE, S)      `Europe/Berlin#1775080800000`: the zone of its days, and when the stretch begins, in
                        milliseconds since 1970; of what does not fit into an item, the second part has `#1` after that
end                     N, when the stretch ends, which is no longer in it
rules                   S, by which rules it was added up: `codec`'s, tzdata's version, the deployment's edition
parts                   N, how many; absent when it is one
sums                    B, see `codec`

A stretch that is over never changes, for the ledger only grows: what arrives late, and each correction, is an entry of
a later stretch. So what is kept is never wrong; if it is missing, damaged, or of other rules, it is added up anew.

The zones that a user began to look in on a day are remembered under `zones#2026-04-01`: `zones` SS, `expires_at` N.
"""

import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Container, Iterator
from datetime import date
from email.utils import parsedate_to_datetime
from itertools import groupby
from typing import Any, NamedTuple

import tzdata

from outcomes.aws.caller import Answer
from outcomes.aws.errors import ConditionFailed, Unavailable
from outcomes.aws.services import Item
from outcomes.contract import instants, occurrence
from outcomes.contract.local_days import LocalDays
from outcomes.contract.sums import TALLIES, Cell, Sums
from outcomes.errors import Busy, StillAddingUp
from outcomes.ledger.entries import Entries, Entry
from outcomes.ledger.store import OutcomeStore
from outcomes.totals import codec
from outcomes.totals.summary import Summary

SETTLED_SECONDS = 600
"""Seconds after an instant, by DynamoDB's clock, when nothing that says it was recorded then can be written any more:
DynamoDB takes no signature older than 300 s, ours are made within `caller.MAX_AGE` (60 s) of the instant, and a call
takes 12 s. The rest is for DynamoDB's own clocks, and for what it does after it was asked."""

LOOK_SECONDS = 10.0
"""Seconds of a look: what was added up until then is kept, and the look is over; with the 12 s of a call, that is below
the function's timeout."""
MORE_SECONDS = 4.0
"""No page is asked for later than this after that."""
KEEP_SECONDS = 4.0
"""Seconds of a call that keeps something: of one attempt, for it costs little when it fails."""

READ_UNITS_PER_WRITE_UNIT = 5
"""Price of a write unit: https://aws.amazon.com/dynamodb/pricing/on-demand/"""

SAVED_PER_COST = 4
"""A stretch is kept when reading its entries once more would cost this many times what keeping it costs."""

WRITE_UNIT_BYTES = 1024

ROW_BYTES = 2 * WRITE_UNIT_BYTES
FILLED = 0.9
"""Days are kept together until they fill this part of a multiple of ROW_BYTES: a write unit that is begun is paid for,
and numbers of many days together take less than those of each."""

TRIED_AGAIN = 1.25
"""A run that is not worth being kept is tried again when it is by so much longer, not at each midnight."""

ZONES_A_DAY = 4
"""Zones in which sums of a user may begin to be kept within a day; in further ones they are added up each time, if
there is time enough for that."""
ZONES_REMEMBERED_SECONDS = 2 * 24 * 60 * 60

_ORDER = {name: index for index, name in enumerate(TALLIES)}


class SettledInterval(NamedTuple):
    """A stretch of record time, from `begin` on, before `end`, and what was recorded in it comes to."""

    begin: str
    end: str
    sums: Sums


class Totals:
    """The table of outcomes, whose entries are added up, and that of the sums that are kept.

    edition: what is kept under another edition does not count.
    """

    def __init__(self, store: OutcomeStore, table: str, edition: str) -> None:
        self.store = store
        self.table = table
        self.rules = f"{codec.rules()} {tzdata.IANA_VERSION} {edition}"

    def add_up(self, user_id: int, summaries: list[Summary]) -> None:
        """Add to each summary what happened to a user within its period. All of them are of one zone.

        Raises StillAddingUp when there is more than can be read in time: what could be is kept, and the next look goes
        on from there, for summaries that are empty again.
        """
        _Look(self, user_id, summaries).add_up()


class _Run:
    """Entries that are being added up, from `begin` on. last: the stretch before.

    units: what reading them took. enough: how much of that may be worth being kept.
    """

    def __init__(self, begin: str, last: SettledInterval | None) -> None:
        self.begin = begin
        self.last = last
        self.units = 0.0
        self.enough = 0.0
        self.sums = Sums()


class _Part:
    """Days of a summary's period, all or part of each of them, as a look adds them to it."""

    def __init__(self, summary: Summary, days: LocalDays) -> None:
        self.summary = summary
        self.begin, self.end = instants.text(summary.period.since), instants.text(summary.period.until)
        first, last = days.of(self.begin), days.of(instants.text(summary.period.until - 1))
        self.first, self.last = first.date, last.date
        # What happened on a day that is asked for in part is added up entry by entry.
        self.cut = {day.date for day in (first, last) if day.begin < self.begin or self.end < day.end}
        self.of_cut = Sums()

    def add(self, sums: Sums) -> None:
        """Add what happened on days that are asked for as a whole."""
        for cell, tallies in sums.by_cell.items():
            if self.first <= cell.date <= self.last and cell.date not in self.cut:
                self.summary.add(cell, tallies)


class _Look:
    """One look at the totals of a user."""

    def __init__(self, totals: Totals, user_id: int, summaries: list[Summary]) -> None:
        self.totals = totals
        self.dynamodb = totals.store.dynamodb
        self.user_id = user_id
        self.deadline = time.monotonic() + LOOK_SECONDS
        self.entries = Entries(self.dynamodb, totals.store.table, user_id, self._check_time)
        periods = [summary.period for summary in summaries]
        self.zone = periods[0].timezone
        self.days = LocalDays(periods[0].zone)
        self.parts = [_Part(each, self.days) for each in summaries if each.period.since < each.period.until]
        self.cut = {day for part in self.parts for day in part.cut}
        # It may have been recorded at any time later, but hardly earlier.
        self.first = instants.text(max(0, min(period.since for period in periods) - occurrence.MOST_EARLY))
        self.settled = self.first
        self.is_zone_kept = False
        self.unreadable: set[str] = set()  # begins of kept stretches that do not count, and are replaced
        self.may_keep = True
        self.surplus = 0.0  # read units that the stretches kept by this look save beyond what they have to

    def add_up(self) -> None:
        at, last = self.first, None
        for interval in self._kept():
            if at < interval.begin:
                self._keep_adding(at, interval.begin, last)
            self._add(interval.sums)
            for day in self.cut & interval.sums.days.keys():
                for entry in self.entries.recorded(*self._recorded(interval, day)):
                    self._add_cut(entry, {day})
            at, last = interval.end, interval
        self._keep_adding(at, None, last)
        for part in self.parts:
            for cell, tallies in part.of_cut.by_cell.items():
                part.summary.add(cell, tallies)

    def _recorded(self, interval: SettledInterval, day: str) -> tuple[str, str]:
        """Find from when on, and before when, a stretch has what happened on a local day."""
        early = instants.read(self.days.named(date.fromisoformat(day)).begin) - occurrence.MOST_EARLY
        end = self.days.named(date.fromisoformat(interval.sums.days[day])).end
        return max(interval.begin, instants.text(max(0, early))), min(interval.end, end)

    def _add(self, sums: Sums) -> None:
        for part in self.parts:
            part.add(sums)

    def _kept(self) -> Iterator[SettledInterval]:
        """Read the stretches that are kept, from the first instant on, in their order; none overlaps another."""
        last_end = ""
        for begin, items in groupby(self._kept_items(), _begin):
            interval = self._read(begin, {_part(item): item for item in items})
            if interval is None:
                self.unreadable.add(begin)
            elif interval.end > self.first and last_end <= begin:
                yield interval
                last_end = interval.end

    def _kept_items(self) -> Iterator[Item]:
        """Read the items of kept stretches, each page of 1 MB when it is needed."""
        name = f"{self.zone}#"
        before = self._query(name, f"{name}{_number(self.first)}~", ScanIndexForward=False, Limit=1)
        self.settled = _settled(before) or self.first
        begin = self.first
        for item in before["Items"]:
            self.is_zone_kept = True
            if _end(item) > self.first:
                begin = _begin(item)
        query: dict[str, Any] = {}
        while True:
            page = self._query(f"{name}{_number(begin)}", f"{name}~", **query)
            self.is_zone_kept |= bool(page["Items"])
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            self._check_time()
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _read(self, begin: str, items: dict[int, Item]) -> SettledInterval | None:
        """Read a stretch of parts that were kept together by our rules; None if one is missing, foreign or damaged."""
        first = items.get(0, {})
        if "end" not in first:
            return None
        sums = Sums()
        for number in range(int(first["parts"]["N"]) if "parts" in first else 1):
            part = items.get(number, {})
            if part.get("rules") != {"S": self.totals.rules} or part.get("end") != first["end"]:
                return None
            try:
                codec.read(a2b_base64(part["sums"]["B"]), sums)
            except (KeyError, codec.Damaged):
                return None
        return SettledInterval(begin, _end(first), sums)

    def _query(self, first: str, last: str, **more: Any) -> Answer:
        return self.dynamodb.call(
            "Query",
            {
                "TableName": self.totals.table,
                "KeyConditionExpression": "user_id = :user AND stretch BETWEEN :first AND :last",
                "ExpressionAttributeValues": {
                    ":user": {"S": str(self.user_id)},
                    ":first": {"S": first},
                    ":last": {"S": last},
                },
                **more,
            },
        )

    def _keep_adding(self, begin: str, end: str | None, last: SettledInterval | None) -> None:
        """Add what was recorded from `begin` on, before `end` or until now, and keep what is worth it.

        last: the stretch before.
        """
        over = min(self.settled, end) if end else self.settled  # of what was recorded later, nothing is kept
        run = _Run(begin, last)
        at = begin
        for entry in self.entries.recorded(begin, end) if end else self.entries.recorded_since(begin, self.settled):
            if entry.recorded_at > at:  # so all that was recorded before is in the run
                is_late = at > begin and time.monotonic() > self.deadline  # or it would get no farther
                midnight = self.days.of(entry.recorded_at).begin
                if at < over <= entry.recorded_at:
                    self._close(run, over, is_last=True, is_late=is_late)
                elif is_late and entry.recorded_at < over:
                    self._close(run, entry.recorded_at, is_last=True, is_late=True)
                elif at < midnight <= over:
                    self._close(run, midnight)
                if is_late:
                    raise StillAddingUp
                at = entry.recorded_at
            run.units += entry.read_units
            today = self.days.of(entry.recorded_at).date
            for delta in entry.deltas:
                cell = Cell(self.days.of(delta.occurred_at).date, delta.outcome_type, delta.agent_id)
                run.sums.touch(cell.date, today)
                run.sums.of(cell)[_ORDER[delta.tally]].add(delta.sign, delta.value_usd)
            self._add_cut(entry, self.cut)
        if at < over:
            self._close(run, over, is_last=True)
        self._add(run.sums)

    def _add_cut(self, entry: Entry, days: Container[str]) -> None:
        """Add what an entry says of days that are asked for in part."""
        for delta in entry.deltas if self.cut else ():
            day = self.days.of(delta.occurred_at).date
            for part in self.parts:
                if day in days and day in part.cut and part.begin <= delta.occurred_at < part.end:
                    cell = Cell(day, delta.outcome_type, delta.agent_id)
                    part.of_cut.of(cell)[_ORDER[delta.tally]].add(delta.sign, delta.value_usd)

    def _close(self, run: _Run, end: str, *, is_last: bool = False, is_late: bool = False) -> None:
        """End a run, if it is worth being kept, and begin the next.

        is_last: there are no more entries to wait for, so what earlier runs save beyond what they have to counts, too.
        is_late: what was read is kept whatever it saves, or the next look could get no farther.
        """
        saved = run.units + (max(self.surplus, 0) if is_last else 0)
        least = SAVED_PER_COST * READ_UNITS_PER_WRITE_UNIT
        may_go_on = not (is_last or is_late)
        if not self.may_keep or not run.units or (saved < least and not is_late) or (may_go_on and saved < run.enough):
            return
        begin, sums = run.begin, run.sums
        if run.last and run.last.end == begin and end <= self.days.of(run.last.begin).end:
            begin, sums = run.last.begin, Sums()  # the same stretch, longer
            sums.add(run.last.sums)
            sums.add(run.sums)
        items = self._items(begin, end, sums)
        sizes = [_item_bytes(item) for item in items]
        filled = FILLED * _rounded_up(sum(sizes), ROW_BYTES)
        if may_go_on and sum(sizes) < filled:
            run.enough = run.units * filled / sum(sizes)
            return
        write_units = sum(_rounded_up(size, WRITE_UNIT_BYTES) for size in sizes) // WRITE_UNIT_BYTES
        cost = least * (write_units if self.is_zone_kept else write_units + 1)
        if saved < cost and not is_late:
            run.enough = run.units * TRIED_AGAIN
            return
        if not self._put(items, is_late=is_late):
            return
        self.surplus += run.units - cost
        self._add(run.sums)
        run.last = SettledInterval(begin, end, sums)
        run.begin, run.units, run.enough, run.sums = end, 0.0, 0.0, Sums()

    def _items(self, begin: str, end: str, sums: Sums) -> list[Item]:
        parts = codec.write(sums)
        common: Item = {"end": {"N": _number(end)}, "rules": {"S": self.totals.rules}}
        if len(parts) > 1:
            common["parts"] = {"N": str(len(parts))}
        key = f"{self.zone}#{_number(begin)}"
        return [
            {
                "user_id": {"S": str(self.user_id)},
                "stretch": {"S": f"{key}#{number}" if number else key},
                **common,
                "sums": {"B": b2a_base64(part, newline=False).decode()},
            }
            for number, part in enumerate(parts)
        ]

    def _put(self, items: list[Item], *, is_late: bool) -> bool:
        """Keep a stretch, and tell whether it is kept. What others keep at the same time is the same."""
        try:
            if not self.is_zone_kept and not self._begin_zone() and not is_late:
                self.may_keep = False
                return False
            for item in items:
                put: dict[str, Any] = {"TableName": self.totals.table, "Item": item}
                if _begin(item) not in self.unreadable:
                    put |= {
                        "ConditionExpression": "attribute_not_exists(stretch) OR #rules <> :rules OR #end <= :end",
                        "ExpressionAttributeNames": {"#rules": "rules", "#end": "end"},
                        "ExpressionAttributeValues": {":rules": item["rules"], ":end": item["end"]},
                    }
                self.dynamodb.call("PutItem", put, attempts=1, until=time.monotonic() + KEEP_SECONDS)
        except ConditionFailed:
            pass  # another reader kept one that begins there and is longer
        except (Busy, Unavailable):
            self.may_keep = False  # what cannot be kept is answered all the same
        return self.may_keep

    def _begin_zone(self) -> bool:
        """Remember that sums are kept in one more zone, and tell whether they may be."""
        now = instants.now()
        update = {
            "TableName": self.totals.table,
            "Key": {"user_id": {"S": str(self.user_id)}, "stretch": {"S": f"zones#{instants.text(now)[:10]}"}},
            "UpdateExpression": "ADD zones :zones SET expires_at = :expires_at",
            "ConditionExpression": "attribute_not_exists(zones) OR size(zones) < :most OR contains(zones, :zone)",
            "ExpressionAttributeValues": {
                ":zone": {"S": self.zone},
                ":zones": {"SS": [self.zone]},
                ":most": {"N": str(ZONES_A_DAY)},
                ":expires_at": {"N": str(now // 1000 + ZONES_REMEMBERED_SECONDS)},
            },
        }
        try:
            self.dynamodb.call("UpdateItem", update, attempts=1, until=time.monotonic() + KEEP_SECONDS)
        except ConditionFailed:
            return False
        self.is_zone_kept = True
        return True

    def _check_time(self) -> None:
        """Raise StillAddingUp when no further page may be asked for."""
        if time.monotonic() > self.deadline + MORE_SECONDS:
            raise StillAddingUp


def _number(instant: str) -> str:
    """Write an instant as milliseconds since 1970, in as many digits from 2001 to 2286."""
    return f"{instants.read(instant):013d}"


def _begin(item: Item) -> str:
    return instants.text(int(item["stretch"]["S"].split("#")[1]))


def _end(item: Item) -> str:
    return instants.text(int(item["end"]["N"])) if "end" in item else ""


def _part(item: Item) -> int:
    return int("".join(item["stretch"]["S"].split("#")[2:]) or 0)


def _settled(answer: Answer) -> str | None:
    """Find until when all is over, by the clock of the service that answered; None if it did not tell the time."""
    try:
        seconds = parsedate_to_datetime(answer.date).timestamp()
    except ValueError:
        return None
    return instants.text(int(seconds - SETTLED_SECONDS) * 1000)


def _rounded_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _item_bytes(item: Item) -> int:
    """Count the bytes of an item as DynamoDB does, about: a number takes less than its digits."""
    return sum(
        len(name) + (len(value) * 3 // 4 if kind == "B" else len(value))
        for name, typed in item.items()
        for kind, value in typed.items()
    )
