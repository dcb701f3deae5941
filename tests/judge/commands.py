"""Commands of everyone, on a user whose tables have rows of each kind, and what reads show afterwards."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from outcomes.aws.connection import Connection
from outcomes.aws.services import CallFailed
from outcomes.calendar import instants, period
from outcomes.contract import json_text
from outcomes.costs import days, stored_costs
from outcomes.keys import agent_keys, key_text
from outcomes.keys.agent_keys import AUTHORIZER_LIMITS, AgentKeys
from outcomes.statements import chain
from outcomes.totals import monthly_sums, settled_intervals

from functions.costs import app as costs
from functions.definitions import app as definitions
from functions.erase_user import app as erase_user
from functions.evaluate_watches import app as evaluate_watches
from functions.manage_keys import app as manage_keys
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from functions.statement_keys import app as statement_keys
from functions.summarize_outcomes import app as summarize_outcomes
from functions.watches import app as watches
from history.tests.imports import import_all, old_row, undo_all, write_ndjson
from ops.errors import StackError
from smoke.model import State, kind_of
from tests.corrections import BODIES, OWNER, assign, correct, correct_many, get
from tests.events import KEY, agent, proxy_event, session
from tests.faults import Killed
from tests.interleaving.callers import NOBODY, hosts
from tests.interleaving.run import surroundings
from tests.interleaving.schedule import Schedule
from tests.judge import verdict
from tests.judge.wire import FIRST_SECRET, Wire
from tests.people import restore, rows_of, snapshot, two_shards
from tests.statements.service import BERLIN, ask

LOWERED: Any = (
    (settled_intervals, "SAVED_PER_COST", 0),
    (settled_intervals, "FILLED", 0.05),
    (monthly_sums, "CELLS_SAVED", -(10**9)),
    (stored_costs, "LINES_WORTH_SUMS", 1),
    (stored_costs, "LINES_WORTH_AN_HOUR", 1),
    (agent_keys, "MAX_KEYS", 3),
    (days, "MAX_SOURCES", 2),
)
"""Constants that let each summary and report of costs store its sums, and limits that one more reaches."""
USER, OTHER = 42, 43
ZONES = ("UTC", BERLIN)
LAST_MONTH = "2026-04"
COSTS_PERIOD = {"from": "2026-01-01", "to": "2026-06-01"}
OLD, NEW = "old", "new"
"""Files to import. `OLD` has rows from before the first outcome, `NEW` has some that no statement contains."""

type Answer = Any
"""The answer that the caller gets: a status and some of the answer, or `KILLED`."""
type Command = Callable[[World, str], Answer]
KILLED = (0,)


class World:
    """A user with outcomes, corrections, keys, costs and, if `is_settled`, an import and a statement.

    Each run begins with a copy of these tables, at the same time.
    """

    def __init__(self, schedule: Schedule, wire: Wire, folder: Path, *, is_settled: bool) -> None:
        self.schedule = schedule
        self.wire = wire
        self.folder = folder
        self.authorizer = AgentKeys("KeysTable", AUTHORIZER_LIMITS)
        self.ids: dict[str, str] = {}
        self._live(is_settled=is_settled)
        self.tables, self.begin = snapshot(), schedule.now

    def restart(self) -> None:
        restore(self.tables)
        self.schedule.now = self.begin
        self.wire.secret = FIRST_SECRET

    def at(self, instant: str) -> None:
        self.schedule.now = instants.read(instant) / 1000

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.ndjson"

    def _live(self, *, is_settled: bool) -> None:
        def row(number: int, at: str) -> dict[str, Any]:
            return old_row(number, instants.read(at), title=f"Old {number}")

        write_ndjson(self.file(OLD), [row(1, "2026-01-15T12:00:00Z"), row(2, "2026-03-02T12:00:00Z")])
        write_ndjson(self.file(NEW), [row(3, "2026-02-03T12:00:00Z"), row(4, "2026-03-03T12:00:00Z")])
        self.at("2026-02-10T12:00:00Z")
        for name, user in ("deal", USER), ("disputed", USER), ("void", USER), ("stray", None), ("of other", OTHER):
            self.ids[name] = post_outcome(name, KEY, user)[1]
            self.schedule.now += 60
        given = post_outcome("given", KEY, None)[1]
        self.at("2026-02-20T12:00:00Z")
        assign(given, USER)
        correct(self.ids["disputed"], OWNER, BODIES["dispute"])
        correct(self.ids["void"], KEY, BODIES["void"])
        correct(self.ids["deal"], KEY, BODIES["amend"])
        post_costs("2026-02-20", 9.8, KEY)
        key = json_text.read(create_key("Nightly", OWNER)["body"])
        self.ids["key"], self.ids["text"] = key["id"], key["key"]
        leaked = self.ids["leaked key"] = json_text.read(create_key("Leaked", OWNER)["body"])["id"]
        self.ids["leaked"] = post_outcome("leaked", agent("record", keyId=leaked), USER)[1]
        change_key(self, "POST", "/pause", "leaked key")
        self.at("2026-03-20T12:00:00Z")
        if is_settled:
            import_all(self.file(OLD))
            assert ask("2026-02")[0] == 200
            for zone in ZONES:
                summarize(zone)
        self.at("2026-04-09T12:00:00Z")
        self.ids["recent"] = post_outcome("recent", OWNER, USER)[1]
        correct(self.ids["recent"], OWNER, BODIES["amend"])
        if is_settled:
            assert define("unless_disputed")[0] == 200
            summarize(ZONES[1], what_counts=True)
        assert watch(0.1)[0] == 200
        for date, cost in ("2026-04-08", 1), ("2026-04-08", 2), ("2026-02-20", 9.9):
            post_costs(date, cost, KEY)
        self.at("2026-04-10T12:00:00Z")


# ── What commands do ─────────────────────────────────────────────────────────────────────────────────────────────────


def post_outcome(title: str, by: Any, user_id: int | None, key: str | None = None, **more: Any) -> Answer:
    body = {"outcomeType": "deal_closed", "title": title, "valueUsd": 0.1, "agentId": 7, "userId": user_id} | more
    event = proxy_event("POST", authorizer=by, body=body, headers={"Idempotency-Key": key} if key else {})
    answer = record_outcome.handler(event, None)
    return answer["statusCode"], answer["headers"].get("Outcome-Id")


def status_of(answer: Any) -> Answer:
    return (answer["statusCode"],)


def post_batch(*keys: str | None) -> Answer:
    outcomes = [
        {
            "outcomeType": "task_complete",
            "title": f"{key} of a batch",
            "valueUsd": 3,
            "userId": USER,
            "idempotencyKey": key,
        }
        for key in keys
    ]
    answer = record_batch.handler(
        proxy_event("POST", "/api/outcomes/batch", authorizer=KEY, body={"outcomes": outcomes}), None
    )
    results = json_text.read(answer["body"]).get("results", [])
    return answer["statusCode"], *(each["status"] for each in results)


def corrected(
    world: World, role: str, of: str, type_: str, by: Any = KEY, key: str | None = None, **more: Any
) -> Answer:
    body = BODIES[type_] | {"userId": None if of == "stray" else USER} | more
    if type_ != "confirm":
        body |= {"reason": "retried" if key else f"{type_} by {role}"}
    status, answer, headers = correct(world.ids[of], by, body, key)
    return status, answer.get("error"), headers.get("Idempotent-Replayed"), answer.get("status"), answer.get("version")


def corrected_in_bulk(world: World, *corrections: tuple[str, str]) -> Answer:
    answer = correct_many(OWNER, *({"id": world.ids[of], **BODIES[type_]} for of, type_ in corrections))
    return 200, *((each["status"], each.get("version")) for each in answer.get("results", []))


def create_key(name: str, by: Any) -> Any:
    body = {"name": name, "agentId": 7, "scopes": ["record", "correct"], "maxValueUsd": 500}
    return manage_keys.handler(proxy_event("POST", "/api/keys", authorizer=by, body=body), None)


def change_key(world: World, method: str, path: str, of: str = "key") -> Answer:
    event = proxy_event(method, f"/api/keys/{{id}}{path}", authorizer=OWNER, body={}, parameters={"id": world.ids[of]})
    return status_of(manage_keys.handler(event, None))


def resume_leaked_key(world: World) -> Answer:
    """Resume the key, and then tell whether what it recorded is void."""
    answer = change_key(world, "POST", "/resume", "leaked key")
    return *answer, get(world.ids["leaked"])[1].get("outcome", {}).get("status")


def use_key(world: World, role: str) -> Answer:
    """Record with the agent key, as the authorizer lets it in, and one value above the key's limit."""
    key = world.authorizer.authenticate(world.ids["text"])
    if not key:
        return (401,)
    if key.paused_at:
        return (403,)
    world.authorizer.mark_used(key)
    by = agent("record", keyId=key.id, agentId="7", maxValueUsd="500", maxPerDay="1")
    assert post_outcome("too much", by, USER, valueUsd=501)[0] in {403, 503}
    return post_outcome(f"recorded by the key of {role}", by, USER)[:1]


