"""Test lists and exports by the time when outcomes happened (time=occurred), and the attribute that they query."""

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from itertools import batched, chain, count
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.contract.models import NewOutcome
from outcomes.ledger import cursor as cursors
from outcomes.ledger.items import INDEX, indexed, new_item

from functions.export_outcomes import app as export_outcomes
from functions.list_outcomes import app as list_outcomes
from tests.aws import aws_client, scan
from tests.corrections import OWNER, correct, pages, stored
from tests.events import KEY, proxy_event
from tests.faults import Request, Send, faulty, fine

MINUTE = 60_000
BY = f"key:{'a' * 16}"
DAY = 24 * 60 * MINUTE
NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
PLAIN = {"outcomeType": "deal_closed", "title": "Closed"}
store = list_outcomes.store

pytestmark = pytest.mark.usefixtures("tables")


def add(recorded: int, happened: int | None = None, user: int | None = 42, by: str = "key", **fields: Any) -> str:
    """Record an outcome. recorded, happened: in milliseconds after noon."""
    body = PLAIN | fields | {"userId": None if user is None else Decimal(user)}
    body |= {} if happened is None else {"occurredAt": instants.text(NOON + happened)}
    return store.add(NewOutcome.parse(body, session_user=None), by, milliseconds=NOON + recorded)


def listed(**query: Any) -> list[str]:
    return [each["id"] for each in chain.from_iterable(pages(time="occurred", **query))]


def export(caller: dict[str, Any] = OWNER, **query: Any) -> list[str]:
    """Return the lines of an export, without the CSV header."""
    lines: list[str] = []
    while query.get("cursor", "") is not None:
        response = export_outcomes.handler(proxy_event("GET", authorizer=caller, query=query), None)
        assert response["statusCode"] == 200, response["body"]
        lines += response["body"].splitlines()
        query["cursor"] = response["headers"].get("Next-Cursor")
    return lines


def test_lists_and_exports_have_only_what_an_agent_key_recorded() -> None:
    """Both queries of a list by occurrence select it, with other filters too, and of each page's outcomes."""
    mine = [add(minute, minute - late, by=BY, agentId=Decimal(7)) for minute, late in ((1, 0), (5, 3), (9, 0))]
    for minute, by in enumerate(("key", "session", f"key:{'b' * 16}", "key:" + "A" * 16), 2):
        add(minute, minute - minute % 2, by=by)
    add(4, user=43, by=BY)
    for time in ("recorded", "occurred"):
        found = [each["id"] for each in chain.from_iterable(pages(recordedBy=BY, time=time, limit="1"))]
        lines = export(format="ndjson", recordedBy=BY, time=time)
        assert found == [json.loads(line)["id"] for line in lines] == mine[::-1], time
    assert listed(recordedBy=BY, agentId="none") == listed(recordedBy=f"key:{'c' * 16}") == []


def exported(**query: Any) -> list[str]:
    return [json.loads(line)["id"] for line in export(format="ndjson", time="occurred", **query)]


def happened(id_: str) -> str | None:
    [item] = [each for each in stored() if each["created_at"]["S"].endswith(f"Z#{id_}")]
    return item["happened"]["S"] if "happened" in item else None


@pytest.fixture
def ids(tables: dict[str, str]) -> list[str]:  # noqa: ARG001 (they must exist)
    """Record outcomes on time, late, long ago and early. Return their ids, sorted by occurred_at, newest first."""
    on_time = [add(minute * MINUTE) for minute in (1, 3)]
    late = add(5 * MINUTE, 2 * MINUTE)
    # These two happened at the same time as the first outcome.
    at_once = [add(6 * MINUTE, MINUTE), add(7 * MINUTE, MINUTE)]
    early = add(8 * MINUTE, 12 * MINUTE)
    backfilled = add(9 * MINUTE, -3000 * DAY)
    return [early, on_time[1], late, *sorted([on_time[0], *at_once], reverse=True), backfilled]


