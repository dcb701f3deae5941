"""Test the service that makes statements: chains, entries, sums, concurrent requests, failures and erasure."""

import json
import random
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from outcomes.aws.connection import Connection, Reply
from outcomes.aws.services import Answer
from outcomes.calendar import instants, period
from outcomes.contract.models import NewOutcome
from outcomes.ledger import correction_entries, cursor
from outcomes.ledger.entries import LedgerReader
from outcomes.ledger.imports import Imports
from outcomes.statements import chain, statement_rows, stored_statements, tree, work
from outcomes_client.statements import verify_months

from functions.statements import app
from functions.summarize_outcomes import app as summarize_outcomes
from functions.summarize_outcomes.app import store
from history.tests.imports import import_all, old_row, undo_all, write_ndjson
from tests.aws import aws_client
from tests.corrections import OWNER, correct
from tests.events import KEY, agent, proxy_event, session
from tests.faults import Fault, Killed, cancelled, faulty, fine
from tests.fields import SENT
from tests.people import record, rows_of
from tests.statements.conftest import Clock
from tests.statements.service import (
    BERLIN,
    ID,
    ask,
    before_call,
    call,
    entries,
    erase,
    head,
    imports,
    in_path,
    keys,
    made,
    proof,
    september,
    verified,
)

pytestmark = pytest.mark.usefixtures("no_waiting")

AMEND = {"type": "amend", "reason": "A typo"}
MONTHS = {
    "2026-09": "2026-09-30T22:00:00.000Z",
    "2026-10": "2026-10-31T23:00:00.000Z",
    "2026-11": "2026-11-30T23:00:00.000Z",
}
"""Months of Berlin, and when they end."""


def texts(id_: str) -> list[Any]:
    return [json.loads(json.loads(line)["text"]) for line in entries(id_).splitlines()]


# ── What a statement contains ─────────────────────────────────────────────────────────────────────────────────────────


def live(clock: Clock, draw: random.Random) -> list[str]:
    """Record outcomes and corrections from September to November. Return the outcomes' ids."""
    ids: list[str] = []
    at = instants.read("2026-09-10T00:00:00Z")
    while at < instants.read("2026-11-25T00:00:00Z"):
        at += draw.randrange(6 * 24 * 60 * 60 * 1000)
        clock.now = at
        happened = instants.text(at - draw.randrange(30 * 24 * 60 * 60 * 1000))
        if not ids or draw.random() < 0.5:
            value, agent_id = draw.choice([None, 0, 12.5, -3, 1e14]), draw.choice([None, 7, 12])
            occurred_at = draw.choice([None, happened])
            fields = SENT | {"title": f"Deal {at}", "agentId": agent_id, "valueUsd": value, "occurredAt": occurred_at}
            ids.append(record(**fields))
            continue
        # Fields that docs/extending.md adds are recorded and amended, too, but format 1 has a fixed list of members.
        changes: dict[str, Any] = {name: draw.choice([None, value]) for name, value in SENT.items()} | {
            "title": "New",
            "outcomeType": "deal_closed",
            "agentId": 8,
            "occurredAt": happened,
            "metadata": {"at": at},
            "description": draw.choice([None, "x\u2028y"]),
        }
        some = {name: changes[name] for name in draw.sample([*changes], draw.randint(1, 3))}
        kind = draw.choice(["amend", "amend", "amend", "void", "confirm", "dispute", "uphold"])
        body = {"type": kind, "reason": "So"} | ({"changes": some} if kind == "amend" else {})
        correct(draw.choice(ids), OWNER if kind in ("confirm", "dispute") else KEY, body)
    return ids