def post_costs(date: str, cost: float | None, by: Any, source: str = "openai") -> Answer:
    body = None if cost is None else {"userId": USER, "lines": [{"agentId": 7, "costUsd": cost}, {"costUsd": 0.1}]}
    parameters, method = {"date": date, "source": source}, "DELETE" if cost is None else "PUT"
    query: Any = {"userId": str(USER)} if cost is None else None
    event = proxy_event(
        method, "/api/costs/{date}/{source}", authorizer=by, body=body, parameters=parameters, query=query
    )
    answer = costs.handler(event, None)
    return answer["statusCode"], json_text.read(answer["body"]).get("version")


def define(when: str | None) -> Answer:
    """Put the definition of March, the first without a statement, or delete it."""
    body = {"timezone": ZONES[1], "disputeDays": 14, "types": {"*": {"when": when}}} if when else None
    event = proxy_event(
        "PUT" if when else "DELETE",
        "/api/definitions/{month}",
        authorizer=OWNER,
        body=body,
        parameters={"month": "2026-03"},
    )
    return status_of(definitions.handler(event, None))


def watch(target: float | None, id_: str = "deals") -> Answer:
    """Put a watch, or delete it."""
    every_month = {"name": "Deals", "measure": "value", "every": "month", "timezone": ZONES[1], "target": target}
    sent: Any = every_month if target else None
    event = proxy_event(
        "PUT" if sent else "DELETE", "/api/watches/{id}", authorizer=OWNER, body=sent, parameters={"id": id_}
    )
    return status_of(watches.handler(event, None))