@pytest.mark.parametrize("limit", ["1", "2", "3", "50"])
def test_the_newest_happened_is_first_and_of_equal_instants_the_greater_id(ids: list[str], limit: str) -> None:
    assert listed(limit=limit) == ids
    assert exported() == ids


def test_a_file_is_the_same_however_many_parts_it_has(ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = export(format="csv", time="occurred")
    monkeypatch.setattr("outcomes.ledger.store.MAX_RESPONSE_BYTES", 400)
    assert export(format="csv", time="occurred") == whole
    assert [row["id"] for row in csv.DictReader(StringIO("\n".join(whole)))] == ids


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (MINUTE, 3 * MINUTE, [2, 3, 4, 5]),
        (MINUTE + 1, 3 * MINUTE + 1, [1, 2]),
        (None, MINUTE, [6]),
        (13 * MINUTE, None, []),
    ],
)
def test_from_and_to_are_about_when_it_happened(
    ids: list[str], since: int | None, until: int | None, found: list[int]
) -> None:
    range_ = {"from": since, "to": until}
    query = {name: instants.text(NOON + at) for name, at in range_.items() if at is not None}
    assert listed(**query) == exported(**query) == [ids[index] for index in found]


def test_recorded_is_the_default_order(ids: list[str]) -> None:
    newest_first = sorted(ids, reverse=True)
    queries: list[dict[str, Any]] = [{}, {"time": "recorded"}]
    for query in queries:
        assert [each["id"] for each in chain.from_iterable(pages(**query))] == newest_first
        assert [json.loads(line)["id"] for line in export(format="ndjson", **query)] == newest_first


def test_outcomes_without_a_user_are_merged_from_all_partitions() -> None:
    rows = [(minute, minute - 40 * (minute % 3)) for minute in range(60)]
    added = {(at, add(minute * MINUTE, at * MINUTE, user=None)) for minute, at in rows}
    expected = [id_ for _, id_ in sorted(added, reverse=True)]
    nobody = KEY | {"reads": "none"}
    for limit in ("7", "50"):
        found = pages(nobody, userId="none", time="occurred", limit=limit)
        assert [each["id"] for each in chain.from_iterable(found)] == expected
    lines = export(nobody, userId="none", time="occurred", format="ndjson")
    assert [json.loads(line)["id"] for line in lines] == expected


# ── The attribute ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("at", [None, 0])
def test_an_outcome_on_time_is_not_in_the_index(at: int | None) -> None:
    assert happened(add(0, at)) is None


@pytest.mark.parametrize("at", [-1, 1, -DAY])
def test_any_other_outcome_is_in_the_index_under_the_time_when_it_happened(at: int) -> None:
    id_ = add(0, at)
    assert happened(id_) == f"{instants.text(NOON + at)}#{id_}"
    [found] = aws_client("dynamodb").scan(TableName="OutcomesTable", IndexName=INDEX)["Items"]
    assert found == scan()[0]


AMENDED: dict[str, tuple[int | None, Any, int | None]] = {
    "on time, then late": (None, -DAY, -DAY),
    "on time, then the same time": (None, 0, None),
    "late, then later": (-DAY, -2 * DAY, -2 * DAY),
    "late, then on time": (-DAY, 0, None),
    "late, then without a time": (-DAY, None, None),
    "on time, then without a time": (None, None, None),
    "late, and another field": (-DAY, ..., -DAY),
    "on time, and another field": (None, ..., None),
}


@pytest.mark.parametrize(("before", "changed", "after"), AMENDED.values(), ids=AMENDED)
def test_an_amended_time_moves_the_outcome_in_the_same_write(
    before: int | None, changed: Any, after: int | None
) -> None:
    others = [add(-MINUTE), add(MINUTE)]
    id_ = add(0, before)
    changes: dict[str, Any] = {"valueUsd": 17}
    if changed is not ...:
        changes |= {"occurredAt": None if changed is None else instants.text(NOON + changed)}
    with faulty(store.dynamodb, "UpdateItem") as updates:
        status, _, _ = correct(id_, KEY, {"type": "amend", "reason": "Wrong", "changes": changes})
    assert (status, updates) == (200, [])
    assert happened(id_) == (None if after is None else f"{instants.text(NOON + after)}#{id_}")
    assert listed() == ([others[1], id_, others[0]] if after is None else [others[1], others[0], id_])


