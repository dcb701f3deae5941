"""After any history of outcomes, costs, PUTs, runs and faults, each telling was made once, as a simple model says."""

import os
import random
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.sums import Cell, Sum, Sums
from outcomes.costs.cost_report import CostReport
from outcomes.costs.month_sums import SourceDay
from outcomes.definitions.definition_rules import Definition, Definitions, Rule
from outcomes.errors import Busy, StillAddingUp
from outcomes.events.stream import events_of
from outcomes.ledger import ulid
from outcomes.totals.summary import Summary
from outcomes.totals.what_counts import WhatCounts
from outcomes.watches import clock, figures
from outcomes.watches.figures import Figures

from tests.faults import Killed
from tests.figures import count as note
from tests.watches.in_memory import WatchesInMemory
from tests.watches.model import CLOSES, DAY, HOUR, MINUTE, NEVER, WEEKDAYS, Digest, Watch, bounds_of, name_of
from tests.what_counts import head_row

HISTORIES = int(os.environ.get("WATCHES", "120"))
STEPS = 14
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
BEGINS = ("2026-09-30T12:00:00Z", "2026-10-24T00:00:00Z", "2026-12-28T20:00:00Z", "2027-02-26T18:29:00Z")
MEASURES = ("value", "value", "counted", "cost", "unreviewed", "silence")
TYPES = ("deal_closed", "content_published")
RULES = {"content_published": Rule("confirmed", None, "stated"), "*": Rule("unless_disputed", None, "stated")}
MAX_SKEW = 240_000  # milliseconds; a clock that is further off is corrected by the first answer of AWS


class Outcome(NamedTuple):
    at: int
    type: str
    agent: int | None
    value: Decimal
    status: str