def evaluate() -> Answer:
    """Evaluate the watches, again as long as a figure cannot be read."""
    for _ in range(3):
        evaluate_watches.handler({}, None)
        if all("states" in row for row in watch_rows()):
            break
    return (200,)


def watch_rows() -> list[Any]:
    rows = rows_of(USER).get("WatchesTable", [])
    return [row for row in rows if not row["id"]["S"].startswith("#")]


def summarize(zone: str, by: Any = OWNER, *, what_counts: bool = False) -> Answer:
    query: Any = {"userId": "none", "from": verdict.EVER[0], "to": verdict.EVER[1], "timezone": zone}
    if what_counts:  # of whole days
        query |= {"from": verdict.EVER[0][:10], "to": verdict.EVER[1][:10], "include": "definition"}
    answer = summarize_outcomes.handler(proxy_event("GET", authorizer=by, query=query), None)
    return answer["statusCode"], answer["body"]


def report_costs() -> Answer:
    query: Any = COSTS_PERIOD
    answer = costs.handler(proxy_event("GET", "/api/costs", authorizer=OWNER, query=query), None)
    body = json_text.read(answer["body"])
    return answer["statusCode"], str(body.get("cost_usd"))


def state(month: str, zone: str, entries: int = 100_000) -> Answer:
    """Request a statement until it is made, as long as only its size delays it. entries: those of a call."""
    with patch.object(chain, "MAX_ENTRIES", entries):
        for _ in range(20):
            status, answer = ask(month, zone)
            if status != 503:
                break
    return status, None if status == 200 else answer["error"]


