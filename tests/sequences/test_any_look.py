"""After any sequence of records, corrections and readers that die or race, a look shows what adding up all gives."""

import json
from binascii import a2b_base64, b2a_base64
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test
from outcomes.aws.services import DynamoDB
from outcomes.contract import instants
from outcomes.contract.models import NewOutcome
from outcomes.ledger.store import LIMITS
from outcomes.totals import codec, materialized, settled_intervals

from functions.correct_outcome import app as correct_outcome
from functions.summarize_outcomes import app
from tests.conftest import template_tables
from tests.corrections import BODIES, MOVES, OWNER, TALLIES, correct, read
from tests.events import KEY, proxy_event, session
from tests.faults import Request, Send

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BEGIN = 1_773_144_000_000  # 2026-03-10T12:00:00Z; clocks change in New York before, in Berlin after that
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]
LATEST = 300 + 60 + 12
"""Seconds that an entry may be written after the time that it says: a slow clock, a long call."""

TYPES = st.sampled_from(["deal_closed", "task_complete"])
AGENTS = st.sampled_from([None, 7, 8])
VALUES = st.sampled_from([None, "0", "1", "2.5", "-4", "0.1", "1E-130", "999999999999999"])
LAGS = st.sampled_from([0, 0, 1, 200, LATEST])
AGO = st.none() | st.integers(-5 * MINUTE, 34 * DAY)
LATER = st.sampled_from([0, MINUTE, 10 * MINUTE, 11 * MINUTE, 3 * HOUR, 12 * HOUR, DAY, 3 * DAY])
AHEAD = st.sampled_from([0, 0, -20 * MINUTE, HOUR])
"""Milliseconds by which the reader's clock is ahead."""

type More = dict[str, str | list[str]]
MORE: st.SearchStrategy[More] = st.fixed_dictionaries(
    {},
    optional={
        "outcomeType": st.sampled_from([["deal_closed"], ["task_complete", "deal_closed"], ["content_published"]]),
        "agentId": st.sampled_from(["7", "9"]),
        "by": st.sampled_from(["day", "week", "month"]),
        "compare": st.just("previous"),
    },
)


class Killed(BaseException):
    """The reader's process ends."""


