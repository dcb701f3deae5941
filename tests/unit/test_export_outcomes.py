"""Test GET /api/outcomes/export, from the Lambda event to the file."""

import csv
import io
import json
import math
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes.contract import json_text
from outcomes.contract.json_text import response_bytes
from outcomes.contract.models import NewOutcome
from outcomes.contract.outcome_fields import LATER

from functions.export_outcomes import app
from functions.list_outcomes import app as list_outcomes
from tests.corrections import correct
from tests.events import proxy_event, session
from tests.faults import THROTTLED, error, faulty, fine

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
PLAIN = {"outcomeType": "deal_closed", "title": "Closed"}
COLUMNS = [
    *("id", "user_id", "agent_id", "outcome_type", "title", "description", "value_usd", "metadata", "created_at"),
    *("occurred_at", "status", "recorded_by"),
    *LATER[1:],
]
LAMBDA_RESPONSE_LIMIT = 6 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

pytestmark = pytest.mark.usefixtures("tables")


def add(milliseconds: int = NOON, user: int = 42, **fields: Any) -> str:
    """Record an outcome. Any text is stored, because a file is safe whatever the rules for texts are."""
    texts: dict[str, Any] = {name: fields.pop(name) or None for name in ("title", "description") if name in fields}
    outcome = NewOutcome.parse(PLAIN | fields, session_user=user)._replace(**texts)
    return app.store.add(outcome, "session", milliseconds=milliseconds)


def get(user: int = 42, authorizer: dict[str, Any] | None = None, **query: Any) -> dict[str, Any]:
    query = {name.rstrip("_"): value for name, value in query.items() if value is not None}
    event = proxy_event("GET", "/api/outcomes/export", authorizer=authorizer or session(user), query=query)
    return app.handler(event, None)


def parts(**query: Any) -> list[dict[str, Any]]:
    """Request all parts of the file by following the cursors."""
    found = [get(**query)]
    while cursor := found[-1]["headers"].get("Next-Cursor"):
        found.append(get(cursor=cursor, **query))
    assert {part["statusCode"] for part in found} == {200}
    return found


def text(**query: Any) -> str:
    return "".join(part["body"] for part in parts(**query))


def rows(**query: Any) -> list[dict[str, Any]]:
    return [json_text.read(line) for line in text(format="ndjson", **query).splitlines()]


def cells(**query: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text(format="csv", **query), newline="")))


def listed(**query: Any) -> list[dict[str, Any]]:
    query |= {"limit": "50", "include": "ledger", "status": ["recorded", "confirmed", "disputed"]}
    answer = list_outcomes.handler(proxy_event("GET", authorizer=session(42), query=query), None)
    found: list[dict[str, Any]] = json_text.read(answer["body"])["outcomes"]
    return found


def test_a_row_is_an_outcome_as_a_list_with_the_ledger_has_it() -> None:
    add(
        valueUsd=Decimal("12500.50"), agentId=Decimal(7), metadata={"n": Decimal("1e2"), "s": "\u2028"}, description="d"
    )
    add(NOON + 1, title='ü, "x"\n\u0007')
    [newest, first] = rows()
    assert sorted(first) == sorted(COLUMNS)
    assert [newest, first] == [{name: one[name] for name in COLUMNS} for one in listed()]


def test_csv_is_a_heading_and_the_same_rows() -> None:
    add(valueUsd=Decimal("-5"), agentId=Decimal(7), metadata={"a": 'b "c"'}, description='two\r\nlines, and a "quote"')
    id_ = add(NOON + 1)
    heading, plain, _ = text().split("\r\n", 2)
    assert heading == ",".join(COLUMNS)
    assert plain == (
        f'{id_},42,,deal_closed,"Closed",,,,2026-04-01T12:00:00.001Z,2026-04-01T12:00:00.001Z,recorded,session'
        + "," * len(LATER[1:])
    )
    [_, full] = cells()
    assert (full["value_usd"], full["agent_id"], full["metadata"]) == ("-5", "7", '{"a":"b \\"c\\""}')
    assert full["description"] == 'two\r\nlines, and a "quote"'


@pytest.mark.parametrize(
    ("format_", "media_type", "name"),
    [
        (None, "text/csv; charset=utf-8; header=present", "outcomes.csv"),
        ("csv", "text/csv; charset=utf-8; header=present", "outcomes.csv"),
        ("ndjson", "application/x-ndjson", "outcomes.ndjson"),
    ],
)
def test_an_answer_is_a_file(format_: str | None, media_type: str, name: str) -> None:
    headers = get(format=format_)["headers"]
    assert headers["Content-Type"] == media_type
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert "Next-Cursor" not in headers