def state_with_a_new_secret(world: World, role: str) -> Answer:
    world.wire.secret = f"a secret of {role}", world.schedule.now
    return state("2026-02", ZONES[0])


def erase() -> Answer:
    """Erase the user, portion by portion. A portion that failed is repeated, as docs/runbook.md says."""
    done = False
    while not done:
        with suppress(CallFailed):
            progress = erase_user.handler({"user_id": USER}, None)
            done = progress["done"]
            time.sleep(progress["wait"])
    return (200,)


def imported(world: World, name: str, last_round: int = 1) -> Answer:
    return (200, import_all(world.file(name), last_round=last_round))


def undone(world: World) -> Answer:
    undo_all(world.file(OLD))
    return (200,)


COMMANDS: dict[str, Command] = {
    "record": lambda _, role: post_outcome(f"recorded by {role}", OWNER, USER)[:1],
    "record what happened before": lambda _, role: post_outcome(
        f"backfilled by {role}", KEY, USER, occurredAt="2026-01-20T12:00:00Z", valueUsd=2.5
    )[:1],
    "record with a key": lambda *_: post_outcome("retried", KEY, USER, "retried")[:1],
    "record a batch": lambda _, role: post_batch("retried", role),
    "record a batch without keys": lambda *_: post_batch(None, None),
    "record without a user": lambda _, role: post_outcome(f"nobody's, by {role}", KEY, None)[:1],
    "amend": lambda world, role: corrected(
        world, role, "deal", "amend", changes={"valueUsd": 7, "outcomeType": "task_complete", "title": f"of {role}"}
    ),
    "amend when it happened": lambda world, role: corrected(
        world, role, "deal", "amend", changes={"occurredAt": "2026-01-28T12:00:00Z", "title": f"moved by {role}"}
    ),
    "amend with a key": lambda world, role: corrected(
        world, role, "deal", "amend", key="retried", changes={"valueUsd": 8}
    ),
    "void": lambda world, role: corrected(world, role, "deal", "void"),
    "confirm": lambda world, role: corrected(world, role, "deal", "confirm", OWNER),
    "dispute": lambda world, role: corrected(world, role, "deal", "dispute", OWNER),
    "uphold": lambda world, role: corrected(world, role, "disputed", "uphold"),
    "correct in bulk": lambda world, _: corrected_in_bulk(world, ("deal", "dispute"), ("disputed", "confirm")),
    "amend what has no user": lambda world, role: corrected(
        world, role, "stray", "amend", changes={"valueUsd": ord(role[0])}
    ),
    "assign": lambda world, _: assign(world.ids["stray"], USER)[:1],
    "assign to another": lambda world, _: assign(world.ids["stray"], OTHER)[:1],
    "create a key": lambda _, role: status_of(create_key(f"key of {role}", OWNER)),
    "rotate the key": lambda world, _: change_key(world, "POST", "/rotate"),
    "pause the key": lambda world, _: change_key(world, "POST", "/pause"),
    "resume the key": lambda world, _: change_key(world, "POST", "/resume"),
    "revoke the key": lambda world, _: change_key(world, "DELETE", ""),
    "use the key": use_key,
    "resume the leaked key": lambda world, _: resume_leaked_key(world),
    "void what the leaked key recorded": lambda world, role: corrected(world, role, "leaked", "void", OWNER),
    "put costs": lambda _, role: post_costs("2026-04-08", ord(role[0]), KEY),
    "put costs of a past month": lambda _, role: post_costs("2026-02-20", ord(role[0]), KEY),
    "put costs of a new source": lambda _, role: post_costs("2026-04-08", 5, KEY, source=f"source_{role}"),
    "delete costs": lambda *_: post_costs("2026-04-08", None, KEY),
    "report costs": lambda *_: report_costs(),
    "add up": lambda *_: summarize(ZONES[0]),
    "add up in another zone": lambda *_: summarize(ZONES[1]),
    "add up what counts": lambda *_: summarize(ZONES[1], what_counts=True),
    "add up what has no user": lambda *_: summarize(ZONES[0], NOBODY),
    "import": lambda world, _: imported(world, OLD),
    "import newer rows": lambda world, _: imported(world, NEW),
    "undo the import": lambda world, _: undone(world),
    "import again": lambda world, _: imported(world, OLD, 2),
    "state February": lambda *_: state("2026-02", ZONES[1]),
    "state February in parts": lambda *_: state("2026-02", ZONES[0], 2),
    "state March": lambda *_: state("2026-03", ZONES[1]),
    "state with a new secret": state_with_a_new_secret,
    "put a definition": lambda _, role: define("claimed" if role == "first" else "confirmed"),
    "delete a definition": lambda *_: define(None),
    "put a watch": lambda _, role: watch(ord(role[0]) / 1000),
    "put another watch": lambda _, role: watch(1, f"of-{role}"),
    "delete a watch": lambda *_: watch(None),
    "evaluate watches": lambda *_: evaluate(),
    "erase": lambda *_: erase(),
}