@pytest.mark.usefixtures("no_waiting")
def test_any_look_shows_what_adding_up_every_entry_gives(template: Any) -> None:
    class AnyLook(RuleBasedStateMachine):
        """A user's ledger, in a time of its own."""

        ids = Bundle("ids")

        def __init__(self) -> None:
            super().__init__()
            self.now = BEGIN
            self.clock = BEGIN  # of the host that records
            self.model: dict[str, dict[str, Any]] = {}
            self.amended = 0
            self.meet: Callable[[Request, Send], Any] | None = None
            self.aws = ExitStack()
            self.aws.enter_context(template_tables(template))
            self.aws.enter_context(patch.object(instants, "now", lambda: self.clock))
            for name, value in (("SAVED_PER_COST", 0), ("FILLED", 0.05), ("ZONES_A_DAY", 3)):
                self.aws.enter_context(patch.object(settled_intervals, name, value))
            self.aws.enter_context(patch.object(codec, "PART_CHARACTERS", 40))
            self.aws.enter_context(patch.object(app.totals, "rules", "1"))
            self.aws.enter_context(patch.object(codec, "_WORDS", codec._WORDS + b"1"))
            for store in (app.store, correct_outcome.corrections.store):
                store.dynamodb = DynamoDB(LIMITS)
            self.aws.enter_context(patch.object(app.store.dynamodb.connection, "post", self.post))

        def teardown(self) -> None:
            self.aws.close()

        def post(self, headers: Any, body: bytes, until: float) -> Any:
            """Send on what the reader sends, in small pages; the service has a clock of its own."""
            request = Request(headers["x-amz-target"].rpartition(".")[2], json.loads(body))
            if request.operation == "Query":
                body = json.dumps({"Limit": 3} | request.body).encode()

            def send() -> Any:
                reply = real_post(headers, body, until)
                date = datetime.fromtimestamp(self.now // SECOND, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
                return reply._replace(headers={**reply.headers, "date": date})

            real_post = type(app.store.dynamodb.connection).post.__get__(app.store.dynamodb.connection)
            meet, self.meet = self.meet, None
            if meet:
                return meet(request, send)
            return send()

        def after(self, calls: int, then: Callable[[Request, Send], Any]) -> None:
            """Let the reader's call after so many meet something."""

            def count(request: Request, send: Send) -> Any:
                if calls:
                    self.after(calls - 1, then)
                    return send()
                return then(request, send)

            self.meet = count

        @rule(target=ids, type_=TYPES, agent=AGENTS, value=VALUES, ago=AGO, lag=LAGS)
        def record(self, type_: str, agent: int | None, value: str | None, ago: int | None, lag: int) -> str:
            recorded_at = self.now - lag * SECOND
            happened = recorded_at - ago if ago is not None else recorded_at
            body = {"outcomeType": type_, "title": "Done", "userId": Decimal(42)}
            body |= {"valueUsd": value and Decimal(value), "agentId": agent and Decimal(agent)}
            if ago is not None:
                body["occurredAt"] = instants.text(happened)
            meet, self.meet = self.meet, None
            id_ = app.store.add(NewOutcome.parse(body, session_user=None), "key", milliseconds=recorded_at)
            self.meet = meet
            self.model[id_] = {"type": type_, "agent": agent, "value": value, "at": happened, "status": "recorded"}
            self.model[id_]["recorded"] = recorded_at
            return id_

        @rule(id_=ids, type_=st.sampled_from([*BODIES]), to=TYPES, agent=AGENTS, value=VALUES, ago=AGO, lag=LAGS)
        def correct(
            self, id_: str, type_: str, to: str, agent: int | None, value: str | None, ago: int | None, lag: int
        ) -> None:
            outcome = self.model[id_]
            happened = outcome["at"] if ago is None else outcome["recorded"] - ago
            body = BODIES[type_]
            if type_ == "amend":
                number = None if value is None else float(value)
                self.amended += 1  # one that changes nothing is refused
                title = f"Amended {self.amended}"
                body = body | {"changes": {"title": title, "outcomeType": to, "agentId": agent, "valueUsd": number}}
                body["changes"] |= {} if ago is None else {"occurredAt": instants.text(happened)}
            self.clock = self.now - lag * SECOND
            status, answer, _ = correct(id_, KEY if type_ in {"amend", "void", "uphold"} else OWNER, body)
            self.clock = self.now
            moved = MOVES[type_].get(outcome["status"])
            assert status == (200 if moved else 409), answer
            if moved:
                outcome["status"] = moved
                if type_ == "amend":
                    outcome |= {"type": to, "agent": agent, "value": value, "at": happened}

        @rule(by=LATER)
        def time_passes(self, by: int) -> None:
            self.now += by
            self.clock = self.now

        @rule(rules=st.sampled_from(["1", "22"]))
        def rules_change(self, rules: str) -> None:
            """Deploy another format, in which the text of this one says something else."""
            codec._WORDS = codec._WORDS.removesuffix(app.totals.rules.encode()) + rules.encode()
            app.totals.rules = rules

        @rule(which=st.integers(0, 50), length=st.integers(4, 24), garbage=st.sampled_from([b"", b"\0"]))
        def a_row_is_damaged(self, which: int, length: int, garbage: bytes) -> None:
            """Cut off what a row says, and have it go on with something else."""
            rows = app.store.dynamodb.call("Scan", {"TableName": "TotalsTable"})["Items"]
            if kept := [row for row in rows if "sums" in row]:
                row = kept[which % len(kept)]
                row["sums"]["B"] = b2a_base64(a2b_base64(row["sums"]["B"])[:length] + garbage, newline=False).decode()
                app.store.dynamodb.call("PutItem", {"TableName": "TotalsTable", "Item": row})

        @rule(
            zone=st.sampled_from(ZONES),
            days=st.integers(1, 40),
            cut=st.sampled_from([0, 0, 0, 1, HOUR]),
            more=MORE,
            ahead=AHEAD,
        )
        def look(self, zone: str, days: int, cut: int, more: More, ahead: int = 0) -> None:
            self.clock = self.now + ahead
            status, body = self.read(zone, days, cut, more)
            self.clock = self.now
            assert status == 200, body
            self.check(zone, days, cut, body, more)

        @rule(zone=st.sampled_from(ZONES), days=st.integers(1, 40), calls=st.integers(0, 12), done=st.booleans())
        def a_reader_dies(self, zone: str, days: int, calls: int, done: bool) -> None:
            def die(_request: Request, send: Send) -> Any:
                if done:
                    send()
                raise Killed

            self.after(calls, die)
            with suppress(Killed):
                self.read(zone, days, 0)
            self.meet = None

        @rule(
            zone=st.sampled_from(ZONES),
            days=st.integers(1, 40),
            other=st.integers(1, 40),
            calls=st.integers(0, 12),
            before=st.booleans(),
        )
        def readers_race(self, zone: str, days: int, other: int, calls: int, before: bool) -> None:
            def meanwhile(_request: Request, send: Send) -> Any:
                reply = None if before else send()
                self.look(zone, other, 0, {})
                return reply or send()

            self.after(calls, meanwhile)
            self.look(zone, days, 0, {})
            self.meet = None

        @rule(zone=st.sampled_from(ZONES), days=st.integers(1, 40), looks=st.integers(1, 6))
        def readers_have_no_time(self, zone: str, days: int, looks: int) -> None:
            with (
                patch.object(materialized, "AGGREGATION_SECONDS", -1),
                patch.object(materialized, "GRACE_SECONDS", 100),
            ):
                for _ in range(looks):
                    status, body = self.read(zone, days, 0)
                    if status == 200:
                        self.check(zone, days, 0, body)
                        break
                    assert (status, body) == (503, {"error": "Still adding up"})

        def read(self, zone: str, days: int, cut: int, more: More | None = None) -> tuple[int, Any]:
            since, until = self.period(zone, days, cut)
            query = {"from": instants.text(since), "to": instants.text(until), "timezone": zone} | (more or {})
            event = proxy_event("GET", "/api/outcomes/summary", authorizer=session(42), query=query)
            response = app.handler(event, None)
            return response["statusCode"], read(response["body"])

        def period(self, zone: str, days: int, cut: int) -> tuple[int, int]:
            """Find so many local days to the end of today, without `cut` milliseconds at both ends."""
            tomorrow = datetime.fromtimestamp(self.now / SECOND, ZoneInfo(zone)).date().toordinal() + 1
            since, until = (
                datetime.fromordinal(each).replace(tzinfo=ZoneInfo(zone)).timestamp()
                for each in (tomorrow - days, tomorrow)
            )
            return int(since) * SECOND + cut, int(until) * SECOND - cut

        def check(self, zone: str, days: int, cut: int, body: Any, more: More | None = None) -> None:
            more = more or {}
            since, until = self.period(zone, days, cut)
            before = since - (until - since) if cut else self.period(zone, 2 * days, 0)[0]
            by = f"by_{more.get('by', 'day')}"
            count: Counter[Any] = Counter()
            value: defaultdict[Any, Decimal] = defaultdict(Decimal)
            for outcome in self.model.values():
                if outcome["type"] not in more.get("outcomeType", outcome["type"]):
                    continue
                if str(outcome["agent"]) != more.get("agentId", str(outcome["agent"])):
                    continue
                if before <= outcome["at"] < since and "standing" in TALLIES[outcome["status"]]:
                    count["previous"] += 1
                    value["previous"] = exact(value["previous"], outcome["value"])
                if since <= outcome["at"] < until:
                    names: list[Any] = TALLIES[outcome["status"]]
                    if "standing" in names:
                        first, day = (
                            datetime.fromtimestamp(at // SECOND, ZoneInfo(zone)) for at in (since, outcome["at"])
                        )
                        begin = day - timedelta(days={"by_week": day.weekday(), "by_month": day.day - 1}.get(by, 0))
                        date = str(max(first.date(), begin.date()))
                        names = [*names, ("by_type", outcome["type"]), ("by_agent", outcome["agent"]), (by, date)]
                    for name in names:
                        count[name] += 1
                        value[name] = exact(value[name], outcome["value"])
            assert (body["count"], body["value_usd"]) == (count["standing"], value["standing"])
            for name in ("confirmed", "disputed", "voided"):
                assert (body[name]["count"], body[name]["value_usd"]) == (count[name], value[name])
            if previous := body.get("previous"):
                assert (previous["from"], previous["to"]) == (instants.text(before), instants.text(since))
                assert (previous["count"], previous["value_usd"]) == (count["previous"], value["previous"])
            assert bool(previous) == ("compare" in more)
            for name, key in (("by_type", "outcome_type"), ("by_agent", "agent_id"), (by, "date")):
                said = {(name, each[key]): (each["count"], each["value_usd"]) for each in body[name] if each["count"]}
                assert said == {each: (count[each], value[each]) for each in count if each[0] == name}

    run_state_machine_as_test(AnyLook, settings=settings(deadline=None, max_examples=60, stateful_step_count=40))


def exact(sum_: Any, value: str | None) -> Decimal:
    """Add without rounding."""
    return Context(prec=400).add(Decimal(sum_), Decimal(value or 0))