def test_without_outcomes_the_file_has_its_heading_alone_or_nothing() -> None:
    assert text(format="csv") == ",".join(COLUMNS) + "\r\n"
    assert text(format="ndjson") == ""
    assert text(format="csv", from_="2026-04-02", to="2026-04-01") == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize(
    ("title", "written"),
    [
        *((title, f"'{title}") for title in ("=1+1", "+1", "-5 degrees", "@SUM(A1)", " =1", "\u200b=1", "\uff1d1")),
        *((title, f"'{title}") for title in ("\tx", "\rx", "\nx", '=cmd|"/c calc"!A1', "-2+3", "\x00=1")),
        *((other, other) for other in ("5-3", "a=b", "'a", "(1)", "$5", "a;b", "a, =1", "\u00fc+", "5")),
        ("x;=1+1", "x;'=1+1"),
        ("x;=1;-2;y", "x;'=1;'-2;y"),
        ('x; \u200b"=1', "x;' \u200b\"=1"),
        ("x\t=1", "x\t'=1"),
        ("x\n=1", "x\n'=1"),
        ("x\r\n@A1", "x\r\n'@A1"),
        ("=1;=2", "'=1;'=2"),
        *((guarded, f"'{guarded}") for guarded in ("'=1", "'' =1", "''\tx")),  # so that an import can remove one
        ("x;'=1", "x;''=1"),
    ],
)
def test_formulas_are_escaped_at_the_beginning_and_after_separators(title: str, written: str) -> None:
    """If a locale has a decimal comma, Excel splits lines at semicolons, and then ignores quotes within a cell."""
    add(title=title, description=title, metadata={"a": "x;=1"})
    [row] = cells()
    assert (row["title"], row["description"], row["metadata"]) == (written, written, '{"a":"x;\'=1"}')
    for delimiter in ";\t":
        for line in csv.reader(io.StringIO(text(format="csv"), newline=""), delimiter=delimiter):
            assert not [cell for cell in line if cell.strip(' \u200b"')[:1] in {"=", "-", "@"}], line


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TEXTS, TEXTS)
def test_any_text_is_one_cell_and_one_line(title: str, description: str) -> None:
    id_ = add(title=title, description=description)
    row = next(row for row in cells() if row["id"] == id_)
    # The export may have added apostrophes, to escape formulas.
    assert len(row["title"]) >= len(title)
    assert row["title"].replace("'", "") == title.replace("'", "")
    assert row["description"].replace("'", "") == description.replace("'", "")
    assert next(row for row in rows() if row["id"] == id_)["title"] == title


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("format", value) for value in ("", "xml", "CSV", "jsonl", "csv,ndjson")),
        *(("cursor", "x"), ("from", "2026-02-30"), ("to", "now"), ("agentId", "0"), ("outcomeType", "Sale")),
    ],
)
def test_an_invalid_parameter_is_refused_by_name(name: str, value: str) -> None:
    query: dict[str, Any] = {name: value}
    response = get(**query)
    assert (response["statusCode"], response["body"]) == (400, f'{{"error":"Invalid {name}"}}')
    assert response["headers"]["Content-Type"] == "application/json"


def test_void_outcomes_are_omitted_and_others_have_their_status() -> None:
    ids = [add(NOON + index) for index in range(3)]
    correct(ids[0], session(42), {"type": "dispute", "reason": "No."})
    correct(ids[1], session(42), {"type": "void", "reason": "Twice"})
    assert [(row["id"], row["status"]) for row in rows()] == [(ids[2], "recorded"), (ids[0], "disputed")]


def test_parts_make_one_file_with_one_heading(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [add(NOON + index) for index in range(7)]
    whole = text(format="csv")
    monkeypatch.setattr("outcomes.ledger.store.MAX_RESPONSE_BYTES", 400)
    found = parts(format="csv")
    assert len(found) == 3
    assert [part["headers"]["Content-Type"].rpartition("=")[2] for part in found] == ["present", "absent", "absent"]
    assert "".join(part["body"] for part in found) == whole
    assert [row["id"] for row in rows()] == ids[::-1]


def test_a_cursor_of_a_list_goes_on_here() -> None:
    ids = [add(NOON + index) for index in range(3)]
    page = list_outcomes.handler(proxy_event("GET", authorizer=session(42), query={"limit": "1"}), None)
    assert [row["id"] for row in rows(cursor=json.loads(page["body"])["next_cursor"])] == ids[1::-1]


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_a_part_fills_a_response(format_: str) -> None:
    metadata = {"a": '\\"' * ((65536 - len('{"a":""}')) // 4)}
    for index in range(60):
        add(NOON + index, metadata=metadata, title='"' * 200, description="\u0001" * 1000)
    # Serialize like Lambda's runtime: https://github.com/aws/aws-lambda-python-runtime-interface-client
    sizes = [len(simplejson.dumps(part, ensure_ascii=False).encode()) for part in parts(format=format_)]
    assert len(sizes) == math.ceil(sum(sizes) / 6_000_000)
    assert max(sizes) < LAMBDA_RESPONSE_LIMIT
    assert min(sizes[:-1]) > 5_700_000
    assert len(rows()) == 60


@pytest.mark.parametrize("text", ["plain", 'a"b\\c', "\x00\x1f\x7f\r\n\t", "ü\U0001f389", "\u2028\u2029"])
def test_bytes_of_a_response_are_counted_as_the_runtime_writes_them(text: str) -> None:
    assert response_bytes(text) == len(simplejson.dumps(text, ensure_ascii=False).encode()) - 2


def test_slow_queries_end_a_part_early_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = {"a": "x" * 60_000}
    ids = [add(NOON + index, metadata=metadata) for index in range(40)]
    monkeypatch.setattr("outcomes.ledger.store.PAGE_SECONDS", -1)
    with faulty(app.store.dynamodb, "Query", fine) as calls:
        found = parts(format="ndjson")
    assert len(found) == len(calls) > 1
    assert [json.loads(line)["id"] for part in found for line in part["body"].splitlines()] == ids[::-1]


@pytest.mark.usefixtures("no_waiting")
def test_throttling_ends_a_part_early_and_loses_nothing() -> None:
    metadata = {"a": "x" * 60_000}
    ids = [add(NOON + index, metadata=metadata) for index in range(40)]
    with faulty(app.store.dynamodb, "Query", fine, error(THROTTLED), error(THROTTLED)):
        first = get(format="ndjson")
        found = [json.loads(line)["id"] for line in first["body"].splitlines()]
    assert 0 < len(found) < 40
    assert found + [row["id"] for row in rows(cursor=first["headers"]["Next-Cursor"])] == ids[::-1]