def attempt(world: World, command: Command, role: str) -> Answer:
    record_outcome.ledger.__dict__.pop("budgets", None)  # each role is an environment of its own
    try:
        return command(world, role)
    except (Killed, StackError, CallFailed):
        return KILLED


# ── What reads show ──────────────────────────────────────────────────────────────────────────────────────────────────


class Seen(NamedTuple):
    """Holds what reads show: the user's outcomes, the statements of each zone, and a line for each fact.

    The lines have no ids, texts of keys, or times of recording, so that two courses with the same result are equal.
    """

    outcomes: list[State]
    statements: dict[str, list[str]]
    lines: tuple[str, ...]


def observed(world: World) -> Seen:
    """Make the statements of all months, and read everything."""
    world.at("2026-05-10T12:00:00Z")  # April is not closed yet
    callers = {"owner": OWNER, "other": session(OTHER), "nobody": NOBODY}
    outcomes = {name: verdict.listed(by) for name, by in callers.items()}
    rows = rows_of(USER)
    begun = {row["timezone"]["S"] for row in rows.get("StatementsTable", []) if "sha256" in row} or {ZONES[0]}
    texts = {zone: verdict.statements(zone, LAST_MONTH) for zone in sorted(begun)}
    keys = json_text.read(verdict.read(manage_keys.handler, OWNER, "/api/keys"))["keys"]
    signing = json_text.read(statement_keys.handler(proxy_event("GET", authorizer=None), None)["body"])["keys"]
    report = json_text.read(verdict.read(costs.handler, OWNER, "/api/costs", **COSTS_PERIOD))
    return Seen(
        outcomes["owner"],
        texts,
        (
            *sorted(f"{name}: {_outcome(each)}" for name, found in outcomes.items() for each in found),
            *(f"{zone}: {summarize(zone)[1]}" for zone in ZONES),
            *(f"{zone}: {_statement(text)}" for zone in texts for text in texts[zone]),
            *sorted(
                f"key {each['name']}, rotated by {each['rotated_by']}, {'paused' if each['paused_at'] else 'live'}"
                for each in keys
            ),
            f"the key lets in: {world.authorizer.authenticate(world.ids['text']) is not None}",
            f"several signing keys in use: {sum(each['valid_until'] is None for each in signing) > 1}",
            *(
                f"definition {each['from']}, version {each['version']}: {each['types']}"
                for each in verdict.definitions()
            ),
            *map(_watch, watch_rows()),
            *(f"costs of {each['date']}: {each['cost_usd']}" for each in report["by_day"] if each["sources"]),
            f"rows of the user: {sorted(rows.keys() - {'TotalsTable'})}",
        ),
    )