@pytest.mark.parametrize("seed", range(6))
def test_totals_and_all_adjustments_of_a_month_are_its_summary(clock: Clock, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 (tests need no secret numbers)
    ids = live(clock, draw)
    clock.at("2026-12-20T12:00:00Z")
    statements = [head(made(month)) for month in MONTHS]
    previous = None
    for month in MONTHS:
        text = made(month)
        recorded = [id_ for id_ in ids if any(id_ == each["id"] for each in texts(f"{month}@{BERLIN}"))]
        verified(text, previous, draw.choice(recorded) if recorded else None)
        previous = text
    touched = {(each["from"], each["cut"]) for each in statements}
    touched |= {(each["from"], each["to"]) for statement in statements for each in statement["adjustments"]}
    for begin, end in touched:
        found = [each["totals"] for each in statements if (each["from"], each["cut"]) == (begin, end)]
        found += [
            each["totals"]
            for statement in statements
            for each in statement["adjustments"]
            if (each["from"], each["to"]) == (begin, end)
        ]
        assert_is_summary(begin, end, found)
    months = verify_months([made(month).encode() for month in MONTHS], keys=keys().encode())
    assert_is_summary(statements[0]["from"], statements[-1]["cut"], [months.totals])
    for each in months.changes:
        assert_is_summary(each["from"], each["to"], [each["totals"]])


def assert_is_summary(begin: str, end: str, found: list[Any]) -> None:
    """Assert that these totals add up to the summary of a period."""
    event = proxy_event("GET", authorizer=OWNER, query={"timezone": BERLIN, "from": begin, "to": end})
    summary = json.loads(summarize_outcomes.handler(event, None)["body"], parse_float=Decimal)
    for name in ("confirmed", "disputed", "voided"):
        assert summed([each[name] for each in found]) == (summary[name]["count"], summary[name]["value_usd"])
    assert summed(found) == (summary["count"], summary["value_usd"])
    for by, key in (("by_type", "outcome_type"), ("by_agent", "agent_id")):
        rows: Counter[Any] = Counter()
        for row in (row for each in found for row in each[by]):
            rows[row[key]] += row["count"]
        assert {key: count for key, count in rows.items() if count} == {row[key]: row["count"] for row in summary[by]}


def summed(totals: list[Any]) -> tuple[int, Decimal]:
    return sum(each["count"] for each in totals), sum((Decimal(each["value_usd"]) for each in totals), Decimal())


def test_an_outcome_recorded_at_the_cut_belongs_to_the_next_period(clock: Clock) -> None:
    cut = instants.read(MONTHS["2026-10"])
    outcome = NewOutcome.parse({"outcomeType": "deal_closed", "title": "x", "userId": Decimal(42)}, session_user=None)
    before, at = (store.add(outcome, "key", milliseconds=cut - early) for early in (1, 0))
    clock.at("2026-12-20T12:00:00Z")
    for month, id_ in (("2026-10", before), ("2026-11", at)):
        made(month)
        [entry] = texts(f"{month}@{BERLIN}")
        assert (entry["id"], entry["created_at"]) == (id_, entry["occurred_at"])
    assert entry["created_at"] == MONTHS["2026-10"]
    assert head(made("2026-10"))["cut"] == head(made("2026-11"))["from"] == MONTHS["2026-10"]


def test_an_outcome_that_a_slow_clock_dated_before_the_cut_is_in_time_for_its_period(clock: Clock) -> None:
    september(clock)
    cut = instants.read(MONTHS["2026-09"])
    clock.now = cut + 299_000
    outcome = NewOutcome.parse({"outcomeType": "deal_closed", "title": "x", "userId": Decimal(42)}, session_user=None)
    late = store.add(outcome, "key", milliseconds=cut - 1)
    clock.now = cut + 599_000
    assert ask("2026-09")[0] == 409
    clock.now = cut + 600_000
    assert late in [each["id"] for each in texts(f"{head(made('2026-09'))['id']}")]


def test_what_happens_later_changes_no_entry(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correction_entries, "MAX_HISTORY", 2)  # an outcome's item lists only its two newest corrections
    id_ = september(clock)
    clock.at("2026-09-20T12:00:00Z")
    correct(id_, KEY, AMEND | {"changes": {"title": "Second", "metadata": None}})
    correct(id_, KEY, AMEND | {"changes": {"description": "Third"}})
    clock.at("2026-11-20T12:00:00Z")
    text, lines = made("2026-09"), entries(f"2026-09@{BERLIN}")
    for changes in ({"title": "Fourth", "valueUsd": 3}, {"description": None}, {"metadata": {"b": 2}}):
        assert correct(id_, KEY, AMEND | {"changes": changes})[0] == 200
    assert correct(id_, OWNER, {"type": "dispute", "reason": "No"})[0] == 200
    assert correct(id_, agent("correct"), AMEND | {"changes": {"title": "Fifth"}})[0] == 200
    assert (made("2026-09"), entries(f"2026-09@{BERLIN}")) == (text, lines)
    verified(text, outcome=id_)
    clock.at("2026-12-20T12:00:00Z")
    made("2026-11")
    before = {"status": "disputed", "value_usd": "3", "outcome_type": "deal_closed", "agent_id": 7}
    last = texts(f"2026-11@{BERLIN}")[-1]
    assert last["before"] == last["after"] == before | {"occurred_at": texts(f"2026-09@{BERLIN}")[0]["created_at"]}


def test_chains_of_each_zone_are_separate(clock: Clock) -> None:
    september(clock)
    clock.at("2027-02-01T12:00:00Z")
    for zone in (BERLIN, "Etc/GMT+5", "Asia/Kathmandu"):
        previous = None
        for each in ("2026-09", "2026-10"):
            text = made(each, zone)
            assert verified(text, previous).head["id"] == f"{each}@{zone}"
            assert (head(text)["previous"] is None) == (previous is None)
            previous = text
    first = head(made("2026-09"))
    assert (first["from"], first["cut"], first["size"]) == ("2026-08-31T22:00:00.000Z", MONTHS["2026-09"], 1)
    assert {row["user"] for row in (first, head(made("2026-11", "Etc/GMT+5")))} == {first["user"]}
    assert head(made("2026-10"))["size"] == 0


def test_the_list_has_the_latest_cut_first_then_ids(clock: Clock) -> None:
    september(clock)
    clock.at("2027-02-01T12:00:00Z")
    for each, zone in (("2026-12", "UTC"), ("2026-12", BERLIN), ("2027-01", "UTC"), ("2026-12", "Africa/Abidjan")):
        made(each, zone)
    found: list[Any] = []
    query: dict[str, str | list[str]] = {"limit": "3"}
    while query.get("cursor", "first") is not None:
        page = json.loads(call("GET", "/api/statements", query=query)[1])
        found += page["statements"]
        query["cursor"] = page["next_cursor"]
    assert found == sorted(found, key=lambda each: (-instants.read(each["cut"]), each["id"]))
    latest = ["2027-01@UTC", "2026-12@Africa/Abidjan", "2026-12@UTC", f"2026-12@{BERLIN}"]
    assert [each["id"] for each in found[:4]] == latest
    assert len(found) == 5 + 4 + 4
    whole = head(made("2026-12"))
    assert found[3] == {name: whole[name] for name in ("id", "period", "timezone", "cut", "size", "root")}
    assert json.loads(call("GET", "/api/statements", user_id=43)[1]) == {"statements": [], "next_cursor": None}


def test_changed_rules_of_a_zone_change_no_period_of_a_chain(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    september(clock)
    first = made("2026-09")
    clock.at("2026-11-20T12:00:00Z")
    record(occurredAt="2026-09-30T22:30:00Z", title="In October by the rules of old, in September by the new ones")
    record(occurredAt="2026-09-30T21:30:00Z")
    utc = period.time_zone("UTC")
    monkeypatch.setattr("outcomes.statements.months.time_zone", lambda _name: utc)
    second = made("2026-10")
    verified(second, first)
    clock.at("2026-12-20T12:00:00Z")
    third = made("2026-11")
    verified(third, second)
    ends = [(each["from"], each["cut"]) for each in map(head, (first, second, third))]
    assert [end for _, end in ends] == [MONTHS["2026-09"], "2026-11-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"]
    assert [(each["from"], each["to"]) for each in head(third)["adjustments"]] == ends[:2]


def test_50_amends_of_metadata_are_part_of_a_statement_and_a_proof(clock: Clock) -> None:
    id_ = september(clock)
    clock.at("2026-09-16T12:00:00Z")
    for number in range(50):
        assert correct(id_, KEY, AMEND | {"changes": {"metadata": {"a": f"{number:064000}"}}})[0] == 200
    clock.at("2026-11-20T12:00:00Z")
    assert len(verified(made("2026-09"), outcome=id_).entries) == 51


# ── Proofs and parts of entries ───────────────────────────────────────────────────────────────────────────────────────


def many(clock: Clock) -> list[str]:
    """Record 21 outcomes in September, and correct some of them. Return their ids."""
    clock.at("2026-09-15T12:00:00Z")
    ids = [record(title="An emoji: 🎉" * (number % 5)) for number in range(1, 21) if number % 5]
    ids += [record() for _ in range(5)]
    for id_, title in (ids[3], "New"), (ids[20], "New"), (ids[3], "Newer"):
        assert correct(id_, KEY, AMEND | {"changes": {"title": title}})[0] == 200
    clock.at("2026-11-20T12:00:00Z")
    return ids


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let pages have at most six outcomes. Return a list of how many each page has."""
    whole_page, read = LedgerReader.outcomes, list[int]()

    def page_of_six(self: LedgerReader, begin: str, end: str, limit: int | None = None) -> Iterator[Answer]:
        for page in whole_page(self, begin, end, min(limit or 6, 6)):
            read.append(len(page["Items"]))
            yield page

    monkeypatch.setattr(LedgerReader, "outcomes", page_of_six)
    return read


@pytest.mark.parametrize(("room", "size"), [(100, 2), (12, 2), (11, 4), (9, 4)])
def test_every_entry_is_proved_from_one_group_of_the_index(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, read: list[int], room: int, size: int
) -> None:
    monkeypatch.setattr(tree, "SUBTREE", 2)
    monkeypatch.setattr(tree, "GROUP", 2)
    monkeypatch.setattr(statement_rows, "MAX_ACTIONS", room)
    ids = many(clock)
    text = made("2026-09")
    indexes = [row for row in rows_of(42)["StatementsTable"] if row["id"]["S"].startswith("index#")]
    assert [int(row["subtrees"]["N"]) for row in indexes if "subtrees" in row] == [size]
    assert len(indexes) == 1 + 12 // size
    for id_ in ids:
        proven = verified(text, outcome=id_)
        read.clear()
        proof(f"2026-09@{BERLIN}", id_)
        assert sum(read) <= (2 + 1) * len(proven.entries)  # each from its own subtree
    clock.at("2026-10-16T12:00:00Z")
    assert proof(f"2026-09@{BERLIN}", record())[0] == 404


def as_earlier_versions_stored_it(id_: str) -> None:
    """Store a statement's index in the row of its text, and delete all other rows of the index."""
    dynamodb, [text] = aws_client("dynamodb"), [row for row in statement_rows_of() if row["id"]["S"] == id_]
    groups = [row for row in statement_rows_of() if row["id"]["S"].startswith(f"index#{id_}")]
    [whole, *contents] = sorted(groups, key=lambda row: row["id"]["S"])
    index = b"".join(bytes(row["content"]["B"]) for row in contents) or bytes(whole["groups"]["B"])
    content = zlib.decompress(bytes(text["content"]["B"])) + b64encode(index)
    dynamodb.put_item(TableName="StatementsTable", Item=text | {"content": {"B": zlib.compress(content)}})
    for row in groups:
        dynamodb.delete_item(TableName="StatementsTable", Key={name: row[name] for name in ("user_id", "id")})


def statement_rows_of() -> list[Any]:
    return rows_of(42)["StatementsTable"]


@pytest.mark.parametrize("group", [2, 128])
def test_statements_of_earlier_versions_are_read(clock: Clock, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    monkeypatch.setattr(tree, "SUBTREE", 4)
    monkeypatch.setattr(tree, "GROUP", group)
    ids = many(clock)
    id_ = f"2026-09@{BERLIN}"
    text, lines, proofs = made("2026-09"), entries(id_), [proof(id_, each) for each in ids]
    as_earlier_versions_stored_it(id_)
    assert made("2026-09") == text
    assert (entries(id_), [proof(id_, each) for each in ids]) == (lines, proofs)
    verified(text, outcome=ids[3])
    verified(made("2026-10"), text)


@pytest.mark.parametrize("room", [4_000, 6_000, 9_000])
def test_parts_of_entries_read_hardly_more_outcomes_than_they_return(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, read: list[int], room: int
) -> None:
    many(clock)
    id_ = f"2026-09@{BERLIN}"
    made("2026-09")
    whole = entries(id_)
    monkeypatch.setattr(stored_statements, "MAX_RESPONSE_BYTES", room)
    monkeypatch.setattr(stored_statements, "_FEW", 1)
    parts = 0
    query: dict[str, str | list[str]] | None = None
    text, headers = "", {"Next-Cursor": ""}
    while "Next-Cursor" in headers:
        read.clear()
        _, part, headers = call("GET", f"{ID}/entries", parameters=in_path(id_), query=query)
        assert sum(read) <= part.count("outcome_type") + 2
        text, parts, query = text + part, parts + 1, {"cursor": headers.get("Next-Cursor", "")}
    assert text == whole
    assert parts > 1


# ── One call after another ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_makes_few_statements_and_reads_few_entries_and_the_next_one_goes_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "MAX_ENTRIES", 5)
    monkeypatch.setattr(chain, "MAX_STATEMENTS", 2)
    monkeypatch.setattr(tree, "SUBTREE", 4)
    monkeypatch.setattr(statement_rows, "PART_BYTES", 100)  # each statement needs several rows
    clock.at("2026-09-15T12:00:00Z")
    ids = [record(agentId=number + 1, occurredAt="2026-08-15T12:00:00Z") for number in range(12)]
    clock.at("2026-10-15T12:00:00Z")
    for id_ in ids[:7]:
        correct(id_, KEY, AMEND | {"changes": {"title": "New"}})
    clock.at("2027-02-15T12:00:00Z")
    answers = [ask("2027-01")[0]]
    while answers[-1] == 503:
        assert len(answers) < 20
        answers.append(ask("2027-01")[0])
    assert answers == [503] * 4 + [200]
    verified(made("2026-10"), made("2026-09"), ids[6])
    verified(made("2026-09"), outcome=ids[11])
    verified(made("2027-01"))
    assert not [row for row in rows_of(42)["StatementsTable"] if row["id"]["S"].startswith("unfinished")]


def test_no_unfinished_work_is_stored_once_another_call_has_made_the_statement(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    september(clock)
    clock.at("2026-09-20T12:00:00Z")
    record()
    clock.at("2026-11-20T12:00:00Z")
    made("2026-09", "UTC")
    monkeypatch.setattr(chain, "MAX_ENTRIES", 1)

    def make() -> None:
        monkeypatch.setattr(chain, "MAX_ENTRIES", 2)
        made("2026-09")

    with before_call(1, make, "TransactWriteItems"):
        assert ask("2026-09")[0] == 503
    assert not [row for row in rows_of(42)["StatementsTable"] if row["id"]["S"].startswith("unfinished")]


def test_unfinished_work_does_not_count_after_an_import(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_ENTRIES", 1)
    september(clock)
    clock.at("2026-09-20T12:00:00Z")
    record()
    clock.at("2026-11-20T12:00:00Z")
    assert ask("2026-09")[0] == 503
    imports(Imports(epoch=1, changes=1))
    clock.at("2026-09-10T12:00:00Z")
    imported = record()
    clock.at("2026-11-20T12:00:00Z")
    text = made("2026-09")
    assert head(text)["size"] == 3
    verified(text, outcome=imported)


@pytest.mark.parametrize("version", ["another version", "a version that stored no rules", "one that stored no agents"])
def test_unfinished_work_does_not_count_after_the_rules_of_time_zones_changed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(chain, "MAX_ENTRIES", 1)
    clock.at("2026-08-31T22:30:00Z")
    record(title="In September by the old rules, in August by the new ones")
    september(clock)
    clock.at("2026-09-20T12:00:00Z")
    record()
    clock.at("2026-11-20T12:00:00Z")
    assert ask("2026-09")[0] == 503
    if version == "another version":
        for module in (chain, work):
            monkeypatch.setattr(module, "RULES", "outcomes-statement/1 2099z")
    else:
        [row] = [row for row in rows_of(42)["StatementsTable"] if row["id"]["S"].startswith("unfinished")]
        del row[version.rpartition(" ")[2]]
        aws_client("dynamodb").put_item(TableName="StatementsTable", Item=row)
    utc = period.time_zone("UTC")
    monkeypatch.setattr("outcomes.statements.months.time_zone", lambda _name: utc)
    august, september_ = made("2026-08"), made("2026-09")
    assert [head(text)["size"] for text in (august, september_)] == [1, 2]
    verified(september_, august)


def test_an_import_and_a_statement_exclude_each_other(clock: Clock) -> None:
    september(clock)
    imports(Imports(epoch=1, runs={"r1": clock.now + 60_000}, changes=1))
    assert ask("2026-09") == (503, {"error": "Still adding up"})
    clock.now += 120_000  # by now, the import no longer blocks statements
    text = made("2026-09")
    assert imports() == Imports(1, {"r1": clock.now - clock.now % 1 and imports().runs["r1"]}, 3, MONTHS["2026-09"])
    made("2026-10")
    assert imports().cut == MONTHS["2026-10"]
    made("2026-09", "UTC")
    assert imports().cut == MONTHS["2026-10"]  # the cut never moves back
    verified(text)


def test_the_undo_of_an_import_is_an_adjustment_of_the_month_of_the_undo(clock: Clock, tmp_path: Path) -> None:
    rows = [old_row(1, instants.read("2026-09-15T12:00:00Z"))]
    file = write_ndjson(tmp_path / "old.ndjson", rows)
    clock.at("2026-10-05T12:00:00Z")
    import_all(file)
    clock.at("2026-11-20T12:00:00Z")
    text = made("2026-09")
    undo_all(file)
    assert "standing" not in rows_of(42)["OutcomesTable"][0]
    undo_all(file, force=True)
    clock.at("2026-12-05T12:00:00Z")
    november = made("2026-11")
    assert made("2026-09") == text
    assert [head(each)["totals"]["count"] for each in (text, made("2026-10"), november)] == [1, 0, 0]
    [adjustment] = head(november)["adjustments"]
    assert adjustment["to"] == MONTHS["2026-09"]
    assert (adjustment["totals"]["count"], adjustment["totals"]["voided"]["count"]) == (-1, 1)
    verified(text)
    verified(november, made("2026-10"))


def test_a_request_that_is_killed_before_any_of_its_calls_leaves_a_whole_chain(clock: Clock) -> None:
    september(clock)
    clock.at("2026-12-20T12:00:00Z")

    def kill() -> None:
        raise Killed

    answers: list[tuple[int, Any]] = []
    for number in count(1):
        with before_call(number, kill) as calls, suppress(Killed):
            answers.append(ask("2026-11"))
        if len(calls) < number:
            break
    [(status, text)] = answers
    assert status == 200
    for month, before in (("2026-09", None), ("2026-10", "2026-09"), ("2026-11", "2026-10")):
        verified(made(month), made(before) if before else None)
    assert made("2026-11") == text


@pytest.mark.parametrize("lost", [True, False])
def test_an_answer_that_is_lost_is_a_500_and_the_next_call_returns_the_statement(clock: Clock, lost: bool) -> None:
    september(clock)
    post = Connection.post

    def lose(connection: Connection, headers: Mapping[str, str], body: bytes, *request: Any, **more: Any) -> Reply:
        if headers["x-amz-target"].endswith("TransactWriteItems") and b"listed#" in body:
            if lost:
                post(connection, headers, body, *request, **more)
            raise TimeoutError("timed out")
        return post(connection, headers, body, *request, **more)

    with patch.object(Connection, "post", lose):
        assert ask("2026-09") == (500, {"error": "Failed to make or read a statement"})
    verified(made("2026-09"))


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_secret_within_a_chain_ends_the_previous_key_and_both_verify(clock: Clock) -> None:
    september(clock)
    assert json.loads(keys()) == {"keys": []}
    first = made("2026-09")
    secrets = aws_client("secretsmanager")
    secrets.put_secret_value(SecretId="StatementSecret", SecretString="another secret")
    clock.at("2026-11-21T12:00:00Z")
    second = made("2026-10")
    verified(first)
    verified(second, first)
    old, new = json.loads(keys())["keys"]
    assert (old["valid_from"], new["valid_from"]) == (head(first)["issued_at"], head(second)["issued_at"])
    assert (old["valid_until"], new["valid_until"]) == ("2026-11-21T12:02:00.000Z", None)
    # Restore the old secret. Its key is no longer valid, so it cannot sign.
    secrets.put_secret_value(SecretId="StatementSecret", SecretString="the secret of the tests")
    clock.at("2026-12-20T12:00:00Z")
    assert ask("2026-11")[0] == 500
    secrets.put_secret_value(SecretId="StatementSecret", SecretString="a third secret")
    verified(made("2026-11"), second)


READS_KEYS = 3
"""The query that reads the public keys. Those before it read the statements and the first entry."""


def publish(clock: Clock) -> None:
    """Make a statement of user 43, which publishes the signing key."""
    clock.at("2026-09-15T12:00:00Z")
    record(43)
    clock.at("2026-11-20T12:00:01Z")
    made("2026-09", user_id=43)


@pytest.mark.parametrize(("number", "operation"), [(READS_KEYS, "Query"), (1, "TransactWriteItems")])
def test_a_call_with_the_text_of_before_a_rotation_does_not_end_the_new_key(
    clock: Clock, number: int, operation: str
) -> None:
    """The rotation comes before the call reads the public keys, or after that and before it publishes its own."""
    september(clock)
    secrets = aws_client("secretsmanager")

    def rotate() -> None:
        """Rotate the secret, and make a statement of user 43. User 42's request has already read the old secret."""
        secrets.put_secret_value(SecretId="StatementSecret", SecretString="another secret")
        publish(clock)

    with before_call(number, rotate, operation):
        verified(ask("2026-09")[1])
    ends = [each["valid_until"] for each in json.loads(keys())["keys"]]
    assert sorted(ends, key=str) == ["2026-11-20T12:02:01.000Z", None]
    verified(made("2026-10", user_id=43), user_id=43)


def test_a_key_that_another_call_publishes_meanwhile_signs(clock: Clock) -> None:
    september(clock)
    with before_call(READS_KEYS, lambda: publish(clock), "Query"):
        verified(made("2026-09"))
    assert [each["valid_until"] for each in json.loads(keys())["keys"]] == [None]


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ([cancelled("ThrottlingError")], 503),
        ([cancelled("ConditionalCheckFailed"), fine], 200),
        ([fine, cancelled("ThrottlingError")], 503),
        ([cancelled("ItemCollectionSizeLimitExceeded")], 500),
    ],
)
def test_a_throttled_table_of_statements_is_busy(clock: Clock, faults: list[Fault], status: int) -> None:
    september(clock)
    with faulty(app.statements().dynamodb, "TransactWriteItems", *faults):  # the first one publishes the signing key
        assert ask("2026-09")[0] == status
    verified(made("2026-09"))


def test_no_statement_is_signed_before_its_key_is_valid_though_clocks_of_the_service_differ(clock: Clock) -> None:
    september(clock)

    def another_clock() -> None:
        clock.now -= 1000

    with before_call(1, another_clock, "TransactWriteItems"):  # this transaction publishes the signing key
        verified(made("2026-09"))
    clock.now -= 2000
    verified(made("2026-10"), made("2026-09"))


def test_the_secret_of_an_empty_text_signs_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    september(clock)
    monkeypatch.setattr(app.statements().secrets_manager, "call", lambda *_: {"SecretString": "", "CreatedDate": 0})
    assert ask("2026-09")[0] == 500


# ── Erasure ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_erasure_between_any_two_calls_leaves_no_statement_that_is_served_later(clock: Clock) -> None:
    for number in count(1):
        clock.at("2026-09-15T12:00:00Z")
        record(title="Secret")
        clock.at("2026-11-20T12:00:00Z")
        user = head(made("2026-09"))["user"]
        with before_call(number, erase) as calls:
            status, answer = ask("2026-10")
        if len(calls) < number:
            break
        assert status in {200, 409, 503}, answer
        assert status != 200 or head(answer)["user"] == user
        assert "StatementsTable" not in rows_of(42)
        assert call("GET", f"{ID}/entries", parameters=in_path(f"2026-09@{BERLIN}"))[0] == 404
        assert call("GET", ID, parameters=in_path(f"2026-09@{BERLIN}"))[0] == 404
    assert number > 8


@pytest.mark.parametrize("part", ["", "/entries", "/proof"])
def test_an_erasure_between_any_two_calls_of_a_read_leaves_the_whole_answer_or_none(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(statement_rows, "PART_BYTES", 300)  # each statement needs several rows
    monkeypatch.setattr(tree, "SUBTREE", 1)
    monkeypatch.setattr(tree, "GROUP", 2)
    for number in count(1):
        outcome = september(clock)
        clock.at("2026-09-16T12:00:00Z")
        for title in "New", "Newer":
            correct(outcome, KEY, AMEND | {"changes": {"title": title}})
        clock.at("2026-11-20T12:00:00Z")
        made("2026-09")
        path: dict[str, Any] = {"parameters": in_path(f"2026-09@{BERLIN}"), "query": {"outcome": outcome}}
        whole = call("GET", ID + part, **path)[:2]
        assert whole[0] == 200
        with before_call(number, erase) as calls:
            answer = call("GET", ID + part, **path)[:2]
        assert answer == whole or answer[0] == 404, answer
        if len(calls) < number:
            break
        assert call("GET", ID + part, **path)[0] == 404
    assert number > 3


def test_a_later_user_of_the_same_id_has_another_name_and_a_new_chain(clock: Clock) -> None:
    september(clock)
    first = head(made("2026-10"))
    erase()
    clock.at("2026-10-15T12:00:00Z")
    record()
    clock.at("2026-11-20T12:00:00Z")
    second = made("2026-10")
    verified(second)
    assert head(second)["user"] != first["user"]
    assert head(second)["previous"] is None
    assert ask("2026-09")[0] == 409


# ── Requests that are refused ─────────────────────────────────────────────────────────────────────────────────────────

WORDS = {
    "period": "must be a month, such as 2026-10",
    "timezone": "must be an IANA time zone, such as Europe/Berlin, or null",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("period", value)
            for value in (None, 2026, "", "2026-13", "2026-00", "2026-1", "2026-Q4", "2026", "1969-12")
        ),
        *(("period", value) for value in ("9999-01", "2026-10 ", "2026-10\n", "٢٠٢٦", "2026-10@UTC", ["2026"])),
        *(("timezone", value) for value in (1, "", "localtime", "Europe/berlin", "../UTC", "Mars/Olympus", "UTC#1")),
    ],
)
def test_a_malformed_field_is_a_400_with_its_rule(clock: Clock, field: str, value: Any) -> None:
    assert clock
    body = {"period": "2026-10", "timezone": "UTC"} | {field: value}
    status, answer = ask(**body)
    assert (status, answer) == (
        400,
        {"error": f"Invalid {field}", "details": [{"field": field, "message": WORDS[field]}]},
    )


def test_unknown_fields_are_ignored_and_the_zone_is_utc_by_default(clock: Clock) -> None:
    september(clock)
    body = {"period": "2026-09", "zone": "UTC"}
    status, text, headers = call("POST", "/api/statements", body=body)
    assert (status, head(text)["timezone"], headers["Ignored-Fields"]) == (200, "UTC", "zone")


@pytest.mark.parametrize(
    ("at", "wanted", "message"),
    [
        ("2026-10-31T23:09:59.999Z", "2026-10", "can be requested from 2026-10-31T23:10:00.000Z on"),
        ("2026-10-31T23:09:59.999Z", "9998-12", "can be requested from 9998-12-31T23:10:00.000Z on"),
        ("2026-10-31T23:10:00Z", "2026-08", "is before the first entry"),
        ("2026-10-31T23:10:00Z", "1970-01", "is before the first entry"),
        ("2026-10-31T23:10:00Z", "2026-10", None),
    ],
)
@pytest.mark.parametrize("has_statement", [True, False])
def test_a_period_that_is_not_over_or_before_the_first_entry_is_a_409(
    clock: Clock, at: str, wanted: str, message: str | None, has_statement: bool
) -> None:
    september(clock)
    if has_statement:
        made("2026-09")
    clock.at(at)
    status, answer = ask(wanted)
    details = {"error": "Not possible", "details": [{"field": "period", "message": message}]}
    assert (status, status == 200 or answer) == (409 if message else 200, details if message else True)


@pytest.mark.parametrize(
    ("module", "limit", "message"),
    [
        (chain, "MAX_RESPONSE_BYTES", "has more than 6 MB of sums in 2026-09"),
        (statement_rows, "MAX_BYTES", "has too many entries in 2026-09: some 10 million are possible"),
    ],
)
@pytest.mark.parametrize("most_entries", [1, 100])
def test_a_statement_that_no_response_or_transaction_has_room_for_is_a_409_and_not_stored(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, module: ModuleType, limit: str, message: str, most_entries: int
) -> None:
    september(clock)
    clock.at("2026-09-16T12:00:00Z")
    record(agentId=8)
    clock.at("2026-11-20T12:00:00Z")
    monkeypatch.setattr(chain, "MAX_ENTRIES", most_entries)
    monkeypatch.setattr(module, limit, 300)
    details = [{"field": "period", "message": message}]
    for month in ("2026-09", "2026-10"):
        assert ask(month) == (409, {"error": "Not possible", "details": details})
    assert "StatementsTable" not in rows_of(42)
    monkeypatch.setattr(module, limit, 3000)
    assert head(made("2026-09"))["totals"]["count"] == 2


def test_a_user_without_entries_has_no_statement(clock: Clock) -> None:
    clock.at("2026-11-20T12:00:00Z")
    details = [{"field": "period", "message": "is before the first entry"}]
    assert ask("2026-10") == (409, {"error": "Not possible", "details": details})
    assert rows_of(42) == {}


@pytest.mark.parametrize(
    "id_",
    [
        "",
        "x",
        "2026-09",
        "2026-09@UTC",
        "2026-09@Europe~Berlin#1",
        "listed#",
        "user",
        "2026-09@",
        "2026-11@Europe~Berlin",
    ],
)
@pytest.mark.parametrize("part", ["", "/entries", "/proof"])
def test_an_unknown_id_is_a_404_also_if_a_row_has_it(clock: Clock, id_: str, part: str) -> None:
    outcome = september(clock)
    made("2026-09")
    assert call("GET", ID + part, parameters={"id": id_}, query={"outcome": outcome})[0] == 404


def test_another_users_statement_and_outcome_are_a_404(clock: Clock) -> None:
    outcome = september(clock)
    clock.at("2026-09-20T12:00:00Z")
    theirs = record(43)
    clock.at("2026-11-20T12:00:00Z")
    later = record()
    made("2026-09")
    made("2026-09", user_id=43)
    id_ = f"2026-09@{BERLIN}"
    assert proof(id_, outcome)[0] == 200
    for other in (theirs, later, "", "x", outcome.lower()):
        assert proof(id_, other)[0] == 404
    assert call("GET", f"{ID}/proof", parameters=in_path(id_))[:2] == (400, '{"error":"Invalid outcome"}')
    assert call("GET", ID, 44, parameters=in_path(id_))[0] == 404


def test_a_cursor_of_an_earlier_time_adds_no_entry_of_another_statement(clock: Clock) -> None:
    outcome = september(clock)
    clock.at("2026-10-15T12:00:00Z")
    record()
    clock.at("2026-11-20T12:00:00Z")
    made("2026-10")
    first = {"cursor": cursor.after(outcome[:-1] + ("0" if outcome[-1] != "0" else "1"))}
    path = in_path(f"2026-10@{BERLIN}")
    assert call("GET", f"{ID}/entries", parameters=path, query=first)[1] == entries(f"2026-10@{BERLIN}")


@pytest.mark.parametrize(
    "text", ["", "x", "AAAA", "8209187200000-2026-09", "820918720000-2026-09@UTC", "8209187200000#2026-09@UTC"]
)
def test_a_cursor_that_no_page_had_is_a_400(clock: Clock, text: str) -> None:
    september(clock)
    made("2026-09")
    for path in ("/api/statements", f"{ID}/entries"):
        status, answer, _ = call("GET", path, parameters=in_path(f"2026-09@{BERLIN}"), query={"cursor": text})
        assert (status, answer) == (400, '{"error":"Invalid cursor"}')


@pytest.mark.parametrize("caller", [KEY, KEY | {"reads": "42"}, agent("record"), agent("correct backfill")], ids=str)
def test_only_the_owner_and_agents_that_may_read_get_a_statement(clock: Clock, caller: Any) -> None:
    september(clock)
    assert ask("2026-09", caller=caller)[0] == 403
    assert "StatementsTable" not in rows_of(42)
    assert ask("2026-09", caller=session(42)) == ask("2026-09", caller=agent("read"))
