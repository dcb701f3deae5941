"""All features at once, in an order that a seed determines, with faults, late writes and wrong clocks.

The callers of `tests.interleaving` also import rows and undo that, request statements in two zones, put costs, put, try
and delete definitions, put watches, which two clocks evaluate, and begin anew after an erasure, as a user with the same
id. A third of the schedules lowers constants that only large histories reach.
"""

import tempfile
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, override
from unittest.mock import patch

from outcomes.aws import backoff
from outcomes.aws.services import CallFailed
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.costs import stored_costs
from outcomes.ledger import histories, idempotent_writes, store
from outcomes.statements import chain as statement_chain
from outcomes.statements import recorded_entries, statement_rows, tree
from outcomes.totals import codec, monthly_sums, settled_intervals

from functions.costs import app as costs
from functions.definitions import app as definitions
from functions.statements import app as statements
from functions.summarize_outcomes import app as summarize_outcomes
from functions.try_definition import app as try_definition
from history import undo, writer
from history.tests.imports import import_all, old_row, undo_all, write_ndjson
from ops.errors import StackError
from tests import streams
from tests.aws import aws_client
from tests.events import KEY, agent, proxy_event
from tests.faults import Killed
from tests.interleaving.callers import AGENT, OWNER, SCOPES, THINKING, TYPES, USER, ZONES, AgentKey, Answer
from tests.interleaving.checks import Checks
from tests.interleaving.run import AHEAD, QUIET_SECONDS, surroundings
from tests.interleaving.schedule import BEGIN, Schedule
from tests.judge import verdict
from tests.judge.watches import Watching
from tests.people import rows_of, two_shards
from tests.what_counts import PARTS, draw_rule

DAY = 24 * 60 * 60
APRIL = BEGIN + 24 * DAY
MAY = BEGIN + 56 * DAY
MONTHS = ("2026-01", "2026-02", "2026-02", "2026-03")
DEFINED = ("2026-02", "2026-02", "2026-02", "2026-03", "2026-04", "2026-05")
WHOLE_DAYS: Any = {"from": verdict.EVER[0][:10], "to": verdict.EVER[1][:10]}
EDITIONS = ("1", "2")
MOST_VALUE = 500
SMALL: Any = (
    (writer, "OUTCOMES_PER_BATCH", 1),
    (undo, "ROWS_PER_TRANSACTION", 1),
    (statement_chain, "MAX_ENTRIES", 3),
    (statement_rows, "PART_BYTES", 200),
    (recorded_entries, "KEYS_PER_CALL", 2),
    (histories, "KEYS_PER_CALL", 2),
    (backoff, "KEYS_PER_CALL", 2),
    (idempotent_writes, "OUTCOMES_PER_TRANSACTION", 1),
    (idempotent_writes, "OUTCOMES_PER_BATCH", 2),
    (store, "_MERGED_LIMIT", 2),
    (tree, "SUBTREE", 2),
)
"""Constants that a third of the schedules lowers."""


