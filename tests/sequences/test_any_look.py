"""After any sequence of recordings, corrections and failing or concurrent readers, a summary equals the sum of all
outcomes, and what counts of it equals a loop over them. Lists and exports with any filters equal those of the model,
and a summary equals the sum of an export's rows.

The variable LOOKS is the number of seeds (`make soak`).
"""

import csv
import itertools
import json
import os
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from io import StringIO
from itertools import chain
from random import Random
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from outcomes.aws import backoff, paced_reads
from outcomes.aws.services import DynamoDB
from outcomes.calendar import instants
from outcomes.contract.models import NewOutcome
from outcomes.contract.sums import Sums
from outcomes.definitions.definition_rules import Definitions
from outcomes.ledger import ulid
from outcomes.ledger.store import LIMITS
from outcomes.totals import codec, materialized, monthly_sums, open_months, settled_intervals

from functions.correct_outcome import app as correct_outcome
from functions.export_outcomes import app as export_outcomes
from functions.summarize_outcomes import app
from smoke.model import TALLIES, Choice, State, added_up, corrected, said, shown
from tests.conftest import template_tables
from tests.corrections import BODIES, OWNER, assign, correct, pages, read
from tests.events import KEY, proxy_event
from tests.faults import THROTTLED, Killed, Request, Send, error
from tests.people import two_shards
from tests.what_counts import PARTS, by_bucket, divided, draw_definitions, head_row, without_days
from tests.what_counts import said as said_to_count

SEEDS = int(os.environ.get("LOOKS") or 4)

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BEGIN = 1_773_144_000_000  # 2026-03-10T12:00:00Z, between the clock changes of New York and Berlin
ZONES = ["UTC", "Asia/Kathmandu", "Europe/Berlin", "America/New_York"]
LATEST = 300 + 60 + 12
"""Seconds by which a write may be later than the entry's timestamp, because of a slow clock and a slow call."""

LAGS = [0, 0, 1, 200, LATEST]
VALUES = [None, "0", "1", "2.5", "-4", "0.1", "1E-130", "999999999999999"]
LATER = [0, MINUTE, 10 * MINUTE, 11 * MINUTE, 3 * HOUR, 12 * HOUR, DAY, 3 * DAY]
AHEAD = [0, -20 * MINUTE, HOUR]
"""Milliseconds by which the reader's clock is ahead."""

PERIODS = [1, 2, 7, 30, 45, 70, 100]
"""Numbers of days. Sums of whole months are only read by summaries of several months."""
TYPES = [(), ("deal_closed",), ("task_complete", "deal_closed"), ("content_published",)]
AGENTS: list[Any] = [None, 7, 9, "none"]
RECORDED = {"status": "recorded", "version": 0}
STATUSES = [(), ("recorded",), ("confirmed", "recorded"), ("disputed", "void", "confirmed")]


class Fact(NamedTuple):
    """The fields of an outcome or an amend.

    ago: how many milliseconds before created_at the outcome occurred. If `ago` is None, occurred_at is missing.
    """

    type: str
    agent: int | None
    value: str | None
    ago: int | None

    def fields(self, recorded_at: int) -> dict[str, Any]:
        """Return the fields in the format of a request."""
        fields = {"outcomeType": self.type, "agentId": self.agent and Decimal(self.agent)}
        fields["valueUsd"] = self.value and Decimal(self.value)
        return fields | ({} if self.ago is None else {"occurredAt": instants.text(recorded_at - self.ago)})

    def shown(self, recorded_at: int) -> State:
        """Return the fields in the format of a list. They contain occurred_at only if `ago` is set."""
        fields = self.fields(recorded_at)
        names = {"outcomeType": "outcome_type", "agentId": "agent_id", "valueUsd": "value_usd"}
        return {names.get(name, "occurred_at"): value for name, value in fields.items()}


