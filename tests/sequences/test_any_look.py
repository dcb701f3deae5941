"""After any sequence of recordings, corrections and failing or concurrent readers, a summary equals the sum of all
outcomes."""

import itertools
import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, consumes, initialize, multiple, rule
from outcomes.aws import backoff, paced_reads
from outcomes.aws.services import DynamoDB
from outcomes.contract import instants
from outcomes.contract.models import NewOutcome
from outcomes.ledger import ulid
from outcomes.ledger.store import LIMITS
from outcomes.totals import codec, materialized, monthly_sums, settled_intervals

from functions.correct_outcome import app as correct_outcome
from functions.summarize_outcomes import app
from smoke.model import MOVES
from tests.corrections import BODIES, OWNER, assign, correct, read
from tests.events import KEY, proxy_event
from tests.faults import THROTTLED, Request, Send, error
from tests.oracle import Choice, Outcome, added_up, said
from tests.people import two_shards
from tests.sequences.machine import OnTables, run

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BEGIN = 1_773_144_000_000  # 2026-03-10T12:00:00Z, between the clock changes of New York and Berlin
# Draw mostly two zones, so that totals stored for one summary are used by a later one.
ZONES = [*["UTC", "Asia/Kathmandu"] * 2, "Europe/Berlin", "America/New_York"]
LATEST = 300 + 60 + 12
"""Seconds by which a write may be later than the entry's timestamp, because of a slow clock and a slow call."""

LAGS = st.sampled_from([0, 0, 1, 200, LATEST])
AGO = st.none() | st.integers(-5 * MINUTE, 34 * DAY)
LATER = st.sampled_from([0, MINUTE, 10 * MINUTE, 11 * MINUTE, 3 * HOUR, 12 * HOUR, DAY, 3 * DAY])
AHEAD = st.sampled_from([0, -20 * MINUTE, HOUR])
"""Milliseconds by which the reader's clock is ahead."""


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

    def shown(self, recorded_at: int) -> Outcome:
        """Return the fields in the format of a list. They contain occurred_at only if `ago` is set."""
        fields = self.fields(recorded_at)
        names = {"outcomeType": "outcome_type", "agentId": "agent_id", "valueUsd": "value_usd"}
        return {names.get(name, "occurred_at"): value for name, value in fields.items()}


FACTS = st.builds(
    Fact,
    st.sampled_from(["deal_closed", "task_complete"]),
    st.sampled_from([None, 7, 8]),
    st.sampled_from([None, "0", "1", "2.5", "-4", "0.1", "1E-130", "999999999999999"]),
    AGO,
)


class Look(NamedTuple):
    """The parameters of a summary.

    days: the number of local days, of which the last is today. cut: how many milliseconds shorter the period is at each
    end.
    """

    zone: str
    days: int
    cut: int = 0
    types: tuple[str, ...] = ()
    agent: int | Literal["none"] | None = None
    by: str = "day"
    is_compared: bool = False
    statuses: tuple[str, ...] = ()

    def period(self, now: int) -> tuple[int, int]:
        return self._midnight(now, self.days) + self.cut, self._midnight(now, 0) - self.cut

    def period_before(self, now: int) -> tuple[int, int]:
        since, until = self.period(now)
        return (since - (until - since) if self.cut else self._midnight(now, 2 * self.days)), since

    def _midnight(self, now: int, days: int) -> int:
        """Return the midnight that is `days` days before the end of today."""
        tomorrow = datetime.fromtimestamp(now / SECOND, ZoneInfo(self.zone)).date().toordinal() + 1
        return int(datetime.fromordinal(tomorrow - days).replace(tzinfo=ZoneInfo(self.zone)).timestamp()) * SECOND

    def query(self, now: int) -> dict[str, str | list[str]]:
        since, until = map(instants.text, self.period(now))
        query: dict[str, str | list[str]] = {"from": since, "to": until, "timezone": self.zone, "by": self.by}
        query |= {"outcomeType": [*self.types]} if self.types else {}
        query |= {"agentId": str(self.agent)} if self.agent else {}
        query |= {"status": [*self.statuses]} if self.statuses else {}
        return query | ({"compare": "previous"} if self.is_compared else {})

    def choice(self, period: tuple[int, int]) -> Choice:
        since, until = map(instants.text, period)
        return Choice(self.types, self.agent, self.statuses, since, until)