def _outcome(each: State) -> str:
    fields = ("title", "outcome_type", "agent_id", "value_usd", "status", "version")
    when = "" if each["occurred_at"] == each["created_at"] else each["occurred_at"]
    return " ".join([*(str(each[name]) for name in fields), when, kind_of(each["recorded_by"] or "")])


def _watch(row: Any) -> str:
    """Return what a watch is and what it has told, without times."""
    states = json_text.read(row.get("states", {"S": "[]"})["S"])
    told = [each for period in states for each in period["thresholds"].values()]
    said = [(each["state"], each["n"], each.get("told", {}).get("figure")) for each in told]
    return f"watch {row['id']['S']}, version {row['version']['N']}: {row['setting']['S']} {said}"


def _statement(text: str) -> str:
    said = json.loads(text)
    return " ".join(json_text.compact(said[name]) for name in ("period", "size", "totals", "adjustments", "definition"))


def rows_are_sound() -> None:
    """Check what reads do not show. Raises AssertionError."""
    rows = rows_of(None)
    outcomes = rows.get("OutcomesTable", [])
    verdict.entries_make_the_outcomes(outcomes)
    named = Counter((name, row[name]["S"]) for row in outcomes for name in ("title", "reason") if name in row)
    assert max(named["title", "retried"], named["reason", "retried"]) <= 1, "one idempotency key, and stored twice"
    assert all("secret_sha256" in row for row in rows.get("KeysTable", []) if key_text.is_id(row["id"]["S"])), (
        "a key without text"
    )
    statements = {row["id"]["S"] for row in rows.get("StatementsTable", [])}
    unfinished = {id_.partition("#")[2] for id_ in statements if id_.startswith("unfinished")}
    assert not unfinished & statements, "work on a statement that is made"


def judge(seen: Seen) -> None:
    """Check what reads show with the model. Raises AssertionError."""
    verdict.files_are_the_list(seen.outcomes)
    verdict.costs_are_the_sum_of_lines()
    for zone in ZONES:
        verdict.summaries_are_the_sum(seen.outcomes, zone)
        verdict.what_counts_is_the_sum(zone)
    for zone, texts in seen.statements.items():
        verdict.statements_have_the_definition(texts, zone)
        verdict.statements_are_the_sum(texts, seen.outcomes, zone)


@contextmanager
def worlds(template: Any) -> Iterator[tuple["World", "World"]]:
    """Yield a user without an import or a statement, and one with both."""
    schedule = Schedule(0)
    with ExitStack() as stack:
        seam = stack.enter_context(surroundings(schedule, template))
        stack.enter_context(two_shards())
        stack.enter_context(hosts(schedule))
        for module, name, value in LOWERED:
            stack.enter_context(patch.object(module, name, value))
        # All summaries are of the same period: to divide it into days takes as long as to read their sums.
        stack.enter_context(patch.object(period, "_buckets", cache(period._buckets)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        empty = snapshot()
        wire = Wire(schedule, seam.real_post)  # nothing is to be injected
        stack.enter_context(patch.object(Connection, "post", lambda *sent: wire.post(*sent)))
        young = World(schedule, wire, folder, is_settled=False)
        restore(empty)
        yield young, World(schedule, wire, folder, is_settled=True)