# ── Cursors and bad input ─────────────────────────────────────────────────────────────────────────────────────────────


def refused(app: Any, **query: Any) -> tuple[int, str]:
    response = app.handler(proxy_event("GET", authorizer=OWNER, query=query), None)
    return response["statusCode"], response["body"]


@pytest.mark.parametrize("app", [list_outcomes, export_outcomes])
@pytest.mark.parametrize("time", ["", "Occurred", "happened", "occurred,recorded", "occurred ", "1", "٣"])
def test_any_other_time_is_refused(app: Any, time: str) -> None:
    assert refused(app, time=time) == (400, '{"error":"Invalid time"}')


def cursor_of(time: str) -> str:
    query: dict[str, Any] = {"time": time, "limit": "1"}
    body = list_outcomes.handler(proxy_event("GET", authorizer=OWNER, query=query), None)["body"]
    cursor: str = json.loads(body)["next_cursor"]
    return cursor


def altered(cursor: str) -> list[str]:
    """Return the cursor with each character replaced, left out, or doubled."""
    changed = [
        cursor[:index] + other + cursor[index + 1 :]
        for index, char in enumerate(cursor)
        for other in ("", char * 2, "A" if char != "A" else "B", "é", "=", "+")
    ]
    return [each for each in changed if each != cursor]


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("app", [list_outcomes, export_outcomes])
def test_a_cursor_of_the_other_order_or_an_altered_one_is_refused(app: Any) -> None:
    of_occurred, of_recorded = cursor_of("occurred"), cursor_of("recorded")
    for time, others in {
        "occurred": [of_recorded, *altered(of_occurred), "", "2.", "3." + of_occurred[2:], "2." * 999],
        "recorded": [of_occurred, of_occurred[2:]],
    }.items():
        for cursor in others:
            assert refused(app, time=time, cursor=cursor) == (400, '{"error":"Invalid cursor"}'), cursor
    assert refused(app, time="occurred", cursor=of_occurred)[0] == 200


@pytest.mark.usefixtures("ids")
def test_a_cursor_holds_time_and_id_and_no_user() -> None:
    cursor = cursor_of("occurred")
    time, _, id_ = cursors.read_happened(cursor).partition("#")
    assert (time, id_) == (instants.text(NOON + 12 * MINUTE), listed()[0])
    assert export(format="ndjson", time="occurred", cursor=cursor)[0].startswith(f'{{"id":"{listed()[1]}"')


@pytest.mark.parametrize("instant", [0, instants.LAST_MILLISECOND])
def test_a_cursor_of_any_instant_is_read(instant: int) -> None:
    place = f"{instants.text(instant)}#{'7' + 'Z' * 25}"
    assert cursors.read_happened(cursors.after_happened(place)) == place
    assert refused(list_outcomes, time="occurred", cursor=cursors.after_happened(place))[0] == 200


# ── While others write ────────────────────────────────────────────────────────────────────────────────────────────────


def walk_list(cursor: str | None) -> tuple[list[str], str | None]:
    query: dict[str, Any] = {"time": "occurred", "limit": "3"} | ({"cursor": cursor} if cursor else {})
    body = json.loads(list_outcomes.handler(proxy_event("GET", authorizer=OWNER, query=query), None)["body"])
    return [each["id"] for each in body["outcomes"]], body["next_cursor"]


def walk_export(cursor: str | None) -> tuple[list[str], str | None]:
    query: dict[str, Any] = {"time": "occurred", "format": "ndjson"} | ({"cursor": cursor} if cursor else {})
    response = export_outcomes.handler(proxy_event("GET", authorizer=OWNER, query=query), None)
    return [json.loads(line)["id"] for line in response["body"].splitlines()], response["headers"].get("Next-Cursor")