class Everyone(Watching):
    """Callers of all features."""

    def __init__(self, schedule: Schedule, folder: Path) -> None:
        super().__init__(schedule)
        self.may += [*[self.state] * 3, *[self.put_costs] * 2, self.report_costs]
        self.may += [*[self.define] * 3, *[self.count] * 2, self.try_definition]
        self.may += [self.put_watch, *[self.evaluate] * 3]
        self.defined: list[verdict.Put] = []
        self.file = folder / "old.ndjson"
        days = sorted(self.random.sample(range(1, 65), self.random.randint(1, 4)))
        times = [int((BEGIN - day * DAY) * 1000) for day in days]
        rows = [
            old_row(n, at, title=f"Old {n}", user_id=self.random.choice((USER, USER, None)))
            for n, at in enumerate(times, 1)
        ]
        write_ndjson(self.file, rows)
        self.imported = {instants.text(at) for at in times}
        self.put = 0

    @override
    def caller(self) -> None:
        super().caller()
        self.schedule.stop(max(0, APRIL - self.schedule.now))
        for _ in range(self.random.randint(0, 2)):
            self.random.choice([self.state, self.define, self.correct, self.correct_several, self.report_costs])()

    @override
    def by_agent_key(self, key: AgentKey) -> dict[str, Any] | None:
        found = super().by_agent_key(key)
        return found and agent(SCOPES, keyId=key.id, agentId=str(AGENT), maxValueUsd=str(MOST_VALUE))

    @override
    def summary(self, since: str, until: str, by: dict[str, Any] = OWNER) -> Answer:
        """Request a summary of one of two editions, which do not use each other's sums."""
        self.change_edition()
        return super().summary(since, until, by)

    def change_edition(self) -> None:
        totals = summarize_outcomes.totals
        totals.rules = f"{totals.rules.rpartition(' ')[0]} {self.random.choice(EDITIONS)}"

    # Statements and costs

    def state(self) -> None:
        body = {"period": self.random.choice(MONTHS), "timezone": self.random.choice(ZONES)}
        answer = self.call(statements.handler, proxy_event("POST", "/api/statements", authorizer=OWNER, body=body))
        self.note(f"states {body} = {answer.status or 'none'}")

    def put_costs(self) -> None:
        self.put += 1
        parameters = {"date": self.random.choice(("2026-03-09", "2026-01-20")), "source": "openai"}
        body = {"userId": USER, "lines": [{"agentId": AGENT, "costUsd": self.put + 0.1}, {"costUsd": 0.2}]}
        by = self.random.choice([KEY, KEY, OWNER])
        event = proxy_event("PUT", "/api/costs/{date}/{source}", authorizer=by, body=body, parameters=parameters)
        self.note(f"puts costs {self.put} = {self.call(costs.handler, event).status or 'none'}")

    def report_costs(self) -> None:
        query: Any = {"from": verdict.EVER[0], "to": verdict.EVER[1]}
        self.call(costs.handler, proxy_event("GET", "/api/costs", authorizer=OWNER, query=query))

    # What counts

    def define(self, month: str = "") -> None:
        """Put a definition that no one has put, or an earlier one again, or delete it; perhaps only some version."""
        month, version = month or self.random.choice(DEFINED), self.random.choice((0, 0, 0, 0, 1, 2))
        body = self.random.choice([None, *[self.definition()] * 5, *(put.body for put in self.defined if put.body)])
        event = proxy_event(
            "PUT" if body else "DELETE",
            "/api/definitions/{month}",
            authorizer=OWNER,
            body=body and json_text.exact(body, levels=4),
            headers={"If-Match": f'"{version}"'} if version else {},
            parameters={"month": month},
        )
        began_at = self.schedule.now
        answer = self.call(definitions.handler, event)
        told = answer.body["version"] if answer.status == 200 else 0
        self.defined.append(verdict.Put(month, body, answer.status, told, began_at, self.schedule.now))
        self.note(f"defines {self.defined[-1]}")
        assert told in {version, version + 1} or not (told and version), "an update is lost"

    def definition(self) -> dict[str, Any]:
        rules = {name: draw_rule(self.random) for name in ("*", *TYPES[: self.random.randint(0, len(TYPES))])}
        types = {
            name: {
                "when": rule.when,
                "eachUsd": rule.each_usd,
                "basis": rule.basis,
                "note": f"{len(self.defined)} of {self.schedule.now}",
            }
            for name, rule in rules.items()
        }
        timezone = self.random.choice((self.zone, self.zone, *ZONES))
        return {"timezone": timezone, "disputeDays": Decimal(self.random.choice((0, 14, 31))), "types": types}

    def count(self) -> None:
        """Ask what counts. Its five parts must add up to what is claimed, whatever comes between the reads."""
        self.change_edition()
        query = WHOLE_DAYS | {"timezone": self.zone, "by": "month", "include": "definition"}
        event = proxy_event("GET", "/api/outcomes/summary", authorizer=OWNER, query=query)
        answer = self.call(summarize_outcomes.handler, event)
        self.note(f"asks what counts = {answer.status or 'none'}")
        if answer.status == 200 and answer.body["by_rule"] and not self.erasures:
            parts = [answer.body["by_rule"][part]["count"] for part in PARTS]
            assert sum(parts) == answer.body["count"]
            assert min(parts) >= 0, parts

    def try_definition(self) -> None:
        body = WHOLE_DAYS | {"definition": self.definition()}
        event = proxy_event("POST", "/api/definitions/try", authorizer=OWNER, body=json_text.exact(body, levels=5))
        self.note(f"tries a definition = {self.call(try_definition.handler, event).status or 'none'}")

    # Imports

    def import_and_undo(self) -> None:
        """Import the rows, perhaps undo that, and perhaps import them again. Repeat a command that was interrupted."""
        self.schedule.stop(self.random.choice(THINKING))
        self.patiently(lambda: import_all(self.file))
        if self.random.random() < 0.5:
            self.schedule.stop(self.random.choice(THINKING))
            self.patiently(lambda: undo_all(self.file, force=self.random.random() < 0.3))
            if self.random.random() < 0.5:
                self.patiently(lambda: import_all(self.file, last_round=2))

    def patiently(self, command: Any) -> None:
        while True:
            self.note("a command on the file begins")
            try:
                command()
            except (Killed, StackError, CallFailed):
                if self.schedule.is_over:
                    raise
                self.note("it was interrupted")
                self.schedule.stop(60)
            else:
                self.note("it has ended")
                return

    @override
    def erase(self) -> None:
        """Erase the user. Then a user with the same id begins anew."""
        super().erase()
        for act in (
            self.record,
            self.put_costs,
            self.define,
            self.state,
            self.assign,
            self.correct,
            self.put_watch,
            self.evaluate,
        ):
            act()