class History:
    """A random history of some users, and the model of what is told."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a failure must be repeatable
        self.now = instants.read(self.random.choice(BEGINS)) + self.random.randrange(3 * DAY)
        self.skew = 0
        self.users = [*range(40, 40 + self.random.choice([1, 1, 3]))]
        self.outcomes: dict[int, list[Outcome]] = {user: [] for user in self.users}
        self.costs: dict[int, dict[str, Decimal]] = {user: {} for user in self.users}
        self.zones: dict[int, str] = {}  # of the definitions
        self.watches: dict[tuple[int, str], Watch] = {}
        self.digests: dict[int, Digest] = {}
        self.told: dict[str, tuple[str, Any]] = {}  # what the model says: type, and figure or figures, by id
        self.events: dict[str, Any] = {}
        self.delivered = 0
        self.trouble: dict[int, Exception | None] = {}
        self.evaluated: list[int] = []
        self.ids = count(1)
        self.table = WatchesInMemory(self.random)
        totals = SimpleNamespace(store=SimpleNamespace(dynamodb=self.table), aggregate=self._aggregate)
        self.figures = Figures(totals, "CostsTable", "StatementsTable")  # type: ignore[arg-type]
        monkeypatch.setattr(instants, "now", lambda: self.now + self.skew)
        monkeypatch.setattr(figures, "StoredCosts", lambda *_: SimpleNamespace(add_to=self._add_costs))
        monkeypatch.setattr(clock, "TOGETHER", self.random.choice([1, 2, 50]))
        monkeypatch.setattr(clock, "MAX_USERS", self.random.choice([1, 2, 2000]))
        monkeypatch.setattr(clock, "evaluate", self._evaluate)

    def play(self) -> None:
        steps = (
            *(self.wait, self.wait, self.wait_for_an_end, self.record, self.record, self.correct, self.oscillate),
            *(self.dispute, self.put_costs, self.put, self.put_digest, self.define),
        )
        self.put()
        for _ in range(STEPS):
            self.random.choice(steps)()
            if self.random.random() < 0.7:
                self.run()
            if self.random.random() < 0.3:
                self.deliver()
        for _ in range(2 * len(self.users) + 2):  # enough for each user's turn, even after a run that was killed
            self.run(is_quiet=True)
        assert {*self.evaluated[-3 * len(self.users) :]} >= {user for user, _ in self.watches} | {*self.digests}
        self.deliver()
        self.check()

    # ── What happens ──────────────────────────────────────────────────────────────────────────────────────────────────

    def wait(self) -> None:
        self.now += self.random.choice([MINUTE, 15 * MINUTE, HOUR, 7 * HOUR, DAY, 3 * DAY, 9 * DAY, 33 * DAY])

    def wait_for_an_end(self) -> None:
        """Wait for the end of a watch's period, or its close, or almost."""
        watches = [each for each in self.watches.values() if each.setting["every"]]
        if watches:
            watch = self.random.choice(watches)
            _, end = watch.bounds(watch.name(self.now))
            at = end + self.random.choice([0, CLOSES[watch.setting["measure"]]])
            self.now = max(self.now, at + self.random.choice([-MINUTE, -1, 0, 3 * MINUTE]))

    def oscillate(self) -> None:
        """Record and void the same again and again."""
        user = self.random.choice(self.users)
        for status in ["recorded", "void"] * self.random.choice([1, 4]):
            if status == "recorded":
                self.outcomes[user].append(Outcome(self.now, "deal_closed", 7, Decimal(1000), status))
            else:
                self.outcomes[user].pop()
            self.run(is_quiet=True)

    def record(self) -> None:
        """Record some outcomes, or import them: both are seen by the summary alone."""
        user = self.random.choice(self.users)
        for _ in range(self.random.choice([1, 1, 3])):
            at = self.now - self.random.choice([0, 0, HOUR, DAY, 8 * DAY, 40 * DAY])
            value = Decimal(self.random.choice(["10", "40", "50.5", "100", "-20"]))
            agent = self.random.choice([None, 7, 9])
            self.outcomes[user].append(Outcome(at, self.random.choice(TYPES), agent, value, "recorded"))

    def correct(self) -> None:
        """Correct an outcome, move it across a line or a period's end, or undo an import."""
        outcomes = self.outcomes[self.random.choice(self.users)]
        if not outcomes:
            return
        place = self.random.randrange(len(outcomes))
        changes: list[dict[str, Any]] = [
            *({"status": status} for status in ("void", "confirmed", "disputed", "recorded")),
            {"value": Decimal(self.random.choice(["1", "49", "200"]))},
            {"at": self.now - self.random.randrange(40 * DAY)},
        ]
        if self.random.random() < 0.2:
            del outcomes[place]
        else:
            outcomes[place] = outcomes[place]._replace(**self.random.choice(changes))

    def dispute(self) -> None:
        """Dispute about half of what a user has, so that a digest has several disputes."""
        outcomes = self.outcomes[self.random.choice(self.users)]
        outcomes[:] = [each._replace(status=self.random.choice([each.status, "disputed"])) for each in outcomes]

    def put_costs(self) -> None:
        day = instants.text(self.now - self.random.choice([0, 1, 2, 9]) * DAY)[:10]
        costs = self.costs[self.random.choice(self.users)]
        if day in costs and self.random.random() < 0.3:
            del costs[day]
        else:
            costs[day] = Decimal(self.random.choice(["10", "60", "99.5"]))

    def define(self) -> None:
        user = self.random.choice(self.users)
        if self.random.random() < 0.3:
            self.zones.pop(user, None)
        else:
            self.zones[user] = self.random.choice(ZONES[:2])
        rule = Definition("2026-01", 1, 14, RULES, "", "")
        definitions = Definitions(self.zones[user], (rule,), 1) if user in self.zones else Definitions()
        self.table.rows["StatementsTable", str(user), "definitions"] = head_row(definitions, user)

    def put(self) -> None:
        """Make a watch, replace it, change its name, or delete it."""
        user, id_ = self.random.choice(self.users), self.random.choice(["a", "b"])
        key, old = (user, id_), self.watches.get((user, id_))
        if old and self.random.random() < 0.2:
            del self.watches[key], self.table.rows["WatchesTable", str(user), id_]
            return
        if old and self.random.random() < 0.4:
            row = self.table.rows["WatchesTable", str(user), id_]
            self.table.rows["WatchesTable", str(user), id_] = row | {
                "setting": {"S": _json(old.setting | {"name": f"Renamed {next(self.ids)}"})},
                "version": {"N": str(int(row["version"]["N"]) + 1)},
            }
            return
        measure = self.random.choice(MEASURES)
        has_shares = measure in CLOSES
        target = {"unreviewed": "2", "silence": "2"}.get(measure, "100")
        at = sorted(self.random.sample([50, 90, 100], self.random.choice([1, 2, 3])))
        setting = {
            "name": "Deals <b>",
            "measure": measure,
            "outcome_type": self.random.choice([None, None, "deal_closed"]) if measure != "cost" else None,
            "agent_id": self.random.choice([None, None, 7]),
            "every": self.random.choice(["week", "month"]) if has_shares else None,
            "timezone": self.random.choice(ZONES[:2] if measure == "counted" else ZONES),
            "target": Decimal(target),
            "at": at if has_shares else None,
        }
        made = ulid.from_number(self.now << 80 | next(self.ids))
        self.watches[key] = Watch(made, setting, {})
        self.table.store(user, id_, made, _json(setting), put_at=instants.text(self.now))

    def put_digest(self) -> None:
        """Make the setting of a digest, change it, or delete it."""
        user = self.random.choice(self.users)
        if user in self.digests and self.random.random() < 0.2:
            del self.digests[user], self.table.rows["WatchesTable", str(user), "digest"]
            return
        weekday, hour = self.random.randrange(7), self.random.choice([0, 2, 8, 23])
        made = ulid.from_number(self.now << 80 | next(self.ids))
        digest = self.digests[user] = Digest(made, self.random.choice(ZONES), weekday, hour)
        setting = {"timezone": digest.timezone, "day": WEEKDAYS[weekday], "hour": Decimal(hour)}
        self.table.store(user, "digest", made, json_text.exact(setting, 2), put_at=instants.text(self.now))

    def run(self, *, is_quiet: bool = False) -> None:
        """Run the clock, which may be wrong or killed. The ledger of some users may not be readable."""
        if is_quiet:
            self.trouble, self.skew, self.table.kill_in = {}, 0, None
        else:
            self.skew = self.random.choice([0, 0, -MAX_SKEW, MAX_SKEW])
            errors = [None, None, None, StillAddingUp(), Busy(), ValueError()]
            self.trouble = {user: self.random.choice(errors) for user in self.users}
            self.table.kill_in = self.random.choice([None, None, None, 0, 1, 2, 3])
        self.table.applied = {}
        run = clock.Run("WatchesTable", self.figures)
        try:
            run.go(float("inf"))
        except Killed:
            self._settle()
        for error in run.failed:
            if error not in self.trouble.values():
                raise error
        self.now += MINUTE

    def _evaluate(self, table: str, figures: Figures, rows: list[Any]) -> None:
        user = int(rows[0]["user_id"]["S"])
        real_evaluate(table, figures, rows)
        self.evaluated.append(user)
        self._settle({(user, row["id"]["S"]) for row in rows})

    def _settle(self, evaluated: Collection[tuple[int, str]] = ()) -> None:
        """Let the model follow. evaluated: the watches of which nothing may be left to write."""
        for (user, id_), watch in self.watches.items():
            after, tells = watch.step(self.now + self.skew, partial(self._figure, user, id_))
            applied = self.table.applied.pop((str(user), id_), False)
            assert applied or (user, id_) not in evaluated or after == watch, ("not written", user, id_, watch, after)
            if applied:
                assert after != watch, ("written without a change", watch)
                self.watches[user, id_] = after
                for type_, period, percent, n in tells:
                    self._tell(user, id_, after, type_, period, percent, n)
        for user, digest in self.digests.items():
            week = "" if self.trouble.get(user) else digest.due(self.now + self.skew)
            is_told = self.table.applied.pop((str(user), "digest"), False)
            assert not is_told or week, ("a digest is told that is not due", user, digest)
            assert is_told or not week or (user, "digest") not in evaluated, ("not told", user, digest)
            if is_told:
                self.digests[user] = digest._replace(week=week)
                self._note(f"{digest.made}#{week}", "digest.week", self._letter(user, digest, week))

    def _tell(self, user: int, id_: str, watch: Watch, type_: str, period: str, percent: int, n: int) -> None:
        event_id, figure = f"{watch.made}#{period}#{percent}#{n}", self._figure(user, id_, period)
        assert figure is not None
        self._note(event_id, type_, figure)
        if watch.setting["every"]:
            is_closed = self.now + self.skew >= watch.bounds(period)[1] + CLOSES[watch.setting["measure"]]
            assert is_closed == (period in watch.closed)
            assert is_closed or type_ != "watch.missed"
        assert n <= 3 or type_ == "watch.missed"

    def _note(self, event_id: str, type_: str, figures: Any) -> None:
        assert event_id not in self.told
        self.told[event_id] = type_, figures

    # ── What the clock reads ──────────────────────────────────────────────────────────────────────────────────────────

    def _figure(self, user: int, id_: str, period: str) -> Decimal | None:
        """Compute a figure outcome by outcome. None if it cannot be known now, NEVER if only another PUT helps."""
        watch = self.watches[user, id_]
        setting, measure = watch.setting, watch.setting["measure"]
        zone = self.zones.get(user)
        if measure == "counted" and zone != setting["timezone"]:
            return NEVER
        if self.trouble.get(user):
            return None
        today = watch.local(self.now + self.skew).date()
        mine = [
            each
            for each in self.outcomes[user]
            if setting["outcome_type"] in {None, each.type} and setting["agent_id"] in {None, each.agent}
        ]
        if measure == "cost":
            since, until = watch.bounds(period)
            days = {
                day: cost
                for day, cost in self.costs[user].items()
                if since <= instants.read(f"{day}T00:00:00Z") < until
            }
            return sum(days.values(), Decimal(0)) if setting["agent_id"] is None else Decimal(0)
        if measure == "silence":
            days_ = [watch.local(each.at).date() for each in mine]
            made_on = watch.local(ulid.milliseconds(watch.made)).date()
            first = min(made_on, today) if (today - made_on).days <= 90 else today
            seen = [day for day in days_ if first - timedelta(days=90) <= day <= today]
            return Decimal(min(90, max(0, (today - max(seen, default=made_on)).days - 1)))
        if measure == "unreviewed":
            recent, last = self._recent(mine, zone or setting["timezone"])
            return Decimal(len(self._unreviewed(recent, last, zone)))
        return sum(
            (
                each.value
                for each in mine
                if watch.name(each.at) == period
                and each.status in {"recorded", "confirmed"}
                and (measure == "value" or each.type == "deal_closed" or each.status == "confirmed")
            ),
            Decimal(0),
        )

    def _recent(self, outcomes: list[Outcome], timezone: str) -> tuple[list[Outcome], date]:
        """Return the outcomes that happened today or in the 90 days before, and today."""
        zone = ZoneInfo(timezone)
        today = datetime.fromtimestamp((self.now + self.skew) / 1000, zone).date()
        since = today - timedelta(days=90)
        return [each for each in outcomes if since <= _day(each, zone) <= today], today

    def _unreviewed(self, outcomes: list[Outcome], today: date, zone: str | None) -> list[Outcome]:
        """Return what the owner may still confirm or dispute. zone: of the definitions."""
        claimed = [each for each in outcomes if each.status == "recorded"]
        return [each for each in claimed if not zone or each.type == "content_published" or self._waits(each, today)]

    @staticmethod
    def _closes(outcome: Outcome) -> date:
        """Return when a deal counts by itself: here, its newest entry is of the month in which it happened, in UTC."""
        year, month = map(int, instants.text(outcome.at)[:7].split("-"))
        return date(year + month // 12, month % 12 + 1, 1) + timedelta(days=14)

    def _waits(self, outcome: Outcome, today: date) -> bool:
        return outcome.type != "content_published" and outcome.status == "recorded" and self._closes(outcome) > today

    def _letter(self, user: int, digest: Digest, week: str) -> dict[str, Any]:
        """Compute what a digest says, outcome by outcome."""
        zone = self.zones.get(user)
        before = name_of(datetime.strptime(f"{week}-1", "%G-W%V-%u") - timedelta(days=1), "week")  # noqa: DTZ007 - local
        recent, today = self._recent(self.outcomes[user], zone or digest.timezone)
        disputed = [each for each in recent if each.status == "disputed"]
        days = [_day(each, ZoneInfo(zone or digest.timezone)) for each in disputed]
        soon = [each for each in recent if self._waits(each, today) and self._closes(each) <= today + timedelta(days=7)]
        dates, costs = ({*self._costs(user, digest, each)} for each in (week, before))
        all_days = {instants.text(at)[:10] for at in _midnights(week, digest.timezone)}
        return {
            **self._week(user, digest, week, today),
            "previous": self._week(user, digest, before, today),
            "unreviewed": _sum(self._unreviewed(recent, today, zone)),
            "disputed": _sum(disputed) | {"oldest_days": (today - min(days)).days if days else None},
            "counts_soon": _sum(soon) if zone else None,
            "cost_gaps": [
                {"source": "openai", "days": gaps}
                for known in [dates | costs]
                if (gaps := sorted(each for each in all_days - known if known and min(known) < each < max(known)))
            ],
        }

    def _week(self, user: int, digest: Digest, week: str, today: date) -> dict[str, Any]:
        zone = ZoneInfo(digest.timezone)
        claimed = [
            each
            for each in self.outcomes[user]
            if each.status in {"recorded", "confirmed"} and name_of(_local(each, zone), "week") == week
        ]
        waiting = [each for each in claimed if self._waits(each, today)]
        counted = [each for each in claimed if each.type == "deal_closed" or each.status == "confirmed"]
        costs = self._costs(user, digest, week)
        cost = sum(costs.values(), Decimal(0)) if costs else None
        is_counted = self.zones.get(user) == digest.timezone
        return _sum(claimed) | {
            "counted_usd": _sum(counted)["value_usd"] - _sum(waiting)["value_usd"] if is_counted else None,
            "waiting_usd": _sum(waiting)["value_usd"] if is_counted else None,
            "cost_usd": cost,
            "known_days": len(costs),
            "of_days": len(_midnights(week, digest.timezone)),
            "net_usd": None if cost is None else _sum(claimed)["value_usd"] - cost,
        }

    def _costs(self, user: int, digest: Digest, week: str) -> dict[str, Decimal]:
        """Return the costs of the UTC days that begin in a week, by day."""
        since, until = bounds_of(week, digest.timezone, "week")
        costs = self.costs[user].items()
        return {day: cost for day, cost in costs if since <= instants.read(f"{day}T00:00:00Z") < until}

    def _aggregate(self, user_id: int, summaries: list[Summary], counting: WhatCounts | None = None) -> None:
        if error := self.trouble.get(user_id):
            raise error
        months: dict[str, Sums] = {}
        for each in self.outcomes[user_id]:
            one, no = Sum(1, each.value), Sum()
            standing, confirmed = each.status in {"recorded", "confirmed"}, each.status == "confirmed"
            tallies = [standing, confirmed, each.status == "disputed", each.status == "void"]
            for summary in summaries:
                if summary.period.since <= each.at < summary.period.until:
                    day = datetime.fromtimestamp(each.at / 1000, summary.period.zone).date().isoformat()
                    one_or_no = [one if tally else no for tally in tallies]
                    summary.add(Cell(day, each.type, each.agent), tuple(one_or_no))  # type: ignore[arg-type]
            if each.status == "recorded":
                day = datetime.fromtimestamp(each.at / 1000, summaries[0].period.zone).date().isoformat()
                sums = months.setdefault(instants.text(each.at)[:7], Sums())
                sums.of(Cell(day, each.type, each.agent))[0].add(1, each.value)
        if counting:
            counting.add(months)

    def _add_costs(self, report: CostReport, user_id: int) -> None:
        if error := self.trouble.get(user_id):
            raise error
        for day, cost in self.costs[user_id].items():
            report.add(SourceDay(day, "openai", {None: cost}, None))

    # ── What is told ──────────────────────────────────────────────────────────────────────────────────────────────────

    def deliver(self) -> None:
        """Publish the stream's records, of which some come again."""
        begin = max(0, self.delivered - self.random.choice([0, 1, 5]))
        for record in self.table.stream[begin:]:
            for event in events_of(record, {}):
                assert self.events.setdefault(event.id, event) == event
        self.delivered = len(self.table.stream)

    def check(self) -> None:
        assert self.events.keys() == self.told.keys()
        for id_, event in self.events.items():
            type_, expected = self.told[id_]
            said = json_text.read(event.data)
            is_digest = type_ == "digest.week"
            found = {name: said[name] for name in expected} if is_digest else said["figure"]
            assert (event.type, found) == (type_, expected)
        for event in self.events.values():
            text = json_text.read(event.data)["text"]
            assert "<" not in text
            assert "\n" not in text


real_evaluate = clock.evaluate


def _local(outcome: Outcome, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(outcome.at / 1000, zone)


def _day(outcome: Outcome, zone: ZoneInfo) -> date:
    return _local(outcome, zone).date()


def _midnights(week: str, timezone: str) -> range:
    """Return the begins of the UTC days of a week."""
    since, until = bounds_of(week, timezone, "week")
    return range(-(-since // DAY) * DAY, until, DAY)


def _sum(outcomes: list[Outcome]) -> dict[str, Any]:
    return {"count": len(outcomes), "value_usd": sum((each.value for each in outcomes), Decimal(0))}


def _json(setting: dict[str, Any]) -> str:
    """Write a setting as it is stored, with Decimals."""
    agent_id, at = setting["agent_id"], setting["at"]
    return json_text.exact(setting | {"agent_id": agent_id and Decimal(agent_id), "at": at and [*map(Decimal, at)]}, 3)


def seeds() -> Iterator[int]:
    yield from [int(os.environ["SEED"])] if os.environ.get("SEED") else range(HISTORIES)


def test_each_telling_is_made_once_after_any_history() -> None:
    tellings = 0
    for seed in seeds():
        with pytest.MonkeyPatch.context() as monkeypatch:
            history = History(seed, monkeypatch)
            try:
                history.play()
            except Exception as error:
                error.add_note(f"SEED={seed}")
                raise
            tellings += len(history.told)
    note(histories=HISTORIES, tellings=tellings)
    assert tellings > HISTORIES