class Look(NamedTuple):
    """The parameters of a summary.

    days: the number of local days. end: how many days before today the last of them is. cut: the milliseconds by which
    the period begins later and, if is_cut_twice, ends earlier.
    """

    zone: str
    days: int
    cut: int = 0
    types: tuple[str, ...] = ()
    agent: int | Literal["none"] | None = None
    by: str = "day"
    is_compared: bool = False
    is_cut_twice: bool = True
    statuses: tuple[str, ...] = ()
    end: int = 0
    says_what_counts: bool = False

    def period(self, now: int) -> tuple[int, int]:
        return self._midnight(now, self.days) + self.cut, self._midnight(now, 0) - self.cut * self.is_cut_twice

    def period_before(self, now: int) -> tuple[int, int]:
        since, until = self.period(now)
        return (since - (until - since) if self.cut else self._midnight(now, 2 * self.days)), since

    def _midnight(self, now: int, days: int) -> int:
        """Return the midnight that is `days` days before the end of the last day."""
        after = datetime.fromtimestamp(now / SECOND, ZoneInfo(self.zone)).date().toordinal() + 1 - self.end
        return int(datetime.fromordinal(after - days).replace(tzinfo=ZoneInfo(self.zone)).timestamp()) * SECOND

    def query(self, now: int) -> dict[str, str | list[str]]:
        since, until = map(instants.text, self.period(now))
        query: dict[str, str | list[str]] = {"from": since, "to": until, "timezone": self.zone, "by": self.by}
        query |= {"outcomeType": [*self.types]} if self.types else {}
        query |= {"agentId": str(self.agent)} if self.agent else {}
        query |= {"status": [*self.statuses]} if self.statuses else {}
        query |= {"include": "definition"} if self.says_what_counts else {}
        return query | ({"compare": "previous"} if self.is_compared else {})

    def choice(self, period: tuple[int, int]) -> Choice:
        since, until = map(instants.text, period)
        return Choice(self.types, self.agent, self.statuses, since, until)