class Verdict(Checks):
    """The checks of `tests.interleaving`, and those of statements, costs, imports and exports in both orders."""

    callers: Everyone

    @override
    def all(self) -> None:
        super().all()
        for table, time in ("StatementsTable", "created_at"), ("CostsTable", "put_at"), ("WatchesTable", "put_at"):
            for row in rows_of(USER).get(table, []):
                for began_at, _ in self.callers.erasures:
                    assert time not in row or instants.read(row[time]["S"]) / 1000 >= began_at - 1, f"not erased: {row}"
        titles = [item["title"]["S"] for item in self.items.values() if "imported" in item and "undone" not in item]
        assert len(titles) == len({*titles} - {""}) + titles.count(""), "imported twice"
        verdict.definitions_are_what_was_put(self.callers.defined, self.callers.erasures)
        verdict.what_counts_is_the_sum()
        self.callers.schedule.now = MAY
        self.callers.tells_all()
        self.callers.each_is_told_once(self.seam.heard)
        self.listed = verdict.listed(OWNER)
        verdict.files_are_the_list(self.listed)
        verdict.costs_are_the_sum_of_lines()
        verdict.what_counts_is_the_sum()
        verdict.each_counts_as_the_rules_say()
        for zone in ZONES:
            texts = verdict.statements(zone, "2026-04")
            verdict.statements_have_the_definition(texts, zone)
            verdict.statements_are_the_sum(texts, self.listed, zone)


def run_everything(seed: int, template: Any) -> None:
    """Let callers use everything. Raises AssertionError if the verdict is that something is wrong."""
    schedule = Schedule(seed)
    draw = schedule.random
    with surroundings(schedule, template) as seam, ExitStack() as stack:
        stack.enter_context(two_shards())
        lowered = [
            *(
                (settled_intervals, name, value)
                for name, value in (("SAVED_PER_COST", 0), ("FILLED", 0.05), ("ZONES_A_DAY", 3))
            ),
            (codec, "PART_CHARACTERS", 40),
            (monthly_sums, "CELLS_SAVED", -(10**9)),
            (stored_costs, "LINES_WORTH_SUMS", 1),
            (stored_costs, "LINES_WORTH_AN_HOUR", 1),
            *(SMALL if seed % 3 == 0 else ()),
        ]
        for module, name, value in lowered:
            stack.enter_context(patch.object(module, name, value))
        stack.enter_context(patch.object(summarize_outcomes.totals, "rules", summarize_outcomes.totals.rules))
        callers = Everyone(schedule, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.enter_context(callers.hosts())
        aws_client("secretsmanager").create_secret(Name="StatementSecret", SecretString="the secret of the tests")
        streams.turn_on("OutcomesTable", "WatchesTable")
        for began in draw.choice(((), (BEGIN - 30 * DAY,), (BEGIN - 30 * DAY, BEGIN - 20 * DAY))):
            schedule.now = began
            callers.record()
        schedule.now = BEGIN
        callers.record()
        if draw.random() < 0.5:
            callers.define(DEFINED[0])
        for id_ in "ab":
            callers.put_watch(id_)
        for name in ("clock", "another clock")[: draw.randint(1, 2)]:
            schedule.add(name, callers.clock, draw.choice(AHEAD))
        for name in "ABC"[: draw.randint(2, 3)]:
            schedule.add(name, callers.caller, draw.choice(AHEAD))
        others = {"keys": callers.end_key, "import": callers.import_and_undo, "erasure": callers.erase}
        for name in draw.sample([*others], draw.randint(1, 3)):
            if name == "keys":
                callers.make_key()
            schedule.add(name, others[name], draw.choice((0, 0, 200, -200)))
        if draw.random() < 0.4 and not callers.erasures:
            schedule.add("events", callers.publish)
        schedule.run()
        schedule.now = max(schedule.now, APRIL) + QUIET_SECONDS
        for _ in range(4):
            callers.tells_all()
            draw.choice([callers.record, callers.correct, callers.put_watch, callers.put_costs, callers.oscillate])()
        Verdict(callers, seam).all()