PLAIN = st.tuples(st.sampled_from(ZONES), st.integers(1, 40)).map(lambda drawn: Look(*drawn))
LOOKS = st.builds(
    Look,
    st.sampled_from(ZONES),
    st.integers(1, 40),
    st.sampled_from([0, 0, 0, 1, HOUR]),
    st.sampled_from([(), (), (), ("deal_closed",), ("task_complete", "deal_closed"), ("content_published",)]),
    st.sampled_from([None, None, None, 7, 9, "none"]),
    st.sampled_from(["day", "week", "month"]),
    st.booleans(),
    st.sampled_from([(), (), ("recorded",), ("confirmed", "recorded"), ("disputed", "void", "confirmed")]),
)


class Killed(BaseException):
    """Raised to simulate that the reader's process is killed."""


class Service:
    """A DynamoDB with small pages and its own clock. meet: a fault that the next call gets."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.post = app.store.dynamodb.connection.post
        self.meet: Callable[[Request, Send], Any] | None = None

    def answer(self, headers: Any, body: bytes, until: float) -> Any:
        request = Request(headers["x-amz-target"].rpartition(".")[2], json.loads(body))
        if request.operation == "Query":
            body = json.dumps({"Limit": 3} | request.body).encode()

        def send() -> Any:
            reply = self.post(headers, body, until)
            date = datetime.fromtimestamp(self.now() // SECOND, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
            return reply._replace(headers={**reply.headers, "date": date})

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


class AnyLook(OnTables):
    """Changes a user's ledger with a simulated clock, and compares summaries with the sum of its outcomes."""

    ids = Bundle("ids")
    unassigned_ids = Bundle("unassigned_ids")

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN
        self.clock = BEGIN  # the host that runs the function has its own clock
        self.outcomes: dict[str, Outcome] = {}
        self.unassigned: dict[str, Outcome] = {}
        self.amended = 0
        self.patches.enter_context(two_shards())
        for store in (app.store, correct_outcome.corrections.store):
            self.patches.enter_context(patch.object(store, "dynamodb", DynamoDB(LIMITS)))
        self.service = Service(lambda: self.now)
        for thing, name, value in (
            (instants, "now", lambda: self.clock),
            (settled_intervals, "SAVED_PER_COST", 0),
            (settled_intervals, "ZONES_A_DAY", 3),
            (monthly_sums, "CELLS_SAVED", -(10**9)),
            (materialized, "CHECKPOINT_CELLS", 0),
            (codec, "PART_CHARACTERS", 40),
            (app.totals, "rules", "1"),
            (codec, "_WORDS", codec._WORDS + b"1"),
            (app.store.dynamodb.connection, "post", self.service.answer),
        ):
            self.patches.enter_context(patch.object(thing, name, value))

    @initialize(filled=st.sampled_from([0, 0.05]))
    def days_share_intervals(self, filled: float) -> None:
        """Choose how full an interval must be. With 0, it ends at the first midnight after an outcome."""
        self.patches.enter_context(patch.object(settled_intervals, "FILLED", filled))

    @rule(target=ids, fact=FACTS, lag=LAGS)
    def record(self, fact: Fact, lag: int) -> str:
        return self.recorded(fact, lag, self.outcomes, userId=Decimal(42))

    @rule(target=unassigned_ids, fact=FACTS, lag=LAGS)
    def record_without_a_user(self, fact: Fact, lag: int) -> str:
        return self.recorded(fact, lag, self.unassigned)

    def recorded(self, fact: Fact, lag: int, outcomes: dict[str, Outcome], **user: Decimal) -> str:
        at = self.now - lag * SECOND
        body = fact.fields(at) | {"title": "Done"} | user
        meet, self.service.meet = self.service.meet, None
        id_ = app.store.add(NewOutcome.parse(body, session_user=None), "key", milliseconds=at)
        self.service.meet = meet
        created_at = instants.text(at)
        outcomes[id_] = {"created_at": created_at, "occurred_at": created_at, "status": "recorded"} | fact.shown(at)
        return id_

    @rule(target=ids, id_=consumes(unassigned_ids), lag=LAGS)
    def assign(self, id_: str, lag: int) -> str:
        """Assign an outcome, which may have been recorded long before the last summary."""
        self.clock = self.now - lag * SECOND
        status, answer = assign(id_)
        self.clock = self.now
        assert status == 200, answer
        new = str(answer["id"])
        self.outcomes[new] = self.unassigned[id_] | {"created_at": instants.text(ulid.milliseconds(new))}
        self.unassigned[id_]["status"] = "void"
        return new

    @rule(id_=ids, type_=st.sampled_from([*BODIES]), to=FACTS, lag=LAGS)
    def correct(self, id_: str, type_: str, to: Fact, lag: int) -> None:
        outcome, body = self.outcomes[id_], BODIES[type_]
        recorded_at = instants.read(outcome["created_at"])
        if type_ == "amend":
            self.amended += 1  # each amend needs a new title, because an amend that changes nothing is refused
            changes = {"title": f"Amended {self.amended}"} | to.fields(recorded_at)
            body = body | {"changes": changes | {"valueUsd": to.value and float(to.value), "agentId": to.agent}}
        self.clock = self.now - lag * SECOND
        status, answer, _ = correct(id_, KEY if type_ in {"amend", "void", "uphold"} else OWNER, body)
        self.clock = self.now
        moved = MOVES[type_].get(outcome["status"])
        assert status == (200 if moved else 409), answer
        if moved:
            outcome["status"] = moved
            outcome |= to.shown(recorded_at) if type_ == "amend" else {}

    @rule(by=LATER)
    def time_passes(self, by: int) -> None:
        self.now += by
        self.clock = self.now

    @rule(target=ids, facts=st.lists(FACTS, min_size=5, max_size=20))
    def days_pass(self, facts: list[Fact]) -> MultipleResults[str]:
        """Record an outcome on each day, and one without a user."""
        ids = []
        for fact in facts:
            ids.append(self.recorded(fact, 0, self.outcomes, userId=Decimal(42)))
            self.recorded(fact, 0, self.unassigned)
            self.now += DAY
        self.clock = self.now
        return multiple(*ids)

    @rule(rules=st.sampled_from(["1", "22"]))
    def rules_change(self, rules: str) -> None:
        """Deploy a release with a different format of stored totals, which would misread bytes of the old format."""
        codec._WORDS = codec._WORDS.removesuffix(app.totals.rules.encode()) + rules.encode()
        app.totals.rules = rules

    @rule(which=st.integers(0, 50), length=st.integers(4, 24), garbage=st.sampled_from([b"", b"\0"]))
    def a_row_is_damaged(self, which: int, length: int, garbage: bytes) -> None:
        """Truncate the bytes of a stored row, and append garbage."""
        rows = app.store.dynamodb.call("Scan", {"TableName": "TotalsTable"})["Items"]
        if kept := [row for row in rows if "sums" in row]:
            row = kept[which % len(kept)]
            row["sums"]["B"] = b2a_base64(a2b_base64(row["sums"]["B"])[:length] + garbage, newline=False).decode()
            app.store.dynamodb.call("PutItem", {"TableName": "TotalsTable", "Item": row})

    @rule(look=LOOKS, ahead=AHEAD)
    def look(self, look: Look, ahead: int = 0) -> None:
        self.clock = self.now + ahead
        status, summary = self.read(look)
        self.clock = self.now
        assert status == 200, summary
        self.check(look, summary)

    @rule(look=PLAIN)
    def look_at_outcomes_without_a_user(self, look: Look) -> None:
        status, summary = self.read(look, KEY | {"reads": "none"}, userId="none")
        assert status == 200, summary
        self.check(look, summary, self.unassigned)

    @rule(look=LOOKS, calls=st.integers(0, 20), done=st.booleans())
    def a_reader_dies(self, look: Look, calls: int, done: bool) -> None:
        def die(_request: Request, send: Send) -> Any:
            if done:
                send()
            raise Killed

        self.service.after(calls, die)
        with suppress(Killed):
            self.read(look)
        self.service.meet = None

    @rule(look=PLAIN, days=st.integers(1, 40), calls=st.integers(0, 12), before=st.booleans())
    def readers_race(self, look: Look, days: int, calls: int, before: bool) -> None:
        def meanwhile(_request: Request, send: Send) -> Any:
            reply = None if before else send()
            self.look(look._replace(days=days))
            return reply or send()

        self.service.after(calls, meanwhile)
        self.look(look)
        self.service.meet = None

    @rule(look=LOOKS, calls=st.integers(0, 12), tick=st.sampled_from([0.1, 2]))
    def a_reader_is_throttled_or_slow(self, look: Look, calls: int, tick: float) -> None:
        """Let queries fail after `calls` calls, and let each read of the clock take `tick` seconds."""

        def throttle(request: Request, send: Send) -> Any:
            self.service.meet = throttle
            return error(THROTTLED)(request, send) if request.operation == "Query" else send()

        clock = SimpleNamespace(monotonic=partial(next, itertools.count(0, tick)), sleep=lambda _seconds: None)
        self.service.after(calls, throttle)
        with (
            patch.multiple(materialized, time=clock),
            patch.multiple(paced_reads, time=clock),
            patch.multiple(backoff, time=clock),
            patch.multiple(app.store.dynamodb, _sleep=clock.sleep),
        ):
            status, summary = self.read(look)
        self.service.meet = None
        if status == 200:
            self.check(look, summary)
        else:
            assert (status, summary) == (503, {"error": "Still adding up"})

    @rule(look=LOOKS, tries=st.integers(1, 6), with_user=st.booleans())
    def readers_have_no_time(self, look: Look, tries: int, with_user: bool) -> None:
        asked: Any = (OWNER, {}) if with_user else (KEY | {"reads": "none"}, {"userId": "none"})
        with patch.multiple(materialized, AGGREGATION_SECONDS=-1, GRACE_SECONDS=100):
            for _ in range(tries):
                status, summary = self.read(look, asked[0], **asked[1])
                if status == 200:
                    self.check(look, summary, self.outcomes if with_user else self.unassigned)
                    break
                assert (status, summary) == (503, {"error": "Still adding up"})

    def read(self, look: Look, caller: Any = OWNER, **more: str | list[str]) -> tuple[int, Any]:
        event = proxy_event("GET", "/api/outcomes/summary", authorizer=caller, query=look.query(self.now) | more)
        response = app.handler(event, None)
        return response["statusCode"], read(response["body"])

    def check(self, look: Look, summary: Any, of: dict[str, Outcome] | None = None) -> None:
        """Check a summary against the sum of all outcomes."""
        outcomes = (self.outcomes if of is None else of).values()
        chosen = look.choice(look.period(self.now))
        assert said(summary, look.by) == added_up(outcomes, chosen, look.zone, look.by)
        assert ("previous" in summary) == look.is_compared
        if look.is_compared:
            before, previous = look.choice(look.period_before(self.now)), summary["previous"]
            assert (previous["from"], previous["to"]) == (before.since, before.until)
            assert (previous["count"], previous["value_usd"]) == added_up(outcomes, before, look.zone)["standing"]


@pytest.mark.usefixtures("no_waiting")
def test_any_summary_equals_adding_up_every_outcome(template: Any) -> None:
    run(AnyLook, template, examples=100, steps=40)