class Service:
    """A DynamoDB with small pages and its own clock. meet: a fault that the next call gets. tells_time: in answers."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.post = app.store.dynamodb.connection.post
        self.meet: Callable[[Request, Send], Any] | None = None
        self.tells_time = True

    def answer(self, headers: Any, body: bytes, until: float) -> Any:
        request = Request(headers["x-amz-target"].rpartition(".")[2], json.loads(body))
        if request.operation == "Query":
            body = json.dumps({"Limit": 3} | request.body).encode()

        def send() -> Any:
            reply = self.post(headers, body, until)
            date = datetime.fromtimestamp(self.now() // SECOND, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
            return reply._replace(headers={**reply.headers, "date": date} if self.tells_time else {})

        meet, self.meet = self.meet, None
        return meet(request, send) if meet else send()

    def after(self, calls: int, then: Callable[[Request, Send], Any]) -> None:
        """Let `calls` calls succeed, and inject the fault `then` into the next one."""

        def count(request: Request, send: Send) -> Any:
            if not calls:
                return then(request, send)
            self.after(calls - 1, then)
            return send()

        self.meet = count


class Course:
    """The run of one seed. It changes a user's ledger with a simulated clock, and compares summaries with the outcomes.

    steps: what was done. outcomes, unassigned: the outcomes of the user, and those without a user, by id. busy_days:
    when days with several outcomes began.
    """

    def __init__(self, seed: int, patches: ExitStack) -> None:
        self.random = Random(seed)  # noqa: S311 - to be drawn again
        self.steps: list[Any] = []
        self.now = BEGIN
        self.clock = BEGIN  # the host that runs the function has its own clock
        self.outcomes: dict[str, State] = {}
        self.unassigned: dict[str, State] = {}
        self.amended = 0
        self.busy_days: list[int] = []
        # Few zones, so that totals stored for one summary are used by a later one.
        self.zones = self.random.sample(ZONES, 2)
        self.definitions = Definitions()
        for store in (app.store, correct_outcome.corrections.store):
            patches.enter_context(patch.object(store, "dynamodb", DynamoDB(LIMITS)))
        self.service = Service(lambda: self.now)
        for thing, name, value in (
            (os, "urandom", Random(seed).randbytes),  # noqa: S311 - to be drawn again
            (instants, "now", lambda: self.clock),
            (settled_intervals, "SAVED_PER_COST", 0),
            (settled_intervals, "ZONES_A_DAY", 3),
            # FILLED: how full rows must be to end an interval. With 0, it ends at the first midnight after an outcome.
            (settled_intervals, "FILLED", self.random.choice([0, 0.05, 0.2])),
            (monthly_sums, "CELLS_SAVED", -(10**9)),
            (open_months, "MERGED_CELLS", self.random.choice([0, 5, 1_000])),
            (open_months, "TOGETHER", self.random.choice([1, 3, 100])),
            (materialized, "CHECKPOINT_CELLS", 0),
            (codec, "PART_CHARACTERS", 40),
            (app.totals, "rules", "1"),
            (codec, "_WORDS", codec._WORDS + b"1"),
            (app.store.dynamodb.connection, "post", self.service.answer),
        ):
            patches.enter_context(patch.object(thing, name, value))

    def run(self) -> None:
        """Call each method of `looks` in random order. Between these calls, change the ledger and the stored rows."""
        draw = self.random
        news = [self.record, self.correct, self.correct, self.assign, self.time_passes, self.an_entry_is_of_older_code]
        looks = [self.look, self.readers_race, self.a_reader_dies, self.a_reader_is_throttled]
        looks += [
            self.look,
            self.look_at_outcomes_without_a_user,
            *[self.look_without_time] * 3,
            self.nothing_is_stored,
        ]
        for _ in range(2):
            self.define()
            self.days_pass()
            for look in draw.sample(looks, len(looks)):
                if draw.random() < 0.15:
                    draw.choice([self.rules_change, self.a_row_is_damaged])()
                for step in draw.choices(news, k=draw.randint(0, 3)):
                    step()
                look()
            self.look()
        for _ in range(6):
            self.list_and_export()

    def define(self) -> None:
        """Put definitions, which may open months again."""
        months = ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"]
        self.definitions = draw_definitions(self.random, self.zones[0], months, ["deal_closed", "task_complete"])
        app.store.dynamodb.call("PutItem", {"TableName": "StatementsTable", "Item": head_row(self.definitions)})

    def draw_fact(self) -> Fact:
        draw = self.random
        ago = draw.choice([None, 0, -4 * MINUTE, draw.randint(-5 * MINUTE, 2 * DAY), draw.randint(0, 34 * DAY)])
        return Fact(draw.choice(["deal_closed", "task_complete"]), draw.choice([None, 7, 8]), draw.choice(VALUES), ago)

    def draw_look(self) -> Look:
        """Draw a summary, often without filters, so that it can use sums of months."""
        draw = self.random
        look = Look(draw.choice(self.zones), draw.choice(PERIODS), end=draw.choice([0, 0, 0, 1, 20]))
        look = look._replace(by=draw.choice(["day", "week", "month"]), is_compared=draw.random() < 0.3)
        look = look._replace(says_what_counts=draw.random() < 0.6)
        if draw.random() < 0.4:
            # Begin within a day of several outcomes, so that reading the rest of this day takes several queries.
            days = (self.now - draw.choice(self.busy_days)) // DAY + 1
            cut, is_cut_twice = draw.choice([1, HOUR, 5 * HOUR]), draw.random() < 0.5
            look = look._replace(days=days, end=0, cut=cut, is_cut_twice=is_cut_twice)
        for _ in range(draw.choice([0, 0, 1, 2])):
            look = self.filtered(look)
        return look

    def filtered(self, look: Look) -> Look:
        """Change one of the filters."""
        name, values = self.random.choice([("types", TYPES), ("agent", AGENTS), ("statuses", STATUSES)])
        others: list[Any] = [value for value in values if value != getattr(look, name)]
        return look._replace(**{name: self.random.choice(others)})

    def record(self) -> None:
        is_user = self.random.random() < 0.7
        self.recorded(self.random.choice(LAGS), is_user=is_user)

    def recorded(self, lag: int, *, is_user: bool) -> None:
        fact, at = self.draw_fact(), self.now - lag * SECOND
        self.steps.append((instants.text(at), "record", is_user, fact))
        body = fact.fields(at) | {"title": "Done"} | ({"userId": Decimal(42)} if is_user else {})
        id_ = app.store.add(NewOutcome.parse(body, session_user=None), "key", milliseconds=at)
        created_at = instants.text(at)
        outcomes = self.outcomes if is_user else self.unassigned
        outcomes[id_] = {"id": id_, "created_at": created_at, "occurred_at": created_at} | RECORDED | fact.shown(at)

    def assign(self) -> None:
        """Assign an outcome, which may have been recorded long before the last summary."""
        open_ = [id_ for id_, outcome in self.unassigned.items() if outcome["status"] != "void"]
        if not open_:
            return
        id_ = self.random.choice(open_)
        self.steps.append(("assign", id_))
        self.clock = self.now - self.random.choice(LAGS) * SECOND
        status, answer = assign(id_)
        self.clock = self.now
        assert status == 200, answer
        new = str(answer["id"])
        self.outcomes[new] = self.unassigned[id_] | {"id": new, "created_at": instants.text(ulid.milliseconds(new))}
        self.unassigned[id_]["status"] = "void"

    def correct(self) -> None:
        id_, type_, to = self.random.choice([*self.outcomes]), self.random.choice([*BODIES]), self.draw_fact()
        self.steps.append((instants.text(self.now), "correct", id_, type_, to))
        outcome, body, is_of_words = self.outcomes[id_], BODIES[type_], self.random.random() < 0.3
        recorded_at, is_of_time = instants.read(outcome["created_at"]), self.random.random() < 0.3
        # mostly within the same day, so that the day's sums stay the same, but those of parts of the day do not
        occurred_at = instants.text(instants.read(outcome["occurred_at"]) - self.random.randint(1, 12) * HOUR)
        if type_ == "amend":
            self.amended += 1  # each amend needs a new title, because an amend that changes nothing is refused
            changes: dict[str, Any] = {"title": f"Amended {self.amended}"}
            if is_of_time:
                changes |= {"occurredAt": occurred_at}
            elif not is_of_words:
                changes |= to.fields(recorded_at) | {"valueUsd": to.value and float(to.value), "agentId": to.agent}
            body = body | {"changes": changes}
        self.clock = self.now - self.random.choice(LAGS) * SECOND
        status, answer, _ = correct(id_, KEY if type_ in {"amend", "void", "uphold"} else OWNER, body)
        self.clock = self.now
        changed = {} if is_of_words else to.shown(recorded_at)
        changed = {"occurred_at": occurred_at} if is_of_time else changed
        after = corrected(outcome, type_, changed if type_ == "amend" else {}, "key")
        assert status == (200 if after else 409), answer
        outcome |= after or {}

    def an_entry_is_of_older_code(self) -> None:
        entries = [row for row in self.rows() if "since" in row]
        if entries:
            entry = self.random.choice(entries)
            self.steps.append(("an older entry", entry["created_at"]))
            older = {name: value for name, value in entry.items() if name != "since"}
            app.store.dynamodb.call("PutItem", {"TableName": "OutcomesTable", "Item": older})

    def rows(self) -> list[Any]:
        """Return the user's outcomes and corrections as they are stored."""
        scan = app.store.dynamodb.call("Scan", {"TableName": "OutcomesTable"})
        return [row for row in scan["Items"] if row["user_id"]["S"] == "42"]

    def time_passes(self) -> None:
        self.now += self.random.choice(LATER)
        if self.random.random() < 0.4:
            self.now = self.midnight() + self.random.choice([-3 * MINUTE, 0, 0, 5 * MINUTE])
        self.clock = self.now

    def midnight(self) -> int:
        """Return the next midnight of one of the zones."""
        return Look(self.random.choice(self.zones), 0).period(self.now)[1]

    def days_pass(self) -> None:
        """Record six outcomes on the first day, one on most other days, and on some days one without a user."""
        self.busy_days.append(self.now)
        for _ in range(6):
            self.recorded(0, is_user=True)
            self.now += HOUR
        for _ in range(self.random.choice([16, 28])):
            self.recorded(0, is_user=True)
            if self.random.random() < 0.3:
                self.recorded(0, is_user=False)
            self.now += DAY * self.random.choice([1, 1, 2, 3])
        self.recorded(0, is_user=False)
        self.clock = self.now

    def rules_change(self) -> None:
        """Deploy a release with another format of stored totals, which must not decode totals of the old format."""
        rules = self.random.choice(["1", "22"])
        self.steps.append(("rules", rules))
        codec._WORDS = codec._WORDS.removesuffix(app.totals.rules.encode()) + rules.encode()
        app.totals.rules = rules

    def a_row_is_damaged(self) -> None:
        """Truncate the bytes of a stored row and append garbage, change a bit, or let it be of another edition."""
        rows = app.store.dynamodb.call("Scan", {"TableName": "TotalsTable"})["Items"]
        if kept := [row for row in rows if "sums" in row]:
            row = self.random.choice(kept)
            part = a2b_base64(row["sums"]["B"])
            at = self.random.randrange(min(len(part), 24))
            damaged = [part[: at + 4], part[: at + 4] + b"\0", part[:at] + bytes([part[at] ^ 1]) + part[at + 1 :]]
            damage = self.random.choice([*damaged, codec.write(Sums())[0]])
            self.steps.append(("damage", row["stretch"], damage))
            row["sums"]["B"] = b2a_base64(damage, newline=False).decode()
            if damage not in damaged:
                row["rules"]["S"] += " another edition"
            app.store.dynamodb.call("PutItem", {"TableName": "TotalsTable", "Item": row})

    def look(self, look: Look | None = None) -> None:
        look = look or self.draw_look()
        self.clock = self.now + self.random.choice(AHEAD)
        assert self.has_read(look)
        self.clock = self.now

    def look_at_outcomes_without_a_user(self) -> None:
        assert self.has_read(self.draw_look(), is_user=False)

    def a_reader_dies(self) -> None:
        look = self.draw_look()
        self.die(look)
        self.look(look)

    def die(self, look: Look, *, is_user: bool = True) -> None:
        """Begin to read a summary, but die after some calls of DynamoDB, before or after the last call is executed."""
        done = self.random.random() < 0.5

        def die(_request: Request, send: Send) -> Any:
            if done:
                send()
            raise Killed

        self.service.after(self.random.randint(0, 30), die)
        with suppress(Killed):
            self.read(look, is_user=is_user)
        self.service.meet = None

    def readers_race(self) -> None:
        look, before = self.draw_look(), self.random.random() < 0.5
        other = look._replace(days=self.random.choice(PERIODS))

        def meanwhile(_request: Request, send: Send) -> Any:
            reply = None if before else send()
            self.look(other)
            return reply or send()

        self.service.after(self.random.randint(0, 30), meanwhile)
        self.look(look)
        self.service.meet = None

    def nothing_is_stored(self) -> None:
        """Read a summary whose writes are throttled, or while DynamoDB does not tell the time."""

        def throttle(request: Request, send: Send) -> Any:
            self.service.meet = throttle
            return error(THROTTLED)(request, send) if request.operation in {"PutItem", "UpdateItem"} else send()

        self.a_row_is_damaged()
        if self.random.random() < 0.5:
            self.service.meet = throttle
        else:
            self.service.tells_time = False
        self.look()
        self.service.meet, self.service.tells_time = None, True

    def a_reader_is_throttled(self) -> None:
        """Read a summary whose reads are throttled after some calls."""

        def throttle(request: Request, send: Send) -> Any:
            self.service.meet = throttle
            return error(THROTTLED)(request, send) if request.operation in {"Query", "BatchGetItem"} else send()

        look = self.draw_look()
        self.service.after(self.random.randint(0, 30), throttle)
        with self.clock_that_ticks(1, grace=4):
            self.has_read(look)
        self.service.meet = None
        self.look(look)

    def look_without_time(self) -> None:
        """Read a summary in calls that may time out, and change the tables between them.

        Then read two similar summaries and this one, which may continue from stored checkpoints.
        """
        look, is_user = self.draw_look(), self.random.random() < 0.7
        seconds = self.random.choice([-1, -1, 1, 5])

        def die() -> None:
            with self.clock_that_ticks(seconds):
                self.die(look, is_user=is_user)

        for _ in range(self.random.choice([1, 2, 9])):
            with self.clock_that_ticks(seconds):
                if self.has_read(look, is_user=is_user):
                    break
            if self.random.random() < 0.4:
                self.random.choice([self.record, self.a_row_is_damaged, die])()
        before = look._replace(end=look.end + look.days, is_compared=False)
        for other in self.filtered(look), before, look:
            assert self.has_read(other, is_user=is_user)

    def list_and_export(self) -> None:
        """Read a list, files and a summary with the same filters, of a period that begins and ends near outcomes."""
        draw, outcomes = self.random, self.outcomes.values()
        time, at = draw.choice([("recorded", "created_at"), ("occurred", "occurred_at")])
        told = [instants.read(each[name]) for each in outcomes for name in ("created_at", "occurred_at")]
        since, until = sorted(draw.choice(told) + draw.choice((-1, 0, 1)) for _ in range(2))
        period = instants.text(since), instants.text(until + (since == until))
        choice = Choice(draw.choice(TYPES), draw.choice(AGENTS), draw.choice(STATUSES), *period)
        self.steps.append((time, choice))
        query: dict[str, Any] = {"from": choice.since, "to": choice.until, "status": [*choice.statuses]}
        query |= {"outcomeType": [*choice.types], "agentId": choice.agent and str(choice.agent)}
        query = {name: value for name, value in query.items() if value}

        include: dict[str, Any] = draw.choice([{}, {"include": "ledger"}])
        limit = draw.choice(["4", "50"])
        found = chain.from_iterable(pages(**query, time=time, limit=limit, **include))
        with_void = bool(choice.statuses)
        assert ids(found) == ids(shown(outcomes, choice, with_void=with_void or bool(include), by=at))
        files = {
            name: get(export_outcomes.handler, query | {"time": time, "format": name}) for name in ("ndjson", "csv")
        }
        expected = ids(shown(outcomes, choice, with_void=with_void, by=at))
        assert ids(map(json.loads, files["ndjson"].splitlines())) == expected
        assert ids(csv.DictReader(StringIO(files["csv"], newline=""))) == expected

        zone, by = draw.choice(ZONES), draw.choice(["day", "week", "month"])
        totals = said(read(get(app.handler, query | {"timezone": zone, "by": by})), by)
        assert totals == added_up(outcomes, choice, zone, by)
        everything = query | {"time": "occurred", "format": "ndjson", "status": [*TALLIES]}
        rows = [read(line) for line in get(export_outcomes.handler, everything).splitlines()]
        assert totals == added_up(rows, choice, zone, by)

    @contextmanager
    def clock_that_ticks(self, seconds: float, grace: float = 100) -> Iterator[None]:
        """Let each read of the clock take 0.1 s, and change the seconds after which an aggregation ends."""
        clock = SimpleNamespace(monotonic=partial(next, itertools.count(0, 0.1)), sleep=lambda _seconds: None)
        with (
            patch.multiple(materialized, time=clock, AGGREGATION_SECONDS=seconds, GRACE_SECONDS=grace),
            patch.multiple(paced_reads, time=clock),
            patch.multiple(backoff, time=clock),
            patch.multiple(app.store.dynamodb, _sleep=clock.sleep),
        ):
            yield

    def read(self, look: Look, *, is_user: bool = True) -> tuple[int, Any]:
        self.steps.append((instants.text(self.now), look, is_user))
        caller = OWNER if is_user else KEY | {"reads": "none"}
        query = look.query(self.now) | ({} if is_user else {"userId": "none"})
        response = app.handler(proxy_event("GET", "/api/outcomes/summary", authorizer=caller, query=query), None)
        return response["statusCode"], read(response["body"])

    def has_read(self, look: Look, *, is_user: bool = True) -> bool:
        """Read a summary and check it. Return whether there was enough time to read it."""
        status, summary = self.read(look, is_user=is_user)
        if status == 200:
            self.check(look, summary, is_user=is_user)
        else:
            assert (status, summary) == (503, {"error": "Still adding up"})
        return status == 200

    def check(self, look: Look, summary: Any, *, is_user: bool = True) -> None:
        """Check a summary against the sum of all outcomes."""
        outcomes = (self.outcomes if is_user else self.unassigned).values()
        chosen = look.choice(look.period(self.now))
        assert said(summary, look.by) == added_up(outcomes, chosen, look.zone, look.by)
        assert ("previous" in summary) == look.is_compared
        if look.says_what_counts:
            self.check_what_counts(look, summary, is_user=is_user)
        if look.is_compared:
            before, previous = look.choice(look.period_before(self.now)), summary["previous"]
            assert (previous["from"], previous["to"]) == (before.since, before.until)
            assert (previous["count"], previous["value_usd"]) == added_up(outcomes, before, look.zone)["standing"]

    def check_what_counts(self, look: Look, summary: Any, *, is_user: bool) -> None:
        """Check what counts against a loop over the stored outcomes."""
        periods = [(summary, look.period(self.now))]
        if look.is_compared:
            periods += [(summary["previous"], look.period_before(self.now))]
        is_of_some = {*look.statuses} not in (set(), {"recorded", "confirmed"})
        if not is_user or look.zone != self.definitions.timezone or look.cut or is_of_some:
            assert summary["by_rule"] is None
            sums = [*summary[f"by_{look.by}"], *([summary["previous"]] if look.is_compared else [])]
            assert all(each["counted_usd"] is each["waiting_usd"] is None for each in sums)
            return
        rows = [row for row in self.rows() if "effects" not in row]
        today = datetime.fromtimestamp(self.clock / SECOND, ZoneInfo(look.zone)).date()
        for told, period in periods:
            expected: dict[Any, Any] = divided(rows, self.definitions, today, look.choice(period))
            if told is not summary:
                wanted = {part: expected.get(("", part, "value_usd"), 0) for part in ("counted", "waiting")}
                assert {"counted": told["counted_usd"], "waiting": told["waiting_usd"]} == wanted
                continue
            assert said_to_count(told["by_rule"]) == without_days(expected)
            assert sum(told["by_rule"][part]["count"] for part in PARTS) == told["count"]
            assert told["by_rule"]["by_type"] == sorted(told["by_rule"]["by_type"], key=rank)
            assert {
                (each["date"], part): each[f"{part}_usd"]
                for each in told[f"by_{look.by}"]
                for part in ("counted", "waiting")
                if each[f"{part}_usd"]
            } == by_bucket(expected, [each["date"] for each in told[f"by_{look.by}"]])


def rank(figures: Any) -> Any:
    claimed = [sum(Fraction(figures[part][name]) for part in PARTS) for name in ("value_usd", "count")]
    return [-number for number in claimed], figures["outcome_type"]


def get(handler: Callable[[Any, None], Any], query: dict[str, Any]) -> str:
    response = handler(proxy_event("GET", authorizer=OWNER, query=query), None)
    assert response["statusCode"] == 200, response
    return str(response["body"])


def ids(outcomes: Iterable[Any]) -> list[str]:
    return [each["id"] for each in outcomes]


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_summary_equals_adding_up_every_outcome(template: Any, seed: int) -> None:
    run(seed, template)


def run(seed: int, template: Any) -> None:
    with ExitStack() as patches:
        patches.enter_context(template_tables(template))
        patches.enter_context(two_shards())
        course = Course(seed, patches)
        try:
            course.run()
        except Exception as failure:
            failure.add_note("\n".join([f"The course of seed {seed}:", *map(str, course.steps)]))
            raise