@pytest.mark.parametrize("walk", [walk_list, walk_export])
@pytest.mark.parametrize("seed", range(5))
def test_each_outcome_is_met_once_while_others_are_recorded_or_corrected(
    walk: Callable[[str | None], tuple[list[str], str | None]], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outcomes.ledger.store.MAX_RESPONSE_BYTES", 2_000)
    draw = Random(seed)  # noqa: S311 - a schedule, not a secret
    last = 0

    def record() -> tuple[int, str]:
        nonlocal last
        last += draw.choice((1, MINUTE))
        at = draw.choice((last, last, last - 1, last - 7 * MINUTE, last + MINUTE, -DAY))
        return at, add(last, None if at == last else at)

    at_first = {id_: at for at, id_ in (record() for _ in range(40))}
    retimed: set[str] = set()
    met: list[str] = []
    cursor: str | None = None
    while True:
        found, cursor = walk(cursor)
        met += found
        if cursor is None:
            break
        for _ in range(draw.randrange(4)):
            record()
        id_ = draw.choice([*at_first])
        correct(id_, OWNER, {"type": draw.choice(("confirm", "dispute")), "reason": "Hm"})
        moved = draw.choice([*at_first])
        retimed.add(moved)
        change = instants.text(NOON + draw.choice((-MINUTE, at_first[moved], last)))
        correct(moved, KEY, {"type": "amend", "reason": "Hm", "changes": {"occurredAt": change}})
    unmoved = [id_ for id_ in met if id_ in at_first and id_ not in retimed]
    expected = sorted(at_first.keys() - retimed, key=lambda id_: (at_first[id_], id_), reverse=True)
    assert len(retimed) < 40
    assert unmoved == expected


# ── Reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_table_is_read_consistently_and_one_more_query_reads_the_index() -> None:
    reads = []

    def read(request: Request, send: Send) -> Any:
        reads.append((request.body.get("IndexName"), request.body.get("ConsistentRead")))
        return send()

    for app, read_all in ((list_outcomes, listed), (export_outcomes, exported)):
        with faulty(app.store.dynamodb, "Query", read):
            read_all()
    assert reads == [(None, True), (INDEX, None)] * 2


def backfill(number: int) -> None:
    """Record outcomes of last year, a millisecond apart."""
    body = PLAIN | {"occurredAt": "2025-04-01T12:00:00Z"}
    items = [new_item(NewOutcome.parse(body, session_user=42), "key", NOON + index)[1] for index in range(number)]
    for some in batched(items, 25, strict=False):
        puts: Any = [{"PutRequest": {"Item": indexed(item)}} for item in some]
        aws_client("dynamodb").batch_write_item(RequestItems={"OutcomesTable": puts})


def test_outcomes_before_many_late_ones_are_found_page_by_page() -> None:
    wanted = [add(-MINUTE), add(-2 * MINUTE), add(-3 * MINUTE, -4 * MINUTE)]
    backfill(1_100)
    query: dict[str, Any] = {"time": "occurred", "limit": "2", "from": "2026-04-01", "to": "2026-04-02"}
    with faulty(store.dynamodb, "Query", fine) as calls:
        found = list(pages(**query))
    assert [each["id"] for each in chain.from_iterable(found)] == wanted
    assert len(calls) <= 6 * len(found)
    assert len(found) <= 4


def test_a_slow_query_of_the_table_leaves_time_to_that_of_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [add(index, -DAY) for index in range(100)]
    ticks = count(step=2)  # each read of the clock advances it by two seconds
    monkeypatch.setattr("outcomes.ledger.store.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    found = list(pages(time="occurred", limit="2"))
    # The query of the table ran out of time. It may still find newer outcomes than the query of the index has found.
    assert found[0] == []
    assert [each["id"] for each in chain.from_iterable(found)] == ids[::-1]
