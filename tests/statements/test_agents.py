"""Test that statements of many agents list only the greatest sums, stay small, and can be continued by later calls."""

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import outcomes_client.statements._sums as verifier
import pytest
from outcomes.contract.json_text import response_bytes
from outcomes.contract.status import STATUSES, CountedFields
from outcomes.statements import chain, statement_rows, statement_sums
from outcomes.statements.format import statement_text
from outcomes.statements.months import Calendar
from outcomes.statements.statement_rows import ListedStatement, Statement, StatementsTable
from outcomes.statements.statement_sums import MAX_LISTED_AGENTS, StatementSums
from outcomes_client.statements import StatementError, verify

from functions.statements import app
from tests.corrections import correct
from tests.events import KEY
from tests.faults import Killed, cancelled, faulty, fine
from tests.people import record, rows_of
from tests.statements import chance, example
from tests.statements.conftest import Clock
from tests.statements.service import BERLIN, ask, before_call, erase, made, verified

pytestmark = pytest.mark.usefixtures("no_waiting")

FILES = example.honest_files()


@pytest.fixture
def few_listed(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the service and the verifier list only three agents, in totals and in adjustments."""
    monkeypatch.setattr(statement_sums, "MAX_LISTED_AGENTS", 3)
    monkeypatch.setattr(verifier, "_MAX_AGENTS", 3)
    return 3


# ── Which agents are listed ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_vectors_lists_are_those_of_the_rules() -> None:
    """Compare the vector with the rows that its comments call listed."""
    text = json.loads(FILES["agents.json"])
    lists = [text["totals"], *(each["totals"] for each in text["adjustments"])]
    last = [[row["agent_id"] for row in each["by_agent"] if (row["agent_id"] or 2000) >= 2000] for each in lists]
    assert last == [[None, 2000, 2003, 2004], [None, 2000], [None]]
    assert [each["other_agents"]["agents"] for each in lists] == [4, 1, 1]
    assert [len(each["by_agent"]) for each in lists] == [MAX_LISTED_AGENTS, 500, 500]


RULES = {
    "the greatest values, not the greatest magnitudes": ("value.copy_abs().copy_negate()", "value.copy_negate()"),
    "magnitudes as floating-point numbers": ("row[0].value.copy_abs().copy_negate()", "-abs(float(row[0].value))"),
    "rounded magnitudes": ("row[0].value.copy_abs().copy_negate()", "-abs(row[0].value)"),
    "smaller counts first": ("-abs(row[0].count)", "abs(row[0].count)"),
    "counts that do not matter": ("-abs(row[0].count), ", ""),
    "greater ids first": ("_order(row[1])", "-(row[1] or 0)"),
    "null last": ("_order(row[1])", "row[1] or 10**9"),
    "periods before ids": ("_order(row[1]), row[2]", "row[2], _order(row[1])"),
    "later periods first": ("_order(row[1]), row[2]", "_order(row[1]), -row[2]"),
    "1,000 agents in each adjustment": ("_fold(totals), strict", "[_fold([each])[0] for each in totals], strict"),
    "999 agents": ("_MAX_AGENTS = 1_000", "_MAX_AGENTS = 999"),
    "sums that are zero": ("if sum_.count or sum_.value\n    ]", "]"),
    "sums whose value is zero left out": ("if sum_.count or sum_.value\n    ]", "if sum_.value\n    ]"),
}
"""Wrong rules, as changes of the verifier's code."""


@pytest.mark.parametrize("rule", RULES)
def test_a_verifier_with_another_rule_refuses_a_vector(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    statement, entries, keys = (FILES[name].encode() for name in ("agents.json", "agents.ndjson", "keys.json"))
    right, wrong = RULES[rule]
    source = Path(verifier.__file__).read_text()
    assert source.count(right) == 1
    changed = {"__name__": verifier.__name__, "__package__": verifier.__package__}
    exec(compile(source.replace(right, wrong), verifier.__file__, "exec"), changed)  # noqa: S102 - our own code
    monkeypatch.setattr("outcomes_client.statements.check_sums", changed["check_sums"])
    with pytest.raises(StatementError):
        verify(statement, entries=entries, keys=keys)


@pytest.mark.parametrize("seed", range(20))
def test_random_sums_are_folded_as_the_verifier_does(few_listed: int, seed: int) -> None:
    made = chance.statement(Random(seed), 60, agents=8)  # noqa: S311 - repeatable
    verify(made.text.encode(), keys=FILES["keys.json"].encode(), entries=made.entries().encode())
    found = json.loads(made.text)
    assert len(found["totals"]["by_agent"]) == few_listed
    assert sum(len(each["totals"]["by_agent"]) for each in found["adjustments"]) == few_listed
    for each in (found, *found["adjustments"]):
        listed, others = each["totals"]["by_agent"], each["totals"]["other_agents"]
        rows = [*listed, others] if others else listed
        assert sum(row["count"] for row in rows) == each["totals"]["count"]
        assert sum(Decimal(row["value_usd"]) for row in rows) == Decimal(each["totals"]["value_usd"])


# ── The greatest statement ────────────────────────────────────────────────────────────────────────────────────────────


def test_no_statement_is_too_large_for_a_response_or_a_transaction() -> None:
    """Fill every row of the last month of 2026: 323 months before it, 50 types, and values of 168 decimals."""
    random = Random(0)  # noqa: S311 - repeatable
    months = Calendar(BERLIN)
    period, *earlier = (
        months.bounds(f"{year}-{month:02}") for year in range(2026, 1999, -1) for month in range(12, 0, -1)
    )
    assert len(earlier) == 323
    types = [f"{'t' * 38}{number}" for number in range(10, 60)]
    made = StatementSums(period, months.of)

    def add(happened: str, outcome_type: str, agent_id: int | None, status: str = "recorded") -> None:
        """Add values with as many digits as possible on both sides of the decimal point."""
        for value in (Decimal(1 - 10**15), Decimal(-random.randrange(10**37, 10**38)).scaleb(-168)):
            made.add(None, CountedFields(happened, outcome_type, agent_id, value, status))

    for begin, _ in (period, *earlier):
        for outcome_type in types:
            add(begin, outcome_type, None)
        for status in STATUSES:
            add(begin, types[0], 2**53 - 1, status)
    for agent_id in range(2**53 - 2 * MAX_LISTED_AGENTS, 2**53):
        add(period.begin, types[0], agent_id)
        add(earlier[agent_id % 323].begin, types[0], agent_id)
    text = statement_text("{}", made.text(bytes(16)), "x" * 1000)
    # What is left of 6 MB is enough for greater counts: even 10 million entries add less than 0.2 MB.
    assert 5_000_000 < response_bytes(text) < 5_700_000
    listed = ListedStatement("2026-12", BERLIN, *period, 1, "00" * 32, "")
    index = random.randbytes(1_000_000)
    StatementsTable("StatementsTable").put_statement(42, Statement(text, index, b"", *period), listed, "")


# ── One call after another ────────────────────────────────────────────────────────────────────────────────────────────

AMEND = {"type": "amend", "reason": "Another agent did it"}


def flood(clock: Clock) -> None:
    """Record outcomes of 16 agents in September, and then make the sums of the greatest six zero."""
    clock.at("2026-09-15T12:00:00Z")
    ids = [
        record(agentId=number, valueUsd=value, occurredAt=f"2026-0{8 + number % 2}-14T12:00:00Z")
        for number, value in enumerate([*range(101, 113), 1, 1, 1, 1], 1)
    ]
    clock.at("2026-09-20T12:00:00Z")
    for number, id_ in enumerate(ids[6:12], 1):
        assert correct(id_, KEY, AMEND | {"changes": {"agentId": number, "valueUsd": number}})[0] == 200
    clock.at("2026-11-20T12:00:00Z")


def unfinished() -> list[str]:
    """Return the ids of all rows of unfinished work."""
    rows = rows_of(42).get("StatementsTable", [])
    return [row["id"]["S"] for row in rows if row["id"]["S"].startswith(("unfinished#", "agents#"))]


def finished(month: str = "2026-09") -> str:
    """Make a statement in as many calls as it needs, and verify it."""
    text = made(month)
    verified(text)
    return text


@pytest.fixture
def short_calls(monkeypatch: pytest.MonkeyPatch, few_listed: int) -> None:
    """Let a call read ten entries."""
    assert few_listed
    monkeypatch.setattr(chain, "MAX_ENTRIES", 10)


@pytest.mark.usefixtures("short_calls")
def test_later_calls_know_the_agents_that_are_not_listed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    flood(clock)
    monkeypatch.setattr(statement_rows, "PART_BYTES", 40)
    assert ask("2026-09")[0] == 503
    assert len([id_ for id_ in unfinished() if id_.startswith("agents#")]) > 1
    by_parts = json.loads(finished())
    rows = [[row["agent_id"], row["value_usd"]] for row in by_parts["totals"]["by_agent"]]
    assert rows == [[1, "102.00"], [3, "106.00"], [5, "110.00"]]
    assert unfinished() == []
    monkeypatch.setattr(chain, "MAX_ENTRIES", 100)
    at_once = json.loads(made("2026-09", "Europe/Paris"))
    assert [by_parts[name] for name in ("totals", "adjustments")] == [
        at_once[name] for name in ("totals", "adjustments")
    ]


@pytest.mark.usefixtures("short_calls")
def test_each_call_replaces_the_rows_of_agents_of_the_call_before(clock: Clock) -> None:
    flood(clock)
    seen: set[str] = set()
    while ask("2026-09")[0] == 503:
        [agents] = {id_.split("#")[2] for id_ in unfinished() if id_.startswith("agents#")}
        assert agents not in seen
        seen.add(agents)
    assert len(seen) > 1


def kill() -> None:
    raise Killed


def overtake() -> None:
    """Let another call continue the work, or make the statement."""
    assert ask("2026-09")[0] in {200, 503}


@pytest.mark.usefixtures("short_calls")
@pytest.mark.parametrize("event", [kill, overtake])
def test_nothing_is_lost_and_no_row_stays_if_a_call_is_killed_or_overtaken_before_any_of_its_calls(
    clock: Clock, event: Callable[[], None]
) -> None:
    flood(clock)
    for number in count(1):
        erase("StatementsTable", "TotalsTable")
        assert ask("2026-09")[0] == 503
        answer: Any = 503, None
        with before_call(number, event) as calls, suppress(Killed):
            answer = ask("2026-09")
        assert answer[0] == 503 or answer == (200, made("2026-09"))
        text = json.loads(made("2026-09"))
        assert (text["totals"]["count"], text["totals"]["other_agents"]["agents"]) == (8, 2)
        assert unfinished() == []
        if len(calls) < number:
            break
    assert number > 15


@pytest.mark.usefixtures("short_calls")
def test_rows_that_the_last_call_of_a_statement_left_are_deleted_with_those_of_the_next_statement(clock: Clock) -> None:
    flood(clock)
    clock.at("2026-10-15T12:00:00Z")
    for _ in range(11):
        record()
    clock.at("2026-11-20T12:00:00Z")
    statuses = [ask("2026-09")[0] for _ in range(2)]

    def kill_after_storing() -> None:
        if any(row["id"]["S"] == f"2026-09@{BERLIN}" for row in rows_of(42)["StatementsTable"]):
            kill()

    with before_call(None, kill_after_storing, "Query"), pytest.raises(Killed):
        ask("2026-09")
    assert (statuses, len(unfinished())) == ([503, 503], 1)
    assert finished("2026-09")
    finished("2026-10")
    assert unfinished() == []


@pytest.mark.usefixtures("short_calls")
def test_work_is_stored_as_soon_as_its_partition_is_not_throttled_any_more(clock: Clock) -> None:
    """200,000 agents need 9 rows or more, each 600 of the 1,000 write units that a partition has in a second."""
    flood(clock)
    assert ask("2026-09")[0] == 503
    before = unfinished()
    throttled = [cancelled("ThrottlingError")] * 5
    with faulty(app.statements().dynamodb, "TransactWriteItems", *throttled, fine, *throttled, fine):
        assert ask("2026-09") == (503, {"error": "Still adding up"})
    assert len(unfinished()) == len(before) == 2
    assert unfinished() != before


@pytest.mark.usefixtures("short_calls")
def test_a_table_of_statements_that_stays_throttled_is_busy_and_the_next_call_continues(clock: Clock) -> None:
    flood(clock)
    assert ask("2026-09")[0] == 503
    throttled = cancelled("ThrottlingError")
    for faults, error in (
        ([throttled], "Busy"),
        ([fine, throttled], "Busy"),
        ([fine, fine, throttled], "Still adding up"),
    ):
        with faulty(app.statements().dynamodb, "TransactWriteItems", *faults):
            assert ask("2026-09") == (503, {"error": error})
    with faulty(app.statements().dynamodb, "TransactWriteItems", fine, throttled):
        assert ask("2026-09")[0] == 200  # the rows of its agents could not be deleted
    assert unfinished() != []


@pytest.mark.parametrize("most_entries", [5, 100])
def test_a_statement_of_too_many_agents_is_a_409_that_says_so(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, most_entries: int
) -> None:
    flood(clock)
    monkeypatch.setattr(chain, "MAX_ENTRIES", most_entries)
    monkeypatch.setattr(chain, "MAX_AGENTS", 15)
    details = [{"field": "period", "message": "has more than 15 agents in 2026-09"}]
    for month in ("2026-09", "2026-10"):
        status, answer = ask(month)
        while status == 503:
            status, answer = ask(month)
        assert (status, answer) == (409, {"error": "Not possible", "details": details})
    monkeypatch.setattr(chain, "MAX_AGENTS", 16)
    finished()
